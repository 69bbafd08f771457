//! Vaults' states, read from the chain: many in few requests.

use std::collections::HashMap;

use alloy_primitives::{Address, U256};
use ballast_adapters::chain::{NodeError, ReadError, View};
use ballast_adapters::erc20::Erc20;
use ballast_wire::intent::Intent;
use ballast_wire::{Amount, Decimal};

use super::abi::RebalanceSettlement as abi;
use super::feed::{Feed, Prices, Quote, feeds};
use super::state::{Held, State};

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
    /// A feed that does not answer, or with what is no price.
    #[error("the feed of {0} does not answer with a price")]
    Price(Address),
}

/// What a vault has, and what was settled for it: all that changes by transactions of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vault {
    balances: Vec<U256>,
    decimals: Vec<u8>,
    pub(crate) settled: U256,
    rebalanced_at: u64,
    lost: U256,
}

impl Vault {
    /// Reads the vaults of intents at a block; what one of them does not answer is an error in its place.
    pub(crate) async fn read(view: &View, intents: &[&Intent]) -> Result<Vec<Result<Self, ReadError>>, NodeError> {
        // Questions are made before they are asked: closures over references, held while one waits, would keep the future from being sent.
        let (mut held, mut tokens) = (Vec::new(), Vec::new());
        for intent in intents {
            let owner = intent.owner;
            held.extend(intent.assets.iter().map(|asset| (asset.token, Erc20::balanceOfCall { owner })));
            tokens.extend(intent.assets.iter().map(|asset| (asset.token, Feed::decimalsCall {})));
        }
        let past: Vec<_> = intents.iter().map(|i| (i.settlement, abi::historyOfCall { owner: i.owner })).collect();
        let settled: Vec<_> =
            intents.iter().map(|i| (i.settlement, abi::settlementsOfCall { owner: i.owner, nonce: i.nonce.0 })).collect();
        let (balances, decimals, past, settled) =
            tokio::try_join!(view.ask(held), view.ask(tokens), view.ask(past), view.ask(settled))?;
        let (mut balances, mut decimals) = (balances.into_iter(), decimals.into_iter());
        let mut vault = |intent: &Intent, past: Result<abi::historyOfReturn, ReadError>, settled: Result<U256, ReadError>| {
            // All of a vault's answers are taken, so that the next finds its own.
            let balances: Vec<_> = balances.by_ref().take(intent.assets.len()).collect();
            let decimals: Vec<_> = decimals.by_ref().take(intent.assets.len()).collect();
            let past = past?;
            Ok(Self {
                balances: balances.into_iter().collect::<Result<_, _>>()?,
                decimals: decimals.into_iter().collect::<Result<_, _>>()?,
                settled: settled?,
                rebalanced_at: past.rebalancedAt,
                lost: U256::from(past.lost),
            })
        };
        Ok(intents.iter().zip(past).zip(settled).map(|((intent, past), settled)| vault(intent, past, settled)).collect())
    }

    /// With prices, the vault's state at a time; or the asset whose price is not to be had.
    pub(crate) fn state(&self, intent: &Intent, prices: &Prices, time: u64, gas_price: U256) -> Result<State, VaultError> {
        let mut holdings = Vec::with_capacity(intent.assets.len());
        for ((asset, balance), decimals) in intent.assets.iter().zip(&self.balances).zip(&self.decimals) {
            let quote = match &asset.oracle {
                Some(oracle) => *prices.0.get(&oracle.feed).ok_or(VaultError::Price(asset.token))?,
                None => Quote { price: Decimal::ONE, updated_at: 0 },
            };
            let price = if asset.token == intent.numeraire.0 { Decimal::ONE } else { quote.price };
            let (token, balance) = (asset.token, Amount(*balance));
            holdings.push(Held { token, balance, price, updated_at: quote.updated_at, decimals: *decimals });
        }
        Ok(State {
            time,
            gas_price_wei: Amount(gas_price),
            settled: Amount(self.settled),
            rebalanced_at: self.rebalanced_at,
            lost: Decimal::from_atoms(self.lost),
            holdings,
        })
    }
}

impl State {
    /// Reads what the vault of an intent holds at a block, and what its oracles say.
    ///
    /// # Errors
    /// When the node or one of the contracts does not answer.
    pub async fn read(view: &View, intent: &Intent, gas_price: U256) -> Result<Self, VaultError> {
        let prices = Prices::read(view, &feeds([intent]), &mut HashMap::new()).await?;
        let vault = Vault::read(view, &[intent]).await?.pop().ok_or(NodeError::NoBlock(view.number().into()))?;
        vault?.state(intent, &prices, view.timestamp(), gas_price)
    }
}
