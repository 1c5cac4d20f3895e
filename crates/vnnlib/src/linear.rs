//! Linear terms: numbers, variables, and `+`, `-`, `*` of them.

use crate::Error;
use crate::error::shown;
use crate::lexer::{Lexer, Token};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Variable {
    Input(usize),
    Output(usize),
}

/// Variables that a property may declare of one kind.
pub(crate) const MOST_VARIABLES: usize = 1 << 24;
/// Brackets inside one another.
pub(crate) const DEEPEST: usize = 64;

impl Variable {
    /// `X_3` or `Y_0`.
    pub fn parse(word: &[u8]) -> Option<Variable> {
        let text = std::str::from_utf8(word).ok()?;
        let (kind, digits) = text.split_once('_')?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let index = digits.parse().ok().filter(|&i| i < MOST_VARIABLES)?;
        match kind {
            "X" => Some(Variable::Input(index)),
            "Y" => Some(Variable::Output(index)),
            _ => None,
        }
    }
}

/// A sum of multiples of variables, and a constant.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Linear {
    pub terms: Vec<(Variable, f64)>,
    pub constant: f64,
}

impl Linear {
    pub fn scaled(mut self, by: f64) -> Linear {
        self.terms.iter_mut().for_each(|(_, factor)| *factor *= by);
        self.constant *= by;
        self
    }

    pub fn plus(mut self, other: Linear) -> Linear {
        self.terms.extend(other.terms);
        self.constant += other.constant;
        self
    }

    /// Each variable once, without those that fall out.
    pub fn collected(mut self) -> Linear {
        self.terms.sort_by_key(|&(variable, _)| variable);
        self.terms.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        self.terms.retain(|&(_, factor)| factor != 0.0);
        self
    }

    pub fn parse(lexer: &mut Lexer, depth: usize) -> Result<Linear, Error> {
        match lexer.next() {
            Token::Word(word) => Self::leaf(lexer, word),
            Token::Open if depth >= DEEPEST => {
                Err(lexer.error(format!("more than {DEEPEST} brackets inside one another")))
            }
            Token::Open => Self::call(lexer, depth + 1),
            other => Err(lexer.unexpected(other, "a number, a variable or a sum")),
        }
    }

    fn leaf(lexer: &Lexer, word: &[u8]) -> Result<Linear, Error> {
        if let Some(variable) = Variable::parse(word) {
            return Ok(Linear {
                terms: vec![(variable, 1.0)],
                constant: 0.0,
            });
        }
        let begins = |b: &u8| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+');
        let number = word
            .first()
            .filter(|first| begins(first))
            .and_then(|_| std::str::from_utf8(word).ok())
            .and_then(|text| text.parse::<f64>().ok());
        match number {
            Some(constant) if constant.is_finite() => Ok(Linear {
                terms: Vec::new(),
                constant,
            }),
            Some(_) => Err(lexer.error(format!("{} is beyond any double", shown(word)))),
            None => Err(lexer.error(format!(
                "{} is neither a number nor a variable X_i or Y_j",
                shown(word)
            ))),
        }
    }

    fn call(lexer: &mut Lexer, depth: usize) -> Result<Linear, Error> {
        let operator = lexer.word("+, - or *")?;
        if !matches!(operator, b"+" | b"-" | b"*") {
            let what = format!(
                "{} is no operator of a linear term (+, -, *)",
                shown(operator)
            );
            return Err(lexer.error(what));
        }
        let first = Self::parse(lexer, depth)?;
        let mut ahead = lexer.peek();
        if ahead == Token::Close {
            lexer.close()?;
            return Ok(match operator {
                b"-" => first.scaled(-1.0),
                _ => first,
            });
        }
        let mut sum = first;
        while ahead != Token::Close {
            let next = Self::parse(lexer, depth)?;
            sum = match operator {
                b"+" => sum.plus(next),
                b"-" => sum.plus(next.scaled(-1.0)),
                _ if next.terms.is_empty() => sum.scaled(next.constant),
                _ if sum.terms.is_empty() => next.scaled(sum.constant),
                _ => return Err(lexer.error("a product of two variables is not linear")),
            };
            ahead = lexer.peek();
        }
        lexer.close()?;
        Ok(sum)
    }
}

impl std::fmt::Display for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Variable::Input(i) => write!(f, "X_{i}"),
            Variable::Output(j) => write!(f, "Y_{j}"),
        }
    }
}
