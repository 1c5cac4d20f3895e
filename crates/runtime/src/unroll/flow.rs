//! What If, Loop and Scan become.

use scoville_onnx::{Attribute, Data, Tensor};

use super::call::Call;
use super::{MAX_ROUNDS, Unroller};
use crate::value::Fact;
use crate::{Error, Fault};

impl Unroller {
    pub(super) fn control(&mut self, call: Call) -> Result<(), Error> {
        match call.node.op.as_str() {
            "If" => self.branch(&call),
            "Loop" => self.repeat(&call),
            _ => self.scan(&call),
        }
    }

    /// If: the branch that the condition names.
    fn branch(&mut self, call: &Call) -> Result<(), Error> {
        let condition = call.inputs.first().cloned().unwrap_or_default();
        let taken = self.known(call, &condition, "a condition")?;
        let name = if taken != 0 {
            "then_branch"
        } else {
            "else_branch"
        };
        let made = self.body(call, call.subgraph(name)?, &[])?;
        self.finish(call, made, &[(condition, vec![taken])])
    }

    /// Loop: the body as often as the count says and while the condition holds. Carried values
    /// first, then those that each round adds a row to.
    fn repeat(&mut self, call: &Call) -> Result<(), Error> {
        let body = call.subgraph("body")?;
        let mut probes = Vec::new();
        let rounds = match call.input(0) {
            Some(name) => {
                let rounds = self.known(call, name, "a number of rounds")?;
                probes.push((name.into(), vec![rounds]));
                rounds
            }
            None => i64::MAX,
        };
        let mut condition = match call.input(1) {
            Some(name) => name.to_owned(),
            None => self.constant("true", boolean(true)),
        };
        let mut carried: Vec<String> = call.inputs.iter().skip(2).cloned().collect();
        let mut rows: Vec<Vec<String>> = Vec::new();
        for round in 0..rounds {
            check_rounds(call, round)?;
            let holds = self.known(call, &condition, "a loop's condition")?;
            probes.push((condition.clone(), vec![holds]));
            if holds == 0 {
                break;
            }
            let number = self.constant("round", integer(round));
            let inputs = [vec![number, condition], carried.clone()].concat();
            let mut made = self.body(call, body, &inputs)?.into_iter();
            condition = made.next().unwrap_or_default();
            carried = made.by_ref().take(carried.len()).collect();
            rows.push(made.collect());
        }
        let stacked = self.stack(
            call,
            rows,
            body.outputs.len().saturating_sub(1 + carried.len()),
        )?;
        self.finish(call, [carried, stacked].concat(), &probes)
    }

    /// Scan: the body for each slice of the scanned inputs. State first, then what is stacked.
    fn scan(&mut self, call: &Call) -> Result<(), Error> {
        if call.context.opset < 9 {
            return Err(call.fault(Fault::Unsupported("Scan before opset 9".into())));
        }
        let body = call.subgraph("body")?;
        let scanned = usize::try_from(call.int("num_scan_inputs", 0)?).unwrap_or(0);
        let states = call
            .inputs
            .len()
            .checked_sub(scanned)
            .filter(|_| scanned > 0);
        let states = states.ok_or_else(|| {
            call.fault(Fault::Shape(format!(
                "{scanned} scanned inputs are not there"
            )))
        })?;
        let (axes, directions) = (
            call.ints("scan_input_axes")?,
            call.ints("scan_input_directions")?,
        );
        let mut state = call.inputs.get(..states).unwrap_or_default().to_vec();
        let sources: Vec<String> = call.inputs.iter().skip(states).cloned().collect();
        let mut probes = Vec::new();
        let mut rounds = None;
        for (i, source) in sources.iter().enumerate() {
            let axis = axes.get(i).copied().unwrap_or(0);
            let size = self.size(call, source, axis)?;
            if *rounds.get_or_insert(size) != size {
                let what = "the scanned inputs have several lengths";
                return Err(call.fault(Fault::Shape(what.into())));
            }
            let shape = self.node("Shape", vec![source.clone()], Vec::new(), call)?;
            let at = self.constant("axis", integer(axis));
            let length = self.node("Gather", vec![shape, at], Vec::new(), call)?;
            probes.push((length, vec![size as i64]));
        }
        let mut rows = Vec::new();
        for round in 0..rounds.unwrap_or(0) {
            check_rounds(call, round as i64)?;
            let mut inputs = state.clone();
            for (i, source) in sources.iter().enumerate() {
                let backwards = directions.get(i) == Some(&1);
                let at = if backwards {
                    -1 - round as i64
                } else {
                    round as i64
                };
                let at = self.constant("slice", integer(at));
                let axis = Attribute::Int(axes.get(i).copied().unwrap_or(0));
                let attributes = vec![("axis".into(), axis)];
                inputs.push(self.node("Gather", vec![source.clone(), at], attributes, call)?);
            }
            let mut made = self.body(call, body, &inputs)?.into_iter();
            state = made.by_ref().take(states).collect();
            rows.push(made.collect());
        }
        let stacked = self.stack(call, rows, body.outputs.len().saturating_sub(states))?;
        self.finish(call, [state, stacked].concat(), &probes)
    }

