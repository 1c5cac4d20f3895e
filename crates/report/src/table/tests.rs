//! Whole tables as the reader sees them.

use std::{cell::Cell, rc::Rc};

use super::*;
use crate::{
    event::{CurvePoint, Gate, GateOutcome, RunFinished, TechniqueProgress, TechniqueScored},
    fixture,
};

const STYLE: Style = Style {
    color: false,
    width: 80,
    height: 24,
    live: false,
    unicode: true,
};

fn drawn(style: Style, events: &[Event]) -> String {
    let mut out = vec![];
    let mut table = Table::new(&mut out, move || style);
    for event in events {
        table.event(event).unwrap();
    }
    String::from_utf8(out).unwrap()
}

/// The events of the fixture without the scores of all but the technique given, which is put in their place.
fn with_only(scored: TechniqueScored) -> Vec<Event> {
    let mut events = vec![
        Event::RunStarted(fixture::started().into()),
        Event::TechniqueScored(scored),
    ];
    let end = RunFinished {
        headline: None,
        breaches: vec![],
        gate: None,
        ..fixture::finished()
    };
    events.push(Event::RunFinished(end));
    events
}

#[test]
fn eighty_columns() {
    let expected = r#"target     it's "mine" & <b>.onnx · 272 474 parameters · 10 classes · input
           3x32x32
surrogate  small <b>.onnx · 12 345 parameters
surrogate  trained on 400 samples and 500 made of them, by 1000 labels
surrogate  fidelity 87 % [78.8, 92.9] on 100 samples held out
data       cifar10:test.bin · 1000 samples · seed 7
device     vulkan · Radeon 780M
norm       linf
note       batch size 1 lifted to any

                                                         ASR % at linf eps /255
  score                          samples  queries     time    1   2   4   8  16
AML.T0043.000  White-Box Optimization
  ██████░░ 7.2 [6.8, 7.6]      1000/1000   149.0k     41 s   54  83  99 100 100
AML.T0043.001  Black-Box Optimization
  ██░░░░░░ >= 2.5 [2.2, 2.9]   1000/1000     3.4M     95 s    6  22  56  92 >99
AML.T0015      Evade AI Model
  ██████░░ 7.2 [6.8, 7.6]      1000/1000     3.6M     41 s   54  83  99 100 100
ASR = misclassified after attack / correctly classified before; 95 % intervals

Success within so many queries, %
  technique       eps      within 100     1k    10k   median
  AML.T0043.001   1/255             0      3      6     1234
  AML.T0043.001   2/255             0     11     22     1234
  AML.T0043.001   4/255             0     28     56     1234
  AML.T0043.001   8/255             0     46     92     1234
  AML.T0043.001   16/255            0     50    >99     1234

Warnings
  softmax-outputs (AML.T0043.000)
    the model's output is probabilities, not logits
    export the model without its last softmax, so that gradients do not vanish

Evidence
  AML.T0043.000  susceptibility 7.2 [6.8, 7.6] high · grade A
    white-box and black-box attacks ran, all checks passed
  AML.T0043.001  susceptibility >= 2.5 [2.2, 2.9] low · grade C
    a check raised a warning
    ! more-iterations-gain: doubling the queries broke 21 more of 912
      raise --queries until the success rate stops rising
  AML.T0015      susceptibility 7.2 [6.8, 7.6] high · grade A
    white-box and black-box attacks ran, all checks passed

clean accuracy 91.2 % [89.3, 92.9] (912 of 1000)
3 561 000 queries · 912 000 gradient evaluations · 2.3 min · completed
gate: failed (AML.T0043.000 scores 7.2, fail-on 6)

VERDICT  High susceptibility to AML.T0043.000 White-Box Optimization: 7.2 [6.8,
         7.6], evidence grade A.
"#;
    assert_eq!(drawn(STYLE, &fixture::events()), expected);
}

