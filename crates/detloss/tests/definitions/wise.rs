//! The losses weighted by a running mean, against their papers' formulas in plain numbers: several steps of a training run.

use detloss::Batch;
use detloss::batch::Weights;
use detloss::losses::{AnyLoss, find};
use detloss::testing::{Tolerance, assert_close, ordinary};

/// 1 − IoU, and exp(ρ² / c²) with its slopes by the prediction, c fixed; and those of 1 − IoU by central differences.
struct Terms {
    distance: f64,
    factor: f64,
    of_distance: [f64; 4],
    of_factor: [f64; 4],
}

fn distance(p: &[f64], t: &[f64]) -> f64 {
    let side = |axis: usize| (p[axis + 2].min(t[axis + 2]) - p[axis].max(t[axis])).max(0.0);
    let area = |b: &[f64]| (b[2] - b[0]) * (b[3] - b[1]);
    let shared = side(0) * side(1);
    1.0 - shared / (area(p) + area(t) - shared)
}

fn terms(p: &[f64], t: &[f64]) -> Terms {
    let offset = |axis: usize| (p[axis] + p[axis + 2] - t[axis] - t[axis + 2]) / 2.0;
    let hull = |axis: usize| p[axis + 2].max(t[axis + 2]) - p[axis].min(t[axis]);
    let diagonal = hull(0).powi(2) + hull(1).powi(2);
    let factor = ((offset(0).powi(2) + offset(1).powi(2)) / diagonal).exp();
    let moved = |field: usize, by: f64| {
        let mut p = p.to_vec();
        p[field] += by;
        distance(&p, t)
    };
    Terms {
        distance: distance(p, t),
        factor,
        of_distance: [0, 1, 2, 3].map(|k| (moved(k, 1e-5) - moved(k, -1e-5)) / 2e-5),
        of_factor: [0, 1, 2, 3].map(|k| factor * offset(k % 2) / diagonal),
    }
}

