//! Exchanges of pairs (Uniswap V2) and of pools with positions (Uniswap V3), and their pools.

use alloy_primitives::aliases::{I24, U24};
use alloy_primitives::{Address, Bytes, U160, U256};
use alloy_sol_types::{SolCall, SolValue, sol};
use anyhow::Context;

use super::builder::Builder;
use super::deployment::Exchange;
use super::universe::{Pool, Token};

const PAIR_FACTORY: &str = "@uniswap/v2-core/build/UniswapV2Factory.json";
const PAIR_ROUTER: &str = "@uniswap/v2-periphery/build/UniswapV2Router02.json";
const FACTORY: &str = "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json";
const MANAGER: &str = "@uniswap/v3-periphery/artifacts/contracts/NonfungiblePositionManager.sol/NonfungiblePositionManager.json";
const ROUTER: &str = "@uniswap/v3-periphery/artifacts/contracts/SwapRouter.sol/SwapRouter.json";
/// The last tick of a pool with positions.
const MAX_TICK: i32 = 887_272;

sol! {
    interface PairRouter {
        function addLiquidity(address tokenA, address tokenB, uint256 amountADesired, uint256 amountBDesired, uint256 amountAMin,
            uint256 amountBMin, address to, uint256 deadline) external;
    }
    interface Manager {
        struct MintParams {
            address token0; address token1; uint24 fee; int24 tickLower; int24 tickUpper; uint256 amount0Desired;
            uint256 amount1Desired; uint256 amount0Min; uint256 amount1Min; address recipient; uint256 deadline;
        }
        function createAndInitializePoolIfNecessary(address token0, address token1, uint24 fee, uint160 sqrtPriceX96) external;
        function mint(MintParams params) external;
        function multicall(bytes[] data) external;
    }
    /// A pair was made.
    event PairCreated(address indexed token0, address indexed token1, address pair, uint256 count);
    /// A pool was made.
    event PoolCreated(address indexed token0, address indexed token1, uint24 indexed fee, int24 tickSpacing, address pool);
}

/// The tokens on the chain beside those of the universe.
pub(super) struct Place<'a> {
    pub(super) tokens: &'a [Address],
    pub(super) universe: &'a [Token],
}

impl Place<'_> {
    pub(super) fn token(&self, index: usize) -> anyhow::Result<(Address, &Token)> {
        let found = self.tokens.get(index).copied().zip(self.universe.get(index));
        found.with_context(|| format!("no token {index}"))
    }
}

/// The exchange of pools with positions.
pub(super) struct Concentrated {
    pub(super) exchange: Exchange,
    pub(super) manager: Address,
}

pub(super) fn deploy_pairs(builder: &mut Builder, weth: Address) -> anyhow::Result<Exchange> {
    let factory = builder.deploy(PAIR_FACTORY, &builder.account(0)?.abi_encode())?;
    let router = builder.deploy(PAIR_ROUTER, &(factory, weth).abi_encode_params())?;
    Ok(Exchange { factory, router })
}

pub(super) fn deploy_concentrated(builder: &mut Builder, weth: Address) -> anyhow::Result<Concentrated> {
    let factory = builder.deploy(FACTORY, &[])?;
    let manager = builder.deploy(MANAGER, &(factory, weth, Address::ZERO).abi_encode_params())?;
    let router = builder.deploy(ROUTER, &(factory, weth).abi_encode_params())?;
    Ok(Concentrated { exchange: Exchange { factory, router }, manager })
}

/// Makes a pool of the universe, if it belongs here.
pub(super) fn create(
    builder: &mut Builder,
    place: &Place<'_>,
    pairs: &[Exchange],
    concentrated: &Concentrated,
    pool: &Pool,
) -> anyhow::Result<()> {
    match pool {
        Pool::Pair { exchange, tokens: [a, b], side_usd, skew } => {
            let exchange = pairs.get(*exchange).context("no such exchange")?;
            let ((token_a, a), (token_b, b)) = (place.token(*a)?, place.token(*b)?);
            let call = PairRouter::addLiquidityCall {
                tokenA: token_a,
                tokenB: token_b,
                amountADesired: a.atoms(*side_usd),
                amountBDesired: b.atoms(side_usd * skew),
                amountAMin: U256::ZERO,
                amountBMin: U256::ZERO,
                to: builder.account(0)?,
                deadline: U256::MAX,
            };
            builder.call(exchange.router, &call)
        }
        Pool::Concentrated { tokens: [a, b], fee, skew, positions } => {
            let mut coins = [place.token(*a)?, place.token(*b)?];
            coins.sort_by_key(|(address, _)| *address);
            create_concentrated(builder, concentrated.manager, coins, *fee, *skew, positions)
        }
        Pool::Weighted { .. } | Pool::Stable { .. } => Ok(()),
    }
}

/// One transaction for the pool and all of its positions.
fn create_concentrated(
    builder: &mut Builder,
    manager: Address,
    [(token0, a), (token1, b)]: [(Address, &Token); 2],
    fee: u32,
    skew: f64,
    positions: &[(i32, f64)],
) -> anyhow::Result<()> {
    // Atoms of token 1 for an atom of token 0.
    let price = skew * b.atoms_per_usd() / a.atoms_per_usd();
    let fee = U24::from(fee);
    let open = Manager::createAndInitializePoolIfNecessaryCall {
        token0,
        token1,
        fee,
        sqrtPriceX96: U160::from(libm::sqrt(price) * libm::exp2(96.0)),
    };
    let mut calls: Vec<Bytes> = vec![open.abi_encode().into()];
    let spacing = tick_spacing(fee);
    let around = libm::floor(libm::log(price) / libm::log(1.0001)) as i32;
    let last = MAX_TICK / spacing;
    for &(half_width, usd) in positions {
        let lower = (around - half_width).div_euclid(spacing).clamp(-last, last - 1);
        let upper = (around + half_width).div_euclid(spacing).saturating_add(1).clamp(lower + 1, last);
        let params = Manager::MintParams {
            token0,
            token1,
            fee,
            tickLower: tick(lower * spacing)?,
            tickUpper: tick(upper * spacing)?,
            amount0Desired: a.atoms(usd),
            amount1Desired: b.atoms(usd),
            amount0Min: U256::ZERO,
            amount1Min: U256::ZERO,
            recipient: builder.account(0)?,
            deadline: U256::MAX,
        };
        calls.push(Manager::mintCall { params }.abi_encode().into());
    }
    builder.call(manager, &Manager::multicallCall { data: calls })
}

/// The factory's own tiers.
fn tick_spacing(fee: U24) -> i32 {
    match fee.to::<u32>() {
        500 => 10,
        3_000 => 60,
        _ => 200,
    }
}

fn tick(tick: i32) -> anyhow::Result<I24> {
    I24::try_from(tick).context("no tick of a pool")
}
