//! Numbers in the memory of the host, of which a batch of the core is made.

use detloss::batch;
use detloss::scalar::Element;
use half::{bf16, f16};

/// A number that both Burn and the core know.
pub(crate) trait Number: batch::Element + burn::tensor::Element + bytemuck::Pod {}

impl Number for f32 {}
impl Number for f64 {}
impl Number for f16 {}
impl Number for bf16 {}

pub(crate) fn wide<T: Number>(number: T) -> f64 {
    Element::to_f64(number)
}

pub(crate) fn narrow<T: Number>(number: f64) -> T {
    Element::from_f64(number)
}

/// What a batch of the core is made of.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a, T> {
    pub(crate) pred: &'a [T],
    pub(crate) target: batch::Target<'a, T>,
    pub(crate) weights: Option<batch::Weights<'a, T>>,
    pub(crate) groups: Option<&'a [i64]>,
}
