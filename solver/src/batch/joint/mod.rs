//! All orders of a batch in one settlement: chosen, cleared, executed and priced to the wei.
//!
//! ```text
//! orders ── Member::new ──► Batch::choose ──► markets and orders, prices, bound
//!                             │ clear         clearing prices, fills and flows; fees from the gas of those flows
//!                             │ fair          clear again, where a pair could have more elsewhere
//!                             │ execute       exact swaps, funded by what is sold, and integer prices from what they left
//!                             └► Joint        or: again, without what cannot be executed, misses its limit or is better off alone
//! ```

mod clear;
mod execute;
mod fair;
mod gas;
mod orders;
mod prices;

use alloy_primitives::U256;
use ballast_routing::{Batch, Budget, GasPrice, Joint as Choice, Token};
use rustc_hash::FxHashMap;

use super::Liquidity;
use super::cycles::{Arbitrage, arbitrage};
use super::step::{Step, Swap, Way, steps};
use crate::auction::Auction;
use crate::config::Config;
use clear::Chosen;
use orders::{Member, wanted};

/// Times that a batch is solved again without what stood in its way.
const ATTEMPTS: usize = 16;
/// How much more than the numbers' own error the swaps are asked for, one try after another: venues that compute less exactly than
/// others leave less than is expected of them.
const MARGINS: [f64; 3] = [3.0, 30.0, 300.0];

/// A directed pair of tokens.
pub type Pair = [Token; 2];

/// What each pair could have in a bid of its own, in wei of score.
pub type Floors = FxHashMap<Pair, U256>;

/// One order's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// The order's place in the auction.
    pub order: usize,
    /// Atoms: sold without the fee, or bought.
    pub executed: U256,
    /// Atoms of the sold token.
    pub fee: U256,
    /// Gas that the fee pays for.
    pub gas: u64,
}

/// What a batch is worth at each stage, in value units: the sum of surplus, gas paid.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Welfare {
    /// No batch of these orders on these pools exceeds this.
    pub bound: f64,
    /// Every order filled for as large a part as is best, each paid as if it had prices of its own.
    pub relaxed: f64,
    /// Orders that must be filled whole, whole or not at all.
    pub whole: f64,
    /// One price a token.
    pub uniform: f64,
    /// No pair worse off than in a bid of its own.
    pub fair: f64,
    /// In whole atoms, with cycles as far as they are funded: what is scored.
    pub realised: f64,
}

/// A batch's execution.
#[derive(Debug, Clone)]
pub struct Joint {
    /// The orders filled.
    pub fills: Vec<Fill>,
    /// Integer clearing prices.
    pub prices: Vec<(Token, U256)>,
    /// Swaps in order.
    pub swaps: Vec<Swap>,
    /// Gas of the settlement.
    pub gas: u64,
    /// What it is worth, and what was lost on the way.
    pub welfare: Welfare,
    /// What closed cycles earn, in value units, by pool.
    pub harvest: Arbitrage,
    /// Value units that cycles would have earned besides, had there been funds.
    pub left_behind: f64,
    /// Value units that all orders sell.
    pub volume: f64,
    /// What of it is swapped with pools: the rest is matched.
    pub routed: f64,
    /// Orders that were left out so that no pair is worse off than elsewhere: with a bid of its own, or along the best single path.
    pub displaced: Vec<usize>,
    /// How often it was solved.
    pub attempts: usize,
}

/// Why a choice cannot be settled as it is.
enum Obstacle {
    /// These members miss their limits.
    Missed(Vec<usize>),
    /// With these members some pair is worse off than elsewhere.
    Worse(Vec<usize>),
    /// These ways cannot be gone.
    Barred(Vec<Way>),
    /// The swaps leave less than was expected of them, and no prices of what these members trade are paid by that.
    Short(Vec<usize>),
    /// There is nothing to be left out that would help.
    Failed(String),
}

impl From<&str> for Obstacle {
    fn from(why: &str) -> Self {
        Self::Failed(why.to_owned())
    }
}

