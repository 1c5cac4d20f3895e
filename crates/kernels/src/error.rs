//! What can go wrong on a device, said so that a user can mend it.

use crate::Norm;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name given by the user is none of those known.
    #[error("unknown {what} `{got}`: expected {expected}")]
    Unknown {
        what: &'static str,
        got: String,
        expected: &'static str,
    },
    /// No adapter matches the device asked for.
    #[error("no adapter for `{wanted}` ({found} found in all): {advice}")]
    NoAdapter {
        wanted: String,
        found: usize,
        advice: &'static str,
    },
    /// The driver, or burn on top of it, refused.
    #[error("the device failed while {doing}: {reason}")]
    Device { doing: String, reason: String },
    /// An array larger than the device can bind, refused before anything is allocated.
    #[error(
        "an array of {bytes} bytes is more than the device's limit of {limit}: \
         use a smaller batch or another device"
    )]
    TooLarge { bytes: u64, limit: u64 },
    /// Arrays whose shapes do not fit together.
    #[error("{kernel}: expected {expected}, got {got}")]
    Shape {
        kernel: &'static str,
        expected: String,
        got: String,
    },
    /// A kernel that is not defined in this norm.
    #[error("{kernel} cannot be done in {norm}")]
    Norm { kernel: &'static str, norm: Norm },
    /// Arrays of one call that lie on different devices.
    #[error("{kernel}: the arrays lie on different devices: copy them to one first")]
    DeviceMismatch { kernel: &'static str },
    /// The results could not be read back.
    #[error("reading {bytes} bytes back from the device failed: {reason}")]
    ReadBack { bytes: u64, reason: String },
}

impl Error {
    /// Whether a smaller batch may help.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Error::TooLarge { .. } => true,
            Error::Device { reason, .. } | Error::ReadBack { reason, .. } => {
                tells_of_memory(reason)
            }
            _ => false,
        }
    }

    /// Wraps what the driver said with what we were about.
    pub(crate) fn device(doing: impl Into<String>, reason: impl ToString) -> Self {
        Error::Device {
            doing: doing.into(),
            reason: reason.to_string(),
        }
    }
}

/// Whether what a driver, wgpu or burn said is that memory ran out: they have no common error for it.
pub fn tells_of_memory(message: &str) -> bool {
    let message = message.to_lowercase();
    [
        "out of memory",
        "outofmemory",
        "not enough memory",
        "buffertoobig",
    ]
    .iter()
    .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_memory_is_told_from_other_failures() {
        assert!(Error::TooLarge { bytes: 2, limit: 1 }.is_out_of_memory());
        assert!(Error::device("running head", "Out of Memory").is_out_of_memory());
        assert!(Error::device("running head", "Not enough memory left.").is_out_of_memory());
        assert!(!Error::device("running head", "the device is lost").is_out_of_memory());
        assert!(!Error::DeviceMismatch { kernel: "head" }.is_out_of_memory());
    }
}
