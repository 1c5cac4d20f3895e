//! From the text of a property to its cases: the assertions as a disjunction of conjunctions, those of one box together.

use std::collections::{BTreeMap, HashMap};

use crate::error::shown;
use crate::formula::{Atom, Declared, Formula};
use crate::lexer::{Lexer, Token};
use crate::linear::Variable;
use crate::{Case, Conjunction, Error, Property};

/// Comparisons that a disjunction of conjunctions may hold.
const MOST_COMPARISONS: usize = 1 << 21;
/// Elements of all boxes.
const MOST_ELEMENTS: usize = 1 << 25;

pub(crate) fn property(text: &[u8]) -> Result<Property, Error> {
    let mut lexer = Lexer::new(text);
    let mut declared = Declared::new();
    let mut asserted = Vec::new();
    loop {
        match lexer.next() {
            Token::Open => {}
            Token::End => break,
            other => return Err(lexer.unexpected(other, "`(`")),
        }
        match lexer.word("declare-const or assert")? {
            b"declare-const" => declare(&mut lexer, &mut declared)?,
            b"assert" => {
                match lexer.next() {
                    Token::Open => asserted.push(Formula::parse(&mut lexer, &declared, 1)?),
                    other => return Err(lexer.unexpected(other, "`(`")),
                }
                lexer.close()?;
            }
            other => {
                let what = format!(
                    "{} is not supported, only declare-const and assert",
                    shown(other)
                );
                return Err(lexer.error(what));
            }
        }
    }
    let (inputs, outputs) = counts(&declared)?;
    let cases = cases(inputs, asserted)?;
    Ok(Property {
        inputs,
        outputs,
        cases,
    })
}

fn declare(lexer: &mut Lexer, declared: &mut Declared) -> Result<(), Error> {
    let word = lexer.word("X_i or Y_j")?;
    let Some(variable) = Variable::parse(word) else {
        let what = format!(
            "{} cannot be declared: variables are X_i and Y_j, i and j below 2^24",
            shown(word)
        );
        return Err(lexer.error(what));
    };
    if !declared.insert(variable) {
        return Err(lexer.error(format!("{variable} is declared twice")));
    }
    match lexer.word("Real")? {
        b"Real" => lexer.close(),
        other => Err(lexer.error(format!(
            "the type {} is not supported, only Real",
            shown(other)
        ))),
    }
}

/// How many inputs and outputs; they must count from 0 without a gap.
fn counts(declared: &Declared) -> Result<(usize, usize), Error> {
    let count = |variable: fn(usize) -> Variable| {
        let mut n = 0;
        while declared.contains(&variable(n)) {
            n += 1;
        }
        n
    };
    let (inputs, outputs) = (count(Variable::Input), count(Variable::Output));
    if inputs == 0 || outputs == 0 {
        return Err(Error::Property(
            "a property declares at least X_0 and Y_0".into(),
        ));
    }
    if inputs + outputs != declared.len() {
        let what = format!(
            "the declared variables have gaps: X_{inputs} or Y_{outputs} is missing, and a later one is declared"
        );
        return Err(Error::Property(what));
    }
    Ok((inputs, outputs))
}

fn cases(inputs: usize, asserted: Vec<Formula>) -> Result<Vec<Case>, Error> {
    let (mut always, mut choices) = (Vec::new(), Vec::new());
    asserted
        .into_iter()
        .for_each(|formula| flatten(formula, &mut always, &mut choices));
    let mut base = Bounds::default();
    let mut common = Vec::new();
    if !always
        .into_iter()
        .all(|atom| take(atom, &mut base, &mut common))
    {
        return Ok(Vec::new());
    }
    // The position of each box among the cases, by what it narrows of the common one.
    let mut boxes: HashMap<Vec<(usize, u64, u64)>, usize> = HashMap::new();
    let mut found: Vec<(Bounds, Vec<Conjunction>)> = Vec::new();
    for atoms in product(choices.into_iter().map(expand))? {
        let (mut bounds, mut conjunction) = (Bounds::default(), common.clone());
        if !atoms
            .into_iter()
            .all(|atom| take(atom, &mut bounds, &mut conjunction))
        {
            continue;
        }
        let at = *boxes.entry(bounds.key()).or_insert(found.len());
        match found.get_mut(at) {
            Some((_, any)) => any.push(conjunction),
            None => found.push((bounds, vec![conjunction])),
        }
    }
    if found.len().saturating_mul(inputs) > MOST_ELEMENTS {
        return Err(too_large());
    }
    let case = |(bounds, any)| {
        let (lower, upper) = base.narrowed(bounds, inputs)?;
        Ok(Case { lower, upper, any })
    };
    let cases = found.into_iter().map(case);
    let holds_points = |case: &Result<Case, Error>| match case {
        Ok(case) => case
            .lower
            .iter()
            .zip(&case.upper)
            .all(|(low, high)| low <= high),
        Err(_) => true,
    };
    cases.filter(holds_points).collect()
}

