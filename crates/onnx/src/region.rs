//! Bytes of a file, read so that memory grows only with what is there.

use std::fs::Metadata;
use std::io::Read;

/// Read at a time, and all that is reserved before the first bytes have come.
const CHUNK: usize = 4 << 20;
/// The granule of holes in files.
const PAGE: usize = 4096;
/// Most zeros to be read from a file with holes. A file of terabytes may take no space on disk, and so cost its sender nothing.
const MAX_ZEROS: usize = 16 << 20;

/// What of a file may be holes, which read as zeros.
pub(crate) struct Holes {
    /// Zeros that may yet be read; `None` for a file without holes to speak of.
    left: Option<usize>,
}

impl Holes {
    /// Weights that a file system compresses to less than half, and that hold long runs of zeros, are taken for holes too.
    pub fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let on_disk = std::os::unix::fs::MetadataExt::blocks(metadata).saturating_mul(512);
        #[cfg(not(unix))]
        let on_disk = metadata.len();
        let left = (on_disk < metadata.len() / 2).then_some(MAX_ZEROS);
        Self { left }
    }

    fn check(&mut self, bytes: &[u8]) -> Result<(), String> {
        let Some(left) = &mut self.left else {
            return Ok(());
        };
        let pages = bytes
            .chunks(PAGE)
            .filter(|page| page.iter().all(|byte| *byte == 0));
        let zeros = pages.map(<[u8]>::len).sum();
        *left = left.checked_sub(zeros).ok_or(
            "the file is mostly a hole and takes far less space on disk than it claims; if it is sound, copy it whole (`cp --sparse=never`)",
        )?;
        Ok(())
    }
}

/// The next `length` bytes of `file`.
pub(crate) fn read(
    file: &mut impl Read,
    length: u64,
    holes: &mut Holes,
) -> Result<Vec<u8>, String> {
    let too_large = "it is larger than the memory of this machine";
    let length = usize::try_from(length).map_err(|_| too_large)?;
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let start = bytes.len();
        // All at once where the bytes are sure to come, otherwise twice as many as have come.
        let goal = match (start, &holes.left) {
            (0, _) => CHUNK,
            (_, None) => length,
            (_, Some(_)) => 2 * start,
        };
        let more = goal.min(length) - start;
        bytes.try_reserve_exact(more).map_err(|_| too_large)?;
        bytes.resize(start + more.min(CHUNK), 0);
        let chunk = bytes.get_mut(start..).unwrap_or_default();
        file.read_exact(chunk).map_err(|error| error.to_string())?;
        holes.check(chunk)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_make_a_whole() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 7] {
            let file: Vec<u8> = (0..length + 3).map(|i| (i % 251) as u8).collect();
            let found = read(&mut &file[..], length as u64, &mut Holes { left: None });
            assert_eq!(found.unwrap(), file[..length], "{length}");
        }
        let error = read(&mut &[1_u8; 3][..], 4, &mut Holes { left: None }).unwrap_err();
        assert!(error.contains("fill whole buffer"), "{error}");
    }

    #[test]
    fn zeros_of_a_file_with_holes_run_out() {
        let mut holes = Holes {
            left: Some(2 * PAGE),
        };
        let mut pages = vec![0; 2 * PAGE];
        pages.extend([1; PAGE]);
        assert_eq!(
            read(&mut &pages[..], 3 * PAGE as u64, &mut holes).unwrap(),
            pages
        );
        let error = read(&mut &pages[..], PAGE as u64, &mut holes).unwrap_err();
        assert!(error.contains("mostly a hole"), "{error}");
    }
}
