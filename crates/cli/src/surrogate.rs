//! The models of `--surrogate`, on every device of the target.

mod training;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::AtomicBool;

use scoville_attacks::Constraints;
use scoville_data::{Schema, Source};
use scoville_kernels::Device;
use scoville_onnx::Graph;
use scoville_report::event::{SurrogateInfo, TrainingInfo};
use scoville_runtime::{Model, ModelSpec};
use scoville_targets::{Ensemble, Labels, Metered, ModelTarget, TargetSpec};

use crate::exit::{Exit, Failure, OrFail};
use crate::load::{self, Loaded};
pub use training::Training;

/// One word of `--surrogate`.
#[derive(Debug, Clone, PartialEq)]
pub enum Surrogate {
    /// An .onnx file, or a target.toml that names one.
    File(PathBuf),
    /// One that is trained on what the target answers.
    Trained(Training),
}

impl FromStr for Surrogate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':').unwrap_or((text, "")) {
            ("", _) => Err("name a model".into()),
            ("trained", words) => Ok(Surrogate::Trained(words.parse()?)),
            _ => Ok(Surrogate::File(text.into())),
        }
    }
}

/// What the command line says of surrogates.
pub struct Wanted<'a> {
    pub words: &'a [Surrogate],
    /// What to train on; otherwise samples of the target's own data are set aside.
    pub data: Option<&'a Source>,
    /// Where to write what is trained.
    pub save: Option<&'a Path>,
    /// How the target is fed.
    pub target: TargetSpec,
    /// What describes its rows, where they are a table.
    pub schema: Option<&'a Schema>,
    /// What may become of them.
    pub constraints: Option<&'a Constraints>,
    pub seed: u64,
}

/// Ready to be asked.
pub struct Surrogates {
    /// One a device.
    pub ensembles: Vec<Metered<Ensemble>>,
    /// What is said of the members.
    pub infos: Vec<SurrogateInfo>,
    /// Samples of the target's data that are not to be attacked.
    pub aside: usize,
}

/// A member, before it is put on the devices.
struct Member {
    name: String,
    graph: Graph,
    input: ModelSpec,
    training: Option<TrainingInfo>,
}

/// Puts the surrogates where the target is. Training asks the first device; setting `stop` ends it.
pub fn load(
    wanted: &Wanted<'_>,
    loaded: &Loaded,
    stop: &AtomicBool,
) -> Result<Surrogates, Failure> {
    let trained = |word: &&Surrogate| matches!(word, Surrogate::Trained(_));
    if wanted.words.iter().filter(trained).count() > 1 {
        let message = "--surrogate: one surrogate can be trained; give it the queries of all";
        return Err(Failure::new(Exit::Usage, message));
    }
    let (mut members, mut aside) = (Vec::new(), 0);
    for word in wanted.words {
        members.push(match word {
            Surrogate::File(path) => from_file(path, wanted, loaded)?,
            Surrogate::Trained(training) => {
                let samples = training.samples(wanted, loaded)?;
                aside = samples.aside;
                training.member(&samples.x, wanted, loaded, stop)?
            }
        });
    }
    let devices = loaded.targets.iter().map(|target| target.device());
    let ensembles = devices.map(|device| ensemble(&members, loaded, device));
    let ensembles: Vec<_> = ensembles
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .collect();
    let models = ensembles.iter().take(1).flat_map(|e| e.inner().members());
    let infos = members
        .iter()
        .zip(models)
        .map(|(member, model)| SurrogateInfo {
            name: member.name.clone(),
            sha256: member.graph.sha256.clone(),
            input: load::in_words(&member.input),
            parameters: model.model().parameters(),
            training: member.training.clone(),
        });
    Ok(Surrogates {
        infos: infos.collect(),
        ensembles,
        aside,
    })
}

/// A model file is fed as the target is, unless it was trained here; a target.toml says for itself.
fn from_file(path: &Path, wanted: &Wanted<'_>, loaded: &Loaded) -> Result<Member, Failure> {
    let is_toml = load::is_toml(path);
    let spec = match is_toml {
        true => load::read_toml(path)?,
        false => TargetSpec {
            path: Some(path.into()),
            output: None,
            ..wanted.target.clone()
        },
    };
    let own = match is_toml {
        true => Schema::read(path).or_fail(Exit::BadInput, "--surrogate")?,
        false => None,
    };
    if own.is_some_and(|own| Some(&own) != wanted.schema) {
        let message = format!(
            "--surrogate {}: its [features] are others than the target's; a surrogate takes rows as the target does",
            path.display()
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    let (graph, name) = load::graph(&spec)?;
    let input = match !is_toml && scoville_surrogate::takes_samples(&graph) {
        true => Ok(ModelSpec {
            shape: Some(loaded.data.shape.clone()),
            ..ModelSpec::default()
        }),
        false => load::model_input(&spec, &loaded.data),
    };
    Ok(Member {
        input: input.or_fail(Exit::Usage, &name)?,
        name,
        graph,
        training: None,
    })
}

fn ensemble(
    members: &[Member],
    loaded: &Loaded,
    device: &Device,
) -> Result<Option<Metered<Ensemble>>, Failure> {
    let models = members.iter().map(|member| model(member, loaded, device));
    let mut models = models.collect::<Result<Vec<_>, _>>()?.into_iter();
    let first = models.next();
    Ok(first.map(|first| Metered::new(Ensemble::new(first, models.collect()))))
}

fn model(member: &Member, loaded: &Loaded, device: &Device) -> Result<ModelTarget, Failure> {
    let model = Model::load(member.graph.clone(), &member.input, device);
    let model = model.map_err(|error| load::refused(&error, &member.name))?;
    model
        .check_classifier()
        .or_fail(Exit::BadInput, &member.name)?;
    check_classes(&member.name, model.classes(), loaded.target().classes())?;
    Ok(ModelTarget::new(model))
}

/// Refuses a surrogate that tells other classes apart than the target does.
pub fn check_classes(name: &str, classes: usize, of_target: usize) -> Result<(), Failure> {
    match classes == of_target {
        true => Ok(()),
        false => Err(Failure::new(
            Exit::BadInput,
            format!(
                "--surrogate {name}: it has {classes} classes and the target {of_target}; a surrogate must tell the same classes apart, in the same order"
            ),
        )),
    }
}
