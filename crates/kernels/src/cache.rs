//! What one run finds out and the next need not: small files in the user's cache folder. Nothing depends on them: without a
//! folder, or with a damaged file, it is found out again.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Most bytes of a file.
const MAX_BYTES: u64 = 256 << 20;
/// Bytes of the digest in front of the contents.
const DIGEST: usize = 32;

/// A folder of cached files.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    /// `scoville` in the user's cache folder: `$XDG_CACHE_HOME`, or the system's own place for caches.
    pub fn of_user() -> Cache {
        let folder = |name: &str| {
            let path = PathBuf::from(std::env::var_os(name)?);
            path.is_absolute().then_some(path)
        };
        let home = || {
            let home = folder("HOME")?;
            Some(match cfg!(target_os = "macos") {
                true => home.join("Library/Caches"),
                false => home.join(".cache"),
            })
        };
        let base = folder("XDG_CACHE_HOME")
            .or_else(|| folder("LOCALAPPDATA").filter(|_| cfg!(windows)))
            .or_else(home);
        Cache {
            folder: base.map(|base| base.join("scoville")),
        }
    }

    /// A cache in `folder`.
    pub fn at(folder: &Path) -> Cache {
        Cache {
            folder: Some(folder.to_owned()),
        }
    }

    /// A folder `name` in it for others to write into; `None` where there is none that is private.
    #[cfg(feature = "keep-tuning")]
    pub fn private_folder(&self, name: &str) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?.join(name);
        (private(&folder).is_ok() && is_private(&folder)).then_some(folder)
    }

    /// What was stored as `name`, if it is whole.
    pub fn load(&self, name: &str) -> Option<Vec<u8>> {
        let folder = self.folder.as_ref().filter(|folder| is_private(folder))?;
        let path = folder.join(name);
        let size = fs::metadata(&path).ok()?.len();
        let bytes = (size <= MAX_BYTES).then(|| fs::read(&path).ok())??;
        let (digest, contents) = bytes.split_at_checked(DIGEST)?;
        (Sha256::digest(contents).as_slice() == digest).then(|| contents.to_owned())
    }

    /// Stores `contents` as `name`, whole or not at all; whether it was stored.
    pub fn store(&self, name: &str, contents: &[u8]) -> bool {
        let Some(folder) = &self.folder else {
            return false;
        };
        let beside = folder.join(format!("{name}.{}", std::process::id()));
        let written = private(folder)
            .and_then(|()| {
                let digest = Sha256::digest(contents);
                fs::write(&beside, [digest.as_slice(), contents].concat())
            })
            .and_then(|()| fs::rename(&beside, folder.join(name)));
        if written.is_err() {
            // What is left of it is of no use; that it cannot be removed harms nobody.
            let _ = fs::remove_file(&beside);
        }
        written.is_ok()
    }
}

/// Makes a folder into which nobody else may write.
fn private(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Whether nobody but its owner may write into a folder; where the system does not say, it is believed.
fn is_private(folder: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        const OTHERS_WRITE: u32 = 0o022;
        fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & OTHERS_WRITE == 0)
    }
    #[cfg(not(unix))]
    folder.is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_loaded_and_damage_is_seen() {
        let folder = std::env::temp_dir().join(format!("scoville-cache-{}", std::process::id()));
        let cache = Cache::at(&folder);
        assert_eq!(cache.load("a"), None);
        assert!(cache.store("a", b"one") && cache.store("a", b"two"));
        assert_eq!(cache.load("a").as_deref(), Some(b"two".as_slice()));
        let path = folder.join("a");
        let whole = fs::read(&path).unwrap();
        for damaged in [&whole[..whole.len() - 1], &whole[..10], &[]] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(cache.load("a"), None);
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert!(cache.store("a", b"one") && cache.load("a").is_some());
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
            assert_eq!(cache.load("a"), None);
        }
        fs::remove_dir_all(&folder).unwrap();
        fs::write(&folder, "in the way").unwrap();
        assert!(!cache.store("a", b"one"));
        fs::remove_file(&folder).unwrap();
        assert!(!Cache { folder: None }.store("a", b"one"));
    }
}
