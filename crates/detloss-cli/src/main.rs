//! The command line of detloss.

#![forbid(unsafe_code)]

mod call;
mod chain;
mod choice;
mod cli;
mod commands;
mod doc;
mod experiments;
mod format;
mod input;
mod output;
mod plot;
mod random;
mod report;
mod score;
mod table;
mod text;
#[cfg(feature = "train")]
mod training;

use std::process::ExitCode;

fn main() -> ExitCode {
    match call::read() {
        Ok(cli) => output::finish(commands::run(cli)),
        Err(code) => code,
    }
}
