//! As many threads as the caller wants, in a process that may have been forked.

use std::process;
use std::sync::{Arc, Mutex};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// The pool that was asked for last, with the process it lives in: threads do not survive a fork.
static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// A pool of this many threads; None if none can be had, so that the caller does the work itself.
pub(crate) fn pool(threads: usize) -> Option<Arc<ThreadPool>> {
    // Never waits: in a forked process, the thread that held the lock may be gone.
    let mut last = POOL.try_lock().ok()?;
    match &*last {
        Some((process, pool))
            if *process == process::id() && pool.current_num_threads() == threads =>
        {
            Some(Arc::clone(pool))
        }
        _ => {
            let pool = Arc::new(ThreadPoolBuilder::new().num_threads(threads).build().ok()?);
            if let Some((process, old)) = last.replace((process::id(), Arc::clone(&pool)))
                && process != process::id()
            {
                // Its threads are the parent's; waiting for their end would never end.
                std::mem::forget(old);
            }
            Some(pool)
        }
    }
}
