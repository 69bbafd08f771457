//! The contract's verdict, computed here: whether there is anything to do, and whether what a plan leaves passes every check.
//!
//! The arithmetic is the contract's, rounding included, so that a plan which passes here passes there, on the same prices and balances. What
//! only the chain knows (signatures, time-weighted prices, what tokens really do) is left to the simulation.

use alloy_primitives::{Address, U256};
use ballast_wire::Decimal;
use ballast_wire::intent::{Intent, Rule};

use super::portfolio::{Measured, ONE, Portfolio};
use crate::wide::mul_div_up;

const BPS: U256 = U256::from_limbs([10_000, 0, 0, 0]);
/// A basis point of 10¹⁸.
const BP: U256 = U256::from_limbs([100_000_000_000_000, 0, 0, 0]);
const DAY: u64 = 86_400;

/// When, and what was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// Unix seconds.
    pub time: u64,
    /// Wei for a unit of gas.
    pub gas_price: U256,
    /// How often the intent was settled; the maximum once it cannot be any more.
    pub settled: U256,
    /// When the vault was last rebalanced, Unix seconds.
    pub rebalanced_at: u64,
    /// What was in its bucket of losses then, in 10⁻¹⁸ of the portfolio.
    pub lost: U256,
}

/// Why there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// Every asset is inside its landing.
    InsideLanding,
    /// No rule calls for a rebalance.
    NoDrift,
    /// It would move less than `minNotional`.
    TooSmall,
}

impl std::fmt::Display for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::InsideLanding => "every asset is inside its landing",
            Self::NoDrift => "no rule calls for a rebalance",
            Self::TooSmall => "it would move less than minNotional",
        })
    }
}

/// Why the contract would refuse, by the names of its errors. Weights, losses and values are in parts of 10¹⁸.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Breach {
    #[error("the vault is empty, or its numbers do not fit")]
    EmptyVault,
    #[error("not valid before {0}")]
    NotYetValid(u64),
    #[error("expired at {0}")]
    Expired(u64),
    #[error("gas costs {0} wei: more than costs.maxGasPriceWei")]
    GasPriceTooHigh(U256),
    #[error("the nonce is used")]
    NonceUsed,
    #[error("cooling down until {0}")]
    CoolingDown(u64),
    #[error("outside of trigger.window")]
    OutsideWindow,
    #[error("the price of {0} is stale: of {1}")]
    StalePrice(Address, u64),
    #[error("the price of {0} is at or beyond the bounds of its oracle")]
    PriceOutOfBounds(Address),
    #[error("loses {}, more than costs.maxLossBps", part(*.0))]
    LossTooHigh(U256),
    #[error("with it the day's losses come to {}, more than costs.maxLossPerDayBps", part(*.0))]
    DailyLossTooHigh(U256),
    #[error("{0} ends at {weight}, outside of its landing", weight = part(*.1))]
    OutsideLanding(Address, U256),
    #[error("not enough nearer to the targets: by {} where execution.minProgressBps asks for more", part(*.0))]
    NoProgress(U256),
    #[error("{0} leaves its band, for {weight}", weight = part(*.1))]
    LeftBand(Address, U256),
    #[error("{0} may not be traded")]
    NotTradable(Address),
    #[error("{1} atoms of {0} are traded, more than its maxTrade")]
    TradeTooLarge(Address, U256),
    #[error("{1} atoms of {0} are left, less than its minBalance")]
    BelowMinBalance(Address, U256),
    #[error("moves {}, more than risk.maxTurnoverBps", part(*.0))]
    TurnoverTooHigh(U256),
    #[error("risk.groups[{0}] comes to {weight}, more than its max", weight = part(*.1))]
    GroupTooHeavy(usize, U256),
}

/// A part of 10¹⁸ as a percentage.
fn part(x: U256) -> String {
    format!("{:.4} %", Decimal::from_atoms(x).to_f64() * 100.0)
}