    /// The known size of `axis` of the value `name`.
    fn size(&self, call: &Call, name: &str, axis: i64) -> Result<usize, Error> {
        let unknown = || {
            let what = "scanning what depends on itself".into();
            call.fault(Fault::Unsupported(what))
        };
        let shape = self.facts.get(name).map(Fact::shape).ok_or_else(unknown)?;
        let axis = crate::ops::axis(axis, shape.len()).map_err(|fault| call.fault(fault))?;
        shape.get(axis).copied().ok_or_else(unknown)
    }

    /// Stacks what each round made, `columns` values a round, along a new axis.
    fn stack(
        &mut self,
        call: &Call,
        rows: Vec<Vec<String>>,
        columns: usize,
    ) -> Result<Vec<String>, Error> {
        let of_scan = |name: &str| match call.node.op.as_str() {
            "Scan" => call.ints(name),
            _ => Ok(&[][..]),
        };
        let (axes, directions) = (
            of_scan("scan_output_axes")?,
            of_scan("scan_output_directions")?,
        );
        let mut stacked = Vec::new();
        for column in 0..columns {
            let axis = axes.get(column).copied().unwrap_or(0);
            let mut parts = Vec::new();
            for row in &rows {
                let value = row.get(column).cloned().unwrap_or_default();
                parts.push(self.unsqueeze(call, value, axis)?);
            }
            if parts.is_empty() {
                let what = "a loop of no rounds that collects values".into();
                return Err(call.fault(Fault::Unsupported(what)));
            }
            if directions.get(column) == Some(&1) {
                parts.reverse();
            }
            let axis = vec![("axis".into(), Attribute::Int(axis))];
            stacked.push(self.node("Concat", parts, axis, call)?);
        }
        Ok(stacked)
    }

    fn unsqueeze(&mut self, call: &Call, value: String, axis: i64) -> Result<String, Error> {
        if call.context.opset < 13 {
            let axes = vec![("axes".into(), Attribute::Ints(vec![axis]))];
            return self.node("Unsqueeze", vec![value], axes, call);
        }
        let axes = self.constant("axes", list(vec![axis]));
        self.node("Unsqueeze", vec![value, axes], Vec::new(), call)
    }

    /// The one known integer or boolean called `name`.
    fn known(&self, call: &Call, name: &str, what: &str) -> Result<i64, Error> {
        let fact = self.facts.get(name).and_then(Fact::known_ints);
        fact.and_then(|values| values.first().copied())
            .ok_or_else(|| {
                let what = format!("{what} that depends on the model's input");
                call.fault(Fault::Unsupported(what))
            })
    }
}

fn check_rounds(call: &Call, round: i64) -> Result<(), Error> {
    if round < MAX_ROUNDS as i64 {
        return Ok(());
    }
    let what = format!("unrolling a loop of more than {MAX_ROUNDS} rounds");
    Err(call.fault(Fault::Unsupported(what)))
}

fn boolean(value: bool) -> Tensor {
    Tensor {
        shape: Vec::new(),
        data: Data::Bool(vec![value]),
    }
}

fn integer(value: i64) -> Tensor {
    Tensor {
        shape: Vec::new(),
        data: Data::I64(vec![value]),
    }
}

fn list(values: Vec<i64>) -> Tensor {
    Tensor {
        shape: vec![values.len()],
        data: Data::I64(values),
    }
}
