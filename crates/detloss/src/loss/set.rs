//! Losses of a whole batch.

use super::{Case, Described, Facts, Set, TracedLoss};
use crate::operand::Kind;
use crate::parallel::Work;
use crate::scalar::expr::Expr;
use crate::scalar::lanes::Vector;
use crate::scalar::{Element, Scalar as _};

/// What a loss carries from one batch of a training run to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    None,
    /// As many numbers as its parameters say.
    Fixed,
    /// As many numbers for every column, such as a count per class.
    PerColumn,
}

/// A loss of a whole batch, or of every group (image) in it. It writes its own gradient.
///
/// It sees the elements that count and nothing else: what is ignored or belongs to another group never reaches it.
pub trait SetLoss: Described<Form = Set> {
    /// What one prediction is.
    const PRED: Kind;
    /// What one target is.
    const TARGET: Kind;
    /// The names of the components whose sum is the value, where their separate values are of interest.
    const COMPONENTS: &'static [&'static str] = &[];
    /// What it carries from one batch of a training run to the next.
    const STATE: State = State::None;
    /// What holds for this loss.
    const FACTS: Facts;
    /// Worked cases.
    const CASES: &'static [Case];

    /// Whether the gradient is the derivative of the value. That of ranking losses is not, nor is one that detaches weights.
    fn has_exact_gradient(&self) -> bool {
        true
    }

    /// The state that a training run begins with, for rows of `columns`: plain numbers to be saved with its checkpoints. Empty for
    /// a loss without state.
    fn initial_state(&self, columns: usize) -> Vec<f64> {
        let _ = columns;
        Vec::new()
    }

    #[doc(hidden)]
    fn set<V: Vector>(&self, token: V::Token, set: SetOf<'_, V>) -> f64;

    /// The same for all rows and columns at once, without a state, where there are tensors and no loops. None for a loss that needs more
    /// than sums and maxima, such as sorting.
    #[doc(hidden)]
    fn trace_set<'t>(&self, set: TracedSet<'t>) -> Option<TracedLoss<'t>> {
        let _ = set;
        None
    }
}

/// The elements of a [`SetLoss`], with those that do not count, which [`sum`](TracedSet::sum) and its like leave out. Slopes there are
/// dropped.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct TracedSet<'t> {
    /// The predictions.
    pub pred: Expr<'t>,
    /// The targets; of a class 1 for it and 0 for the others.
    pub target: Expr<'t>,
    /// How many elements count, or how many rows if a prediction is one.
    pub count: Expr<'t>,
    counts: Expr<'t>,
}

impl<'t> TracedSet<'t> {
    pub(crate) fn new(pred: Expr<'t>, target: Expr<'t>, counts: Expr<'t>, of_rows: bool) -> Self {
        let per_row = if of_rows { counts } else { counts.row_sum() };
        Self { pred, target, count: per_row.column_sum(), counts }
    }

    /// These numbers, and 0 where nothing counts.
    #[must_use]
    pub fn only(&self, numbers: Expr<'t>) -> Expr<'t> {
        let zero = numbers.lit(0.0);
        Expr::if_lt(zero, self.counts, numbers, zero)
    }

    /// The sum over what counts.
    #[must_use]
    pub fn sum(&self, numbers: Expr<'t>) -> Expr<'t> {
        self.only(numbers).row_sum().column_sum()
    }

    /// The sum over the rows that count, column by column.
    #[must_use]
    pub fn column_sum(&self, numbers: Expr<'t>) -> Expr<'t> {
        self.only(numbers).column_sum()
    }

    /// Slopes of which none is a number where the value is none: [`nan_result`](SetOf::nan_result).
    #[must_use]
    #[allow(clippy::eq_op, reason = "0 for a number, and NaN for NaN")]
    pub fn nan_with(&self, value: Expr<'t>, slope: Expr<'t>) -> Expr<'t> {
        slope + (value - value)
    }

    /// The largest of what counts, among numbers that are not negative.
    #[must_use]
    pub fn max(&self, numbers: Expr<'t>) -> Expr<'t> {
        self.only(numbers).row_max().column_max()
    }
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
    /// The column of every element; None if all elements of all rows are there.
    pub element_columns: Option<&'a [usize]>,
    /// What the gradient is multiplied by.
    pub scale: f64,
    /// How the work is done.
    pub(crate) work: Work<'a>,
    /// Where the gradient goes, if anybody wants it.
    pub grad: Option<&'a mut [V::Element]>,
    /// The state that the batches before left, to be brought up to date; None outside of a training run.
    pub state: Option<&'a mut [f64]>,
    /// Where the values of [`SetLoss::COMPONENTS`] go.
    pub components: &'a mut [f64],
}

impl<V: Vector> SetOf<'_, V> {
    /// The columns of the elements from `first` on, where a row is no element. Known to a loss with a state per column.
    #[inline(always)]
    pub fn columns_from(&self, first: usize) -> impl Iterator<Item = usize> {
        let (columns, known) = (self.columns, self.element_columns);
        let mut next = first % columns;
        (first..self.target.len()).map(move |element| {
            let column = known.map_or(next, |known| known[element]);
            // Not a remainder for every element: it would take as long as the loss.
            next = if next + 1 == columns { 0 } else { next + 1 };
            column
        })
    }

    /// The value of a set with a NaN among scores or labels; every slope is NaN as well, so that no step is taken unnoticed.
    pub fn nan_result(self) -> f64 {
        if let Some(grad) = self.grad {
            grad.fill(V::Element::from_f64(f64::NAN));
        }
        self.components.fill(f64::NAN);
        f64::NAN
    }
}
