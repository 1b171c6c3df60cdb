//! Gradients flow through the operation as through Burn's own.

use burn::module::{Module, Param};
use burn::nn::loss::Reduction;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor};
use detloss::testing::{Tolerance, assert_close};
use detloss_burn::{Batch, GiouLoss, Loss, SmoothL1LossConfig};

use crate::{device, integers, numbers, tensor};

const BOXES: [f64; 8] = [0.0, 0.0, 2.0, 2.0, 1.0, 1.0, 4.0, 3.0];
const NEAR: [f64; 8] = [0.5, 0.25, 2.25, 1.75, 5.0, 5.0, 6.0, 7.0];

/// The loss of boxes that a layer of these weights predicts.
fn of_layer(weights: &[f64]) -> (Linear, Tensor<1>) {
    let linear = LinearConfig::new(3, 4).with_bias(false).init(&device());
    let weight = tensor(weights, [3, 4], DType::F64);
    let linear = Linear { weight: Param::from_tensor(weight), ..linear };
    let inputs = tensor(&[1.0, 0.5, -0.25, 0.5, 2.0, 1.0], [2, 3], DType::F64);
    let boxes = linear.forward(inputs);
    let loss = GiouLoss::new().forward(boxes, tensor(&BOXES, [2, 4], DType::F64), Reduction::Mean);
    (linear, loss)
}

#[test]
fn a_layer_below_gets_the_slope() {
    const STEP: f64 = 1e-5;
    let weights: Vec<f64> = [0.1, -0.2, 1.5, 2.0, 0.3, 0.4, 0.8, 0.9, -0.5, 0.2, 0.6, 0.7].to_vec();
    let (linear, loss) = of_layer(&weights);
    let slopes = numbers(&linear.weight.grad(&loss.backward()).unwrap());
    for (index, &slope) in slopes.iter().enumerate() {
        let at = |change: f64| {
            let mut weights = weights.clone();
            weights[index] += change;
            of_layer(&weights).1.into_scalar::<f64>()
        };
        let quotient = (at(STEP) - at(-STEP)) / (2.0 * STEP);
        let tolerance = Tolerance { absolute: 1e-8, relative: 1e-7 };
        assert_close(slope, quotient, tolerance, &format!("slope of weight {index}"));
    }
    assert!(slopes.iter().any(|slope| *slope != 0.0));
}

/// The gradient that the core writes.
fn expected(factor: f64) -> Vec<f64> {
    let core = detloss::losses::boxes::Giou::default();
    let (_, grad) = detloss::Batch::new(&NEAR, &BOXES).value_and_grad(&core).unwrap();
    grad.into_iter().map(|slope| slope * factor).collect()
}

fn boxes() -> (Tensor<2>, Tensor<2>) {
    (tensor(&NEAR, [2, 4], DType::F64), tensor(&BOXES, [2, 4], DType::F64))
}

#[test]
fn what_the_loss_is_multiplied_by_multiplies_the_gradient() {
    let (pred, target) = boxes();
    let pred = pred.require_grad();
    let loss = GiouLoss::new().forward(pred.clone(), target, Reduction::Mean) * -3.0;
    assert_eq!(numbers(&pred.grad(&loss.backward()).unwrap()), expected(-3.0));
}

#[test]
fn every_unit_has_its_own_slope() {
    let (pred, target) = boxes();
    let pred = pred.require_grad();
    let units = GiouLoss::new().forward_no_reduction(pred.clone(), target);
    let loss = (units * tensor(&[2.0, 0.5], [2], DType::F64)).sum();
    let mean = expected(2.0); // The mean of two has half the slope.
    let slopes: Vec<f64> =
        mean.iter().enumerate().map(|(index, slope)| slope * [2.0, 0.5][index / 4]).collect();
    assert_eq!(numbers(&pred.grad(&loss.backward()).unwrap()), slopes);
}

#[test]
fn every_group_has_its_own_slope() {
    let logits = [2.0, 0.5, 1.2, -1.0, 0.3, 0.1];
    let labels = tensor(&[1.0, 0.0, 1.0, 0.0, 0.0, 1.0], [6], DType::F64);
    let loss = Loss::find("balanced_ce").unwrap();
    let grad = |factors: [f64; 2]| {
        let pred = tensor(&logits, [6], DType::F64).require_grad();
        let ids = integers(&[7, 7, 3, 7, 3, 3], [6]);
        let units = Batch::new(pred.clone(), labels.clone()).groups(ids).values(&loss);
        assert_eq!(units.dims(), [2]);
        numbers(&pred.grad(&(units * tensor(&factors, [2], DType::F64)).sum().backward()).unwrap())
    };
    let (one, many) = (grad([1.0, 1.0]), grad([5.0, 0.25]));
    // Group 3 comes first: it has the rows 2, 4 and 5.
    let factors = [0.25, 0.25, 5.0, 0.25, 5.0, 5.0];
    for row in 0..6 {
        assert_ne!(one[row], 0.0);
        assert_eq!(many[row], one[row] * factors[row]);
    }
}

