//! What a settlement takes, from medians measured in an EVM.

use super::{Action, TradePromise};

/// A transaction with a settlement of one trade: the intrinsic gas, the calldata, the look-up of the solver, two transfers.
const SETTLEMENT: u64 = 85_900;
/// Each trade after the first.
const TRADE: u64 = 49_200;
/// An approval from zero.
const APPROVAL: u64 = 29_700;
/// Turning the wrapped native token into the native one.
const UNWRAP: u64 = 13_900;
/// What a hook or a call of the solution's own is taken to need: nobody says how much it is.
pub const HOOK_GAS: u64 = 100_000;

/// Gas of the transaction.
pub(super) fn estimate(trades: &[TradePromise], actions: &[&[Action]; 3]) -> u64 {
    let interactions = actions.iter().flat_map(|a| a.iter()).map(|action| match action {
        Action::Hook(_) | Action::Call => HOOK_GAS,
        Action::Approve { .. } => APPROVAL,
        Action::Swap { gas, .. } => *gas,
        Action::Unwrap => UNWRAP,
    });
    let further = TRADE.saturating_mul((trades.len() as u64).saturating_sub(1));
    interactions.fold(SETTLEMENT.saturating_add(further), u64::saturating_add)
}
