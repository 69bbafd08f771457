use std::path::Path;

use super::*;
use crate::time::{Span, Time};

fn d(text: &str) -> BigDecimal {
    text.parse().unwrap()
}

fn history() -> History {
    History::of_closes(vec!["A".into(), "USD".into()], vec![Time::from_unix(0)], vec![100.0, 1.0])
}

fn decider(policy: &str) -> Decider {
    let text = format!("{policy}\nname = 'x'\n[target]\nkind = 'fixed'\nweights = {{ A = '0.5', USD = '0.5' }}");
    let policy = Policy::parse(&text, Path::new("x.toml")).unwrap();
    let asset = |name: &str| Asset { name: name.into(), decimals: 6, tradable: true };
    Decider::new(policy, vec![asset("A"), asset("USD")], "USD", &history(), Memory::default()).unwrap()
}

fn held(a: &str, usd: &str) -> Holdings {
    Holdings::new(vec![d(a), d(usd)])
}

fn at(hours: i64) -> Time {
    Time::from_unix(hours * 3_600)
}

const DRIFT: &str = "trigger.any_of = [{ rule = 'drift_absolute', band = 0.05 }]";

#[test]
fn inside_the_band_it_holds_and_says_what_would_change_it() {
    let mut decider = decider(DRIFT);
    let holdings = held("52", "4800");
    let decision = decider.decide(&holdings, &[100.0, 1.0], at(0), None);
    assert_eq!(decision.action, Action::Hold(Hold::NoRule));
    let explained = decider.explain(&decision, &holdings, &[d("100"), d("1")]);
    assert_eq!(explained.positions[0].weight, d("0.52"));
    assert_eq!(explained.positions.iter().map(|p| p.weight.clone()).sum::<BigDecimal>(), d("1"));
    // 0.55 is reached when the price rises by (0.55−0.52)/(0.52·0.45) = 12.8 %.
    assert_eq!(explained.rules[0].would_change, "fires if A fell to 75.5245 (-24.5%) or rose to 112.821 (+12.8%)");
    // And there it does fire.
    assert!(matches!(decider.decide(&holdings, &[112.9, 1.0], at(1), None).action, Action::Trade(_)));
    assert_eq!(decider.decide(&holdings, &[112.7, 1.0], at(2), None).action, Action::Hold(Hold::NoRule));
}

#[test]
fn a_trade_is_exact_and_lands_where_it_should() {
    for (landing, weight) in [("target", "0.5"), ("half", "0.525"), ("edge", "0.55")] {
        let mut decider = decider(&format!("{DRIFT}\nlanding = '{landing}'"));
        let holdings = held("60", "4000");
        let Action::Trade(trade) = decider.decide(&holdings, &[100.0, 1.0], at(0), None).action else { panic!() };
        assert_eq!(trade.to.as_slice()[0], d(weight));
        assert_eq!(trade.to.as_slice().iter().sum::<BigDecimal>(), d("1"));
        assert_eq!(trade.orders.iter().map(|o| o.value.clone()).sum::<BigDecimal>(), d("0"));
    }
}

#[test]
fn turnover_limit_minimum_cooldown_and_window() {
    let holdings = held("60", "4000");
    let prices = [100.0, 1.0];
    let Action::Trade(trade) =
        decider(&format!("{DRIFT}\nlimits.turnover = 0.04")).decide(&holdings, &prices, at(0), None).action
    else {
        panic!()
    };
    assert_eq!(trade.to.as_slice()[0], d("0.56"));
    let small = decider(&format!("{DRIFT}\ntrigger.min_notional = '1000.01'")).decide(&holdings, &prices, at(0), None);
    assert!(matches!(small.action, Action::Hold(Hold::TooSmall { .. })));

    let mut cooling = decider(&format!("{DRIFT}\ntrigger.cooldown = '6h'"));
    let Action::Trade(trade) = cooling.decide(&holdings, &prices, at(0), None).action else { panic!() };
    cooling.settled(&trade, at(0));
    let decision = cooling.decide(&holdings, &prices, at(5), None);
    assert_eq!(decision.action, Action::Hold(Hold::Cooldown { until: at(6), rule: 0 }));
    assert!(matches!(cooling.decide(&holdings, &prices, at(6), None).action, Action::Trade(_)));

    let mut windowed = decider(&format!("{DRIFT}\ntrigger.windows = [{{ from = '08:00', to = '10:00' }}]"));
    assert_eq!(windowed.decide(&holdings, &prices, at(0), None).action, Action::Hold(Hold::Window { opens: Some(at(8)) }));
    assert!(matches!(windowed.decide(&holdings, &prices, at(9), None).action, Action::Trade(_)));
}

