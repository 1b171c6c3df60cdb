//! The front-end that the suite of the core tests: tensors on some device.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use detloss::loss::Scope;
use detloss::testing::{FrontEnd, Request, Response};
use detloss_burn::{Batch, Loss, Target};

/// Tensors of this type on this device.
pub(crate) struct OnTensors(pub(crate) Device, pub(crate) DType);

impl OnTensors {
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

impl FrontEnd for OnTensors {
    fn run(&self, request: Request<'_>) -> Option<Response> {
        let Request { entry, params, rows } = request;
        let loss = Loss::with(entry.name, params).unwrap();
        let height = rows.height.unwrap_or(1);
        let count = rows.len() * height;
        let fields = rows.pred.len() / count;
        let flat = !entry.pred.is_row && fields == 1;
        let target = |numbers: &[f64]| -> Target {
            if flat || !entry.target.is_row && entry.target.names.len() == 1 {
                self.tensor(numbers, [count]).into()
            } else {
                self.tensor(numbers, [count, numbers.len() / count]).into()
            }
        };
        let target = target(&rows.target);
        let groups = (entry.scope == Scope::Set).then(|| {
            let ids: Vec<i64> = (0..count).map(|row| (row / height) as i64).collect();
            self.integers(&ids, [count])
        });
        let (values, grad) = if flat {
            run(&loss, self.tensor(&rows.pred, [count]), target, groups)
        } else {
            run(&loss, self.tensor(&rows.pred, [count, fields]), target, groups)
        };
        Some(Response { values, grad })
    }
}

fn run<const D: usize>(
    loss: &Loss,
    pred: Tensor<D>,
    target: Target,
    groups: Option<Tensor<1, Int>>,
) -> (Vec<f64>, Vec<f64>) {
    let pred = pred.require_grad();
    let batch = Batch::new(pred.clone(), target);
    let batch = match groups {
        Some(ids) => batch.groups(ids),
        None => batch,
    };
    let units = batch.units(loss);
    let grad = pred.grad(&units.clone().sum().backward()).expect("a gradient of the prediction");
    assert_eq!(grad.dims(), pred.dims());
    (numbers(&units), numbers(&grad))
}
