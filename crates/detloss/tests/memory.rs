//! A fused call needs its inputs, its outputs, and nothing that grows with the batch.

use detloss::batch::{Element, Kernel, Target, Weights};
use detloss::loss::Scope;
use detloss::losses::Entry;
use detloss::operand::Kind;
use detloss::testing::Random;
use detloss::{Batch, losses};
use half::f16;

/// The most bytes a call may have in use at once, for a batch of any length: a tile of every operand, converted.
const MOST: u64 = 64 << 10;

/// The registers of the interpreter and a larger tile, for a formula without kernels.
const MOST_INTERPRETED: u64 = MOST + (64 << 10) + (64 << 10);

/// The most bytes besides that a loss of whole batches has in use for every number of its prediction, and for every byte of it: it
/// sorts, and what it leaves out it moves together.
const PER_NUMBER: u64 = 80;
const PER_BYTE: u64 = 5;

/// The classes of a row.
const COLUMNS: usize = 8;

/// The most bytes in use at once while `call` runs.
fn peak<R>(call: impl FnOnce() -> detloss::Result<R>) -> u64 {
    let mut result = None;
    let peak = allocation_counter::measure(|| result = Some(call())).bytes_max;
    assert!(result.is_some_and(|result| result.is_ok()), "a call that fits");
    peak
}

/// Labels that are half positives: the most that a ranking has to keep.
fn whole_batch<T: Element>(entry: &Entry, rows: usize) {
    let loss = entry.make();
    let columns = if entry.signature.pred.is_row() { COLUMNS } else { 1 };
    let pred: Vec<T> = (0..rows * entry.signature.pred.width(columns))
        .map(|i| T::from_f64((i * 37 % 101) as f64 / 50.0))
        .collect();
    let target: Vec<T> = (0..rows * entry.signature.target.width(columns))
        .map(|i| T::from_f64((i % 2) as f64))
        .collect();
    let weights: Vec<T> = (0..rows).map(|row| T::from_f64((row % 3).min(1) as f64)).collect();
    let mut grad = vec![T::default(); pred.len()];
    let batch = Batch::new(&pred, &target).columns(columns).threads(false);
    let most = MOST + pred.len() as u64 * (PER_NUMBER + PER_BYTE * size_of::<T::Compute>() as u64);
    let check = |what: &str, bytes: u64| {
        let per_number = bytes as f64 / pred.len() as f64;
        assert!(bytes <= most, "{}, {what}: {bytes} bytes, {per_number} per number", entry.name);
    };
    check("value", peak(|| batch.value(&loss)));
    check("gradient", peak(|| batch.value_and_grad_into(&loss, &mut grad)));
    let chosen = batch.weights(Weights::Rows(&weights));
    check("some left out", peak(|| chosen.value_and_grad_into(&loss, &mut grad)));
}

/// The most that a ranking has in use besides its gradient, where a score in a hundred is a positive: this part of the gradient.
const PER_GRADIENT: f64 = 0.2;

/// And if it puts its positives in the order of their qualities as well.
const PER_GRADIENT_SORTING: f64 = 0.35;

/// Scores out of order, as a detector has them.
fn few_positives<T: Element>(entry: &Entry, rows: usize) {
    let loss = entry.make();
    let numbers = rows * entry.signature.pred.fields().len();
    let mut random = Random::new(1);
    let pred: Vec<T> = (0..numbers).map(|_| T::from_f64(random.between(0.0, 4.0))).collect();
    let labels: Vec<T> =
        (0..rows).map(|row| T::from_f64(f64::from(u8::from(row % 100 == 0)))).collect();
    let mut grad = vec![T::default(); numbers];
    let batch = Batch::new(&pred, &labels).threads(false);
    let bytes = peak(|| batch.value_and_grad_into(&loss, &mut grad));
    let most = if entry.name == "rank_sort" { PER_GRADIENT_SORTING } else { PER_GRADIENT };
    let of_gradient = bytes as f64 / size_of_val(&grad[..]) as f64;
    assert!(of_gradient <= most, "{}: {of_gradient} of a gradient besides", entry.name);
}

fn every_call<T: Element>(entry: &Entry, rows: usize) {
    let loss = entry.make();
    let columns = if entry.signature.pred.fields().len() > 1 { 1 } else { COLUMNS };
    let numbers = |count: usize| vec![T::from_f64(0.5); count];
    let per_row = |kind: Kind| if kind.is_row() { columns } else { kind.fields().len() * columns };
    let (pred, weights) = (numbers(rows * per_row(entry.signature.pred)), numbers(rows));
    let target = numbers(if entry.signature.pred.is_row() {
        rows * entry.signature.target.width(columns)
    } else {
        rows * per_row(entry.signature.target)
    });
    let classes = vec![1_i64; rows];
    let mut grad = numbers(pred.len());
    let mut units = numbers(if entry.signature.pred.is_row() { rows } else { rows * columns });
    let dense = Batch::new(&pred, &target).columns(columns).threads(false);
    let weighted = dense.weights(Weights::Rows(&weights)).weighted_mean();
    // A formula that is interpreted is traced once, and its tape is kept.
    dense.value(&loss).and_then(|_| dense.value_and_grad_into(&loss, &mut grad)).unwrap();
    let most = if loss.is_interpreted() { MOST_INTERPRETED } else { MOST };
    let check = |what: &str, bytes: u64| {
        assert!(bytes <= most, "{}, {what}: {bytes} bytes besides inputs and outputs", entry.name);
    };
    check("value", peak(|| dense.value(&loss)));
    check("gradient", peak(|| dense.value_and_grad_into(&loss, &mut grad)));
    check("weights", peak(|| weighted.value_and_grad_into(&loss, &mut grad)));
    check("rows", peak(|| dense.values_and_grad_into(&loss, None, &mut units, &mut grad)));
    if entry.signature.target.is_label() {
        let of_class = Batch::new(&pred, Target::Classes(&classes)).columns(columns).threads(false);
        let peak = peak(|| of_class.value_and_grad_into(&loss, &mut grad));
        check("class indices", peak);
    }
}

#[test]
fn a_call_needs_no_memory_that_grows_with_the_batch() {
    for entry in losses::ALL.iter().filter(|entry| entry.signature.scope != Scope::Set) {
        for rows in [10, 100_000] {
            every_call::<f32>(entry, rows);
            every_call::<f64>(entry, rows);
            every_call::<f16>(entry, rows);
        }
    }
}

#[test]
fn a_ranking_of_few_positives_needs_half_a_gradient_besides() {
    for name in ["ap", "alrp", "rank_sort"] {
        let entry = losses::find(name).unwrap();
        few_positives::<f32>(entry, 1_000_000);
        few_positives::<f64>(entry, 1_000_000);
    }
}

#[test]
fn a_loss_of_whole_batches_needs_memory_in_proportion_to_the_batch() {
    for entry in losses::ALL.iter().filter(|entry| entry.signature.scope == Scope::Set) {
        for rows in [10, 100_000] {
            whole_batch::<f32>(entry, rows);
            whole_batch::<f64>(entry, rows);
            whole_batch::<f16>(entry, rows);
        }
    }
}
