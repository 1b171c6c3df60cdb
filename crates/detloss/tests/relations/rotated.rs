//! Laws between losses of rotated boxes, and numbers that other implementations got wrong.

use std::f64::consts::{FRAC_PI_2, PI};

use detloss::Batch;
use detloss::batch::{Kernel as _, Level};
use detloss::losses::{ALL, Entry, find};
use detloss::operand::Kind;
use detloss::testing::{Rows, Tolerance, assert_close, tied};

use crate::{inputs, loss, of, one};

/// Angles and offsets turned by a few units in the last place move a value by this.
const TURNED: Tolerance = Tolerance { absolute: 1e-9, relative: 1e-9 };

fn of_rotated_boxes() -> impl Iterator<Item = &'static Entry> {
    ALL.iter().filter(|entry| entry.signature.pred == Kind::RotatedBox)
}

/// The same rows with every prediction and every target changed.
fn changed(
    rows: &Rows,
    pred: impl Fn(&[f64]) -> Vec<f64>,
    target: impl Fn(&[f64]) -> Vec<f64>,
) -> Rows {
    let mut changed = rows.clone();
    changed.pred = rows.pred.chunks(5).flat_map(pred).collect();
    changed.target = rows.target.chunks(5).flat_map(target).collect();
    changed
}

fn turned(it: &[f64], by: f64) -> Vec<f64> {
    let (sin, cos) = by.sin_cos();
    vec![cos * it[0] - sin * it[1], sin * it[0] + cos * it[1], it[2], it[3], it[4] + by]
}

#[test]
fn turning_both_boxes_changes_nothing_and_turns_the_slopes() {
    for entry in of_rotated_boxes() {
        let (loss, rows) = (entry.make(), inputs(entry.name));
        let (before, slopes) = of(&loss, &rows);
        for by in [0.3, -1.2, FRAC_PI_2, 2.5] {
            let there = changed(&rows, |it| turned(it, by), |it| turned(it, by));
            let (after, turned_slopes) = of(&loss, &there);
            for unit in 0..rows.len() {
                let what = format!("{} turned by {by}: {}", entry.name, rows.what[unit]);
                assert_close(after[unit], before[unit], TURNED, &what);
                let expected = turned(&slopes[unit * 5..][..5], by);
                // The slope by the angle does not turn.
                let expected = [&expected[..4], &slopes[unit * 5 + 4..][..1]].concat();
                for (&got, &slope) in turned_slopes[unit * 5..][..5].iter().zip(&expected) {
                    assert_close(got, slope, TURNED, &format!("slope of {what}"));
                }
            }
        }
    }
}

/// A box has four names: by a half turn, and with its sides exchanged by a quarter turn.
#[test]
fn the_name_of_a_box_does_not_matter() {
    let quarter = |it: &[f64]| vec![it[0], it[1], it[3], it[2], it[4] + FRAC_PI_2];
    let half = |it: &[f64]| vec![it[0], it[1], it[2], it[3], it[4] - PI];
    for entry in of_rotated_boxes() {
        let (loss, rows) = (entry.make(), inputs(entry.name));
        let (before, slopes) = of(&loss, &rows);
        let renamed = [
            changed(&rows, half, <[f64]>::to_vec),
            changed(&rows, <[f64]>::to_vec, half),
            changed(&rows, <[f64]>::to_vec, quarter),
            changed(&rows, quarter, <[f64]>::to_vec),
        ];
        for (index, renamed) in renamed.iter().enumerate() {
            let (after, renamed_slopes) = of(&loss, renamed);
            for unit in 0..rows.len() {
                let what = format!("{}, name {index}: {}", entry.name, rows.what[unit]);
                assert_close(after[unit], before[unit], TURNED, &what);
                let slope = |field: usize| slopes[unit * 5 + field];
                let order = if index == 3 { [0, 1, 3, 2, 4] } else { [0, 1, 2, 3, 4] };
                for (field, from) in order.into_iter().enumerate() {
                    let got = renamed_slopes[unit * 5 + field];
                    assert_close(got, slope(from), TURNED, &format!("slope {field} of {what}"));
                }
            }
        }
    }
}

