//! Flows become exact swaps in an order that can be executed.
//!
//! The settlement first receives what the trader sells, then swaps one after another, then pays. A swap can run only when its
//! input is there; so swaps run in topological order over the tokens, and within a cycle the one runs first whose input is
//! funded. A cycle that asks for more than what is funded runs in a few rounds, and what is left of it then is given up and
//! reported: the caller may solve again without it and keep the better of the two. The last swap out of a token takes all that is there, so no dust stays behind.
//!
//! The driver encodes a swap as an exact output with a maximum input, so each swap promises a pair with
//! `input ≥ amount_in(output)` in the state that the swaps before it left.

use alloy_primitives::U256;
use ballast_adapters::{Exact, Market, SwapError, Venue};
use ballast_routing::{Flow, Outcome, Token};
use ballast_wire::{Class, Side};
use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;
use rustc_hash::FxHashMap;

use super::Liquidity;
use crate::auction::{Auction, Order};
use crate::config::Config;
use crate::wide::at_least;

/// Executions over and above one a step, for cycles larger than what funds them.
const EXTRA_ROUNDS: usize = 4;
/// A step whose rest is a smaller part than this is done.
const DONE: f64 = 1e-9;
/// How far a buy order's stake is raised when its output falls short: first, and at the most.
const RAISE: [f64; 2] = [1e-12, 1e-3];

/// One exact swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swap {
    /// The auction's pool.
    pub pool: usize,
    /// What is given.
    pub input: Token,
    /// What is taken.
    pub output: Token,
    /// Atoms given: what the venue charges for the output in that state.
    pub amount_in: U256,
    /// Atoms taken.
    pub amount_out: U256,
}

/// A way through a pool, from one token to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The auction's pool.
    pub pool: usize,
    /// What is given.
    pub input: Token,
    /// What is taken.
    pub output: Token,
}

impl Way {
    pub(crate) fn of(step: &Step) -> Self {
        Self { pool: step.pool, input: step.input, output: step.output }
    }
}

/// An order's execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Swaps in order.
    pub swaps: Vec<Swap>,
    /// Atoms of the sold token that are traded.
    pub sold: U256,
    /// Atoms of the sold token that pay for gas.
    pub fee: U256,
    /// Atoms of the bought token that the trader gets.
    pub bought: U256,
    /// Gas of the settlement.
    pub gas: u64,
    /// Ways that closed cycles which were given up, in whole or in part, for want of funds.
    pub abandoned: Vec<Way>,
}

/// Why flows cannot be executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A pool that will not make a swap it was planned for.
    #[error("pool {pool}: {error}", pool = way.pool)]
    Swap {
        /// The way through the pool.
        way: Way,
        /// What the venue says.
        error: SwapError,
    },
    /// The exact amounts miss the order's limit; the ways that closed cycles given up meanwhile.
    #[error("the exact amounts miss the order's limit")]
    Limit(Vec<Way>),
    /// The fee for gas takes all that is sold.
    #[error("the gas costs more than what is sold")]
    Gas,
    /// A number that does not fit.
    #[error("arithmetic overflow")]
    Overflow,
}

/// A swap of two coins, as proposed in doubles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub pool: usize,
    pub input: Token,
    pub output: Token,
    /// Atoms.
    pub x: f64,
    pub y: f64,
}

impl From<&Swap> for Step {
    fn from(swap: &Swap) -> Self {
        let Swap { pool, input, output, amount_in, amount_out } = *swap;
        Self { pool, input, output, x: f64::from(amount_in), y: f64::from(amount_out) }
    }
}

