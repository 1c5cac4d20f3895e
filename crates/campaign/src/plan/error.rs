//! Why a plan cannot be run.

use scoville_attacks::Measure;
use scoville_kernels::Norm;

use super::MOST_EDITS;

/// A plan that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("no attack to run: name at least one, for example --attacks apgd-ce,square")]
    NoAttacks,
    #[error("eps {0}: every eps must be a number above 0 and at most {1}")]
    Eps(f64, f64),
    #[error(
        "{0} elements: in l0 a budget is a whole number of changed elements, for example --eps-ladder 8,16,32"
    )]
    Elements(f64),
    #[error("{attack} needs a model of at least {least} classes, this one has {classes}; {advice}")]
    Classes {
        attack: String,
        least: usize,
        classes: usize,
        advice: String,
    },
    #[error("class {class}: the model has {classes} classes, numbered from 0")]
    Target { class: u32, classes: usize },
    #[error("{0} knows no class to go to: leave it out, or leave out --target-class and --targets")]
    Aimless(String),
    #[error("the eps ladder is empty: give at least one eps, for example --eps-ladder 1/255,2/255")]
    NoEps,
    #[error("{attack} cannot run in {norm}, but in {own}; in {norm} run {known}")]
    Norm {
        attack: String,
        norm: Norm,
        known: String,
        own: String,
    },
    #[error("budgets of {first} count {measure}, those of {attack} {other}: run them apart")]
    Mixed {
        first: String,
        measure: Measure,
        attack: String,
        other: Measure,
    },
    #[error(
        "{0} edits: a budget of edits is a whole number from 1 to {MOST_EDITS}, for example --eps-ladder 1,2,4"
    )]
    Edits(f64),
    #[error("{0}%: a share of a text's words is above 0 and at most 100%")]
    Share(f64),
    #[error(
        "a budget with % is a share of a text's words, and the attacks of this run change numbers"
    )]
    ShareOfNothing,
    #[error(
        "severity {0}: a severity is a whole number from 1 to 5, for example --eps-ladder 1,3,5"
    )]
    Severity(f64),
    #[error(
        "{attack} takes images, channels x height x width; a sample of this model is {shape:?}"
    )]
    Images { attack: String, shape: Vec<usize> },
    #[error(
        "wasserstein moves mass between the pixels of images, channels x height x width; a sample of this model is \
         {0:?}: give --norm linf, l2, l1 or l0"
    )]
    Pixels(Vec<usize>),
    #[error(
        "{0} reads decision trees, and the model does not consist of them alone; run others, for example --attacks \
         hop-skip-jump,square"
    )]
    NoTrees(String),
    #[error("{attack} takes at most {most} tree, the model has {trees}; run --attacks leaf-tuple")]
    Trees {
        attack: String,
        most: usize,
        trees: usize,
    },
    #[error("--fail-on names {technique}, which this run does not measure; it measures {measured}")]
    FailOn { technique: String, measured: String },
    #[error(
        "{0} runs on a surrogate: name a model with --surrogate, or train one with --surrogate trained"
    )]
    NoSurrogate(String),
    #[error(
        "no attack of this run uses the surrogate: add one to --attacks, for example transfer:mi-fgsm"
    )]
    IdleSurrogate,
    #[error("--until-width {0}: give a width above 0 and below 1, for example 0.05")]
    Width(f64),
}