/// Along the axes of the image they are the losses of horizontal boxes, ties and all.
#[test]
fn boxes_without_an_angle_are_horizontal_boxes() {
    for (rotated, horizontal) in [
        ("rotated_iou", "iou"),
        ("rotated_iou_log", "iou_log"),
        ("rotated_iou_square", "iou_square"),
        ("rotated_giou", "giou"),
        ("rotated_diou", "diou"),
    ] {
        let all = tied(find(horizontal).unwrap());
        let by_center = |it: &[f64]| {
            vec![(it[0] + it[2]) / 2.0, (it[1] + it[3]) / 2.0, it[2] - it[0], it[3] - it[1], 0.0]
        };
        for unit in 0..all.len() {
            let (pred, target) = (all.pred_of(unit), all.target_of(unit));
            let (value, slopes) = one(&loss(horizontal, &[]), pred, target);
            let (got, got_slopes) = one(&loss(rotated, &[]), &by_center(pred), &by_center(target));
            let what = format!("{rotated}, {}", all.what[unit]);
            assert_close(got, value, Tolerance::LAW, &what);
            let [x1, y1, x2, y2] = slopes[..] else { unreachable!("four corners") };
            let expected = [x1 + x2, y1 + y2, (x2 - x1) / 2.0, (y2 - y1) / 2.0];
            for (&got, expected) in got_slopes.iter().zip(expected) {
                assert_close(got, expected, Tolerance::LAW, &format!("slope of {what}"));
            }
        }
    }
}

/// −ln and the square of the IoU that the linear loss has, slopes by the chain rule; no IoU at all is the floor, and does not move.
#[test]
fn the_logarithm_and_the_square_are_functions_of_the_rotated_iou() {
    let rows = inputs("rotated_iou");
    let (linear, slopes) = of(&loss("rotated_iou", &[]), &rows);
    let log = of(&loss("rotated_iou_log", &[("floor", 0.01)]), &rows);
    let square = of(&loss("rotated_iou_square", &[]), &rows);
    let mut below = 0;
    for (unit, (linear, what)) in linear.iter().zip(&rows.what).enumerate() {
        let iou = 1.0 - linear;
        let rate = if iou < 0.01 { 0.0 } else { 1.0 / iou };
        below += usize::from(iou < 0.01);
        assert_close(log.0[unit], -iou.max(0.01).ln(), TURNED, what);
        assert_close(square.0[unit], 1.0 - iou * iou, TURNED, what);
        for (field, slope) in slopes.iter().enumerate().skip(unit * 5).take(5) {
            assert_close(log.1[field], rate * slope, TURNED, what);
            assert_close(square.1[field], 2.0 * iou * slope, TURNED, what);
        }
    }
    assert!(below > 0 && below < rows.len() / 2, "{below} are below the floor");
}

/// Also by the angle, where edges that meet are parallel.
#[test]
fn by_the_angle_a_tie_is_the_mean_of_both_sides() {
    const STEP: f64 = 1e-5;
    for name in ["rotated_iou", "rotated_giou", "rotated_diou"] {
        let (loss, rows) = (loss(name, &[]), tied(find(name).unwrap()));
        let slopes = of(&loss, &rows).1;
        let at = |by: f64| {
            of(&loss, &changed(&rows, |it| [&it[..4], &[it[4] + by]].concat(), <[f64]>::to_vec)).0
        };
        let (left, right) = (at(-STEP), at(STEP));
        for unit in 0..rows.len() {
            let mean = (right[unit] - left[unit]) / (2.0 * STEP);
            let tolerance = Tolerance { absolute: 1e-4, relative: 0.0 };
            assert_close(
                slopes[unit * 5 + 4],
                mean,
                tolerance,
                &format!("{name}: {}", rows.what[unit]),
            );
        }
    }
}

/// Equal boxes at any angle and place, in the plane and in space, cost exactly nothing in `f32`, with every slope 0.
#[test]
fn equal_boxes_cost_nothing_anywhere_in_f32() {
    let exact = ALL
        .iter()
        .filter(|entry| {
            ["rotated", "boxes3d"].contains(&entry.family) && entry.facts.zero_at_target
        })
        .map(|entry| (entry.make(), 0.0));
    let hulls = ["rotated_giou", "yaw_giou3d"].map(|name| (loss(name, &[("hull", 1.0)]), 2e-6));
    let rows = inputs("rotated_iou");
    for (loss, tolerance) in exact.chain(hulls) {
        for (index, target) in rows.target.chunks(5).enumerate() {
            let far = [0.0, 100.0, 1e4, 1e6][index % 4];
            let size = [1.0, 1e-3, 300.0][index % 3];
            let [x, y] = [target[0] + far, target[1] - far];
            let [w, h] = [target[2] * size, target[3] * size];
            let it = match loss.signature().pred {
                Kind::RotatedBox => vec![x, y, w, h, target[4]],
                Kind::YawBox => vec![x, y, far, w, h, w, target[4]],
                _ => vec![x, y, far, x + w, y + h, far + w],
            };
            let it: Vec<f32> = it.into_iter().map(|x| x as f32).collect();
            if matches!(loss.signature().pred, Kind::Box3d if it[0] == it[3] || it[2] == it[5]) {
                // Too far away for its size.
                continue;
            }
            let (value, grad) = Batch::new(&it, &it).value_and_grad(&loss).unwrap();
            assert_eq!(value, 0.0, "{loss} of {it:?}");
            let limit = tolerance * (1.0 + 1.0 / w.min(h));
            let is_zero = grad.iter().all(|&slope| f64::from(slope.abs()) <= limit);
            assert!(is_zero, "{loss} of {it:?}: {grad:?}");
        }
    }
}

