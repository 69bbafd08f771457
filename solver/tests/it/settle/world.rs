//! A small chain in this process: the real contracts, tokens of 6, 8 and 18 decimals, pools of every venue, funded traders.

use std::collections::BTreeMap;
use std::path::PathBuf;

use alloy_primitives::aliases::{I24, U24};
use alloy_primitives::{Address, B256, Bytes, I256, U160, U256, address, hex, keccak256};
use alloy_sol_types::{SolCall, SolConstructor, SolValue, sol};
use ballast_adapters::evm::{Evm, Snapshot};
use ballast_solver::settlement::Contracts;
use ballast_solver::settlement::encode::abi::{Authentication, GPv2Settlement, Weth};
use ballast_wire::{
    ConcentratedLiquidity, ConstantProduct, Decimal, Liquidity, LiquidityKind, Reserve, ScaledReserve, Stable, WeightedProduct,
    WeightedReserve, WeightedVersion,
};
use k256::ecdsa::SigningKey;

pub const DEPLOYER: Address = address!("00000000000000000000000000000000deadbeef");
pub const SOLVER: Address = address!("0000000000000000000000000000000050100e00");
pub const NOW: u64 = 1_700_000_000;
const BALANCER: &str = "@balancer-labs/v2-deployments/dist/tasks";
const COW: &str = "@cowprotocol/contracts/lib/contracts";

sol!(
    #[sol(all_derives)]
    TestToken,
    "../fixtures/contracts/own/Token.json"
);
sol! {
    interface PairFactory { function createPair(address a, address b) external returns (address pair); }
    interface Pair {
        function mint(address to) external returns (uint256 liquidity);
        function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 timestamp);
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
    interface Pool {
        function slot0() external view returns (uint160 sqrtPriceX96, int24 tick, uint16 observationIndex,
            uint16 observationCardinality, uint16 observationCardinalityNext, uint8 feeProtocol, bool unlocked);
        function liquidity() external view returns (uint128);
        function ticks(int24 tick) external view returns (uint128 gross, int128 net, uint256 outside0, uint256 outside1,
            int56 cumulative, uint160 seconds, uint32 secondsOutside, bool initialized);
    }
    struct JoinPoolRequest { address[] assets; uint256[] maxAmountsIn; bytes userData; bool fromInternalBalance; }
    interface Vault {
        function joinPool(bytes32 poolId, address sender, address recipient, JoinPoolRequest request) external;
        function getPoolTokens(bytes32 poolId) external view returns (address[] tokens, uint256[] balances, uint256 lastChangeBlock);
    }
    interface BalancerPool {
        function getPoolId() external view returns (bytes32);
    }
    interface WeightedFactory {
        function create(string name, string symbol, address[] tokens, uint256[] weights, address[] rates, uint256 fee, address owner)
            external returns (address);
    }
    interface StableFactory {
        function create(string name, string symbol, address[] tokens, uint256 amp, address[] rates, uint256[] durations,
            bool[] exempt, uint256 fee, address owner) external returns (address);
    }
}

/// A token, worth a dollar for each of its units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub address: Address,
    pub decimals: u8,
}

impl Token {
    pub fn atoms(&self, units: f64) -> U256 {
        U256::from(units * 10_f64.powi(i32::from(self.decimals)))
    }
}

/// Somebody who signs by a key, and a contract that answers for itself.
pub struct Trader {
    pub key: Option<SigningKey>,
    pub address: Address,
}

pub struct World {
    pub evm: Evm,
    pub base: Snapshot,
    pub contracts: Contracts,
    pub tokens: Vec<Token>,
    pub traders: Vec<Trader>,
    pub liquidity: Vec<Liquidity>,
    venues: Venues,
}

pub fn artifact(path: &str) -> Vec<u8> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/contracts/node_modules")).join(path);
    let json = std::fs::read(&path)
        .unwrap_or_else(|e| panic!("{}: {e}\nrun `make contracts` in the root of the repository", path.display()));
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    hex::decode(json["bytecode"].as_str().unwrap()).unwrap()
}

/// What contracts the pools are made by.
#[derive(Debug, Clone, Copy)]
struct Venues {
    pair_factory: Address,
    pair_router: Address,
    manager: Address,
    router: Address,
    vault: Address,
    weighted: Address,
    stable: Address,
}

