//! A batch is its rows, weighted and added up.

use detloss::Batch;
use detloss::batch::{Level, Weights};
use detloss::losses::Entry;
use detloss::testing::{Memory, Tolerance, assert_close, ordinary, tested};

use crate::{at_level, bits, in_f64, mixed, of_units};

#[test]
fn every_tail_is_computed_like_its_rows_one_by_one() {
    for entry in tested() {
        let (loss, rows) = (entry.make(), mixed(entry, 33));
        for level in Level::available() {
            let alone: Vec<_> =
                (0..33).map(|unit| at_level(&loss, &rows.only(unit), level)).collect();
            for count in 0..=33 {
                let (values, grad) = at_level(&loss, &rows.first(count), level);
                for unit in 0..count {
                    let what = format!(
                        "{} at {level}, row {unit} of {count}: {}",
                        entry.name, rows.what[unit]
                    );
                    let slopes = &grad[unit * rows.width()..][..rows.width()];
                    assert_eq!(bits(&values[unit..=unit]), bits(&alone[unit].0), "{what}");
                    assert_eq!(bits(slopes), bits(&alone[unit].1), "{what}");
                }
            }
        }
    }
}

/// Around the edges of lanes, tiles and chunks, padding adds nothing and nothing is lost.
#[test]
fn the_value_is_the_sum_of_the_rows() {
    for entry in tested() {
        let loss = entry.make();
        let few = ordinary(entry, 37, 29);
        for count in
            [1, 15, 16, 17, 31, 33, 255, 256, 257, 1023, 1024, 1025, 16_384, 16_385, 65_553]
        {
            let memory = few.cycle(count).memory::<f32>();
            let batch = memory.batch().sum();
            let rows = batch.values(&loss).unwrap();
            let sum: f64 = rows.iter().map(|&x| f64::from(x)).sum();
            let (with_grad, grad) = batch.value_and_grad(&loss).unwrap();
            let what = format!("{}, {count} rows", entry.name);
            assert_eq!(rows.len(), count, "{what}");
            assert_close(batch.value(&loss).unwrap(), sum, Tolerance::SUM_F32, &what);
            assert_close(with_grad, sum, Tolerance::SUM_F32, &what);
            let width = few.width();
            let period = &grad[..few.pred.len().min(grad.len())];
            assert_eq!(grad.len(), count * width, "{what}");
            for (index, slope) in grad.iter().enumerate() {
                assert_eq!(
                    slope.to_bits(),
                    period[index % (37 * width)].to_bits(),
                    "{what}: slope {index} is that of its row"
                );
            }
        }
    }
}

/// How many units of these tests share a row, and with it a weight.
fn columns_of(entry: &Entry) -> usize {
    if entry.signature.pred.is_row() { 1 } else { 3 }
}

/// Every way to weigh a batch of sixty units, with the weight that each unit then has.
fn weighted(entry: &Entry, batch: Batch<'_, f64>, each: impl Fn(&str, Batch<'_, f64>, &[f64])) {
    let columns = columns_of(entry);
    let by_row: Vec<f64> = (0..60 / columns).map(|row| [0.0, 0.5, 2.0, 1.25][row % 4]).collect();
    let by_element: Vec<f64> = (0..60).map(|unit| [1.5, 0.0, 0.25, 3.0, 1.0][unit % 5]).collect();
    let by_column = [0.5, 2.0, 0.75];
    let of_rows: Vec<f64> = (0..60).map(|unit| by_row[unit / columns]).collect();
    each("no weights", batch, &[1.0; 60]);
    each("per row", batch.weights(Weights::Rows(&by_row)), &of_rows);
    each("per element", batch.weights(Weights::Elements(&by_element)), &by_element);
    if !entry.signature.pred.is_row() {
        let both: Vec<f64> =
            (0..60).map(|unit| of_rows[unit] * by_column[unit % columns]).collect();
        each(
            "per row and column",
            batch.weights(Weights::Rows(&by_row)).column_weights(&by_column),
            &both,
        );
    }
}

/// The numbers of sixty units, computed with plain loops, and the batch they come from.
struct Plain {
    entry: &'static Entry,
    memory: Memory<f64>,
    values: Vec<f64>,
    grad: Vec<f64>,
    width: usize,
}

impl Plain {
    fn new(entry: &'static Entry) -> Self {
        let rows = ordinary(entry, 60, 31);
        let (values, grad) = in_f64(&entry.make(), &rows);
        Self { entry, memory: rows.memory(), values, grad, width: rows.width() }
    }

