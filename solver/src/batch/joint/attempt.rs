//! From a choice of markets and orders to a batch: cleared, executed and priced, and again with what that taught.

use std::sync::OnceLock;

use ballast_routing::{Batch, Bounds, Budget, Ceiling, Distance, Extent, GasPrice, Hop, Joint as Choice, Token};

use super::clear::{Chosen, Cleared, LITTLE, Lessons};
use super::course::{Best, Course, Found};
use super::fair::Manner;
use super::leftovers::leftovers;
use super::orders::Member;
use super::{Floors, Joint, Obstacle, Welfare};
use crate::auction::Auction;
use crate::batch::Liquidity;
use crate::batch::cycles::{Arbitrage, arbitrage};
use crate::batch::reference::Reference;
use crate::batch::step::{Step, Way};
use crate::config::Config;

/// What all the gas that a settlement may take is counted at, at the least, as a part of what orders bring beyond their limits.
const ROOM_COSTS: f64 = 0.005;
/// Times that a choice is cleared again without what stood in its way.
const REPAIRS: usize = 16;

/// Orders of an auction, to be settled together.
pub struct Attempt<'a> {
    pub(super) auction: &'a Auction,
    pub(super) liquidity: &'a Liquidity,
    pub(super) config: &'a Config,
    pub(super) floors: Floors<'a>,
    pub(super) reference: Reference<'a>,
    pub(super) members: Vec<Member>,
    pub(super) batch: Batch,
    /// The same where no more is counted of what is left over than could be handed out at the first prices.
    pub(super) capped: OnceLock<Batch>,
    /// What a unit of gas is worth: its cost, or more where next to nothing is paid for it, as there is room for so much only.
    pub(super) gas_value: f64,
    lessons: Lessons,
    best: Option<Best>,
    /// What a unit of gas was counted at when it was still too much, or zero.
    heavy: f64,
}

/// What a unit of gas is worth at the least: all that a settlement may take of it a part of what orders bring beyond their limits. Choices of
/// very many markets are of no use, as few of them can be executed, and that at one price a token.
fn least_gas_value(members: &[Member], config: &Config) -> f64 {
    let brought: f64 = members.iter().map(|m| (m.leg.sell_amount - m.leg.buy_amount).max(0.0)).sum();
    ROOM_COSTS * brought / config.max_gas.max(1) as f64
}

/// Why there is no batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoBatch {
    /// What has to be filled takes more gas than a settlement may.
    #[error("it takes more gas than a settlement may")]
    Heavy,
    /// Some ask for more than can be paid, and others would go short for it.
    #[error("what some ask for others would have to pay")]
    InTheWay,
    /// Something else, in words.
    #[error("{0}")]
    Because(String),
}

impl From<String> for NoBatch {
    fn from(why: String) -> Self {
        Self::Because(why)
    }
}

impl From<&str> for NoBatch {
    fn from(why: &str) -> Self {
        Self::Because(why.to_owned())
    }
}

impl<'a> Attempt<'a> {
    /// Lays `orders` out, those that can be part of a batch. No pair will be left with less than its floor. How much may be filled of orders that
    /// were [`entered`](Auction::enter) is up to the caller.
    ///
    /// # Errors
    /// In words, where there are none, or amounts that make no sense.
    pub fn new(
        auction: &'a Auction,
        liquidity: &'a Liquidity,
        config: &'a Config,
        orders: &[usize],
        floors: Floors<'a>,
        entered: Extent,
    ) -> Result<Self, String> {
        let member = |&k: &usize| Member::new(auction, liquidity, config, k, entered);
        let members: Vec<Member> = orders.iter().filter_map(member).collect();
        if members.is_empty() {
            return Err("no order can be part of a batch".to_owned());
        }
        let fixed = config.settlement_gas.saturating_sub(config.trade_gas) as f64;
        let gas = GasPrice { token: liquidity.numeraire(), price: liquidity.gas_price, fixed };
        let legs = members.iter().map(|m| m.leg).collect();
        let batch = Batch::new(&liquidity.snapshot, legs, &leftovers(&members), gas).map_err(|e| e.to_string())?;
        let batch = batch.with_most_gas(config.max_gas as f64);
        let (capped, lessons) = (OnceLock::new(), Lessons::default());
        let gas_value = least_gas_value(&members, config).max(liquidity.gas_price);
        let reference = Reference::new(auction, liquidity, config);
        Ok(Self {
            auction,
            liquidity,
            config,
            floors,
            reference,
            members,
            batch,
            capped,
            gas_value,
            lessons,
            best: None,
            heavy: 0.0,
        })
    }

    /// The same where choices with a unit of gas counted at less than so much are known to be too much.
    pub fn heavy_below(self, heavy: f64) -> Self {
        Self { heavy, ..self }
    }

    /// The same where it is known what no routing of an order by itself can exceed.
    pub fn below(self, ceiling: Option<&'a Ceiling<'a>>) -> Self {
        Self { reference: self.reference.below(ceiling), ..self }
    }

