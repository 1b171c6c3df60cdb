//! Laws between losses.

use detloss::loss::AnyLoss;
use detloss::losses::find;
use detloss::scalar::Scalar;
use detloss::testing::{Rows, Tolerance, assert_close, ordinary, tied};
use detloss::{Batch, losses};

fn loss(name: &str, params: &[(&str, f64)]) -> Box<dyn AnyLoss> {
    find(name).and_then(|entry| entry.with(params)).unwrap_or_else(|error| panic!("{error}"))
}

/// Losses and gradients of every row.
fn of(loss: &dyn AnyLoss, rows: &Rows) -> (Vec<f64>, Vec<f64>) {
    let memory = rows.memory::<f64>();
    let (mut values, mut grad) = (vec![0.0; rows.len()], vec![0.0; memory.pred.len()]);
    memory.batch().rows_and_grad_into(loss, None, &mut values, &mut grad).unwrap();
    (values, grad)
}

fn one(loss: &dyn AnyLoss, pred: &[f64], target: &[f64]) -> (f64, Vec<f64>) {
    let columns = if loss.layout().pred.is_none() { pred.len() } else { 1 };
    Batch::new(pred, target).columns(columns).sum().value_and_grad(loss).unwrap()
}

/// Two losses with the same values and slopes.
fn assert_same(left: &dyn AnyLoss, right: &dyn AnyLoss, rows: &Rows, what: &str) {
    let (left, right) = (of(left, rows), of(right, rows));
    for (unit, (&left, &right)) in left.0.iter().zip(&right.0).enumerate() {
        assert_close(left, right, Tolerance::LAW, &format!("{what}: {}", rows.what[unit]));
    }
    for (index, (&left, &right)) in left.1.iter().zip(&right.1).enumerate() {
        assert_close(
            left,
            right,
            Tolerance::LAW,
            &format!("{what}, slope: {}", rows.what[index / rows.width()]),
        );
    }
}

fn inputs(name: &str) -> Rows {
    ordinary(find(name).unwrap(), 400, 61)
}

/// Logits against 0 and 1 only.
fn hard() -> Rows {
    let soft = inputs("bce");
    let mut hard = Rows::empty(1);
    for unit in 0..soft.len() {
        hard.push("hard label", soft.pred_of(unit), &[soft.target_of(unit)[0].round()]);
    }
    hard
}

const BOXES: [&str; 7] = ["iou", "iou_square", "giou", "diou", "ciou", "eiou", "iou_log"];

// ---------------------------------------------------------------------------------------------------------------- boxes

#[test]
fn giou_is_iou_where_one_box_holds_the_other() {
    let all = tied(find("giou").unwrap());
    let mut nested = Rows::empty(1);
    for unit in 0..all.len() {
        let (p, t) = (all.pred_of(unit), all.target_of(unit));
        let inside =
            |a: &[f64], b: &[f64]| b[0] <= a[0] && b[1] <= a[1] && a[2] <= b[2] && a[3] <= b[3];
        if inside(p, t) || inside(t, p) {
            nested.push("nested", p, t);
        }
    }
    assert!(nested.len() > 50);
    let (giou, iou) = (of(&*loss("giou", &[]), &nested), of(&*loss("iou", &[]), &nested));
    for unit in 0..nested.len() {
        assert_close(giou.0[unit], iou.0[unit], Tolerance::LAW, &nested.what[unit]);
    }
}

/// Touching nothing, GIoU still falls as the boxes approach; IoU does not.
#[test]
fn giou_pulls_disjoint_boxes_together() {
    let at =
        |name, x: f64| one(&*loss(name, &[]), &[x, 0.0, x + 1.0, 1.0], &[0.0, 0.0, 1.0, 1.0]).0;
    assert!(at("giou", 3.0) < at("giou", 4.0));
    assert!(at("diou", 3.0) < at("diou", 4.0));
    assert_eq!(at("iou", 3.0), at("iou", 4.0));
}