#[test]
fn the_calendar_fires_once_per_grid_point_whatever_comes_of_it() {
    let mut decider = decider("trigger.any_of = [{ rule = 'calendar', every = '1d' }]");
    let holdings = held("50", "5000");
    assert_eq!(decider.decide(&holdings, &[100.0, 1.0], at(1), None).action, Action::Hold(Hold::NoRule));
    assert_eq!(decider.decide(&holdings, &[100.0, 1.0], at(24), None).action, Action::Hold(Hold::AlreadyLanded));
    assert_eq!(decider.decide(&holdings, &[100.0, 1.0], at(25), None).action, Action::Hold(Hold::NoRule));
    let Action::Trade(trade) = decider.decide(&holdings, &[110.0, 1.0], at(50), None).action else { panic!("missed, still due") };
    decider.settled(&trade, at(50));
    assert_eq!(decider.decide(&holdings, &[110.0, 1.0], at(51), None).action, Action::Hold(Hold::NoRule));
}

#[test]
fn each_slice_is_decided_anew() {
    let mut decider = decider(&format!("{DRIFT}\nslicing = {{ kind = 'equal', slices = 4, spacing = '1h' }}"));
    let mut holdings = held("60", "4000");
    let prices = [d("100"), d("1")];
    let book = |holdings: &mut Holdings, trade: &Trade, decider: &Decider| {
        holdings.fill(&trade.orders, &prices, decider.assets(), &decider.policy().costs).unwrap();
    };
    let Action::Trade(first) = decider.decide(&holdings, &[100.0, 1.0], at(0), None).action else { panic!() };
    assert_eq!((first.to.as_slice()[0].clone(), first.slice.as_ref().unwrap().of), (d("0.575"), 4));
    book(&mut holdings, &first, &decider);
    decider.settled(&first, at(0));
    let waiting = decider.decide(&holdings, &[100.0, 1.0], Time::from_unix(60), None).action;
    assert_eq!(waiting, Action::Hold(Hold::NextSlice { at: at(1) }));
    let Action::Trade(second) = decider.decide(&holdings, &[100.0, 1.0], at(1), None).action else { panic!() };
    assert_eq!(second.to.as_slice()[0], d("0.55"));
    book(&mut holdings, &second, &decider);
    decider.settled(&second, at(1));
    // The price falls back to where the target is: the rest is dropped.
    let price = 4_500.0 / 55.0;
    let gone = decider.decide(&Holdings::new(vec![d("55"), d("4500")]), &[price, 1.0], at(2), None).action;
    assert_eq!(gone, Action::Hold(Hold::SlicesDone));
    assert_eq!(decider.memory().programme, None);
}

#[test]
fn a_guard_without_readings_halts_and_with_stress_shrinks() {
    let guarded = format!("{DRIFT}\nguard = {{ max_deviation = 0.02, shrink = 0.5 }}");
    let holdings = held("60", "4000");
    let mut decider_ = decider(&guarded);
    let decision = decider_.decide(&holdings, &[100.0, 1.0], at(0), None);
    assert_eq!(decision.action, Action::Halt);
    let explained = decider_.explain(&decision, &holdings, &[d("100"), d("1")]);
    assert_eq!(explained.faults, ["A: there is no oracle reading, and a spot price is none"]);

    let reading = crate::oracle::Reading { answer: 100.0, updated_at: at(0), twap: Some(96.6) };
    let readings = Readings { feeds: vec![Some(reading), None], ..Readings::default() };
    let Action::Trade(trade) = decider(&guarded).decide(&holdings, &[100.0, 1.0], at(0), Some(&readings)).action else {
        panic!()
    };
    assert_eq!(trade.to.as_slice()[0], d("0.55"), "half the way");
}

#[test]
fn nothing_held_and_fixed_assets() {
    assert_eq!(decider(DRIFT).decide(&held("0", "0"), &[100.0, 1.0], at(0), None).action, Action::Hold(Hold::NothingHeld));
    let mut stuck = decider(DRIFT);
    stuck.fixed = vec![true, false];
    let action = stuck.decide(&held("60", "4000"), &[100.0, 1.0], at(0), None).action;
    assert_eq!(action, Action::Hold(Hold::AlreadyLanded), "the other can go nowhere alone");
}

#[test]
fn policy_and_portfolio_must_speak_of_the_same_assets() {
    let policy = decider(DRIFT).policy().clone();
    let asset = |name: &str| Asset { name: name.into(), decimals: 6, tradable: true };
    let make = |names: &[&str]| {
        Decider::new(policy.clone(), names.iter().map(|n| asset(n)).collect(), "USD", &history(), Memory::default()).unwrap_err()
    };
    assert_eq!(make(&["A", "B", "USD"]), DeciderError::Unnamed("B".into()));
    assert_eq!(make(&["A"]), DeciderError::Unlisted("USD".into()));
}

#[test]
fn memory_survives_a_file() {
    let mut decider = decider(&format!("{DRIFT}\nslicing = {{ kind = 'equal', slices = 2, spacing = '1h' }}"));
    let Action::Trade(trade) = decider.decide(&held("60", "4000"), &[100.0, 1.0], at(3), None).action else { panic!() };
    decider.settled(&trade, at(3));
    let text = serde_json::to_string(decider.memory()).unwrap();
    assert_eq!(&serde_json::from_str::<Memory>(&text).unwrap(), decider.memory());
    assert_eq!(decider.memory().programme.as_ref().unwrap().next_at, at(3).plus(Span::from_seconds(3_600)));
}
