//! Laws between losses of logits against labels.

use detloss::scalar::Scalar;
use detloss::testing::{Rows, Tolerance, assert_close};

use crate::{assert_same, inputs, loss, of, one};

/// Logits against 0 and 1 only.
fn hard() -> Rows {
    let soft = inputs("bce");
    let mut hard = Rows::new(1, None);
    for unit in 0..soft.len() {
        hard.push("hard label", soft.pred_of(unit), &[soft.target_of(unit)[0].round()]);
    }
    hard
}

#[test]
fn focal_without_gamma_and_alpha_is_cross_entropy() {
    let (focal, bce) = (loss("focal", &[("gamma", 0.0), ("alpha", -1.0)]), loss("bce", &[]));
    assert_same(&focal, &bce, &inputs("bce"), "gamma 0, no alpha");
}

#[test]
fn focal_without_gamma_is_balanced_cross_entropy() {
    for alpha in [0.0, 0.25, 0.5, 1.0] {
        let (focal, balanced) = (
            loss("focal", &[("gamma", 0.0), ("alpha", alpha)]),
            loss("alpha_balanced_ce", &[("alpha", alpha)]),
        );
        assert_same(&focal, &balanced, &hard(), &format!("alpha {alpha}"));
    }
}

#[test]
fn alpha_one_forgets_the_negatives_and_alpha_zero_the_positives() {
    for name in ["focal", "alpha_balanced_ce"] {
        for (alpha, forgotten) in [(1.0, 0.0), (0.0, 1.0)] {
            let loss = loss(name, &[("alpha", alpha)]);
            assert_eq!(one(&loss, &[0.3], &[forgotten]), (0.0, vec![0.0]));
            assert!(one(&loss, &[0.3], &[1.0 - forgotten]).0 > 0.1);
        }
    }
}

#[test]
fn focal_turns_away_from_the_easy() {
    let ratio = |p: f64| {
        let logit = (p / (1.0 - p)).ln();
        let (focal, bce) = (loss("focal", &[("alpha", -1.0)]), loss("bce", &[]));
        one(&focal, &[logit], &[1.0]).0 / one(&bce, &[logit], &[1.0]).0
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
        assert_same(&quality, &focal, &hard(), &format!("gamma {gamma}"));
    }
}

#[test]
fn varifocal_weighs_positives_by_quality_and_negatives_by_focus() {
    let rows = inputs("varifocal");
    let (varifocal, bce) = (of(&loss("varifocal", &[]), &rows), of(&loss("bce", &[]), &rows));
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
                (one(&loss, &[logit], &[label]), one(&loss, &[-logit], &[1.0 - label]));
            assert_close(this.0, mirrored.0, Tolerance::LAW, &name);
            assert_close(this.1[0], -mirrored.1[0], Tolerance::LAW, &name);
        }
    }
}

#[test]
fn mal_is_cross_entropy_of_a_power_and_turns_away_from_what_is_not_matched() {
    let rows = inputs("mal");
    let (gamma, alpha) = (1.75, 0.5);
    let mal = of(&loss("mal", &[("gamma", gamma), ("alpha", alpha)]), &rows);
    let (mut matched, mut others) = (0, 0);
    for unit in 0..rows.len() {
        let (logit, quality) = (rows.pred_of(unit)[0], rows.target_of(unit)[0]);
        let (value, slope) = if quality > 0.0 {
            matched += 1;
            let (value, slope) = one(&loss("bce", &[]), &[logit], &[quality.powf(gamma)]);
            (value, slope[0])
        } else {
            others += 1;
            let weight = alpha * Scalar::sigmoid(logit).powf(gamma);
            (weight * Scalar::softplus(logit), weight * Scalar::sigmoid(logit))
        };
        assert_close(mal.0[unit], value, Tolerance::LAW, &rows.what[unit]);
        assert_close(mal.1[unit], slope, Tolerance::LAW, &rows.what[unit]);
    }
    assert!(matched > 100 && others > 100);
}

#[test]
fn mal_of_a_certain_quality_is_cross_entropy() {
    for logit in [-100.0, -2.5, 0.0, 0.75, 100.0] {
        let (mal, bce) = (loss("mal", &[]), loss("bce", &[]));
        assert_eq!(one(&mal, &[logit], &[1.0]), one(&bce, &[logit], &[1.0]));
        // A match that misses its object is not what is not matched.
        let (missed, nothing) = (one(&mal, &[logit], &[1e-9]), one(&bce, &[logit], &[0.0]));
        assert_close(missed.0, nothing.0, Tolerance::LAW, &logit);
        assert_close(missed.1[0], nothing.1[0], Tolerance::LAW, &logit);
    }
}

