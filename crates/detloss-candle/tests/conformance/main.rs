//! What holds for every loss of the list on Candle tensors. No loss is named here: a new one is tested the moment it is in the list.

mod errors;
mod graph;
mod halves;
mod options;
mod roads;
mod steps;
mod ugly;

use candle_core::{DType, Device, Result, Tensor, Var};
use detloss::batch::Element;
use detloss::loss::Entry;
use detloss::testing::Rows;
use detloss_candle::{Options, Reduction, Road};

/// The tensors of some rows.
struct Tensors {
    pred: Var,
    target: Tensor,
    /// One per row, for losses of whole batches.
    groups: Option<Tensor>,
}

impl Tensors {
    fn new(entry: &Entry, rows: &Rows, dtype: DType) -> Result<Self> {
        let count = rows.len() * rows.height.unwrap_or(1);
        let shaped = |numbers: &[f64], width: usize| {
            let tensor =
                Tensor::from_slice(numbers, numbers.len(), &Device::Cpu)?.to_dtype(dtype)?;
            if width == 1 { Ok(tensor) } else { tensor.reshape((count, width)) }
        };
        let of_unit = |height| (0..rows.len() as i64).flat_map(move |unit| vec![unit; height]);
        let groups = |height| Tensor::from_iter(of_unit(height), &Device::Cpu);
        Ok(Self {
            pred: Var::from_tensor(&shaped(&rows.pred, entry.pred.width(rows.columns))?)?,
            target: shaped(&rows.target, entry.target.width(rows.columns))?,
            groups: rows.height.map(groups).transpose()?,
        })
    }

    /// A value per unit on this road.
    fn each(&self, road: Road) -> Options {
        Options {
            reduction: Reduction::None,
            groups: self.groups.clone(),
            road,
            ..Options::default()
        }
    }
}

/// The numbers of a tensor, row after row.
fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

/// The gradient of `value` by `pred`.
fn slopes(value: &Tensor, pred: &Tensor) -> Result<Vec<f64>> {
    numbers(value.sum_all()?.backward()?.get(pred).expect("a gradient by the prediction"))
}

fn wide<T: Element>(numbers: &[T]) -> Vec<f64> {
    numbers.iter().map(|number| number.to_f64()).collect()
}

/// Whether the loss is a formula, which can be replayed.
fn is_formula(entry: &Entry) -> bool {
    entry.make().trace(false).is_some()
}
