//! The command line. Every flag of a run can also be set as `SCOVILLE_<FLAG>` in the environment; flags win.

// The doc comments here are the help texts: brackets in them are no links.
#![allow(rustdoc::broken_intra_doc_links)]

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use scoville_atlas::score::{Exposure, Impact};
use scoville_campaign::FailOn;
use scoville_data::Source;
use scoville_kernels::{DeviceSpec, Norm};

use crate::parse::{self, Batch, Budget};
use crate::surrogate::Surrogate;

const EXIT_CODES: &str = "\
Exit codes:
  0    done, within every threshold
  1    internal error
  2    wrong command line
  3    the model or the data cannot be used
  4    the target or device cannot be reached
  5    the evidence is inconclusive
  100  a --fail-on threshold is breached";

/// Measures how much heat a machine-learning model can take: emulates the attacks that MITRE ATLAS names against a model
/// that you own or are authorised to test, and scores the risk of each technique from what really happened.
#[derive(Parser)]
#[command(name = "scoville", version, after_help = EXIT_CODES)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Attack a model and score its risk per ATLAS technique
    ///
    /// Without a model, runs on the built-in digits classifier, to see what Scoville does. On a terminal a live table is
    /// shown; piped, one JSON event a line. Ctrl-C ends the run with the scores so far.
    #[command(after_help = EXIT_CODES)]
    Assess(Box<AssessArgs>),
    /// Print a model's answers, or write its outputs and input gradients
    Predict(Box<PredictArgs>),
    /// Search for counter-examples to VNN-LIB properties
    ///
    /// `sat`: a counter-example was found, lies in the box, and was checked on the model's output as exported, without any
    /// tolerance. `unknown`: none was found, which proves nothing. The inputs are the model's own, as they stand.
    #[command(after_help = EXIT_CODES)]
    Falsify(Box<FalsifyArgs>),
    /// Show a model's graph: operators, shapes, cost, what passes no gradient, what was lifted or cut
    ///
    /// Every node that runs is a row, on one sample; constants stand in brackets. Nodes with the same letter could
    /// be computed by one kernel.
    Inspect(Box<InspectArgs>),
    /// List the devices that Scoville can compute on
    Devices(JsonArgs),
    /// Check driver, kernels, forward pass and gradient of each device, and say what to do
    Doctor(DoctorArgs),
    /// List the ATLAS techniques, and by what each can be measured
    Techniques(TechniquesArgs),
    /// List the attacks, or explain one and its parameters
    Attacks(AttacksArgs),
    /// Print the JSON Schema of the events
    Schema,
}

/// What to load, and how the model wants its input.
#[derive(ClapArgs)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// An .onnx file, or a target.toml that names one; the built-in digits classifier if left out
    #[arg(env = "SCOVILLE_MODEL", help_heading = None)]
    pub model: Option<PathBuf>,

    /// Mean of each channel that the model wants subtracted, in units of the pixel range
    #[arg(
        long,
        env = "SCOVILLE_MEAN",
        value_delimiter = ',',
        value_name = "M,..",
        value_parser = parse::real::<f32>,
        allow_hyphen_values = true
    )]
    pub mean: Vec<f32>,

    /// Standard deviation of each channel that the model wants divided by
    #[arg(
        long,
        env = "SCOVILLE_STD",
        value_delimiter = ',',
        value_name = "S,..",
        value_parser = parse::real::<f32>
    )]
    pub std: Vec<f32>,

    /// What the model wants black and white to be, before mean and std [default: 0..1]
    #[arg(
        long,
        env = "SCOVILLE_PIXEL_RANGE",
        value_name = "LOW..HIGH",
        allow_hyphen_values = true
    )]
    pub pixel_range: Option<String>,

    /// Order of the axes that the model wants: nchw or nhwc [default: nchw]
    #[arg(long, env = "SCOVILLE_LAYOUT")]
    pub layout: Option<String>,

    /// The model wants height and width swapped
    #[arg(long, env = "SCOVILLE_TRANSPOSE", value_parser = BoolishValueParser::new())]
    pub transpose: bool,

    /// The data are the model's input as they stand
    #[arg(long, env = "SCOVILLE_RAW", value_parser = BoolishValueParser::new())]
    pub raw: bool,

    /// Shape of one sample, such as 3,224,224, where the model leaves it open
    #[arg(
        long,
        env = "SCOVILLE_SHAPE",
        value_delimiter = ',',
        value_name = "N,..",
        value_parser = parse::at_least_one
    )]
    pub shape: Vec<usize>,

    /// The output to use, where the model has several [default: the first that holds floats]
    #[arg(long, env = "SCOVILLE_OUTPUT", value_name = "NAME")]
    pub output: Option<String>,

    /// The inner value that feature-adversary attacks, by its name in the graph [default: what the last layer of weights reads]
    #[arg(long, env = "SCOVILLE_LAYER", value_name = "NAME")]
    pub layer: Option<String>,

    /// Take gradients through smooth stand-ins for steps such as Round, Sign or QuantizeLinear: auto, on or off
    ///
    /// Backward pass differentiable approximation (BPDA). The answers are always the model's own. By itself Scoville does so
    /// through what is quantised, as the operator of floats would, and through other steps where no gradient would reach the
    /// input otherwise; on: wherever a stand-in is known. A note in the report says through which operators. [default: auto]
    #[arg(long, env = "SCOVILLE_BPDA", value_name = "WHEN")]
    pub bpda: Option<String>,

    /// Class names, in the order of the model's outputs
    #[arg(
        long,
        env = "SCOVILLE_CLASSES",
        value_delimiter = ',',
        value_name = "NAME,.."
    )]
    pub classes: Vec<String>,
}