#[test]
fn a_square_has_no_angle_to_gaussian_losses() {
    let square = |it: &[f64]| vec![it[0], it[1], it[2], it[2], it[4]];
    for name in ["gwd", "kld", "bcd", "prob_iou", "kfiou"] {
        let rows = changed(&inputs(name), square, square);
        let (_, slopes) = of(&loss(name, &[]), &rows);
        assert!(slopes.chunks(5).all(|slopes| slopes[4].abs() < 1e-15), "{name}");
    }
    let rows = changed(&inputs("rotated_iou"), square, square);
    for name in ["rotated_iou", "mgiou"] {
        let (_, slopes) = of(&loss(name, &[]), &rows);
        let seen = slopes.chunks(5).filter(|slopes| slopes[4].abs() > 1e-6).count();
        assert!(seen > 200, "{name} sees the angle of {seen}");
    }
}

#[test]
fn the_divergences_of_both_directions_mix() {
    let rows = inputs("kld");
    let raw = |reverse: f64| {
        of(&loss("kld", &[("log", 0.0), ("tau", 0.0), ("reverse", reverse)]), &rows).0
    };
    let (forward, back, mean) = (raw(0.0), raw(1.0), raw(0.5));
    let exchanged = Rows { pred: rows.target.clone(), target: rows.pred.clone(), ..rows.clone() };
    let there = of(&loss("kld", &[("log", 0.0), ("tau", 0.0)]), &exchanged).0;
    for unit in 0..rows.len() {
        let what = &rows.what[unit];
        assert_close(mean[unit], (forward[unit] + back[unit]) / 2.0, Tolerance::LAW, what);
        assert_close(back[unit], there[unit], TURNED, what);
    }
}

/// `GDLoss_v1` of MMRotate: twice the divergence, before the root and before the logarithm.
#[test]
fn the_factor_multiplies_the_divergence_before_anything_else() {
    let rows = inputs("kld");
    let of = |params: &[(&str, f64)]| of(&loss("kld", params), &rows).0;
    let divergence = of(&[("log", 0.0), ("tau", 0.0)]);
    let rooted = of(&[("factor", 2.0), ("root", 1.0), ("log", 0.0)]);
    let logarithm = of(&[("factor", 2.0), ("tau", 0.0)]);
    for unit in 0..rows.len() {
        let (doubled, what) = (2.0 * divergence[unit], &rows.what[unit]);
        assert_close(rooted[unit], 1.0 - 1.0 / (1.0 + doubled.sqrt()), Tolerance::LAW, what);
        assert_close(logarithm[unit], doubled.ln_1p(), Tolerance::LAW, what);
    }
}

#[test]
fn prob_iou_is_a_hellinger_distance() {
    let rows = inputs("prob_iou");
    let distance = of(&loss("prob_iou", &[("distance", 1.0)]), &rows).0;
    let hellinger = of(&loss("prob_iou", &[]), &rows).0;
    for unit in 0..rows.len() {
        let expected = (1.0 - (-distance[unit]).exp()).sqrt();
        assert_close(hellinger[unit], expected, Tolerance::LAW, &rows.what[unit]);
    }
}

