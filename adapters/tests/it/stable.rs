//! Stable pools against the deployed contracts.

use std::time::Instant;

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::sol;
use ballast_adapters::stable::StablePool;
use ballast_adapters::{Exact, PoolError, SwapError, Venue};
use ballast_wire::{Decimal, ScaledReserve, Stable};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::balancer::{
    Balancer, Balances, Comparison, Counts, ONE, PoolOf, answer, any_amount, as_they_answer, draw, getAmplificationParameterCall,
    getScalingFactorsCall, log_uniform,
};
use crate::evm::{Failure, USER};

mod plain {
    use super::sol;
    sol! {
        function create(string name, string symbol, address[] tokens, uint256 amp, uint256 fee, address owner)
            external returns (address);
    }
}
mod meta {
    use super::sol;
    sol! {
        function create(
            string name, string symbol, address[] tokens, uint256 amp, address[] rates, uint256[] durations, uint256 fee,
            bool oracle, address owner
        ) external returns (address);
    }
}
mod phantom {
    use super::sol;
    sol! {
        function create(
            string name, string symbol, address[] tokens, uint256 amp, address[] rates, uint256[] durations, uint256 fee,
            address owner
        ) external returns (address);
    }
}
mod composable {
    use super::sol;
    sol! {
        function create(
            string name, string symbol, address[] tokens, uint256 amp, address[] rates, uint256[] durations, bool[] exempt,
            uint256 fee, address owner
        ) external returns (address);
    }
}
/// The contracts whose pools arrive as `stable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    PlainV2,
    Meta,
    Phantom,
    Composable,
    ComposableV2,
}

/// The library of the meta-stable factory, as it stands in the code.
const QUERY_PROCESSOR: &str = "__$7d2aa5f7ef8d6b62e49cb3fca3aaf3d8f4$__";

impl Kind {
    fn has_rates(self) -> bool {
        !matches!(self, Self::Plain | Self::PlainV2)
    }

    fn has_first_arithmetic(self) -> bool {
        matches!(self, Self::Plain | Self::Meta | Self::Phantom)
    }

    fn most_coins(self) -> usize {
        match self {
            Self::Meta => 2,
            Self::Phantom => 4,
            Self::Plain | Self::PlainV2 | Self::Composable | Self::ComposableV2 => 5,
        }
    }

    fn factory(self, balancer: &mut Balancer) -> Address {
        match self {
            Self::Plain => balancer.factory("deprecated/20210624-stable-pool/artifact/StablePoolFactory"),
            Self::PlainV2 => balancer.factory("20220609-stable-pool-v2/artifact/StablePoolFactory"),
            Self::Meta => balancer.linked_factory(
                "deprecated/20210727-meta-stable-pool/artifact/MetaStablePoolFactory",
                "deprecated/20210727-meta-stable-pool/artifact/QueryProcessor",
                QUERY_PROCESSOR,
            ),
            Self::Phantom => balancer.factory("deprecated/20211208-stable-phantom-pool/artifact/StablePhantomPoolFactory"),
            Self::ComposableV2 => {
                balancer.versioned_factory("20221122-composable-stable-pool-v2/artifact/ComposableStablePoolFactory")
            }
            Self::Composable => {
                balancer.versioned_factory("20230206-composable-stable-pool-v3/artifact/ComposableStablePoolFactory")
            }
        }
    }

    fn create(
        self,
        balancer: &mut Balancer,
        factory: Address,
        tokens: Vec<Address>,
        rates: Vec<Address>,
        amp: U256,
        fee: U256,
    ) -> PoolOf {
        let (name, symbol, owner) = (String::new(), String::new(), USER);
        let durations = vec![U256::from(24 * 60 * 60); tokens.len()];
        match self {
            Self::Plain | Self::PlainV2 => balancer.create(factory, &plain::createCall { name, symbol, tokens, amp, fee, owner }),
            Self::Meta => {
                let call = meta::createCall { name, symbol, tokens, amp, rates, durations, fee, oracle: false, owner };
                balancer.create(factory, &call)
            }
            Self::Phantom => {
                balancer.create(factory, &phantom::createCall { name, symbol, tokens, amp, rates, durations, fee, owner })
            }
            Self::Composable | Self::ComposableV2 => {
                let exempt = vec![false; tokens.len()];
                balancer
                    .create(factory, &composable::createCall { name, symbol, tokens, amp, rates, durations, exempt, fee, owner })
            }
        }
    }
}

impl Balances for StablePool {
    fn balance_of(&self, coin: usize) -> U256 {
        self.balance(coin).unwrap()
    }
}

