//! What a market of three coins and more earns by the swaps that it takes.
//!
//! A plan trades such a market by swaps of two coins, each with its gas. Coins that swaps connect are one more than those swaps at the most,
//! and so many swaps move twice as many coins at the most, in groups that are not connected. What moves all of those at once earns
//! no less. Where groups leave each other as they are, they earn what each does by itself.

use arrayvec::ArrayVec;

use crate::curve::{MAX_COINS, Response};
use crate::market::Block;
use crate::view::View;

/// One for each swap.
pub(super) type PerSwap<T> = ArrayVec<T, { MAX_COINS - 1 }>;

/// What each swap of a larger market adds to what it earns at most at `prices`, one after another, none more than the one before: as far as
/// that is more than the `gas` of one.
pub(super) fn added(view: &View, block: &Block, prices: &[f64], gas: f64) -> PerSwap<f64> {
    if block.spread(|t| prices[t as usize]).is_none() {
        return PerSwap::new();
    }
    let curve = view.markets.curve(block.market);
    let prices: ArrayVec<f64, MAX_COINS> = block.tokens.iter().map(|&t| prices[t as usize]).collect();
    let mut response = Response::default();
    let earned = |coins: u8| {
        curve.respond(&prices, coins, &mut response);
        response.value(&prices)
    };
    slopes(&most(block.allowed, curve.is_separable(), gas, earned), gas)
}

/// What is earned at the most with one swap, with two, and so on, until more swaps add no more than `gas`: `earned` says what moving
/// some of the `coins` does.
fn most(coins: u8, is_separable: bool, gas: f64, mut earned: impl FnMut(u8) -> f64) -> PerSwap<f64> {
    let n = coins.count_ones() as usize;
    let all = earned(coins);
    // By the coins that are moved.
    let mut by_coins = [0.0; 1 << MAX_COINS];
    // The most of so many.
    let mut look = |moved: usize, by_coins: &mut [f64]| {
        let choices = (1..=coins).filter(|mask| mask & !coins == 0 && mask.count_ones() as usize == moved);
        choices.fold(0.0, |most, mask| {
            by_coins[mask as usize] = if mask == coins { all } else { earned(mask) };
            f64::max(most, by_coins[mask as usize])
        })
    };
    let mut most = PerSwap::new();
    let mut before = 0.0;
    for swaps in 1..n {
        let now = if is_separable {
            look(swaps + 1, &mut by_coins);
            groups(&by_coins, coins, swaps)
        } else {
            look(n.min(2 * swaps), &mut by_coins)
        };
        before = f64::max(before, now);
        most.push(before);
        if all - before <= gas {
            break;
        }
    }
    most
}

/// The most that `coins` earn in groups, each connected by swaps, with so many `swaps` in all.
fn groups(by_coins: &[f64], coins: u8, swaps: usize) -> f64 {
    if swaps == 0 || coins.count_ones() < 2 {
        return 0.0;
    }
    let first = coins & coins.wrapping_neg();
    let others = coins ^ first;
    let with = (1..=others).filter(|mask| mask & !others == 0 && mask.count_ones() as usize <= swaps);
    let with =
        with.map(|mask| by_coins[(first | mask) as usize] + groups(by_coins, others ^ mask, swaps - mask.count_ones() as usize));
    with.fold(groups(by_coins, others, swaps), f64::max)
}

/// What each swap adds, where they may be had for a part: the slopes of the least concave function above, as far as they are more than `gas`.
fn slopes(most: &[f64], gas: f64) -> PerSwap<f64> {
    let mut slopes = PerSwap::new();
    let (mut taken, mut earned) = (0, 0.0);
    while taken < most.len() {
        let slope = |swaps: usize| (most[swaps - 1] - earned) / (swaps - taken) as f64;
        let Some(swaps) = (taken + 1..=most.len()).max_by(|&a, &b| slope(a).total_cmp(&slope(b))) else { break };
        if slope(swaps) <= gas {
            break;
        }
        slopes.extend(std::iter::repeat_n(slope(swaps), swaps - taken));
        (taken, earned) = (swaps, most[swaps - 1]);
    }
    slopes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A coin is worth what its place says; two are needed.
    fn worth(coins: u8) -> f64 {
        let worth = (0..8).filter(|bit| coins >> bit & 1 == 1).map(f64::from).sum::<f64>();
        if coins.count_ones() < 2 { 0.0 } else { worth }
    }

    #[test]
    fn two_swaps_move_four_coins_at_the_most() {
        // Coins 1, 2, 4, 5 and 7 of eight.
        let coins = 0b1011_0110;
        assert_eq!(most(coins, false, 0.0, worth).as_slice(), [12.0, 18.0, 19.0]);
        // In groups of two, or of three.
        assert_eq!(most(coins, true, 0.0, worth).as_slice(), [12.0, 18.0, 19.0]);
        // What is connected earns more than its parts.
        let square = |coins| worth(coins).powi(2);
        assert_eq!(most(coins, false, 0.0, square).as_slice(), [144.0, 324.0, 361.0]);
        assert_eq!(most(coins, true, 0.0, square).as_slice(), [144.0, 256.0, 324.0, 361.0]);
    }

    #[test]
    fn swaps_that_add_less_than_their_gas_are_not_taken() {
        let coins = 0b1011_0110;
        assert_eq!(most(coins, false, 7.0, worth).as_slice(), [12.0]);
        assert!(slopes(&[12.0], 12.0).is_empty());
        assert_eq!(slopes(&[12.0, 18.0, 19.0], 2.0).as_slice(), [12.0, 6.0]);
        // The second swap earns nothing without the third.
        assert_eq!(slopes(&[6.0, 6.0, 16.0], 1.0).as_slice(), [6.0, 5.0, 5.0]);
    }
}
