//! The way to the disk: a bounded queue and one thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::shelf::Shelf;
use super::{ArchiveConfig, ArchiveError, Record};

/// Records that may wait, however small.
const MAX_QUEUED: usize = 4096;

/// What came of the records so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Written.
    pub stored: u64,
    /// Dropped, because too many were waiting.
    pub dropped: u64,
    /// Lost, because the disk failed.
    pub failed: u64,
    /// Bytes that wait.
    pub queued_bytes: u64,
    /// Bytes on disk.
    pub disk_bytes: u64,
}

#[derive(Debug, Default)]
struct Shared {
    stored: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    queued_bytes: AtomicU64,
    disk_bytes: AtomicU64,
}

/// Takes records and writes them by a thread of its own. Dropping it writes what waits, then returns.
#[derive(Debug)]
pub struct Archive {
    /// `None` while it is being dropped.
    queue: Option<SyncSender<Record>>,
    writer: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    max_queue: u64,
}

impl Archive {
    /// Opens the directory, making it if need be, and starts the writer.
    ///
    /// # Errors
    /// When the directory cannot be made, listed or written.
    pub fn open(config: &ArchiveConfig) -> Result<Self, ArchiveError> {
        let shelf = Shelf::open(config)?;
        let shared = Arc::new(Shared::default());
        shared.disk_bytes.store(shelf.bytes(), Relaxed);
        let (queue, records) = sync_channel(MAX_QUEUED);
        let writer = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name("archive".into()).spawn(move || write(shelf, &records, &shared))
        };
        let writer = writer.map_err(|source| ArchiveError::Directory { directory: config.directory.clone(), source })?;
        Ok(Self { queue: Some(queue), writer: Some(writer), shared, max_queue: config.max_queue.as_u64() })
    }

    /// Hands a record over, without waiting: when too much waits already, it is dropped and counted.
    pub fn store(&self, record: Record) {
        let size = size(&record);
        let waiting = self.shared.queued_bytes.fetch_add(size, Relaxed);
        let room = waiting.saturating_add(size) <= self.max_queue;
        if !(room && self.queue.as_ref().is_some_and(|queue| queue.try_send(record).is_ok())) {
            self.shared.queued_bytes.fetch_sub(size, Relaxed);
            self.shared.dropped.fetch_add(1, Relaxed);
            tracing::warn!("the archive does not keep up: an auction is not archived");
        }
    }

    /// What came of the records so far.
    pub fn counters(&self) -> Counters {
        let Shared { stored, dropped, failed, queued_bytes, disk_bytes } = &*self.shared;
        Counters {
            stored: stored.load(Relaxed),
            dropped: dropped.load(Relaxed),
            failed: failed.load(Relaxed),
            queued_bytes: queued_bytes.load(Relaxed),
            disk_bytes: disk_bytes.load(Relaxed),
        }
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        // Without a sender the writer ends, once it has emptied the queue.
        drop(self.queue.take());
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the archive's writer failed");
        }
    }
}

fn size(record: &Record) -> u64 {
    (record.auction.len() + record.reply.len()) as u64
}

fn write(mut shelf: Shelf, records: &Receiver<Record>, shared: &Shared) {
    for record in records {
        match shelf.add(&record) {
            Ok(()) => shared.stored.fetch_add(1, Relaxed),
            Err(error) => {
                tracing::error!(%error, auction = record.meta.id, "an auction is not archived");
                shared.failed.fetch_add(1, Relaxed)
            }
        };
        shared.disk_bytes.store(shelf.bytes(), Relaxed);
        shared.queued_bytes.fetch_sub(size(&record), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use bytesize::ByteSize;

    use super::*;
    use crate::archive::{Ended, Meta, is_archived, read};

    /// A record, so many milliseconds from now.
    fn record(number: u64) -> Record {
        let received = SystemTime::now() + Duration::from_millis(number);
        let meta = Meta { id: Some(number.to_string()), ..Meta::new(received, Ended::Answered) };
        Record { meta, auction: vec![b'a'; 1000].into(), reply: "{\"solutions\":[]}".into() }
    }

    fn config(directory: &tempfile::TempDir) -> ArchiveConfig {
        ArchiveConfig { directory: directory.path().to_owned(), ..ArchiveConfig::default() }
    }

    #[test]
    fn what_was_stored_is_there_after_dropping() {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::open(&config(&directory)).unwrap();
        for number in 0..50 {
            archive.store(record(number));
        }
        drop(archive);
        let mut files: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        let ids: Vec<String> = files.iter().map(|f| read(f).unwrap().meta.id.unwrap()).collect();
        assert_eq!(ids, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
        assert!(files.iter().all(|f| is_archived(f)));
        // What was there before counts.
        let again = Archive::open(&config(&directory)).unwrap();
        assert!(again.counters().disk_bytes > 0);
    }

    #[test]
    fn what_does_not_fit_the_queue_is_dropped_and_counted() {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::open(&ArchiveConfig { max_queue: ByteSize::b(1000), ..config(&directory) }).unwrap();
        archive.store(record(0));
        assert_eq!(archive.counters(), Counters { dropped: 1, ..Counters::default() });
    }

    #[test]
    fn a_disk_that_fails_is_counted_and_a_bad_directory_named() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("inner");
        let archive = Archive::open(&ArchiveConfig { directory: inner.clone(), ..ArchiveConfig::default() }).unwrap();
        std::fs::remove_dir_all(&inner).unwrap();
        archive.store(record(0));
        let shared = Arc::clone(&archive.shared);
        drop(archive);
        assert_eq!((shared.failed.load(Relaxed), shared.stored.load(Relaxed)), (1, 0));

        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = Archive::open(&ArchiveConfig { directory: file.clone(), ..ArchiveConfig::default() }).unwrap_err();
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    }
}
