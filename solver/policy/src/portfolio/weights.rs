//! Weights that sum to exactly one.

use bigdecimal::{
    BigDecimal, One as _, Zero as _,
    num_bigint::{BigInt, Sign},
};
use serde::Serialize;

/// Decimal places of a weight that is computed (a weight that is given keeps its own).
const PLACES: i64 = 18;

/// Shares of a portfolio: none negative, sum exactly one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Weights(Vec<BigDecimal>);

/// Why numbers are not weights.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The sum is not one.
    #[error("the weights sum to {0}, not to exactly 1")]
    Sum(BigDecimal),
    /// One is below zero.
    #[error("weight {index} is {value}, below zero")]
    Negative {
        /// Its place.
        index: usize,
        /// What was given.
        value: BigDecimal,
    },
    /// Nothing to take shares of: every value is zero.
    #[error("there is nothing to take shares of: every value is zero")]
    Nothing,
    /// A computed share is not a number.
    #[error("share {0} is not a finite number")]
    NotFinite(usize),
}

impl Weights {
    /// Weights as given.
    ///
    /// # Errors
    /// If one is negative or they do not sum to exactly one.
    pub fn new(weights: Vec<BigDecimal>) -> Result<Self, WeightsError> {
        if let Some((index, value)) = weights.iter().enumerate().find(|(_, w)| w.sign() == Sign::Minus) {
            return Err(WeightsError::Negative { index, value: value.clone() });
        }
        let sum: BigDecimal = weights.iter().sum();
        if sum.is_one() { Ok(Self(weights)) } else { Err(WeightsError::Sum(sum.normalized())) }
    }

    /// Each value's share of their sum, to 18 places. What rounding down leaves goes, one last place each, to the
    /// largest remainders (Hamilton's method), so that the sum is exactly one.
    ///
    /// # Errors
    /// If a value is negative, or all are zero.
    pub fn of_values(values: &[BigDecimal]) -> Result<Self, WeightsError> {
        if let Some((index, value)) = values.iter().enumerate().find(|(_, v)| v.sign() == Sign::Minus) {
            return Err(WeightsError::Negative { index, value: value.clone() });
        }
        let total: BigDecimal = values.iter().sum();
        if total.is_zero() {
            return Err(WeightsError::Nothing);
        }
        // On one scale the values are integers, and the division is exact with a remainder.
        let scale = values.iter().map(|v| v.fractional_digit_count()).max().unwrap_or(0);
        let integer = |v: &BigDecimal| v.with_scale(scale).into_bigint_and_exponent().0;
        let (total, one) = (integer(&total), BigInt::from(10_u8).pow(PLACES as u32));
        let mut shares: Vec<(BigInt, BigInt)> = values
            .iter()
            .map(|v| {
                let scaled = integer(v) * &one;
                (&scaled / &total, &scaled % &total)
            })
            .collect();
        let mut left = one - shares.iter().map(|(share, _)| share).sum::<BigInt>();
        let mut order: Vec<usize> = (0..shares.len()).collect();
        order.sort_by(|&i, &j| shares[j].1.cmp(&shares[i].1).then(i.cmp(&j)));
        for i in order {
            if left.is_zero() {
                break;
            }
            shares[i].0 += 1;
            left -= 1;
        }
        Ok(Self(shares.into_iter().map(|(share, _)| BigDecimal::new(share, PLACES).normalized()).collect()))
    }

    /// The exact weights nearest to computed shares. Digits past the twelfth place are rounding, not meant, and tiny
    /// negatives (a solver's rounding) count as zero.
    ///
    /// # Errors
    /// If a share is not finite, or none is positive.
    pub fn of_shares(shares: &[f64]) -> Result<Self, WeightsError> {
        let values = shares
            .iter()
            .enumerate()
            .map(|(i, &share)| {
                super::decimal(share.max(0.0))
                    .filter(|_| share.is_finite())
                    .map(|share| share.round(12))
                    .ok_or(WeightsError::NotFinite(i))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Self::of_values(&values)
    }

    /// The weights, in the order of the assets.
    pub fn as_slice(&self) -> &[BigDecimal] {
        &self.0
    }

    /// The nearest `f64`s.
    pub fn approximate(&self) -> Vec<f64> {
        self.0.iter().map(super::approximate).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn d(text: &str) -> BigDecimal {
        text.parse().unwrap()
    }

    #[test]
    fn thirds_sum_to_one() {
        let weights = Weights::of_values(&[d("7"), d("7"), d("7")]).unwrap();
        assert_eq!(weights.as_slice()[0], d("0.333333333333333334"));
        assert_eq!(weights.as_slice().iter().sum::<BigDecimal>(), d("1"));
    }

    #[test]
    fn given_weights_must_sum_to_one_exactly() {
        assert!(Weights::new(vec![d("0.5"), d("0.3"), d("0.2")]).is_ok());
        assert_eq!(
            Weights::new(vec![d("0.5"), d("0.3"), d("0.2000000000000001")]),
            Err(WeightsError::Sum(d("1.0000000000000001")))
        );
        assert!(matches!(Weights::new(vec![d("1.5"), d("-0.5")]), Err(WeightsError::Negative { index: 1, .. })));
        assert_eq!(Weights::of_values(&[d("0"), d("0")]), Err(WeightsError::Nothing));
        assert_eq!(Weights::of_shares(&[0.5, f64::NAN]), Err(WeightsError::NotFinite(1)));
    }

    proptest! {
        #[test]
        fn shares_sum_to_one_and_are_right_to_the_last_place(cents in prop::collection::vec(0_u64..1_000_000_000_000, 1..12)) {
            prop_assume!(cents.iter().any(|&c| c > 0));
            let values: Vec<BigDecimal> = cents.iter().map(|&c| BigDecimal::new(c.into(), 7)).collect();
            let weights = Weights::of_values(&values).unwrap();
            prop_assert_eq!(weights.as_slice().iter().sum::<BigDecimal>(), d("1"));
            let total: BigDecimal = values.iter().sum();
            for (weight, value) in weights.as_slice().iter().zip(&values) {
                prop_assert!((weight * &total - value).abs() <= &total * d("1e-18"));
            }
        }
    }
}
