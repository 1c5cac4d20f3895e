//! External data: tensors whose bytes lie in files beside the model.
//!
//! The model names the file, so the name is hostile. Only regular files below the model's folder are opened; absolute paths, `..`, links
//! that lead out, and (on Unix) hard links, which could be another name for a file elsewhere, are refused.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;

use crate::MAX_FILE_BYTES;
use crate::error::Error;
use crate::proto;

/// Most external data of one model. Sizes on disk are no guard here: a sparse file of terabytes takes no space.
const MAX_EXTERNAL_BYTES: u64 = 8 << 30;

/// Reader of the files in one folder.
pub(crate) struct External<'a> {
    dir: Option<&'a Path>,
    /// Bytes that may yet be read from each file: thrice its size, so that many tensors over one region cannot fill the memory.
    left: HashMap<PathBuf, u64>,
    total: u64,
}

impl<'a> External<'a> {
    pub fn new(dir: Option<&'a Path>) -> Self {
        Self {
            dir,
            left: HashMap::new(),
            total: 0,
        }
    }

    /// The `expected` bytes of the tensor called `tensor`.
    pub fn read(
        &mut self,
        tensor: &str,
        entries: &[proto::Entry],
        expected: usize,
    ) -> Result<Bytes, Error> {
        let location = entry(entries, "location").unwrap_or_default();
        self.region(location, entries, expected as u64)
            .map_err(|why| Error::External {
                tensor: tensor.into(),
                location: location.into(),
                why,
            })
    }

    fn region(
        &mut self,
        location: &str,
        entries: &[proto::Entry],
        expected: u64,
    ) -> Result<Bytes, String> {
        let offset = number(entries, "offset")?.unwrap_or(0);
        let length = number(entries, "length")?.unwrap_or(expected);
        if length != expected {
            return Err(format!(
                "its length is {length} bytes, its shape needs {expected}; export the model again"
            ));
        }
        let dir = self.dir.ok_or(
            "the model was not read from a folder; save its weights inside the .onnx file",
        )?;
        let path = resolve(dir, location)?;
        let (mut file, size) = open(&path)?;
        if length > MAX_FILE_BYTES || offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(format!(
                "{length} bytes from byte {offset} are outside the file of {size} bytes (limit {MAX_FILE_BYTES}); it is truncated or not this model's"
            ));
        }
        let left = self
            .left
            .entry(path)
            .or_insert_with(|| size.saturating_mul(3));
        *left = left.checked_sub(length).ok_or(
            "its tensors read the same bytes many times over; give each tensor its own region",
        )?;
        self.total += length;
        if self.total > MAX_EXTERNAL_BYTES {
            return Err(format!(
                "the model has more than {MAX_EXTERNAL_BYTES} bytes of weights, the limit; use a smaller one"
            ));
        }
        file.seek(SeekFrom::Start(offset))
            .map_err(|error| error.to_string())?;
        let mut bytes = vec![0; length as usize];
        file.read_exact(&mut bytes)
            .map_err(|error| error.to_string())?;
        Ok(bytes.into())
    }
}

fn entry<'e>(entries: &'e [proto::Entry], key: &str) -> Option<&'e str> {
    entries
        .iter()
        .find(|entry| entry.key == key)
        .map(|entry| entry.value.as_str())
}

fn number(entries: &[proto::Entry], key: &str) -> Result<Option<u64>, String> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|_| format!("its {key} {text:.20?} is not a number of bytes"))
    };
    entry(entries, key).map(parse).transpose()
}

/// The path that `location` leads to, links resolved, which lies below `dir`.
fn resolve(dir: &Path, location: &str) -> Result<PathBuf, String> {
    let plain = !location.is_empty()
        && !location.contains(['\\', '\0', ':'])
        && Path::new(location)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !plain {
        return Err("its location must be the plain name of a file in the model's folder".into());
    }
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    let missing = |error| format!("{error}; put the data file into the model's folder");
    let folder = dir.canonicalize().map_err(missing)?;
    let path = folder.join(location).canonicalize().map_err(missing)?;
    if !path.starts_with(&folder) {
        return Err(
            "it is a link that leads out of the model's folder; copy the file there (`cp -L`)"
                .into(),
        );
    }
    Ok(path)
}

/// The open file and its size. Looked at before opening, for a pipe would block, and after, for it may have been swapped.
fn open(path: &Path) -> Result<(File, u64), String> {
    let failed = |error: std::io::Error| error.to_string();
    refuse_special(&path.symlink_metadata().map_err(failed)?)?;
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    refuse_special(&metadata)?;
    Ok((file, metadata.len()))
}

