//! The backend over the device: a traced formula, run with tensor operations.

use candle_core::{DType, Result, Tensor};
use detloss::batch::Kernel;
use detloss::operand::{LEFT_OUT, MAX_LABEL};
use detloss::scalar::expr::Program;

use crate::call::{Call, Outcome};
use crate::options::Reduction;
use crate::program;

/// The loss of a call that is not empty, by its traced program: value and gradient together. Nothing waits for the device.
pub(crate) fn run(
    call: &Call<'_>,
    loss: &(impl Kernel + ?Sized),
    program: Program,
) -> Result<Outcome> {
    let signature = &call.signature;
    call.check(loss)?;
    let fields = signature.pred.fields().len();
    let kept = kept(call)?;
    let mut inputs = columns(&predictions(call, kept.as_ref())?, fields)?;
    inputs.extend(columns(&labels(call, kept.as_ref())?, signature.target.fields().len())?);
    let mut outputs = program::run(program, &inputs)?;
    let (values, partials) = (outputs.remove(0), outputs);

    let weights = weights(call, kept.as_ref())?;
    let weighted = |tensor: &Tensor| match &weights {
        Some(weights) => tensor * weights,
        None => Ok(tensor.clone()),
    };
    let divisor = Divisor::new(call, weights.as_ref())?;
    let value = weighted(&values)?;
    let value = match call.options.reduction {
        Reduction::None => value.reshape(call.shapes.units.as_slice())?,
        _ => divisor.divide(&value.sum_all()?)?,
    };
    let grad = if call.wants_gradient() {
        let slopes = partials.iter().map(|partial| divisor.divide(&weighted(partial)?));
        let slopes = Tensor::stack(&slopes.collect::<Result<Vec<_>>>()?, 0)?;
        Some(slopes.t()?.reshape(call.pred.shape())?)
    } else {
        None
    };
    Ok(Outcome { value, grad, value_of_row: None })
}

/// The predictions, with NaN where the target is none, since to look would be to wait, and 0 in what is left out: whatever it
/// holds, infinity and NaN included, must not reach the sum through a product with its weight.
fn predictions(call: &Call<'_>, kept: Option<&Tensor>) -> Result<Tensor> {
    let mut pred = call.pred.detach();
    if let Some(known) = known(call)? {
        pred = pred.reshape(((), call.shapes.columns))?;
        let nan = pred.zeros_like()?.affine(0.0, f64::NAN)?;
        pred = known.broadcast_as(pred.shape())?.where_cond(&pred, &nan)?;
    }
    if let Some(kept) = kept {
        pred = pred.reshape(((), call.shapes.columns))?;
        pred = kept.broadcast_as(pred.shape())?.where_cond(&pred, &pred.zeros_like()?)?;
    }
    Ok(pred)
}

/// Class indices, one per row.
fn classes(call: &Call<'_>) -> Result<Tensor> {
    call.target.to_dtype(DType::I64)?.reshape(((), 1))
}

/// Labels, one per column.
fn dense(call: &Call<'_>) -> Result<Tensor> {
    call.target.reshape(((), call.shapes.columns))
}

/// Whether each target is one, by row or by element; None if any number is.
fn known(call: &Call<'_>) -> Result<Option<Tensor>> {
    if call.shapes.class_indices {
        let classes = classes(call)?;
        // The index behind the last is background.
        let known = classes.ge(0i64)? * classes.le(call.shapes.columns as i64)?;
        return known.map(Some);
    }
    if !call.signature.target.is_probability() {
        return Ok(None);
    }
    let labels = dense(call)?;
    let known = (labels.ge(0.0)? * labels.le(MAX_LABEL)?)?;
    (known + labels.eq(LEFT_OUT)?).map(Some)
}

/// Whether each target is not left out, by row or by element. None if none can be.
fn kept(call: &Call<'_>) -> Result<Option<Tensor>> {
    match call.options.ignore_index {
        Some(index) => classes(call)?.ne(index).map(Some),
        None if call.shapes.class_indices => Ok(None),
        None if call.signature.target.can_be_left_out() => dense(call)?.ne(LEFT_OUT).map(Some),
        None => Ok(None),
    }
}

/// The fields of a prediction or target, each in order for all units.
fn columns(tensor: &Tensor, fields: usize) -> Result<Vec<Tensor>> {
    let columns = tensor.reshape(((), fields))?.t()?.contiguous()?;
    (0..fields).map(|field| columns.get(field)).collect()
}

/// The targets; class indices as a label per column, and 0 for labels that are left out.
fn labels(call: &Call<'_>, kept: Option<&Tensor>) -> Result<Tensor> {
    if !call.shapes.class_indices {
        return match kept {
            Some(kept) => {
                let labels = dense(call)?;
                kept.where_cond(&labels, &labels.zeros_like()?)
            }
            None => Ok(call.target.clone()),
        };
    }
    let classes = classes(call)?;
    let columns = Tensor::arange(0, call.shapes.columns as i64, call.pred.device())?;
    classes.broadcast_eq(&columns)?.to_dtype(call.pred.dtype())
}

/// The product of all weights, one per unit.
fn weights(call: &Call<'_>, kept: Option<&Tensor>) -> Result<Option<Tensor>> {
    let grid = (call.shapes.unit_count() / call.shapes.columns, call.shapes.columns);
    let mut factors = Vec::new();
    if let Some(weights) = &call.weights {
        factors.push(weights.reshape((grid.0, if call.per_row { 1 } else { grid.1 }))?);
    }
    if let Some(weights) = &call.column_weights {
        factors.push(weights.reshape((1, grid.1))?);
    }
    if let Some(kept) = kept {
        factors.push(kept.to_dtype(call.pred.dtype())?);
    }
    let factors = factors.iter().map(|factor| factor.broadcast_as(grid));
    let product = factors.reduce(|product, factor| product? * factor?);
    product.map(|product| product?.flatten_all()).transpose()
}

/// What the sum of the losses is divided by.
enum Divisor {
    Number(f64),
    OnDevice(Tensor),
}

impl Divisor {
    fn new(call: &Call<'_>, weights: Option<&Tensor>) -> Result<Self> {
        let units = call.shapes.unit_count() as f64;
        Ok(match (call.options.reduction, weights) {
            (Reduction::Sum | Reduction::None, _) => Self::Number(1.0),
            (Reduction::Normalizer(number), _) => Self::Number(number),
            (Reduction::WeightedMean, Some(weights)) => {
                // A batch without weight is worth 0, and its sum is.
                let sum = weights.sum_all()?;
                Self::OnDevice(sum.eq(0.0)?.where_cond(&sum.ones_like()?, &sum)?)
            }
            (Reduction::Mean | Reduction::WeightedMean, _) => Self::Number(units),
        })
    }

    fn divide(&self, tensor: &Tensor) -> Result<Tensor> {
        match self {
            Self::Number(number) if *number == 1.0 => Ok(tensor.clone()),
            Self::Number(number) => tensor / *number,
            Self::OnDevice(divisor) => tensor.broadcast_div(divisor),
        }
    }
}
