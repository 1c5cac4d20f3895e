//! The model of `--surrogate` where texts are attacked.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use scoville_data::Source;
use scoville_report::event::SurrogateInfo;
use scoville_surrogate::TextSurrogate;
use scoville_targets::text::{Gradients, Labels};
use scoville_targets::{Metered, OnDevice, TargetSpec, TextTarget};

use super::{LoadedTexts, Loader, in_words, tokenizer};
use crate::args::TargetArgs;
use crate::exit::{Exit, Failure, OrFail};
use crate::load;
use crate::output::Output;
use crate::surrogate::{Surrogate, Training, check_classes};

/// What the command line says of it.
pub struct Wanted<'a> {
    pub words: &'a [Surrogate],
    /// What to train on; otherwise texts of the target's own data are set aside.
    pub data: Option<&'a Source>,
    /// Where to write what is trained.
    pub save: Option<&'a Path>,
    /// How the target was named.
    pub args: &'a TargetArgs,
    pub seed: u64,
}

/// A surrogate on each device of the targets.
#[derive(Default)]
pub struct TextSurrogates {
    pub targets: Vec<Metered<TextTarget>>,
    pub infos: Vec<SurrogateInfo>,
    /// Texts of the target's data that are not to be attacked.
    pub aside: usize,
}

/// Puts the one model where the target is. Training asks the first device; setting `stop` ends it.
pub fn surrogates(
    wanted: &Wanted<'_>,
    loaded: &LoadedTexts,
    stop: &AtomicBool,
) -> Result<TextSurrogates, Failure> {
    let (targets, info, aside) = match wanted.words {
        [] => return Ok(TextSurrogates::default()),
        [Surrogate::File(path)] => {
            let (targets, info) = from_file(path, wanted.args, loaded)?;
            (targets, info, 0)
        }
        [Surrogate::Trained(training)] => trained(training, wanted, loaded, stop)?,
        _ => return refuse("for texts name one model"),
    };
    let batched = |target: TextTarget| Metered::new(target.in_batches_of(loaded.batch));
    Ok(TextSurrogates {
        targets: targets.into_iter().map(batched).collect(),
        infos: vec![info],
        aside,
    })
}

fn refuse<T>(message: &str) -> Result<T, Failure> {
    Err(Failure::new(Exit::Usage, format!("--surrogate: {message}")))
}

/// A model file is fed as the target is; a target.toml says for itself.
fn from_file(
    path: &Path,
    args: &TargetArgs,
    loaded: &LoadedTexts,
) -> Result<(Vec<TextTarget>, SurrogateInfo), Failure> {
    let beside = beside(path, TOML);
    let spec = match load::is_toml(path) {
        true => load::read_toml(path)?,
        // One that was kept says for itself, too.
        false if beside.is_file() => load::read_toml(&beside)?,
        false => TargetSpec {
            path: Some(path.into()),
            output: None,
            ..load::spec(&args.model)?
        },
    };
    let (graph, name) = load::graph(&spec)?;
    let sha256 = graph.sha256.clone();
    let tokenizer = tokenizer(&spec)?;
    let loader = Loader {
        spec: &spec,
        name: &name,
        tokenizer: tokenizer.as_ref(),
        with_gradients: true,
    };
    let targets = loader.targets(args, graph)?;
    let first = targets.first();
    if let Some(Err(error)) = first.map(TextTarget::embedding) {
        return refuse(&format!("{name}: {error}"));
    }
    let pair = first.zip(loaded.targets.first());
    if let Some((surrogate, target)) = pair {
        check_classes(&name, surrogate.classes(), target.classes())?;
    }
    let info = SurrogateInfo {
        input: in_words(&spec),
        name,
        sha256,
        parameters: first.map_or(0, |first| first.model().parameters()),
        training: None,
    };
    Ok((targets, info))
}

