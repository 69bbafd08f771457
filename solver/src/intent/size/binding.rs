//! What keeps a portfolio from its landing.

use std::fmt;

use alloy_primitives::Address;
use ballast_routing::{Rebalanced, Tight};

use super::Sizing;
use crate::intent::basket::Compiled;

/// How near to its limit an amount binds.
const AT: f64 = 1e-6;

/// A limit that keeps a portfolio from its landing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Binding {
    /// `risk.maxTurnoverBps`.
    Turnover,
    /// `costs.maxLossBps`, or what `costs.maxLossPerDayBps` leaves of the day.
    Loss,
    /// A group, by its place in `risk.groups`.
    Group(usize),
    /// `maxTrade` of an asset.
    MaxTrade(Address),
    /// `minBalance` of an asset.
    MinBalance(Address),
    /// An asset that may not be traded takes up too much, or too little.
    NotTradable(Address),
    /// No pool that may be used leads to the asset.
    Unreachable(Address),
    /// The pools that lead to the asset have no more at any sane price.
    Depth(Address),
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Turnover => f.write_str("risk.maxTurnoverBps"),
            Self::Loss => f.write_str("costs.maxLossBps (or the day's)"),
            Self::Group(index) => write!(f, "risk.groups[{index}]"),
            Self::MaxTrade(token) => write!(f, "maxTrade of {token}"),
            Self::MinBalance(token) => write!(f, "minBalance of {token}"),
            Self::NotTradable(token) => write!(f, "{token} is not tradable"),
            Self::Unreachable(token) => write!(f, "no pool that may be used leads to {token}"),
            Self::Depth(token) => write!(f, "the depth of the pools that lead to {token}"),
        }
    }
}
impl Sizing<'_> {
    /// What keeps a portfolio from its landing: the limits on assets together that bind, and of each asset that misses its own what
    /// stops it.
    pub(super) fn binding(&self, compiled: &Compiled, found: Option<(&Rebalanced, &[(Address, f64)])>) -> Vec<Binding> {
        let assets = &self.task.intent.assets;
        let mut binding: Vec<Binding> = Vec::new();
        let untraded = assets.iter().zip(&self.held.weights).filter(|(asset, w)| !asset.tradable && !asset.landing.contains(**w));
        binding.extend(untraded.map(|(asset, _)| Binding::NotTradable(asset.token)));
        let start;
        let (missed, left) = match found {
            Some((found, missed)) => {
                binding.extend(found.tight.iter().map(|tight| match tight {
                    Tight::Turnover => Binding::Turnover,
                    Tight::Loss => Binding::Loss,
                    Tight::Group(index) => Binding::Group(*index),
                }));
                (missed, found.left.clone())
            }
            None => {
                start = self.held.outside(self.task.intent);
                (start.as_slice(), compiled.basket.positions.iter().map(|p| p.held).collect())
            }
        };
        for (token, by) in missed {
            let place = compiled.assets.iter().position(|&index| assets[index].token == *token);
            let Some((position, left)) = place.map(|p| (&compiled.basket.positions[p], left[p])) else {
                binding.push(Binding::Unreachable(*token));
                continue;
            };
            let index = compiled.assets[place.unwrap_or_default()];
            let near = AT * (position.held + left);
            let stops = if *by > 0.0 && left <= position.range[0] + near {
                let (asset, held) = (&assets[index], self.task.portfolio.holdings[index].balance);
                let by_trade = held.saturating_sub(asset.min_balance.0) > asset.max_trade.0;
                Some(if by_trade { Binding::MaxTrade(*token) } else { Binding::MinBalance(*token) })
            } else if *by < 0.0 && left >= position.range[1] - near {
                Some(Binding::MaxTrade(*token))
            } else if (0..self.liquidity.len())
                .all(|m| !self.liquidity.snapshot.markets().coins(m as u32).contains(&position.token))
            {
                Some(Binding::Unreachable(*token))
            } else {
                None
            };
            binding.extend(stops);
        }
        if binding.is_empty() {
            binding.extend(missed.iter().map(|(token, _)| Binding::Depth(*token)));
        }
        binding
    }
}
