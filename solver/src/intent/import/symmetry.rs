//! A vault of Symmetry: its weights, automation and schedule, by the names of its SDK.
//!
//! | vault | intent |
//! |---|---|
//! | `token_weights[].mint` | `assets[].token`, by the terms: the vault is on another chain |
//! | `token_weights[].weight_bps` | `target` |
//! | `rebalance_activation_threshold_abs_bps`, `…_rel_bps` | `trigger.anyOf`: `driftAbsBps`, `driftRelBps`; zero is no rule |
//! | the same | `band`: where neither fires |
//! | — | `landing`: [`Vault::landing_bps`] around the target, within the band; the vault's auctions go to the target |
//! | `rebalance_activation_cooldown` | `trigger.cooldownSec` |
//! | `rebalance_slippage_threshold_bps` | `costs.maxLossBps` |
//! | `per_trade_rebalance_slippage_threshold_bps` | `costs.maxLossPerLegBps` |
//! | `cycle_start_time`, `cycle_duration`, `automation_start`, `automation_end` | `trigger.window`, where a cycle is a day or a week |
//! | oracle settings (confidence, staleness, Solana accounts) | none: the terms name the feeds |

use alloy_primitives::U256;
use ballast_wire::intent::{Asset, Costs, Day, Intent, Range, Rule, TimeOfDay, Trigger, Window};
use ballast_wire::number::integer;
use ballast_wire::{Amount, Bps, Decimal};
use serde::{Deserialize, Serialize};

use super::{ImportError, Terms, around, wrong};

/// What of a vault is about rebalancing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    /// The composition.
    pub token_weights: Vec<TokenWeight>,
    /// When keepers rebalance.
    pub automation: Automation,
    /// When they may; always if there is none.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// How near to its target an asset has landed: ours to say.
    pub landing_bps: Bps,
}

/// `UpdateWeightsInput`, one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenWeight {
    /// The token, in base 58.
    pub mint: String,
    /// Of 10,000.
    pub weight_bps: Bps,
}

/// `EditAutomationSettings`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Automation {
    /// Whether keepers rebalance at all.
    pub enabled: bool,
    /// Of a rebalance.
    pub rebalance_slippage_threshold_bps: Bps,
    /// Of each trade.
    pub per_trade_rebalance_slippage_threshold_bps: Bps,
    /// Of the vault's value.
    pub rebalance_activation_threshold_abs_bps: Bps,
    /// Of the target.
    pub rebalance_activation_threshold_rel_bps: Bps,
    /// Seconds.
    #[serde(with = "integer")]
    pub rebalance_activation_cooldown: u32,
}

/// `EditScheduleSettings`: offsets in a cycle, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Unix seconds.
    #[serde(with = "integer")]
    pub cycle_start_time: u64,
    /// Of a cycle.
    #[serde(with = "integer")]
    pub cycle_duration: u64,
    /// When rebalancing opens.
    #[serde(with = "integer")]
    pub automation_start: u64,
    /// And closes.
    #[serde(with = "integer")]
    pub automation_end: u64,
}

const DAY: u64 = 86_400;
const DAYS: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];
/// A basis point of a weight.
const BP: u64 = 100_000_000_000_000;

/// The intent of a vault.
///
/// # Errors
/// When the vault is not rebalanced, its schedule is no part of a week, the terms lack a token, or the result makes no sense.
pub fn import(vault: &Vault, terms: &Terms, nonce: U256, valid: [u64; 2]) -> Result<Intent, ImportError> {
    let automation = &vault.automation;
    if !automation.enabled {
        return wrong("automation.enabled", "the vault is not rebalanced");
    }
    let [absolute, relative] =
        [automation.rebalance_activation_threshold_abs_bps, automation.rebalance_activation_threshold_rel_bps].map(Bps::get);
    let rules = [(absolute, Rule::DriftAbsBps(absolute)), (relative, Rule::DriftRelBps(relative))];
    let trigger = Trigger {
        any_of: rules.into_iter().filter(|(bps, _)| *bps > 0).map(|(_, rule)| rule).collect(),
        cooldown_sec: automation.rebalance_activation_cooldown,
        window: vault.schedule.map_or(Ok(None), window)?,
        ..Trigger::default()
    };
    let assets = vault.token_weights.iter().enumerate().map(|(i, token)| {
        let named = terms.token(&token.mint, || format!("token_weights[{i}].mint"))?;
        let weight = u64::from(token.weight_bps.get());
        let target = Decimal::from_atoms(U256::from(weight * BP));
        // Where the first of the rules fires.
        let half =
            [u64::from(absolute) * BP, weight * u64::from(relative) * (BP / 10_000)].into_iter().filter(|half| *half > 0).min();
        let landing = u64::from(vault.landing_bps.get()) * BP;
        let half = half.unwrap_or(landing);
        let ranged = |half: u64| -> Range { around(target, U256::from(half), U256::from(half)) };
        Ok(Asset {
            token: named.address,
            target,
            band: ranged(half),
            landing: ranged(landing.min(half)),
            min_balance: Amount::default(),
            max_trade: Amount(U256::MAX),
            tradable: true,
            oracle: named.oracle.clone(),
        })
    });
    let costs = Costs {
        max_loss_bps: automation.rebalance_slippage_threshold_bps,
        max_loss_per_leg_bps: automation.per_trade_rebalance_slippage_threshold_bps,
        ..terms.costs.clone()
    };
    let assets = assets.collect::<Result<_, _>>()?;
    Terms { costs, ..terms.clone() }.intent(nonce, valid, assets, trigger)
}

/// The part of the week in which keepers may rebalance; none for all of it.
fn window(schedule: Schedule) -> Result<Option<Window>, ImportError> {
    let Schedule { cycle_start_time: start, cycle_duration: cycle, automation_start: open, automation_end: close } = schedule;
    if open >= close || close > cycle {
        return wrong("schedule.automation_end", "not after automation_start and within the cycle");
    }
    if close - open == cycle {
        return Ok(None);
    }
    let opens = start.saturating_add(open);
    let days = match cycle {
        DAY => Vec::new(),
        // The epoch was a Thursday.
        _ if cycle == 7 * DAY && close - open <= DAY => vec![DAYS[((opens / DAY + 3) % 7) as usize]],
        _ => return wrong("schedule.cycle_duration", "a window is a part of each day, or of one day a week"),
    };
    let time = |field: &str, seconds: u64| match TimeOfDay::from_seconds(seconds as u32) {
        Some(time) => Ok(time),
        None => wrong(format!("schedule.{field}"), "not on a full minute of the day"),
    };
    let from = time("automation_start", opens % DAY)?;
    let to = match start.saturating_add(close) % DAY {
        0 => DAY,
        second => second,
    };
    Ok(Some(Window { days, from, to: time("automation_end", to)? }))
}
