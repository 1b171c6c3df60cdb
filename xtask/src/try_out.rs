//! One loss alone, for the time between writing it and the test command.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::ensure;
use detloss::losses;

use crate::cargo::{WHOLE, cargo};
use crate::{generate, root};

/// The variable by which the conformance tests are of one loss, `detloss::testing::ONLY`.
const ONLY: &str = "DETLOSS_ONLY";

/// Generates what is made of the loss, checks its format, and runs the conformance tests of it alone.
pub(crate) fn run(name: &str) -> anyhow::Result<()> {
    let entry = losses::find(name)?;
    generate::run(false)?;
    let status = Command::new("rustfmt")
        .args(["--edition", "2024", "--check", entry.file])
        .current_dir(root())
        .status()?;
    ensure!(status.success(), "run rustfmt --edition 2024 {}", entry.file);
    // What is built for the test command is built for its features: with others, all would be built again.
    let tests: Vec<&str> = if has_front_ends() {
        ["test"]
            .into_iter()
            .chain(WHOLE)
            .chain(["--test", "conformance", "--test", "burn"])
            .collect()
    } else {
        eprintln!("Burn and Candle are left out: `cargo xtask ci` has not built them yet");
        vec!["test", "--package", "detloss", "--test", "conformance"]
    };
    cargo(&tests, &[(ONLY, name.to_owned())])
}

/// Whether the test command has built the front-ends.
fn has_front_ends() -> bool {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let files: Vec<String> = fs::read_dir(target.join("debug/deps"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .collect();
    ["libdetloss_burn-", "libdetloss_candle-"].iter().all(|library| {
        files.iter().any(|file| file.starts_with(library) && file.ends_with(".rlib"))
    })
}
