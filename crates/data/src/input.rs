//! A file as a stream of bytes, decompressed where it begins as gzip does. Nothing is allocated on
//! a header's word: buffers grow only with bytes that arrived, and never beyond the caps below.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::Error;

/// Values that a data set may hold: 4 GiB of f32.
pub(crate) const MAX_VALUES: u64 = 1 << 30;
/// Bytes read from one file after decompression, kept or skipped.
pub(crate) const MAX_FILE: u64 = 1 << 32;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// An open file, gzip or not.
pub(crate) struct Input {
    path: PathBuf,
    stream: Box<dyn Read>,
    gzip: bool,
}

impl Input {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let io = |cause| Error::Io {
            path: path.to_owned(),
            cause,
        };
        let mut plain = BufReader::new(File::open(path).map_err(io)?);
        let gzip = plain.fill_buf().map_err(io)?.starts_with(&GZIP_MAGIC);
        let stream: Box<dyn Read> = if gzip {
            Box::new(MultiGzDecoder::new(plain))
        } else {
            Box::new(plain)
        };
        Ok(Input {
            path: path.to_owned(),
            stream,
            gzip,
        })
    }

    /// The next `n` bytes, fewer at the end of the file.
    pub(crate) fn bytes(&mut self, n: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.stream
            .by_ref()
            .take(n)
            .read_to_end(&mut bytes)
            .map_err(|e| self.error(e))?;
        Ok(bytes)
    }

    /// Passes over the next `n` bytes; returns how many there were.
    pub(crate) fn skip(&mut self, n: u64) -> Result<u64, Error> {
        io::copy(&mut self.stream.by_ref().take(n), &mut io::sink()).map_err(|e| self.error(e))
    }

    /// Reads to the end: the first `keep` bytes, at most `most` of them, and how many there were in
    /// all.
    pub(crate) fn rest(&mut self, keep: u64, most: u64) -> Result<(Vec<u8>, u64), Error> {
        let kept = self.bytes(keep.min(most + 1))?;
        let length = kept.len() as u64;
        guard(&self.path, length.into(), most)?;
        let total = length + self.skip((MAX_FILE + 1).saturating_sub(length))?;
        guard(&self.path, total.into(), MAX_FILE)?;
        Ok((kept, total))
    }

    fn error(&self, cause: io::Error) -> Error {
        let path = self.path.clone();
        if self.gzip {
            Error::Gzip { path, cause }
        } else {
            Error::Io { path, cause }
        }
    }
}

/// An error when `bytes` are more than `max`.
pub(crate) fn guard(path: &Path, bytes: u128, max: u64) -> Result<(), Error> {
    if bytes > max.into() {
        return Err(Error::TooLarge {
            what: path.display().to_string(),
            bytes,
            max,
        });
    }
    Ok(())
}

/// `format:file name`, what a data set from `path` is called.
pub(crate) fn name(format: &str, path: &Path) -> String {
    format!(
        "{format}:{}",
        path.file_name().unwrap_or(path.as_os_str()).display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scratch, gzip};

    #[test]
    fn reads_plain_and_gzip_alike() {
        let scratch = Scratch::new();
        let two_members = [gzip(b"abc"), gzip(b"defg")].concat();
        for (name, stored) in [
            ("plain", b"abcdefg".to_vec()),
            ("one", gzip(b"abcdefg")),
            ("two", two_members),
        ] {
            let mut input = Input::open(&scratch.file(name, &stored)).unwrap();
            assert_eq!(input.bytes(2).unwrap(), b"ab", "{name}");
            assert_eq!(input.skip(1).unwrap(), 1, "{name}");
            assert_eq!(input.rest(3, 3).unwrap(), (b"def".to_vec(), 4), "{name}");
        }
    }

    #[test]
    fn keeps_no_more_than_allowed() {
        let scratch = Scratch::new();
        let bomb = scratch.file("bomb", &gzip(&vec![0; 1 << 20]));
        let error = Input::open(&bomb)
            .unwrap()
            .rest(u64::MAX, 1_000)
            .unwrap_err();
        assert!(
            matches!(
                error,
                Error::TooLarge {
                    bytes: 1_001,
                    max: 1_000,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn damaged_gzip_is_named() {
        let scratch = Scratch::new();
        let whole = gzip(&[7; 5_000]);
        let mut wrong_sum = whole.clone();
        let at = wrong_sum.len() - 6;
        wrong_sum[at] ^= 1;
        for (name, stored) in [
            ("cut", &whole[..whole.len() - 9]),
            ("header", &whole[..4]),
            ("sum", &wrong_sum),
        ] {
            let error = Input::open(&scratch.file(name, stored))
                .unwrap()
                .rest(u64::MAX, 9_999)
                .unwrap_err();
            assert!(matches!(error, Error::Gzip { .. }), "{name}: {error}");
        }
    }

    #[test]
    fn missing_files_and_folders_are_errors() {
        let scratch = Scratch::new();
        let missing = Input::open(&scratch.path("none"))
            .err()
            .map(|e| e.to_string());
        assert!(missing.is_some_and(|m| m.contains("none") && m.contains("check the path")));
        let folder = Input::open(&scratch.path("")).and_then(|mut input| input.rest(1, 1));
        assert!(matches!(folder, Err(Error::Io { .. })));
    }
}
