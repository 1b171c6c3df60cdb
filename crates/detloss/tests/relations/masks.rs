//! Laws between losses of masks.

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
