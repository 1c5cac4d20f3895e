//! Labelled texts: a line each, the label and the text with a tab between them, in either order; where there is no tab, the label
//! stands before the first blank.
//!
//! Of the two columns the one with fewer distinct values is the label. Labels are whole numbers, or names, which are numbered in
//! alphabetical order. Texts are held in memory.

use std::collections::BTreeSet;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::Error;
use crate::dataset::decimal_names;
use crate::input::{Input, name};

/// Most bytes of a file, decompressed.
const MAX_BYTES: u64 = 1 << 30;
/// Most labels that a text classifier tells apart.
const MAX_CLASSES: u32 = 100_000;

/// A labelled data set of texts.
#[derive(Debug)]
pub struct TextData {
    /// Format and file name, for reports.
    pub name: String,
    pub texts: Vec<String>,
    /// One label a text, each below `classes`.
    pub y: Vec<u32>,
    /// The largest label of the whole file + 1, or the number of its names.
    pub classes: usize,
    /// The label in decimal where the file has no names.
    pub class_names: Vec<String>,
}

impl TextData {
    pub fn len(&self) -> usize {
        self.y.len()
    }

    pub fn is_empty(&self) -> bool {
        self.y.is_empty()
    }

    /// SHA-256, in hex, over each text's length in bytes as u64, the text and its label as u32, little-endian.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (text, label) in self.texts.iter().zip(&self.y) {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
            hash.update(label.to_le_bytes());
        }
        hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }
}

pub(crate) fn load(path: &Path, limit: Option<usize>) -> Result<TextData, Error> {
    let bytes = Input::open(path)?.rest(MAX_BYTES)?;
    let text = String::from_utf8(bytes).map_err(|error| Error::NotUtf8 {
        path: path.to_owned(),
        line: 1 + error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|&&b| b == b'\n')
            .count(),
    })?;
    let rows = rows(path, text.trim_start_matches('\u{feff}'))?;
    let (y, class_names) = labels(path, &rows)?;
    let limit = limit.unwrap_or(rows.len());
    let texts = rows.iter().take(limit);
    Ok(TextData {
        name: name("tsv", path),
        texts: texts.map(|row| row.text.to_owned()).collect(),
        y: y.into_iter().take(limit).collect(),
        classes: class_names.len(),
        class_names,
    })
}

struct Row<'a> {
    /// From 1.
    line: usize,
    label: &'a str,
    text: &'a str,
}

fn rows<'a>(path: &Path, text: &'a str) -> Result<Vec<Row<'a>>, Error> {
    let lines = || {
        text.lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
    };
    let tabs = lines().any(|(_, line)| line.contains('\t'));
    let before = |line: &'a str| match tabs {
        true => line.split_once('\t'),
        false => line.split_once(' '),
    };
    let after = |line: &'a str| line.rsplit_once('\t').map(|(text, label)| (label, text));
    let distinct = |label: &dyn Fn(&'a str) -> Option<(&'a str, &'a str)>| {
        let labels = lines().filter_map(|(_, line)| Some(label(line)?.0.trim()));
        labels.collect::<BTreeSet<&str>>().len()
    };
    let last = tabs && distinct(&after) < distinct(&before);
    let row = |(i, line): (usize, &'a str)| {
        let (label, text) = if last { after(line) } else { before(line) }?;
        let (label, text) = (label.trim(), text.trim());
        let whole = !label.is_empty() && !text.is_empty();
        whole.then_some(Row {
            line: i + 1,
            label,
            text,
        })
    };
    let rows = lines().map(|(i, line)| {
        row((i, line)).ok_or_else(|| Error::TextLine {
            path: path.to_owned(),
            line: i + 1,
            separator: if tabs { "a tab" } else { "a blank" },
        })
    });
    let rows: Vec<Row<'_>> = rows.collect::<Result<_, _>>()?;
    match rows.is_empty() {
        true => Err(Error::Empty {
            what: path.display().to_string(),
        }),
        false => Ok(rows),
    }
}

