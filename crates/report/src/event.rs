//! What a run says while it goes on: one [`Event`] a line as NDJSON, and the source of every other report.
//!
//! This is a format that others rely on (`scoville schema` prints its JSON Schema). Add fields; never rename or
//! reuse one. The same seed on the same device gives the same events but for `seconds`.

use schemars::JsonSchema;
use serde::Serialize;

/// The version of the event format, in `run.started`.
pub const FORMAT: u32 = 1;

/// One thing that happened. `event` names it in JSON: `run.started`, `technique.progress`, ...
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "event")]
pub enum Event {
    #[serde(rename = "run.started")]
    RunStarted(Box<RunStarted>),
    #[serde(rename = "technique.started")]
    TechniqueStarted(TechniqueStarted),
    #[serde(rename = "technique.progress")]
    TechniqueProgress(TechniqueProgress),
    #[serde(rename = "text.broken")]
    TextBroken(TextBroken),
    #[serde(rename = "samples.judged")]
    SamplesJudged(SamplesJudged),
    #[serde(rename = "sample.changed")]
    SampleChanged(SampleChanged),
    #[serde(rename = "technique.scored")]
    TechniqueScored(TechniqueScored),
    #[serde(rename = "warning")]
    Warning(Warning),
    #[serde(rename = "run.finished")]
    RunFinished(RunFinished),
}

/// The first event: all that is needed to run this again.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunStarted {
    /// [`FORMAT`].
    pub format: u32,
    /// Scoville's version.
    pub version: String,
    pub seed: u64,
    /// The command line, word by word.
    pub command: Vec<String>,
    pub target: TargetInfo,
    /// What transfer attacks run on, together as an ensemble.
    pub surrogates: Vec<SurrogateInfo>,
    pub data: DataInfo,
    /// The first of `devices`.
    pub device: DeviceInfo,
    /// All that share the samples.
    pub devices: Vec<DeviceInfo>,
    pub plan: PlanInfo,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TargetInfo {
    /// File name, or `built-in glyphs CNN`.
    pub name: String,
    /// SHA-256 of the model file, hex; weights that it keeps in other files are not in it.
    pub sha256: String,
    /// SHA-256 of the weights as they are on the device, hex.
    pub weights_sha256: String,
    pub classes: usize,
    /// Class names, empty when none were given.
    pub class_names: Vec<String>,
    /// Shape of one sample in pixel space, without the batch: `[channels, height, width]` for images.
    pub input_shape: Vec<usize>,
    /// What the model wants done to pixels in `[0,1]`, in words: `range 0..1, mean 0.5, std 0.25, nchw`.
    pub input: String,
    /// Number of trained parameters.
    pub parameters: u64,
    /// What the loader changed or assumed, in words ("batch size 1 lifted to any").
    pub notes: Vec<String>,
}

/// A model that stands for the target in transfer attacks.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SurrogateInfo {
    /// File name, or what was trained: `convolutional network`.
    pub name: String,
    /// SHA-256 of the model file, hex.
    pub sha256: String,
    /// What it wants done to pixels, as in `target`.
    pub input: String,
    pub parameters: u64,
    /// How this run trained it; absent where the user gave it.
    pub training: Option<TrainingInfo>,
}

