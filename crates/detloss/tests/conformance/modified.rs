//! Batches of modified losses: their programs, followed in lanes.

use detloss::batch::{Interpreted, Kernel as _, Level, Weights};
use detloss::losses::{AnyLoss, Entry};
use detloss::testing::{Rows, Tolerance, assert_close, modified, nasty, ordinary, tested};

use crate::{at_level, bits, in_f64, mixed};

fn each(check: impl Fn(&'static Entry, &AnyLoss)) {
    for entry in tested() {
        modified(entry).iter().for_each(|loss| check(entry, loss));
    }
}

/// Every value, and every slope, in plain numbers.
fn by_the_program(loss: &AnyLoss, rows: &Rows) -> (Vec<f64>, Vec<f64>) {
    let program = loss.trace(true).expect("a modified loss is a formula");
    let (mut values, mut grad) = (Vec::new(), Vec::new());
    for unit in 0..rows.len() {
        let outputs = program.run(&[rows.pred_of(unit), rows.target_of(unit)].concat());
        values.push(outputs[0]);
        grad.extend(&outputs[1..]);
    }
    (values, grad)
}

#[test]
fn a_batch_is_the_program_of_every_unit() {
    each(|entry, loss| {
        let rows = ordinary(entry, 37, 3);
        let expected = by_the_program(loss, &rows);
        assert_eq!(in_f64(loss, &rows), expected, "{loss}");
        // Tapes that are found again by their key.
        assert_eq!(in_f64(&Interpreted(loss.clone()), &rows), expected, "{loss}, once more");
        for level in Level::available() {
            let (values, grad) = at_level(loss, &rows, level);
            let of_values = values.iter().zip(&expected.0).map(|pair| (pair, "value"));
            let of_slopes = grad.iter().zip(&expected.1).map(|pair| (pair, "slope"));
            for ((&found, &expected), what) in of_values.chain(of_slopes) {
                let what = format!("{what} of {loss} at {level}");
                assert_close(found.into(), expected, Tolerance::F32, &what);
            }
        }
    });
}

#[test]
fn ugly_batches_are_finite_at_every_level() {
    each(|entry, loss| {
        let rows = nasty(entry);
        for level in Level::available() {
            let (values, grad) = at_level(loss, &rows, level);
            assert!(values.iter().chain(&grad).all(|x| x.is_finite()), "{loss} at {level}");
        }
    });
}

#[test]
fn nan_stays_in_its_row() {
    each(|entry, loss| {
        let rows = mixed(entry, 35);
        let mut sick = rows.clone();
        sick.pred[6 * 4 + 1] = f64::NAN;
        for level in Level::available() {
            let ((values, grad), healthy) =
                (at_level(loss, &sick, level), at_level(loss, &rows, level));
            assert!(values[6].is_nan(), "{loss} at {level}");
            for unit in (0..35).filter(|&unit| unit != 6) {
                let of_unit = unit * 4..unit * 4 + 4;
                assert_eq!(values[unit].to_bits(), healthy.0[unit].to_bits(), "{loss} at {level}");
                assert_eq!(bits(&grad[of_unit.clone()]), bits(&healthy.1[of_unit]), "{loss}");
            }
        }
    });
}

#[test]
fn weights_and_normalizer_are_those_of_any_batch() {
    each(|entry, loss| {
        let rows = ordinary(entry, 21, 7);
        let (memory, (values, slopes)) = (rows.memory::<f64>(), by_the_program(loss, &rows));
        let weights: Vec<f64> = (0..21).map(|unit| f64::from(unit % 4)).collect();
        let batch = memory.batch().weights(Weights::Rows(&weights)).normalizer(8.0);
        let (value, grad) = batch.value_and_grad(loss).unwrap();
        let sum: f64 = values.iter().zip(&weights).map(|(value, weight)| value * weight).sum();
        assert_close(value, sum / 8.0, Tolerance::LAW, loss);
        assert_close(batch.value(loss).unwrap(), sum / 8.0, Tolerance::LAW, loss);
        for (index, &slope) in grad.iter().enumerate() {
            let expected = slopes[index] * weights[index / 4] / 8.0;
            assert_close(slope, expected, Tolerance::LAW, &format!("slope of {loss}"));
        }
    });
}