fn too_large() -> Error {
    let what = "its `or`s combine to more than 2^21 comparisons, or to boxes of more than 2^25 elements; split the property";
    Error::Property(what.into())
}

/// Splits a conjunction into comparisons and disjunctions.
fn flatten(formula: Formula, atoms: &mut Vec<Atom>, choices: &mut Vec<Formula>) {
    match formula {
        Formula::Atom(atom) => atoms.push(atom),
        Formula::And(parts) => parts
            .into_iter()
            .for_each(|part| flatten(part, atoms, choices)),
        Formula::Or(_) => choices.push(formula),
    }
}

/// A disjunction of conjunctions of comparisons.
type Normal = Vec<Vec<Atom>>;

fn expand(formula: Formula) -> Result<Normal, Error> {
    match formula {
        Formula::Atom(atom) => Ok(vec![vec![atom]]),
        Formula::And(parts) => product(parts.into_iter().map(expand)),
        Formula::Or(parts) => {
            let parts: Result<Vec<Normal>, Error> = parts.into_iter().map(expand).collect();
            Ok(parts?.into_iter().flatten().collect())
        }
    }
}

/// The conjunction of normal forms.
fn product(parts: impl Iterator<Item = Result<Normal, Error>>) -> Result<Normal, Error> {
    let mut all: Normal = vec![Vec::new()];
    for part in parts {
        let part = part?;
        let size = |normal: &Normal| normal.iter().map(|atoms| atoms.len() + 1).sum::<usize>();
        let combined =
            size(&all).saturating_mul(part.len()) + size(&part).saturating_mul(all.len());
        if combined > MOST_COMPARISONS {
            return Err(too_large());
        }
        let joined = |left: &Vec<Atom>| -> Normal {
            let with = |right: &Vec<Atom>| left.iter().chain(right).cloned().collect();
            part.iter().map(with).collect()
        };
        all = all.iter().flat_map(joined).collect();
    }
    Ok(all)
}

/// The bounds of some inputs.
#[derive(Default)]
struct Bounds(BTreeMap<usize, (f64, f64)>);

/// Adds a comparison to the box or to the constraints; false where it can never hold.
fn take(atom: Atom, bounds: &mut Bounds, constraints: &mut Conjunction) -> bool {
    match atom {
        Atom::Lower(i, low) => bounds.narrow(i, low, f64::INFINITY),
        Atom::Upper(i, high) => bounds.narrow(i, f64::NEG_INFINITY, high),
        Atom::Output(constraint) => constraints.push(constraint),
        Atom::Always(holds) => return holds,
    }
    true
}

impl Bounds {
    fn narrow(&mut self, input: usize, low: f64, high: f64) {
        let bounds = self
            .0
            .entry(input)
            .or_insert((f64::NEG_INFINITY, f64::INFINITY));
        *bounds = (bounds.0.max(low), bounds.1.min(high));
    }

    fn key(&self) -> Vec<(usize, u64, u64)> {
        let bits = |(&i, &(low, high)): (&usize, &(f64, f64))| (i, low.to_bits(), high.to_bits());
        self.0.iter().map(bits).collect()
    }

    /// Both together for every input; an error where one has no bound.
    fn narrowed(&self, mut own: Bounds, inputs: usize) -> Result<(Vec<f64>, Vec<f64>), Error> {
        self.0
            .iter()
            .for_each(|(&i, &(low, high))| own.narrow(i, low, high));
        let bound = |i: usize| {
            let (low, high) = own
                .0
                .get(&i)
                .copied()
                .unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
            if low.is_finite() && high.is_finite() {
                return Ok((low, high));
            }
            let side = if low.is_finite() { "upper" } else { "lower" };
            Err(Error::Property(format!(
                "X_{i} has no {side} bound; every input needs both"
            )))
        };
        (0..inputs).map(bound).collect()
    }
}