impl World {
    pub fn new() -> Self {
        let mut evm = Evm::new(1, NOW);
        evm.set_balance(DEPLOYER, U256::from(10).pow(U256::from(30)));
        let weth = evm.deploy(DEPLOYER, &artifact("canonical-weth/build/contracts/WETH9.json"), &[]).unwrap();
        let mut tokens = vec![Token { address: weth, decimals: 18 }];
        tokens.extend([6, 8, 18].map(|decimals| Token { address: deploy_token(&mut evm, decimals, 0), decimals }));
        evm.send(DEPLOYER, weth, &Weth::depositCall {}, U256::from(10).pow(U256::from(28))).unwrap();
        let venues = deploy_venues(&mut evm, weth);
        let contracts = deploy_settlement(&mut evm, venues.vault, weth);
        let mut world = Self { base: evm.snapshot(), evm, contracts, tokens, traders: Vec::new(), liquidity: Vec::new(), venues };
        for token in world.tokens.clone() {
            for spender in [venues.manager, venues.vault] {
                world.approve(DEPLOYER, token.address, spender);
            }
        }
        for i in 0..4 {
            for j in i + 1..4 {
                world.pair(&venues, [i, j], 2e6);
                world.concentrated(&venues, [i, j]);
            }
        }
        world.weighted(&venues, &[0, 1, 2, 3], &[40, 30, 20, 10]);
        world.weighted(&venues, &[1, 3], &[80, 20]);
        world.stable(&venues, &[0, 1, 2, 3]);
        world.stable(&venues, &[1, 2, 3]);
        for n in 1..=3_u8 {
            let key = SigningKey::from_slice(&[n; 32]).unwrap();
            let public = key.verifying_key().to_encoded_point(false);
            let address = Address::from_slice(&keccak256(&public.as_bytes()[1..])[12..]);
            world.fund(address);
            world.traders.push(Trader { key: Some(key), address });
        }
        // Says yes to whatever it is asked: PUSH4 magic, PUSH1 224, SHL, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN.
        let wallet = world.evm.deploy(DEPLOYER, &hex!("600e8060095f395ff3" "631626ba7e60e01b5f5260205ff3"), &[]).unwrap();
        world.fund(wallet);
        world.traders.push(Trader { key: None, address: wallet });
        world.base = world.evm.snapshot();
        world
    }

    pub fn approve(&mut self, owner: Address, token: Address, spender: Address) {
        let call = TestToken::approveCall { spender, amount: U256::MAX };
        self.evm.send(owner, token, &call, U256::ZERO).unwrap();
    }

    pub fn give(&mut self, token: Address, to: Address, amount: U256) {
        if token == self.contracts.weth {
            self.evm.send(DEPLOYER, token, &TestToken::transferCall { to, amount }, U256::ZERO).unwrap();
        } else {
            self.evm.send(DEPLOYER, token, &TestToken::mintCall { to, amount }, U256::ZERO).unwrap();
        }
    }

    fn fund(&mut self, owner: Address) {
        for token in self.tokens.clone() {
            self.give(token.address, owner, token.atoms(1e8));
            self.approve(owner, token.address, self.contracts.relayer);
        }
    }

    pub fn token(&self, address: Address) -> Token {
        *self.tokens.iter().find(|t| t.address == address).unwrap()
    }

    /// The pool of concentrated liquidity of two tokens, given by their places.
    pub fn pool(&self, a: usize, b: usize) -> Address {
        let tokens = [a, b].map(|t| self.tokens[t].address);
        let found = self.liquidity.iter().find(|pool| match &pool.kind {
            LiquidityKind::ConcentratedLiquidity(kind) => tokens.iter().all(|t| kind.tokens.contains(t)),
            _ => false,
        });
        found.unwrap().address
    }

    fn add(&mut self, address: Address, kind: LiquidityKind) {
        let id = self.liquidity.len().to_string();
        self.liquidity.push(Liquidity { id, address, gas_estimate: U256::from(100_000), kind });
    }

