//! What each attack took and yielded.

use super::{Esc, atlas_link, titled};
use crate::{
    Record,
    event::AttackBudget,
    text::{duration, full_count, short_count},
};

pub(super) fn section(record: &Record) -> String {
    let scored = record.techniques.iter().filter_map(|t| t.scored.as_ref());
    let rows: String = scored
        .flat_map(|t| t.budgets.iter().map(|budget| row(&t.technique, budget)))
        .collect();
    if rows.is_empty() {
        return rows;
    }
    let body = format!(
        r#"<div class="scroll"><table class="attacks">
<thead><tr><th scope="col">Technique</th><th scope="col">Attack</th><th scope="col">Tried on</th><th scope="col">Broke</th><th scope="col">Queries</th><th scope="col">Gradients</th><th scope="col">Time</th></tr></thead>
<tbody>
{rows}</tbody>
</table></div>
<p class="quiet">Attacks of a technique run one after the other, each on the samples that those before left at the same eps;
corruptions run on every sample.
A sample counts for the attack that broke it at the smallest eps.</p>
"#
    );
    titled("Attacks", body)
}

fn row(technique: &str, b: &AttackBudget) -> String {
    format!(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
        atlas_link(technique),
        Esc(&b.attack),
        full_count(b.samples as u64),
        full_count(b.broken as u64),
        short_count(b.queries),
        gradients(b),
        duration(b.seconds),
    )
}

/// Those of the target, and apart those of surrogates.
fn gradients(b: &AttackBudget) -> String {
    match b.surrogate_gradients {
        0 => short_count(b.gradients),
        of_surrogates => format!(
            "{}<br><span>{} of surrogates</span>",
            short_count(b.gradients),
            short_count(of_surrogates)
        ),
    }
}
