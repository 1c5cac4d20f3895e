//! Where data come from: the text of `--data`, `FORMAT:PATH[,LABELS]`, as a value.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::glyphs::{self, Split};
use crate::{Dataset, Error, Schema, TextData, cifar10, idx, raw_f32, table, text};

/// The formats that [`Source`] reads, for messages.
pub(crate) const KNOWN: &str = "cifar10, idx, f32, csv, tsv, glyphs";

/// The most samples of a data set: their labels take 1 GiB.
const MAX_SAMPLES: usize = 1 << 28;

const CIFAR10_USAGE: &str = "cifar10:FILE.bin[.gz]";
const IDX_USAGE: &str = "idx:IMAGES[.gz],LABELS[.gz]";
const F32_USAGE: &str = "f32:FILE.f32,LABELS.csv";
const CSV_USAGE: &str = "csv:FILE.csv[.gz]";
const TSV_USAGE: &str = "tsv:FILE[.gz]";
const GLYPHS_USAGE: &str = "glyphs:test|train[:N][@SEED]";

/// A data source: format, place and, for procedural data, size and seed. Its text is what it was
/// parsed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Cifar10 { file: PathBuf },
    Idx { images: PathBuf, labels: PathBuf },
    F32 { values: PathBuf, labels: PathBuf },
    Csv { file: PathBuf },
    Tsv { file: PathBuf },
    Glyphs { split: Split, n: usize, seed: u64 },
}

impl Source {
    /// Whether its samples are the rows of a table.
    pub fn is_table(&self) -> bool {
        matches!(self.0, Kind::Csv { .. })
    }

    /// Opens the first `limit` samples, or all: sizes and labels are checked, values when they are read
    /// ([`Dataset::check`] reads them all).
    ///
    /// `shape_hint` is the model's sample shape: raw f32 data take it as their own; for the other
    /// formats it is an error when it has another number of values (the order of its axes is the
    /// model's affair).
    pub fn load(
        &self,
        shape_hint: Option<&[usize]>,
        limit: Option<usize>,
    ) -> Result<Dataset, Error> {
        self.load_described(None, shape_hint, limit)
    }

    /// The same of a table that `schema` describes; without one, all its columns are numbers.
    pub fn load_described(
        &self,
        schema: Option<&Schema>,
        shape_hint: Option<&[usize]>,
        limit: Option<usize>,
    ) -> Result<Dataset, Error> {
        if schema.is_some() && !matches!(self.0, Kind::Csv { .. }) {
            return Err(Error::NoTable {
                what: self.to_string(),
            });
        }
        self.check_limit(limit)?;
        let data = match &self.0 {
            Kind::Cifar10 { file } => cifar10::load(file, limit)?,
            Kind::Idx { images, labels } => idx::load(images, labels, limit)?,
            Kind::F32 { values, labels } => raw_f32::load(values, labels, shape_hint, limit)?,
            Kind::Csv { file } => table::load(file, schema, limit)?,
            Kind::Tsv { .. } => {
                return Err(Error::Texts {
                    given: self.to_string(),
                    why: "this needs a model of text, with [text] in target.toml where it reads token ids",
                });
            }
            Kind::Glyphs { split, n, seed } => {
                let n = limit.map_or(*n, |limit| limit.min(*n));
                self.guard(n)?;
                glyphs::generate(*split, n, *seed)
            }
        };
        self.guard(data.len())?;
        match shape_hint {
            Some(want) if !same_volume(want, &data.shape) => Err(Error::ShapeMismatch {
                name: data.name,
                have: data.shape,
                want: want.to_vec(),
            }),
            _ => Ok(data),
        }
    }

    /// Whether it is one of texts, for [`load_texts`](Self::load_texts).
    pub fn is_texts(&self) -> bool {
        matches!(self.0, Kind::Tsv { .. })
    }

    /// Reads the first `limit` texts, or all.
    pub fn load_texts(&self, limit: Option<usize>) -> Result<TextData, Error> {
        self.check_limit(limit)?;
        match &self.0 {
            Kind::Tsv { file } => text::load(file, limit),
            _ => Err(Error::Numbers {
                given: self.to_string(),
            }),
        }
    }

    fn check_limit(&self, limit: Option<usize>) -> Result<(), Error> {
        match limit {
            Some(0) => Err(Error::Empty {
                what: self.to_string(),
            }),
            _ => Ok(()),
        }
    }

    fn guard(&self, samples: usize) -> Result<(), Error> {
        if samples > MAX_SAMPLES {
            return Err(Error::TooMany {
                what: self.to_string(),
                samples,
                max: MAX_SAMPLES,
            });
        }
        Ok(())
    }
}

fn same_volume(a: &[usize], b: &[usize]) -> bool {
    let volume = |shape: &[usize]| shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
    volume(a).is_some() && volume(a) == volume(b)
}

