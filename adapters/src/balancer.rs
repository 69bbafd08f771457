//! Balancer V2's vault: what weighted and stable pools have in common on chain.
//!
//! A single swap moves both tokens. A batch of swaps moves only what is left of each token when all are made, so that what goes from one
//! pool of the vault into another never leaves it. Each step of a batch states its own amount, and the vault makes them in order; the rounding of
//! each is the same as by itself.

use alloy_primitives::{Address, B256, Bytes, I256, U256};
use alloy_sol_types::sol;

use crate::encode::{DEADLINE, EncodeError, Encoded, Exchange, Given, Parties, allowance, call, pair};

sol! {
    struct SingleSwap { bytes32 poolId; uint8 kind; address assetIn; address assetOut; uint256 amount; bytes userData; }
    struct BatchSwapStep { bytes32 poolId; uint256 assetInIndex; uint256 assetOutIndex; uint256 amount; bytes userData; }
    struct FundManagement { address sender; bool fromInternalBalance; address recipient; bool toInternalBalance; }

    interface Vault {
        function swap(SingleSwap singleSwap, FundManagement funds, uint256 limit, uint256 deadline) external returns (uint256);
        function batchSwap(
            uint8 kind, BatchSwapStep[] swaps, address[] assets, FundManagement funds, int256[] limits, uint256 deadline
        ) external returns (int256[]);
    }
}

/// A swap among others in one call of the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchStep {
    /// The vault's name for the pool.
    pub pool_id: B256,
    /// The token given.
    pub input: Address,
    /// The token taken.
    pub output: Address,
    /// The amounts.
    pub exchange: Exchange,
    /// Gas of the swap in a batch of its own.
    pub gas: u64,
}

/// What a batch costs whatever is in it: every step after the first costs this much less than alone.
const BATCH_GAS: u64 = 57_000;

/// One call for several swaps, one after another. All are given in, or all given out.
///
/// # Errors
/// When steps of both kinds are mixed, or a number does not fit.
pub fn batch(steps: &[BatchStep], parties: &Parties) -> Result<Encoded, EncodeError> {
    let Some(given) = steps.first().map(|s| s.exchange.given).filter(|g| steps.iter().all(|s| s.exchange.given == *g)) else {
        return Err(EncodeError::Unsupported("a batch swap is either given in or given out"));
    };
    let mut assets: Vec<Address> = steps.iter().flat_map(|s| [s.input, s.output]).collect();
    assets.sort_unstable();
    assets.dedup();
    let mut limits = vec![I256::ZERO; assets.len()];
    let mut swaps = Vec::with_capacity(steps.len());
    for step in steps {
        // Both were just put in.
        let (Ok(i), Ok(o)) = (assets.binary_search(&step.input), assets.binary_search(&step.output)) else {
            return Err(EncodeError::UnknownPair);
        };
        let (most_in, least_out) = bounds(&step.exchange);
        limits[i] = signed(most_in).and_then(|x| limits[i].checked_add(x)).ok_or(OVERFLOW)?;
        limits[o] = signed(least_out).and_then(|x| limits[o].checked_sub(x)).ok_or(OVERFLOW)?;
        swaps.push(BatchSwapStep {
            poolId: step.pool_id,
            assetInIndex: U256::from(i),
            assetOutIndex: U256::from(o),
            amount: told(&step.exchange),
            userData: Bytes::new(),
        });
    }
    // The vault takes from the payer what a token's balance of all the steps lacks, and no more than its limit.
    let allowances = assets
        .iter()
        .zip(&limits)
        .filter(|(_, limit)| limit.is_positive())
        .map(|(token, limit)| allowance(*token, parties.vault, limit.into_raw()))
        .collect();
    let gas = steps.iter().map(|s| s.gas).sum::<u64>().saturating_sub(BATCH_GAS * (steps.len() as u64 - 1));
    let swap = Vault::batchSwapCall { kind: kind(given), swaps, assets, funds: funds(parties), limits, deadline: DEADLINE };
    Ok(Encoded { calls: vec![call(parties.vault, &swap)], allowances, gas })
}

/// One swap in a call of its own.
pub(crate) fn single(
    pool_id: B256,
    tokens: &[Address],
    exchange: &Exchange,
    parties: &Parties,
    gas: u64,
) -> Result<Encoded, EncodeError> {
    let (input, output) = pair(tokens, exchange)?;
    let swap = Vault::swapCall {
        singleSwap: SingleSwap {
            poolId: pool_id,
            kind: kind(exchange.given),
            assetIn: input,
            assetOut: output,
            amount: told(exchange),
            userData: Bytes::new(),
        },
        funds: funds(parties),
        limit: exchange.limit,
        deadline: DEADLINE,
    };
    let allowances = vec![allowance(input, parties.vault, exchange.most_in())];
    Ok(Encoded { calls: vec![call(parties.vault, &swap)], allowances, gas })
}

const OVERFLOW: EncodeError = EncodeError::Unsupported("an amount beyond 255 bits");

fn signed(amount: U256) -> Option<I256> {
    I256::try_from(amount).ok()
}

fn kind(given: Given) -> u8 {
    match given {
        Given::In => 0,
        Given::Out => 1,
    }
}

/// The amount that the vault is told.
fn told(exchange: &Exchange) -> U256 {
    match exchange.given {
        Given::In => exchange.amount_in,
        Given::Out => exchange.amount_out,
    }
}

/// The most that goes in, and the least that comes out.
fn bounds(exchange: &Exchange) -> (U256, U256) {
    match exchange.given {
        Given::In => (exchange.amount_in, exchange.limit),
        Given::Out => (exchange.limit, exchange.amount_out),
    }
}

fn funds(parties: &Parties) -> FundManagement {
    FundManagement { sender: parties.payer, fromInternalBalance: false, recipient: parties.payer, toInternalBalance: false }
}
