/// How the axes of the model's image input are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// Channels before height and width (PyTorch).
    #[default]
    Nchw,
    /// Channels last (TensorFlow).
    Nhwc,
}

/// What a model takes for one element of a table's sample, which is in [0, 1]: `((base + unit * q) - mean) / std`, where q is
/// the element times `levels`, or the element itself where that is 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureScale {
    pub levels: u32,
    pub base: f32,
    pub unit: f32,
    pub mean: f32,
    pub std: f32,
}

impl FeatureScale {
    /// As the kernel takes it.
    pub(crate) fn numbers(&self) -> [f32; 5] {
        [
            self.levels as f32,
            self.base,
            self.unit,
            self.mean,
            self.std,
        ]
    }
}

/// Whether gradients are taken through stand-ins where operators have none: backward pass differentiable approximation
/// (Athalye et al. 2018). Answers are the model's own in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bpda {
    /// Through operators that quantise, and through all where no gradient would reach the input otherwise.
    #[default]
    Auto,
    /// Wherever a stand-in is known.
    On,
    /// Nowhere: the derivative as it is.
    Off,
}

/// What a model wants, and which of its outputs is meant: from pixels as the attacks see them, `[0, 1]` in `[C, H, W]`, to what the model wants.
///
/// Pixel `p` of channel `c` reaches the model as `((lo + p * (hi - lo)) - mean[c]) / std[c]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSpec {
    /// The sample in pixel space, `[C, H, W]` or `[D]`; `None` takes it from the graph.
    pub shape: Option<Vec<usize>>,
    /// Mean of each channel in units of `pixel_range`; empty is 0, one value holds for all.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel in units of `pixel_range`; empty is 1.
    pub std: Vec<f32>,
    /// What black and white are before mean and standard deviation: `(0, 1)` or `(0, 255)`.
    pub pixel_range: (f32, f32),
    /// Of a table, the scale of each element, in place of mean, standard deviation and range; else empty.
    pub features: Vec<FeatureScale>,
    /// The axes that the model wants.
    pub layout: Layout,
    /// Swap height and width (models trained on column-major images).
    pub transpose: bool,
    /// The data are the model's input as they stand; `shape`, `output`, `layer`, `plain`, `bpda` and `memory` may
    /// be set beside it.
    pub raw: bool,
    /// Most bytes that a run may hold; `None`: what the device has.
    pub memory: Option<u64>,
    /// Run every node by itself: without the faster convolutions, for comparisons.
    pub plain: bool,
    pub bpda: Bpda,
    /// The inner value that holds a sample's features; `None` takes what the last layer of weights reads.
    pub layer: Option<String>,
    /// The name of the output to use; `None` takes the first that holds floats.
    pub output: Option<String>,
}

impl Default for ModelSpec {
    fn default() -> Self {
        ModelSpec {
            shape: None,
            mean: Vec::new(),
            std: Vec::new(),
            pixel_range: (0.0, 1.0),
            features: Vec::new(),
            layout: Layout::default(),
            transpose: false,
            raw: false,
            plain: false,
            bpda: Bpda::default(),
            layer: None,
            output: None,
            memory: None,
        }
    }
}

impl ModelSpec {
    /// The model's input as it stands.
    pub fn raw() -> Self {
        ModelSpec {
            raw: true,
            ..ModelSpec::default()
        }
    }
}