/// The label of each row, and the names of the classes.
fn labels(path: &Path, rows: &[Row<'_>]) -> Result<(Vec<u32>, Vec<String>), Error> {
    let numbers = rows.iter().map(|row| row.label.parse::<u64>().ok());
    if let Some(numbers) = numbers.collect::<Option<Vec<u64>>>() {
        let label = |(&found, row): (&u64, &Row<'_>)| match u32::try_from(found) {
            Ok(label) if label < MAX_CLASSES => Ok(label),
            _ => Err(Error::LabelTooLarge {
                path: path.to_owned(),
                at: format!("line {}", row.line),
                found,
                max: MAX_CLASSES - 1,
            }),
        };
        let y: Vec<u32> = numbers
            .iter()
            .zip(rows)
            .map(label)
            .collect::<Result<_, _>>()?;
        let classes = y.iter().max().map_or(0, |&most| most as usize + 1);
        return Ok((y, decimal_names(classes)));
    }
    let names: BTreeSet<&str> = rows.iter().map(|row| row.label).collect();
    if names.len() > MAX_CLASSES as usize {
        return Err(Error::TooMany {
            what: format!("the labels of {}", path.display()),
            samples: names.len(),
            max: MAX_CLASSES as usize,
        });
    }
    let names: Vec<&str> = names.into_iter().collect();
    let place = |row: &Row<'_>| names.partition_point(|name| *name < row.label) as u32;
    Ok((
        rows.iter().map(place).collect(),
        names.iter().map(|name| (*name).to_owned()).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scratch, gzip};

    fn read(bytes: &[u8]) -> Result<TextData, Error> {
        let scratch = Scratch::new();
        load(&scratch.file("t.tsv", bytes), None)
    }

    #[test]
    fn the_label_stands_on_either_side() {
        for bytes in [
            &b"spam\tBuy now\nham\tOk lar\t:)\n\nham\tSee you\r\n"[..],
            b"Buy now\tspam\nOk lar\t:)\tham\nSee you\tham",
            &gzip(b"spam\tBuy now\nham\tOk lar\t:)\nham\tSee you"),
        ] {
            let data = read(bytes).unwrap();
            assert_eq!(data.texts, ["Buy now", "Ok lar\t:)", "See you"]);
            assert_eq!(data.y, [1, 0, 0]);
            assert_eq!(
                (data.classes, data.class_names),
                (2, vec!["ham".into(), "spam".into()])
            );
        }
    }

    #[test]
    fn without_tabs_the_label_is_the_first_word() {
        let data = read(b"0 one long string .\n2 good\n").unwrap();
        assert_eq!(data.texts, ["one long string .", "good"]);
        assert_eq!((data.y, data.classes), (vec![0, 2], 3));
        assert_eq!(data.class_names, ["0", "1", "2"]);
    }

    #[test]
    fn a_limit_keeps_the_classes_of_the_file() {
        let scratch = Scratch::new();
        let path = scratch.file("t.tsv", b"0 a\n1 b\n1 c\n");
        let (all, one) = (load(&path, None).unwrap(), load(&path, Some(1)).unwrap());
        assert_eq!(
            (one.len(), one.classes, one.name.as_str()),
            (1, 2, "tsv:t.tsv")
        );
        assert_ne!(all.digest(), one.digest());
        assert_eq!(all.digest(), load(&path, Some(9)).unwrap().digest());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (bytes, says) in [
            (&b""[..], "no samples"),
            (b"0\ta\nb c\n", "line 2"),
            (b"0\ta\n1\t \n", "line 2"),
            (b"0 a\nb\n", "line 2"),
            (b"0 a\n100000 b\n", "line 2"),
            (b"0 a\n1 \xff\n", "line 2"),
        ] {
            let error = read(bytes).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
