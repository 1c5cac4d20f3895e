use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use burn_autodiff::Autodiff;
use burn_flex::Flex;
use scoville_kernels::{Array, Device};
use scoville_onnx::{DType, Dim, Graph, Port};
use sha2::{Digest, Sha256};

use crate::contained::contained;
use crate::convnet::gpu::Gpu;
use crate::network::{End, Engine, FinalSoftmax, Network, Recipe};
use crate::probe::{agree, noise};
use crate::prologue::Prologue;
use crate::unroll::unroll;
use crate::value::{Fact, is_float};
use crate::{Error, Inspection, ModelSpec, Trees, convnet, features, fold, gelu, output, prune};

/// A classifier, ready to run on one device.
pub struct Model {
    engine: Box<dyn Engine>,
    recipe: Arc<Recipe>,
    device: Device,
    classes: usize,
    output: Vec<usize>,
    parameters: u64,
    notes: Vec<String>,
    trees: Option<Arc<Trees>>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("graph", &self.recipe.name)
            .field("sample", &self.sample_shape())
            .field("classes", &self.classes)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

impl Model {
    /// Refuses an input that does not fit the graph, before anything is read for it.
    pub fn check_input(graph: &Graph, input: &ModelSpec) -> Result<(), Error> {
        Prologue::new(input, sample(only_input(graph)?)).map(|_| ())
    }

    /// Compiles `graph` for `device`; `input` says what the model wants of the pixels.
    ///
    /// A batch size of 1 that the export baked in is lifted to any. Where that is not the same
    /// function, samples run one by one; [`notes`](Self::notes) says so.
    pub fn load(graph: Graph, input: &ModelSpec, device: &Device) -> Result<Model, Error> {
        let port = only_input(&graph)?;
        let (baked, port_dtype) = (baked_batch(port)?, port.dtype);
        let prologue = Prologue::new(input, sample(port))?;
        let mut notes = Vec::new();
        let mut graph = graph;
        notes.extend(output::choose(&mut graph, input.output.as_deref())?);
        let feed = Fact::new(port_dtype, prologue.model_shape(baked.unwrap_or(1)));
        let (graph, parameters) = simplified(graph, feed, input.layer.as_deref(), &mut notes)?;
        let trees = Trees::of(&graph, &prologue).map(Arc::new);
        let recipe = Arc::new(recipe(&graph, input, prologue, (baked, port_dtype))?);

        // The analysis runs on the CPU whatever the device: it compiles no kernels and tunes
        // nothing.
        let for_gpu = matches!(device, Device::Gpu(_)).then(|| graph.clone());
        let mut cpu = Network::<Autodiff<Flex>>::load(recipe.clone(), graph, &Device::Cpu)?;
        if for_gpu.is_none() && !input.plain {
            notes.extend(cpu.accelerate(&convnet::host::MAKE, Network::probe)?);
        }
        notes.extend(settle_batch(&mut cpu, &recipe)?);
        let stand_ins = cpu.stand_in(input.bpda)?;
        notes.extend(
            cpu.cut()
                .map(|op| format!("the final {op} is cut: logits are its input")),
        );
        notes.extend(gradient_notes(&cpu.inspect()?));
        let (batched, classes) = (cpu.batched, cpu.classes());
        let output = cpu.shape().to_vec();
        let engine: Box<dyn Engine> = match for_gpu {
            None => Box::new(cpu),
            Some(graph) => {
                let expected = (!input.plain).then(|| cpu.probe());
                drop(cpu);
                let mut gpu = Network::<Gpu>::load(recipe.clone(), graph, device)?;
                gpu.batched = batched;
                gpu.set_stand_ins(stand_ins);
                if let Some(expected) = expected {
                    let pack =
                        |input, layers: Vec<_>, _| convnet::gpu::make(device, input, &layers);
                    let make = convnet::Make {
                        pack: &pack,
                        last: false,
                    };
                    notes.extend(gpu.accelerate(&make, |_| expected)?);
                }
                Box::new(gpu)
            }
        };
        Ok(Model {
            engine,
            recipe,
            device: device.clone(),
            classes,
            output,
            parameters,
            notes,
            trees,
        })
    }

    /// How many values it gives for one sample; a classifier's are one score a class.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Refuses a model whose output for one sample has more than one axis longer than 1: that is no
    /// list of scores.
    pub fn check_classifier(&self) -> Result<(), Error> {
        if self.output.iter().filter(|&&size| size > 1).count() <= 1 {
            return Ok(());
        }
        let what = format!(
            "it has shape {:?} for one sample; one score a class is needed, [n, classes]",
            self.output
        );
        Err(Error::Interface {
            port: "first output".into(),
            what,
        })
    }

