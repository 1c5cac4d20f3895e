//! Bytes that can be read at any place: of a file, or in memory.

use std::borrow::Cow;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::Error;

/// A plain file stays where it is. A compressed one has no places to go to: what it decompresses to is held, as bytes,
/// and not written to a temporary folder, where others might read it.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    /// A file from `start` on.
    File {
        file: Mutex<File>,
        start: u64,
    },
    Held(Vec<u8>),
}

impl Store {
    pub(crate) fn file(path: &Path, file: File, start: u64) -> Self {
        let file = Mutex::new(file);
        Store {
            path: path.to_owned(),
            bytes: Bytes::File { file, start },
        }
    }

    pub(crate) fn held(path: &Path, bytes: Vec<u8>) -> Self {
        Store {
            path: path.to_owned(),
            bytes: Bytes::Held(bytes),
        }
    }

    /// The file that the bytes come from.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The `n` bytes at `at`; an error where there are fewer.
    pub(crate) fn read(&self, at: u64, n: usize) -> Result<Cow<'_, [u8]>, Error> {
        match &self.bytes {
            Bytes::Held(held) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX);
                let range = from..from.saturating_add(n);
                let found = held.get(range).map(Cow::Borrowed);
                found.ok_or_else(|| self.truncated(at + n as u64, held.len() as u64))
            }
            Bytes::File { file, start } => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let mut bytes = vec![0; n];
                let end = start + at + n as u64;
                let done = file.seek(SeekFrom::Start(start + at));
                match done.and_then(|_| file.read_exact(&mut bytes)) {
                    Ok(()) => Ok(bytes.into()),
                    // It was long enough when it was opened.
                    Err(e) if e.kind() == ErrorKind::UnexpectedEof => {
                        Err(self.truncated(end, file.metadata().map_or(0, |m| m.len())))
                    }
                    Err(cause) => Err(Error::Io {
                        path: self.path.clone(),
                        cause,
                    }),
                }
            }
        }
    }

    fn truncated(&self, expected: u64, found: u64) -> Error {
        Error::Truncated {
            path: self.path.clone(),
            expected,
            found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;

    #[test]
    fn reads_at_any_place_and_never_past_the_end() {
        let scratch = Scratch::new();
        let path = scratch.file("s", b"..abcdef");
        let file = Store::file(&path, File::open(&path).unwrap(), 2);
        for store in [file, Store::held(&path, b"abcdef".to_vec())] {
            assert_eq!(*store.read(4, 2).unwrap(), *b"ef");
            assert_eq!(*store.read(0, 3).unwrap(), *b"abc");
            for (at, n) in [(4, 3), (99, 1), (1 << 40, 1)] {
                let error = store.read(at, n).unwrap_err();
                assert!(matches!(error, Error::Truncated { .. }), "{error}");
            }
        }
    }

    #[test]
    fn a_file_cut_while_it_is_used_is_a_truncated_one() {
        let scratch = Scratch::new();
        let path = scratch.file("s", &[7; 100]);
        let store = Store::file(&path, File::open(&path).unwrap(), 0);
        assert!(store.read(50, 50).is_ok());
        scratch.file("s", &[7; 60]);
        let error = store.read(50, 50).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Truncated {
                    expected: 100,
                    found: 60,
                    ..
                }
            ),
            "{error}"
        );
    }
}
