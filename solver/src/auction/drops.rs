use std::collections::BTreeMap;
use std::fmt;

/// What was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An order.
    Order,
    /// A pool, or another piece of liquidity.
    Pool,
    /// A solution of several orders.
    Solution,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Order => "order",
            Self::Pool => "pool",
            Self::Solution => "solution",
        })
    }
}

/// Something that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drop {
    /// What it was.
    pub subject: Subject,
    /// Its uid or id, if it had a readable one.
    pub name: Option<String>,
    /// Why, in words that group.
    pub reason: String,
    /// Why, in particular.
    pub detail: String,
}

/// All that was left out.
#[derive(Debug, Clone, Default)]
pub struct Drops(Vec<Drop>);

impl Drops {
    /// Notes one.
    pub fn add(&mut self, subject: Subject, name: Option<String>, reason: &str, detail: &str) {
        tracing::debug!(%subject, name, reason, detail, "dropped");
        self.0.push(Drop { subject, name, reason: reason.to_owned(), detail: detail.to_owned() });
    }

    /// One by one, in the order they were met.
    pub fn iter(&self) -> impl Iterator<Item = &Drop> {
        self.0.iter()
    }

    /// Adds those of another.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many there were for each reason, with a few names.
    pub fn by_reason(&self) -> BTreeMap<(Subject, &str), Vec<&Drop>> {
        let mut groups = BTreeMap::<_, Vec<_>>::new();
        for drop in &self.0 {
            groups.entry((drop.subject, drop.reason.as_str())).or_default().push(drop);
        }
        groups
    }
}