/// Splits a market's net trade into swaps of two coins: inputs and outputs are matched in order, by their share of the whole.
pub(crate) fn steps(liquidity: &Liquidity, flows: &[Flow], prices: &[f64]) -> Vec<Step> {
    let markets = liquidity.snapshot.markets();
    let mut steps = Vec::with_capacity(flows.len());
    for flow in flows {
        let coins = markets.coins(flow.market);
        let worth = |k: usize| flow.trade[k].abs() * prices[coins[k] as usize];
        let side = |sign: f64| -> Vec<(usize, f64)> {
            let moved: Vec<usize> = (0..coins.len()).filter(|&k| flow.trade[k] * sign > 0.0).collect();
            let total: f64 = moved.iter().map(|&k| worth(k)).sum();
            moved.into_iter().map(|k| (k, worth(k) / total)).collect()
        };
        let (ins, outs) = (side(-1.0), side(1.0));
        let (mut i, mut o) = (0, 0);
        let (mut left_in, mut left_out) = (ins.first().map_or(0.0, |s| s.1), outs.first().map_or(0.0, |s| s.1));
        while let (Some(&(ki, share_in)), Some(&(ko, share_out))) = (ins.get(i), outs.get(o)) {
            let part = left_in.min(left_out);
            let unit = |k: usize| liquidity.units.get(coins[k]).unwrap_or(1.0);
            if part > 1e-7 {
                steps.push(Step {
                    pool: liquidity.pool(flow.market),
                    input: coins[ki],
                    output: coins[ko],
                    x: -flow.trade[ki] * part / share_in / unit(ki),
                    y: flow.trade[ko] * part / share_out / unit(ko),
                });
            }
            left_in -= part;
            left_out -= part;
            if left_in <= 1e-12 {
                i += 1;
                left_in = ins.get(i).map_or(0.0, |s| s.1);
            }
            if left_out <= 1e-12 {
                o += 1;
                left_out = outs.get(o).map_or(0.0, |s| s.1);
            }
        }
    }
    steps
}

/// Plans the execution of an outcome for one order.
///
/// # Errors
/// When the flows cannot be executed as they are, or not within the order's limit.
pub fn plan(
    auction: &Auction,
    liquidity: &Liquidity,
    order: &Order,
    outcome: &Outcome,
    config: &Config,
) -> Result<Plan, PlanError> {
    let steps = steps(liquidity, &outcome.flows, &outcome.prices);
    let mut gas = config.settlement_gas + steps.iter().map(|s| auction.pools[s.pool].gas).sum::<u64>();
    let fill = fill(liquidity, order, outcome);
    // The gas of a plan is known when it is made; its fee is part of what it trades. Twice is enough: rounds rarely change.
    for _ in 0..3 {
        let fee = match order.class {
            Class::Market => U256::ZERO,
            Class::Limit => fee(auction, liquidity, order.sell, gas).ok_or(PlanError::Overflow)?,
        };
        let run = match order.side {
            Side::Sell => sell(auction, order, &steps, fill, fee)?,
            Side::Buy => buy(auction, order, &steps, fill)?,
        };
        let used = config.settlement_gas + run.swaps.iter().map(|s| auction.pools[s.pool].gas).sum::<u64>();
        let plan = match order.side {
            Side::Sell => {
                Plan { sold: fill - fee, fee, bought: run.of(order.buy), gas: used, abandoned: run.abandoned, swaps: run.swaps }
            }
            Side::Buy => Plan {
                sold: run.staked.saturating_sub(run.least),
                fee,
                bought: fill,
                gas: used,
                abandoned: run.abandoned,
                swaps: run.swaps,
            },
        };
        if used == gas {
            return within_limit(order, plan);
        }
        gas = used;
    }
    Err(PlanError::Gas)
}

/// gas·gas price in atoms of the sold token, rounded up.
pub(super) fn fee(auction: &Auction, liquidity: &Liquidity, sell: Token, gas: u64) -> Option<U256> {
    let wei = auction.gas_price.checked_mul(U256::from(gas))?;
    match auction.token(sell).reference_price {
        _ if wei.is_zero() => Some(U256::ZERO),
        Some(price) => {
            let scaled = wei.checked_mul(U256::from(10).pow(U256::from(18)))?;
            Some(scaled.div_ceil(price))
        }
        // Priced through the graph: a double is all there is, and a part in 10⁹ more makes sure.
        None => {
            let unit = liquidity.units.get(sell)?;
            from_f64(f64::from(wei) / super::prices::WEI_PER_UNIT / unit * (1.0 + 1e-9)).map(|fee| fee.saturating_add(U256::ONE))
        }
    }
}

