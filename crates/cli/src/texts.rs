//! From the command line to a loaded classifier of texts, and the texts.

mod surrogate;

use std::collections::BTreeSet;
use std::path::Path;

use scoville_attacks::text::Lexicon;
use scoville_data::{Source, TextData};
use scoville_kernels::Device;
use scoville_onnx::Graph;
use scoville_report::event::{DataInfo, TargetInfo};
use scoville_runtime::two_scores;
use scoville_targets::{Metered, OnDevice, TargetSpec, TextTarget};
use scoville_text::{Synonyms, Tokenizer};

use crate::args::TargetArgs;
use crate::exit::{Exit, Failure, OrFail};
use crate::load::{self, About};
use crate::parse::Batch;

pub use surrogate::{Wanted, surrogates};

/// A classifier of texts on each device, and the texts to ask it about.
pub struct LoadedTexts {
    pub targets: Vec<Metered<TextTarget>>,
    pub data: TextData,
    /// Texts that go to a device at once.
    pub batch: usize,
    pub about: About,
}

/// Whether the command line names texts.
pub fn are_named(args: &TargetArgs) -> bool {
    args.data.as_ref().is_some_and(Source::is_texts)
}

/// Opens the devices, loads the model on each and reads the texts.
pub fn load(args: &TargetArgs, with_gradients: bool) -> Result<LoadedTexts, Failure> {
    let spec = load::spec(&args.model)?;
    refuse_pixels(&spec)?;
    let Some(source) = &args.data else {
        return Err(Failure::new(
            Exit::Usage,
            "--data is missing: give tsv:FILE",
        ));
    };
    let data = source.load_texts(args.limit).or_fail(Exit::BadInput, "")?;
    let (graph, name) = load::graph(&spec)?;
    let sha256 = graph.sha256.clone();
    let tokenizer = tokenizer(&spec)?;
    let loader = Loader {
        spec: &spec,
        name: &name,
        tokenizer: tokenizer.as_ref(),
        with_gradients,
    };
    let targets = loader.targets(args, graph)?;
    let targets: Vec<_> = targets.into_iter().map(Metered::new).collect();
    let Some(first) = targets.first() else {
        return Err(Failure::new(Exit::Usage, "--device names no device"));
    };
    let model = first.inner().model();
    load::check_model(model, &name)?;
    load::check_labels(&data.name, &data.y, model.classes())?;
    let class_names = load::class_names(&spec, &data.class_names, model.classes())?;
    let batch = match args.batch {
        Batch::Of(n) => n,
        Batch::Auto => {
            let batch = scoville_campaign::automatic_batch(&targets, &[]);
            batch.or_fail(Exit::Internal, &name)?
        }
    };
    let target = TargetInfo {
        sha256,
        weights_sha256: model.weights_digest().or_fail(Exit::Internal, &name)?,
        classes: model.classes(),
        class_names,
        input_shape: tokenizer.iter().map(|tokenizer| tokenizer.length).collect(),
        input: in_words(&spec),
        parameters: model.parameters(),
        notes: model.notes().to_vec(),
        name,
    };
    let about = about(target, &data, &targets);
    let batched = |target: Metered<TextTarget>| target.map(|target| target.in_batches_of(batch));
    Ok(LoadedTexts {
        targets: targets.into_iter().map(batched).collect(),
        data,
        batch,
        about,
    })
}

fn about(target: TargetInfo, data: &TextData, targets: &[Metered<TextTarget>]) -> About {
    let device = |of: &Metered<TextTarget>| load::device_info(of.inner().model().device());
    About {
        target,
        data: DataInfo {
            name: data.name.clone(),
            sha256: data.digest(),
            samples: data.len(),
        },
        devices: targets.iter().map(device).collect(),
    }
}

fn refuse_pixels(spec: &TargetSpec) -> Result<(), Failure> {
    let given = !spec.mean.is_empty()
        || !spec.std.is_empty()
        || spec.pixel_range.is_some()
        || spec.layout.is_some()
        || spec.transpose.is_some()
        || spec.shape.is_some();
    match given {
        true => Err(Failure::new(
            Exit::Usage,
            "mean, std, pixel range, layout, transpose and shape are of images; the data are texts",
        )),
        false => Ok(()),
    }
}

