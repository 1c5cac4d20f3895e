use scoville_vnnlib::{Case, Constraint, Property};

/// A property of `inputs` inputs and `outputs` outputs with these assertions.
pub fn property(inputs: usize, outputs: usize, asserts: &str) -> Property {
    let declared: String = (0..inputs)
        .map(|i| format!("(declare-const X_{i} Real)\n"))
        .chain((0..outputs).map(|j| format!("(declare-const Y_{j} Real)\n")))
        .collect();
    Property::parse((declared + asserts).as_bytes()).unwrap()
}

fn constraint(terms: &[(usize, f64)], bound: f64) -> Constraint {
    Constraint {
        terms: terms.to_vec(),
        bound,
    }
}

const BOX: &str = "(assert (>= X_0 -1))(assert (<= X_0 1))";

fn output(assert: &str) -> Vec<Vec<Constraint>> {
    let property = property(1, 3, &format!("{BOX}{assert}"));
    let [case] = property.cases.as_slice() else {
        panic!("{assert}: {} cases", property.cases.len());
    };
    assert_eq!(
        (case.lower.as_slice(), case.upper.as_slice()),
        (&[-1.0][..], &[1.0][..])
    );
    case.any.clone()
}

#[test]
fn comparisons() {
    for (text, terms, bound) in [
        ("(>= Y_0 Y_2)", &[(0, 1.0), (2, -1.0)][..], 0.0),
        ("(<= Y_0 Y_2)", &[(0, -1.0), (2, 1.0)], 0.0),
        ("(<= Y_1 3.5)", &[(1, -1.0)], -3.5),
        ("(>= 2 Y_1)", &[(1, -1.0)], -2.0),
        ("(>= Y_1 -1.5e-3)", &[(1, 1.0)], -0.0015),
        ("(>= Y_1 (- 1.5E+1))", &[(1, 1.0)], -15.0),
        ("(>= Y_1 .5)", &[(1, 1.0)], 0.5),
        (
            "(<= (+ Y_0 (* 2 Y_1) 1) (- Y_2 Y_0 3))",
            &[(0, -2.0), (1, -2.0), (2, 1.0)],
            4.0,
        ),
        ("(>= (* Y_0 2 -3) (- Y_1))", &[(0, -6.0), (1, 1.0)], -0.0),
        ("(>= (+ Y_0 Y_1 (- Y_1)) 1)", &[(0, 1.0)], 1.0),
    ] {
        let any = output(&format!("(assert {text})"));
        assert_eq!(any, [vec![constraint(terms, bound)]], "{text}");
    }
}

#[test]
fn conjunctions_and_disjunctions() {
    let at_least = Constraint::at_least;
    for (text, any) in [
        ("", vec![vec![]]),
        (
            "(assert (or (and (>= Y_0 Y_1)) (and (>= Y_2 Y_1))))",
            vec![vec![at_least(0, 1)], vec![at_least(2, 1)]],
        ),
        (
            "(assert (>= Y_0 Y_1))(assert (>= Y_0 Y_2))",
            vec![vec![at_least(0, 1), at_least(0, 2)]],
        ),
        (
            "(assert (and (>= Y_0 Y_2) (or (>= Y_0 Y_1) (>= Y_2 Y_1))))",
            vec![
                vec![at_least(0, 2), at_least(0, 1)],
                vec![at_least(0, 2), at_least(2, 1)],
            ],
        ),
        (
            "(assert (or (<= 1 0) (>= Y_0 Y_1)))",
            vec![vec![at_least(0, 1)]],
        ),
        ("(assert (<= 0 1))", vec![vec![]]),
    ] {
        assert_eq!(output(text), any, "{text}");
    }
}

#[test]
fn a_disjunction_of_boxes_is_a_case_each() {
    let text = "(assert (<= X_1 1)) (assert (>= X_1 0)) ; of both boxes
        (assert (or (and (>= X_0 0) (<= X_0 1) (>= Y_0 1))
                    (and (>= X_0 2) (<= X_0 3) (<= X_1 0.5) (>= Y_0 2))
                    (and (<= X_0 1) (>= X_0 0) (>= Y_0 3))))";
    let case = |lower: [f64; 2], upper: [f64; 2], bounds: &[f64]| Case {
        lower: lower.into(),
        upper: upper.into(),
        any: bounds
            .iter()
            .map(|&bound| vec![constraint(&[(0, 1.0)], bound)])
            .collect(),
    };
    let expected = [
        case([0.0, 0.0], [1.0, 1.0], &[1.0, 3.0]),
        case([2.0, 0.0], [3.0, 0.5], &[2.0]),
    ];
    assert_eq!(property(2, 1, text).cases, expected);
}

#[test]
fn bounds_meet() {
    let case = |text: &str| property(1, 1, text).cases;
    let tight = case(&format!(
        "{BOX}(assert (<= X_0 0.25))(assert (>= (* -2 X_0) -4))(assert (<= 0 X_0))"
    ));
    assert_eq!((tight[0].lower[0], tight[0].upper[0]), (0.0, 0.25));
    assert_eq!(
        case(&format!("{BOX}(assert (>= X_0 2))")),
        [],
        "an empty box holds no point"
    );
    assert_eq!(
        case(&format!("{BOX}(assert (<= 1 0))")),
        [],
        "what never holds has no case"
    );
}
