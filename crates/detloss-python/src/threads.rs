//! As many threads as the caller wants, in a process that may have been forked, and a caller who may press Ctrl-C.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// How often a caller who waits looks for signals.
const LOOKS_EVERY: Duration = Duration::from_millis(50);

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

/// What `work` makes without the GIL: if it `is_long`, in a pool of so many threads, and [`interruptible`].
pub(crate) fn run<R: Send>(
    py: Python<'_>,
    threads: usize,
    is_long: bool,
    work: impl FnOnce(&AtomicBool) -> R + Send,
) -> PyResult<R> {
    py.detach(|| match is_long.then(|| pool(threads)).flatten() {
        Some(pool) => interruptible(&pool, work),
        None => Ok(work(&AtomicBool::new(false))),
    })
}

/// What `work` makes in the pool. The calling thread, the only one that Python tells of signals, waits without the GIL and looks for
/// them: if the handler of one raises, the flag is set that cancels the work.
pub(crate) fn interruptible<R: Send>(
    pool: &ThreadPool,
    work: impl FnOnce(&AtomicBool) -> R + Send,
) -> PyResult<R> {
    let (cancelled, mut raised) = (AtomicBool::new(false), None);
    let (sender, receiver) = mpsc::channel();
    let result = pool.in_place_scope(|scope| {
        let cancelled = &cancelled;
        // Nobody hangs up before it is sent.
        scope.spawn(move |_| sender.send(work(cancelled)).unwrap_or_default());
        loop {
            match receiver.recv_timeout(LOOKS_EVERY) {
                Ok(result) => break Some(result),
                Err(RecvTimeoutError::Disconnected) => break None,
                Err(RecvTimeoutError::Timeout) if raised.is_none() => {
                    raised = Python::attach(|py| py.check_signals()).err();
                    cancelled.store(raised.is_some(), Ordering::Relaxed);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    });
    match raised {
        Some(exception) => Err(exception),
        None => Ok(result.expect("a panic of the work has gone on from the scope")),
    }
}