/// A model, and what to test it on.
#[derive(ClapArgs)]
pub struct TargetArgs {
    /// FORMAT:PATH[,LABELS]: cifar10:FILE, idx:IMAGES,LABELS, f32:FILE,LABELS.csv, csv:FILE (tables), tsv:FILE (texts), or
    /// glyphs:test|train[:N][@SEED], digits that are drawn [default, with the built-in model: glyphs:test:420]
    #[arg(
        long,
        help_heading = "Data",
        env = "SCOVILLE_DATA",
        value_name = "SOURCE"
    )]
    pub data: Option<Source>,

    /// What the columns of csv:FILE are, their ranges, categories and what may change: a TOML file with a section
    /// [features] [default: that of target.toml; without one, all columns are numbers that may change]
    #[arg(
        long,
        help_heading = "Data",
        env = "SCOVILLE_FEATURES",
        value_name = "FILE.toml"
    )]
    pub features: Option<PathBuf>,

    /// Use only the first N samples
    #[arg(long, help_heading = "Data", env = "SCOVILLE_LIMIT", value_name = "N", value_parser = parse::at_least_one)]
    pub limit: Option<usize>,

    #[command(flatten)]
    pub model: ModelArgs,

    /// auto, cpu, vulkan, metal, dx12 or webgpu, with :INDEX for one of several. `assess` shares the samples among all that are
    /// named, such as vulkan:0,vulkan:1
    #[arg(
        long,
        help_heading = "Run",
        env = "SCOVILLE_DEVICE",
        value_name = "DEVICE,..",
        value_delimiter = ',',
        default_value = "auto"
    )]
    pub device: Vec<DeviceSpec>,

    /// Samples that go through the model at once, or auto: 128 on the CPU and 1024 on a GPU, fewer where the model needs much
    /// memory. Changes no score but those of `universal`, `robust-patch` and `feature-adversary`, for which the samples of a batch belong
    /// together. It is halved where memory runs out
    #[arg(long, help_heading = "Run", env = "SCOVILLE_BATCH", value_name = "N", value_parser = parse::batch, default_value = "auto")]
    pub batch: Batch,
}

/// Which class to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Targets {
    Second,
    LeastLikely,
    All,
}

