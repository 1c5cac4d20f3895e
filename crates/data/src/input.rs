//! A file as a stream of bytes, decompressed where it begins as gzip does. Nothing is allocated on
//! a header's word: buffers grow only with bytes that arrived, and never beyond the caps below.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::Error;
use crate::store::Store;

/// Bytes of a compressed file that are held in memory.
const MAX_HELD: u64 = 1 << 32;
/// Bytes read from one stream after decompression, held or skipped.
const MAX_STREAM: u64 = 1 << 32;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// An open file, gzip or not.
pub(crate) struct Input {
    path: PathBuf,
    stream: Box<dyn Read>,
    gzip: bool,
    /// The file itself, where any place in it can be read: neither compressed nor a pipe.
    file: Option<File>,
    /// Bytes read so far.
    passed: u64,
}

impl Input {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let io = |cause| Error::Io {
            path: path.to_owned(),
            cause,
        };
        let file = File::open(path).map_err(io)?;
        let is_file = file.metadata().map_err(io)?.is_file();
        let same = file.try_clone().map_err(io)?;
        let mut plain = BufReader::new(file);
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
            file: (is_file && !gzip).then_some(same),
            passed: 0,
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
        self.passed += bytes.len() as u64;
        Ok(bytes)
    }

    /// All that follows, to be read at any place, and how many bytes that is, counted up to `most`. Of what cannot be
    /// read at any place the first `keep` bytes are held in memory.
    pub(crate) fn store(mut self, keep: u64, most: u64) -> Result<(Store, u64), Error> {
        if let Some(file) = self.file.take() {
            let length = file.metadata().map_err(|e| self.error(e))?.len();
            let store = Store::file(&self.path, file, self.passed);
            return Ok((store, length.saturating_sub(self.passed).min(most)));
        }
        let held = self.bytes(keep.min(MAX_HELD + 1))?;
        let length = held.len() as u64;
        guard(&self.path, length.into(), MAX_HELD)?;
        let total = length + self.skip(most.min(MAX_STREAM + 1).saturating_sub(length))?;
        guard(&self.path, total.into(), MAX_STREAM)?;
        Ok((Store::held(&self.path, held), total))
    }

    /// All that follows, at most `most` bytes.
    pub(crate) fn rest(&mut self, most: u64) -> Result<Vec<u8>, Error> {
        let bytes = self.bytes(most + 1)?;
        guard(&self.path, bytes.len() as u128, most)?;
        Ok(bytes)
    }

    /// Passes over the next `n` bytes; returns how many there were.
    fn skip(&mut self, n: u64) -> Result<u64, Error> {
        io::copy(&mut self.stream.by_ref().take(n), &mut io::sink()).map_err(|e| self.error(e))
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
            let (store, total) = input.store(4, u64::MAX).unwrap();
            assert_eq!(total, 5, "{name}");
            assert_eq!(*store.read(1, 3).unwrap(), *b"def", "{name}");
            let counted = Input::open(&scratch.path(name)).unwrap().store(1, 3);
            assert_eq!(counted.unwrap().1, 3, "{name}");
        }
    }

    #[test]
    fn keeps_no_more_than_allowed() {
        let scratch = Scratch::new();
        let bomb = scratch.file("bomb", &gzip(&vec![0; 1 << 20]));
        let error = Input::open(&bomb).unwrap().rest(1_000).unwrap_err();
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
            let input = Input::open(&scratch.file(name, stored)).unwrap();
            let error = input.store(10, u64::MAX).err().unwrap();
            assert!(matches!(error, Error::Gzip { .. }), "{name}: {error}");
        }
    }

    #[test]
    fn missing_files_and_folders_are_errors() {
        let scratch = Scratch::new();
        let missing = Input::open(&scratch.path("none"))
            .err()
            .map(|e| e.to_string());
        assert!(missing.is_some_and(|m| m.starts_with("cannot read ") && m.contains("none")));
        let folder = Input::open(&scratch.path("")).and_then(|mut input| input.rest(1));
        assert!(matches!(folder, Err(Error::Io { .. })));
    }
}
