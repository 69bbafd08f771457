//! What settlements do to the settlement contract's own balances: promised and real, kept.
//!
//! One line of JSON for each settlement, only ever appended. A buffer that grows holds fees, spared slippage and what rounding leaves; one that
//! falls has paid for somebody.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use alloy_primitives::{Address, I256};
use serde::{Deserialize, Serialize};

use super::encode::Settlement;

/// A change of one buffer, in atoms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// What the encoded settlement was to do.
    pub promised: I256,
    /// What it did.
    pub real: I256,
}

/// A settlement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The auction, if it has a number.
    pub auction: Option<String>,
    /// The solution.
    pub solution: u64,
    /// The transaction's hash, or how else it came about.
    pub reference: String,
    /// By token.
    pub buffers: BTreeMap<Address, Change>,
}

impl Entry {
    /// Puts what was promised beside what came of it: `real` are changes of the settlement contract's balances.
    pub fn new(
        auction: Option<&str>,
        settlement: &Settlement,
        reference: &str,
        real: impl IntoIterator<Item = (Address, I256)>,
    ) -> Self {
        let mut buffers: BTreeMap<Address, Change> = settlement
            .buffers
            .iter()
            .map(|(token, promised)| (*token, Change { promised: *promised, ..Change::default() }))
            .collect();
        for (token, real) in real {
            if !real.is_zero() || buffers.contains_key(&token) {
                buffers.entry(token).or_default().real = real;
            }
        }
        Self { auction: auction.map(str::to_owned), solution: settlement.solution, reference: reference.to_owned(), buffers }
    }
}

/// All changes of one token's buffer, in atoms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Sum {
    /// Settlements that touched it.
    pub settlements: usize,
    /// What they were to change.
    pub promised: I256,
    /// What they changed.
    pub real: I256,
    /// Of that, all that it grew by.
    pub gained: I256,
    /// And all that it fell by, below zero.
    pub lost: I256,
}

/// Why the ledger cannot be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The file cannot be used.
    #[error("slippage ledger {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
    /// A line that is no entry.
    #[error("slippage ledger {path}, line {line}: {source}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A table that cannot be written.
    #[error("slippage ledger: {0}")]
    Csv(#[from] csv::Error),
}

/// The file.
#[derive(Debug, Clone)]
pub struct Ledger {
    path: PathBuf,
}

impl Ledger {
    /// A ledger in a file, which is made with its first entry.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned() }
    }

    fn io(&self, source: std::io::Error) -> LedgerError {
        LedgerError::Io { path: self.path.clone(), source }
    }

    fn line(&self, line: usize, source: serde_json::Error) -> LedgerError {
        LedgerError::Line { path: self.path.clone(), line, source }
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append(&self, entry: &Entry) -> Result<(), LedgerError> {
        let mut line = serde_json::to_string(entry).map_err(|e| self.line(0, e))?;
        line.push('\n');
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path).map_err(|e| self.io(e))?;
        file.write_all(line.as_bytes()).map_err(|e| self.io(e))
    }

    /// All entries, the oldest first. A file that is not there has none.
    ///
    /// # Errors
    /// When the file cannot be read, or a line is no entry.
    pub fn entries(&self) -> Result<Vec<Entry>, LedgerError> {
        let file = match std::fs::File::open(&self.path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            file => file.map_err(|e| self.io(e))?,
        };
        let lines = BufReader::new(file).lines().zip(1..);
        lines.map(|(line, k)| serde_json::from_str(&line.map_err(|e| self.io(e))?).map_err(|e| self.line(k, e))).collect()
    }
}

/// Sums by token.
pub fn sums<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> BTreeMap<Address, Sum> {
    let mut sums: BTreeMap<Address, Sum> = BTreeMap::new();
    for (token, change) in entries.into_iter().flat_map(|e| &e.buffers) {
        let sum = sums.entry(*token).or_default();
        sum.settlements = sum.settlements.saturating_add(1);
        sum.promised = sum.promised.saturating_add(change.promised);
        sum.real = sum.real.saturating_add(change.real);
        let part = if change.real.is_negative() { &mut sum.lost } else { &mut sum.gained };
        *part = part.saturating_add(change.real);
    }
    sums
}

/// Writes sums as CSV: a row for each token.
///
/// # Errors
/// When `to` cannot be written.
pub fn export(sums: &BTreeMap<Address, Sum>, to: impl Write) -> Result<(), LedgerError> {
    let mut csv = csv::Writer::from_writer(to);
    csv.write_record(["token", "settlements", "promised", "real", "gained", "lost"])?;
    for (token, sum) in sums {
        let amounts = [sum.promised, sum.real, sum.gained, sum.lost].map(|x| x.to_string());
        csv.write_record([token.to_string(), sum.settlements.to_string()].into_iter().chain(amounts))?;
    }
    csv.flush().map_err(csv::Error::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(solution: u64, changes: &[(u8, i64, i64)]) -> Entry {
        let change = |(token, promised, real): &(u8, i64, i64)| {
            let change = Change { promised: I256::try_from(*promised).unwrap(), real: I256::try_from(*real).unwrap() };
            (Address::repeat_byte(*token), change)
        };
        Entry {
            auction: Some("7".into()),
            solution,
            reference: "simulated".into(),
            buffers: changes.iter().map(change).collect(),
        }
    }

    #[test]
    fn what_is_appended_is_read_and_summed() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(folder.path().join("ledger.jsonl"));
        assert_eq!(ledger.entries().unwrap(), []);
        let entries = [entry(1, &[(1, 5, 7), (2, 0, -3)]), entry(2, &[(2, 1, 1)])];
        for entry in &entries {
            ledger.append(entry).unwrap();
        }
        assert_eq!(ledger.entries().unwrap(), entries);
        let mut csv = Vec::new();
        export(&sums(&entries), &mut csv).unwrap();
        let csv = String::from_utf8(csv).unwrap();
        let rows: Vec<&str> = csv.lines().collect();
        assert_eq!(rows[0], "token,settlements,promised,real,gained,lost");
        assert_eq!(rows[1], format!("{},1,5,7,7,0", Address::repeat_byte(1)));
        assert_eq!(rows[2], format!("{},2,1,-2,1,-3", Address::repeat_byte(2)));
    }

    #[test]
    fn a_broken_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        std::fs::write(&path, "{}\n").unwrap();
        let error = Ledger::new(&path).entries().unwrap_err().to_string();
        assert!(error.contains("line 1") && error.contains("solution"), "{error}");
    }
}
