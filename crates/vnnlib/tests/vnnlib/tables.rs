use std::fs;
use std::path::PathBuf;

use scoville_vnnlib::{Constraint, Instance, Source, instances};

/// A folder with a table `t.csv` and two boxes of two elements.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, table: &str) -> Folder {
        let folder =
            std::env::temp_dir().join(format!("scoville-tables-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let floats = |values: [f32; 4]| {
            values
                .iter()
                .flat_map(|v| v.to_le_bytes())
                .collect::<Vec<u8>>()
        };
        fs::write(folder.join("lower.f32"), floats([0.0, 1.0, 2.0, f32::NAN])).unwrap();
        fs::write(folder.join("upper.f32"), floats([1.0, 2.0, 3.0, 4.0])).unwrap();
        fs::write(folder.join("t.csv"), table).unwrap();
        Folder(folder)
    }

    fn read(&self) -> Result<Vec<Instance>, String> {
        instances(&self.0.join("t.csv")).map_err(|error| error.to_string())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn vnncomps_tables() {
    let folder = Folder::new(
        "plain",
        "onnx/a.onnx,vnnlib/p.vnnlib,116\n\nb.onnx, q.vnnlib ,0.5\r\n",
    );
    let rows = folder.read().unwrap();
    let expected = |row: usize, onnx: &str, property: &str, timeout| Instance {
        row,
        onnx: folder.0.join(onnx),
        source: Source::File(folder.0.join(property)),
        timeout: Some(timeout),
    };
    assert_eq!(
        rows,
        [
            expected(0, "onnx/a.onnx", "vnnlib/p.vnnlib", 116.0),
            expected(1, "b.onnx", "q.vnnlib", 0.5)
        ]
    );
    let headed = Folder::new("headed", "onnx,vnnlib,timeout\na.onnx,p.vnnlib,1\n");
    assert_eq!(headed.read().unwrap().len(), 1);
}

const HEADER: &str = "row,onnx,note,goal,true_label,adversarial_labels,dim,f32_offset\n";

#[test]
fn tables_with_boxes() {
    let text = format!(
        "{HEADER}7,m.onnx,\"a, b\",untargeted,0,1 2,2,0\n8,m.onnx,,targeted_argmax,0,2,1,2\n"
    );
    let rows = Folder::new("boxes", &text).read().unwrap();
    assert_eq!(rows.iter().map(|row| row.row).collect::<Vec<_>>(), [7, 8]);
    let property = |at: usize| match &rows[at].source {
        Source::Labels(labels) => labels.property(3),
        Source::File(path) => panic!("{path:?}"),
    };
    let (first, second) = (property(0), property(1));
    assert_eq!((first.inputs, first.outputs), (2, 3));
    assert_eq!(
        (&first.cases[0].lower, &first.cases[0].upper),
        (&vec![0.0, 1.0], &vec![1.0, 2.0])
    );
    let at_least = Constraint::at_least;
    assert_eq!(
        first.cases[0].any,
        [vec![at_least(1, 0)], vec![at_least(2, 0)]]
    );
    assert_eq!(second.cases[0].any, [vec![at_least(2, 0), at_least(2, 1)]]);
}

#[test]
fn wrong_tables_name_the_line() {
    for (text, line, what) in [
        ("a.onnx,b.vnnlib\n", 1, "2 fields"),
        ("a.onnx,b.vnnlib,1\na.onnx,b.vnnlib,soon\n", 2, "`soon`"),
        ("a.onnx,b.vnnlib,-1\n", 1, "above 0"),
        (
            &format!("{HEADER}0,m.onnx,,untargeted,0,1,2,3\n"),
            2,
            "beyond the end",
        ),
        (
            &format!("{HEADER}0,m.onnx,,untargeted,0,1,2,18446744073709551615\n"),
            2,
            "beyond the end",
        ),
        (
            &format!("{HEADER}0,m.onnx,,untargeted,0,1,1,3\n"),
            2,
            "not finite",
        ),
        (
            &format!("{HEADER}0,m.onnx,,untargeted,x,1,1,0\n"),
            2,
            "true_label is `x`",
        ),
        (
            &format!("{HEADER}0,m.onnx,,untargeted,0,,1,0\n"),
            2,
            "adversarial_labels",
        ),
        (
            &format!("{HEADER}0,m.onnx,,sideways,0,1,1,0\n"),
            2,
            "`sideways`",
        ),
        (
            &format!("{HEADER}0,m.onnx,,targeted_argmax,0,1 2,1,0\n"),
            2,
            "targeted_argmax",
        ),
        (
            "onnx,goal\nm.onnx,untargeted\n",
            1,
            "adversarial_labels is missing",
        ),
    ] {
        let error = Folder::new("wrong", text).read().unwrap_err();
        assert!(
            error.starts_with(&format!("line {line}: ")) && error.contains(what),
            "{text}: {error}"
        );
    }
}
