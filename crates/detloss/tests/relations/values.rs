//! Laws between losses of values.

use detloss::testing::{Rows, Tolerance, assert_close};

use crate::{assert_same, inputs, loss, of, one};

#[test]
fn the_loss_of_a_narrow_bowl_is_l1() {
    let rows = inputs("l1");
    assert_same(&loss("smooth_l1", &[("beta", 0.0)]), &loss("l1", &[]), &rows, "beta 0");
}

#[test]
fn huber_is_delta_times_smooth_l1() {
    let rows = inputs("huber");
    for delta in [0.25, 1.0, 3.0] {
        let (huber, smooth) = (
            of(&loss("huber", &[("delta", delta)]), &rows),
            of(&loss("smooth_l1", &[("beta", delta)]), &rows),
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
    let (huber, l2) = (of(&loss("huber", &[("delta", 100.0)]), &rows), of(&loss("l2", &[]), &rows));
    for (&huber, &l2) in huber.0.iter().zip(&l2.0).chain(huber.1.iter().zip(&l2.1)) {
        assert_close(huber, l2 / 2.0, Tolerance::LAW, &"delta 100");
    }
}

#[test]
fn balanced_l1_is_smooth_at_its_seam_and_has_slope_gamma_beyond() {
    for (alpha, gamma, beta) in [(0.5, 1.5, 1.0), (0.2, 1.0, 1.0), (1.0, 2.0, 0.5)] {
        let balanced = loss("balanced_l1", &[("alpha", alpha), ("gamma", gamma), ("beta", beta)]);
        let (below, above) =
            (one(&balanced, &[beta - 1e-9], &[0.0]), one(&balanced, &[beta + 1e-9], &[0.0]));
        assert!((below.0 - above.0).abs() < 1e-8, "continuous");
        assert!((below.1[0] - above.1[0]).abs() < 1e-6, "with a continuous slope");
        for far in [beta * 1.5, beta * 40.0] {
            assert_close(
                one(&balanced, &[far], &[0.0]).1[0],
                gamma,
                Tolerance::LAW,
                &"to the right",
            );
            assert_close(
                one(&balanced, &[-far], &[0.0]).1[0],
                -gamma,
                Tolerance::LAW,
                &"to the left",
            );
        }
        let stretch = (gamma / alpha).exp() - 1.0;
        let near = one(&balanced, &[0.3 * beta], &[0.0]).1[0];
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
    let mut rows = Rows::new(1, None);
    for unit in 0..values.len() {
        rows.push("log variance 0", &[values.pred_of(unit)[0], 0.0], values.target_of(unit));
    }
    let (kl, smooth) = (of(&loss("kl", &[]), &rows), of(&loss("smooth_l1", &[]), &values));
    for unit in 0..rows.len() {
        assert_close(kl.0[unit], smooth.0[unit], Tolerance::LAW, &values.what[unit]);
        assert_close(kl.1[unit * 2], smooth.1[unit], Tolerance::LAW, &values.what[unit]);
    }
}

#[test]
fn kl_is_least_at_the_variance_of_the_error() {
    // σ² = 2 · smooth L1 of 3 = 5.
    let slope = one(&loss("kl", &[]), &[3.0, 5.0_f64.ln()], &[0.0]).1[1];
    assert_close(slope, 0.0, Tolerance::LAW, &"the slope by the log variance");
}
