//! Every attack on a bag of words: what is found is wrong, within the budget, and the same whatever the batch.

use std::sync::atomic::AtomicBool;

use scoville_kernels::Device;
use scoville_onnx::{Attribute, Attributes, DType, Data, Dim, Graph, Node, Port, Tensor};
use scoville_targets::text::{Gradients, Labels};
use scoville_targets::{Metered, TextTarget};
use scoville_text::{Rule, Synonyms, Tokenizer, Vocabulary, edits};

use super::*;
use crate::{Goal, Success, parse};

/// Words, and what they say: class 1 is praise.
const WORDS: [(&str, [f32; 2]); 11] = [
    ("<pad>", [0.0, 0.0]),
    ("good", [1.0, 0.2]),
    ("fine", [0.8, 0.3]),
    ("bad", [-1.0, 0.2]),
    ("poor", [-0.8, 0.3]),
    ("dull", [-0.5, 0.5]),
    ("film", [0.01, 1.0]),
    ("plot", [-0.05, 0.9]),
    ("the", [0.05, 0.9]),
    ("a", [0.02, 0.8]),
    ("weak", [-0.3, 0.9]),
];
const LENGTH: usize = 8;
const TEXTS: [(&str, u32); 6] = [
    ("a good film", 1),
    ("the bad, bad plot", 0),
    ("the good plot, a fine film", 1),
    ("good good good film", 1),
    ("dull", 0),
    ("a good, fine plot", 1),
];
const ATTACKS: [&str; 4] = [
    "hotflip",
    "deepwordbug",
    "textfooler:cosine=0",
    "char-noise",
];

fn node(op: &str, inputs: &[&str], output: &str, attributes: &[(&str, Attribute)]) -> Node {
    let attributes = attributes
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    Node {
        name: output.into(),
        op: op.into(),
        domain: String::new(),
        inputs: inputs.iter().map(|&i| i.into()).collect(),
        outputs: vec![output.into()],
        attributes: Attributes::new(output, attributes),
    }
}

/// With a column of `weights` a class.
fn graph(weights: &[f32]) -> Graph {
    let classes = weights.len() / 2;
    let tensor = |shape: &[usize], values: Vec<f32>| Tensor {
        shape: shape.to_vec(),
        data: Data::F32(values),
    };
    let port = |name: &str, dtype, cols| Port {
        name: name.into(),
        dtype,
        shape: Some(vec![Dim::Named("n".into()), Dim::Fixed(cols)]),
    };
    let rows = WORDS.iter().flat_map(|(_, row)| *row).collect();
    let axes = [
        ("axes", Attribute::Ints(vec![1])),
        ("keepdims", Attribute::Int(0)),
    ];
    Graph {
        opsets: [(String::new(), 17)].into(),
        inputs: vec![port("ids", DType::I64, LENGTH)],
        outputs: vec![port("logits", DType::F32, classes)],
        nodes: vec![
            node("Gather", &["table", "ids"], "rows", &[]),
            node("ReduceMean", &["rows"], "mean", &axes),
            node("MatMul", &["mean", "weights"], "logits", &[]),
        ],
        constants: [
            ("table".into(), tensor(&[WORDS.len(), 2], rows)),
            ("weights".into(), tensor(&[2, classes], weights.to_vec())),
        ]
        .into(),
        ..Graph::default()
    }
}

fn words() -> Vec<String> {
    WORDS.iter().map(|(word, _)| (*word).to_owned()).collect()
}

const BLAME_OR_PRAISE: [f32; 4] = [-1.0, 1.0, 0.0, 0.0];
/// Class 2 is neither.
const OR_NEITHER: [f32; 6] = [-1.0, 1.0, 0.0, 0.0, 0.0, 0.3];

fn target() -> Metered<TextTarget> {
    target_of(&BLAME_OR_PRAISE)
}

fn target_of(weights: &[f32]) -> Metered<TextTarget> {
    let vocabulary = Vocabulary::parse(&words().join("\n")).unwrap();
    let rule = Rule::Vocabulary(vocabulary, None);
    let tokenizer = Tokenizer::new(rule, Some("[a-z]+"), LENGTH, 0).unwrap();
    let graph = graph(weights);
    let target = TextTarget::of_tokens(graph, tokenizer, None, true, &Device::Cpu).unwrap();
    Metered::new(target.in_batches_of(3))
}

fn lexicon(target: &dyn Gradients) -> Lexicon {
    Lexicon::new(words()).with_neighbours(target).unwrap()
}

fn attack(
    name: &str,
    target: &dyn Gradients,
    lexicon: &Lexicon,
    rows: &[usize],
    edits: usize,
) -> Vec<Success<String>> {
    towards(Goal::Any, name, (target, None), lexicon, rows, edits)
}

