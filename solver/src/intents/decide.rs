//! Whether an intent is to be settled now.

use ballast_wire::intent::{Intent, Rule, Trigger};

use super::forecast::Forecasts;
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
pub(super) fn decide(intent: &Intent, state: &State, since: u64, forecasts: &Forecasts) -> (Decision, Option<Measured>) {
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
        None => triggered(intent, state, &held, since, forecasts),
    };
    (decision, Some(held))
}

/// Which rule calls for it. Where an intent has rules that the contract leaves to the solver, the contract takes them for fulfilled.
fn triggered(intent: &Intent, state: &State, held: &Measured, since: u64, forecasts: &Forecasts) -> Decision {
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
        match forecasts.calls(intent, held, state.time) {
            Ok(Some(reason)) => return Decision::Settle(reason),
            Ok(None) => {}
            Err(reason) => return Decision::Wait(reason),
        }
    }
    Decision::Wait(Idle::NoDrift.to_string())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use ballast_wire::{Amount, Decimal};

    use super::*;
    use crate::intent::state::Held;

    /// Half, three tenths and a fifth of a million, on target, within the time and window of the example.
    fn case(rules: Vec<Rule>) -> (Intent, State) {
        let mut intent = Intent::from_json(include_bytes!("../../examples/intent.json")).unwrap();
        intent.trigger = Trigger { any_of: rules, ..Trigger::default() };
        let held = |(index, value): (usize, u64)| Held {
            token: intent.assets[index].token,
            balance: Amount(U256::from(value)),
            price: Decimal::from_atoms(Decimal::ONE.atoms() * U256::from([1_u64, 2_500, 50_000][index])),
            updated_at: 0,
            decimals: 0,
        };
        let holdings = [500_000, 120, 4].into_iter().enumerate().map(held).collect();
        let time = intent.valid_from + 86_400;
        let (gas_price_wei, settled, lost) = (Amount(U256::ONE), Amount(U256::ZERO), Decimal::from_atoms(U256::ZERO));
        (intent, State { time, gas_price_wei, settled, rebalanced_at: 0, lost, holdings })
    }

    fn decided(intent: &Intent, state: &State) -> Decision {
        decide(intent, state, state.time, &forecasts(Vec::new())).0
    }

    #[test]
    fn drift_calls_for_it_and_what_is_on_target_waits() {
        let (intent, mut state) = case(vec![Rule::DriftAbsBps(500)]);
        assert_eq!(decided(&intent, &state), Decision::Wait(Idle::InsideLanding.to_string()));
        state.holdings[1].balance = Amount(U256::from(130));
        assert_eq!(decided(&intent, &state), Decision::Wait(Idle::NoDrift.to_string()));
        state.holdings[1].balance = Amount(U256::from(190));
        assert_eq!(decided(&intent, &state).name(), "settle");
        state.gas_price_wei = Amount(U256::MAX);
        assert_eq!(decided(&intent, &state), Decision::Wait("gas costs more than costs.maxGasPriceWei".to_owned()));
        state.time = intent.valid_to + 1;
        assert_eq!(decided(&intent, &state), Decision::Expired);
    }

    /// The contract takes rules of the solver's for fulfilled; the solver does not.
    #[test]
    fn a_calendar_counts_from_when_the_intent_came() {
        let day = Rule::Calendar { every_sec: 86_400, offset_sec: 0 };
        let (intent, mut state) = case(vec![Rule::DriftAbsBps(9_000), day]);
        state.holdings[1].balance = Amount(U256::from(190));
        let (came, none) = (state.time, forecasts(Vec::new()));
        assert_eq!(decide(&intent, &state, came, &none).0, Decision::Wait(Idle::NoDrift.to_string()));
        state.time += 86_400;
        assert_eq!(decide(&intent, &state, came, &none).0, Decision::Settle("its calendar says so".to_owned()));
        state.rebalanced_at = state.time;
        assert_eq!(decide(&intent, &state, came, &none).0.name(), "wait");
    }

    fn forecasts(files: Vec<std::path::PathBuf>) -> Forecasts {
        Forecasts::new(files, crate::market::FileMarket::new("none"))
    }

    #[test]
    fn forecasts_follow_the_history_and_without_one_that_is_said() {
        let (intent, mut state) = case(vec![Rule::TrackingErrorBps(100)]);
        state.holdings[1].balance = Amount(U256::from(190));
        let decision = decided(&intent, &state);
        assert!(decision.name() == "wait" && decision.reason().contains("intents.history"), "{decision:?}");
        // Two months that end now, in which a day moves a price by so much, up and down in turn.
        let history = |daily: f64, end: u64| {
            let mut text = "time".to_owned();
            intent.assets.iter().for_each(|asset| text += &format!(",{:#x}", asset.token));
            for day in 0..60_u64 {
                text += &format!("\n{}", end - (59 - day) * 86_400);
                // The first is as good as money.
                text += &format!(",{}", 1.0 + 1e-6 * (day % 3) as f64);
                for k in 1..intent.assets.len() as u64 {
                    text += &format!(",{}", 100.0 * (1.0 + daily * (day / k % 2) as f64));
                }
            }
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            file
        };
        let by = |intent: &Intent, file: &tempfile::NamedTempFile| {
            decide(intent, &state, state.time, &forecasts(vec![file.path().to_owned()])).0
        };
        let [calm, storm, old] = [(1e-5, 0), (0.05, 0), (0.05, 8 * 86_400)].map(|(daily, ago)| history(daily, state.time - ago));
        assert_eq!(by(&intent, &calm), Decision::Wait(Idle::NoDrift.to_string()));
        let called = by(&intent, &storm);
        assert!(called.name() == "settle" && called.reason().contains("tracking error"), "{called:?}");
        let late = by(&intent, &old);
        assert!(late.name() == "wait" && late.reason().contains("a week ago"), "{late:?}");
        let odds = |p: &str| {
            let rule = Rule::HitProbability { p: p.parse().unwrap(), horizon_sec: 30 * 86_400 };
            let mut intent = intent.clone();
            intent.trigger.any_of = vec![rule];
            // Room on both sides of where the weights are.
            for asset in &mut intent.assets {
                (asset.band.low, asset.band.high) = ("0".parse().unwrap(), "1".parse().unwrap());
            }
            intent
        };
        assert_eq!(by(&odds("0.00001"), &calm).name(), "wait");
        assert_eq!(by(&odds("0.00001"), &storm).name(), "settle");
    }

    #[test]
    fn dust_parks_and_a_used_nonce_ends_it() {
        let (mut intent, mut state) = case(vec![Rule::DriftAbsBps(1)]);
        intent.trigger.min_notional = "1000000".parse().unwrap();
        state.holdings[1].balance = Amount(U256::from(190));
        assert_eq!(decided(&intent, &state), Decision::Park(Idle::TooSmall.to_string()));
        state.settled = Amount(U256::MAX);
        assert_eq!(decided(&intent, &state), Decision::Used);
        state.holdings.clear();
        assert_eq!(decided(&intent, &state).name(), "wait");
    }
}
