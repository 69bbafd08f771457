use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A value that stands in the environment, and in the file by its name only: `env:NAME`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    name: String,
    value: String,
}

impl Secret {
    /// The value itself, which is not to be shown to anyone.
    pub fn expose(&self) -> &str {
        &self.value
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "env:{}", self.name)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("env:{}", self.name))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // The text may be the secret itself: it is not repeated.
        let name = text
            .strip_prefix("env:")
            .filter(|name| !name.is_empty())
            .ok_or_else(|| de::Error::custom("secrets stand in the environment: expected \"env:NAME\""))?;
        let value =
            std::env::var(name).map_err(|_| de::Error::custom(format!("the environment has no readable variable {name}")))?;
        Ok(Self { name: name.to_owned(), value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, Serialize)]
    struct File {
        key: Secret,
    }

    #[test]
    fn a_secret_comes_from_the_environment_and_is_never_shown() {
        let file: File = toml::from_str("key = \"env:CARGO_PKG_NAME\"").unwrap();
        assert_eq!(file.key.expose(), "ballast-solver");
        assert!(!format!("{file:?}").contains("ballast-solver"));
        assert!(!toml::to_string(&file).unwrap().contains("ballast-solver"));
        let refused = toml::from_str::<File>("key = \"hunter2\"").unwrap_err();
        assert!(refused.message().contains("env:NAME") && !refused.message().contains("hunter2"));
        let absent = toml::from_str::<File>("key = \"env:BALLAST_NO_SUCH_VARIABLE\"").unwrap_err();
        assert!(absent.message().contains("BALLAST_NO_SUCH_VARIABLE"));
    }
}
