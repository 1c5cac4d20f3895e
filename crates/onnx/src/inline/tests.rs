mod build;

use crate::attributes::Attribute;
use crate::error::Error;
use crate::proto;
use build::*;

/// What it is, the nodes, the functions, the nodes afterwards.
type Inlined<'a> = (&'a str, &'a [&'a str], Vec<proto::Function>, &'a [&'a str]);

#[test]
#[rustfmt::skip]
fn calls_become_the_nodes_of_the_body() {
    let cases: &[Inlined] = &[
        ("no call", &["y = Relu x"], vec![function("F", "a", "b", &["b = Neg a"])], &["y = Relu x"]),
        (
            "two calls, each with names of its own",
            &["h = F x", "y = F h"],
            vec![function("F", "a", "b", &["t = Neg a", "b = Relu t"])],
            &["@1/t = Neg x", "h = Relu @1/t", "@2/t = Neg h", "y = Relu @2/t"],
        ),
        (
            "a name like those that are made",
            &["@@1/t = Relu x", "y = F @@1/t"],
            vec![function("F", "a", "b", &["t = Neg a", "b = Relu t"])],
            &["@@1/t = Relu x", "@@@1/t = Neg @@1/t", "y = Relu @@@1/t"],
        ),
        (
            "a function that calls another",
            &["y = F x"],
            vec![function("F", "a", "b", &["t = G a", "b = G t"]), function("G", "a", "b", &["b = Neg a"])],
            &["@1/t = Neg x", "y = Neg @1/t"],
        ),
        (
            "absent and missing inputs and outputs",
            &["y _ = F x _"],
            vec![function("F", "a b c", "d e f", &["d = Clip a b c", "e = Neg a", "f = Neg e"])],
            &["y = Clip x  ", "@1/e = Neg x", "@1/f = Neg @1/e"],
        ),
        (
            "an output that is an input, and one given twice",
            &["h i y = F x"],
            vec![function("F", "a", "a b b", &["b = Neg a"])],
            &["i = Neg x", "h = Identity x", "y = Identity i"],
        ),
    ];
    for (name, nodes, functions, expected) in cases {
        let found = inlined(self::nodes(nodes), functions.clone());
        let graph = found.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(lines(&graph.nodes), *expected, "{name}");
    }
}

#[test]
fn nodes_are_called_by_the_call_and_the_body() {
    let mut call = node("y = F x");
    call.name = "act".into();
    let functions = vec![
        function("F", "a", "b", &["b = G a"]),
        function("G", "a", "b", &["b = Neg a"]),
    ];
    let graph = inlined(vec![call], functions).unwrap();
    assert_eq!(graph.nodes[0].name, "act/b/b");
}

#[test]
fn attributes_come_from_the_call_or_the_default() {
    let body = with(
        node("b = Elu a"),
        vec![reference("alpha", "slope"), reference("gone", "unset")],
    );
    let mut callee = function("F", "a", "b", &[]);
    callee.node = vec![body];
    callee.attribute_proto = vec![float("slope", 0.5)];
    // Hands its own attribute on to the other.
    let mut outer = function("G", "a", "b", &[]);
    outer.node = vec![with(node("b = F a"), vec![reference("slope", "steepness")])];
    let functions = vec![callee, outer];
    let cases = [
        (with(node("y = F x"), vec![]), 0.5),
        (with(node("y = F x"), vec![float("slope", 2.0)]), 2.0),
        (with(node("y = G x"), vec![float("steepness", 3.0)]), 3.0),
        (with(node("y = G x"), vec![]), 0.5),
    ];
    for (call, alpha) in cases {
        let graph = inlined(vec![call], functions.clone()).unwrap();
        let attributes = graph.nodes[0].attributes.iter().collect::<Vec<_>>();
        assert_eq!(attributes, [("alpha", &Attribute::Float(alpha))]);
    }
}

#[test]
fn calls_in_subgraphs_and_subgraphs_in_functions() {
    let condition = |lines, output| {
        let attributes = vec![
            branch("then_branch", lines, output),
            branch("else_branch", &["e = Neg x"], "e"),
        ];
        with(node("y = If c"), attributes)
    };
    let cast = || node("c = Cast x");
    let functions = || vec![function("F", "a", "b", &["t = Neg a", "b = Relu t"])];
    let graph = inlined(vec![cast(), condition(&["z = F x"], "z")], functions()).unwrap();
    let then = graph.nodes[1]
        .attributes
        .graph("then_branch")
        .unwrap()
        .unwrap();
    assert_eq!(lines(&then.nodes), ["@1/t = Neg x", "z = Relu @1/t"]);

    let mut outer = function("G", "x", "y", &[]);
    outer.node = vec![cast(), condition(&["z = F x"], "z")];
    let mut all = functions();
    all.push(outer);
    let graph = inlined(nodes(&["h = Abs x", "y = G h"]), all).unwrap();
    assert_eq!(
        lines(&graph.nodes),
        ["h = Abs x", "@1/c = Cast h", "y = If @1/c"]
    );
    let then = graph.nodes[2]
        .attributes
        .graph("then_branch")
        .unwrap()
        .unwrap();
    assert_eq!(lines(&then.nodes), ["@2/t = Neg h", "@1/z = Relu @2/t"]);
    assert_eq!(then.outputs[0].name, "@1/z");
}

