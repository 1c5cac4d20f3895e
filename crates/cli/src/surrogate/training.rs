//! `--surrogate trained[:KEY=VALUE]..`.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::str::FromStr;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use scoville_atlas::stats::{LEVEL, clopper_pearson};
use scoville_data::{Dataset, Features};
use scoville_kernels::Norm;
use scoville_report::event::TrainingInfo;
use scoville_surrogate::{
    Error, Figures, Oracle, Recipe, TextOracle, TextSurrogate, train, train_on_texts,
};
use scoville_targets::{Metered, TextTarget};

use super::{Member, Wanted};
use crate::exit::{Exit, Failure, OrFail};
use crate::load::Loaded;
use crate::output::Output;
use crate::parse;

/// What may be asked, and what is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Training {
    pub queries: usize,
    /// Scores, not the class alone.
    pub scores: bool,
}

impl FromStr for Training {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut training = Training {
            queries: 1000,
            scores: false,
        };
        for word in text.split(':').filter(|word| !word.is_empty()) {
            match word.split_once('=') {
                Some(("queries", n)) => training.queries = parse::at_least_one(n)?,
                Some(("answers", "labels")) => training.scores = false,
                Some(("answers", "scores")) => training.scores = true,
                _ => {
                    return Err(format!(
                        "`{word}`: write trained[:queries=N][:answers=labels|scores]"
                    ));
                }
            }
        }
        Ok(training)
    }
}

/// What a surrogate is trained on.
pub struct Samples {
    pub x: Vec<f32>,
    /// How many of them are the target's own data.
    pub aside: usize,
}

impl Training {
    /// Samples of `--surrogate-data`, or up to half of the target's data, which are set aside; no more than the queries.
    pub fn samples(&self, wanted: &Wanted<'_>, loaded: &Loaded) -> Result<Samples, Failure> {
        let (own, seed) = (&loaded.data, wanted.seed);
        let Some(source) = wanted.data else {
            let aside = self.queries.min(own.len() / 2);
            let rows = scoville_campaign::set_aside(own.len(), seed, aside);
            let x = own.read(&rows).or_fail(Exit::BadInput, "")?;
            return Ok(Samples { x, aside });
        };
        let data = source.load_described(wanted.schema, Some(&own.shape), None);
        let data = data.or_fail(Exit::BadInput, "--surrogate-data")?;
        let scales = |data: &Dataset| data.features.as_ref().map(Features::scales);
        if scales(&data) != scales(own) {
            let message = "--surrogate-data: its columns have other ranges or categories than those of --data; say them in [features]";
            return Err(Failure::new(Exit::BadInput, message));
        }
        data.check(true)
            .or_fail(Exit::BadInput, "--surrogate-data")?;
        let rows = scoville_campaign::set_aside(data.len(), seed, self.queries);
        let x = data
            .read(&rows)
            .or_fail(Exit::BadInput, "--surrogate-data")?;
        let x = not_in(own, x).or_fail(Exit::BadInput, "")?;
        if x.is_empty() {
            let message = "--surrogate-data has no samples but those of --data: a surrogate must not be trained on the samples \
                           that are attacked; leave it out, and a half is set aside";
            return Err(Failure::new(Exit::Usage, message));
        }
        Ok(Samples { x, aside: 0 })
    }

    /// The surrogate that comes of the answers to `x`.
    pub(super) fn member(
        &self,
        x: &[f32],
        wanted: &Wanted<'_>,
        loaded: &Loaded,
        stop: &AtomicBool,
    ) -> Result<Member, Failure> {
        let oracle = match self.scores {
            true => Oracle::Scores(loaded.target()),
            false => Oracle::Labels(loaded.target()),
        };
        self.announce();
        let file = wanted.save.map(Output::create).transpose()?;
        let valid = |x0: &[f32], x: &mut [f32]| {
            let settled = wanted.constraints.map(|c| c.settle(Norm::Linf, 1.0, x0, x));
            if settled == Some(false) {
                x.copy_from_slice(x0);
            }
        };
        let recipe = Recipe::new(self.queries, wanted.seed);
        let started = Instant::now();
        let trained = train(oracle, x, &valid, recipe, stop).map_err(failure)?;
        if let Some(mut file) = file {
            file.write(&trained.file())?;
            file.finish()?;
        }
        let training = self.info(&trained.figures, started);
        Ok(Member {
            name: match trained.convolutional {
                true => "trained convolutional network".into(),
                false => "trained dense network".into(),
            },
            graph: trained.graph,
            input: trained.input,
            training: Some(training),
        })
    }
}

