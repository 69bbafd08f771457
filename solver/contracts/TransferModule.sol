// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts-5/token/ERC20/IERC20.sol";

/// What a Safe, or any account with Safe's modules, offers to a module that it has enabled.
interface IAccount {
    function execTransactionFromModuleReturnData(address to, uint256 value, bytes calldata data, uint8 operation)
        external
        returns (bool success, bytes memory result);
}

/// The module that a vault enables: by that alone it takes part. All that it can do with the vault is an ERC-20 `transfer`, and it does so for
/// its settlement contract only, which asks for what a signed intent allows. A vault never grants an allowance.
contract TransferModule {
    /// Safe's number for a plain call.
    uint8 private constant CALL = 0;

    address public immutable SETTLEMENT = msg.sender;

    error OnlySettlement();
    error TransferFailed(address vault, address token);

    /// Has `vault` transfer `amounts` of `tokens`, where they are not zero.
    function transfer(IAccount vault, address[] calldata tokens, uint256[] calldata amounts, address to) external {
        if (msg.sender != SETTLEMENT) revert OnlySettlement();
        for (uint256 i = 0; i < tokens.length; i++) {
            if (amounts[i] == 0) continue;
            bytes memory data = abi.encodeCall(IERC20.transfer, (to, amounts[i]));
            (bool success, bytes memory result) = vault.execTransactionFromModuleReturnData(tokens[i], 0, data, CALL);
            // Some tokens return nothing.
            if (!success || (result.length != 0 && !abi.decode(result, (bool)))) {
                revert TransferFailed(address(vault), tokens[i]);
            }
        }
    }
}
