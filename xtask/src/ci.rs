//! The test command.

use std::process::Command;
use std::thread;
use std::time::Instant;

use anyhow::{Context, ensure};
use detloss::{criteria, losses, matching};

use crate::cargo::{WHOLE, cargo};
use crate::python::{self, Core, Environment};
use crate::{generate, root, tidy};

/// [`WHOLE`] with the losses on a GPU, which are linted here and tested by `cargo xtask wgpu`: to build and run them would be ten minutes
/// more on a slow machine.
const WHOLE_WITH_GPU: [&str; 3] =
    ["--workspace", "--features", "detloss-cli/train,detloss-burn/wgpu"];

const LINT: [&str; 4] = ["--all-targets", "--", "--deny", "warnings"];

/// What has to hold, the quick checks first; with `everything` also what takes long and rarely tells anything new.
pub(crate) fn run(everything: bool) -> anyhow::Result<()> {
    let python = thread::spawn(move || prepare_python(everything));
    let linted = if everything { &WHOLE_WITH_GPU } else { &WHOLE };
    step("repository checks", tidy::run)?;
    step("generated files", || generate::run(true))?;
    step("format", format)?;
    step("lints", || cargo(&[&["clippy"], &linted[..], &LINT].concat(), &[]))?;
    step("documentation", || {
        let flags = [("RUSTDOCFLAGS", "--deny warnings".to_owned())];
        cargo(&[&["doc", "--no-deps"], &linted[..]].concat(), &flags)
    })?;
    step("tests", || cargo(&[&["test"], &WHOLE[..]].concat(), &[]))?;
    if everything {
        step("the command line without its features", command_line)?;
        step("the library without threads", without_threads)?;
    }
    let chosen = if everything { &[][..] } else { &python::QUICK };
    step("the Python package", || {
        match python.join().expect("making an environment does not panic")? {
            Some((environment, core)) => {
                environment.check(&core, &mut python::tested_example(), chosen)
            }
            None => Ok(()),
        }
    })?;
    eprintln!("{}", if everything { "everything holds" } else { "it holds" });
    Ok(())
}

/// What needs the network, or one core, while what is compiled for the tests has not enough to do for two.
fn prepare_python(everything: bool) -> anyhow::Result<Option<(Environment, Core)>> {
    let Some(environment) = python::prepare()? else { return Ok(None) };
    environment.check_types()?;
    let core = if everything { Core::Wheel(environment.build()?) } else { Core::Dev };
    Ok(Some((environment, core)))
}

/// Alone: with the rest of the workspace, other features of Burn would have to be compiled for it. It is linted and not run: of what it
/// still has, the tests of the whole say the same, and the library would be compiled once more for a test of one sentence.
fn command_line() -> anyhow::Result<()> {
    cargo(&[&["clippy", "--package", "detloss-cli"], &LINT[..]].concat(), &[])
}

/// All that differs is in one file; that results do not depend on threads is a test of the conformance suite. The lints look at what is
/// left without kernels.
fn without_threads() -> anyhow::Result<()> {
    let alone = ["--package", "detloss", "--no-default-features"];
    cargo(&[&["clippy"], &alone[..], &LINT[1..]].concat(), &[])?;
    cargo(&[&["check", "--features", "kernels"], &alone[..]].concat(), &[])?;
    let quick = ["--config", "profile.dev.package.detloss.opt-level=0"];
    cargo(&[&["test", "--lib", "parallel"], &alone[..], &quick].concat(), &[])
}

fn step(what: &str, check: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    eprintln!("── {what}");
    let start = Instant::now();
    check().with_context(|| format!("{what} failed"))?;
    eprintln!("── {what}: {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// `cargo fmt` does not see the files that the lists declare by a macro: rustfmt gets them by name.
fn format() -> anyhow::Result<()> {
    cargo(&["fmt", "--all", "--check"], &[])?;
    let files = losses::ALL.iter().map(|entry| entry.file);
    let files = files.chain(matching::ALL.iter().map(|entry| entry.file));
    let files = files.chain(criteria::ALL.iter().map(|entry| entry.file));
    let status = Command::new("rustfmt")
        .args(["--edition", "2024", "--check"])
        .args(files)
        .current_dir(root())
        .status()?;
    ensure!(
        status.success(),
        "some files of the lists are not formatted: run rustfmt --edition 2024 crates/detloss/src/losses/*/*.rs crates/detloss/src/{{matching,criteria}}/*.rs"
    );
    Ok(())
}
