//! External data that lead astray.
#![cfg(unix)]

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Case, field, int, named, sound};

/// `model/` with good and bad data files, and `secret` beside it.
pub fn folder() -> PathBuf {
    let root = std::env::temp_dir().join(format!("scoville-hostile-{}", std::process::id()));
    let model = root.join("model");
    fs::create_dir_all(model.join("folder")).unwrap();
    fs::write(root.join("secret"), [42; 64]).unwrap();
    fs::write(model.join("w.bin"), vec![1; 1 << 20]).unwrap();
    symlink("../secret", model.join("symlink")).unwrap();
    symlink("..", model.join("up")).unwrap();
    symlink("/dev/zero", model.join("zero")).unwrap();
    symlink("loop", model.join("loop")).unwrap();
    fs::hard_link(root.join("secret"), model.join("hardlink")).unwrap();
    let fifo = Command::new("mkfifo").arg(model.join("fifo")).status();
    assert!(fifo.unwrap().success());
    File::create(model.join("hole"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    root
}

type Entries<'a> = &'a [(&'a str, &'a str)];

/// Weight `w` of so many bytes, and where they lie.
fn weight(bytes: i64, entries: Entries) -> Vec<u8> {
    weight_named("w", bytes, entries)
}

fn weight_named(name: &str, bytes: i64, entries: Entries) -> Vec<u8> {
    let entry = |(key, value): &(&str, &str)| {
        field(
            13,
            &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat(),
        )
    };
    let entries: Vec<_> = entries.iter().map(entry).collect();
    named(name, 3, &[bytes], &[entries.concat(), int(14, 1)].concat())
}

pub fn cases(root: &Path) -> Vec<Case> {
    let at = |location: &str| sound(&weight(16, &[("location", location)]));
    let region =
        |bytes, offset: &str| sound(&weight(bytes, &[("location", "w.bin"), ("offset", offset)]));
    let absolute = root.join("secret").display().to_string();
    let whole = |i| weight_named(&format!("w{i}"), 1 << 20, &[("location", "w.bin")]);
    let many: Vec<_> = (0..1000).map(whole).collect();
    vec![
        ("absolute path", at(&absolute), "plain name"),
        ("password file", at("/etc/passwd"), "plain name"),
        ("parent folder", at("../secret"), "plain name"),
        (
            "parent folder inside",
            at("folder/../../secret"),
            "plain name",
        ),
        ("backslash", at("..\\secret"), "plain name"),
        ("drive", at("C:secret"), "plain name"),
        ("NUL", at("w.bin\0.txt"), "plain name"),
        ("empty location", at(""), "plain name"),
        ("no location", sound(&weight(16, &[])), "plain name"),
        ("missing file", at("missing"), "into the model's folder"),
        ("symlink out", at("symlink"), "leads out"),
        ("folder that leads out", at("up/secret"), "leads out"),
        ("symlink to a device", at("zero"), "leads out"),
        ("symlink to itself", at("loop"), "into the model's folder"),
        ("hard link", at("hardlink"), "hard link"),
        ("pipe", at("fifo"), "not a regular file"),
        ("folder", at("folder"), "not a regular file"),
        ("escape codes", at("\u{1b}]0;x\u{7}"), "\\u{1b}]0;x\\u{7}"),
        ("truncated file", region((1 << 20) + 1, "0"), "truncated"),
        (
            "offset at the end",
            region(16, "1048570"),
            "outside the file",
        ),
        (
            "offset of 2^64 - 1",
            region(16, "18446744073709551615"),
            "outside the file",
        ),
        ("negative offset", region(16, "-1"), "not a number"),
        (
            "length that is not the shape's",
            sound(&weight(16, &[("location", "w.bin"), ("length", "1048576")])),
            "its shape needs 16",
        ),
        (
            "terabyte that is a hole",
            sound(&weight(8 << 30, &[("location", "hole")])),
            "mostly a hole",
        ),
        (
            "tensor of a terabyte",
            sound(&weight(1 << 40, &[("location", "hole")])),
            "limit 8589934592",
        ),
        (
            "one region 1,000 times",
            sound(&many.concat()),
            "many times over",
        ),
    ]
}