#[test]
fn ia_bce_rests_where_score_and_quality_agree() {
    for alpha in [0.0, 0.25, 0.9] {
        let loss = loss("ia_bce", &[("alpha", alpha)]);
        for quality in [0.02_f64, 0.3, 0.5, 0.99] {
            let logit = (quality / (1.0 - quality)).ln();
            let (value, slope) = one(&loss, &[logit], &[quality]);
            let entropy = -quality * quality.ln() - (1.0 - quality) * (1.0 - quality).ln();
            assert_close(value, entropy, Tolerance::LAW, &format!("entropy of {quality}"));
            assert_close(slope[0], 0.0, Tolerance::LAW, &format!("slope at {quality}"));
        }
        // Below the floor, all that is left of a quality is that there was a match.
        let (low, lower) = (one(&loss, &[-6.0], &[1e-4]), one(&loss, &[-6.0], &[1e-9]));
        assert_eq!(low, lower);
        assert_close(low.1[0], Scalar::sigmoid(-6.0) - 0.01, Tolerance::LAW, &"pulled up");
    }
}

#[test]
fn ia_bce_of_what_is_not_matched_is_focal_without_alpha() {
    let (ia_bce, focal) = (loss("ia_bce", &[]), loss("focal", &[("alpha", -1.0)]));
    let mut rows = Rows::new(1, None);
    for logit in [-100.0, -3.0, -0.5, 0.0, 2.0, 100.0] {
        rows.push("not matched", &[logit], &[0.0]);
    }
    assert_same(&ia_bce, &focal, &rows, "label 0");
}

#[test]
fn asymmetric_with_equal_powers_and_no_margin_is_focal_without_alpha() {
    for gamma in [0.0, 1.0, 2.0, 3.5] {
        let params = [("gamma_pos", gamma), ("gamma_neg", gamma), ("margin", 0.0)];
        let focal = loss("focal", &[("gamma", gamma), ("alpha", -1.0)]);
        assert_same(&loss("asymmetric", &params), &focal, &hard(), &format!("gamma {gamma}"));
    }
}

#[test]
fn asymmetric_forgives_negatives_below_the_margin() {
    let asymmetric = loss("asymmetric", &[("margin", 0.25), ("gamma_neg", 0.0)]);
    let logit = |p: f64| (p / (1.0 - p)).ln();
    assert_eq!(one(&asymmetric, &[logit(0.2)], &[0.0]), (0.0, vec![0.0]));
    // p − m in the place of p.
    let (value, slope) = one(&asymmetric, &[logit(0.75)], &[0.0]);
    assert_close(value, 2_f64.ln(), Tolerance::LAW, &"half a score too much");
    assert_close(slope[0], 0.75 * 0.25 / 0.5, Tolerance::LAW, &"its slope");
}

#[test]
fn detached_weights_change_slopes_only() {
    let rows = hard();
    let with = |detach: f64| of(&loss("asymmetric", &[("detach", detach)]), &rows);
    let (differentiated, detached) = (with(0.0), with(1.0));
    assert_eq!(differentiated.0, detached.0);
    // A weight that falls as the score gets right makes the way there steeper.
    let steeper = |unit: &usize| differentiated.1[*unit].abs() >= detached.1[*unit].abs();
    assert!((0..rows.len()).all(|unit| steeper(&unit)));
    assert!(differentiated.1 != detached.1);
}

#[test]
fn poly1_focal_without_epsilon_is_focal() {
    for (gamma, alpha) in [(2.0, 0.25), (0.0, 0.5), (1.5, -1.0)] {
        for on_poly in [0.0, 1.0] {
            let shared = [("gamma", gamma), ("alpha", alpha)];
            let params = [shared[0], shared[1], ("epsilon", 0.0), ("alpha_on_poly", on_poly)];
            let what = format!("gamma {gamma}, alpha {alpha}");
            assert_same(
                &loss("poly1_focal", &params),
                &loss("focal", &shared),
                &inputs("focal"),
                &what,
            );
        }
    }
}

/// The series of the focal loss without its first term begins with the second: u³ / 2 for γ = 1.
#[test]
fn poly1_focal_with_epsilon_minus_one_lacks_the_first_term() {
    let poly = loss("poly1_focal", &[("epsilon", -1.0), ("gamma", 1.0), ("alpha", -1.0)]);
    for wrong in [1e-2_f64, 1e-3] {
        let (value, _) = one(&poly, &[((1.0 - wrong) / wrong).ln()], &[1.0]);
        assert!((value / wrong.powi(3) - 0.5).abs() < wrong, "{wrong}: {value}");
    }
}
