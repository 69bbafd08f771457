//! The directory: what is in it, and what has to go.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter};
use std::time::{Duration, SystemTime};

use super::file::{name, time_of, write};
use super::{ArchiveConfig, ArchiveError, Record};

/// What a file is called until it is whole.
const UNFINISHED: &str = ".ballast-";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The files of an archive, by name and so by time, with their sizes.
pub(super) struct Shelf {
    config: ArchiveConfig,
    files: BTreeMap<String, u64>,
    bytes: u64,
}

impl Shelf {
    pub(super) fn open(config: &ArchiveConfig) -> Result<Self, ArchiveError> {
        let failed = |source| ArchiveError::Directory { directory: config.directory.clone(), source };
        fs::create_dir_all(&config.directory).map_err(failed)?;
        let mut shelf = Self { config: config.clone(), files: BTreeMap::new(), bytes: 0 };
        shelf.list().map_err(failed)?;
        // Whether it can be written is better known before the first auction.
        shelf.unfinished().map_err(failed)?;
        shelf.tidy(SystemTime::now()).map_err(failed)?;
        Ok(shelf)
    }

    /// Takes stock, and deletes what a crash left unfinished.
    fn list(&mut self) -> io::Result<()> {
        for entry in fs::read_dir(&self.config.directory)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with(UNFINISHED) {
                fs::remove_file(entry.path())?;
            } else if time_of(&name).is_some() {
                let size = entry.metadata()?.len();
                self.bytes += size;
                self.files.insert(name, size);
            }
        }
        Ok(())
    }

    fn unfinished(&self) -> io::Result<tempfile::NamedTempFile> {
        tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.config.directory)
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes a record and makes room for it.
    pub(super) fn add(&mut self, record: &Record) -> io::Result<()> {
        let mut file = self.unfinished()?;
        write(record, BufWriter::new(&mut file))?;
        file.as_file().sync_all()?;
        let size = file.as_file().metadata()?.len();
        let mut received = record.meta.received;
        let name = loop {
            let name = name(received, record.meta.id.as_deref());
            match file.persist_noclobber(self.config.directory.join(&name)) {
                Ok(_) => break name,
                // Of one microsecond: the later one moves by one.
                Err(taken) if taken.error.kind() == io::ErrorKind::AlreadyExists => {
                    file = taken.file;
                    received += Duration::from_micros(1);
                }
                Err(failed) => return Err(failed.error),
            }
        };
        self.bytes += size;
        self.files.insert(name, size);
        self.tidy(SystemTime::now())
    }

    /// Deletes the oldest files, but never the last one.
    fn tidy(&mut self, now: SystemTime) -> io::Result<()> {
        let ArchiveConfig { keep_days, max_size, .. } = self.config;
        let horizon = (keep_days > 0).then(|| now.checked_sub(DAY * keep_days)).flatten();
        while self.files.len() > 1
            && let Some(oldest) = self.files.first_entry()
        {
            let aged = time_of(oldest.key()).zip(horizon).is_some_and(|(time, horizon)| time < horizon);
            if !(aged || (max_size.as_u64() > 0 && self.bytes > max_size.as_u64())) {
                break;
            }
            let (name, size) = oldest.remove_entry();
            self.bytes = self.bytes.saturating_sub(size);
            match fs::remove_file(self.config.directory.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use bytesize::ByteSize;

    use super::*;
    use crate::archive::{Ended, Meta};

    fn record(at: SystemTime, id: &str) -> Record {
        let meta = Meta { id: Some(id.to_owned()), ..Meta::new(at, Ended::Answered) };
        Record { meta, auction: id.repeat(100).into(), reply: "{}".into() }
    }

    fn names(directory: &std::path::Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_go_and_foreign_files_stay() {
        let directory = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let at = |days: u32| now - DAY * days;
        for foreign in ["notes.txt", "auction.json", "old.tar.zst"] {
            fs::write(directory.path().join(foreign), "mine").unwrap();
        }
        fs::write(directory.path().join(".ballast-left-by-a-crash"), "cut").unwrap();
        let config = ArchiveConfig {
            directory: directory.path().to_owned(),
            keep_days: 0,
            max_size: ByteSize::b(0),
            ..ArchiveConfig::default()
        };
        let mut shelf = Shelf::open(&config).unwrap();
        for (days, id) in [(40, "a"), (20, "b"), (3, "c"), (1, "d"), (0, "e")] {
            shelf.add(&record(at(days), id)).unwrap();
        }
        assert_eq!(names(directory.path()).len(), 5 + 3);
        let each = shelf.bytes() / 5;

        // By age, when it is opened.
        let shelf = Shelf::open(&ArchiveConfig { keep_days: 10, ..config.clone() }).unwrap();
        assert_eq!(shelf.files.len(), 3);
        // By size, with each file that comes.
        let mut shelf = Shelf::open(&ArchiveConfig { max_size: ByteSize::b(2 * each + each / 2), ..config.clone() }).unwrap();
        assert_eq!(shelf.files.len(), 2);
        shelf.add(&record(now + DAY, "f")).unwrap();
        assert_eq!(shelf.files.len(), 2);
        assert_eq!(shelf.bytes(), shelf.files.values().sum::<u64>());
        // The newest stays, however large or old.
        let mut shelf = Shelf::open(&ArchiveConfig { max_size: ByteSize::b(1), ..config }).unwrap();
        shelf.add(&record(UNIX_EPOCH, "g")).unwrap();
        assert_eq!(shelf.files.len(), 1);
        let left = names(directory.path());
        assert_eq!(left.len(), 1 + 3, "{left:?}");
        assert!(["notes.txt", "auction.json", "old.tar.zst"].iter().all(|f| left.contains(&(*f).to_owned())), "{left:?}");
    }

    #[test]
    fn two_of_one_moment_are_two_files() {
        let directory = tempfile::tempdir().unwrap();
        let config = ArchiveConfig { directory: directory.path().join("made/here"), ..ArchiveConfig::default() };
        let mut shelf = Shelf::open(&config).unwrap();
        let now = SystemTime::now();
        for _ in 0..3 {
            shelf.add(&record(now, "1")).unwrap();
        }
        assert_eq!(names(&config.directory).len(), 3);
    }
}
