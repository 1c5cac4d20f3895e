//! Decision trees under construction: checks that the nodes are trees, and how deep they are.

use super::forest::{Forest, Node};
use crate::Fault;
use crate::ops::count;
use crate::value::MAX_EXACT;

/// Most levels of a tree.
const MAX_DEPTH: usize = 1000;
/// Most elements of a table of leaves.
const MAX_TABLE: usize = 1 << 26;
/// Most targets that the trees are grouped by.
const MAX_GROUPS: usize = 1024;

/// When a node's condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Leq,
    Lt,
    Gte,
    Gt,
    Eq,
    Neq,
}

/// An inner node as the file has it.
pub(super) struct Branch {
    pub mode: Mode,
    pub feature: usize,
    pub threshold: f64,
    /// Where the condition holds, and where not.
    pub yes: usize,
    pub no: usize,
    pub nan_is_yes: bool,
}

/// Trees under construction: first nodes and leaves in any order, then [`Builder::forest`].
#[derive(Default)]
pub(super) struct Builder {
    nodes: Vec<Option<Node>>,
    /// By node; `None` for inner nodes.
    leaves: Vec<Option<Weights>>,
}

impl Builder {
    /// Room for `len` nodes, which may then be set.
    pub fn new(len: usize) -> Builder {
        Builder {
            nodes: vec![None; len],
            leaves: vec![None; len],
        }
    }

    /// One more node, to be set.
    pub fn add(&mut self) -> usize {
        self.nodes.push(None);
        self.leaves.push(None);
        self.nodes.len() - 1
    }

    /// Makes node `at` a leaf, with a weight for some of the targets.
    pub fn leaf(&mut self, at: usize, weights: Weights) {
        self.set(at, at, at, at, None);
        if let Some(place) = self.leaves.get_mut(at) {
            *place = Some(weights);
        }
    }

    /// Makes node `at` an inner one; one that asks for equality takes two.
    pub fn branch(&mut self, at: usize, branch: Branch) {
        let Branch {
            mode,
            threshold,
            yes,
            no,
            ..
        } = branch;
        let nan = match branch.nan_is_yes || mode == Mode::Neq {
            true => yes,
            false => no,
        };
        let feature = branch.feature;
        let at_most = Some((feature, threshold, false));
        let less = Some((feature, threshold, true));
        match mode {
            Mode::Leq => self.set(at, yes, no, nan, at_most),
            Mode::Gt => self.set(at, no, yes, nan, at_most),
            Mode::Lt => self.set(at, yes, no, nan, less),
            Mode::Gte => self.set(at, no, yes, nan, less),
            Mode::Eq | Mode::Neq => {
                let (same, other) = match mode {
                    Mode::Eq => (yes, no),
                    _ => (no, yes),
                };
                let second = self.add();
                self.set(at, second, other, nan, at_most);
                self.set(second, other, same, nan, less);
            }
        }
    }

    fn set(
        &mut self,
        at: usize,
        below: usize,
        above: usize,
        nan: usize,
        question: Option<(usize, f64, bool)>,
    ) {
        let (feature, threshold, strict) = question.unwrap_or((0, 0.0, false));
        if let Some(place) = self.nodes.get_mut(at) {
            *place = Some(Node {
                feature,
                threshold,
                strict,
                below,
                above,
                nan,
            });
        }
    }

    /// The trees with these roots, for so many targets.
    pub fn forest(self, roots: Vec<usize>, targets: usize) -> Result<Forest, Fault> {
        if roots.is_empty() || targets == 0 {
            return Err(Fault::shape("there are no trees, or no targets"));
        }
        let unset = || Fault::shape("a node is missing");
        let nodes: Vec<Node> = self
            .nodes
            .into_iter()
            .collect::<Option<_>>()
            .ok_or_else(unset)?;
        if nodes.len() as i64 > MAX_EXACT {
            return Err(Fault::Unsupported(
                "a forest of more than 2^24 nodes".into(),
            ));
        }
        let below = Below::of(&nodes, &self.leaves, &roots)?;
        let (leaves, leaf_of) = table(self.leaves, targets)?;
        let features = nodes.iter().map(|node| node.feature).max().unwrap_or(0);
        if features as u64 > MAX_EXACT as u64 {
            return Err(Fault::Unsupported(format!(
                "a tree that asks for feature {features}"
            )));
        }
        let depth = below.iter().map(|below| below.depth).max().unwrap_or(0);
        if depth > MAX_DEPTH {
            return Err(Fault::Unsupported(format!("a tree of {depth} levels")));
        }
        let (trees, roots) = grouped(&below, roots, targets);
        Ok(Forest {
            features: features.saturating_add(1),
            nodes,
            roots,
            trees,
            depth,
            leaf_of,
            leaves,
            targets,
        })
    }
}

