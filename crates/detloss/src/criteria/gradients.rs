//! The gradients of a criterion, and their memory.

use super::outputs::Outputs;
use super::terms::{Grads, Slot};
use crate::error::Result;
use crate::matching::{self, Precision};

/// The gradient with respect to one of the [`Outputs`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct OutputGrads<T> {
    /// By the logits.
    pub logits: Vec<T>,
    /// By the raw boxes.
    pub boxes: Vec<T>,
    /// By the quality; empty where there is none.
    pub quality: Vec<T>,
    /// By the angles; empty where there are none.
    pub angle: Vec<T>,
    /// By the distributions; empty where there are none.
    pub distribution: Vec<T>,
}

/// Memory for the gradient with respect to one of the [`Outputs`]: as many numbers as these have, whatever they are. Every one is
/// overwritten. What is empty gets fresh memory, in [`Evaluation::grads`](super::Evaluation::grads).
#[derive(Debug, Default)]
pub struct OutputGradsMut<'a, T> {
    /// By the logits.
    pub logits: &'a mut [T],
    /// By the raw boxes.
    pub boxes: &'a mut [T],
    /// By the quality.
    pub quality: &'a mut [T],
    /// By the angles.
    pub angle: &'a mut [T],
    /// By the distributions.
    pub distribution: &'a mut [T],
}

impl<'a, T: Precision> OutputGradsMut<'a, T> {
    /// Zeros for what there is no memory for.
    pub(super) fn others(&self, outputs: &Outputs<'_, T>) -> OutputGrads<T> {
        let zeros = |given: &[T], like: Option<&[T]>| {
            let len = if given.is_empty() { like.unwrap_or_default().len() } else { 0 };
            vec![T::default(); len]
        };
        OutputGrads {
            logits: zeros(self.logits, Some(outputs.logits)),
            boxes: zeros(self.boxes, Some(outputs.boxes)),
            quality: zeros(self.quality, outputs.quality),
            angle: zeros(self.angle, outputs.angle),
            distribution: zeros(self.distribution, outputs.distribution),
        }
    }

    /// The parts of every image, of this memory or, where there is none, of those zeros.
    pub(super) fn images(
        self,
        of: &Outputs<'_, T>,
        zeros: &'a mut OutputGrads<T>,
    ) -> Result<Vec<Grads<'a, T>>> {
        let slots = |what, given: &'a mut [T], zeros: &'a mut [T], like: Option<&[T]>| {
            let is_written = given.is_empty();
            let (memory, len) =
                (if is_written { zeros } else { given }, like.map_or(0, <[T]>::len));
            matching::of_length(what, len, memory.len())?;
            let images = memory.chunks_mut((len / of.images.max(1)).max(1));
            Ok(images.map(move |grad| Slot { grad, is_written }))
        };
        let mut logits =
            slots("the gradient by the logits", self.logits, &mut zeros.logits, Some(of.logits))?;
        let mut boxes =
            slots("the gradient by the raw boxes", self.boxes, &mut zeros.boxes, Some(of.boxes))?;
        let mut quality =
            slots("the gradient by the quality", self.quality, &mut zeros.quality, of.quality)?;
        let mut angle =
            slots("the gradient by the angles", self.angle, &mut zeros.angle, of.angle)?;
        let what = "the gradient by the distributions";
        let mut distribution =
            slots(what, self.distribution, &mut zeros.distribution, of.distribution)?;
        let of_image = |_| Grads {
            // Zeros, too, are faster written over than added to: that of every logit is.
            logits: Slot { is_written: false, ..logits.next().unwrap_or_default() },
            boxes: boxes.next().unwrap_or_default(),
            quality: quality.next().unwrap_or_default(),
            angle: angle.next().unwrap_or_default(),
            distribution: distribution.next().unwrap_or_default(),
        };
        Ok((0..of.images).map(of_image).collect())
    }
}