#[derive(ClapArgs)]
pub struct AssessArgs {
    /// Attacks, each [transfer:]NAME[:KEY=VALUE].., or a suite such as autoattack (see `scoville attacks`) [default:
    /// apgd-ce,square:queries=500, in l0 fmn,pointwise:queries=500, in wasserstein wasserstein,wasserstein-square:queries=500, of a model that consists of decision trees leaf-tuple,square:queries=500,hop-skip-jump,
    /// and transfer where there is a surrogate; on texts deepwordbug and transfer:hotflip]
    #[arg(
        long,
        help_heading = "Attack",
        env = "SCOVILLE_ATTACKS",
        value_delimiter = ',',
        value_name = "ATTACK,.."
    )]
    pub attacks: Vec<String>,

    /// The norm that budgets are measured in: linf, l2, l1, l0 (changed elements) or wasserstein (share of an image's mass that is moved, times pixels)
    /// [default: linf]
    #[arg(long, help_heading = "Attack", env = "SCOVILLE_NORM")]
    pub norm: Option<Norm>,

    /// Budgets in [0,1] pixel units [default: 1/255,2/255,4/255,8/255,16/255 in linf, 0.25,0.5,1,2,4 in l2, 3,6,12,24,48 in l1, 8,16,32,64,128 in l0, 0.001,0.005,0.02,0.1,0.5 in wasserstein]; severities 1 to 5 of corruptions; changed words of a text [default: 1,2,4,8], or shares of its words such as 10%, rounded down and at least one word
    #[arg(long, help_heading = "Attack", visible_alias = "eps", env = "SCOVILLE_EPS_LADDER", value_delimiter = ',', value_name = "EPS,..",
          value_parser = parse::budget, allow_hyphen_values = true)]
    pub eps_ladder: Vec<Budget>,

    /// The class that every sample must be taken for, by its number or its name; samples of that class are left out [default: any but the label]
    #[arg(
        long,
        help_heading = "Attack",
        env = "SCOVILLE_TARGET_CLASS",
        value_name = "CLASS",
        conflicts_with = "targets"
    )]
    pub target_class: Option<String>,

    /// The class that a sample must be taken for, by the model's answer to it: the second, the least-likely, or all in turn
    /// until one is reached
    #[arg(
        long,
        help_heading = "Attack",
        env = "SCOVILLE_TARGETS",
        value_name = "WHICH"
    )]
    pub targets: Option<Targets>,

    /// Words that textfooler may put in place of others: a line each, the word, a tab and its synonyms [default: the nearest words
    /// in the model's own embedding]
    #[arg(
        long,
        help_heading = "Attack",
        env = "SCOVILLE_SYNONYMS",
        value_name = "FILE"
    )]
    pub synonyms: Option<PathBuf>,

    #[command(flatten)]
    pub target: TargetArgs,

    /// Seed of the order of samples and of every attack
    #[arg(long, help_heading = "Run", env = "SCOVILLE_SEED", value_name = "N", value_parser = parse::whole::<u64>, default_value_t = 0)]
    pub seed: u64,

    /// Stop when no 95 % interval of a rate is wider than this
    #[arg(long, help_heading = "Run", env = "SCOVILLE_UNTIL_WIDTH", value_name = "WIDTH", value_parser = parse::real::<f64>)]
    pub until_width: Option<f64>,

    /// What transfer attacks run on in place of the model: an .onnx file, which is fed as the model is, a target.toml, or
    /// trained[:queries=1000][:answers=labels|scores], a small network trained on what the model answers; several are an
    /// ensemble. For texts one model of token ids
    #[arg(
        long,
        help_heading = "Surrogate",
        env = "SCOVILLE_SURROGATE",
        value_delimiter = ',',
        value_name = "MODEL,.."
    )]
    pub surrogate: Vec<Surrogate>,

    /// What to train a surrogate on [default: up to half of --data, which is then not attacked]
    #[arg(
        long,
        help_heading = "Surrogate",
        env = "SCOVILLE_SURROGATE_DATA",
        value_name = "SOURCE"
    )]
    pub surrogate_data: Option<Source>,

    /// Write the surrogate that is trained as an ONNX graph, which --surrogate takes again; of texts with FILE.onnx.vocabulary.txt and
    /// FILE.onnx.toml beside it
    #[arg(long, help_heading = "Surrogate", env = "SCOVILLE_SAVE_SURROGATE", value_name = "FILE.onnx", value_parser = parse::output())]
    pub save_surrogate: Option<PathBuf>,

    /// Who can reach the model: public, authenticated, internal or none. Without it the score is a susceptibility
    #[arg(long, help_heading = "Score", env = "SCOVILLE_EXPOSURE")]
    pub exposure: Option<Exposure>,

    /// What is at stake: low, medium, high or critical [default: critical]
    #[arg(long, help_heading = "Score", env = "SCOVILLE_IMPACT")]
    pub impact: Option<Impact>,

    /// Exit with 100 at this band or above (low, medium, high, critical), or at TECHNIQUE=SCORE; may be repeated
    #[arg(
        long,
        help_heading = "Score",
        env = "SCOVILLE_FAIL_ON",
        value_delimiter = ',',
        value_name = "THRESHOLD"
    )]
    pub fail_on: Vec<FailOn>,

    /// What goes to stdout [default: table on a terminal, ndjson otherwise]
    #[arg(long, help_heading = "Output", env = "SCOVILLE_FORMAT")]
    pub format: Option<Format>,

    /// Write the whole result as one JSON object
    #[arg(long, help_heading = "Output", env = "SCOVILLE_REPORT_JSON", value_name = "FILE", value_parser = parse::output())]
    pub report_json: Option<PathBuf>,

    /// Write a self-contained HTML page
    #[arg(long, help_heading = "Output", env = "SCOVILLE_REPORT_HTML", value_name = "FILE", value_parser = parse::output())]
    pub report_html: Option<PathBuf>,
}

