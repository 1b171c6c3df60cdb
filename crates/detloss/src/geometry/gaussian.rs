//! Rotated boxes as normal distributions.

use super::Rotated;
use super::rotated::turned_back;
use crate::scalar::{Scalar, lit};

/// A side or a distance counts as at least 1 / this and at most this, in units of the size of the other box; a side as no less
/// than 1 / this in the units of the boxes. 2²⁰, about a million.
const LIMIT: f64 = 1_048_576.0;

/// Two rotated boxes as normal distributions: the mean is the centre, the standard deviations are proportional to the sides.
///
/// Lengths are in units of W + H of the second box, so that powers of them stay finite. Distances are sums of terms that are
/// not negative and vanish each by itself where the boxes are equal: nothing cancels.
#[derive(Clone, Copy, Debug)]
pub struct Gaussians<S> {
    /// W + H of the second box: the unit of the other numbers.
    pub unit: S,
    first: [S; 2],
    second: [S; 2],
    /// From the second centre to the first, along the sides of the second and of the first box.
    along_second: [S; 2],
    along_first: [S; 2],
    /// Cosine and sine of the angle between the boxes.
    direction: [S; 2],
}

impl<S: Scalar> Gaussians<S> {
    /// These two boxes.
    pub fn new(first: Rotated<S>, second: Rotated<S>) -> Self {
        let seen = first.seen_from(second);
        let not_less = |side: S| side.max(side.lit(1.0 / LIMIT));
        let unit = not_less(seen.frame[0]) + not_less(seen.frame[1]);
        let scaled = |side: S| not_less(side).safe_div(unit).clamp(1.0 / LIMIT, LIMIT);
        let along_second = seen.center.map(|x| x.safe_div(unit).clamp(-LIMIT, LIMIT));
        Self {
            unit,
            first: seen.sides.map(scaled),
            second: seen.frame.map(scaled),
            along_second,
            along_first: turned_back(along_second, seen.direction),
            direction: seen.direction,
        }
    }

    /// The same with first and second exchanged, in the same unit.
    #[must_use]
    pub fn exchanged(self) -> Self {
        Self {
            first: self.second,
            second: self.first,
            along_second: self.along_first,
            along_first: self.along_second,
            ..self
        }
    }

    /// Areas: of the first and of the second box.
    pub fn areas(self) -> [S; 2] {
        [self.first[0] * self.first[1], self.second[0] * self.second[1]]
    }

    /// How much the shapes differ as far as the sides are parallel, and as far as they are at right angles.
    fn shape_difference(self) -> S {
        let ([w, h], [other_w, other_h]) = (self.first, self.second);
        ((w * other_h - h * other_w) * self.direction[0]).square()
            + ((w * other_w - h * other_h) * self.direction[1]).square()
    }

    /// The square of the Wasserstein distance (of order 2) between the distributions with standard deviations of half the sides.
    pub fn wasserstein_squared(self) -> S {
        let ([w, h], [other_w, other_h]) = (self.first, self.second);
        let [x, y] = self.along_second;
        let growth = (w - other_w) * (w + other_w) + (h - other_h) * (h + other_h);
        let size = (w.square() + h.square()) + (other_w.square() + other_h.square());
        let parallel = (w * other_w + h * other_h) * self.direction[0];
        let crossed = (w * other_h + h * other_w) * self.direction[1];
        // √ tr(S S' + 2 √det S S') without a matrix.
        let shared = (parallel.square() + crossed.square()).sqrt();
        let shapes = growth.square() + self.shape_difference() * lit(4.0);
        x.square() + y.square() + (shapes * lit(0.25)).safe_div(size + shared * lit(2.0))
    }

    /// The Kullback-Leibler divergence of the second distribution from the first: D(second ‖ first).
    pub fn kl_divergence(self) -> S {
        let ([w, h], [x, y]) = (self.first, self.along_first);
        let [area, other_area] = self.areas();
        let distance = x.safe_div(w).square() + y.safe_div(h).square();
        let ([w, h], [other_w, other_h]) = (self.first, self.second);
        let parallel = (other_w.safe_div(w) - other_h.safe_div(h)) * self.direction[0];
        let crossed = (other_w.safe_div(h) - other_h.safe_div(w)) * self.direction[1];
        // r − 1 − ln r, r being the ratio of the areas: the logarithm of whichever ratio is above 1.
        let growth = (other_area - area).safe_div(area);
        let ln =
            S::if_lt(area, other_area, growth, (area - other_area).safe_div(other_area)).ln_1p();
        let ln = S::if_lt(area, other_area, ln, -ln);
        let ratio = growth - ln;
        let ratio = S::if_lt(ratio, ratio.lit(0.0), ratio.lit(0.0), ratio);
        distance * lit(2.0) + (parallel.square() + crossed.square()) * lit(0.5) + ratio
    }

    /// det(S + S') of the covariances, with standard deviations of the sides themselves.
    fn determinant_of_sum(self) -> S {
        let ([w, h], [other_w, other_h]) = (self.first, self.second);
        let [area, other_area] = self.areas();
        let parallel = (w * other_h).square() + (h * other_w).square();
        let crossed = (w * other_w).square() + (h * other_h).square();
        (area.square() + other_area.square())
            + (parallel * self.direction[0].square() + crossed * self.direction[1].square())
    }

    /// The Bhattacharyya distance between the distributions whose variances are `spread` times the squares of the sides.
    pub fn bhattacharyya(self, spread: f64) -> S {
        let ([w, h], [other_w, other_h]) = (self.first, self.second);
        let ([x, y], [other_x, other_y]) = (self.along_first, self.along_second);
        let [area, other_area] = self.areas();
        let distance = ((h * x).square() + (w * y).square())
            + ((other_h * other_x).square() + (other_w * other_y).square());
        let shapes = (area - other_area).square() + self.shape_difference();
        let shapes = shapes.safe_div(area * other_area * lit(4.0)).ln_1p();
        distance.safe_div(self.determinant_of_sum()) * lit(0.25 / spread) + shapes * lit(0.5)
    }

    /// The area of the ellipse of the product of both distributions, as that of a box; at most half the smaller box.
    pub fn product_area(self) -> S {
        let [area, other_area] = self.areas();
        (area * other_area).safe_div(self.determinant_of_sum().sqrt())
    }
}

/// A distance as a loss: ln(1 + d) if asked for; then, from τ = 1 on, 1 − 1/(τ + d), which has a bound.
pub fn tempered<S: Scalar>(distance: S, log: bool, tau: f64) -> S {
    let distance = if log { distance.ln_1p() } else { distance };
    if tau < 1.0 { distance } else { lit(1.0) - (distance + lit(tau)).recip() }
}