/// A model of what the target answers, and how many texts were set aside for it.
fn trained(
    training: &Training,
    wanted: &Wanted<'_>,
    loaded: &LoadedTexts,
    stop: &AtomicBool,
) -> Result<(Vec<TextTarget>, SurrogateInfo, usize), Failure> {
    let Some(target) = loaded.targets.first() else {
        return refuse("there is no target to learn from");
    };
    let (texts, aside) = texts(training, wanted, loaded)?;
    let files = wanted.save.map(Files::create).transpose()?;
    let (trained, training) = training.on_texts(target, &texts, wanted.seed, stop)?;
    if let Some(files) = files {
        files.write(&trained)?;
    }
    let name = "trained network of words";
    let on = |target: &Metered<TextTarget>| {
        let (graph, tokenizer) = (trained.graph.clone(), trained.tokenizer.clone());
        let device = target.inner().model().device();
        TextTarget::of_tokens(graph, tokenizer, None, true, device).or_fail(Exit::Internal, name)
    };
    let targets = loaded.targets.iter().map(on);
    let targets = targets.collect::<Result<Vec<_>, _>>()?;
    let info = SurrogateInfo {
        name: name.into(),
        sha256: trained.graph.sha256.clone(),
        input: format!("{} token ids (vocab)", trained.tokenizer.length),
        parameters: targets.first().map_or(0, |t| t.model().parameters()),
        training: Some(training),
    };
    Ok((targets, info, aside))
}

/// Texts of `--surrogate-data`, or up to half of the target's, which are set aside; no more than the queries.
fn texts(
    training: &Training,
    wanted: &Wanted<'_>,
    loaded: &LoadedTexts,
) -> Result<(Vec<String>, usize), Failure> {
    let own = &loaded.data;
    let pick = |from: &[String], k: usize| {
        let rows = scoville_campaign::set_aside(from.len(), wanted.seed, k);
        rows.into_iter()
            .filter_map(|row| from.get(row).cloned())
            .collect()
    };
    let Some(source) = wanted.data else {
        let aside = training.queries.min(own.len() / 2);
        return Ok((pick(&own.texts, aside), aside));
    };
    let data = source.load_texts(None);
    let data = data.or_fail(Exit::BadInput, "--surrogate-data")?;
    let attacked: HashSet<&String> = own.texts.iter().collect();
    let others = data
        .texts
        .into_iter()
        .filter(|text| !attacked.contains(text));
    let others: Vec<String> = others.collect();
    if others.is_empty() {
        let message = "--surrogate-data has no texts but those of --data: a surrogate must not be trained on the texts that \
                       are attacked; leave it out, and a half is set aside";
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok((pick(&others, training.queries), 0))
}

/// What the files beside a kept model are called, after its own name.
const VOCABULARY: &str = ".vocabulary.txt";
const TOML: &str = ".toml";

fn beside(model: &Path, end: &str) -> PathBuf {
    let mut path = model.as_os_str().to_owned();
    path.push(end);
    path.into()
}

/// The files that a surrogate is kept in: a model, its vocabulary, and a target.toml that names both.
struct Files {
    model: Output,
    vocabulary: Output,
    toml: Output,
}

impl Files {
    /// `model`, and beside it two files that are called after it.
    fn create(model: &Path) -> Result<Self, Failure> {
        if model
            .file_name()
            .is_some_and(|name| name.to_str().is_none())
        {
            let message = "--save-surrogate: a name that is not UTF-8 cannot be written into the .toml beside the model";
            return Err(Failure::new(Exit::Usage, message));
        }
        Ok(Self {
            model: Output::create(model)?,
            vocabulary: Output::create(&beside(model, VOCABULARY))?,
            toml: Output::create(&beside(model, TOML))?,
        })
    }

    fn write(self, trained: &TextSurrogate) -> Result<(), Failure> {
        let name = |output: &Output| {
            let name = output.path().file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        };
        let bytes = trained.files(&name(&self.model), &name(&self.vocabulary));
        let mut files = [self.model, self.vocabulary, self.toml];
        for (file, bytes) in files.iter_mut().zip(bytes) {
            file.write(&bytes)?;
        }
        files.into_iter().try_for_each(Output::finish)
    }
}
