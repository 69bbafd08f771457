//! One order by itself, from its problem to a verified solution.

use ballast_routing::{Budget, Ceiling, Height, Hop, Outcome, Search, Status, Token};
use ballast_wire::Side;

use crate::auction::Auction;
use crate::batch::compile::{Compiled, compile, value};
use crate::batch::cycles::arbitrage;
use crate::batch::direct::direct;
use crate::batch::plan::{Plan, PlanError, plan};
use crate::batch::step::{Step, Swap, Way, steps};
use crate::batch::{Bid, Liquidity};
use crate::config::Config;
use crate::settlement::{Verified, verify};

/// Times an order is solved again because its plan could not be executed, or drew on a pool that gives too much.
const ATTEMPTS: usize = 6;

/// What doubles may have rounded away of an order.
const ROUNDED: f64 = 1e-9;

/// Why an order has no solution: it was not looked at for long enough.
const TIME: &str = "time or work ran out";

/// Why an order has no solution: no routing reaches its limit and pays for its gas.
const OUT_OF_THE_MONEY: &str = "out of the money";

/// What an order's solution is worth, and what none could exceed; value units of the order's surplus token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gaps {
    /// Left by the linear programme on the pools chosen.
    pub convex: f64,
    /// Left by the choice of pools, at most.
    pub gas: f64,
    /// Lost to whole atoms, to the order of execution and to cycles cut short.
    pub integer: f64,
    /// All together: the exact result against the bound over all pools.
    pub total: f64,
    /// Value units that the order moves, against which gaps are quoted.
    pub size: f64,
}

impl Gaps {
    /// A gap in basis points of the order.
    pub fn bps(&self, gap: f64) -> f64 {
        1e4 * gap / self.size
    }
}

/// A filled order.
#[derive(Debug, Clone)]
pub struct Filled {
    /// What may be sent.
    pub verified: Verified,
    /// The swaps.
    pub swaps: Vec<Swap>,
    /// What closed cycles earn, in native tokens.
    pub arbitrage: f64,
    /// What closed cycles would have earned besides, had there been funds to run them in full; native tokens.
    pub left_behind: f64,
    /// What the plan is worth in the terms of the order's problem, value units.
    pub realised: f64,
    /// Certificate and losses.
    pub gaps: Gaps,
    /// How the optimiser ended.
    pub status: Status,
    /// What a value unit of gap scores, in value units of the native token.
    pub score: f64,
    /// How often it was solved until its plan could be executed.
    pub attempts: usize,
}

/// What an order's routing must be worth to be of use.
fn least(compiled: &Compiled, config: &Config) -> f64 {
    compiled.problem.reserve + config.min_surplus * 1e3
}

/// What no routing of an order can be worth, in the terms of its problem, and score, in value units of the native token, without cycles of
/// markets that hold neither of its tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    pub worth: f64,
    pub score: f64,
}

impl Most {
    /// That of the order at `index`, no closer than it takes to see that there is nothing to be had.
    pub fn new(auction: &Auction, liquidity: &Liquidity, config: &Config, ceiling: &Ceiling<'_>, index: usize) -> Self {
        let order = &auction.orders[index];
        match compile(order, liquidity, config) {
            // There is another way than through markets.
            _ if order.sell == order.buy => Self { worth: f64::INFINITY, score: f64::INFINITY },
            Ok(compiled) => {
                let Height { all, own } = ceiling.of(&compiled.problem, least(&compiled, config));
                let surplus = (own - compiled.problem.reserve).max(0.0) + ROUNDED * compiled.size;
                Self { worth: all, score: surplus * compiled.score }
            }
            Err(_) => Self { worth: f64::NEG_INFINITY, score: 0.0 },
        }
    }
}

/// What came of an order.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It has a solution.
    Filled(Box<Filled>),
    /// It has none, and why.
    Unfilled(String),
}

impl Answer {
    /// What may be sent of it.
    pub(super) fn verified(&self) -> Option<&Verified> {
        match self {
            Self::Filled(filled) => Some(&filled.verified),
            Self::Unfilled(_) => None,
        }
    }

