//! How a value and its gradient become part of Candle's graph.

use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, Layout, MetalStorage, Result, Shape, Storage, Tensor, bail,
};

use crate::call::Outcome;

/// The value of `outcome`, differentiable by `pred` if there is a gradient.
pub(crate) fn attach(loss: &'static str, pred: &Tensor, outcome: Outcome) -> Result<Tensor> {
    let Outcome { value, grad, value_of_row } = outcome;
    match grad {
        None => Ok(value),
        Some(grad) => pred.apply_op1(Computed { loss, value, grad, value_of_row }),
    }
}

/// An operation whose value and gradient are there already. The prediction is its only argument, because Candle panics where an
/// operation leaves an argument of the graph without a gradient.
struct Computed {
    loss: &'static str,
    value: Tensor,
    grad: Tensor,
    value_of_row: Option<Tensor>,
}

impl Computed {
    /// The value in a storage of its own, as Candle wants it.
    fn storage(&self) -> Result<(Storage, Shape)> {
        let value = self.value.contiguous()?;
        let (storage, layout) = value.storage_and_layout();
        Ok((storage.try_clone(layout)?, value.shape().clone()))
    }
}

impl CustomOp1 for Computed {
    fn name(&self) -> &'static str {
        self.loss
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        match self.storage()? {
            (Storage::Cpu(storage), shape) => Ok((storage, shape)),
            (other, _) => bail!("{}: the value is on {:?}", self.loss, other.device().location()),
        }
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        match self.storage()? {
            (Storage::Cuda(storage), shape) => Ok((storage, shape)),
            (other, _) => bail!("{}: the value is on {:?}", self.loss, other.device().location()),
        }
    }

    fn metal_fwd(&self, _: &MetalStorage, _: &Layout) -> Result<(MetalStorage, Shape)> {
        match self.storage()? {
            (Storage::Metal(storage), shape) => Ok((storage, shape)),
            (other, _) => bail!("{}: the value is on {:?}", self.loss, other.device().location()),
        }
    }

    /// The gradient is kept: a second backward gives it again.
    fn bwd(&self, _: &Tensor, _: &Tensor, grad_output: &Tensor) -> Result<Option<Tensor>> {
        let grad = &self.grad;
        if grad.elem_count() == 0 {
            return Ok(Some(grad.clone()));
        }
        if grad_output.rank() == 0 && grad_output.device().is_cpu() {
            // `loss.backward()` begins with a 1: the gradient is there already.
            let slope = grad_output.to_dtype(candle_core::DType::F64)?.to_scalar::<f64>()?;
            return Ok(Some(if slope == 1.0 { grad.clone() } else { grad.affine(slope, 0.0)? }));
        }
        let grad_output = grad_output.flatten_all()?;
        let grad_output = match &self.value_of_row {
            Some(value_of_row) => grad_output.index_select(value_of_row, 0)?,
            None => grad_output,
        };
        let values = grad_output.elem_count();
        let slopes =
            grad.reshape((values, ()))?.broadcast_mul(&grad_output.reshape((values, 1))?)?;
        Ok(Some(slopes.reshape(grad.shape())?))
    }
}