struct Loader<'a> {
    spec: &'a TargetSpec,
    /// The model's.
    name: &'a str,
    tokenizer: Option<&'a Tokenizer>,
    with_gradients: bool,
}

impl Loader<'_> {
    fn targets(&self, args: &TargetArgs, graph: Graph) -> Result<Vec<TextTarget>, Failure> {
        let mut read = Some(graph);
        let target = |device: &Device| {
            // A loaded model has taken the weights to itself, so the next one needs the file again.
            let graph = read
                .take()
                .map_or_else(|| Ok(load::graph(self.spec)?.0), Ok)?;
            let target = self.target(graph, device);
            target.or_fail(Exit::BadInput, self.name)
        };
        load::devices(&args.device)?.iter().map(target).collect()
    }

    fn target(&self, graph: Graph, device: &Device) -> Result<TextTarget, scoville_targets::Error> {
        let output = self.spec.output.as_deref();
        let graph = two_scores(graph, output);
        let is_there = |name: &&str| graph.outputs.iter().any(|port| port.name == **name);
        let renamed = matches!(graph.outputs.as_slice(), [_]);
        let output = output.filter(|name| is_there(name) || !renamed);
        match self.tokenizer {
            None => TextTarget::of_text(graph, output, device),
            Some(tokenizer) => {
                let tokenizer = tokenizer.clone();
                TextTarget::of_tokens(graph, tokenizer, output, self.with_gradients, device)
            }
        }
    }
}

fn in_words(spec: &TargetSpec) -> String {
    match &spec.text {
        None => "text".into(),
        Some(text) => format!("{} token ids ({})", text.length, text.tokenizer),
    }
}

fn tokenizer(spec: &TargetSpec) -> Result<Option<Tokenizer>, Failure> {
    let tokenizer = spec.text.as_ref().map(|text| text.tokenizer()).transpose();
    tokenizer.or_fail(Exit::BadInput, "")
}

/// The words that attacks may write: the vocabularies of the models that they run on, or where one has none the tokens of the texts.
pub fn lexicon(
    target: &TextTarget,
    surrogate: Option<&TextTarget>,
    data: &TextData,
    synonyms: Option<&Path>,
    takes_substitutes: bool,
) -> Result<Lexicon, Failure> {
    let mut words: Vec<String> = Vec::new();
    let models = [Some(target), surrogate].into_iter().flatten();
    for tokenizer in models.filter_map(TextTarget::tokenizer) {
        words.extend(match tokenizer.vocabulary() {
            [] => tokens_of(tokenizer, data),
            vocabulary => vocabulary.to_vec(),
        });
    }
    let mut seen = BTreeSet::new();
    words.retain(|word| seen.insert(word.clone()));
    let lexicon = Lexicon::new(words);
    match (synonyms, takes_substitutes) {
        (Some(file), true) => {
            let synonyms = Synonyms::read(file).or_fail(Exit::BadInput, "--synonyms")?;
            Ok(lexicon.with_synonyms(synonyms))
        }
        (Some(_), false) => {
            let message = "--synonyms is read by textfooler, which does not run";
            Err(Failure::new(Exit::Usage, message))
        }
        (None, false) => Ok(lexicon),
        (None, true) => lexicon.with_neighbours(target).map_err(|error| {
            let message =
                format!("textfooler needs words that are alike: give --synonyms FILE ({error})");
            Failure::new(Exit::Usage, message)
        }),
    }
}

fn tokens_of(tokenizer: &Tokenizer, data: &TextData) -> Vec<String> {
    let mut words = BTreeSet::new();
    for text in &data.texts {
        for token in tokenizer.tokens(text).iter().filter(|token| !token.joined) {
            let word = text.get(token.place.clone()).unwrap_or_default();
            words.insert(match tokenizer.lower {
                true => word.to_lowercase(),
                false => word.to_owned(),
            });
        }
    }
    words.into_iter().collect()
}