/// What a surrogate was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TrainingInfo {
    /// What the target told of each sample: `labels` or `scores`.
    pub answers: String,
    /// Samples that the target was asked about, those held out included.
    pub queries: u64,
    /// Samples of the data that it was trained on.
    pub samples: usize,
    /// Samples made of those, beside them.
    pub synthetic: usize,
    /// Samples of the data that it was not trained on, and of those the ones that it classifies as the target does.
    pub held_out: usize,
    pub agreed: usize,
    /// `agreed / held_out`, with its Clopper-Pearson 95 % interval.
    pub fidelity: f64,
    pub interval: [f64; 2],
    pub seconds: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DataInfo {
    /// As given by `--data`.
    pub name: String,
    /// SHA-256 over the decoded samples and labels, hex.
    pub sha256: String,
    /// Samples of this run, after `--limit`; those that a surrogate was trained or measured on are not attacked.
    pub samples: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DeviceInfo {
    /// `cpu`, `vulkan`, `metal`, `dx12`, `gl`.
    pub backend: String,
    /// Adapter name, or the CPU's.
    pub name: String,
    /// True for a software rasteriser such as lavapipe.
    pub software: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PlanInfo {
    /// What budgets count: radii in `linf`, `l2`, `l1`, `l0` or `wasserstein`, `severity`, `edits` (words of a text that are changed) or
    /// `share` (those as a share of all its words).
    pub norm: String,
    /// The budgets, ascending; radii in `[0,1]` pixel units.
    pub eps_ladder: Vec<f64>,
    /// Samples a batch.
    pub batch: usize,
    /// What a sample must be taken for, `class 3`, when not any class but its label.
    pub goal: Option<String>,
    /// Who can reach the model, when declared.
    pub exposure: Option<String>,
    /// What is at stake, when declared.
    pub impact: Option<String>,
    pub techniques: Vec<PlannedTechnique>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PlannedTechnique {
    /// ATLAS id, `AML.T0043.000`.
    pub id: String,
    /// ATLAS name.
    pub name: String,
    /// Attacks in the order in which they run, with their parameters: `apgd-ce (100 steps, 5 restarts)`.
    pub attacks: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TechniqueStarted {
    pub technique: String,
    pub name: String,
    pub attacks: Vec<String>,
}

/// How far one technique is at one eps. Sent once a batch, for every eps of the ladder.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TechniqueProgress {
    pub technique: String,
    /// The attack that ran last; empty for a technique that is the union of others.
    pub attack: String,
    pub norm: String,
    pub eps: f64,
    /// Samples finished, and samples in the run.
    pub done: usize,
    pub of: usize,
    /// Of the samples done, those classified correctly before the attack: the denominator of `rate`.
    pub correct: usize,
    /// Of the correct, those misclassified after the attack.
    pub successes: usize,
    /// Attack success rate, `successes / correct`; 0 when `correct` is 0.
    pub rate: f64,
    /// Anytime-valid 95 % confidence interval of the rate.
    pub interval: [f64; 2],
    /// The technique's score so far over the whole ladder, with its anytime-valid interval; absent until every
    /// eps has been tried once.
    pub score: Option<f64>,
    pub score_interval: Option<[f64; 2]>,
    /// Spent on this technique so far, over all eps.
    pub queries: u64,
    pub gradients: u64,
    pub seconds: f64,
}

/// An example of a text that an attack changed until the model was wrong. The first few of each technique are sent, also from a
/// round that an interrupt cuts short.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TextBroken {
    pub technique: String,
    pub attack: String,
    /// Row of the data, from 0.
    pub sample: u32,
    pub label: u32,
    /// The class that the model takes the changed text for.
    pub predicted: u32,
    /// Words that differ.
    pub edits: u32,
    pub text: String,
    pub edited: String,
}

/// What became of the samples of one round: columns of equal length, one entry a sample. Sent once a round; one that an
/// interrupt cut short is sent where the union of techniques counts it, by the techniques that were through.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct SamplesJudged {
    /// Rows of the data, from 0, in the order in which they were taken.
    pub sample: Vec<u32>,
    pub label: Vec<u32>,
    /// The class before any attack; null where the output was not finite.
    pub predicted: Vec<Option<u32>>,
    /// The first eps of `plan.eps_ladder` at which an attack broke it, as its place there, from 0; null where none did, or
    /// where it was wrong before.
    pub rung: Vec<Option<u16>>,
    /// The attack that did, as its place among the attacks of `plan.techniques`, one technique after the other, from 0.
    pub attack: Vec<Option<u16>>,
    /// How far the adversarial sample is from the clean one, in the norm of the plan.
    pub distance: Vec<Option<f32>>,
}

impl SamplesJudged {
    /// Puts those of another round after these.
    pub fn append(&mut self, more: &SamplesJudged) {
        self.sample.extend(&more.sample);
        self.label.extend(&more.label);
        self.predicted.extend(&more.predicted);
        self.rung.extend(&more.rung);
        self.attack.extend(&more.attack);
        self.distance.extend(&more.distance);
    }
}

/// What an attack changed in the row of a table: an example, sent for the first few of each technique.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SampleChanged {
    pub technique: String,
    pub attack: String,
    /// Row of the data, from 0.
    pub sample: u32,
    pub label: u32,
    /// The class that the model gives it now.
    pub predicted: u32,
    /// How far it is from the clean sample, in the norm of the plan.
    pub distance: f64,
    /// The columns whose values differ.
    pub changes: Vec<FeatureChange>,
}

/// A value of a table before and after an attack, as the file would have it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FeatureChange {
    pub feature: String,
    pub before: String,
    pub after: String,
}

