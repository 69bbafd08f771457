//! A token that can be minted, with any number of decimals: OpenZeppelin's preset.

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolValue, sol};

use crate::evm::{Evm, USER};

const ARTIFACT: &str = "@openzeppelin/contracts/build/contracts/ERC20PresetMinterPauser.json";

sol! {
    interface Erc20 {
        function balanceOf(address owner) external view returns (uint256);
        function decimals() external view returns (uint8);
        function mint(address to, uint256 amount) external;
        function approve(address spender, uint256 amount) external returns (bool);
        function transfer(address to, uint256 amount) external returns (bool);
    }
}

pub use Erc20::{approveCall, balanceOfCall, transferCall};

/// Deploys a token of 18 decimals, none of which anyone has.
pub fn deploy(evm: &mut Evm) -> Address {
    evm.deploy(ARTIFACT, &("Test token", "TEST").abi_encode_params())
}

/// Deploys a token of `decimals`.
pub fn deploy_with_decimals(evm: &mut Evm, decimals: u8) -> Address {
    // `_decimals` shares its word with `_paused`, which is false; the preset has no setter for it. Where it lies is
    // found rather than counted, so that another version of the package cannot put it elsewhere unseen.
    let token = deploy(evm);
    let slot = (0..32).map(U256::from).find(|&slot| evm.storage(token, slot) == U256::from(18)).expect("a word that holds 18");
    evm.set_storage(token, slot, U256::from(decimals));
    assert_eq!(evm.query(token, &Erc20::decimalsCall {}), Ok(decimals));
    token
}

/// `count` tokens in ascending order of their addresses, as factories want them.
pub fn deploy_sorted(evm: &mut Evm, count: usize) -> Vec<Address> {
    let mut tokens: Vec<_> = (0..count).map(|_| deploy(evm)).collect();
    tokens.sort();
    tokens
}

/// Gives `to` atoms of `token`.
pub fn mint(evm: &mut Evm, token: Address, to: Address, amount: U256) {
    evm.send(token, &Erc20::mintCall { to, amount }).expect("the deployer may mint");
}

/// Lets `spender` take all that [`USER`] has of `token`.
pub fn approve(evm: &mut Evm, token: Address, spender: Address) {
    assert_eq!(evm.send(token, &approveCall { spender, amount: U256::MAX }), Ok(true));
}

/// What `owner` has of `token`, in atoms.
pub fn balance(evm: &mut Evm, token: Address, owner: Address) -> U256 {
    evm.query(token, &balanceOfCall { owner }).expect("a view")
}

/// What [`USER`] has of `token`, in atoms.
pub fn balance_of_user(evm: &mut Evm, token: Address) -> U256 {
    balance(evm, token, USER)
}

#[test]
fn tokens_have_the_decimals_asked_for() {
    let mut evm = Evm::new();
    let token = deploy_with_decimals(&mut evm, 6);
    mint(&mut evm, token, USER, U256::from(5));
    assert_eq!(balance_of_user(&mut evm, token), U256::from(5));
}
