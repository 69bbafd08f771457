//! A vault's rebalance, sized and routed at once, to the atom.
//!
//! ```text
//! Task ── compile ──► Basket ── routing::rebalance ──► flows, bound
//!                                                       │ batch::step, batch::execute   exact swaps, funded by the vault
//!                                                       │ judge                         what the contract will say
//!                                                       └► Rebalance, or: again, without what cannot be executed
//! ```
//!
//! Cycles that pay run on what the vault may give for a while, and what they earn is the vault's.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};
use ballast_routing::{Budget, Rebalanced, Tight, Token, rebalance};
use ballast_wire::Solution;

use super::basket::{Compiled, ROOM, Task, is_narrow, narrowed};
use super::costs::Costs;
use super::judge::{Breach, Foreseen, Idle, idle, judge};
use super::portfolio::{Measured, Portfolio};
use crate::auction::{Auction, Drops};
use crate::batch::bid::interactions;
use crate::batch::cycles::arbitrage;
use crate::batch::execute::{Funding, Run, Stake, net_use};
use crate::batch::plan::PlanError;
use crate::batch::step::{Step, steps};
use crate::batch::{Liquidity, Swap, Way};
use crate::config::Config;
use crate::settlement::{Settings, Slippage};

/// Times that it is solved again without ways that cannot be executed, or with more room for whole atoms.
const ATTEMPTS: usize = 8;
/// What room grows by.
const MORE_ROOM: f64 = 30.0;
/// A part of the portfolio that a landing is missed by for rounding alone.
const NOTHING: f64 = 1e-5;
/// How near to its limit an amount binds.
const AT: f64 = 1e-6;
/// Gas of the contract beside the swaps: of any settlement, and for each asset. Measured (`solver/contracts/RebalanceSettlement.sol`).
const GAS: [u64; 2] = [169_950, 45_900];

/// What is to be done for a vault.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Nothing.
    Idle(Idle),
    /// This.
    Rebalance(Box<Rebalance>),
}

/// A rebalance. Values are in the numeraire.
#[derive(Debug, Clone)]
pub struct Rebalance {
    /// Its swaps, in order.
    pub swaps: Vec<Swap>,
    /// What the vault holds in the end.
    pub after: Portfolio,
    /// What the contract will say.
    pub foreseen: Result<Foreseen, Breach>,
    /// Assets that end outside of their landing, and by how much of the portfolio: above it, or below (negative).
    pub missed: Vec<(Address, f64)>,
    /// What keeps them from it.
    pub binding: Vec<Binding>,
    /// What it costs, and what arbitrage brings.
    pub costs: Costs,
    /// Gas of the settlement, by estimate.
    pub gas: u64,
    /// Value moved, one way.
    pub moved: f64,
    /// How far from the optimum it is at most.
    pub gaps: Gaps,
    /// How often it was solved.
    pub attempts: usize,
    /// Whether what is promised does not hang on atoms that nobody counts on.
    sound: bool,
}

/// A certificate, in the numeraire: no rebalance is worth more than the bound, and this one is `total` below it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Gaps {
    /// What the portfolio would be worth at most, gas paid.
    pub bound: f64,
    /// Left by the linear programme on the pools chosen.
    pub convex: f64,
    /// Left by the choice of pools, at most.
    pub choice: f64,
    /// Lost to whole atoms and to the order of execution.
    pub integer: f64,
    /// All together.
    pub total: f64,
}

/// A limit that keeps a portfolio from its landing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Binding {
    /// `risk.maxTurnoverBps`.
    Turnover,
    /// `costs.maxLossBps`, or what `costs.maxLossPerDayBps` leaves of the day.
    Loss,
    /// A group, by its place in `risk.groups`.
    Group(usize),
    /// `maxTrade` of an asset.
    MaxTrade(Address),
    /// `minBalance` of an asset.
    MinBalance(Address),
    /// An asset that may not be traded takes up too much, or too little.
    NotTradable(Address),
    /// No pool that may be used leads to the asset.
    Unreachable(Address),
    /// The pools that lead to the asset have no more at any sane price.
    Depth(Address),
}

impl std::fmt::Display for Binding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Turnover => f.write_str("risk.maxTurnoverBps"),
            Self::Loss => f.write_str("costs.maxLossBps (or the day's)"),
            Self::Group(index) => write!(f, "risk.groups[{index}]"),
            Self::MaxTrade(token) => write!(f, "maxTrade of {token}"),
            Self::MinBalance(token) => write!(f, "minBalance of {token}"),
            Self::NotTradable(token) => write!(f, "{token} is not tradable"),
            Self::Unreachable(token) => write!(f, "no pool that may be used leads to {token}"),
            Self::Depth(token) => write!(f, "the depth of the pools that lead to {token}"),
        }
    }
}

