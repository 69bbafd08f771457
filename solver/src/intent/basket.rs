//! An intent as a problem: which assets may move, how far, and where they are to land.

use alloy_primitives::{Address, U256};
use ballast_routing::{Basket, GasPrice, Group, Position, Token};
use ballast_wire::intent::{Asset, Intent, Mode};

use super::judge::{Moment, allowance};
use super::portfolio::{Holding, Measured, Portfolio};
use crate::auction::Auction;
use crate::batch::Liquidity;

/// Room that is kept to each limit for whole atoms, as a part of the portfolio; it grows where that was not enough.
pub(super) const ROOM: f64 = 1e-8;

/// A vault that is to be rebalanced.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// What its owner wants.
    pub intent: &'a Intent,
    /// What it holds, in the order of the intent's assets.
    pub portfolio: &'a Portfolio,
    /// When, and what was before.
    pub moment: &'a Moment,
}

/// Where an intent's assets are on a market.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// The token of each asset, with value units for an atom; none where it has no price.
    pub places: Vec<Option<(Token, f64)>>,
    /// What gas is paid in, and the price of a unit.
    pub gas: GasPrice,
}

impl Layout {
    /// Finds the assets among an auction's tokens.
    pub fn of(intent: &Intent, auction: &Auction, liquidity: &Liquidity) -> Self {
        let place = |asset: &Asset| {
            let token = *auction.index.get(&asset.token)?;
            Some((token, liquidity.units.get(token)?))
        };
        let gas = GasPrice { token: liquidity.numeraire(), price: liquidity.gas_price, fixed: 0.0 };
        Self { places: intent.assets.iter().map(place).collect(), gas }
    }

    /// The token of an asset.
    pub fn token(&self, index: usize) -> Option<Token> {
        self.unit(index).map(|(token, _)| token)
    }

    fn unit(&self, index: usize) -> Option<(Token, f64)> {
        self.places.get(index).copied().flatten()
    }
}

/// An intent's problem, and how to read it.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub basket: Basket,
    /// The asset behind each position.
    pub assets: Vec<usize>,
    /// Value units for a unit of the numeraire.
    pub scale: f64,
}

