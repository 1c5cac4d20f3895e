//! One module a subcommand.

pub mod assess;
pub mod attacks;
pub mod devices;
pub mod doctor;
pub mod falsify;
pub mod inspect;
pub mod predict;
pub mod schema;
pub mod techniques;

use std::io::{self, Write};

use crate::exit::{Exit, Failure, OrFail};

/// Writes the result of a command to stdout. A reader that closes the pipe early wants no more: that is no error.
pub fn print(text: &str) -> Result<Exit, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        done => done.or_fail(Exit::Internal, "stdout").map(|()| Exit::Done),
    }
}

/// Lines of columns, each as wide as its widest cell, two spaces apart; the last column runs free.
pub fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| {
        rows.iter()
            .filter_map(|r| r.get(c))
            .map(|s| s.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..count).map(|c| width(c).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["a", "bcd"], ["long", "e"]].map(|r| r.map(String::from).to_vec());
        assert_eq!(columns(&rows), "a     bcd\nlong  e\n");
    }
}
