//! From the command line to a loaded target and its data.

use std::path::Path;

use scoville_data::{Dataset, Features, Scale, Schema, Source, glyphs};
use scoville_kernels::{Device, DeviceSpec};
use scoville_onnx::{Dim, Graph};
use scoville_report::event::{DataInfo, DeviceInfo, TargetInfo};
use scoville_runtime::{FeatureScale, Layout, Model, ModelSpec};
use scoville_targets::{Labels, Metered, ModelTarget, SpecError, TargetSpec};

use crate::args::{ModelArgs, TargetArgs};
use crate::builtin;
use crate::exit::{Exit, Failure, OrFail};
use crate::parse::Batch;

/// A target that is ready to be asked, and the data to ask it with.
pub struct Loaded {
    /// The model on each device; at least one.
    pub targets: Vec<Metered<ModelTarget>>,
    pub data: Dataset,
    /// Samples that go to the device at once.
    pub batch: usize,
    pub about: About,
    /// The data are the model's input as they stand, not pixels.
    pub raw: bool,
}

impl Loaded {
    /// The model on the first device.
    pub fn target(&self) -> &Metered<ModelTarget> {
        &self.targets[0]
    }
}

/// Opens the devices, loads the model on each and checks the data.
pub fn load(args: &TargetArgs) -> Result<Loaded, Failure> {
    let spec = spec(&args.model)?;
    let (graph, name) = graph(&spec)?;
    let sha256 = graph.sha256.clone();
    let schema = schema(args)?;
    if spec.shape.is_some() {
        let input = spec.input(spec.shape.clone()).or_fail(Exit::Usage, "")?;
        Model::check_input(&graph, &input).map_err(|error| refused(&error, &name))?;
    }
    let data = data(args, schema.as_ref(), &spec, &graph)?;
    let raw = spec.raw.unwrap_or(false);
    let data_sha256 = data.check(!raw).or_fail(Exit::BadInput, "")?;
    let input = model_input(&spec, &data).or_fail(Exit::Usage, "")?;
    let features = data.features.as_ref();
    let targets = targets(args, &spec, graph, &input, &name)?;
    let Some(target) = targets.first() else {
        return Err(Failure::new(Exit::Usage, "--device names no device"));
    };
    let class_names = class_names(&spec, &data.class_names, target.classes())?;
    let batch = match args.batch {
        Batch::Of(n) => n,
        Batch::Auto => {
            let batch = scoville_campaign::automatic_batch(&targets, &[]);
            batch.or_fail(Exit::Internal, &name)?
        }
    };
    let weights_sha256 = target
        .inner()
        .weights_digest()
        .or_fail(Exit::Internal, &name)?;
    let model = target.inner().model();
    let about = About {
        target: TargetInfo {
            name,
            sha256,
            weights_sha256,
            classes: model.classes(),
            class_names,
            input_shape: data.shape.clone(),
            input: features.map_or_else(|| in_words(&input), Features::describe),
            parameters: model.parameters(),
            notes: [model.notes(), features.map_or(&[], |f| &f.notes)].concat(),
        },
        data: DataInfo {
            name: data.name.clone(),
            sha256: data_sha256,
            samples: data.len(),
        },
        devices: targets.iter().map(|t| device_info(t.device())).collect(),
    };
    Ok(Loaded {
        raw,
        about,
        targets,
        data,
        batch,
    })
}

/// What a model wants of the data.
pub fn model_input(spec: &TargetSpec, data: &Dataset) -> Result<ModelSpec, SpecError> {
    let features = data.features.iter().flat_map(Features::scales);
    Ok(ModelSpec {
        features: features.map(scale).collect(),
        ..spec.input(Some(data.shape.clone()))?
    })
}

/// The model on every device of the command line.
fn targets(
    args: &TargetArgs,
    spec: &TargetSpec,
    graph: Graph,
    input: &ModelSpec,
    name: &str,
) -> Result<Vec<Metered<ModelTarget>>, Failure> {
    let mut read = Some(graph);
    let load = |device: &Device| {
        // A loaded model has taken the weights to itself, so the next one needs the file again.
        let graph = read.take().map_or_else(|| Ok(self::graph(spec)?.0), Ok)?;
        let model = Model::load(graph, input, device).map_err(|error| refused(&error, name))?;
        Ok(Metered::new(ModelTarget::new(model)))
    };
    devices(&args.device)?.iter().map(load).collect()
}

