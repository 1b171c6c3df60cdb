//! Sums of steps, for one query after the other.

use std::iter::Peekable;

use super::double_double::DoubleDouble;
use crate::parallel::Work;

/// A place with a weight; 1 if none is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) at: f64,
    pub(super) weight: Option<f64>,
}

/// Scores with their weights as seen from above, where the steps of those below are counted: what ascends descends.
pub(super) fn from_above<'a>(
    scores: &'a [f64],
    weights: &'a [f64],
) -> impl Iterator<Item = Point> + Clone + 'a {
    scores.iter().zip(weights).map(|(&at, &weight)| Point { at: -at, weight: Some(weight) })
}

/// Shows Σₖ wₖ H(pₖ − q) for each query q, until the work is cancelled. Points and queries come in descending order.
///
/// Points at q + δ and above count in full. Those above q − δ are on the rise of the step, where the sum is linear in their number
/// and the sum of their places. While neither of the two breakpoints passes a point, it is linear in q as well.
pub(super) fn sweep(
    points: impl Iterator<Item = Point> + Clone,
    queries: impl Iterator<Item = f64>,
    delta: f64,
    work: Work<'_>,
    mut show: impl FnMut(f64),
) {
    let (mut full, mut reached) = (Border::new(points.clone()), Border::new(points));
    let mut line = Line::default();
    for query in queries {
        if work.is_cancelled() {
            return;
        }
        let mut passed = full.pass(|at| at - query >= delta);
        if delta > 0.0 {
            passed |= reached.pass(|at| at - query > -delta);
        }
        if passed {
            line = Line::new(query, full.above, reached.above, delta);
        }
        show(line.at(query));
    }
}

/// The sum as a function of the query: it grows as the query falls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Line {
    from: f64,
    pub(super) sum: f64,
    pub(super) slope: f64,
}

impl Line {
    /// From this query on, by the points that count in full and the points that a step reaches, those among them.
    #[inline(always)]
    pub(super) fn new(query: f64, full: Moments, reached: Moments, delta: f64) -> Self {
        let mut line = Self { from: query, sum: full.weight.value(), slope: 0.0 };
        if delta > 0.0 {
            let weight = reached.weight.minus(full.weight);
            let moment = reached.moment.minus(full.moment);
            let rise = moment.minus(weight.times(query)).plus(weight.times(delta));
            line.sum += rise.value() / (2.0 * delta);
            line.slope = weight.value() / (2.0 * delta);
        }
        line
    }

    #[inline(always)]
    pub(super) fn at(self, query: f64) -> f64 {
        self.sum + self.slope * (self.from - query)
    }
}

/// Σ w and Σ w p.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    pub(super) weight: DoubleDouble,
    pub(super) moment: DoubleDouble,
}

impl Moments {
    #[inline(always)]
    pub(super) fn add(&mut self, Point { at, weight }: Point) {
        match weight {
            Some(weight) => {
                self.weight.add(weight);
                self.moment.add_product(weight, at);
            }
            None => {
                self.weight.add_whole(1.0);
                self.moment.add(at);
            }
        }
    }
}

/// What lies above a breakpoint that moves down.
struct Border<I: Iterator<Item = Point>> {
    points: Peekable<I>,
    above: Moments,
}

impl<I: Iterator<Item = Point>> Border<I> {
    fn new(points: I) -> Self {
        Self { points: points.peekable(), above: Moments::default() }
    }

    /// Moves down as long as `is_above` says so; whether it passed a point.
    #[inline(always)]
    fn pass(&mut self, is_above: impl Fn(f64) -> bool) -> bool {
        let mut passed = false;
        while let Some(point) = self.points.next_if(|point| is_above(point.at)) {
            self.above.add(point);
            passed = true;
        }
        passed
    }
}
