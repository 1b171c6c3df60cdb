//! Ctrl-C: a run ends with the step that it is at, and keeps what it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Whether somebody wants the program to end.
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on the first Ctrl-C, or the first word of the system to end, is kept in mind; the second ends the program at once.
    ///
    /// # Errors
    ///
    /// If the system does not let it listen.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let wanted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: what is registered first looks at the flag before it is set.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&wanted))?;
            flag::register(signal, Arc::clone(&wanted))?;
        }
        Ok(Self(wanted))
    }

    /// Whether it was said.
    pub(crate) fn wanted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
