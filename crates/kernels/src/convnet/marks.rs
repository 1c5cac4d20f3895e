//! Where on the tape each value's marks lie: a bit an element, 8 channels of a strip of four rows in a word, or a word an element;
//! of a product both factors, one after the other, and behind what was normalised what it was divided by.

use scoville_convnet::{Act, Kind, Schedule, Work};

use super::params::word;

#[derive(Debug)]
pub(super) struct Marks(Vec<Mark>);

#[derive(Debug)]
struct Mark {
    /// The network's value.
    of: usize,
    channels: usize,
    rows: usize,
    cols: usize,
    kind: Marked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marked {
    Rectified,
    Pooled,
    Bent,
    /// Elements of a sample of both factors.
    Multiplied(usize),
    Normalised,
}

impl Marks {
    pub fn new(forward: &Schedule) -> Marks {
        let marks = forward.steps.iter().filter_map(|step| {
            let (of, kind) = match (step.act, step.work) {
                (Act::Forward { of, .. }, _) => (of, Marked::Rectified),
                (
                    _,
                    Work::Forward {
                        kind: Kind::MaxPool(_),
                        of,
                    },
                ) => (of, Marked::Pooled),
                (
                    _,
                    Work::Forward {
                        kind: Kind::Smooth(_),
                        of,
                    },
                ) => (of, Marked::Bent),
                (
                    _,
                    Work::Forward {
                        kind: Kind::Norm(_),
                        of,
                    },
                ) => (of, Marked::Normalised),
                (
                    _,
                    Work::Forward {
                        kind: Kind::Multiply,
                        of,
                    },
                ) => {
                    let factor = |value: &usize| forward.shapes[*value].iter().product::<usize>();
                    (
                        of,
                        Marked::Multiplied(step.sources.iter().map(factor).sum()),
                    )
                }
                _ => return None,
            };
            let [channels, rows, cols] = forward.shapes[of];
            Some(Mark {
                of,
                channels,
                rows,
                cols,
                kind,
            })
        });
        Marks(marks.collect())
    }

    /// Words that the tape of `samples` takes.
    pub fn words(&self, samples: usize) -> usize {
        self.0.iter().map(|mark| mark.words(samples)).sum()
    }

    /// Where the marks of value `of` begin.
    pub fn at(&self, of: usize, samples: usize) -> u32 {
        let before = self.0.iter().take_while(|mark| mark.of != of);
        word(before.map(|mark| mark.words(samples)).sum())
    }
}

impl Mark {
    fn words(&self, samples: usize) -> usize {
        let words = match self.kind {
            Marked::Rectified => self.channels.div_ceil(8) * self.rows.div_ceil(4),
            Marked::Pooled | Marked::Bent => self.channels * self.rows,
            Marked::Normalised => (self.channels + 1) * self.rows,
            Marked::Multiplied(elements) => return samples * elements,
        };
        samples * words * self.cols
    }
}
