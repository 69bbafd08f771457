//! Uniswap V3: the factory, pool, position manager, router and tick lens of the published packages.

use std::collections::BTreeMap;

use alloy_primitives::aliases::{I24, U24};
use alloy_primitives::{Address, U160, U256};
use alloy_sol_types::{SolValue, sol};
use ballast_adapters::concentrated::ConcentratedPool;
use ballast_adapters::{Exact, SwapError, Swapped, Venue};
use ballast_wire as wire;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uniswap_v3_math::tick_math::get_sqrt_ratio_at_tick;

use crate::erc20;
use crate::evm::{Evm, Failure, USER};
use crate::random::log_uniform;

const FACTORY: &str = "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json";
const MANAGER: &str = "@uniswap/v3-periphery/artifacts/contracts/NonfungiblePositionManager.sol/NonfungiblePositionManager.json";
const ROUTER: &str = "@uniswap/v3-periphery/artifacts/contracts/SwapRouter.sol/SwapRouter.json";
const LENS: &str = "@uniswap/v3-periphery/artifacts/contracts/lens/TickLens.sol/TickLens.json";

sol! {
    interface Factory {
        function enableFeeAmount(uint24 fee, int24 tickSpacing) external;
    }
    interface Pool {
        function slot0() external view returns (uint160 sqrtPriceX96, int24 tick, uint16 observationIndex,
            uint16 observationCardinality, uint16 observationCardinalityNext, uint8 feeProtocol, bool unlocked);
        function liquidity() external view returns (uint128);
        function setFeeProtocol(uint8 feeProtocol0, uint8 feeProtocol1) external;
    }
    interface Manager {
        struct MintParams {
            address token0; address token1; uint24 fee; int24 tickLower; int24 tickUpper; uint256 amount0Desired;
            uint256 amount1Desired; uint256 amount0Min; uint256 amount1Min; address recipient; uint256 deadline;
        }
        function createAndInitializePoolIfNecessary(address token0, address token1, uint24 fee, uint160 sqrtPriceX96)
            external returns (address pool);
        function mint(MintParams params) external returns (uint256 id, uint128 liquidity, uint256 amount0, uint256 amount1);
    }
    interface Lens {
        struct PopulatedTick { int24 tick; int128 liquidityNet; uint128 liquidityGross; }
        function getPopulatedTicksInWord(address pool, int16 word) external view returns (PopulatedTick[] ticks);
    }
    interface Router {
        struct InputParams {
            address tokenIn; address tokenOut; uint24 fee; address recipient; uint256 deadline; uint256 amountIn;
            uint256 amountOutMinimum; uint160 sqrtPriceLimitX96;
        }
        struct OutputParams {
            address tokenIn; address tokenOut; uint24 fee; address recipient; uint256 deadline; uint256 amountOut;
            uint256 amountInMaximum; uint160 sqrtPriceLimitX96;
        }
        function exactInputSingle(InputParams params) external returns (uint256 amountOut);
        function exactOutputSingle(OutputParams params) external returns (uint256 amountIn);
    }
}

/// Fee and spacing: the factory's own three tiers, the one that governance added, and PancakeSwap's.
const TIERS: [(u32, i32); 5] = [(100, 1), (500, 10), (2_500, 50), (3_000, 60), (10_000, 200)];
/// What the user has of each token.
const PURSE: U256 = U256::from_limbs([0, 0, 0, 1 << 60]);

/// Where the positions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Islands many words apart, with nothing between them.
    Islands,
    /// One position over everything and narrow ones near the price: walks cross empty words with liquidity active.
    FullRange,
}

/// A chain with a pool on it, and ours beside it.
struct Both {
    evm: Evm,
    router: Address,
    pool: Address,
    tokens: [Address; 2],
    fee: u32,
    nets: BTreeMap<String, String>,
    ours: ConcentratedPool,
}

