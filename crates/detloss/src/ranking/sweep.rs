//! Sums of steps, for one query after the other.

use std::iter::Peekable;

use super::exact::Exact;

/// A place with a weight; 1 if none is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) at: f64,
    pub(super) weight: Option<f64>,
}

/// Shows Σₖ wₖ H(pₖ − q) for each query q. Points and queries come in descending order.
///
/// Points at q + δ and above count in full. Those above q − δ are on the rise of the step, where the sum is linear in their number
/// and the sum of their places. While neither of the two borders passes a point, it is linear in q as well.
pub(super) fn sweep(
    points: impl Iterator<Item = Point> + Clone,
    queries: impl Iterator<Item = f64>,
    delta: f64,
    mut show: impl FnMut(f64),
) {
    let (mut full, mut reached) = (Border::new(points.clone()), Border::new(points));
    let mut line = Line { from: 0.0, sum: 0.0, slope: 0.0 };
    for query in queries {
        let mut passed = full.pass(|at| at - query >= delta);
        if delta > 0.0 {
            passed |= reached.pass(|at| at - query > -delta);
        }
        if passed {
            line = Line { from: query, sum: full.above.weight.value(), slope: 0.0 };
            if delta > 0.0 {
                let weight = reached.above.weight.minus(full.above.weight);
                let moment = reached.above.moment.minus(full.above.moment);
                let rise = moment.minus(weight.times(query)).plus(weight.times(delta));
                line.sum += rise.value() / (2.0 * delta);
                line.slope = weight.value() / (2.0 * delta);
            }
        }
        show(line.sum + line.slope * (line.from - query));
    }
}

/// The sum as a function of the query: it grows as the query falls.
struct Line {
    from: f64,
    sum: f64,
    slope: f64,
}

/// What lies above a border that moves down.
struct Border<I: Iterator<Item = Point>> {
    points: Peekable<I>,
    above: Moments,
}

/// Σ w and Σ w p.
#[derive(Default)]
struct Moments {
    weight: Exact,
    moment: Exact,
}

impl<I: Iterator<Item = Point>> Border<I> {
    fn new(points: I) -> Self {
        Self { points: points.peekable(), above: Moments::default() }
    }

    /// Moves down as long as `is_above` says so; whether it passed a point.
    #[inline(always)]
    fn pass(&mut self, is_above: impl Fn(f64) -> bool) -> bool {
        let mut passed = false;
        while let Some(Point { at, weight }) = self.points.next_if(|point| is_above(point.at)) {
            match weight {
                Some(weight) => {
                    self.above.weight.add(weight);
                    self.above.moment.add_product(weight, at);
                }
                None => {
                    self.above.weight.add_one();
                    self.above.moment.add(at);
                }
            }
            passed = true;
        }
        passed
    }
}
