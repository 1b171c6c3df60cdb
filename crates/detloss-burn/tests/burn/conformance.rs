//! Held to what the core is held to.

use burn::tensor::{DType, Tensor};
use detloss::loss::Scope;
use detloss::losses::ALL;
use detloss::testing::{FrontEnd, Request, Response, Tolerance, check};
use detloss_burn::{Batch, Loss, Target};

use crate::{integers, numbers, tensor};

/// Tensors of this type.
struct OnTensors(DType);

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
                tensor(numbers, [count], self.0).into()
            } else {
                tensor(numbers, [count, numbers.len() / count], self.0).into()
            }
        };
        let target = target(&rows.target);
        let groups = (entry.scope == Scope::Set).then(|| {
            let ids: Vec<i64> = (0..count).map(|row| (row / height) as i64).collect();
            integers(&ids, [count])
        });
        let (values, grad) = if flat {
            run(&loss, tensor(&rows.pred, [count], self.0), target, groups)
        } else {
            run(&loss, tensor(&rows.pred, [count, fields], self.0), target, groups)
        };
        Some(Response { values, grad })
    }
}

fn run<const D: usize>(
    loss: &Loss,
    pred: Tensor<D>,
    target: Target,
    groups: Option<Tensor<1, burn::tensor::Int>>,
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

#[test]
fn tensors_of_f64_are_the_core() {
    assert_eq!(check(&OnTensors(DType::F64), Tolerance::EXACT), ALL.len());
}

#[test]
fn tensors_of_f32_agree_with_the_formula() {
    assert_eq!(check(&OnTensors(DType::F32), Tolerance::F32), ALL.len());
}
