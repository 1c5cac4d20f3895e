//! What can go wrong between `--data` and a data set: each message says what, where and how to
//! mend it.

use std::io;
use std::path::PathBuf;

/// Why a data set could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("unknown data format `{given}`: known are {known}", known = crate::source::KNOWN)]
    UnknownFormat { given: String },

    #[error("data source `{given}`: {why}; write {usage}")]
    BadSource {
        given: String,
        why: &'static str,
        usage: &'static str,
    },

    #[error("cannot read {}: {cause}", path.display())]
    Io { path: PathBuf, cause: io::Error },

    #[error(
        "{}: the gzip stream is damaged or cut short ({cause}); fetch or compress the file \
         again",
        path.display()
    )]
    Gzip { path: PathBuf, cause: io::Error },

    #[error(
        "{}: not {what}: it begins with {found}, expected {expected}; check the file and the \
         order of the two",
        path.display()
    )]
    Magic {
        path: PathBuf,
        what: &'static str,
        expected: String,
        found: String,
    },

    #[error(
        "{}: truncated: {expected} bytes are declared, {found} are there; fetch the file again",
        path.display()
    )]
    Truncated {
        path: PathBuf,
        expected: u64,
        found: u64,
    },

    #[error(
        "{}: has bytes after the {expected} that its header declares; check that it is the \
         right file",
        path.display()
    )]
    Trailing { path: PathBuf, expected: u64 },

    #[error(
        "{}: {bytes} bytes are not a whole number of samples of {record} bytes ({layout}); the \
         file is cut short or has another layout",
        path.display()
    )]
    RecordSize {
        path: PathBuf,
        bytes: u64,
        record: u64,
        layout: String,
    },

    #[error(
        "{}: holds {samples} samples, but {} holds {labels} labels; give the two files of one \
         split",
        samples_path.display(), labels_path.display()
    )]
    Counts {
        samples_path: PathBuf,
        samples: u64,
        labels_path: PathBuf,
        labels: u64,
    },

    #[error("{}: line {line} is not UTF-8; convert the file", path.display())]
    NotUtf8 { path: PathBuf, line: usize },

    #[error(
        "{}: line {line}: a label and a text are needed, with {separator} between them",
        path.display()
    )]
    TextLine {
        path: PathBuf,
        line: usize,
        separator: &'static str,
    },

    #[error("{given}: these are texts; {why}")]
    Texts { given: String, why: &'static str },

    #[error("{given}: these are numbers, and the model reads text; give tsv:FILE")]
    Numbers { given: String },

    #[error("{what}: no samples; give data (and a limit) of at least one")]
    Empty { what: String },

    #[error(
        "{}: line 1 is {found:?}: neither a label nor a header with a column `label`; give one \
         label a line, or name the column",
        path.display()
    )]
    LabelHeader { path: PathBuf, found: String },

    #[error(
        "{}: line {line} has {found} columns, the header has {expected}; quoted commas are not \
         supported, leave only the column `label`",
        path.display()
    )]
    LabelColumns {
        path: PathBuf,
        line: usize,
        found: usize,
        expected: usize,
    },

    #[error(
        "{}: line {line}: label {found:?} is not a whole number; number the classes from 0",
        path.display()
    )]
    LabelNotNumber {
        path: PathBuf,
        line: usize,
        found: String,
    },

    #[error(
        "{}: line {line}: label {found} is negative; number the classes from 0",
        path.display()
    )]
    LabelNegative {
        path: PathBuf,
        line: usize,
        found: i64,
    },

    #[error(
        "{}: {at}: label {found} is beyond the largest allowed, {max}; check the format, and \
         number the classes from 0",
        path.display()
    )]
    LabelTooLarge {
        path: PathBuf,
        at: String,
        found: u64,
        max: u32,
    },

    #[error(
        "{}: sample {sample}, element {element} is {value}; remove or replace values that are \
         not finite",
        path.display()
    )]
    NonFinite {
        path: PathBuf,
        sample: usize,
        element: usize,
        value: f32,
    },

    #[error(
        "{name}: sample {sample}, element {element} is {value}: no pixel in [0,1]; give pixels with --mean and --std, \
         or --raw to `predict` when the data are the model's input as they stand"
    )]
    NotPixel {
        name: String,
        sample: usize,
        element: usize,
        value: f32,
    },

    #[error("{}: line {line}: {what}", path.display())]
    Table {
        path: PathBuf,
        line: usize,
        what: String,
    },

    #[error("--features describes a table, and {what} is none; leave it out")]
    NoTable { what: String },

    #[error(
        "{}: raw f32 data carry no shape; give a model with a fixed sample shape (known here: \
         {hint})",
        path.display()
    )]
    ShapeNeeded { path: PathBuf, hint: String },

    #[error(
        "{name}: a sample is {have:?}, the model wants {want:?}; give data of the model's size"
    )]
    ShapeMismatch {
        name: String,
        have: Vec<usize>,
        want: Vec<usize>,
    },

    #[error(
        "{what}: {bytes} bytes or more, at most {max} are read; give a limit or a smaller file"
    )]
    TooLarge { what: String, bytes: u128, max: u64 },

    #[error("{what}: {samples} samples, at most {max} are read; give a limit")]
    TooMany {
        what: String,
        samples: usize,
        max: usize,
    },
}