#[test]
fn a_second_pass_gives_the_same() {
    let (pred, target) = boxes();
    let pred = pred.require_grad();
    let pass = || {
        let loss = GiouLoss::new().forward(pred.clone(), target.clone(), Reduction::Mean);
        numbers(&pred.grad(&loss.backward()).unwrap())
    };
    assert_eq!(pass(), expected(1.0));
    assert_eq!(pass(), expected(1.0));
}

#[test]
fn two_losses_of_one_prediction_add_up() {
    let (pred, target) = boxes();
    let pred = pred.require_grad();
    let smooth = SmoothL1LossConfig::new().with_beta(0.5).init();
    let both = GiouLoss::new().forward(pred.clone(), target.clone(), Reduction::Mean)
        + smooth.forward(pred.clone(), target, Reduction::Mean);
    let core = detloss::losses::values::SmoothL1 { beta: 0.5 };
    let (_, other) = detloss::Batch::new(&NEAR, &BOXES).value_and_grad(&core).unwrap();
    let got = numbers(&pred.grad(&both.backward()).unwrap());
    for (index, got) in got.into_iter().enumerate() {
        let sum = expected(1.0)[index] + other[index];
        assert_close(got, sum, Tolerance::LAW, &format!("slope {index}"));
    }
}

#[test]
fn without_autodiff_there_is_the_value_alone() {
    let (pred, target) = boxes();
    let tracked =
        GiouLoss::new().forward(pred.clone().require_grad(), target.clone(), Reduction::Sum);
    let constant = GiouLoss::new().forward(pred.clone(), target.clone(), Reduction::Sum);
    let plain = GiouLoss::new().forward(pred.inner(), target.inner(), Reduction::Sum);
    assert!(tracked.is_tracked() && !constant.is_tracked());
    assert_eq!(plain.device(), Device::flex());
    assert_eq!(numbers(&tracked), numbers(&plain));
    assert_eq!(numbers(&constant), numbers(&plain));
}

#[test]
fn a_target_is_held_still() {
    let (pred, target) = boxes();
    let (pred, target) = (pred.require_grad(), target.require_grad());
    let loss = GiouLoss::new().forward(pred.clone(), target.clone(), Reduction::Mean);
    let grads = loss.backward();
    assert!(target.grad(&grads).is_none());
    assert_eq!(numbers(&pred.grad(&grads).unwrap()), expected(1.0));
}

#[test]
fn rows_that_do_not_lie_one_after_the_other() {
    let columns: Vec<f64> = (0..4).flat_map(|field| [NEAR[field], NEAR[4 + field]]).collect();
    let pred = tensor(&columns, [4, 2], DType::F64).require_grad();
    let (_, target) = boxes();
    let loss = GiouLoss::new().forward(pred.clone().transpose(), target, Reduction::Mean);
    let grad = pred.grad(&loss.backward()).unwrap().transpose();
    assert_eq!(numbers(&grad), expected(1.0));
}

#[test]
fn a_part_of_a_tensor() {
    let padded = [[9.0; 8].as_slice(), &NEAR, &[9.0; 4]].concat();
    let pred = tensor(&padded, [5, 4], DType::F64).require_grad();
    let (_, target) = boxes();
    let loss = GiouLoss::new().forward(pred.clone().narrow(0, 2, 2), target, Reduction::Mean);
    let grad = numbers(&pred.grad(&loss.backward()).unwrap());
    assert_eq!(grad[8..16], expected(1.0));
    assert!(grad[..8].iter().chain(&grad[16..]).all(|slope| *slope == 0.0));
}

#[test]
fn gradient_checkpointing_changes_nothing() {
    let device = Device::flex().autodiff().gradient_checkpointing();
    let (pred, target) = boxes();
    let pred = Tensor::<2>::from_data(pred.to_data(), (&device, DType::F64)).require_grad();
    let target = target.inner();
    let loss = GiouLoss::new().forward(pred.clone() * 1.0, target, Reduction::Mean);
    assert_eq!(numbers(&pred.grad(&loss.backward()).unwrap()), expected(1.0));
}

#[test]
fn a_layer_is_still_trained_after_a_fork() {
    let (linear, _) = of_layer(&[0.5; 12]);
    let forked = linear.clone().fork(&device());
    let inputs = tensor(&[1.0, 0.5, -0.25], [1, 3], DType::F64);
    let target = tensor(&BOXES[..4], [1, 4], DType::F64);
    let loss = GiouLoss::new().forward(forked.forward(inputs), target, Reduction::Mean);
    assert!(forked.weight.grad(&loss.backward()).is_some());
}
