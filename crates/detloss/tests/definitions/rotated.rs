//! The overlap of rotated boxes by clipping one polygon with the other, and its slopes by what of the outline is visible; the hull as
//! the polygon around all corners.

use detloss::Batch;
use detloss::losses::find;
use detloss::testing::{Tolerance, assert_close, ordinary};

use crate::{Definition, hold};

type Point = [f64; 2];

/// The directions of the sides.
fn axes(angle: f64) -> [Point; 2] {
    let (sin, cos) = angle.sin_cos();
    [[cos, sin], [-sin, cos]]
}

fn corners(it: &[f64]) -> Vec<Point> {
    let [along, across] = axes(it[4]);
    let at = |x: f64, y: f64| {
        [0, 1].map(|k| it[k] + x * it[2] / 2.0 * along[k] + y * it[3] / 2.0 * across[k])
    };
    vec![at(-1.0, -1.0), at(1.0, -1.0), at(1.0, 1.0), at(-1.0, 1.0)]
}

fn cross(a: Point, b: Point) -> f64 {
    a[0] * b[1] - a[1] * b[0]
}

fn minus(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1]]
}

fn between(a: Point, b: Point, part: f64) -> Point {
    [0, 1].map(|k| a[k] + (b[k] - a[k]) * part)
}

/// How far a point lies inside of each edge, from a to b, of a polygon.
fn depth([a, b]: [Point; 2], point: Point) -> f64 {
    cross(minus(b, a), minus(point, a))
}

fn edges(polygon: &[Point]) -> impl Iterator<Item = [Point; 2]> {
    (0..polygon.len()).map(|i| [polygon[i], polygon[(i + 1) % polygon.len()]])
}

/// Sutherland and Hodgman: the area of what is left of one polygon when every edge of the other has cut it.
fn overlap(pred: &[Point], target: &[Point]) -> f64 {
    let mut left = pred.to_vec();
    for cut in edges(target) {
        let mut kept = Vec::new();
        for [from, to] in edges(&left) {
            let (d, e) = (depth(cut, from), depth(cut, to));
            if d >= 0.0 {
                kept.push(from);
            }
            if (d < 0.0) != (e < 0.0) {
                kept.push(between(from, to, d / (d - e)));
            }
        }
        left = kept;
    }
    edges(&left).map(|[a, b]| cross(a, b)).sum::<f64>() / 2.0
}

/// The part of an edge that lies inside a polygon: its ends.
fn visible([from, to]: [Point; 2], polygon: &[Point]) -> Option<[Point; 2]> {
    let (mut start, mut end) = (0.0_f64, 1.0_f64);
    for side in edges(polygon) {
        let (d, e) = (depth(side, from), depth(side, to));
        let crossing = d / (d - e);
        match (d < 0.0, e < 0.0) {
            (true, true) => return None,
            (true, false) => start = start.max(crossing),
            (false, true) => end = end.min(crossing),
            (false, false) => {}
        }
    }
    (start < end).then(|| [between(from, to, start), between(from, to, end)])
}

/// An edge that moves outwards adds its visible length; one that turns, the integral of the lever arm.
fn slopes(pred: &[f64], target: &[Point]) -> [f64; 5] {
    let (center, [along, across]) = ([pred[0], pred[1]], axes(pred[4]));
    let mut slopes = [0.0; 5];
    let normals = [[0.0, -1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]];
    for (edge, [x, y]) in edges(&corners(pred)).zip(normals) {
        let Some([start, end]) = visible(edge, target) else { continue };
        let normal = [0, 1].map(|k| x * along[k] + y * across[k]);
        let length = minus(end, start)[0].hypot(minus(end, start)[1]);
        slopes[0] += normal[0] * length;
        slopes[1] += normal[1] * length;
        slopes[if x == 0.0 { 3 } else { 2 }] += length / 2.0;
        let arm = minus(between(start, end, 0.5), center);
        // A point at this arm moves by (−arm y, arm x) per radian.
        slopes[4] += (normal[1] * arm[0] - normal[0] * arm[1]) * length;
    }
    slopes
}

/// The loss of an overlap with its slopes.
fn rotated_iou(pred: &[f64], target: &[f64]) -> Definition {
    let outline = corners(target);
    let overlap = overlap(&corners(pred), &outline);
    let union = pred[2] * pred[3] + target[2] * target[3] - overlap;
    let of_area = [0.0, 0.0, pred[3], pred[2], 0.0];
    let by = slopes(pred, &outline);
    let slope = |k: usize| (overlap * (of_area[k] - by[k]) - union * by[k]) / (union * union);
    (1.0 - overlap / union, (0..5).map(slope).collect())
}

