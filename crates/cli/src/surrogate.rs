//! The models of `--surrogate`, on every device of the target.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use scoville_kernels::Device;
use scoville_onnx::Graph;
use scoville_report::event::SurrogateInfo;
use scoville_runtime::{Model, ModelSpec};
use scoville_targets::{Ensemble, Labels, Metered, ModelTarget, TargetSpec};

use crate::exit::{Exit, Failure, OrFail};
use crate::load::{self, Loaded};

/// One word of `--surrogate`.
#[derive(Debug, Clone, PartialEq)]
pub enum Surrogate {
    /// An .onnx file, or a target.toml that names one.
    File(PathBuf),
}

impl FromStr for Surrogate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("name a model".into()),
            file => Ok(Surrogate::File(file.into())),
        }
    }
}

/// Ready to be asked: one ensemble a device, and what is said of its members.
pub struct Surrogates {
    pub ensembles: Vec<Metered<Ensemble>>,
    pub infos: Vec<SurrogateInfo>,
}

/// A member, before it is put on the devices.
struct Member {
    name: String,
    graph: Graph,
    input: ModelSpec,
}

/// Puts the surrogates of `words` where the target is.
pub fn load(
    words: &[Surrogate],
    spec: &TargetSpec,
    loaded: &Loaded,
) -> Result<Surrogates, Failure> {
    let members = words.iter().map(|word| match word {
        Surrogate::File(path) => from_file(path, spec, loaded),
    });
    let members = members.collect::<Result<Vec<Member>, Failure>>()?;
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
            training: None,
        });
    Ok(Surrogates {
        infos: infos.collect(),
        ensembles,
    })
}

/// A model file is fed as the target is; a target.toml says for itself.
fn from_file(path: &Path, target: &TargetSpec, loaded: &Loaded) -> Result<Member, Failure> {
    let spec = match load::is_toml(path) {
        true => load::read_toml(path)?,
        false => TargetSpec {
            path: Some(path.into()),
            output: None,
            ..target.clone()
        },
    };
    let (graph, name) = load::graph(&spec)?;
    let input = spec.input(Some(loaded.data.shape.clone()));
    Ok(Member {
        input: input.or_fail(Exit::Usage, &name)?,
        name,
        graph,
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
    let model = model.or_fail(Exit::BadInput, &member.name)?;
    model
        .check_classifier()
        .or_fail(Exit::BadInput, &member.name)?;
    let classes = loaded.target().classes();
    if model.classes() != classes {
        let message = format!(
            "--surrogate {}: it has {} classes and the target {classes}; a surrogate must tell the same classes apart, in the same order",
            member.name,
            model.classes()
        );
        return Err(Failure::new(Exit::BadInput, message));
    }
    Ok(ModelTarget::new(model))
}
