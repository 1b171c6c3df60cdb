//! Losses whose gradient is written by hand, and the overlap of rotated boxes, against slow definitions written straight from their
//! papers: double loops, in `f64`.

mod duals;
mod masks;
mod ranking;
mod reweighting;
mod rotated;
mod rows;
mod wise;

use detloss::Batch;
use detloss::batch::Level;
use detloss::losses::find;
use detloss::testing::{Tolerance, assert_close};

/// What a definition says: the value, and the gradient by every number of the prediction.
type Definition = (f64, Vec<f64>);

/// Holds the loss called `name` to what its definition says of one set or one row of `columns`: in `f64`, and at every level in
/// `f32`, for inputs that `f32` can hold.
#[track_caller]
fn hold(
    name: &str,
    params: &[(&str, f64)],
    (pred, target, columns): (&[f64], &[f64], usize),
    (value, grad): &Definition,
    what: &str,
) {
    let loss = find(name).unwrap().with(params).unwrap();
    let (got, slopes) =
        Batch::new(pred, target).columns(columns).sum().value_and_grad(&loss).unwrap();
    let what = format!("{name} {params:?}, {what}");
    let wide = Tolerance { absolute: 1e-14, relative: 1e-12 };
    assert_same((got, &slopes), (*value, grad), wide, &what);
    let narrow = |numbers: &[f64]| numbers.iter().map(|&x| x as f32).collect::<Vec<_>>();
    let (pred, target) = (narrow(pred), narrow(target));
    for level in Level::available() {
        let batch = Batch::new(&pred, &target).columns(columns).level(level).sum();
        let (got, slopes) = batch.value_and_grad(&loss).unwrap();
        let slopes: Vec<f64> = slopes.into_iter().map(f64::from).collect();
        let what = format!("{what} at {level}");
        assert_same((got, &slopes), (*value, grad), Tolerance::F32, &what);
    }
}

/// The same value and the same slopes; a slope may be off by as much as the largest one allows.
#[track_caller]
fn assert_same(got: (f64, &[f64]), expected: (f64, &[f64]), tolerance: Tolerance, what: &str) {
    assert_close(got.0, expected.0, tolerance, &what);
    assert_eq!(got.1.len(), expected.1.len(), "{what}");
    let largest = expected.1.iter().fold(0.0_f64, |largest, slope| largest.max(slope.abs()));
    let absolute = tolerance.absolute + tolerance.relative * largest;
    for (index, (&got, &slope)) in got.1.iter().zip(expected.1).enumerate() {
        let tolerance = Tolerance { absolute, ..tolerance };
        assert_close(got, slope, tolerance, &format!("{what}: slope {index}"));
    }
}
