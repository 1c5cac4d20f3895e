//! Formulas: `and`, `or` and comparisons of linear terms, as they are read.

use std::collections::HashSet;

use crate::error::shown;
use crate::lexer::{Lexer, Token};
use crate::linear::{DEEPEST, Linear, Variable};
use crate::{Constraint, Error};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Formula {
    Atom(Atom),
    And(Vec<Formula>),
    Or(Vec<Formula>),
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Atom {
    /// The input is at least this.
    Lower(usize, f64),
    /// The input is at most this.
    Upper(usize, f64),
    Output(Constraint),
    /// It holds whatever the point, or never does.
    Always(bool),
}

/// The variables that may be named.
pub(crate) type Declared = HashSet<Variable>;

impl Formula {
    /// Reads what follows an opening bracket, and its closing one.
    pub fn parse(lexer: &mut Lexer, declared: &Declared, depth: usize) -> Result<Formula, Error> {
        if depth > DEEPEST {
            return Err(lexer.error(format!("more than {DEEPEST} brackets inside one another")));
        }
        match lexer.word("and, or, <= or >=")? {
            b"and" => Ok(Formula::And(Self::list(lexer, declared, depth)?)),
            b"or" => Ok(Formula::Or(Self::list(lexer, declared, depth)?)),
            b">=" => Self::comparison(lexer, declared, 1.0),
            b"<=" => Self::comparison(lexer, declared, -1.0),
            other => Err(lexer.error(format!(
                "{} is not supported; a formula begins with and, or, <= or >=",
                shown(other)
            ))),
        }
    }

    fn list(lexer: &mut Lexer, declared: &Declared, depth: usize) -> Result<Vec<Formula>, Error> {
        let mut parts = Vec::new();
        loop {
            match lexer.next() {
                Token::Open => parts.push(Self::parse(lexer, declared, depth + 1)?),
                Token::Close if parts.is_empty() => {
                    return Err(lexer.error("`and` and `or` need at least one part"));
                }
                Token::Close => return Ok(parts),
                other => return Err(lexer.unexpected(other, "`(` or `)`")),
            }
        }
    }

    /// `left >= right` as `left - right >= 0`; `<=` the other way round.
    fn comparison(lexer: &mut Lexer, declared: &Declared, sign: f64) -> Result<Formula, Error> {
        let left = Linear::parse(lexer, 0)?;
        let right = Linear::parse(lexer, 0)?;
        lexer.close()?;
        let difference = left.plus(right.scaled(-1.0)).scaled(sign).collected();
        let mut terms = difference.terms.iter();
        if let Some((unknown, _)) = terms.find(|(variable, _)| !declared.contains(variable)) {
            return Err(lexer.error(format!("{unknown} is not declared")));
        }
        let atom = Atom::of(&difference);
        Ok(Formula::Atom(atom.map_err(|what| lexer.error(what))?))
    }
}

impl Atom {
    /// `linear >= 0`.
    fn of(linear: &Linear) -> Result<Atom, &'static str> {
        let constant = linear.constant;
        let numbers = linear.terms.iter().map(|&(_, factor)| factor);
        if !numbers.chain([constant]).all(f64::is_finite) {
            return Err("a number is beyond any double");
        }
        match *linear.terms.as_slice() {
            [] => return Ok(Atom::Always(constant >= 0.0)),
            [(Variable::Input(i), factor)] if factor > 0.0 => {
                return Ok(Atom::Lower(i, -constant / factor));
            }
            [(Variable::Input(i), factor)] => return Ok(Atom::Upper(i, -constant / factor)),
            _ => {}
        }
        let output = |&(variable, factor): &(Variable, f64)| match variable {
            Variable::Output(j) => Some((j, factor)),
            Variable::Input(_) => None,
        };
        let terms: Option<Vec<_>> = linear.terms.iter().map(output).collect();
        match terms {
            Some(terms) => Ok(Atom::Output(Constraint {
                terms,
                bound: -constant,
            })),
            None => Err(
                "a comparison must bound one input by a number, or relate outputs; this one does \
                 neither",
            ),
        }
    }
}
