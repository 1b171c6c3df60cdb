//! Losses of two boxes, written over their terms.

use super::modifiers::Modifiers;
use super::{Case, Described, Facts, Focusing, Formula, Loss, State};
use crate::geometry::Xyxy;
use crate::operand::Corners;
use crate::scalar::Scalar;

/// A loss of two boxes: an IoU and penalties, each of which passes through `terms` on its way into the sum.
///
/// Every one is a [`Loss`], and takes [modifiers](super::modifiers).
pub trait BoxLoss: Described<Form = Formula> {
    /// What holds for this loss; the conformance suite verifies both the claims and the denials.
    const FACTS: Facts;
    /// Worked cases.
    const CASES: &'static [Case];
    /// What the whole loss is weighted by besides, if that depends on the running mean of 1 − IoU: the state of the loss. Such a
    /// loss is interpreted.
    const FOCUSING: Option<fn(&Self) -> Focusing> = None;

    /// The formula. A factor of the whole loss, or a gate, is of the boxes as they are and asks `terms` for nothing.
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S;
}

/// What becomes of the terms of a [`BoxLoss`].
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
struct Plain;

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

impl<L: BoxLoss> Loss for L {
    type Pred = Corners;
    type Target = Corners;
    const FACTS: Facts = L::FACTS;
    const CASES: &'static [Case] = L::CASES;
    const STATE: State = if L::FOCUSING.is_some() { State::Fixed } else { State::None };

    #[inline(always)]
    fn eval<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>) -> S {
        let value = self.eval_with(pred, target, Plain);
        match L::FOCUSING {
            Some(of) => of(self).weight(pred, target, target.x1.lit(1.0)) * value,
            None => value,
        }
    }

    fn eval_modified<S: Scalar>(
        &self,
        pred: Xyxy<S>,
        target: Xyxy<S>,
        modifiers: &Modifiers,
        mean: S,
    ) -> S {
        modifiers.eval(self, pred, target, mean)
    }

    fn focusing(&self, modifiers: &Modifiers) -> Option<Focusing> {
        L::FOCUSING.map(|of| of(self)).or(modifiers.focusing())
    }
}
