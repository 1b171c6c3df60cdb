//! What a kernel computes at once.

use crate::parallel::Work;

/// How many numbers of a prediction one tile holds: its operands stay in the first-level cache.
pub(super) const TILE: usize = 1024;

/// A few units of a batch, small enough for the first-level cache. For a formula in `f32`, whole vectors of units; for a loss
/// of whole batches, a whole group.
#[derive(Debug)]
pub struct Tile<'a, T> {
    pub(crate) columns: usize,
    pub(crate) pred: &'a [T],
    pub(crate) target: TileTarget<'a, T>,
    pub(crate) column_weights: Option<&'a [T]>,
    /// One weight per unit.
    pub(crate) weights: &'a [T],
    /// What the gradient is multiplied by besides the weight.
    pub(crate) factor: T,
    /// The running mean of a loss of units that has one.
    pub(crate) mean: f64,
    /// Where the weighted values go.
    pub(crate) values: Option<&'a mut [T]>,
    /// Where the gradient goes.
    pub(crate) grad: Option<&'a mut [T]>,
    /// The column of every element of a loss of whole batches with a state per column, where some are left out.
    pub(crate) element_columns: Option<&'a [usize]>,
    /// The state of a loss of whole batches.
    pub(crate) state: Option<&'a mut [f64]>,
    /// Where the components of a loss of whole batches go.
    pub(crate) components: &'a mut [f64],
    /// How a loss of whole batches is worked on.
    pub(crate) work: Work<'a>,
}

impl<'a, T: Copy> Tile<'a, T> {
    /// The first `units` units, and the rest. Only for dense targets.
    pub(crate) fn split(self, units: usize, width: usize) -> (Self, Self) {
        let TileTarget::Dense(target) = self.target else {
            unreachable!("only formulas are split")
        };
        let target_width = target.len() / self.weights.len();
        let (pred, more_pred) = self.pred.split_at(units * width);
        let (target, more_target) = target.split_at(units * target_width);
        let (weights, more_weights) = self.weights.split_at(units);
        let (values, more_values) = self.values.map(|values| values.split_at_mut(units)).unzip();
        let (grad, more_grad) = self.grad.map(|grad| grad.split_at_mut(units * width)).unzip();
        let Self { columns, factor, mean, column_weights, work, .. } = self;
        (
            Self {
                columns,
                pred,
                target: TileTarget::Dense(target),
                column_weights,
                weights,
                factor,
                mean,
                values,
                grad,
                element_columns: None,
                state: None,
                components: &mut [],
                work,
            },
            Self {
                columns,
                pred: more_pred,
                target: TileTarget::Dense(more_target),
                column_weights,
                weights: more_weights,
                factor,
                mean,
                values: more_values,
                grad: more_grad,
                element_columns: None,
                state: None,
                components: &mut [],
                work,
            },
        )
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum TileTarget<'a, T> {
    Dense(&'a [T]),
    /// Only for rows; an index that is no class belongs to a row of weight 0.
    Classes(&'a [i64]),
}
