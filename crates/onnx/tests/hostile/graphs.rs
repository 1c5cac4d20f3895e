//! Graphs and functions that make no sense, or more of it than there is room for.

use super::{
    Case, attribute, field, initialiser, int, model, node, node_body, port, ports, sound, subgraph,
};

/// A function of the default domain: from `a` to `b`.
fn function(name: &str, nodes: &[Vec<u8>]) -> Vec<u8> {
    let nodes: Vec<_> = nodes.iter().map(|node| field(7, node)).collect();
    field(
        25,
        &[
            field(1, name.as_bytes()),
            field(4, b"a"),
            field(5, b"b"),
            nodes.concat(),
        ]
        .concat(),
    )
}

/// `y = F(x)` and the functions.
fn calling(functions: &[Vec<u8>]) -> Vec<u8> {
    let call = node("F0", &["x"], &["y"], b"");
    [model(&[call, ports()].concat()), functions.concat()].concat()
}

/// Functions that each call the next `calls` times.
fn tower(height: usize, calls: usize, last: &[Vec<u8>]) -> Vec<u8> {
    let level = |i: usize| {
        let call = |c: usize| {
            node_body(
                &format!("F{}", i + 1),
                &["a"],
                &[["b", "c", "d"][c.min(2)]],
                b"",
            )
        };
        function(&format!("F{i}"), &(0..calls).map(call).collect::<Vec<_>>())
    };
    let last = function(&format!("F{height}"), last);
    calling(&(0..height).map(level).chain([last]).collect::<Vec<_>>())
}

fn with_opset(version: i64) -> Vec<u8> {
    let graph = [node("Relu", &["x"], &["y"], b""), ports()].concat();
    [int(1, 8), field(8, &int(2, version)), field(7, &graph)].concat()
}

pub fn cases() -> Vec<Case> {
    let relu = |input: &str, output: &str| node("Relu", &[input], &[output], b"");
    let neg = || node_body("Neg", &["a"], &["b"], b"");
    let conditional = |branch: &[u8]| node("If", &["x"], &["y"], &subgraph("then_branch", branch));
    let with_if = |branch: &[u8]| model(&[relu("x", "h"), conditional(branch), ports()].concat());
    let weight = || initialiser(1, &[], &field(4, &[0; 4]));
    let constant = |bytes: usize| {
        let tensor = [int(1, bytes as i64), int(2, 3), field(9, &vec![1; bytes])].concat();
        node_body(
            "Constant",
            &[],
            &["c"],
            &attribute("value", 4, &field(5, &tensor)),
        )
    };
    let calls = |count: usize| {
        let calls: Vec<_> = (0..count)
            .map(|i| node("F0", &["x"], &[&format!("v{i}")], b""))
            .collect();
        calls.concat()
    };
    let red = "\u{1b}[31m\r\n";
    vec![
        ("no graph", int(1, 8), "no graph"),
        ("no nodes", model(&ports()), "no nodes"),
        ("no outputs", model(&relu("x", "y")), "no outputs"),
        (
            "output that nothing defines",
            sound(&port(12, "z")),
            "output \"z\" is defined by no node",
        ),
        ("opset 99", with_opset(99), "opset 99 is not supported"),
        ("opset -1", with_opset(-1), "opset -1 is not supported"),
        (
            "input twice",
            sound(&port(11, "x")),
            "\"x\" is defined more than once",
        ),
        (
            "output twice",
            sound(&port(12, "y")),
            "\"y\" is defined more than once",
        ),
        (
            "initialiser twice",
            sound(&[weight(), weight()].concat()),
            "\"w\" is defined more than once",
        ),
        (
            "value of two nodes",
            sound(&relu("x", "y")),
            "\"y\" is defined more than once",
        ),
        (
            "initialiser that a node defines",
            sound(&[weight(), relu("x", "w")].concat()),
            "\"w\" is defined more than once",
        ),
        (
            "outer name in a subgraph",
            with_if(&relu("x", "h")),
            "\"h\" is defined more than once",
        ),
        (
            "dangling input",
            sound(&relu("ghost", "z")),
            "reads \"ghost\"",
        ),
        (
            "dangling input in a subgraph",
            with_if(&relu("ghost", "z")),
            "reads \"ghost\"",
        ),
        (
            "outer value as a subgraph's output",
            with_if(&port(12, "h")),
            "output \"h\" of a subgraph",
        ),
        ("node that reads itself", sound(&relu("z", "z")), "cycle"),
        (
            "cycle of two",
            sound(&[relu("b", "a"), relu("a", "b")].concat()),
            "cycle",
        ),
        (
            "cycle in a subgraph",
            with_if(&[relu("b", "a"), relu("a", "b")].concat()),
            "cycle",
        ),
        (
            "cycle by way of a subgraph",
            with_if(&relu("y", "z")),
            "cycle",
        ),
        (
            "node without an operator",
            sound(&field(1, &field(2, b"z"))),
            "no operator type",
        ),
        (
            "escape codes in a name",
            sound(&[relu("x", red), relu("x", red)].concat()),
            "\\u{1b}[31m\\r\\n",
        ),
        (
            "name of a megabyte",
            sound(&relu(&"n".repeat(1 << 20), "z")),
            "nnn\"…, which nothing defines",
        ),
        (
            "function that calls itself",
            calling(&[function("F0", &[node_body("F0", &["a"], &["b"], b"")])]),
            "calls itself",
        ),
        (
            "functions that call each other",
            calling(&[
                function("F0", &[node_body("F1", &["a"], &["b"], b"")]),
                function("F1", &[node_body("F0", &["a"], &["b"], b"")]),
            ]),
            "calls itself, directly or through others",
        ),
        (
            "function that calls itself in a subgraph",
            calling(&[function(
                "F0",
                &[node_body(
                    "If",
                    &["a"],
                    &["b"],
                    &subgraph("then_branch", &node("F0", &["a"], &["z"], b"")),
                )],
            )]),
            "calls itself",
        ),
        ("3^60 nodes", tower(60, 3, &[neg()]), "bytes of memory"),
        (
            "3^60 calls of nothing",
            tower(60, 3, &[]),
            "bytes of memory",
        ),
        (
            "functions 5,000 deep",
            tower(5_000, 1, &[neg()]),
            "more than 64 deep",
        ),
        (
            "1,000 copies of a large constant",
            [
                model(&[calls(1000), ports()].concat()),
                function("F0", &[constant(1 << 20), neg()]),
            ]
            .concat(),
            "bytes of memory",
        ),
        (
            "subgraphs 17 deep once inlined",
            tower_of_ifs(17),
            "nested more than 16 deep",
        ),
        (
            "20,000 calls of 20,000 inputs",
            many_calls(4),
            "bytes of memory",
        ),
        (
            "20,000 calls of 20,000 opsets",
            many_calls(9),
            "no opset version",
        ),
        (
            "20,000 calls of 20,000 defaults",
            many_calls(11),
            "more than 256 attributes",
        ),
        ("marker of a megabyte", marked(), "bytes of memory"),
        ("cycle behind 20,000 inputs", wide_cycle(), "cycle"),
        (
            "function defined twice",
            calling(&[function("F0", &[neg()]), function("F0", &[neg()])]),
            "defined twice",
        ),
        (
            "type of attribute 99",
            sound(&node("A", &[], &[], &attribute("a", 99, b""))),
            "no value of a known type",
        ),
        (
            "attribute twice",
            sound(&node("A", &[], &[], &attribute("a", 2, b"").repeat(2))),
            "given twice",
        ),
        (
            "attribute without its graph",
            sound(&node("If", &[], &[], &attribute("then_branch", 5, b""))),
            "graph is missing",
        ),
        (
            "list of graphs",
            sound(&node("A", &[], &[], &attribute("a", 10, &field(11, b"")))),
            "lists of graphs",
        ),
        (
            "reference outside a function",
            sound(&node("A", &[], &[], &attribute("a", 1, &field(21, b"b")))),
            "stands in no function",
        ),
    ]
}