    fn sorted(&self, tokens: &[usize]) -> Vec<Token> {
        let mut tokens: Vec<Token> = tokens.iter().map(|&t| self.tokens[t]).collect();
        tokens.sort_by_key(|t| t.address);
        tokens
    }

    /// A pair of two tokens, given by their places.
    pub fn make_pair(&mut self, tokens: [usize; 2]) {
        let venues = self.venues;
        self.pair(&venues, tokens, 2e6);
    }

    fn pair(&mut self, venues: &Venues, tokens: [usize; 2], units: f64) {
        let [a, b] = self.sorted(&tokens).try_into().unwrap();
        let call = PairFactory::createPairCall { a: a.address, b: b.address };
        let pair = self.evm.send(DEPLOYER, venues.pair_factory, &call, U256::ZERO).unwrap();
        for (token, skew) in [(a, 1.0), (b, 1.02)] {
            self.give(token.address, pair, token.atoms(units * skew));
        }
        self.evm.send(DEPLOYER, pair, &Pair::mintCall { to: DEPLOYER }, U256::ZERO).unwrap();
        let held = self.evm.query(DEPLOYER, pair, &Pair::getReservesCall {}).unwrap();
        let reserve = |balance: alloy_primitives::aliases::U112| Reserve { balance: U256::from(balance) };
        let tokens = BTreeMap::from([(a.address, reserve(held.reserve0)), (b.address, reserve(held.reserve1))]);
        let kind = ConstantProduct { router: venues.pair_router, tokens, fee: "0.003".parse().unwrap() };
        self.add(pair, LiquidityKind::ConstantProduct(kind));
    }

    fn concentrated(&mut self, venues: &Venues, tokens: [usize; 2]) {
        let [a, b] = self.sorted(&tokens).try_into().unwrap();
        let price = 10_f64.powi(i32::from(b.decimals) - i32::from(a.decimals));
        let call = Manager::createAndInitializePoolIfNecessaryCall {
            token0: a.address,
            token1: b.address,
            fee: U24::from(3000),
            sqrtPriceX96: U160::from(price.sqrt() * 2_f64.powi(96)),
        };
        let pool = self.evm.send(DEPLOYER, venues.manager, &call, U256::ZERO).unwrap();
        let slot0 = self.evm.query(DEPLOYER, pool, &Pool::slot0Call {}).unwrap();
        let middle = slot0.tick.as_i32().div_euclid(60) * 60;
        let mut edges = Vec::new();
        for (width, units) in [(60 * 200, 1e6), (60 * 20, 1e6), (60 * 3, 3e5), (60, 1e5)] {
            let (lower, upper) = (middle - width, middle + width + 60);
            edges.extend([lower, upper]);
            let params = Manager::MintParams {
                token0: a.address,
                token1: b.address,
                fee: U24::from(3000),
                tickLower: I24::try_from(lower).unwrap(),
                tickUpper: I24::try_from(upper).unwrap(),
                amount0Desired: a.atoms(units),
                amount1Desired: b.atoms(units),
                amount0Min: U256::ZERO,
                amount1Min: U256::ZERO,
                recipient: DEPLOYER,
                deadline: U256::MAX,
            };
            self.evm.send(DEPLOYER, venues.manager, &Manager::mintCall { params }, U256::ZERO).unwrap();
        }
        let liquidity_net = edges
            .into_iter()
            .map(|tick| {
                let at = self.evm.query(DEPLOYER, pool, &Pool::ticksCall { tick: I24::try_from(tick).unwrap() }).unwrap();
                (tick.to_string(), at.net.to_string())
            })
            .collect();
        let kind = ConcentratedLiquidity {
            router: venues.router,
            tokens: vec![a.address, b.address],
            sqrt_price: U256::from(slot0.sqrtPriceX96),
            liquidity: U256::from(self.evm.query(DEPLOYER, pool, &Pool::liquidityCall {}).unwrap()),
            tick: slot0.tick.as_i32(),
            liquidity_net,
            fee: "0.003".parse().unwrap(),
        };
        self.add(pool, LiquidityKind::ConcentratedLiquidity(kind));
    }

