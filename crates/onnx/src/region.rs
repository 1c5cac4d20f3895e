//! Bytes of a file, read so that memory grows only with what is there.

use std::fs::Metadata;
use std::io::Read;

/// Read at a time, and all that is reserved before the first bytes have come.
const CHUNK: usize = 4 << 20;
/// Read at a time where it is decoded at once.
const PIECE: usize = 256 << 10;
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

/// Some bytes of a file, which comes piece by piece.
pub(crate) struct Pieces<'f, R> {
    file: R,
    holes: &'f mut Holes,
    buffer: Vec<u8>,
    done: u64,
    left: u64,
}

/// A piece of a file.
pub(crate) struct Piece<'b> {
    pub bytes: &'b [u8],
    /// How many bytes to make room for: all that are left where they are sure to come, otherwise as many as have come.
    pub room: u64,
}

impl<'f, R: Read> Pieces<'f, R> {
    /// The next `length` bytes of `file`.
    pub fn of(file: R, length: u64, holes: &'f mut Holes) -> Self {
        let size = usize::try_from(length).map_or(PIECE, |length| length.min(PIECE));
        Self {
            file,
            holes,
            buffer: vec![0; size],
            done: 0,
            left: length,
        }
    }

    pub fn next(&mut self) -> Result<Option<Piece<'_>>, String> {
        let size = usize::try_from(self.left).map_or(PIECE, |left| left.min(PIECE));
        if size == 0 {
            return Ok(None);
        }
        let bytes = self.buffer.get_mut(..size).unwrap_or_default();
        self.file
            .read_exact(bytes)
            .map_err(|error| error.to_string())?;
        self.holes.check(bytes)?;
        let room = match self.holes.left {
            None => self.left,
            Some(_) => self.left.min(self.done.max(size as u64)),
        };
        self.done += size as u64;
        self.left -= size as u64;
        Ok(Some(Piece { bytes, room }))
    }
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
    fn pieces_make_a_whole() {
        for (length, left) in [
            (0, None),
            (1, None),
            (PIECE, Some(0)),
            (3 * PIECE + 7, Some(0)),
        ] {
            let file: Vec<u8> = (0..length + 3).map(|i| (i % 251) as u8).collect();
            let mut holes = Holes { left };
            let mut pieces = Pieces::of(&file[..], length as u64, &mut holes);
            let (mut found, mut capacity) = (Vec::new(), 0);
            while let Some(piece) = pieces.next().unwrap() {
                capacity = capacity.max(found.len() + piece.room as usize);
                assert!(found.len() + piece.bytes.len() <= capacity);
                assert!(left.is_none() || capacity <= 2 * (found.len().max(PIECE)));
                found.extend(piece.bytes);
            }
            assert_eq!((&found[..], capacity), (&file[..length], length));
        }
        let mut holes = Holes { left: None };
        let error = Pieces::of(&[1_u8; 3][..], 4, &mut holes).next().err();
        assert!(error.unwrap().contains("fill whole buffer"));
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
