//! A fused call needs its inputs, its outputs, and nothing that grows with the batch.

use detloss::batch::{Element, Target, Weights};
use detloss::geometry::Fields;
use detloss::loss::{Entry, Scope};
use detloss::{Batch, losses};
use half::f16;

/// The most bytes a call may have in use at once, for a batch of any length: a tile of every operand, converted.
const MOST: u64 = 64 << 10;

/// The classes of a row.
const COLUMNS: usize = 8;

/// The most bytes in use at once while `call` runs.
fn peak<R>(call: impl FnOnce() -> detloss::Result<R>) -> u64 {
    let mut result = None;
    let peak = allocation_counter::measure(|| result = Some(call())).bytes_max;
    assert!(result.is_some_and(|result| result.is_ok()), "a call that fits");
    peak
}

fn every_call<T: Element>(entry: &Entry, rows: usize) {
    let loss = entry.make();
    let columns = if entry.family == "boxes" { 1 } else { COLUMNS };
    let numbers = |count: usize| vec![T::from_f64(0.5); count];
    let per_row =
        |fields: Fields| if fields.is_row { columns } else { fields.names.len() * columns };
    let (pred, weights) = (numbers(rows * per_row(entry.pred)), numbers(rows));
    let target = numbers(if entry.pred.is_row {
        rows * entry.target.width(columns)
    } else {
        rows * per_row(entry.target)
    });
    let classes = vec![1_i64; rows];
    let mut grad = numbers(pred.len());
    let mut units = numbers(if entry.pred.is_row { rows } else { rows * columns });
    let dense = Batch::new(&pred, &target).columns(columns).threads(false);
    let weighted = dense.weights(Weights::Rows(&weights)).weighted_mean();
    let check = |what: &str, bytes: u64| {
        assert!(bytes <= MOST, "{}, {what}: {bytes} bytes besides inputs and outputs", entry.name);
    };
    check("value", peak(|| dense.value(&*loss)));
    check("gradient", peak(|| dense.value_and_grad_into(&*loss, &mut grad)));
    check("weights", peak(|| weighted.value_and_grad_into(&*loss, &mut grad)));
    check("rows", peak(|| dense.rows_and_grad_into(&*loss, None, &mut units, &mut grad)));
    if entry.target.is_label {
        let of_class = Batch::new(&pred, Target::Classes(&classes)).columns(columns).threads(false);
        let peak = peak(|| of_class.value_and_grad_into(&*loss, &mut grad));
        check("class indices", peak);
    }
}

#[test]
fn a_call_needs_no_memory_that_grows_with_the_batch() {
    for entry in losses::ALL.iter().filter(|entry| entry.scope != Scope::Set) {
        for rows in [10, 100_000] {
            every_call::<f32>(entry, rows);
            every_call::<f64>(entry, rows);
            every_call::<f16>(entry, rows);
        }
    }
}