    fn weighted(&mut self, venues: &Venues, tokens: &[usize], percent: &[u64]) {
        let tokens = self.sorted(tokens);
        let weights: Vec<U256> = percent.iter().map(|p| U256::from(p * 10_u64.pow(16))).collect();
        let call = WeightedFactory::createCall {
            name: String::new(),
            symbol: String::new(),
            tokens: tokens.iter().map(|t| t.address).collect(),
            weights: weights.clone(),
            rates: vec![Address::ZERO; tokens.len()],
            fee: U256::from(10_u64.pow(15)),
            owner: DEPLOYER,
        };
        let pool = self.evm.send(DEPLOYER, venues.weighted, &call, U256::ZERO).unwrap();
        let amounts = tokens.iter().zip(percent).map(|(t, p)| t.atoms(*p as f64 * 1e5)).collect();
        let (id, balances) = self.join(venues, pool, amounts);
        let reserves = tokens.iter().zip(weights).map(|(token, weight)| {
            let reserve = WeightedReserve {
                balance: balances[&token.address],
                scaling_factor: scaling(token.decimals),
                weight: Decimal::from_atoms(weight),
            };
            (token.address, reserve)
        });
        let kind = WeightedProduct {
            balancer_pool_id: id,
            tokens: reserves.collect(),
            fee: "0.001".parse().unwrap(),
            version: WeightedVersion::V3Plus,
        };
        self.add(pool, LiquidityKind::WeightedProduct(kind));
    }

    fn stable(&mut self, venues: &Venues, tokens: &[usize]) {
        let tokens = self.sorted(tokens);
        let call = StableFactory::createCall {
            name: String::new(),
            symbol: String::new(),
            tokens: tokens.iter().map(|t| t.address).collect(),
            amp: U256::from(200),
            rates: vec![Address::ZERO; tokens.len()],
            durations: vec![U256::ZERO; tokens.len()],
            exempt: vec![false; tokens.len()],
            fee: U256::from(4 * 10_u64.pow(14)),
            owner: DEPLOYER,
        };
        let pool = self.evm.send(DEPLOYER, venues.stable, &call, U256::ZERO).unwrap();
        let amounts = tokens.iter().zip(1..).map(|(t, k)| t.atoms(1e6 + f64::from(k) * 1e5)).collect();
        let (id, balances) = self.join(venues, pool, amounts);
        let reserves = balances.iter().map(|(&token, &balance)| {
            let decimals = self.tokens.iter().find(|t| t.address == token).map_or(18, |t| t.decimals);
            (token, ScaledReserve { balance, scaling_factor: scaling(decimals) })
        });
        let kind = Stable {
            balancer_pool_id: id,
            tokens: reserves.collect(),
            amplification_parameter: "200".parse().unwrap(),
            fee: "0.0004".parse().unwrap(),
        };
        self.add(pool, LiquidityKind::Stable(kind));
    }

    /// Gives a pool its first balances, in the vault's order; none of a pool's own token.
    fn join(&mut self, venues: &Venues, pool: Address, amounts: Vec<U256>) -> (B256, BTreeMap<Address, U256>) {
        let id = self.evm.query(DEPLOYER, pool, &BalancerPool::getPoolIdCall {}).unwrap();
        let assets = self.evm.query(DEPLOYER, venues.vault, &Vault::getPoolTokensCall { poolId: id }).unwrap().tokens;
        let mut amounts = amounts.into_iter();
        let amounts: Vec<U256> = assets.iter().map(|t| if *t == pool { U256::ZERO } else { amounts.next().unwrap() }).collect();
        for (token, amount) in assets.iter().zip(&amounts).filter(|(t, _)| **t != pool) {
            self.give(*token, DEPLOYER, *amount);
        }
        let max = vec![U256::MAX; assets.len()];
        let user_data: Bytes = (U256::ZERO, amounts).abi_encode_params().into();
        let request = JoinPoolRequest { assets, maxAmountsIn: max, userData: user_data, fromInternalBalance: false };
        let call = Vault::joinPoolCall { poolId: id, sender: DEPLOYER, recipient: DEPLOYER, request };
        self.evm.send(DEPLOYER, venues.vault, &call, U256::ZERO).unwrap();
        let held = self.evm.query(DEPLOYER, venues.vault, &Vault::getPoolTokensCall { poolId: id }).unwrap();
        (id, held.tokens.into_iter().zip(held.balances).collect())
    }
}

