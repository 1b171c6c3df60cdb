//! Laws between losses of boxes.

use detloss::losses::find;
use detloss::testing::{Rows, Tolerance, assert_close, tied};

use crate::{assert_same, inputs, loss, of, one};

const BOXES: [&str; 7] = ["iou", "iou_square", "giou", "diou", "ciou", "eiou", "iou_log"];

#[test]
fn giou_is_iou_where_one_box_holds_the_other() {
    let all = tied(find("giou").unwrap());
    let mut nested = Rows::new(1, None);
    for unit in 0..all.len() {
        let (p, t) = (all.pred_of(unit), all.target_of(unit));
        let inside =
            |a: &[f64], b: &[f64]| b[0] <= a[0] && b[1] <= a[1] && a[2] <= b[2] && a[3] <= b[3];
        if inside(p, t) || inside(t, p) {
            nested.push("nested", p, t);
        }
    }
    assert!(nested.len() > 50);
    let (giou, iou) = (of(&loss("giou", &[]), &nested), of(&loss("iou", &[]), &nested));
    for unit in 0..nested.len() {
        assert_close(giou.0[unit], iou.0[unit], Tolerance::LAW, &nested.what[unit]);
    }
}

/// Touching nothing, GIoU still falls as the boxes approach; IoU does not.
#[test]
fn giou_pulls_disjoint_boxes_together() {
    let at = |name, x: f64| one(&loss(name, &[]), &[x, 0.0, x + 1.0, 1.0], &[0.0, 0.0, 1.0, 1.0]).0;
    assert!(at("giou", 3.0) < at("giou", 4.0));
    assert!(at("diou", 3.0) < at("diou", 4.0));
    assert_eq!(at("iou", 3.0), at("iou", 4.0));
}

#[test]
fn each_penalty_adds_to_the_one_before() {
    let rows = inputs("iou");
    let [iou, _, giou, diou, ciou, eiou, _] = BOXES.map(|name| of(&loss(name, &[]), &rows).0);
    let (mut more, mut shaped) = (0, 0);
    for unit in 0..rows.len() {
        assert!(iou[unit] <= giou[unit], "{}", rows.what[unit]);
        assert!(iou[unit] <= diou[unit], "{}", rows.what[unit]);
        assert!(diou[unit] <= ciou[unit], "{}", rows.what[unit]);
        assert!(diou[unit] <= eiou[unit], "{}", rows.what[unit]);
        more += usize::from(iou[unit] < diou[unit]);
        shaped += usize::from(diou[unit] < ciou[unit]);
    }
    assert!(more > 390 && shaped > 390);
}

#[test]
fn ciou_and_eiou_are_diou_between_boxes_of_one_shape() {
    let (pred, target) = ([0.0, 0.0, 3.0, 2.0], [1.0, 0.5, 4.0, 2.5]);
    let diou = one(&loss("diou", &[]), &pred, &target).0;
    assert_close(one(&loss("ciou", &[]), &pred, &target).0, diou, Tolerance::LAW, &"ciou");
    assert_close(one(&loss("eiou", &[]), &pred, &target).0, diou, Tolerance::LAW, &"eiou");
    let twice = [0.0, 0.0, 6.0, 4.0];
    let (diou, ciou) =
        (one(&loss("diou", &[]), &twice, &target).0, one(&loss("ciou", &[]), &twice, &target).0);
    assert_close(ciou, diou, Tolerance::LAW, &"the same aspect ratio");
    assert!(one(&loss("eiou", &[]), &twice, &target).0 > diou + 0.1, "not the same size");
}

#[test]
fn diou_is_iou_between_boxes_of_one_centre() {
    let (pred, target) = ([-2.0, -1.0, 2.0, 1.0], [-1.0, -2.0, 1.0, 2.0]);
    assert_eq!(one(&loss("diou", &[]), &pred, &target).0, one(&loss("iou", &[]), &pred, &target).0);
}

#[test]
fn a_closed_gate_makes_ciou_diou() {
    assert_same(
        &loss("ciou", &[("gate", 1.0)]),
        &loss("diou", &[]),
        &inputs("ciou"),
        "no IoU reaches 1",
    );
}

#[test]
fn logarithm_and_square_are_those_of_the_iou() {
    let rows = inputs("iou");
    let (iou, log) = (of(&loss("iou", &[]), &rows), of(&loss("iou_log", &[]), &rows));
    let square = of(&loss("iou_square", &[]), &rows);
    let mut overlapping = 0;
    for unit in 0..rows.len() {
        let overlap = 1.0 - iou.0[unit];
        assert_close(square.0[unit], 1.0 - overlap * overlap, Tolerance::LAW, &rows.what[unit]);
        for index in unit * 4..unit * 4 + 4 {
            assert_close(
                square.1[index],
                2.0 * overlap * iou.1[index],
                Tolerance::LAW,
                &rows.what[unit],
            );
        }
        if overlap > 0.01 {
            overlapping += 1;
            assert_close(log.0[unit], -overlap.ln(), Tolerance::LAW, &rows.what[unit]);
            for index in unit * 4..unit * 4 + 4 {
                assert_close(
                    log.1[index],
                    iou.1[index] / overlap,
                    Tolerance::LAW,
                    &rows.what[unit],
                );
            }
        }
    }
    assert!(overlapping > 200);
}

