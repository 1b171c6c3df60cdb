//! Losses of whole batches: all rows and columns at once.

use candle_core::{Result, Tensor};
use detloss::operand::LEFT_OUT;
use detloss::scalar::expr::Program;

use super::{known, labels, nan_unless, only, product};
use crate::call::{Call, Outcome};
use crate::options::Reduction;
use crate::program;

/// The loss of a batch without groups. `kept` says which class indices or labels are not left out.
pub(super) fn run(call: &Call<'_>, kept: Option<Tensor>, program: Program) -> Result<Outcome> {
    let (rows, dtype) = (call.shapes.rows.iter().product::<usize>(), call.pred.dtype());
    let has_classes = call.signature.pred.is_row() && !call.shapes.class_indices;
    let Targets { target, known, kept } = if has_classes {
        Targets::of_classes(call, rows)?
    } else {
        Targets { target: labels(call, None)?, known: known(call)?, kept }
    };
    let weights = call.weights.as_ref().map(|weights| weights.reshape((rows, ()))).transpose()?;
    let is_weight = |weight: &Tensor| weight.eq(0.0)? + weight.eq(1.0)?;
    let known = product([known, weights.as_ref().map(is_weight).transpose()?])?;
    let kept = product([kept, weights.map(|weight| weight.ne(0.0)).transpose()?])?;
    let pred = nan_unless(known, call, call.pred.detach())?;
    let inputs = [
        only(kept.as_ref(), call, pred)?.reshape((rows, ()))?,
        only(kept.as_ref(), call, target)?.reshape((rows, ()))?,
        match kept {
            Some(kept) => kept.to_dtype(dtype)?,
            None => Tensor::ones((rows, 1), dtype, call.pred.device())?,
        },
    ];
    let outputs = program::run(program, &inputs)?;
    let divided = |tensor: &Tensor| match call.options.reduction {
        Reduction::Normalizer(number) => tensor / number,
        _ => Ok(tensor.clone()),
    };
    let value = divided(&outputs[0].get(0)?.narrow(0, 0, 1)?)?;
    let value = if call.options.reduction == Reduction::None { value } else { value.squeeze(0)? };
    let grad =
        outputs.get(1).map(|slope| divided(slope)?.reshape(call.pred.shape())).transpose()?;
    Ok(Outcome { value, grad, value_of_row: None })
}

struct Targets {
    /// A number for every column.
    target: Tensor,
    /// Whether each target is one; None if any number is.
    known: Option<Tensor>,
    /// Whether each target is not left out; None if none can be.
    kept: Option<Tensor>,
}

impl Targets {
    /// Those of classes that are written as numbers, one per row.
    fn of_classes(call: &Call<'_>, rows: usize) -> Result<Self> {
        let (dtype, device) = (call.pred.dtype(), call.pred.device());
        let classes = call.target.reshape((rows, 1))?;
        let column = Tensor::arange(0, call.shapes.columns as u32, device)?.to_dtype(dtype)?;
        let target = classes.broadcast_eq(&column.reshape((1, ()))?)?.to_dtype(dtype)?;
        let known = Some(target.sum_keepdim(1)?.ne(0.0)?);
        Ok(Self { target, known, kept: Some(classes.ne(LEFT_OUT)?) })
    }
}