#[test]
fn a_hundred_and_twenty_columns_have_one_line_a_technique() {
    let expected = "
                                                                                                ASR % at linf eps /255
technique                              score                            samples  queries     time    1   2   4   8  16
AML.T0043.000  White-Box Optimization  ███████░░░ 7.2 [6.8, 7.6]      1000/1000   149.0k     41 s   54  83  99 100 100
AML.T0043.001  Black-Box Optimization  ██▌░░░░░░░ >= 2.5 [2.2, 2.9]   1000/1000     3.4M     95 s    6  22  56  92 >99
AML.T0015      Evade AI Model          ███████░░░ 7.2 [6.8, 7.6]      1000/1000     3.6M     41 s   54  83  99 100 100
";
    let table = drawn(
        Style {
            width: 120,
            ..STYLE
        },
        &fixture::events(),
    );
    assert!(table.contains(expected), "{table}");
}

#[test]
fn ascii_for_a_terminal_that_has_no_more() {
    let table = drawn(
        Style {
            unicode: false,
            ..STYLE
        },
        &fixture::events(),
    );
    assert!(table.is_ascii(), "{table}");
    assert!(
        table.contains("  ##...... >= 2.5 [2.2, 2.9]   1000/1000"),
        "{table}"
    );
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [0, 1, 20, 40, 79, 80, 100, 118, 119, 200] {
        let table = drawn(Style { width, ..STYLE }, &fixture::events());
        for line in table.lines() {
            assert!(paint::columns(line) <= width.max(1), "{width}: {line}");
        }
    }
}

#[test]
fn an_inconclusive_technique_shows_no_number_and_the_others_were_not_tested() {
    let table = drawn(STYLE, &with_only(fixture::inconclusive()));
    assert!(table.contains("  ░░░░░░░░ inconclusive "), "{table}");
    assert_eq!(
        table.matches("  ░░░░░░░░ not tested ").count(),
        2,
        "{table}"
    );
    assert!(
        table.contains("  AML.T0043.000  inconclusive · grade D\n    25 samples, fewer than 30\n")
    );
    assert!(!table.contains("7.2 [6.8, 7.6]      1000"), "{table}");
}

/// The fixture with 13 rungs in place of the first.
fn with_a_long_ladder() -> Vec<Event> {
    let mut events = fixture::events();
    let ladder: Vec<f64> = (1..=13).map(|i| f64::from(i) / 255.0).collect();
    for event in &mut events {
        match event {
            Event::RunStarted(e) => e.plan.eps_ladder.clone_from(&ladder),
            Event::TechniqueScored(e) => {
                let point = e.curve[3].clone();
                let at = |&eps: &f64| CurvePoint {
                    eps,
                    ..point.clone()
                };
                e.curve = ladder.iter().map(at).collect();
            }
            _ => {}
        }
    }
    events.retain(|e| !matches!(e, Event::TechniqueProgress(_)));
    events
}

#[test]
fn a_ladder_that_does_not_fit_stands_below_at_the_end() {
    let table = drawn(STYLE, &with_a_long_ladder());
    let expected = "
  score                          samples  queries     time
AML.T0043.000  White-Box Optimization
  ██████░░ 7.2 [6.8, 7.6]      1000/1000   149.0k     41 s
AML.T0043.001  Black-Box Optimization
  ██░░░░░░ >= 2.5 [2.2, 2.9]   1000/1000     3.4M     95 s
AML.T0015      Evade AI Model
  ██████░░ 7.2 [6.8, 7.6]      1000/1000     3.6M     41 s
ASR % at linf eps /255
                  1   2   3   4   5   6   7   8   9  10  11  12  13
  AML.T0043.000 100 100 100 100 100 100 100 100 100 100 100 100 100
  AML.T0043.001  92  92  92  92  92  92  92  92  92  92  92  92  92
  AML.T0015     100 100 100 100 100 100 100 100 100 100 100 100 100
ASR = misclassified after attack / correctly classified before; 95 % intervals
";
    assert!(table.contains(expected), "{table}");
    for width in [60, 100] {
        let table = drawn(Style { width, ..STYLE }, &with_a_long_ladder());
        let rates = |id: &str| {
            table
                .lines()
                .take_while(|l| !l.starts_with("ASR ="))
                .filter(|l| l.contains(id))
                .map(|l| l.matches("92").count())
                .sum::<usize>()
        };
        assert_eq!(rates("AML.T0043.001"), 13, "{table}");
        assert_eq!(table.matches(" · grade ").count(), 3, "{table}");
    }
    let live = Style {
        live: true,
        ..STYLE
    };
    let running = drawn(live, &with_a_long_ladder()[..1]);
    assert!(running.contains(" 1   2   3   4   5  …"), "{running}");
}

