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
