use proptest::prelude::*;

use super::*;

fn product() -> Curve {
    Curve::Product(Product::new([1000.0, 900.0], 0.003).unwrap())
}

fn ticks() -> Curve {
    let roots = [0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.3];
    let liquidity = [100.0, 5000.0, 20000.0, 0.0, 8000.0, 50.0];
    let ranges: Vec<Range> =
        roots.windows(2).zip(liquidity).map(|(w, liquidity)| Range { lower: w[0], upper: w[1], liquidity }).collect();
    Curve::Ticks(Ticks::new(0.99, &ranges, 0.003).unwrap())
}

fn weighted() -> Curve {
    Curve::Weighted(Weighted::new(&[1000.0, 300.0, 500.0], &[0.5, 0.2, 0.3], 0.002, 0.3).unwrap())
}

fn stable() -> Curve {
    Curve::Stable(Stable::new(&[1000.0, 700.0, 1500.0], &[1.0, 1.01, 0.98], 600.0, 0.0004).unwrap())
}

fn all() -> Vec<(&'static str, Curve)> {
    vec![("product", product()), ("ticks", ticks()), ("weighted", weighted()), ("stable", stable())]
}

#[test]
fn a_response_ends_where_the_marginal_price_is_the_one_asked() {
    for (name, curve) in all() {
        for (i, j) in [(0, 1), (1, 0)] {
            for depth in [0.9999, 0.99, 0.95, 0.9] {
                let m = curve.rate(i, j) * depth;
                let r = curve.respond_pair(i, j, m, 1e-6);
                if r.slope == 0.0 || r.input <= 1e-9 {
                    continue;
                }
                assert!((curve.output(i, j, r.input) - r.output).abs() < 1e-8 * r.output.max(1.0), "{name} {i}{j} {depth}");
                let h = 1e-5 * r.input;
                let slope = (curve.output(i, j, r.input + h) - curve.output(i, j, r.input - h)) / (2.0 * h);
                assert!((slope / m - 1.0).abs() < 1e-5, "{name} {i}{j} at {depth}: marginal {slope}, asked {m}");
                let step = 1e-6 * m;
                let moved = curve.respond_pair(i, j, m - step, 1e-6).input - curve.respond_pair(i, j, m + step, 1e-6).input;
                assert!((moved / (2.0 * step) / r.slope - 1.0).abs() < 1e-3, "{name} {i}{j} at {depth}: slope");
            }
        }
    }
}

#[test]
fn ticks_pay_across_a_gap() {
    let curve = ticks();
    // Between √price 1.0 and 1.05 nothing is for sale: selling coin 1 crosses it.
    let before = curve.output(1, 0, 20000.0 * 0.01 / 0.997);
    let after = curve.output(1, 0, 20000.0 * 0.01 / 0.997 + 10.0);
    assert!((after - before - 10.0 * 0.997 / (1.05 * 1.05)).abs() < 0.02);
}

#[test]
fn a_trade_that_pays_what_the_market_asks_is_complete() {
    for (name, curve, unfunded) in [("weighted", weighted(), -400.0), ("stable", stable(), -30_000.0)] {
        let mut response = Response::default();
        curve.respond(&[1.0, 1.03, 1.01], u8::MAX, &mut response);
        for j in 0..3 {
            let mut trade = response.trade.clone();
            trade[j] = 0.0;
            assert!(curve.complete(&mut trade, j), "{name}");
            assert!((trade[j] - response.trade[j]).abs() < 1e-9, "{name}: {trade:?} {response:?}");
        }
        // A little more of the last coin is paid for at the margin.
        let mut more = response.trade.clone();
        more[2] += 1e-3;
        assert!(curve.complete(&mut more, 0) && more[0] < response.trade[0], "{name}: {more:?}");
        assert!(!curve.complete(&mut [0.0, unfunded, 0.0], 0), "{name}: beyond its cap");
    }
    assert!(!product().complete(&mut [-1.0, 0.0], 1));
}

