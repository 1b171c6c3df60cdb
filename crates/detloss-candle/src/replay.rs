//! The backend over the device: a traced loss, run with tensor operations.

mod sets;

use candle_core::{DType, Result, Tensor};
use detloss::batch::Kernel;
use detloss::loss::Scope;
use detloss::operand::{Kind, LEFT_OUT, MAX_LABEL};
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
    call.check(loss)?;
    let kept = kept(call)?;
    match call.signature.scope {
        Scope::Unit => of_units(call, kept.as_ref(), program),
        Scope::Row => of_rows(call, kept.as_ref(), program),
        Scope::Set => sets::run(call, kept, program),
    }
}

/// The program of this loss for this call; None if it has none. How many groups there are only their ids say.
pub(crate) fn trace(call: &Call<'_>, loss: &(impl Kernel + ?Sized)) -> Option<Program> {
    let gradient = call.wants_gradient();
    match call.signature.scope {
        Scope::Unit => loss.trace(gradient),
        Scope::Row => loss.trace_row(call.shapes.columns, call.column_weights.is_some(), gradient),
        Scope::Set if call.groups.is_none() => loss.trace_set(gradient),
        Scope::Set => None,
    }
}

fn of_units(call: &Call<'_>, kept: Option<&Tensor>, program: Program) -> Result<Outcome> {
    let fields = |kind: Kind| kind.fields().len();
    let pred = only(kept, call, checked(call, call.pred.detach())?)?;
    let mut inputs = columns(&pred, fields(call.signature.pred))?;
    inputs.extend(columns(&labels(call, kept)?, fields(call.signature.target))?);
    let outputs = program::run(program, &inputs)?;
    let weights = weights(call, kept)?;
    let total = Total { divisor: Divisor::new(call, weights.as_ref())?, weights };
    let value = total.value(call, &outputs[0])?;
    let grad = if call.wants_gradient() {
        let slopes = outputs[1..].iter().map(|partial| total.slopes(partial));
        let slopes = Tensor::stack(&slopes.collect::<Result<Vec<_>>>()?, 0)?;
        Some(slopes.t()?.reshape(call.pred.shape())?)
    } else {
        None
    };
    Ok(Outcome { value, grad, value_of_row: None })
}

fn of_rows(call: &Call<'_>, kept: Option<&Tensor>, program: Program) -> Result<Outcome> {
    let (rows, columns) = (call.shapes.unit_count(), call.shapes.columns);
    let (dtype, device) = (call.pred.dtype(), call.pred.device());
    // What is no target is one that has no value: predictions would not matter where nothing is asked for.
    let target = only(kept, call, checked(call, labels(call, None)?)?)?.reshape((rows, ()))?;
    let column = Tensor::arange(0, columns as u32, device)?.to_dtype(dtype)?.reshape((1, ()))?;
    let pred = only(kept, call, call.pred.detach())?.reshape((rows, columns))?;
    let mut inputs = vec![pred, target.clone(), column];
    let by_column = call.column_weights.as_ref().map(|weights| weights.reshape((1, columns)));
    let by_column = by_column.transpose()?;
    inputs.extend(by_column.clone());
    let outputs = program::run(program, &inputs)?;

    let by_row = call.weights.as_ref().map(|weights| weights.reshape((rows, 1))).transpose()?;
    let weights = without_left_out(by_row, kept, dtype)?;
    // The sum of the weights knows that of the class, too.
    let of_class = match by_column.filter(|_| call.shapes.class_indices) {
        Some(by_column) => {
            // Other classes may weigh infinity.
            let (weights, is_own) = (by_column.broadcast_as(target.shape())?, target.ne(0.0)?);
            let own = is_own.where_cond(&(&target * weights)?, &target)?;
            Some(own.sum_keepdim(1)?)
        }
        None => None,
    };
    let total = Total {
        divisor: Divisor::new(call, product([weights.clone(), of_class])?.as_ref())?,
        weights,
    };
    let value = total.value(call, &outputs[0].narrow(1, 0, 1)?)?;
    let grad = outputs.get(1).map(|slope| total.slopes(slope)?.reshape(call.pred.shape()));
    Ok(Outcome { value, grad: grad.transpose()?, value_of_row: None })
}