/// Solves `orders` as one batch. No pair is left with less than its floor.
///
/// # Errors
/// Why there is no batch, in words.
pub fn solve(
    auction: &Auction,
    liquidity: &Liquidity,
    config: &Config,
    orders: &[usize],
    floors: &Floors,
    warm: Option<&[f64]>,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Joint, String> {
    let members: Vec<Member> = orders.iter().filter_map(|&k| Member::new(auction, liquidity, config, k)).collect();
    if members.is_empty() {
        return Err("no order can be part of a batch".to_owned());
    }
    let fixed = config.settlement_gas.saturating_sub(config.trade_gas) as f64;
    let gas = GasPrice { token: liquidity.numeraire(), price: liquidity.gas_price, fixed };
    let legs = members.iter().map(|m| m.leg).collect();
    let batch = Batch::new(&liquidity.snapshot, legs, &wanted(&members), gas).map_err(|e| e.to_string())?;
    Attempt { auction, liquidity, config, floors, members, batch }.run(warm, stop)
}

struct Attempt<'a> {
    auction: &'a Auction,
    liquidity: &'a Liquidity,
    config: &'a Config,
    floors: &'a Floors,
    members: Vec<Member>,
    batch: Batch,
}

impl Attempt<'_> {
    fn run(&self, warm: Option<&[f64]>, stop: &(dyn Fn() -> bool + Sync)) -> Result<Joint, String> {
        let (mut out, mut barred, mut displaced) = (Vec::new(), Vec::new(), Vec::new());
        let mut prices = warm.map(<[f64]>::to_vec);
        // What the first choice is worth: what is left out later is lost to what it is left out for.
        let mut first: Option<Welfare> = None;
        for attempts in 1..=ATTEMPTS {
            let budget = Budget::until(self.config.work_per_batch, stop);
            let choice = self.batch.choose(prices.as_deref(), &out, &barred, &budget);
            let choice = choice.ok_or("no orders that together pay for their gas")?;
            let welfare = first.get_or_insert(Welfare {
                bound: choice.bound,
                relaxed: choice.relaxed,
                whole: choice.value,
                ..Welfare::default()
            });
            let mut done = self.settle(Chosen { choice: &choice, barred: &barred, margin: MARGINS[0] }, welfare);
            for margin in MARGINS.into_iter().skip(1) {
                if matches!(done, Err(Obstacle::Short(_))) {
                    done = self.settle(Chosen { choice: &choice, barred: &barred, margin }, welfare);
                }
            }
            let filled = choice.parts.iter().filter(|part| **part > 0.0).count();
            tracing::debug!(attempts, filled, markets = choice.markets.len(), value = choice.value, "a choice");
            match done {
                Ok(joint) => {
                    displaced.extend(&joint.displaced);
                    return Ok(Joint { displaced, attempts, ..joint });
                }
                Err(Obstacle::Failed(why)) => return Err(why),
                Err(Obstacle::Short(members)) => {
                    tracing::debug!(?members, "are not paid by what the swaps leave");
                    out.extend(members);
                }
                Err(Obstacle::Missed(members)) => {
                    tracing::debug!(?members, "miss their limits");
                    out.extend(members);
                }
                Err(Obstacle::Worse(members)) => {
                    tracing::debug!(?members, "leave more to the others than they lose");
                    displaced.extend(members.iter().map(|&m| self.members[m].index));
                    out.extend(members);
                }
                Err(Obstacle::Barred(ways)) => {
                    tracing::debug!(?ways, "barred");
                    barred.extend(ways.iter().filter_map(|way| self.liquidity.hop(self.auction, way)));
                }
            }
            if stop() {
                return Err("time ran out".to_owned());
            }
            prices = Some(choice.prices);
        }
        Err("no batch that can be executed after many attempts".to_owned())
    }

    /// One choice, all the way.
    fn settle(&self, chosen: Chosen<'_>, welfare: &mut Welfare) -> Result<Joint, Obstacle> {
        let cleared = self.clear(chosen)?;
        if welfare.uniform == 0.0 {
            welfare.uniform = cleared.welfare();
        }
        let (cleared, displaced) = self.be_fair(chosen, cleared)?;
        welfare.fair = cleared.welfare();
        let proposed = steps(self.liquidity, &cleared.clearing.flows, &chosen.choice.prices);
        let planned = self.believable(&proposed, chosen.choice)?;
        let joint = self.execute(chosen.choice, cleared, &proposed, &planned, *welfare)?;
        let displaced = displaced.into_iter().map(|m| self.members[m].index).collect();
        Ok(Joint { displaced, ..joint })
    }

    /// What cycles of the steps earn, unless it is more than is believable.
    fn believable(&self, steps: &[Step], choice: &Choice) -> Result<Arbitrage, Obstacle> {
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
