//! What success cost in queries.

use super::{Esc, atlas_link, titled};
use crate::{
    Record,
    event::{CurvePoint, QueryCurve},
    text::{budget_word, eps_text, full_count, percent},
};

pub(super) fn section(record: &Record) -> String {
    let curves = record.query_curves();
    let budgets = curves.iter().map(|(_, _, queries)| &queries.within);
    let Some(budgets) = budgets.max_by_key(|within| within.len()) else {
        return String::new();
    };
    let title = |(i, queries): (usize, u64)| match i {
        0 => format!(
            "<th scope=\"col\">ASR in % within {}</th>",
            full_count(queries)
        ),
        _ => format!("<th scope=\"col\">{}</th>", full_count(queries)),
    };
    let titles: String = budgets
        .iter()
        .map(|w| w.queries)
        .enumerate()
        .map(title)
        .collect();
    let rows: String = curves
        .iter()
        .map(|curve| row(*curve, budgets.len()))
        .collect();
    let norm = record.started.as_ref().map_or("", |s| s.plan.norm.as_str());
    let budget = budget_word(norm);
    let body = format!(
        r#"<div class="scroll"><table class="queries">
<thead><tr><th scope="col">Technique</th><th scope="col">{budget}</th>{titles}<th scope="col">Median</th></tr></thead>
<tbody>
{rows}</tbody>
</table></div>
<p class="quiet">Queries of the attack that broke the sample; the median is over the samples broken.</p>
"#
    );
    titled("Queries to success", body)
}

fn row((technique, point, queries): (&str, &CurvePoint, &QueryCurve), budgets: usize) -> String {
    let rate = |at: usize| {
        let within = queries.within.get(at);
        let text = within.map_or("–".into(), |w| percent(w.rate));
        format!("<td>{}</td>", Esc(&text))
    };
    let rates: String = (0..budgets).map(rate).collect();
    format!(
        "<tr><th scope=\"row\">{}</th><td>{}</td>{rates}<td>{}</td></tr>\n",
        atlas_link(technique),
        eps_text(point.eps),
        queries.median.map_or("–".into(), full_count),
    )
}
