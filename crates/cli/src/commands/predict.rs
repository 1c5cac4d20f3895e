//! `scoville predict`: what anyone needs to compare with another runtime.

use std::io::{ErrorKind, Write};

use scoville_kernels::{Array, Loss, head};
use scoville_targets::{Gradients, Labels, Scores, text};
use serde::Serialize;

use crate::args::PredictArgs;
use crate::exit::{Exit, Failure, OrFail};
use crate::load::{Loaded, check_labels, load};
use crate::output::Output;
use crate::texts;

pub fn run(args: &PredictArgs) -> Result<Exit, Failure> {
    if texts::are_named(&args.target) {
        return of_texts(args);
    }
    let mut out = args.out.as_deref().map(Output::create).transpose()?;
    let mut gradient = args.gradient.as_deref().map(Output::create).transpose()?;
    if args.target.device.len() > 1 {
        let message = "--device names several devices; predict runs on one";
        return Err(Failure::new(Exit::Usage, message));
    }
    let loaded = load(&args.target)?;
    // Outputs alone need no labels.
    if gradient.is_some() || out.is_none() {
        let data = &loaded.data;
        check_labels(&data.name, &data.y, loaded.target().classes())?;
    }
    let asked = Asked {
        outputs: out.is_some(),
        gradient: gradient.is_some(),
    };
    let rows: Vec<usize> = (0..loaded.data.len()).collect();
    let (mut waiting, mut most) = (rows.as_slice(), loaded.batch);
    while !waiting.is_empty() {
        let (batch, later) = waiting.split_at(most.min(waiting.len()));
        let values = loaded.data.read(batch).or_fail(Exit::BadInput, "")?;
        let answers = match Answers::of(&loaded, batch, values, asked) {
            Err(error) if batch.len() > 1 && error.is_out_of_memory() => {
                most = batch.len().div_ceil(2);
                continue;
            }
            answers => answers.or_fail(Exit::Internal, "")?,
        };
        if let Some(file) = &mut out {
            write(file, &answers.outputs)?;
        }
        if let Some(file) = &mut gradient {
            write(file, &answers.gradient)?;
        }
        if asked.lines() {
            let (predicted, scores) = (&answers.predicted, &answers.outputs);
            if let Reader::Left = print_lines(batch, &loaded.data.y, predicted, scores)? {
                return Ok(Exit::Done);
            }
        }
        waiting = later;
    }
    [out, gradient]
        .into_iter()
        .flatten()
        .try_for_each(Output::finish)?;
    Ok(Exit::Done)
}

/// What is asked of each batch: for files, or for lines where there are none.
#[derive(Clone, Copy)]
struct Asked {
    outputs: bool,
    gradient: bool,
}

impl Asked {
    fn lines(self) -> bool {
        !self.outputs && !self.gradient
    }
}

/// What a batch was asked for; the rest is empty.
#[derive(Default)]
struct Answers {
    /// As the model gives them for a file, scores for lines.
    outputs: Vec<f32>,
    gradient: Vec<f32>,
    predicted: Vec<u32>,
}

impl Answers {
    fn of(
        loaded: &Loaded,
        rows: &[usize],
        values: Vec<f32>,
        asked: Asked,
    ) -> Result<Self, scoville_targets::Error> {
        let (target, mut answers) = (loaded.target(), Answers::default());
        let (device, cols) = (target.device(), loaded.data.sample_len());
        let x = Array::from_vec(device, rows.len(), cols, values)?;
        let labels = rows.iter().map(|&row| loaded.data.y[row]).collect();
        let labels = Array::from_vec(device, rows.len(), 1, labels)?;
        if asked.outputs {
            answers.outputs = target.inner().model().output(&x)?.to_vec()?;
        }
        if asked.gradient {
            let seen = target.gradient(&x, &labels, Loss::CrossEntropy)?;
            answers.gradient = seen.gradient.to_vec()?;
        }
        if asked.lines() {
            let scores = target.scores(&x)?;
            let predicted = head(&scores, &labels, Loss::CrossEntropy)?.predicted;
            answers.predicted = predicted.to_vec()?;
            answers.outputs = scores.to_vec()?;
        }
        Ok(answers)
    }
}

enum Reader {
    Listens,
    Left,
}

fn write(file: &mut Output, values: &[f32]) -> Result<(), Failure> {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    file.write(&bytes)
}

/// The answers to texts.
fn of_texts(args: &PredictArgs) -> Result<Exit, Failure> {
    if args.out.is_some() || args.gradient.is_some() {
        let message =
            "--out and --gradient write numbers for models of numbers; the data are texts";
        return Err(Failure::new(Exit::Usage, message));
    }
    let loaded = texts::load(&args.target, false)?;
    let (target, data) = (&loaded.targets[0], &loaded.data);
    for start in (0..data.len()).step_by(loaded.batch) {
        let rows: Vec<usize> = (start..data.len().min(start + loaded.batch)).collect();
        let texts = &data.texts[start..start + rows.len()];
        let scores = text::Scores::scores(target, texts).or_fail(Exit::Internal, "")?;
        let predicted = text::predicted(&scores, text::Labels::classes(target));
        if let Reader::Left = print_lines(&rows, &data.y, &predicted, &scores)? {
            break;
        }
    }
    Ok(Exit::Done)
}

/// What is printed of a sample. As f32, the probabilities have no more figures than they need.
#[derive(Serialize)]
struct Answer {
    index: usize,
    label: u32,
    /// `None` where the scores are not finite.
    predicted: Option<u32>,
    probabilities: Vec<f32>,
}

/// One line a sample of `rows`, of whose scores `scores` holds as many each.
fn print_lines(
    rows: &[usize],
    labels: &[u32],
    predicted: &[u32],
    scores: &[f32],
) -> Result<Reader, Failure> {
    let mut out = std::io::stdout().lock();
    let outputs = scores.chunks_exact(scores.len() / rows.len().max(1));
    for ((&index, logits), &predicted) in rows.iter().zip(outputs).zip(predicted) {
        let line = serde_json::to_string(&Answer {
            index,
            label: labels[index],
            predicted: (predicted != u32::MAX).then_some(predicted),
            probabilities: softmax(logits),
        });
        match writeln!(out, "{}", line.or_fail(Exit::Internal, "")?) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Reader::Left),
            done => done.or_fail(Exit::Internal, "stdout")?,
        }
    }
    Ok(Reader::Listens)
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|z| (z - most).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter().map(|p| p / sum).collect()
}