impl Task<'_> {
    /// How many limits on assets together its problem may have.
    pub fn limits(&self) -> usize {
        2 + self.intent.risk.groups.len()
    }

    /// The most atoms that one settlement may take out of the vault and keep out.
    fn spare(&self, index: usize) -> U256 {
        let (asset, holding) = (&self.intent.assets[index], &self.portfolio.holdings[index]);
        holding.balance.saturating_sub(asset.min_balance.0).min(asset.max_trade.0)
    }

    /// Lays the intent out on a market. `room` is kept to the limits; the loss is a limit of its own only where it is `lossy`.
    pub(super) fn compile(&self, layout: &Layout, held: &Measured, room: f64, lossy: bool) -> Option<Compiled> {
        let Self { intent, portfolio, .. } = self;
        let holdings = &portfolio.holdings;
        let (mut on_market, mut by_oracle) = (0.0, 0.0);
        for (index, holding) in holdings.iter().enumerate() {
            if let Some((_, unit)) = layout.unit(index) {
                // What is not held yet counts a little, so that a vault of what nobody prices has a scale.
                let atoms = f64::from(holding.balance).max(1e-9 * f64::from(holding.unit));
                on_market += unit * atoms;
                by_oracle += holding.atom() * atoms;
            }
        }
        let scale = on_market / by_oracle;
        let total = f64::from(held.total) / 1e18 * scale;
        if !(scale > 0.0 && scale.is_finite() && total > 0.0) {
            return None;
        }
        let worth = |index: usize| holdings[index].atom() * scale;
        let all = |index: usize| worth(index) * f64::from(holdings[index].balance);
        let mut basket = Basket { gas: layout.gas, ..Basket::default() };
        let mut assets = Vec::new();
        for (index, asset) in intent.assets.iter().enumerate() {
            let (Some((token, unit)), true) = (layout.unit(index), asset.tradable) else {
                basket.beside += all(index);
                continue;
            };
            let held_units = f64::from(holdings[index].balance) * unit;
            let kept = room * total * unit / worth(index);
            let least = f64::from(holdings[index].balance.saturating_sub(self.spare(index))) * unit;
            let ejected = asset.landing.high.atoms().is_zero();
            let low = if ejected || least <= 0.0 { least } else { (least + kept).min(held_units) };
            let high = (held_units + f64::from(asset.max_trade.0) * unit - kept).max(held_units);
            basket.positions.push(Position {
                token,
                held: held_units,
                range: [low, high],
                worth: worth(index) / unit,
                landing: self.landing(asset, &holdings[index], held, index, room),
            });
            assets.push(index);
        }
        let (most, whole) = (f64::from(intent.risk.max_turnover_bps.get()) / 1e4, f64::from(held.total) / 1e18 * scale);
        basket.turnover = (most < 1.0).then_some((most - room).max(0.0) * whole);
        for group in &intent.risk.groups {
            let members = || (0..intent.assets.len()).filter(|&k| group.tokens.contains(&intent.assets[k].token));
            let before: f64 = members().map(|k| f64::from(held.weights[k]) / 1e18).sum();
            basket.groups.push(Group {
                positions: (0..assets.len()).filter(|&p| members().any(|k| k == assets[p])).collect(),
                beside: members().filter(|k| !assets.contains(k)).map(all).sum(),
                most: group.max.to_f64().max(before) - room,
            });
        }
        let loss = f64::from(allowance(intent, self.moment)) / 1e18;
        basket.least = lossy.then_some(whole * (1.0 - loss + room));
        Some(Compiled { basket, assets, scale })
    }

    /// Where an asset is to land this time, with room for whole atoms on both sides if there is any.
    fn landing(&self, asset: &Asset, holding: &Holding, held: &Measured, index: usize, room: f64) -> [f64; 2] {
        let [mut low, mut high] = [asset.landing.low.to_f64(), asset.landing.high.to_f64()];
        if self.intent.execution.mode == Mode::Twap {
            // An equal part of what is left of the way.
            let slices = f64::from(self.intent.execution.slices) - f64::from(self.moment.settled);
            let now = f64::from(held.weights[index]) / 1e18;
            let part = |edge: f64| now + (edge - now) / slices.max(1.0);
            if now < low {
                low = part(low);
            } else if now > high {
                high = part(high);
            }
            (low, high) = (low.min(high), high.max(low));
        }
        let atom = holding.atom() / (f64::from(held.total) / 1e18);
        let kept = room.max(2.0 * atom).min(0.5 * (high - low));
        // Nothing is less than nothing, and no more than all.
        [if low > 0.0 { low + kept } else { 0.0 }, if high < 1.0 { high - kept } else { 1.0 }]
    }

    /// Atoms that the plan may have of an asset: all that may leave the vault for a while.
    pub(super) fn stake(&self, index: usize) -> U256 {
        let asset = &self.intent.assets[index];
        if asset.tradable { self.portfolio.holdings[index].balance.min(asset.max_trade.0) } else { U256::ZERO }
    }

    /// Whether an asset is to be sold to the last atom.
    pub(super) fn ejects(&self, index: usize) -> bool {
        let asset = &self.intent.assets[index];
        asset.landing.high.atoms().is_zero() && self.spare(index) == self.portfolio.holdings[index].balance
    }
}

/// The market as an intent allows it: without the venues that it excludes, and without tokens that must stay as they are.
pub fn narrowed(auction: &Auction, intent: &Intent) -> Auction {
    let fixed: Vec<Address> = intent.assets.iter().filter(|asset| !asset.tradable).map(|asset| asset.token).collect();
    let fixed: Vec<Token> = fixed.iter().filter_map(|token| auction.index.get(token).copied()).collect();
    let (allow, deny) = (&intent.execution.venues_allow, &intent.execution.venues_deny);
    let mut narrowed = auction.clone();
    narrowed.pools.retain(|pool| {
        let named = |name: &String| name.parse::<Address>().map_or_else(|_| *name == pool.kind(), |at| at == pool.address);
        let allowed = allow.is_empty() || allow.iter().any(named);
        allowed && !deny.iter().any(named) && pool.coins.iter().all(|coin| !fixed.contains(coin))
    });
    narrowed
}

/// Whether [`narrowed`] would leave anything out.
pub fn is_narrow(intent: &Intent) -> bool {
    restricts_venues(intent) || intent.assets.iter().any(|asset| !asset.tradable)
}

/// Whether an intent says which venues may be used.
pub(super) fn restricts_venues(intent: &Intent) -> bool {
    !intent.execution.venues_allow.is_empty() || !intent.execution.venues_deny.is_empty()
}