fn read(balancer: &mut Balancer, pool: PoolOf, tokens: &[(Address, u8)], kind: Kind) -> Stable {
    let state = balancer.state(pool);
    let amp = balancer.view(pool.address, &getAmplificationParameterCall {});
    assert!(!amp.isUpdating && amp.precision == U256::from(1000));
    let factors = if kind.has_rates() {
        balancer.view(pool.address, &getScalingFactorsCall {})
    } else {
        tokens.iter().map(|&(_, decimals)| U256::from(10).pow(U256::from(36 - decimals))).collect()
    };
    let reserve = |i: usize| ScaledReserve { balance: state.balances[i], scaling_factor: Decimal::from_atoms(factors[i]) };
    Stable {
        balancer_pool_id: pool.id,
        tokens: state.tokens.iter().enumerate().map(|(i, &token)| (token, reserve(i))).collect(),
        amplification_parameter: Decimal::from_atoms(amp.value * U256::from(ONE / 1000)),
        fee: Decimal::from_atoms(state.fee),
    }
}

/// The pool's own token, listed as composable pools list it.
const OWN: ScaledReserve = ScaledReserve { balance: U256::ONE, scaling_factor: Decimal::ONE };

/// The pool, listed with its own token or without, whatever the contract does.
fn model(pool: PoolOf, mut wire: Stable, listed: bool) -> Result<StablePool, PoolError> {
    wire.tokens.remove(&pool.address);
    if listed {
        wire.tokens.insert(pool.address, OWN);
    }
    StablePool::from_wire(pool.address, &wire)
}

/// The same pool if it listed its own token, so that the later arithmetic is certain.
fn of_the_later_arithmetic(model: &StablePool) -> Result<StablePool, PoolError> {
    let own = Address::repeat_byte(0xff);
    let reserve = |i| ScaledReserve { balance: model.balance(i).unwrap(), scaling_factor: model.scaling_factor(i).unwrap() };
    let tokens = model.tokens().iter().enumerate().map(|(i, &token)| (token, reserve(i)));
    let wire = Stable {
        balancer_pool_id: B256::ZERO,
        tokens: tokens.chain([(own, OWN)]).collect(),
        amplification_parameter: model.amplification(),
        fee: model.fee(),
    };
    StablePool::from_wire(own, &wire)
}

/// Of a contract with the first arithmetic: the worse of its own answer and that of the later arithmetic.
fn with_caution(
    model: &StablePool,
    input: usize,
    output: usize,
    exact: Exact,
    theirs: Result<U256, Failure>,
) -> Result<U256, Failure> {
    let theirs = theirs?;
    let later = of_the_later_arithmetic(model).map_err(|e| Failure::Halt(e.to_string()))?;
    let later = answer(&later, input, output, exact);
    Ok(match (exact, later) {
        (Exact::Input(_), Ok(later)) => theirs.min(later),
        (Exact::Output(_), Ok(later)) => theirs.max(later),
        (Exact::Input(_), Err(SwapError::ZeroAmount)) => U256::ZERO,
        (_, Err(e)) => return Err(Failure::Halt(e.to_string())),
    })
}

/// From one atom to beyond the whole balance, sometimes anything.
fn amount(rng: &mut ChaCha8Rng, model: &StablePool, input: usize, output: usize, given_in: bool) -> U256 {
    if rng.random_bool(0.02) {
        return any_amount(rng);
    }
    let balance = f64::from(model.balance(if given_in { input } else { output }).unwrap());
    U256::from(log_uniform(rng, 0.9, balance * 1.3))
}

/// Random pools of a kind, each with its liquidity.
struct Pools {
    kind: Kind,
    balancer: Balancer,
    factory: Address,
    rng: ChaCha8Rng,
    /// Pools that the contract refused.
    unsound: usize,
}

impl Pools {
    fn new(kind: Kind, seed: u64) -> Self {
        let mut balancer = Balancer::new();
        let factory = kind.factory(&mut balancer);
        Self { kind, balancer, factory, rng: ChaCha8Rng::seed_from_u64(seed), unsound: 0 }
    }

    /// A pool that its contract takes liquidity for. Where it does not, for want of convergence, we must not either.
    fn next(&mut self) -> (PoolOf, Stable) {
        loop {
            let Self { kind, balancer, factory, rng, .. } = self;
            let count = rng.random_range(2..=kind.most_coins());
            let decimals: Vec<u8> = (0..count).map(|_| [6, 8, 18, 18][rng.random_range(0..4)]).collect();
            let tokens = balancer.tokens(&decimals);
            let rates: Vec<f64> = (0..count).map(|_| if kind.has_rates() { log_uniform(rng, 0.5, 2.0) } else { 1.0 }).collect();
            let providers = rates.iter().map(|&rate| balancer.rate_provider(U256::from(rate * 1e18))).collect();
            let amp = U256::from(log_uniform(rng, 1.0, 5000.0) as u64);
            let fee = U256::from(log_uniform(rng, 1e12, 1e17) as u64);
            let pool = kind.create(balancer, *factory, tokens.iter().map(|t| t.0).collect(), providers, amp, fee);
            let (size, spread) = (log_uniform(rng, 1e-1, 1e10), log_uniform(rng, 1.5, 60.0));
            let amounts: Vec<U256> = tokens
                .iter()
                .zip(&rates)
                .map(|(&(_, decimals), rate)| {
                    U256::from(size * log_uniform(rng, 1.0 / spread, spread) / rate * 10_f64.powi(i32::from(decimals)))
                })
                .collect();
            let joined = balancer.join(pool, &amounts);
            let mut wire = read(balancer, pool, &tokens, *kind);
            let Err(failure) = joined else { return (pool, wire) };
            // The code of STABLE_INVARIANT_DIDNT_CONVERGE changed over time.
            assert!(["BAL#321", "BAL#322"].map(|code| Failure::Reason(code.into())).contains(&failure), "{failure}");
            for ((token, _), amount) in tokens.iter().zip(amounts) {
                wire.tokens.get_mut(token).unwrap().balance = amount;
            }
            assert!(model(pool, wire, !kind.has_first_arithmetic()).is_err());
            self.unsound += 1;
        }
    }