fn scaling(decimals: u8) -> Decimal {
    Decimal::from_atoms(U256::from(10).pow(U256::from(36 - decimals)))
}

pub fn deploy_token(evm: &mut Evm, decimals: u8, fee_bps: u64) -> Address {
    let args = TestToken::constructorCall {
        name_: "Test".into(),
        symbol_: "TEST".into(),
        decimals_: decimals,
        transferFeeBps_: U256::from(fee_bps),
    };
    let token = evm.deploy(DEPLOYER, &TestToken::BYTECODE, &args.abi_encode()).unwrap();
    let plenty = TestToken::mintCall { to: DEPLOYER, amount: U256::from(10).pow(U256::from(decimals + 10)) };
    evm.send(DEPLOYER, token, &plenty, U256::ZERO).unwrap();
    token
}

fn deploy_venues(evm: &mut Evm, weth: Address) -> Venues {
    let mut deploy = |path: &str, args: &[u8]| evm.deploy(DEPLOYER, &artifact(path), args).unwrap();
    let pair_factory = deploy("@uniswap/v2-core/build/UniswapV2Factory.json", &DEPLOYER.abi_encode());
    let pair_router = deploy("@uniswap/v2-periphery/build/UniswapV2Router02.json", &(pair_factory, weth).abi_encode_params());
    let v3 = "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json";
    let factory = deploy(v3, &[]);
    let periphery = |name: &str| format!("@uniswap/v3-periphery/artifacts/contracts/{name}.sol/{name}.json");
    let manager = deploy(&periphery("NonfungiblePositionManager"), &(factory, weth, Address::ZERO).abi_encode_params());
    let router = deploy(&periphery("SwapRouter"), &(factory, weth).abi_encode_params());
    let task = |path: &str| format!("{BALANCER}/{path}.json");
    let authorizer = deploy(&task("20210418-authorizer/artifact/Authorizer"), &DEPLOYER.abi_encode());
    let month = U256::from(30 * 24 * 60 * 60);
    let args = (authorizer, weth, month * U256::from(3), month).abi_encode_params();
    let vault = deploy(&task("20210418-vault/artifact/Vault"), &args);
    let half = U256::from(5 * 10_u64.pow(17));
    let provider = deploy(
        &task("20220725-protocol-fee-percentages-provider/artifact/ProtocolFeePercentagesProvider"),
        &(vault, half, half).abi_encode_params(),
    );
    let args = (vault, provider, "factory", "pool").abi_encode_params();
    let weighted = deploy(&task("20230206-weighted-pool-v3/artifact/WeightedPoolFactory"), &args);
    let stable = deploy(&task("20230206-composable-stable-pool-v3/artifact/ComposableStablePoolFactory"), &args);
    Venues { pair_factory, pair_router, manager, router, vault, weighted, stable }
}

fn deploy_settlement(evm: &mut Evm, vault: Address, weth: Address) -> Contracts {
    let code = |name: &str| artifact(&format!("{COW}/{name}.json"));
    let authenticator = evm.deploy(DEPLOYER, &code("GPv2AllowListAuthentication"), &[]).unwrap();
    let manage = Authentication::initializeManagerCall { manager: DEPLOYER };
    evm.send(DEPLOYER, authenticator, &manage, U256::ZERO).unwrap();
    evm.send(DEPLOYER, authenticator, &Authentication::addSolverCall { solver: SOLVER }, U256::ZERO).unwrap();
    let settlement = evm.deploy(DEPLOYER, &code("GPv2Settlement"), &(authenticator, vault).abi_encode_params()).unwrap();
    let relayer = evm.query(DEPLOYER, settlement, &GPv2Settlement::vaultRelayerCall {}).unwrap();
    Contracts { chain_id: 1, settlement, relayer, vault, weth }
}

/// What of a call may be written down: its selector.
pub fn selector(data: &[u8]) -> [u8; 4] {
    data[..4].try_into().unwrap()
}

pub fn is<C: SolCall>(data: &[u8]) -> bool {
    selector(data) == C::SELECTOR
}

pub fn signed(amount: U256) -> I256 {
    I256::try_from(amount).unwrap()
}
