//! Held to what the core is held to.

use burn::tensor::DType;
use detloss::testing::{Tolerance, check, check_tensors, count_requests, tested};

use crate::device;
use crate::on_tensors::OnTensors;

#[test]
fn tensors_of_f64_are_the_core() {
    assert_eq!(check(&OnTensors(device(), DType::F64), Tolerance::EXACT), tested().len());
}

#[test]
fn tensors_of_f32_agree_with_the_formula() {
    assert_eq!(check(&OnTensors(device(), DType::F32), Tolerance::F32), tested().len());
}

#[test]
fn tensors_of_every_rank_with_every_option_are_the_core() {
    let count = check_tensors(&OnTensors(device(), DType::F64), Tolerance::EXACT);
    assert_eq!(count, count_requests(|_| true));
}
