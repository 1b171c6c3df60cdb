//! Where steps end, and numbers with them: widths, scores, labels and slopes at the edge of what there is.

use detloss::Batch;
use detloss::losses::find;
use detloss::testing::{Random, Tolerance, assert_close};

use super::{DELTAS, Set, ap, every_loss, random_set, step};
use crate::{assert_same, hold};

/// In `f64`, 1e4 is far from where the steps are, and the windows lose nothing.
#[test]
fn large_scores_of_f64_lose_nothing() {
    let mut random = Random::new(107);
    let mut set = random_set(40, 200, None, &mut random);
    for score in &mut set.scores {
        *score = 1e4 + *score / 3.0;
    }
    let loss = find("ap").unwrap().make();
    let (value, grad) = Batch::new(&set.scores, &set.labels).value_and_grad(&loss).unwrap();
    let (slow, slopes) = ap(&set, 1.0, true);
    let tolerance = Tolerance { absolute: 1e-15, relative: 1e-12 };
    assert_same((value, &grad), (slow, &slopes), tolerance, "scores around 1e4");
}

/// A step narrower than the spacing of `f64`: a tie is in its middle, and counts by half.
#[test]
fn a_step_between_two_numbers_still_knows_a_tie() {
    let mut random = Random::new(109);
    for (positives, negatives) in [(30, 90), (4, 200)] {
        let mut set = random_set(positives, negatives, Some(0.25), &mut random);
        set.scores.iter_mut().for_each(|score| *score += 1e4);
        let params = [("delta", 1e-13), ("interpolate", 1.0)];
        let slow = ap(&set, 1e-13, true);
        hold("ap", &params, (&set.scores, &set.labels, 1), &slow, &set.what);
    }
}

/// Of steps narrower than 1e-20 nothing but ties is left, which count by half.
#[test]
fn the_narrowest_steps_know_ties_and_the_order() {
    let mut random = Random::new(137);
    for (positives, negatives) in [(30, 90), (4, 200)] {
        let mut set = random_set(positives, negatives, Some(0.1), &mut random);
        set.scores.iter_mut().for_each(|score| *score = f64::from(*score as f32));
        for delta in [1e-20, 1e-25, 1e-40, 2.3e-308, f64::from_bits(1)] {
            let params = [("delta", delta), ("interpolate", 1.0)];
            let slow = ap(&set, 1e-20, true);
            hold("ap", &params, (&set.scores, &set.labels, 1), &slow, &set.what);
        }
    }
}

/// Of so narrow a step the slope is beyond `f32`, and yet a tie is in its middle.
#[test]
fn a_slope_out_of_range_leaves_ties_alone() {
    let mut scores = vec![0.25_f32; 25];
    (scores[23], scores[24]) = (0.0, 1.0);
    let labels: Vec<f32> = (0..25).map(|index| f32::from(u8::from(index == 0))).collect();
    let loss = find("ap").unwrap().with(&[("delta", 1e-20), ("interpolate", 0.0)]).unwrap();
    let batch = Batch::new(&scores, &labels);
    let (_, plain) = batch.value_and_grad(&loss).unwrap();
    let (_, large) = batch.grad_output(1e20).value_and_grad(&loss).unwrap();
    for (large, plain) in large.into_iter().zip(plain) {
        assert_close(f64::from(large), 1e20 * f64::from(plain), Tolerance::F32, &"slope");
    }
}

/// Twice the precision of `f64` is not enough for so narrow a step so far out. What is left of it is a loss still.
#[test]
fn sorting_far_out_is_no_nan() {
    for labels in [&[0.5, 0.75, 0.5, 0.5, 0.5, 0.75][..], &[0.5, 0.5, 0.625, 0.75, 0.25]] {
        let scores = vec![2_418_200_258_711.014_6_f64; labels.len()];
        let loss = find("rank_sort").unwrap().with(&[("delta", 1e-20)]).unwrap();
        let (value, grad) = Batch::new(&scores, labels).value_and_grad(&loss).unwrap();
        assert!((0.0..=2.0).contains(&value), "{value}");
        assert!(grad.iter().all(|slope| slope.is_finite()), "{grad:?}");
    }
}

/// At the very foot of the step a height is rounded to a whole number, of which the step has 2⁶².
#[test]
fn the_foot_of_a_step_is_rounded_to_the_nearest() {
    let loss = find("ap").unwrap().make();
    for (count, height) in [(1_000_000, 4.293_440_603_042_597_5e-19), (24, 1e-17), (24, 1e-15)] {
        let mut scores = vec![height; count + 1];
        scores[0] = 1.0;
        let mut labels = vec![0.0; count + 1];
        labels[0] = 1.0;
        let above = count as f64 * height / 2.0;
        let tolerance = Tolerance { absolute: count as f64 * 2_f64.powi(-63), relative: 1e-12 };
        let value = Batch::new(&scores, &labels).value(&loss).unwrap();
        assert_close(value, above / (1.0 + above), tolerance, &format!("{count} at {height}"));
    }
}

