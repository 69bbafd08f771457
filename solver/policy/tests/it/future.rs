//! Policies see only prices up to each timestamp: whatever comes after a bar, the decisions up to it are the same.

use ballast_policy::{
    backtest::{self, Filled, Outcome, Point, Settings},
    history::{History, PriceFile, Strictness, read, read_macro},
    policy::Policy,
    time::Span,
};
use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

use crate::{Folder, example, policies};

fn run(policy: &Policy, history: &History) -> Outcome {
    // A point per bar, so that the whole path is compared: weights, targets and bands too.
    let settings = Settings { points: usize::MAX, warmup: Span::from_days(200), ..Settings::default() };
    backtest::run(policy, history, "USD", &settings, &|_| ()).unwrap()
}

/// The prices after `cut`, put in another order.
fn shuffled(history: &History, cut: usize, seed: u64) -> History {
    let mut order: Vec<usize> = (cut..history.len()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let closes: Vec<Vec<f64>> = history.bars().map(|bar| bar.close.to_vec()).collect();
    history.with_future(cut, |t, i| closes[order[t - cut]][i])
}

#[test]
fn a_shuffled_future_changes_no_decision_before_it() {
    let all = read(&[PriceFile { asset: None, path: example("prices.csv") }], Strictness::Strict).unwrap();
    let mut traded = 0;
    for path in policies() {
        let policy = Policy::read(&path).unwrap();
        let history = all.select(&policy.assets(), "USD").unwrap();
        let truth = run(&policy, &history);
        for (cut, seed) in [(300, 1), (451, 2), (700, 3)] {
            let other = run(&policy, &shuffled(&history, cut, seed));
            let now = history.times()[cut];
            let points = |o: &Outcome| o.path.iter().filter(|p| p.time < now).cloned().collect::<Vec<Point>>();
            let trades = |o: &Outcome| o.trades.iter().filter(|t| t.time < now).cloned().collect::<Vec<Filled>>();
            assert!(points(&truth).len() >= 100 - usize::from(cut == 300));
            assert!(points(&truth) == points(&other), "{}: another path before bar {cut}", policy.name);
            assert!(trades(&truth) == trades(&other), "{}: other trades before bar {cut}", policy.name);
            assert!(truth.path != other.path, "{}: the shuffle must be seen once it has happened", policy.name);
            traded += trades(&truth).len();
        }
    }
    assert!(traded > 500, "a test of policies that do nothing would prove nothing");
}

#[test]
fn a_macro_value_is_not_seen_before_it_is_published() {
    let folder = Folder::new("macro-lag");
    let path = folder.write("macro.csv", "date,RATE\n2024-01-01,1\n2024-02-01,2\n2024-03-01,5\n");
    let mut history = read(&[PriceFile { asset: None, path: example("prices.csv") }], Strictness::Strict).unwrap();
    read_macro(&mut history, &path, Span::from_days(10)).unwrap();
    let seen = |day: &str| {
        let at = day.parse().unwrap();
        history.bars().find(|bar| bar.time == at).unwrap().macros[0]
    };
    assert!(seen("2024-01-10").is_nan());
    assert_eq!((seen("2024-01-11"), seen("2024-02-10"), seen("2024-02-11"), seen("2024-03-11")), (1.0, 1.0, 2.0, 5.0));
}
