//! Proposed steps become exact swaps in an order that can be executed.
//!
//! The settlement first receives what traders sell, then swaps one after another, then pays. A swap can run only when its
//! input is there; so swaps run in topological order over the tokens, and within a cycle the one runs first whose input is
//! funded. A cycle that asks for more than what is funded runs in a few rounds, and what is left of it then is given up and
//! reported: the caller may solve again without it and keep the better of the two. The last swap out of a token that nobody is paid in
//! takes all that is there, so no dust stays behind.
//!
//! The driver encodes a swap as an exact output with a maximum input, so each swap promises a pair with
//! `input ≥ amount_in(output)` in the state that the swaps before it left.

use alloy_primitives::U256;
use ballast_adapters::{Exact, Market, SwapError, Venue};
use ballast_routing::Token;
use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;
use rustc_hash::FxHashMap;

use super::plan::PlanError;
use super::step::{Step, Swap, Way};
use crate::auction::Auction;

/// Executions over and above one a step, for cycles larger than what funds them.
const EXTRA_ROUNDS: usize = 4;
/// Outputs that are tried for an input.
const PROMISES: usize = 64;
/// How much less a swap takes than was proposed, in halvings, where a pool has no more: doubles know what it has no better.
const LESS: [usize; 3] = [40, 30, 20];
/// A step whose rest is a smaller part than this is done.
const DONE: f64 = 1e-9;

/// What there is of a token before the first swap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stake {
    pub token: Token,
    /// Atoms.
    pub amount: U256,
    /// Atoms that the steps were proposed for.
    pub proposed: f64,
}

/// What there is, and what is to be there in the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Funding<'a> {
    pub stakes: &'a [Stake],
    /// Tokens that traders are paid in.
    pub paid: &'a [Token],
    /// Atoms of a token that are wanted, and no more.
    pub wanted: Option<(Token, U256)>,
}

impl Funding<'_> {
    fn pays(&self, token: Token) -> bool {
        self.paid.contains(&token)
    }

    fn stakes(&self, token: Token) -> bool {
        self.stakes.iter().any(|s| s.token == token)
    }
}

/// How much of each step is still to be executed.
struct Agenda<'s> {
    steps: &'s [Step],
    rest: Vec<f64>,
    /// Which strongly connected component each token is in.
    rings: FxHashMap<Token, usize>,
    /// How many open steps bring each token, and how many take it.
    traffic: FxHashMap<Token, [usize; 2]>,
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
        let mut traffic: FxHashMap<Token, [usize; 2]> = FxHashMap::default();
        for step in steps {
            traffic.entry(step.output).or_default()[0] += 1;
            traffic.entry(step.input).or_default()[1] += 1;
        }
        Self { steps, rest: vec![1.0; steps.len()], rings, traffic }
    }

    fn open(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.steps.len()).filter(|&k| self.rest[k] > 0.0)
    }

    fn bringing(&self, token: Token) -> usize {
        self.traffic.get(&token).map_or(0, |t| t[0])
    }

    fn taking(&self, token: Token) -> usize {
        self.traffic.get(&token).map_or(0, |t| t[1])
    }

    /// Takes a part off a step, and closes it once nothing to speak of is left.
    fn spend(&mut self, k: usize, part: f64) {
        self.rest[k] -= part;
        if self.rest[k] <= DONE {
            self.rest[k] = 0.0;
            let Step { input, output, .. } = self.steps[k];
            self.traffic.entry(output).or_default()[0] -= 1;
            self.traffic.entry(input).or_default()[1] -= 1;
        }
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
    fn abandon(&mut self, funding: &Funding) -> Vec<Way> {
        let mut given_up: Vec<usize> =
            self.open().filter(|&k| self.rings.get(&self.steps[k].input) == self.rings.get(&self.steps[k].output)).collect();
        if given_up.is_empty() {
            given_up = self.open().collect();
        }
        let back = |k: &usize| funding.stakes(self.steps[*k].output) || funding.pays(self.steps[*k].input);
        let mut culprits: Vec<usize> = given_up.iter().copied().filter(back).collect();
        if culprits.is_empty() {
            culprits.extend(given_up.iter().copied().max_by(|&a, &b| self.rest[a].total_cmp(&self.rest[b]).then(b.cmp(&a))));
        }
        for &k in &given_up {
            self.spend(k, self.rest[k]);
        }
        culprits.into_iter().map(|k| Way::of(&self.steps[k])).collect()
    }
}

