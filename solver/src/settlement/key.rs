//! Keys: named in configuration and on command lines, and read from the environment where they are used.

use std::fmt;
use std::str::FromStr;

use alloy::signers::local::PrivateKeySigner;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The variable that holds a private key, written `env:NAME`.
///
/// Nothing here, errors included, ever repeats what was given in its place: it may be the key itself.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyName(String);

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not `env:NAME`.
    #[error("key: expected env:NAME, the name of the variable that holds the private key; a key itself is never taken here")]
    NotAName,
    /// The variable is not set.
    #[error("key: the variable {0} is not set; set it to the private key of an account that may settle")]
    NotSet(String),
    /// What the variable holds is no key.
    #[error("key: what the variable {0} holds is no private key; 64 hexadecimal digits are expected")]
    Malformed(String),
}

impl FromStr for KeyName {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let name = text.strip_prefix("env:").ok_or(KeyError::NotAName)?;
        let good = !name.is_empty() && !name.starts_with("0x") && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        // 64 hexadecimal digits are a key that somebody has put where its name belongs.
        let key = name.len() >= 64 && name.chars().all(|c| c.is_ascii_hexdigit());
        if good && !key { Ok(Self(name.to_owned())) } else { Err(KeyError::NotAName) }
    }
}

impl KeyName {
    /// Reads the key.
    ///
    /// # Errors
    /// When the variable is not set, or holds no key.
    pub fn read(&self) -> Result<PrivateKeySigner, KeyError> {
        let text = std::env::var(&self.0).map_err(|_| KeyError::NotSet(self.0.clone()))?;
        text.trim().parse().map_err(|_| KeyError::Malformed(self.0.clone()))
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "env:{}", self.0)
    }
}

impl Serialize for KeyName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{self:?}"))
    }
}

impl<'de> Deserialize<'de> for KeyName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

    #[test]
    fn a_key_in_place_of_its_name_is_refused_and_not_repeated() {
        for text in [KEY.to_owned(), format!("0x{KEY}"), format!("env:{KEY}"), format!("env:0x{KEY}"), "env:".to_owned()] {
            let error = text.parse::<KeyName>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains(&KEY[..8]));
        }
        assert_eq!(format!("{:?}", "env:SOLVER_KEY".parse::<KeyName>().unwrap()), "env:SOLVER_KEY");
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let name: KeyName = "env:BALLAST_NO_SUCH_KEY".parse().unwrap();
        assert_eq!(name.read().unwrap_err(), KeyError::NotSet("BALLAST_NO_SUCH_KEY".to_owned()));
    }
}
