//! Pools of positions over ranges of ticks.
#![no_main]

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};
use ballast_adapters::concentrated::ConcentratedPool;
use ballast_fuzz::{Move, Number, Part, coin, swaps};
use ballast_wire::{ConcentratedLiquidity, Decimal};
use libfuzzer_sys::fuzz_target;

/// Fee tiers in 10⁻⁶, and their spacings.
const TIERS: [(u64, i32); 5] = [(100, 1), (500, 10), (2_500, 50), (3_000, 60), (10_000, 200)];
const PIP: u64 = 1_000_000_000_000;

#[derive(Debug, arbitrary::Arbitrary)]
enum Pool {
    /// Positions (lower tick, width, liquidity) in spacings, at a tick: as a contract could be.
    Positions { tier: u8, tick: i16, positions: Vec<(i16, u8, u64)> },
    /// Whatever comes.
    Any { tokens: Vec<u8>, sqrt_price: Number, liquidity: Number, tick: i32, net: Vec<(i32, i128)>, fee: Part },
}

fn wire(pool: Pool) -> ConcentratedLiquidity {
    let text = |net: BTreeMap<i32, i128>| net.into_iter().map(|(tick, net)| (tick.to_string(), net.to_string())).collect();
    match pool {
        Pool::Positions { tier, tick, positions } => {
            let (pips, spacing) = TIERS[usize::from(tier) % TIERS.len()];
            let tick = i32::from(tick) * spacing.min(20);
            let mut net = BTreeMap::<i32, i128>::new();
            for (lower, width, liquidity) in positions {
                let lower = i32::from(lower) / 8 * spacing;
                *net.entry(lower).or_default() += i128::from(liquidity);
                *net.entry(lower + (i32::from(width) + 1) * spacing).or_default() -= i128::from(liquidity);
            }
            let active: i128 = net.range(..=tick).map(|(_, net)| net).sum();
            ConcentratedLiquidity {
                router: Address::ZERO,
                tokens: vec![coin(1), coin(2)],
                // By floats, and so off the tick's own by up to a billionth: below it at times, which must be refused.
                sqrt_price: U256::from(1.0001_f64.powf(f64::from(tick) / 2.0 + 0.25) * 2f64.powi(96)),
                liquidity: U256::from(active.unsigned_abs()),
                tick,
                liquidity_net: text(net),
                fee: Decimal::from_atoms(U256::from(pips * PIP)),
            }
        }
        Pool::Any { tokens, sqrt_price, liquidity, tick, net, fee } => ConcentratedLiquidity {
            router: Address::ZERO,
            tokens: tokens.into_iter().map(coin).collect(),
            sqrt_price: sqrt_price.get(),
            liquidity: liquidity.get(),
            tick,
            liquidity_net: text(net.into_iter().collect()),
            fee: fee.get(),
        },
    }
}

fuzz_target!(|input: (Pool, Vec<Move>)| {
    let (pool, moves) = input;
    swaps(ConcentratedPool::from_wire(Address::ZERO, &wire(pool)).map(Into::into), |_| None, true, &moves);
});
