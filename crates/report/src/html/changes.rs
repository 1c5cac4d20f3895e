//! What attacks changed in rows of a table.

use super::{Esc, atlas_link, titled};
use crate::{Record, event::SampleChanged};

pub(super) fn section(record: &Record) -> String {
    let rows: String = record.changed.iter().map(|e| row(record, e)).collect();
    if rows.is_empty() {
        return rows;
    }
    let body = format!(
        r#"<div class="scroll"><table class="changes">
<thead><tr><th scope="col">Technique</th><th scope="col">Attack</th><th scope="col">Row</th><th scope="col">Class</th><th scope="col">Distance</th><th scope="col">Changes</th></tr></thead>
<tbody>
{rows}</tbody>
</table></div>
"#
    );
    titled("Rows", body)
}

fn row(record: &Record, e: &SampleChanged) -> String {
    let changes = e.changes.iter().map(|c| {
        format!(
            "{}: {} → {}",
            Esc(&c.feature),
            Esc(&c.before),
            Esc(&c.after)
        )
    });
    let changes: Vec<String> = changes.collect();
    format!(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{} → {}</td><td>{:.3}</td><td>{}</td></tr>\n",
        atlas_link(&e.technique),
        Esc(&e.attack),
        e.sample,
        Esc(&record.class_name(e.label)),
        Esc(&record.class_name(e.predicted)),
        e.distance,
        changes.join("<br>"),
    )
}
