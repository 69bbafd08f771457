use super::*;

fn config(text: &str) -> TargetConfig {
    let config: TargetConfig = toml::from_str(text).unwrap();
    config.check().unwrap();
    config
}

fn situation(covariance: Option<&Covariance>, value: f64) -> Situation<'_> {
    Situation { now: Time::from_unix(0), value, start_value: 100.0, peak_value: value.max(100.0), covariance }
}

fn close(found: &[f64], wanted: &[f64], within: f64) {
    assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < within), "{found:?} is not {wanted:?}");
}

#[test]
fn fixed_weights_are_themselves_or_the_nearest_within_the_limits() {
    let fixed = config("kind = 'fixed'\nweights = { A = '0.6', B = '0.3', USD = '0.1' }");
    let free = Targets::new(&fixed, &Limits::default(), &["A", "B", "USD"], Some(2)).unwrap();
    assert_eq!(free.weights(), [0.6, 0.3, 0.1]);
    let group = Group { assets: vec!["A".into(), "B".into()], max: 0.7 };
    let bound = Targets::new(&fixed, &Limits { group: vec![group], ..Limits::default() }, &["A", "B", "USD"], Some(2)).unwrap();
    close(bound.weights(), &[0.5, 0.2, 0.3], 1e-6);
}

#[test]
fn limits_that_leave_nothing_are_refused() {
    let fixed = config("kind = 'fixed'\nweights = { A = '0.5', B = '0.5' }");
    let limits = Limits { max_weight: 0.4, ..Limits::default() };
    assert!(matches!(Targets::new(&fixed, &limits, &["A", "B"], None), Err(TargetError::Solver { .. })));
}

#[test]
fn weights_that_do_not_sum_to_one_are_refused_by_name() {
    let wrong: TargetConfig = toml::from_str("kind = 'fixed'\nweights = { A = '0.5', B = '0.49' }").unwrap();
    assert_eq!(wrong.check().unwrap_err().to_string(), "`target.weights`: the weights sum to 0.99, not to exactly 1");
}

#[test]
fn cppi_is_its_formula() {
    let cppi = config("kind = 'cppi'\nrisky = { A = '1' }\nsafe = 'USD'\nmultiplier = 3.0\nfloor = 0.8\nmax_exposure = 0.9");
    let mut targets = Targets::new(&cppi, &Limits::default(), &["A", "USD"], Some(1)).unwrap();
    for (value, exposure) in [(100.0, 0.6), (90.0, 1.0 / 3.0), (80.0, 0.0), (70.0, 0.0), (200.0, 0.9)] {
        targets.update(&situation(None, value));
        close(targets.weights(), &[exposure, 1.0 - exposure], 1e-12);
    }
    let ratchet = config("kind = 'cppi'\nrisky = { A = '1' }\nsafe = 'USD'\nmultiplier = 3.0\nfloor = 0.8\nfloor_of = 'peak'");
    let mut targets = Targets::new(&ratchet, &Limits::default(), &["A", "USD"], Some(1)).unwrap();
    targets.update(&Situation { peak_value: 110.0, ..situation(None, 100.0) });
    close(targets.weights(), &[0.36, 0.64], 1e-12);
}

#[test]
fn mean_variance_of_two_assets_is_its_closed_form() {
    // One risky asset against cash: w = μ/(γσ²).
    let mv = config("kind = 'mean_variance'\nassets = ['A', 'USD']\nexpected_returns = { A = 0.32 }\nrisk_aversion = 1.0");
    let sigma = Covariance::uniform(&[0.8, 0.0], 0.0);
    let mut targets = Targets::new(&mv, &Limits::default(), &["A", "USD"], Some(1)).unwrap();
    targets.update(&situation(Some(&sigma), 100.0));
    close(targets.weights(), &[0.5, 0.5], 1e-5);
    // Minimum variance of two uncorrelated assets: weights as inverse variances.
    let mv = config("kind = 'mean_variance'\nassets = ['A', 'B']\nrisk_aversion = 1.0");
    let mut targets = Targets::new(&mv, &Limits::default(), &["A", "B"], None).unwrap();
    targets.update(&situation(Some(&Covariance::uniform(&[0.8, 0.4], 0.0)), 100.0));
    close(targets.weights(), &[0.2, 0.8], 1e-5);
}

#[test]
fn risk_parity_brings_equal_risk_and_respects_groups() {
    let rp = config("kind = 'risk_parity'\nbudgets = { A = 1.0, B = 1.0, C = 1.0 }");
    let sigma = Covariance::uniform(&[0.9, 0.6, 0.3], 0.4);
    let mut targets = Targets::new(&rp, &Limits::default(), &["A", "B", "C"], None).unwrap();
    assert_eq!(targets.basis, Basis::NoForecast);
    targets.update(&situation(Some(&sigma), 100.0));
    let w = targets.weights().to_vec();
    // Of equal correlations, the weights are as inverse volatilities.
    close(&w, &[2.0 / 11.0, 3.0 / 11.0, 6.0 / 11.0], 1e-6);
    let mut pull = Vec::new();
    sigma.times(&w, &mut pull);
    let share = |i: usize| w[i] * pull[i] / sigma.quadratic(&w);
    assert!((0..3).all(|i| (share(i) - 1.0 / 3.0).abs() < 1e-6));

    let limits = Limits { max_weight: 0.5, ..Limits::default() };
    let mut targets = Targets::new(&rp, &limits, &["A", "B", "C"], None).unwrap();
    targets.update(&situation(Some(&sigma), 100.0));
    assert!(targets.weights()[2] <= 0.5 + 1e-6 && (targets.weights().iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

#[test]
fn a_target_is_computed_as_often_as_it_says() {
    let rp = config("kind = 'risk_parity'\nbudgets = { A = 1.0, B = 1.0 }\nevery = '7d'");
    let mut targets = Targets::new(&rp, &Limits::default(), &["A", "B"], None).unwrap();
    targets.update(&situation(Some(&Covariance::uniform(&[0.8, 0.8], 0.0)), 100.0));
    let first = targets.weights().to_vec();
    let later = Covariance::uniform(&[0.8, 0.2], 0.0);
    targets.update(&Situation { now: Time::from_unix(86_400), ..situation(Some(&later), 100.0) });
    assert_eq!(targets.weights(), first);
    targets.update(&Situation { now: Time::from_unix(7 * 86_400), ..situation(Some(&later), 100.0) });
    assert!((targets.weights()[1] - 0.8).abs() < 1e-6);
}