    /// What each pair could have in a bid of its own.
    pub fn floors(&self) -> &Floors<'a> {
        &self.floors
    }

    /// What a unit of gas was counted at when it was still too much, or zero.
    pub fn heavy(&self) -> f64 {
        self.heavy
    }

    /// Solves it, from `warm` prices. What is found goes to `found`. Returns what the best is worth: of that more is known in the end than when it
    /// was found.
    ///
    /// # Errors
    /// Why there is no batch.
    pub fn solve(
        &mut self,
        warm: Option<&[f64]>,
        stop: &(dyn Fn() -> bool + Sync),
        found: &mut dyn FnMut(Found<'_>),
    ) -> Result<Welfare, NoBatch> {
        let mut course = Course {
            lessons: std::mem::take(&mut self.lessons),
            best: None,
            attempts: 0,
            bounds: Bounds { apart: f64::INFINITY, uniform: f64::INFINITY },
            of_all: None,
            prices: warm.map(<[f64]>::to_vec),
            heavy: self.heavy,
            why: "no orders that together pay for their gas".into(),
            found,
        };
        self.choose(&mut course, stop);
        self.improve(&mut course, stop);
        let Course { lessons, best, bounds, heavy, why, .. } = course;
        (self.lessons, self.best, self.heavy) = (lessons, best, heavy);
        let Some(mut best) = self.best.take() else { return Err(why) };
        (best.welfare.apart, best.welfare.bound) = (bounds.apart, bounds.uniform);
        if self.is_large() && !stop() {
            self.tell_uniform(&mut best);
        }
        // What choices are worth is told by their prices, to the tolerance of those; and the best batch is not always of the best choice.
        let Welfare { relaxed, whole, uniform, fair, .. } = &mut best.welfare;
        let mut least = *fair;
        for (worth, bound) in [(uniform, bounds.uniform), (whole, bounds.apart), (relaxed, bounds.apart)] {
            *worth = worth.max(least).min(bound);
            least = *worth;
        }
        Ok(self.best.insert(best).welfare)
    }

    /// What one price a token leaves of a batch's choice, where that can be told.
    pub(super) fn tell_uniform(&self, best: &mut Best) {
        if let Some(uniform) = self.uniform(&best.of_all) {
            best.welfare.uniform = uniform.max(best.welfare.fair);
        }
    }

    /// What choices are made of.
    pub(super) fn batch(&self) -> &Batch {
        self.capped.get().unwrap_or(&self.batch)
    }

    pub(super) fn budget<'s>(&self, stop: &'s (dyn Fn() -> bool + Sync)) -> Budget<'s> {
        Budget::until(self.config.work_per_batch, stop)
    }

    /// The best batch so far with other floors.
    ///
    /// # Errors
    /// As for [`Self::solve`].
    pub fn with_floors(&mut self, floors: Floors<'a>, stop: &(dyn Fn() -> bool + Sync)) -> Result<Joint, NoBatch> {
        self.floors = floors;
        let Some(Best { mut choice, of_all, welfare, mut out }) = self.best.take() else {
            return Err("there is no batch".into());
        };
        let mut lessons = std::mem::take(&mut self.lessons);
        let by = |manner, lessons: &mut Lessons| self.settle(&choice, lessons, manner, welfare, stop);
        let settled = by(Manner::Patient, &mut lessons).or_else(|_| by(Manner::Hasty, &mut lessons));
        self.lessons = lessons;
        let (joint, gone) = settled?;
        let displaced = self.displaced(&choice, &out, &joint);
        gone.iter().for_each(|&m| choice.parts[m] = 0.0);
        out.extend(gone);
        self.best = Some(Best { choice, of_all, welfare: joint.welfare, out });
        Ok(Joint { displaced, ..joint })
    }

    /// One choice, all the way, with the members that had to leave.
    pub(super) fn settle(
        &self,
        original: &Choice,
        lessons: &mut Lessons,
        manner: Manner,
        mut welfare: Welfare,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<(Joint, Vec<usize>), NoBatch> {
        (lessons.gas, lessons.short, lessons.spare) = Default::default();
        let mut choice = original.clone();
        let cleared = self.at_choice(&choice)?;
        self.rehearse(&cleared, lessons);
        let heavy = self.heaviest(&cleared, cleared.gas()).ok_or(NoBatch::Heavy)?;
        if !heavy.is_empty() && original.spared < self.most_counted() {
            return Err(NoBatch::Heavy);
        }
        let (mut cleared, mut gone) = self.leave(&mut choice, &lessons.barred, cleared, &heavy, Vec::new(), stop)?;
        let mut distance = Distance::Far;
        // Members that lacked something when the swaps were last executed.
        let mut waited: Vec<usize> = Vec::new();
        let mut why = "no batch that can be executed after many attempts".to_owned();
        for repair in 0..REPAIRS {
            let (fair, more) = self.be_fair(&mut choice, lessons, cleared, (distance, manner), stop)?;
            let chosen = Chosen { choice: &choice, lessons };
            gone.extend(more);
            welfare.fair = fair.welfare();
            // Until it is known.
            welfare.uniform = welfare.uniform.max(welfare.fair);
            let leave = match self.execute(chosen, &fair, welfare) {
                Ok(joint) => return Ok((joint, gone)),
                Err(Obstacle::Failed(why)) => return Err(why.into()),
                Err(Obstacle::Unpaid(gas)) => {
                    tracing::debug!(gas, "more gas than is paid for");
                    lessons.gas = lessons.gas.saturating_add(gas);
                    Vec::new()
                }
                Err(Obstacle::Heavy(gas)) => {
                    tracing::debug!(gas, "more gas than a settlement may take");
                    self.heaviest(&fair, gas).ok_or(NoBatch::Heavy)?
                }
                Err(Obstacle::Barred(ways)) => {
                    tracing::debug!(?ways, "barred");
                    lessons.barred.extend(ways.iter().filter_map(|way| self.liquidity.hop(self.auction, way)));
                    Vec::new()
                }
                Err(Obstacle::Lacking { lost, places }) => {
                    tracing::debug!(?lost, ?places, "have less than they ask for, or could have elsewhere");
                    let all = lost.is_empty() || repair >= REPAIRS / 2;
                    lessons.short += 1;
                    lessons.lost(lost);
                    // Those who gain nothing anyway are waited for once.
                    let before = std::mem::replace(&mut waited, places.iter().map(|&k| fair.trades[k].member).collect());
                    let again = |k: usize| fair.surplus(k) < LITTLE && before.contains(&fair.trades[k].member);
                    places.into_iter().filter(|&k| all || again(k)).collect()
                }
                Err(Obstacle::Short { missing, places }) => {
                    tracing::debug!(?missing, ?places, "are not paid by what the swaps leave");
                    why = "prices that what the swaps leave does not pay".to_owned();
                    lessons.short += 1;
                    lessons.missing(missing);
                    if repair < REPAIRS / 2 { Vec::new() } else { places }
                }
            };
            distance = if leave.is_empty() { Distance::Close } else { Distance::Far };
            (cleared, gone) = self.leave(&mut choice, &lessons.barred, fair, &leave, gone, stop)?;
        }
        Err(why.into())
    }

    /// The trades without some of them, whose members are `gone` too.
    fn leave(
        &self,
        choice: &mut Choice,
        barred: &[Hop],
        cleared: Cleared,
        leave: &[usize],
        mut gone: Vec<usize>,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<(Cleared, Vec<usize>), String> {
        if leave.is_empty() {
            return Ok((cleared, gone));
        }
        let (leave, stay): (Vec<usize>, Vec<usize>) = (0..cleared.trades.len()).partition(|k| leave.contains(k));
        gone.extend(leave.iter().map(|&k| cleared.trades[k].member));
        Ok((self.only(choice, barred, cleared, &stay, stop)?, gone))
    }

    /// Some of the trades, by their places, on the same markets: those trade something else then.
    pub(super) fn only(
        &self,
        choice: &mut Choice,
        barred: &[Hop],
        cleared: Cleared,
        stay: &[usize],
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Cleared, String> {
        let members: Vec<usize> = stay.iter().map(|&k| cleared.trades[k].member).collect();
        match self.batch().only(choice, &members, barred, &self.budget(stop)) {
            Some(other) => *choice = other,
            None => return Ok(cleared.only(stay)),
        }
        self.at_choice(choice)
    }

    /// Whether any order is filled in any case.
    pub(super) fn gives(&self) -> bool {
        self.members.iter().any(|member| member.leg.extent == Extent::Given)
    }

    /// Whether a trade is of an order that is filled in any case.
    pub(super) fn is_given(&self, cleared: &Cleared, k: usize) -> bool {
        self.members[cleared.trades[k].member].leg.extent == Extent::Given
    }

    /// Where a settlement takes more `gas` than it may: the trades that gain least by what they take of it. `None` where those that are given
    /// are too much by themselves.
    fn heaviest(&self, cleared: &Cleared, gas: u64) -> Option<Vec<usize>> {
        let mut over = gas.saturating_sub(self.config.max_gas);
        let mut order: Vec<usize> = (0..cleared.trades.len()).filter(|&k| !self.is_given(cleared, k)).collect();
        let gain = |k: usize| cleared.surplus(k) / cleared.trades[k].share as f64;
        order.sort_by(|&a, &b| gain(a).total_cmp(&gain(b)));
        let leaves = |&k: &usize| {
            let leaves = over > 0;
            over = over.saturating_sub(cleared.trades[k].share);
            leaves
        };
        let heaviest = order.into_iter().take_while(leaves).collect();
        (over == 0).then_some(heaviest)
    }

    /// What cycles of the steps earn, unless it is more than is believable.
    pub(super) fn believable(&self, steps: &[Step], choice: &Choice) -> Result<Arbitrage, Obstacle> {
        let price = |token: Token| self.liquidity.units.get(token).unwrap_or(0.0) * choice.prices[token as usize];
        let harvest = arbitrage(steps, price);
        let suspects = harvest.suspects(self.config);
        if suspects.is_empty() {
            return Ok(harvest);
        }
        tracing::warn!(pools = ?suspects, "cycles earn more than is believable; solving again without");
        Err(Obstacle::Barred(steps.iter().filter(|s| suspects.contains(&s.pool)).map(Way::of).collect()))
    }
}
