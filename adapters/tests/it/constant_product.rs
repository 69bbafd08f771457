//! Uniswap V2: the pair and the router of the published packages.

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolValue, sol};
use ballast_adapters::constant_product::ConstantProductPool;
use ballast_adapters::{Exact, SwapError, Swapped, Venue};
use ballast_wire as wire;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::erc20;
use crate::evm::{Evm, Failure, GENESIS, USER};
use crate::random::log_uniform;

const FACTORY: &str = "@uniswap/v2-core/build/UniswapV2Factory.json";
const ROUTER: &str = "@uniswap/v2-periphery/build/UniswapV2Router02.json";

sol! {
    interface Factory {
        function createPair(address a, address b) external returns (address pair);
    }
    interface Pair {
        function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 timestamp);
        function mint(address to) external returns (uint256 liquidity);
        function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes data) external;
    }
    interface Router {
        function getAmountsOut(uint256 amountIn, address[] path) external view returns (uint256[] amounts);
        function getAmountsIn(uint256 amountOut, address[] path) external view returns (uint256[] amounts);
        function swapTokensForExactTokens(uint256 out, uint256 inMax, address[] path, address to, uint256 deadline)
            external returns (uint256[] amounts);
    }
}

/// The most that a pair holds of a token.
const MAX_RESERVE: u128 = (1 << 112) - 1;
/// What the user has of each token.
const PURSE: U256 = U256::from_limbs([0, 0, 0, 1]);

/// A chain with pairs on it.
struct Chain {
    evm: Evm,
    factory: Address,
    router: Address,
}

/// One pair of it, and ours beside it.
struct Both {
    pair: Address,
    tokens: [Address; 2],
    ours: ConstantProductPool,
}

impl Chain {
    fn new() -> Self {
        let mut evm = Evm::new();
        let factory = evm.deploy(FACTORY, &(USER,).abi_encode_params());
        let weth = Address::repeat_byte(0xee);
        let router = evm.deploy(ROUTER, &(factory, weth).abi_encode_params());
        Self { evm, factory, router }
    }

    fn pair(&mut self, reserves: [u128; 2]) -> Both {
        let evm = &mut self.evm;
        let tokens: [Address; 2] = erc20::deploy_sorted(evm, 2).try_into().unwrap();
        let pair = evm.send(self.factory, &Factory::createPairCall { a: tokens[0], b: tokens[1] }).unwrap();
        for (token, reserve) in tokens.into_iter().zip(reserves) {
            erc20::mint(evm, token, pair, U256::from(reserve));
            erc20::mint(evm, token, USER, PURSE);
            erc20::approve(evm, token, self.router);
        }
        evm.send(pair, &Pair::mintCall { to: USER }).unwrap();
        let ours = self.read(pair, tokens);
        Both { pair, tokens, ours }
    }

    /// The pair as the driver would describe it.
    fn read(&mut self, pair: Address, tokens: [Address; 2]) -> ConstantProductPool {
        let reserves = self.evm.query(pair, &Pair::getReservesCall {}).unwrap();
        let reserves = [reserves.reserve0, reserves.reserve1].map(|reserve| wire::Reserve { balance: U256::from(reserve) });
        let tokens = tokens.into_iter().zip(reserves).collect();
        let pool = wire::ConstantProduct { router: self.router, tokens, fee: "0.003".parse().unwrap() };
        ConstantProductPool::from_wire(pair, &pool).unwrap()
    }

    /// Swaps on the chain, without the router's arithmetic: pays `swapped.amount_in` and takes `amount_out`.
    fn swap(&mut self, both: &Both, input: usize, swapped: Swapped) -> Result<(), Failure> {
        let transfer = erc20::transferCall { to: both.pair, amount: swapped.amount_in };
        assert_eq!(self.evm.send(both.tokens[input], &transfer), Ok(true));
        self.evm.send(both.pair, &take(input, swapped.amount_out)).map(|_| ())
    }
}

fn take(input: usize, amount_out: U256) -> Pair::swapCall {
    let (out0, out1) = if input == 0 { (U256::ZERO, amount_out) } else { (amount_out, U256::ZERO) };
    Pair::swapCall { amount0Out: out0, amount1Out: out1, to: USER, data: Default::default() }
}