    /// What it is worth in the terms of the order's problem; less than anything if it is none.
    pub(super) fn realised(&self) -> f64 {
        match self {
            Self::Filled(filled) => filled.realised,
            Self::Unfilled(_) => f64::NEG_INFINITY,
        }
    }

    /// Takes over the lower bound of one that was looked at for longer and is no better.
    pub(super) fn learn(&mut self, other: &Self) {
        if let (Self::Filled(this), Self::Filled(other)) = (self, other) {
            let bound = (other.realised + other.gaps.total).min(this.realised + this.gaps.total);
            this.gaps.total = bound - this.realised;
            this.gaps.gas = this.gaps.total - this.gaps.convex - this.gaps.integer;
        }
    }
}

/// Solves one order of an auction, the one at `index`, from `warm` prices if there are any.
pub fn answer(
    auction: &Auction,
    liquidity: &Liquidity,
    config: &Config,
    index: usize,
    warm: Option<&[f64]>,
    stop: &(dyn Fn() -> bool + Sync),
) -> Answer {
    attempt(Setting { auction, liquidity, config, warm, most: None, ceiling: None, stop }, index, &[], Depth::All, None)
}

/// The same, but shows the first solution, verified, to `early` as soon as there is one.
pub fn answer_early(
    auction: &Auction,
    liquidity: &Liquidity,
    config: &Config,
    index: usize,
    warm: Option<&[f64]>,
    stop: &(dyn Fn() -> bool + Sync),
    early: &mut dyn FnMut(Filled),
) -> Answer {
    attempt(Setting { auction, liquidity, config, warm, most: None, ceiling: None, stop }, index, &[], Depth::All, Some(early))
}

/// What the orders of an auction are solved on.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub auction: &'a Auction,
    pub liquidity: &'a Liquidity,
    pub config: &'a Config,
    /// Prices to start from.
    pub warm: Option<&'a [f64]>,
    /// What no routing of an order on this liquidity is worth more than, in the terms of its problem, where that is known.
    pub most: Option<&'a (dyn Fn(usize) -> f64 + Sync)>,
    /// The same for any order on it.
    pub ceiling: Option<&'a Ceiling<'a>>,
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

/// How long an order is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Until there is a solution, or none at once.
    First,
    /// For as long as it improves.
    All,
}

/// Solves the order at `index`, that does not go the `barred` ways.
pub(super) fn attempt(
    setting: Setting<'_>,
    index: usize,
    barred: &[Way],
    depth: Depth,
    early: Option<&mut dyn FnMut(Filled)>,
) -> Answer {
    let Setting { auction, liquidity, config, warm, .. } = setting;
    let order = &auction.orders[index];
    let done = if order.sell == order.buy {
        unrouted(auction, liquidity, config, index)
    } else {
        Attempt::new(setting, index).and_then(|mut attempt| {
            attempt.bar(barred);
            attempt.run(warm, depth, early)
        })
    };
    match done {
        Ok(filled) => Answer::Filled(Box::new(filled)),
        Err(reason) => Answer::Unfilled(reason),
    }
}

/// Fills an order that sells what it buys: there is no better way than the only one.
fn unrouted(auction: &Auction, liquidity: &Liquidity, config: &Config, index: usize) -> Result<Filled, String> {
    let order = &auction.orders[index];
    let size = value(liquidity, order.sell, order.sell_amount).ok_or("no price for the sold token")?;
    let plan = direct(auction, liquidity, order, config).map_err(|e| e.to_string())?;
    let verified = verified(auction, config, index, &plan)?;
    let gaps = Gaps { convex: 0.0, gas: 0.0, integer: 0.0, total: 0.0, size };
    let (swaps, status) = (plan.swaps, Status::Optimal);
    Ok(Filled { verified, swaps, arbitrage: 0.0, left_behind: 0.0, realised: size, gaps, status, score: 1.0, attempts: 1 })
}

/// A plan's bid, checked.
fn verified(auction: &Auction, config: &Config, index: usize, plan: &Plan) -> Result<Verified, String> {
    let order = &auction.orders[index];
    let bid = Bid::single(index as u64, auction, order, plan).ok_or("the protocol's fee takes all that is sold")?;
    verify(auction, config, bid.solution).map_err(|violation| {
        tracing::error!(%violation, order = %order.uid, "our own plan does not verify");
        format!("plan does not verify: {violation}")
    })
}