/// A loss, its weight at β, and its momentum.
type Case = (&'static str, fn(f64) -> f64, f64);

const CASES: [Case; 4] = [
    ("wiou_v2", |beta| beta.sqrt(), 0.01),
    ("wiou_v2(gamma=2, momentum=0.3)", |beta| beta * beta, 0.3),
    ("wiou_v3", |beta| beta / (3.0 * 1.9_f64.powf(beta - 3.0)), 0.01),
    (
        "wiou_v3(alpha=1.7, delta=2.7, momentum=0.5)",
        |beta| beta / (2.7 * 1.7_f64.powf(beta - 2.7)),
        0.5,
    ),
];

const BOXES: usize = 30;

#[test]
fn wiou_is_weighted_by_the_mean_of_all_batches_so_far() {
    for (text, weight_at, momentum) in CASES {
        let loss: AnyLoss = text.parse().unwrap();
        let (mut mean, mut state) = (1.0, None);
        for seed in 0..6 {
            let rows = ordinary(find("iou").unwrap(), BOXES, seed);
            let memory = rows.memory::<f64>();
            // Every third box is left out, and the rest counts more or less.
            let weights: Vec<f64> = (0..BOXES).map(|unit| [0.0, 0.5, 2.0][unit % 3]).collect();
            let batch = memory.batch();
            let batch = if seed % 2 == 0 { batch } else { batch.weights(Weights::Rows(&weights)) };
            let weight = |unit: usize| if seed % 2 == 0 { 1.0 } else { weights[unit] };

            let units: Vec<Terms> =
                (0..BOXES).map(|unit| terms(rows.pred_of(unit), rows.target_of(unit))).collect();
            let counted: Vec<f64> = (0..BOXES)
                .filter(|&unit| weight(unit) != 0.0)
                .map(|unit| units[unit].distance)
                .collect();
            let now = counted.iter().sum::<f64>() / counted.len() as f64;
            mean = (1.0 - momentum) * mean + momentum * now;

            let state = state.get_or_insert_with(|| batch.initial_state(&loss));
            let mut grad = vec![0.0; 4 * BOXES];
            let value = batch.step_into(&loss, state, &mut grad).unwrap();
            assert_close(state[0], mean, Tolerance::LAW, &format!("mean of {text}, step {seed}"));
            let mut expected = 0.0;
            for (unit, terms) in units.iter().enumerate() {
                let scale = weight(unit) * weight_at(terms.distance / mean) / BOXES as f64;
                expected += scale * terms.factor * terms.distance;
                for field in 0..4 {
                    let slope = scale
                        * (terms.factor * terms.of_distance[field]
                            + terms.of_factor[field] * terms.distance);
                    let what = format!("{text}, step {seed}, {}, field {field}", rows.what[unit]);
                    // A kink nearby spoils the difference.
                    let close = Tolerance { absolute: 1e-7, relative: 1e-6 };
                    assert_close(grad[4 * unit + field], slope, close, &what);
                }
            }
            assert_close(value, expected, Tolerance::LAW, &format!("{text}, step {seed}"));
        }
    }
}

fn step(text: &str, mean: f64, pred: &[f64], target: &[f64]) -> (f64, f64, Vec<f64>) {
    let (mut state, mut grad) = ([mean], vec![0.0; pred.len()]);
    let loss: AnyLoss = text.parse().unwrap();
    let value = Batch::new(pred, target).step_into(&loss, &mut state, &mut grad).unwrap();
    (value, state[0], grad)
}

/// Half of the target, and so 1 − IoU = 1/2; the centres are apart by 1/2 of a hull of √5.
const HALF: ([f64; 4], [f64; 4]) = ([0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 2.0, 1.0]);

/// What WIoU of the first version is worth there.
fn plain() -> f64 {
    (0.25_f64 / 5.0).exp() / 2.0
}

#[test]
fn a_box_as_bad_as_delta_has_the_weight_1() {
    let (pred, target) = HALF;
    for delta in [0.5, 2.0, 3.0, 5.0] {
        let (value, mean, _) =
            step(&format!("wiou_v3(delta={delta}, momentum=0)"), 0.5 / delta, &pred, &target);
        assert_close(value, plain(), Tolerance::LAW, &delta);
        assert_eq!(mean, 0.5 / delta);
    }
    // The most is at β = 1 / ln α.
    let at = |beta: f64| step("wiou_v3(momentum=0)", 0.5 / beta, &pred, &target).0;
    let best = 1.0 / 1.9_f64.ln();
    assert!(at(best) > at(best + 0.01) && at(best) > at(best - 0.01));
    assert_close(at(best) / plain(), 1.3104, Tolerance { absolute: 5e-5, relative: 0.0 }, &"most");
}

/// A mean of all batches alike when momentum is 1: that of the last one.
#[test]
fn the_mean_is_brought_up_to_date_before_it_divides() {
    let (pred, target) = HALF;
    let (value, mean, _) = step("wiou_v2(momentum=1)", 1.0, &pred, &target);
    assert_eq!(mean, 0.5);
    assert_close(value, plain(), Tolerance::LAW, &"β = 1");
    assert_eq!(step("wiou_v2", 1.0, &pred, &target).1, 0.995);
}

/// Whatever the mean is: 0 of a model that makes no mistakes, and less than that of nobody.
#[test]
fn equal_boxes_cost_nothing_and_the_others_are_finite() {
    let (pred, target) = HALF;
    for mean in [1.0, 1e-3, 1e-9, 0.0, -1.0] {
        for text in ["wiou_v2(momentum=0)", "wiou_v2(gamma=2, momentum=0)", "wiou_v3(momentum=0)"] {
            let equal = step(text, mean, &pred, &pred);
            assert_eq!((equal.0, equal.2), (0.0, vec![0.0; 4]), "{text} at {mean}");
            let (value, _, grad) = step(text, mean, &pred, &target);
            assert!(grad.iter().chain([&value]).all(|x| x.is_finite()), "{text} at {mean}");
            // Like a mean of 1e-6.
            if mean < 1e-6 {
                assert_eq!((value, grad), {
                    let (value, _, grad) = step(text, 1e-6, &pred, &target);
                    (value, grad)
                });
            }
        }
    }
}

#[test]
fn a_batch_that_says_nothing_leaves_the_mean_alone() {
    let loss = find("wiou_v3").unwrap().make();
    let (pred, target) = HALF;
    let mut state = [0.3];
    Batch::<f64>::new(&[], &[]).step_into(&loss, &mut state, &mut []).unwrap();
    let nothing = Batch::new(&pred, &target).weights(Weights::Rows(&[0.0]));
    nothing.step_into(&loss, &mut state, &mut [0.0; 4]).unwrap();
    let sick = [f64::NAN, 0.0, 1.0, 1.0];
    let batch = Batch::new(&sick, &target);
    assert!(batch.step_into(&loss, &mut state, &mut [0.0; 4]).unwrap().is_nan());
    assert_eq!(state, [0.3]);
}

/// Modifiers change the loss, not what the mean is of.
#[test]
fn the_mean_is_of_the_boxes_as_they_are() {
    let (pred, target) = HALF;
    for text in ["inner(wise_v3(ciou))", "focaler(wise_v2(giou))", "alpha(wise_v3(nwd))"] {
        assert_eq!(step(text, 1.0, &pred, &target).1, 0.995, "{text}");
    }
}
