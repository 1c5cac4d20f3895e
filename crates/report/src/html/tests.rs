//! The whole page: what it says, and what it must never contain.

use super::*;
use crate::{
    event::{Event, RunFinished},
    fixture,
};

fn strip() -> SampleStrip {
    SampleStrip {
        index: 17,
        label: 0,
        predicted: 3,
        eps: 8.0 / 255.0,
        attack: "apgd-ce".into(),
        technique: "AML.T0043.000".into(),
        channels: 1,
        height: 1,
        width: 2,
        clean: vec![0.5, 0.5],
        adversarial: vec![0.6, 0.4],
    }
}

fn page() -> String {
    html(&fixture::record(), &[strip()])
}

/// Element names that are open, checking that each closes in turn.
fn assert_well_formed(page: &str) {
    const VOID: [&str; 4] = ["!DOCTYPE", "meta", "br", "img"];
    let mut open: Vec<&str> = vec![];
    for tag in page.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "</{name}> closes another");
        } else if !VOID.contains(&name) && !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

#[test]
fn the_page_is_well_formed_whatever_the_run() {
    assert_well_formed(&page());
    assert_well_formed(&html(&Record::default(), &[]));
    let mut started = Record::default();
    started.add(&Event::RunStarted(fixture::started().into()));
    started.add(&Event::TechniqueProgress(fixture::progress()));
    assert_well_formed(&html(&started, &[]));
    let mut texts = Record::default();
    texts.add(&Event::TextBroken(fixture::text()));
    assert_well_formed(&html(&texts, &[]));
    let mut rows = Record::default();
    rows.add(&Event::SampleChanged(fixture::row()));
    let rows = html(&rows, &[]);
    assert_well_formed(&rows);
    assert!(rows.contains("capital-gain: 0 → &lt;5178&gt;"));
}

#[test]
fn the_page_opens_with_the_verdict() {
    let page = page();
    let body = page.split("<main>").nth(1).unwrap();
    assert!(
        body.trim_start()
            .starts_with("<header class=\"verdict high failed\">")
    );
    for part in [
        "<span>7.2</span> / 10",
        "AML.T0043.000</a> White-Box Optimization</h1>",
        "<span>95 % interval [6.8, 7.6]</span>",
        "<span>evidence grade A</span>",
        "<p class=\"gate high\">gate: failed (AML.T0043.000 scores 7.2, fail-on 6)</p>",
    ] {
        assert!(body.contains(part), "{part}");
    }
    let headings: Vec<_> = body
        .split("<h2>")
        .skip(1)
        .map(|h| h.split('<').next().unwrap())
        .collect();
    let order = [
        "Techniques",
        "Attacks",
        "Security curves",
        "Queries to success",
        "Samples",
        "Rows",
        "Texts",
        "Evidence",
        "Warnings",
        "Reproduce this run",
    ];
    assert_eq!(headings, order);
}

