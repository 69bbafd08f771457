//! Which limits, hopes and claims a programme is told of.
//!
//! Most are far from being missed where prices hardly move, and a simplex takes time for each row. So it is told of those that are near,
//! and again of those that its answer misses.

use super::{Claim, Exact, Presence, ToClear, Trade};

/// A part of an amount that no limit is missed by.
const MISSES: f64 = 1e-9;

/// The trade that a claim is of, if there is no other and what it pays is fixed: then it claims a surplus and nothing else.
pub(super) fn sole(clear: &ToClear<'_>, claim: &Claim) -> Option<usize> {
    let &[k] = claim.trades.as_slice() else { return None };
    let trade = &clear.trades[k];
    (trade.exact == Exact::Sold && trade.fill[0] == trade.fill[1]).then_some(k)
}

/// The surplus that each trade is to be left with, for itself.
pub(super) fn floors(clear: &ToClear<'_>) -> Vec<f64> {
    let mut floors = vec![0.0_f64; clear.trades.len()];
    for claim in clear.claims {
        if let Some(k) = sole(clear, claim) {
            let Trade { rate, fee, fill, .. } = clear.trades[k];
            floors[k] = floors[k].max(claim.surplus).max((claim.price - rate) * (fill[1] + fee[0]));
        }
    }
    floors
}

/// Limits and claims that a programme has rows for.
pub(super) struct Rows {
    /// By trade.
    pub limits: Vec<bool>,
    /// By trade, as far as anything is hoped for.
    pub hopes: Vec<bool>,
    /// By claim.
    pub claims: Vec<bool>,
    /// Units of what it buys that a trade without a row may lose to fees of others.
    pub spare: Vec<f64>,
}

impl Rows {
    /// All of them.
    pub fn all(clear: &ToClear<'_>) -> Self {
        let trades = clear.trades.len();
        let hopes = clear.trades.iter().map(|trade| trade.hope > 0.0).collect();
        Self { limits: vec![true; trades], hopes, claims: vec![true; clear.claims.len()], spare: vec![f64::INFINITY; trades] }
    }

    /// Whether they are all.
    pub fn is_all(&self) -> bool {
        self.limits.iter().chain(&self.claims).all(|kept| *kept)
    }

    /// Those that may be missed from these amounts sold and bought where prices move by `reach`.
    pub fn near(clear: &ToClear<'_>, amounts: &[[f64; 2]], reach: f64) -> Self {
        let mut this = Self::all(clear);
        if clear.presence != Presence::Fixed {
            return this;
        }
        let guard = |k: usize| {
            let trade = &clear.trades[k];
            2.0 * (2.0 * reach * amounts[k][1] + trade.rate * (trade.fee[1] - trade.fee[0]).max(0.0))
        };
        for (k, (trade, floor)) in clear.trades.iter().zip(floors(clear)).enumerate() {
            let slack = trade.surplus(amounts[k]) - floor;
            if slack > guard(k) {
                this.limits[k] = false;
                this.spare[k] = 0.5 * slack;
            }
            this.hopes[k] &= -trade.unhoped(amounts[k], trade.fee[0]) <= guard(k);
        }
        for (claim, kept) in clear.claims.iter().zip(&mut this.claims) {
            let slack = -claim.lack(clear.trades, |k| amounts[k]);
            *kept = slack <= claim.trades.iter().map(|&k| guard(k)).sum::<f64>();
        }
        this
    }

    /// Adds those that are missed by these amounts, with the fees that are paid beyond the least; whether there are any.
    pub fn add_missed(&mut self, clear: &ToClear<'_>, amounts: &[[f64; 2]], extra: &[f64]) -> bool {
        let mut some = false;
        for (k, (trade, floor)) in clear.trades.iter().zip(floors(clear)).enumerate() {
            let lacks = floor + trade.rate * extra[k] - trade.surplus(amounts[k]);
            if !self.limits[k] && lacks > MISSES * trade.fill[1] {
                (self.limits[k], self.spare[k], some) = (true, f64::INFINITY, true);
            }
            let unhoped = trade.unhoped(amounts[k], trade.fee[0] + extra[k]);
            if !self.hopes[k] && trade.hope > 0.0 && unhoped > MISSES * trade.fill[1] {
                (self.hopes[k], some) = (true, true);
            }
        }
        for (claim, kept) in clear.claims.iter().zip(&mut self.claims).filter(|(_, kept)| !**kept) {
            let paid = |k: usize| [amounts[k][0] + extra[k], amounts[k][1]];
            let most: f64 = claim.trades.iter().map(|&k| clear.trades[k].fill[1]).sum();
            if claim.lack(clear.trades, paid) > MISSES * most {
                (*kept, some) = (true, true);
            }
        }
        some
    }
}