fn refuse_special(metadata: &std::fs::Metadata) -> Result<(), String> {
    if !metadata.is_file() {
        return Err("it is not a regular file".into());
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(metadata) > 1 {
        return Err("it is a hard link, perhaps to a file elsewhere; copy the file (`cp`) and remove the link".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of its own for each test, with `model/w.bin` of 8 bytes and `secret` beside `model`.
    fn folder(name: &str) -> PathBuf {
        let root =
            std::env::temp_dir().join(format!("scoville-onnx-{name}-{}", std::process::id()));
        std::fs::create_dir_all(root.join("model/sub")).unwrap();
        std::fs::write(root.join("model/w.bin"), [0, 1, 2, 3, 4, 5, 6, 7]).unwrap();
        std::fs::write(root.join("model/sub/w.bin"), [9; 4]).unwrap();
        std::fs::write(root.join("secret"), [42; 8]).unwrap();
        root
    }

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    fn entries(pairs: Pairs) -> Vec<proto::Entry> {
        let entry = |&(key, value): &(&str, &str)| proto::Entry {
            key: key.into(),
            value: value.into(),
        };
        pairs.iter().map(entry).collect()
    }

    #[test]
    fn regions_of_files_in_the_folder() {
        let root = folder("regions");
        let dir = root.join("model");
        let cases: &[(Pairs, &[u8])] = &[
            (&[("location", "w.bin")], &[0, 1, 2, 3]),
            (
                &[("location", "./w.bin"), ("offset", "4"), ("length", "4")],
                &[4, 5, 6, 7],
            ),
            (
                &[("location", "sub/w.bin"), ("checksum", "ignored")],
                &[9, 9, 9, 9],
            ),
        ];
        for (pairs, expected) in cases {
            let found = External::new(Some(&dir)).read("w", &entries(pairs), 4);
            assert_eq!(found.unwrap(), expected, "{pairs:?}");
        }
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn escapes_and_bad_regions_are_refused() {
        let root = folder("escapes");
        let dir = root.join("model");
        let absolute = root.join("secret").display().to_string();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("../secret", dir.join("symlink")).unwrap();
            std::os::unix::fs::symlink("..", dir.join("up")).unwrap();
            std::fs::hard_link(root.join("secret"), dir.join("hardlink")).unwrap();
        }
        let mut cases: Vec<(Pairs, &str)> = vec![
            (&[], "plain name"),
            (&[("location", "")], "plain name"),
            (&[("location", "../secret")], "plain name"),
            (&[("location", "sub/../../secret")], "plain name"),
            (&[("location", "..\\secret")], "plain name"),
            (&[("location", "C:secret")], "plain name"),
            (&[("location", "w.bin\0")], "plain name"),
            (&[("location", "sub")], "not a regular file"),
            (&[("location", "missing.bin")], "into the model's folder"),
            (
                &[("location", "w.bin"), ("offset", "5")],
                "outside the file of 8 bytes",
            ),
            (
                &[("location", "w.bin"), ("offset", "18446744073709551615")],
                "outside the file",
            ),
            (&[("location", "w.bin"), ("offset", "-1")], "not a number"),
            (
                &[("location", "w.bin"), ("length", "8")],
                "its shape needs 4",
            ),
        ];
        let absolute = [("location", absolute.as_str())];
        cases.push((&absolute, "plain name"));
        if cfg!(unix) {
            cases.push((&[("location", "symlink")], "leads out"));
            cases.push((&[("location", "up/secret")], "leads out"));
            cases.push((&[("location", "hardlink")], "hard link"));
        }
        for (pairs, expected) in cases {
            let error = External::new(Some(&dir))
                .read("w", &entries(pairs), 4)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(expected) && error.contains("\"w\""),
                "{pairs:?}: {error}"
            );
        }
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn sparse_files_cannot_fill_the_memory() {
        let root = folder("sparse");
        let dir = root.join("model");
        let sparse = File::create(dir.join("sparse.bin")).unwrap();
        sparse.set_len(MAX_FILE_BYTES).unwrap();
        let mut external = External {
            total: MAX_EXTERNAL_BYTES - 4,
            ..External::new(Some(&dir))
        };
        let location = entries(&[("location", "sparse.bin")]);
        assert_eq!(external.read("w", &location, 4).unwrap(), &[0; 4][..]);
        let error = external.read("w", &location, 1).unwrap_err().to_string();
        assert!(error.contains("more than 8589934592 bytes"), "{error}");
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn one_region_cannot_be_read_without_end() {
        let root = folder("again");
        let dir = root.join("model");
        let mut external = External::new(Some(&dir));
        for _ in 0..3 {
            external
                .read("w", &entries(&[("location", "w.bin")]), 8)
                .unwrap();
        }
        let error = external
            .read("w", &entries(&[("location", "w.bin")]), 8)
            .unwrap_err()
            .to_string();
        assert!(error.contains("many times over"), "{error}");
        std::fs::remove_dir_all(root).unwrap();
    }
}
