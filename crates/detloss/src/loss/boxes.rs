//! Losses of two boxes, written over their terms.

use super::focusing::Focusing;
use super::modifiers::{Modified, Modifiers};
use super::terms::{Plain, Terms};
use super::{Case, Described, Facts, Formula, Loss, State};
use crate::geometry::Xyxy;
use crate::loss;
use crate::operand::Corners;
use crate::scalar::{Scalar, lit};

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
            Some(of) => of(self).weigh(value, pred, target, target.x1.lit(1.0)),
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
        let value = self.eval_with(pred, target, Modified(modifiers));
        let value = modifiers.weigh(value, pred, target);
        match self.focusing(modifiers) {
            Some(focusing) => focusing.weigh(value, pred, target, mean),
            None => value,
        }
    }

    fn focusing(&self, modifiers: &Modifiers) -> Option<Focusing> {
        L::FOCUSING.map(|of| of(self)).or(modifiers.focusing())
    }
}

loss! {
    /// Jaccard distance: 1 − IoU, as it is averaged over a training run.
    "jaccard_distance", "Jaccard distance" => pub struct JaccardDistance: Formula {}
}

impl BoxLoss for JaccardDistance {
    const FACTS: Facts = Facts::range(0.0, 1.0).zero_at_target();
    const CASES: &'static [Case] = &[];

    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        lit(1.0) - terms.iou(pred, target, 0.0)
    }
}