#[test]
fn what_the_warnings_tell_is_told_once() {
    let mut events = fixture::events();
    let check = fixture::black_box().checks[1].clone();
    for event in &mut events {
        if let Event::Warning(warning) = event {
            warning.code.clone_from(&check.code);
            warning.what.clone_from(&check.detail);
        }
    }
    let table = drawn(STYLE, &events);
    assert_eq!(table.matches(&check.detail).count(), 1, "{table}");
    assert!(!table.contains("raise --queries"), "{table}");
}

#[test]
fn a_gate_that_fails_is_red_and_one_that_is_open_says_so() {
    let verdict = |outcome, detail: &str| {
        let mut events = with_only(fixture::black_box());
        let gate = Gate {
            outcome,
            detail: detail.into(),
        };
        let Some(Event::RunFinished(end)) = events.last_mut() else {
            panic!("{events:?}");
        };
        end.gate = Some(gate);
        let color = Style {
            color: true,
            ..STYLE
        };
        drawn(color, &events)
    };
    let failed = verdict(GateOutcome::Failed, "all");
    assert!(failed.contains("\x1b[1;31mgate: failed (all)"), "{failed}");
    assert!(failed.contains("\x1b[1;31mVERDICT"), "{failed}");
    let open = verdict(GateOutcome::NotDecided, "no score");
    assert!(open.contains("gate: not decided (no score)"), "{open}");
    assert!(open.contains("\x1b[1;36mVERDICT"), "{open}");
}

#[test]
fn a_live_frame_keeps_to_the_terminal_whose_size_changes() {
    let size = Rc::new(Cell::new((100, 12)));
    let asked = size.clone();
    let style = move || {
        let (width, height) = asked.get();
        Style {
            width,
            height,
            live: true,
            ..STYLE
        }
    };
    let mut out = vec![];
    let mut table = Table::new(&mut out, style);
    table
        .event(&Event::RunStarted(fixture::started().into()))
        .unwrap();
    table
        .event(&Event::TechniqueScored(fixture::white_box()))
        .unwrap();
    size.set((60, 12));
    table
        .event(&Event::TechniqueScored(fixture::white_box()))
        .unwrap();
    size.set((60, 30));
    table
        .event(&Event::TechniqueScored(fixture::white_box()))
        .unwrap();
    let table = String::from_utf8(out).unwrap();
    let frames: Vec<&str> = table.split_inclusive("\x1b[J").collect();
    let lines = |frame: &str| frame.matches('\n').count();
    assert_eq!(
        frames.iter().map(|f| lines(f)).collect::<Vec<_>>(),
        [11, 11, 11, 18]
    );
    assert!(frames[1].starts_with("\x1b[11A\r"), "{:?}", frames[1]);
    assert!(
        frames[2].starts_with("\x1b[2J\x1b[H\x1b[K"),
        "{:?}",
        frames[2]
    );
    assert!(
        frames[3].starts_with("\x1b[11A\r\x1b[Ktarget"),
        "{:?}",
        frames[3]
    );
    assert!(frames[1].contains("White-Box"), "the rows stay");
}

#[test]
fn a_warning_is_seen_while_the_run_goes_on() {
    let live = Style {
        live: true,
        ..STYLE
    };
    let warning = Event::Warning(fixture::warning("19 samples are few"));
    let table = drawn(
        live,
        &[warning, Event::TechniqueScored(fixture::white_box())],
    );
    assert!(
        table.contains("\x1b[Kwarning    19 samples are few\n"),
        "{table}"
    );
}