/// A plan that can be executed.
#[derive(Clone)]
struct Candidate {
    plan: Plan,
    realised: f64,
    outcome: Outcome,
    /// What its cycles earn, in value units.
    harvest: f64,
    /// What they were to earn as routed.
    proposed: f64,
}

/// What a plan left to be done.
enum Next {
    /// Nothing: it runs as it was routed, or no way of routing it would.
    Nothing,
    /// To solve again without these ways, which cannot be executed or are not to be believed.
    Without(Vec<Way>),
}

/// One order on the way to its solution.
struct Attempt<'a> {
    auction: &'a Auction,
    liquidity: &'a Liquidity,
    config: &'a Config,
    index: usize,
    compiled: Compiled,
    most: f64,
    stop: &'a (dyn Fn() -> bool + Sync),
    barred: Vec<Hop>,
    best: Option<Candidate>,
    reason: String,
}

impl<'a> Attempt<'a> {
    fn new(Setting { auction, liquidity, config, most, stop, .. }: Setting<'a>, index: usize) -> Result<Self, String> {
        let order = &auction.orders[index];
        let compiled = compile(order, liquidity, config).map_err(|e| e.to_string())?;
        if !order.is_scored() {
            return Err("its surplus is not scored, so alone it is worth nothing".to_owned());
        }
        // A quote is not scored; anything else would not verify.
        if auction.id.is_some() && auction.token(order.buy).reference_price.is_none() {
            return Err("no reference price for the bought token, so nothing scores".to_owned());
        }
        let reason = "no executable plan".to_owned();
        let most = most.map_or(f64::INFINITY, |most| most(index));
        Ok(Self { auction, liquidity, config, index, compiled, most, stop, barred: Vec::new(), best: None, reason })
    }

    /// Solves, plans and verifies. What cannot be executed, or gives more than a sane pool would, is barred, and it is solved again;
    /// the best of the plans is kept.
    fn run(mut self, warm: Option<&[f64]>, depth: Depth, mut early: Option<&mut dyn FnMut(Filled)>) -> Result<Filled, String> {
        let budget = Budget::until(self.config.work_per_order, self.stop);
        let compiled = self.compiled.clone();
        let mut bound = self.most;
        if bound <= self.least() {
            return Err(OUT_OF_THE_MONEY.to_owned());
        }
        if (self.stop)() {
            return Err(TIME.to_owned());
        }
        for attempt in 1..=ATTEMPTS {
            let barred = self.barred.clone();
            let mut search = Search::new(&self.liquidity.snapshot, &compiled.problem, warm, &barred, &budget);
            let mut next = self.consider(search.first());
            if self.best.is_none()
                && let Some(plain) = search.plain()
            {
                self.consider(plain);
            }
            // One that does not verify is no reason not to look for a better one.
            if let (Some(show), Some(best)) = (&mut early, &self.best)
                && let Ok(first) = self.verified(best.clone(), search.bound(), attempt)
            {
                show(first);
                early = None;
            }
            if depth == Depth::First && self.best.is_some() {
                next = Next::Nothing;
            } else if depth == Depth::All
                && let Some(better) = search.improve()
            {
                next = self.consider(better);
            }
            // The first bound is the one over all pools.
            if attempt == 1 {
                bound = bound.min(search.bound());
            }
            if self.best.is_none() && search.bound() <= self.least() {
                self.reason = OUT_OF_THE_MONEY.to_owned();
            }
            match next {
                Next::Without(ways) if attempt < ATTEMPTS => self.bar(&ways),
                _ => return self.best.take().ok_or(self.reason.clone()).and_then(|best| self.verified(best, bound, attempt)),
            }
        }
        Err(self.reason)
    }

    fn least(&self) -> f64 {
        least(&self.compiled, self.config)
    }