impl Both {
    fn new(rng: &mut impl Rng, (fee, spacing): (u32, i32), layout: Layout) -> Self {
        let mut evm = Evm::new();
        let factory = evm.deploy(FACTORY, &[]);
        for (fee, spacing) in [TIERS[0], TIERS[2]] {
            evm.send(factory, &Factory::enableFeeAmountCall { fee: U24::from(fee), tickSpacing: tick(spacing) }).unwrap();
        }
        let weth = Address::repeat_byte(0xee);
        let manager = evm.deploy(MANAGER, &(factory, weth, Address::ZERO).abi_encode_params());
        let router = evm.deploy(ROUTER, &(factory, weth).abi_encode_params());
        let lens = evm.deploy(LENS, &[]);
        let tokens: [Address; 2] = erc20::deploy_sorted(&mut evm, 2).try_into().unwrap();
        for token in tokens {
            erc20::mint(&mut evm, token, USER, PURSE);
            erc20::approve(&mut evm, token, manager);
            erc20::approve(&mut evm, token, router);
        }
        let around = rng.random_range(-100_000..100_000);
        let call = Manager::createAndInitializePoolIfNecessaryCall {
            token0: tokens[0],
            token1: tokens[1],
            fee: U24::from(fee),
            sqrtPriceX96: U160::from(price_within(rng, around)),
        };
        let pool = evm.send(manager, &call).unwrap();
        // The protocol's share comes out of the fee: nothing that a trader sees depends on it.
        if rng.random() {
            evm.send(pool, &Pool::setFeeProtocolCall { feeProtocol0: 4, feeProtocol1: 10 }).unwrap();
        }
        for (lower, upper) in ranges(rng, around, spacing, layout) {
            let params = Manager::MintParams {
                token0: tokens[0],
                token1: tokens[1],
                fee: U24::from(fee),
                tickLower: tick(lower),
                tickUpper: tick(upper),
                amount0Desired: log_uniform(rng, 40, 84),
                amount1Desired: log_uniform(rng, 40, 84),
                amount0Min: U256::ZERO,
                amount1Min: U256::ZERO,
                recipient: USER,
                deadline: U256::MAX,
            };
            match evm.send(manager, &Manager::mintCall { params }) {
                // Too little for any liquidity, or too much for one tick.
                Ok(_) | Err(Failure::Data(_)) => {}
                Err(Failure::Reason(reason)) if reason == "LO" => {}
                Err(other) => panic!("{lower}..{upper}: {other}"),
            }
        }
        let nets = nets(&mut evm, lens, pool, spacing);
        let ours = read(&mut evm, pool, tokens, fee, &nets);
        Self { evm, router, pool, tokens, fee, nets, ours }
    }

    /// The pool's state on the chain, as the driver would describe it.
    fn read(&mut self) -> ConcentratedPool {
        read(&mut self.evm, self.pool, self.tokens, self.fee, &self.nets)
    }

    /// Swaps on the chain. The amounts are what the user's balances say.
    fn swap(&mut self, input: usize, exact: Exact, limit: U256) -> Result<Swapped, Failure> {
        let (token_in, token_out) = (self.tokens[input], self.tokens[1 - input]);
        let before = (erc20::balance_of_user(&mut self.evm, token_in), erc20::balance_of_user(&mut self.evm, token_out));
        match exact {
            Exact::Input(amount) => {
                let params = Router::InputParams {
                    tokenIn: token_in,
                    tokenOut: token_out,
                    fee: U24::from(self.fee),
                    recipient: USER,
                    deadline: U256::MAX,
                    amountIn: amount,
                    amountOutMinimum: U256::ZERO,
                    sqrtPriceLimitX96: U160::from(limit),
                };
                self.evm.send(self.router, &Router::exactInputSingleCall { params })?;
            }
            Exact::Output(amount) => {
                let params = Router::OutputParams {
                    tokenIn: token_in,
                    tokenOut: token_out,
                    fee: U24::from(self.fee),
                    recipient: USER,
                    deadline: U256::MAX,
                    amountOut: amount,
                    amountInMaximum: U256::MAX,
                    sqrtPriceLimitX96: U160::from(limit),
                };
                self.evm.send(self.router, &Router::exactOutputSingleCall { params })?;
            }
        }
        let after = (erc20::balance_of_user(&mut self.evm, token_in), erc20::balance_of_user(&mut self.evm, token_out));
        Ok(Swapped { amount_in: before.0 - after.0, amount_out: after.1 - before.1 })
    }

    /// [`Self::swap`] that leaves no trace.
    fn try_swap(&mut self, input: usize, exact: Exact, limit: U256) -> Result<Swapped, Failure> {
        let before = self.evm.snapshot();
        let swapped = self.swap(input, exact, limit);
        self.evm.revert(&before);
        swapped
    }
}

fn tick(tick: i32) -> I24 {
    I24::try_from(tick).unwrap()
}

fn sqrt_price(tick: i32) -> U256 {
    get_sqrt_ratio_at_tick(tick).unwrap()
}

/// A price within a tick; sometimes right at it.
fn price_within(rng: &mut impl Rng, tick: i32) -> U256 {
    let (low, high) = (sqrt_price(tick), sqrt_price(tick + 1));
    if rng.random_ratio(1, 4) { low } else { low + (high - low) * U256::from(rng.random::<u32>()) / U256::from(1u64 << 32) }
}

