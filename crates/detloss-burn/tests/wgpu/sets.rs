//! Losses of whole batches.

use std::thread;

use burn::tensor::{DType, Tensor};
use detloss::batch::{Target, Weights};
use detloss::losses::{ALL, Entry};
use detloss::testing::{Tolerance, assert_close};
use detloss_burn::{Batch, Loss, Threads};

use crate::on_tensors::{OnTensors, numbers};
use crate::{agree, is_of_sets, on, turn};

/// Four rows of two columns for a loss of whole batches, and numbers or classes for them.
struct Small {
    on: OnTensors,
    loss: Loss,
    entry: &'static Entry,
    target: Vec<f64>,
}

const FOUR_ROWS: [f64; 8] = [0.5, -1.0, 2.0, 0.25, -0.5, 1.5, 1.0, 0.0];

/// All that stay on the device.
fn small_sets() -> impl Iterator<Item = Small> {
    ALL.iter().filter(|entry| is_of_sets(entry)).map(|entry| {
        let target: &[f64] = match entry.signature.pred.is_row() {
            true => &[0.0, 1.0, 1.0, 0.0],
            false => &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0],
        };
        let loss = Loss::find(entry.name).unwrap();
        Small { on: on(DType::F32), loss, entry, target: target.to_vec() }
    })
}

impl Small {
    fn batch(&self, pred: Tensor<2>, target: &[f64]) -> Batch<2> {
        match self.entry.signature.pred.is_row() {
            true => Batch::new(pred, self.on.tensor(target, [4])),
            false => Batch::new(pred, self.on.tensor(target, [4, 2])),
        }
    }

    fn core(&self) -> detloss::Batch<'_, f64> {
        detloss::Batch::new(&FOUR_ROWS, &self.target).columns(2)
    }
}

#[test]
fn whole_batches_mean_the_same() {
    let _turn = turn();
    for small in small_sets() {
        let (entry, pred) = (small.entry, || small.on.tensor(&FOUR_ROWS, [4, 2]));
        agree(
            entry.name,
            pred(),
            |pred| small.batch(pred, &small.target).normalizer(2.5).value(&small.loss),
            small.core().normalizer(2.5).value_and_grad(&entry.make()),
        );
        let weights = [1.0, 0.0, 1.0, 1.0];
        agree(
            entry.name,
            pred(),
            |pred| {
                let batch = small.batch(pred, &small.target).weighted_mean();
                batch.weights(small.on.tensor(&weights, [4])).value(&small.loss) * -2.0
            },
            small
                .core()
                .weights(Weights::Rows(&weights))
                .grad_output(-2.0)
                .value_and_grad(&entry.make())
                .map(|(value, grad)| (-2.0 * value, grad)),
        );
        if entry.signature.takes().class_indices {
            let core = detloss::Batch::new(&FOUR_ROWS, Target::Classes(&[1, 9, 0, 1])).columns(2);
            agree(
                entry.name,
                pred(),
                |pred| {
                    let classes = small.on.integers(&[1, 9, 0, 1], [4]);
                    Batch::new(pred, classes).ignore_index(9).sum().value(&small.loss)
                },
                core.ignore_index(9).sum().value_and_grad(&entry.make()),
            );
        }
        let none = small.batch(pred(), &small.target).weights(small.on.tensor(&[0.0; 4], [4]));
        assert_eq!(numbers(&none.value(&small.loss)), [0.0], "{}", entry.name);
        let values = small.batch(pred(), &small.target).values(&small.loss);
        assert_eq!(values.dims(), [1], "{}", entry.name);
    }
}

/// Nothing is read back: what is no target, or no weight, is NaN. What is left out may hold anything.
#[test]
fn a_whole_batch_is_not_looked_at() {
    let _turn = turn();
    for small in small_sets() {
        let name = small.entry.name;
        let value = |first: f64, target: &[f64], weight: f64| {
            let pred = [&[first], &FOUR_ROWS[1..]].concat();
            let batch = small.batch(small.on.tensor(&pred, [4, 2]), target);
            let batch = batch.weights(small.on.tensor(&[weight, 1.0, 1.0, 1.0], [4]));
            numbers(&batch.value(&small.loss))[0]
        };
        let expected = value(0.5, &small.target, 0.0);
        assert_close(value(f64::NAN, &small.target, 0.0), expected, Tolerance::EXACT, &name);
        assert!(value(f64::NAN, &small.target, 1.0).is_nan(), "{name}: a prediction");
        assert!(value(0.5, &small.target, 0.5).is_nan(), "{name}: a weight");
        if small.entry.signature.target.is_label() {
            for bad in [255.0, -0.5, f64::NAN] {
                let target = [&[bad], &small.target[1..]].concat();
                assert!(value(0.5, &target, 1.0).is_nan(), "{name}: a target of {bad}");
            }
        }
    }
}

/// What several devices have is one batch.
#[test]
fn replicas_are_brought_together() {
    let _turn = turn();
    for small in small_sets() {
        let Small { loss, entry, target, .. } = &small;
        let (expected, slopes) = small.core().value_and_grad(&entry.make()).unwrap();
        let per_row = target.len() / 4;
        let run = |rank: Threads, rows: std::ops::Range<usize>| {
            let (on, count) = (on(DType::F32), rows.len());
            let pred = &FOUR_ROWS[2 * rows.start..2 * rows.end];
            let pred: Tensor<2> = on.tensor(pred, [count, 2]).require_grad();
            let target = &target[per_row * rows.start..per_row * rows.end];
            let batch = match per_row {
                1 => Batch::new(pred.clone(), on.tensor(target, [count])),
                _ => Batch::new(pred.clone(), on.tensor(target, [count, 2])),
            };
            let value = batch.replicas(rank).value(loss);
            (numbers(&value)[0], numbers(&pred.grad(&value.backward()).unwrap()))
        };
        let parts: Vec<_> = thread::scope(|scope| {
            let ranks = Threads::new(2).into_iter().zip([0..1, 1..4]);
            let run = &run;
            let threads: Vec<_> =
                ranks.map(|(rank, rows)| scope.spawn(move || run(rank, rows))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (value, _) in &parts {
            assert_close(*value, expected, Tolerance::F32, &entry.name);
        }
        let got = parts.into_iter().flat_map(|(_, grad)| grad);
        for (got, slope) in got.zip(slopes) {
            assert_close(got, slope, Tolerance::F32, &entry.name);
        }
    }
}
