//! The settlement contract's interface.
#![allow(missing_docs)]

use alloy_sol_types::sol;

sol! {
    /// An order as its owner signs it.
    #[derive(Debug)]
    struct Order {
        address sellToken; address buyToken; address receiver; uint256 sellAmount; uint256 buyAmount; uint32 validTo; bytes32 appData;
        uint256 feeAmount; string kind; bool partiallyFillable; string sellTokenBalance; string buyTokenBalance;
    }

    #[derive(Debug)]
    struct Trade {
        uint256 sellTokenIndex; uint256 buyTokenIndex; address receiver; uint256 sellAmount; uint256 buyAmount; uint32 validTo;
        bytes32 appData; uint256 feeAmount; uint256 flags; uint256 executedAmount; bytes signature;
    }

    #[derive(Debug)]
    struct Interaction { address target; uint256 value; bytes callData; }

    #[derive(Debug)]
    interface GPv2Settlement {
        function settle(address[] tokens, uint256[] clearingPrices, Trade[] trades, Interaction[][3] interactions) external;
        function setPreSignature(bytes orderUid, bool signed) external;
        function filledAmount(bytes orderUid) external view returns (uint256);
        function domainSeparator() external view returns (bytes32);
        function vaultRelayer() external view returns (address);
        function authenticator() external view returns (address);
    }

    #[derive(Debug)]
    interface Authentication {
        function initializeManager(address manager) external;
        function addSolver(address solver) external;
        function isSolver(address solver) external view returns (bool);
    }

    #[derive(Debug)]
    interface Weth {
        function deposit() external payable;
        function withdraw(uint256 amount) external;
    }
}
