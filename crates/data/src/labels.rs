//! Labels as text: one whole number a line, or a header line and the column named `label` of a
//! plain CSV.

use std::path::Path;

use crate::Error;
use crate::input::Input;

const COLUMN: &str = "label";
/// Above any label set in use (ImageNet-21k has 21,841), below what would make class names a
/// burden.
const MAX_LABEL: u32 = 999_999;
const MAX_BYTES: u64 = 256 << 20;
const MAX_QUOTED: usize = 40;

/// The labels of a file, in order.
pub(crate) fn read(path: &Path) -> Result<Vec<u32>, Error> {
    let bytes = Input::open(path)?.rest(MAX_BYTES)?;
    parse(path, &String::from_utf8_lossy(&bytes))
}

fn parse(path: &Path, text: &str) -> Result<Vec<u32>, Error> {
    let text = text.trim_start_matches('\u{feff}').trim_end();
    let Some(first) = text.lines().next() else {
        return Err(Error::Empty {
            what: path.display().to_string(),
        });
    };
    let (columns, column, header) = if field(first).parse::<i64>().is_ok() {
        (1, 0, 0)
    } else {
        (first.split(',').count(), label_column(path, first)?, 1)
    };
    let lines = text.lines().enumerate().skip(header);
    let labels: Vec<u32> = lines
        .map(|(i, line)| {
            let fields: Vec<&str> = line.split(',').collect();
            match fields.get(column) {
                Some(found) if fields.len() == columns => label(path, i + 1, field(found)),
                _ => {
                    let (line, found, expected) = (i + 1, fields.len(), columns);
                    Err(Error::LabelColumns {
                        path: path.to_owned(),
                        line,
                        found,
                        expected,
                    })
                }
            }
        })
        .collect::<Result<_, _>>()?;
    if labels.is_empty() {
        return Err(Error::Empty {
            what: path.display().to_string(),
        });
    }
    Ok(labels)
}

/// A field without the blanks and quotes around it.
fn field(text: &str) -> &str {
    text.trim().trim_matches('"')
}

fn label_column(path: &Path, header: &str) -> Result<usize, Error> {
    header
        .split(',')
        .position(|name| field(name) == COLUMN)
        .ok_or_else(|| Error::LabelHeader {
            path: path.to_owned(),
            found: quoted(header),
        })
}

fn label(path: &Path, line: usize, text: &str) -> Result<u32, Error> {
    let path = path.to_owned();
    match text.parse::<i64>() {
        Err(_) => Err(Error::LabelNotNumber {
            path,
            line,
            found: quoted(text),
        }),
        Ok(found @ ..0) => Err(Error::LabelNegative { path, line, found }),
        Ok(found) => u32::try_from(found)
            .ok()
            .filter(|&l| l <= MAX_LABEL)
            .ok_or_else(|| {
                let at = format!("line {line}");
                Error::LabelTooLarge {
                    path,
                    at,
                    found: found.unsigned_abs(),
                    max: MAX_LABEL,
                }
            }),
    }
}

fn quoted(text: &str) -> String {
    text.chars().take(MAX_QUOTED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        for (text, expected) in [
            ("7\n2\n1\n", vec![7, 2, 1]),
            ("7", vec![7]),
            ("\u{feff}label\r\n3\r\n0\r\n", vec![3, 0]),
            ("row,label,source\n0, 3 ,a\n1,8,b\n\n", vec![3, 8]),
            ("\"row\",\"label\"\n\"0\",\"5\"", vec![5]),
        ] {
            assert_eq!(
                parse(Path::new("l.csv"), text).unwrap(),
                expected,
                "{text:?}"
            );
        }
    }

    #[test]
    fn bad_text_is_a_typed_error_with_its_line() {
        type Check = fn(&Error) -> bool;
        let cases: [(&str, Check); 12] = [
            ("", |e| matches!(e, Error::Empty { .. })),
            (" \n\n", |e| matches!(e, Error::Empty { .. })),
            ("label\n", |e| matches!(e, Error::Empty { .. })),
            ("class\n1\n", |e| matches!(e, Error::LabelHeader { .. })),
            ("1.5\n1\n", |e| matches!(e, Error::LabelHeader { .. })),
            ("1,2,3\n", |e| matches!(e, Error::LabelHeader { .. })),
            ("1\ncat\n", |e| {
                matches!(e, Error::LabelNotNumber { line: 2, .. })
            }),
            ("1\n\n2\n", |e| {
                matches!(e, Error::LabelNotNumber { line: 2, .. })
            }),
            ("label\n1\n-1\n", |e| {
                matches!(
                    e,
                    Error::LabelNegative {
                        line: 3,
                        found: -1,
                        ..
                    }
                )
            }),
            ("0\n1000000\n", |e| {
                matches!(
                    e,
                    Error::LabelTooLarge {
                        found: 1_000_000,
                        ..
                    }
                )
            }),
            ("0\n99999999999999999999\n", |e| {
                matches!(e, Error::LabelNotNumber { line: 2, .. })
            }),
            ("text,label\n\"a,b\",1\n", |e| {
                matches!(
                    e,
                    Error::LabelColumns {
                        line: 2,
                        found: 3,
                        expected: 2,
                        ..
                    }
                )
            }),
        ];
        for (text, expected) in cases {
            let error = parse(Path::new("l.csv"), text).unwrap_err();
            assert!(expected(&error), "{text:?}: {error}");
            assert!(error.to_string().contains("l.csv"), "{error}");
        }
    }
}
