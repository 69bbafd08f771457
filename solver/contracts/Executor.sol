// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts-5/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts-5/token/ERC20/utils/SafeERC20.sol";

struct Call {
    address target;
    uint256 value;
    bytes data;
}

struct Approval {
    address token;
    address spender;
    uint256 amount;
}

/// Where a plan runs. One is cloned for each execution and never used again: it holds what was taken from the vault for this plan and nothing else,
/// nobody has ever trusted it, and whoever it has trusted gets nothing out of it later.
contract Executor {
    using SafeERC20 for IERC20;

    address private immutable SETTLEMENT = msg.sender;

    error OnlySettlement();
    /// A call of the plan failed, with what it returned.
    error CallFailed(uint256 index, bytes reason);
    /// Post-condition 5: an approval cannot be taken back.
    error ApprovalLeft(address token, address spender);

    modifier onlySettlement() {
        if (msg.sender != SETTLEMENT) revert OnlySettlement();
        _;
    }

    /// For wrapped native tokens that are unwrapped.
    receive() external payable {}

    /// Grants the approvals, makes the calls in their order, and takes the approvals back.
    function run(Approval[] calldata approvals, Call[] calldata calls) external onlySettlement {
        for (uint256 i = 0; i < approvals.length; i++) {
            IERC20(approvals[i].token).forceApprove(approvals[i].spender, approvals[i].amount);
        }
        for (uint256 i = 0; i < calls.length; i++) {
            (bool success, bytes memory reason) = calls[i].target.call{value: calls[i].value}(calls[i].data);
            if (!success) revert CallFailed(i, reason);
        }
        for (uint256 i = 0; i < approvals.length; i++) {
            (IERC20 token, address spender) = (IERC20(approvals[i].token), approvals[i].spender);
            if (token.allowance(address(this), spender) == 0) continue;
            token.forceApprove(spender, 0);
            if (token.allowance(address(this), spender) != 0) revert ApprovalLeft(address(token), spender);
        }
    }

    /// Pays out.
    function pay(address token, address to, uint256 amount) external onlySettlement {
        IERC20(token).safeTransfer(to, amount);
    }

    /// Pays out everything.
    function sweep(address[] calldata tokens, address to) external onlySettlement {
        for (uint256 i = 0; i < tokens.length; i++) {
            IERC20 token = IERC20(tokens[i]);
            uint256 held = token.balanceOf(address(this));
            if (held != 0) token.safeTransfer(to, held);
        }
    }
}
