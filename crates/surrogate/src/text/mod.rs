//! Surrogates of targets that read texts: the mean of the embeddings of a text's words, then dense layers.
//!
//! The words are those of the texts that it is trained on, so that nothing need be known of how the target reads them. Where
//! there are fewer texts than queries, more are made of them, with some words drawn from others.

mod bag;
mod graph;
#[cfg(test)]
mod tests;

use std::sync::atomic::AtomicBool;

use scoville_kernels::Device;
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
    let pairs = labels.into_iter().zip(answers);
    let alike = pairs.filter(|(label, answer)| {
        answer
            .as_ref()
            .is_some_and(|answer| answer.label == *label as usize)
    });
    Ok(alike.count())
}
