//! Markets outside of a choice that its prices call for.
//!
//! Between tokens that the choice trades, those that would earn their gas at its prices. Through a token that it does not trade, the best
//! way in with the best way out, once the token is priced between the two so that what comes in goes out: a detour is found at its
//! best amount without a search for paths.

use crate::curve::{PairResponse, PerCoin, Response};
use crate::market::{MarketId, Markets, Token};
use crate::path::{Hop, Hops, Way};
use crate::view::{Kept, gas, profit};

use super::{Choice, FINE, Search};

/// Steps to the price of a token between two markets, and a change of it that ends them.
const STEPS: usize = 12;
const CLEARED: f64 = 1e-6;

/// Markets that would earn together, over and above their gas.
pub(super) struct Candidate {
    pub margin: f64,
    pub kept: Vec<Kept>,
}

/// A way at the price of its end that has one.
type Priced<'a> = (&'a Way, f64);

impl<'a> Search<'a> {
    /// Markets between tokens of the best choice that would earn their gas at its prices, best first.
    pub(super) fn between(&self) -> Vec<Candidate> {
        let Some(best) = &self.best else { return Vec::new() };
        let (markets, hops) = (&self.snapshot.markets, &self.snapshot.hops);
        let known = self.known(best);
        let mut between: Vec<MarketId> = Vec::new();
        for &(token, price) in &best.prices {
            let ways = hops.out_of(token);
            self.budget.spend(ways.len() as u64 / 4);
            let earning = ways.iter().filter(|way| way.rate * known[way.other as usize] > price && !self.is_barred(way.hop));
            between.extend(earning.map(|way| way.hop.market));
        }
        between.sort_unstable();
        between.dedup();
        let (gas_value, least) = (self.problem.gas.price * best.price(self.problem.gas.token), self.least());
        let candidate = |market: MarketId| -> Option<Candidate> {
            let coins = markets.coins(market).iter().enumerate().filter(|(_, token)| known[**token as usize] > 0.0);
            let coins = coins.fold(0_u8, |mask, (k, _)| mask | (1 << k));
            if best.kept.iter().any(|k| k.market == market && k.coins & coins == coins) {
                return None;
            }
            let (profit, coins) = self.profit(Kept { market, coins }, |token| known[token as usize]);
            let kept = vec![Kept { market, coins }];
            let margin = profit - gas(markets, &kept) * gas_value;
            (margin > least).then_some(Candidate { margin, kept })
        };
        ordered(between.into_iter().filter_map(candidate).collect())
    }

    /// Detours through one token that the best choice does not trade, best first.
    pub(super) fn through(&mut self) -> Vec<Candidate> {
        let Some(best) = &self.best else { return Vec::new() };
        let (markets, hops): (&'a Markets, &'a Hops) = (&self.snapshot.markets, &self.snapshot.hops);
        let known = self.known(best);
        // The least that another token can be had for, and the most that is paid for it.
        let (mut asked, mut paid) = (vec![f64::INFINITY; markets.tokens()], vec![0.0_f64; markets.tokens()]);
        for &(token, price) in &best.prices {
            let (out, into) = (hops.out_of(token), hops.into(token));
            self.budget.spend((out.len() + into.len()) as u64 / 4);
            for way in out {
                let least = &mut asked[way.other as usize];
                if price < *least * way.rate {
                    *least = price / way.rate;
                }
            }
            for way in into {
                let most = &mut paid[way.other as usize];
                *most = most.max(way.rate * price);
            }
        }
        let mut taken = vec![false; markets.len()];
        for kept in &best.kept {
            taken[kept.market as usize] = true;
        }
        let (gas_value, least) = (self.problem.gas.price * best.price(self.problem.gas.token), self.least());
        let priced = |way: &'a Way| -> Option<Priced<'a>> {
            let price = known[way.other as usize];
            (price > 0.0 && !taken[way.hop.market as usize] && !self.is_barred(way.hop)).then_some((way, price))
        };
        let (mut found, mut prices): (Vec<Candidate>, Vec<(usize, f64)>) = Default::default();
        let mut dull: Vec<usize> = Vec::new();
        for token in (0..markets.tokens()).filter(|&t| paid[t] > asked[t] && known[t] == 0.0 && !self.dull[t]) {
            let span = [asked[token], paid[token]];
            let ways_in = hops.into(token as Token).iter().filter_map(priced).filter(|(way, price)| *price < span[1] * way.rate);
            let ways_out =
                hops.out_of(token as Token).iter().filter_map(priced).filter(|(way, price)| way.rate * price > span[0]);
            let (ways_in, ways_out): (Vec<Priced>, Vec<Priced>) = (ways_in.collect(), ways_out.collect());
            // No price between the two leaves them more than the whole span does to one side.
            let margin = |way: &Way, prices: [f64; 2]| self.earned(way, prices) - markets.gas(way.hop.market) * gas_value;
            let most_in: f64 = ways_in.iter().map(|(way, other)| margin(way, [*other, span[1]]).max(0.0)).sum();
            let most_out: f64 = ways_out.iter().map(|(way, other)| margin(way, [span[0], *other]).max(0.0)).sum();
            if most_in.min(most_out) <= least {
                dull.push(token);
                continue;
            }
            let price = self.clear(span, &ways_in, &ways_out);
            let first = self.most_earning(&ways_in, |other| [other, price]);
            let second = self.most_earning(&ways_out, |other| [price, other]);
            let (Some(first), Some(second)) = (first, second) else { continue };
            let price = self.clear(span, &[first], &[second]);
            let margin = margin(first.0, [first.1, price]) + margin(second.0, [price, second.1]);
            // What turns over more than the problem brings is a cycle that nothing funds.
            let turnover = self.answer(first.0, first.1 / price).input * first.1;
            if margin > least && turnover <= self.scale() {
                prices.push((token, price));
                let kept = |way: &Way| Kept { market: way.hop.market, coins: (1 << way.hop.input) | (1 << way.hop.output) };
                found.push(Candidate { margin, kept: vec![kept(first.0), kept(second.0)] });
            }
        }
        for token in dull {
            self.dull[token] = true;
        }
        // Where a solve with such a token best starts.
        for (token, price) in prices {
            self.prices[token] = price;
        }
        ordered(found)
    }

