//! `target.toml`: where the model is and what it wants its input to look like.
//!
//! ```toml
//! [model]
//! path = "resnet_2b.onnx"          # beside this file, or absolute
//! mean = [0.4914, 0.4822, 0.4465]  # one value, or one a channel
//! std = [0.2471, 0.2435, 0.2616]
//! pixel_range = "0..1"             # what pixels are scaled to before mean and std
//! layout = "nchw"                  # or "nhwc"
//! transpose = false                # swap height and width
//! shape = [3, 224, 224]            # of one sample, where the model leaves it open
//! output = "logits"                # where there are several
//! layer = "relu3"                  # the inner value that feature-adversary attacks
//! bpda = "auto"                    # or "on", "off": gradients through stand-ins
//! classes = ["airplane", "automobile"]
//!
//! [text]                           # for a model that reads token ids
//! tokenizer = "vocab"              # or "hash-md5"
//! vocabulary = "vocabulary.txt"    # beside this file: one token a line, or a token, a tab and its id
//! unknown = 1                      # left out, unknown tokens are
//! length = 50
//! padding = 0
//! lower = true
//! pattern = "[a-z]+"               # left out, tokens are what stands between white space
//! # modulus = 15000                # hash-md5: ids are the MD5 of a token modulo this
//! # negators = ["not", "no"]       # joined with the token after them by `_`
//! ```

use std::path::{Path, PathBuf};

use scoville_runtime::{Bpda, Layout, ModelSpec};
use scoville_text::{Rule, Tokenizer, TokenizerError, Vocabulary};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// A `target.toml` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    #[error("cannot read {path}: {source}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path}: {message}")]
    Parse { path: PathBuf, message: String },
    #[error("pixel range `{0}`: write LOW..HIGH with LOW below HIGH, for example 0..255")]
    PixelRange(String),
    #[error("layout `{0}`: the layouts are nchw and nhwc")]
    Layout(String),
    #[error("bpda `{0}`: write auto, on or off")]
    Bpda(String),
    #[error("std contains {0}: every value must be a positive number")]
    Std(f32),
    #[error("mean contains {0}: every value must be a finite number")]
    Mean(f32),
    #[error("[text]: {0}")]
    Text(String),
    #[error("[text]: {0}")]
    Tokenizer(#[from] TokenizerError),
}

/// How a model is to be loaded. Fields left out take the model's and the data's own wishes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSpec {
    /// The model file.
    pub path: Option<PathBuf>,
    /// Subtracted from each channel after scaling to the pixel range.
    #[serde(default)]
    pub mean: Vec<f32>,
    /// Divides each channel after the mean.
    #[serde(default)]
    pub std: Vec<f32>,
    /// `LOW..HIGH`: what pixels of `[0,1]` are scaled to first.
    pub pixel_range: Option<String>,
    /// `nchw` or `nhwc`: the order that the model wants.
    pub layout: Option<String>,
    /// Whether the model wants height and width swapped.
    pub transpose: Option<bool>,
    /// The data are the model's input as they stand.
    pub raw: Option<bool>,
    /// The output to use, where there are several.
    pub output: Option<String>,
    /// The inner value that holds a sample's features.
    pub layer: Option<String>,
    /// `auto`, `on` or `off`: whether gradients are taken through what stands for operators that have none.
    pub bpda: Option<String>,
    /// Shape of one sample, where the model leaves it open.
    pub shape: Option<Vec<usize>>,
    /// Class names, in the order of the outputs.
    #[serde(default)]
    pub classes: Vec<String>,
    /// How text becomes token ids, from the table of that name.
    #[serde(skip)]
    pub text: Option<TextSpec>,
}

/// How text becomes the token ids that a model reads.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSpec {
    /// `vocab` or `hash-md5`.
    pub tokenizer: String,
    /// For `vocab`: a file of one token a line, numbered from 0, or of a token, a tab and its id.
    pub vocabulary: Option<PathBuf>,
    /// For `vocab`: the id of a token that is not in the file; such tokens are left out where there is none.
    pub unknown: Option<u32>,
    /// For `hash-md5`: ids are the digest modulo this.
    pub modulus: Option<u32>,
    /// Tokens that are joined with the next one by `_`.
    #[serde(default)]
    pub negators: Vec<String>,
    /// Ids that the model takes; longer texts are cut.
    pub length: usize,
    /// The id that fills shorter ones.
    #[serde(default)]
    pub padding: u32,
    /// Whether letters are made small.
    #[serde(default)]
    pub lower: bool,
    /// A regular expression that finds tokens; without one they are what stands between white space.
    pub pattern: Option<String>,
}

