//! What the values of a table's sample stand for: columns as elements in [0, 1].
//!
//! A number is one element, its range brought to [0, 1]. An ordinal category is one element, its code over the last one's.
//! A one-hot category is an element for each, 1 for the one that holds.

use std::ops::Range;

use crate::schema::Way;

/// Most steps of a range: f32 in [0, 1] tells no more of them apart.
pub(crate) const MAX_LEVELS: u32 = 1 << 21;

/// The columns of a table, in the order of the model's inputs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Features {
    pub columns: Vec<Feature>,
    /// What was taken from the data, in words.
    pub notes: Vec<String>,
}

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    pub name: String,
    pub immutable: bool,
    pub(crate) may: Option<Way>,
    pub(crate) domain: Domain,
    pub(crate) model: Model,
}

/// The values that a column can have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Domain {
    /// `low + k * step` for k up to `levels`, any number up to `low + step` where `levels` is 0.
    Number {
        low: f64,
        step: f64,
        levels: u32,
    },
    Code(Vec<String>),
    OneHot(Vec<String>),
}

/// What the model takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Model {
    /// The element.
    Unit,
    /// The number or code, less `mean`, over `std`.
    Number { mean: f64, std: f64 },
}

/// One element of a sample, as an attack sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element {
    /// The element is a multiple of 1 / levels, any number where this is 0.
    pub levels: u32,
    pub may_rise: bool,
    pub may_fall: bool,
    /// How many elements the one-hot group has that begins here; 1 for a number, 0 within a group.
    pub group: u32,
}

/// What the model takes for an element `v`: `((base + unit * q) - mean) / std`, where q is `v * levels`, or `v` where
/// levels is 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub levels: u32,
    pub base: f32,
    pub unit: f32,
    pub mean: f32,
    pub std: f32,
}

/// A feature whose value is another after an attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub feature: String,
    pub before: String,
    pub after: String,
}

impl Scale {
    const NONE: Scale = Scale {
        levels: 0,
        base: 0.0,
        unit: 1.0,
        mean: 0.0,
        std: 1.0,
    };
}

impl Features {
    /// Elements of a sample.
    pub fn width(&self) -> usize {
        self.columns.iter().map(Feature::width).sum()
    }

    pub fn elements(&self) -> Vec<Element> {
        self.columns.iter().flat_map(Feature::elements).collect()
    }

    pub fn scales(&self) -> Vec<Scale> {
        let scales = |f: &Feature| vec![f.scale(); f.width()];
        self.columns.iter().flat_map(scales).collect()
    }

    /// Columns with the place of their elements.
    fn places(&self) -> impl Iterator<Item = (&Feature, Range<usize>)> {
        let mut at = 0;
        self.columns.iter().map(move |feature| {
            let place = at..at + feature.width();
            at = place.end;
            (feature, place)
        })
    }

    /// What differs between two samples, as the file would have it.
    pub fn changes(&self, before: &[f32], after: &[f32]) -> Vec<Change> {
        let changes = self.places().filter_map(|(feature, place)| {
            let before = feature.word(before.get(place.clone())?);
            let after = feature.word(after.get(place)?);
            (before != after).then(|| Change {
                feature: feature.name.clone(),
                before,
                after,
            })
        });
        changes.collect()
    }

    /// How many columns there are of which kind: `14 features, 8 of them categorical; 3 immutable`.
    pub fn describe(&self) -> String {
        let count = |f: fn(&&Feature) -> bool| self.columns.iter().filter(f).count();
        let choices = count(|f| !matches!(f.domain, Domain::Number { .. }));
        let whole = count(|f| matches!(f.domain, Domain::Number { levels: 1.., .. }));
        let fixed = count(|f| f.immutable);
        let one_way = count(|f| f.may.is_some());
        let mut words = format!(
            "{} features in {} elements: {choices} categorical, {whole} in steps, {fixed} immutable",
            self.columns.len(),
            self.width()
        );
        if one_way > 0 {
            words.push_str(&format!(", {one_way} of one direction"));
        }
        words
    }
}

impl Feature {
    pub(crate) fn width(&self) -> usize {
        match &self.domain {
            Domain::OneHot(categories) => categories.len(),
            _ => 1,
        }
    }

    fn levels(&self) -> u32 {
        match &self.domain {
            Domain::Number { levels, .. } => *levels,
            Domain::Code(categories) => categories.len() as u32 - 1,
            Domain::OneHot(_) => 1,
        }
    }