/// The weights of a leaf: targets, and what is added to each.
type Weights = Vec<(usize, f32)>;

/// The weights of the leaves alone, and for each node its place among them.
fn table(all: Vec<Option<Weights>>, targets: usize) -> Result<(Vec<Weights>, Vec<usize>), Fault> {
    let mut leaves = Vec::new();
    let mut leaf_of = vec![0; all.len()];
    for (leaf, weights) in leaf_of.iter_mut().zip(all) {
        if let Some(weights) = weights {
            *leaf = leaves.len();
            leaves.push(weights);
        }
    }
    let mut weights = leaves.iter().flatten();
    if weights.any(|&(target, _)| target >= targets) {
        return Err(Fault::shape(format!(
            "a leaf has a weight for a target beyond the {targets}"
        )));
    }
    if count(&[leaves.len(), targets])? > MAX_TABLE {
        let what = format!("{} leaves of {targets} targets", leaves.len());
        return Err(Fault::Unsupported(what));
    }
    Ok((leaves, leaf_of))
}

/// The trees by the one target that each has weights for, and their roots in that order; without targets where one has several.
fn grouped(below: &[Below], roots: Vec<usize>, targets: usize) -> (Vec<Option<usize>>, Vec<usize>) {
    let one: Option<Vec<usize>> = below.iter().map(|below| below.target).collect();
    let Some(one) = one.filter(|_| targets <= MAX_GROUPS) else {
        return (vec![None; roots.len()], roots);
    };
    let mut trees: Vec<(usize, usize)> = one.into_iter().zip(roots).collect();
    trees.sort_by_key(|&(target, _)| target);
    let trees = trees.into_iter().map(|(target, root)| (Some(target), root));
    trees.unzip()
}

/// What lies below a node.
#[derive(Clone, Copy)]
struct Below {
    depth: usize,
    /// The target that each leaf has its one weight for.
    target: Option<usize>,
}

/// How far the search below a node is.
#[derive(Clone, Copy)]
enum Search {
    Open,
    Within,
    Done(Below),
}

impl Below {
    /// What lies below each root; an error where nodes lead in a circle or out of the forest.
    fn of(
        nodes: &[Node],
        leaves: &[Option<Weights>],
        roots: &[usize],
    ) -> Result<Vec<Below>, Fault> {
        let outside = || Fault::shape("a node leads to one that is not there");
        let circle = || Fault::shape("the nodes of a tree form a circle");
        let mut all = vec![Search::Open; nodes.len()];
        let mut stack = roots.to_vec();
        while let Some(&at) = stack.last() {
            let node = nodes.get(at).ok_or_else(outside)?;
            let next = [node.below, node.above, node.nan];
            let found = match (all.get(at), leaves.get(at)) {
                (Some(Search::Done(below)), _) => Search::Done(*below),
                (_, Some(Some(weights))) => Search::Done(Below::leaf(weights)),
                (Some(Search::Open), _) => {
                    for child in next {
                        match all.get(child).ok_or_else(outside)? {
                            Search::Open => stack.push(child),
                            Search::Within => return Err(circle()),
                            Search::Done(_) => {}
                        }
                    }
                    Search::Within
                }
                _ => {
                    Search::Done(Below::join(next.map(|child| all.get(child))).ok_or_else(circle)?)
                }
            };
            if let Search::Done(_) = found {
                stack.pop();
            }
            if let Some(place) = all.get_mut(at) {
                *place = found;
            }
        }
        let below = roots.iter().map(|&root| match all.get(root) {
            Some(Search::Done(below)) => Ok(*below),
            _ => Err(circle()),
        });
        below.collect()
    }

    fn leaf(weights: &[(usize, f32)]) -> Below {
        let target = match weights {
            &[(target, _)] => Some(target),
            _ => None,
        };
        Below { depth: 0, target }
    }

    fn join(next: [Option<&Search>; 3]) -> Option<Below> {
        let next = next.map(|search| match search {
            Some(Search::Done(below)) => Some(*below),
            _ => None,
        });
        let [left, right, nan] = [next[0]?, next[1]?, next[2]?];
        let target = left.target.filter(|_| left.target == right.target);
        Some(Below {
            depth: 1 + left.depth.max(right.depth).max(nan.depth),
            target,
        })
    }
}
