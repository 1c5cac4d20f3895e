//! `scoville inspect`: what a model is made of, and what becomes of it.

use std::collections::BTreeMap;

use scoville_kernels::Device;
use scoville_onnx::{Graph, Port};
use scoville_report::full_count;
use scoville_runtime::{Error, Inspection, Model, NodeReport, operators};
use serde_json::json;

use super::{columns, print};
use crate::args::InspectArgs;
use crate::exit::{Exit, Failure, OrFail};
use crate::load;

pub fn run(args: &InspectArgs) -> Result<Exit, Failure> {
    let spec = load::spec(&args.model)?;
    let (graph, name) = load::graph(&spec)?;
    let heading = heading(&graph, &name);
    let counts = counts(&graph);
    let input = spec.input(spec.shape.clone()).or_fail(Exit::Usage, "")?;
    let model = match Model::load(graph, &input, &Device::Cpu) {
        Ok(model) => model,
        Err(error @ Error::UnsupportedOperators(_)) if !args.json.json => {
            print(&(heading + &operators_table(&counts)))?;
            return Err(load::refused(&error, &name));
        }
        Err(error) => return Err(load::refused(&error, &name)),
    };
    let inspection = model.inspect().or_fail(Exit::Internal, &name)?;
    print(&match args.json.json {
        true => lines(&model, &inspection),
        false => heading + &table(&inspection) + &ending(&model, &inspection),
    })
}

fn heading(graph: &Graph, name: &str) -> String {
    let opsets = graph
        .opsets
        .iter()
        .map(|(domain, version)| match domain.as_str() {
            "" => format!("opset {version}"),
            domain => format!("{domain} {version}"),
        });
    let opsets: Vec<String> = opsets.collect();
    let producer = match graph.producer.as_str() {
        "" => "unknown producer",
        producer => producer,
    };
    let port =
        |what: &str, port: &Port| format!("{what}  {} {} {}\n", port.name, port.dtype, dims(port));
    let inputs = graph.inputs.iter().map(|input| port("input ", input));
    let outputs = graph.outputs.iter().map(|output| port("output", output));
    let ports: String = inputs.chain(outputs).collect();
    format!("{name}: {producer}, {}\n{ports}\n", opsets.join(", "))
}

fn dims(port: &Port) -> String {
    let Some(dims) = &port.shape else {
        return "of any shape".into();
    };
    let dims = dims.iter().map(ToString::to_string);
    format!("[{}]", dims.collect::<Vec<_>>().join(", "))
}

/// How many nodes of each operator, those of subgraphs included.
fn counts(graph: &Graph) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let mut graphs = vec![graph];
    while let Some(graph) = graphs.pop() {
        for node in &graph.nodes {
            let name = match node.domain.as_str() {
                "" => node.op.clone(),
                domain => format!("{domain}.{}", node.op),
            };
            *counts.entry(name).or_default() += 1;
            graphs.extend(node.subgraphs());
        }
    }
    counts
}

fn operators_table(counts: &BTreeMap<String, usize>) -> String {
    let supported = operators();
    let header = ["OPERATOR", "NODES", ""].map(String::from).to_vec();
    let rows = counts.iter().map(|(op, count)| {
        let verdict = match supported.contains(&op.as_str()) {
            true => "",
            false => "not supported",
        };
        vec![op.clone(), count.to_string(), verdict.into()]
    });
    columns(&std::iter::once(header).chain(rows).collect::<Vec<_>>()) + "\n"
}

fn table(inspection: &Inspection) -> String {
    let header = [
        "NODE", "OPERATOR", "READS", "MAKES", "WEIGHTS", "MFLOP", "KIB", "NET", "GRADIENT",
    ];
    let mut rows = vec![header.map(String::from).to_vec()];
    rows.extend(inspection.nodes.iter().map(|node| {
        vec![
            shortened(&node.name),
            node.op.clone(),
            shortened(&node.inputs),
            shortened(&node.outputs),
            full_count(node.parameters),
            format!("{:.3}", node.flops as f64 / 1e6),
            format!("{:.1}", node.bytes as f64 / 1024.0),
            node.network.map_or(String::new(), letters),
            match (node.differentiable, node.stand_in) {
                (true, _) => "",
                (false, true) => "stand-in",
                (false, false) => "none",
            }
            .into(),
        ]
    }));
    columns(&rows)
}

/// A cell that leaves room for the others.
fn shortened(text: &str) -> String {
    const WIDTH: usize = 36;
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// a, b, ..., z, aa, ab, ...
fn letters(mut number: usize) -> String {
    let mut letters = String::new();
    loop {
        letters.insert(0, char::from(b'a' + (number % 26) as u8));
        number /= 26;
        if number == 0 {
            return letters;
        }
        number -= 1;
    }
}

fn ending(model: &Model, inspection: &Inspection) -> String {
    let before = match inspection.computed_before {
        0 => String::new(),
        n => format!(
            ", {n} more {} computed before",
            if n == 1 { "is" } else { "are" }
        ),
    };
    let mut text = format!(
        "\n{}{before}. {}; {:.3} MFLOP and {:.1} KiB of values a sample.\n",
        counted(inspection.nodes.len(), "node runs", "nodes run"),
        counted(inspection.parameters as usize, "parameter", "parameters"),
        inspection.flops() as f64 / 1e6,
        inspection.bytes() as f64 / 1024.0
    );
    let networks = inspection.networks();
    if networks > 0 {
        text += &format!(
            "Nodes with a letter under NET run together, as {networks} convolutional network{}.\n",
            if networks == 1 { "" } else { "s" }
        );
    }
    text += &format!(
        "A sample is {:?}, and {} out.\n",
        model.sample_shape(),
        counted(model.classes(), "value comes", "values come")
    );
    for note in model.notes() {
        text += &columns(&[vec!["-".into(), note.clone()]]);
    }
    text
}

fn counted(n: usize, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        full_count(n as u64),
        if n == 1 { one } else { many }
    )
}

fn lines(model: &Model, inspection: &Inspection) -> String {
    let mut text: String = inspection.nodes.iter().map(line).collect();
    let total = json!({
        "sample": model.sample_shape(),
        "outputs": model.classes(),
        "nodes": inspection.nodes.len(),
        "computed_before": inspection.computed_before,
        "parameters": inspection.parameters,
        "flops": inspection.flops(),
        "bytes": inspection.bytes(),
        "not_differentiable": inspection.not_differentiable(),
        "stand_ins": inspection.stand_ins(),
        "notes": model.notes(),
    });
    text += &format!("{total}\n");
    text
}

fn line(node: &NodeReport) -> String {
    let object = json!({
        "node": node.name,
        "operator": node.op,
        "reads": node.inputs,
        "makes": node.outputs,
        "parameters": node.parameters,
        "flops": node.flops,
        "bytes": node.bytes,
        "differentiable": node.differentiable,
        "stand_in": node.stand_in,
        "network": node.network,
    });
    format!("{object}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_lettered() {
        let found = [0, 1, 25, 26, 27, 701, 702].map(letters);
        assert_eq!(found, ["a", "b", "z", "aa", "ab", "zz", "aaa"]);
    }

    #[test]
    fn long_cells_are_cut_and_controls_dropped() {
        assert_eq!(shortened("a\u{1b}[31m\nb"), "a[31mb");
        assert_eq!(shortened(&"é".repeat(50)).chars().count(), 37);
    }
}
