//! The losses on Burn's tensors are the losses of the core.

mod batches;
mod conformance;
mod gradients;
mod modules;
mod replicas;

use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};

/// A device whose tensors have gradients.
fn device() -> Device {
    Device::flex().autodiff()
}

/// A tensor of these numbers.
fn tensor<const D: usize>(numbers: &[f64], dims: [usize; D], dtype: DType) -> Tensor<D> {
    let data = TensorData::new(numbers.to_vec(), dims);
    Tensor::<D>::from_data(data, (&device(), DType::F64)).cast(FloatDType::from(dtype))
}

fn integers<const D: usize>(numbers: &[i64], dims: [usize; D]) -> Tensor<D, Int> {
    Tensor::from_data(TensorData::new(numbers.to_vec(), dims), &device())
}

/// The numbers of a tensor.
fn numbers<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.to_data().iter::<f64>().collect()
}
