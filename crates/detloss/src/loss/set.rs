//! Losses of a whole batch.

use super::{Case, Described, Facts, Set};
use crate::batch::Element;
use crate::geometry::Fields;
use crate::scalar::lanes::Vector;

/// A loss of a whole batch, or of every group (image) in it. It writes its own gradient.
///
/// It sees the elements that count and nothing else: what is ignored or belongs to another group never reaches it.
pub trait SetLoss: Described<Kind = Set> {
    /// The fields of one prediction.
    const PRED: Fields;
    /// The fields of one target.
    const TARGET: Fields;
    /// The names of the terms whose sum is the value, where their separate values are of interest.
    const PARTS: &'static [&'static str] = &[];
    /// What holds for this loss.
    const FACTS: Facts;
    /// Worked cases.
    const CASES: &'static [Case];

    /// Whether the gradient is the slope of the value. Ranking losses have none, and weights may be held still.
    fn is_slope(&self) -> bool {
        true
    }

    /// What a training run begins to remember, for rows of `columns`: plain numbers to be saved with its checkpoints. Empty for
    /// a loss that remembers nothing.
    fn state(&self, columns: usize) -> Vec<f64> {
        let _ = columns;
        Vec::new()
    }

    #[doc(hidden)]
    fn set<V: Vector>(&self, token: V::Token, set: SetOf<'_, V>) -> f64;
}

/// The elements of a batch, or of one group, that count. There is at least one.
#[doc(hidden)]
#[derive(Debug)]
pub struct SetOf<'a, V: Vector> {
    /// The predictions, row after row.
    pub pred: &'a [V::Element],
    /// The targets.
    pub target: &'a [V::Element],
    /// How many columns a row has.
    pub columns: usize,
    /// What the gradient is multiplied by.
    pub scale: f64,
    /// Whether the work may be shared by threads.
    pub threads: bool,
    /// Where the gradient goes, if anybody wants it.
    pub grad: Option<&'a mut [V::Element]>,
    /// What was remembered from the batches before, to be brought up to date; None outside of a training run.
    pub state: Option<&'a mut [f64]>,
    /// Where the values of [`SetLoss::PARTS`] go.
    pub parts: &'a mut [f64],
}

impl<V: Vector> SetOf<'_, V> {
    /// The value of a set with a NaN among scores or labels; every slope is NaN as well, so that no step is taken unnoticed.
    pub fn poisoned(self) -> f64 {
        if let Some(grad) = self.grad {
            grad.fill(V::Element::from_f64(f64::NAN));
        }
        self.parts.fill(f64::NAN);
        f64::NAN
    }
}
