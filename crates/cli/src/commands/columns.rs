//! Tables: a row a line where stdout is read by a program, as wide as the terminal where it is read there.

use scoville_report::wrap;

use crate::terminal::stdout_style;

/// Columns that a cell must have before it is broken into lines.
const LEAST: usize = 24;
/// What stands before the columns for which a line has no room.
const INDENT: usize = 4;
const GAP: usize = 2;

/// Lines of columns, each as wide as its widest cell, two spaces apart; the last column runs free.
pub fn columns(rows: &[Vec<String>]) -> String {
    let style = stdout_style();
    laid_out(rows, if style.live { style.width } else { usize::MAX })
}

/// One column on a page of some width.
struct Column {
    index: usize,
    start: usize,
    width: usize,
}

/// The same in lines of at most `page` columns: those that find no room go to lines below, and long cells are broken.
fn laid_out(rows: &[Vec<String>], page: usize) -> String {
    let bands = bands(&widths(rows), page);
    let mut text = String::new();
    for row in rows {
        for band in &bands {
            text += &lines(row, band);
        }
    }
    text
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cells = |c: usize| rows.iter().filter_map(move |row| row.get(c));
    let width = |c| cells(c).map(|cell| cell.chars().count()).max().unwrap_or(0);
    (0..count).map(width).collect()
}

/// The columns that stand side by side.
fn bands(widths: &[usize], page: usize) -> Vec<Vec<Column>> {
    let mut bands = vec![Vec::new()];
    let mut start = 0;
    for (index, &width) in widths.iter().enumerate() {
        if start > INDENT && start + width.min(LEAST) > page {
            bands.push(Vec::new());
            start = INDENT;
        }
        let width = width.min(page.saturating_sub(start)).max(1);
        if let Some(band) = bands.last_mut() {
            band.push(Column {
                index,
                start,
                width,
            });
        }
        start += width + GAP;
    }
    bands
}

/// The cells of a row in one band.
fn lines(row: &[String], band: &[Column]) -> String {
    let cells = band.iter().map(|column| {
        let cell = row.get(column.index).map_or("", String::as_str);
        match cell.chars().count() <= column.width {
            true => vec![cell.to_owned()],
            false => wrap(cell, column.width),
        }
    });
    let cells: Vec<Vec<String>> = cells.collect();
    let mut text = String::new();
    for at in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
        let mut line = String::new();
        for (column, cell) in band.iter().zip(&cells) {
            let used = line.chars().count();
            line += &" ".repeat(column.start.saturating_sub(used));
            line += cell.get(at).map_or("", String::as_str);
        }
        let line = line.trim_end();
        let is_empty_band = line.is_empty() && band.first().is_some_and(|c| c.start > 0);
        if !is_empty_band {
            text += line;
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[[&str; 3]], page: usize) -> String {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| row.map(String::from).to_vec())
            .collect();
        laid_out(&rows, page)
    }

    #[test]
    fn columns_line_up() {
        let rows = [["a", "bcd", ""], ["long", "e", "f g"]];
        assert_eq!(table(&rows, usize::MAX), "a     bcd\nlong  e    f g\n");
    }

    #[test]
    fn long_cells_are_broken_between_words() {
        let words = "thirty letters in a few words, or more";
        let expected = "a  b  thirty letters in a few\n      words, or more\n";
        assert_eq!(table(&[["a", "b", words]], 30), expected);
    }

    #[test]
    fn columns_without_room_go_below() {
        let rows = [
            ["name", "linf,l2,l1", "steps=40 step=0.25 restarts=1"],
            ["x", "l2", ""],
        ];
        let expected = "name  linf,l2,l1\n    steps=40 step=0.25\n    restarts=1\nx     l2\n";
        assert_eq!(table(&rows, 26), expected);
        let widest = table(&rows, 24);
        assert!(widest.lines().all(|line| line.len() <= 24), "{widest}");
    }
}
