//! Files that are written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};

/// A file to be: written beside its place and moved there by [`finish`](Self::finish), so that what stood there before
/// survives a run that fails. Opened before the work, so that a path that cannot be written costs no run.
pub struct Output {
    path: PathBuf,
    part: PathBuf,
    file: io::BufWriter<File>,
}

impl Output {
    pub fn create(path: &Path) -> Result<Self, Failure> {
        if path.is_dir() {
            return Err(failure(Exit::Usage, path, &"it is a folder; name a file"));
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = File::create(&part).map_err(|error| failure(Exit::Usage, path, &error))?;
        Ok(Self {
            path: path.into(),
            part,
            file: io::BufWriter::new(file),
        })
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| failure(Exit::Internal, &self.path, &error))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the file in its place.
    pub fn finish(mut self) -> Result<(), Failure> {
        let moved = self
            .file
            .flush()
            .and_then(|()| fs::rename(&self.part, &self.path));
        moved.map_err(|error| failure(Exit::Internal, &self.path, &error))
    }
}

/// Why a file was not written.
pub fn failure(exit: Exit, path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(exit, format!("cannot write {}: {error}", path.display()))
}

impl Drop for Output {
    fn drop(&mut self) {
        // After `finish` there is nothing left to remove.
        let _ = fs::remove_file(&self.part);
    }
}
