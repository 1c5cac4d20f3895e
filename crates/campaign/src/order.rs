//! The order in which samples are taken, and seeds derived from the run's.

/// A seeded permutation of `0..n` (Fisher-Yates): data sets are often sorted, and the anytime-valid intervals need
/// samples in random order. Ids, of four bytes each.
pub fn shuffled(n: usize, seed: u64) -> Vec<u32> {
    let mut state = seed;
    let mut order: Vec<u32> = (0..n as u32).collect();
    for i in (1..n).rev() {
        let j = (u128::from(splitmix(&mut state)) * (i as u128 + 1)) >> 64;
        order.swap(i, j as usize);
    }
    order
}

/// Of `n` samples the last `k` in the order of `seed`, or all where there are fewer: a run with as many
/// [`aside`](crate::Plan::aside) attacks the others.
pub fn set_aside(n: usize, seed: u64, k: usize) -> Vec<usize> {
    let last = shuffled(n, seed).into_iter().skip(n.saturating_sub(k));
    last.map(|id| id as usize).collect()
}

/// A seed for one attack at one eps, so that no two share random numbers.
pub fn attack_seed(seed: u64, attack: &str, eps: f64) -> u64 {
    let mut state = seed ^ eps.to_bits();
    for byte in attack.bytes() {
        state = splitmix(&mut state) ^ u64::from(byte);
    }
    splitmix(&mut state)
}

/// SplitMix64 (Steele, Lea & Flood 2014).
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_is_a_permutation_and_depends_on_the_seed() {
        for n in [0, 1, 2, 100u32] {
            let mut order = shuffled(n as usize, 7);
            order.sort_unstable();
            assert_eq!(order, (0..n).collect::<Vec<_>>());
        }
        assert_ne!(shuffled(100, 1), shuffled(100, 2));
        assert_eq!(shuffled(100, 1), shuffled(100, 1));
    }

    #[test]
    fn what_is_set_aside_is_the_end_of_the_order() {
        let last: Vec<usize> = shuffled(9, 3)[5..].iter().map(|&id| id as usize).collect();
        assert_eq!(set_aside(9, 3, 4), last);
        assert_eq!(set_aside(3, 3, 4).len(), 3);
    }

    #[test]
    fn every_place_is_equally_likely() {
        // Where sample 0 of 5 lands over 10,000 seeds: 2,000 each, 6 standard deviations of room.
        let mut places = [0; 5];
        for seed in 0..10_000 {
            places[shuffled(5, seed).iter().position(|&i| i == 0).unwrap()] += 1;
        }
        assert!(
            places.iter().all(|&count| (1760..=2240).contains(&count)),
            "{places:?}"
        );
    }

    #[test]
    fn attacks_and_budgets_have_seeds_of_their_own() {
        let seeds = [
            attack_seed(0, "pgd", 0.1),
            attack_seed(0, "pgd", 0.2),
            attack_seed(0, "bim", 0.1),
            attack_seed(1, "pgd", 0.1),
        ];
        for (i, a) in seeds.iter().enumerate() {
            assert!(seeds[..i].iter().all(|b| b != a));
        }
    }
}
