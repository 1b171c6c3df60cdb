//! Boxes of every kind.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4};

use super::Random;
use crate::operand::Kind;
use crate::scalar::{DIV_EPS, MAX_MAGNITUDE};

/// A box of ordinary size.
pub(super) fn ordinary(kind: Kind, random: &mut Random) -> Vec<f64> {
    let place = |random: &mut Random| random.between(-5.0, 5.0);
    let side = |random: &mut Random| random.between(0.5, 4.0);
    let dimensions = if is_in_space(kind) { 3 } else { 2 };
    if let Kind::Box | Kind::Box3d = kind {
        let low: Vec<f64> = (0..dimensions).map(|_| place(random)).collect();
        let high: Vec<f64> = low.iter().map(|low| low + side(random)).collect();
        return [low, high].concat();
    }
    let mut it: Vec<f64> = (0..dimensions).map(|_| side(random)).collect();
    it.splice(0..0, (0..dimensions).map(|_| place(random)));
    it.push(random.between(-3.0, 3.0));
    it
}

/// A prediction for this target: most of the time near it.
pub(super) fn near(kind: Kind, target: &[f64], random: &mut Random) -> Vec<f64> {
    let is_far = random.below(4) == 0;
    let dimensions = if is_in_space(kind) { 3 } else { 2 };
    if let Kind::Box | Kind::Box3d = kind {
        if is_far {
            return ordinary(kind, random);
        }
        let side = |k: usize| target[k % dimensions + dimensions] - target[k % dimensions];
        return (0..target.len())
            .map(|k| target[k] + side(k) * random.between(-0.4, 0.4))
            .collect();
    }
    let mut pred = ordinary(kind, random);
    if !is_far {
        for k in 0..2 * dimensions {
            let side = target[k % dimensions + dimensions];
            pred[k] = target[k] + side * random.between(-0.4, 0.4);
        }
    }
    // Not parallel, nor nearly so: where parallel edges cross is no matter of `f32`.
    let quarters = random.below(if is_far { 9 } else { 1 }) as f64;
    let sign = [1.0, -1.0][random.below(2)];
    let angle = 2 * dimensions;
    pred[angle] = target[angle] + sign * random.between(0.1, 0.7) + quarters * FRAC_PI_2;
    pred
}

fn is_in_space(kind: Kind) -> bool {
    matches!(kind, Kind::Box3d | Kind::YawBox)
}

/// The kind of the same box from above.
fn from_above(kind: Kind) -> Kind {
    match kind {
        Kind::Box3d => Kind::Box,
        Kind::YawBox => Kind::RotatedBox,
        other => other,
    }
}

/// A box in space over this one from above, with what it covers in z.
fn raised(kind: Kind, it: &[f64], [low, high]: [f64; 2]) -> Vec<f64> {
    match (kind, it) {
        (Kind::Box3d, &[x1, y1, x2, y2]) => vec![x1, y1, low, x2, y2, high],
        (Kind::YawBox, &[cx, cy, w, h, angle]) => {
            vec![cx, cy, low / 2.0 + high / 2.0, w, h, high - low, angle]
        }
        _ => panic!("{it:?} is not {kind:?} from above"),
    }
}