/// The event that the contract would emit, without the solver's fee. Values in 10⁻¹⁸ of the numeraire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreseen {
    /// Before.
    pub start: Measured,
    /// After.
    pub end: Measured,
    /// The fall of the value.
    pub loss: U256,
    /// Its rise.
    pub credit: U256,
    /// Whether every asset is inside its landing now.
    pub landed: bool,
}

/// Whether the intent may be settled now at these prices.
///
/// # Errors
/// Why it may not.
pub fn admit(intent: &Intent, portfolio: &Portfolio, moment: &Moment) -> Result<(), Breach> {
    let unless = |good: bool, breach: Breach| if good { Ok(()) } else { Err(breach) };
    let time = moment.time;
    unless(time >= intent.valid_from, Breach::NotYetValid(intent.valid_from))?;
    unless(time <= intent.valid_to, Breach::Expired(intent.valid_to))?;
    unless(moment.gas_price <= intent.costs.max_gas_price_wei.0, Breach::GasPriceTooHigh(moment.gas_price))?;
    unless(moment.settled < U256::from(intent.execution.slices), Breach::NonceUsed)?;
    let first = moment.settled.is_zero();
    let pause = if first { intent.trigger.cooldown_sec } else { intent.execution.min_spacing_sec };
    let until = moment.rebalanced_at.saturating_add(pause.into());
    unless(time >= until, Breach::CoolingDown(until))?;
    unless(
        intent.trigger.window.as_ref().is_none_or(|window| i64::try_from(time).is_ok_and(|time| window.contains(time))),
        Breach::OutsideWindow,
    )?;
    for (asset, holding) in intent.assets.iter().zip(&portfolio.holdings) {
        let inside = |low: Decimal, high: Decimal| low.atoms() < holding.price && holding.price < high.atoms();
        let good = asset.token == intent.numeraire.0 || asset.oracle.as_ref().is_some_and(|o| inside(o.min_price, o.max_price));
        unless(good, Breach::PriceOutOfBounds(asset.token))?;
    }
    Ok(())
}

/// Whether there is reason to do nothing. A rebalance that is under way goes on until it has landed.
pub fn idle(intent: &Intent, held: &Measured, moment: &Moment) -> Option<Idle> {
    if held.landed(intent) {
        return Some(Idle::InsideLanding);
    }
    if !moment.settled.is_zero() {
        return None;
    }
    if !triggered(intent, held) {
        return Some(Idle::NoDrift);
    }
    let half = held.distance(intent) / U256::from(2);
    let moved = half.saturating_mul(held.total) / ONE;
    (moved < intent.trigger.min_notional.atoms()).then_some(Idle::TooSmall)
}

/// Whether a rule that the contract checks calls for a rebalance, or one that it leaves to the solver is there.
fn triggered(intent: &Intent, held: &Measured) -> bool {
    let rules = &intent.trigger.any_of;
    if rules.iter().any(|rule| !matches!(rule, Rule::DriftAbsBps(_) | Rule::DriftRelBps(_))) {
        return true;
    }
    intent.assets.iter().zip(&held.weights).filter(|(asset, _)| asset.tradable).any(|(asset, weight)| {
        let target = asset.target.atoms();
        let drift = weight.abs_diff(target);
        let reached = |bps: u16, whole: U256| drift.saturating_mul(BPS) >= whole.saturating_mul(U256::from(bps));
        if rules.is_empty() {
            return !asset.band.contains(*weight);
        }
        !drift.is_zero()
            && rules.iter().any(|rule| match rule {
                Rule::DriftAbsBps(bps) => reached(*bps, ONE),
                Rule::DriftRelBps(bps) => reached(*bps, target),
                _ => false,
            })
    })
}

/// What may be lost now, in 10⁻¹⁸ of the portfolio: by this settlement, and by the day.
pub fn allowance(intent: &Intent, moment: &Moment) -> U256 {
    let (most, lost) = daily(intent, moment);
    U256::from(intent.costs.max_loss_bps.get()).saturating_mul(BP).min(most.saturating_sub(lost))
}

