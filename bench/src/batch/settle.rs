//! What solutions are worth, promised and settled.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::U256;
use ballast_adapters::{Exact, Venue};
use ballast_solver::auction::Auction;
use ballast_solver::config::Config;
use ballast_solver::settlement::{Verified, verify};
use ballast_wire::{Interaction, Solution};
use serde::Serialize;

/// What solutions are worth, in native tokens.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Worth {
    /// Orders filled.
    pub filled: usize,
    /// By the driver's rule.
    pub score: f64,
    /// The score, and the fees that were taken for gas.
    pub gross: f64,
    /// Of all settlements.
    pub gas: f64,
}

impl Worth {
    /// The sum over solutions as they are promised.
    pub fn sum<'a>(auction: &Auction, solutions: impl Iterator<Item = &'a Verified>) -> Self {
        solutions.fold(Self::default(), |sum, one| sum.and(auction, one))
    }

    /// What is left of gross when gas is paid.
    pub fn net(&self) -> f64 {
        self.gross - self.gas
    }

    fn and(self, auction: &Auction, solution: &Verified) -> Self {
        let price = |token| auction.token(token).reference_price.unwrap_or_default();
        let fees: f64 = solution
            .fills()
            .iter()
            .map(|fill| f64::from(fill.fee) * f64::from(price(auction.orders[fill.order].sell)) * 1e-36)
            .sum();
        let score = f64::from(solution.score()) * 1e-18;
        let gas = f64::from(auction.gas_price.saturating_mul(U256::from(solution.gas()))) * 1e-18;
        Self {
            filled: self.filled + solution.fills().len(),
            score: self.score + score,
            gross: self.gross + score + fees,
            gas: self.gas + gas,
        }
    }
}

/// An auction's pools as settlements leave them.
pub struct Ground<'a> {
    config: &'a Config,
    /// The pools by now.
    auction: Auction,
    pools: BTreeMap<String, usize>,
    filled: BTreeSet<usize>,
    worth: Worth,
}

impl<'a> Ground<'a> {
    pub fn new(auction: &Auction, config: &'a Config) -> Self {
        let pools = auction.pools.iter().enumerate().map(|(k, pool)| (pool.id.clone(), k)).collect();
        Self { config, auction: auction.clone(), pools, filled: BTreeSet::new(), worth: Worth::default() }
    }

    /// The auction with the pools by now.
    pub fn auction(&self) -> &Auction {
        &self.auction
    }

    /// What was settled so far.
    pub fn worth(&self) -> Worth {
        self.worth
    }

    /// Settles a solution, if the pools still pay for it and its orders are open.
    pub fn settle(&mut self, solution: &Solution) {
        let Ok(verified) = verify(&self.auction, self.config, solution.clone()) else { return };
        if verified.fills().iter().any(|fill| self.filled.contains(&fill.order)) {
            return;
        }
        self.filled.extend(verified.fills().iter().map(|fill| fill.order));
        self.worth = self.worth.and(&self.auction, &verified);
        for interaction in &solution.interactions {
            let Interaction::Liquidity(swap) = interaction else { continue };
            let Some(pool) = self.pools.get(&swap.id).and_then(|&k| self.auction.pools.get_mut(k)) else { continue };
            let coin = |token| pool.market.tokens().iter().position(|t| t == token);
            if let (Some(input), Some(output)) = (coin(&swap.input_token), coin(&swap.output_token)) {
                // It was just verified to be possible.
                let _ = pool.market.apply(input, output, Exact::Output(swap.output_amount.0));
            }
        }
    }
}