impl Training {
    /// The surrogate that comes of the answers to `texts`.
    pub fn on_texts(
        &self,
        target: &Metered<TextTarget>,
        texts: &[String],
        seed: u64,
        stop: &AtomicBool,
    ) -> Result<(TextSurrogate, TrainingInfo), Failure> {
        let oracle = match self.scores {
            true => TextOracle::Scores(target),
            false => TextOracle::Labels(target),
        };
        self.announce();
        let started = Instant::now();
        let recipe = Recipe::new(self.queries, seed);
        let trained = train_on_texts(oracle, texts, recipe, stop).map_err(failure)?;
        let info = self.info(&trained.figures, started);
        Ok((trained, info))
    }

    fn gives(&self) -> &'static str {
        if self.scores { "scores" } else { "labels" }
    }

    /// A courtesy to whoever waits.
    fn announce(&self) {
        let _ = writeln!(
            std::io::stderr(),
            "training a surrogate on {} {} of the target",
            self.queries,
            self.gives()
        );
    }

    fn info(&self, figures: &Figures, started: Instant) -> TrainingInfo {
        TrainingInfo {
            answers: self.gives().into(),
            queries: figures.queries as u64,
            samples: figures.samples,
            synthetic: figures.synthetic,
            held_out: figures.held_out,
            agreed: figures.agreed,
            fidelity: figures.agreed as f64 / figures.held_out.max(1) as f64,
            interval: clopper_pearson(figures.agreed, figures.held_out, LEVEL),
            seconds: started.elapsed().as_secs_f64(),
        }
    }
}

/// Samples that are read at once.
const AT_ONCE: usize = 1024;

/// Of the samples `x` those that `data` does not hold.
fn not_in(data: &Dataset, x: Vec<f32>) -> Result<Vec<f32>, scoville_data::Error> {
    let len = data.sample_len();
    let digest = |sample: &[f32]| {
        let mut hasher = DefaultHasher::new();
        sample.iter().for_each(|v| v.to_bits().hash(&mut hasher));
        hasher.finish()
    };
    let given: HashSet<u64> = x.chunks_exact(len).map(digest).collect();
    let mut held = HashSet::new();
    for first in (0..data.len()).step_by(AT_ONCE) {
        let rows: Vec<usize> = (first..data.len().min(first + AT_ONCE)).collect();
        let samples = data.read(&rows)?;
        let digests = samples.chunks_exact(len).map(digest);
        held.extend(digests.filter(|digest| given.contains(digest)));
    }
    let others = x.chunks_exact(len);
    let others = others.filter(|sample| !held.contains(&digest(sample)));
    Ok(others.flatten().copied().collect())
}

fn failure(error: Error) -> Failure {
    let exit = match error {
        Error::TooMany(..) => Exit::Usage,
        Error::TooFew(_) | Error::NotFinite(..) | Error::Shape(_) | Error::NoWords => {
            Exit::BadInput
        }
        _ => Exit::Internal,
    };
    Failure::new(exit, format!("--surrogate trained: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_that_are_attacked_are_left_out() {
        let glyphs = |n| scoville_data::glyphs::generate(scoville_data::glyphs::Split::Test, n, 0);
        let (own, all) = (glyphs(3), glyphs(5).read_all().unwrap());
        let others = not_in(&own, all.clone()).unwrap();
        assert_eq!(others, all[3 * own.sample_len()..]);
        assert!(not_in(&own, own.read_all().unwrap()).unwrap().is_empty());
    }

    #[test]
    fn words_after_trained() {
        let training = |text: &str| text.parse::<Training>();
        let by_default = Training {
            queries: 1000,
            scores: false,
        };
        assert_eq!(training(""), Ok(by_default));
        let scores = Training {
            queries: 50,
            scores: true,
        };
        assert_eq!(training("queries=50:answers=scores"), Ok(scores));
        for wrong in [
            "queries",
            "queries=0",
            "queries=x",
            "answers=all",
            "epochs=3",
        ] {
            assert!(training(wrong).is_err(), "{wrong}");
        }
    }
}
