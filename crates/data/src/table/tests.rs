use super::*;
use crate::testing::{Scratch, gzip, shared};

const SCHEMA: &str = r#"
[features]
label = "income"
classes = ["low", "high"]
[[features.column]]
name = "sex"
kind = "categorical"
immutable = true
[[features.column]]
name = "age"
kind = "integer"
range = [10, 60]
[[features.column]]
name = "degree"
kind = "ordinal"
categories = ["none", "school", "university"]
[[features.column]]
name = "id"
kind = "ignored"
"#;

const TABLE: &str =
    "id,age,sex,degree,income\n1,35,F,school,low\n2,60,M,none,high\n\n3,10,F,university,high\n";

fn schema(text: &str) -> Schema {
    let scratch = Scratch::new();
    Schema::read(&scratch.file("f.toml", text.as_bytes()))
        .unwrap()
        .unwrap()
}

fn open(text: &str, schema: Option<&str>, limit: Option<usize>) -> Result<Dataset, Error> {
    let scratch = Scratch::new();
    let file = scratch.file("t.csv", text.as_bytes());
    load(&file, schema.map(self::schema).as_ref(), limit)
}

#[test]
fn a_described_table_is_in_the_schemas_order() {
    let data = open(TABLE, Some(SCHEMA), None).unwrap();
    assert_eq!(data.shape, [4]);
    assert_eq!((data.y.as_slice(), data.classes), ([0, 1, 1].as_slice(), 2));
    assert_eq!(data.class_names, ["low", "high"]);
    let first = [1.0, 0.0, 0.5, 0.5];
    assert_eq!(data.read(&[0]).unwrap(), first);
    assert_eq!(
        data.read(&[2, 1]).unwrap(),
        [1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0]
    );
    assert!(data.check(true).is_ok());
    let limited = open(TABLE, Some(SCHEMA), Some(1)).unwrap();
    assert_eq!(
        (limited.len(), limited.read_all().unwrap()),
        (1, first.to_vec())
    );
    let features = data.features.unwrap();
    assert_eq!(features.notes, ["sex: 2 categories from the data"]);
    assert!(features.columns[0].immutable);
}

#[test]
fn numbers_need_no_schema() {
    for text in [
        "a,label,b\n1,0,0.5\n3,2,-0.5\n",
        "\"a\",\"label\",\"b\"\r\n1,0,.5\r\n3,2,-.5\r\n",
    ] {
        let data = open(text, None, None).unwrap();
        assert_eq!(
            (data.y.as_slice(), data.classes),
            ([0, 2].as_slice(), 3),
            "{text}"
        );
        assert_eq!(data.read_all().unwrap(), [0.0, 1.0, 1.0, 0.0]);
        let features = data.features.unwrap();
        assert_eq!(features.notes[0], "a: range 1..3 from the data");
        let [a, b] = features.scales().try_into().unwrap();
        assert_eq!((a.levels, a.base, a.unit), (2, 1.0, 1.0));
        assert_eq!((b.levels, b.base, b.unit), (0, -0.5, 1.0));
    }
    let bare = open("1,2.5,cat\n4,0,dog\n1,1,cat\n", None, None).unwrap();
    assert_eq!(
        (bare.y, bare.class_names),
        (vec![0, 1, 0], vec!["cat".into(), "dog".into()])
    );
}

#[test]
fn what_is_wrong_is_told_by_line_and_column() {
    let described = |text: &str| open(text, Some(SCHEMA), None);
    let header = "id,age,sex,degree,income\n";
    for (row, says) in [
        (
            "1,35,F,school,rich",
            "line 2: label \"rich\" is none of the classes low, high",
        ),
        (
            "1,old,F,school,low",
            "line 2: column age: \"old\" is no number",
        ),
        (
            "1,35.5,F,school,low",
            "line 2: column age: 35.5 is between two steps",
        ),
        (
            "1,61,F,school,low",
            "line 2: column age: 61 is beyond 10..60",
        ),
        ("1,35,F,college,low", "line 2: column degree: \"college\""),
        ("1,35,F,school", "line 2: 4 fields, line 1 has 5"),
        ("1,35,\"F\"x,school,low", "line 2: a quote"),
        (
            "1,35,F,school,low",
            "line 1: column sex: one category alone",
        ),
    ] {
        let second = if says.contains("alone") {
            ""
        } else {
            "2,20,M,none,high\n"
        };
        let error = described(&format!("{header}{row}\n{second}"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("t.csv") && error.contains(says), "{error}");
    }
    for (text, schema, says) in [
        (
            "a,b\n1,x\n2,y\n",
            "[features]\nlabel = \"c\"",
            "no column \"c\" for the label; the columns are a, b",
        ),
        ("1,2\n3,4\n", "[features]\nlabel = 2", "no column 2"),
        (
            TABLE,
            "[features]\n[[features.column]]\nname = \"age\"\nkind = \"integer\"",
            "column \"id\" is not in the schema",
        ),
        (
            TABLE,
            "[features]\n[[features.column]]\nname = \"agee\"\nkind = \"integer\"",
            "no column \"agee\"",
        ),
        (
            "1,2,0\n",
            "[features]\n[[features.column]]\nname = \"a\"\nkind = \"integer\"",
            "2 columns beside the label, the schema has 1",
        ),
    ] {
        let error = open(text, Some(schema), None).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    assert!(
        open("a,b\nx,1\ny,2\n", None, None)
            .unwrap_err()
            .to_string()
            .contains("--features")
    );
    for text in ["", "\n \n", "a,label\n"] {
        assert!(
            matches!(
                open(text, Some("[features]\nheader = true"), None),
                Err(Error::Empty { .. })
            ),
            "{text:?}"
        );
    }
    let hollow = open("0\n1\n", None, None).unwrap_err().to_string();
    assert!(hollow.contains("no column but the label"), "{hollow}");
}

#[test]
fn compressed_tables_are_read_alike() {
    let scratch = Scratch::new();
    let file = scratch.file("t.csv.gz", &gzip(TABLE.as_bytes()));
    let packed = load(&file, Some(&schema(SCHEMA)), None).unwrap();
    let plain = open(TABLE, Some(SCHEMA), None).unwrap();
    assert_eq!(packed.check(true).unwrap(), plain.check(true).unwrap());
}

#[test]
fn real_tables_load() {
    let Some(shared) = shared() else { return };
    let schemas = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../benches/tabular"
    ));
    for (name, rows, columns, classes) in [("adult", 32_561, 14, 2), ("nursery", 12_960, 8, 5)] {
        let schema = Schema::read(&schemas.join(format!("{name}.toml"))).unwrap();
        let file = shared.join(format!("tabular/{name}.data.gz"));
        let data = load(&file, schema.as_ref(), None).unwrap();
        assert_eq!((data.len(), data.classes), (rows, classes), "{name}");
        assert!(data.check(true).is_ok());
        assert_eq!(data.features.map(|f| f.columns.len()), Some(columns));
    }
}
