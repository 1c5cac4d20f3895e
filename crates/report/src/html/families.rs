//! What each attack breaks by itself, where attacks ran on every sample.

use super::{Esc, techniques::tinted, titled};
use crate::{
    Record,
    event::AttackBudget,
    text::{budget_text, budget_word, eps_text},
};

pub(super) fn section(record: &Record) -> String {
    let alone = record.alone();
    if alone.is_empty() {
        return String::new();
    }
    let head = |eps: &f64| format!("<th scope=\"col\">{}</th>", eps_text(*eps));
    let ladder: String = record.ladder().iter().map(head).collect();
    let rows: String = alone.into_iter().map(row).collect();
    let norm = record.started.as_ref().map_or("", |s| s.plan.norm.as_str());
    let body = format!(
        r#"<div class="scroll"><table class="families">
<caption>ASR in % at {budget}</caption>
<thead><tr><th scope="col">Attack</th>{ladder}</tr></thead>
<tbody>
{rows}</tbody>
</table></div>
<p class="quiet">Each attack ran on every sample that the model got right. At a {word} what it breaks at a lower one counts, too.</p>
"#,
        budget = Esc(&budget_text(norm)),
        word = budget_word(norm),
    );
    titled("By attack", body)
}

fn row(budget: &AttackBudget) -> String {
    let rates: String = budget.rates().map(tinted).collect();
    let name = Esc(&budget.attack);
    format!("<tr><th scope=\"row\">{name}</th>{rates}</tr>\n")
}
