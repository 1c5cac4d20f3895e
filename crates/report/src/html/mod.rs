//! The report of `--report-html`: one page that needs nothing else, for a screen, a printer and a screen reader.
//!
//! No scripts and no fetches; a content security policy says so to the browser. All text from outside goes through
//! [`Esc`].

mod attacks;
mod changes;
mod curves;
mod escape;
mod evidence;
mod families;
mod manifest;
mod queries;
mod strips;
mod techniques;
mod texts;
mod verdict;

use crate::Record;
use escape::Esc;
pub use strips::SampleStrip;

/// A run as a self-contained HTML page. `strips` are the samples to show before and after an attack.
pub fn html(record: &Record, strips: &[SampleStrip]) -> String {
    let target = record
        .started
        .as_ref()
        .map_or("a model", |s| s.target.name.as_str());
    let sections = [
        verdict::section(record),
        techniques::section(record),
        attacks::section(record),
        families::section(record),
        curves::section(record),
        queries::section(record),
        strips::section(record, strips),
        changes::section(record),
        texts::section(record),
        evidence::section(record),
        evidence::warnings(record),
        manifest::section(record),
    ];
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Scoville: {target}</title>
<style>
{style}</style>
</head>
<body>
<main>
{sections}</main>
</body>
</html>
"#,
        target = Esc(target),
        style = include_str!("style.css"),
        sections = sections.concat(),
    )
}

/// A section with a heading; nothing where there is no body.
fn titled(title: &str, body: String) -> String {
    match body.is_empty() {
        true => String::new(),
        false => format!("<section>\n<h2>{title}</h2>\n{body}</section>\n"),
    }
}

/// The band, or what stands in its place, as a coloured label.
fn chip(band: &str) -> String {
    format!(r#"<span class="chip {}">{}</span>"#, heat(band), Esc(band))
}

/// The CSS class that colours a band.
fn heat(band: &str) -> &'static str {
    match band {
        "none" => "none",
        "low" => "low",
        "medium" => "medium",
        "high" => "high",
        "critical" => "critical",
        _ => "unknown",
    }
}

/// A technique's id, linked to its page at MITRE.
fn atlas_link(id: &str) -> String {
    format!(
        r#"<a href="https://atlas.mitre.org/techniques/{0}" rel="noreferrer">{0}</a>"#,
        Esc(id)
    )
}

#[cfg(test)]
mod tests;
