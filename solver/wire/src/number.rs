//! Numbers on the wire: atoms as decimal strings, fixed-point decimals of 18 places.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::U256;
use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::Sign;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Places after the point that a [`Decimal`] keeps.
const PLACES: i64 = 18;
/// 10^78 > 2^256: no exponent beyond this can be a number we accept, and huge ones must not be expanded.
const MAX_EXPONENT: i64 = 96;
/// The longest text of a number that is looked at.
const MAX_TEXT: usize = 160;

/// A non-negative decimal with 18 places, exact: a fee, a weight, a scaling factor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
pub struct Decimal(U256);

/// Why a text is no [`Decimal`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecimalError {
    /// Not a number at all.
    #[error("not a decimal number")]
    NotANumber,
    /// Below zero.
    #[error("negative")]
    Negative,
    /// More than 18 places after the point, or too large for 256 bits at 18 places.
    #[error("needs more than 18 decimal places or more than 256 bits")]
    OutOfRange,
}

impl Decimal {
    /// The number one.
    pub const ONE: Self = Self(U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]));

    /// The decimal whose value is `atoms`·10⁻¹⁸.
    pub const fn from_atoms(atoms: U256) -> Self {
        Self(atoms)
    }

    /// The value in units of 10⁻¹⁸, as the contracts' fixed point has it.
    pub const fn atoms(self) -> U256 {
        self.0
    }

    /// The nearest double.
    pub fn to_f64(self) -> f64 {
        f64::from(self.0) / 1e18
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        if text.len() > MAX_TEXT {
            return Err(DecimalError::OutOfRange);
        }
        let (digits, exponent) = match text.find(['e', 'E']) {
            Some(at) => {
                let exponent = text.get(at + 1..).and_then(|e| e.parse::<i64>().ok()).ok_or(DecimalError::NotANumber)?;
                (text.get(..at).unwrap_or_default(), exponent)
            }
            None => (text, 0),
        };
        let decimal = BigDecimal::from_str(digits).map_err(|_| DecimalError::NotANumber)?.normalized();
        let (integer, scale) = decimal.into_bigint_and_exponent();
        if integer.sign() == Sign::NoSign {
            return Ok(Self(U256::ZERO));
        }
        if integer.sign() == Sign::Minus {
            return Err(DecimalError::Negative);
        }
        // value = integer · 10^(exponent − scale); in atoms: · 10^(18 + exponent − scale)
        let shift = exponent.checked_sub(scale).and_then(|e| e.checked_add(PLACES)).ok_or(DecimalError::OutOfRange)?;
        if !(0..=MAX_EXPONENT).contains(&shift) {
            return Err(DecimalError::OutOfRange);
        }
        let integer = U256::try_from_be_slice(&integer.to_bytes_be().1).ok_or(DecimalError::OutOfRange)?;
        let power = U256::from(10).checked_pow(U256::from(shift)).ok_or(DecimalError::OutOfRange)?;
        integer.checked_mul(power).map(Self).ok_or(DecimalError::OutOfRange)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = self.0.div_rem(Self::ONE.0);
        if part.is_zero() {
            return write!(f, "{whole}");
        }
        let part = format!("{:0>18}", part.to_string());
        write!(f, "{whole}.{}", part.trim_end_matches('0'))
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer)?
            .parse()
            .map_err(|e: DecimalError| de::Error::custom(format!("{e}; expected a decimal such as \"0.003\"")))
    }
}

/// The text of a number given as a string, or as a bare JSON number without exponent.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Visitor;
    impl de::Visitor<'_> for Visitor {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number as a string")
        }
        fn visit_str<E>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
        fn visit_u64<E>(self, value: u64) -> Result<String, E> {
            Ok(value.to_string())
        }
        fn visit_i64<E>(self, value: i64) -> Result<String, E> {
            Ok(value.to_string())
        }
    }
    deserializer.deserialize_any(Visitor)
}

/// Reads an amount: decimal digits, or `0x` and hexadecimal digits.
///
/// # Errors
/// A message fit for a person, when `text` is neither or exceeds 2²⁵⁶ − 1.
pub fn parse_amount(text: &str) -> Result<U256, &'static str> {
    const EXPECTED: &str = "expected an amount of at most 256 bits as a decimal string";
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(hex) => (hex, 16),
        None => (text, 10),
    };
    // `from_str_radix` takes an empty text and underscores, an amount does not.
    if digits.is_empty() || digits.len() > MAX_TEXT || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(EXPECTED);
    }
    U256::from_str_radix(digits, u64::from(radix)).map_err(|_| EXPECTED)
}

