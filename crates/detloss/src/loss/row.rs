//! Losses of a whole row.

use super::{Case, Described, Facts, Row};
use crate::operand::Kind;
use crate::scalar::lanes::Vector;

/// A loss of a whole row of logits: against a class, a distribution over the classes, a mask. It writes its own gradient.
pub trait RowLoss: Described<Form = Row> {
    /// What the target of one row is.
    const TARGET: Kind;
    /// What holds for this loss.
    const FACTS: Facts;
    /// Worked cases.
    const CASES: &'static [Case];

    #[doc(hidden)]
    fn row<V: Vector>(&self, token: V::Token, row: RowOf<'_, V>) -> f64;
}

/// One row of a [`RowLoss`].
#[doc(hidden)]
#[derive(Debug)]
pub struct RowOf<'a, V: Vector> {
    /// The logits.
    pub logits: &'a [V::Element],
    /// What they should say.
    pub target: RowTarget<'a, V::Element>,
    /// A weight per class, all 1 if absent. Only for targets that are classes.
    pub column_weights: Option<&'a [V::Element]>,
    /// What the gradient is multiplied by.
    pub scale: V::Element,
    /// Where the gradient goes, if anybody wants it.
    pub grad: Option<&'a mut [V::Element]>,
}

/// What a row of logits should say.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum RowTarget<'a, T> {
    /// This class.
    Class(usize),
    /// All fields of the target: a number per column, unless [`RowLoss::TARGET`] says otherwise.
    Dense(&'a [T]),
}

impl<'a, T> RowTarget<'a, T> {
    /// The fields of a target that is never a class index.
    #[inline(always)]
    pub fn fields(self) -> &'a [T] {
        match self {
            Self::Dense(fields) => fields,
            Self::Class(_) => {
                unreachable!("the driver refuses class indices where the target is no label")
            }
        }
    }
}
