//! Modified losses, by their programs in plain numbers.

mod facts;
mod laws;
mod walk;
mod writing;

use detloss::batch::Kernel as _;
use detloss::losses::{self, AnyLoss, Entry};
use detloss::operand::Kind;
use detloss::scalar::Scalar;
use detloss::testing::Rows;

/// The losses of two boxes.
fn boxes() -> impl Iterator<Item = &'static Entry> {
    losses::ALL
        .iter()
        .filter(|entry| (entry.signature.pred, entry.signature.target) == (Kind::Box, Kind::Box))
}

fn loss(text: &str) -> AnyLoss {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// The value of every row with its slopes, computed in numbers of one kind.
fn of<S: Scalar + Into<f64>>(loss: &AnyLoss, rows: &Rows, number: fn(f64) -> S) -> Vec<Vec<f64>> {
    let program = loss.trace(true).expect("a loss of boxes is a formula");
    let of_unit = |unit| {
        let inputs = [rows.pred_of(unit), rows.target_of(unit)].concat();
        let outputs = program.run(&inputs.into_iter().map(number).collect::<Vec<_>>());
        outputs.into_iter().map(Into::into).collect()
    };
    (0..rows.len()).map(of_unit).collect()
}

/// The value of one pair with its slopes.
fn one(text: &str, pred: &[f64], target: &[f64]) -> Vec<f64> {
    loss(text).trace(true).expect("a loss of boxes is a formula").run(&[pred, target].concat())
}
