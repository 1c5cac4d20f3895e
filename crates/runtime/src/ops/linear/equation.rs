//! The equation of an Einsum: a label for each axis of the operands and of the output.

use std::collections::BTreeMap;

use crate::Fault;

/// A letter, or an axis that an ellipsis stands for, counted from the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Label {
    Ellipsis(usize),
    Letter(char),
}

/// Labels for operands of known ranks.
#[derive(Debug, PartialEq)]
pub(super) struct Labels {
    pub operands: Vec<Vec<Label>>,
    pub output: Vec<Label>,
}

/// One side's term: letters, and where the ellipsis stands.
struct Term {
    letters: Vec<char>,
    ellipsis: Option<usize>,
}

impl Term {
    fn parse(text: &str) -> Result<Term, Fault> {
        let bad = || Fault::shape(format!("the equation's term {text:?} is none"));
        let ellipsis = text.find("...");
        let letters = text.replacen("...", "", 1);
        if !letters.chars().all(|c| c.is_ascii_alphabetic()) {
            return Err(bad());
        }
        Ok(Term {
            letters: letters.chars().collect(),
            ellipsis,
        })
    }

    /// Labels, with an ellipsis of `rest` axes.
    fn labels(&self, rest: usize) -> Vec<Label> {
        let mut labels: Vec<Label> = self.letters.iter().copied().map(Label::Letter).collect();
        if let Some(at) = self.ellipsis {
            // Letters are ASCII, so bytes count them.
            labels.splice(at..at, (0..rest).rev().map(Label::Ellipsis));
        }
        labels
    }
}

/// The labels of `equation` for operands of these ranks.
pub(super) fn labels(equation: &str, ranks: &[usize]) -> Result<Labels, Fault> {
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(Term::parse(right)?)),
        None => (equation.as_str(), None),
    };
    let terms: Vec<Term> = left.split(',').map(Term::parse).collect::<Result<_, _>>()?;
    if terms.len() != ranks.len() {
        return Err(Fault::shape(format!(
            "the equation has {} operands instead of {}",
            terms.len(),
            ranks.len()
        )));
    }
    let mut widest = 0;
    let mut operands = Vec::with_capacity(terms.len());
    for (term, &rank) in terms.iter().zip(ranks) {
        let rest = rank.checked_sub(term.letters.len());
        let rest = rest.filter(|&rest| rest == 0 || term.ellipsis.is_some());
        let rest = rest.ok_or_else(|| {
            Fault::shape(format!(
                "an operand of rank {rank} does not fit the equation"
            ))
        })?;
        widest = widest.max(rest);
        operands.push(term.labels(rest));
    }
    let output = match right {
        Some(term) => term.labels(widest),
        None => implicit(&operands),
    };
    check(&operands, &output)?;
    Ok(Labels { operands, output })
}

/// Without an arrow: the ellipsis, then the labels that stand once, in order.
fn implicit(operands: &[Vec<Label>]) -> Vec<Label> {
    let mut times: BTreeMap<Label, usize> = BTreeMap::new();
    for &label in operands.iter().flatten() {
        *times.entry(label).or_default() += 1;
    }
    let ellipsis = |label: &&Label| matches!(label, Label::Ellipsis(_));
    let mut output: Vec<Label> = times.keys().filter(ellipsis).rev().copied().collect();
    let once = times.iter().filter(|&(_, &n)| n == 1);
    output.extend(
        once.map(|(&label, _)| label)
            .filter(|label| !ellipsis(&label)),
    );
    output
}

fn check(operands: &[Vec<Label>], output: &[Label]) -> Result<(), Fault> {
    for (i, label) in output.iter().enumerate() {
        let known = operands.iter().any(|labels| labels.contains(label));
        let twice = output.iter().take(i).any(|other| other == label);
        // An output ellipsis that no operand has stands for no axes, and so is not here.
        if !known || twice {
            return Err(Fault::shape(
                "the equation's output names an axis twice, or none of an operand",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses() {
        use Label::{Ellipsis as E, Letter as L};
        let case = |equation, ranks: &[usize]| labels(equation, ranks).ok();
        let output = |equation, ranks: &[usize]| case(equation, ranks).map(|l| l.output);
        assert_eq!(output("ij, jk", &[2, 2]), Some(vec![L('i'), L('k')]));
        assert_eq!(output("ba", &[2]), Some(vec![L('a'), L('b')]));
        assert_eq!(output("ii", &[2]), Some(vec![]));
        assert_eq!(
            output("b...a", &[4]),
            Some(vec![E(1), E(0), L('a'), L('b')])
        );
        assert_eq!(output("a...->...", &[1]), Some(vec![]));
        let operands = case("i...,...i->...", &[2, 3]).map(|l| l.operands);
        let right = vec![E(1), E(0), L('i')];
        assert_eq!(operands, Some(vec![vec![L('i'), E(0)], right]));
        for (equation, ranks) in [
            ("ij->k", vec![2]),
            ("ij->ii", vec![2]),
            ("ij", vec![2, 2]),
            ("i", vec![2]),
            ("ijk...", vec![2]),
            ("i.j", vec![2]),
            ("......", vec![2]),
            ("i->j->k", vec![1]),
        ] {
            assert_eq!(case(equation, &ranks), None, "{equation}");
        }
    }
}
