//! Text from outside, made harmless in HTML text and in quoted attributes.

use std::fmt::{Display, Formatter, Result, Write};

use crate::text::printable;

/// Displays a text with HTML's special characters as entities and control characters replaced.
pub(super) struct Esc<'a>(pub &'a str);

impl Display for Esc<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for c in printable(self.0) {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_leaves_its_place() {
        for (text, escaped) in [
            ("cat", "cat"),
            ("<script>", "&lt;script&gt;"),
            (r#"" onload='x'"#, "&quot; onload=&#39;x&#39;"),
            ("&lt;", "&amp;lt;"),
            ("a\0b\u{202e}c\n", "a\u{fffd}b\u{fffd}c\u{fffd}"),
            ("日本", "日本"),
        ] {
            assert_eq!(Esc(text).to_string(), escaped);
        }
    }
}
