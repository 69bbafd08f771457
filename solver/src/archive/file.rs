//! One archived auction as a file.

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{ArchiveError, Record};

const SUFFIX: &str = ".tar.zst";
const META: &str = "meta.json";
const AUCTION: &str = "auction.json";
const REPLY: &str = "reply.json";
/// The longest part of an id that goes into a name.
const MAX_ID: usize = 40;

/// A file's name: sorts by `received`, and names the auction.
pub(super) fn name(received: SystemTime, id: Option<&str>) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let id: String = id.unwrap_or("quote").chars().take(MAX_ID).map(plain).collect();
    let time = humantime::format_rfc3339_micros(received.max(UNIX_EPOCH)).to_string().replace(':', "");
    format!("{time}-{id}{SUFFIX}")
}

/// The time in a file's name; `None` if it is not one of ours.
pub(super) fn time_of(name: &str) -> Option<SystemTime> {
    let (time, _) = name.strip_suffix(SUFFIX)?.split_once("Z-")?;
    let (date, clock) = time.split_once('T')?;
    let (h, m, s) = (clock.get(..2)?, clock.get(2..4)?, clock.get(4..)?);
    humantime::parse_rfc3339(&format!("{date}T{h}:{m}:{s}Z")).ok()
}

/// Whether a file has the name of an archived auction.
pub fn is_archived(path: &Path) -> bool {
    path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.ends_with(SUFFIX))
}

/// Writes a record.
pub(super) fn write(record: &Record, to: impl Write) -> io::Result<()> {
    let meta = serde_json::to_vec_pretty(&record.meta)?;
    let seconds = record.meta.received.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut tar = tar::Builder::new(zstd::Encoder::new(to, zstd::DEFAULT_COMPRESSION_LEVEL)?);
    for (name, bytes) in [(META, &meta[..]), (AUCTION, &record.auction), (REPLY, &record.reply)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(seconds);
        tar.append_data(&mut header, name, bytes)?;
    }
    tar.into_inner()?.finish()?.flush()
}

/// Reads an archived auction.
///
/// # Errors
/// When it cannot be read, or lacks one of its parts.
pub fn read(path: &Path) -> Result<Record, ArchiveError> {
    let file = |reason: String| ArchiveError::File { file: path.to_owned(), reason };
    let [meta, auction, reply] = parts(path).map_err(|e| file(e.to_string()))?;
    let part = |part: Option<Vec<u8>>, name: &str| part.ok_or_else(|| file(format!("no archived auction: {name} is missing")));
    let meta = serde_json::from_slice(&part(meta, META)?).map_err(|e| file(format!("{META}: {e}")))?;
    Ok(Record { meta, auction: part(auction, AUCTION)?.into(), reply: part(reply, REPLY)?.into() })
}

fn parts(path: &Path) -> io::Result<[Option<Vec<u8>>; 3]> {
    let mut parts = [None, None, None];
    let mut tar = tar::Archive::new(zstd::Decoder::new(std::fs::File::open(path)?)?);
    for entry in tar.entries()? {
        let mut entry = entry?;
        let Some(index) = [META, AUCTION, REPLY].iter().position(|name| entry.path_bytes() == name.as_bytes()) else { continue };
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        parts[index] = Some(bytes);
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::archive::{Ended, Meta};

    #[test]
    fn names_sort_by_time_and_are_safe() {
        let at = |micros| UNIX_EPOCH + Duration::from_micros(micros);
        assert_eq!(name(at(1_000_001), Some("42")), "1970-01-01T000001.000001Z-42.tar.zst");
        assert!(name(at(1_999_999), Some("9")) < name(at(2_000_000), Some("1")));
        assert!(name(at(0), Some("../../etc/passwd\n")).ends_with("Z-------etc-passwd-.tar.zst"));
        assert!(name(at(0), Some(&"9".repeat(1000))).len() < 100);
        assert!(name(at(0), None).contains("quote"));
        let micros = 1_795_346_100_123_456;
        assert_eq!(time_of(&name(at(micros), Some("a-Z-b"))), Some(at(micros)));
        for foreign in ["notes.txt", "Z-.tar.zst", "1970-01-01T0Z-1.tar.zst", "1970-01-01Té€Z-1.tar.zst", ".tar.zst", ""] {
            assert_eq!(time_of(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut meta = Meta::new(UNIX_EPOCH + Duration::from_micros(1_795_346_100_123_456), Ended::Late);
        meta.id = Some("7".into());
        meta.reply_ms = 12.5;
        // No JSON at all: the bytes are kept as they came.
        let record = Record { meta, auction: vec![0xff; 100_000].into(), reply: b"".as_slice().into() };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.tar.zst");
        write(&record, std::fs::File::create(&path).unwrap()).unwrap();
        assert_eq!(read(&path).unwrap(), record);
        // A file that was cut is an error, wherever it was cut.
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(read(&path).is_err(), "{length} of {} bytes", whole.len());
        }
    }
}
