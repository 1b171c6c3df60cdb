//! Replicas that each have a part of a batch learn what one process learns of the whole.

use std::thread;

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{DType, Tensor};
use detloss::testing::{Tolerance, assert_close};
use detloss_burn::{Batch, Loss, Replicas, Threads};

use crate::{device, numbers, tensor};

const ROWS: usize = 7;
const INPUTS: [f64; 3 * ROWS] = [
    0.5, 1.0, -0.5, 2.0, 0.25, 1.5, -1.0, 0.75, 0.1, 1.25, -2.0, 0.3, 0.9, -0.4, 0.6, -0.8, 1.1,
    0.2, 0.7, 0.05, -1.3,
];
const LABELS: [f64; ROWS] = [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0];
const WEIGHTS: [f64; ROWS] = [1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0];

fn model() -> Linear {
    let linear = LinearConfig::new(3, 1).with_bias(false).init(&device());
    Linear { weight: Param::from_tensor(tensor(&[0.7, -0.3, 1.1], [3, 1], DType::F64)), ..linear }
}

/// What is asked of a batch, whoever has it.
type Reduced = fn(Batch<1>, positives: f64) -> Batch<1>;

/// The value and the gradient by the weights of the model, of some of the rows.
fn learn(
    model: &Linear,
    rows: std::ops::Range<usize>,
    loss: &Loss,
    reduced: Reduced,
    replicas: Option<Threads>,
) -> (f64, Vec<f64>) {
    let count = rows.len();
    let inputs = tensor(&INPUTS[3 * rows.start..3 * rows.end], [count, 3], DType::F64);
    let labels = tensor(&LABELS[rows.clone()], [count], DType::F64);
    let scores: Tensor<1> = model.forward(inputs).flatten(0, 1);
    let positives = LABELS[rows.clone()].iter().sum();
    let batch = Batch::new(scores, labels).weights(tensor(&WEIGHTS[rows], [count], DType::F64));
    let batch = reduced(batch, positives);
    let batch = match replicas {
        Some(replicas) => batch.replicas(replicas),
        None => batch,
    };
    let value = batch.value(loss);
    let slopes = numbers(&model.weight.grad(&value.clone().backward()).unwrap());
    (value.into_scalar::<f64>(), slopes)
}

/// Both replicas' values and gradients.
fn in_parts(loss: &Loss, at: usize, reduced: Reduced) -> Vec<(f64, Vec<f64>)> {
    let (model, ranks) = (model(), Threads::new(2));
    thread::scope(|scope| {
        let threads: Vec<_> = [0..at, at..ROWS]
            .into_iter()
            .zip(ranks)
            .map(|(rows, rank)| {
                let model = model.clone().fork(&device());
                scope.spawn(move || learn(&model, rows, loss, reduced, Some(rank)))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn equal_one_process(name: &str, reduced: Reduced, value_of_all: impl Fn(&[f64]) -> f64) {
    let loss = Loss::find(name).unwrap();
    let (value, slopes) = learn(&model(), 0..ROWS, &loss, reduced, None);
    assert!(slopes.iter().any(|slope| *slope != 0.0));
    // The second time one of them has no positives, the third time nothing.
    for at in [3, 6, 7] {
        let parts = in_parts(&loss, at, reduced);
        let values: Vec<f64> = parts.iter().map(|(value, _)| *value).collect();
        let what = format!("{name}, first {at} rows apart");
        assert_close(value_of_all(&values), value, Tolerance::LAW, &what);
        for (index, &slope) in slopes.iter().enumerate() {
            let sum = parts.iter().map(|(_, slopes)| slopes[index]).sum();
            assert_close(sum, slope, Tolerance::LAW, &format!("slope {index} of {what}"));
        }
    }
}

fn sum(values: &[f64]) -> f64 {
    values.iter().sum()
}

#[test]
fn a_mean_is_over_all_rows() {
    equal_one_process("focal", |batch, _| batch.mean(), sum);
}

#[test]
fn a_weighted_mean_is_over_all_weights() {
    equal_one_process("focal", |batch, _| batch.weighted_mean(), sum);
}

#[test]
fn positives_are_counted_together() {
    equal_one_process("focal", |batch, positives| batch.normalizer(positives), sum);
}

#[test]
fn a_sum_is_a_sum() {
    equal_one_process("bce", |batch, _| batch.sum(), sum);
}

#[test]
fn scores_are_ranked_together() {
    for name in ["ap", "rank_sort", "dr", "balanced_ce", "ghm_c"] {
        equal_one_process(
            name,
            |batch, _| batch.mean(),
            |values| {
                assert_eq!(values[0], values[1], "{name}: each has the value of all");
                values[0]
            },
        );
    }
}

/// Each has the mean, and so the value, of the boxes of all.
#[test]
fn a_running_mean_is_of_all_rows() {
    let pred = [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 5.0, 4.0, 1.0, 1.0, 2.0, 3.0];
    let truth = [0.0, 0.0, 2.0, 1.0, 2.5, 1.5, 5.0, 5.0, 1.0, 1.0, 4.0, 3.0];
    let step = |rows: std::ops::Range<usize>, replicas: Option<Threads>| {
        let part = 4 * rows.start..4 * rows.end;
        let pred = tensor::<2>(&pred[part.clone()], [rows.len(), 4], DType::F64).require_grad();
        let truth = tensor::<2>(&truth[part], [rows.len(), 4], DType::F64);
        let batch = Batch::new(pred.clone(), truth);
        let batch = match replicas {
            Some(replicas) => batch.replicas(replicas),
            None => batch,
        };
        let (loss, mut state) = (Loss::find("wiou_v3(momentum=0.5)").unwrap(), vec![1.0]);
        let value = batch.step(&loss, &mut state);
        let slopes = numbers(&pred.grad(&value.clone().backward()).unwrap());
        (value.into_scalar::<f64>(), slopes, state)
    };
    let (value, slopes, state) = step(0..3, None);
    let parts: Vec<_> = thread::scope(|scope| {
        let step = &step;
        let threads: Vec<_> = [0..1, 1..3]
            .into_iter()
            .zip(Threads::new(2))
            .map(|(rows, rank)| scope.spawn(move || step(rows, Some(rank))))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (of_part, _, after) in &parts {
        assert_eq!((of_part, after), (&value, &state));
    }
    assert_eq!([&parts[0].1[..], &parts[1].1[..]].concat(), slopes);
}

#[test]
fn without_replicas_a_ranking_is_another_one() {
    let loss = Loss::find("ap").unwrap();
    let whole = learn(&model(), 0..ROWS, &loss, |batch, _| batch.mean(), None);
    let part = learn(&model(), 0..3, &loss, |batch, _| batch.mean(), None);
    assert_ne!(whole.0, part.0);
}

#[test]
fn numbers_are_gathered_in_order() {
    let ranks = Threads::new(3);
    thread::scope(|scope| {
        for rank in ranks {
            scope.spawn(move || {
                for step in 0..50 {
                    let own = vec![rank.rank() as f64; rank.rank() + step % 2];
                    let expected: Vec<Vec<f64>> =
                        (0..3).map(|other| vec![other as f64; other + step % 2]).collect();
                    assert_eq!(rank.gather(own), expected);
                }
            });
        }
    });
}