/// Opens the devices of the command line, of which no two are the same.
pub fn devices(specs: &[DeviceSpec]) -> Result<Vec<Device>, Failure> {
    let mut devices = Vec::new();
    for spec in specs {
        let device = Device::open(spec).or_fail(Exit::Unreachable, "--device")?;
        if devices.contains(&device) {
            let message = format!(
                "--device: {spec} is {}, which is named before it; name each device once",
                device.name()
            );
            return Err(Failure::new(Exit::Usage, message));
        }
        devices.push(device);
    }
    Ok(devices)
}

/// Why the model of that name was not loaded: the flags do not fit it, or it cannot be used.
pub fn refused(error: &scoville_runtime::Error, name: &str) -> Failure {
    let exit = match error {
        scoville_runtime::Error::Spec(_) => Exit::Usage,
        _ => Exit::BadInput,
    };
    Failure::about(exit, name, error)
}

/// What reports say of a target, its data and its devices.
pub struct About {
    pub target: TargetInfo,
    pub data: DataInfo,
    /// One a target.
    pub devices: Vec<DeviceInfo>,
}

pub fn device_info(device: &Device) -> DeviceInfo {
    DeviceInfo {
        backend: device.backend().into(),
        name: device.name(),
        software: device.is_software(),
    }
}

/// The built-in model on `device`.
pub fn builtin_model(device: &Device) -> Result<Model, scoville_runtime::Error> {
    let graph = scoville_onnx::parse(builtin::MODEL.into(), None)?;
    let shape = Some(glyphs::generate(glyphs::Split::Test, 1, 0).shape);
    Model::load(
        graph,
        &ModelSpec {
            shape,
            ..ModelSpec::default()
        },
        device,
    )
}

pub fn is_toml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("toml"))
}

pub fn read_toml(file: &Path) -> Result<TargetSpec, Failure> {
    let spec = TargetSpec::read(file).or_fail(Exit::BadInput, "")?;
    if spec.path.is_none() {
        let message = format!(
            "{}: it names no model: add path = \"MODEL.onnx\" under [model]",
            file.display()
        );
        return Err(Failure::new(Exit::BadInput, message));
    }
    Ok(spec)
}

/// The file's wishes, with the flags over them.
pub fn spec(args: &ModelArgs) -> Result<TargetSpec, Failure> {
    let mut spec = match args.model.as_deref().filter(|path| is_toml(path)) {
        Some(file) => read_toml(file)?,
        None => TargetSpec {
            path: args.model.clone(),
            ..TargetSpec::default()
        },
    };
    override_list(&mut spec.mean, &args.mean);
    override_list(&mut spec.std, &args.std);
    override_list(&mut spec.classes, &args.classes);
    spec.pixel_range = args.pixel_range.clone().or(spec.pixel_range);
    spec.layout = args.layout.clone().or(spec.layout);
    spec.transpose = args.transpose.then_some(true).or(spec.transpose);
    spec.raw = args.raw.then_some(true).or(spec.raw);
    spec.output = args.output.clone().or(spec.output);
    spec.layer = args.layer.clone().or(spec.layer);
    spec.bpda = args.bpda.clone().or(spec.bpda);
    if !args.shape.is_empty() {
        spec.shape = Some(args.shape.clone());
    }
    Ok(spec)
}

fn override_list<T: Clone>(file: &mut Vec<T>, flag: &[T]) {
    if !flag.is_empty() {
        *file = flag.to_vec();
    }
}

pub fn graph(spec: &TargetSpec) -> Result<(Graph, String), Failure> {
    let Some(path) = &spec.path else {
        let graph = scoville_onnx::parse(builtin::MODEL.into(), None);
        return Ok((
            graph.or_fail(Exit::Internal, builtin::NAME)?,
            builtin::NAME.into(),
        ));
    };
    let shown = path.display().to_string();
    let graph = scoville_onnx::load(path).or_fail(Exit::BadInput, &shown)?;
    let name = path
        .file_name()
        .map_or(shown, |name| name.to_string_lossy().into_owned());
    Ok((graph, name))
}

/// What describes a table: --features, or the section of target.toml.
pub fn schema(args: &TargetArgs) -> Result<Option<Schema>, Failure> {
    if let Some(path) = &args.features {
        let schema = Schema::read(path).or_fail(Exit::BadInput, "--features")?;
        let message = format!("{}: there is no section [features]", path.display());
        return schema
            .map(Some)
            .ok_or_else(|| Failure::new(Exit::BadInput, message));
    }
    match args.model.model.as_deref().filter(|path| is_toml(path)) {
        Some(path) => Schema::read(path).or_fail(Exit::BadInput, ""),
        None => Ok(None),
    }
}