#[test]
fn each_penalty_adds_to_the_one_before() {
    let rows = inputs("iou");
    let [iou, _, giou, diou, ciou, eiou, _] = BOXES.map(|name| of(&*loss(name, &[]), &rows).0);
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
    let diou = one(&*loss("diou", &[]), &pred, &target).0;
    assert_close(one(&*loss("ciou", &[]), &pred, &target).0, diou, Tolerance::LAW, &"ciou");
    assert_close(one(&*loss("eiou", &[]), &pred, &target).0, diou, Tolerance::LAW, &"eiou");
    let twice = [0.0, 0.0, 6.0, 4.0];
    let (diou, ciou) =
        (one(&*loss("diou", &[]), &twice, &target).0, one(&*loss("ciou", &[]), &twice, &target).0);
    assert_close(ciou, diou, Tolerance::LAW, &"the same aspect ratio");
    assert!(one(&*loss("eiou", &[]), &twice, &target).0 > diou + 0.1, "not the same size");
}

#[test]
fn diou_is_iou_between_boxes_of_one_centre() {
    let (pred, target) = ([-2.0, -1.0, 2.0, 1.0], [-1.0, -2.0, 1.0, 2.0]);
    assert_eq!(
        one(&*loss("diou", &[]), &pred, &target).0,
        one(&*loss("iou", &[]), &pred, &target).0
    );
}

#[test]
fn a_closed_gate_makes_ciou_diou() {
    assert_same(
        &*loss("ciou", &[("gate", 1.0)]),
        &*loss("diou", &[]),
        &inputs("ciou"),
        "no IoU reaches 1",
    );
}

#[test]
fn logarithm_and_square_are_those_of_the_iou() {
    let rows = inputs("iou");
    let (iou, log) = (of(&*loss("iou", &[]), &rows), of(&*loss("iou_log", &[]), &rows));
    let square = of(&*loss("iou_square", &[]), &rows);
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
    let (iou, eiou) = (of(&*loss("iou", &[]), &rows), of(&*loss("eiou", &[]), &rows));
    let focal = of(&*loss("focal_eiou", &[("gamma", 0.5)]), &rows);
    for unit in 0..rows.len() {
        let expected = (1.0 - iou.0[unit]).sqrt() * eiou.0[unit];
        assert_close(focal.0[unit], expected, Tolerance::LAW, &rows.what[unit]);
    }
    assert_same(&*loss("focal_eiou", &[("gamma", 0.0)]), &*loss("eiou", &[]), &rows, "gamma 0");
}

#[test]
fn a_step_against_the_gradient_brings_boxes_closer() {
    let rows = inputs("iou");
    for name in ["giou", "diou", "ciou", "eiou"] {
        let loss = loss(name, &[]);
        let (before, grad) = of(&*loss, &rows);
        let mut stepped = rows.clone();
        for (edge, slope) in stepped.pred.iter_mut().zip(&grad) {
            *edge -= 1e-4 * slope;
        }
        let after = of(&*loss, &stepped).0;
        for unit in 0..rows.len() {
            let moved = grad[unit * 4..unit * 4 + 4].iter().any(|&slope| slope.abs() > 1e-6);
            assert!(moved && after[unit] < before[unit], "{name}: {}", rows.what[unit]);
        }
    }
}

// --------------------------------------------------------------------------------------------------------------- values

#[test]
fn the_loss_of_a_narrow_bowl_is_l1() {
    let rows = inputs("l1");
    assert_same(&*loss("smooth_l1", &[("beta", 0.0)]), &*loss("l1", &[]), &rows, "beta 0");
}

#[test]
fn huber_is_delta_times_smooth_l1() {
    let rows = inputs("huber");
    for delta in [0.25, 1.0, 3.0] {
        let (huber, smooth) = (
            of(&*loss("huber", &[("delta", delta)]), &rows),
            of(&*loss("smooth_l1", &[("beta", delta)]), &rows),
        );
        for (&huber, &smooth) in huber.0.iter().zip(&smooth.0).chain(huber.1.iter().zip(&smooth.1))
        {
            assert_close(huber, delta * smooth, Tolerance::LAW, &format!("delta {delta}"));
        }
    }
}

#[test]
fn a_wide_huber_is_half_of_l2() {
    let rows = inputs("l2");
    let (huber, l2) =
        (of(&*loss("huber", &[("delta", 100.0)]), &rows), of(&*loss("l2", &[]), &rows));
    for (&huber, &l2) in huber.0.iter().zip(&l2.0).chain(huber.1.iter().zip(&l2.1)) {
        assert_close(huber, l2 / 2.0, Tolerance::LAW, &"delta 100");
    }
}