/// Atoms of the exact side that are filled: all, or what the outcome found best.
fn fill(liquidity: &Liquidity, order: &Order, outcome: &Outcome) -> U256 {
    let whole = match order.side {
        Side::Sell => order.sell_amount,
        Side::Buy => order.buy_amount,
    };
    let Some(&taken) = outcome.fills.first() else { return whole };
    // Fills are counted in the bought token.
    let all = liquidity.units.get(order.buy).map_or(0.0, |unit| unit * f64::from(order.buy_amount));
    let share = (taken / all).clamp(0.0, 1.0);
    if share > 1.0 - 1e-9 { whole } else { from_f64(f64::from(whole) * share).unwrap_or(whole).min(whole) }
}

fn from_f64(x: f64) -> Option<U256> {
    (0.0..1e76).contains(&x).then(|| U256::from(x))
}

/// bought/sold at least as good as the order asks, exactly.
pub(super) fn within_limit(order: &Order, plan: Plan) -> Result<Plan, PlanError> {
    let paid = plan.sold.checked_add(plan.fee).ok_or(PlanError::Overflow)?;
    let good = at_least(plan.bought, order.sell_amount, paid, order.buy_amount);
    if good && !plan.sold.is_zero() && !plan.bought.is_zero() && paid <= order.sell_amount {
        Ok(plan)
    } else {
        Err(PlanError::Limit(plan.abandoned))
    }
}

/// Sells all of `fill − fee`.
fn sell(auction: &Auction, order: &Order, steps: &[Step], fill: U256, fee: U256) -> Result<Run, PlanError> {
    let stake = fill.checked_sub(fee).filter(|s| !s.is_zero()).ok_or(PlanError::Gas)?;
    Run::new(auction, order, steps, Goal::Sell { stake })
}

