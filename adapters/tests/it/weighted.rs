//! Weighted pools against the deployed contracts.

use std::time::Instant;

use alloy_primitives::{Address, U256};
use alloy_sol_types::sol;
use ballast_adapters::weighted::WeightedPool;
use ballast_wire::{Decimal, WeightedProduct, WeightedReserve, WeightedVersion};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::balancer::{
    Balancer, Balances, Comparison, Counts, ONE, PoolOf, any_amount, as_they_answer, getNormalizedWeightsCall, log_uniform,
};
use crate::evm::USER;

mod pool_of_many {
    use super::sol;
    sol! {
        function create(string name, string symbol, address[] tokens, uint256[] weights, uint256 fee, address owner)
            external returns (address);
    }
}
mod pool_of_two {
    use super::sol;
    sol! {
        function create(string name, string symbol, address[] tokens, uint256[] weights, uint256 fee, bool oracle, address owner)
            external returns (address);
    }
}
mod bootstrapping {
    use super::sol;
    sol! {
        function create(string name, string symbol, address[] tokens, uint256[] weights, uint256 fee, address owner, bool enabled)
            external returns (address);
    }
}
mod pool_v3 {
    use super::sol;
    sol! {
        function create(
            string name, string symbol, address[] tokens, uint256[] weights, address[] rates, uint256 fee, address owner
        ) external returns (address);
    }
}

/// The contracts whose pools arrive as `weightedProduct`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    V0,
    V0OfTwo,
    Bootstrapping,
    V3,
}

impl Kind {
    fn version(self) -> WeightedVersion {
        if self == Self::V3 { WeightedVersion::V3Plus } else { WeightedVersion::V0 }
    }

    fn factory(self, balancer: &mut Balancer) -> Address {
        match self {
            Self::V0 => balancer.factory("deprecated/20210418-weighted-pool/artifact/WeightedPoolFactory"),
            Self::V0OfTwo => balancer.factory("deprecated/20210418-weighted-pool/artifact/WeightedPool2TokensFactory"),
            Self::Bootstrapping => {
                balancer.factory("deprecated/20210721-liquidity-bootstrapping-pool/artifact/LiquidityBootstrappingPoolFactory")
            }
            Self::V3 => balancer.versioned_factory("20230206-weighted-pool-v3/artifact/WeightedPoolFactory"),
        }
    }

    fn most_coins(self) -> usize {
        match self {
            Self::V0 | Self::V3 => 8,
            Self::V0OfTwo => 2,
            Self::Bootstrapping => 4,
        }
    }

    fn create(self, balancer: &mut Balancer, factory: Address, tokens: Vec<Address>, weights: Vec<U256>, fee: U256) -> PoolOf {
        let (name, symbol, owner) = (String::new(), String::new(), USER);
        match self {
            Self::V0 => balancer.create(factory, &pool_of_many::createCall { name, symbol, tokens, weights, fee, owner }),
            Self::V0OfTwo => {
                let call = pool_of_two::createCall { name, symbol, tokens, weights, fee, oracle: false, owner };
                balancer.create(factory, &call)
            }
            Self::Bootstrapping => {
                let call = bootstrapping::createCall { name, symbol, tokens, weights, fee, owner, enabled: true };
                balancer.create(factory, &call)
            }
            Self::V3 => {
                let rates = vec![Address::ZERO; tokens.len()];
                balancer.create(factory, &pool_v3::createCall { name, symbol, tokens, weights, rates, fee, owner })
            }
        }
    }
}

impl Balances for WeightedPool {
    fn balance_of(&self, coin: usize) -> U256 {
        self.balance(coin).unwrap()
    }
}

/// Weights that sum to one, each at least 1 %. Often such that exponents are 1, 2 and 4.
fn weights(rng: &mut ChaCha8Rng, count: usize) -> Vec<U256> {
    let parts: Vec<u64> = if rng.random_bool(0.4) {
        (0..count).map(|_| [1, 2, 4][rng.random_range(0..3)]).collect()
    } else {
        (0..count).map(|_| log_uniform(rng, 1.0, 90.0) as u64 * 1000 + rng.random_range(0..1000)).collect()
    };
    let whole: u64 = parts.iter().sum();
    // What the parts do not divide goes to the first coin, as it does in real pools; 1, 2 and 4 stay exact unless it is odd.
    let mut weights: Vec<u64> = parts.iter().map(|&p| (u128::from(p) * u128::from(ONE) / u128::from(whole)) as u64).collect();
    let least = ONE / 100;
    for i in 0..count {
        let lacking = least.saturating_sub(weights[i]);
        weights[i] += lacking;
        let most = (0..count).max_by_key(|&j| weights[j]).unwrap();
        weights[most] -= lacking;
    }
    weights[0] += ONE - weights.iter().sum::<u64>();
    weights.into_iter().map(U256::from).collect()
}

