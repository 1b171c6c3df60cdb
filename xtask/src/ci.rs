//! The test command.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, ensure};

use crate::{generate, python, root, tidy, wgpu};

/// Everything that has to hold, the quick checks first.
pub(crate) fn run(without_python: bool, without_wgpu: bool) -> anyhow::Result<()> {
    step("the manners of the tree", tidy::run)?;
    step("generated files", || generate::run(true))?;
    step("format", format)?;
    step("lints", || {
        cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"], &[])
    })?;
    step("documentation", || {
        let flags = [("RUSTDOCFLAGS", "--deny warnings")];
        cargo(&["doc", "--workspace", "--no-deps"], &flags)
    })?;
    step("the library without its features", || {
        cargo(
            &["test", "--package", "detloss", "--no-default-features", "--test", "conformance"],
            &[],
        )
    })?;
    step("tests", || cargo(&["test", "--workspace"], &[]))?;
    if !without_wgpu {
        step("the losses on a GPU", wgpu::run)?;
    }
    if !without_python {
        step("the Python package", python::run)?;
    }
    eprintln!("everything holds");
    Ok(())
}

fn step(what: &str, check: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    eprintln!("── {what}");
    let start = Instant::now();
    check().with_context(|| format!("{what} failed"))?;
    eprintln!("── {what}: {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// `cargo fmt` does not see the files that the macro `registry!` declares: rustfmt gets them by name.
fn format() -> anyhow::Result<()> {
    cargo(&["fmt", "--all", "--check"], &[])?;
    let files = detloss::losses::ALL.iter().map(|entry| entry.file);
    let status = Command::new("rustfmt")
        .args(["--edition", "2024", "--check"])
        .args(files)
        .current_dir(root())
        .status()?;
    ensure!(
        status.success(),
        "some losses are not formatted: run rustfmt --edition 2024 crates/detloss/src/losses/*/*.rs"
    );
    Ok(())
}

pub(crate) fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<()> {
    let status = Command::new(env!("CARGO"))
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(root())
        .status()
        .context("cargo does not start")?;
    ensure!(status.success(), "cargo {} failed", arguments.join(" "));
    Ok(())
}
