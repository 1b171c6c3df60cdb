//! Modified losses against what their papers define, written down straight, and against losses of the list.

use detloss::losses::find;
use detloss::testing::{Rows, Tolerance, assert_close, nasty, ordinary, tied};

use crate::{boxes, loss, of};

/// Losses of the form 1 − IoU + penalties, whatever the penalties are.
const SUMS: [&str; 9] =
    ["iou", "giou", "diou", "ciou", "eiou", "siou", "shape_iou", "piou", "mpdiou"];

fn rows() -> Rows {
    ordinary(find("iou").unwrap(), 300, 61)
}

/// The IoU of two upright boxes, both scaled about their centres.
fn scaled_iou(pred: &[f64], target: &[f64], ratio: f64, eps: f64) -> f64 {
    let scaled = |corners: &[f64]| {
        let [cx, cy] = [0, 1].map(|axis| (corners[axis] + corners[axis + 2]) / 2.0);
        let [w, h] = [0, 1].map(|axis| (corners[axis + 2] - corners[axis]) * ratio / 2.0);
        [cx - w, cy - h, cx + w, cy + h]
    };
    let (p, t) = (scaled(pred), scaled(target));
    let side = |axis: usize| (p[axis + 2].min(t[axis + 2]) - p[axis].max(t[axis])).max(0.0);
    let area = |b: [f64; 4]| (b[2] - b[0]) * (b[3] - b[1]);
    let overlap = side(0) * side(1);
    overlap / (area(p) + area(t) - overlap + eps)
}

fn values(text: &str, rows: &Rows) -> Vec<f64> {
    of(&loss(text), rows, |x| x).iter().map(|results| results[0]).collect()
}

/// Both losses have the same values and slopes.
fn assert_same(left: &str, right: &str, tolerance: Tolerance) {
    let entry = find("iou").unwrap();
    for rows in [rows(), tied(entry), nasty(entry)] {
        let (found, expected) = (of(&loss(left), &rows, |x| x), of(&loss(right), &rows, |x| x));
        for (unit, (found, expected)) in found.iter().zip(&expected).enumerate() {
            for (&found, &expected) in found.iter().zip(expected) {
                let what = format!("{left} is {right}, {}", rows.what[unit]);
                assert_close(found, expected, tolerance, &what);
            }
        }
    }
}

#[test]
fn inner_is_the_iou_of_scaled_boxes_and_the_penalties_of_the_boxes_as_they_are() {
    let rows = rows();
    for name in SUMS {
        for ratio in [0.5, 0.75, 1.25, 1.5] {
            let (plain, inner) =
                (values(name, &rows), values(&format!("inner({name}, ratio={ratio})"), &rows));
            for unit in 0..rows.len() {
                let iou = |ratio| scaled_iou(rows.pred_of(unit), rows.target_of(unit), ratio, 0.0);
                let expected = plain[unit] + iou(1.0) - iou(ratio);
                let what = format!("inner({name}, ratio={ratio}), {}", rows.what[unit]);
                assert_close(inner[unit], expected, Tolerance::LAW, &what);
            }
        }
    }
}

#[test]
fn inner_adds_the_epsilon_of_its_loss_to_the_union_of_the_scaled_boxes() {
    let rows = rows();
    let (plain, inner) =
        (values("giou(eps=0.01)", &rows), values("inner(giou(eps=0.01), ratio=0.5)", &rows));
    for unit in 0..rows.len() {
        let iou = |ratio| scaled_iou(rows.pred_of(unit), rows.target_of(unit), ratio, 0.01);
        let expected = plain[unit] + iou(1.0) - iou(0.5);
        assert_close(inner[unit], expected, Tolerance::LAW, &rows.what[unit]);
    }
}

/// Scaled boxes far from the origin lose no digit: all numbers are quarters, here and there, and so exact.
#[test]
fn inner_costs_no_accuracy_in_f32_far_from_the_origin() {
    let (mut near, mut far) = (rows(), rows());
    near.pred.iter_mut().chain(&mut near.target).for_each(|x| *x = (*x * 4.0).round() / 4.0);
    far.pred = near.pred.iter().map(|x| x + 2_097_152.0).collect();
    far.target = near.target.iter().map(|x| x + 2_097_152.0).collect();
    for text in ["inner(iou)", "inner(giou, ratio=1.3)"] {
        let (expected, found) =
            (of(&loss(text), &near, |x| x), of(&loss(text), &far, |x| x as f32));
        for unit in 0..near.len() {
            for (&found, &expected) in found[unit].iter().zip(&expected[unit]) {
                assert_close(
                    found,
                    expected,
                    Tolerance::F32,
                    &format!("{text}, {}", near.what[unit]),
                );
            }
        }
    }
}

