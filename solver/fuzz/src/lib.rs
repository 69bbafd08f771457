//! What the fuzz targets share: numbers of any size, and what a venue promises whatever it is asked.

use alloy_primitives::{Address, U256};
use arbitrary::Arbitrary;
use ballast_adapters::{Exact, Market, PoolError, Venue};
use ballast_wire::Decimal;

/// A number of 256 bits, each length as likely as another.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Number {
    mantissa: u64,
    shift: u8,
}

impl Number {
    /// The number.
    pub fn get(self) -> U256 {
        U256::from(self.mantissa) << usize::from(self.shift)
    }
}

/// A decimal: mostly with few digits, as fees and weights have, or else anything.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Part {
    /// In units of 10⁻⁴.
    Points(u16),
    /// In units of 10⁻¹⁸.
    Atoms(Number),
}

impl Part {
    /// The decimal.
    pub fn get(self) -> Decimal {
        Decimal::from_atoms(match self {
            Self::Points(points) => U256::from(points) * U256::from(100_000_000_000_000_u64),
            Self::Atoms(atoms) => atoms.get(),
        })
    }
}

/// What an atom is multiplied by: a power of ten, as decimals make it, or else anything.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Scale {
    /// 10^of.
    Power(u8),
    /// In units of 10⁻¹⁸.
    Atoms(Number),
}

impl Scale {
    /// The decimal.
    pub fn get(self) -> Decimal {
        Decimal::from_atoms(match self {
            Self::Power(of) => U256::from(10).pow(U256::from(18 + of % 19)),
            Self::Atoms(atoms) => atoms.get(),
        })
    }
}

/// A swap to be tried.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Move {
    input: u8,
    output: u8,
    given_in: bool,
    amount: Size,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Size {
    Any(Number),
    /// Of what the pool holds of the coin, in units of 2⁻¹⁶.
    Share(u16),
}

/// The address of a coin.
pub fn coin(number: u8) -> Address {
    Address::with_last_byte(number)
}

/// Tries swaps one after another, and panics where the venue breaks its word:
///
/// - a quote and the swap itself agree, and one that fails has changed nothing;
/// - no more is paid than is held, and an exact output is paid in full;
/// - if it is `sealed`, swapping there and back earns nothing.
///
/// `balance` says what the pool holds of a coin at first, where that is known.
pub fn swaps(market: Result<Market, PoolError>, balance: impl Fn(&Address) -> Option<U256>, sealed: bool, moves: &[Move]) {
    let Ok(mut market) = market else { return };
    let mut held: Vec<Option<U256>> = market.tokens().iter().map(balance).collect();
    for step in moves.iter().take(16) {
        // One more than there is, too.
        let count = market.tokens().len() + 1;
        let (i, o) = (usize::from(step.input) % count, usize::from(step.output) % count);
        let amount = match step.amount {
            Size::Any(number) => number.get(),
            Size::Share(share) => {
                let of = held.get(if step.given_in { i } else { o }).copied().flatten().unwrap_or(U256::ONE << 96);
                (of >> 16) * U256::from(share)
            }
        };
        let (exact, quote) = if step.given_in {
            (Exact::Input(amount), market.amount_out(i, o, amount))
        } else {
            (Exact::Output(amount), market.amount_in(i, o, amount))
        };
        let before = market.clone();
        let done = market.apply(i, o, exact);
        assert_eq!(quote.is_ok(), done.is_ok(), "{exact:?}: quoted {quote:?}, did {done:?}");
        let (Ok(quote), Ok(done)) = (quote, done) else {
            assert_eq!(market.amount_out(i, o, amount), before.amount_out(i, o, amount));
            assert_eq!(market.amount_in(i, o, amount), before.amount_in(i, o, amount));
            continue;
        };
        match exact {
            Exact::Input(_) => assert!(done.amount_in <= amount && done.amount_out == quote),
            Exact::Output(_) => assert!(done.amount_in == quote && done.amount_out >= amount),
        }
        assert!(!done.amount_out.is_zero());
        if let Some(held) = held[i].as_mut() {
            *held += done.amount_in;
        }
        if let Some(held) = held[o].as_mut() {
            *held = held.checked_sub(done.amount_out).expect("pays more than it holds");
        }
        if sealed && let Ok(back) = market.amount_out(o, i, done.amount_out) {
            assert!(back <= done.amount_in, "{} there and {back} back", done.amount_in);
        }
    }
}