/// A technique's verdict.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TechniqueScored {
    pub technique: String,
    pub name: String,
    /// `susceptibility` when no exposure was declared, else `risk`.
    pub kind: String,
    /// 0..10; absent when the evidence is inconclusive (grade D).
    pub score: Option<f64>,
    pub score_interval: Option<[f64; 2]>,
    /// `none`, `low`, `medium`, `high`, `critical`, or `inconclusive`.
    pub band: String,
    /// True when a check failed, so that the score is a lower bound.
    pub lower_bound: bool,
    pub parts: ScoreParts,
    pub curve: Vec<CurvePoint>,
    /// `A`..`D`.
    pub grade: String,
    /// Why this grade, in one clause: "white-box and black-box attacks ran, all checks passed".
    pub grade_reason: String,
    pub checks: Vec<EvidenceCheck>,
    /// What each attack took and yielded; empty for a technique that is the union of others.
    pub budgets: Vec<AttackBudget>,
    pub queries: u64,
    pub gradients: u64,
    pub seconds: f64,
}

/// `score = 10 * exposure * likelihood * impact`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ScoreParts {
    pub exposure: f64,
    pub likelihood: f64,
    pub likelihood_interval: [f64; 2],
    pub impact: f64,
}

/// One point of a security curve, with Clopper-Pearson 95 % intervals.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CurvePoint {
    pub eps: f64,
    pub samples: usize,
    pub correct: usize,
    pub successes: usize,
    /// `successes / correct`.
    pub rate: f64,
    pub rate_interval: [f64; 2],
    /// `(correct - successes) / samples`.
    pub robust_accuracy: f64,
    pub robust_interval: [f64; 2],
    /// Attacks that found something here, each with the number of samples that it was the first to break.
    pub by_attack: Vec<AttackShare>,
    /// What success cost; absent where an attack used gradients, and, of attacks that seek the nearest point, below the
    /// largest eps.
    pub queries: Option<QueryCurve>,
}

/// Success by the number of queries that the attack which broke a sample had made about it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct QueryCurve {
    /// After 100, 1,000 and 10,000 queries, as far as the budgets of the attacks go.
    pub within: Vec<WithinQueries>,
    /// The median of the samples broken.
    pub median: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WithinQueries {
    pub queries: u64,
    pub successes: usize,
    /// `successes / correct`.
    pub rate: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AttackShare {
    pub attack: String,
    pub successes: usize,
}

/// What one attack took and yielded over the whole ladder.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AttackBudget {
    /// With its parameters, as in the plan.
    pub attack: String,
    /// Samples that it was tried on, each at one eps or more.
    pub samples: usize,
    /// Of those, the samples whose first break is its own.
    pub broken: usize,
    pub queries: u64,
    pub gradients: u64,
    /// What a surrogate was asked; gradients of several surrogates together count once.
    pub surrogate_queries: u64,
    pub surrogate_gradients: u64,
    /// Batches that went to the model: `(queries + gradients) / calls` is their mean size.
    pub calls: u64,
    pub seconds: f64,
}

/// One reliability check of the evidence.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EvidenceCheck {
    /// Stable code, `zero-gradients`.
    pub code: String,
    pub outcome: Outcome,
    /// What was seen, with figures.
    pub detail: String,
    /// What to do about it; empty unless the check warned.
    pub advice: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Passed,
    Warned,
    NotRun,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Warning {
    /// Stable code, `softmax-outputs`.
    pub code: String,
    pub what: String,
    pub advice: String,
    /// The technique that it concerns, if one.
    pub technique: Option<String>,
}

/// The last event.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunFinished {
    /// One sentence: the worst technique, its score and band.
    pub verdict: String,
    /// The worst technique, when one was scored.
    pub headline: Option<Headline>,
    /// `completed`, `width reached` or `interrupted`.
    pub ended: String,
    /// Accuracy before any attack.
    pub clean: Accuracy,
    /// The process's exit code.
    pub exit_code: u8,
    /// Thresholds of `--fail-on` that were breached, in words.
    pub breaches: Vec<String>,
    /// What `--fail-on` came to; absent without it.
    pub gate: Option<Gate>,
    pub totals: Totals,
}

/// What became of all thresholds of `--fail-on` together.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Gate {
    pub outcome: GateOutcome,
    /// The breaches, or what has no score, or the thresholds that were kept.
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateOutcome {
    Passed,
    Failed,
    /// A threshold is set for something that has no score.
    NotDecided,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Headline {
    pub technique: String,
    pub name: String,
    pub score: f64,
    pub score_interval: [f64; 2],
    pub band: String,
    pub lower_bound: bool,
    pub grade: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Accuracy {
    pub correct: usize,
    pub samples: usize,
    pub interval: [f64; 2],
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Totals {
    /// Samples that the target was asked about before any attack.
    pub samples: usize,
    pub queries: u64,
    pub gradients: u64,
    pub seconds: f64,
}
