//! A vault's state, read from the chain.

use alloy_primitives::{Address, I256, U256};
use alloy_sol_types::sol;
use ballast_adapters::chain::{NodeError, ReadError, View};
use ballast_adapters::erc20::Erc20;
use ballast_wire::intent::Intent;
use ballast_wire::{Amount, Decimal};

use super::abi::RebalanceSettlement as abi;
use super::state::{Held, State};
use crate::wide::mul_div;

sol! {
    /// A price feed, as Chainlink's are.
    #[allow(missing_docs)]
    interface Feed {
        function decimals() external view returns (uint8);
        function latestRoundData() external view returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
    }
}

/// Why a vault cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The node does not answer.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A contract does not.
    #[error("{0}; are the intent's addresses those of this chain?")]
    Contract(#[from] ReadError),
    /// A feed that answers what is no price.
    #[error("the feed of {0} answers what is no price")]
    Price(Address),
}

/// What a feed's answer says; `None` if it is no price.
pub(crate) fn feed_price(answer: I256, places: u8) -> Option<Decimal> {
    let unit = U256::from(10).checked_pow(U256::from(places))?;
    mul_div(U256::try_from(answer).ok()?, Decimal::ONE.atoms(), unit).map(Decimal::from_atoms)
}

impl State {
    /// Reads what the vault of an intent holds at a block, and what its oracles say.
    ///
    /// # Errors
    /// When the node or one of the contracts does not answer.
    pub async fn read(view: &View, intent: &Intent, gas_price: U256) -> Result<Self, VaultError> {
        let assets = &intent.assets;
        let tokens = || assets.iter().map(|asset| asset.token);
        let balances = view.ask(tokens().map(|token| (token, Erc20::balanceOfCall { owner: intent.owner }))).await?;
        let decimals = view.ask(tokens().map(|token| (token, Feed::decimalsCall {}))).await?;
        let feeds = || assets.iter().filter_map(|asset| asset.oracle.as_ref()).map(|oracle| oracle.feed);
        let mut rounds = view.ask(feeds().map(|feed| (feed, Feed::latestRoundDataCall {}))).await?.into_iter();
        let mut places = view.ask(feeds().map(|feed| (feed, Feed::decimalsCall {}))).await?.into_iter();
        let mut holdings = Vec::with_capacity(assets.len());
        for ((asset, balance), decimals) in assets.iter().zip(balances).zip(decimals) {
            let (mut price, mut updated_at) = (Some(Decimal::ONE), 0);
            if asset.oracle.is_some()
                && let (Some(round), Some(places)) = (rounds.next(), places.next())
            {
                let (round, places) = (round?, places?);
                updated_at = u64::try_from(round.updatedAt).unwrap_or(u64::MAX);
                if asset.token != intent.numeraire.0 {
                    price = feed_price(round.answer, places);
                }
            }
            let price = price.ok_or(VaultError::Price(asset.token))?;
            holdings.push(Held { token: asset.token, balance: Amount(balance?), price, updated_at, decimals: decimals? });
        }
        let past = view.ask_one(intent.settlement, abi::historyOfCall { owner: intent.owner }).await??;
        let settled = abi::settlementsOfCall { owner: intent.owner, nonce: intent.nonce.0 };
        let settled = view.ask_one(intent.settlement, settled).await??;
        Ok(Self {
            time: view.timestamp(),
            gas_price_wei: Amount(gas_price),
            settled: Amount(settled),
            rebalanced_at: past.rebalancedAt,
            lost: Decimal::from_atoms(U256::from(past.lost)),
            holdings,
        })
    }
}
