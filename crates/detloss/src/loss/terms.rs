//! The terms of a loss of two boxes.

use crate::geometry::Xyxy;
use crate::scalar::Scalar;

/// What becomes of the terms of a [`BoxLoss`](super::BoxLoss).
pub trait Terms: Copy {
    /// The IoU as the loss counts it; see [`Xyxy::iou`].
    fn iou<S: Scalar>(self, pred: Xyxy<S>, target: Xyxy<S>, eps: f64) -> S;

    /// The IoU as it is and as the loss counts it, for a formula that needs both: the compiler does not always see that they
    /// are one.
    #[inline(always)]
    fn both_ious<S: Scalar>(self, pred: Xyxy<S>, target: Xyxy<S>, eps: f64) -> [S; 2] {
        [pred.iou(target, eps), self.iou(pred, target, eps)]
    }

    /// A penalty as the loss counts it: a summand that is no less than 0, and 0 for a perfect prediction.
    fn penalty<S: Scalar>(self, penalty: S) -> S;

    /// `sum` and the penalty `weight · part`, rounded once where the machine can.
    fn add_penalty<S: Scalar>(self, sum: S, weight: S, part: S) -> S;
}

/// The terms as they are.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl Terms for Plain {
    #[inline(always)]
    fn iou<S: Scalar>(self, pred: Xyxy<S>, target: Xyxy<S>, eps: f64) -> S {
        pred.iou(target, eps)
    }

    #[inline(always)]
    fn both_ious<S: Scalar>(self, pred: Xyxy<S>, target: Xyxy<S>, eps: f64) -> [S; 2] {
        [pred.iou(target, eps); 2]
    }

    #[inline(always)]
    fn penalty<S: Scalar>(self, penalty: S) -> S {
        penalty
    }

    #[inline(always)]
    fn add_penalty<S: Scalar>(self, sum: S, weight: S, part: S) -> S {
        weight.mul_add(part, sum)
    }
}
