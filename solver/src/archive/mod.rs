//! Every auction and its reply, on disk: what `ballast replay` solves again.
//!
//! One file an auction, a tar of `meta.json`, `auction.json` (the request's bytes as they came) and `reply.json` (the bytes that were
//! answered), compressed with Zstandard: `tar xf FILE` unpacks it. Names begin with the time, so they sort by it:
//!
//! ```text
//! 2026-11-22T111500.123456Z-7400681.tar.zst
//! ```
//!
//! [`Archive::store`] never waits. It hands the record to one writer thread through a queue that is bounded in bytes; when the disk does
//! not keep up, records are dropped and counted. A file is written beside its place and then renamed, so a file with such a
//! name is whole. The oldest are deleted when they are older, or together larger, than the configuration allows; other files in the
//! directory are left alone.

mod file;
mod record;
mod shelf;
mod writer;

pub use file::{is_archived, read};
pub use record::{Ended, Meta, Record, Summary};
pub use writer::{Archive, Counters};

use std::path::PathBuf;

use bytesize::ByteSize;
use documented::{Documented, DocumentedFields};
use serde::{Deserialize, Serialize};

/// Every auction and its reply on disk, for `ballast replay`. Takes effect on start only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Documented, DocumentedFields)]
#[serde(default, deny_unknown_fields)]
pub struct ArchiveConfig {
    /// Whether auctions are archived at all.
    pub enabled: bool,
    /// Where the files are; made if it is not there.
    pub directory: PathBuf,
    /// Days after which a file is deleted; 0 keeps them for ever.
    pub keep_days: u32,
    /// What all files together may take; 0 sets no limit.
    pub max_size: ByteSize,
    /// What may wait for the disk; auctions beyond it are not archived, and counted.
    pub max_queue: ByteSize,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            directory: "archive".into(),
            keep_days: 14,
            max_size: ByteSize::gib(10),
            max_queue: ByteSize::mib(256),
        }
    }
}

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The directory cannot be made, listed or written.
    #[error("archive {}: {source}", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file that cannot be read, or is no archived auction.
    #[error("{}: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
