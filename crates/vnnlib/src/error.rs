use std::io;
use std::path::PathBuf;

/// A property or a table that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path}: more than {limit} bytes once decompressed")]
    TooLarge { path: PathBuf, limit: u64 },
    /// Lines and columns (in bytes) count from 1.
    #[error("line {line}, column {column}: {what}")]
    Syntax {
        line: usize,
        column: usize,
        what: String,
    },
    #[error("no instances in {path}")]
    NoInstances { path: PathBuf },
    #[error("{0}")]
    Property(String),
    #[error("line {line}: {what}")]
    Table { line: usize, what: String },
}

/// A name of the file's, fit to be shown.
pub(crate) fn shown(word: &[u8]) -> String {
    const LONGEST: usize = 60;
    let text = String::from_utf8_lossy(word.get(..LONGEST).unwrap_or(word));
    let dots = if word.len() > LONGEST { "..." } else { "" };
    format!("`{}{dots}`", text.escape_debug())
}
