//! Whole files, decompressed where they begin as gzip does.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::Error;

/// The bytes of a file, plain or gzip, at most `limit` of them. Memory grows only with bytes that came.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read {
        path: path.into(),
        source,
    };
    let mut plain = BufReader::new(File::open(path).map_err(failed)?);
    let gzip = plain.fill_buf().map_err(failed)?.starts_with(&[0x1f, 0x8b]);
    let stream: &mut dyn Read = match gzip {
        true => &mut MultiGzDecoder::new(plain),
        false => &mut plain,
    };
    let mut bytes = Vec::new();
    let most = limit.saturating_add(1);
    stream.take(most).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge {
            path: path.into(),
            limit,
        });
    }
    Ok(bytes)
}
