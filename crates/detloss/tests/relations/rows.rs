//! Laws between losses of rows of logits.

use detloss::losses;
use detloss::operand::Kind;
use detloss::testing::{Tolerance, assert_close};

use crate::{assert_same, inputs, loss, of, one};

#[test]
fn softmax_of_two_classes_is_the_sigmoid_of_their_difference() {
    for (a, b) in [(0.3, -1.2), (5.0, 4.0), (-7.0, 9.0)] {
        let (softmax, slopes) = one(&loss("softmax_ce", &[]), &[a, b], &[1.0, 0.0]);
        let (sigmoid, slope) = one(&loss("bce", &[]), &[a - b], &[1.0]);
        assert_close(softmax, sigmoid, Tolerance::LAW, &"value");
        assert_close(slopes[0], slope[0], Tolerance::LAW, &"slope by the class");
        assert_close(slopes[1], -slope[0], Tolerance::LAW, &"slope by the other");
    }
}

#[test]
fn softmax_focal_without_gamma_is_softmax_cross_entropy() {
    let rows = inputs("softmax_ce");
    let focal = loss("softmax_focal", &[("gamma", 0.0), ("alpha", 1.0)]);
    let mut classes = rows.like();
    for unit in 0..rows.len() {
        if rows.target_of(unit).contains(&1.0) {
            classes.push("one class", rows.pred_of(unit), rows.target_of(unit));
        }
    }
    assert!(classes.len() > 100);
    assert_same(&focal, &loss("softmax_ce", &[]), &classes, "gamma 0");
}

#[test]
fn softmax_focal_of_two_classes_is_focal_without_alpha() {
    for (a, b) in [(0.3, -1.2), (2.0, 4.0)] {
        let (softmax, slopes) =
            one(&loss("softmax_focal", &[("alpha", 1.0)]), &[a, b], &[1.0, 0.0]);
        let (sigmoid, slope) = one(&loss("focal", &[("alpha", -1.0)]), &[a - b], &[1.0]);
        assert_close(softmax, sigmoid, Tolerance::LAW, &"value");
        assert_close(slopes[0], slope[0], Tolerance::LAW, &"slope");
    }
}

#[test]
fn poly1_cross_entropy_without_epsilon_is_softmax_cross_entropy() {
    let rows = inputs("softmax_ce");
    let poly = loss("poly1_ce", &[("epsilon", 0.0)]);
    assert_same(&poly, &loss("softmax_ce", &[]), &rows, "epsilon 0");
}

/// It adds ε (1 − q), which is linear in ε.
#[test]
fn poly1_cross_entropy_adds_what_is_not_given_to_the_class() {
    let rows = inputs("poly1_ce");
    let at = |epsilon: f64| of(&loss("poly1_ce", &[("epsilon", epsilon)]), &rows);
    let (less, plain, more) = (at(-1.0), at(0.0), at(3.0));
    for unit in 0..rows.len() {
        let (z, y) = (rows.pred_of(unit), rows.target_of(unit));
        let sum: f64 = z.iter().map(|z| z.exp()).sum();
        let rest: f64 = z.iter().zip(y).map(|(z, y)| y * (1.0 - z.exp() / sum)).sum();
        let what = &rows.what[unit];
        assert_close(more.0[unit], plain.0[unit] + 3.0 * rest, Tolerance::LAW, what);
        assert_close(less.0[unit], plain.0[unit] - rest, Tolerance::LAW, what);
    }
}

#[test]
fn poly1_of_two_classes_is_poly1_focal_without_gamma_and_alpha() {
    let focal = loss("poly1_focal", &[("gamma", 0.0), ("alpha", -1.0)]);
    for (a, b) in [(0.3, -1.2), (2.0, 4.0), (-7.0, 9.0)] {
        let (softmax, slopes) = one(&loss("poly1_ce", &[]), &[a, b], &[1.0, 0.0]);
        let (sigmoid, slope) = one(&focal, &[a - b], &[1.0]);
        assert_close(softmax, sigmoid, Tolerance::LAW, &"value");
        assert_close(slopes[0], slope[0], Tolerance::LAW, &"slope");
    }
}

#[test]
fn the_slopes_of_a_softmax_add_up_to_nothing() {
    for entry in losses::ALL.iter().filter(|entry| entry.signature.target == Kind::Distribution) {
        let rows = inputs(entry.name);
        for slopes in of(&entry.make(), &rows).1.chunks(rows.width()) {
            assert_close(slopes.iter().sum(), 0.0, Tolerance::LAW, &entry.name);
        }
    }
}
