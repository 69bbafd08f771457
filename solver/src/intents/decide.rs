//! Whether an intent is to be settled now.

use ballast_wire::intent::{Intent, Rule, Trigger};

use crate::intent::judge::{self, Breach, Idle};
use crate::intent::portfolio::Measured;
use crate::intent::state::State;

/// What to do about an intent. Reasons stay the same words for as long as the reason is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// Settle it.
    Settle(String),
    /// Not now.
    Wait(String),
    /// Not before the vault or its prices are others.
    Park(String),
    /// Its time is over.
    Expired,
    /// The contract has its nonce as used.
    Used,
}

impl Decision {
    /// In one word.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Settle(_) => "settle",
            Self::Wait(_) => "wait",
            Self::Park(_) => "park",
            Self::Expired => "expired",
            Self::Used => "used",
        }
    }

    /// Why.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Settle(reason) | Self::Wait(reason) | Self::Park(reason) => reason,
            Self::Expired => "its validTo has passed",
            Self::Used => "the contract has its nonce as used",
        }
    }
}

/// Decides on an intent that has been here since `since`, Unix seconds: by the contract's own arithmetic, and what it leaves to the solver.
pub(super) fn decide(intent: &Intent, state: &State, since: u64) -> (Decision, Option<Measured>) {
    let portfolio = match state.portfolio(intent) {
        Ok(portfolio) => portfolio,
        Err(error) => return (Decision::Wait(error.to_string()), None),
    };
    let Some(held) = portfolio.measure() else { return (Decision::Wait(Breach::EmptyVault.to_string()), None) };
    if let Err(breach) = state.admit(intent, &portfolio) {
        let decision = match breach {
            Breach::Expired(_) => Decision::Expired,
            Breach::NonceUsed => Decision::Used,
            Breach::GasPriceTooHigh(_) => Decision::Wait("gas costs more than costs.maxGasPriceWei".to_owned()),
            Breach::StalePrice(token, _) => Decision::Wait(format!("the price of {token} is stale")),
            other => Decision::Wait(other.to_string()),
        };
        return (decision, Some(held));
    }
    let moment = state.moment();
    let decision = match judge::idle(intent, &held, &moment) {
        Some(Idle::TooSmall) => Decision::Park(Idle::TooSmall.to_string()),
        Some(idle) => Decision::Wait(idle.to_string()),
        None if !moment.settled.is_zero() => Decision::Settle("it is under way, and has not landed".to_owned()),
        None => triggered(intent, state, &held, since),
    };
    (decision, Some(held))
}

/// Which rule calls for it. Where an intent has rules that the contract leaves to the solver, the contract takes them for fulfilled.
fn triggered(intent: &Intent, state: &State, held: &Measured, since: u64) -> Decision {
    let rules = &intent.trigger.any_of;
    let on_chain = |rule: &&Rule| matches!(rule, Rule::DriftAbsBps(_) | Rule::DriftRelBps(_));
    if rules.iter().all(|rule| on_chain(&rule)) {
        return Decision::Settle(
            if rules.is_empty() { "a weight is outside its band" } else { "a weight has drifted" }.to_owned(),
        );
    }
    let drift: Vec<Rule> = rules.iter().filter(on_chain).cloned().collect();
    if !drift.is_empty() {
        let trigger = Trigger { any_of: drift, ..intent.trigger.clone() };
        if judge::idle(&Intent { trigger, ..intent.clone() }, held, &state.moment()).is_none() {
            return Decision::Settle("a weight has drifted".to_owned());
        }
    }
    let since = since.max(intent.valid_from).max(state.rebalanced_at);
    let due = |rule: &Rule| match rule {
        Rule::Calendar { every_sec, offset_sec } => {
            let step = |time: u64| time.saturating_sub((*offset_sec).into()).checked_div((*every_sec).into());
            step(state.time) > step(since)
        }
        _ => false,
    };
    if rules.iter().any(due) {
        return Decision::Settle("its calendar says so".to_owned());
    }
    if rules.iter().any(|rule| matches!(rule, Rule::TrackingErrorBps(_) | Rule::HitProbability { .. })) {
        return Decision::Wait(
            "its rules but those on forecasts, which this service does not make, do not call for it".to_owned(),
        );
    }
    Decision::Wait(Idle::NoDrift.to_string())
}
