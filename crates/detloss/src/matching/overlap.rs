//! How well a box covers a truth.

use std::fmt;
use std::str::FromStr;

use super::image::Scene;
use crate::batch::{Batch, Element, Kernel};
use crate::error::{Error, Result};
use crate::geometry::Xyxy;
use crate::losses::AnyLoss;
use crate::operand::Kind;
use crate::scalar::Compute;

/// How well a box covers a truth: the IoU, or 1 minus a loss of two boxes.
///
/// It is written like the loss: `iou`, `ciou`, `siou(theta=2)`, `prob_iou`. A loss of rotated boxes asks for rotated boxes.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlap(AnyLoss);

impl Overlap {
    /// 1 minus this loss.
    ///
    /// # Errors
    ///
    /// [`Error::NoOverlap`] if it is no loss of two boxes, or of two rotated boxes.
    pub fn new(loss: AnyLoss) -> Result<Self> {
        let signature = loss.signature();
        let is_box = matches!(signature.pred, Kind::Box | Kind::RotatedBox);
        if is_box && signature.pred == signature.target {
            return Ok(Self(loss));
        }
        Err(Error::NoOverlap { loss: loss.entry().name })
    }

    /// The loss.
    #[must_use]
    pub const fn loss(&self) -> &AnyLoss {
        &self.0
    }

    /// What it compares.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.signature().pred
    }

    /// How many numbers a box has.
    pub(super) fn width(&self) -> usize {
        self.kind().fields().len()
    }

    /// The overlap of a truth with each of these predictions; 0 where it is negative or NaN.
    pub(super) fn of_truth<'b, T: Compute + Element>(
        &self,
        scene: &Scene<'_, T>,
        truth: usize,
        predictions: &[usize],
        block: &'b mut Block<T>,
    ) -> Result<&'b [T]> {
        self.of_pairs(scene, predictions.iter().map(|&prediction| (prediction, truth)), block)
    }

    /// The overlap of a prediction with every truth; 0 where it is negative or NaN.
    pub(super) fn of_prediction<'b, T: Compute + Element>(
        &self,
        scene: &Scene<'_, T>,
        prediction: usize,
        block: &'b mut Block<T>,
    ) -> Result<&'b [T]> {
        self.of_pairs(scene, (0..scene.count).map(|truth| (prediction, truth)), block)
    }

    fn of_pairs<'b, T: Compute + Element>(
        &self,
        scene: &Scene<'_, T>,
        pairs: impl ExactSizeIterator<Item = (usize, usize)>,
        block: &'b mut Block<T>,
    ) -> Result<&'b [T]> {
        let Block { preds, truths, overlaps } = block;
        let count = pairs.len();
        overlaps.resize(count, T::default());
        preds.resize(count * self.width(), T::default());
        truths.resize(count * self.width(), T::default());
        match self.width() {
            4 => gather::<T, 4>(scene, pairs, preds, truths),
            _ => gather::<T, 5>(scene, pairs, preds, truths),
        }
        // Matching has its threads over images.
        let batch = Batch { work: scene.work, ..Batch::new(&*preds, &*truths) };
        batch.values_into(&self.0, overlaps)?;
        for overlap in &mut *overlaps {
            let one_minus = overlap.lit(1.0) - *overlap;
            *overlap = if one_minus > T::default() { one_minus } else { T::default() };
        }
        Ok(overlaps)
    }
}

/// Memory for pairs that are measured together.
#[derive(Debug, Default)]
pub(super) struct Block<T> {
    preds: Vec<T>,
    truths: Vec<T>,
    overlaps: Vec<T>,
}

/// The boxes of pairs, side by side. Their length is known when it is compiled: a copy of four numbers is one instruction.
fn gather<T: Compute + Element, const N: usize>(
    scene: &Scene<'_, T>,
    pairs: impl Iterator<Item = (usize, usize)>,
    preds: &mut [T],
    truths: &mut [T],
) {
    let to = preds.as_chunks_mut::<N>().0.iter_mut().zip(truths.as_chunks_mut::<N>().0);
    for ((pred, truth), (prediction, of)) in to.zip(pairs) {
        pred.copy_from_slice(scene.predicted(prediction));
        truth.copy_from_slice(scene.truth(of));
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Overlap {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text.parse()?)
    }
}

/// The IoU of two boxes itself: a small one keeps its digits, which 1 minus a loss does not.
pub(super) fn iou<T: Compute>(a: Xyxy<T>, b: Xyxy<T>) -> T {
    a.iou(b, 0.0)
}
