//! The convex hull of two rotated boxes.

use super::Seen;
use crate::scalar::{Scalar, lit};

impl<S: Scalar> Seen<S> {
    /// The area of the convex hull of both boxes.
    ///
    /// The normals of the eight edges come in a known order, first one of the frame and then one of the box, all around. Between two
    /// neighbours each box has one corner that is the outermost, and the hull has the outer one of both, which may change once
    /// on the way. So the outer corners at both ends of the eight sectors are the hull, in order; most of them come twice, which
    /// costs no area.
    pub fn convex_hull(self) -> S {
        let (direction, sides) = in_first_quadrant(self.direction, self.sides);
        let (frame, own) = (self.frame_corners(), Self { direction, sides, ..self }.corners());
        // Where corners lie level either one is right, and the slope is the mean of both.
        let sum = around(direction, frame, own, |frame, own| [frame, own])
            + around(direction, frame, own, |frame, own| [own, frame]);
        sum * lit(0.25)
    }
}

/// Twice the area of the hull; of corners that lie level the first one in this order counts.
fn around<S: Scalar>(
    [cos, sin]: [S; 2],
    frame: [[S; 2]; 4],
    own: [[S; 2]; 4],
    order: impl Fn([S; 2], [S; 2]) -> [[S; 2]; 2],
) -> S {
    let (zero, one) = (cos.lit(0.0), cos.lit(1.0));
    let normals = [[one, zero], [cos, sin], [zero, one], [-sin, cos]];
    let outer = |sector: usize, normal: usize| {
        // The corner in the directions (+, +) is number 2, and the next ones follow counter-clockwise.
        let (of_frame, of_own) = (frame[(sector / 2 + 2) % 4], own[(sector.div_ceil(2) + 1) % 4]);
        let [x, y] = normals[normal % 4];
        let normal = if normal % 8 < 4 { [x, y] } else { [-x, -y] };
        outer(order(of_frame, of_own), normal)
    };
    let outline: [[S; 2]; 16] = std::array::from_fn(|index| {
        let sector = index / 2;
        let point = outer(sector, sector + index % 2);
        if sector % 2 == 1 {
            return point;
        }
        // Between parallel sides there is no sector: the last corner again.
        let last = outer((sector + 7) % 8, sector);
        [0, 1].map(|k| S::if_lt(zero, sin, point[k], last[k]))
    });
    let next = |index: usize| outline[(index + 1) % outline.len()];
    let twice = (0..outline.len()).map(|index| cross(outline[index], next(index)));
    twice.reduce(|sum, area| sum + area).unwrap_or(zero)
}

/// The direction and the sides of the same box by the name for which cosine and sine are not negative. Signs are turned rather
/// than dropped, so that slopes stay.
fn in_first_quadrant<S: Scalar>([cos, sin]: [S; 2], [w, h]: [S; 2]) -> ([S; 2], [S; 2]) {
    let zero = cos.lit(0.0);
    let side = cos * sin;
    let by_quarter = |turned: S, straight: S| S::if_lt(side, zero, turned, straight);
    let (cos, sin) = (by_quarter(-sin, cos), by_quarter(cos, sin));
    let sign = cos + sin;
    let by_half = |x: S| S::if_lt(sign, zero, -x, x);
    ([by_half(cos), by_half(sin)], [by_quarter(h, w), by_quarter(w, h)])
}

/// Whichever of two points lies farther along `normal`, or the first one.
fn outer<S: Scalar>([first, second]: [[S; 2]; 2], normal: [S; 2]) -> [S; 2] {
    let (along, second_along) = (dot(first, normal), dot(second, normal));
    [0, 1].map(|k| S::if_lt(along, second_along, second[k], first[k]))
}

fn dot<S: Scalar>([x, y]: [S; 2], [other_x, other_y]: [S; 2]) -> S {
    x * other_x + y * other_y
}

fn cross<S: Scalar>([x, y]: [S; 2], [next_x, next_y]: [S; 2]) -> S {
    x * next_y - y * next_x
}
