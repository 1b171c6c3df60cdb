//! The command line of detloss.

#![forbid(unsafe_code)]

mod chain;
mod choice;
mod cli;
mod coco;
mod commands;
mod doc;
mod format;
mod output;
#[allow(dead_code, reason = "for the command audit, which is still to come")]
mod plot;
mod report;
mod table;
mod text;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    output::finish(commands::run(cli::Cli::parse()))
}