#[test]
fn nothing_is_printed_before_the_end_unless_live() {
    let events = fixture::events();
    assert_eq!(drawn(STYLE, &events[..events.len() - 1]), "");
}

#[test]
fn a_live_table_is_redrawn_over_itself() {
    let live = Style {
        live: true,
        ..STYLE
    };
    let events = [
        Event::RunStarted(fixture::started().into()),
        Event::TechniqueScored(fixture::white_box()),
        Event::RunFinished(fixture::finished()),
    ];
    let table = drawn(live, &events);
    let frames: Vec<&str> = table.split_inclusive("\x1b[J").collect();
    assert_eq!(frames.len(), 3);
    assert!(frames[0].starts_with("\x1b[Ktarget"));
    let above = frames[0].matches('\n').count();
    assert_eq!(above, 18);
    for frame in &frames[1..] {
        assert!(frame.starts_with("\x1b[18A\r\x1b[Ktarget"), "{frame:?}");
    }
    assert!(!frames[1].contains("VERDICT"));
    assert!(frames[2].ends_with("7.6], evidence grade A.\n\x1b[J"));
}

#[test]
fn a_running_technique_shows_score_so_far_and_time_left() {
    let live = Style {
        live: true,
        ..STYLE
    };
    let table = drawn(live, &[Event::TechniqueProgress(fixture::progress())]);
    let expected = "█████▌░░░░ 5.4 [4.6, 6.3]      320/1000     1600    8.5 s   41\n";
    assert!(table.contains(expected), "{table}");
    // One rung of five took 4 s for a third of its samples.
    let events = [
        Event::RunStarted(fixture::started().into()),
        Event::TechniqueProgress(fixture::progress()),
        Event::TechniqueStarted(fixture::technique_started()),
    ];
    let wide = Style { width: 120, ..live };
    assert!(drawn(wide, &events).contains("320/1000     1600     58 s"));
}

#[test]
fn progress_is_not_drawn_more_often_than_a_frame() {
    let live = Style {
        live: true,
        ..STYLE
    };
    let event = Event::TechniqueProgress(TechniqueProgress {
        done: 1,
        ..fixture::progress()
    });
    let table = drawn(live, &vec![event; 50]);
    assert_eq!(table.matches("\x1b[J").count(), 1);
}

#[test]
fn a_hostile_name_cannot_drive_the_terminal() {
    let mut started = fixture::started();
    started.target.name = "x\x1b[2J\x1b]0;owned\x07\r\u{9b}31m\u{202e}.onnx".into();
    let color = Style {
        color: true,
        ..STYLE
    };
    let mut events = with_only(fixture::white_box());
    events[0] = Event::RunStarted(started.into());
    let table = drawn(color, &events);
    assert!(table.contains("x\u{fffd}[2J\u{fffd}]0;owned\u{fffd}\u{fffd}\u{fffd}31m\u{fffd}.onnx"));
    let ours = table.replace("\x1b[0m", "");
    let ours = ["1", "2", "1;31", "1;36"]
        .iter()
        .fold(ours, |t, c| t.replace(&format!("\x1b[{c}m"), ""));
    assert!(
        !ours.chars().any(|c| c.is_control() && c != '\n'),
        "{ours:?}"
    );
}

#[test]
fn a_ladder_of_other_eps_keeps_whole_labels() {
    let mut started = fixture::started();
    started.plan.norm = "l2".into();
    started.plan.eps_ladder = vec![0.25, 0.5, 1.0];
    let live = Style {
        live: true,
        width: 120,
        ..STYLE
    };
    let table = drawn(live, &[Event::RunStarted(started.into())]);
    assert!(table.contains("ASR % at l2 eps\n"), "{table}");
    assert!(table.contains("left  0.25  0.5    1\n"), "{table}");
}