/// Buys exactly `fill`, raising the stake until the output is there. What the trader pays is what was missing of the stake at
/// worst: more is not there when a cycle asks for it.
fn buy(auction: &Auction, order: &Order, steps: &[Step], fill: U256) -> Result<Run, PlanError> {
    let net = net_use(steps, order.sell);
    if net <= 0.0 {
        // Cycles alone would pay for it all; but nobody funds them.
        return Err(PlanError::Limit(Agenda::new(steps).abandon(order)));
    }
    let mut raise = RAISE[0];
    loop {
        let stake = from_f64(net * (1.0 + raise)).ok_or(PlanError::Overflow)?.saturating_add(U256::ONE);
        let run = Run::new(auction, order, steps, Goal::Buy { stake, wanted: fill })?;
        if run.of(order.buy) >= fill {
            return Ok(run);
        }
        let missing = f64::from(fill - run.of(order.buy)) / f64::from(fill);
        raise = (raise * 4.0).max(raise + 1.05 * missing);
        if raise > RAISE[1] {
            return Err(PlanError::Limit(run.abandoned));
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Goal {
    Sell { stake: U256 },
    Buy { stake: U256, wanted: U256 },
}

/// How much of each step is still to be executed.
struct Agenda<'s> {
    steps: &'s [Step],
    rest: Vec<f64>,
    /// Which strongly connected component each token is in.
    rings: FxHashMap<Token, usize>,
}

/// A step chosen to run, and how much of it.
struct Turn {
    step: usize,
    /// The part of the whole step.
    part: f64,
    /// Whether no later step brings its input, and none else takes it.
    empties: bool,
    /// Whether no later step takes or brings its output.
    completes: bool,
    /// Whether a rest has to wait for more funds.
    cut: bool,
}

impl<'s> Agenda<'s> {
    fn new(steps: &'s [Step]) -> Self {
        let graph: DiGraphMap<Token, ()> = DiGraphMap::from_edges(steps.iter().map(|s| (s.input, s.output)));
        let components = tarjan_scc(&graph);
        let rings = components.iter().enumerate().flat_map(|(index, tokens)| tokens.iter().map(move |&t| (t, index))).collect();
        Self { steps, rest: vec![1.0; steps.len()], rings }
    }

    fn open(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.steps.len()).filter(|&k| self.rest[k] > DONE)
    }

    fn bringing(&self, token: Token) -> usize {
        self.open().filter(|&k| self.steps[k].output == token).count()
    }

    fn taking(&self, token: Token) -> usize {
        self.open().filter(|&k| self.steps[k].input == token).count()
    }

    /// The next step: first one that nothing more flows into, then one that is funded in full, cycles before exits, then the best
    /// funded. `funds` says how much of a token there is, as proposed.
    fn next(&self, funds: impl Fn(Token) -> f64) -> Option<Turn> {
        let rank = |k: usize| {
            let step = &self.steps[k];
            let ready = self.bringing(step.input) == 0;
            let ring = self.rings.get(&step.input) == self.rings.get(&step.output);
            let share = if ready { 1.0 } else { (funds(step.input) / (step.x * self.rest[k])).clamp(0.0, 1.0) };
            (if share > 1.0 - 1e-6 { 1.0 } else { share }, ready, ring)
        };
        let (step, (share, ready, _)) = self
            .open()
            .map(|k| (k, rank(k)))
            .max_by(|(ka, a), (kb, b)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)).then(kb.cmp(ka)))?;
        let Step { input, output, .. } = self.steps[step];
        Some(Turn {
            step,
            part: self.rest[step] * share,
            empties: ready && share == 1.0 && self.taking(input) == 1,
            completes: share == 1.0 && self.bringing(output) == 1 && self.taking(output) == 0,
            cut: share < 1.0,
        })
    }

    /// Gives up the cycles that are left, which leaves nobody short: what goes around comes around. Returns the ways without which
    /// they would not be: those of steps back to what is sold or away from what is bought, else of the step that ran least.
    fn abandon(&mut self, order: &Order) -> Vec<Way> {
        let mut given_up: Vec<usize> =
            self.open().filter(|&k| self.rings.get(&self.steps[k].input) == self.rings.get(&self.steps[k].output)).collect();
        if given_up.is_empty() {
            given_up = self.open().collect();
        }
        let back = |k: &usize| self.steps[*k].output == order.sell || self.steps[*k].input == order.buy;
        let mut culprits: Vec<usize> = given_up.iter().copied().filter(back).collect();
        if culprits.is_empty() {
            culprits.extend(given_up.iter().copied().max_by(|&a, &b| self.rest[a].total_cmp(&self.rest[b]).then(b.cmp(&a))));
        }
        for &k in &given_up {
            self.rest[k] = 0.0;
        }
        culprits.into_iter().map(|k| Way::of(&self.steps[k])).collect()
    }
}

/// An execution in progress.
#[derive(Default)]
struct Run {
    swaps: Vec<Swap>,
    /// What is there of each token.
    balances: FxHashMap<Token, U256>,
    /// What was there of the sold token at first, and at the least.
    staked: U256,
    least: U256,
    /// What was proposed to be there by now.
    proposed: FxHashMap<Token, f64>,
    /// The pools' states by now.
    markets: FxHashMap<usize, Market>,
    /// Ways that closed cycles which were given up.
    abandoned: Vec<Way>,
}

impl Run {
    fn of(&self, token: Token) -> U256 {
        self.balances.get(&token).copied().unwrap_or_default()
    }

