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

mod binding;
mod plan;

use std::collections::BTreeMap;

use alloy_primitives::Address;
use ballast_routing::{Basket, Budget, Rebalanced, Token, bound, rebalance, rebalance_again};
use ballast_wire::Solution;

pub use binding::Binding;

use super::basket::{Layout, ROOM, Task, is_narrow, narrowed};
use super::costs::Costs;
use super::judge::{Breach, Foreseen, Idle, idle};
use super::portfolio::{Measured, Portfolio};
use crate::auction::{Auction, Drops};
use crate::batch::bid::interactions;
use crate::batch::plan::PlanError;
use crate::batch::{Liquidity, Swap, Way};
use crate::config::Config;
use crate::settlement::{Settings, Slippage};

/// Times that it is solved again without ways that cannot be executed, or with more room for whole atoms.
const ATTEMPTS: usize = 8;
/// What room grows by.
const MORE_ROOM: f64 = 30.0;
/// A part of the portfolio that a landing is missed by for rounding alone.
const NOTHING: f64 = 1e-5;

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
    /// What it was routed from.
    source: Box<Source>,
}

/// A problem with its solution.
#[derive(Debug, Clone)]
struct Source {
    basket: Basket,
    found: Rebalanced,
    /// Value units for a unit of the numeraire.
    scale: f64,
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
    let mut answer = size(task, &market, &liquidity, config, None, stop)?;
    if let Answer::Rebalance(rebalance) = &mut answer {
        rebalance.certify(&liquidity, config, stop);
    }
    Ok((market, answer))
}

/// Lays a market out for vaults that are to be rebalanced on it.
pub fn lay_out(tasks: &[Task<'_>], auction: &Auction, config: &Config, drops: &mut Drops) -> Liquidity {
    let assets = tasks.iter().flat_map(|task| &task.intent.assets);
    let traded: Vec<Token> = assets.filter_map(|asset| auction.index.get(&asset.token).copied()).collect();
    let limits = tasks.iter().map(Task::limits).max().unwrap_or_default();
    Liquidity::around(auction, config, drops, &traded, limits)
}

/// The same on a market that is laid out ([`lay_out`]), from `warm` prices if there are any. The plan is there before a good bound is:
/// [`Rebalance::certify`] finds that.
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
    let layout = Layout::of(task.intent, auction, liquidity);
    let sizing = Sizing { task, auction, liquidity, config, layout, held };
    sizing.run(warm, stop).map(|rebalance| Answer::Rebalance(Box::new(rebalance)))
}

struct Sizing<'a> {
    task: &'a Task<'a>,
    auction: &'a Auction,
    liquidity: &'a Liquidity,
    config: &'a Config,
    layout: Layout,
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
        let mut before: Option<Rebalanced> = None;
        let mut reason = SizeError::NoMarket;
        for attempts in 1..=ATTEMPTS {
            let compiled = self.task.compile(&self.layout, &self.held, room, lossy).ok_or(SizeError::NoMarket)?;
            let snapshot = &self.liquidity.snapshot;
            let anew = |warm| rebalance(snapshot, &compiled.basket, warm, &barred, &budget);
            let found = before.and_then(|found| rebalance_again(snapshot, &compiled.basket, &found, &barred, &budget));
            // Prices of another problem may lead nowhere.
            let found = found.or_else(|| anew(warm)).or_else(|| warm.and_then(|_| anew(None)));
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
            before = (!lossy).then_some(found);
        }
        best.ok_or(reason)
    }
}

impl Rebalance {
    /// Finds a better bound on what any rebalance could be worth, on the liquidity that this one was found on.
    pub fn certify(&mut self, liquidity: &Liquidity, config: &Config, stop: &(dyn Fn() -> bool + Sync)) {
        let Source { basket, found, scale } = &*self.source;
        let nearer = bound(&liquidity.snapshot, basket, found, &Budget::until(config.work_per_batch, stop));
        let gained = (found.certificate.bound - nearer) / scale;
        for part in [&mut self.gaps.bound, &mut self.gaps.choice, &mut self.gaps.total] {
            *part -= gained;
        }
    }

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

    /// What is better: to pass, to land, to miss less, to be worth more.
    fn rank(&self) -> (bool, bool, bool, i64, f64) {
        let missed: f64 = self.missed.iter().map(|(_, by)| by.abs()).sum();
        let landed = self.foreseen.as_ref().is_ok_and(|foreseen| foreseen.landed);
        (self.sound, self.foreseen.is_ok(), landed, -(missed / NOTHING) as i64, -self.costs.total())
    }
}
