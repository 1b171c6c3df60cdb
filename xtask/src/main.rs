//! The habits of the house, as a program: `cargo xtask --help`.

mod burn;
mod ci;
mod generate;
mod new;
mod pages;
mod tidy;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The habits of the house, as a program")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that has to hold: format, lints, documentation, generated files, manners, tests.
    Ci,
    /// Writes what is generated: a page per loss, the tables of losses, the figures of the guide.
    Gen {
        /// Writes nothing; fails where a file would change.
        #[arg(long)]
        check: bool,
    },
    /// Starts a new loss: its file from the template, and its line in the list.
    New {
        /// The family: boxes, values or scores.
        family: String,
        /// The id, in snake case.
        name: String,
    },
    /// Checks the manners of the tree: sizes of files, stray files, names of losses, unsafe code.
    Tidy,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Ci => ci::run(),
        Command::Gen { check } => generate::run(check),
        Command::New { family, name } => new::run(&family, &name),
        Command::Tidy => tidy::run(),
    }
}

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}