    /// Prices by token, zero where the choice has none.
    fn known(&self, choice: &Choice) -> Vec<f64> {
        let mut known = vec![0.0; self.snapshot.markets.tokens()];
        for &(token, price) in &choice.prices {
            known[token as usize] = price;
        }
        known
    }

    /// The price of a token at which as much of it comes in as goes out: Newton's method, kept within the span.
    fn clear(&self, [mut low, mut high]: [f64; 2], ways_in: &[Priced], ways_out: &[Priced]) -> f64 {
        let mut price = 0.5 * (low + high);
        for _ in 0..STEPS {
            let (mut left, mut slope) = (0.0, 0.0);
            for (way, other) in ways_in {
                let r = self.answer(way, other / price);
                left += r.output;
                slope += r.slope * (other / price) * (other / price) / price;
            }
            for (way, other) in ways_out {
                let r = self.answer(way, price / other);
                left -= r.input;
                slope += r.slope / other;
            }
            if left > 0.0 {
                high = price
            } else {
                low = price
            }
            let next = price - left / slope;
            let next = if next > low && next < high { next } else { 0.5 * (low + high) };
            let moved = (next - price).abs();
            price = next;
            if moved <= CLEARED * price {
                break;
            }
        }
        price
    }

    /// The way that earns most at the prices that `prices` makes of that of its other end.
    fn most_earning<'w>(&self, ways: &[Priced<'w>], prices: impl Fn(f64) -> [f64; 2]) -> Option<Priced<'w>> {
        let earned = ways.iter().map(|way| (self.earned(way.0, prices(way.1)), *way));
        earned.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, way)| way)
    }

    fn answer(&self, way: &Way, m: f64) -> PairResponse {
        if way.rate <= m {
            return PairResponse::default();
        }
        let hop = way.hop;
        self.snapshot.markets.curve(hop.market).respond_pair(hop.input as usize, hop.output as usize, m, FINE)
    }

    fn earned(&self, way: &Way, prices: [f64; 2]) -> f64 {
        profit(self.snapshot.markets.curve(way.hop.market), [way.hop.input, way.hop.output].map(usize::from), prices)
    }

    /// The profit of a market at these prices of its tokens, and the coins that move for it.
    pub(super) fn profit(&self, kept: Kept, price: impl Fn(Token) -> f64) -> (f64, u8) {
        let markets = &self.snapshot.markets;
        let (coins, curve) = (markets.coins(kept.market), markets.curve(kept.market));
        let mut allowed = (0..coins.len()).filter(|k| kept.coins & (1 << k) != 0);
        if let (2, Some(a), Some(b)) = (kept.coins.count_ones(), allowed.next(), allowed.next()) {
            let (pa, pb) = (price(coins[a]), price(coins[b]));
            let forth = pb * curve.rate(a, b) > pa;
            return (if forth { profit(curve, [a, b], [pa, pb]) } else { profit(curve, [b, a], [pb, pa]) }, kept.coins);
        }
        let prices: PerCoin<f64> =
            coins.iter().enumerate().map(|(k, &t)| if kept.coins & (1 << k) != 0 { price(t) } else { 1.0 }).collect();
        let mut response = Response::default();
        curve.respond(&prices, kept.coins, &mut response);
        let moved = (0..coins.len()).filter(|&k| response.trade[k] != 0.0).fold(0, |mask, k| mask | (1 << k));
        (response.value(&prices), moved)
    }

    /// Whether a way may not be used.
    fn is_barred(&self, hop: Hop) -> bool {
        let whole = self.snapshot.markets.coins(hop.market).len() > 2;
        self.barred.iter().any(|b| *b == hop || (whole && b.market == hop.market))
    }
}

/// Best first.
pub(super) fn ordered(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates.sort_by(|a, b| b.margin.total_cmp(&a.margin).then_with(|| a.kept.cmp(&b.kept)));
    candidates
}
