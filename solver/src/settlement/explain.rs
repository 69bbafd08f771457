//! What to do about a settlement that fails.

use alloy_primitives::{Address, U256};
use ballast_adapters::erc20::Erc20;
use ballast_adapters::evm::Evm;
use ballast_adapters::revert::Failure;

use super::encode::{Action, Scheme, Settlement, TradePromise, signer};
use super::simulate::{Step, balance};

/// Texts with which venues say that a swap would cost more, or pay less, than it may.
const MOVED: [&str; 11] = [
    "EXCESSIVE_INPUT_AMOUNT",
    "INSUFFICIENT_OUTPUT_AMOUNT",
    "INSUFFICIENT_LIQUIDITY",
    "UniswapV2: K",
    "Too much requested",
    "Too little received",
    "BAL#304",
    "BAL#305",
    "BAL#507",
    "BAL#510",
    "BAL#001",
];

/// What to do about it. `evm` is the chain before the settlement, `now` its time in Unix seconds.
pub(super) fn explain(evm: &mut Evm, settlement: &Settlement, step: Step, failure: &Failure, now: U256) -> String {
    let reason = failure.reason().unwrap_or_default();
    match step {
        Step::Sender => "The authenticator does not list the sender as a solver: send from one that it lists, or have its manager add this \
                         one"
        .to_owned(),
        Step::Order(k) => order(settlement, k, reason, now),
        Step::TransferIn(k) => settlement.trades.get(k).map_or_else(String::new, |trade| transfer_in(evm, settlement, trade)),
        // The outcome itself is nothing that a contract refuses.
        Step::Outcome => String::new(),
        Step::TransferOut(k) => outcome(evm, settlement, &settlement.trades.get(k).map(|t| t.buy).unwrap_or_default()),
        Step::Interaction(phase, k) => match settlement.actions.get(phase).and_then(|a| a.get(k)) {
            Some(Action::Hook(uid)) => format!("Order {uid} asks for a call that fails: leave the order out until its owner mends the hook"),
            Some(Action::Swap { pools, input, output, .. }) => swap(evm, settlement, reason, pools, [input, output]),
            Some(Action::Approve { token, .. }) => format!("Token {token} refuses to be approved: leave it out with --deny-tokens {token}"),
            Some(Action::Unwrap) => {
                "The contract under [settlement.contracts] weth does not unwrap: it is not the wrapped native token of this chain, or the \
                 settlement contract got less of it than promised"
                    .to_owned()
            }
            Some(Action::Call) | None => "A call that the solution adds fails: solve again".to_owned(),
        },
    }
}

/// What to do when less of a token arrives than was promised.
pub(super) fn outcome(evm: &mut Evm, settlement: &Settlement, token: &Address) -> String {
    if let Some(forged) = settlement.trades.iter().find_map(forged) {
        return forged;
    }
    taxed(evm, settlement).unwrap_or_else(|| {
        format!(
            "Less of {token} arrived than was promised: a swap paid less, or the token keeps a part of every transfer; leave it out with \
             --deny-tokens {token}"
        )
    })
}

fn order(settlement: &Settlement, k: usize, reason: &str, now: U256) -> String {
    let trades = &settlement.trades;
    let uid = |trade: &TradePromise| trade.order.to_string();
    if reason.contains("order expired") {
        let expired: Vec<String> = trades.iter().filter(|t| U256::from(t.valid_to) < now).map(uid).collect();
        return format!("It is {now} (Unix seconds) on the chain, past the expiry of {}: leave them out", expired.join(", "));
    }
    if reason.contains("presign") {
        let presigned: Vec<String> = trades.iter().filter(|t| t.scheme == Scheme::PreSign).map(uid).collect();
        return format!(
            "The owner has not called setPreSignature for {}, or has taken it back: leave it out",
            presigned.join(", ")
        );
    }
    let of = trades.get(k).map(uid).unwrap_or_default();
    if reason.contains("order filled") {
        return "An order is filled or cancelled on the chain already: read what is left of it again, or leave it out".to_owned();
    }
    if reason.contains("limit price") {
        return format!(
            "The prices are worse than the limit of {of} allows: this is a mistake of the solver's; please report it"
        );
    }
    if let Some(forged) = trades.iter().find_map(forged) {
        return forged;
    }
    format!("The contract does not accept the signature of {of}: leave the order out, or have its owner sign again")
}

/// What an owner has to say to their signature, if it is by a key and not by theirs.
fn forged(trade: &TradePromise) -> Option<String> {
    if matches!(trade.scheme, Scheme::Eip1271 | Scheme::PreSign) {
        return None;
    }
    let signer = signer(trade.scheme, &trade.signature, &trade.digest);
    (signer != Some(trade.owner)).then(|| {
        let signer = signer.map_or_else(|| "nobody".to_owned(), |s| s.to_string());
        format!(
            "The signature of order {} is that of {signer}, not of its owner {}: it was altered, or signed for another chain or settlement \
             contract; leave the order out",
            trade.order, trade.owner
        )
    })
}

fn transfer_in(evm: &mut Evm, settlement: &Settlement, trade: &TradePromise) -> String {
    let TradePromise { order, owner, sell, paid, .. } = trade;
    if let Some(forged) = settlement.trades.iter().find_map(forged) {
        return forged;
    }
    let held = balance(evm, owner, sell);
    if held < *paid {
        return format!(
            "Owner {owner} of order {order} holds {held} of {sell} where {paid} are due: leave the order out, or fill it up to what is \
             there if it may be filled in part"
        );
    }
    format!(
        "Owner {owner} of order {order} holds {held} of {sell}, so what they have approved for the vault relayer falls short of {paid}, or was \
         spent already: leave the order out until they approve again"
    )
}

fn swap(evm: &mut Evm, settlement: &Settlement, reason: &str, pools: &[String], [input, output]: [&Address; 2]) -> String {
    if let Some(taxed) = taxed(evm, settlement) {
        return taxed;
    }
    if MOVED.iter().any(|text| reason.contains(text)) {
        return format!(
            "Liquidity {} has moved since the auction was made: read its state again and solve anew, or allow more slippage_bps",
            pools.join(", ")
        );
    }
    format!(
        "The settlement contract has less of {input} by then than promised, or {input} or {output} is no ordinary token: solve again with \
         fresh pools, or leave liquidity {} out",
        pools.join(", ")
    )
}

/// Whether a token that is sold arrives short: tried on the chain as it is.
fn taxed(evm: &mut Evm, settlement: &Settlement) -> Option<String> {
    settlement.trades.iter().find_map(|trade| {
        let TradePromise { owner, sell, paid, .. } = trade;
        let before = balance(evm, &settlement.target, sell);
        evm.send(*owner, *sell, &Erc20::transferCall { to: settlement.target, amount: *paid }, U256::ZERO).ok()?;
        let arrived = balance(evm, &settlement.target, sell).saturating_sub(before);
        (arrived < *paid).then(|| {
            format!(
                "Token {sell} keeps a part of every transfer: of {paid} sent {arrived} arrive, so no plan holds; leave it out with \
                 --deny-tokens {sell}"
            )
        })
    })
}
