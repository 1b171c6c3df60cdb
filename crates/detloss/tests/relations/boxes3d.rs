//! Laws between losses of boxes in space, and those of the plane.

use std::f64::consts::{FRAC_PI_2, PI};

use detloss::testing::{Tolerance, assert_close, tied};

use crate::{find, inputs, loss, of, one};

/// Angles turned by a few units in the last place move a value by this.
const TURNED: Tolerance = Tolerance { absolute: 1e-9, relative: 1e-9 };

/// The centre, the sides and no angle, of a box by its corners.
fn by_center(it: &[f64]) -> Vec<f64> {
    let middle = |k: usize| (it[k] + it[k + 3]) / 2.0;
    let side = |k: usize| it[k + 3] - it[k];
    vec![middle(0), middle(1), middle(2), side(0), side(1), side(2), 0.0]
}

/// Boxes without an angle are axis-aligned ones, ties and all.
#[test]
fn boxes_without_an_angle_are_axis_aligned_boxes() {
    for (yaw, aligned) in
        [("yaw_iou3d", "iou3d"), ("yaw_giou3d", "giou3d"), ("yaw_diou3d", "diou3d")]
    {
        for rows in [inputs(aligned), tied(find(aligned).unwrap())] {
            for unit in 0..rows.len() {
                let (pred, target) = (rows.pred_of(unit), rows.target_of(unit));
                let (value, slopes) = one(&loss(aligned, &[]), pred, target);
                let (got, got_slopes) = one(&loss(yaw, &[]), &by_center(pred), &by_center(target));
                let what = format!("{yaw}, {}", rows.what[unit]);
                assert_close(got, value, Tolerance::LAW, &what);
                for k in 0..3 {
                    let (low, high) = (slopes[k], slopes[k + 3]);
                    let what = format!("slope {k} of {what}");
                    assert_close(got_slopes[k], low + high, Tolerance::LAW, &what);
                    assert_close(got_slopes[k + 3], (high - low) / 2.0, Tolerance::LAW, &what);
                }
            }
        }
    }
}

/// At one height they are the losses of the plane.
#[test]
fn boxes_of_one_height_are_rotated_boxes() {
    let raised = |it: &[f64]| vec![it[0], it[1], 7.0, it[2], it[3], 2.5, it[4]];
    for (yaw, rotated, hull) in [
        ("yaw_iou3d", "rotated_iou", None),
        ("yaw_giou3d", "rotated_giou", Some(0.0)),
        ("yaw_giou3d", "rotated_giou", Some(1.0)),
    ] {
        let params: Vec<(&str, f64)> = hull.map(|hull| ("hull", hull)).into_iter().collect();
        let rows = inputs(rotated);
        for unit in 0..rows.len() {
            let (pred, target) = (rows.pred_of(unit), rows.target_of(unit));
            let (value, slopes) = one(&loss(rotated, &params), pred, target);
            let (got, got_slopes) = one(&loss(yaw, &params), &raised(pred), &raised(target));
            let what = format!("{yaw} {params:?}, {}", rows.what[unit]);
            assert_close(got, value, Tolerance::LAW, &what);
            for (field, of_plane) in [0, 1, 3, 4, 6].into_iter().zip(slopes) {
                assert_close(
                    got_slopes[field],
                    of_plane,
                    Tolerance::LAW,
                    &format!("slope of {what}"),
                );
            }
        }
    }
}

/// At one height two of six shadows are equal, and the others are those of the plane.
#[test]
fn the_mgiou_of_boxes_of_one_height_is_two_thirds_of_that_in_the_plane() {
    let raised = |it: &[f64]| vec![it[0], it[1], 7.0, it[2], it[3], 2.5, it[4]];
    let rows = inputs("mgiou");
    for unit in 0..rows.len() {
        let (pred, target) = (rows.pred_of(unit), rows.target_of(unit));
        let (value, slopes) = one(&loss("mgiou", &[]), pred, target);
        let (got, got_slopes) = one(&loss("mgiou3d", &[]), &raised(pred), &raised(target));
        let what = &rows.what[unit];
        assert_close(got, value * 2.0 / 3.0, Tolerance::LAW, what);
        for (field, of_plane) in [0, 1, 3, 4, 6].into_iter().zip(slopes) {
            assert_close(got_slopes[field], of_plane * 2.0 / 3.0, Tolerance::LAW, what);
        }
    }
}

