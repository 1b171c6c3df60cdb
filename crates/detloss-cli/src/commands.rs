//! What each command does.

mod audit;
mod check;
mod completions;
mod criteria;
mod curves;
mod eval;
mod explain;
mod list;
mod man;
mod matching;
#[cfg(feature = "train")]
mod predict;
mod race;
mod race_ap;
#[cfg(feature = "train")]
mod train;
#[cfg(feature = "train")]
mod val;

use std::time::Instant;

use crate::cli::{Cli, Command};
use crate::output::{CliError, detail};

/// Does what was said on the command line.
pub(crate) fn run(cli: Cli) -> Result<(), CliError> {
    let start = Instant::now();
    if let Some(file) = &cli.config {
        detail(format_args!("settings of {}", file.display()));
    }
    detail(format_args!(
        "detloss {} on {} threads, kernels for {}",
        env!("CARGO_PKG_VERSION"),
        rayon::current_num_threads(),
        detloss::batch::Level::best().name()
    ));
    let done = dispatch(cli);
    detail(format_args!("{:.2} s", start.elapsed().as_secs_f64()));
    done
}

fn dispatch(cli: Cli) -> Result<(), CliError> {
    match cli.command {
        Command::List(args) => list::run(&args, cli.json),
        Command::Explain(args) => explain::run(&args, cli.json),
        Command::Eval(args) => eval::run(&args, cli.json),
        Command::Curves(args) => curves::run(&args, cli.json),
        Command::Race(args) => race::run(&args, cli.json),
        Command::RaceAp(args) => race_ap::run(&args, cli.json),
        Command::Check(args) => check::run(&args, cli.json),
        Command::Audit(args) => audit::run(&args, cli.json),
        Command::Criteria(args) => criteria::run(&args, cli.json),
        Command::Match(args) => matching::run(&args, cli.json),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        #[cfg(feature = "train")]
        Command::Train(args) => train::run(&args, cli.json),
        #[cfg(feature = "train")]
        Command::Val(args) => val::run(&args, cli.json),
        #[cfg(feature = "train")]
        Command::Predict(args) => predict::run(&args, cli.json),
        #[cfg(not(feature = "train"))]
        Command::Train(_) | Command::Val(_) | Command::Predict(_) => Err(CliError::Usage(
            "train, val and predict are not in this build: `cargo run --release --features train -- train` has them, or \
             `cargo install --path crates/detloss-cli --features train`"
                .to_owned(),
        )),
    }
}
