//! The checks that make sense for any front-end.

use super::request::{Request, Response, shaped};
use super::{Tolerance, assert_close, cases, nasty, ordinary, tested};
use crate::losses::Entry;

/// Something that computes losses.
pub trait FrontEnd {
    /// Losses and gradients; None if this front-end does not do this loss.
    fn run(&self, request: &Request<'_>) -> Option<Response>;
}

/// A front-end that is asked for one group at a time, without saying so: the batch is whole.
#[derive(Clone, Copy, Debug)]
pub struct GroupByGroup<F>(pub F);

impl<F: FrontEnd> FrontEnd for GroupByGroup<F> {
    fn run(&self, request: &Request<'_>) -> Option<Response> {
        let Some(groups) = request.by_group() else { return self.0.run(request) };
        let width =
            request.pred.numbers.len() / groups.iter().map(|(rows, _)| rows.len()).sum::<usize>();
        let mut all = Response { values: Vec::new(), grad: vec![0.0; request.pred.numbers.len()] };
        for (rows, request) in groups {
            let Response { values, grad } = self.0.run(&request)?;
            all.values.extend(values);
            for (row, slopes) in rows.into_iter().zip(grad.chunks(width)) {
                all.grad[row * width..][..width].copy_from_slice(slopes);
            }
        }
        Some(all)
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
        let Some(response) = front_end.run(&Request::new(entry, case.params, &rows)) else {
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
    let request = Request::new(entry, &[], &rows);
    let Some(response) = front_end.run(&request) else { return false };
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
    let response = front_end.run(&Request::new(entry, &[], &rows)).unwrap_or_default();
    for (unit, value) in response.values.iter().enumerate() {
        assert!(value.is_finite(), "{name}: {} is worth {value}", rows.what[unit]);
    }
    for (index, slope) in response.grad.iter().enumerate() {
        assert!(slope.is_finite(), "{name}: {} has slope {slope}", rows.what[index / rows.width()]);
    }
    assert_eq!(response.values.len(), rows.len(), "{name}: one loss per unit");
    true
}

/// Holds a front-end of tensors to what it is asked for in tensors of rank 1 to 4, with weights of every form, groups, and class
/// indices of every integer width; returns how many requests it answered.
///
/// # Panics
///
/// If it does not keep up.
pub fn check_tensors(front_end: &impl FrontEnd, tolerance: Tolerance) -> usize {
    let mut count = 0;
    for request in requests() {
        let what = format!("{}, {}", request.entry.name, request.what);
        let Some(response) = front_end.run(&request) else { continue };
        count += 1;
        let reference = request.reference();
        let pairs = [
            ("value", &response.values, &reference.values),
            ("partial derivative", &response.grad, &reference.grad),
        ];
        for (which, got, expected) in pairs {
            assert_eq!(got.len(), expected.len(), "{what}: one for every {which}");
            for (index, (&got, &expected)) in got.iter().zip(expected).enumerate() {
                assert_close(got, expected, tolerance, &format!("{what}: {which} {index}"));
            }
        }
    }
    count
}

/// What [`check_tensors`] asks.
pub fn requests() -> impl Iterator<Item = Request<'static>> {
    tested().iter().flat_map(shaped)
}

/// How many requests [`check_tensors`] has of these losses.
#[must_use]
pub fn count_requests(of: impl Fn(&Entry) -> bool) -> usize {
    requests().filter(|request| of(request.entry)).count()
}
