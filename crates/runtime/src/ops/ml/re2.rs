//! Regular expressions in RE2's syntax, matched in linear time and bounded memory.

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};

use crate::Fault;

/// Most bytes of a compiled pattern.
const MAX_COMPILED: usize = 1 << 22;
/// Most bytes of a pattern.
const MAX_PATTERN: usize = 1 << 14;

/// A pattern that finds the leftmost match, and of those the longest.
pub(super) struct Pattern {
    leftmost: Regex,
    all: Regex,
}

impl Pattern {
    pub fn new(pattern: &str) -> Result<Pattern, Fault> {
        let pattern = translate(pattern)?;
        Ok(Pattern {
            leftmost: compile(&pattern, MatchKind::LeftmostFirst)?,
            all: compile(&pattern, MatchKind::All)?,
        })
    }

    /// Where in `text` from `start` on it matches.
    pub fn find(&self, text: &str, start: usize) -> Option<std::ops::Range<usize>> {
        if start > text.len() {
            return None;
        }
        let found = self.leftmost.find(Input::new(text).range(start..))?;
        let anchored = Input::new(text)
            .range(found.start()..)
            .anchored(Anchored::Yes);
        let end = self
            .all
            .search_half(&anchored)
            .map_or(found.end(), |end| end.offset());
        Some(found.start()..end)
    }

    /// Whether it matches the whole of `text`.
    pub fn matches_whole(&self, text: &str) -> bool {
        let anchored = Input::new(text).anchored(Anchored::Yes);
        let end = self.all.search_half(&anchored);
        end.is_some_and(|end| end.offset() == text.len())
    }

    /// Whether it matches the empty string.
    pub fn matches_nothing(&self) -> bool {
        self.matches_whole("")
    }
}

fn compile(pattern: &str, kind: MatchKind) -> Result<Regex, Fault> {
    let bad = |error: regex_automata::meta::BuildError| {
        Fault::Unsupported(format!("the pattern ({error}): it"))
    };
    let config = Config::new()
        .match_kind(kind)
        .nfa_size_limit(Some(MAX_COMPILED))
        .onepass_size_limit(Some(MAX_COMPILED));
    Regex::builder()
        .configure(config)
        .syntax(syntax::Config::new().nest_limit(100))
        .build(pattern)
        .map_err(bad)
}

/// RE2's syntax in that of the regex crates: the classes of Perl are of ASCII letters, and classes
/// in brackets know neither nesting nor set operations.
fn translate(pattern: &str) -> Result<String, Fault> {
    if pattern.len() > MAX_PATTERN {
        let what = format!("a pattern of more than {MAX_PATTERN} bytes");
        return Err(Fault::Unsupported(what));
    }
    let mut out = String::with_capacity(pattern.len());
    let mut class = false;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, class) {
            ('\\', _) => match chars.next() {
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') => out.push_str("[0-9A-Za-z_]"),
                Some('W') => out.push_str("[^0-9A-Za-z_]"),
                Some('s') => out.push_str(r"[\t\n\f\r ]"),
                Some('S') => out.push_str(r"[^\t\n\f\r ]"),
                Some('b') if !class => out.push_str(r"(?-u:\b)"),
                Some('B') => return Err(Fault::Unsupported(r"\B in a pattern".into())),
                // Word boundaries there, punctuation here.
                Some(other @ ('<' | '>')) => out.push(other),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            ('[', false) => {
                class = true;
                out.push('[');
                out.extend(chars.next_if_eq(&'^'));
                // A bracket that closes nothing is a member.
                out.extend(chars.next_if_eq(&']').into_iter().flat_map(|c| ['\\', c]));
            }
            ('[', true) if chars.peek() == Some(&':') => {
                out.push('[');
                for c in chars.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            ('[' | '&' | '~', true) => out.extend(['\\', c]),
            ('-', true) if chars.peek() == Some(&'-') => {
                return Err(Fault::Unsupported("-- in a class of a pattern".into()));
            }
            (']', true) => {
                class = false;
                out.push(']');
            }
            _ => out.push(c),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(pattern: &str) -> Pattern {
        Pattern::new(pattern).expect("a pattern")
    }

    #[test]
    fn the_longest_of_the_leftmost_matches() {
        for (p, text, found) in [
            ("a|ab", "xab", Some(1..3)),
            ("a*(ab)?", "aab", Some(0..3)),
            ("(a|ab)(c|bcd)", "abcd", Some(0..4)),
            ("a+?", "aaa", Some(0..3)),
            ("b", "a", None),
        ] {
            assert_eq!(pattern(p).find(text, 0), found, "{p} in {text}");
        }
        assert_eq!(pattern("^a").find("aa", 1), None);
        assert_eq!(pattern("a").find("aa", 3), None);
    }

    #[test]
    fn the_whole_text() {
        assert!(pattern("a|ab").matches_whole("ab"));
        assert!(pattern("a+?").matches_whole("aaa"));
        assert!(!pattern("a").matches_whole("aab"));
        assert!(!pattern("a").matches_whole("ba"));
        assert!(pattern("a*").matches_nothing());
        assert!(pattern("").matches_nothing());
    }

    #[test]
    fn the_syntax_of_re2() {
        for (p, yes, no) in [
            (r"\w", "a", "é"),
            (r"\W", "é", "a"),
            (r"[^\w]", "é", "a"),
            (r"[\d.]+", "1.5", "١"),
            (r"\s", "\t", "\u{b}"),
            (r"[[:alpha:]]", "a", "1"),
            (r"[[a&~]+", "[&~", "b"),
            (r"[]a]", "]", "b"),
            (r"[^]a]", "b", "]"),
            (r".", "é", "\n"),
            (r"\p{Greek}", "α", "a"),
            (r"(?i)É", "é", "e"),
            (r"a\b", "a", "b"),
            (r"\<a\>", "<a>", "a"),
        ] {
            assert!(pattern(p).matches_whole(yes), "{p} matches {yes}");
            assert!(!pattern(p).matches_whole(no), "{p} does not match {no}");
        }
    }

    #[test]
    fn bad_patterns() {
        for p in [
            "(",
            "[a--b]",
            r"a\B",
            r"(?=a)",
            r"\1",
            "a{1000}{1000}{1000}",
        ] {
            let fault = Pattern::new(p).err().expect(p).to_string();
            assert!(fault.ends_with("is not supported"), "{fault}");
        }
        assert!(Pattern::new(&"a".repeat(1 << 15)).is_err());
    }

    #[test]
    fn matching_takes_linear_time() {
        let text = "a".repeat(1 << 14);
        assert!(!pattern("(a*)*b").matches_whole(&text));
    }
}
