//! What is held: the portfolio file, exact weights, and the ledger that trades change.
//!
//! Money is [`BigDecimal`]: sums, products and differences are exact, and a quotient is taken in one place
//! ([`Weights`]), where the remainder is handed out so that weights sum to exactly one.

mod file;
mod ledger;
mod weights;

pub use file::{Held, Portfolio, PortfolioError};
pub use ledger::{Asset, Costs, Fill, Holdings, LedgerError, Order};
pub use weights::{Weights, WeightsError};

use bigdecimal::{BigDecimal, FromPrimitive as _, ToPrimitive as _};

/// The nearest `f64`; figures for triggers and plots, never for the ledger.
pub fn approximate(value: &BigDecimal) -> f64 {
    value.to_f64().unwrap_or(f64::NAN)
}

/// The decimal a person would write for `value`: its shortest digits, so `0.1` is one tenth. None if it is not finite.
pub fn decimal(value: f64) -> Option<BigDecimal> {
    // `from_f64` keeps the binary digits (0.1000000000000000055…); the shortest text is the number that was meant.
    if value.is_finite() { value.to_string().parse().ok().or_else(|| BigDecimal::from_f64(value)) } else { None }
}