    /// Executes the steps.
    fn new(auction: &Auction, order: &Order, steps: &[Step], goal: Goal) -> Result<Self, PlanError> {
        let (Goal::Sell { stake } | Goal::Buy { stake, .. }) = goal;
        let mut run = Self { staked: stake, least: stake, ..Self::default() };
        run.balances.insert(order.sell, stake);
        // Just what the steps use is proposed, so that they share the stake.
        run.proposed.insert(order.sell, net_use(steps, order.sell));
        let mut agenda = Agenda::new(steps);
        let mut rounds = 0;
        loop {
            let funds = |token| run.proposed.get(&token).copied().unwrap_or_default();
            let Some(turn) = agenda.next(funds) else { return Ok(run) };
            rounds += usize::from(turn.cut);
            if turn.part <= 1e-6 || rounds > EXTRA_ROUNDS {
                run.abandoned.extend(agenda.abandon(order));
                continue;
            }
            let step = steps[turn.step];
            agenda.rest[turn.step] -= turn.part;
            let x = step.x * turn.part;
            let held = run.of(step.input);
            let most = if turn.empties && step.input != order.buy {
                held
            } else {
                // What is there, in proportion to what was proposed to be there.
                let proposed = run.proposed.get(&step.input).copied().unwrap_or_default();
                let share = if proposed > 0.0 { (x / proposed).min(1.0) } else { 0.0 };
                from_f64(f64::from(held) * share).ok_or(PlanError::Overflow)?.min(held)
            };
            let wanted = match goal {
                Goal::Buy { wanted, .. } if step.output == order.buy && turn.completes => {
                    Some(wanted.saturating_sub(run.of(order.buy)))
                }
                _ => None,
            };
            match run.swap(auction, &step, most, wanted) {
                Ok(swap) => {
                    let rest = held.checked_sub(swap.amount_in).ok_or(PlanError::Overflow)?;
                    run.balances.insert(step.input, rest);
                    if step.input == order.sell {
                        run.least = run.least.min(rest);
                    }
                }
                // Too little to be worth a swap: nothing is lost by leaving it.
                Err(SwapError::ZeroAmount) => {}
                Err(error) => return Err(PlanError::Swap { way: Way::of(&step), error }),
            }
            *run.proposed.entry(step.input).or_default() -= x;
            *run.proposed.entry(step.output).or_default() += step.y * turn.part;
        }
    }

    /// Makes a swap for at most `most`, of just `wanted` if that is affordable.
    fn swap(&mut self, auction: &Auction, step: &Step, most: U256, wanted: Option<U256>) -> Result<Swap, SwapError> {
        let pool = &auction.pools[step.pool];
        let market = self.markets.entry(step.pool).or_insert_with(|| pool.market.clone());
        let (Some(i), Some(o)) = (pool.coin(step.input), pool.coin(step.output)) else { return Err(SwapError::UnknownPair) };
        let (amount_in, amount_out) = promise(market, i, o, most, wanted)?;
        market.apply(i, o, Exact::Output(amount_out))?;
        let to = self.balances.entry(step.output).or_default();
        *to = to.checked_add(amount_out).ok_or(SwapError::Overflow)?;
        let swap = Swap { pool: step.pool, input: step.input, output: step.output, amount_in, amount_out };
        self.swaps.push(swap);
        Ok(swap)
    }
}

/// What a token's steps take of it, less what they bring.
fn net_use(steps: &[Step], token: Token) -> f64 {
    let used: f64 = steps.iter().filter(|s| s.input == token).map(|s| s.x).sum();
    let brought: f64 = steps.iter().filter(|s| s.output == token).map(|s| s.y).sum();
    used - brought
}

/// The pair that a swap can promise for at most `amount`: the largest output whose given-out price is within it, or `wanted`.
/// Returns what the venue charges, and the output.
fn promise(market: &Market, i: usize, o: usize, amount: U256, wanted: Option<U256>) -> Result<(U256, U256), SwapError> {
    if let Some(wanted) = wanted
        && let Ok(cost) = market.amount_in(i, o, wanted)
        && (cost <= amount || wanted.is_zero())
    {
        return if wanted.is_zero() { Err(SwapError::ZeroAmount) } else { Ok((cost, wanted)) };
    }
    let mut output = market.amount_out(i, o, amount)?;
    for _ in 0..16 {
        if output.is_zero() {
            return Err(SwapError::ZeroAmount);
        }
        let cost = market.amount_in(i, o, output)?;
        if cost <= amount {
            return Ok((cost, output));
        }
        // Less by what the excess is worth, at least by one.
        let excess = (cost - amount).saturating_mul(output) / cost;
        output = output.saturating_sub(excess + U256::ONE);
    }
    Err(SwapError::NoConvergence)
}
