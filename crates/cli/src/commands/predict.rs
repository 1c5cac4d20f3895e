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
        let batch = &waiting[..most.min(waiting.len())];
        let values = loaded.data.read(batch).or_fail(Exit::BadInput, "")?;
        let run = |n: usize| Answers::of(&loaded, &batch[..n], &values, asked);
        let answers = as_many_as_fit(batch.len(), &mut most, run).or_fail(Exit::Internal, "")?;
        let (batch, later) = waiting.split_at(most.min(batch.len()));
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
        values: &[f32],
        asked: Asked,
    ) -> Result<Self, scoville_targets::Error> {
        let (target, mut answers) = (loaded.target(), Answers::default());
        let (device, cols) = (target.device(), loaded.data.sample_len());
        let values = values[..rows.len() * cols].to_vec();
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

/// What `run` makes of `n` samples, or of half as many as long as they do not fit into memory: then that is the `most`.
fn as_many_as_fit<T>(
    mut n: usize,
    most: &mut usize,
    run: impl Fn(usize) -> Result<T, scoville_targets::Error>,
) -> Result<T, scoville_targets::Error> {
    loop {
        match run(n) {
            Err(error) if n > 1 && error.is_out_of_memory() => {
                n = n.div_ceil(2);
                *most = n;
            }
            result => return result,
        }
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
    let (mut start, mut most) = (0, loaded.batch);
    while start < data.len() {
        let batch = most.min(data.len() - start);
        let run = |n: usize| text::Scores::scores(target, &data.texts[start..start + n]);
        let scores = as_many_as_fit(batch, &mut most, run).or_fail(Exit::Internal, "")?;
        let rows: Vec<usize> = (start..start + most.min(batch)).collect();
        let predicted = text::predicted(&scores, text::Labels::classes(target));
        if let Reader::Left = print_lines(&rows, &data.y, &predicted, &scores)? {
            break;
        }
        start += rows.len();
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

#[cfg(test)]
mod tests {
    use scoville_kernels::Error;

    use super::as_many_as_fit;

    #[test]
    fn a_batch_is_halved_until_it_fits() {
        let holds = |most: usize| {
            move |n: usize| match n > most {
                true => Err(Error::TooLarge { bytes: 2, limit: 1 }.into()),
                false => Ok(n),
            }
        };
        for (n, held, expected) in [(8, 8, 8), (100, 30, 25), (3, 1, 1), (1, 1, 1)] {
            let mut most = n;
            let done = as_many_as_fit(n, &mut most, holds(held)).unwrap();
            assert_eq!((done, most), (expected, expected));
        }
        // Fewer that are left at the end are not all that fits.
        let mut most = 25;
        assert_eq!(as_many_as_fit(3, &mut most, holds(30)).unwrap(), 3);
        assert_eq!(most, 25);
        let failure = as_many_as_fit(4, &mut most, holds(0)).unwrap_err();
        assert!(failure.is_out_of_memory());
        let broken = |_: usize| Err::<(), _>(Error::DeviceMismatch { kernel: "x" }.into());
        let failure = as_many_as_fit(4, &mut most, broken).unwrap_err();
        assert!(!failure.is_out_of_memory());
    }
}