/// Ways that close cycles which nothing at all funds.
pub(crate) fn unfunded(steps: &[Step], funding: &Funding) -> Vec<Way> {
    Agenda::new(steps).abandon(funding)
}

/// What was executed.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub swaps: Vec<Swap>,
    /// What is there of each token in the end.
    pub balances: FxHashMap<Token, U256>,
    /// What was there of each staked token at the least.
    pub least: FxHashMap<Token, U256>,
    /// The states that pools were left in.
    pub markets: FxHashMap<usize, Market>,
    /// Ways that closed cycles which were given up.
    pub abandoned: Vec<Way>,
    /// What was proposed to be there by now.
    proposed: FxHashMap<Token, f64>,
}

impl Run {
    /// What is there of a token.
    pub fn of(&self, token: Token) -> U256 {
        self.balances.get(&token).copied().unwrap_or_default()
    }

    /// Executes the steps.
    ///
    /// # Errors
    /// When a pool will not make its swap.
    pub fn new(auction: &Auction, steps: &[Step], funding: Funding) -> Result<Self, PlanError> {
        let mut run = Self::default();
        for stake in funding.stakes {
            run.balances.insert(stake.token, stake.amount);
            run.least.insert(stake.token, stake.amount);
            run.proposed.insert(stake.token, stake.proposed);
        }
        let mut agenda = Agenda::new(steps);
        let mut rounds = 0;
        loop {
            let funds = |token| run.proposed.get(&token).copied().unwrap_or_default();
            let Some(turn) = agenda.next(funds) else { return Ok(run) };
            rounds += usize::from(turn.cut);
            if turn.part <= 1e-6 || rounds > EXTRA_ROUNDS {
                run.abandoned.extend(agenda.abandon(&funding));
                continue;
            }
            let step = steps[turn.step];
            agenda.spend(turn.step, turn.part);
            let x = step.x * turn.part;
            let held = run.of(step.input);
            let most = if turn.empties && !funding.pays(step.input) {
                held
            } else {
                // What is there, in proportion to what was proposed to be there.
                let proposed = run.proposed.get(&step.input).copied().unwrap_or_default();
                let share = if proposed > 0.0 { (x / proposed).min(1.0) } else { 0.0 };
                from_f64(f64::from(held) * share).ok_or(PlanError::Overflow)?.min(held)
            };
            let wanted = match funding.wanted {
                Some((token, amount)) if step.output == token && turn.completes => Some(amount.saturating_sub(run.of(token))),
                _ => None,
            };
            match run.swap(auction, &step, [most, from_f64(x).unwrap_or(most)], wanted) {
                Ok(swap) => {
                    let rest = held.checked_sub(swap.amount_in).ok_or(PlanError::Overflow)?;
                    run.balances.insert(step.input, rest);
                    if let Some(least) = run.least.get_mut(&step.input) {
                        *least = rest.min(*least);
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

    /// Makes a swap for at most `most`, of just `wanted` if that is affordable. Of a pool that has not so much, it takes no more than was
    /// `proposed`.
    fn swap(
        &mut self,
        auction: &Auction,
        step: &Step,
        [most, proposed]: [U256; 2],
        wanted: Option<U256>,
    ) -> Result<Swap, SwapError> {
        let pool = &auction.pools[step.pool];
        let market = self.markets.entry(step.pool).or_insert_with(|| pool.market.clone());
        let (Some(i), Some(o)) = (pool.coin(step.input), pool.coin(step.output)) else { return Err(SwapError::UnknownPair) };
        let (amount_in, amount_out) = promise(market, i, o, most, wanted).or_else(|error| {
            if error != SwapError::InsufficientLiquidity {
                return Err(error);
            }
            let amount = most.min(proposed);
            let less = LESS.map(|halvings| amount - (amount >> halvings));
            less.into_iter().find_map(|less| promise(market, i, o, less, wanted).ok()).ok_or(error)
        })?;
        market.apply(i, o, Exact::Output(amount_out))?;
        let to = self.balances.entry(step.output).or_default();
        *to = to.checked_add(amount_out).ok_or(SwapError::Overflow)?;
        let swap = Swap { pool: step.pool, input: step.input, output: step.output, amount_in, amount_out };
        self.swaps.push(swap);
        Ok(swap)
    }
}

/// What a token's steps take of it, less what they bring, in atoms.
pub(crate) fn net_use(steps: &[Step], token: Token) -> f64 {
    let used: f64 = steps.iter().filter(|s| s.input == token).map(|s| s.x).sum();
    let brought: f64 = steps.iter().filter(|s| s.output == token).map(|s| s.y).sum();
    used - brought
}

/// So many atoms; `None` where there are no so many of anything.
pub(crate) fn from_f64(x: f64) -> Option<U256> {
    (0.0..1e76).contains(&x).then(|| U256::from(x))
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
    for round in 0..PROMISES {
        if output.is_zero() {
            return Err(SwapError::ZeroAmount);
        }
        let cost = market.amount_in(i, o, output)?;
        if cost <= amount {
            return Ok((cost, output));
        }
        // Less by what the excess is worth, at least by one; and by more each time, as some venues charge the same for a whole range.
        let excess = (cost - amount).saturating_mul(output) / cost;
        output = output.saturating_sub((excess + U256::ONE) << round);
    }
    Err(SwapError::NoConvergence)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::address;

    use super::*;

    /// A maker gives 4,000 of the second token for 3,000,000,000 of the first, and no more.
    const ONE_OFFER: &str = r#"{
        "id": "1", "orders": [], "effectiveGasPrice": "0", "deadline": "2030-01-01T00:00:00Z",
        "tokens": {
            "0x0000000000000000000000000000000000000001": {"decimals": 9, "referencePrice": "1000000000000000000000000000", "availableBalance": "0", "trusted": true},
            "0x0000000000000000000000000000000000000002": {"decimals": 3, "referencePrice": "1000000000000000000000000000000000", "availableBalance": "0", "trusted": true}
        },
        "liquidity": [{
            "id": "0", "address": "0x0000000000000000000000000000000000000003", "gasEstimate": "0", "kind": "limitOrder",
            "hash": "0x0000000000000000000000000000000000000000000000000000000000000004",
            "makerToken": "0x0000000000000000000000000000000000000002", "takerToken": "0x0000000000000000000000000000000000000001",
            "makerAmount": "4000", "takerAmount": "3000000000", "takerTokenFeeAmount": "0"
        }]
    }"#;

    /// Executes a swap of so many atoms, of which a millionth part more is there than was proposed.
    fn run(proposed: f64) -> Result<Run, PlanError> {
        let auction = Auction::new(&ballast_wire::Auction::from_json(ONE_OFFER.as_bytes()).unwrap(), |_| true);
        let token = |address| auction.tokens.iter().position(|token| token.address == address).unwrap() as Token;
        let [input, output] =
            [address!("0x0000000000000000000000000000000000000001"), address!("0x0000000000000000000000000000000000000002")]
                .map(token);
        let stake = Stake { token: input, amount: from_f64(proposed * (1.0 + 1e-6)).unwrap(), proposed };
        let step = Step { pool: 0, input, output, x: proposed, y: proposed * 4e3 / 3e9 };
        Run::new(&auction, &[step], Funding { stakes: &[stake], paid: &[output], wanted: None })
    }

    #[test]
    fn a_pool_that_is_used_up_gives_what_it_has() {
        let run = run(3e9).unwrap();
        assert!((3_999..=4_000).contains(&run.swaps[0].amount_out.to::<u64>()), "{:?}", run.swaps);
    }

    #[test]
    fn more_than_was_ever_there_is_refused() {
        assert!(matches!(run(3.1e9), Err(PlanError::Swap { error: SwapError::InsufficientLiquidity, .. })));
    }
}
