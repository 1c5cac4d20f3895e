//! What it takes to reproduce the run.

use super::{Esc, titled};
use crate::{
    Record,
    event::{DeviceInfo, PlannedTechnique, RunFinished, RunStarted, SurrogateInfo, TargetInfo},
    text::{budget_text, counted, duration, eps_text, shape, training_text},
};

pub(super) fn section(record: &Record) -> String {
    let Some(started) = &record.started else {
        return String::new();
    };
    let mut rows = given(started);
    rows.extend(record.finished.iter().flat_map(spent));
    let rows: String = rows
        .iter()
        .map(|(k, v)| format!("<dt>{k}</dt><dd>{v}</dd>\n"))
        .collect();
    let body = format!(
        "<pre><code>{}</code></pre>\n<dl>\n{rows}</dl>\n",
        Esc(&shell(&started.command))
    );
    titled("Reproduce this run", body)
}

/// Name and value, the value as HTML.
type Entry = (&'static str, String);

fn given(e: &RunStarted) -> Vec<Entry> {
    let ladder: Vec<String> = e.plan.eps_ladder.iter().map(|eps| eps_text(*eps)).collect();
    let mut rows = vec![
        (
            "Scoville",
            format!("{}, event format {}", Esc(&e.version), e.format),
        ),
        ("Seed", e.seed.to_string()),
        (
            "Model",
            format!(
                "{}<br><code>sha256 {}</code><br><code>weights {}</code><br>{}, {}, input {}",
                Esc(&e.target.name),
                Esc(&e.target.sha256),
                Esc(&e.target.weights_sha256),
                counted(e.target.parameters, "parameter"),
                counted(e.target.classes as u64, "class"),
                Esc(&input(&e.target)),
            ),
        ),
    ];
    rows.extend(
        e.target
            .notes
            .iter()
            .map(|note| ("Model note", Esc(note).to_string())),
    );
    rows.extend(e.surrogates.iter().map(|s| ("Surrogate", surrogate(s))));
    let data = format!(
        "{}, {}<br><code>sha256 {}</code>",
        Esc(&e.data.name),
        counted(e.data.samples as u64, "sample"),
        Esc(&e.data.sha256),
    );
    rows.push(("Data", data));
    rows.extend(e.devices.iter().map(|d| ("Device", device(d))));
    rows.push((
        "Budgets",
        format!("{} {}", Esc(&budget_text(&e.plan.norm)), ladder.join(", ")),
    ));
    rows.extend(
        e.plan
            .goal
            .iter()
            .map(|g| ("Taken for", Esc(g).to_string())),
    );
    rows.extend(e.plan.techniques.iter().map(|t| ("Plan", plan(t))));
    rows
}

fn surrogate(s: &SurrogateInfo) -> String {
    let training = s.training.as_ref().map_or(String::new(), |t| {
        format!("<br>{}", Esc(&training_text(t).join("; ")))
    });
    format!(
        "{}<br><code>sha256 {}</code><br>{}, input {}{training}",
        Esc(&s.name),
        Esc(&s.sha256),
        counted(s.parameters, "parameter"),
        Esc(&s.input),
    )
}

fn device(d: &DeviceInfo) -> String {
    let software = if d.software {
        ", a software rasteriser"
    } else {
        ""
    };
    format!("{}, {}{software}", Esc(&d.backend), Esc(&d.name))
}

fn plan(t: &PlannedTechnique) -> String {
    let attacks: Vec<String> = t.attacks.iter().map(|a| Esc(a).to_string()).collect();
    format!("{} {}: {}", Esc(&t.id), Esc(&t.name), attacks.join(", "))
}

fn spent(e: &RunFinished) -> Vec<Entry> {
    let totals = &e.totals;
    let spent = format!(
        "{}, {}, {}, {}",
        counted(totals.samples as u64, "sample"),
        counted(totals.queries, "query"),
        counted(totals.gradients, "gradient evaluation"),
        duration(totals.seconds),
    );
    vec![
        ("Spent", spent),
        (
            "Ended",
            format!("{}, exit code {}", Esc(&e.ended), e.exit_code),
        ),
    ]
}

/// A command line that a POSIX shell reads back as the same words.
fn shell(words: &[String]) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./:,=+@%".contains(c);
    let quoted = |word: &String| match !word.is_empty() && word.chars().all(safe) {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// A sample of the model, and what becomes of it; texts have no shape.
fn input(target: &TargetInfo) -> String {
    match target.input_shape.as_slice() {
        [] => target.input.clone(),
        sample => format!("{}, {}", shape(sample), target.input),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_the_shell() {
        for (words, line) in [
            (
                vec!["scoville", "assess", "a.onnx"],
                "scoville assess a.onnx",
            ),
            (vec!["--data", "cifar10:x.bin,y"], "--data cifar10:x.bin,y"),
            (vec!["a b", ""], "'a b' ''"),
            (vec!["it's", "$HOME"], r"'it'\''s' '$HOME'"),
        ] {
            let words: Vec<String> = words.into_iter().map(String::from).collect();
            assert_eq!(shell(&words), line);
        }
    }
}
