//! How much is to be traded, before it is known with whom.

use alloy_primitives::U256;
use ballast_routing::curve::{Curve, Linear};
use ballast_routing::{Budget, GasPrice, Markets, Snapshot, Token, rebalance};

use crate::batch::execute::from_f64;
use crate::intent::Task;
use crate::intent::basket::Layout;
use crate::intent::portfolio::{Measured, Portfolio};

/// Value units of the portfolio: the optimiser wants numbers that are neither large nor small.
const SIZE: f64 = 1e5;

/// What an asset is sold for, as a part of what its oracle says, and what it is bought for, as a part of what then is paid for it.
type Rates = [f64; 2];

/// What each asset is sold and bought for where it costs so many times what its oracle says. What is paid better than the oracles say is not
/// counted on: prices move with who trades at them.
fn rates(multiples: &[f64]) -> impl Iterator<Item = Rates> + '_ {
    multiples.iter().map(|x| [x.min(1.0), x.recip().min(1.0)])
}

/// What a portfolio is left with by the cheapest trade onto its landing, if each asset costs so many times what its oracle says, and a part
/// of each trade is lost (`margin`), so that what is bought is not too little. `room` is kept to its limits, as a part of the portfolio.
/// `None` where nothing is to be gained by trading.
pub(super) fn at_par(task: &Task<'_>, held: &Measured, room: f64, multiples: &[f64], margin: f64) -> Option<Portfolio> {
    let holdings = &task.portfolio.holdings;
    let scale = SIZE / (f64::from(held.total) / 1e18);
    let place = |(token, holding): (Token, f64)| (holding > 0.0).then_some((token, holding * scale));
    let places: Vec<_> = (0..).zip(holdings.iter().map(|h| h.atom())).map(place).collect();
    let middle = places.len() as Token;
    let mut markets = Markets::new(places.len() + 2 + task.limits());
    for ((token, _), rates) in places.iter().zip(rates(multiples)).filter_map(|(place, rates)| Some((place.as_ref()?, rates))) {
        for (way, rate) in [[*token, middle], [middle, *token]].into_iter().zip(rates) {
            let desk = Linear::new(rate * (1.0 - 0.5 * margin), 2.0 * SIZE)?;
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
