//! Chains of steps that one kernel can compute: a convolution or matrix product, with the addition
//! and the rectifier behind it.

use std::collections::BTreeMap;

use crate::step::Slot;

/// What a chain is made of: a step's operator, and the slots that it reads and makes.
pub(crate) struct Link<'a> {
    pub op: &'a str,
    pub inputs: Vec<Slot>,
    pub output: Option<Slot>,
}

/// The operators that start a chain, and those that may follow, in order, each at most once.
const STARTS: [&str; 4] = ["Conv", "ConvTranspose", "Gemm", "MatMul"];
const FOLLOW: [&[&str]; 2] = [&["Add"], &["Relu", "LeakyRelu", "Clip"]];

/// The chains of two or more steps, as indices of steps; a value between two links has no other
/// reader, and is no target.
pub(crate) fn chains(links: &[Link], targets: &[Slot]) -> Vec<Vec<usize>> {
    let mut readers: BTreeMap<Slot, Vec<usize>> = BTreeMap::new();
    for (i, link) in links.iter().enumerate() {
        for &slot in &link.inputs {
            readers.entry(slot).or_default().push(i);
        }
    }
    let next = |i: usize| {
        let output = links
            .get(i)?
            .output
            .filter(|slot| !targets.contains(slot))?;
        match readers.get(&output).map(Vec::as_slice) {
            Some(&[reader]) => Some(reader),
            _ => None,
        }
    };
    let mut taken = vec![false; links.len()];
    let mut chains = Vec::new();
    for (start, link) in links.iter().enumerate() {
        if !STARTS.contains(&link.op) {
            continue;
        }
        let mut chain = vec![start];
        let mut last = start;
        for allowed in FOLLOW {
            let follower = next(last).filter(|&i| {
                let fits = links.get(i).is_some_and(|link| allowed.contains(&link.op));
                fits && taken.get(i) == Some(&false)
            });
            if let Some(follower) = follower {
                chain.push(follower);
                last = follower;
            }
        }
        if chain.len() > 1 {
            for &i in &chain {
                if let Some(place) = taken.get_mut(i) {
                    *place = true;
                }
            }
            chains.push(chain);
        }
    }
    chains
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link<'a>(op: &'a str, inputs: &[Slot], output: Slot) -> Link<'a> {
        Link {
            op,
            inputs: inputs.to_vec(),
            output: Some(output),
        }
    }

    #[test]
    fn residual_block() {
        let links = [
            link("Conv", &[0], 1),
            link("Relu", &[1], 2),
            link("Conv", &[2], 3),
            link("Add", &[3, 0], 4),
            link("Relu", &[4], 5),
            link("Gemm", &[5], 6),
        ];
        assert_eq!(chains(&links, &[6]), [vec![0, 1], vec![2, 3, 4]]);
    }

    #[test]
    fn two_convolutions_meet_in_one_addition() {
        let links = [
            link("Conv", &[0], 1),
            link("Conv", &[0], 2),
            link("Add", &[1, 2], 3),
        ];
        assert_eq!(chains(&links, &[3]), [vec![0, 2]]);
    }

    #[test]
    fn values_that_others_need_end_a_chain() {
        let links = [
            link("Conv", &[0], 1),
            link("Relu", &[1], 2),
            link("Sigmoid", &[1], 3),
            link("Conv", &[3], 4),
            link("Relu", &[4], 5),
        ];
        assert_eq!(chains(&links, &[4, 5]), Vec::<Vec<usize>>::new());
    }
}