    fn batch(&self) -> Batch<'_, f64> {
        let batch = self.memory.batch();
        if self.entry.signature.pred.is_row() {
            batch
        } else {
            batch.columns(columns_of(self.entry))
        }
    }

    /// The gradient by every number, `factor(unit)` times.
    fn assert_grad(&self, got: &[f64], factor: impl Fn(usize) -> f64, what: &str) {
        assert_eq!(got.len(), self.grad.len(), "{what}");
        for (index, &slope) in got.iter().enumerate() {
            let expected = self.grad[index] * factor(index / self.width);
            assert_close(slope, expected, Tolerance::LAW, &format!("{what}: slope {index}"));
        }
    }
}

#[test]
fn weights_multiply_normalizers_divide_and_upstream_slopes_multiply_the_gradient() {
    for entry in of_units() {
        let (loss, plain) = (entry.make(), Plain::new(entry));
        weighted(entry, plain.batch(), |how, batch, weights| {
            let sum: f64 =
                weights.iter().zip(&plain.values).map(|(weight, value)| weight * value).sum();
            for (reduction, batch, divisor) in [
                ("sum", batch.sum(), 1.0),
                ("mean", batch.mean(), 60.0),
                ("weighted mean", batch.weighted_mean(), weights.iter().sum()),
                ("by a number", batch.normalizer(7.5), 7.5),
            ] {
                let what = format!("{}, {how}, {reduction}", entry.name);
                assert_close(batch.divisor(&loss).unwrap(), divisor, Tolerance::LAW, &what);
                assert_close(batch.value(&loss).unwrap(), sum / divisor, Tolerance::LAW, &what);
                let (value, grad) = batch.grad_output(-2.5).value_and_grad(&loss).unwrap();
                assert_close(
                    value,
                    sum / divisor,
                    Tolerance::LAW,
                    &format!("{what}: grad_output leaves the value alone"),
                );
                plain.assert_grad(&grad, |unit| weights[unit] * -2.5 / divisor, &what);
                // A loss that can be negative has no root.
                if sum > 0.0 {
                    let (mut grad, expected) = (vec![7.0; grad.len()], (sum / divisor).sqrt());
                    let root = batch.grad_output(3.0).root_and_grad_into(&loss, &mut grad).unwrap();
                    assert_close(root, expected, Tolerance::LAW, &format!("{what}: root"));
                    plain.assert_grad(
                        &grad,
                        |unit| weights[unit] * 1.5 / divisor / expected,
                        &format!("{what}: root"),
                    );
                }
            }
        });
    }
}

#[test]
fn rows_are_weighed_but_not_normalized_and_have_a_slope_each() {
    for entry in of_units() {
        let (loss, plain) = (entry.make(), Plain::new(entry));
        let grad_output: Vec<f64> = (0..60).map(|unit| 0.25 * f64::from(unit) - 3.0).collect();
        weighted(entry, plain.batch(), |how, batch, weights| {
            let what = format!("{}, {how}", entry.name);
            let (mut rows, mut grad) = (vec![7.0; 60], vec![7.0; plain.grad.len()]);
            let batch = batch.weighted_mean().grad_output(0.5);
            batch.values_and_grad_into(&loss, Some(&grad_output), &mut rows, &mut grad).unwrap();
            assert_eq!(rows, batch.values(&loss).unwrap(), "{what}: with and without gradient");
            for unit in 0..60 {
                assert_close(
                    rows[unit],
                    weights[unit] * plain.values[unit],
                    Tolerance::LAW,
                    &format!("{what}: row {unit}"),
                );
            }
            plain.assert_grad(&grad, |unit| weights[unit] * grad_output[unit] * 0.5, &what);
        });
    }
}

/// Lanes weigh like plain numbers do.
#[test]
fn weights_reach_the_lanes_they_belong_to() {
    for entry in of_units() {
        let (loss, rows) = (entry.make(), ordinary(entry, 53, 37));
        let memory = rows.memory::<f32>();
        // Powers of two: multiplying by them rounds nothing.
        let weights: Vec<f32> =
            (0..53).map(|unit| [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0][unit % 7]).collect();
        for level in Level::available() {
            let (values, grad) = at_level(&loss, &rows, level);
            let batch = memory.batch().level(level).weights(Weights::Elements(&weights));
            let (mut got, mut slopes) = (vec![7.0; 53], vec![7.0; grad.len()]);
            batch.values_and_grad_into(&loss, None, &mut got, &mut slopes).unwrap();
            for unit in 0..53 {
                let what = format!("{} at {level}, row {unit}", entry.name);
                assert_eq!(got[unit], values[unit] * weights[unit], "{what}");
                for index in unit * rows.width()..(unit + 1) * rows.width() {
                    assert_eq!(slopes[index], grad[index] * weights[unit], "{what}: slope {index}");
                }
            }
        }
    }
}
