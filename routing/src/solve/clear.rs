//! Clearing prices: the least that markets could earn where nothing is brought, each after its gas.
//!
//! Most prices stay what they are. Those of tokens are let go that a market trades which earns about its gas, others are held. At
//! corners that are still wide this is done until no market pulls at a token that is held; then corners are made sharp on the markets that
//! come near their gas, which alone decide. What comes of that has to be as good over all markets: else those that it brought near are
//! taken in as well.

use super::Search;
use super::refine::{SHARPEST, STAGES};
use crate::dual::{Settle, settle};
use crate::view::View;

/// Widths of the corners, as parts of the gas of a market: to begin with, while tokens are let go, and at the end.
const WIDE: f64 = 0.1;
const COARSE: f64 = 0.01;
const FINE: f64 = 1e-5;
/// By how much corners are narrowed from round to round.
const NARROWER: f64 = 0.2;
/// Smoothing of markets at one rate.
const LINEAR: f64 = 1e-4;
/// Damping of prices: among all markets, and among those near their gas, which leave more of them open.
const DAMPING: f64 = 1e3;
const FIRM: f64 = 1e5;
/// The part of its gas that a market must earn to pull at tokens that are held: at wide corners, and at sharp ones.
const PULLS_WIDE: f64 = 0.6;
const PULLS: f64 = 0.97;
/// The part of its gas that a market must earn to be near it.
const NEAR: f64 = 0.1;
/// How often tokens are let go, and markets taken in.
const ROUNDS: usize = 12;

/// What is let go, and looked at.
struct Scope {
    /// By token.
    loose: Vec<bool>,
    /// By market.
    near: Vec<bool>,
}

/// What a look at the markets of loose tokens finds.
struct Look {
    /// What they earn, each after its gas.
    value: f64,
    /// Whether there are more loose tokens now, and more markets near their gas.
    grown: bool,
    nearer: bool,
}

impl Search<'_> {
    /// Moves all prices to where markets could earn least. From `warm` ones on, corners begin nearly sharp.
    pub(super) fn clearing(&mut self, is_warm: bool) {
        let whole = self.whole.clone();
        let (markets, gas) = (&self.snapshot.markets, self.gas_of_swap());
        if gas <= 0.0 {
            // Without gas there are no corners.
            self.refine(&whole, if is_warm { SHARPEST } else { &STAGES });
            return;
        }
        if !is_warm {
            self.refine(&whole, &STAGES[..1]);
        }
        let mut scope = Scope { loose: vec![false; markets.tokens()], near: vec![false; markets.len()] };
        let mut look = self.look(&whole, &mut scope, PULLS);
        let mut around = whole.clone();
        let mut width = WIDE;
        while look.grown && look.value > 0.0 && !self.budget.is_spent() {
            around = scope.around(&whole, &self.prices);
            let narrower = (width * NARROWER).max(COARSE);
            self.settle_on(&around, [width * gas, narrower * gas], DAMPING);
            look = self.look(&around, &mut scope, PULLS_WIDE);
            width = narrower;
        }
        for _ in 0..ROUNDS {
            if look.value == 0.0 || self.budget.is_spent() {
                break;
            }
            let before = self.prices.clone();
            self.settle_on(&scope.near(&around), [COARSE * gas, FINE * gas], FIRM);
            let found = self.look(&around, &mut scope, PULLS);
            if found.value > look.value {
                self.prices = before;
            } else {
                look.value = found.value;
            }
            if found.grown {
                around = scope.around(&whole, &self.prices);
                // Its value has other markets in it.
                look = self.look(&around, &mut scope, PULLS);
            } else if !(found.nearer && found.value > look.value) {
                break;
            }
        }
    }

    fn settle_on(&mut self, view: &View, [from, to]: [f64; 2], damping: f64) {
        let settle_as =
            Settle { gas_value: self.gas_value, linear: LINEAR, from, to, damping, hold: 0.0, below: f64::NEG_INFINITY };
        let minimum = settle(view, &mut self.prices, settle_as, &mut self.work);
        self.budget.spend(u64::from(minimum.evaluations) * view.size());
    }

    /// Looks at all markets of a view, and lets tokens go at which a market pulls that earns such a part of its gas.
    fn look(&self, view: &View, scope: &mut Scope, pulls: f64) -> Look {
        let mut look = Look { value: 0.0, grown: false, nearer: false };
        let markets = &self.snapshot.markets;
        view.profits(&self.prices, |_, market, profit| {
            let gas = markets.gas(market) * self.gas_value;
            look.value += (profit - gas).max(0.0);
            if profit > pulls * gas {
                for &token in markets.coins(market) {
                    look.grown |= !self.whole.free[token as usize] && !std::mem::replace(&mut scope.loose[token as usize], true);
                }
            }
            if profit > NEAR * gas {
                look.nearer |= !std::mem::replace(&mut scope.near[market as usize], true);
            }
        });
        self.budget.spend(view.size());
        look
    }
}

impl Scope {
    /// The markets of loose tokens; the prices of others are held.
    fn around<'m>(&self, whole: &View<'m>, prices: &[f64]) -> View<'m> {
        let mut view = whole.filtered(|_, tokens| tokens.iter().any(|&t| self.loose[t as usize]));
        for t in (0..prices.len()).filter(|&t| !self.loose[t]) {
            view.hold(t, prices[t]);
        }
        view
    }

    /// Those of them that are near their gas.
    fn near<'m>(&self, around: &View<'m>) -> View<'m> {
        around.filtered(|market, _| self.near[market as usize])
    }
}
