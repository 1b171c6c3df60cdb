//! The overlap of rotated boxes by clipping one polygon with the other, and its slopes by what of the outline is visible.

use detloss::losses::find;
use detloss::testing::ordinary;

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
