//! How the JSON report is laid out: a field a line, and lists of plain values on one line, for they can be long.

use std::io::{self, Write};

use serde_json::ser::Formatter;

/// What is open around the next value.
struct Open {
    is_list: bool,
    /// Whether what is inside begins on a line of its own.
    broken: bool,
}

/// Breaks lines in objects, and in lists only where they hold objects.
#[derive(Default)]
pub(crate) struct Layout(Vec<Open>);

impl Layout {
    fn open(&mut self, is_list: bool) {
        let broken = false;
        self.0.push(Open { is_list, broken });
    }

    /// A new line inside the innermost container.
    fn line<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        if let Some(open) = self.0.last_mut() {
            open.broken = true;
        }
        self.indent(out)
    }

    fn indent<W: ?Sized + Write>(&self, out: &mut W) -> io::Result<()> {
        out.write_all(b"\n")?;
        self.0.iter().try_for_each(|_| out.write_all(b"  "))
    }

    fn close<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        match self.0.pop() {
            Some(open) if open.broken => self.indent(out),
            _ => Ok(()),
        }
    }
}

fn comma<W: ?Sized + Write>(out: &mut W, first: bool) -> io::Result<()> {
    if first { Ok(()) } else { out.write_all(b",") }
}

impl Formatter for Layout {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(true);
        out.write_all(b"[")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        comma(out, first)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out)?;
        out.write_all(b"]")
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        if self.0.last().is_some_and(|open| open.is_list) {
            self.line(out)?;
        }
        self.open(false);
        out.write_all(b"{")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        comma(out, first)?;
        self.line(out)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out)?;
        out.write_all(b"}")
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::{Serializer, Value, json};

    use super::*;

    #[test]
    fn objects_are_broken_and_lists_of_values_are_not() {
        let value = json!({"a": [1, null, [2, 3]], "b": [{"c": "x"}, {"c": []}], "d": {}});
        let mut out = Vec::new();
        value
            .serialize(&mut Serializer::with_formatter(&mut out, Layout::default()))
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        let lines = [
            "{",
            r#"  "a": [1,null,[2,3]],"#,
            r#"  "b": ["#,
            "    {",
            r#"      "c": "x""#,
            "    },",
            "    {",
            r#"      "c": []"#,
            "    }",
            "  ],",
            r#"  "d": {}"#,
            "}",
        ];
        assert_eq!(text, lines.join("\n"));
    }
}