fn towards(
    goal: Goal,
    name: &str,
    (target, surrogate): (&dyn Gradients, Option<&dyn Gradients>),
    lexicon: &Lexicon,
    rows: &[usize],
    edits: usize,
) -> Vec<Success<String>> {
    let ids: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
    let texts: Vec<&str> = rows.iter().map(|&row| TEXTS[row].0).collect();
    let y: Vec<u32> = rows.iter().map(|&row| TEXTS[row].1).collect();
    let problem = TextProblem {
        ids: &ids,
        texts: &texts,
        y: &y,
        edits: &vec![edits; rows.len()],
        seed: 7,
        goal,
        lexicon,
        stop: &AtomicBool::new(false),
    };
    let attack = parse(name).unwrap();
    attack.run_text(target, surrogate, &problem).unwrap()
}

const ALL: [usize; 6] = [0, 1, 2, 3, 4, 5];

#[test]
fn what_is_found_is_wrong_and_within_the_budget() {
    let target = target();
    let lexicon = lexicon(&target);
    let clean: Vec<String> = TEXTS.iter().map(|(text, _)| (*text).to_owned()).collect();
    assert_eq!(target.labels(&clean).unwrap(), TEXTS.map(|(_, y)| y));
    for name in ATTACKS {
        let mut before = 0;
        for budget in [1, 2, 4] {
            let found = attack(name, &target, &lexicon, &ALL, budget);
            for success in &found {
                let (text, y) = TEXTS[success.row];
                assert_eq!(success.distance, edits(text, &success.x) as f64, "{name}");
                assert!((1.0..=budget as f64).contains(&success.distance), "{name}");
                let answer = target.labels(std::slice::from_ref(&success.x)).unwrap();
                assert!(answer[0] != y && answer[0] == success.predicted, "{name}");
                assert!(success.asked > 0, "{name}");
            }
            assert!(found.len() >= before, "{name}");
            before = found.len();
        }
        let least = if name == "char-noise" { 3 } else { 5 };
        assert!(before >= least, "{name} finds {before}");
    }
}

#[test]
fn a_text_fares_the_same_whatever_its_batch() {
    let target = target();
    let lexicon = lexicon(&target);
    for name in ATTACKS {
        let together = attack(name, &target, &lexicon, &ALL, 4);
        let apart: Vec<(usize, String)> = ALL
            .iter()
            .flat_map(|&row| {
                let found = attack(name, &target, &lexicon, &[row], 4);
                found.into_iter().map(move |success| (row, success.x))
            })
            .collect();
        let together: Vec<(usize, String)> = together
            .into_iter()
            .map(|success| (success.row, success.x))
            .collect();
        assert_eq!(together, apart, "{name}");
    }
}

#[test]
fn hotflip_takes_the_flip_that_gains_most_and_leaves_punctuation() {
    let target = target();
    let lexicon = lexicon(&target);
    let found = attack("hotflip:candidates=1", &target, &lexicon, &[0, 3], 2);
    let texts: Vec<&str> = found.iter().map(|success| success.x.as_str()).collect();
    assert_eq!(texts, ["a bad film", "bad bad good film"]);
    // Each step takes one gradient and asks once.
    let asked: Vec<u64> = found.iter().map(|success| success.asked).collect();
    assert_eq!(asked, [2, 4]);
    let comma = attack("hotflip:candidates=1", &target, &lexicon, &[5], 1);
    assert_eq!(comma[0].x, "a bad, fine plot");
    let alike = attack("hotflip:cosine=0.9", &target, &lexicon, &[0], 1);
    assert!(alike.is_empty(), "{alike:?}");
}

#[test]
fn textfooler_writes_only_synonyms_of_the_file() {
    let target = target();
    let none = attack("textfooler", &target, &Lexicon::default(), &ALL, 4);
    assert!(none.is_empty());
    let synonyms = Synonyms::parse("good\tfine,weak\nbad\tpoor").unwrap();
    let lexicon = Lexicon::new(words()).with_synonyms(synonyms);
    let found = attack("textfooler", &target, &lexicon, &ALL, 4);
    let texts: Vec<&str> = found.iter().map(|success| success.x.as_str()).collect();
    assert_eq!(texts, ["a weak film", "weak weak weak film"]);
}

#[test]
fn every_text_that_is_asked_about_is_counted() {
    let target = target();
    let lexicon = lexicon(&target);
    let before = target.spent();
    let found = attack("char-noise:trials=5", &target, &lexicon, &[0], 1);
    let spent = target.spent().since(before);
    assert_eq!(spent.queries, 5 + found.len() as u64);
    assert_eq!((spent.gradients, spent.calls), (0, 2 + found.len() as u64));
}

#[test]
fn kinds_do_not_mix_and_an_interrupt_is_heard() {
    let target = target();
    let lexicon = lexicon(&target);
    let stop = AtomicBool::new(true);
    let problem = TextProblem {
        ids: &[0],
        texts: &[TEXTS[0].0],
        y: &[1],
        edits: &[1],
        seed: 0,
        goal: Goal::Any,
        lexicon: &lexicon,
        stop: &stop,
    };
    for name in ATTACKS {
        let run = parse(name).unwrap().run_text(&target, None, &problem);
        assert!(matches!(run, Err(Error::Interrupted)), "{name}");
    }
    let run = parse("pgd").unwrap().run_text(&target, None, &problem);
    assert!(matches!(run, Err(Error::Kind)));
    let run = parse("transfer:hotflip")
        .unwrap()
        .run_text(&target, None, &problem);
    assert!(matches!(run, Err(Error::NoSurrogate(_))));
}

