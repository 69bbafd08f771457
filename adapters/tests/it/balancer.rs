//! Balancer V2's Vault, its pools' factories, and the comparison of a pool's swaps with ours.

use std::fmt::Debug;

use alloy_primitives::{Address, B256, Bytes, I256, U256, hex};
use alloy_sol_types::{SolCall, SolValue, sol};
use ballast_adapters::{Exact, SwapError, Swapped, Venue};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::erc20;
use crate::evm::{Evm, Failure, USER};

/// Where the packages keep the artifacts.
const TASKS: &str = "@balancer-labs/v2-deployments/dist/tasks";
const MONTH: u64 = 30 * 24 * 60 * 60;
/// 1 with 18 decimals.
pub const ONE: u64 = 1_000_000_000_000_000_000;

sol! {
    struct JoinPoolRequest { address[] assets; uint256[] maxAmountsIn; bytes userData; bool fromInternalBalance; }
    struct SingleSwap { bytes32 poolId; uint8 kind; address assetIn; address assetOut; uint256 amount; bytes userData; }
    struct BatchSwapStep { bytes32 poolId; uint256 assetInIndex; uint256 assetOutIndex; uint256 amount; bytes userData; }
    struct FundManagement { address sender; bool fromInternalBalance; address recipient; bool toInternalBalance; }

    interface Vault {
        function joinPool(bytes32 poolId, address sender, address recipient, JoinPoolRequest request) external;
        function swap(SingleSwap singleSwap, FundManagement funds, uint256 limit, uint256 deadline) external returns (uint256);
        function queryBatchSwap(uint8 kind, BatchSwapStep[] swaps, address[] assets, FundManagement funds)
            external returns (int256[]);
        function getPoolTokens(bytes32 poolId)
            external view returns (address[] tokens, uint256[] balances, uint256 lastChangeBlock);
    }

    interface Pool {
        function getPoolId() external view returns (bytes32);
        function getSwapFeePercentage() external view returns (uint256);
        function getNormalizedWeights() external view returns (uint256[]);
        function getScalingFactors() external view returns (uint256[]);
        function getAmplificationParameter() external view returns (uint256 value, bool isUpdating, uint256 precision);
    }
}

pub use Pool::{getAmplificationParameterCall, getNormalizedWeightsCall, getScalingFactorsCall};

/// A chain with the Vault.
pub struct Balancer {
    pub evm: Evm,
    pub vault: Address,
    /// What pools of the third generation ask for the protocol's fees.
    provider: Address,
}

/// A pool on the chain.
#[derive(Clone, Copy)]
pub struct PoolOf {
    pub address: Address,
    pub id: B256,
}

/// What the Vault has of a pool, in the order that it keeps.
pub struct State {
    pub tokens: Vec<Address>,
    pub balances: Vec<U256>,
    pub fee: U256,
}

impl Balancer {
    pub fn new() -> Self {
        let mut evm = Evm::new();
        let authorizer = evm.deploy(&task("20210418-authorizer/artifact/Authorizer"), &USER.abi_encode());
        let months = (U256::from(3 * MONTH), U256::from(MONTH));
        let args = (authorizer, Address::repeat_byte(0xee), months.0, months.1).abi_encode_params();
        let vault = evm.deploy(&task("20210418-vault/artifact/Vault"), &args);
        // No fee of the protocol is set, in this contract or in the Vault's own.
        let args = (vault, U256::from(ONE / 2), U256::from(ONE / 2)).abi_encode_params();
        let provider =
            evm.deploy(&task("20220725-protocol-fee-percentages-provider/artifact/ProtocolFeePercentagesProvider"), &args);
        Self { evm, vault, provider }
    }

    /// Tokens of these decimals, in ascending order of their addresses, that [`USER`] has plenty of.
    pub fn tokens(&mut self, decimals: &[u8]) -> Vec<(Address, u8)> {
        let mut tokens: Vec<_> = decimals.iter().map(|&d| (erc20::deploy_with_decimals(&mut self.evm, d), d)).collect();
        tokens.sort();
        for &(token, _) in &tokens {
            erc20::mint(&mut self.evm, token, USER, U256::ONE << 200);
            erc20::approve(&mut self.evm, token, self.vault);
        }
        tokens
    }

    /// A factory of the first contracts, which knows the Vault only.
    pub fn factory(&mut self, artifact: &str) -> Address {
        self.evm.deploy(&task(artifact), &self.vault.abi_encode())
    }

    /// A factory that calls a library.
    pub fn linked_factory(&mut self, artifact: &str, library: &str, mark: &str) -> Address {
        let library = self.evm.deploy(&task(library), &[]);
        self.evm.deploy_linked(&task(artifact), &[(mark, library)], &self.vault.abi_encode())
    }

    /// A factory of 2023, which has a version and gives its pools one.
    pub fn versioned_factory(&mut self, artifact: &str) -> Address {
        self.evm.deploy(&task(artifact), &(self.vault, self.provider, "factory", "pool").abi_encode_params())
    }

