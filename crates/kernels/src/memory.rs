//! How much memory the machine has.

/// Assumed where the system does not say.
const ASSUMED: u64 = 8 << 30;

/// Bytes that a run may take on the CPU: what the system has available now.
pub(crate) fn available() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    parse(&text).unwrap_or(ASSUMED)
}

/// `MemAvailable` of Linux, in bytes.
fn parse(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux() {
        let text = "MemTotal:       24000000 kB\nMemAvailable:    2048 kB\n";
        assert_eq!(parse(text), Some(2 << 20));
        assert_eq!(parse("MemAvailable: much\n"), None);
        assert_eq!(parse(""), None);
        assert!(available() > 64 << 20);
    }
}