    fn elements(&self) -> Vec<Element> {
        let width = self.width();
        let element = |i| Element {
            levels: self.levels(),
            may_rise: !self.immutable && self.may != Some(Way::Fall),
            may_fall: !self.immutable && self.may != Some(Way::Rise),
            group: if i == 0 { width as u32 } else { 0 },
        };
        (0..width).map(element).collect()
    }

    fn scale(&self) -> Scale {
        let Model::Number { mean, std } = self.model else {
            return Scale::NONE;
        };
        let (base, unit) = match self.domain {
            Domain::Number { low, step, .. } => (low as f32, step as f32),
            _ => (0.0, 1.0),
        };
        Scale {
            levels: self.levels(),
            base,
            unit,
            mean: mean as f32,
            std: std as f32,
        }
    }

    /// The elements of a cell: the place in its range of a number, or the number of a category.
    pub(crate) fn spread(&self, cell: f32, values: &mut Vec<f32>) {
        match &self.domain {
            Domain::Number { .. } => values.push(cell),
            Domain::Code(categories) => values.push(cell / (categories.len() - 1) as f32),
            Domain::OneHot(categories) => {
                let hot = |i| f32::from(u8::from(i == cell as usize));
                values.extend((0..categories.len()).map(hot));
            }
        }
    }

    /// The value that the elements stand for, as the file would have it.
    fn word(&self, elements: &[f32]) -> String {
        let first = elements.first().copied().unwrap_or_default();
        match &self.domain {
            Domain::Number { low, step, levels } => {
                let number = low + step * steps(first, *levels);
                // As many digits as f32 tells apart.
                format!("{}", number as f32)
            }
            Domain::Code(categories) => name(categories, steps(first, self.levels()) as usize),
            Domain::OneHot(categories) => {
                let hot = elements.iter().position(|&v| v > 0.5);
                name(categories, hot.unwrap_or(categories.len()))
            }
        }
    }
}

/// How many steps an element is up its range.
fn steps(element: f32, levels: u32) -> f64 {
    match levels {
        0 => f64::from(element),
        levels => (f64::from(element) * f64::from(levels)).round(),
    }
}

fn name(categories: &[String], at: usize) -> String {
    categories.get(at).cloned().unwrap_or_else(|| "none".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(name: &str, domain: Domain, model: Model) -> Feature {
        Feature {
            name: name.into(),
            immutable: false,
            may: None,
            domain,
            model,
        }
    }

    fn three() -> Features {
        let words = |all: &[&str]| all.iter().map(ToString::to_string).collect();
        let raw = Model::Number {
            mean: 0.0,
            std: 1.0,
        };
        let age = Domain::Number {
            low: 17.0,
            step: 1.0,
            levels: 73,
        };
        let code = Domain::Code(words(&["low", "mid", "high"]));
        let hot = Domain::OneHot(words(&["F", "M"]));
        Features {
            columns: vec![
                feature("age", age, raw),
                feature("degree", code, raw),
                Feature {
                    immutable: true,
                    ..feature("sex", hot, Model::Unit)
                },
            ],
            notes: Vec::new(),
        }
    }

    #[test]
    fn changes_are_in_the_words_of_the_file() {
        let features = three();
        let mut sample = Vec::new();
        for (feature, cell) in features.columns.iter().zip([22.0 / 73.0, 2.0, 1.0]) {
            feature.spread(cell, &mut sample);
        }
        assert_eq!(sample, [22.0 / 73.0, 1.0, 0.0, 1.0]);
        let after = [23.0 / 73.0, 0.5, 0.0, 1.0];
        let changes = features.changes(&sample, &after);
        let words: Vec<_> = changes
            .iter()
            .map(|c| format!("{}: {} -> {}", c.feature, c.before, c.after))
            .collect();
        assert_eq!(words, ["age: 39 -> 40", "degree: high -> mid"]);
        assert_eq!(features.changes(&sample, &sample), []);
    }

    #[test]
    fn elements_say_what_may_change() {
        let features = three();
        let elements = features.elements();
        let groups: Vec<u32> = elements.iter().map(|e| e.group).collect();
        assert_eq!((features.width(), groups), (4, vec![1, 1, 2, 0]));
        assert!(elements[0].may_rise && !elements[2].may_rise && !elements[3].may_fall);
        assert_eq!(elements[1].levels, 2);
        let scales = features.scales();
        assert_eq!((scales[0].base, scales[0].unit), (17.0, 1.0));
        assert_eq!(scales[3], Scale::NONE);
        let words = "3 features in 4 elements: 2 categorical, 1 in steps, 1 immutable";
        assert_eq!(features.describe(), words);
    }
}