fn scale(scale: Scale) -> FeatureScale {
    FeatureScale {
        levels: scale.levels,
        base: scale.base,
        unit: scale.unit,
        mean: scale.mean,
        std: scale.std,
    }
}

fn data(
    args: &TargetArgs,
    schema: Option<&Schema>,
    spec: &TargetSpec,
    graph: &Graph,
) -> Result<Dataset, Failure> {
    let source = match (&args.data, &spec.path) {
        (Some(source), _) => source.clone(),
        (None, None) => default_source()?,
        (None, Some(_)) => {
            let message = "--data is missing: say what to test the model on, for example \
                           --data cifar10:test_batch.bin";
            return Err(Failure::new(Exit::Usage, message));
        }
    };
    let hint = sample_shape(graph, spec);
    source
        .load_described(schema, hint.as_deref(), args.limit)
        .or_fail(Exit::BadInput, "")
}

fn default_source() -> Result<Source, Failure> {
    format!("glyphs:test:{}", builtin::SAMPLES)
        .parse()
        .or_fail(Exit::Internal, "")
}

/// The model's sample in the order in which data come (channels first), when the graph says it.
fn sample_shape(graph: &Graph, spec: &TargetSpec) -> Option<Vec<usize>> {
    if spec.shape.is_some() {
        return spec.shape.clone();
    }
    let port = graph.inputs.first()?;
    let (_, sample) = port.shape.as_ref()?.split_first()?;
    let fixed = |dim: &Dim| match dim {
        Dim::Fixed(n) => Some(*n),
        _ => None,
    };
    let shape: Vec<usize> = sample.iter().map(fixed).collect::<Option<_>>()?;
    let channels_last = spec.layout.as_deref() == Some("nhwc") && spec.raw != Some(true);
    Some(match shape.as_slice() {
        &[h, w, c] if channels_last => vec![c, h, w],
        _ => shape,
    })
}

/// What happens to pixels on their way into the model.
pub fn in_words(input: &ModelSpec) -> String {
    if input.raw {
        return "raw".into();
    }
    let list = |values: &[f32]| {
        let words: Vec<String> = values.iter().map(ToString::to_string).collect();
        words.join(" ")
    };
    let mut words = vec![format!(
        "range {}..{}",
        input.pixel_range.0, input.pixel_range.1
    )];
    if !input.mean.is_empty() {
        words.push(format!("mean {}", list(&input.mean)));
    }
    if !input.std.is_empty() {
        words.push(format!("std {}", list(&input.std)));
    }
    words.push(match input.layout {
        Layout::Nchw => "nchw".into(),
        Layout::Nhwc => "nhwc".into(),
    });
    if input.transpose {
        words.push("transposed".into());
    }
    words.join(", ")
}

/// Refuses what is no classifier of two or more classes.
pub fn check_classifier(loaded: &Loaded) -> Result<(), Failure> {
    check_model(loaded.target().inner().model(), &loaded.about.target.name)
}

/// The same, of a model by its name.
pub fn check_model(model: &Model, name: &str) -> Result<(), Failure> {
    model.check_classifier().or_fail(Exit::BadInput, name)?;
    let classes = model.classes();
    if classes >= 2 {
        return Ok(());
    }
    let message = format!(
        "{name}: the model has {classes} output, a classifier has one for each class; export a binary classifier with two \
         (for a logit z: 0 and z)"
    );
    Err(Failure::new(Exit::BadInput, message))
}

/// Refuses labels that the model has no class for.
pub fn check_labels(name: &str, labels: &[u32], classes: usize) -> Result<(), Failure> {
    match labels.iter().position(|&label| label as usize >= classes) {
        None => Ok(()),
        Some(at) => Err(Failure::new(
            Exit::BadInput,
            format!(
                "{name}: label {} of sample {at} is beyond the model's {classes} classes (labels count from 0); check that \
                 the labels belong to this model",
                labels[at]
            ),
        )),
    }
}

/// The names of the model's classes: as given, or the data's where there are as many.
pub fn class_names(
    spec: &TargetSpec,
    of_data: &[String],
    classes: usize,
) -> Result<Vec<String>, Failure> {
    let names = match spec.classes.as_slice() {
        [] => of_data,
        given => given,
    };
    if !spec.classes.is_empty() && names.len() != classes {
        let message = format!(
            "{} class names for a model of {classes} classes",
            names.len()
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(if names.len() == classes {
        names.to_vec()
    } else {
        Vec::new()
    })
}
