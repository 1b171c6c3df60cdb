//! The losses on Burn's tensors are the losses of the core.

mod batches;
mod conformance;
mod criteria;
mod gradients;
mod matching;
mod modules;
#[path = "../on_tensors/mod.rs"]
mod on_tensors;
mod replicas;

use burn::tensor::{DType, Device, Int, Tensor};

use on_tensors::{OnTensors, numbers};

/// A device whose tensors have gradients.
fn device() -> Device {
    Device::flex().autodiff()
}

fn tensor<const D: usize>(numbers: &[f64], dims: [usize; D], dtype: DType) -> Tensor<D> {
    OnTensors(device(), dtype).tensor(numbers, dims)
}

fn integers<const D: usize>(numbers: &[i64], dims: [usize; D]) -> Tensor<D, Int> {
    OnTensors(device(), DType::F64).integers(numbers, dims)
}
