//! Laws between losses of masks.

use detloss::Batch;
use detloss::testing::{Random, Tolerance, assert_close};

use crate::{assert_same, inputs, loss};

#[test]
fn dice_and_jaccard_are_tversky_losses() {
    let rows = inputs("tversky");
    for (name, weight) in [("dice", 0.5), ("jaccard", 1.0)] {
        let tversky = loss("tversky", &[("alpha", weight), ("beta", weight)]);
        assert_same(&loss(name, &[]), &tversky, &rows, name);
    }
}

#[test]
fn focal_tversky_without_focus_is_tversky() {
    let weights = [("alpha", 0.25), ("beta", 0.75)];
    let focal = loss("focal_tversky", &[weights[0], weights[1], ("gamma", 1.0)]);
    let plain = loss("tversky", &weights);
    assert_same(&focal, &plain, &inputs("tversky"), "gamma 1");
}

#[test]
fn softmax_dice_and_jaccard_are_softmax_tversky_losses() {
    let rows = inputs("softmax_tversky");
    for (name, weight) in [("softmax_dice", 0.5), ("softmax_jaccard", 1.0)] {
        for absent in [0.0, 1.0] {
            let weights = [("alpha", weight), ("beta", weight), ("absent", absent)];
            let tversky = loss("softmax_tversky", &weights);
            assert_same(&loss(name, &[weights[2]]), &tversky, &rows, name);
        }
    }
}

/// Of two classes, one is the mask of the difference of the logits, the other what is left.
#[test]
fn softmax_losses_of_two_classes_are_means_of_two_masks() {
    let mut random = Random::new(67);
    let pixels = 30;
    let difference: Vec<f64> = (0..pixels).map(|_| random.between(-4.0, 4.0)).collect();
    let classes: Vec<f64> = (0..pixels).map(|_| random.below(2) as f64).collect();
    let logits: Vec<f64> = difference.iter().flat_map(|d| [0.25, 0.25 + d]).collect();
    let opposite: Vec<f64> = difference.iter().map(|d| -d).collect();
    let rest: Vec<f64> = classes.iter().map(|class| 1.0 - class).collect();
    for name in ["dice", "jaccard", "tversky"] {
        let (of_mask, of_classes) = (loss(name, &[]), loss(&format!("softmax_{name}"), &[]));
        let mask = |x: &[f64], g: &[f64]| {
            Batch::new(x, g).columns(pixels).value_and_grad(&of_mask).unwrap()
        };
        let (one, other) = (mask(&difference, &classes), mask(&opposite, &rest));
        let set = Batch::new(&logits, &classes).columns(2);
        let (value, grad) = set.value_and_grad(&of_classes).unwrap();
        assert_close(value, (one.0 + other.0) / 2.0, Tolerance::LAW, &name);
        for (pixel, slopes) in grad.chunks(2).enumerate() {
            let slope = (one.1[pixel] - other.1[pixel]) / 2.0;
            assert_close(slopes[1], slope, Tolerance::LAW, &name);
            assert_close(slopes[0], -slope, Tolerance::LAW, &name);
        }
    }
}
