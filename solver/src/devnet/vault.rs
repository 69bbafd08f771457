//! Balancer V2's vault with weighted and composable stable pools.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{SolValue, sol};
use anyhow::Context;

use super::builder::Builder;
use super::deployment::Balancer;
use super::exchanges::Place;
use super::universe::{Pool, Universe};

const TASKS: &str = "@balancer-labs/v2-deployments/dist/tasks";
const MONTH: u64 = 30 * 24 * 60 * 60;
/// A basis point with 18 decimals.
const BPS: u64 = 100_000_000_000_000;
/// The fee of stable pools.
const STABLE_FEE_BPS: u64 = 4;

mod weighted {
    alloy_sol_types::sol! {
        function create(
            string name, string symbol, address[] tokens, uint256[] weights, address[] rates, uint256 fee, address owner
        ) external;
    }
}
mod stable {
    alloy_sol_types::sol! {
        function create(
            string name, string symbol, address[] tokens, uint256 amp, address[] rates, uint256[] durations, bool[] exempt,
            uint256 fee, address owner
        ) external;
    }
}
sol! {
    struct JoinPoolRequest { address[] assets; uint256[] maxAmountsIn; bytes userData; bool fromInternalBalance; }
    function joinPool(bytes32 poolId, address sender, address recipient, JoinPoolRequest request) external;
    /// The vault knows a pool.
    event PoolRegistered(bytes32 indexed poolId, address indexed poolAddress, uint8 specialization);
    /// A factory made a pool.
    event PoolCreated(address indexed pool);
}

pub(super) fn deploy(builder: &mut Builder) -> anyhow::Result<Balancer> {
    let deployer = builder.account(0)?;
    let task = |artifact: &str| format!("{TASKS}/{artifact}.json");
    let authorizer = builder.deploy(&task("20210418-authorizer/artifact/Authorizer"), &deployer.abi_encode())?;
    // The vault only keeps its wrapped native token's address for swaps of the native one, which settlements do not make.
    let args = (authorizer, Address::ZERO, U256::from(3 * MONTH), U256::from(MONTH)).abi_encode_params();
    let vault = builder.deploy(&task("20210418-vault/artifact/Vault"), &args)?;
    let half = U256::from(BPS).saturating_mul(U256::from(5_000));
    let provider = builder.deploy(
        &task("20220725-protocol-fee-percentages-provider/artifact/ProtocolFeePercentagesProvider"),
        &(vault, half, half).abi_encode_params(),
    )?;
    let args = (vault, provider, "factory", "pool").abi_encode_params();
    let weighted_factory = builder.deploy(&task("20230206-weighted-pool-v3/artifact/WeightedPoolFactory"), &args)?;
    let stable_factory =
        builder.deploy(&task("20230206-composable-stable-pool-v3/artifact/ComposableStablePoolFactory"), &args)?;
    Ok(Balancer { vault, weighted_factory, stable_factory })
}

impl Balancer {
    /// Makes a pool of the universe, if it belongs here; it is empty until [`Self::join`].
    pub(super) fn create(&self, builder: &mut Builder, place: &Place<'_>, pool: &Pool) -> anyhow::Result<()> {
        let (name, symbol, owner) = (String::new(), String::new(), builder.account(0)?);
        match pool {
            Pool::Weighted { tokens, fee_bps, .. } => {
                let mut coins: Vec<(Address, U256)> = tokens
                    .iter()
                    .map(|&(token, percent)| Ok((place.token(token)?.0, bps(percent.saturating_mul(100)))))
                    .collect::<anyhow::Result<_>>()?;
                coins.sort_unstable();
                let (tokens, weights): (Vec<_>, Vec<_>) = coins.into_iter().unzip();
                let rates = vec![Address::ZERO; tokens.len()];
                builder.call(
                    self.weighted_factory,
                    &weighted::createCall { name, symbol, tokens, weights, rates, fee: bps(*fee_bps), owner },
                )
            }
            Pool::Stable { tokens, amplification, .. } => {
                let mut tokens: Vec<Address> =
                    tokens.iter().map(|&token| Ok(place.token(token)?.0)).collect::<anyhow::Result<_>>()?;
                tokens.sort_unstable();
                let call = stable::createCall {
                    name,
                    symbol,
                    amp: U256::from(*amplification),
                    rates: vec![Address::ZERO; tokens.len()],
                    durations: vec![U256::ZERO; tokens.len()],
                    exempt: vec![false; tokens.len()],
                    fee: bps(STABLE_FEE_BPS),
                    owner,
                    tokens,
                };
                builder.call(self.stable_factory, &call)
            }
            Pool::Pair { .. } | Pool::Concentrated { .. } => Ok(()),
        }
    }

    /// Gives the pools that have been made their first balances.
    pub(super) async fn join(&self, builder: &mut Builder, place: &Place<'_>, universe: &Universe) -> anyhow::Result<()> {
        let mut registered = builder.events::<PoolRegistered>(self.vault).await?.into_iter();
        for pool in &universe.pools {
            let amounts: Vec<(usize, f64)> = match pool {
                Pool::Weighted { tokens, usd, .. } => {
                    tokens.iter().map(|&(token, percent)| (token, usd * percent as f64 / 100.0)).collect()
                }
                Pool::Stable { tokens, side_usd, .. } => tokens.iter().map(|&token| (token, *side_usd)).collect(),
                Pool::Pair { .. } | Pool::Concentrated { .. } => continue,
            };
            let event = registered.next().context("a pool that was made is not registered")?;
            let mut coins: Vec<(Address, U256)> = amounts
                .into_iter()
                .map(|(token, usd)| place.token(token).map(|(address, token)| (address, token.atoms(usd))))
                .collect::<anyhow::Result<_>>()?;
            if matches!(pool, Pool::Stable { .. }) {
                // A composable pool lists its own token, of which nothing is paid in.
                coins.push((event.poolAddress, U256::ZERO));
            }
            coins.sort_unstable();
            self.join_one(builder, event.poolId, coins)?;
        }
        Ok(())
    }

    fn join_one(&self, builder: &mut Builder, pool: B256, coins: Vec<(Address, U256)>) -> anyhow::Result<()> {
        let (assets, amounts): (Vec<Address>, Vec<U256>) = coins.into_iter().unzip();
        // The first join is of kind 0.
        let user_data = (U256::ZERO, amounts).abi_encode_params().into();
        let max = vec![U256::MAX; assets.len()];
        let request = JoinPoolRequest { assets, maxAmountsIn: max, userData: user_data, fromInternalBalance: false };
        let deployer = builder.account(0)?;
        builder.call(self.vault, &joinPoolCall { poolId: pool, sender: deployer, recipient: deployer, request })
    }
}

fn bps(bps: u64) -> U256 {
    U256::from(bps).saturating_mul(U256::from(BPS))
}
