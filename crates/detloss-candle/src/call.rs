//! One call, checked.

use candle_core::{DType, Error, Result, Tensor, bail};
use detloss::batch::{Batch, Element, Kernel, Target, Weights};
use detloss::signature::{Shapes, Signature};

use crate::options::{Options, Reduction};

/// The tensors of a call, which fit each other, in the precision that is computed in.
pub(crate) struct Call<'a> {
    /// Still part of the graph; the others are constants.
    pub(crate) pred: Tensor,
    pub(crate) target: Tensor,
    pub(crate) weights: Option<Tensor>,
    pub(crate) column_weights: Option<Tensor>,
    pub(crate) groups: Option<Tensor>,
    pub(crate) options: &'a Options,
    pub(crate) shapes: Shapes,
    pub(crate) signature: Signature,
    /// The weights are one per row.
    pub(crate) per_row: bool,
}

/// What a backend gives.
pub(crate) struct Outcome {
    /// The value, or the values of `Reduction::None`.
    pub(crate) value: Tensor,
    /// Its gradient with respect to the prediction, of the prediction's shape, if the graph wants one.
    pub(crate) grad: Option<Tensor>,
    /// Which of the values each row belongs to, unless they are in order.
    pub(crate) value_of_row: Option<Tensor>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        pred: &Tensor,
        target: &Tensor,
        signature: Signature,
        options: &'a Options,
    ) -> Result<Self> {
        let loss = signature.loss;
        let compute = match pred.dtype() {
            // Arithmetic and gradient are f32, so that a scaled loss in f16 keeps its small slopes.
            DType::F16 | DType::BF16 => DType::F32,
            dtype @ (DType::F32 | DType::F64) => dtype,
            dtype => bail!(
                "{loss}: the prediction is of {dtype:?}: give F16, BF16, F32 or F64 (to_dtype makes them)"
            ),
        };
        let shapes = signature
            .shapes(pred.dims(), target.dims(), target.dtype().is_int())
            .map_err(Error::wrap)?;
        let constant = |what: &str, tensor: &Tensor, integers: bool| {
            if !tensor.device().same_device(pred.device()) {
                bail!(
                    "{loss}: {what} is on {:?}, the prediction on {:?}: move one with to_device",
                    tensor.device().location(),
                    pred.device().location()
                )
            }
            let (got, wanted) = (tensor.dtype(), pred.dtype());
            if integers && !got.is_int() {
                bail!("{loss}: {what} is of {got:?}: give integers such as U32 or I64")
            }
            if !integers && got != wanted {
                bail!(
                    "{loss}: {what} is of {got:?}, the prediction of {wanted:?}: convert one with to_dtype"
                )
            }
            tensor.detach().to_dtype(if integers { got } else { compute })
        };
        let optional = |what: &str, tensor: &Option<Tensor>, integers: bool| {
            tensor.as_ref().map(|tensor| constant(what, tensor, integers)).transpose()
        };
        // Integers that are no class indices are labels.
        let target = match target.dtype().is_int() && !shapes.class_indices {
            true => &target.to_dtype(pred.dtype())?,
            false => target,
        };
        let call = Self {
            pred: pred.to_dtype(compute)?,
            target: constant("the target", target, shapes.class_indices)?,
            weights: optional("weights", &options.weights, false)?,
            column_weights: optional("column_weights", &options.column_weights, false)?,
            groups: optional("groups", &options.groups, true)?,
            options,
            per_row: match &options.weights {
                Some(weights) => shapes.weights_per_row(weights.dims()).map_err(Error::wrap)?,
                None => false,
            },
            shapes,
            signature,
        };
        if let Some(groups) = &call.groups {
            call.shapes.check_groups(groups.dims()).map_err(Error::wrap)?;
        }
        if let Some(weights) = &call.column_weights {
            call.shapes.check_column_weights(weights.dims()).map_err(Error::wrap)?;
        }
        Ok(call)
    }

    /// The batch of what lies in the memory of the host.
    pub(crate) fn batch<'m, T: Element>(
        &self,
        pred: &'m [T],
        target: Target<'m, T>,
        weights: Option<&'m [T]>,
        column_weights: Option<&'m [T]>,
        groups: Option<&'m [i64]>,
    ) -> Batch<'m, T> {
        let mut batch = Batch::new(pred, target).columns(self.shapes.columns);
        if let Some(weights) = weights {
            let per_row = self.per_row;
            batch = batch.weights(if per_row {
                Weights::Rows(weights)
            } else {
                Weights::Elements(weights)
            });
        }
        if let Some(weights) = column_weights {
            batch = batch.column_weights(weights);
        }
        if let Some(index) = self.options.ignore_index {
            batch = batch.ignore_index(index);
        }
        if let Some(groups) = groups {
            batch = batch.groups(groups);
        }
        match self.options.reduction {
            Reduction::Mean => batch.mean(),
            Reduction::Sum | Reduction::None => batch.sum(),
            Reduction::WeightedMean => batch.weighted_mean(),
            Reduction::Normalizer(number) => batch.normalizer(number),
        }
    }

    /// Checks what can be checked without the numbers in the tensors, as the core does it for an empty batch.
    pub(crate) fn check(&self, loss: &(impl Kernel + ?Sized)) -> Result<()> {
        let target =
            if self.shapes.class_indices { Target::Classes(&[]) } else { Target::Dense(&[]) };
        let groups = self.groups.as_ref().map(|_| &[][..]);
        let empty = self.batch::<f32>(&[], target, None, None, groups);
        empty.value(loss).map_err(Error::wrap)?;
        Ok(())
    }

    /// Whether the graph wants a gradient.
    pub(crate) fn wants_gradient(&self) -> bool {
        self.pred.track_op()
    }
}
