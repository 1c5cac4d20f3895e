//! What a property asks for, in one form.

use std::fmt::Write;

use crate::Error;
use crate::build;

/// A question about a model of `inputs` inputs and `outputs` outputs: is there a point in one of the cases?
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    pub inputs: usize,
    pub outputs: usize,
    pub cases: Vec<Case>,
}

/// A box of inputs, and what makes a point of it a counter-example: that any one of the conjunctions holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    pub lower: Vec<f64>,
    pub upper: Vec<f64>,
    pub any: Vec<Conjunction>,
}

/// Constraints that must all hold.
pub type Conjunction = Vec<Constraint>;

/// The sum of `factor * Y_output` over the terms is at least `bound`.
#[derive(Debug, Clone, PartialEq)]
pub struct Constraint {
    pub terms: Vec<(usize, f64)>,
    pub bound: f64,
}

impl Constraint {
    /// `Y_above >= Y_below`.
    pub fn at_least(above: usize, below: usize) -> Constraint {
        let mut terms = vec![(above, 1.0), (below, -1.0)];
        terms.sort_by_key(|&(output, _)| output);
        Constraint { terms, bound: 0.0 }
    }

    /// How far the outputs are beyond the bound, in f64; negative where the constraint is violated. NaN where an output is.
    pub fn slack(&self, outputs: &[f32]) -> f64 {
        let value = |&(output, factor): &(usize, f64)| {
            factor * outputs.get(output).copied().map_or(f64::NAN, f64::from)
        };
        self.terms.iter().map(value).sum::<f64>() - self.bound
    }
}

impl Case {
    /// Whether the point lies in the box, by f64 arithmetic.
    pub fn contains(&self, point: &[f32]) -> bool {
        let within = |((&x, &low), &high): ((&f32, &f64), &f64)| (low..=high).contains(&x.into());
        point.len() == self.lower.len()
            && point.iter().zip(&self.lower).zip(&self.upper).all(within)
    }
}

impl Property {
    /// Reads VNN-LIB.
    pub fn parse(text: &[u8]) -> Result<Property, Error> {
        build::property(text)
    }
}

/// A counter-example as VNN-COMP wants it: the verdict, then every input and output. Numbers are the f32 values exactly.
pub fn counterexample(point: &[f32], outputs: &[f32]) -> String {
    let mut text = String::from("sat\n(");
    for (name, values) in [("X", point), ("Y", outputs)] {
        for (i, &value) in values.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "({name}_{i} {})", f64::from(value));
        }
    }
    text.truncate(text.trim_end().len());
    text + ")\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_hold_and_nan_does_not() {
        let constraint = Constraint::at_least(1, 0);
        assert_eq!(constraint.slack(&[0.5, 0.5]), 0.0);
        assert_eq!(constraint.slack(&[0.5, 0.25]), -0.25);
        assert!(constraint.slack(&[f32::NAN, 1.0]).is_nan());
        assert!(constraint.slack(&[1.0]).is_nan());
    }

    #[test]
    fn the_box_is_judged_in_f64() {
        let case = Case {
            lower: vec![0.1],
            upper: vec![0.2],
            any: Vec::new(),
        };
        // The f32 nearest to 0.1 lies above it, that nearest to 0.2 too.
        assert!(case.contains(&[0.1]) && !case.contains(&[0.2]));
        assert!(!case.contains(&[f32::NAN]) && !case.contains(&[]));
    }

    #[test]
    fn counterexamples_hold_the_exact_numbers() {
        let expected = "sat\n((X_0 0.10000000149011612)\n(X_1 -2)\n(Y_0 0.5))\n";
        assert_eq!(counterexample(&[0.1, -2.0], &[0.5]), expected);
        let tiny = counterexample(&[1e-20], &[0.0]);
        let number = tiny
            .lines()
            .nth(1)
            .and_then(|line| line.strip_prefix("((X_0 "));
        let number: f64 = number.unwrap().trim_end_matches(')').parse().unwrap();
        assert_eq!(number, f64::from(1e-20_f32));
    }
}