/// What bug reports to MMCV, Detectron2, RRPN and Rotated_IoU show, at every level in `f32`: with the IoU there should be.
#[test]
fn pairs_from_bug_reports_come_out_right_in_f32() {
    let degrees = |[x, y, w, h, angle]: [f64; 5]| [x, y, w, h, -angle.to_radians()];
    let same = [0.0, 0.0, 180.642_227_172_9, 136.363_372_802_7, 0.955_964_863_3];
    let square = [0.0, 0.0, 2.0, 2.0, PI / 4.0];
    let pairs = [
        ("mmcv#2621, there 0.333", same, same, 1.0, 0.0),
        ("Rotated_IoU#38, there 0", square, square, 1.0, 0.0),
        (
            "rotated_maskrcnn#46, there 0.3333",
            [672.4067, 290.7776, 791.0275, 38.9333, 0.595_95],
            [672.4067, 290.7776, 791.0275, 38.9333, 0.595_95],
            1.0,
            0.0,
        ),
        (
            "detectron2#2167, there 0.5848",
            degrees([2_563.744_629, 1_436.790_161, 2_174.703_369, 214.095_001, 115.118_347_17]),
            degrees([2_563.744_629, 1_436.790_283, 2_174.702_881, 214.094_955, 115.118_354_80]),
            0.999_999,
            3e-6,
        ),
        (
            "detectron2#2154, there 0.6002",
            degrees([296.662_018, 458.738_831, 23.515_730, 47.677_002, 0.087_951_66]),
            degrees([296.662_01, 458.738_82, 23.515_73, 47.677_02, 0.087_951]),
            1.0,
            3e-6,
        ),
        (
            "detectron2#1207, there 0.2655",
            degrees([160.0, 153.0, 230.0, 23.0, -37.0]),
            degrees([190.0, 127.0, 80.0, 21.0, -46.0]),
            0.0,
            0.0,
        ),
        (
            "detectron2#4961, which is right",
            degrees([1010.5, 860.000_122, 12.206_555, 48.826_225, 55.007_98]),
            degrees([1022.0, 870.499_939, 10.816_651, 43.266_609, 56.309_929]),
            0.368_76,
            1e-5,
        ),
        (
            "RRPN#44, there 1.35",
            [46.83, 44.03, 3.9, 1.63, 0.0],
            [46.83, 44.03, 1.63, 3.9, 1.45],
            0.854_8,
            1e-4,
        ),
        (
            "mmcv#2952, there −12128368",
            [135.07, 406.72, 7.9445e-7, 1971.1, 1.7708],
            [151.008, 436.2173, 302.0159, 313.7347, 3.1184],
            0.0,
            1e-8,
        ),
    ];
    let narrow = |fields: [f64; 5]| fields.map(|x| x as f32);
    for (what, pred, target, iou, tolerance) in pairs {
        for level in Level::available() {
            for (pred, target) in [(pred, target), (target, pred)] {
                let (pred, target) = (narrow(pred), narrow(target));
                let batch = Batch::new(&pred, &target).level(level);
                let (value, grad) = batch.value_and_grad(&loss("rotated_iou", &[])).unwrap();
                assert!(
                    (1.0 - value - iou).abs() <= tolerance,
                    "{what} at {level}: {}",
                    1.0 - value
                );
                assert!(grad.iter().all(|slope| slope.is_finite()), "{what}: {grad:?}");
            }
        }
    }
}

/// A half turn is rounded, and so is what it does to a long box.
#[test]
fn equal_boxes_by_another_name_are_nearly_equal_in_f32() {
    let rows = inputs("rotated_iou");
    for target in rows.target.chunks(5) {
        let half = [target[0], target[1], target[2], target[3], target[4] + PI].map(|x| x as f32);
        let quarter =
            [target[0], target[1], target[3], target[2], target[4] - FRAC_PI_2].map(|x| x as f32);
        let target: Vec<f32> = target.iter().map(|&x| x as f32).collect();
        for pred in [half, quarter] {
            let value = Batch::new(&pred, &target).value(&loss("rotated_iou", &[])).unwrap();
            assert!(value.abs() < 8e-6, "{pred:?} against {target:?}: {value}");
        }
    }
}

/// Whole turns cost no more than the rounding of the angle itself.
#[test]
fn hundreds_of_turns_lose_no_digit_in_f32() {
    let rows = inputs("rotated_iou");
    for (pred, target) in rows.pred.chunks(5).zip(rows.target.chunks(5)) {
        // In f32 on both sides, so that only what the formula adds is left.
        let many = |it: &[f64], turns: f64| -> Vec<f32> {
            let mut it: Vec<f32> = it.iter().map(|&x| x as f32).collect();
            it[4] = (f64::from(it[4]) + turns * 2.0 * PI) as f32;
            it
        };
        let (pred, target) = (many(pred, 60.0), many(target, -40.0));
        let wide = |it: &[f32]| it.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let expected = one(&loss("rotated_iou", &[]), &wide(&pred), &wide(&target)).0;
        let got = Batch::new(&pred, &target).value(&loss("rotated_iou", &[])).unwrap();
        assert!((got - expected).abs() < 2e-6, "{pred:?} against {target:?}: {got}, {expected}");
    }
}
