//! Which losses are tested.

use crate::losses;
use crate::losses::Entry;

/// The environment variable that names the one loss to test; `cargo xtask try` sets it.
pub const ONLY: &str = "DETLOSS_ONLY";

/// The losses to test: all of the list, or the one that `DETLOSS_ONLY` names.
///
/// # Panics
///
/// If no loss has this name, so that a test of nothing does not pass.
#[must_use]
pub fn tested() -> &'static [Entry] {
    let Some(name) = std::env::var_os(ONLY) else { return losses::ALL };
    let index = losses::ALL.iter().position(|entry| *entry.name == *name);
    let index = index.unwrap_or_else(|| panic!("{ONLY} is {name:?}, which is no loss"));
    &losses::ALL[index..=index]
}