#[test]
fn figures_stand_with_their_denominators() {
    let page = page();
    for part in [
        "misclassified after the attack / correctly classified before",
        "<b>54.3 %</b> <span>495 / 912</span><br><span>[51.0, 57.5]</span>",
        "<b>41.7 %</b> <span>417 / 1000</span>",
        "<b>&gt;= 2.5</b> <span>[2.2, 2.9]</span>",
        ">&gt;99</td>",
        "square 911",
        "Susceptibility 7.2 [6.8, 7.6] = 10 · exposure 1 · likelihood 0.719 · impact 1.",
        "! warned</td><td>doubling the queries broke 21 more of 912<br><span class=\"advice\">raise --queries",
        "– not run</td>",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn curves_lie_where_their_numbers_say() {
    let page = page();
    let asr = page.split("<g class=\"asr\">").nth(1).unwrap();
    let line = asr
        .split("<polyline points=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let points: Vec<(f64, f64)> = line
        .split(' ')
        .map(|p| p.split_once(',').unwrap())
        .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
        .collect();
    // 1/255 to 16/255 doubles: even steps from 76 to 422. 0 % is at 220, 100 % at 14.
    let x: Vec<f64> = points.iter().map(|p| p.0).collect();
    assert_eq!(x, [76.0, 162.5, 249.0, 335.5, 422.0]);
    assert_eq!(points[0].1, 108.2); // 220 - 206 * 495 / 912
    assert_eq!(points[4].1, 14.0);
}

#[test]
fn everything_from_outside_is_escaped() {
    let page = page();
    for raw in ["<script", "<b>.onnx", "\"mine\"", "it's"] {
        assert!(!page.contains(raw), "{raw}");
    }
    assert!(page.contains("<b>airplane → &lt;script&gt;alert(1)&lt;/script&gt;</b>"));
    assert!(
        page.contains("<title>Scoville: it&#39;s &quot;mine&quot; &amp; &lt;b&gt;.onnx</title>")
    );
}

/// Puts one hostile text into every string of the events, so that no field is forgotten.
#[test]
fn no_field_of_any_event_can_inject() {
    const EVIL: &str = "\"'><script>x</script><img src=y onerror=z>\x1b\u{202e}";
    let mut record = fixture::record();
    let evil = || EVIL.to_string();
    let started = record.started.as_mut().unwrap();
    started.version = evil();
    started.command = vec![evil()];
    started.target.name = evil();
    started.target.sha256 = evil();
    started.target.class_names = vec![evil(); 10];
    started.target.notes = vec![evil()];
    (started.data.name, started.data.sha256) = (evil(), evil());
    (started.device.backend, started.device.name) = (evil(), evil());
    started.plan.norm = evil();
    started.plan.goal = Some(evil());
    for planned in &mut started.plan.techniques {
        (planned.id, planned.name, planned.attacks) = (evil(), evil(), vec![evil()]);
    }
    for technique in &mut record.techniques {
        (technique.id, technique.name, technique.attacks) = (evil(), evil(), vec![evil()]);
        let scored = technique.scored.as_mut().unwrap();
        (scored.technique, scored.name, scored.kind) = (evil(), evil(), evil());
        (scored.band, scored.grade, scored.grade_reason) = (evil(), evil(), evil());
        for check in &mut scored.checks {
            (check.code, check.detail, check.advice) = (evil(), evil(), evil());
        }
        let shares = scored.curve.iter_mut().flat_map(|p| &mut p.by_attack);
        shares.for_each(|share| share.attack = evil());
    }
    let warning = &mut record.warnings[0];
    (warning.code, warning.what, warning.advice) = (evil(), evil(), evil());
    warning.technique = Some(evil());
    let finished = record.finished.as_mut().unwrap();
    (finished.verdict, finished.ended, finished.breaches) = (evil(), evil(), vec![evil()]);
    finished.gate.as_mut().unwrap().detail = evil();
    let headline = finished.headline.as_mut().unwrap();
    (headline.technique, headline.name) = (evil(), evil());
    (headline.band, headline.grade) = (evil(), evil());
    let strip = SampleStrip {
        attack: evil(),
        technique: evil(),
        ..strip()
    };

    let page = html(&record, &[strip]);
    assert_well_formed(&page);
    assert!(!page.contains("<script") && !page.contains("src=y onerror=z>"));
    assert!(!page.contains(['\x1b', '\u{202e}']));
    assert!(page.matches("&lt;script&gt;").count() > 60);
}

#[test]
fn the_page_needs_nothing_else() {
    let page = page();
    assert!(page.contains("default-src 'none'; style-src 'unsafe-inline'; img-src data:"));
    for fetch in [
        "<script",
        "<link",
        "<iframe",
        "@import",
        "url(",
        "src=\"http",
        "srcset",
    ] {
        assert!(!page.contains(fetch), "{fetch}");
    }
    let links = page.matches("href=\"").count();
    assert_eq!(
        page.matches("href=\"https://atlas.mitre.org/techniques/AML.")
            .count(),
        links
    );
}

#[test]
fn an_inconclusive_run_shows_no_score() {
    let mut record = Record::default();
    record.add(&Event::RunStarted(fixture::started().into()));
    record.add(&Event::TechniqueScored(fixture::inconclusive()));
    let verdict = "Inconclusive: 25 samples, fewer than 30.".to_string();
    let end = RunFinished {
        headline: None,
        breaches: vec![],
        gate: None,
        verdict,
        ..fixture::finished()
    };
    record.add(&Event::RunFinished(end));
    let mut stopped = fixture::inconclusive();
    stopped.technique = "AML.T0043.001".into();
    for point in &mut stopped.curve {
        (point.samples, point.correct) = (0, 0);
    }
    record.add(&Event::TechniqueScored(stopped));
    let page = html(&record, &[]);
    assert_eq!(page.matches("<svg").count(), 1, "none without samples");
    assert!(page.contains("<p class=\"figure\">inconclusive</p>"));
    assert!(page.contains("<td class=\"quiet\">inconclusive</td>"));
    assert_eq!(
        page.matches("<td class=\"quiet\">not tested</td>").count(),
        1
    );
    assert!(page.contains("Inconclusive: no score."));
    assert!(!page.contains("class=\"scale\"") && !page.contains("class=\"score\""));
}

#[test]
fn the_axis_says_what_an_eps_is_measured_in() {
    let axis = |shape: Vec<usize>| {
        let mut started = fixture::started();
        started.target.input_shape = shape;
        let mut record = fixture::record();
        record.started = Some(started);
        let page = html(&record, &[]);
        [
            page.contains("in [0,1] pixel units"),
            page.contains("in ranges of the features"),
        ]
    };
    assert_eq!(axis(vec![3, 32, 32]), [true, false]);
    assert_eq!(axis(vec![108]), [false, true]);
}