#[test]
fn gradients_are_those_of_the_embedding() {
    let target = target();
    let texts = ["a good, unknown film".to_owned()];
    let seen = target.gradient(&texts, &[1]).unwrap();
    // The other class leads by -2 times the mean of the first column, over 8 tokens.
    assert_eq!(seen[0].gradient, [-0.25, 0.0].repeat(3));
    let places: Vec<&str> = seen[0]
        .tokens
        .iter()
        .map(|t| &texts[0][t.place.clone()])
        .collect();
    assert_eq!(places, ["a", "good", "film"]);
    assert_eq!(
        target.embedding().unwrap().row(1),
        Some([1.0, 0.2].as_slice())
    );
}

#[test]
fn a_class_is_reached_where_it_is_asked_for() {
    let target = target_of(&OR_NEITHER);
    let lexicon = lexicon(&target);
    for name in ATTACKS {
        let found = |goal| towards(goal, name, (&target, None), &lexicon, &ALL, 4);
        let every = found(Goal::Every);
        for (goal, of_blame, of_praise) in [
            (Goal::Class(2), Some(2), Some(2)),
            (Goal::Class(1), Some(1), None),
            (Goal::Second, Some(2), Some(2)),
            (Goal::LeastLikely, Some(1), Some(0)),
        ] {
            let found = found(goal);
            for success in &found {
                let wanted = [of_blame, of_praise][TEXTS[success.row].1 as usize];
                assert_eq!(Some(success.predicted), wanted, "{name} {goal}");
                let answer = target.labels(std::slice::from_ref(&success.x)).unwrap();
                assert_eq!(answer, [success.predicted], "{name} {goal}");
                let nearest = every.iter().find(|other| other.row == success.row);
                let nearest = nearest.map(|other| other.distance);
                assert!(nearest <= Some(success.distance), "{name} {goal}");
            }
            let all = if of_praise.is_some() { 6 } else { 2 };
            let searches = name == "hotflip" && found.len() < all;
            assert!(!searches, "{name} {goal}: {} of {all}", found.len());
        }
        assert!(every.len() >= 3, "{name} finds {}", every.len());
    }
}

/// Praise is worth less, and what is neither a little.
#[test]
fn a_surrogate_is_attacked_to_the_end_and_the_target_is_asked_once() {
    let (target, surrogate) = (target(), target_of(&[-1.0, 0.7, 0.02, 0.01]));
    let lexicon = lexicon(&target);
    for (edits, goal) in [(1, Goal::Any), (2, Goal::Any), (2, Goal::Class(0))] {
        let (before, of_surrogate) = (target.spent(), surrogate.spent());
        let models: (&dyn Gradients, Option<&dyn Gradients>) = (&target, Some(&surrogate));
        let found = towards(goal, "transfer:hotflip", models, &lexicon, &ALL, edits);
        let (spent, on_surrogate) = (
            target.spent().since(before),
            surrogate.spent().since(of_surrogate),
        );
        let asked = if goal == Goal::Any { 6 } else { 4 };
        assert_eq!((spent.queries, spent.gradients), (asked, 0));
        assert!(on_surrogate.gradients > asked && on_surrogate.queries > 6 || edits == 1);
        assert!(found.len() >= 3, "{edits}: {found:?}");
        for success in &found {
            let (text, y) = TEXTS[success.row];
            assert!(success.predicted != y && success.asked == 1);
            // One word is changed after another, though fewer may be enough.
            let words = text.split_whitespace().count();
            assert_eq!(success.distance, edits.min(words) as f64, "{success:?}");
        }
    }
    assert!(!parse("transfer:hotflip").unwrap().is_minimal());
    assert!(parse("hotflip").unwrap().is_minimal());
}

#[test]
fn each_text_has_a_budget_of_its_own() {
    let target = target();
    let lexicon = lexicon(&target);
    let rows = [1, 2, 3];
    let problem = TextProblem {
        ids: &[1, 2, 3],
        texts: &rows.map(|row| TEXTS[row].0),
        y: &rows.map(|row| TEXTS[row].1),
        edits: &[1, 2, 4],
        seed: 7,
        goal: Goal::Any,
        lexicon: &lexicon,
        stop: &AtomicBool::new(false),
    };
    for name in ATTACKS {
        let attack = parse(name).unwrap();
        let found = attack.run_text(&target, None, &problem).unwrap();
        for success in &found {
            let budget = problem.edits[success.row] as f64;
            assert!(success.distance <= budget, "{name} {success:?}");
            let own = self::attack(
                name,
                &target,
                &lexicon,
                &[rows[success.row]],
                budget as usize,
            );
            assert_eq!(own[0].x, success.x, "{name}");
        }
        assert!(!found.is_empty(), "{name}");
    }
}