#[test]
fn focaler_stretches_the_iou() {
    let rows = rows();
    for name in SUMS {
        for (d, u) in [(0.0, 0.95), (0.2, 0.7), (0.5, 1.0)] {
            let (plain, focaler) =
                (values(name, &rows), values(&format!("focaler({name}, d={d}, u={u})"), &rows));
            for unit in 0..rows.len() {
                let iou = scaled_iou(rows.pred_of(unit), rows.target_of(unit), 1.0, 0.0);
                let expected = plain[unit] + iou - ((iou - d) / (u - d)).clamp(0.0, 1.0);
                let what = format!("focaler({name}, d={d}, u={u}), {}", rows.what[unit]);
                assert_close(focaler[unit], expected, Tolerance::LAW, &what);
            }
        }
    }
}

#[test]
fn at_the_ends_of_the_interval_the_slope_is_the_mean_of_both_sides() {
    // An IoU of 1/2.
    let (pred, target) = ([0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 2.0, 1.0]);
    let slope = |text: &str| crate::one(text, &pred, &target)[3];
    let plain = slope("iou");
    assert!(plain < 0.0);
    assert_close(
        slope("focaler(iou, d=0.5, u=1)"),
        plain,
        Tolerance::LAW,
        &"half of twice the slope",
    );
    assert_close(
        slope("focaler(iou, d=0, u=0.5)"),
        plain,
        Tolerance::LAW,
        &"the same at the other end",
    );
    assert_eq!(slope("focaler(iou, d=0.51, u=1)"), 0.0);
    assert_close(slope("focaler(iou, d=0.25, u=0.75)"), 2.0 * plain, Tolerance::LAW, &"within");
}

#[test]
fn boxes_that_touch_keep_the_mean_of_both_sides() {
    let (pred, target) = ([0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 2.0, 1.0]);
    let slope = |text: &str| crate::one(text, &pred, &target)[3];
    assert!(slope("iou") < 0.0);
    assert_eq!(slope("focaler(iou, d=0, u=0.5)"), 2.0 * slope("iou"));
}

/// Losses of one penalty or none, whose power is all there is to know.
#[test]
fn alpha_raises_overlap_and_penalty_to_a_power() {
    let rows = rows();
    for name in ["iou", "giou", "diou", "siou", "piou", "mpdiou"] {
        for alpha in [0.5, 2.0, 3.0, 4.0] {
            let (plain, powers) =
                (values(name, &rows), values(&format!("alpha({name}, alpha={alpha})"), &rows));
            for unit in 0..rows.len() {
                let iou = scaled_iou(rows.pred_of(unit), rows.target_of(unit), 1.0, 0.0);
                let penalty = (plain[unit] - (1.0 - iou)).max(0.0);
                let expected = 1.0 - iou.powf(alpha) + penalty.powf(alpha);
                // A root makes much of the little that a difference has lost.
                let lost = Tolerance { absolute: 1e-7, relative: 0.0 };
                let what = format!("alpha({name}, alpha={alpha}), {}", rows.what[unit]);
                assert_close(powers[unit], expected, lost, &what);
            }
        }
    }
    for name in ["nwd", "extended_iou"] {
        let (plain, powers) = (values(name, &rows), values(&format!("alpha({name})"), &rows));
        for unit in 0..rows.len() {
            assert_close(powers[unit], plain[unit].powi(3), Tolerance::LAW, &rows.what[unit]);
        }
    }
}

/// The slope of a root has no bound near 0; a penalty that small is at rest.
#[test]
fn a_root_of_nearly_nothing_has_no_slope() {
    let (pred, target) = ([1e-8, 0.0, 1.0 + 1e-8, 1.0], [0.0, 0.0, 1.0, 1.0]);
    let results = crate::one("alpha(diou, alpha=0.1)", &pred, &target);
    let overlap_alone = crate::one("alpha(iou, alpha=0.1)", &pred, &target);
    assert_eq!(results[1..], overlap_alone[1..]);
    assert!(results[0] > overlap_alone[0]);
}