/// An upright box has four names to the IoU and two to its corners.
#[test]
fn the_name_of_an_upright_box_does_not_matter() {
    let half = |it: &[f64]| vec![it[0], it[1], it[2], it[3], it[4], it[5], it[6] - PI];
    let quarter = |it: &[f64]| vec![it[0], it[1], it[2], it[4], it[3], it[5], it[6] + FRAC_PI_2];
    for name in ["yaw_iou3d", "yaw_giou3d", "yaw_diou3d", "mgiou3d", "corner3d"] {
        let (loss, rows) = (loss(name, &[]), inputs(name));
        let values = of(&loss, &rows).0;
        for (unit, &value) in values.iter().enumerate() {
            let (pred, target) = (rows.pred_of(unit), rows.target_of(unit));
            let mut pairs = vec![(half(pred), target.to_vec()), (pred.to_vec(), half(target))];
            if name != "corner3d" {
                pairs.extend([(quarter(pred), target.to_vec()), (pred.to_vec(), quarter(target))]);
            }
            for (pred, target) in pairs {
                let what = format!("{name}, {pred:?} against {target:?}");
                assert_close(one(&loss, &pred, &target).0, value, TURNED, &what);
            }
        }
    }
}

#[test]
fn turning_both_upright_boxes_changes_nothing() {
    let turned = |it: &[f64], by: f64| {
        let (sin, cos) = by.sin_cos();
        let (x, y) = (cos * it[0] - sin * it[1], sin * it[0] + cos * it[1]);
        vec![x, y, it[2], it[3], it[4], it[5], it[6] + by]
    };
    for (name, hull) in [
        ("yaw_iou3d", None),
        ("yaw_giou3d", Some(0.0)),
        ("yaw_giou3d", Some(1.0)),
        ("yaw_diou3d", None),
        ("mgiou3d", None),
        ("corner3d", None),
    ] {
        let params: Vec<(&str, f64)> = hull.map(|hull| ("hull", hull)).into_iter().collect();
        let (loss, rows) = (loss(name, &params), inputs(name));
        let values = of(&loss, &rows).0;
        for by in [0.3, -1.2, 2.5] {
            for (unit, &value) in values.iter().enumerate() {
                let (pred, target) =
                    (turned(rows.pred_of(unit), by), turned(rows.target_of(unit), by));
                let what = format!("{name} {params:?} turned by {by}, {}", rows.what[unit]);
                assert_close(one(&loss, &pred, &target).0, value, TURNED, &what);
            }
        }
    }
}

/// The corner loss straight from its definition.
#[test]
fn the_corner_loss_is_the_mean_over_eight_corners() {
    let corners = |it: &[f64], turn: f64| -> Vec<[f64; 3]> {
        let (sin, cos) = (it[6] + turn).sin_cos();
        let signs = (0..8).map(|i| [0, 1, 2].map(|k| if i >> k & 1 == 0 { -0.5 } else { 0.5 }));
        signs
            .map(|[x, y, z]| {
                let (along, across) = (x * it[3], y * it[4]);
                [
                    it[0] + along * cos - across * sin,
                    it[1] + along * sin + across * cos,
                    it[2] + z * it[5],
                ]
            })
            .collect()
    };
    let distance =
        |a: &[f64; 3], b: &[f64; 3]| (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt();
    let rows = inputs("corner3d");
    let values = of(&loss("corner3d", &[]), &rows).0;
    for (unit, &value) in values.iter().enumerate() {
        let (pred, target) = (rows.pred_of(unit), rows.target_of(unit));
        let (own, straight, turned) =
            (corners(pred, 0.0), corners(target, 0.0), corners(target, PI));
        let term = |i: usize| {
            let d = distance(&own[i], &straight[i]).min(distance(&own[i], &turned[i]));
            if d < 1.0 { d * d / 2.0 } else { d - 0.5 }
        };
        let expected = (0..8).map(term).sum::<f64>() / 8.0;
        assert_close(value, expected, TURNED, &rows.what[unit]);
    }
}
