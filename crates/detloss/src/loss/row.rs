//! Losses of a whole row.

use super::{Case, Described, Facts, Row};
use crate::operand::Kind;
use crate::scalar::expr::Expr;
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

    /// The same for all columns of many rows at once, where there are tensors and no loops. None for a loss that needs more than the
    /// operations of a row, such as sorting.
    #[doc(hidden)]
    fn trace_row<'t>(&self, row: TracedRow<'t>) -> Option<TracedLoss<'t>> {
        let _ = row;
        None
    }
}

/// A row of a [`RowLoss`], column by column.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct TracedRow<'t> {
    /// The logits.
    pub logits: Expr<'t>,
    /// What they should say; of a class 1 for it and 0 for the others.
    pub target: Expr<'t>,
    /// The weights of the classes, if there are any.
    pub column_weights: Option<Expr<'t>>,
    /// The number of the column, from 0 on.
    pub column: Expr<'t>,
    /// How many columns a row has.
    pub columns: usize,
}

/// The value of a row, and its slope by the prediction in every column.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct TracedLoss<'t> {
    /// The value, the same for every column.
    pub value: Expr<'t>,
    /// The slope by the prediction.
    pub slope: Expr<'t>,
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