impl FromStr for Source {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (format, rest) = text.split_once(':').unwrap_or((text, ""));
        let bad = |why, usage| Error::BadSource {
            given: text.to_owned(),
            why,
            usage,
        };
        let pair = |usage| match rest.rsplit_once(',') {
            Some((a, b)) if !a.is_empty() && !b.is_empty() => Ok((a.into(), b.into())),
            _ => Err(bad(
                "two files are needed, with a comma between them",
                usage,
            )),
        };
        let kind = match format {
            "cifar10" if rest.is_empty() => return Err(bad("no file is named", CIFAR10_USAGE)),
            "cifar10" => Kind::Cifar10 { file: rest.into() },
            "tsv" if rest.is_empty() => return Err(bad("no file is named", TSV_USAGE)),
            "tsv" => Kind::Tsv { file: rest.into() },
            "idx" => pair(IDX_USAGE).map(|(images, labels)| Kind::Idx { images, labels })?,
            "f32" => pair(F32_USAGE).map(|(values, labels)| Kind::F32 { values, labels })?,
            "csv" if rest.is_empty() => return Err(bad("no file is named", CSV_USAGE)),
            "csv" => Kind::Csv { file: rest.into() },
            "glyphs" => glyphs_source(rest).map_err(|why| bad(why, GLYPHS_USAGE))?,
            _ => {
                return Err(Error::UnknownFormat {
                    given: format.to_owned(),
                });
            }
        };
        Ok(Source(kind))
    }
}