    /// One sample in pixel space, `[C, H, W]` or `[D]`.
    pub fn sample_shape(&self) -> &[usize] {
        self.recipe.prologue.sample()
    }

    /// Elements of one sample.
    pub fn sample_len(&self) -> usize {
        self.sample_shape().iter().product()
    }

    /// Elements of all float constants.
    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    /// What was changed on the way from the file to what runs.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The decision trees that it consists of, if it does.
    pub fn trees(&self) -> Option<&Trees> {
        self.trees.as_deref()
    }

    /// Where it runs.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What the graph is made of, node by node.
    pub fn inspect(&self) -> Result<Inspection, Error> {
        self.engine.inspect()
    }

    /// SHA-256 in hex of the weights as they are on the device now.
    pub fn weights_digest(&self) -> Result<String, Error> {
        let mut digest = Sha256::new();
        let mut left = 0;
        self.engine.weights(&mut |name, len, piece| {
            if left == 0 {
                digest.update(name.as_bytes());
                digest.update((len as u64).to_le_bytes());
                left = len;
            }
            left = left.saturating_sub(piece.len());
            for values in piece.chunks(1024) {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes());
                digest.update(bytes.collect::<Vec<u8>>());
            }
        })?;
        Ok(format!("{:x}", digest.finalize()))
    }

    /// `x` is n x [`sample_len`](Self::sample_len) in pixel space; n x classes comes out, before
    /// any final softmax.
    pub fn logits(&self, x: &Array) -> Result<Array, Error> {
        self.engine.run(x, End::Logits)
    }

    /// As [`logits`](Self::logits), but the first output as exported, with its final softmax.
    pub fn output(&self, x: &Array) -> Result<Array, Error> {
        self.engine.run(x, End::Output)
    }

    /// Logits (n x classes) and the derivative by `x` (n x sample_len) of what `head` derives by
    /// the logits.
    ///
    /// `head` gets the logits and returns the derivative of each row's loss by them, n x classes.
    /// It must not write to the logits.
    pub fn gradient(
        &self,
        x: &Array,
        head: &mut dyn FnMut(&Array) -> Result<Array, scoville_kernels::Error>,
    ) -> Result<(Array, Array), Error> {
        self.engine.gradient(x, End::Logits, head)
    }

    /// A sample's features in an inner layer ([`ModelSpec::layer`]), n x features.
    pub fn features(&self, x: &Array) -> Result<Array, Error> {
        self.engine.run(x, End::Features)
    }

    /// As [`gradient`](Self::gradient), with features in place of logits.
    pub fn features_gradient(
        &self,
        x: &Array,
        head: &mut dyn FnMut(&Array) -> Result<Array, scoville_kernels::Error>,
    ) -> Result<(Array, Array), Error> {
        self.engine.gradient(x, End::Features, head)
    }

    /// Bytes that a gradient of `n` samples holds on the device, besides the weights.
    pub fn gradient_bytes(&self, n: usize) -> Result<u64, Error> {
        self.engine.gradient_bytes(n)
    }

    /// Whether it draws random numbers, anew at every run: then what it answers depends on what was asked before.
    pub fn is_random(&self) -> bool {
        self.engine.is_random()
    }
}

/// The graph's only input, which must be float32.
/// What is known of a model beside its nodes; `port` has the batch that the export fixed, and the input's type.
fn recipe(
    graph: &Graph,
    input: &ModelSpec,
    prologue: Prologue,
    port: (Option<usize>, DType),
) -> Result<Recipe, Error> {
    let output = graph.outputs.first().map(|port| port.name.clone());
    Ok(Recipe {
        softmax: FinalSoftmax::of(graph)?,
        features: features::choose(graph, input.layer.as_deref())?,
        name: graph.name.clone(),
        output: output.unwrap_or_default(),
        prologue,
        baked: port.0,
        dtype: port.1,
        memory: input.memory,
    })
}

/// The nodes that the output needs, control flow unrolled and normalisations folded, and how many parameters the file has.
fn simplified(
    graph: Graph,
    feed: Fact,
    kept: Option<&str>,
    notes: &mut Vec<String>,
) -> Result<(Graph, u64), Error> {
    let graph = prune::prune(graph)?;
    let unrolled = contained("unrolling", || unroll(graph, &[feed]))?;
    let mut graph = prune::prune(unrolled)?;
    let parameters = prune::parameters(&graph);
    let folded = fold::batch_normalizations(&mut graph);
    if folded > 0 {
        notes.push(format!(
            "{folded} BatchNormalization folded into the layers before them"
        ));
    }
    let gelus = gelu::put_together(&mut graph, kept);
    if gelus > 0 {
        notes.push(format!(
            "{gelus} Gelu, written out with Erf, run as one operator each"
        ));
    }
    notes.extend(precision_note(&graph));
    Ok((graph, parameters))
}