#[test]
fn rotated_iou_is_what_clipping_and_the_visible_outline_say() {
    let rows = ordinary(find("rotated_iou").unwrap(), 2000, 83);
    for unit in 0..rows.len() {
        let (pred, target) = (rows.pred_of(unit), rows.target_of(unit));
        let definition = rotated_iou(pred, target);
        hold("rotated_iou", &[], (pred, target, 1), &definition, &format!("{pred:?} {target:?}"));
    }
}

/// The same in space: an overlap from above and one in z.
fn yaw_iou3d(pred: &[f64], target: &[f64]) -> Definition {
    let from_above = |it: &[f64]| [it[0], it[1], it[3], it[4], it[6]];
    let (flat, flat_target) = (from_above(pred), from_above(target));
    let outline = corners(&flat_target);
    let (area, by) = (overlap(&corners(&flat), &outline), slopes(&flat, &outline));
    let ends = |it: &[f64]| (it[2] - it[5] / 2.0, it[2] + it[5] / 2.0);
    let ((bottom, top), (low, high)) = (ends(pred), ends(target));
    let height = (top.min(high) - bottom.max(low)).max(0.0);
    // Which ends of the shared height are those of the prediction, if there is one.
    let ends =
        [bottom > low, top < high].map(|is_own| if is_own && height > 0.0 { 1.0 } else { 0.0 });
    let overlap = area * height;
    let of_overlap = [
        by[0] * height,
        by[1] * height,
        area * (ends[1] - ends[0]),
        by[2] * height,
        by[3] * height,
        area * (ends[0] + ends[1]) / 2.0,
        by[4] * height,
    ];
    let of_volume = [0.0, 0.0, 0.0, pred[4] * pred[5], pred[3] * pred[5], pred[3] * pred[4], 0.0];
    let volume = |it: &[f64]| it[3] * it[4] * it[5];
    let union = volume(pred) + volume(target) - overlap;
    let slope = |k: usize| {
        (overlap * (of_volume[k] - of_overlap[k]) - union * of_overlap[k]) / (union * union)
    };
    (1.0 - overlap / union, (0..7).map(slope).collect())
}

#[test]
fn yaw_iou3d_is_what_clipping_from_above_and_the_shared_height_say() {
    let rows = ordinary(find("yaw_iou3d").unwrap(), 2000, 89);
    for unit in 0..rows.len() {
        let (pred, target) = (rows.pred_of(unit), rows.target_of(unit));
        let definition = yaw_iou3d(pred, target);
        hold("yaw_iou3d", &[], (pred, target, 1), &definition, &format!("{pred:?} {target:?}"));
    }
}

/// The area of the convex hull of all corners, by walking around them (Jarvis).
fn hull(points: &[Point]) -> f64 {
    let first = *points.iter().min_by(|a, b| a[0].total_cmp(&b[0])).unwrap();
    let (mut twice, mut at) = (0.0, first);
    loop {
        // The next one has all others on one side.
        let rest = points.iter().copied().filter(|&point| point != at);
        let next = rest
            .reduce(|best, point| if depth([at, best], point) < 0.0 { point } else { best })
            .unwrap();
        twice += cross(minus(at, first), minus(next, first));
        at = next;
        if at == first {
            return twice / 2.0;
        }
    }
}

#[test]
fn the_convex_hull_is_the_polygon_around_all_corners() {
    let loss = find("rotated_giou").unwrap().with(&[("hull", 1.0)]).unwrap();
    let rows = ordinary(find("rotated_giou").unwrap(), 2000, 97);
    for unit in 0..rows.len() {
        let (pred, target) = (rows.pred_of(unit), rows.target_of(unit));
        let (one, other) = (corners(pred), corners(target));
        let (overlap, hull) = (overlap(&one, &other), hull(&[one, other].concat()));
        let union = pred[2] * pred[3] + target[2] * target[3] - overlap;
        let expected = 1.0 - overlap / union + (hull - union) / hull;
        let got = Batch::new(pred, target).value(&loss).unwrap();
        let tolerance = Tolerance { absolute: 1e-12, relative: 0.0 };
        assert_close(got, expected, tolerance, &format!("{pred:?} {target:?}"));
    }
}
