//! Surrogates of a critic that counts words.

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
