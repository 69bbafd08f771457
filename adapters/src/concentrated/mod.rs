//! Positions over ranges of ticks: Uniswap V3 and its forks, without a node.
//!
//! Tick t stands for the price 1.0001^t (token 1 per token 0), and √price is kept as Q64.96. Between two initialised ticks the
//! active liquidity L is constant and the pool is a piece of x·y = L²:
//!
//! ```text
//! Δamount0 = L·(1/√a − 1/√b)      Δamount1 = L·(√b − √a)
//! ```
//!
//! A swap walks piece by piece until the amount is used up. The contract looks for the next initialised tick in a bitmap,
//! one word of 256 tick spacings at a time, and where a word holds none it stops at the word's end, with amounts rounded to
//! whole atoms and the fee rounded up. These stops are part of the result:
//!
//! ```text
//!        word −1           │          word 0           │          word 1
//!  ──────●─────────────────┼───────────◆───────────────┼────────────────────●──
//!        tick              stop        price           stop                 tick
//! ```
//!
//! so the exact output depends on the tick spacing, which follows from the fee. A tick whose net liquidity is zero stops a walk as
//! well; it has to be listed for the last wei to be right.
//!
//! Where no liquidity is active, nothing is moved and nothing is rounded, and the walk goes to the next initialised
//! tick at once. A walk that goes beyond the last one is an error, as is an amount that is not swapped in full: the router's
//! given-out reverts then, and its given-in would keep a part of the input back, which no plan wants.
//!
//! A piece costs two to four divisions of 512 bits; a swap is linear in the ticks and words that it crosses.
//!
//! Sources: `UniswapV3Pool.sol`, `SwapMath.sol`, `SqrtPriceMath.sol`, `TickMath.sol`, `TickBitmap.sol`.

#[cfg(feature = "chain")]
pub mod chain;
mod curve;
mod encode;
mod pool;
mod step;
#[cfg(test)]
mod tests;
mod tick;

pub use pool::{ConcentratedPool, Tick};
