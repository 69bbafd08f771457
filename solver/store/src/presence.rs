use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// A locked file beside a database's own, in which its holder's name is written. The lock ends with its process, however that ends: whoever finds it free
/// knows that the one who is named in it is gone, and need not wait for the end of that one's lease.
#[derive(Debug)]
pub(crate) struct Presence(File);

impl Presence {
    /// Takes a free lock; with the name that is in it. What a file system does not do costs nothing but the wait.
    pub(crate) fn take(path: &Path) -> Option<(Self, String)> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).ok()?;
        file.try_lock().ok()?;
        let mut name = String::new();
        file.read_to_string(&mut name).ok()?;
        Some((Self(file), name))
    }

    /// Writes a name into it.
    pub(crate) fn name(mut self, holder: &str) -> Option<Self> {
        self.0.set_len(0).ok()?;
        self.0.rewind().ok()?;
        self.0.write_all(holder.as_bytes()).ok()?;
        Some(self)
    }

    /// The file for a lease of a database.
    pub(crate) fn path(database: &Path, lease: &str) -> PathBuf {
        let mut path = database.as_os_str().to_owned();
        path.push(format!("-{}", lease.replace(|c: char| !c.is_ascii_alphanumeric(), "-")));
        path.into()
    }
}