#[test]
fn focal_eiou_weighs_eiou_by_the_overlap() {
    let rows = inputs("eiou");
    let (iou, eiou) = (of(&loss("iou", &[]), &rows), of(&loss("eiou", &[]), &rows));
    let focal = of(&loss("focal_eiou", &[("gamma", 0.5)]), &rows);
    for unit in 0..rows.len() {
        let expected = (1.0 - iou.0[unit]).sqrt() * eiou.0[unit];
        assert_close(focal.0[unit], expected, Tolerance::LAW, &rows.what[unit]);
    }
    assert_same(&loss("focal_eiou", &[("gamma", 0.0)]), &loss("eiou", &[]), &rows, "gamma 0");
}

#[test]
fn a_step_against_the_gradient_brings_boxes_closer() {
    let rows = inputs("iou");
    for name in ["giou", "diou", "ciou", "eiou", "siou", "shape_iou", "nwd", "extended_iou"] {
        let loss = loss(name, &[]);
        let (before, grad) = of(&loss, &rows);
        let mut stepped = rows.clone();
        for (edge, slope) in stepped.pred.iter_mut().zip(&grad) {
            *edge -= 1e-4 * slope;
        }
        let after = of(&loss, &stepped).0;
        for unit in 0..rows.len() {
            let moved = grad[unit * 4..unit * 4 + 4].iter().any(|&slope| slope.abs() > 1e-6);
            assert!(moved && after[unit] < before[unit], "{name}: {}", rows.what[unit]);
        }
    }
}

/// Centres that are aligned are where the distance costs most: documented, since the paper tells another story.
#[test]
fn siou_gets_cheaper_when_an_aligned_box_moves_aside() {
    let at =
        |d: f64| one(&loss("siou", &[]), &[4.0 + d, 1.0, 6.0 + d, 3.0], &[0.0, 0.0, 10.0, 10.0]).0;
    for (d, value) in
        [(0.0, 1.13432), (0.1, 1.13190), (0.5, 1.12404), (1.0, 1.11810), (2.0, 1.11922)]
    {
        assert!((at(d) - value).abs() < 1e-5 && (at(-d) - value).abs() < 1e-5, "{d}: {}", at(d));
    }
}

#[test]
fn shape_iou_is_diou_with_the_shape_of_siou() {
    let rows = inputs("shape_iou");
    // On the target's centre, siou is left with overlap and shape.
    let mut centred = rows.clone();
    for (pred, target) in centred.pred.chunks_exact_mut(4).zip(rows.target.chunks_exact(4)) {
        for axis in 0..2 {
            let middle = (target[axis] + target[axis + 2]) / 2.0;
            let half = (pred[axis + 2] - pred[axis]) / 2.0;
            (pred[axis], pred[axis + 2]) = (middle - half, middle + half);
        }
    }
    let [siou, iou] = ["siou", "iou"].map(|name| of(&loss(name, &[]), &centred).0);
    let [shape_iou, diou] = ["shape_iou", "diou"].map(|name| of(&loss(name, &[]), &rows).0);
    for unit in 0..rows.len() {
        let shape = siou[unit] - iou[unit];
        assert_close(shape_iou[unit], diou[unit] + shape, Tolerance::LAW, &rows.what[unit]);
    }
}

#[test]
fn the_shape_of_a_square_weighs_nothing() {
    let (pred, square) = ([0.5, -1.0, 2.0, 3.0], [0.0, 0.0, 2.0, 2.0]);
    let plain = one(&loss("shape_iou", &[]), &pred, &square);
    assert_eq!(one(&loss("shape_iou", &[("scale", 1.5)]), &pred, &square), plain);
}

#[test]
fn piou_v2_weighs_piou_and_detaching_the_weight_changes_no_value() {
    let rows = inputs("piou_v2");
    let (v1, v2) = (of(&loss("piou", &[]), &rows), of(&loss("piou_v2", &[]), &rows));
    let released = of(&loss("piou_v2", &[("detach", 0.0)]), &rows);
    assert_eq!(v2.0, released.0);
    for index in 0..rows.pred.len() {
        let unit = index / 4;
        let weight = v2.0[unit] / v1.0[unit];
        assert_close(v2.1[index], weight * v1.1[index], Tolerance::LAW, &rows.what[unit]);
    }
}

#[test]
fn piou_v2_as_released_pushes_far_boxes_away() {
    let (pred, target) = ([0.0, 0.0, 2.0, 3.0], [9.0, 1.0, 13.0, 4.5]);
    let (value, slopes) = one(&loss("piou_v2", &[]), &pred, &target);
    let (_, released) = one(&loss("piou_v2", &[("detach", 0.0)]), &pred, &target);
    assert!((value - 1.58617).abs() < 1e-5);
    assert!(slopes.iter().all(|&slope| slope < 0.0), "towards the target: {slopes:?}");
    assert!(released.iter().all(|&slope| slope > 0.0), "away from it: {released:?}");
}