/// `#[serde(with)]` for an amount: a decimal string; hexadecimal and bare integers are read as well.
pub mod amount {
    use super::{Deserializer, Serializer, U256, de, parse_amount, text};

    /// Writes a decimal string.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &U256, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    /// Reads a string or an integer.
    ///
    /// # Errors
    /// When the text is no amount of 256 bits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<U256, D::Error> {
        parse_amount(&text(deserializer)?).map_err(de::Error::custom)
    }
}

/// `#[serde(with)]` for a whole number of fewer bits than an amount, written like one.
pub mod integer {
    use std::fmt::Display;

    use super::{Deserializer, Serializer, U256, amount, de};

    /// Writes a decimal string.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    /// Reads a string or an integer.
    ///
    /// # Errors
    /// When the text is no number, or one of too many bits.
    pub fn deserialize<'de, T: TryFrom<U256>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let value = amount::deserialize(deserializer)?;
        T::try_from(value).map_err(|_| de::Error::custom(format!("{value} needs more than {} bits", 8 * size_of::<T>())))
    }
}

/// Basis points, from 0 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, pattern = "^[0-9]{1,5}$"))]
#[serde(try_from = "BpsText", into = "BpsText")]
pub struct Bps(u16);

impl Bps {
    /// All of it.
    pub const WHOLE: Self = Self(10_000);

    /// This many; none if they are more than the whole.
    pub const fn new(bps: u16) -> Option<Self> {
        if bps <= Self::WHOLE.0 { Some(Self(bps)) } else { None }
    }

    /// How many.
    pub const fn get(self) -> u16 {
        self.0
    }
}

#[derive(Serialize, Deserialize)]
struct BpsText(#[serde(with = "integer")] u16);

impl From<Bps> for BpsText {
    fn from(bps: Bps) -> Self {
        Self(bps.0)
    }
}

impl TryFrom<BpsText> for Bps {
    type Error = &'static str;

    fn try_from(text: BpsText) -> Result<Self, Self::Error> {
        Self::new(text.0).ok_or("more than 10000 basis points")
    }
}

/// `#[serde(with)]` for an amount that may be absent or null.
pub mod optional_amount {
    use super::{Deserialize, Deserializer, Serializer, U256, amount};

    /// Writes a decimal string or null.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &Option<U256>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => amount::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a string, an integer or null.
    ///
    /// # Errors
    /// When the text is no amount of 256 bits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<U256>, D::Error> {
        #[derive(Deserialize)]
        struct Wrapped(#[serde(with = "amount")] U256);
        Ok(Option::<Wrapped>::deserialize(deserializer)?.map(|wrapped| wrapped.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_read_plain_scientific_and_integer_forms() {
        for (text, atoms) in [
            ("0.003", "3000000000000000"),
            ("1", "1000000000000000000"),
            ("1E-18", "1"),
            ("1e-6", "1000000000000"),
            ("2.50E+1", "25000000000000000000"),
            ("0", "0"),
            ("0E-99", "0"),
            ("1001001001001.001001001001001001", "1001001001001001001001001001001"),
        ] {
            assert_eq!(text.parse::<Decimal>().unwrap().atoms().to_string(), atoms, "{text}");
        }
    }

    #[test]
    fn decimals_refuse_what_they_cannot_hold() {
        for text in ["", "x", "1E-19", "0.0000000000000000001", "-0.1", "1E999999999999", "1E-999999999999", "1e", "NaN", "1E80"]
        {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
    }

    #[test]
    fn decimals_print_as_they_are_read() {
        for text in ["0.003", "1", "12.000000000000000001", "0.004699999999999999"] {
            assert_eq!(text.parse::<Decimal>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn amounts_are_digits_and_nothing_else() {
        let max = U256::MAX.to_string();
        assert_eq!(parse_amount(&max), Ok(U256::MAX));
        assert_eq!(parse_amount("0xff"), Ok(U256::from(255)));
        let over = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
        for text in ["", "-1", "1.0", "1_000", "0x", "1e3", over] {
            assert!(parse_amount(text).is_err(), "{text}");
        }
    }
}
