//! What a solution may risk, checked once it is verified.

use alloy_primitives::U256;
use ballast_routing::Token;
use ballast_wire::{Interaction, Solution};

use super::{Fill, Verified};
use crate::auction::{Auction, Subject};
use crate::config::Limits;
use crate::engine::{Answer, Report};

/// A limit that a solution is beyond. Values are in native tokens.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Exceeded {
    /// Trades too much.
    #[error("beyond the limit on notional: {0:.3} native")]
    Notional(f64),
    /// May lose too much to slippage.
    #[error("beyond the limit on slippage: {0:.4} native")]
    Slippage(f64),
    /// Takes too much gas.
    #[error("beyond the limit on gas: {0}")]
    Gas(u64),
    /// Trades at a price that is off the reference.
    #[error("clearing price off the reference: by a factor of {0:.3}")]
    Price(f64),
}

impl Exceeded {
    /// Words that group.
    fn reason(&self) -> &'static str {
        match self {
            Self::Notional(_) => "beyond the limit on notional",
            Self::Slippage(_) => "beyond the limit on slippage",
            Self::Gas(_) => "beyond the limit on gas",
            Self::Price(_) => "clearing price off the reference",
        }
    }
}

/// Takes solutions beyond the limits out of a report. Quotes are not settled, and pass.
pub fn enforce(limits: &Limits, auction: &Auction, report: &mut Report) {
    if auction.id.is_none() {
        return;
    }
    let Report { answers, batch, withheld, pairs, sequence, drops, .. } = report;
    for (order, (answer, _)) in auction.orders.iter().zip(answers) {
        let Answer::Filled(filled) = &*answer else { continue };
        if let Err(exceeded) = check(limits, auction, &filled.verified) {
            drops.add(Subject::Order, Some(order.uid.to_string()), exceeded.reason(), &exceeded.to_string());
            *answer = Answer::Unfilled(exceeded.reason().to_owned());
        }
    }
    let mut checked = |verified: &Verified| {
        check(limits, auction, verified)
            .inspect_err(|exceeded| drops.add(Subject::Solution, None, exceeded.reason(), &exceeded.to_string()))
    };
    if let Ok(whole) = batch
        && let Err(exceeded) = checked(&whole.verified)
    {
        *batch = Err(exceeded.to_string());
        // What was held back for its sake.
        withheld.clear();
    }
    sequence.after.retain(|(_, again)| checked(&again.verified).is_ok());
    pairs.retain(|pair| checked(&pair.verified).is_ok());
}

/// Checks one solution.
///
/// # Errors
/// The first limit that it is beyond.
pub fn check(limits: &Limits, auction: &Auction, verified: &Verified) -> Result<(), Exceeded> {
    if verified.gas() > limits.max_gas {
        return Err(Exceeded::Gas(verified.gas()));
    }
    let notional: f64 = verified.fills().iter().map(|fill| notional(auction, fill)).sum();
    if notional > limits.max_notional {
        return Err(Exceeded::Notional(notional));
    }
    let slippage = swapped(auction, verified.solution(), notional) * limits.slippage_bps * 1e-4;
    if slippage > limits.max_slippage_loss {
        return Err(Exceeded::Slippage(slippage));
    }
    for fill in verified.fills() {
        if let Some(off) = off_reference(auction, fill).filter(|off| !off.is_finite() || *off > limits.max_price_factor) {
            return Err(Exceeded::Price(off));
        }
    }
    Ok(())
}

/// Native tokens that an amount is worth at its reference price.
fn worth(auction: &Auction, token: Token, amount: U256) -> Option<f64> {
    auction.token(token).reference_price.map(|price| f64::from(amount) * f64::from(price) * 1e-36)
}

fn notional(auction: &Auction, fill: &Fill) -> f64 {
    let order = &auction.orders[fill.order];
    worth(auction, order.sell, fill.paid).or_else(|| worth(auction, order.buy, fill.got)).unwrap_or_default()
}

/// What all swaps take in. A swap between tokens without prices counts as all that is traded: it is no more.
fn swapped(auction: &Auction, solution: &Solution, notional: f64) -> f64 {
    let swap = |interaction: &Interaction| {
        let Interaction::Liquidity(swap) = interaction else { return notional };
        let worth = |token, amount| auction.index.get(token).and_then(|&token| worth(auction, token, amount));
        let (input, output) = (swap.input_amount.0, swap.output_amount.0);
        worth(&swap.input_token, input).or_else(|| worth(&swap.output_token, output)).unwrap_or(notional)
    };
    solution.interactions.iter().map(swap).sum()
}

/// How far a fill's price, its fee aside, is from that of the references, as a factor of at least 1.
fn off_reference(auction: &Auction, fill: &Fill) -> Option<f64> {
    let order = &auction.orders[fill.order];
    let given = worth(auction, order.sell, fill.paid.saturating_sub(fill.fee))?;
    let ratio = worth(auction, order.buy, fill.got)? / given;
    Some(ratio.max(ratio.recip()))
}
