//! What holds for every loss of the list on Candle tensors. No loss is named here: a new one is tested the moment it is in the list.

mod backends;
mod errors;
mod graph;
mod halves;
mod options;
mod sets;
mod steps;
mod ugly;

use candle_core::{DType, Device, Result, Tensor, Var};
use detloss::batch::{Element, Kernel as _};
use detloss::losses::Entry;
use detloss::testing::{Array, Integers, Request, Rows};
use detloss_candle::{Backend, Options, Reduction};

/// The tensors of some rows.
struct Tensors {
    pred: Var,
    target: Tensor,
    /// One per row, for losses of whole batches.
    groups: Option<Tensor>,
}

impl Tensors {
    fn new(entry: &'static Entry, rows: &Rows, dtype: DType) -> Result<Self> {
        Self::of(&Request::new(entry, &[], rows), dtype)
    }

    fn of(request: &Request<'_>, dtype: DType) -> Result<Self> {
        let target = floats(&request.target, dtype)?;
        Ok(Self {
            pred: Var::from_tensor(&floats(&request.pred, dtype)?)?,
            target: match request.integers {
                Some(Integers(which)) => target.to_dtype(INTEGERS[which % INTEGERS.len()])?,
                None => target,
            },
            groups: request.groups.as_ref().map(integers).transpose()?,
        })
    }

    /// A value per unit on this backend. Tensor operations do not tell groups apart: there, the batch is one.
    fn each(&self, backend: Backend) -> Options {
        Options {
            reduction: Reduction::None,
            groups: self.groups.clone().filter(|_| backend != Backend::Decomposed),
            backend,
            ..Options::default()
        }
    }
}

/// All types of integers there are.
const INTEGERS: [DType; 5] = [DType::U8, DType::I16, DType::U32, DType::I32, DType::I64];

fn floats(array: &Array<f64>, dtype: DType) -> Result<Tensor> {
    Tensor::from_slice(&array.numbers, array.dims.as_slice(), &Device::Cpu)?.to_dtype(dtype)
}

fn integers(array: &Array<i64>) -> Result<Tensor> {
    Tensor::from_slice(&array.numbers, array.dims.as_slice(), &Device::Cpu)
}

/// The numbers of a tensor, row after row.
fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

/// The gradient of `value` by `pred`.
fn slopes(value: &Tensor, pred: &Tensor) -> Result<Vec<f64>> {
    numbers(
        value.sum_all()?.backward()?.get(pred).expect("a gradient with respect to the prediction"),
    )
}

fn wide<T: Element>(numbers: &[T]) -> Vec<f64> {
    numbers.iter().map(|number| number.to_f64()).collect()
}

/// Whether the loss is of whole batches and can be replayed.
fn is_replayed_whole(entry: &Entry) -> bool {
    entry.make().trace_set(false).is_some()
}

/// Whether the loss can be replayed unit by unit.
fn is_replayed(entry: &Entry) -> bool {
    let loss = entry.make();
    loss.trace(false).is_some() || loss.trace_row(2, false, false).is_some()
}
