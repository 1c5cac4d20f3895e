//! What is trained: a list of layers, and their weights.

use crate::random::Random;

/// Images are averaged down to about this many pixels a side first.
const SIDE: usize = 32;
/// The smallest side that convolutions are for.
const LEAST_SIDE: usize = 8;
const MAPS: [usize; 2] = [8, 16];
const HIDDEN: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Means of squares of so many pixels a side.
    Shrink(usize),
    /// 3 x 3, padded by 1, rectified; then the largest of each 2 x 2.
    Convolution { from: usize, to: usize },
    /// Rectified, but for the last.
    Dense { from: usize, to: usize, last: bool },
}

impl Layer {
    /// Shapes of its weight and bias.
    pub fn shapes(self) -> Option<[Vec<usize>; 2]> {
        match self {
            Layer::Shrink(_) => None,
            Layer::Convolution { from, to } => Some([vec![to, from, 3, 3], vec![to]]),
            Layer::Dense { from, to, .. } => Some([vec![from, to], vec![to]]),
        }
    }

    fn fan_in(self) -> usize {
        match self {
            Layer::Shrink(_) => 0,
            Layer::Convolution { from, .. } => 9 * from,
            Layer::Dense { from, .. } => from,
        }
    }
}

/// A weight or bias.
pub(crate) struct Parameter {
    pub shape: Vec<usize>,
    pub value: Vec<f32>,
}

/// A classifier of samples of one shape.
pub(crate) struct Network {
    /// `[C, H, W]` or `[D]`.
    pub sample: Vec<usize>,
    pub classes: usize,
    pub layers: Vec<Layer>,
    /// Weight and bias of each layer that has them.
    pub parameters: Vec<Parameter>,
    /// Of each channel, or one of all features: subtracted first, and divided by.
    pub mean: Vec<f32>,
    pub std: Vec<f32>,
}

impl Network {
    /// A network for such samples, `None` where they are neither images nor features. `x` are some of them.
    pub fn new(sample: &[usize], classes: usize, x: &[f32], random: &mut Random) -> Option<Self> {
        let layers = match *sample {
            [channels, height, width] if height.min(width) >= LEAST_SIDE => {
                convolutional(channels, height, width, classes)
            }
            [_] | [_, _, _] => dense(sample.iter().product(), classes),
            _ => return None,
        };
        let parameters = layers.iter().filter_map(|layer| {
            let [weight, bias] = layer.shapes()?;
            // He's uniform initialisation (He et al. 2015).
            let bound = (6.0 / layer.fan_in() as f32).sqrt();
            let n: usize = weight.iter().product();
            let value = (0..n)
                .map(|_| bound * (2.0 * random.unit() - 1.0))
                .collect();
            let zeros = vec![0.0; bias.iter().product()];
            Some([
                Parameter {
                    shape: weight,
                    value,
                },
                Parameter {
                    shape: bias,
                    value: zeros,
                },
            ])
        });
        let channels = if sample.len() == 3 { sample[0] } else { 1 };
        let (mean, std) = moments(x, sample.iter().product(), channels);
        Some(Self {
            sample: sample.to_vec(),
            classes,
            parameters: parameters.flatten().collect(),
            layers,
            mean,
            std,
        })
    }

    pub fn is_convolutional(&self) -> bool {
        self.layers
            .iter()
            .any(|layer| matches!(layer, Layer::Convolution { .. }))
    }

    /// The samples as the first layer takes them.
    pub fn scaled(&self, x: &[f32]) -> Vec<f32> {
        let channel: usize = self.sample.iter().product::<usize>() / self.mean.len();
        let scale = |(at, v): (usize, &f32)| {
            let c = at / channel % self.mean.len();
            (v - self.mean[c]) / self.std[c]
        };
        x.iter().enumerate().map(scale).collect()
    }
}

fn convolutional(channels: usize, height: usize, width: usize, classes: usize) -> Vec<Layer> {
    let shrink = (height.min(width) / SIDE).max(1);
    let mut layers = match shrink {
        1 => Vec::new(),
        n => vec![Layer::Shrink(n)],
    };
    let mut from = channels;
    for to in MAPS {
        layers.push(Layer::Convolution { from, to });
        from = to;
    }
    let halved = |side: usize| (side / shrink) >> MAPS.len();
    let flat = from * halved(height) * halved(width);
    layers.extend(dense_of(&[flat, HIDDEN, classes]));
    layers
}

fn dense(features: usize, classes: usize) -> Vec<Layer> {
    dense_of(&[features, HIDDEN, HIDDEN, classes])
}

fn dense_of(sizes: &[usize]) -> Vec<Layer> {
    let last = sizes.len() - 2;
    let pairs = sizes.iter().zip(&sizes[1..]).enumerate();
    pairs
        .map(|(at, (&from, &to))| Layer::Dense {
            from,
            to,
            last: at == last,
        })
        .collect()
}

/// Mean and standard deviation of each channel.
fn moments(x: &[f32], sample: usize, channels: usize) -> (Vec<f32>, Vec<f32>) {
    let size = sample / channels;
    let moment = |channel: usize| {
        let of_channel = || {
            x.chunks_exact(sample)
                .flat_map(|x| &x[channel * size..][..size])
        };
        let n = (x.len() / channels).max(1) as f64;
        let mean = of_channel().map(|&v| f64::from(v)).sum::<f64>() / n;
        let square = of_channel()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>()
            / n;
        (mean as f32, (square.sqrt() as f32).max(1e-3))
    };
    (0..channels).map(moment).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_fit_together() {
        let flat = |sample: &[usize]| {
            let x = vec![0.5; 2 * sample.iter().product::<usize>()];
            let network = Network::new(sample, 5, &x, &mut Random(0)).unwrap();
            let dense = network.layers.iter().find_map(|layer| match layer {
                Layer::Dense { from, .. } => Some(*from),
                _ => None,
            });
            (network.layers[0], dense.unwrap())
        };
        let shrunk = (Layer::Shrink(7), 16 * 8 * 8);
        assert_eq!(flat(&[3, 224, 224]), shrunk);
        assert_eq!(
            flat(&[1, 28, 28]),
            (Layer::Convolution { from: 1, to: 8 }, 16 * 7 * 7)
        );
        assert_eq!(flat(&[14]).1, 14);
        assert_eq!(flat(&[3, 4, 40]).1, 480);
        assert!(Network::new(&[2, 3], 5, &[0.0; 6], &mut Random(0)).is_none());
    }

    #[test]
    fn samples_are_scaled_channel_by_channel() {
        let x = [0.0, 1.0, 0.5, 0.5, 1.0, 0.0, 0.5, 0.5];
        let network = Network::new(&[2, 1, 2], 2, &x, &mut Random(0)).unwrap();
        assert_eq!(
            (network.mean.as_slice(), network.std.as_slice()),
            ([0.5, 0.5].as_slice(), [0.5, 1e-3].as_slice())
        );
        assert_eq!(network.scaled(&x[..4]), [-1.0, 1.0, 0.0, 0.0]);
    }
}
