//! External data: tensors whose bytes lie in files beside the model.
//!
//! The model names the file, so the name is hostile. Only regular files below the model's folder are opened; absolute paths, `..`, links
//! that lead out, and (on Unix) hard links, which could be another name for a file elsewhere, are refused.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use crate::error::Error;
use crate::proto;
use crate::region;

/// Largest tensor in external data.
const MAX_TENSOR_BYTES: u64 = 8 << 30;
/// Most external data of one model.
const MAX_EXTERNAL_BYTES: u64 = 64 << 30;

/// Reader of the files in one folder.
pub(crate) struct External<'a> {
    dir: Option<&'a Path>,
    left: HashMap<PathBuf, Allowance>,
    total: u64,
    /// The file read last: models with thousands of tensors keep them in one.
    last: Option<Opened>,
}

struct Opened {
    location: String,
    path: PathBuf,
    file: File,
    metadata: Metadata,
}

/// What may yet be read from a file.
struct Allowance {
    /// At first thrice its size, so that many tensors over one region cannot fill the memory.
    bytes: u64,
    holes: region::Holes,
}

impl<'a> External<'a> {
    pub fn new(dir: Option<&'a Path>) -> Self {
        Self {
            dir,
            left: HashMap::new(),
            total: 0,
            last: None,
        }
    }

    /// Hands the `expected` bytes of the tensor called `tensor` to `take`, piece by piece; it returns whether there was room.
    pub fn read(
        &mut self,
        tensor: &str,
        entries: &[proto::Entry],
        expected: usize,
        mut take: impl FnMut(region::Piece) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let location = entry(entries, "location").unwrap_or_default();
        let refuse = |why| Error::External {
            tensor: tensor.into(),
            location: location.into(),
            why,
        };
        let mut pieces = self
            .region(location, entries, expected as u64)
            .map_err(refuse)?;
        while let Some(piece) = pieces.next().map_err(refuse)? {
            if !take(piece)? {
                return Err(refuse(
                    "it is larger than the memory of this machine".into(),
                ));
            }
        }
        Ok(())
    }

    fn region(
        &mut self,
        location: &str,
        entries: &[proto::Entry],
        expected: u64,
    ) -> Result<region::Pieces<'_, &mut File>, String> {
        let offset = number(entries, "offset")?.unwrap_or(0);
        let length = number(entries, "length")?.unwrap_or(expected);
        if length != expected {
            return Err(format!(
                "its length is {length} bytes, its shape needs {expected}; export the model again"
            ));
        }
        let opened = self.open(location)?;
        let size = opened.metadata.len();
        if length > MAX_TENSOR_BYTES || offset.checked_add(length).is_none_or(|end| end > size) {
            self.last = Some(opened);
            return Err(format!(
                "{length} bytes from byte {offset} are outside the file of {size} bytes (limit {MAX_TENSOR_BYTES}); it is truncated or not this model's"
            ));
        }
        self.total = self.total.saturating_add(length);
        if self.total > MAX_EXTERNAL_BYTES {
            return Err(format!(
                "the model has more than {MAX_EXTERNAL_BYTES} bytes of weights, the limit; use a smaller one"
            ));
        }
        let allowance = self
            .left
            .entry(opened.path.clone())
            .or_insert_with(|| Allowance::of(&opened.metadata));
        allowance.bytes = allowance.bytes.checked_sub(length).ok_or(
            "its tensors read the same bytes many times over; give each tensor its own region",
        )?;
        let file = &mut self.last.insert(opened).file;
        file.seek(SeekFrom::Start(offset))
            .map_err(|error| error.to_string())?;
        Ok(region::Pieces::of(file, length, &mut allowance.holes))
    }

    fn open(&mut self, location: &str) -> Result<Opened, String> {
        if let Some(opened) = self.last.take_if(|opened| opened.location == location) {
            return Ok(opened);
        }
        let dir = self.dir.ok_or(
            "the model was not read from a folder; save its weights inside the .onnx file",
        )?;
        let path = resolve(dir, location)?;
        let (file, metadata) = open(&path)?;
        Ok(Opened {
            location: location.into(),
            path,
            file,
            metadata,
        })
    }
}

