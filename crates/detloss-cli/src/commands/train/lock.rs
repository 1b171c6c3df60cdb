//! One run at a time writes into a folder.

use std::fs::{File, TryLockError};
use std::path::Path;

use anyhow::{Context, anyhow};

/// The file that is locked. It stays: one that was removed could be locked by two.
const FILE: &str = ".detloss-lock";

/// Locks a folder until what it gives is dropped, or the program ends in any way.
///
/// # Errors
///
/// If another run writes there.
pub(super) fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join(FILE);
    let file = File::create(&path)
        .with_context(|| format!("could not write {}: choose another --out", path.display()))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(anyhow!(
            "another run of detloss writes into {}: wait for it, or choose another --out",
            folder.display()
        )),
        // Some shared disks have no locks: no reason not to train.
        Err(TryLockError::Error(_)) | Ok(()) => Ok(file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_locked_once_and_free_again() {
        let folder = tempfile::tempdir().unwrap();
        let first = lock(folder.path()).unwrap();
        let second = lock(folder.path()).unwrap_err().to_string();
        assert!(second.starts_with("another run of detloss writes into "), "{second}");
        drop(first);
        lock(folder.path()).unwrap();
    }
}
