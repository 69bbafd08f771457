//! Flows become a vault's exact swaps, with what they leave it and what the contract says of that.

use alloy_primitives::U256;
use ballast_routing::{Rebalanced, Token};

use super::{Again, Gaps, NOTHING, Rebalance, Sizing, Source};
use crate::batch::cycles::arbitrage;
use crate::batch::execute::{Funding, Run, Stake, net_use};
use crate::batch::plan::PlanError;
use crate::batch::step::{Step, Way, steps};
use crate::intent::basket::Compiled;
use crate::intent::costs::Costs;
use crate::intent::judge::{Breach, Foreseen, judge};
use crate::intent::portfolio::{Measured, Portfolio};

/// Gas of the contract beside the swaps: of any settlement, and for each asset. Measured (`solver/contracts/RebalanceSettlement.sol`).
const GAS: [u64; 2] = [169_950, 45_900];

/// Swaps that were made on the pools, with what they leave.
struct Executed {
    run: Run,
    after: Portfolio,
    end: Measured,
    foreseen: Result<Foreseen, Breach>,
    /// Ways that keep an asset from being sold to the last atom.
    shared: Vec<Way>,
}

impl Sizing<'_> {
    /// Makes flows a plan, and says why to solve again.
    pub(super) fn plan(&self, compiled: &Compiled, found: &Rebalanced) -> Result<(Rebalance, Option<Again>), PlanError> {
        let proposed = steps(self.liquidity, &found.flows);
        let price = |token: Token| self.price(compiled, token);
        let suspects = arbitrage(&proposed, |token| price(token) * compiled.scale).suspects(self.config);
        let executed = self.execute(compiled, found, &proposed)?;
        let Executed { run, after, end, foreseen, .. } = &executed;
        let [before, left] = [self.held.total, end.total].map(|value| f64::from(value) / 1e18);
        let base = GAS[0].saturating_add(GAS[1].saturating_mul(self.task.intent.assets.len() as u64));
        let swaps_gas = run.swaps.iter().fold(0_u64, |sum, swap| sum.saturating_add(self.auction.pools[swap.pool].gas));
        let gas = base.saturating_add(swaps_gas);
        let gas_price = self.liquidity.gas_price / compiled.scale;
        let costs = Costs::of(self.auction, self.liquidity, &run.swaps, price, [before - left, gas as f64 * gas_price]);
        let gaps = gaps(compiled, found, after, [before, swaps_gas as f64 * gas_price]);
        let moved = self.held.values.iter().zip(&end.values).map(|(a, b)| f64::from(a.abs_diff(*b)) / 1e18).sum::<f64>() / 2.0;
        let falls_short = found.missed / compiled.scale > NOTHING * before;
        let is_missed = falls_short || foreseen.as_ref().is_ok_and(|f| !f.landed);
        let missed = if is_missed { end.outside(self.task.intent) } else { Vec::new() };
        let binding = if falls_short { self.binding(compiled, Some((found, &missed))) } else { Vec::new() };
        let again = self.again(&executed, falls_short, &suspects, price);
        let Executed { run, after, foreseen, shared, .. } = executed;
        let sound = shared.is_empty();
        let source = Box::new(Source { basket: compiled.basket.clone(), found: found.clone(), scale: compiled.scale });
        let swaps = run.swaps;
        let rebalance =
            Rebalance { swaps, after, foreseen, missed, binding, costs, gas, moved, gaps, attempts: 1, sound, source };
        Ok((rebalance, again))
    }

    /// Numeraire of an atom of a token: the oracle's, or else the market's.
    fn price(&self, compiled: &Compiled, token: Token) -> f64 {
        match (0..self.layout.places.len()).find(|&index| self.layout.token(index) == Some(token)) {
            Some(index) => self.task.portfolio.holdings[index].atom(),
            None => self.liquidity.units.get(token).unwrap_or_default() / compiled.scale,
        }
    }

    /// Makes the swaps with what the vault may give for a while.
    fn execute(&self, compiled: &Compiled, found: &Rebalanced, proposed: &[Step]) -> Result<Executed, PlanError> {
        let task = self.task;
        // Sold to the last atom: nothing is to be left, and the routes take all but what drowns in rounding.
        let emptied: Vec<Token> = (compiled.assets.iter().zip(&compiled.basket.positions).zip(&found.left))
            .filter(|((index, position), left)| task.ejects(**index) && **left < NOTHING * position.held)
            .map(|((_, position), _)| position.token)
            .collect();
        let mut stakes = Vec::new();
        let mut paid = Vec::new();
        for (index, token) in (0..self.layout.places.len()).filter_map(|index| Some((index, self.layout.token(index)?))) {
            let amount = task.stake(index);
            let proposed = if emptied.contains(&token) {
                net_use(proposed, token)
            } else {
                // Swaps take what they need of it, and leave the rest.
                paid.push(token);
                f64::from(amount)
            };
            stakes.push(Stake { token, amount, proposed });
        }
        let mut run = Run::new(self.auction, proposed, Funding { stakes: &stakes, paid: &paid, wanted: None })?;
        let shared = spend_all(&emptied, &mut run);
        let balances = task.portfolio.holdings.iter().enumerate().map(|(index, holding)| match self.layout.token(index) {
            Some(token) => holding.balance.saturating_sub(task.stake(index)).saturating_add(run.of(token)),
            None => holding.balance,
        });
        let after = task.portfolio.with(balances);
        let foreseen = judge(task.intent, task.moment, task.portfolio, &after);
        let end = after.measure().ok_or(PlanError::Overflow)?;
        Ok(Executed { run, after, end, foreseen, shared })
    }

    /// Why to solve again.
    fn again(&self, executed: &Executed, falls_short: bool, suspects: &[usize], price: impl Fn(Token) -> f64) -> Option<Again> {
        let Executed { run, end, foreseen, shared, .. } = executed;
        let way = |swap| Way::of(&Step::from(swap));
        if !suspects.is_empty() {
            tracing::warn!(pools = ?suspects, "cycles earn more than is believable; solving again without");
            return Some(Again::Without(run.swaps.iter().filter(|s| suspects.contains(&s.pool)).map(way).collect()));
        }
        let ways = [run.abandoned.as_slice(), shared].concat();
        if !ways.is_empty() {
            return Some(Again::Without(ways));
        }
        let most = f64::from(self.task.intent.costs.max_loss_per_leg_bps.get()) / 1e4;
        let legs = run.swaps.iter().filter(|swap| {
            let (paid, got) = (f64::from(swap.amount_in) * price(swap.input), f64::from(swap.amount_out) * price(swap.output));
            got < paid * (1.0 - most)
        });
        let legs: Vec<Way> = legs.map(way).collect();
        if !legs.is_empty() {
            return Some(Again::Without(legs));
        }
        match foreseen {
            Err(Breach::LossTooHigh(_) | Breach::DailyLossTooHigh(_)) => Some(Again::LessLoss),
            Err(Breach::OutsideLanding(..)) if falls_short => None,
            Err(Breach::NoProgress(_) | Breach::LeftBand(..) | Breach::EmptyVault) => None,
            Ok(foreseen) if foreseen.landed || falls_short => None,
            Err(Breach::OutsideLanding(..)) | Ok(_) => {
                Some(Again::MoreRoom(end.outside(self.task.intent).iter().map(|(_, by)| by.abs()).fold(0.0, f64::max)))
            }
            Err(_) => Some(Again::MoreRoom(0.0)),
        }
    }
}

/// The certificate of what is left `after` a portfolio worth `before` paid for its swaps' gas.
fn gaps(compiled: &Compiled, found: &Rebalanced, after: &Portfolio, [before, gas]: [f64; 2]) -> Gaps {
    let units = compiled.assets.iter().zip(&compiled.basket.positions).map(|(&index, position)| {
        let holding = &after.holdings[index];
        f64::from(holding.balance) * holding.atom() * compiled.scale / position.worth
    });
    let value = |left: &[f64]| compiled.basket.value(left) / compiled.scale - gas;
    let (routed, exact) = (value(&found.left), value(&units.collect::<Vec<f64>>()));
    let [convex, choice, bound] =
        [found.certificate.convex_gap(), found.certificate.gas_gap(), found.certificate.bound].map(|x| x / compiled.scale);
    let integer = routed - exact;
    Gaps { bound: (before + bound).max(exact), convex, choice, integer, total: convex + choice + integer }
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
