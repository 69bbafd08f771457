//! Lists whose entries may each be malformed.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// An entry of a list, or why it could not be read.
pub type Item<T> = Result<T, Malformed>;

/// An entry of a list that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{field}: {reason}", name.as_ref().map(|n| format!("{n}: ")).unwrap_or_default())]
pub struct Malformed {
    /// The entry's own name (an order's uid, a pool's id), if that much could be read.
    pub name: Option<String>,
    /// The path of the field within the entry.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A request that cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct RequestError {
    /// The path of the field.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl RequestError {
    /// Reads `T`, naming the field that is wrong.
    ///
    /// # Errors
    /// When the document is no `T`, or something comes after it.
    pub fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Self> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let value = serde_path_to_error::deserialize(&mut deserializer)
            .map_err(located)
            .map_err(|(field, reason)| Self { field, reason })?;
        deserializer.end().map_err(|e| Self { field: "the document's end".into(), reason: e.to_string() })?;
        Ok(value)
    }
}

/// Where reading failed, for a person, and why. The path of the document itself, or of a key that cannot be read, is a mark; a field
/// that is missing is where it should be.
fn located(error: serde_path_to_error::Error<serde_json::Error>) -> (String, String) {
    let path = error.path().to_string();
    let reason = error.into_inner().to_string();
    let missing = reason.strip_prefix("missing field `").and_then(|rest| rest.split_once('`'));
    let field = match (path.as_str(), missing) {
        ("" | "." | "?", None) => "the document".to_owned(),
        ("" | "." | "?", Some((name, _))) => name.to_owned(),
        (path, Some((name, _))) => format!("{path}.{name}"),
        (path, None) => path.to_owned(),
    };
    (field, reason)
}

/// An entry that is read by itself, so that a malformed one harms no other.
pub(crate) trait Entry: Sized {
    /// Reads the entry; the error is the path of the field and what is wrong with it.
    fn read(json: &str) -> Result<Self, (String, String)>;
}

/// Reads `T` from an entry's text, naming the field that is wrong.
pub(crate) fn read_entry<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, (String, String)> {
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(json)).map_err(|e| {
        let (field, reason) = located(e);
        // Line and column would be those within the entry: the path is what helps.
        (field, reason.split(" at line ").next().unwrap_or_default().to_owned())
    })
}

/// `#[serde(with)]` for a list of [`Item`]s.
pub(crate) mod items {
    use super::{Deserialize, Deserializer, Entry, Item, Malformed, RawValue, Serialize, Serializer};

    /// What names an entry of either kind.
    #[derive(Deserialize)]
    struct Name {
        uid: Option<String>,
        id: Option<String>,
    }

    fn read<T: Entry>(raw: &RawValue) -> Item<T> {
        T::read(raw.get()).map_err(|(field, reason)| {
            let name = serde_json::from_str::<Name>(raw.get()).ok().and_then(|n| n.uid.or(n.id));
            Malformed { name, field, reason }
        })
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: Entry>(deserializer: D) -> Result<Vec<Item<T>>, D::Error> {
        let raw = Vec::<&RawValue>::deserialize(deserializer)?;
        Ok(raw.into_iter().map(read).collect())
    }

    /// Writes what was read; malformed entries are left out.
    pub(crate) fn serialize<S: Serializer, T: Serialize>(items: &[Item<T>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(items.iter().filter_map(|item| item.as_ref().ok()))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn errors_name_a_field_or_the_document() {
        let error = |text: &str| crate::Auction::from_json(text.as_bytes()).unwrap_err().to_string();
        for text in ["", "7", "{\"\u{1}\": 1}", "{\"id\": \"1\", \"\n"] {
            assert!(error(text).starts_with("the document: "), "{}", error(text));
        }
        assert!(error("{\"tokens\": {\"0x12\": {}}}").starts_with("tokens"));
        assert!(error("{\"id\": null}").starts_with("tokens: missing field"), "{}", error("{\"id\": null}"));
        let token = format!("{{\"tokens\": {{\"0x{:040}\": {{}}}}}}", 7);
        assert!(error(&token).starts_with(&format!("tokens.0x{:040}.availableBalance: missing", 7)), "{}", error(&token));
        let whole =
            "{\"id\":\"1\",\"tokens\":{},\"orders\":[7],\"liquidity\":[{}],\"effectiveGasPrice\":\"1\",\"deadline\":\"\"}";
        assert!(error(&format!("{whole} x")).starts_with("the document's end: "));
        let read = crate::Auction::from_json(whole.as_bytes()).unwrap();
        assert_eq!(read.orders[0].as_ref().unwrap_err().field, "the document");
    }
}
