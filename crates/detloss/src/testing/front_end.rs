//! The checks that make sense for any front-end.

use super::{Rows, Tolerance, assert_close, cases, nasty, ordinary, tested};
use crate::loss::Entry;

/// What a front-end is asked for: the loss of every unit by itself, and its gradient by the prediction.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The loss.
    pub entry: &'static Entry,
    /// Its parameters, the others at their defaults.
    pub params: &'a [(&'a str, f64)],
    /// The inputs.
    pub rows: &'a Rows,
}

/// What a front-end answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response {
    /// The loss of every unit.
    pub values: Vec<f64>,
    /// Its gradient by every number of the prediction.
    pub grad: Vec<f64>,
}

/// Something that computes losses.
pub trait FrontEnd {
    /// Losses and gradients; None if this front-end does not do this loss.
    fn run(&self, request: Request<'_>) -> Option<Response>;
}

impl Request<'_> {
    /// The answer of the crate itself, in `f64`.
    ///
    /// # Panics
    ///
    /// If the parameters or the rows are not the loss's.
    #[must_use]
    pub fn reference(&self) -> Response {
        let loss = self.entry.with(self.params).unwrap_or_else(|error| panic!("{error}"));
        let memory = self.rows.memory::<f64>();
        let mut response =
            Response { values: vec![0.0; self.rows.len()], grad: vec![0.0; memory.pred.len()] };
        memory
            .batch()
            .rows_and_grad_into(&*loss, None, &mut response.values, &mut response.grad)
            .unwrap_or_else(|error| panic!("{error}"));
        response
    }
}

/// Holds a front-end to what the crate is held to, loss by loss (those that are [`tested`]), and returns how many losses it does.
///
/// # Panics
///
/// If it does not keep up.
pub fn check(front_end: &impl FrontEnd, tolerance: Tolerance) -> usize {
    tested().iter().filter(|entry| check_loss(front_end, tolerance, entry)).count()
}

fn check_loss(front_end: &impl FrontEnd, tolerance: Tolerance, entry: &'static Entry) -> bool {
    let name = entry.name;
    for (case, rows) in cases(entry) {
        let Some(response) = front_end.run(Request { entry, params: case.params, rows: &rows })
        else {
            return false;
        };
        let tolerance = Tolerance {
            absolute: tolerance.absolute.max(Tolerance::CASE.absolute),
            relative: tolerance.relative.max(Tolerance::CASE.relative),
        };
        assert_close(
            response.values[0],
            case.value,
            tolerance,
            &format!("{name}, case {:?}", case.what),
        );
    }
    let rows = ordinary(entry, 100, 1);
    let request = Request { entry, params: &[], rows: &rows };
    let Some(response) = front_end.run(request) else { return false };
    let reference = request.reference();
    assert_eq!(response.values.len(), rows.len(), "{name}: one loss per unit");
    assert_eq!(
        response.grad.len(),
        rows.pred.len(),
        "{name}: one slope per number of the prediction"
    );
    let whole = |unit: usize| {
        format!(
            "{name}, {}: {:?} against {:?}",
            rows.what[unit],
            rows.pred_of(unit),
            rows.target_of(unit)
        )
    };
    for (unit, (&got, &expected)) in response.values.iter().zip(&reference.values).enumerate() {
        assert_close(got, expected, tolerance, &format!("value of {}", whole(unit)));
    }
    for (index, (&got, &expected)) in response.grad.iter().zip(&reference.grad).enumerate() {
        assert_close(
            got,
            expected,
            tolerance,
            &format!("slope of {}", whole(index / rows.width())),
        );
    }
    let rows = nasty(entry);
    let response = front_end.run(Request { entry, params: &[], rows: &rows }).unwrap_or_default();
    for (unit, value) in response.values.iter().enumerate() {
        assert!(value.is_finite(), "{name}: {} is worth {value}", rows.what[unit]);
    }
    for (index, slope) in response.grad.iter().enumerate() {
        assert!(slope.is_finite(), "{name}: {} has slope {slope}", rows.what[index / rows.width()]);
    }
    assert_eq!(response.values.len(), rows.len(), "{name}: one loss per unit");
    true
}
