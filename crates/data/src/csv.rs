//! Comma-separated values: records of fields, each with the line that it begins on.
//!
//! RFC 4180: a field in double quotes may hold commas, line ends and doubled quotes. Blanks round a field are no part
//! of it, and blank lines no records.

use std::borrow::Cow;

/// One record.
#[derive(Debug, PartialEq)]
pub(crate) struct Record<'a> {
    /// Counted from 1.
    pub line: usize,
    pub fields: Vec<Cow<'a, str>>,
}

/// The records of `text`; an error is the line of a quote that is not closed, or closed within a field.
pub(crate) fn records(text: &str) -> Records<'_> {
    let left = text.trim_start_matches('\u{feff}');
    Records { left, line: 1 }
}

pub(crate) struct Records<'a> {
    left: &'a str,
    line: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, usize>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(blank) = blank_line(self.left) {
            self.left = blank;
            self.line += 1;
        }
        if self.left.trim().is_empty() {
            return None;
        }
        let line = self.line;
        let mut fields = Vec::new();
        loop {
            let Some((field, after)) = field(self.left) else {
                self.left = "";
                return Some(Err(line));
            };
            let consumed = self.left.len() - after.len();
            let lines = self.left.get(..consumed).unwrap_or_default();
            self.line += lines.matches('\n').count();
            fields.push(field);
            self.left = after;
            match after.strip_prefix(',') {
                Some(next) => self.left = next,
                None => break,
            }
        }
        if let Some(next) = self.left.strip_prefix('\n') {
            self.left = next;
            self.line += 1;
        }
        Some(Ok(Record { line, fields }))
    }
}

/// What follows a line of blanks that `text` begins with.
fn blank_line(text: &str) -> Option<&str> {
    let (line, rest) = text.split_once('\n')?;
    line.trim().is_empty().then_some(rest)
}

/// The first field of `text` and what follows it: a comma, a line end or nothing.
fn field(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let start = text.trim_start_matches([' ', '\t']);
    let Some(quoted) = start.strip_prefix('"') else {
        let end = start.find([',', '\n']).unwrap_or(start.len());
        let (field, rest) = start.split_at(end);
        return Some((Cow::Borrowed(field.trim()), rest));
    };
    let mut from = 0;
    loop {
        let end = from + quoted.get(from..)?.find('"')?;
        let rest = quoted.get(end + 1..)?;
        if rest.starts_with('"') {
            from = end + 2;
            continue;
        }
        let field = quoted.get(..end)?;
        let rest = rest.trim_start_matches([' ', '\t', '\r']);
        let ends = rest.is_empty() || rest.starts_with([',', '\n']);
        return ends.then(|| (unescaped(field), rest));
    }
}

fn unescaped(field: &str) -> Cow<'_, str> {
    match field.contains("\"\"") {
        true => Cow::Owned(field.replace("\"\"", "\"")),
        false => Cow::Borrowed(field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, Vec<String>)> {
        let all = records(text).map(|record| {
            let Record { line, fields } = record.unwrap();
            (line, fields.into_iter().map(Cow::into_owned).collect())
        });
        all.collect()
    }

    fn record(line: usize, fields: &[&str]) -> (usize, Vec<String>) {
        (line, fields.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn fields_are_split_and_lines_are_counted() {
        let text = "\u{feff}a, b ,c\r\n\n1,\"x, y\",3\n \n2,\"say \"\"hi\"\"\nthere\",\r\n,,\n";
        let expected = [
            record(1, &["a", "b", "c"]),
            record(3, &["1", "x, y", "3"]),
            record(5, &["2", "say \"hi\"\nthere", ""]),
            record(7, &["", "", ""]),
        ];
        assert_eq!(read(text), expected);
        assert_eq!(read("a,b"), [record(1, &["a", "b"])]);
        assert_eq!(read(" \n\n"), []);
    }

    #[test]
    fn a_quote_that_is_not_closed_is_told_by_its_line() {
        for text in ["a\n\"b", "a\n\"b\"c,d\n", "a\nx,\"b\n\n"] {
            let last = records(text).last();
            assert_eq!(last, Some(Err(2)), "{text:?}");
        }
    }
}
