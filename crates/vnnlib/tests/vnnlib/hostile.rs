use std::fs;
use std::time::{Duration, Instant};

use scoville_vnnlib::{Error, Property, read};

const HEAD: &str = "(declare-const X_0 Real)\n(declare-const Y_0 Real)\n(assert (<= X_0 1))\n(assert (>= X_0 0))\n";

fn refused(text: &str) -> Error {
    match Property::parse(text.as_bytes()) {
        Err(error) => error,
        Ok(_) => panic!("accepted: {}", text.get(..200).unwrap_or(text)),
    }
}

#[test]
fn errors_name_the_place() {
    for (text, line, column, what) in [
        ("(assert (>= Y_1 0))", 5, 18, "Y_1 is not declared"),
        ("(assert\n (>= Y_0 zero))", 6, 10, "`zero` is neither"),
        ("(assert (>= Y_0 1e999))", 5, 17, "beyond any double"),
        ("(assert (>= Y_0 nan))", 5, 17, "`nan` is neither"),
        ("(assert (>= Y_0 -inf))", 5, 17, "beyond any double"),
        ("(assert (= Y_0 0))", 5, 10, "`=` is not supported"),
        ("(assert (and))", 5, 13, "at least one part"),
        ("(assert (>= Y_0 0)", 5, 19, "the end of the file"),
        ("(assert (>= Y_0 0 1))", 5, 19, "expected `)`"),
        ("(assert (>= (* Y_0 Y_0) 1))", 5, 20, "not linear"),
        ("(assert (>= (/ Y_0 2) 1))", 5, 14, "`/` is no operator"),
        ("(assert (>= X_0 Y_0))", 5, 20, "bound one input"),
        ("(check-sat)", 5, 2, "`check-sat` is not supported"),
        ("(declare-const X_0 Real)", 5, 16, "declared twice"),
        ("(declare-const X_1 Int)", 5, 20, "the type `Int`"),
        ("(declare-const Z_1 Real)", 5, 16, "cannot be declared"),
        (
            "(declare-const X_99999999999 Real)",
            5,
            16,
            "cannot be declared",
        ),
        ("(declare-const X_\u{1b}[31m Real)", 5, 16, "\\u{1b}"),
        (")", 5, 1, "expected `(`"),
        ("; a comment\n  @", 6, 3, "`@`"),
    ] {
        match refused(&format!("{HEAD}{text}")) {
            Error::Syntax {
                line: l,
                column: c,
                what: w,
            } => {
                assert!(w.contains(what), "{text}: {w}");
                assert_eq!((l, c), (line, column), "{text}: {w}");
            }
            other => panic!("{text}: {other}"),
        }
    }
}

#[test]
fn incomplete_properties_are_refused() {
    for (text, what) in [
        ("", "at least X_0 and Y_0"),
        ("(declare-const X_0 Real)", "at least X_0 and Y_0"),
        (
            "(declare-const X_0 Real)(declare-const Y_0 Real)(declare-const X_2 Real)",
            "X_1 or Y_1 is missing",
        ),
        (
            "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (<= X_0 1))",
            "X_0 has no lower bound",
        ),
        (
            "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (>= X_0 1))",
            "X_0 has no upper bound",
        ),
    ] {
        let error = refused(text).to_string();
        assert!(error.contains(what), "{text}: {error}");
    }
}

#[test]
fn huge_and_deep_files_end_soon() {
    let nested = |open: &str, core: &str| {
        format!(
            "{HEAD}(assert {}{core}{})",
            open.repeat(100_000),
            ")".repeat(100_000)
        )
    };
    // 2 to the 40th combinations.
    let choices = format!(
        "{HEAD}{}",
        "(assert (or (>= Y_0 0) (>= Y_0 1)))\n".repeat(40)
    );
    for text in [
        nested("(and ", "(>= Y_0 0)"),
        nested("(or ", "(>= Y_0 0)"),
        nested("(>= (- ", "Y_0"),
        choices,
        "(".repeat(1 << 20),
        "a".repeat(1 << 22),
    ] {
        let started = Instant::now();
        let error = refused(&text).to_string();
        assert!(error.len() < 300, "{error}");
        assert!(started.elapsed() < Duration::from_secs(10), "{error}");
    }
}

#[test]
fn any_cut_and_any_byte_is_an_answer() {
    let whole = format!("{HEAD}(assert (or (and (>= Y_0 -1.5e3)) (<= (+ Y_0 (* 2 Y_0)) 0)))");
    for at in 0..whole.len() {
        let _ = Property::parse(&whole.as_bytes()[..at]);
        for byte in [0, b'(', b')', b';', b'-', 0xff] {
            let mut changed = whole.clone().into_bytes();
            changed[at] = byte;
            let _ = Property::parse(&changed);
        }
    }
}

#[test]
fn files_are_read_up_to_the_limit() {
    let path = std::env::temp_dir().join(format!("scoville-vnnlib-{}", std::process::id()));
    fs::write(&path, [7; 100]).unwrap();
    assert_eq!(read(&path, 100).unwrap().len(), 100);
    assert!(matches!(
        read(&path, 99),
        Err(Error::TooLarge { limit: 99, .. })
    ));
    fs::write(&path, [0x1f, 0x8b, 8, 0, 1]).unwrap();
    assert!(
        matches!(read(&path, 99), Err(Error::Read { .. })),
        "a damaged gzip file"
    );
    fs::remove_file(&path).unwrap();
    assert!(matches!(read(&path, 99), Err(Error::Read { .. })));
}
