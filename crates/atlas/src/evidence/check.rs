use std::fmt;

/// A sign that an attack failed for its own reasons, not because the target is robust.
///
/// After Athalye, Carlini and Wagner, "Obfuscated gradients give a false sense of security", ICML
/// 2018; Carlini et al., "On evaluating adversarial robustness", 2019; Pintor et al., "Indicators
/// of attack failure", NeurIPS 2022.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    /// The same input twice gives different outputs.
    RandomisedOutput,
    /// The outputs are probabilities, whose gradients vanish where the model is sure.
    SoftmaxOutputs,
    /// Small changes of the input leave the scores as they are.
    FlatScores,
    /// Near some samples the outputs are NaN or infinite, which is no class and counts as no find.
    NonFiniteOutputs,
    /// The input gradient is zero on some samples.
    ZeroGradients,
    /// The gradient is not that of finite differences.
    GradientMismatch,
    /// A step along the gradient does not raise the loss.
    AscentFails,
    /// The loss is still rising when the attack ends, falls back again and again, or never rises.
    IncompleteOptimisation,
    /// Attacks on scores alone succeed where those with gradients do not.
    BlackBoxBeatsWhiteBox,
    /// Attacks on a surrogate succeed where those with the target's own gradients do not. Needs a surrogate.
    TransferBeatsWhiteBox,
    /// The surrogate takes most samples for other classes than the target does. Needs a surrogate, and concerns transfer alone.
    SurrogateDisagrees,
    /// One step succeeds where many do not.
    SingleStepBeatsIterative,
    /// A larger budget does not succeed more often.
    NoRiseWithEps,
    /// Twice the iterations still succeed more often.
    MoreIterationsGain,
    /// Attacks that are not among those of the run succeed more often.
    OtherAttacksGain,
    /// A budget without bound does not always succeed.
    UnboundedEpsFails,
    /// The data hold labels that the model never predicts.
    LabelNeverPredicted,
}

impl Check {
    /// All checks.
    pub const ALL: [Self; 17] = [
        Self::RandomisedOutput,
        Self::SoftmaxOutputs,
        Self::FlatScores,
        Self::NonFiniteOutputs,
        Self::ZeroGradients,
        Self::GradientMismatch,
        Self::AscentFails,
        Self::IncompleteOptimisation,
        Self::BlackBoxBeatsWhiteBox,
        Self::TransferBeatsWhiteBox,
        Self::SurrogateDisagrees,
        Self::SingleStepBeatsIterative,
        Self::NoRiseWithEps,
        Self::MoreIterationsGain,
        Self::OtherAttacksGain,
        Self::UnboundedEpsFails,
        Self::LabelNeverPredicted,
    ];

    /// Whether it is made only where the run has a surrogate; where it has none, nothing is missing.
    pub fn needs_surrogate(self) -> bool {
        self == Self::TransferBeatsWhiteBox || self.is_of_transfer()
    }

    /// Whether it says something of attacks on a surrogate, and nothing of others.
    pub fn is_of_transfer(self) -> bool {
        self == Self::SurrogateDisagrees
    }

    /// The stable code, in kebab case.
    pub fn code(self) -> &'static str {
        match self {
            Self::RandomisedOutput => "randomised-output",
            Self::SoftmaxOutputs => "softmax-outputs",
            Self::FlatScores => "flat-scores",
            Self::NonFiniteOutputs => "non-finite-outputs",
            Self::ZeroGradients => "zero-gradients",
            Self::GradientMismatch => "gradient-mismatch",
            Self::AscentFails => "ascent-fails",
            Self::IncompleteOptimisation => "incomplete-optimisation",
            Self::BlackBoxBeatsWhiteBox => "black-box-beats-white-box",
            Self::TransferBeatsWhiteBox => "transfer-beats-white-box",
            Self::SurrogateDisagrees => "surrogate-disagrees",
            Self::SingleStepBeatsIterative => "single-step-beats-iterative",
            Self::NoRiseWithEps => "no-rise-with-eps",
            Self::MoreIterationsGain => "more-iterations-gain",
            Self::OtherAttacksGain => "other-attacks-gain",
            Self::UnboundedEpsFails => "unbounded-eps-fails",
            Self::LabelNeverPredicted => "label-never-predicted",
        }
    }

    /// What to do when it warns.
    pub fn advice(self) -> &'static str {
        match self {
            Self::RandomisedOutput => {
                "Turn the randomness off, or average the gradient over many draws for each step."
            }
            Self::SoftmaxOutputs => {
                "Export the model without its final softmax or sigmoid, so that it returns logits."
            }
            Self::FlatScores => {
                "Look for rounded inputs, activations or scores: attack the model before they are \
                 rounded, or from its labels alone."
            }
            Self::NonFiniteOutputs => {
                "An input that the model refuses counts as no find: let it answer with a class of \
                 its own, and attack that, too."
            }
            Self::ZeroGradients => {
                "Look for saturated or quantised layers; attack the logits with a margin loss, \
                 or add a black-box attack."
            }
            Self::GradientMismatch => {
                "Look for an operation that is not differentiable; replace it by a smooth one \
                 for the attack, or rely on black-box attacks."
            }
            Self::AscentFails => {
                "The gradient holds only next to the sample: average it over noise, attack a smooth \
                 copy of the model, or rely on black-box attacks."
            }
            Self::IncompleteOptimisation => {
                "Give the attack more steps where the loss still rises, and smaller ones where it falls back; \
                 where it never rises, look for gradients that vanish."
            }
            Self::TransferBeatsWhiteBox => {
                "The target's own gradients mislead: take the union of both, and attack a copy of the model \
                 without the defence, or from its scores."
            }
            Self::SurrogateDisagrees => {
                "What fools such a surrogate says little of the target: train one with more queries or on natural samples; \
                 of one that is given check preprocessing and the order of classes."
            }
            Self::BlackBoxBeatsWhiteBox => {
                "The gradients mislead: take the black-box figures, and try other losses, \
                 starts and step sizes."
            }
            Self::SingleStepBeatsIterative => {
                "The iterative attack is stuck: lower its step size, add restarts, or change \
                 its loss."
            }
            Self::NoRiseWithEps => {
                "The attack is stuck at every budget: add iterations and restarts, or change \
                 its loss."
            }
            Self::MoreIterationsGain => {
                "The attack has not converged: raise its iterations until the rate settles."
            }
            Self::OtherAttacksGain => {
                "Add attacks of other losses and of other access: --attacks autoattack holds four."
            }
            Self::UnboundedEpsFails => {
                "With the whole input range to use an attack must succeed: check preprocessing, \
                 input range and labels."
            }
            Self::LabelNeverPredicted => {
                "Check that the labels count classes as the model does, from 0 and in the same \
                 order."
            }
        }
    }
}

/// The code.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// `ZeroGradients` for `zero-gradients`.
    fn variant_name(code: &str) -> String {
        let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
        code.split('-').map(capital).collect()
    }

    #[test]
    fn codes_are_the_names_in_kebab_case() {
        for check in Check::ALL {
            assert_eq!(variant_name(check.code()), format!("{check:?}"));
            assert_eq!(check.to_string(), check.code());
        }
    }

    #[test]
    fn each_check_is_listed_once_and_has_advice_of_its_own() {
        let codes: HashSet<_> = Check::ALL.map(Check::code).into();
        let advice: HashSet<_> = Check::ALL.map(Check::advice).into();
        assert_eq!((codes.len(), advice.len()), (17, 17));
        assert!(advice.iter().all(|text| text.ends_with('.')));
    }
}