impl Allowance {
    fn of(metadata: &Metadata) -> Self {
        Self {
            bytes: metadata.len().saturating_mul(3),
            holes: region::Holes::of(metadata),
        }
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

/// The open file. Looked at before opening, for a pipe would block, and after, for it may have been swapped.
fn open(path: &Path) -> Result<(File, Metadata), String> {
    let failed = |error: std::io::Error| error.to_string();
    refuse_special(&path.symlink_metadata().map_err(failed)?)?;
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    refuse_special(&metadata)?;
    Ok((file, metadata))
}

fn refuse_special(metadata: &Metadata) -> Result<(), String> {
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
    use std::io::Write;

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

    fn read(
        external: &mut External,
        entries: &[proto::Entry],
        expected: usize,
    ) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        external.read("w", entries, expected, |piece| {
            bytes.extend(piece.bytes);
            Ok(true)
        })?;
        Ok(bytes)
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
            let found = read(&mut External::new(Some(&dir)), &entries(pairs), 4);
            assert_eq!(found.unwrap(), *expected, "{pairs:?}");
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
            let error = read(&mut External::new(Some(&dir)), &entries(pairs), 4)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(expected) && error.contains("\"w\""),
                "{pairs:?}: {error}"
            );
        }
        std::fs::remove_dir_all(root).unwrap();
    }

    /// A file of `size` bytes that takes next to no space on disk, but for `end` at its end.
    fn mostly_hole(path: &Path, size: u64, end: &[u8]) {
        let mut file = File::create(path).unwrap();
        file.set_len(size).unwrap();
        file.seek(SeekFrom::Start(size - end.len() as u64)).unwrap();
        file.write_all(end).unwrap();
    }

    #[test]
    fn offsets_beyond_32_bits() {
        let root = folder("far");
        let dir = root.join("model");
        mostly_hole(&dir.join("far.bin"), 5 << 30, &[7; 8]);
        let offset = ((5_u64 << 30) - 8).to_string();
        let pairs = [("location", "far.bin"), ("offset", &offset)];
        let found = read(&mut External::new(Some(&dir)), &entries(&pairs), 8);
        assert_eq!(found.unwrap(), &[7; 8][..]);
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn sizes_are_limited() {
        let root = folder("sizes");
        let dir = root.join("model");
        mostly_hole(&dir.join("sparse.bin"), 1 << 40, &[]);
        let mut external = External {
            total: MAX_EXTERNAL_BYTES - 4,
            ..External::new(Some(&dir))
        };
        let location = entries(&[("location", "sparse.bin")]);
        assert_eq!(read(&mut external, &location, 4).unwrap(), &[0; 4][..]);
        let error = read(&mut external, &location, 1).unwrap_err().to_string();
        assert!(error.contains("more than 68719476736 bytes"), "{error}");
        let refused = |bytes| {
            let mut external = External::new(Some(&dir));
            read(&mut external, &location, bytes)
                .unwrap_err()
                .to_string()
        };
        assert!(refused((8 << 30) + 1).contains("limit 8589934592"));
        #[cfg(unix)]
        assert!(
            refused(4 << 30).contains("mostly a hole"),
            "{}",
            refused(4 << 30)
        );
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn one_region_cannot_be_read_without_end() {
        let root = folder("again");
        let dir = root.join("model");
        let mut external = External::new(Some(&dir));
        for _ in 0..3 {
            read(&mut external, &entries(&[("location", "w.bin")]), 8).unwrap();
        }
        let error = read(&mut external, &entries(&[("location", "w.bin")]), 8)
            .unwrap_err()
            .to_string();
        assert!(error.contains("many times over"), "{error}");
        std::fs::remove_dir_all(root).unwrap();
    }
}
