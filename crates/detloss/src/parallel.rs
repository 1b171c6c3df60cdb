//! Work for several threads, until it is done or cancelled.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// How a batch is worked on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work<'a> {
    /// Whether several threads share it.
    #[cfg_attr(not(feature = "rayon"), expect(dead_code, reason = "one thread does it all"))]
    pub(crate) threads: bool,
    /// Whether nobody waits for its results any more. Those of a loop that ends for this reason mean nothing, and are sound.
    pub(crate) cancelled: Option<&'a AtomicBool>,
}

impl Work<'_> {
    /// On one thread, and to its end.
    pub(crate) const ALONE: Self = Self { threads: false, cancelled: None };

    #[inline]
    pub(crate) fn is_cancelled(self) -> bool {
        self.cancelled.is_some_and(|cancelled| cancelled.load(Ordering::Relaxed))
    }

    /// Ends a loop whose results nobody waits for any more.
    #[inline]
    pub(crate) fn check_cancelled(self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Both results.
    #[cfg(feature = "rayon")]
    pub(crate) fn join<A: Send, B: Send>(
        self,
        a: impl FnOnce() -> A + Send,
        b: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        if self.threads { rayon::join(a, b) } else { (a(), b()) }
    }

    /// Both results.
    #[cfg(not(feature = "rayon"))]
    pub(crate) fn join<A, B>(self, a: impl FnOnce() -> A, b: impl FnOnce() -> B) -> (A, B) {
        (a(), b())
    }

    /// What `run` makes of each item, in their order.
    #[cfg(feature = "rayon")]
    pub(crate) fn map<T: Send, R: Send>(
        self,
        items: Vec<T>,
        run: impl Fn(T) -> R + Send + Sync,
    ) -> Vec<R> {
        use rayon::prelude::*;
        if self.threads {
            items.into_par_iter().map(run).collect()
        } else {
            items.into_iter().map(run).collect()
        }
    }

    /// What `run` makes of each item, in their order.
    #[cfg(not(feature = "rayon"))]
    pub(crate) fn map<T, R>(self, items: Vec<T>, run: impl Fn(T) -> R) -> Vec<R> {
        items.into_iter().map(run).collect()
    }

    /// How many threads share the work.
    #[cfg(feature = "rayon")]
    pub(crate) fn threads(self) -> usize {
        if self.threads { rayon::current_num_threads() } else { 1 }
    }

    /// One thread.
    #[cfg(not(feature = "rayon"))]
    pub(crate) fn threads(self) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_the_work() {
        for threads in [false, true] {
            let work = Work { threads, cancelled: None };
            assert_eq!(work.join(|| 1, || "two"), (1, "two"));
            let squares = work.map((0..1000).collect(), |item: u64| item * item);
            assert!(
                squares.iter().enumerate().all(|(item, &square)| square == (item * item) as u64)
            );
            let most = if cfg!(feature = "rayon") && threads { usize::MAX } else { 1 };
            assert!((1..=most).contains(&work.threads()));
        }
    }
}