/// Why there is no rebalance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SizeError {
    /// Nothing is held, or its numbers do not fit.
    #[error("the vault is empty, or its numbers do not fit")]
    Empty,
    /// Nothing that is held or wanted has a price on the market.
    #[error("no pool of the market leads to any of the assets")]
    NoMarket,
    /// Nothing better than not to trade was found.
    #[error("no trade on this market brings the portfolio nearer to its landing: {}", list(.0))]
    NoTrade(Vec<Binding>),
    /// What was routed cannot be executed.
    #[error("no plan that can be executed after {ATTEMPTS} attempts; the last: {0}")]
    NoPlan(String),
}

fn list(binding: &[Binding]) -> String {
    binding.iter().map(Binding::to_string).collect::<Vec<_>>().join(", ")
}

/// Sizes, routes and plans a rebalance on all the pools that the intent allows. `stop` says when time is up.
///
/// # Errors
/// Why there is none.
pub fn solve(
    task: &Task<'_>,
    auction: &Auction,
    config: &Config,
    drops: &mut Drops,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<(Auction, Answer), SizeError> {
    let market = if is_narrow(task.intent) { narrowed(auction, task.intent) } else { auction.clone() };
    let liquidity = lay_out(&[*task], &market, config, drops);
    let answer = size(task, &market, &liquidity, config, None, stop)?;
    Ok((market, answer))
}

/// Lays a market out for vaults that are to be rebalanced on it.
pub fn lay_out(tasks: &[Task<'_>], auction: &Auction, config: &Config, drops: &mut Drops) -> Liquidity {
    let assets = tasks.iter().flat_map(|task| &task.intent.assets);
    let traded: Vec<Token> = assets.filter_map(|asset| auction.index.get(&asset.token).copied()).collect();
    let limits = tasks.iter().map(Task::limits).max().unwrap_or_default();
    Liquidity::around(auction, config, drops, &traded, limits)
}

/// The same on a market that is laid out ([`lay_out`]), from `warm` prices if there are any.
///
/// # Errors
/// Why there is none.
pub fn size(
    task: &Task<'_>,
    auction: &Auction,
    liquidity: &Liquidity,
    config: &Config,
    warm: Option<&[f64]>,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Answer, SizeError> {
    let held = task.portfolio.measure().ok_or(SizeError::Empty)?;
    if let Some(idle) = idle(task.intent, &held, task.moment) {
        return Ok(Answer::Idle(idle));
    }
    let sizing = Sizing { task, auction, liquidity, config, held };
    sizing.run(warm, stop).map(|rebalance| Answer::Rebalance(Box::new(rebalance)))
}

struct Sizing<'a> {
    task: &'a Task<'a>,
    auction: &'a Auction,
    liquidity: &'a Liquidity,
    config: &'a Config,
    held: Measured,
}

/// Why it is solved again.
enum Again {
    /// Without these.
    Without(Vec<Way>),
    /// With more room for whole atoms, and for what flows on pools of many coins are off: so much of the portfolio was missed.
    MoreRoom(f64),
    /// With the loss as a limit.
    LessLoss,
}

impl Sizing<'_> {
    fn run(&self, warm: Option<&[f64]>, stop: &(dyn Fn() -> bool + Sync)) -> Result<Rebalance, SizeError> {
        let budget = Budget::until(self.config.work_per_batch, stop);
        let (mut room, mut lossy, mut barred) = (ROOM, false, Vec::new());
        let mut best: Option<Rebalance> = None;
        let mut warm = warm.map(<[f64]>::to_vec);
        let mut reason = SizeError::NoMarket;
        for attempts in 1..=ATTEMPTS {
            let compiled = self.task.compile(self.auction, self.liquidity, &self.held, room, lossy).ok_or(SizeError::NoMarket)?;
            let found = |warm| rebalance(&self.liquidity.snapshot, &compiled.basket, warm, &barred, &budget);
            // Prices of another problem may lead nowhere.
            let found = found(warm.as_deref()).or_else(|| found(None));
            let Some(found) = found.filter(|found| !found.flows.is_empty()) else {
                reason = SizeError::NoTrade(self.binding(&compiled, None));
                break;
            };
            let (rebalance, again) = match self.plan(&compiled, &found) {
                Ok((rebalance, again)) => (Some(rebalance), again),
                Err(PlanError::Swap { way, error }) => {
                    reason = SizeError::NoPlan(format!("pool {}: {error}", self.auction.pools[way.pool].id));
                    (None, Some(Again::Without(vec![way])))
                }
                Err(error) => {
                    reason = SizeError::NoPlan(error.to_string());
                    (None, None)
                }
            };
            if let Some(rebalance) = rebalance
                && best.as_ref().is_none_or(|best| rebalance.rank() > best.rank())
            {
                best = Some(Rebalance { attempts, ..rebalance });
            }
            match again {
                _ if stop() => break,
                Some(Again::Without(ways)) => barred.extend(ways.iter().filter_map(|way| self.liquidity.hop(self.auction, way))),
                Some(Again::MoreRoom(missed)) => room = (2.0 * missed).max(MORE_ROOM * room),
                Some(Again::LessLoss) if !lossy => lossy = true,
                Some(Again::LessLoss) => room *= MORE_ROOM,
                None => break,
            }
            warm = (!lossy).then_some(found.prices);
        }
        best.ok_or(reason)
    }

    /// Numeraire of an atom of a token: the oracle's, or else the market's.
    fn price(&self, compiled: &Compiled, token: Token) -> f64 {
        let asset = compiled.tokens.iter().position(|asset| *asset == Some(token));
        match asset {
            Some(index) => self.task.portfolio.holdings[index].atom(),
            None => self.liquidity.units.get(token).unwrap_or_default() / compiled.scale,
        }
    }

    /// Makes flows a plan, and says why to solve again.
    fn plan(&self, compiled: &Compiled, found: &Rebalanced) -> Result<(Rebalance, Option<Again>), PlanError> {
        let task = self.task;
        let proposed = steps(self.liquidity, &found.flows, &found.prices);
        let price = |token: Token| self.price(compiled, token);
        let worth = |token: Token| price(token) * compiled.scale;
        let suspects = arbitrage(&proposed, worth).suspects(self.config);
        // Sold to the last atom: nothing is to be left, and the routes take all but what drowns in rounding.
        let emptied: Vec<Token> = (compiled.assets.iter().zip(&compiled.basket.positions).zip(&found.left))
            .filter(|((index, position), left)| task.ejects(**index) && **left < NOTHING * position.held)
            .map(|((_, position), _)| position.token)
            .collect();
        let mut stakes = Vec::new();
        let mut paid = Vec::new();
        for (index, token) in compiled.tokens.iter().enumerate() {
            let Some(token) = *token else { continue };
            let amount = task.stake(index);
            let proposed = if emptied.contains(&token) {
                net_use(&proposed, token)
            } else {
                // Swaps take what they need of it, and leave the rest.
                paid.push(token);
                f64::from(amount)
            };
            stakes.push(Stake { token, amount, proposed });
        }
        let mut run = Run::new(self.auction, &proposed, Funding { stakes: &stakes, paid: &paid, wanted: None })?;
        let shared = spend_all(&emptied, &mut run);
        let balances = compiled.tokens.iter().enumerate().map(|(index, token)| {
            let held = task.portfolio.holdings[index].balance;
            token.map_or(held, |token| held.saturating_sub(task.stake(index)).saturating_add(run.of(token)))
        });
        let after = task.portfolio.with(balances);
        let foreseen = judge(task.intent, task.moment, task.portfolio, &after);
        let end = after.measure().ok_or(PlanError::Overflow)?;
        let base = GAS[0].saturating_add(GAS[1].saturating_mul(task.intent.assets.len() as u64));
        let gas = run.swaps.iter().fold(base, |sum, swap| sum.saturating_add(self.auction.pools[swap.pool].gas));
        let swaps_gas = (gas - base) as f64;
        let gas_price = self.liquidity.gas_price / compiled.scale;
        let [before, left] = [self.held.total, end.total].map(|value| f64::from(value) / 1e18);
        let costs = Costs::of(self.auction, self.liquidity, &run.swaps, price, [before - left, gas as f64 * gas_price]);
        let worth_of_bound = |value: f64| before + value / compiled.scale;
        let bound = worth_of_bound(found.certificate.bound);
        let missed = found.missed / compiled.scale;
        let units = compiled.assets.iter().zip(&compiled.basket.positions).map(|(&index, position)| {
            f64::from(after.holdings[index].balance) * after.holdings[index].atom() * compiled.scale / position.worth
        });
        let value = |left: &[f64]| compiled.basket.value(left) / compiled.scale - swaps_gas * gas_price;
        let (routed, exact) = (value(&found.left), value(&units.collect::<Vec<f64>>()));
        let convex = found.certificate.convex_gap() / compiled.scale;
        let choice = found.certificate.gas_gap() / compiled.scale;
        let integer = routed - exact;
        let gaps = Gaps { bound: bound.max(exact), convex, choice, integer, total: convex + choice + integer };
        let moved = self.held.values.iter().zip(&end.values).map(|(a, b)| f64::from(a.abs_diff(*b)) / 1e18).sum::<f64>() / 2.0;
        let missed =
            if missed > NOTHING * before || foreseen.as_ref().is_ok_and(|f| !f.landed) { self.missed(&end) } else { Vec::new() };
        let binding = if missed.is_empty() { Vec::new() } else { self.binding(compiled, Some((found, &missed))) };
        let sound = shared.is_empty();
        let again = self.again(&run, &foreseen, (missed.is_empty(), &end), suspects, shared, price);
        let rebalance =
            Rebalance { swaps: run.swaps, after, foreseen, missed, binding, costs, gas, moved, gaps, attempts: 1, sound };
        Ok((rebalance, again))
    }

    fn again(
        &self,
        run: &Run,
        foreseen: &Result<Foreseen, Breach>,
        (reached, end): (bool, &Measured),
        suspects: Vec<usize>,
        shared: Vec<Way>,
        price: impl Fn(Token) -> f64,
    ) -> Option<Again> {
        let of =
            |pools: &[usize]| run.swaps.iter().filter(|s| pools.contains(&s.pool)).map(|s| Way::of(&Step::from(s))).collect();
        if !suspects.is_empty() {
            tracing::warn!(pools = ?suspects, "cycles earn more than is believable; solving again without");
            return Some(Again::Without(of(&suspects)));
        }
        let ways = [run.abandoned.as_slice(), &shared].concat();
        if !ways.is_empty() {
            return Some(Again::Without(ways));
        }
        let most = f64::from(self.task.intent.costs.max_loss_per_leg_bps.get()) / 1e4;
        let legs = run.swaps.iter().filter(|swap| {
            let (paid, got) = (f64::from(swap.amount_in) * price(swap.input), f64::from(swap.amount_out) * price(swap.output));
            got < paid * (1.0 - most)
        });
        let legs: Vec<Way> = legs.map(|swap| Way::of(&Step::from(swap))).collect();
        if !legs.is_empty() {
            return Some(Again::Without(legs));
        }
        match foreseen {
            Err(Breach::LossTooHigh(_) | Breach::DailyLossTooHigh(_)) => Some(Again::LessLoss),
            Err(Breach::OutsideLanding(..)) if !reached => None,
            Err(Breach::NoProgress(_) | Breach::LeftBand(..) | Breach::EmptyVault) | Ok(_) => None,
            Err(Breach::OutsideLanding(..)) => {
                Some(Again::MoreRoom(self.missed(end).iter().map(|(_, by)| by.abs()).fold(0.0, f64::max)))
            }
            Err(_) => Some(Again::MoreRoom(0.0)),
        }
    }

    /// What ends outside of its landing.
    fn missed(&self, end: &Measured) -> Vec<(Address, f64)> {
        let assets = self.task.intent.assets.iter().zip(&end.weights).filter(|(asset, _)| asset.tradable);
        let outside = assets.map(|(asset, weight)| {
            let (low, high) = (asset.landing.low.atoms(), asset.landing.high.atoms());
            let part = |x: U256| f64::from(x) / 1e18;
            (asset.token, part(weight.saturating_sub(high)) - part(low.saturating_sub(*weight)))
        });
        outside.filter(|(_, by)| *by != 0.0).collect()
    }

    /// What keeps a portfolio from its landing: the limits on assets together that bind, and of each asset that misses its own what
    /// stops it.
    fn binding(&self, compiled: &Compiled, found: Option<(&Rebalanced, &[(Address, f64)])>) -> Vec<Binding> {
        let assets = &self.task.intent.assets;
        let mut binding: Vec<Binding> = Vec::new();
        let untraded = assets.iter().zip(&self.held.weights).filter(|(asset, w)| !asset.tradable && !asset.landing.contains(**w));
        binding.extend(untraded.map(|(asset, _)| Binding::NotTradable(asset.token)));
        let start;
        let (missed, left) = match found {
            Some((found, missed)) => {
                binding.extend(found.tight.iter().map(|tight| match tight {
                    Tight::Turnover => Binding::Turnover,
                    Tight::Loss => Binding::Loss,
                    Tight::Group(index) => Binding::Group(*index),
                }));
                (missed, found.left.clone())
            }
            None => {
                start = self.missed(&self.held);
                (start.as_slice(), compiled.basket.positions.iter().map(|p| p.held).collect())
            }
        };
        for (token, by) in missed {
            let place = compiled.assets.iter().position(|&index| assets[index].token == *token);
            let Some((position, left)) = place.map(|p| (&compiled.basket.positions[p], left[p])) else {
                binding.push(Binding::Unreachable(*token));
                continue;
            };
            let index = compiled.assets[place.unwrap_or_default()];
            let near = AT * (position.held + left);
            let stops = if *by > 0.0 && left <= position.range[0] + near {
                let (asset, held) = (&assets[index], self.task.portfolio.holdings[index].balance);
                let by_trade = held.saturating_sub(asset.min_balance.0) > asset.max_trade.0;
                Some(if by_trade { Binding::MaxTrade(*token) } else { Binding::MinBalance(*token) })
            } else if *by < 0.0 && left >= position.range[1] - near {
                Some(Binding::MaxTrade(*token))
            } else if (0..self.liquidity.len())
                .all(|m| !self.liquidity.snapshot.markets().coins(m as u32).contains(&position.token))
            {
                Some(Binding::Unreachable(*token))
            } else {
                None
            };
            binding.extend(stops);
        }
        if binding.is_empty() {
            binding.extend(missed.iter().map(|(token, _)| Binding::Depth(*token)));
        }
        binding
    }
}

/// Adds the atoms that are left of assets that are to be sold to the last one to one of their swaps. That is made with an exact input, so
/// it has to be the only one in its pool, and nothing may bring atoms that nobody counts on: the ways that are in the way of it otherwise.
fn spend_all(emptied: &[Token], run: &mut Run) -> Vec<Way> {
    let mut shared = Vec::new();
    for &token in emptied {
        let into = run.swaps.iter().filter(|swap| swap.output == token);
        shared.extend(into.map(|swap| Way::of(&Step::from(swap))));
        let rest = run.of(token);
        let once = |pool: usize| run.swaps.iter().filter(|swap| swap.pool == pool).count() == 1;
        let at = run.swaps.iter().rposition(|swap| swap.input == token && once(swap.pool));
        if let Some(swap) = at.and_then(|at| run.swaps.get_mut(at)) {
            swap.amount_in = swap.amount_in.saturating_add(rest);
            run.balances.insert(token, U256::ZERO);
        } else if let Some(swap) = run.swaps.iter().rfind(|swap| swap.input == token)
            && !rest.is_zero()
        {
            let others = run.swaps.iter().filter(|other| other.pool == swap.pool && other.input != token);
            shared.extend(others.map(|other| Way::of(&Step::from(other))));
        }
    }
    shared
}

impl Rebalance {
    /// The swaps as a solution without orders, for an [`Encoder`](crate::settlement::Encoder) on the market that they were found on.
    pub fn solution(&self, auction: &Auction) -> Solution {
        Solution {
            id: 0,
            prices: BTreeMap::new(),
            trades: Vec::new(),
            pre_interactions: Vec::new(),
            interactions: interactions(auction, &self.swaps),
            post_interactions: Vec::new(),
            gas: Some(self.gas),
            flashloans: None,
            wrappers: Vec::new(),
        }
    }

    /// How the swaps are to be encoded: by exact inputs where an asset is to be sold to the last atom, else as the operator says.
    pub fn settings(&self, settings: &Settings) -> Settings {
        let ejects = self.after.holdings.iter().any(|holding| holding.balance.is_zero());
        let slippage = if ejects { Slippage::MinOut } else { settings.slippage };
        Settings { slippage, ..settings.clone() }
    }

    /// What is better: to pass, to miss less, to be worth more.
    fn rank(&self) -> (bool, bool, i64, f64) {
        let missed: f64 = self.missed.iter().map(|(_, by)| by.abs()).sum();
        (self.sound, self.foreseen.is_ok(), -(missed / NOTHING) as i64, -self.costs.total())
    }
}