/// The ugliest boxes there are, with what they show.
pub(super) fn ugly(kind: Kind) -> Vec<(String, Vec<f64>)> {
    const MAX: f64 = f32::MAX as f64;
    const TINY: f64 = f32::MIN_POSITIVE as f64;
    const THIN: f64 = DIV_EPS / (2.0 * MAX_MAGNITUDE);
    match kind {
        Kind::Box => [
            ("a unit box", [0.0, 0.0, 1.0, 1.0]),
            ("a box that shares an edge", [1.0, 0.0, 2.0, 1.0]),
            ("a box that shares a corner", [1.0, 1.0, 2.0, 2.0]),
            ("a box inside that touches two edges", [0.0, 0.0, 0.5, 0.25]),
            ("a box far away", [1e6, 1e6, 1e6 + 1.0, 1e6 + 1.0]),
            ("a point at a corner", [0.0, 0.0, 0.0, 0.0]),
            ("a point inside", [0.5, 0.5, 0.5, 0.5]),
            ("a vertical segment", [0.5, 0.0, 0.5, 1.0]),
            ("a horizontal segment", [0.0, 0.5, 1.0, 0.5]),
            ("an inverted box", [0.75, 0.75, 0.25, 0.25]),
            ("a box inverted in x", [0.75, 0.25, 0.25, 0.75]),
            ("sides of 1e-6", [0.0, 0.0, 1e-6, 1e-6]),
            ("sides of 1e-6, shifted by half", [5e-7, 5e-7, 1.5e-6, 1.5e-6]),
            ("sides of 1e6", [-5e5, -5e5, 5e5, 5e5]),
            ("sides of 1e6, shifted", [0.0, 0.0, 1e6, 1e6]),
            ("a needle of 1e6 by 1e-6", [0.0, 0.0, 1e6, 1e-6]),
            ("sides that vanish", [0.0, 0.0, TINY, TINY]),
            ("the thinnest needle with an area", [0.0, -MAX_MAGNITUDE, THIN, MAX_MAGNITUDE]),
            ("all of f32", [-MAX, -MAX, MAX, MAX]),
            ("all of f32, inverted", [MAX, MAX, -MAX, -MAX]),
            ("a point at the end of f32", [MAX, MAX, MAX, MAX]),
        ]
        .map(|(what, corners)| (what.to_owned(), corners.to_vec()))
        .to_vec(),
        Kind::RotatedBox => [
            ("a unit box", [0.5, 0.5, 1.0, 1.0, 0.0]),
            ("a unit box, turned", [0.5, 0.5, 1.0, 1.0, 0.5]),
            ("a unit box, by a quarter turn", [0.5, 0.5, 1.0, 1.0, FRAC_PI_2]),
            ("a unit box, by a half turn and a bit", [0.5, 0.5, 1.0, 1.0, 3.642]),
            ("a box that shares an edge", [1.5, 0.5, 1.0, 1.0, 0.0]),
            ("a box that shares a corner", [1.5, 1.5, 1.0, 1.0, 0.0]),
            ("a box inside that touches two edges", [0.25, 0.125, 0.5, 0.25, 0.0]),
            ("a box far away", [1e6, 1e6, 1.0, 1.0, 0.5]),
            ("a point at a corner", [0.0, 0.0, 0.0, 0.0, 0.0]),
            ("a point inside, turned", [0.5, 0.5, 0.0, 0.0, 1.0]),
            ("a point far away", [3e6, 3e6, 0.0, 0.0, 0.0]),
            ("a vertical segment", [0.5, 0.5, 0.0, 1.0, 0.0]),
            ("a horizontal segment, turned", [0.5, 0.5, 1.0, 0.0, 0.3]),
            ("a box of negative sides", [0.5, 0.5, -0.5, -0.5, 0.0]),
            ("a box of negative width", [0.5, 0.5, -0.5, 0.5, 0.5]),
            ("a box of negative height", [0.5, 0.5, 0.5, -0.5, 2.0]),
            ("sides of 1e-6", [0.0, 0.0, 1e-6, 1e-6, 0.3]),
            ("sides of 1e-6, shifted by half", [5e-7, 5e-7, 1e-6, 1e-6, 0.3]),
            ("sides of 1e6", [0.0, 0.0, 1e6, 1e6, 0.0]),
            ("sides of 1e6, shifted and turned", [5e5, 5e5, 1e6, 1e6, -0.7]),
            ("a needle of 1e6 by 1e-6", [0.0, 0.0, 1e6, 1e-6, FRAC_PI_4]),
            ("a needle of 1e-7 by 1", [0.0, 0.0, 1e-7, 1.0, FRAC_PI_4]),
            ("a needle of 1e-7 by 1, upright", [0.0, 0.0, 1e-7, 1.0, 0.0]),
            ("sides that vanish", [0.0, 0.0, TINY, TINY, 0.1]),
            ("the shortest sides with an area", [0.0, 0.0, 8e-12, 8e-12, 0.1]),
            ("the thinnest needle with an area", [0.0, 0.0, 8e-12, MAX_MAGNITUDE, 1e-6]),
            ("all of f32", [0.0, 0.0, MAX, MAX, 0.0]),
            ("all of f32, turned", [MAX, -MAX, MAX, MAX, 0.5]),
            ("a point at the end of f32", [MAX, MAX, 0.0, 0.0, 0.0]),
            ("many turns", [0.5, 0.5, 1.0, 2.0, 300.0]),
            ("more turns than count", [0.5, 0.5, 1.0, 2.0, 1e6]),
            ("the largest angle", [0.5, 0.5, 1.0, 2.0, MAX]),
            ("the least angle", [0.5, 0.5, 2.0, 1.0, -MAX]),
        ]
        .map(|(what, fields)| (what.to_owned(), fields.to_vec()))
        .to_vec(),
        _ => {
            let both = |(what, it): (String, Vec<f64>)| {
                let as_wide = if kind == Kind::Box3d { [it[0], it[2]] } else { [0.0, it[2]] };
                [("a unit high", [0.0, 1.0]), ("flat", [0.5, 0.5]), ("as high as wide", as_wide)]
                    .map(|(high, z)| (format!("{what}, {high}"), raised(kind, &it, z)))
            };
            ugly(from_above(kind)).into_iter().flat_map(both).collect()
        }
    }
}