#[test]
fn nwd_is_the_norm_of_the_errors_of_the_corners() {
    const K: f64 = 3.0;
    let rows = inputs("nwd");
    let (values, grad) = of(&loss("nwd", &[("constant", K)]), &rows);
    for unit in 0..rows.len() {
        let (pred, target) = (rows.pred_of(unit), rows.target_of(unit));
        let norm = pred.iter().zip(target).map(|(p, t)| (p - t).powi(2)).sum::<f64>().sqrt();
        let similarity = (-norm / (K * 2.0_f64.sqrt())).exp();
        assert_close(values[unit], 1.0 - similarity, Tolerance::LAW, &rows.what[unit]);
        let steepness = grad[unit * 4..unit * 4 + 4].iter().map(|slope| slope * slope).sum::<f64>();
        let expected = similarity / (K * 2.0_f64.sqrt());
        assert_close(steepness.sqrt(), expected, Tolerance::LAW, &rows.what[unit]);
    }
}

#[test]
fn mpdiou_is_iou_and_squared_errors_over_the_diagonal() {
    let rows = inputs("mpdiou");
    let (mpdiou, iou) = (of(&loss("mpdiou", &[]), &rows), of(&loss("iou", &[]), &rows));
    let diagonal = 2.0 * 640.0 * 640.0;
    for unit in 0..rows.len() {
        let (pred, target) = (rows.pred_of(unit), rows.target_of(unit));
        let squares: f64 = pred.iter().zip(target).map(|(p, t)| (p - t).powi(2)).sum();
        let expected = iou.0[unit] + squares / diagonal;
        assert_close(mpdiou.0[unit], expected, Tolerance::LAW, &rows.what[unit]);
        for field in 0..4 {
            let expected = iou.1[unit * 4 + field] + 2.0 * (pred[field] - target[field]) / diagonal;
            assert_close(mpdiou.1[unit * 4 + field], expected, Tolerance::LAW, &rows.what[unit]);
        }
    }
}

/// What its page says about images of many sizes.
#[test]
fn mpdiou_of_boxes_in_units_of_the_diagonal_is_that_of_their_image() {
    let rows = inputs("mpdiou");
    let whole = loss("mpdiou", &[("width", 0.6), ("height", 0.8)]);
    for unit in 0..rows.len() {
        let (width, height) = (100.0 + unit as f64, 300.0 - 0.5 * unit as f64);
        let diagonal = width.hypot(height);
        let divided = |corners: &[f64]| corners.iter().map(|x| x / diagonal).collect::<Vec<_>>();
        let (pred, target) = (rows.pred_of(unit), rows.target_of(unit));
        let image = loss("mpdiou", &[("width", width), ("height", height)]);
        let (expected, slopes) = one(&image, pred, target);
        let (got, of_divided) = one(&whole, &divided(pred), &divided(target));
        assert_close(got, expected, Tolerance::LAW, &rows.what[unit]);
        for (slope, of_divided) in slopes.into_iter().zip(of_divided) {
            assert_close(of_divided / diagonal, slope, Tolerance::LAW, &rows.what[unit]);
        }
    }
}

#[test]
fn extended_iou_is_smooth_l1_of_iou_where_boxes_overlap() {
    let rows = inputs("iou");
    let (iou, extended) = (of(&loss("iou", &[]), &rows).0, of(&loss("extended_iou", &[]), &rows).0);
    let smooth_l1 = loss("smooth_l1", &[("beta", 0.1)]);
    let mut overlapping = 0;
    for unit in 0..rows.len() {
        let smooth = one(&smooth_l1, &[iou[unit]], &[0.0]).0;
        if iou[unit] < 1.0 {
            overlapping += 1;
            assert_close(extended[unit], smooth, Tolerance::LAW, &rows.what[unit]);
        } else {
            assert!(extended[unit] > smooth, "{}", rows.what[unit]);
        }
    }
    assert!(overlapping > 200);
}

/// Documented, since it makes flipped images cost something else.
#[test]
fn extended_iou_changes_when_disjoint_boxes_are_turned_upside_down() {
    let extended = loss("extended_iou", &[]);
    let upright = one(&extended, &[0.0, 0.0, 2.0, 3.0], &[5.0, 1.0, 9.0, 4.5]).0;
    let turned = one(&extended, &[0.0, -3.0, 2.0, 0.0], &[5.0, -4.5, 9.0, -1.0]).0;
    assert!((upright - 1.325).abs() < 1e-9 && (turned - 1.378571).abs() < 1e-6, "{turned}");
}

#[test]
fn wiou_is_iou_times_the_exponential_of_what_diou_adds() {
    let rows = inputs("wiou");
    let [wiou, iou, diou] = ["wiou", "iou", "diou"].map(|name| of(&loss(name, &[]), &rows).0);
    for unit in 0..rows.len() {
        let expected = (diou[unit] - iou[unit]).exp() * iou[unit];
        assert_close(wiou[unit], expected, Tolerance::LAW, &rows.what[unit]);
    }
}
