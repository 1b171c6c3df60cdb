//! What a loss of whole batches leaves behind for tensors, computed on all rows and columns at once, is what its kernel computes.

use detloss::Batch;
use detloss::batch::{Kernel as _, Weights};
use detloss::losses::AnyLoss;
use detloss::operand::LEFT_OUT;
use detloss::testing::{
    FrontEnd, GroupByGroup, Random, Request, Response, check, check_tensors, count_requests,
    ordinary, tested,
};

use crate::traced::{CLOSE, assert_same, follow, losses};

fn is_traced(loss: &AnyLoss) -> bool {
    loss.trace_set(false).is_some()
}

/// A batch as a program takes it: rows of so many columns, and 1 or 0 for each number.
struct Inputs {
    columns: usize,
    pred: Vec<f64>,
    target: Vec<f64>,
    counts: Vec<f64>,
}

impl Inputs {
    /// Where a prediction is a row, `target` is its class.
    fn new(
        loss: &AnyLoss,
        columns: usize,
        pred: &[f64],
        target: &[f64],
        is_out: impl Fn(usize) -> bool,
    ) -> Self {
        let is_row = loss.signature().pred.is_row();
        let item = |place: usize| if is_row { place / columns } else { place };
        let is_out = |place: usize| is_out(item(place)) || target[item(place)] == LEFT_OUT;
        let written = |place: usize| match is_row {
            true => f64::from(u8::from(target[item(place)] == (place % columns) as f64)),
            false => target[place],
        };
        let each = |of: &dyn Fn(usize) -> f64| {
            (0..pred.len()).map(|place| if is_out(place) { 0.0 } else { of(place) }).collect()
        };
        Self {
            columns,
            pred: each(&|place| pred[place]),
            target: each(&written),
            counts: each(&|_| 1.0),
        }
    }

    /// The value and its slopes.
    fn follow(self, loss: &AnyLoss) -> (f64, Vec<f64>) {
        let (columns, inputs) = (self.columns, [self.pred, self.target, self.counts]);
        let outputs = follow(&loss.trace_set(true).unwrap(), &inputs, columns);
        let alone = follow(&loss.trace_set(false).unwrap(), &inputs, columns);
        let [value, slopes] = outputs.try_into().expect("a value and its slopes");
        assert_eq!(alone.len(), 1, "a value alone");
        assert_eq!(alone[0][0].to_bits(), value[0].to_bits(), "the same without a gradient");
        assert!(value.iter().all(|each| each.to_bits() == value[0].to_bits()), "one value");
        (value[0], slopes)
    }
}

struct OnSets;

impl FrontEnd for OnSets {
    fn run(&self, request: &Request<'_>) -> Option<Response> {
        let Request { entry, params, pred, target, .. } = request;
        let signature = entry.signature;
        let loss = entry.with(params).unwrap();
        loss.trace_set(false)?;
        let shapes =
            signature.shapes(&pred.dims, &target.dims, request.integers.is_some()).unwrap();
        let columns = shapes.columns;
        let mut labels = target.numbers.clone();
        if shapes.class_indices && !signature.pred.is_row() {
            let of_row = |class: &f64| {
                let class = *class;
                (0..columns).map(move |column| f64::from(u8::from(class == column as f64)))
            };
            labels = target.numbers.iter().flat_map(of_row).collect();
        }
        let items = labels.len();
        let is_out = |item: usize| {
            let weights = request.weights.as_ref().map(|weights| &weights.numbers);
            let weight = weights.map(|weights| weights[item * weights.len() / items]);
            let row = item * target.numbers.len() / items;
            let ignored = request.ignore_index.map(|class| class as f64);
            weight == Some(0.0) || ignored == Some(target.numbers[row])
        };
        let inputs = Inputs::new(&loss, columns, &pred.numbers, &labels, is_out);
        let (value, grad) = inputs.follow(&loss);
        Some(Response { values: vec![value], grad })
    }
}

#[test]
fn sets_agree_with_the_kernel() {
    let count = tested().iter().filter(|entry| is_traced(&entry.make())).count();
    assert_eq!(check(&GroupByGroup(OnSets), CLOSE), count);
}

#[test]
fn sets_of_every_shape_with_every_option_agree_with_the_kernel() {
    let count = count_requests(|entry| is_traced(&entry.make()));
    assert_eq!(check_tensors(&GroupByGroup(OnSets), CLOSE), count);
}

/// Numbers of a batch of twelve rows.
fn batch_of(loss: &AnyLoss, seed: u64) -> (usize, Vec<f64>, Vec<f64>) {
    let rows = ordinary(loss.entry(), 2, seed);
    (rows.columns, rows.pred.clone(), rows.target)
}

fn compare(loss: &AnyLoss, columns: usize, pred: &[f64], target: &[f64], weights: &[f64]) {
    let what = format!("{loss}, {pred:?} against {target:?}, weights {weights:?}");
    let batch = Batch::new(pred, target).columns(columns).weights(Weights::Rows(weights));
    let (value, slopes) = batch.value_and_grad(loss).unwrap();
    let inputs = Inputs::new(loss, columns, pred, target, |item| weights[item] == 0.0);
    let (got, got_slopes) = inputs.follow(loss);
    assert_same(got, value, &what);
    // Of a loss without a value there are slopes of any kind.
    if value.is_finite() {
        for (&got, &slope) in got_slopes.iter().zip(&slopes) {
            assert_same(got, slope, &format!("a slope of {what}"));
        }
    }
}

#[test]
fn sets_agree_with_the_kernel_at_all_parameters() {
    let mut random = Random::new(17);
    for loss in losses(is_traced) {
        for seed in 1..4 {
            let (columns, mut pred, target) = batch_of(&loss, seed);
            let weights: Vec<f64> = (0..12).map(|_| random.below(2) as f64).collect();
            compare(&loss, columns, &pred, &target, &[1.0; 12]);
            compare(&loss, columns, &pred, &target, &weights);
            // One class, or one label, for all.
            let same = vec![target[0].abs(); target.len()];
            compare(&loss, columns, &pred, &same, &[1.0; 12]);
            pred.iter_mut().for_each(|number| *number *= 100.0);
            compare(&loss, columns, &pred, &target, &weights);
        }
    }
}

#[test]
fn where_nothing_counts_there_is_no_loss() {
    for loss in losses(is_traced) {
        let (columns, pred, target) = batch_of(&loss, 1);
        let inputs = Inputs::new(&loss, columns, &pred, &target, |_| true);
        let (value, slopes) = inputs.follow(&loss);
        assert_eq!(value, 0.0, "{loss}");
        assert!(slopes.iter().all(|&slope| slope == 0.0), "{loss}: {slopes:?}");
    }
}

#[test]
fn what_is_not_finite_is_what_it_is_for_the_kernel() {
    for loss in losses(is_traced) {
        let (columns, pred, target) = batch_of(&loss, 2);
        for bad in [f64::NEG_INFINITY, f64::INFINITY, f64::NAN] {
            for place in 0..2 * columns {
                let mut pred = pred.clone();
                pred[place] = bad;
                compare(&loss, columns, &pred, &target, &[1.0; 12]);
            }
        }
    }
}
