//! TfIdfVectorizer: how often each n-gram of a pool stands in a row of tokens, its items next to
//! each other or up to `max_skip_count` apart. Mode TF gives the counts, TFIDF the counts times the
//! weights, IDF the weights of those that occur. Like onnxruntime it counts 1-grams once.

use std::collections::HashMap;

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::matrix;
use crate::Fault;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Elements, Fact, Facts, Values, read};

/// Most steps through the pool that one run takes.
const MAX_STEPS: usize = 1 << 30;

enum Mode {
    Tf,
    Idf,
    TfIdf,
}

struct TfIdfVectorizer {
    mode: Mode,
    /// By n-gram.
    weights: Option<Vec<f32>>,
    min: usize,
    max: usize,
    skips: usize,
    pool: Pool,
    /// The output of each n-gram.
    indexes: Vec<usize>,
    width: usize,
}

/// The tokens of the pool, numbered, and the n-grams as a trie over those numbers.
struct Pool {
    texts: HashMap<String, u32>,
    ints: HashMap<i64, u32>,
    children: HashMap<(u32, u32), u32>,
    /// By node; node 0 is the root.
    ngrams: Vec<Option<usize>>,
}

impl Pool {
    fn new() -> Pool {
        Pool {
            texts: HashMap::new(),
            ints: HashMap::new(),
            children: HashMap::new(),
            ngrams: vec![None],
        }
    }

    /// Adds n-gram number `id`; false where it is there already.
    fn insert(&mut self, tokens: &[u32], id: usize) -> bool {
        let mut node = 0;
        for &token in tokens {
            let next = self.ngrams.len() as u32;
            node = *self.children.entry((node, token)).or_insert(next);
            if node == next {
                self.ngrams.push(None);
            }
        }
        match self.ngrams.get_mut(node as usize) {
            Some(place @ None) => {
                *place = Some(id);
                true
            }
            _ => false,
        }
    }
}

/// A number for each token, the same for the same token.
fn number<T: Clone + Eq + std::hash::Hash>(tokens: &[T]) -> (HashMap<T, u32>, Vec<u32>) {
    let mut numbers = HashMap::new();
    let number = |token: &T| {
        let next = numbers.len() as u32;
        *numbers.entry(token.clone()).or_insert(next)
    };
    let tokens = tokens.iter().map(number).collect();
    (numbers, tokens)
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let attributes = &node.attributes;
    let bad = |what: &str| Fault::shape(format!("attribute {what}"));
    let mode = match attributes.string("mode")?.unwrap_or_default() {
        "TF" => Mode::Tf,
        "IDF" => Mode::Idf,
        "TFIDF" => Mode::TfIdf,
        other => return Err(Fault::Unsupported(format!("mode {other:?}"))),
    };
    let size = |name: &str| {
        let size = usize::try_from(attributes.int_or(name, -1)?);
        size.map_err(|_| bad(&format!("{name} is missing or negative")))
    };
    let (min, max) = (size("min_gram_length")?, size("max_gram_length")?);
    let counts = attributes.ints("ngram_counts")?.unwrap_or_default();
    if min == 0 || min > max || max > counts.len() {
        return Err(bad(
            "min_gram_length, max_gram_length and ngram_counts do not fit",
        ));
    }
    let indexes = attributes.ints("ngram_indexes")?.unwrap_or_default();
    let indexes = indexes.iter().map(|&index| usize::try_from(index).ok());
    let indexes: Option<Vec<usize>> = indexes.collect();
    let indexes = indexes.ok_or_else(|| bad("ngram_indexes has a negative entry"))?;
    let width = indexes.iter().max().and_then(|max| max.checked_add(1));
    let weights = attributes.floats("weights")?.map(<[f32]>::to_vec);
    if weights
        .as_ref()
        .is_some_and(|weights| weights.len() != indexes.len())
    {
        return Err(bad("weights has not as many entries as ngram_indexes"));
    }
    let mut pool = Pool::new();
    let texts = attributes.strings("pool_strings")?.unwrap_or_default();
    let ints = attributes.ints("pool_int64s")?.unwrap_or_default();
    let tokens = match (texts, ints) {
        (texts, []) => {
            let (numbers, tokens) = number(texts);
            pool.texts = numbers;
            tokens
        }
        ([], ints) => {
            let (numbers, tokens) = number(ints);
            pool.ints = numbers;
            tokens
        }
        _ => return Err(bad("pool_strings and pool_int64s are both given")),
    };
    let ngrams = fill(&mut pool, &tokens, counts, min..=max)?;
    if ngrams > indexes.len() {
        return Err(bad("ngram_indexes has fewer entries than the pool n-grams"));
    }
    Ok(Box::new(TfIdfVectorizer {
        mode,
        weights: weights.filter(|weights| !weights.is_empty()),
        min,
        max,
        skips: size("max_skip_count")?,
        pool,
        indexes,
        width: width.ok_or_else(|| bad("ngram_indexes is missing"))?,
    }))
}