    /// Plans an outcome and keeps the plan if it is the best.
    fn consider(&mut self, outcome: Outcome) -> Next {
        if outcome.flows.is_empty() || outcome.certificate.value <= self.least() {
            self.reason = match outcome.status {
                _ if outcome.certificate.bound <= self.least() => OUT_OF_THE_MONEY,
                Status::Budget => TIME,
                _ => "not worth its gas",
            }
            .to_owned();
            return Next::Nothing;
        }
        let proposed = steps(self.liquidity, &outcome.flows);
        let price = |token| self.liquidity.units.get(token).unwrap_or(0.0) * outcome.prices[token as usize];
        let harvest = arbitrage(&proposed, price);
        let suspects = harvest.suspects(self.config);
        if !suspects.is_empty() {
            tracing::warn!(pools = ?suspects, "cycles earn more than is believable; solving again without");
            return Next::Without(proposed.iter().filter(|s| suspects.contains(&s.pool)).map(Way::of).collect());
        }
        let order = &self.auction.orders[self.index];
        match plan(self.auction, self.liquidity, order, &outcome, self.config) {
            Ok(plan) => {
                let again = plan.abandoned.clone();
                let realised = self.realised(&plan);
                let made: Vec<Step> = plan.swaps.iter().map(Step::from).collect();
                let earned = arbitrage(&made, price);
                let suspects = earned.suspects(self.config);
                if !suspects.is_empty() {
                    return Next::Without(made.iter().filter(|s| suspects.contains(&s.pool)).map(Way::of).collect());
                }
                if self.best.as_ref().is_none_or(|b| realised > b.realised) {
                    let (proposed, harvest) = (harvest.total, earned.total);
                    self.best = Some(Candidate { plan, realised, outcome, harvest, proposed });
                }
                if again.is_empty() { Next::Nothing } else { Next::Without(again) }
            }
            Err(PlanError::Swap { way, error }) => {
                tracing::debug!(pool = way.pool, %error, "a planned swap fails");
                Next::Without(vec![way])
            }
            Err(PlanError::Limit(abandoned)) if !abandoned.is_empty() => Next::Without(abandoned),
            Err(error) => {
                self.reason = error.to_string();
                match error {
                    // A fill too small for its gas: cycles were the point of it, not the order.
                    PlanError::Gas => {
                        Next::Without(proposed.iter().filter(|s| harvest.by_pool.contains_key(&s.pool)).map(Way::of).collect())
                    }
                    _ => Next::Nothing,
                }
            }
        }
    }

    fn bar(&mut self, ways: &[Way]) {
        self.barred.extend(ways.iter().filter_map(|way| self.liquidity.hop(self.auction, way)));
    }

    fn verified(&self, best: Candidate, bound: f64, attempts: usize) -> Result<Filled, String> {
        let Candidate { plan, realised, outcome, harvest, proposed } = best;
        let verified = verified(self.auction, self.config, self.index, &plan)?;
        let certificate = outcome.certificate;
        let gaps = Gaps {
            convex: certificate.convex_gap(),
            gas: bound - certificate.bound_kept,
            integer: certificate.value - realised,
            total: bound - realised,
            size: self.compiled.size,
        };
        Ok(Filled {
            verified,
            swaps: plan.swaps,
            arbitrage: harvest / 1e3,
            left_behind: (proposed - harvest).max(0.0) / 1e3,
            realised,
            gaps,
            status: outcome.status,
            score: self.compiled.score,
            attempts,
        })
    }

    /// The plan's worth in the terms of the problem.
    fn realised(&self, plan: &Plan) -> f64 {
        let order = &self.auction.orders[self.index];
        let unit = |token: Token| self.liquidity.units.get(token).unwrap_or(0.0);
        let paid = f64::from(plan.sold.saturating_add(plan.fee)) * unit(order.sell);
        let got = f64::from(plan.bought) * unit(order.buy);
        let rate = f64::from(order.buy_amount) * unit(order.buy) / (f64::from(order.sell_amount) * unit(order.sell));
        match (order.side, order.partial) {
            (Side::Sell, false) => got,
            (Side::Sell, true) => got - paid * rate,
            (Side::Buy, false) => -paid,
            (Side::Buy, true) => got / rate - paid,
        }
    }
}
