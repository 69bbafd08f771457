// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts-5/access/Ownable2Step.sol";
import {IERC1271} from "@openzeppelin/contracts-5/interfaces/IERC1271.sol";
import {Address} from "@openzeppelin/contracts-5/utils/Address.sol";
import {SignatureChecker} from "@openzeppelin/contracts-5/utils/cryptography/SignatureChecker.sol";
import {IAccount} from "./TransferModule.sol";

/// The least vault that can be rebalanced: it holds tokens, does what its owner says, and lets modules that its owner has enabled call others.
/// What its owner signs by key (or, as a contract, approves) is signed by the vault.
contract OwnedVault is IAccount, IERC1271, Ownable2Step {
    uint8 private constant CALL = 0;

    mapping(address module => bool) public isModuleEnabled;

    event ModuleSet(address indexed module, bool enabled);

    error OnlyModule();
    error OnlyCalls();

    constructor(address owner_, address module) Ownable(owner_) {
        _set(module, true);
    }

    receive() external payable {}

    function setModule(address module, bool enabled) external onlyOwner {
        _set(module, enabled);
    }

    /// Calls anything, as its owner says.
    function execute(address to, uint256 value, bytes calldata data) external onlyOwner returns (bytes memory) {
        return Address.functionCallWithValue(to, data, value);
    }

    /// @inheritdoc IAccount
    function execTransactionFromModuleReturnData(address to, uint256 value, bytes calldata data, uint8 operation)
        external
        returns (bool, bytes memory)
    {
        if (!isModuleEnabled[msg.sender]) revert OnlyModule();
        if (operation != CALL) revert OnlyCalls();
        return to.call{value: value}(data);
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        bool valid = SignatureChecker.isValidSignatureNowCalldata(owner(), hash, signature);
        return valid ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }

    function _set(address module, bool enabled) private {
        isModuleEnabled[module] = enabled;
        emit ModuleSet(module, enabled);
    }
}
