//! The published property files of `../shared` against its tables and their boxes.

use std::fs;
use std::path::{Path, PathBuf};

use scoville_vnnlib::{Case, Property, Source, instances, read};

fn sets() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    if !folder.is_dir() {
        println!("skipped: no ../shared");
        return Vec::new();
    }
    let sets = fs::read_dir(folder.join("data/vnncomp")).unwrap();
    let mut sets: Vec<PathBuf> = sets.map(|entry| entry.unwrap().path()).collect();
    sets.sort();
    assert_eq!(sets.len(), 12);
    sets
}

fn inward(case: &Case) -> (Vec<f64>, Vec<f64>) {
    let up = |value: f64| {
        let near = value as f32;
        f64::from(if f64::from(near) < value {
            near.next_up()
        } else {
            near
        })
    };
    (
        case.lower.iter().map(|&v| up(v)).collect(),
        case.upper.iter().map(|&v| -up(-v)).collect(),
    )
}

/// Each file, rounded inward, is its row's box, and asks for its row's labels.
#[test]
fn every_published_file_is_its_row() {
    let (mut rows, mut files) = (0, 0);
    for set in sets() {
        let table = set.join("instances.csv");
        let text = fs::read_to_string(&table).unwrap();
        let column = text
            .lines()
            .next()
            .unwrap()
            .split(',')
            .position(|name| name == "vnnlib")
            .unwrap();
        for (instance, line) in instances(&table).unwrap().iter().zip(text.lines().skip(1)) {
            rows += 1;
            let file = set.join(line.split(',').nth(column).unwrap());
            let Source::Labels(labels) = &instance.source else {
                panic!("{line}")
            };
            if !file.is_file() {
                continue;
            }
            files += 1;
            let property = Property::parse(&read(&file, 1 << 26).unwrap()).unwrap();
            let expected = labels.property(property.outputs);
            let ([case], [wanted]) = (property.cases.as_slice(), expected.cases.as_slice()) else {
                panic!("{file:?}");
            };
            assert_eq!(
                inward(case),
                (wanted.lower.clone(), wanted.upper.clone()),
                "{file:?}"
            );
            assert_eq!(case.any, wanted.any, "{file:?}");
        }
    }
    assert!(
        (rows, files) == (0, 0) || (rows == 1321 && files >= 300),
        "{rows} rows, {files} files"
    );
}
