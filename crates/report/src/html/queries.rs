//! What success cost in queries.

use super::{atlas_link, titled};
use crate::{
    Record,
    event::CurvePoint,
    text::{budget_word, eps_text, full_count, percent},
};

pub(super) fn section(record: &Record) -> String {
    let scored = record.techniques.iter().filter_map(|t| t.scored.as_ref());
    let rows: String = scored
        .flat_map(|t| t.curve.iter().filter_map(|p| row(&t.technique, p)))
        .collect();
    if rows.is_empty() {
        return rows;
    }
    let norm = record.started.as_ref().map_or("", |s| s.plan.norm.as_str());
    let budget = budget_word(norm);
    let body = format!(
        r#"<div class="scroll"><table>
<thead><tr><th scope="col">Technique</th><th scope="col">{budget}</th><th scope="col">ASR in % within 100</th><th scope="col">1000</th><th scope="col">10 000</th><th scope="col">Median</th></tr></thead>
<tbody>
{rows}</tbody>
</table></div>
<p class="quiet">Queries of the attack that broke the sample; the median is over the samples broken.</p>
"#
    );
    titled("Queries to success", body)
}

fn row(technique: &str, point: &CurvePoint) -> Option<String> {
    let queries = point.queries.as_ref()?;
    let rates: String = queries
        .within
        .iter()
        .map(|w| format!("<td>{}</td>", super::Esc(&percent(w.rate))))
        .collect();
    Some(format!(
        "<tr><th scope=\"row\">{}</th><td>{}</td>{rates}<td>{}</td></tr>\n",
        atlas_link(technique),
        eps_text(point.eps),
        queries.median.map_or("–".into(), full_count),
    ))
}
