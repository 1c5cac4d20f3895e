//! One module a subcommand.

pub mod assess;
pub mod attacks;
mod columns;
pub mod devices;
pub mod doctor;
pub mod falsify;
pub mod inspect;
pub mod predict;
pub mod schema;
pub mod techniques;

use std::io::{self, Write};

use crate::exit::{Exit, Failure, OrFail};
pub use columns::columns;

/// Writes the result of a command to stdout. A reader that closes the pipe early wants no more: that is no error.
pub fn print(text: &str) -> Result<Exit, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        done => done.or_fail(Exit::Internal, "stdout").map(|()| Exit::Done),
    }
}