    /// A contract whose `getRate()`, or any other call, returns `rate`.
    pub fn rate_provider(&mut self, rate: U256) -> Address {
        // Creation: copy the last 8 bytes and return them. Runtime: return the word in slot 0.
        let address = self.evm.deploy_code("the rate provider", hex!("60088060095f395ff3" "5f545f5260205ff3").to_vec());
        self.set_rate(address, rate);
        address
    }

    pub fn set_rate(&mut self, provider: Address, rate: U256) {
        self.evm.set_storage(provider, U256::ZERO, rate);
    }

    /// Has a factory create a pool.
    pub fn create<C: SolCall<Return = Address>>(&mut self, factory: Address, call: &C) -> PoolOf {
        let address = self.evm.send(factory, call).unwrap_or_else(|e| panic!("{} fails: {e}", C::SIGNATURE));
        let id = self.view(address, &Pool::getPoolIdCall {});
        PoolOf { address, id }
    }

    pub fn view<C: SolCall>(&mut self, to: Address, call: &C) -> C::Return {
        self.evm.query(to, call).unwrap_or_else(|e| panic!("{} fails: {e}", C::SIGNATURE))
    }

    /// Gives a pool its first balances, those of a composable pool without its own token.
    pub fn join(&mut self, pool: PoolOf, amounts: &[U256]) -> Result<(), Failure> {
        let assets = self.state(pool).tokens;
        let mut amounts = amounts.iter();
        let amounts: Vec<U256> = assets
            .iter()
            .map(|&token| if token == pool.address { U256::ZERO } else { *amounts.next().expect("an amount for each coin") })
            .collect();
        // JoinKind.INIT is 0.
        let user_data = (U256::ZERO, amounts).abi_encode_params().into();
        let max = vec![U256::MAX; assets.len()];
        let request = JoinPoolRequest { assets, maxAmountsIn: max, userData: user_data, fromInternalBalance: false };
        let call = Vault::joinPoolCall { poolId: pool.id, sender: USER, recipient: USER, request };
        self.evm.send(self.vault, &call).map(|_| ())
    }

    /// The pool as it stands.
    pub fn state(&mut self, pool: PoolOf) -> State {
        let held = self.view(self.vault, &Vault::getPoolTokensCall { poolId: pool.id });
        let fee = self.view(pool.address, &Pool::getSwapFeePercentageCall {});
        State { tokens: held.tokens, balances: held.balances, fee }
    }

    /// What the contract answers to a swap given either amount: the other one.
    pub fn quote(&mut self, pool: PoolOf, input: Address, output: Address, exact: Exact) -> Result<U256, Failure> {
        let (kind, amount) = kind_of(exact);
        let step =
            BatchSwapStep { poolId: pool.id, assetInIndex: U256::ZERO, assetOutIndex: U256::ONE, amount, userData: Bytes::new() };
        let call = Vault::queryBatchSwapCall { kind, swaps: vec![step], assets: vec![input, output], funds: funds() };
        let deltas = self.evm.query(self.vault, &call)?;
        let delta = deltas[1 - usize::from(kind)];
        Ok(match exact {
            Exact::Input(_) => I256::unchecked_from(-delta).into_raw(),
            Exact::Output(_) => delta.into_raw(),
        })
    }

    /// Makes a swap.
    pub fn swap(&mut self, pool: PoolOf, input: Address, output: Address, exact: Exact) -> Result<Swapped, Failure> {
        let (kind, amount) = kind_of(exact);
        let swap = SingleSwap { poolId: pool.id, kind, assetIn: input, assetOut: output, amount, userData: Bytes::new() };
        let limit = if kind == 0 { U256::ZERO } else { U256::MAX };
        let call = Vault::swapCall { singleSwap: swap, funds: funds(), limit, deadline: U256::MAX };
        let other = self.evm.send(self.vault, &call)?;
        Ok(match exact {
            Exact::Input(amount_in) => Swapped { amount_in, amount_out: other },
            Exact::Output(amount_out) => Swapped { amount_in: other, amount_out },
        })
    }
}

/// The path of a Balancer artifact.
fn task(artifact: &str) -> String {
    format!("{TASKS}/{artifact}.json")
}

fn kind_of(exact: Exact) -> (u8, U256) {
    match exact {
        Exact::Input(amount) => (0, amount),
        Exact::Output(amount) => (1, amount),
    }
}

fn funds() -> FundManagement {
    FundManagement { sender: USER, fromInternalBalance: false, recipient: USER, toInternalBalance: false }
}

/// What is compared.
pub struct Comparison<M> {
    /// How many swaps.
    pub swaps: usize,
    /// Draws the given amount of a swap between two coins; the last argument is whether it is the input.
    pub amount: fn(&mut ChaCha8Rng, &M, usize, usize, bool) -> U256,
    /// What the model has to answer where the contract gives this answer.
    pub granted: Granted<M>,
}

type Granted<M> = fn(&M, usize, usize, Exact, Result<U256, Failure>) -> Result<U256, Failure>;

