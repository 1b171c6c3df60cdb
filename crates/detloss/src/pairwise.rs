//! The overlap of every box with every other one: for matching, suppression and evaluation.

use crate::batch::{Batch, Element, Kernel};
use crate::error::{Error, Result};
use crate::losses::boxes3d::YawIou3d;
use crate::losses::rotated::RotatedIou;

/// How many pairs are computed at a time.
const PAIRS: usize = 1024;

/// The IoU of n rotated boxes (cx, cy, w, h, angle) with m others: n rows of m numbers into `iou`.
///
/// It is 1 minus the [rotated IoU loss](RotatedIou), and what holds for that holds here: exactly 1 for equal boxes at any angle and
/// place, exactly 0 for disjoint ones, at most 1e-7 off in `f32`.
///
/// ```
/// use detloss::pairwise::rotated_iou;
///
/// let boxes = [0.0_f32, 0.0, 2.0, 1.0, 0.5, 9.0, 9.0, 2.0, 2.0, 0.0];
/// let mut iou = [0.0; 4];
/// rotated_iou(&boxes, &boxes, &mut iou)?;
/// assert_eq!(iou, [1.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), detloss::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::PartialRow`] if a slice does not divide into boxes, [`Error::Length`] if `iou` has not n · m numbers.
pub fn rotated_iou<T: Element>(boxes: &[T], others: &[T], iou: &mut [T]) -> Result<()> {
    complements(&RotatedIou::default(), boxes, others, iou)
}

/// The IoU of n upright boxes in space (cx, cy, cz, dx, dy, dz, yaw) with m others: n rows of m numbers into `iou`; 1 minus the
/// [yaw 3D IoU loss](YawIou3d).
///
/// # Errors
///
/// Like [`rotated_iou`].
pub fn yaw_iou3d<T: Element>(boxes: &[T], others: &[T], iou: &mut [T]) -> Result<()> {
    complements(&YawIou3d::default(), boxes, others, iou)
}

/// 1 minus the loss of every box against every other one.
fn complements<T: Element>(
    loss: &impl Kernel,
    boxes: &[T],
    others: &[T],
    into: &mut [T],
) -> Result<()> {
    let row = loss.signature().pred.fields().len();
    for (what, slice) in [("the first boxes", boxes), ("the other boxes", others)] {
        if !slice.len().is_multiple_of(row) {
            return Err(Error::PartialRow { what, got: slice.len(), row });
        }
    }
    let (count, other_count) = (boxes.len() / row, others.len() / row);
    let expected = count * other_count;
    if into.len() != expected {
        return Err(Error::Length { what: "the overlaps", expected, got: into.len() });
    }
    if expected == 0 {
        return Ok(());
    }
    let rows = (PAIRS / other_count).clamp(1, count);
    let (mut preds, targets) = (Vec::new(), others.repeat(rows));
    for (boxes, into) in boxes.chunks(rows * row).zip(into.chunks_mut(rows * other_count)) {
        preds.clear();
        for one in boxes.chunks(row) {
            for _ in 0..other_count {
                preds.extend_from_slice(one);
            }
        }
        Batch::new(&preds, &targets[..preds.len()]).values_into(loss, into)?;
        for value in into {
            *value = T::from_f64(1.0 - value.to_f64());
        }
    }
    Ok(())
}