    fn compare(&mut self, pools: usize, listed: bool, comparison: &Comparison<StablePool>) -> Counts {
        let start = Instant::now();
        let (mut counts, mut taken, mut dropped) = (Counts::default(), 0, 0);
        while taken < pools {
            let (pool, wire) = self.next();
            // A pool that was joined is sound by its own arithmetic, but a cautious model asks for both.
            let Ok(mut model) = model(pool, wire, listed) else {
                assert!(!listed);
                dropped += 1;
                continue;
            };
            taken += 1;
            counts.add(self.balancer.compare(pool, &mut model, &mut self.rng, comparison));
        }
        println!(
            "stable {:?}, own token listed: {listed}: {} unsound, {dropped} dropped, {counts:?} in {:?}",
            self.kind,
            self.unsound,
            start.elapsed()
        );
        assert!(dropped * 10 < pools);
        let Counts { asked, .. } = counts;
        assert_eq!(asked, pools * comparison.swaps);
        assert_eq!(counts.equal + counts.nothing + counts.refused, asked);
        assert!(counts.equal > asked / 2 && counts.made > asked / 5 && counts.nothing > 0 && counts.refused > 0, "{counts:?}");
        counts
    }

    /// By how much we promise more than the contract pays, or ask less than it costs, as a part of the amount: how often,
    /// and the most. Below zero it is caution.
    fn excess(&mut self, pools: usize, swaps: usize, listed: bool) -> (usize, f64, f64) {
        let (mut answered, mut least, mut most) = (0, 0.0_f64, 0.0_f64);
        for _ in 0..pools {
            let (pool, wire) = self.next();
            let Ok(model) = model(pool, wire, listed) else { continue };
            for _ in 0..swaps {
                let (input, output, exact) = draw(&mut self.rng, &model, amount);
                let theirs = self.balancer.quote(pool, model.tokens()[input], model.tokens()[output], exact);
                let (Ok(ours), Ok(theirs)) = (answer(&model, input, output, exact), theirs) else { continue };
                let coin = if matches!(exact, Exact::Input(_)) { output } else { input };
                let difference = f64::from(ours.abs_diff(theirs)) / f64::from(model.balance(coin).unwrap());
                let more = (ours > theirs) == matches!(exact, Exact::Input(_));
                answered += 1;
                if more { most = most.max(difference) } else { least = least.min(-difference) }
            }
        }
        println!(
            "stable {:?}, own token listed: {listed}: {answered} swaps, {least:e} … {most:e} of a balance too much",
            self.kind
        );
        (answered, least, most)
    }
}

const EXACTLY: Comparison<StablePool> = Comparison { swaps: 60, amount, granted: as_they_answer };
const CAUTIOUSLY: Comparison<StablePool> = Comparison { swaps: 60, amount, granted: with_caution };

#[test]
fn the_first_stable_pools_pay_the_same() {
    let counts = Pools::new(Kind::Plain, 1).compare(50, false, &CAUTIOUSLY);
    assert!(counts.cautious < 20);
}

#[test]
fn meta_stable_pools_pay_the_same() {
    let counts = Pools::new(Kind::Meta, 2).compare(50, false, &CAUTIOUSLY);
    assert!(counts.cautious < 20);
}

#[test]
fn composable_pools_pay_the_same() {
    Pools::new(Kind::Composable, 3).compare(50, true, &EXACTLY);
}

#[test]
fn composable_pools_of_the_second_version_pay_the_same() {
    Pools::new(Kind::ComposableV2, 4).compare(20, true, &EXACTLY);
}

#[test]
fn later_pools_without_their_own_token_are_never_promised_too_much() {
    for kind in [Kind::PlainV2, Kind::Composable] {
        let (answered, _, most) = Pools::new(kind, 5).excess(20, 50, false);
        assert!(answered > 500 && most <= 0.0);
    }
    Pools::new(Kind::PlainV2, 6).compare(20, true, &EXACTLY);
}

#[test]
fn phantom_pools_list_their_own_token_but_follow_the_first_arithmetic() {
    Pools::new(Kind::Phantom, 7).compare(20, false, &CAUTIOUSLY);
    let (answered, _, most) = Pools::new(Kind::Phantom, 8).excess(20, 50, true);
    assert!(answered > 500 && most > 0.0);
}
