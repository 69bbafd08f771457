//! Clearing prices, found anew and from those before.

use ballast_routing::curve::{Curve, Product, Response};
use ballast_routing::{Budget, Markets, Snapshot, Token, clearing_prices, unclaimed};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

use crate::instances::curve;

const TOKENS: usize = 30;
const MARKETS: usize = 300;
/// What a unit of gas costs: a swap takes about a unit of value.
const GAS_PRICE: f64 = 1e-5;
/// What either prices may leave above the least, in value units: a hundredth of what a swap takes.
const PRECISION: f64 = 0.01;
/// The token whose price stays one, and which pays for gas.
const ANCHOR: Token = 0;

/// What all markets together could earn at these prices, each after its gas, market by market.
fn earned(markets: &Markets, prices: &[f64]) -> f64 {
    let mut response = Response::default();
    let earned = (0..markets.len() as u32).map(|market| {
        let (curve, nu) =
            (markets.curve(market), markets.coins(market).iter().map(|&t| prices[t as usize]).collect::<Vec<f64>>());
        let profit = if let [a, b] = nu[..] {
            let (i, j, paid, got) = if curve.rate(0, 1) * b > a { (0, 1, a, b) } else { (1, 0, b, a) };
            let answer = curve.respond_pair(i, j, paid / got, 0.0);
            got * answer.output - paid * answer.input
        } else {
            curve.respond(&nu, u8::MAX >> (8 - nu.len()), &mut response);
            response.trade.iter().zip(&nu).map(|(z, price)| z * price).sum()
        };
        (profit - markets.gas(market) * GAS_PRICE * prices[ANCHOR as usize]).max(0.0)
    });
    earned.sum()
}

#[test]
fn warm_prices_clear_as_well_as_cold_ones() {
    for seed in 0..20 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut before, mut after) = (Markets::new(TOKENS), Markets::new(TOKENS));
        for _ in 0..MARKETS {
            let depth = 10f64.powf(rng.random_range(3.0..6.5));
            let mut tokens: Vec<Token> = (0..TOKENS as Token).collect();
            tokens.shuffle(&mut rng);
            // One pair in five is traded on, up to a twentieth of what it holds; everything else stays.
            let (then, now) = if rng.random_bool(0.6) {
                let [x, y] = [depth, depth * rng.random_range(0.99..1.01)];
                let moved = if rng.random_bool(0.2) { 1.0 + rng.random_range(-0.05..0.05) } else { 1.0 };
                let pair = |reserves| Curve::Product(Product::new(reserves, 0.003).unwrap());
                (pair([x, y]), pair([x * moved, y / moved]))
            } else {
                let kind = rng.random_range(1..4);
                let other = curve(&mut rng, kind, depth);
                (other.clone(), other)
            };
            tokens.truncate(then.coins());
            before.add(&tokens, then, 1e5).unwrap();
            after.add(&tokens, now, 1e5).unwrap();
        }
        let find = |snapshot: &Snapshot, warm| clearing_prices(snapshot, ANCHOR, GAS_PRICE, warm, &Budget::default());
        let old = find(&Snapshot::new(before), None);
        let after = Snapshot::new(after);
        let [stale, cold, warm] =
            [old.clone(), find(&after, None), find(&after, Some(&old))].map(|p| unclaimed(&after, ANCHOR, GAS_PRICE, &p));
        assert!((stale - earned(after.markets(), &old)).abs() <= 1e-9 * stale, "seed {seed}");
        // The old prices would not do: there was something to find.
        assert!(stale > cold + 1.0, "seed {seed}: {stale} with the old prices, {cold} with new ones");
        assert!((warm - cold).abs() <= PRECISION, "seed {seed}: {warm} from warm prices, {cold} from cold ones");
    }
}