/// `test|train[:N][@SEED]`
fn glyphs_source(text: &str) -> Result<Kind, &'static str> {
    let (text, seed) = match text.split_once('@') {
        None => (text, 0),
        Some((text, seed)) => (
            text,
            seed.parse().map_err(|_| "the seed is not a whole number")?,
        ),
    };
    let (split, n) = text
        .split_once(':')
        .map_or((text, None), |(split, n)| (split, Some(n)));
    let split = match split {
        "train" => Split::Train,
        "test" => Split::Test,
        _ => return Err("the split is neither `train` nor `test`"),
    };
    let n = n
        .map_or(Ok(split.default_len()), str::parse)
        .map_err(|_| "the size is not a whole number")?;
    if n == 0 {
        return Err("the size is 0");
    }
    Ok(Kind::Glyphs { split, n, seed })
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Cifar10 { file } => write!(f, "cifar10:{}", file.display()),
            Kind::Tsv { file } => write!(f, "tsv:{}", file.display()),
            Kind::Idx { images, labels } => {
                write!(f, "idx:{},{}", images.display(), labels.display())
            }
            Kind::F32 { values, labels } => {
                write!(f, "f32:{},{}", values.display(), labels.display())
            }
            Kind::Csv { file } => write!(f, "csv:{}", file.display()),
            Kind::Glyphs { split, n, seed } => write!(f, "glyphs:{}:{n}@{seed}", split.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::philox::Philox;
    use crate::testing::{Scratch, gzip};

    #[test]
    fn parses_and_prints() {
        for (text, printed) in [
            ("cifar10:a/b.bin.gz", "cifar10:a/b.bin.gz"),
            ("cifar10:C:\\b.bin", "cifar10:C:\\b.bin"),
            ("idx:a,b", "idx:a,b"),
            ("tsv:a,b.gz", "tsv:a,b.gz"),
            ("idx:x,y/a,b", "idx:x,y/a,b"),
            ("f32:a.f32,b.csv", "f32:a.f32,b.csv"),
            ("csv:a,b.csv.gz", "csv:a,b.csv.gz"),
            ("glyphs:test", "glyphs:test:10000@0"),
            ("glyphs:test:7", "glyphs:test:7@0"),
            ("glyphs:train", "glyphs:train:60000@0"),
            ("glyphs:train:5@9", "glyphs:train:5@9"),
            (
                "glyphs:train@18446744073709551615",
                "glyphs:train:60000@18446744073709551615",
            ),
        ] {
            let source: Source = text.parse().unwrap();
            assert_eq!(source.to_string(), printed);
            assert_eq!(printed.parse::<Source>().unwrap(), source);
        }
    }

    #[test]
    fn bad_text_says_how_to_write_it() {
        for (text, says) in [
            ("", KNOWN),
            ("images.png", KNOWN),
            ("npz:a.npz", KNOWN),
            ("cifar10", CIFAR10_USAGE),
            ("cifar10:", CIFAR10_USAGE),
            ("idx:only-images", IDX_USAGE),
            ("tsv:", TSV_USAGE),
            ("idx:a,", IDX_USAGE),
            ("f32:,b.csv", F32_USAGE),
            ("csv:", CSV_USAGE),
            ("glyphs", GLYPHS_USAGE),
            ("glyphs:valid", "neither `train` nor `test`"),
            ("glyphs:test:many", "size is not a whole number"),
            ("glyphs:test:0", "size is 0"),
            ("glyphs:train@-1", "seed is not a whole number"),
            ("glyphs:train@1:5", "seed is not a whole number"),
        ] {
            let error = text.parse::<Source>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn loads_with_limit_and_hint() {
        let source: Source = "glyphs:test:20".parse().unwrap();
        assert_eq!(source.load(None, None).unwrap().len(), 20);
        assert_eq!(source.load(Some(&[28, 28, 1]), Some(3)).unwrap().len(), 3);
        assert_eq!(source.load(None, Some(99)).unwrap().len(), 20);
        assert!(matches!(
            source.load(None, Some(0)),
            Err(Error::Empty { .. })
        ));
        for shape in [&[3, 32, 32][..], &[usize::MAX, 2]] {
            assert!(matches!(
                source.load(Some(shape), Some(1)),
                Err(Error::ShapeMismatch { .. })
            ));
        }
        let vast: Source = "glyphs:test:18446744073709551615".parse().unwrap();
        assert!(matches!(vast.load(None, None), Err(Error::TooMany { .. })));
        assert_eq!(vast.load(None, Some(2)).unwrap().len(), 2);
    }

    #[test]
    fn every_format_reaches_its_reader() {
        let scratch = Scratch::new();
        scratch.file("v", &1.5_f32.to_le_bytes());
        scratch.file("l", b"1");
        scratch.file("c", &[0; 3_073]);
        scratch.file("i3", &[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 255]);
        scratch.file("i1", &[0, 0, 8, 1, 0, 0, 0, 1, 6]);
        let load = |format: &str, files: &[&str], hint: Option<&[usize]>| {
            let files: Vec<_> = files
                .iter()
                .map(|f| scratch.path(f).display().to_string())
                .collect();
            format!("{format}:{}", files.join(","))
                .parse::<Source>()
                .unwrap()
                .load(hint, None)
                .unwrap()
        };
        let raw = load("f32", &["v", "l"], Some(&[1]));
        assert_eq!(raw.read_all().unwrap(), [1.5]);
        assert_eq!(load("cifar10", &["c"], None).shape, [3, 32, 32]);
        assert_eq!(load("idx", &["i3", "i1"], None).y, [6]);
        let file = scratch.file("t", b"1 good\n");
        let texts: Source = format!("tsv:{}", file.display()).parse().unwrap();
        assert!(texts.is_texts() && texts.load_texts(None).unwrap().y == [1]);
        assert!(matches!(texts.load(None, None), Err(Error::Texts { .. })));
        let numbers: Source = "glyphs:test:1".parse().unwrap();
        let refused = numbers.load_texts(None);
        assert!(!numbers.is_texts() && matches!(refused, Err(Error::Numbers { .. })));
    }

    /// Files with bytes changed and ends cut either load as a consistent set or are refused.
    #[test]
    fn damaged_files_never_load_as_inconsistent_data() {
        let scratch = Scratch::new();
        let images = [
            &[0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 2][..],
            &[9; 16],
        ]
        .concat();
        let labels = [0, 0, 8, 1, 0, 0, 0, 4, 0, 1, 2, 3];
        let values = [0.5_f32.to_le_bytes(); 8].concat();
        let inputs = [
            ("idx", images.clone(), labels.to_vec()),
            ("idx", gzip(&images), gzip(&labels)),
            ("f32", values.clone(), b"row,label\n0,1\n1,0\n".to_vec()),
            ("f32", gzip(&values), gzip(b"1\n0\n")),
        ];
        let mut rng = Philox::new(11, 0, 0);
        let mut refused = 0;
        for case in 0..1_000 {
            let (format, mut a, mut b) = inputs[case % inputs.len()].clone();
            let file = if *rng.choose(&[true, false]) {
                &mut a
            } else {
                &mut b
            };
            let at = rng.next_u32() as usize % file.len();
            if *rng.choose(&[true, false, false]) {
                file.truncate(at);
            } else {
                file[at] = rng.next_u32() as u8;
            }
            let (a, b) = (scratch.file("a", &a), scratch.file("b", &b));
            let source: Source = format!("{format}:{},{}", a.display(), b.display())
                .parse()
                .unwrap();
            let loaded = source.load(Some(&[4]), None);
            let read = loaded.and_then(|data| Ok((data.read_all()?, data)));
            match read {
                Ok((x, data)) => {
                    assert_eq!(x.len(), data.len() * data.sample_len(), "case {case}");
                    assert!(
                        data.y.iter().all(|&y| (y as usize) < data.classes),
                        "case {case}"
                    );
                    assert_eq!(data.class_names.len(), data.classes, "case {case}");
                    assert!(x.iter().all(|v| v.is_finite()), "case {case}");
                }
                Err(_) => refused += 1,
            }
        }
        assert!((250..1_000).contains(&refused), "{refused} refused");
    }
}