/// For models that know the contract they stand for: the contract's own answer.
pub fn as_they_answer<M>(_: &M, _: usize, _: usize, _: Exact, theirs: Result<U256, Failure>) -> Result<U256, Failure> {
    theirs
}

/// How comparisons ended.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    /// Swaps asked of both sides.
    pub asked: usize,
    /// Both answered, with the amount that had to be.
    pub equal: usize,
    /// Of those, how many are not the contract's own amount.
    pub cautious: usize,
    /// The contract pays nothing, which we call an error.
    pub nothing: usize,
    /// Both refused since the swap moves too much of a balance.
    pub capped: usize,
    /// Both refused for another reason.
    pub refused: usize,
    /// Swaps made on both sides, with the same state afterwards.
    pub made: usize,
}

impl Counts {
    pub fn add(&mut self, other: Self) {
        self.asked += other.asked;
        self.equal += other.equal;
        self.cautious += other.cautious;
        self.nothing += other.nothing;
        self.capped += other.capped;
        self.refused += other.refused;
        self.made += other.made;
    }
}

/// A model of a pool that tells its balances.
pub trait Balances: Venue + Debug {
    fn balance_of(&self, coin: usize) -> U256;
}

/// What a model answers.
pub fn answer(model: &impl Venue, input: usize, output: usize, exact: Exact) -> Result<U256, SwapError> {
    match exact {
        Exact::Input(amount) => model.amount_out(input, output, amount),
        Exact::Output(amount) => model.amount_in(input, output, amount),
    }
}

impl Balancer {
    /// Asks the contract and the model for random swaps, makes half of those that both can make, and compares all of it.
    pub fn compare<M: Balances>(
        &mut self,
        pool: PoolOf,
        model: &mut M,
        rng: &mut ChaCha8Rng,
        comparison: &Comparison<M>,
    ) -> Counts {
        let mut counts = Counts::default();
        let tokens = model.tokens().to_vec();
        for _ in 0..comparison.swaps {
            let (input, output, exact) = draw(rng, model, comparison.amount);
            let ours = answer(model, input, output, exact);
            let theirs = self.quote(pool, tokens[input], tokens[output], exact);
            let due = (comparison.granted)(model, input, output, exact, theirs.clone());
            counts.asked += 1;
            match (&ours, &due) {
                (Ok(ours), Ok(due)) if ours == due => counts.equal += 1,
                (Err(SwapError::ZeroAmount), Ok(due)) if matches!(exact, Exact::Input(_)) && due.is_zero() => counts.nothing += 1,
                (Err(ours), Err(failure)) => {
                    let over = [Failure::Reason("BAL#304".into()), Failure::Reason("BAL#305".into())].contains(failure);
                    // What no pool can hold is refused early or late, for one reason or another.
                    let beyond = kind_of(exact).1.bit_len() > 112;
                    assert!(beyond || over == (*ours == SwapError::ExceedsCap), "{exact:?}: {ours}, but {failure}; {model:?}");
                    *if over { &mut counts.capped } else { &mut counts.refused } += 1;
                }
                _ => panic!("{input} → {output}, {exact:?}: {ours:?}, but due is {due:?}; {model:?}"),
            }
            if ours.is_ok() && due != theirs {
                counts.cautious += 1;
            } else if ours.is_ok() && rng.random_bool(0.5) {
                let theirs = self.swap(pool, tokens[input], tokens[output], exact).expect("what can be quoted can be swapped");
                assert_eq!(model.apply(input, output, exact), Ok(theirs));
                self.assert_same_balances(pool, model);
                counts.made += 1;
            }
        }
        counts
    }

    fn assert_same_balances<M: Balances>(&mut self, pool: PoolOf, model: &M) {
        let state = self.state(pool);
        for (coin, token) in model.tokens().iter().enumerate() {
            let held = state.tokens.iter().position(|t| t == token).expect("a coin of the pool");
            assert_eq!(model.balance_of(coin), state.balances[held], "coin {coin}; {model:?}");
        }
    }
}

/// A random swap: which coins, and how much of which.
pub fn draw<M: Venue>(
    rng: &mut ChaCha8Rng,
    model: &M,
    amount: fn(&mut ChaCha8Rng, &M, usize, usize, bool) -> U256,
) -> (usize, usize, Exact) {
    let coins = model.tokens().len();
    let input = rng.random_range(0..coins);
    let output = (input + rng.random_range(1..coins)) % coins;
    let exact = if rng.random_bool(0.5) {
        Exact::Input(amount(rng, model, input, output, true))
    } else {
        Exact::Output(amount(rng, model, input, output, false))
    };
    (input, output, exact)
}

/// A number that is drawn evenly on a logarithmic scale.
pub fn log_uniform(rng: &mut ChaCha8Rng, low: f64, high: f64) -> f64 {
    rng.random_range(low.ln()..=high.ln()).exp()
}

/// An amount of any size at all.
pub fn any_amount(rng: &mut ChaCha8Rng) -> U256 {
    U256::from_limbs(rng.random()) >> rng.random_range(0..256_usize)
}
