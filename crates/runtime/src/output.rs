//! Which of a graph's outputs is the model's.

use scoville_onnx::{Graph, Port};

use crate::Error;
use crate::value::is_float;

/// Makes the chosen output the graph's only one: the one `wanted`, else the first that holds floats,
/// since label outputs of classical models come before their scores. What was passed over is said
/// in a note.
pub(crate) fn choose(graph: &mut Graph, wanted: Option<&str>) -> Result<Option<String>, Error> {
    let names = listed(&graph.outputs);
    let chosen = match wanted {
        Some(name) => graph.outputs.iter().position(|port| port.name == name),
        None => Some(first_of_floats(&graph.outputs)),
    };
    let Some(chosen) = chosen.filter(|&i| i < graph.outputs.len()) else {
        let what = format!("the graph has {names}");
        return Err(Error::Interface {
            port: format!("output {}", wanted.unwrap_or_default()),
            what,
        });
    };
    let others = graph.outputs.len() - 1 + graph.dropped_outputs.len();
    let port = graph.outputs.swap_remove(chosen);
    let note = (others > 0).then(|| {
        let dropped: String = graph
            .dropped_outputs
            .iter()
            .map(|d| format!("; {d}"))
            .collect();
        format!("only output {} is used, of {names}{dropped}", port.name)
    });
    graph.outputs = vec![port];
    Ok(note)
}

fn first_of_floats(outputs: &[Port]) -> usize {
    let floats = outputs.iter().position(|port| is_float(port.dtype));
    floats.unwrap_or(0)
}

fn listed(outputs: &[Port]) -> String {
    let names: Vec<String> = outputs
        .iter()
        .map(|port| format!("{} ({})", port.name, port.dtype))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use scoville_onnx::DType;

    use super::*;

    fn graph(outputs: &[(&str, DType)]) -> Graph {
        let port = |&(name, dtype): &(&str, DType)| Port {
            name: name.into(),
            dtype,
            shape: None,
        };
        Graph {
            outputs: outputs.iter().map(port).collect(),
            ..Graph::default()
        }
    }

    #[test]
    fn choices() {
        let (f, i) = (DType::F32, DType::I64);
        for (outputs, wanted, chosen) in [
            (&[("y", f)][..], None, "y"),
            (&[("y", f), ("z", f)], None, "y"),
            (&[("label", i), ("scores", f)], None, "scores"),
            (&[("label", i), ("scores", f)], Some("label"), "label"),
            (&[("label", i)], None, "label"),
        ] {
            let mut graph = graph(outputs);
            let note = choose(&mut graph, wanted).expect("an output");
            assert_eq!(graph.outputs[0].name, chosen);
            assert_eq!(note.is_some(), outputs.len() > 1);
        }
        let mut two = graph(&[("label", i), ("scores", f)]);
        let error = choose(&mut two, Some("logits")).expect_err("there is none");
        let error = error.to_string();
        assert!(
            error.contains("logits") && error.contains("label (int64), scores (float32)"),
            "{error}"
        );
    }
}