/// Puts the n-grams of the lengths wanted into the pool; how many there are of any length.
fn fill(
    pool: &mut Pool,
    tokens: &[u32],
    counts: &[i64],
    wanted: std::ops::RangeInclusive<usize>,
) -> Result<usize, Fault> {
    let bad = || Fault::shape("attribute ngram_counts does not fit the pool");
    let mut id = 0;
    for (i, &start) in counts.iter().enumerate() {
        let start = usize::try_from(start).map_err(|_| bad())?;
        let end = match counts.get(i + 1) {
            Some(&end) => usize::try_from(end).map_err(|_| bad())?,
            None => tokens.len(),
        };
        let all = tokens.get(start..end).ok_or_else(bad)?;
        if all.len() % (i + 1) != 0 {
            return Err(bad());
        }
        for ngram in all.chunks_exact(i + 1) {
            if wanted.contains(&(i + 1)) && !pool.insert(ngram, id) {
                return Err(Fault::shape("the pool holds an n-gram twice"));
            }
            id += 1;
        }
    }
    Ok(id)
}

impl TfIdfVectorizer {
    /// How often the n-grams stand in a row of tokens; tokens outside the pool are `None`.
    fn count(&self, row: &[Option<u32>], counts: &mut [f32]) {
        let mut hit = |node: u32| {
            let id = self.pool.ngrams.get(node as usize).copied().flatten();
            let output = id.and_then(|id| self.indexes.get(id));
            if let Some((id, count)) = id.zip(output.and_then(|&output| counts.get_mut(output))) {
                *count = match self.mode {
                    Mode::Tf => *count + 1.0,
                    Mode::Idf => self.weight(id),
                    Mode::TfIdf => *count + self.weight(id),
                };
            }
        };
        let step = |node: u32, token: Option<u32>| self.pool.children.get(&(node, token?)).copied();
        if self.min == 1 {
            row.iter()
                .filter_map(|&token| step(0, token))
                .for_each(&mut hit);
        }
        if self.max == 1 {
            return;
        }
        for distance in 1..=self.distances(row.len()) {
            for start in 0..row.len() {
                let mut node = 0;
                let items = row.iter().skip(start).step_by(distance).take(self.max);
                for (i, &token) in items.enumerate() {
                    match step(node, token) {
                        Some(next) => node = next,
                        None => break,
                    }
                    if i + 1 >= self.min.max(2) {
                        hit(node);
                    }
                }
            }
        }
    }

    /// The distances between the items of an n-gram that fit into a row.
    fn distances(&self, columns: usize) -> usize {
        self.skips.saturating_add(1).min(columns)
    }

    fn weight(&self, ngram: usize) -> f32 {
        let weight = |weights: &Vec<f32>| weights.get(ngram).copied();
        self.weights.as_ref().and_then(weight).unwrap_or(1.0)
    }

    fn tokens(&self, elements: &Elements) -> Vec<Option<u32>> {
        let ints = |value: i64| self.pool.ints.get(&value).copied();
        match elements {
            Elements::Text(texts) => texts
                .iter()
                .map(|t| self.pool.texts.get(t).copied())
                .collect(),
            Elements::Int(values) => values.iter().map(|&value| ints(value)).collect(),
            Elements::Float(values) => values.iter().map(|&value| ints(value as i64)).collect(),
        }
    }
}

/// Rows and columns; a single token is a row.
fn rows_and_columns(shape: &[usize]) -> Result<[usize; 2], Fault> {
    match shape {
        [] => Ok([1, 1]),
        shape => matrix::of(shape),
    }
}

