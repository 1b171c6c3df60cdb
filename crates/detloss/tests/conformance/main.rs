//! What holds for every loss of the list. No loss is named here: a new one is tested the moment it is in the list.

mod backends;
mod batches;
mod cancelled;
mod classes;
mod documents;
mod errors;
mod facts;
mod gradients;
mod halves;
mod labels;
mod lengths;
mod modified;
mod params;
mod reproducible;
mod sets;
mod states;
mod traced;
mod traced_sets;
mod ugly;

use detloss::batch::{Kernel, Level};
use detloss::loss::Scope;
use detloss::testing::{Rows, nasty, ordinary, tested};

/// Losses and gradients of every unit, in `f32`, with these instructions.
fn at_level(loss: &(impl Kernel + ?Sized), rows: &Rows, level: Level) -> (Vec<f32>, Vec<f32>) {
    let memory = rows.memory::<f32>();
    let (mut values, mut grad) = (vec![0.0; rows.len()], vec![0.0; memory.pred.len()]);
    memory.batch().level(level).values_and_grad_into(loss, None, &mut values, &mut grad).unwrap();
    (values, grad)
}

/// The same in `f64`.
fn in_f64(loss: &(impl Kernel + ?Sized), rows: &Rows) -> (Vec<f64>, Vec<f64>) {
    let memory = rows.memory::<f64>();
    let (mut values, mut grad) = (vec![0.0; rows.len()], vec![0.0; memory.pred.len()]);
    memory.batch().values_and_grad_into(loss, None, &mut values, &mut grad).unwrap();
    (values, grad)
}

/// Ordinary rows and ugly ones, mixed.
fn mixed(entry: &detloss::losses::Entry, count: usize) -> Rows {
    let (plain, ugly) = (ordinary(entry, count, 3), nasty(entry));
    let mut rows = plain.like();
    for unit in 0..count {
        let (from, unit) =
            if unit % 3 == 2 { (&ugly, unit * 7 % ugly.len()) } else { (&plain, unit) };
        rows.push(&*from.what[unit], from.pred_of(unit), from.target_of(unit));
    }
    rows
}

/// The losses with a value for every unit: all that are not of whole batches.
fn of_units() -> impl Iterator<Item = &'static detloss::losses::Entry> {
    tested().iter().filter(|entry| entry.signature.scope != Scope::Set)
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn the_list_is_not_empty() {
    assert!(!tested().is_empty());
}
