//! Laws between losses.

mod boxes;
mod boxes3d;
mod functions;
mod masks;
mod pairwise;
mod rotated;
mod rows;
mod scores;
mod values;

use detloss::Batch;
use detloss::batch::Kernel as _;
use detloss::losses::AnyLoss;
use detloss::losses::find;
use detloss::testing::{Rows, Tolerance, assert_close, ordinary};

fn loss(name: &str, params: &[(&str, f64)]) -> AnyLoss {
    find(name).and_then(|entry| entry.with(params)).unwrap_or_else(|error| panic!("{error}"))
}

/// Losses and gradients of every row.
fn of(loss: &AnyLoss, rows: &Rows) -> (Vec<f64>, Vec<f64>) {
    let memory = rows.memory::<f64>();
    let (mut values, mut grad) = (vec![0.0; rows.len()], vec![0.0; memory.pred.len()]);
    memory.batch().values_and_grad_into(loss, None, &mut values, &mut grad).unwrap();
    (values, grad)
}

fn one(loss: &AnyLoss, pred: &[f64], target: &[f64]) -> (f64, Vec<f64>) {
    let columns = if loss.signature().pred.is_row() { pred.len() } else { 1 };
    Batch::new(pred, target).columns(columns).sum().value_and_grad(loss).unwrap()
}

/// Two losses with the same values and slopes.
fn assert_same(left: &AnyLoss, right: &AnyLoss, rows: &Rows, what: &str) {
    let (left, right) = (of(left, rows), of(right, rows));
    for (unit, (&left, &right)) in left.0.iter().zip(&right.0).enumerate() {
        assert_close(left, right, Tolerance::LAW, &format!("{what}: {}", rows.what[unit]));
    }
    for (index, (&left, &right)) in left.1.iter().zip(&right.1).enumerate() {
        assert_close(
            left,
            right,
            Tolerance::LAW,
            &format!("{what}, slope: {}", rows.what[index / rows.width()]),
        );
    }
}

fn inputs(name: &str) -> Rows {
    ordinary(find(name).unwrap(), 400, 61)
}
