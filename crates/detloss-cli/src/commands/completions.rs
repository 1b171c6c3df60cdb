//! `detloss completions`: what a shell completes.

use crate::call;
use crate::cli::CompletionsArgs;
use crate::output::{CliError, print};

/// Prints the completions of a shell.
pub(crate) fn run(args: &CompletionsArgs) -> Result<(), CliError> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut call::command(), "detloss", &mut text);
    print(&String::from_utf8_lossy(&text))
}
