//! Calls of cargo.

use std::process::Command;

use anyhow::{Context, ensure};

use crate::root;

/// The workspace with the features that a CPU can test. All steps that compile all of it name the same features, so that nothing is
/// compiled twice.
pub(crate) const WHOLE: [&str; 3] = ["--workspace", "--features", "detloss-cli/train"];

/// Runs cargo with these arguments.
pub(crate) fn cargo(arguments: &[&str], environment: &[(&str, String)]) -> anyhow::Result<()> {
    let status = Command::new(env!("CARGO"))
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(root())
        .status()
        .context("cargo does not start")?;
    ensure!(status.success(), "cargo {} failed", arguments.join(" "));
    Ok(())
}
