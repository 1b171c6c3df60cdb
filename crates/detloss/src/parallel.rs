//! Work for several threads.

/// Both results; from two threads if `threads`, and else from the calling one.
#[cfg(feature = "rayon")]
pub(crate) fn join<A: Send, B: Send>(
    threads: bool,
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    if threads { rayon::join(a, b) } else { (a(), b()) }
}

/// Both results.
#[cfg(not(feature = "rayon"))]
pub(crate) fn join<A, B>(_: bool, a: impl FnOnce() -> A, b: impl FnOnce() -> B) -> (A, B) {
    (a(), b())
}

/// What `run` makes of each item, in their order; with several threads if `threads`.
#[cfg(feature = "rayon")]
pub(crate) fn map<T: Send, R: Send>(
    threads: bool,
    items: Vec<T>,
    run: impl Fn(T) -> R + Send + Sync,
) -> Vec<R> {
    use rayon::prelude::*;
    if threads {
        items.into_par_iter().map(run).collect()
    } else {
        items.into_iter().map(run).collect()
    }
}

/// What `run` makes of each item, in their order.
#[cfg(not(feature = "rayon"))]
pub(crate) fn map<T, R>(_: bool, items: Vec<T>, run: impl Fn(T) -> R) -> Vec<R> {
    items.into_iter().map(run).collect()
}

/// How many threads share work if `threads`.
#[cfg(feature = "rayon")]
pub(crate) fn threads(threads: bool) -> usize {
    if threads { rayon::current_num_threads() } else { 1 }
}

/// One thread.
#[cfg(not(feature = "rayon"))]
pub(crate) fn threads(_: bool) -> usize {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_the_work() {
        for with_threads in [false, true] {
            assert_eq!(join(with_threads, || 1, || "two"), (1, "two"));
            let squares = map(with_threads, (0..1000).collect(), |item: u64| item * item);
            assert!(
                squares.iter().enumerate().all(|(item, &square)| square == (item * item) as u64)
            );
            let most = if cfg!(feature = "rayon") && with_threads { usize::MAX } else { 1 };
            assert!((1..=most).contains(&threads(with_threads)));
        }
    }
}