fn ranges(rng: &mut impl Rng, around: i32, spacing: i32, layout: Layout) -> Vec<(i32, i32)> {
    let last = 887_272 / spacing;
    let middle = around.div_euclid(spacing);
    let mut ranges = Vec::new();
    if layout == Layout::FullRange {
        ranges.push((-last, last));
    }
    for _ in 0..30 {
        // In units of the spacing, 256 of which are a word.
        let centre = match layout {
            Layout::Islands => middle + 700 * rng.random_range(-3..=3) + rng.random_range(-40..=40),
            Layout::FullRange => middle + rng.random_range(-600..=600),
        };
        let below = i32::try_from(log_uniform(rng, 0, 7).to::<u64>()).unwrap() - 1;
        let above = i32::try_from(log_uniform(rng, 0, 7).to::<u64>()).unwrap();
        let (lower, upper) = ((centre - below).max(-last), (centre + above).min(last));
        if lower < upper {
            ranges.push((lower, upper));
        }
    }
    ranges.into_iter().map(|(lower, upper)| (lower * spacing, upper * spacing)).collect()
}

/// Net liquidity by initialised tick, from the whole bitmap.
fn nets(evm: &mut Evm, lens: Address, pool: Address, spacing: i32) -> BTreeMap<String, String> {
    let last = 887_272 / spacing;
    let words = (-last).div_euclid(256)..=last.div_euclid(256);
    let ticks = words.flat_map(|word| {
        let word = i16::try_from(word).unwrap();
        evm.query(lens, &Lens::getPopulatedTicksInWordCall { pool, word }).expect("a view")
    });
    ticks.map(|t| (t.tick.to_string(), t.liquidityNet.to_string())).collect()
}

fn read(evm: &mut Evm, pool: Address, tokens: [Address; 2], fee: u32, nets: &BTreeMap<String, String>) -> ConcentratedPool {
    let slot0 = evm.query(pool, &Pool::slot0Call {}).unwrap();
    let liquidity = evm.query(pool, &Pool::liquidityCall {}).unwrap();
    let wire = wire::ConcentratedLiquidity {
        router: Address::ZERO,
        tokens: tokens.to_vec(),
        sqrt_price: U256::from(slot0.sqrtPriceX96),
        liquidity: U256::from(liquidity),
        tick: slot0.tick.as_i32(),
        liquidity_net: nets.clone(),
        fee: wire::Decimal::from_atoms(U256::from(fee) * U256::from(1_000_000_000_000u64)),
    };
    ConcentratedPool::from_wire(pool, &wire).unwrap()
}

/// What to swap next: any amount, a part of what the pool holds, or what takes the price exactly to a stop.
fn draw(rng: &mut impl Rng, both: &mut Both, input: usize) -> Exact {
    match rng.random_range(0..20) {
        0 => Exact::Input(log_uniform(rng, 100, 256)),
        1 => Exact::Output(log_uniform(rng, 100, 256)),
        2..6 => Exact::Input(log_uniform(rng, 0, 90)),
        6..9 => Exact::Output(log_uniform(rng, 0, 90)),
        9..14 => Exact::Output(part_of_balance(rng, both, input)),
        14..17 => {
            let out = part_of_balance(rng, both, input);
            both.ours.amount_in(input, 1 - input, out).map_or(Exact::Output(out), Exact::Input)
        }
        _ => to_a_stop(rng, both, input),
    }
}

fn part_of_balance(rng: &mut impl Rng, both: &mut Both, input: usize) -> U256 {
    let balance = erc20::balance(&mut both.evm, both.tokens[1 - input], both.pool);
    (balance >> rng.random_range(0..40usize)) * U256::from(rng.random_range(1..1024u32)) / U256::from(1024) + U256::ONE
}

/// The amount that ends right at an initialised tick or a word's end, or one atom beside it.
fn to_a_stop(rng: &mut impl Rng, both: &mut Both, input: usize) -> Exact {
    let ticks: Vec<_> = both.ours.ticks().iter().map(|t| t.index).collect();
    let spacing = TIERS.iter().find(|t| t.0 == both.fee).unwrap().1;
    let (here, word) = (both.ours.tick(), 256 * spacing);
    let stop = if rng.random() {
        ticks[rng.random_range(0..ticks.len())]
    } else if input == 0 {
        (here.div_euclid(word) - rng.random_range(0..2)) * word
    } else {
        (here.div_euclid(word) + rng.random_range(1..3)) * word - spacing
    };
    let limit = sqrt_price(stop.clamp(-887_271, 887_271));
    let ahead = if input == 0 { limit < both.ours.sqrt_price() } else { limit > both.ours.sqrt_price() };
    // The router reverts where it moves nothing on the way.
    let Some(reached) = ahead.then(|| both.try_swap(input, Exact::Input(U256::ONE << 200), limit).ok()).flatten() else {
        return Exact::Input(U256::from(rng.random::<u64>()));
    };
    let beside = |amount: U256, by: u32| (amount + U256::from(by)).saturating_sub(U256::ONE);
    let by = rng.random_range(0..3);
    if rng.random() { Exact::Input(beside(reached.amount_in, by)) } else { Exact::Output(beside(reached.amount_out, by)) }
}

