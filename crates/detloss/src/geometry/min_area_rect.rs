//! The rotated box around points.

use super::Rotated;

type Point = [f64; 2];

/// The smallest rotated box that holds all these points, of any convex shape or order; `None` without a point, or with one that is
/// no number. Annotations with eight numbers, the corners of a quadrangle, become boxes by it.
///
/// A side of the smallest rectangle lies along an edge of the convex hull, so each of these is tried: as `minAreaRect` of OpenCV
/// does, whose conventions for the angle are [`to_opencv`](Rotated::to_opencv) and
/// [`to_opencv_before_4_5_1`](Rotated::to_opencv_before_4_5_1). Of rectangles of one size the first one found counts.
///
/// ```
/// use detloss::geometry::min_area_rect;
///
/// let it = min_area_rect(&[[1.0, 0.0], [3.0, 2.0], [2.0, 3.0], [0.0, 1.0]]).unwrap().to_le90();
/// assert!((it.w - 8_f64.sqrt()).abs() < 1e-12 && (it.h - 2_f64.sqrt()).abs() < 1e-12);
/// assert!((it.angle.to_degrees() - 45.0).abs() < 1e-12);
/// ```
#[must_use]
pub fn min_area_rect(points: &[Point]) -> Option<Rotated<f64>> {
    let is_finite = points.iter().flatten().all(|x| x.is_finite());
    let origin = *points.first().filter(|_| is_finite)?;
    // Differences first, so that far from the origin no digit is lost.
    let hull = convex_hull(points.iter().map(|&point| minus(point, origin)).collect());
    let edges = (0..hull.len()).map(|i| minus(hull[(i + 1) % hull.len()], hull[i]));
    let around = edges.map(|edge| along(edge, &hull));
    let smallest = around.min_by(|a, b| (a.w * a.h).total_cmp(&(b.w * b.h)))?;
    Some(Rotated { cx: smallest.cx + origin[0], cy: smallest.cy + origin[1], ..smallest })
}

/// The rectangle around points with its first side along this vector.
fn along([x, y]: Point, points: &[Point]) -> Rotated<f64> {
    let length = x.hypot(y);
    // A single point has no direction.
    let [cos, sin] = if length == 0.0 { [1.0, 0.0] } else { [x / length, y / length] };
    let [(left, right), (low, high)] = [[cos, sin], [-sin, cos]].map(|[x, y]| {
        let places = points.iter().map(|point| point[0] * x + point[1] * y);
        places.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), place| {
            (least.min(place), most.max(place))
        })
    });
    let (u, v) = ((left + right) / 2.0, (low + high) / 2.0);
    Rotated {
        cx: u * cos - v * sin,
        cy: u * sin + v * cos,
        w: right - left,
        h: high - low,
        angle: sin.atan2(cos),
    }
}

/// The corners of the convex hull, all around (Andrew's monotone chain).
fn convex_hull(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    points.dedup();
    if points.len() < 3 {
        return points;
    }
    let half = |points: &mut dyn Iterator<Item = Point>| {
        let mut chain: Vec<Point> = Vec::new();
        for point in points {
            while let [.., before, last] = chain[..]
                && cross(minus(last, before), minus(point, last)) <= 0.0
            {
                chain.pop();
            }
            chain.push(point);
        }
        // The end of one half is the start of the other.
        chain.pop();
        chain
    };
    let mut hull = half(&mut points.iter().copied());
    hull.extend(half(&mut points.iter().rev().copied()));
    hull
}

fn minus(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1]]
}

fn cross(a: Point, b: Point) -> f64 {
    a[0] * b[1] - a[1] * b[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corners_of_a_box_give_it_back() {
        for angle in [0.0, 0.3, -1.1, 2.0, 40.0] {
            for (cx, cy) in [(5.0, -1.0), (1e9, -3e8)] {
                let it = Rotated { cx, cy, w: 4.0, h: 2.0, angle };
                let [a, b, c, d] = it.corners();
                for corners in [[a, b, c, d], [c, a, d, b]] {
                    let got = min_area_rect(&corners).unwrap().to_le90();
                    let expected = it.to_le90();
                    // The corners themselves are rounded, far from the origin to 1e-7.
                    let near =
                        |got: f64, expected: f64| (got - expected).abs() < 1e-16 * cx + 1e-12;
                    assert!(near(got.cx - cx, 0.0) && near(got.cy - cy, 0.0), "{got:?}");
                    assert!(near(got.w, expected.w) && near(got.h, expected.h), "{got:?}");
                    let turn = (got.angle - expected.angle).sin();
                    assert!(near(turn, 0.0), "{got:?} of {expected:?}");
                }
            }
        }
    }

    /// No rectangle of many directions is smaller, and every point lies inside.
    #[test]
    fn it_is_the_smallest_and_holds_all_points() {
        let random = |seed: usize| ((seed * 7919 % 1000) as f64 / 100.0).fract() * 10.0;
        for set in 0..50 {
            let points: Vec<Point> = (0..3 + set % 9)
                .map(|i| [random(set * 31 + i), random(set * 17 + i * 5 + 3)])
                .collect();
            let it = min_area_rect(&points).unwrap();
            let area = it.w * it.h;
            for step in 0..3000 {
                let (sin, cos) = (f64::from(step) * 1e-3).sin_cos();
                let other = along([cos, sin], &points);
                assert!(area <= other.w * other.h + 1e-9, "{points:?}: {it:?}, {other:?}");
            }
            let (sin, cos) = it.angle.sin_cos();
            for point in &points {
                let [x, y] = minus(*point, [it.cx, it.cy]);
                let (u, v) = (x * cos + y * sin, y * cos - x * sin);
                let is_inside = u.abs() <= it.w / 2.0 + 1e-9 && v.abs() <= it.h / 2.0 + 1e-9;
                assert!(is_inside, "{point:?} in {it:?}");
            }
        }
    }

    #[test]
    fn points_and_segments_are_boxes_without_an_area() {
        assert_eq!(min_area_rect(&[]), None);
        assert_eq!(min_area_rect(&[[0.0, f64::NAN]]), None);
        let point = Rotated { cx: 3.0, cy: 4.0, w: 0.0, h: 0.0, angle: 0.0 };
        assert_eq!(min_area_rect(&[[3.0, 4.0]; 2]), Some(point));
        let segment = min_area_rect(&[[0.0, 0.0], [3.0, 4.0], [1.5, 2.0]]).unwrap().to_le90();
        assert!((segment.w - 5.0).abs() < 1e-12 && segment.h.abs() < 1e-12, "{segment:?}");
        assert!((segment.cx - 1.5).hypot(segment.cy - 2.0) < 1e-12, "{segment:?}");
    }
}