#[test]
fn balanced_l1_is_smooth_at_its_seam_and_has_slope_gamma_beyond() {
    for (alpha, gamma, beta) in [(0.5, 1.5, 1.0), (0.2, 1.0, 1.0), (1.0, 2.0, 0.5)] {
        let balanced = loss("balanced_l1", &[("alpha", alpha), ("gamma", gamma), ("beta", beta)]);
        let (below, above) =
            (one(&*balanced, &[beta - 1e-9], &[0.0]), one(&*balanced, &[beta + 1e-9], &[0.0]));
        assert!((below.0 - above.0).abs() < 1e-8, "continuous");
        assert!((below.1[0] - above.1[0]).abs() < 1e-6, "with a continuous slope");
        for far in [beta * 1.5, beta * 40.0] {
            assert_close(
                one(&*balanced, &[far], &[0.0]).1[0],
                gamma,
                Tolerance::LAW,
                &"to the right",
            );
            assert_close(
                one(&*balanced, &[-far], &[0.0]).1[0],
                -gamma,
                Tolerance::LAW,
                &"to the left",
            );
        }
        let stretch = (gamma / alpha).exp() - 1.0;
        let near = one(&*balanced, &[0.3 * beta], &[0.0]).1[0];
        assert_close(
            near,
            alpha * (stretch * 0.3).ln_1p(),
            Tolerance::LAW,
            &"the slope the paper starts from",
        );
    }
}

#[test]
fn kl_with_variance_one_is_smooth_l1() {
    let values = inputs("smooth_l1");
    let mut rows = Rows::empty(1);
    for unit in 0..values.len() {
        rows.push("log variance 0", &[values.pred_of(unit)[0], 0.0], values.target_of(unit));
    }
    let (kl, smooth) = (of(&*loss("kl", &[]), &rows), of(&*loss("smooth_l1", &[]), &values));
    for unit in 0..rows.len() {
        assert_close(kl.0[unit], smooth.0[unit], Tolerance::LAW, &values.what[unit]);
        assert_close(kl.1[unit * 2], smooth.1[unit], Tolerance::LAW, &values.what[unit]);
    }
}

#[test]
fn kl_is_least_at_the_variance_of_the_error() {
    // σ² = 2 · smooth L1 of 3 = 5.
    let slope = one(&*loss("kl", &[]), &[3.0, 5.0_f64.ln()], &[0.0]).1[1];
    assert_close(slope, 0.0, Tolerance::LAW, &"the slope by the log variance");
}

// --------------------------------------------------------------------------------------------------------------- scores

#[test]
fn focal_without_gamma_and_alpha_is_cross_entropy() {
    let (focal, bce) = (loss("focal", &[("gamma", 0.0), ("alpha", -1.0)]), loss("bce", &[]));
    assert_same(&*focal, &*bce, &inputs("bce"), "gamma 0, no alpha");
}

#[test]
fn focal_without_gamma_is_balanced_cross_entropy() {
    for alpha in [0.0, 0.25, 0.5, 1.0] {
        let (focal, balanced) = (
            loss("focal", &[("gamma", 0.0), ("alpha", alpha)]),
            loss("balanced_ce", &[("alpha", alpha)]),
        );
        assert_same(&*focal, &*balanced, &hard(), &format!("alpha {alpha}"));
    }
}

#[test]
fn alpha_one_forgets_the_negatives_and_alpha_zero_the_positives() {
    for name in ["focal", "balanced_ce"] {
        for (alpha, forgotten) in [(1.0, 0.0), (0.0, 1.0)] {
            let loss = loss(name, &[("alpha", alpha)]);
            assert_eq!(one(&*loss, &[0.3], &[forgotten]), (0.0, vec![0.0]));
            assert!(one(&*loss, &[0.3], &[1.0 - forgotten]).0 > 0.1);
        }
    }
}

#[test]
fn focal_turns_away_from_the_easy() {
    let ratio = |p: f64| {
        let logit = (p / (1.0 - p)).ln();
        let (focal, bce) = (loss("focal", &[("alpha", -1.0)]), loss("bce", &[]));
        one(&*focal, &[logit], &[1.0]).0 / one(&*bce, &[logit], &[1.0]).0
    };
    assert_close(ratio(0.9), 0.01, Tolerance::LAW, &"a hundredth at 0.9");
    assert_close(ratio(0.5), 0.25, Tolerance::LAW, &"a quarter at 0.5");
}

