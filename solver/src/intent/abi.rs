//! The contracts' interfaces, from what their sources compile to (`solver/contracts`).
#![allow(missing_docs, reason = "the functions, errors and events are those of solver/contracts, which say what they are")]

use alloy_sol_types::sol;

sol!(
    #[sol(all_derives)]
    RebalanceSettlement,
    "contracts/RebalanceSettlement.json"
);

sol! {
    /// How running a plan fails, in the contracts that the settlement contract makes.
    #[derive(Debug, PartialEq, Eq)]
    interface Running {
        error CallFailed(uint256 index, bytes reason);
        error ApprovalLeft(address token, address spender);
        error TransferFailed(address vault, address token);
        error SafeERC20FailedOperation(address token);
    }
}
