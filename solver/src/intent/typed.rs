//! The intent as EIP-712 typed data: the structs of the contract.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{Eip712Domain, SolStruct, eip712_domain, sol};
use ballast_wire::intent::{self as wire, Intent, Mode, Rule, Window};

use super::abi::RebalanceSettlement as abi;

/// What an intent is signed for: its chain and its settlement contract.
pub fn domain(intent: &Intent) -> Eip712Domain {
    eip712_domain! { name: "Ballast", version: "1", chain_id: intent.chain_id, verifying_contract: intent.settlement, }
}

/// What is signed.
pub fn digest(intent: &Intent) -> B256 {
    typed(intent).eip712_signing_hash(&domain(intent))
}

sol! {
    /// What an owner signs to take an intent back from those who watch it; the contract knows nothing of it.
    struct CancelIntent {
        /// The intent's digest.
        bytes32 intent;
    }
}

/// What is signed to take an intent back: `CancelIntent(bytes32 intent)` in the intent's own domain.
pub fn cancellation(intent: &Intent) -> B256 {
    CancelIntent { intent: digest(intent) }.eip712_signing_hash(&domain(intent))
}

/// An intent as the contract takes it: fixed point of 18 places, and assets in ascending order of their tokens, by which the contract
/// knows that none is listed twice.
pub fn typed(intent: &Intent) -> abi::Intent {
    let mut assets: Vec<abi::Asset> = intent.assets.iter().map(asset).collect();
    assets.sort_by_key(|asset| asset.token);
    let (trigger, costs, execution, risk) = (&intent.trigger, &intent.costs, &intent.execution, &intent.risk);
    abi::Intent {
        owner: intent.owner,
        nonce: intent.nonce.0,
        validFrom: intent.valid_from,
        validTo: intent.valid_to,
        numeraire: intent.numeraire.0,
        assets,
        trigger: abi::Trigger {
            anyOf: trigger.any_of.iter().map(rule).collect(),
            cooldownSec: trigger.cooldown_sec,
            window: window(trigger.window.as_ref()),
            minNotional: trigger.min_notional.atoms(),
        },
        costs: abi::Costs {
            maxLossBps: costs.max_loss_bps.get(),
            maxLossPerDayBps: costs.max_loss_per_day_bps.get(),
            maxLossPerLegBps: costs.max_loss_per_leg_bps.get(),
            maxGasPriceWei: costs.max_gas_price_wei.0,
            solverFeeBps: costs.solver_fee_bps.get(),
            surplusShareToOwnerBps: costs.surplus_share_to_owner_bps.get(),
        },
        execution: abi::Execution {
            mode: match execution.mode {
                Mode::Atomic => 0,
                Mode::Twap => 1,
                Mode::Auction => 2,
            },
            slices: execution.slices,
            minSpacingSec: execution.min_spacing_sec,
            allowPartial: execution.allow_partial,
            minProgressBps: execution.min_progress_bps.get(),
            venuesAllow: execution.venues_allow.clone(),
            venuesDeny: execution.venues_deny.clone(),
        },
        risk: abi::Risk {
            maxTurnoverBps: risk.max_turnover_bps.get(),
            groups: risk.groups.iter().map(|g| abi::Group { tokens: g.tokens.clone(), max: g.max.atoms() }).collect(),
        },
    }
}

fn asset(asset: &wire::Asset) -> abi::Asset {
    let none = || abi::Oracle {
        feed: Address::ZERO,
        maxAge: 0,
        minPrice: U256::ZERO,
        maxPrice: U256::ZERO,
        twapPool: Address::ZERO,
        maxDeviationBps: 0,
    };
    abi::Asset {
        token: asset.token,
        target: asset.target.atoms(),
        band: range(asset.band),
        landing: range(asset.landing),
        minBalance: asset.min_balance.0,
        maxTrade: asset.max_trade.0,
        tradable: asset.tradable,
        oracle: asset.oracle.as_ref().map_or_else(none, oracle),
    }
}

fn range(range: wire::Range) -> abi::Range {
    abi::Range { low: range.low.atoms(), high: range.high.atoms() }
}

fn oracle(oracle: &wire::Oracle) -> abi::Oracle {
    abi::Oracle {
        feed: oracle.feed,
        maxAge: oracle.max_age,
        minPrice: oracle.min_price.atoms(),
        maxPrice: oracle.max_price.atoms(),
        twapPool: oracle.twap_pool.unwrap_or_default(),
        maxDeviationBps: oracle.max_deviation_bps.get(),
    }
}

/// Kinds are those of the contract's `RuleKind`.
fn rule(rule: &Rule) -> abi::Rule {
    let (kind, value, period) = match rule {
        Rule::DriftAbsBps(bps) => (0, U256::from(*bps), 0),
        Rule::DriftRelBps(bps) => (1, U256::from(*bps), 0),
        Rule::TrackingErrorBps(bps) => (2, U256::from(*bps), 0),
        Rule::Calendar { every_sec, offset_sec } => (3, U256::from(*offset_sec), *every_sec),
        Rule::HitProbability { p, horizon_sec } => (4, p.atoms(), *horizon_sec),
    };
    abi::Rule { kind, value, period }
}

fn window(window: Option<&Window>) -> abi::Window {
    let Some(window) = window else { return abi::Window { daysOfWeek: 0, from: 0, to: 0 } };
    let days = window.days.iter().fold(0, |days, day| days | 1 << *day as u8);
    abi::Window { daysOfWeek: days, from: window.from.seconds(), to: window.to.seconds() }
}
