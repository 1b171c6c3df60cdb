//! The command line of detloss.

#![forbid(unsafe_code)]

mod chain;
mod choice;
mod cli;
#[allow(dead_code, unused_imports, reason = "for the command audit, which is still to come")]
mod coco;
mod commands;
mod doc;
mod experiments;
mod format;
#[allow(dead_code, reason = "for the command audit, which is still to come")]
mod output;
#[allow(dead_code, reason = "for the command audit, which is still to come")]
mod plot;
#[allow(dead_code, reason = "for the command audit, which is still to come")]
mod report;
mod table;
mod text;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    output::finish(commands::run(cli::Cli::parse()))
}