impl AssessArgs {
    pub fn norm(&self) -> Norm {
        self.norm.unwrap_or(Norm::Linf)
    }
}

#[derive(ClapArgs)]
pub struct PredictArgs {
    #[command(flatten)]
    pub target: TargetArgs,

    /// Write the first output, as exported, as little-endian f32 in row order
    #[arg(long, help_heading = "Output", value_name = "FILE", value_parser = parse::output())]
    pub out: Option<PathBuf>,

    /// Write the input gradient of the cross-entropy at the label as little-endian f32 in row order
    #[arg(long, help_heading = "Output", value_name = "FILE", value_parser = parse::output())]
    pub gradient: Option<PathBuf>,
}

#[derive(ClapArgs)]
pub struct FalsifyArgs {
    /// An .onnx or .onnx.gz file
    #[arg(requires = "property", conflicts_with = "instances")]
    pub model: Option<PathBuf>,

    /// A VNN-LIB property, .vnnlib or .vnnlib.gz: what a counter-example is
    pub property: Option<PathBuf>,

    /// A table of instances: VNN-COMP's (onnx,vnnlib,timeout), or one with a header and its boxes in lower.f32 and upper.f32
    #[arg(long, value_name = "FILE.csv")]
    pub instances: Option<PathBuf>,

    /// Write the result with its counter-example in VNN-COMP's format; with --instances a folder, for ROW.txt and the points, ROW.f32
    #[arg(long, value_name = "PATH", value_parser = parse::output())]
    pub out: Option<PathBuf>,

    /// Give an instance up after so many seconds [default: the table's; the search ends by itself in any case]
    #[arg(long, env = "SCOVILLE_TIMEOUT", value_name = "SECONDS", value_parser = parse::seconds)]
    pub timeout: Option<f64>,

    /// How often 64 new starts are made after a short look; more find more
    #[arg(long, env = "SCOVILLE_RESTARTS", value_name = "N", value_parser = parse::whole::<u32>, default_value_t = 1)]
    pub restarts: u32,

    /// Seed of the starts
    #[arg(long, env = "SCOVILLE_SEED", value_name = "N", value_parser = parse::whole::<u64>, default_value_t = 0)]
    pub seed: u64,

    /// auto, cpu, vulkan, metal, dx12 or webgpu, with :INDEX for one of several
    #[arg(long, env = "SCOVILLE_DEVICE", default_value = "auto")]
    pub device: DeviceSpec,

    /// What goes to stdout [default: table on a terminal, ndjson otherwise]
    #[arg(long, env = "SCOVILLE_FORMAT")]
    pub format: Option<Format>,
}

#[derive(ClapArgs)]
pub struct InspectArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub json: JsonArgs,
}

#[derive(ClapArgs)]
pub struct DoctorArgs {
    /// Check only this device [default: every device there is]
    #[arg(long, env = "SCOVILLE_DEVICE")]
    pub device: Option<DeviceSpec>,
}

#[derive(ClapArgs)]
pub struct TechniquesArgs {
    /// Only those that an attack of Scoville measures
    #[arg(long)]
    pub measured: bool,

    #[command(flatten)]
    pub json: JsonArgs,
}

#[derive(ClapArgs)]
pub struct AttacksArgs {
    /// An attack, a suite or transfer: what it does, and what its parameters mean
    pub name: Option<String>,

    #[command(flatten)]
    pub json: JsonArgs,
}

#[derive(ClapArgs)]
pub struct JsonArgs {
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Ndjson,
}
