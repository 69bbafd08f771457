//! A market's trade as swaps of two coins.

use super::{Curve, PerCoin};

/// A part of an amount that is nothing.
const NOTHING: f64 = 1e-9;
/// A swap of less than this part of a trade is left out.
const LITTLE: f64 = 1e-7;

/// A swap of two coins of a market.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoinSwap {
    /// The coin that is taken in, and the one that is paid out.
    pub coins: [usize; 2],
    /// Units of the one, and of the other.
    pub amounts: [f64; 2],
}

impl Curve {
    /// A trade (units of each coin: positive is paid out, negative is taken in) as swaps, in the order in which they are to be made. Each
    /// pays what the market asks once those before it are made: the first units of a coin buy more than the last, whichever coin they
    /// buy. So together they leave of every coin what the trade does.
    pub fn split(&self, trade: &[f64]) -> Vec<CoinSwap> {
        let side = |sign: f64| -> Vec<usize> { (0..trade.len()).filter(|&k| sign * trade[k] > 0.0).collect() };
        let (inputs, outputs) = (side(-1.0), side(1.0));
        let all: f64 = inputs.iter().map(|&k| -trade[k]).sum();
        let mut left: PerCoin<f64> = trade.iter().copied().collect();
        let mut swaps = Vec::with_capacity((inputs.len() + outputs.len()).saturating_sub(1));
        let (mut i, mut o) = (0, 0);
        while let (Some(&from), Some(&to)) = (inputs.get(i), outputs.get(o)) {
            let (last_in, last_out) = (i + 1 == inputs.len(), o + 1 == outputs.len());
            let most = [-left[from], left[to]];
            let (amounts, ended) = match (last_in, last_out) {
                (true, true) => (most, [true, true]),
                (false, true) => ([most[0], self.beside(trade, &left, from, to)], [true, false]),
                (true, false) => ([self.beside(trade, &left, to, from), most[1]], [false, true]),
                (false, false) => match self.beside(trade, &left, from, to) {
                    bought if bought <= most[1] => ([most[0], bought], [true, false]),
                    _ => ([self.beside(trade, &left, to, from), most[1]], [false, true]),
                },
            };
            let amounts = [0, 1].map(|k: usize| amounts[k].min(most[k]).max(0.0));
            left[from] += amounts[0];
            left[to] -= amounts[1];
            if amounts[0] > LITTLE * all && amounts[1] > 0.0 {
                swaps.push(CoinSwap { coins: [from, to], amounts });
            }
            i += usize::from(ended[0] || -left[from] <= NOTHING * most[0]);
            o += usize::from(ended[1] || left[to] <= NOTHING * most[1]);
        }
        swaps
    }

    /// Units of the coin `open` that go with all that is left of the coin `whole`, once the rest of the trade is made.
    fn beside(&self, trade: &[f64], left: &[f64], whole: usize, open: usize) -> f64 {
        let mut done: PerCoin<f64> = trade.iter().zip(left).map(|(all, left)| all - left).collect();
        let before = done[open];
        done[whole] = trade[whole];
        if self.complete(&mut done, open) {
            (done[open] - before) * left[open].signum()
        } else {
            // What the market does not tell is shared out in proportion.
            (left[whole] * left[open]).abs() / wanted(left)
        }
    }
}

/// Units that are still to be paid out.
fn wanted(left: &[f64]) -> f64 {
    left.iter().filter(|z| **z > 0.0).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Response, Stable, Weighted};
    use super::*;

    fn curves() -> [Curve; 2] {
        let weighted = Weighted::new(&[810.0, 400.0, 195.0, 600.0], &[0.4, 0.2, 0.1, 0.3], 0.002, 0.3);
        let stable = Stable::new(&[1000.0, 700.0, 1500.0, 900.0], &[1.0, 1.01, 0.98, 1.0], 200.0, 0.0004);
        [Curve::Weighted(weighted.unwrap()), Curve::Stable(stable.unwrap())]
    }

    proptest! {
        /// Each swap is one that the market makes in the state that those before it left, and all together are the trade.
        #[test]
        fn swaps_leave_what_the_trade_does(nu in prop::array::uniform4(0.97_f64..1.03)) {
            for curve in curves() {
                let mut response = Response::default();
                curve.respond(&nu, u8::MAX, &mut response);
                let trade = response.trade;
                let mut done: PerCoin<f64> = trade.iter().map(|_| 0.0).collect();
                for CoinSwap { coins: [from, to], amounts: [paid, bought] } in curve.split(&trade) {
                    done[from] -= paid;
                    let before = done[to];
                    prop_assert!(curve.complete(&mut done, to));
                    prop_assert!((done[to] - before - bought).abs() < 1e-4, "{bought} instead of {}", done[to] - before);
                    done[to] = before + bought;
                }
                for (z, done) in trade.iter().zip(&done) {
                    prop_assert!((z - done).abs() < 1e-4, "{trade:?} {done}");
                }
            }
        }
    }

    #[test]
    fn two_coins_are_one_swap() {
        let curve = Curve::Weighted(Weighted::new(&[1000.0, 300.0], &[0.5, 0.5], 0.002, 0.3).unwrap());
        assert_eq!(curve.split(&[2.0, -3.0]), [CoinSwap { coins: [1, 0], amounts: [3.0, 2.0] }]);
        assert!(curve.split(&[0.0, 0.0]).is_empty());
    }
}
