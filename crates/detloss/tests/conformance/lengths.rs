//! Rows of logits may have any length; lanes have sixteen places.

use detloss::Batch;
use detloss::batch::{Level, Target, Weights};
use detloss::losses::Entry;
use detloss::testing::{Random, Tolerance, assert_close};

use crate::of_units;

const ROWS: usize = 3;

/// The losses of rows whose target may be a class.
fn of_classes() -> impl Iterator<Item = &'static Entry> {
    of_units().filter(|entry| entry.signature.pred.is_row() && entry.signature.target.is_label())
}

/// In `f64` there is one place, so nothing is padded there.
#[test]
fn rows_of_every_length_agree_with_f64() {
    for entry in of_classes() {
        let (loss, mut random) = (entry.make(), Random::new(67));
        for columns in 1..=50 {
            // Far below 0, so that a 0 in a place behind the end would be the largest logit.
            let logits: Vec<f64> =
                (0..ROWS * columns).map(|_| random.between(-24.0, -16.0)).collect();
            let by_column: Vec<f64> = (0..columns).map(|_| random.between(0.25, 2.0)).collect();
            let soft: Vec<f64> = (0..ROWS * columns).map(|_| random.between(0.0, 0.1)).collect();
            let classes: Vec<i64> = (0..ROWS).map(|_| random.below(columns) as i64).collect();
            let weights = [0.5, 1.0, 2.0];
            let narrow = |wide: &[f64]| wide.iter().map(|&x| x as f32).collect::<Vec<_>>();
            let (logits32, soft32) = (narrow(&logits), narrow(&soft));
            let (by_column32, weights32) = (narrow(&by_column), narrow(&weights));
            for level in Level::available() {
                for (target, target32) in [
                    (Target::Classes(&classes), Target::Classes(&classes)),
                    (Target::Dense(&soft), Target::Dense(&soft32)),
                ] {
                    let wide =
                        Batch::new(&logits, target).columns(columns).column_weights(&by_column);
                    let wide = wide.weights(Weights::Rows(&weights));
                    let lanes = Batch::new(&logits32, target32).columns(columns).level(level);
                    let lanes =
                        lanes.column_weights(&by_column32).weights(Weights::Rows(&weights32));
                    let (value, grad) = lanes.value_and_grad(&loss).unwrap();
                    let (expected, slopes) = wide.value_and_grad(&loss).unwrap();
                    let what = format!("{} at {level}, {columns} columns", entry.name);
                    assert_close(value, expected, Tolerance::F32, &what);
                    assert_eq!(
                        lanes.value(&loss).unwrap(),
                        value,
                        "{what}: with and without gradient"
                    );
                    for (index, (&got, &expected)) in grad.iter().zip(&slopes).enumerate() {
                        assert_close(
                            got.into(),
                            expected,
                            Tolerance::F32,
                            &format!("{what}: slope {index}"),
                        );
                    }
                }
            }
        }
    }
}

/// A vocabulary: one row is more than the work of one thread otherwise is.
#[test]
fn rows_may_be_longer_than_a_chunk() {
    let columns = 70_001;
    let logits = vec![0.5_f32; ROWS * columns];
    for entry in of_classes() {
        let loss = entry.make();
        let value = |logits: &[f32], classes: &[i64], columns: usize| {
            Batch::new(logits, Target::Classes(classes)).columns(columns).value(&loss).unwrap()
        };
        let one = value(&logits[..columns], &[7], columns);
        assert!(one > 10.0, "{}: {one}", entry.name);
        assert_close(value(&logits, &[0, 1, 2], columns), one, Tolerance::LAW, &entry.name);
    }
}