fn only_input(graph: &Graph) -> Result<&Port, Error> {
    let [port] = graph.inputs.as_slice() else {
        let names: Vec<&str> = graph.inputs.iter().map(|port| port.name.as_str()).collect();
        let what = format!(
            "there are {} ({}); one is needed",
            names.len(),
            names.join(", ")
        );
        return Err(Error::Interface {
            port: "inputs".into(),
            what,
        });
    };
    if matches!(port.dtype, DType::String) {
        let what = "it takes text; only models of numbers can be run on batches".into();
        return Err(Error::Interface {
            port: format!("input {}", port.name),
            what,
        });
    }
    Ok(port)
}

/// The input without its batch axis; `None` where not even the rank is known.
fn sample(port: &Port) -> Option<&[Dim]> {
    port.shape.as_deref().and_then(|dims| dims.get(1..))
}

/// The batch that the export fixed, if any.
fn baked_batch(port: &Port) -> Result<Option<usize>, Error> {
    let what = match port.shape.as_deref() {
        Some([Dim::Fixed(n), ..]) if *n > 0 => return Ok(Some(*n)),
        None | Some([Dim::Named(_) | Dim::Unknown, ..]) => return Ok(None),
        Some([Dim::Fixed(_), ..]) => "it takes no samples".into(),
        Some([]) => "it is a scalar; its first axis must be the batch".into(),
    };
    Err(Error::Interface {
        port: format!("input {}", port.name),
        what,
    })
}

/// Where no gradient passes, or another than the derivative, the user must know.
fn gradient_notes(inspection: &Inspection) -> impl Iterator<Item = String> {
    let list = |ops: BTreeMap<&str, usize>| {
        let words = ops.iter().map(|(op, count)| format!("{op} ({count})"));
        words.collect::<Vec<_>>().join(", ")
    };
    let notes = [
        (
            "gradients pass through smooth stand-ins (BPDA) for",
            list(inspection.stand_ins()),
        ),
        (
            "no gradient passes through",
            list(inspection.not_differentiable()),
        ),
    ];
    let said = notes.into_iter().filter(|(_, list)| !list.is_empty());
    said.map(|(what, list)| format!("{what} {list}"))
}

/// Other precisions are computed in float32.
fn precision_note(graph: &Graph) -> Option<String> {
    let types: BTreeSet<String> = graph
        .constants
        .values()
        .map(|tensor| tensor.dtype())
        .filter(|&dtype| is_float(dtype) && dtype != DType::F32)
        .map(|dtype| dtype.to_string())
        .collect();
    let list: Vec<String> = types.into_iter().collect();
    (!list.is_empty()).then(|| format!("{} is computed in float32", list.join(" and ")))
}

/// Decides whether samples run in batches, and says what the user should know of it.
///
/// They do where the graph shows that they stay apart. A batch size that the export fixed must also
/// give on 2 samples what they give one by one; where the size was left open that alone is enough.
fn settle_batch(
    network: &mut Network<Autodiff<Flex>>,
    recipe: &Recipe,
) -> Result<Option<String>, Error> {
    let one_by_one =
        |reason: &str| Some(format!("samples run one by one, which is slow: {reason}"));
    if !network.batched {
        return Ok(one_by_one("the graph's shapes do not hold for any batch"));
    }
    let apart = network.keeps_samples_apart();
    match (recipe.baked, apart) {
        (None, Ok(())) => return Ok(None),
        (Some(_), Err(reason)) => {
            network.batched = false;
            return Ok(one_by_one(&reason));
        }
        _ => {}
    }
    network.batched = a_batch_agrees(network, recipe.prologue.sample())?;
    Ok(match recipe.baked {
        _ if !network.batched => one_by_one("a batch of 2 differs from them"),
        Some(n) => Some(format!(
            "the exported batch of {n} is lifted to any: the graph keeps samples apart, and a batch \
             of 2 agrees with one by one"
        )),
        None => None,
    })
}

/// Whether a batch of 2 different samples gives what they give one by one, to 1e-4 of the largest
/// value.
fn a_batch_agrees(network: &mut Network<Autodiff<Flex>>, sample: &[usize]) -> Result<bool, Error> {
    let x = noise(&Device::Cpu, 2, sample.iter().product())?;
    let together = network.run(&x, End::Output)?.to_vec()?;
    network.batched = false;
    let apart = network.run(&x, End::Output)?.to_vec()?;
    network.batched = true;
    Ok(agree(&together, &apart))
}
