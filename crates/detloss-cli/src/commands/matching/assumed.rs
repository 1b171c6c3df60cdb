//! Predictions of a detector that has learned where the objects are.

use detloss::matching::{AnyMatcher, Scores};

use super::anchors::Grid;

/// In a sentence.
pub(super) const WORDS: &str = "No detector was run: predictions are assumed. Every point has found, exactly and with a probability of one half for its \
    class, the smallest object around it, or around it by the matcher's own rule (min_side of task_aligned, radius of sim_ota); \
    all other points predict a box of their own stride, and no class. So this is about the best that the matcher can do for each \
    object once the detector works.";

/// The probability of what a point has found.
const FOUND: f32 = 0.5;
/// The probability of all else, as detectors begin with it.
const ELSE: f32 = 0.01;

/// Boxes and scores of every anchor, for one image.
pub(super) struct Assumed {
    pub(super) boxes: Vec<[f32; 4]>,
    pub(super) scores: Vec<f32>,
}

impl Assumed {
    /// `labels` of the objects count from 0.
    pub(super) fn new(
        matcher: &AnyMatcher,
        grid: &Grid,
        objects: &[[f32; 4]],
        labels: &[i64],
    ) -> Self {
        let classes = labels.iter().max().map_or(1, |last| *last as usize + 1);
        let [found, other] = [FOUND, ELSE].map(|probability| match matcher.entry().inputs.scores {
            Some(Scores::Logits) => (probability / (1.0 - probability)).ln(),
            _ => probability,
        });
        let reach = Reach::of(matcher);
        let area = |[x1, y1, x2, y2]: [f32; 4]| (x2 - x1) * (y2 - y1);
        let mut order: Vec<usize> = (0..objects.len()).collect();
        order.sort_by(|a, b| area(objects[*a]).total_cmp(&area(objects[*b])));
        let mut boxes = grid.boxes.clone();
        let mut scores = vec![other; boxes.len() * classes];
        for (index, (center, stride)) in grid.centers.iter().zip(&grid.strides).enumerate() {
            let is_around = |object: &&usize, reach| is_around(objects[**object], *center, reach);
            let around = order.iter().find(|object| is_around(object, reach.pixels));
            let near = || order.iter().find(|object| is_around(object, reach.strides * stride));
            if let Some(&object) = around.or_else(near) {
                boxes[index] = objects[object];
                scores[index * classes + labels[object] as usize] = found;
            }
        }
        Self { boxes, scores }
    }
}

/// How far from the centre of an object a matcher takes points that do not lie inside it.
struct Reach {
    pixels: f32,
    strides: f32,
}

impl Reach {
    fn of(matcher: &AnyMatcher) -> Self {
        let value = |key: &str| {
            let place = matcher.entry().params.iter().position(|param| param.name == key);
            place.map_or(0.0, |place| matcher.params()[place] as f32)
        };
        match matcher.entry().name {
            "task_aligned" => Self { pixels: 0.5 * value("min_side"), strides: 0.0 },
            "sim_ota" => Self { pixels: 0.0, strides: value("radius") },
            _ => Self { pixels: 0.0, strides: 0.0 },
        }
    }
}

/// Whether a point lies inside a box, or nearer to its centre than `reach` in the directions in which it is shorter.
fn is_around([x1, y1, x2, y2]: [f32; 4], [x, y]: [f32; 2], reach: f32) -> bool {
    let is_between = |low: f32, high: f32, at: f32| {
        let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
        (at - middle).abs() < half.max(reach)
    };
    is_between(x1, x2, x) && is_between(y1, y2, y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_smaller_than_a_matcher_needs_reaches_as_far_as_it_lets_it() {
        let tiny = [31.0, 31.0, 35.0, 35.0];
        assert!(is_around(tiny, [34.0, 34.0], 0.0));
        assert!(!is_around(tiny, [36.0, 34.0], 0.0));
        let of = |matcher: &str| {
            let Reach { pixels, strides } = Reach::of(&matcher.parse().unwrap());
            (pixels, strides)
        };
        assert_eq!(of("task_aligned(min_side=20)"), (10.0, 0.0));
        assert_eq!(of("sim_ota(radius=2.5)"), (0.0, 2.5));
        assert_eq!(of("dynamic_soft_label"), (0.0, 0.0));
        assert!(is_around(tiny, [36.0, 40.0], 8.0));
        assert!(!is_around(tiny, [36.0, 41.0], 8.0));
    }
}
