//! Changes of single letters, as typing errors make them.

use scoville_kernels::philox::{key, philox4x32};
use scoville_text::core;

/// Random numbers of one sample and one purpose.
pub struct Draws {
    key: [u32; 2],
    counter: [u32; 4],
}

impl Draws {
    pub fn new(seed: u64, id: u32, purpose: u32) -> Self {
        Self {
            key: key(seed),
            counter: [0, id, purpose, 0x7e47],
        }
    }

    /// A number below `n`, 0 where `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        let [word, ..] = philox4x32(self.counter, self.key);
        self.counter[0] = self.counter[0].wrapping_add(1);
        ((u64::from(word) * n as u64) >> 32) as usize
    }

    /// The numbers below `n` in random order.
    pub fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for at in (1..n).rev() {
            order.swap(at, self.below(at + 1));
        }
        order
    }
}

/// What happens to one letter of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typo {
    /// It changes places with the next.
    Swap,
    /// A random one stands in its place.
    Substitute,
    Delete,
    /// A random one is put before it.
    Insert,
}

pub const TYPOS: [Typo; 4] = [Typo::Swap, Typo::Substitute, Typo::Delete, Typo::Insert];

/// `word` with one letter changed, between its first letter or digit and its last; `None` where that leaves it as it was or takes
/// all of it.
pub fn typo(word: &str, kind: Typo, draws: &mut Draws) -> Option<String> {
    let place = core(word);
    let (before, inner, after) = (
        word.get(..place.start)?,
        word.get(place.clone())?,
        word.get(place.end..)?,
    );
    let mut letters: Vec<char> = inner.chars().collect();
    let n = letters.len();
    let random = |draws: &mut Draws| char::from(b'a' + draws.below(26) as u8);
    match kind {
        _ if n == 0 => return None,
        Typo::Swap if n < 2 => return None,
        Typo::Swap => {
            let at = draws.below(n - 1);
            letters.swap(at, at + 1);
        }
        Typo::Substitute => {
            let at = draws.below(n);
            letters[at] = random(draws);
        }
        Typo::Delete if n < 2 => return None,
        Typo::Delete => {
            letters.remove(draws.below(n));
        }
        Typo::Insert => {
            let at = draws.below(n + 1);
            letters.insert(at, random(draws));
        }
    }
    let changed: String = letters.into_iter().collect();
    (changed != inner).then(|| format!("{before}{changed}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_changes_one_letter_and_no_punctuation() {
        for id in 0..200 {
            for kind in TYPOS {
                let Some(changed) = typo("(word)", kind, &mut Draws::new(1, id, 0)) else {
                    continue;
                };
                let inner = changed
                    .strip_prefix('(')
                    .unwrap()
                    .strip_suffix(')')
                    .unwrap();
                let length = match kind {
                    Typo::Swap | Typo::Substitute => 4,
                    Typo::Delete => 3,
                    Typo::Insert => 5,
                };
                assert_eq!(inner.chars().count(), length, "{changed}");
                assert_ne!(inner, "word");
            }
        }
    }

    #[test]
    fn what_has_no_letters_stays() {
        let draws = || Draws::new(1, 2, 3);
        assert_eq!(typo("--", Typo::Insert, &mut draws()), None);
        assert_eq!(typo("a", Typo::Delete, &mut draws()), None);
        assert_eq!(typo("aa", Typo::Swap, &mut draws()), None);
        assert!(typo("é", Typo::Insert, &mut draws()).is_some());
    }

    #[test]
    fn draws_are_even_and_an_order_holds_all() {
        let mut draws = Draws::new(3, 1, 0);
        let mut seen = [0; 5];
        for _ in 0..5000 {
            seen[draws.below(5)] += 1;
        }
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
        let mut order = draws.order(9);
        order.sort_unstable();
        assert_eq!(order, (0..9).collect::<Vec<_>>());
    }
}