impl<B: Backend> Operator<B> for TfIdfVectorizer {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.any(0)?;
        let text = x.dtype == DType::String;
        if x.is_float() || text != self.pool.ints.is_empty() {
            return Err(Fault::shape(format!("the pool does not hold {}", x.dtype)));
        }
        if text && !x.is_known() {
            let what = "must be text that does not depend on the model's input";
            return Err(Fault::Input { index: 0, what });
        }
        let [rows, columns] = rows_and_columns(x.shape())?;
        let steps = [rows, columns, self.distances(columns), self.max];
        if count(&steps)? > MAX_STEPS {
            let what = "so long a row with so many skips";
            return Err(Fault::Unsupported(what.into()));
        }
        Ok(vec![Fact::float(match x.shape() {
            [_, _] => vec![rows, self.width],
            _ => vec![self.width],
        })])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let [rows, columns] = rows_and_columns(&inputs.shape(0)?)?;
        let tokens = match inputs.fact(0).and_then(Fact::elements) {
            Some(elements) => self.tokens(elements),
            None if columns == 0 => Vec::new(),
            None => self.tokens(&Elements::Float(read::<B>(inputs.tensor(0)?)?)),
        };
        let mut counts = vec![0.0; count(&[rows, self.width])?];
        for (i, counts) in counts.chunks_exact_mut(self.width).enumerate() {
            let row = tokens.get(i * columns..(i + 1) * columns);
            self.count(row.unwrap_or_default(), counts);
        }
        let shape = outputs.first().map(Fact::shape).unwrap_or_default();
        Ok(vec![inputs.upload(shape, counts)])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints, texts};

    fn case(mode: &str, min: i64, max: i64, skips: i64) -> Case {
        Case::new("TfIdfVectorizer")
            .string("mode", mode)
            .int("min_gram_length", min)
            .int("max_gram_length", max)
            .int("max_skip_count", skips)
    }

    fn numbers(mode: &str, min: i64, max: i64, skips: i64) -> Case {
        case(mode, min, max, skips)
            .ints("ngram_counts", &[0, 4])
            .ints("ngram_indexes", &[0, 1, 2, 3, 4, 5, 6])
            .ints("pool_int64s", &[2, 3, 5, 4, 5, 6, 7, 8, 6, 7])
    }

    #[test]
    fn counts() {
        let row = || ints(&[12], &[1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8]);
        let near = [0.0, 3.0, 1.0, 0.0, 1.0, 1.0, 1.0];
        numbers("TF", 1, 2, 0).constant(row()).gives(&[7], &near);
        numbers("TF", 1, 2, 0).input(row()).gives(&[7], &near);
        let far = [0.0, 3.0, 1.0, 0.0, 1.0, 3.0, 1.0];
        numbers("TF", 1, 2, 5).constant(row()).gives(&[7], &far);
        let pairs = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        numbers("TF", 2, 2, 0).constant(row()).gives(&[7], &pairs);
        let rows = ints(&[2, 2], &[3, 3, 5, 6]);
        let counts = [
            0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0,
        ];
        numbers("TF", 1, 2, 0).input(rows).gives(&[2, 7], &counts);
        let none = numbers("TF", 1, 2, 0).constant(ints(&[1, 0], &[]));
        none.gives(&[1, 7], &[0.0; 7]);
    }

    #[test]
    fn weights() {
        let words = |mode| {
            case(mode, 1, 1, 0)
                .ints("ngram_counts", &[0])
                .ints("ngram_indexes", &[1, 0, 2])
                .strings("pool_strings", &["a", "b", "c"])
                .floats("weights", &[2.0, 3.0, 4.0])
                .constant(texts(&[4], &["a", "b", "a", "d"]))
        };
        words("TF").gives(&[3], &[1.0, 2.0, 0.0]);
        words("IDF").gives(&[3], &[3.0, 2.0, 0.0]);
        words("TFIDF").gives(&[3], &[3.0, 4.0, 0.0]);
    }

    #[test]
    fn faults() {
        case("X", 1, 1, 0).fails("mode \"X\"");
        case("TF", 1, 1, 0).fails("ngram_counts do not fit");
        let counted = |counts: &[i64], indexes: &[i64], pool: &[i64]| {
            case("TF", 1, 1, 0)
                .ints("ngram_counts", counts)
                .ints("ngram_indexes", indexes)
                .ints("pool_int64s", pool)
        };
        counted(&[5], &[0], &[1]).fails("does not fit the pool");
        counted(&[-1], &[0], &[1]).fails("does not fit the pool");
        counted(&[0, 0], &[0], &[1]).fails("does not fit the pool");
        counted(&[0], &[], &[1]).fails("fewer entries");
        counted(&[0], &[-1], &[1]).fails("negative entry");
        counted(&[0], &[0, 1], &[1, 1]).fails("an n-gram twice");
        let one = || counted(&[0], &[0], &[1]);
        one()
            .floats("weights", &[1.0, 2.0])
            .fails("weights has not");
        one()
            .constant(texts(&[1], &["a"]))
            .fails("the pool does not hold");
        one()
            .input(floats(&[1], &[1.0]))
            .fails("the pool does not hold");
        one()
            .input(ints(&[1, 1, 1], &[1]))
            .fails("neither a row nor a matrix");
        one()
            .strings("pool_strings", &["a"])
            .fails("are both given");
    }
}