#[derive(Debug, Default)]
struct Counts {
    given_in: [usize; 2],
    given_out: [usize; 2],
    refused: usize,
    crossed_words: usize,
    crossed_gaps: usize,
    ended_on_tick: usize,
}

/// Swaps once on the chain and here, and compares amounts and state.
fn compare(both: &mut Both, input: usize, exact: Exact, counts: &mut Counts) {
    let before = both.ours.clone();
    match both.ours.apply(input, 1 - input, exact) {
        Ok(ours) => {
            let theirs =
                both.swap(input, exact, U256::ZERO).unwrap_or_else(|e| panic!("{exact:?}: we say {ours:?}, the chain {e}"));
            assert_eq!(ours, theirs, "{exact:?} from tick {}", before.tick());
            match exact {
                Exact::Input(amount) => {
                    assert_eq!(ours.amount_in, amount, "taken in full");
                    counts.given_in[input] += 1;
                }
                Exact::Output(amount) => {
                    assert_eq!(ours.amount_out, amount, "paid in full");
                    counts.given_out[input] += 1;
                }
            }
            count_walk(&before, &both.ours, counts);
        }
        Err(error) => {
            assert!(both.ours == before, "an error leaves the state as it was");
            let theirs = both.try_swap(input, exact, U256::ZERO);
            let refused = match (error, exact, &theirs) {
                (SwapError::ZeroAmount, Exact::Input(amount), Ok(theirs)) => {
                    theirs.amount_in == amount && theirs.amount_out.is_zero()
                }
                (SwapError::InsufficientLiquidity, Exact::Input(amount), Ok(theirs)) => theirs.amount_in < amount,
                (_, _, theirs) => theirs.is_err(),
            };
            assert!(refused, "{exact:?} from tick {}: we say {error}, the chain {theirs:?}", before.tick());
            counts.refused += 1;
        }
    }
    let theirs = both.read();
    let state = |pool: &ConcentratedPool| (pool.sqrt_price(), pool.tick(), pool.liquidity(), pool.ticks_below());
    assert_eq!(state(&both.ours), state(&theirs), "after {exact:?} from tick {}", before.tick());
    assert!(both.ours == theirs);
}

fn count_walk(before: &ConcentratedPool, after: &ConcentratedPool, counts: &mut Counts) {
    let spacing = TIERS.iter().find(|t| t.0 == before.fee_pips()).unwrap().1;
    let word = |pool: &ConcentratedPool| pool.tick().div_euclid(256 * spacing);
    counts.crossed_words += usize::from(word(before) != word(after));
    let crossed = before.ticks_below().min(after.ticks_below())..before.ticks_below().max(after.ticks_below());
    counts.crossed_gaps += usize::from(before.ticks()[crossed].iter().rev().skip(1).any(|t| t.above == 0));
    counts.ended_on_tick +=
        usize::from(sqrt_price(after.tick()) == after.sqrt_price() || sqrt_price(after.tick() + 1) == after.sqrt_price());
}

/// Every swap is made on the chain through the router and by us; after each, price, tick and active liquidity are the same.
#[test]
fn swaps_are_the_pools_to_the_wei() {
    const SWAPS: usize = 300;
    const SEQUENCE: usize = 30;
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut total = 0;
    for tier in TIERS {
        for layout in [Layout::Islands, Layout::FullRange] {
            let mut both = Both::new(&mut rng, tier, layout);
            let (start, ours) = (both.evm.snapshot(), both.ours.clone());
            let mut counts = Counts::default();
            for n in 0..SWAPS {
                // Back to the start now and then, so that the price does not stay where one huge swap took it.
                if n % SEQUENCE == 0 {
                    both.evm.revert(&start);
                    both.ours = ours.clone();
                }
                let input = rng.random_range(0..2);
                let exact = draw(&mut rng, &mut both, input);
                compare(&mut both, input, exact, &mut counts);
            }
            println!("Uniswap V3, {} pips, {layout:?}, {} ticks: {counts:?}", tier.0, both.nets.len());
            let made: usize = counts.given_in.iter().chain(&counts.given_out).sum();
            assert_eq!(made + counts.refused, SWAPS);
            total += made;
            assert!(made > SWAPS / 2 && counts.crossed_words > 10 && counts.ended_on_tick > 5);
            assert!(counts.given_in.iter().chain(&counts.given_out).all(|&made| made > 10));
            assert!(layout != Layout::Islands || counts.crossed_gaps > 10);
        }
    }
    println!("Uniswap V3: {total} swaps");
    assert!(total > 2_000);
}