/// The day's bucket, and what is left in it now.
fn daily(intent: &Intent, moment: &Moment) -> (U256, U256) {
    let most = U256::from(intent.costs.max_loss_per_day_bps.get()).saturating_mul(BP);
    let since = U256::from(moment.time.saturating_sub(moment.rebalanced_at));
    (most, moment.lost.saturating_sub(since.saturating_mul(most) / U256::from(DAY)))
}

/// What the contract says of a rebalance from one portfolio to another, at the same prices.
///
/// # Errors
/// The first of its checks that fails.
pub fn judge(intent: &Intent, moment: &Moment, before: &Portfolio, after: &Portfolio) -> Result<Foreseen, Breach> {
    let start = before.measure().ok_or(Breach::EmptyVault)?;
    let end = after.measure().ok_or(Breach::EmptyVault)?;
    let lost = start.total.saturating_sub(end.total);
    let lost = mul_div_up(lost, ONE, start.total).ok_or(Breach::EmptyVault)?;
    let whole = U256::from(10_000 - intent.costs.max_loss_bps.get());
    if end.total.saturating_mul(BPS) < start.total.saturating_mul(whole) {
        return Err(Breach::LossTooHigh(lost));
    }
    let landed = weights(intent, &start, &end)?;
    for (asset, (held, left)) in intent.assets.iter().zip(before.holdings.iter().zip(&after.holdings)) {
        let traded = held.balance.abs_diff(left.balance);
        if !asset.tradable && !traded.is_zero() {
            return Err(Breach::NotTradable(asset.token));
        }
        if traded > asset.max_trade.0 {
            return Err(Breach::TradeTooLarge(asset.token, traded));
        }
        if left.balance < held.balance && left.balance < asset.min_balance.0 {
            return Err(Breach::BelowMinBalance(asset.token, left.balance));
        }
    }
    let moved = start.values.iter().zip(&end.values).map(|(a, b)| a.abs_diff(*b)).fold(U256::ZERO, U256::saturating_add);
    let moved = moved / U256::from(2);
    if moved.saturating_mul(BPS) > start.total.saturating_mul(U256::from(intent.risk.max_turnover_bps.get())) {
        return Err(Breach::TurnoverTooHigh(moved.saturating_mul(ONE) / start.total));
    }
    for (index, group) in intent.risk.groups.iter().enumerate() {
        let weight = |of: &Measured| {
            let members = intent.assets.iter().zip(&of.weights).filter(|(asset, _)| group.tokens.contains(&asset.token));
            members.fold(U256::ZERO, |sum, (_, weight)| sum.saturating_add(*weight))
        };
        let weight_after = weight(&end);
        if weight_after > group.max.atoms() && weight_after > weight(&start) {
            return Err(Breach::GroupTooHeavy(index, weight_after));
        }
    }
    let (most, in_bucket) = daily(intent, moment);
    let in_bucket = in_bucket.saturating_add(lost);
    if in_bucket > most {
        return Err(Breach::DailyLossTooHigh(in_bucket));
    }
    let (loss, credit) = (start.total.saturating_sub(end.total), end.total.saturating_sub(start.total));
    Ok(Foreseen { start, end, loss, credit, landed })
}

fn weights(intent: &Intent, start: &Measured, end: &Measured) -> Result<bool, Breach> {
    let mut landed = true;
    for (asset, (before, after)) in intent.assets.iter().zip(start.weights.iter().zip(&end.weights)) {
        if !asset.tradable || asset.landing.contains(*after) {
            continue;
        }
        if !intent.execution.allow_partial {
            return Err(Breach::OutsideLanding(asset.token, *after));
        }
        if asset.band.contains(*before) && !asset.band.contains(*after) {
            return Err(Breach::LeftBand(asset.token, *after));
        }
        landed = false;
    }
    if landed {
        return Ok(true);
    }
    let (before, after) = (start.distance(intent), end.distance(intent));
    let least = U256::from(intent.execution.min_progress_bps.get()).saturating_mul(BP);
    if before < after.saturating_add(least) { Err(Breach::NoProgress(before.saturating_sub(after))) } else { Ok(false) }
}
