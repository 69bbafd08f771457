//! A cleared choice in whole atoms: exact swaps, then integer prices from what they really left.

use std::collections::BTreeMap;

use alloy_primitives::U256;
use ballast_routing::{Claim, Distance, Exact, Order as Leg, Presence, ToClear, Token, Trade};
use rustc_hash::FxHashMap;

use super::clear::{Chosen, Cleared, LEAST_MARGIN, LITTLE, Lessons};
use super::prices::{Part, Prices, exact};
use super::{Attempt, Fill, Joint, Obstacle, Welfare};
use crate::batch::execute::{Funding, Run, Stake, from_f64};
use crate::batch::plan::PlanError;
use crate::batch::step::{Step, steps};
use crate::config::Config;
use crate::settlement::ROUNDING_PARTS;
use crate::wide::{at_least, mul_div_up};

/// Sums of `U256` that nothing real comes near.
const BEYOND: &str = "an amount beyond all numbers";

/// Swaps that the orders fund, and whose gas the orders pay.
struct Executed {
    fills: Vec<Fill>,
    parts: Vec<Part>,
    run: Run,
    gas: u64,
}

impl Attempt<'_> {
    /// Executes what the markets trade, and prices what comes of it.
    pub(super) fn execute(&self, chosen: Chosen<'_>, cleared: &Cleared, welfare: Welfare) -> Result<Joint, Obstacle> {
        let choice = chosen.choice;
        let proposed = steps(self.liquidity, &cleared.clearing.flows);
        let planned = self.believable(&proposed, choice)?;
        let Executed { fills, parts, run, gas } = self.funded(cleared, &proposed)?;
        let made: Vec<Step> = run.swaps.iter().map(Step::from).collect();
        let harvest = self.believable(&made, choice)?;
        let lost = self.lost(&proposed, &run, &parts);
        let claims = self.claims(cleared);
        let prices = self.prices(cleared, &fills, &parts, &claims, &run)?;
        let (surplus, mut lacking) = self.scored(&fills, &parts, &prices)?;
        lacking.extend(self.worse(&fills, &parts, &prices, &surplus));
        if !lacking.is_empty() {
            return Err(Obstacle::Lacking { lost, places: lacking });
        }
        let worth = |token: Token, amount: U256| f64::from(amount) * self.liquidity.units.get(token).unwrap_or(0.0);
        let sold = |part: &Part| part.amounts(|t| prices.get(&t).copied()).unwrap_or_default()[0];
        let volume = parts.iter().map(|part| worth(part.sell, sold(part))).sum();
        let routed = self.routed(&parts, &run);
        let mut prices: Vec<(Token, U256)> = prices.into_iter().collect();
        prices.sort_unstable();
        Ok(Joint {
            fills,
            prices,
            swaps: run.swaps,
            gas,
            welfare: Welfare { realised: surplus.iter().sum(), ..welfare },
            left_behind: (planned.total - harvest.total).max(0.0),
            harvest,
            volume,
            routed,
            displaced: Vec::new(),
            attempts: 0,
        })
    }

    /// What the execution of a choice at its own prices teaches: which swaps take more than one go.
    pub(super) fn rehearse(&self, cleared: &Cleared, lessons: &mut Lessons) {
        let proposed = steps(self.liquidity, &cleared.clearing.flows);
        // What stands in its way it will meet again.
        let Ok(Executed { run, .. }) = self.run(cleared, &proposed) else { return };
        let gas = |pools: &mut dyn Iterator<Item = usize>| -> u64 { pools.map(|pool| self.auction.pools[pool].gas).sum() };
        let planned = gas(&mut proposed.iter().map(|step| step.pool));
        lessons.gas = gas(&mut run.swaps.iter().map(|swap| swap.pool)).saturating_sub(planned);
    }

    /// The steps as far as they are funded, where what they take is paid for.
    fn funded(&self, cleared: &Cleared, proposed: &[Step]) -> Result<Executed, Obstacle> {
        let executed = self.run(cleared, proposed)?;
        let paid = executed.fills.iter().map(|f| f.gas).sum::<u64>();
        match executed.gas {
            gas if gas > self.config.max_gas => Err(Obstacle::Heavy(gas)),
            gas if gas > paid => Err(Obstacle::Unpaid(gas - paid)),
            _ => Ok(executed),
        }
    }

    /// The steps as far as they are funded.
    fn run(&self, cleared: &Cleared, proposed: &[Step]) -> Result<Executed, Obstacle> {
        let fills = self.fills(cleared)?;
        let parts: Vec<Part> = fills.iter().zip(&cleared.trades).map(|(fill, t)| self.part(t.member, fill)).collect();
        let stakes = self.stakes(cleared, &parts)?;
        let paid: Vec<Token> = parts.iter().map(|p| p.buy).collect();
        let run = Run::new(self.auction, proposed, Funding { stakes: &stakes, paid: &paid, wanted: None });
        let run = run.map_err(|error| match error {
            PlanError::Swap { way, error } => {
                tracing::debug!(pool = way.pool, %error, "a planned swap fails");
                Obstacle::Barred(vec![way])
            }
            error => Obstacle::Failed(error.to_string()),
        })?;
        let Config { settlement_gas, trade_gas, .. } = *self.config;
        let further = cleared.trades.len().saturating_sub(1) as u64;
        let swaps: u64 = run.swaps.iter().map(|swap| self.auction.pools[swap.pool].gas).sum();
        let gas = swaps.saturating_add(settlement_gas).saturating_add(trade_gas.saturating_mul(further));
        Ok(Executed { fills, parts, run, gas })
    }

    /// Fills to the atom.
    fn fills(&self, cleared: &Cleared) -> Result<Vec<Fill>, Obstacle> {
        let mut fills = Vec::with_capacity(cleared.trades.len());
        for (traded, fill) in cleared.trades.iter().zip(&cleared.clearing.fills) {
            let member = &self.members[traded.member];
            let order = member.order(self.auction);
            let fee = self.fee(order.sell, traded.gas).ok_or("a fee beyond all numbers")?;
            let (most, token) = match member.leg.exact {
                Exact::Sold => (order.sell_amount.saturating_sub(fee), order.sell),
                Exact::Bought => (order.buy_amount, order.buy),
            };
            let unit = self.liquidity.units.get(token).unwrap_or(1.0);
            let whole = member.leg.is_whole() || *fill >= traded.trade.fill[1] * (1.0 - 1e-9);
            let executed = if whole { most } else { from_f64(fill / unit).unwrap_or(most).min(most) };
            fills.push(Fill { order: member.index, executed, fee, gas: traded.gas });
        }
        Ok(fills)
    }

    fn part(&self, member: usize, fill: &Fill) -> Part {
        let Leg { sell, buy, exact, .. } = self.members[member].leg;
        Part { sell, buy, executed: fill.executed, exact_sold: exact == Exact::Sold }
    }

    /// What the orders bring: of buyers, what they are expected to pay.
    fn stakes(&self, cleared: &Cleared, parts: &[Part]) -> Result<Vec<Stake>, Obstacle> {
        let mut stakes: FxHashMap<Token, Stake> = FxHashMap::default();
        for (k, part) in parts.iter().enumerate() {
            let sold = cleared.amounts(k)[0] / self.liquidity.units.get(part.sell).unwrap_or(1.0);
            let amount = if part.exact_sold { part.executed } else { from_f64(sold).ok_or(BEYOND)? };
            let stake = stakes.entry(part.sell).or_insert(Stake { token: part.sell, amount: U256::ZERO, proposed: 0.0 });
            stake.amount = stake.amount.checked_add(amount).ok_or(BEYOND)?;
            stake.proposed += sold;
        }
        let mut stakes: Vec<Stake> = stakes.into_values().collect();
        stakes.sort_unstable_by_key(|s| s.token);
        Ok(stakes)
    }

    /// Integer prices: the best that what the swaps left can pay.
    fn prices(&self, cleared: &Cleared, fills: &[Fill], parts: &[Part], claims: &[Claim], run: &Run) -> Result<Prices, Obstacle> {
        // By how much the swaps changed what there is: brought and taken.
        let mut net: FxHashMap<Token, [U256; 2]> = FxHashMap::default();
        for swap in &run.swaps {
            let taken = &mut net.entry(swap.input).or_default()[1];
            *taken = taken.checked_add(swap.amount_in).ok_or(BEYOND)?;
            let brought = &mut net.entry(swap.output).or_default()[0];
            *brought = brought.checked_add(swap.amount_out).ok_or(BEYOND)?;
        }
        for (part, fill) in parts.iter().zip(fills) {
            let brought = &mut net.entry(part.sell).or_default()[0];
            *brought = brought.checked_add(fill.fee / U256::from(ROUNDING_PARTS)).ok_or(BEYOND)?;
        }
        let unit = |token: Token| self.liquidity.units.get(token).unwrap_or(1.0);
        let mut touched: Vec<Token> = parts.iter().flat_map(|p| [p.sell, p.buy]).collect();
        touched.sort_unstable();
        touched.dedup();
        let trades: Vec<Trade> = parts
            .iter()
            .zip(&cleared.trades)
            .map(|(part, traded)| {
                let token = if part.exact_sold { part.sell } else { part.buy };
                let fill = f64::from(part.executed) * unit(token);
                Trade { fill: [fill, fill], start: fill, ..traded.trade }
            })
            .collect();
        let mut spare = self.spare(&trades, 1.0);
        let mut endowment: Vec<(Token, f64)> = Vec::with_capacity(touched.len());
        for &token in &touched {
            let [brought, taken] = net.get(&token).copied().unwrap_or_default();
            let change = if brought >= taken { f64::from(brought - taken) } else { -f64::from(taken - brought) };
            let mut change = change * unit(token);
            // Where nobody is paid there is nothing to go wrong but the doubles; unless what is brought depends on the prices.
            if !parts.iter().any(|p| p.buy == token) {
                if parts.iter().any(|p| p.sell == token && !p.exact_sold) {
                    spare.insert(token, LEAST_MARGIN + 4.0 * unit(token));
                } else {
                    change += LEAST_MARGIN;
                }
            }
            endowment.push((token, change));
        }
        let spare: Vec<(Token, f64)> = spare.into_iter().collect();
        let to_clear = ToClear {
            snapshot: &self.liquidity.snapshot,
            markets: &[],
            flows: &[],
            barred: &[],
            endowment: &endowment,
            spare: &spare,
            nu: &[],
            trades: &trades,
            claims,
            presence: Presence::Fixed,
            distance: Distance::Near,
        };
        let found = to_clear.clear(|token| cleared.clearing.price(token)).map_err(|error| Obstacle::Failed(error.to_string()))?;
        let places = |short: &[(Token, f64)]| -> Vec<usize> {
            let short = |token: Token| short.iter().any(|s| s.0 == token);
            let pick = |concerned: &dyn Fn(&Part) -> bool| (0..parts.len()).filter(|&k| concerned(&parts[k])).collect();
            // First of all those whom no price relieves.
            let fixed: Vec<usize> = pick(&|p| !p.exact_sold && short(p.buy));
            if fixed.is_empty() { pick(&|p| short(p.buy) || short(p.sell)) } else { fixed }
        };
        let worth: Vec<(Token, f64)> = touched.iter().map(|&t| (t, found.price(t) * unit(t))).collect();
        exact(parts, &worth, &net).map_err(|short| {
            // What the programme could not find is more telling than what its prices leave short.
            let left = || short.into_iter().map(|(t, missing)| (t, f64::from(missing) * unit(t))).collect();
            let missing = if found.short.is_empty() { left() } else { found.short };
            Obstacle::Short { places: places(&missing), missing }
        })
    }

    /// Value units of each token that somebody is paid in that the swaps leave less than was proposed.
    fn lost(&self, proposed: &[Step], run: &Run, parts: &[Part]) -> Vec<(Token, f64)> {
        let mut lost: BTreeMap<Token, f64> = BTreeMap::new();
        for step in proposed {
            *lost.entry(step.output).or_default() += step.y;
            *lost.entry(step.input).or_default() -= step.x;
        }
        for swap in &run.swaps {
            *lost.entry(swap.output).or_default() -= f64::from(swap.amount_out);
            *lost.entry(swap.input).or_default() += f64::from(swap.amount_in);
        }
        let value = |(token, atoms): (Token, f64)| (token, atoms * self.liquidity.units.get(token).unwrap_or(0.0));
        lost.into_iter().map(value).filter(|lost| lost.1 > LITTLE && parts.iter().any(|p| p.buy == lost.0)).collect()
    }

    /// What each fill scores at these prices, in value units, and the places of those that miss their limits.
    fn scored(&self, fills: &[Fill], parts: &[Part], prices: &Prices) -> Result<(Vec<f64>, Vec<usize>), Obstacle> {
        let (mut missed, mut scores) = (Vec::new(), Vec::with_capacity(fills.len()));
        for (k, (fill, part)) in fills.iter().zip(parts).enumerate() {
            let order = &self.auction.orders[fill.order];
            let [sold, bought] = part.amounts(|t| prices.get(&t).copied()).ok_or(BEYOND)?;
            let paid = sold.checked_add(fill.fee).ok_or(BEYOND)?;
            let kept = paid <= order.sell_amount && at_least(bought, order.sell_amount, paid, order.buy_amount);
            if fill.executed.is_zero() || !kept {
                missed.push(k);
            }
            let unit = self.liquidity.units.get(order.buy).unwrap_or(0.0);
            let asked = mul_div_up(paid, order.buy_amount, order.sell_amount).ok_or(BEYOND)?;
            scores.push(if order.is_scored() { f64::from(bought.saturating_sub(asked)) * unit } else { 0.0 });
        }
        Ok((scores, missed))
    }

    /// Value units of what is sold that pools are given.
    fn routed(&self, parts: &[Part], run: &Run) -> f64 {
        let mut sold: Vec<Token> = parts.iter().map(|p| p.sell).collect();
        sold.sort_unstable();
        sold.dedup();
        let value = |token: Token, amount: U256| f64::from(amount) * self.liquidity.units.get(token).unwrap_or(0.0);
        let change = |token: &Token| {
            let into: f64 = run.swaps.iter().filter(|s| s.input == *token).map(|s| value(*token, s.amount_in)).sum();
            let back: f64 = run.swaps.iter().filter(|s| s.output == *token).map(|s| value(*token, s.amount_out)).sum();
            (into - back).max(0.0)
        };
        sold.iter().map(change).sum()
    }
}