/// Every swap is made on the chain and by us; after each the pair's reserves are ours. Given in, the pair pays what we say and
/// not one atom more; given out, the router asks for what we say and gets it.
#[test]
fn swaps_are_the_pairs_to_the_wei() {
    const PAIRS: usize = 40;
    const SWAPS: usize = 80;
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut chain = Chain::new();
    let (mut given_in, mut given_out, mut refused) = (0, 0, 0);
    for _ in 0..PAIRS {
        let mut both = chain.pair([reserve(&mut rng), reserve(&mut rng)]);
        for n in 0..SWAPS {
            chain.evm.set_timestamp(GENESIS + 12 * n as u64);
            let input = rng.random_range(0..2);
            let output = 1 - input;
            let exact = if rng.random() {
                Exact::Input(amount(&mut rng, both.ours.reserves()[input]))
            } else {
                Exact::Output(amount(&mut rng, both.ours.reserves()[output]))
            };
            let before = both.ours.clone();
            match (both.ours.apply(input, output, exact), exact) {
                (Ok(swapped), Exact::Input(_)) => {
                    check_given_in(&mut chain, &both, input, swapped);
                    given_in += 1;
                }
                (Ok(swapped), Exact::Output(_)) => {
                    check_given_out(&mut chain, &both, input, swapped);
                    given_out += 1;
                }
                (Err(error), _) => {
                    assert_eq!(both.ours, before, "an error leaves the state as it was");
                    check_refused(&mut chain, &both, input, exact, error);
                    refused += 1;
                }
            }
            assert_eq!(both.ours, chain.read(both.pair, both.tokens), "after {exact:?}");
        }
    }
    println!("Uniswap V2: {given_in} swaps given in, {given_out} given out, {refused} refused by both");
    assert_eq!(given_in + given_out + refused, PAIRS * SWAPS);
    assert!(given_in > 1_000 && given_out > 1_000 && refused > 100);
}

fn check_given_in(chain: &mut Chain, both: &Both, input: usize, swapped: Swapped) {
    let quoted =
        chain.evm.query(chain.router, &Router::getAmountsOutCall { amountIn: swapped.amount_in, path: path(both, input) });
    assert_eq!(quoted.unwrap(), [swapped.amount_in, swapped.amount_out]);
    let transfer = erc20::transferCall { to: both.pair, amount: swapped.amount_in };
    assert_eq!(chain.evm.send(both.tokens[input], &transfer), Ok(true));
    let more = chain.evm.query(both.pair, &take(input, swapped.amount_out + U256::ONE)).err().expect("one atom more is too much");
    assert!(["UniswapV2: K", "UniswapV2: INSUFFICIENT_LIQUIDITY"].map(|r| Failure::Reason(r.into())).contains(&more), "{more}");
    chain.evm.send(both.pair, &take(input, swapped.amount_out)).unwrap();
}

fn check_given_out(chain: &mut Chain, both: &Both, input: usize, swapped: Swapped) {
    let quoted =
        chain.evm.query(chain.router, &Router::getAmountsInCall { amountOut: swapped.amount_out, path: path(both, input) });
    assert_eq!(quoted.unwrap(), [swapped.amount_in, swapped.amount_out]);
    let call = Router::swapTokensForExactTokensCall {
        out: swapped.amount_out,
        inMax: swapped.amount_in,
        path: path(both, input),
        to: USER,
        deadline: U256::MAX,
    };
    assert_eq!(chain.evm.send(chain.router, &call).unwrap(), [swapped.amount_in, swapped.amount_out]);
}

/// What we refuse, the chain refuses, or it would pay nothing.
fn check_refused(chain: &mut Chain, both: &Both, input: usize, exact: Exact, error: SwapError) {
    let quoted = match exact {
        Exact::Input(amount) => {
            chain.evm.query(chain.router, &Router::getAmountsOutCall { amountIn: amount, path: path(both, input) })
        }
        Exact::Output(amount) => {
            chain.evm.query(chain.router, &Router::getAmountsInCall { amountOut: amount, path: path(both, input) })
        }
    };
    match (error, quoted) {
        (SwapError::ZeroAmount, Ok(amounts)) => assert_eq!(amounts[1], U256::ZERO),
        (SwapError::ZeroAmount | SwapError::InsufficientLiquidity, Err(_)) => {}
        (SwapError::Overflow, Err(_)) => {}
        (SwapError::Overflow, Ok(amounts)) => {
            let before = chain.evm.snapshot();
            let swapped = Swapped { amount_in: amounts[0], amount_out: amounts[1] };
            assert_eq!(chain.swap(both, input, swapped), Err(Failure::Reason("UniswapV2: OVERFLOW".into())));
            chain.evm.revert(&before);
        }
        (error, quoted) => panic!("{exact:?}: {error}, but the router says {quoted:?}"),
    }
}

fn path(both: &Both, input: usize) -> Vec<Address> {
    vec![both.tokens[input], both.tokens[1 - input]]
}

/// From a handful of atoms to all that a pair can hold. The first deposit burns 1000 of √(x·y).
fn reserve(rng: &mut impl Rng) -> u128 {
    u128::try_from(log_uniform(rng, 11, 112)).unwrap().min(MAX_RESERVE)
}

/// Mostly a part of the reserve, sometimes anything.
fn amount(rng: &mut impl Rng, reserve: u128) -> U256 {
    if rng.random_ratio(1, 20) {
        return log_uniform(rng, 0, 120);
    }
    let bits = 129 - reserve.leading_zeros();
    log_uniform(rng, 0, bits.min(112))
}