/// The response to prices of all coins maximises profit: no feasible trade nearby does better, and the block is its derivative.
fn check_block(curve: &Curve, nu: &[f64]) -> Result<(), TestCaseError> {
    let n = nu.len();
    let mut r = Response::default();
    curve.respond(nu, u8::MAX, &mut r);
    let profit: f64 = (0..n).map(|k| nu[k] * r.trade[k]).sum();
    prop_assert!(profit >= -1e-9, "profit {profit}");
    let levels: Vec<f64> =
        (0..n).map(|k| nu[k] / if k == 0 { 1.0 } else { curve.rate(k, 0) / curve.rate(0, k) }.sqrt()).collect();
    let [low, high] = [f64::min, f64::max].map(|pick| levels.iter().copied().reduce(pick).unwrap());
    let gamma = (curve.rate(0, 1) * curve.rate(1, 0)).sqrt();
    let most = curve.most_profit(nu, (high / low * gamma - 1.0).max(0.0));
    prop_assert!(profit <= most * (1.0 + 1e-9) + 1e-9, "profit {profit}, at most {most}");
    for j in 0..n {
        let (mut up, mut down) = (nu.to_vec(), nu.to_vec());
        let h = 1e-6 * nu[j];
        up[j] += h;
        down[j] -= h;
        let (mut a, mut b) = (Response::default(), Response::default());
        curve.respond(&up, u8::MAX, &mut a);
        curve.respond(&down, u8::MAX, &mut b);
        let value = |r: &Response, nu: &[f64]| -> f64 { (0..n).map(|k| nu[k] * r.trade[k]).sum() };
        // The support function's gradient is the trade.
        let gradient = (value(&a, &up) - value(&b, &down)) / (2.0 * h);
        let bend = a.hessian[j * n + j].max(b.hessian[j * n + j]) * h;
        prop_assert!(
            (gradient - r.trade[j]).abs() < 1e-4 * (1.0 + r.trade[j].abs()) + bend,
            "gradient {gradient} trade {}",
            r.trade[j]
        );
        // Its curvature is the block, away from kinks.
        let kinked = (0..n).any(|k| {
            (a.trade[k] == 0.0) != (b.trade[k] == 0.0) || (a.hessian[k * n + k] == 0.0) != (b.hessian[k * n + k] == 0.0)
        });
        for k in 0..n {
            let moved = (a.trade[k] - b.trade[k]) / (2.0 * h);
            let block = r.hessian[k * n + j];
            prop_assert!(kinked || (moved - block).abs() < 1e-3 * (1.0 + block.abs()), "block {k}{j}: {moved} {block}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn weighted_blocks_are_derivatives(nu in prop::array::uniform3(-0.4f64..0.4)) {
        let Curve::Weighted(c) = weighted() else { unreachable!() };
        let nu: Vec<f64> = (0..3).map(|k| nu[k].exp() * c.rate(k, 0) ).collect();
        check_block(&weighted(), &nu)?;
    }

    #[test]
    fn stable_blocks_are_derivatives(nu in prop::array::uniform3(-0.02f64..0.02)) {
        let curve = stable();
        let nu: Vec<f64> = (0..3).map(|k| nu[k].exp() * if k == 0 { 1.0 } else { curve.rate(k, 0) }).collect();
        check_block(&curve, &nu)?;
    }

    /// However far the prices are off, the whole earns at least what any two of its coins do.
    #[test]
    fn no_pair_earns_more_than_the_whole(
        balances in prop::collection::vec(1e2f64..1e6, 3..6), nu in prop::collection::vec(-6.0f64..6.0, 5), ann in 1.0f64..2000.0
    ) {
        let n = balances.len();
        let weights: Vec<f64> = (0..n).map(|k| 1.0 + k as f64).collect();
        let unit = vec![1.0; n];
        let curves = [
            Stable::new(&balances, &unit, ann, 0.003).map(Curve::Stable),
            Weighted::new(&balances, &weights, 0.003, 0.3).map(Curve::Weighted),
        ];
        let nu: Vec<f64> = nu[..n].iter().map(|x| x.exp()).collect();
        for curve in curves.into_iter().flatten() {
            let mut whole = Response::default();
            curve.respond(&nu, u8::MAX, &mut whole);
            let earned = whole.value(&nu);
            for i in 0..n {
                for j in (0..n).filter(|&j| j != i) {
                    let pair = curve.respond_pair(i, j, nu[i] / nu[j], 1e-6);
                    let alone = nu[j] * pair.output - nu[i] * pair.input;
                    prop_assert!(earned >= alone * (1.0 - 1e-9) - 1e-6, "{i}>{j} earns {alone}, the whole {earned}: {curve:?} {nu:?}");
                }
            }
        }
    }

    #[test]
    fn pairs_agree_with_the_whole_when_only_two_coins_may_move(tilt in 0.0005f64..0.2, which in 0usize..2) {
        let curve = [weighted(), stable()][which].clone();
        let nu = [1.0, curve.rate(0, 1).recip() * (1.0 + tilt), 1.0];
        let mut whole = Response::default();
        curve.respond(&nu, 0b011, &mut whole);
        let pair = curve.respond_pair(0, 1, nu[0] / nu[1], 1e-6);
        prop_assert!((whole.trade[0] + pair.input).abs() < 1e-6 * (1.0 + pair.input), "{:?} {:?}", whole.trade, pair);
        prop_assert!((whole.trade[1] - pair.output).abs() < 1e-6 * (1.0 + pair.output));
        let h = pair.slope / nu[1];
        prop_assert!((whole.hessian[0] - h).abs() < 1e-4 * (1.0 + h), "{} {}", whole.hessian[0], h);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn stable_responses_lie_on_the_invariant(nu in prop::array::uniform5(-0.5f64..0.5), fee in 0.0001f64..0.01) {
        let balances = [52578.2, 61543.1, 50627.6, 26864.1, 22392.6];
        let unit = [1.0, 1.01, 0.98, 1.2, 0.9];
        let pool = Stable::new(&balances, &unit, 1766.4, fee).unwrap();
        let nu: Vec<f64> = nu.iter().zip(unit).map(|(n, u)| n.exp() / u).collect();
        let mut r = Response::default();
        pool.respond(&nu, u8::MAX, &mut r);
        let after: Vec<f64> = (0..5).map(|k| balances[k] - r.trade[k] / unit[k] * if r.trade[k] < 0.0 { 1.0 - fee } else { 1.0 }).collect();
        let again = Stable::new(&after, &unit, 1766.4, fee).unwrap();
        let change = pool.change_of_invariant(&again);
        prop_assert!(change.abs() < 1e-12, "{change} {after:?}");
        // No other answer earns more at these prices.
        for k in 0..5 {
            for step in [-0.08, -0.005, -1e-3, 1e-3, 0.005, 0.08] {
                let mut moved = nu.clone();
                moved[k] *= f64::exp(step);
                let mut other = Response::default();
                pool.respond(&moved, u8::MAX, &mut other);
                let profit = |r: &Response| r.value(&nu);
                prop_assert!(profit(&other) <= profit(&r) * (1.0 + 1e-12) + 1e-9, "{} {}", profit(&other), profit(&r));
            }
        }
    }
}
