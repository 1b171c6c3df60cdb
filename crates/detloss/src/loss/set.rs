//! Losses of a whole batch.

use super::{Case, Described, Facts, Set};
use crate::operand::Kind;
use crate::parallel::Work;
use crate::scalar::Element;
use crate::scalar::lanes::Vector;

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