#[test]
fn modifiers_of_the_iou_pass_through_what_a_loss_makes_of_it() {
    let rows = rows();
    for modifier in ["inner", "focaler", "alpha"] {
        let of = |name: &str| values(&format!("{modifier}({name})"), &rows);
        let [linear, square, log] = ["iou", "iou_square", "iou_log"].map(of);
        for unit in 0..rows.len() {
            let iou = 1.0 - linear[unit];
            assert_close(square[unit], 1.0 - iou * iou, Tolerance::LAW, &rows.what[unit]);
            assert_close(
                log[unit],
                -iou.max(1e-6).ln(),
                Tolerance { relative: 1e-9, ..Tolerance::LAW },
                &rows.what[unit],
            );
        }
    }
}

#[test]
fn focal_eiou_is_focal_of_eiou() {
    for gamma in [0.0, 0.5, 1.0, 1.7, 4.0, 10.0] {
        for detach in [false, true] {
            let params = format!("gamma={gamma}, detach={detach}");
            let (left, right) = (format!("focal(eiou, {params})"), format!("focal_eiou({params})"));
            assert_same(&left, &right, Tolerance::EXACT);
            let [left, right] = [left, right].map(|text| loss(&text));
            use detloss::batch::Kernel as _;
            assert_eq!(left.has_exact_gradient(), right.has_exact_gradient());
        }
    }
}

#[test]
fn wiou_is_wise_of_iou() {
    assert_same("wise(iou)", "wiou", Tolerance::EXACT);
}

#[test]
fn later_versions_of_wiou_are_those_of_wise() {
    for (wiou, wise) in [
        ("wiou_v2", "wise_v2(iou)"),
        ("wiou_v2(gamma=1.7)", "wise_v2(iou, gamma=1.7)"),
        ("wiou_v3", "wise_v3(iou)"),
        ("wiou_v3(alpha=1.7, delta=2.7)", "wise_v3(iou, alpha=1.7, delta=2.7)"),
        ("inner(wiou_v3)", "inner(wise_v3(iou))"),
        ("wiou_v2(gamma=0)", "wiou"),
    ] {
        assert_same(wiou, wise, Tolerance::EXACT);
    }
}

#[test]
fn factors_multiply_value_and_gradient() {
    let rows = rows();
    for entry in boxes() {
        let name = entry.name;
        let plain = of(&loss(name), &rows, |x| x);
        let (focal, wise) = (
            of(&loss(&format!("focal({name})")), &rows, |x| x),
            values(&format!("wise({name})"), &rows),
        );
        for unit in 0..rows.len() {
            let (pred, target) = (rows.pred_of(unit), rows.target_of(unit));
            let weight = scaled_iou(pred, target, 1.0, 0.0).sqrt();
            for (&got, &plain) in focal[unit].iter().zip(&plain[unit]) {
                assert_close(got, weight * plain, Tolerance::LAW, &format!("focal({name})"));
            }
            let mut part = [0.0; 2];
            for axis in 0..2 {
                let offset = pred[axis] + pred[axis + 2] - target[axis] - target[axis + 2];
                let hull = pred[axis + 2].max(target[axis + 2]) - pred[axis].min(target[axis]);
                part[0] += offset * offset / 4.0;
                part[1] += hull * hull;
            }
            let expected = (part[0] / part[1]).exp() * plain[unit][0];
            assert_close(wise[unit], expected, Tolerance::LAW, &format!("wise({name})"));
        }
    }
}

/// Some boxes keep their gates and factors: those of the boxes as they are.
#[test]
fn gates_and_factors_of_a_loss_see_the_boxes_as_they_are() {
    let (pred, target) = ([0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 2.0]);
    let value = |text: &str| crate::one(text, &pred, &target)[0];
    // The IoU is 1/2, and 0.526 where it is stretched: a gate between them stays shut.
    assert_eq!(value("focaler(ciou(gate=0.51))"), value("focaler(diou)"));
    assert!(value("focaler(ciou(gate=0.49))") > value("focaler(diou)"));
    // α = v / (1 − IoU + v) is that of the plain IoU, so that the shape costs what it does without a modifier.
    let shape = |of: fn(&str) -> String| value(&of("ciou")) - value(&of("diou"));
    let plain = shape(str::to_owned);
    assert!(plain > 0.0);
    assert_close(shape(|name| format!("focaler({name})")), plain, Tolerance::LAW, &"the shape");
    // The weight of PIoU v2 is a factor, the rest of it is PIoU.
    let weight = value("piou_v2") / value("piou");
    assert_close(
        value("inner(piou_v2)"),
        weight * value("inner(piou)"),
        Tolerance::LAW,
        &"piou_v2",
    );
}