#[test]
fn quality_focal_of_hard_labels_is_focal_without_alpha() {
    for gamma in [1.0, 2.0, 3.5] {
        let (quality, focal) = (
            loss("quality_focal", &[("beta", gamma)]),
            loss("focal", &[("gamma", gamma), ("alpha", -1.0)]),
        );
        assert_same(&*quality, &*focal, &hard(), &format!("gamma {gamma}"));
    }
}

#[test]
fn varifocal_weighs_positives_by_quality_and_negatives_by_focus() {
    let rows = inputs("varifocal");
    let (varifocal, bce) = (of(&*loss("varifocal", &[]), &rows), of(&*loss("bce", &[]), &rows));
    let (mut positives, mut negatives) = (0, 0);
    for unit in 0..rows.len() {
        let quality = rows.target_of(unit)[0];
        let weight = if quality > 0.0 {
            positives += 1;
            assert_close(
                varifocal.1[unit],
                quality * bce.1[unit],
                Tolerance::LAW,
                &rows.what[unit],
            );
            quality
        } else {
            negatives += 1;
            0.75 * Scalar::sigmoid(rows.pred_of(unit)[0]).powi(2)
        };
        assert_close(varifocal.0[unit], weight * bce.0[unit], Tolerance::LAW, &rows.what[unit]);
    }
    assert!(positives > 100 && negatives > 100);
}

#[test]
fn cross_entropy_treats_a_label_and_its_opposite_alike() {
    for name in ["bce", "quality_focal"] {
        let loss = loss(name, &[]);
        for (logit, label) in [(0.7, 1.0), (-2.0, 0.3), (4.0, 0.0)] {
            let (this, mirrored) =
                (one(&*loss, &[logit], &[label]), one(&*loss, &[-logit], &[1.0 - label]));
            assert_close(this.0, mirrored.0, Tolerance::LAW, &name);
            assert_close(this.1[0], -mirrored.1[0], Tolerance::LAW, &name);
        }
    }
}

// ----------------------------------------------------------------------------------------------------------------- rows

#[test]
fn softmax_of_two_classes_is_the_sigmoid_of_their_difference() {
    for (a, b) in [(0.3, -1.2), (5.0, 4.0), (-7.0, 9.0)] {
        let (softmax, slopes) = one(&*loss("softmax_ce", &[]), &[a, b], &[1.0, 0.0]);
        let (sigmoid, slope) = one(&*loss("bce", &[]), &[a - b], &[1.0]);
        assert_close(softmax, sigmoid, Tolerance::LAW, &"value");
        assert_close(slopes[0], slope[0], Tolerance::LAW, &"slope by the class");
        assert_close(slopes[1], -slope[0], Tolerance::LAW, &"slope by the other");
    }
}

#[test]
fn softmax_focal_without_gamma_is_softmax_cross_entropy() {
    let rows = inputs("softmax_ce");
    let focal = loss("softmax_focal", &[("gamma", 0.0), ("alpha", 1.0)]);
    let mut classes = Rows::empty(rows.columns);
    for unit in 0..rows.len() {
        if rows.target_of(unit).contains(&1.0) {
            classes.push("one class", rows.pred_of(unit), rows.target_of(unit));
        }
    }
    assert!(classes.len() > 100);
    assert_same(&*focal, &*loss("softmax_ce", &[]), &classes, "gamma 0");
}

#[test]
fn softmax_focal_of_two_classes_is_focal_without_alpha() {
    for (a, b) in [(0.3, -1.2), (2.0, 4.0)] {
        let (softmax, slopes) =
            one(&*loss("softmax_focal", &[("alpha", 1.0)]), &[a, b], &[1.0, 0.0]);
        let (sigmoid, slope) = one(&*loss("focal", &[("alpha", -1.0)]), &[a - b], &[1.0]);
        assert_close(softmax, sigmoid, Tolerance::LAW, &"value");
        assert_close(slopes[0], slope[0], Tolerance::LAW, &"slope");
    }
}

#[test]
fn the_slopes_of_a_softmax_add_up_to_nothing() {
    for entry in losses::ALL.iter().filter(|entry| entry.pred.is_empty()) {
        let rows = inputs(entry.name);
        for slopes in of(&*entry.default(), &rows).1.chunks(rows.width()) {
            assert_close(slopes.iter().sum(), 0.0, Tolerance::LAW, &entry.name);
        }
    }
}
