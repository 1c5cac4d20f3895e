//! Surrogates of targets that read texts: the mean of the embeddings of a text's words, then dense layers.
//!
//! The words are those of the texts that it is trained on, so that nothing need be known of how the target reads them. Where
//! there are fewer texts than queries, more are made of them, with some words drawn from others.

mod bag;
mod graph;

use std::sync::atomic::AtomicBool;

use scoville_kernels::{Device, INVALID};
use scoville_onnx::Graph;
use scoville_targets::TextTarget;
use scoville_targets::text::{Labels, Scores, predicted};
use scoville_text::Tokenizer;

use crate::network::Network;
use crate::oracle::{Answer, answers};
use crate::random::Random;
use crate::recipe::{Figures, HELD_OUT, LEAST, MOST_HELD_OUT, Recipe, heed};
use crate::{Error, adam};
use bag::Bags;

/// Texts that go to the target at once.
const BATCH: usize = 128;
/// Of so many words of a text that is made, one is drawn from another.
const DRAWN: usize = 4;

/// A target that reads texts, by what is asked of it.
#[derive(Clone, Copy)]
pub enum TextOracle<'a> {
    /// The predicted class alone.
    Labels(&'a dyn Labels),
    /// Logits or probabilities.
    Scores(&'a dyn Scores),
}

impl TextOracle<'_> {
    fn classes(&self) -> usize {
        match self {
            TextOracle::Labels(target) => target.classes(),
            TextOracle::Scores(target) => target.classes(),
        }
    }

    /// The answer to each text, `None` where it is not finite.
    fn ask(&self, texts: &[String], stop: &AtomicBool) -> Result<Vec<Option<Answer>>, Error> {
        let (mut labels, mut scores) = (Vec::new(), Vec::new());
        for texts in texts.chunks(BATCH) {
            heed(stop)?;
            match self {
                TextOracle::Labels(target) => labels.extend(target.labels(texts)?),
                TextOracle::Scores(target) => scores.extend(target.scores(texts)?),
            }
        }
        if let TextOracle::Scores(_) = self {
            labels = predicted(&scores, self.classes());
        }
        Ok(answers(&labels, &scores, self.classes()))
    }
}

/// A trained network of token ids.
pub struct TextSurrogate {
    pub graph: Graph,
    pub tokenizer: Tokenizer,
    pub figures: Figures,
    words: Vec<String>,
}