#[test]
fn overloads_and_versions() {
    let mut second = function("F", "a", "b", &["b = Relu a"]);
    second.overload = "2".into();
    let both = vec![function("F", "a", "b", &["b = Neg a"]), second.clone()];
    let call = |overload: &str| proto::Node {
        overload: overload.into(),
        ..node("y = F x")
    };
    for (overload, op) in [("", "Neg"), ("2", "Relu")] {
        let graph = inlined(vec![call(overload)], both.clone()).unwrap();
        assert_eq!(graph.nodes[0].op, op);
    }
    second.overload.clear();
    second.opset_import = vec![
        import("ai.onnx", 18),
        import("f", 7),
        import("ai.onnx.ml", 3),
    ];
    let graph = inlined(vec![call("")], vec![second]).unwrap();
    assert_eq!(graph.opsets["ai.onnx.ml"], 3);
}

#[test]
#[rustfmt::skip]
fn bad_functions_are_refused() {
    let plain = || function("F", "a", "b", &["b = Neg a"]);
    let of = |version| proto::Function {
        opset_import: vec![import("", version)],
        ..plain()
    };
    let chain = |length: usize| {
        let one = |i: usize| {
            let mut body = function(&format!("F{i}"), "a", "b", &[]);
            let line = format!("b = F{} a", i + 1);
            body.node = vec![node(&line)];
            body
        };
        let last = function(&format!("F{length}"), "a", "b", &["b = Neg a"]);
        (0..length).map(one).chain([last]).collect::<Vec<_>>()
    };
    inlined(nodes(&["y = F0 x"]), chain(63)).unwrap();
    let mut typed = plain();
    typed.node[0].attribute = vec![reference("alpha", "slope")];
    typed.node[0].attribute[0].kind = 2;
    let graph = proto::Function {
        attribute_proto: vec![branch("slope", &["z = Neg x"], "z")],
        ..typed.clone()
    };
    let mut untyped = graph.clone();
    untyped.node[0].attribute[0].kind = 5;
    let sloped = |node| with(node, vec![float("slope", 1.0)]);
    let cases = [
        (
            "calls itself",
            node("y = F x"),
            vec![function("F", "a", "b", &["b = F a"])],
            "\"f::F\": it calls itself",
        ),
        (
            "through another",
            node("y = F x"),
            vec![
                function("F", "a", "b", &["b = G a"]),
                function("G", "a", "b", &["b = F a"]),
            ],
            "calls itself, directly or through others",
        ),
        ("65 deep", node("y = F0 x"), chain(64), "more than 64 deep"),
        (
            "twice",
            node("y = F x"),
            vec![plain(), plain()],
            "defined twice",
        ),
        (
            "too many inputs",
            node("y = F x x"),
            vec![plain()],
            "gives it 2 inputs, but it has at most 1",
        ),
        (
            "too many outputs",
            node("y z = F x"),
            vec![plain()],
            "gives it 2 outputs",
        ),
        (
            "another version",
            node("y = F x"),
            vec![of(17)],
            "version 17 of domain \"\", the model for version 18",
        ),
        (
            "output that nothing defines",
            node("y = F x"),
            vec![function("F", "a", "b", &["c = Neg a"])],
            "output \"y\"",
        ),
        (
            "input that nothing defines",
            node("y = F x"),
            vec![function("F", "a", "b", &["b = Neg x"])],
            "\"@1/x\"",
        ),
        (
            "type of an attribute",
            sloped(node("y = F x")),
            vec![typed],
            "\"slope\" of type 2, but the call gives type 1",
        ),
        (
            "a graph as attribute",
            node("y = F x"),
            vec![untyped],
            "is a graph",
        ),
    ];
    for (name, call, functions, expected) in cases {
        let error = inlined(vec![call], functions).expect_err(name).to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn growth_is_bounded() {
    let doubling = |leaf: &[&str]| {
        let one = |i: usize| {
            let lines = [format!("t = F{} a", i + 1), format!("b = F{} t", i + 1)];
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            function(&format!("F{i}"), "a", "b", &lines)
        };
        let last = function("F60", "a", "b", leaf);
        (0..60).map(one).chain([last]).collect::<Vec<_>>()
    };
    for leaf in [&["b = Neg a"][..], &[]] {
        let error = inlined(nodes(&["y = F0 x"]), doubling(leaf)).unwrap_err();
        assert!(matches!(error, Error::Amplification { .. }), "{error}");
    }
    let mut heavy = function("F", "a", "b", &["b = Neg a"]);
    let ints = vec![0; 1 << 20];
    heavy.node[0].attribute = vec![proto::Attribute {
        ints,
        ..attribute("w", 7)
    }];
    let calls: Vec<_> = (0..8).map(|i| format!("v{i} = F x")).collect();
    let calls: Vec<_> = calls.iter().map(String::as_str).collect();
    let error = inlined(nodes(&calls), vec![heavy]).unwrap_err();
    assert!(matches!(error, Error::Amplification { .. }), "{error}");
}