/// How the losses of the units are added up.
struct Total {
    weights: Option<Tensor>,
    divisor: Divisor,
}

impl Total {
    fn weighted(&self, tensor: &Tensor) -> Result<Tensor> {
        match &self.weights {
            Some(weights) => tensor.broadcast_mul(weights),
            None => Ok(tensor.clone()),
        }
    }

    fn value(&self, call: &Call<'_>, units: &Tensor) -> Result<Tensor> {
        let value = self.weighted(units)?;
        match call.options.reduction {
            Reduction::None => value.reshape(call.shapes.units.as_slice()),
            _ => self.divisor.divide(&value.sum_all()?),
        }
    }

    fn slopes(&self, partials: &Tensor) -> Result<Tensor> {
        self.divisor.divide(&self.weighted(partials)?)
    }
}

/// The numbers with NaN where the target is none, since to look would be to wait.
fn checked(call: &Call<'_>, numbers: Tensor) -> Result<Tensor> {
    nan_unless(known(call)?, call, numbers)
}

fn nan_unless(known: Option<Tensor>, call: &Call<'_>, numbers: Tensor) -> Result<Tensor> {
    let Some(known) = known else { return Ok(numbers) };
    let numbers = numbers.reshape(((), call.shapes.columns))?;
    let nan = numbers.zeros_like()?.affine(0.0, f64::NAN)?;
    known.broadcast_as(numbers.shape())?.where_cond(&numbers, &nan)
}

/// The numbers with 0 in what is left out: whatever it holds, infinity and NaN included, must not reach the sum through a product
/// with its weight.
fn only(kept: Option<&Tensor>, call: &Call<'_>, numbers: Tensor) -> Result<Tensor> {
    let Some(kept) = kept else { return Ok(numbers) };
    let numbers = numbers.reshape(((), call.shapes.columns))?;
    kept.broadcast_as(numbers.shape())?.where_cond(&numbers, &numbers.zeros_like()?)
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
        // The index behind the last is background; a row of a softmax must have a class.
        let most = call.shapes.columns as i64 - i64::from(call.signature.pred.is_row());
        let known = classes.ge(0i64)? * classes.le(most)?;
        return known.map(Some);
    }
    if !call.signature.target.is_probability() {
        return Ok(None);
    }
    let labels = dense(call)?;
    let known = (labels.ge(0.0)? * labels.le(MAX_LABEL)?)?;
    match call.signature.target.can_be_left_out() {
        true => (known + labels.eq(LEFT_OUT)?).map(Some),
        false => Ok(Some(known)),
    }
}

/// Whether each target is not left out, by row or by element. None if none can be; a mask leaves its pixels out itself.
fn kept(call: &Call<'_>) -> Result<Option<Tensor>> {
    match call.options.ignore_index {
        Some(index) => classes(call)?.ne(index).map(Some),
        None if call.shapes.class_indices => Ok(None),
        None if call.signature.pred.is_row() => Ok(None),
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
    let factors = factors.iter().map(|factor| factor.broadcast_as(grid));
    let product = factors.reduce(|product, factor| product? * factor?).transpose()?;
    let weights = without_left_out(product, kept, call.pred.dtype())?;
    weights.map(|weights| weights.broadcast_as(grid)?.flatten_all()).transpose()
}

/// The weights with 0 for what is left out, whatever it weighs, infinity and NaN included.
fn without_left_out(
    weights: Option<Tensor>,
    kept: Option<&Tensor>,
    dtype: DType,
) -> Result<Option<Tensor>> {
    let Some(kept) = kept else { return Ok(weights) };
    match weights {
        Some(weights) => {
            kept.broadcast_as(weights.shape())?.where_cond(&weights, &weights.zeros_like()?)
        }
        None => kept.to_dtype(dtype),
    }
    .map(Some)
}

/// The product of those there are.
fn product(factors: [Option<Tensor>; 2]) -> Result<Option<Tensor>> {
    let factors = factors.into_iter().flatten().map(Ok);
    factors.reduce(|product, factor| product?.broadcast_mul(&factor?)).transpose()
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
