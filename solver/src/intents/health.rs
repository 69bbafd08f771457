use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::metrics;

/// What the service stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dependency {
    Database,
    Node,
    Prices,
    Market,
    Sender,
    OrderBook,
}

impl Dependency {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Node => "node",
            Self::Prices => "prices",
            Self::Market => "market",
            Self::Sender => "sender",
            Self::OrderBook => "orderBook",
        }
    }
}

/// Which dependencies fail, and how.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<BTreeMap<&'static str, String>>);

impl Health {
    /// What fails now, with what was said of it.
    pub(crate) fn failing(&self) -> BTreeMap<&'static str, String> {
        self.0.lock().clone()
    }

    /// Whether something is said to fail.
    pub(super) fn is_failing(&self, dependency: Dependency) -> bool {
        self.0.lock().contains_key(dependency.name())
    }

    /// Notes whether something that was asked has answered, and passes it on.
    pub(super) fn heard<T, E: std::fmt::Display>(&self, from: Dependency, answer: Result<T, E>) -> Result<T, E> {
        let mut failing = self.0.lock();
        let name = from.name();
        match &answer {
            Ok(_) => {
                if failing.remove(name).is_some() {
                    tracing::info!(dependency = name, "answers again");
                }
            }
            Err(error) => {
                let said = error.to_string();
                if failing.get(name) != Some(&said) {
                    tracing::warn!(dependency = name, error = said, "fails");
                }
                failing.insert(name, said);
            }
        }
        metrics::dependency(name, answer.is_ok());
        answer
    }
}