/// Each function has an If whose branch calls the next.
fn tower_of_ifs(height: usize) -> Vec<u8> {
    let level = |i: usize| {
        let call = node(&format!("F{}", i + 1), &["a"], &["z"], b"");
        function(
            &format!("F{i}"),
            &[node_body(
                "If",
                &["a"],
                &["b"],
                &subgraph("then_branch", &call),
            )],
        )
    };
    let last = function(&format!("F{height}"), &[]);
    calling(&(0..height).map(level).chain([last]).collect::<Vec<_>>())
}

/// 20,000 calls of a function with 20,000 fields of this kind.
fn many_calls(number: u64) -> Vec<u8> {
    let call = |i| node("F0", &["x"], &[&format!("v{i}")], b"");
    let calls: Vec<_> = (0..20_000).map(call).collect();
    let one = |i: usize| {
        field(
            number,
            &[field(1, format!("d{i}").as_bytes()), int(2, 1)].concat(),
        )
    };
    let name = |i: usize| field(number, format!("i{i}").as_bytes());
    let fields: Vec<_> = match number {
        4 => (0..20_000).map(name).collect(),
        9 => (0..20_000).map(one).collect(),
        _ => vec![field(number, &field(1, b"a")); 20_000],
    };
    let node = field(7, &node_body("A", &["a"], &["b"], &field(7, b"other")));
    let function = [
        field(1, b"F0"),
        field(5, b"b"),
        field(4, b"a"),
        node,
        fields.concat(),
    ];
    let model = model(&[calls.concat(), ports()].concat());
    [model, field(25, &function.concat())].concat()
}

/// Many calls, and a name that begins like those that are made up for them.
fn marked() -> Vec<u8> {
    let call = |i| node("F0", &["x"], &[&format!("v{i}")], b"");
    let calls: Vec<_> = (0..10_000).map(call).collect();
    let name = node("Relu", &["x"], &[&"@".repeat(1 << 20)], b"");
    [
        model(&[calls.concat(), name, ports()].concat()),
        function("F0", &[]),
    ]
    .concat()
}

/// Two nodes that read each other, after 20,000 others.
fn wide_cycle() -> Vec<u8> {
    let names: Vec<_> = (0..20_000).map(|i| format!("v{i}")).collect();
    let relu = |name: &String| node("Relu", &["x"], &[name], b"");
    let mut reads: Vec<_> = names.iter().map(String::as_str).collect();
    reads.push("q");
    let cycle = [
        node("Sum", &reads, &["p"], b""),
        node("Relu", &["p"], &["q"], b""),
    ];
    sound(
        &[
            names.iter().map(relu).collect::<Vec<_>>().concat(),
            cycle.concat(),
        ]
        .concat(),
    )
}
