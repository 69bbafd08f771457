//! Who pays for which gas.
//!
//! Each order pays for its own trade, for an equal part of the settlement, and for the swaps that what it sells goes through: a
//! swap's gas is shared in proportion to whose tokens it trades. Tokens of one kind are mixed where they meet, so whose a swap's
//! output is, is whose its input was. A matched order pays for no swap.

use ballast_routing::Token;
use rustc_hash::FxHashMap;

use crate::batch::step::Step;

/// Rounds of mixing: cycles return what they took, a little less each time.
const ROUNDS: usize = 60;
/// A change of nobody's part worth another round.
const SETTLED: f64 = 1e-7;

/// The gas of the swaps that each order pays for. `gas` is that of each step; `sold` what each order sells, in atoms.
pub(super) fn shares(steps: &[Step], gas: impl Fn(&Step) -> f64, sold: &[(Token, f64)]) -> Vec<f64> {
    let n = sold.len();
    let mut number: FxHashMap<Token, usize> = FxHashMap::default();
    for token in steps.iter().flat_map(|s| [s.input, s.output]).chain(sold.iter().map(|s| s.0)) {
        let next = number.len();
        number.entry(token).or_insert(next);
    }
    let at = |token: &Token| number.get(token).copied().unwrap_or_default();
    let mut brought = vec![0.0; number.len()];
    for (token, amount) in steps.iter().map(|s| (&s.output, s.y)).chain(sold.iter().map(|(t, amount)| (t, *amount))) {
        brought[at(token)] += amount;
    }
    // Whose each token is, row by row.
    let mut whose = vec![0.0; number.len() * n];
    for _ in 0..ROUNDS {
        let mut next = vec![0.0; whose.len()];
        for (k, (token, amount)) in sold.iter().enumerate() {
            let t = at(token);
            next[t * n + k] += amount / brought[t];
        }
        for step in steps {
            let (from, to) = (at(&step.input), at(&step.output));
            let part = step.y / brought[to];
            for k in 0..n {
                next[to * n + k] += part * whose[from * n + k];
            }
        }
        let change = whose.iter().zip(&next).fold(0.0_f64, |most, (a, b)| most.max((a - b).abs()));
        whose = next;
        if change < SETTLED {
            break;
        }
    }
    let mut shares = vec![0.0; n];
    for step in steps {
        let row = at(&step.input) * n;
        let owned = &whose[row..row + n];
        let total: f64 = owned.iter().sum();
        for (share, part) in shares.iter_mut().zip(owned) {
            // A cycle that nobody funds is paid for by all.
            *share += gas(step) * if total > 1e-6 { part / total } else { 1.0 / n as f64 };
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(input: Token, output: Token, x: f64) -> Step {
        Step { pool: 0, input, output, x, y: x }
    }

    #[test]
    fn swaps_are_paid_for_by_whose_tokens_they_trade() {
        // Two sell token 0, three to one; all of it goes on to token 2, where a third order's goes as well.
        let steps = [step(0, 1, 4.0), step(1, 2, 4.0), step(3, 2, 1.0)];
        let shares = shares(&steps, |_| 100.0, &[(0, 3.0), (0, 1.0), (3, 1.0), (2, 5.0)]);
        assert_eq!(shares, [150.0, 50.0, 100.0, 0.0]);
    }

    #[test]
    fn the_gas_of_a_cycle_is_paid_as_well() {
        let steps = [step(0, 1, 4.0), step(1, 0, 2.0), step(1, 2, 2.0)];
        let shares = shares(&steps, |_| 100.0, &[(0, 2.0)]);
        assert!((shares[0] - 300.0).abs() < 1e-9, "{shares:?}");
    }
}
