//! Developer tasks: `cargo xtask --help`.

mod burn;
mod cargo;
mod ci;
mod circles;
mod generate;
mod new;
mod pages;
mod python;
mod stubs;
mod tidy;
mod try_out;
mod wgpu;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer tasks")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The test command: repository checks, generated files, format, lints, documentation, tests, the Python package.
    Ci {
        /// Adds what takes long and rarely tells anything new: the wheel of the Python package, and lints of the losses on a GPU,
        /// and of the command line and the library with other features.
        #[arg(long)]
        everything: bool,
    },
    /// Writes what is generated: a page per loss, the tables of losses, the modules for Burn, the types for Python.
    Gen {
        /// Writes nothing; fails where a file would change.
        #[arg(long)]
        check: bool,
        /// Also draws the figures of the guide, for which the command line is built.
        #[arg(long, conflicts_with = "check")]
        figures: bool,
    },
    /// Starts a new loss: its file from the template, and its line in the list.
    New {
        /// The family: boxes, rotated, boxes3d, values or scores.
        family: String,
        /// The id, in snake case.
        name: String,
    },
    /// Builds the wheel of the Python package, installs it into a virtual environment, tests it and checks its types.
    Python,
    /// Runs the repository checks: sizes of files, stray files, circles of imports, names of losses, unsafe code.
    Tidy,
    /// Tries one loss: generates its page and its modules, and runs the conformance tests of it alone, in the core and in the front-ends
    /// that are built.
    Try {
        /// The id of the loss.
        name: String,
    },
    /// Tests the losses on a GPU, or on a Vulkan driver in software.
    Wgpu,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Ci { everything } => ci::run(everything),
        Command::Gen { check, figures } => {
            generate::run(check)?;
            if figures { generate::draw() } else { Ok(()) }
        }
        Command::New { family, name } => new::run(&family, &name),
        Command::Python => python::run(),
        Command::Tidy => tidy::run(),
        Command::Try { name } => try_out::run(&name),
        Command::Wgpu => wgpu::run(),
    }
}

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}