impl TextSurrogate {
    /// It as files: an ONNX model, its vocabulary, and the target.toml that names both.
    pub fn files(&self, model: &str, vocabulary: &str) -> [Vec<u8>; 3] {
        let text = format!(
            "[model]\npath = {}\n\n[text]\ntokenizer = \"vocab\"\nvocabulary = {}\nlength = {}\npadding = {}\n\
             lower = true\npattern = {}\n",
            quoted(model),
            quoted(vocabulary),
            self.tokenizer.length,
            self.tokenizer.padding,
            quoted(bag::PATTERN),
        );
        let model = scoville_onnx::encode::to_bytes(&self.graph);
        [
            model,
            bag::lines(&self.words).into_bytes(),
            text.into_bytes(),
        ]
    }
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.into(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// Trains a surrogate on what `oracle` says of `texts`. Of those that the budget allows one in five is held out; what is left
/// of the budget goes to texts made of the others. Setting `stop` ends it.
pub fn train_on_texts(
    oracle: TextOracle<'_>,
    texts: &[String],
    recipe: Recipe,
    stop: &AtomicBool,
) -> Result<TextSurrogate, Error> {
    let rows = texts.len().min(recipe.queries);
    if rows < LEAST {
        return Err(Error::TooFew(rows));
    }
    let held_out = (rows / HELD_OUT).min(MOST_HELD_OUT);
    let (own, held) = texts[..rows].split_at(rows - held_out);
    let bags = Bags::new(own, recipe.queries)?;
    let mut random = Random(recipe.seed);
    let mut texts = own.to_vec();
    let words: Vec<Vec<&str>> = own.iter().map(|t| t.split_whitespace().collect()).collect();
    for i in 0..recipe.queries - rows {
        heed(stop)?;
        texts.push(mixed(&words, i % own.len(), &mut random));
    }
    let answers = oracle.ask(&texts, stop)?;
    let finite = |(_, answer): &(&String, &Option<Answer>)| answer.is_some();
    let samples = own.iter().zip(&answers).filter(finite).count();
    if samples < LEAST - 1 {
        return Err(Error::NotFinite(own.len() - samples, own.len()));
    }
    let (mut x, mut wanted) = (Vec::new(), Vec::new());
    for (text, answer) in texts.iter().zip(answers) {
        if let Some(answer) = answer {
            x.extend(bags.of(text));
            wanted.extend(answer.probabilities);
        }
    }
    let learnt = wanted.len() / oracle.classes();
    let network = Network::new(&[bags.words()], oracle.classes(), &x, &mut random);
    let mut network = network.ok_or_else(|| Error::Shape(vec![bags.words()]))?;
    let scaled = network.scaled(&x);
    drop(x);
    adam::fit(
        &mut network,
        &scaled,
        &wanted,
        recipe.steps,
        &mut random,
        &|| heed(stop),
    )?;
    let graph = graph::graph(&network, bags.tokenizer.length)?;
    let answers = oracle.ask(held, stop)?;
    Ok(TextSurrogate {
        figures: Figures {
            queries: recipe.queries,
            samples,
            synthetic: learnt - samples,
            held_out,
            agreed: agreed(graph.clone(), &bags.tokenizer, held, &answers)?,
        },
        graph,
        words: bags.tokenizer.vocabulary().to_vec(),
        tokenizer: bags.tokenizer,
    })
}

/// Text `i` of so many words, with some of them drawn from the others.
fn mixed(texts: &[Vec<&str>], i: usize, random: &mut Random) -> String {
    let words = texts[i].iter().map(|&word| {
        if random.below(DRAWN) > 0 {
            return word;
        }
        let other = &texts[random.below(texts.len())];
        match other.len() {
            0 => word,
            n => other[random.below(n)],
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Of `texts`, those that the surrogate classifies as the target did.
fn agreed(
    graph: Graph,
    tokenizer: &Tokenizer,
    texts: &[String],
    answers: &[Option<Answer>],
) -> Result<usize, Error> {
    let model = TextTarget::of_tokens(graph, tokenizer.clone(), None, false, &Device::Cpu)?;
    let labels = model.in_batches_of(BATCH).labels(texts)?;
    let alike = |(label, answer): (u32, &Option<Answer>)| match answer {
        Some(answer) => label != INVALID && answer.label == label as usize,
        None => false,
    };
    Ok(labels
        .into_iter()
        .zip(answers)
        .filter(|pair| alike((pair.0, pair.1)))
        .count())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;

    use scoville_targets::text::Gradients;

    use super::*;

    const GOOD: [&str; 3] = ["good", "fine", "Great"];
    const BAD: [&str; 3] = ["bad", "dull", "awful"];

    /// Counts words of praise and of blame; says probabilities or logits, or nothing finite of `nan`.
    #[derive(Default)]
    struct Critic {
        asked: AtomicUsize,
        shares: bool,
    }

    impl Labels for Critic {
        fn classes(&self) -> usize {
            2
        }

        fn batch(&self) -> usize {
            8
        }

        fn labels(&self, texts: &[String]) -> Result<Vec<u32>, scoville_targets::Error> {
            Ok(predicted(&self.scores(texts)?, 2))
        }
    }

    impl Scores for Critic {
        fn scores(&self, texts: &[String]) -> Result<Vec<f32>, scoville_targets::Error> {
            self.asked.fetch_add(texts.len(), Relaxed);
            let scores = |text: &String| {
                let count = |of: [&str; 3]| text.split(' ').filter(|w| of.contains(w)).count();
                let lead = count(GOOD) as f32 - count(BAD) as f32;
                match (text.contains("nan"), self.shares) {
                    (true, _) => [f32::NAN; 2],
                    (false, true) => {
                        let praise = 1.0 / (1.0 + (-3.0 * lead).exp());
                        [1.0 - praise, praise]
                    }
                    (false, false) => [0.0, 3.0 * lead],
                }
            };
            Ok(texts.iter().flat_map(scores).collect())
        }
    }

    fn texts(n: usize) -> Vec<String> {
        let mut random = Random(3);
        let text = |i: usize| {
            let of = if i.is_multiple_of(2) { GOOD } else { BAD };
            let mut words: Vec<String> = (0..6).map(|_| format!("w{}", random.below(40))).collect();
            words[random.below(6)] = of[random.below(3)].into();
            words.join(" ")
        };
        (0..n).map(text).collect()
    }

    fn train_on(
        critic: &Critic,
        scores: bool,
        texts: &[String],
        queries: usize,
    ) -> Result<TextSurrogate, Error> {
        let oracle = match scores {
            true => TextOracle::Scores(critic),
            false => TextOracle::Labels(critic),
        };
        let recipe = Recipe {
            queries,
            steps: 300,
            seed: 1,
        };
        train_on_texts(oracle, texts, recipe, &AtomicBool::new(false))
    }

    #[test]
    fn the_budget_is_kept_and_the_surrogate_is_like_the_target() {
        // (texts, queries, scores, probabilities, samples, made, held out)
        for (n, queries, scores, shares, samples, made, held) in [
            (300, 200, false, false, 160, 0, 40),
            (100, 250, false, false, 80, 150, 20),
            (100, 250, true, false, 80, 150, 20),
            (100, 250, true, true, 80, 150, 20),
        ] {
            let critic = Critic {
                shares,
                ..Critic::default()
            };
            let surrogate = train_on(&critic, scores, &texts(n), queries).unwrap();
            let figures = surrogate.figures;
            assert_eq!(
                (figures.queries, critic.asked.load(Relaxed)),
                (queries, queries)
            );
            assert_eq!(
                (figures.samples, figures.synthetic, figures.held_out),
                (samples, made, held)
            );
            assert!(
                10 * figures.agreed >= 9 * held,
                "{n} {queries}: {}",
                figures.agreed
            );
        }
    }

    #[test]
    fn seeds_and_answers_decide() {
        let train = || {
            train_on(&Critic::default(), false, &texts(60), 80)
                .unwrap()
                .graph
                .sha256
        };
        assert_eq!(train(), train());
    }

    /// As the mean of embeddings, with words that it does not know left out; and with a gradient by them.
    #[test]
    fn it_is_a_model_of_token_ids() {
        let surrogate = train_on(&Critic::default(), false, &texts(100), 100).unwrap();
        let (graph, tokenizer) = (surrogate.graph.clone(), surrogate.tokenizer.clone());
        let model = TextTarget::of_tokens(graph, tokenizer, None, true, &Device::Cpu).unwrap();
        let ask = |text: &str| model.scores(&[text.into()]).unwrap();
        let far = |a: &str, b: &str| (ask(a)[1] - ask(b)[1]).abs();
        assert!(far("GOOD w1, w2", "w2 good unknown w1") < 1e-5);
        assert!(far("good w1 w2", "bad w1 w2") > 0.1);
        assert!(ask("").iter().all(|score| score.is_finite()));
        let row = |word: &str| {
            let id = model.id_of(word).unwrap();
            model.embedding().unwrap().row(id).unwrap().to_vec()
        };
        // Towards blame, a word of praise is to become one of blame.
        let slope = model.gradient(&["good w1 w2".into()], &[1]).unwrap();
        let along = |word: &str| {
            let pairs = slope[0].gradient.iter().zip(row(word));
            pairs.map(|(g, r)| g * r).sum::<f32>()
        };
        assert!(along("bad") > along("w3") && along("w3") > along("fine"));
    }

    #[test]
    fn its_files_can_be_read() {
        let surrogate = train_on(&Critic::default(), false, &texts(30), 30).unwrap();
        let [model, words, toml] = surrogate.files("a \"b\".onnx", "w.txt");
        let graph = scoville_onnx::parse(model.into(), None).unwrap();
        assert_eq!(graph.sha256, surrogate.graph.sha256);
        let words = String::from_utf8(words).unwrap();
        assert_eq!(
            words.lines().count(),
            surrogate.tokenizer.vocabulary().len()
        );
        let toml = String::from_utf8(toml).unwrap();
        assert!(
            toml.contains("path = \"a \\\"b\\\".onnx\"") && toml.contains("vocabulary = \"w.txt\"")
        );
    }

    #[test]
    fn what_cannot_be_learnt_from_is_refused() {
        let error = |texts: &[String], queries| {
            let trained = train_on(&Critic::default(), false, texts, queries);
            trained
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        assert!(error(&texts(4), 10).starts_with("4 samples are too few"));
        let broken = vec!["nan".to_owned(); 10];
        assert!(
            error(&broken, 10).starts_with("the target's answers to 8 of 8 samples are not finite")
        );
        let signs = vec!["?!".to_owned(); 10];
        assert!(error(&signs, 10).contains("no words"));
        assert!(error(&texts(9), 600_000).contains("at most 524288"));
        let stopped = train_on_texts(
            TextOracle::Labels(&Critic::default()),
            &texts(10),
            Recipe::new(10, 0),
            &AtomicBool::new(true),
        );
        assert!(matches!(stopped, Err(Error::Interrupted)));
    }
}
