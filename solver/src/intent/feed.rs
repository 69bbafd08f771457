//! Prices, as the feeds of an intent's assets say them.

use std::collections::{HashMap, HashSet};

use alloy_primitives::{Address, I256, U256};
use alloy_sol_types::sol;
use ballast_adapters::chain::{NodeError, ReadError, View};
use ballast_wire::Decimal;
use ballast_wire::intent::Intent;

use crate::wide::mul_div;

sol! {
    /// A price feed, as Chainlink's are.
    interface Feed {
        /// Decimal places of its answers.
        function decimals() external view returns (uint8);
        /// Its last answer.
        function latestRoundData() external view returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
    }
}

/// A price, and when its feed was last updated, Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quote {
    pub(crate) price: Decimal,
    pub(crate) updated_at: u64,
}

/// What feeds say, by their addresses. A feed that does not answer, or says what is no price, is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Prices(pub(crate) HashMap<Address, Quote>);

impl Prices {
    /// What these feeds say at a block. Their decimal places, which never change, are asked for once.
    pub(crate) async fn read(
        view: &View,
        feeds: &HashSet<Address>,
        decimals: &mut HashMap<Address, u8>,
    ) -> Result<Self, NodeError> {
        let new: Vec<Address> = feeds.iter().filter(|feed| !decimals.contains_key(*feed)).copied().collect();
        let places = view.ask(new.iter().map(|feed| (*feed, Feed::decimalsCall {}))).await?;
        decimals.extend(new.iter().zip(places).filter_map(|(feed, places)| Some((*feed, places.ok()?))));
        let rounds = view.ask(feeds.iter().map(|feed| (*feed, Feed::latestRoundDataCall {}))).await?;
        let quote = |(feed, round): (&Address, Result<Feed::latestRoundDataReturn, ReadError>)| {
            let round = round.ok()?;
            let price = price(round.answer, *decimals.get(feed)?)?;
            Some((*feed, Quote { price, updated_at: u64::try_from(round.updatedAt).unwrap_or(u64::MAX) }))
        };
        Ok(Self(feeds.iter().zip(rounds).filter_map(quote).collect()))
    }
}

/// The feeds that intents are priced by.
pub(crate) fn feeds<'a>(intents: impl IntoIterator<Item = &'a Intent>) -> HashSet<Address> {
    let assets = intents.into_iter().flat_map(|intent| &intent.assets);
    assets.filter_map(|asset| asset.oracle.as_ref()).map(|oracle| oracle.feed).collect()
}

/// What a feed's answer says; `None` if it is no price.
fn price(answer: I256, places: u8) -> Option<Decimal> {
    let unit = U256::from(10).checked_pow(U256::from(places))?;
    mul_div(U256::try_from(answer).ok()?, Decimal::ONE.atoms(), unit).map(Decimal::from_atoms)
}
