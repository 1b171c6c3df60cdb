//! The Lovász extension of the Jaccard loss: from the loss of a set of wrong pixels to one of how wrong each pixel is.

/// The errors of pixels, none of them negative, each weighted by what the Jaccard loss rises when its pixel joins those with larger
/// errors. `objects` is the sum of the labels of all pixels, those without an error included; `label` knows those of the others.
///
/// `slope` is told the derivative by the error of each pixel. Pixels with the same error have none of a single value: one that
/// moves up alone is the first of them, one that moves down alone is the last, and the slope is the mean of both. An error of 0
/// cannot move down.
pub fn lovasz(
    errors: &mut [(f64, usize)],
    objects: f64,
    label: impl Fn(usize) -> f64,
    mut slope: impl FnMut(usize, f64),
) -> f64 {
    errors.sort_unstable_by(|(a, _), (b, _)| b.total_cmp(a));
    let (mut wrong, mut value) = (Wrong { missed: 0.0, extra: 0.0 }, 0.0);
    for tied in errors.chunk_by(|(a, _), (b, _)| a == b) {
        let (before, mut rise) = (wrong, 0.0);
        for &(_, pixel) in tied {
            rise += wrong.rise(objects, label(pixel));
            wrong = wrong.with(label(pixel), 1.0);
        }
        let error = tied[0].0;
        value += error * rise;
        for &(_, pixel) in tied {
            let first = before.rise(objects, label(pixel));
            let last = if error == 0.0 {
                0.0
            } else {
                wrong.with(label(pixel), -1.0).rise(objects, label(pixel))
            };
            slope(pixel, 0.5 * (first + last));
        }
    }
    value
}

/// How much of the objects and of the background is wrong.
#[derive(Clone, Copy)]
struct Wrong {
    missed: f64,
    extra: f64,
}

impl Wrong {
    fn with(self, label: f64, count: f64) -> Self {
        Self { missed: self.missed + count * label, extra: self.extra + count * (1.0 - label) }
    }

    /// How much the Jaccard loss `1 − (objects − missed) / (objects + extra)` rises when one more pixel is wrong; without the
    /// difference of two losses that are nearly the same.
    fn rise(self, objects: f64, label: f64) -> f64 {
        let union = objects + self.extra;
        let left = (objects - self.missed).max(0.0);
        // Where there is no object, the first wrong pixel makes all the difference.
        let jaccard = if union == 0.0 { 1.0 } else { left / union };
        let grown = union + (1.0 - label);
        if grown == 0.0 { 0.0 } else { (jaccard * (1.0 - label) + label) / grown }
    }
}