/// Boxes that share edges, or faces, but always have an area.
pub(super) fn whole(kind: Kind) -> Vec<Vec<f64>> {
    const SPANS: [[f64; 2]; 5] = [[0.0, 1.0], [0.0, 2.0], [1.0, 2.0], [1.0, 3.0], [0.0, 3.0]];
    match kind {
        Kind::Box => {
            SPANS.iter().flat_map(|x| SPANS.map(|y| vec![x[0], y[0], x[1], y[1]])).collect()
        }
        Kind::RotatedBox => {
            // Edges meet exactly only where no angle has to be rounded: of boxes along the axes, and of turned ones about one
            // centre. A quarter turn is no number.
            let span = |[low, high]: [f64; 2]| ((low + high) / 2.0, high - low);
            let along = SPANS.iter().flat_map(|&x| {
                SPANS.map(|y| {
                    let ((cx, w), (cy, h)) = (span(x), span(y));
                    vec![cx, cy, w, h, 0.0]
                })
            });
            let turned = [(1.0, 1.0), (1.0, 2.0), (2.0, 1.0), (2.0, 2.0)]
                .map(|(w, h)| vec![1.25, 0.75, w, h, 0.5]);
            along.chain(turned).collect()
        }
        _ => {
            let of_plane = whole(from_above(kind)).into_iter().enumerate();
            of_plane.map(|(index, it)| raised(kind, &it, SPANS[index * 3 % 7 % 5])).collect()
        }
    }
}

/// Every pair of boxes made of a few numbers: far and near, empty and inverted, thin and wide, parallel and not.
pub(super) fn everywhere(kind: Kind) -> Vec<(Vec<f64>, Vec<f64>)> {
    let mut pairs = Vec::new();
    match kind {
        Kind::Box => {
            const AT: [f64; 4] = [0.0, 1.0, 1e3, 1e3 + 1.0];
            for index in 0..AT.len().pow(8) {
                let corner = |place: u32| AT[index / AT.len().pow(place) % AT.len()];
                pairs.push(([0, 1, 2, 3].map(corner).to_vec(), [4, 5, 6, 7].map(corner).to_vec()));
            }
        }
        Kind::RotatedBox => {
            const AT: [f64; 3] = [0.0, 1.0, 1e3];
            for index in 0..AT.len().pow(6) {
                let pick = |place: u32| AT[index / AT.len().pow(place) % AT.len()];
                let [x, y, w, h, frame_w, frame_h] = [0, 1, 2, 3, 4, 5].map(pick);
                let angles = [(0.0, 0.0), (0.3, 0.3), (FRAC_PI_4, 0.0), (1.9, -0.4)];
                pairs.extend(angles.map(|(angle, frame_angle)| {
                    (vec![x, y, w, h, angle], vec![0.0, 0.0, frame_w, frame_h, frame_angle])
                }));
            }
        }
        Kind::YawBox => {
            const HEIGHTS: [[[f64; 2]; 2]; 3] =
                [[[0.0, 1.0], [0.0, 1.0]], [[0.0, 1.0], [1e3, 1e3]], [[1e3, 2e3], [0.0, 1.0]]];
            for (pred, target) in everywhere(Kind::RotatedBox) {
                pairs.extend(
                    HEIGHTS.map(|[z, frame_z]| {
                        (raised(kind, &pred, z), raised(kind, &target, frame_z))
                    }),
                );
            }
        }
        // What is ugly is everywhere.
        _ => {}
    }
    pairs
}