fn read(balancer: &mut Balancer, pool: PoolOf, tokens: &[(Address, u8)], version: WeightedVersion) -> WeightedProduct {
    let state = balancer.state(pool);
    let weights = balancer.view(pool.address, &getNormalizedWeightsCall {});
    let reserves = state.tokens.iter().enumerate().map(|(i, token)| {
        let decimals = tokens.iter().find(|(t, _)| t == token).unwrap().1;
        let scaling_factor = Decimal::from_atoms(U256::from(10).pow(U256::from(36 - decimals)));
        (*token, WeightedReserve { balance: state.balances[i], scaling_factor, weight: Decimal::from_atoms(weights[i]) })
    });
    WeightedProduct { balancer_pool_id: pool.id, tokens: reserves.collect(), fee: Decimal::from_atoms(state.fee), version }
}

/// From one atom to beyond the limit of 30 %, every fourth time within two atoms of the limit, sometimes anything.
fn amount(rng: &mut ChaCha8Rng, model: &WeightedPool, input: usize, output: usize, given_in: bool) -> U256 {
    if rng.random_bool(0.02) {
        return any_amount(rng);
    }
    let balance = model.balance(if given_in { input } else { output }).unwrap();
    if rng.random_bool(0.25) {
        let limit = balance * U256::from(3) / U256::from(10);
        let gross = if given_in { limit * U256::from(ONE) / (U256::from(ONE) - model.fee().atoms()) } else { limit };
        return (gross + U256::from(rng.random_range(0..5_u8))).saturating_sub(U256::from(2));
    }
    U256::from(log_uniform(rng, 0.9, f64::from(balance)))
}

fn compare(kind: Kind, seed: u64, pools: usize, swaps: usize) -> Counts {
    let start = Instant::now();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut balancer = Balancer::new();
    let factory = kind.factory(&mut balancer);
    let mut counts = Counts::default();
    for _ in 0..pools {
        let count = rng.random_range(2..=kind.most_coins());
        let decimals: Vec<u8> = (0..count).map(|_| [6, 8, 18, 18, 0][rng.random_range(0..5)]).collect();
        let tokens = balancer.tokens(&decimals);
        let weights = weights(&mut rng, count);
        let fee = U256::from(log_uniform(&mut rng, 1e12, 1e17) as u64);
        let addresses = tokens.iter().map(|t| t.0).collect();
        let pool = kind.create(&mut balancer, factory, addresses, weights, fee);
        let amounts: Vec<U256> = tokens
            .iter()
            .map(|&(_, decimals)| {
                U256::from(log_uniform(&mut rng, 1e-4, 1e14) * 10_f64.powi(i32::from(decimals))) + U256::from(100)
            })
            .collect();
        balancer.join(pool, &amounts).unwrap();

        let wire = read(&mut balancer, pool, &tokens, kind.version());
        let mut model = WeightedPool::from_wire(pool.address, &wire).unwrap();
        counts.add(balancer.compare(pool, &mut model, &mut rng, &Comparison { swaps, amount, granted: as_they_answer }));
    }
    println!("weighted {kind:?}: {counts:?} in {:?}", start.elapsed());
    counts
}

/// Every way to end was met often enough to mean something.
fn check(counts: Counts, asked: usize) {
    assert_eq!(counts.asked, asked);
    assert_eq!(counts.equal + counts.nothing + counts.capped + counts.refused, asked);
    assert!(counts.equal > asked / 2 && counts.made > asked / 5 && counts.capped > asked / 20, "{counts:?}");
    assert!(counts.cautious == 0 && counts.nothing > 0 && counts.refused > 0, "{counts:?}");
}

#[test]
fn the_first_weighted_pools_pay_the_same() {
    check(compare(Kind::V0, 1, 50, 60), 3000);
}

#[test]
fn the_first_weighted_pools_of_two_tokens_pay_the_same() {
    check(compare(Kind::V0OfTwo, 2, 20, 50), 1000);
}

#[test]
fn bootstrapping_pools_pay_the_same() {
    check(compare(Kind::Bootstrapping, 3, 20, 50), 1000);
}

#[test]
fn weighted_pools_of_the_third_version_pay_the_same() {
    check(compare(Kind::V3, 4, 50, 60), 3000);
}
