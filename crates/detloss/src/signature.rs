//! How a loss is called: which options it takes, how tensors make up a batch, and words for it.
//!
//! This is the only place that knows what the dimensions of a tensor mean to a loss. Front-ends ask it and have no rules of their
//! own.

mod describe;
mod shapes;

pub use describe::Description;
pub use shapes::Shapes;

use crate::loss::{Scope, State};
use crate::operand::Kind;

/// How a loss is called.
///
/// ```
/// use detloss::losses;
///
/// // Scores of 8 anchors and 80 classes against a class index per anchor.
/// let focal = losses::find("focal")?.signature;
/// let shapes = focal.shapes(&[8, 80], &[8], true)?;
/// assert_eq!((shapes.columns, &*shapes.rows, shapes.class_indices), (80, &[8][..], true));
/// assert!(focal.tensors_take().ignore_index && !focal.tensors_take().groups);
/// # Ok::<(), detloss::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signature {
    /// The id of the loss.
    pub loss: &'static str,
    /// What one value is of.
    pub scope: Scope,
    /// What one prediction is.
    pub pred: Kind,
    /// What one target is.
    pub target: Kind,
    /// The names of the components whose sum is the value, where they are of interest one by one.
    pub components: &'static [&'static str],
    /// What the loss carries from one batch of a training run to the next.
    pub state: State,
}

/// Which options make sense for a loss. A weight per row always does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Takes {
    /// Class indices as targets.
    pub class_indices: bool,
    /// A weight per column: class weights, coordinate weights.
    pub column_weights: bool,
    /// A class index whose rows are ignored.
    pub ignore_index: bool,
    /// The group (image) of every row.
    pub groups: bool,
}

impl Signature {
    pub(crate) const fn new(loss: &'static str, scope: Scope, pred: Kind, target: Kind) -> Self {
        Self { loss, scope, pred, target, components: &[], state: State::None }
    }

    /// Whether every number of a prediction is a unit, with a target, a weight and (unless the loss is of whole batches) a value of
    /// its own.
    #[must_use]
    pub const fn is_elementwise(&self) -> bool {
        !self.pred.is_row() && self.pred.fields().len() == 1
    }

    /// Whether a prediction is the pixels of one mask, whatever the number of dimensions they lie in.
    #[must_use]
    pub const fn is_mask(&self) -> bool {
        matches!(self.target, Kind::Mask)
    }

    /// Whether the predictions in a tensor have a dimension of columns (classes, coordinates), and not of fields or pixels.
    #[must_use]
    pub const fn has_columns(&self) -> bool {
        self.is_elementwise() || self.pred.is_row() && !self.is_mask()
    }

    /// Which options a [`Batch`](crate::Batch) of this loss takes; it refuses the others.
    #[must_use]
    pub const fn takes(&self) -> Takes {
        let is_set = matches!(self.scope, Scope::Set);
        let is_label = self.target.is_label();
        Takes {
            class_indices: is_label,
            column_weights: !is_set && (is_label || !self.pred.is_row()),
            ignore_index: is_label,
            groups: is_set,
        }
    }

    /// Which options make sense for tensors: those of columns only where there [are columns](Signature::has_columns).
    #[must_use]
    pub const fn tensors_take(&self) -> Takes {
        let takes = self.takes();
        let has_columns = self.has_columns();
        Takes {
            class_indices: takes.class_indices && has_columns,
            column_weights: takes.column_weights && has_columns,
            ignore_index: takes.ignore_index && has_columns,
            groups: takes.groups,
        }
    }
}
