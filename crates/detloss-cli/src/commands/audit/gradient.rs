//! Which detections hold the gradient of a loss, in shares, which have no unit.

use detloss_coco::Bbox;

use super::measure::{Audit, Measured};
use super::stats::{Concentration, share};

/// Who holds the gradient of a loss.
pub(super) struct Gradient {
    /// The share of each size.
    pub(super) sizes: Vec<f64>,
    /// The share of detections without object.
    pub(super) background: f64,
    /// The share of the largest.
    pub(super) parts: Concentration,
}

impl<B: Bbox> Audit<B> {
    /// Who holds the gradient of a loss. By `own_size`, a pixel counts as its share of the object's side √(wh).
    pub(super) fn gradient(&self, loss: &Measured, own_size: bool) -> Gradient {
        let units = self.units(loss.over);
        let mut slopes = loss.slopes.clone();
        if own_size {
            for (slope, &detection) in slopes.iter_mut().zip(units) {
                let object = self.object(detection);
                let side =
                    |(object, _): (usize, f64)| self.truth.annotations[object].bbox.area().sqrt();
                *slope *= object.map_or(0.0, side);
            }
        }
        let (mut sizes, mut background) = (vec![0.0; self.sizes().len()], 0.0);
        for (&slope, &detection) in slopes.iter().zip(units) {
            sizes[self.size(detection)] += slope;
            if self.object(detection).is_none() {
                background += slope;
            }
        }
        let total: f64 = sizes.iter().sum();
        Gradient {
            sizes: sizes.into_iter().map(|size| share(size, total)).collect(),
            background: share(background, total),
            parts: Concentration::of(slopes),
        }
    }
}
