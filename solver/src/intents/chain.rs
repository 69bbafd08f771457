//! Many vaults and their prices, read in few requests.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use alloy_primitives::{Address, U256};
use ballast_adapters::chain::{NodeError, ReadError, View};
use ballast_adapters::erc20::Erc20;
use ballast_policy::oracle::{FileSource, PriceSource};
use ballast_policy::time::Time;
use ballast_wire::intent::{Asset, Intent};
use ballast_wire::{Amount, Decimal};

use crate::intent::abi::RebalanceSettlement as abi;
use crate::intent::state::{Held, State};
use crate::intent::{Feed, feed_price};

/// A price, and when its feed was last updated, Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quote {
    pub(super) price: Decimal,
    pub(super) updated_at: u64,
}

/// What feeds say, by their addresses. A feed that does not answer is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Prices(HashMap<Address, Quote>);

/// Why there are no prices.
#[derive(Debug, thiserror::Error)]
pub(super) enum PriceError {
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error("intents.prices: {0}")]
    File(#[from] ballast_policy::oracle::OracleError),
    #[error("{0} feeds do not answer, {1} among them")]
    Silent(usize, Address),
}

/// Where prices come from.
pub(super) trait Oracle {
    /// What these feeds say at a block.
    async fn prices(&mut self, view: &View, feeds: &HashSet<Address>) -> Result<Prices, PriceError>;
}

/// The feeds on the chain, with Chainlink's interface.
#[derive(Debug, Default)]
pub(super) struct ChainOracle {
    decimals: HashMap<Address, u8>,
}

impl Oracle for ChainOracle {
    async fn prices(&mut self, view: &View, feeds: &HashSet<Address>) -> Result<Prices, PriceError> {
        let new: Vec<Address> = feeds.iter().filter(|feed| !self.decimals.contains_key(*feed)).copied().collect();
        let places = view.ask(new.iter().map(|feed| (*feed, Feed::decimalsCall {}))).await?;
        self.decimals.extend(new.iter().zip(places).filter_map(|(feed, places)| Some((*feed, places.ok()?))));
        let rounds = view.ask(feeds.iter().map(|feed| (*feed, Feed::latestRoundDataCall {}))).await?;
        let quote = |(feed, round): (&Address, Result<Feed::latestRoundDataReturn, ReadError>)| {
            let round = round.ok()?;
            let price = feed_price(round.answer, *self.decimals.get(feed)?)?;
            Some((*feed, Quote { price, updated_at: u64::try_from(round.updatedAt).unwrap_or(u64::MAX) }))
        };
        Ok(Prices(feeds.iter().zip(rounds).filter_map(quote).collect()))
    }
}

/// A file of readings, by the addresses of the feeds; it is read each time.
#[derive(Debug)]
pub(super) struct FileOracle<'a>(pub(super) &'a Path);

impl Oracle for FileOracle<'_> {
    async fn prices(&mut self, view: &View, feeds: &HashSet<Address>) -> Result<Prices, PriceError> {
        let mut file = FileSource::open(self.0)?;
        let names: Vec<String> = feeds.iter().map(|feed| format!("{feed:#x}")).collect();
        let named: Vec<&str> = names.iter().map(String::as_str).collect();
        let now = Time::from_unix(i64::try_from(view.timestamp()).unwrap_or(i64::MAX));
        let readings = file.read(&named, now)?;
        let quote = |((feed, name), reading): ((&Address, &String), Option<ballast_policy::oracle::Reading>)| {
            // Exactly as it is written.
            let price = file.answer(name)?.to_string().parse().ok()?;
            let updated_at = u64::try_from(reading?.updated_at.unix()).ok()?;
            Some((*feed, Quote { price, updated_at }))
        };
        Ok(Prices(feeds.iter().zip(&names).zip(readings.feeds).filter_map(quote).collect()))
    }
}

impl Prices {
    /// Whether a feed that has said something says something else now.
    pub(super) fn differ(&self, now: &Self) -> bool {
        self.0.iter().any(|(feed, quote)| now.0.get(feed) != Some(quote))
    }

    /// The feeds that have said something.
    pub(super) fn feeds(&self) -> impl Iterator<Item = Address> {
        self.0.keys().copied()
    }

