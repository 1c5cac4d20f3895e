//! Brackets and words, each with its place.

use crate::Error;
use crate::error::shown;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    Open,
    Close,
    Word(&'a [u8]),
    End,
}

/// A cursor over the text. Comments run from `;` to the end of the line.
#[derive(Clone)]
pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
    line_start: usize,
    /// Where the last token began.
    place: (usize, usize),
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Lexer {
            text,
            at: 0,
            line: 1,
            line_start: 0,
            place: (1, 1),
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        let mut comment = false;
        while let Some(byte) = self.byte() {
            match byte {
                b'\n' => {
                    comment = false;
                    self.line += 1;
                    self.line_start = self.at + 1;
                }
                b';' => comment = true,
                _ if comment || byte.is_ascii_whitespace() => {}
                _ => return,
            }
            self.at += 1;
        }
    }

    pub fn next(&mut self) -> Token<'a> {
        self.skip_blanks();
        self.place = (self.line, self.at - self.line_start + 1);
        let start = self.at;
        let Some(first) = self.byte() else {
            return Token::End;
        };
        self.at += 1;
        match first {
            b'(' => return Token::Open,
            b')' => return Token::Close,
            _ => {}
        }
        let ends = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'(' | b')' | b';');
        while self.byte().is_some_and(|byte| !ends(byte)) {
            self.at += 1;
        }
        Token::Word(self.text.get(start..self.at).unwrap_or_default())
    }

    /// The token that comes next, which stays.
    pub fn peek(&self) -> Token<'a> {
        self.clone().next()
    }

    /// An error at the last token.
    pub fn error(&self, what: impl Into<String>) -> Error {
        let (line, column) = self.place;
        Error::Syntax {
            line,
            column,
            what: what.into(),
        }
    }

    pub fn unexpected(&self, token: Token, wanted: &str) -> Error {
        let found = match token {
            Token::Open => "`(`".into(),
            Token::Close => "`)`".into(),
            Token::Word(word) => shown(word),
            Token::End => "the end of the file".into(),
        };
        self.error(format!("expected {wanted}, found {found}"))
    }

    pub fn word(&mut self, wanted: &str) -> Result<&'a [u8], Error> {
        match self.next() {
            Token::Word(word) => Ok(word),
            other => Err(self.unexpected(other, wanted)),
        }
    }

    pub fn close(&mut self) -> Result<(), Error> {
        match self.next() {
            Token::Close => Ok(()),
            other => Err(self.unexpected(other, "`)`")),
        }
    }
}