/// Scores that no detector says, positive and negative, among such as all do: beyond ±2⁴⁸ they are one.
#[test]
fn infinite_scores_are_ranked() {
    let mut random = Random::new(139);
    for (positives, negatives) in [(30, 90), (6, 200)] {
        let mut set = random_set(positives, negatives, Some(0.25), &mut random);
        let huge = [f64::INFINITY, 1e30, -1e30, f64::NEG_INFINITY];
        for (score, index) in set.scores.iter_mut().zip(0..) {
            if index % 4 == 1 {
                *score = huge[index / 4 % 4];
            }
        }
        let bounded = |score: &f64| score.clamp(-(2_f64.powi(48)), 2_f64.powi(48));
        let bounded = Set { scores: set.scores.iter().map(bounded).collect(), ..set.clone() };
        for delta in DELTAS {
            let params = [("delta", delta), ("interpolate", 1.0)];
            let slow = ap(&bounded, delta, true);
            hold("ap", &params, (&set.scores, &set.labels, 1), &slow, &set.what);
        }
    }
}

/// Every loss that ranks, on few positives and on many: what lay in the memory of the gradient does not matter.
#[test]
fn the_gradient_may_lie_in_memory_of_any_content() {
    let mut random = Random::new(149);
    for (positives, negatives) in [(30, 90), (6, 400)] {
        let mut set = random_set(positives, negatives, None, &mut random);
        // Some out of everybody's reach.
        set.scores.iter_mut().zip(&set.labels).step_by(3).for_each(|(score, label)| {
            if *label == 0.0 {
                *score = -50.0;
            }
        });
        let pairs = set.scores.iter().zip(set.errors()).flat_map(|(&score, error)| [score, error]);
        let pairs: Vec<f64> = pairs.collect();
        for (name, pred) in [("ap", &set.scores), ("alrp", &pairs), ("rank_sort", &set.scores)] {
            let loss = find(name).unwrap().make();
            let batch = Batch::new(pred, &set.labels);
            let clean = batch.value_and_grad(&loss).unwrap();
            for before in [f64::NAN, 1e30, -0.0] {
                let mut grad = vec![before; pred.len()];
                let value = batch.value_and_grad_into(&loss, &mut grad).unwrap();
                assert_eq!((value, &grad), (clean.0, &clean.1), "{name} over {before}");
            }
        }
    }
}

/// A label that is NaN is neither that of a positive nor that of a negative.
#[test]
fn a_label_that_is_no_number_poisons_all() {
    let mut random = Random::new(151);
    for (positives, negatives) in [(30, 90), (6, 400)] {
        let mut set = random_set(positives, negatives, None, &mut random);
        set.labels[17] = f64::NAN;
        for name in ["ap", "rank_sort"] {
            let loss = find(name).unwrap().make();
            let (value, grad) = Batch::new(&set.scores, &set.labels).value_and_grad(&loss).unwrap();
            assert!(value.is_nan() && grad.iter().all(|slope| slope.is_nan()), "{name}");
        }
    }
}

/// aLRP passes nothing on where next to nothing is above: a negative of a millionth, and one of a ten-thousandth of a step.
#[test]
fn alrp_passes_nothing_on_to_the_foot_of_a_step() {
    for foot in [1e-6, 1e-4] {
        let scores = [0.0, 1.0, -1.0 + 2.0 * foot, -3.0];
        let set = Set {
            what: format!("a step of {foot}"),
            scores: scores.iter().map(|&score| f64::from(score as f32)).collect(),
            labels: vec![1.0, 1.0, 0.0, 0.0],
        };
        every_loss(&set);
    }
}

/// A few negatives at the foot of the step, a million below it.
#[test]
fn a_crowd_below_the_step_does_not_hide_the_few_on_it() {
    let mut scores = vec![0.0, -0.9999];
    scores.extend((0..1_000_000).map(|i| -1.0 - f64::from(i) * 1e-6));
    let mut labels = vec![0.0; scores.len()];
    labels[0] = 1.0;
    let loss = find("ap").unwrap().make();
    let value = Batch::new(&scores, &labels).value(&loss).unwrap();
    let above = step(-0.9999, 1.0);
    assert_close(value, above / (1.0 + above), Tolerance { absolute: 0.0, relative: 1e-12 }, &"ap");
}
