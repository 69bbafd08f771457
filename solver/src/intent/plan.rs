//! From swaps to the contract's `execute`.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy_sol_types::{SolCall, SolValue};
use ballast_wire::intent::Intent;
use ballast_wire::{Allowance, Call, Interaction, Solution};

use super::abi::RebalanceSettlement as abi;
use super::{digest, typed};
use crate::settlement::encode::EncodeError;
use crate::settlement::{Contracts, Encoder, Settings, Slippage};
use crate::wide::mul_div_up;

/// How a vault is rebalanced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Atoms taken out of the vault, by token.
    pub amounts: BTreeMap<Address, U256>,
    /// What the executor approves; all is taken back.
    pub approvals: Vec<Allowance>,
    /// What the executor calls.
    pub calls: Vec<Call>,
    /// What the solver is paid: a token of the intent, and atoms of it.
    pub fee: Option<(Address, U256)>,
}

/// The call that settles an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execute {
    /// The settlement contract.
    pub target: Address,
    /// What to call it with.
    pub calldata: Bytes,
}

/// Why swaps cannot be made a plan, or a plan a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A swap that cannot be put on chain.
    #[error(transparent)]
    Swap(#[from] EncodeError),
    /// Only swaps can be planned.
    #[error("a call of the solution's own is none of its swaps")]
    Custom,
    /// The plan takes or pays a token that is not among the assets.
    #[error("{0} is not an asset of the intent")]
    NotAnAsset(Address),
    /// More of a token than the intent allows, or than there is.
    #[error("takes {amount} of {token} where {most} is the most")]
    TooMuch {
        /// The token.
        token: Address,
        /// Atoms.
        amount: U256,
        /// What maxTrade and the vault's balance leave.
        most: U256,
    },
    /// A number beyond its type.
    #[error("arithmetic overflow")]
    Overflow,
    /// Nobody has signed.
    #[error("the intent is not signed")]
    Unsigned,
}

/// Where the plan of an intent runs that was settled `settled` times before: a clone (ERC-1167) made by the settlement contract, of the second contract
/// that it made itself.
pub fn executor(intent: &Intent, settled: u64) -> Address {
    let salt: B256 = keccak256((digest(intent), U256::from(settled)).abi_encode());
    let template = intent.settlement.create(2);
    let code =
        [&hex!("3d602d80600a3d3981f3363d3d373d3d3d363d73")[..], template.as_slice(), &hex!("5af43d82803e903d91602b57fd5bf3")];
    intent.settlement.create2(salt, keccak256(code.concat()))
}

/// The same settings with the executor as who pays for swaps, for an [`Encoder`].
pub fn as_executor(intent: &Intent, settled: u64, settings: &Settings) -> Settings {
    Settings { contracts: Contracts { settlement: executor(intent, settled), ..settings.contracts }, ..settings.clone() }
}

impl Plan {
    /// A plan that makes the swaps of a solution, one after the other; `encoder` has [`as_executor`]'s settings. The vault gives what
    /// swaps take before others have brought it, and the slippage that the settings allow as far as there is so much: `balances` are the
    /// vault's, in atoms.
    ///
    /// # Errors
    /// When a swap cannot be encoded, or takes more than the vault may or can give.
    pub fn of_swaps(
        intent: &Intent,
        encoder: &Encoder<'_>,
        solution: &Solution,
        balances: &BTreeMap<Address, U256>,
    ) -> Result<Self, PlanError> {
        let mut amounts = BTreeMap::new();
        for (token, (exact, slippage)) in taken(solution, encoder.settings())? {
            let Some(asset) = intent.assets.iter().find(|asset| asset.token == token) else {
                if exact.is_zero() {
                    continue;
                }
                return Err(PlanError::NotAnAsset(token));
            };
            let cap = if asset.tradable { asset.max_trade.0 } else { U256::ZERO };
            let most = cap.min(balances.get(&token).copied().unwrap_or_default());
            if exact > most {
                return Err(PlanError::TooMuch { token, amount: exact, most });
            }
            amounts.insert(token, exact.saturating_add(slippage).min(most));
        }
        let (calls, approvals) = encoder.swaps(solution)?;
        Ok(Self { amounts, approvals, calls, fee: None })
    }

    /// The call that settles a signed intent by this plan.
    ///
    /// # Errors
    /// When the intent is not signed, or the plan takes or pays what is not among its assets.
    pub fn execute(&self, intent: &Intent) -> Result<Execute, PlanError> {
        let signature = intent.signature.as_ref().ok_or(PlanError::Unsigned)?.data.clone();
        let typed = typed(intent);
        let place =
            |token: &Address| typed.assets.iter().position(|asset| asset.token == *token).ok_or(PlanError::NotAnAsset(*token));
        let mut amounts = vec![U256::ZERO; typed.assets.len()];
        for (token, amount) in &self.amounts {
            amounts[place(token)?] = *amount;
        }
        let (fee_asset, fee) = match &self.fee {
            Some((token, fee)) => (place(token)?, *fee),
            None => (0, U256::ZERO),
        };
        let plan = abi::Plan {
            amounts,
            approvals: self.approvals.iter().map(approval).collect(),
            calls: self.calls.iter().map(call).collect(),
            feeAsset: U256::from(fee_asset),
            fee,
        };
        let call = abi::executeCall { intent: typed, signature, plan };
        Ok(Execute { target: intent.settlement, calldata: call.abi_encode().into() })
    }
}

/// What swaps take of each token that those before have not brought: exactly, and by slippage besides.
fn taken(solution: &Solution, settings: &Settings) -> Result<BTreeMap<Address, (U256, U256)>, PlanError> {
    let bps = match settings.slippage {
        Slippage::MaxIn => U256::from(settings.slippage_bps),
        Slippage::MinOut => U256::ZERO,
    };
    let mut held: BTreeMap<Address, U256> = BTreeMap::new();
    let mut taken: BTreeMap<Address, (U256, U256)> = BTreeMap::new();
    for interaction in &solution.interactions {
        let Interaction::Liquidity(swap) = interaction else { return Err(PlanError::Custom) };
        let (input, output) = (swap.input_amount.0, swap.output_amount.0);
        let slippage = mul_div_up(input, bps, U256::from(10_000)).ok_or(PlanError::Overflow)?;
        let (have, need) = (held.entry(swap.input_token).or_default(), taken.entry(swap.input_token).or_default());
        need.0 = need.0.checked_add(input.saturating_sub(*have)).ok_or(PlanError::Overflow)?;
        need.1 = need.1.checked_add(slippage).ok_or(PlanError::Overflow)?;
        *have = have.saturating_sub(input);
        let have = held.entry(swap.output_token).or_default();
        *have = have.checked_add(output).ok_or(PlanError::Overflow)?;
    }
    Ok(taken)
}

fn approval(allowance: &Allowance) -> abi::Approval {
    abi::Approval { token: allowance.token, spender: allowance.spender, amount: allowance.amount.0 }
}

fn call(call: &Call) -> abi::Call {
    abi::Call { target: call.target, value: call.value, data: call.call_data.clone() }
}