    /// Whether every feed has said something.
    pub(super) fn complete(&self, feeds: &HashSet<Address>) -> Result<(), PriceError> {
        let mut silent = feeds.iter().filter(|feed| !self.0.contains_key(*feed));
        match silent.next() {
            Some(first) => Err(PriceError::Silent(silent.count().saturating_add(1), *first)),
            None => Ok(()),
        }
    }
}

/// The feeds that intents are priced by.
pub(super) fn feeds<'a>(intents: impl IntoIterator<Item = &'a Intent>) -> HashSet<Address> {
    let assets = intents.into_iter().flat_map(|intent| &intent.assets);
    assets.filter_map(|asset| asset.oracle.as_ref()).map(|oracle| oracle.feed).collect()
}

/// What a vault has, and what was settled for it: all that changes by transactions of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vault {
    balances: Vec<U256>,
    decimals: Vec<u8>,
    pub(super) settled: U256,
    rebalanced_at: u64,
    lost: U256,
}

impl Vault {
    /// With prices, the vault's state at a time; or, in words, whose price is not to be had.
    pub(super) fn state(&self, intent: &Intent, prices: &Prices, time: u64, gas_price: U256) -> Result<State, String> {
        let silent = |asset: &Asset| format!("the feed of {} does not answer", asset.token);
        let held = |((asset, balance), decimals): ((&Asset, &U256), &u8)| -> Result<Held, String> {
            let quote = match &asset.oracle {
                Some(oracle) => *prices.0.get(&oracle.feed).ok_or_else(|| silent(asset))?,
                None => Quote { price: Decimal::ONE, updated_at: 0 },
            };
            let price = if asset.token == intent.numeraire.0 { Decimal::ONE } else { quote.price };
            let (token, balance) = (asset.token, Amount(*balance));
            Ok(Held { token, balance, price, updated_at: quote.updated_at, decimals: *decimals })
        };
        Ok(State {
            time,
            gas_price_wei: Amount(gas_price),
            settled: Amount(self.settled),
            rebalanced_at: self.rebalanced_at,
            lost: Decimal::from_atoms(self.lost),
            holdings: intent.assets.iter().zip(&self.balances).zip(&self.decimals).map(held).collect::<Result<_, _>>()?,
        })
    }
}

/// Reads vaults at a block; what one of them does not answer is an error in its place.
pub(super) async fn vaults(view: &View, intents: &[&Intent]) -> Result<Vec<Result<Vault, ReadError>>, NodeError> {
    let held = intents.iter().flat_map(|intent| intent.assets.iter().map(|asset| (asset.token, intent.owner)));
    let balances = view.ask(held.map(|(token, owner)| (token, Erc20::balanceOfCall { owner }))).await?;
    let tokens: HashSet<Address> = intents.iter().flat_map(|intent| &intent.assets).map(|asset| asset.token).collect();
    let places = view.ask(tokens.iter().map(|token| (*token, Feed::decimalsCall {}))).await?;
    let places: HashMap<Address, Result<u8, ReadError>> = tokens.into_iter().zip(places).collect();
    let past = view.ask(intents.iter().map(|i| (i.settlement, abi::historyOfCall { owner: i.owner }))).await?;
    let settled = intents.iter().map(|i| (i.settlement, abi::settlementsOfCall { owner: i.owner, nonce: i.nonce.0 }));
    let settled = view.ask(settled).await?;
    let mut balances = balances.into_iter();
    let mut vault = |intent: &Intent, past: Result<abi::historyOfReturn, ReadError>, settled: Result<U256, ReadError>| {
        // All of a vault's answers are taken, so that the next finds its own.
        let balances: Vec<_> = balances.by_ref().take(intent.assets.len()).collect();
        let decimals = intent.assets.iter().filter_map(|asset| places.get(&asset.token).cloned());
        let past = past?;
        Ok(Vault {
            balances: balances.into_iter().collect::<Result<_, _>>()?,
            decimals: decimals.collect::<Result<_, _>>()?,
            settled: settled?,
            rebalanced_at: past.rebalancedAt,
            lost: U256::from(past.lost),
        })
    };
    Ok(intents.iter().zip(past).zip(settled).map(|((intent, past), settled)| vault(intent, past, settled)).collect())
}
