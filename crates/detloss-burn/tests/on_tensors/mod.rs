//! The front-end that the suite of the core tests: tensors on some device.

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Device, Int, IntDType, Tensor, TensorData};
use detloss::testing::{FrontEnd, Integers, Request, Response};
use detloss_burn::{Batch, Loss, Target};

/// Tensors of this type on this device.
pub(crate) struct OnTensors(pub(crate) Device, pub(crate) DType);

impl OnTensors {
    /// The types of integers that the device has. WGSL has those of 32 bits.
    fn integer_types(&self) -> &'static [IntDType] {
        let is_host = matches!(self.0.clone().inner().as_dispatch(), DispatchDevice::Flex(_));
        if is_host { &INTEGERS } else { &[IntDType::I32, IntDType::U32] }
    }

    /// A tensor of these numbers.
    pub(crate) fn tensor<const D: usize>(&self, numbers: &[f64], dims: [usize; D]) -> Tensor<D> {
        let data = TensorData::new(numbers.to_vec(), dims).convert_dtype(self.1);
        Tensor::from_data(data, (&self.0, self.1))
    }

    /// A tensor of these whole numbers.
    pub(crate) fn integers<const D: usize>(
        &self,
        numbers: &[i64],
        dims: [usize; D],
    ) -> Tensor<D, Int> {
        Tensor::from_data(TensorData::new(numbers.to_vec(), dims), &self.0)
    }
}

/// The numbers of a tensor.
pub(crate) fn numbers<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.to_data().iter::<f64>().collect()
}

/// All types of integers there are.
const INTEGERS: [IntDType; 8] = [
    IntDType::U8,
    IntDType::I8,
    IntDType::U16,
    IntDType::I16,
    IntDType::U32,
    IntDType::I32,
    IntDType::U64,
    IntDType::I64,
];

/// Calls a block with the dimensions as an array of their number.
macro_rules! ranked {
    ($dims:expr, |$array:ident| $block:expr) => {
        match *$dims {
            [a] => {
                let $array = [a];
                $block
            }
            [a, b] => {
                let $array = [a, b];
                $block
            }
            [a, b, c] => {
                let $array = [a, b, c];
                $block
            }
            [a, b, c, d] => {
                let $array = [a, b, c, d];
                $block
            }
            ref other => panic!("no test has {other:?}"),
        }
    };
}

impl FrontEnd for OnTensors {
    fn run(&self, request: &Request<'_>) -> Option<Response> {
        let Request { pred, target, integers, .. } = request;
        let target = ranked!(&target.dims[..], |dims| match integers {
            None => Target::from(self.tensor(&target.numbers, dims)),
            Some(Integers(which)) => {
                let numbers: Vec<i64> = target.numbers.iter().map(|&x| x as i64).collect();
                let dtypes = self.integer_types();
                let dtype = dtypes[which % dtypes.len()];
                Target::from(self.integers(&numbers, dims).cast(dtype))
            }
        });
        let (values, grad) = ranked!(&pred.dims[..], |dims| self.ask(
            request,
            self.tensor(&pred.numbers, dims),
            target
        ));
        Some(Response { values, grad })
    }
}

impl OnTensors {
    fn ask<const D: usize>(
        &self,
        request: &Request<'_>,
        pred: Tensor<D>,
        target: Target,
    ) -> (Vec<f64>, Vec<f64>) {
        let loss = Loss::with(request.entry.name, request.params).unwrap();
        let pred = pred.require_grad();
        let mut batch = Batch::new(pred.clone(), target);
        if let Some(weights) = &request.weights {
            batch = ranked!(&weights.dims[..], |dims| batch
                .weights(self.tensor(&weights.numbers, dims)));
        }
        if let Some(weights) = &request.column_weights {
            batch = batch.column_weights(weights.clone());
        }
        if let Some(index) = request.ignore_index {
            batch = batch.ignore_index(index);
        }
        if let Some(ids) = &request.groups {
            batch = ranked!(&ids.dims[..], |dims| batch.groups(self.integers(&ids.numbers, dims)));
        }
        let units = batch.values(&loss);
        let grad =
            pred.grad(&units.clone().sum().backward()).expect("a gradient of the prediction");
        assert_eq!(grad.dims(), pred.dims());
        (numbers(&units), numbers(&grad))
    }
}
