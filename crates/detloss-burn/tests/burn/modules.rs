//! Losses as parts of modules and configurations.

use burn::config::Config;
use burn::module::Module;
use burn::nn::loss::Reduction;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::DType;
use detloss::loss;
use detloss::prelude::*;
use detloss_burn::{
    FocalLoss, FocalLossConfig, GiouLossConfig, L1Loss, Loss, SmoothL1Loss, SmoothL1LossConfig,
};

use crate::{device, numbers, tensor};

#[derive(Module, Debug)]
struct Head {
    linear: Linear,
    boxes: SmoothL1Loss,
    scores: Loss,
}

fn head() -> Head {
    Head {
        linear: LinearConfig::new(2, 4).init(&device()),
        boxes: SmoothL1LossConfig::new().with_beta(0.25).init(),
        scores: Loss::with("focal", &[("gamma", 3.0)]).unwrap(),
    }
}

/// What the losses of a head say about an error of 1.
fn measured(head: &Head) -> Vec<f64> {
    let (pred, target) = (tensor(&[1.0], [1], DType::F64), tensor(&[0.0], [1], DType::F64));
    let boxes = head.boxes.forward(pred.clone(), target.clone(), Reduction::Sum);
    let scores = head.scores.forward(pred, target, Reduction::Sum);
    [numbers(&boxes), numbers(&scores)].concat()
}

#[test]
fn losses_are_fields_of_modules() {
    let head = head();
    let expected = measured(&head);
    assert_eq!(expected[0], 1.0 - 0.125);
    assert_eq!(head.num_params(), 2 * 4 + 4);
    assert_eq!(measured(&head.clone()), expected);
    assert_eq!(measured(&head.clone().fork(&device())), expected);
    assert_eq!(measured(&head.clone().to_device(&device())), expected);
    assert_eq!(measured(&head.valid()), expected);
}

#[test]
fn a_record_holds_the_layers_alone() {
    let (saved, other) = (head(), head());
    let weights = numbers(&saved.linear.weight.val());
    assert_ne!(numbers(&other.linear.weight.val()), weights);
    let loaded = other.load_record(saved.into_record());
    assert_eq!(numbers(&loaded.linear.weight.val()), weights);
    assert_eq!(measured(&loaded), measured(&head()));
}

#[test]
fn they_print_as_modules_do() {
    let text = head().to_string();
    assert!(text.contains("boxes: SmoothL1Loss {beta: 0.25}"), "{text}");
    assert!(text.contains("scores: focal(gamma=3)"), "{text}");
    assert_eq!(L1Loss::new().to_string(), "L1Loss");
}

#[test]
fn configurations_are_saved_and_loaded() {
    let config = FocalLossConfig::new().with_gamma(1.5);
    let text = config.to_string();
    let loaded = FocalLossConfig::load_binary(text.as_bytes()).unwrap();
    assert_eq!((loaded.alpha, loaded.gamma), (0.25, 1.5));
    let config = FocalLoss::default();
    assert_eq!((config.alpha, config.gamma), (0.25, 2.0));
}

#[test]
#[should_panic(expected = "giou cannot have eps = -1: give a number from 0 to 0.01")]
fn a_parameter_out_of_its_range() {
    let _ = GiouLossConfig::new().with_eps(-1.0).init();
}

#[test]
fn what_no_loss_has() {
    let error = Loss::find("gio").unwrap_err();
    assert_eq!(error.to_string(), "no loss is called \"gio\": did you mean \"giou\"?");
    let error = Loss::with("focal", &[("beta", 1.0)]).unwrap_err();
    assert_eq!(error.to_string(), "focal has no parameter \"beta\": it has gamma, alpha");
}

loss! {
    /// A loss that is not in the list.
    "cubic", "Cubic" => pub struct Cubic: Formula {
        /// A factor.
        scale: f64 = 1.0 in 0.0..=10.0,
    }
}

impl detloss::loss::Loss for Cubic {
    type Pred = Number;
    type Target = Number;
    const FACTS: Facts =
        Facts::range(0.0, f64::INFINITY).zero_at_target().symmetric().shift_invariant();
    const CASES: &'static [Case] = &[];

    fn eval<S: Scalar>(&self, pred: S, target: S) -> S {
        let error = (pred - target).abs();
        error * error * error * lit(self.scale)
    }
}

#[test]
fn a_loss_of_ones_own() {
    let loss = Loss::new(Cubic { scale: 2.0 });
    let pred = tensor(&[3.0], [1], DType::F64).require_grad();
    let value = loss.forward(pred.clone(), tensor(&[1.0], [1], DType::F64), Reduction::Sum);
    assert_eq!(numbers(&value), [16.0]);
    assert_eq!(numbers(&pred.grad(&value.backward()).unwrap()), [24.0]);
    assert_eq!(loss.to_string(), "cubic(scale=2)");
}
