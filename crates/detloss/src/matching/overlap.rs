//! How well a box covers a truth.

use std::fmt;
use std::str::FromStr;

use super::entry::Precision;
use crate::batch::{Batch, Kernel};
use crate::error::{Error, Result};
use crate::geometry::Xyxy;
use crate::losses::AnyLoss;
use crate::operand::Kind;

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

    /// The overlap of every prediction with the truth of the same place. NaN where a box is.
    pub(super) fn of_pairs<T: Precision>(
        &self,
        preds: &[T],
        truths: &[T],
        into: &mut [T],
    ) -> Result<()> {
        // Matching has its threads over images.
        Batch::new(preds, truths).threads(false).values_into(&self.0, into)?;
        for value in into {
            *value = value.lit(1.0) - *value;
        }
        Ok(())
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
pub(super) fn iou<T: Precision>(a: Xyxy<T>, b: Xyxy<T>) -> T {
    a.iou(b, 0.0)
}
