//! Swaps that the settlement contract's own balance stands in for.

use ballast_wire::{Interaction, Solution};
use rustc_hash::FxHashMap;

use crate::auction::Auction;

/// Marks the swaps whose input the settlement may be left with, and whose output it holds already. What one takes from the balance
/// the next does not have.
pub fn internalize(auction: &Auction, solution: &mut Solution) {
    let mut taken = FxHashMap::default();
    for interaction in &mut solution.interactions {
        let Interaction::Liquidity(swap) = interaction else { continue };
        let of = |address| auction.index.get(address).map(|&token| auction.token(token));
        let (Some(input), Some(output)) = (of(&swap.input_token), of(&swap.output_token)) else { continue };
        let held = *taken.entry(swap.output_token).or_insert(output.available_balance);
        if let Some(rest) = held.checked_sub(swap.output_amount.0).filter(|_| input.trusted) {
            taken.insert(swap.output_token, rest);
            swap.internalize = true;
        }
    }
}
