//! How much is to be traded, before it is known with whom.

use alloy_primitives::U256;
use ballast_routing::curve::{Curve, Linear};
use ballast_routing::{Budget, GasPrice, Markets, Snapshot, Token, rebalance};

use crate::batch::execute::from_f64;
use crate::intent::Task;
use crate::intent::basket::Layout;
use crate::intent::portfolio::{Measured, Portfolio};

/// What each side of a trade is expected to cost, as a part of it: more than it will, so that what is bought is not too little.
const SPREAD: f64 = 1e-3;
/// Value units of the portfolio: the optimiser wants numbers that are neither large nor small.
const SIZE: f64 = 1e5;

/// What an asset is sold and bought for, as a part of what the oracles say, and of what then is paid for it.
pub(super) type Rates = [f64; 2];

/// At the oracles' prices.
pub(super) const PAR: Rates = [1.0; 2];

/// Rates at market prices, each a multiple of the oracle's. What the market pays better than the oracles is not counted on: prices move with
/// who trades at them.
pub(super) fn rates(multiples: &[Option<f64>]) -> Vec<Rates> {
    let mut known: Vec<f64> = multiples.iter().flatten().copied().collect();
    known.sort_by(f64::total_cmp);
    let middle = known.get(known.len() / 2).copied().unwrap_or(1.0);
    let rate = |multiple: &Option<f64>| multiple.map_or(PAR, |x| [(x / middle).min(1.0), (middle / x).min(1.0)]);
    multiples.iter().map(rate).collect()
}

/// What a portfolio is left with by the cheapest trade onto its landing, if all of it is to be had at such `rates` and a spread. `room` is
/// kept to its limits, as a part of the portfolio. `None` where nothing is to be gained by trading.
pub(super) fn at_par(task: &Task<'_>, held: &Measured, room: f64, rates: &[Rates]) -> Option<Portfolio> {
    let holdings = &task.portfolio.holdings;
    let scale = SIZE / (f64::from(held.total) / 1e18);
    let place = |(token, holding): (Token, f64)| (holding > 0.0).then_some((token, holding * scale));
    let places: Vec<_> = (0..).zip(holdings.iter().map(|h| h.atom())).map(place).collect();
    let middle = places.len() as Token;
    let mut markets = Markets::new(places.len() + 2 + task.limits());
    for ((token, _), rates) in places.iter().zip(rates).filter_map(|(place, rates)| Some((place.as_ref()?, rates))) {
        for (way, rate) in [[*token, middle], [middle, *token]].into_iter().zip(rates) {
            let desk = Linear::new(rate * (1.0 - SPREAD), 2.0 * SIZE)?;
            markets.add(&way, Curve::Linear(desk), 0.0).ok()?;
        }
    }
    let gas = GasPrice { token: middle + 1, price: 0.0, fixed: 0.0 };
    let compiled = task.compile(&Layout { places: places.clone(), gas }, held, room, false)?;
    let found = rebalance(&Snapshot::new(markets), &compiled.basket, None, &[], &Budget::default())?;
    let mut balances: Vec<U256> = holdings.iter().map(|h| h.balance).collect();
    for ((index, position), left) in compiled.assets.iter().zip(&compiled.basket.positions).zip(&found.left) {
        let (_, unit) = places.get(*index).copied().flatten()?;
        // What doubles leave of an asset to be sold to the last atom is sold as well.
        let emptied = task.ejects(*index) && *left < room * SIZE + 1e-9 * position.held;
        balances[*index] = if emptied { U256::ZERO } else { from_f64(left / unit)? };
    }
    Some(task.portfolio.with(balances))
}
