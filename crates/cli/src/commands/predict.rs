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
    let rows: Vec<usize> = (0..loaded.data.len()).collect();
    for batch in rows.chunks(loaded.batch) {
        let x = array(&loaded, batch)?;
        if let Some(file) = &mut out {
            let outputs = loaded
                .target()
                .inner()
                .model()
                .output(&x)
                .or_fail(Exit::Internal, "")?;
            write(file, &outputs.to_vec().or_fail(Exit::Internal, "")?)?;
        }
        if let Some(file) = &mut gradient {
            let labels = labels(&loaded, batch)?;
            let seen = loaded.target().gradient(&x, &labels, Loss::CrossEntropy);
            let seen = seen.or_fail(Exit::Internal, "")?;
            write(file, &seen.gradient.to_vec().or_fail(Exit::Internal, "")?)?;
        }
        if out.is_none() && gradient.is_none() {
            match print_answers(&loaded, batch, &x)? {
                Reader::Listens => {}
                Reader::Left => return Ok(Exit::Done),
            }
        }
    }
    [out, gradient]
        .into_iter()
        .flatten()
        .try_for_each(Output::finish)?;
    Ok(Exit::Done)
}

enum Reader {
    Listens,
    Left,
}

fn write(file: &mut Output, values: &[f32]) -> Result<(), Failure> {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    file.write(&bytes)
}

fn array(loaded: &Loaded, rows: &[usize]) -> Result<Array, Failure> {
    let values = loaded.data.read(rows).or_fail(Exit::BadInput, "")?;
    let cols = loaded.data.sample_len();
    Array::from_vec(loaded.target().device(), rows.len(), cols, values).or_fail(Exit::Internal, "")
}

fn labels(loaded: &Loaded, rows: &[usize]) -> Result<Array<u32>, Failure> {
    let labels = rows.iter().map(|&i| loaded.data.y[i]).collect();
    Array::from_vec(loaded.target().device(), rows.len(), 1, labels).or_fail(Exit::Internal, "")
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

fn print_answers(loaded: &Loaded, rows: &[usize], x: &Array) -> Result<Reader, Failure> {
    let scores = loaded.target().scores(x).or_fail(Exit::Internal, "")?;
    let answer = head(&scores, &labels(loaded, rows)?, Loss::CrossEntropy);
    let predicted = answer
        .and_then(|a| a.predicted.to_vec())
        .or_fail(Exit::Internal, "")?;
    let scores = scores.to_vec().or_fail(Exit::Internal, "")?;
    print_lines(rows, &loaded.data.y, &predicted, &scores)
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
