//! The test command.

use std::process::Command;
use std::thread;
use std::time::Instant;

use anyhow::{Context, ensure};

use crate::{generate, python, root, tidy, wgpu};

/// Everything there is, with the features that a CPU can test. All steps that compile everything name the same features, so that
/// nothing is compiled twice.
pub(crate) const WHOLE: [&str; 3] = ["--workspace", "--features", "detloss-cli/train"];

/// The same with the losses on a GPU.
const WHOLE_WITH_GPU: [&str; 3] =
    ["--workspace", "--features", "detloss-cli/train,detloss-burn/wgpu"];

/// Everything that has to hold, the quick checks first.
pub(crate) fn run(without_python: bool, without_wgpu: bool) -> anyhow::Result<()> {
    // Downloading PyTorch needs the network, compiling needs the processor.
    let python = (!without_python).then(|| thread::spawn(python::prepare));
    let looked_at = if without_wgpu { &WHOLE } else { &WHOLE_WITH_GPU };
    // A driver is needed to run, not to compile.
    let tested = if !without_wgpu && wgpu::has_driver()? { &WHOLE_WITH_GPU } else { &WHOLE };
    step("repository checks", tidy::run)?;
    step("generated files", || generate::run(true))?;
    step("format", format)?;
    step("lints", || {
        let lint = ["--all-targets", "--", "--deny", "warnings"];
        cargo(&[&["clippy"], &looked_at[..], &lint].concat(), &[])?;
        // The command line without what trains, and the library without what computes.
        cargo(&[&["clippy", "--package", "detloss-cli"], &lint[..]].concat(), &[])?;
        let bare = ["clippy", "--package", "detloss", "--no-default-features"];
        cargo(&[&bare[..], &lint[1..]].concat(), &[])
    })?;
    step("documentation", || {
        let flags = [("RUSTDOCFLAGS", "--deny warnings".to_owned())];
        cargo(&[&["doc", "--no-deps"], &looked_at[..]].concat(), &flags)
    })?;
    let quiet = wgpu::quiet();
    step("tests", || cargo(&[&["test"], &tested[..]].concat(), &quiet))?;
    step("the command line without its features", || {
        // Alone: with the rest of the workspace, other features of Burn would have to be compiled for it.
        cargo(&["test", "--package", "detloss-cli", "--test", "cli"], &[])
    })?;
    step("the library without threads", || {
        // All that differs is in one file; that results do not depend on threads is a test of the conformance suite.
        let alone = ["--package", "detloss", "--no-default-features"];
        cargo(&[&["check", "--features", "kernels"], &alone[..]].concat(), &[])?;
        let quick = ["--config", "profile.dev.package.detloss.opt-level=0"];
        cargo(&[&["test", "--lib", "parallel"], &alone[..], &quick].concat(), &[])
    })?;
    if let Some(environment) = python {
        step("the Python package", || {
            let environment = environment.join().expect("making an environment does not panic")?;
            environment
                .map_or(Ok(()), |environment| environment.check(&mut python::tested_example()))
        })?;
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