impl TextSpec {
    pub fn tokenizer(&self) -> Result<Tokenizer, SpecError> {
        let missing = |what| SpecError::Text(format!("{} is missing", what));
        let rule = match self.tokenizer.as_str() {
            "hash-md5" => Rule::HashMd5(self.modulus.ok_or_else(|| missing("modulus"))?),
            "vocab" => {
                let file = self.vocabulary.as_deref();
                let vocabulary = Vocabulary::read(file.ok_or_else(|| missing("vocabulary"))?)?;
                Rule::Vocabulary(vocabulary, self.unknown)
            }
            other => {
                let what = format!("tokenizer `{other}`: the tokenizers are vocab and hash-md5");
                return Err(SpecError::Text(what));
            }
        };
        let mut made = Tokenizer::new(rule, self.pattern.as_deref(), self.length, self.padding)?;
        made.lower = self.lower;
        made.negators = self.negators.iter().cloned().collect();
        Ok(made)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: TargetSpec,
    /// Read by whoever reads the table.
    #[serde(rename = "features")]
    _features: Option<IgnoredAny>,
    text: Option<TextSpec>,
}

impl TargetSpec {
    /// Reads a `target.toml`; a relative model path is taken from the file's own folder.
    pub fn read(path: &Path) -> Result<Self, SpecError> {
        let text = std::fs::read_to_string(path).map_err(|source| SpecError::Read {
            path: path.into(),
            source,
        })?;
        let File {
            mut model,
            mut text,
            ..
        } = toml::from_str(&text).map_err(|e| SpecError::Parse {
            path: path.into(),
            message: e.to_string(),
        })?;
        if let (Some(file), Some(folder)) = (&model.path, path.parent()) {
            model.path = Some(folder.join(file));
        }
        let vocabulary = text.as_mut().and_then(|text| text.vocabulary.as_mut());
        if let (Some(file), Some(folder)) = (vocabulary, path.parent()) {
            *file = folder.join(&*file);
        }
        model.text = text;
        Ok(model)
    }

    /// The runtime's view of this, for samples of `shape`.
    pub fn input(&self, shape: Option<Vec<usize>>) -> Result<ModelSpec, SpecError> {
        if let Some(&bad) = self.std.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
            return Err(SpecError::Std(bad));
        }
        if let Some(&bad) = self.mean.iter().find(|m| !m.is_finite()) {
            return Err(SpecError::Mean(bad));
        }
        Ok(ModelSpec {
            shape,
            mean: self.mean.clone(),
            std: self.std.clone(),
            pixel_range: self
                .pixel_range
                .as_deref()
                .map_or(Ok((0.0, 1.0)), pixel_range)?,
            layout: self.layout.as_deref().map_or(Ok(Layout::Nchw), layout)?,
            transpose: self.transpose.unwrap_or(false),
            raw: self.raw.unwrap_or(false),
            output: self.output.clone(),
            layer: self.layer.clone(),
            bpda: self.bpda.as_deref().map_or(Ok(Bpda::Auto), bpda)?,
            ..ModelSpec::default()
        })
    }
}

fn pixel_range(text: &str) -> Result<(f32, f32), SpecError> {
    let bounds = text.split_once("..").and_then(|(low, high)| {
        let (low, high) = (
            low.trim().parse::<f32>().ok()?,
            high.trim().parse::<f32>().ok()?,
        );
        (low.is_finite() && high.is_finite() && low < high).then_some((low, high))
    });
    bounds.ok_or_else(|| SpecError::PixelRange(text.into()))
}

fn layout(text: &str) -> Result<Layout, SpecError> {
    match text {
        "nchw" => Ok(Layout::Nchw),
        "nhwc" => Ok(Layout::Nhwc),
        _ => Err(SpecError::Layout(text.into())),
    }
}

fn bpda(text: &str) -> Result<Bpda, SpecError> {
    match text {
        "auto" => Ok(Bpda::Auto),
        "on" => Ok(Bpda::On),
        "off" => Ok(Bpda::Off),
        _ => Err(SpecError::Bpda(text.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_file_and_resolves_the_model_beside_it() {
        let folder = std::env::temp_dir().join(format!("scoville-spec-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("target.toml");
        std::fs::write(
            &file,
            "[model]\npath = \"m.onnx\"\nstd = [0.5]\npixel_range = \"0..255\"\nlayout = \"nhwc\"\n",
        )
        .unwrap();
        let spec = TargetSpec::read(&file).unwrap();
        assert_eq!(spec.path, Some(folder.join("m.onnx")));
        let input = spec.input(None).unwrap();
        assert_eq!(input.pixel_range, (0.0, 255.0));
        assert_eq!(input.layout, Layout::Nhwc);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let wrong: Result<File, _> = toml::from_str("[model]\npath = \"m\"\nmeen = [1.0]\n");
        assert!(wrong.is_err_and(|e| e.to_string().contains("meen")));
        for range in ["1..0", "a..b", "0-1", "0..inf", ""] {
            assert!(
                matches!(pixel_range(range), Err(SpecError::PixelRange(_))),
                "{range}"
            );
        }
        let spec = TargetSpec {
            std: vec![0.0],
            ..Default::default()
        };
        assert!(matches!(spec.input(None), Err(SpecError::Std(_))));
        let spec = TargetSpec {
            layout: Some("chwn".into()),
            ..Default::default()
        };
        assert!(matches!(spec.input(None), Err(SpecError::Layout(_))));
        let spec = TargetSpec {
            bpda: Some("yes".into()),
            ..Default::default()
        };
        assert!(matches!(spec.input(None), Err(SpecError::Bpda(_))));
    }
}
