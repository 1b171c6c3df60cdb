//! Loss functions for object detection on [Burn](burn): value and gradient in one pass over the memory.
//!
//! ```
//! use burn::{nn::loss::Reduction, tensor::{Device, Tensor}};
//! use detloss_burn::GiouLossConfig;
//!
//! let device = Device::flex().autodiff();
//! let boxes = Tensor::<2>::from_data([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]], &device).require_grad();
//! let truth = Tensor::<2>::from_data([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 2.0]], &device);
//! let giou = GiouLossConfig::new().init();
//! let loss = giou.forward(boxes.clone(), truth, Reduction::Mean);
//! let gradient = boxes.grad(&loss.backward()).unwrap();
//! assert_eq!(gradient.dims(), [2, 4]);
//! ```
//!
//! # Where things are
//!
//! - Every loss of the [list](detloss::losses) is a module with a configuration: [`GiouLoss`] and [`GiouLossConfig`],
//!   [`FocalLoss`] and [`FocalLossConfig`], … They hold their parameters and nothing else.
//! - [`Loss`] is any of them, by its name; or one of your own.
//! - [`Batch`] adds what training needs besides: weights, class indices, the number of positives, images, several devices, losses
//!   with state.
//! - [`matching`] says before which prediction is to find which truth.
//! - [`criteria`] does both: the whole loss of a named detector in one call.
//!
//! ```
//! use burn::{module::Module, nn::Linear, tensor::{Int, Tensor}};
//! use detloss_burn::{Batch, CiouLoss, FocalLoss};
//!
//! #[derive(Module, Debug)]
//! struct Head {
//!     boxes: Linear,
//!     scores: Linear,
//!     box_loss: CiouLoss,
//!     score_loss: FocalLoss,
//! }
//!
//! impl Head {
//!     /// Features of anchors, their boxes, and their classes: that of background is the number of classes.
//!     fn loss(&self, features: Tensor<2>, boxes: Tensor<2>, classes: Tensor<1, Int>, positive: Tensor<1>) -> Tensor<1> {
//!         let positives = positive.clone().sum().into_scalar::<f32>().max(1.0).into();
//!         let scores = Batch::new(self.scores.forward(features.clone()), classes).normalizer(positives);
//!         let boxes = Batch::new(self.boxes.forward(features), boxes).weights(positive).normalizer(positives);
//!         scores.value(&self.score_loss) + boxes.value(&self.box_loss) * 2.0
//!     }
//! }
//! ```
//!
//! # How it runs
//!
//! On Burn's CPU backend, Flex, a loss is one operation with one node in the graph: the core reads the tensors where they lie, as
//! `f32`, `f64`, `f16` or `bf16`, and writes the gradient next to the value. A prediction without a gradient costs the value alone.
//!
//! On a GPU (features `wgpu`, `vulkan`, `metal`, `cuda`, `rocm`) a loss of boxes, values or scores is one launch, which gives the
//! loss of every unit and its gradient: a kernel follows the traced formula. A loss of rows, masks or whole batches is Burn's tensor
//! operations, value and gradient together. So are weights and sums, and nothing waits for the device but a weighted mean over several
//! [`Replicas`]. What sorts (rankings, Lovász), a whole batch with groups, a state or replicas, GHM of more than 32 bins, `f64`, and every
//! other device of Burn go over the host: the tensors are copied there and the result back, which is differentiable too.
//!
//! What a GPU does not promise:
//!
//! - Kernels compute in `f32`, whatever the tensors hold. WGSL allows a logarithm an error of 5e-7 near 1 and an arc tangent (the
//!   angle of CIoU) one of 4096 units in the last place; Mesa's driver in software, on which they are tested, is exact to 5e-5.
//! - Finite predictions have finite losses and slopes there, too. A NaN or an infinity need not come out again: WGSL may assume that
//!   there is none. Numbers below 1.2e-38 may count as 0.
//! - A class index that names no class, or a label outside of 0..=1, is no panic but makes its units NaN, if the device knows NaN: to look
//!   would be to wait. So does, in a whole batch, a weight that is neither 0 nor 1.
//!
//! The gradient is by the prediction. Targets, weights and everything else are constants, as if they had been detached. There are
//! no second derivatives.
//!
//! Where shapes, or on a GPU devices, do not fit each other, these operations panic as Burn's do, and say what would.

#![forbid(unsafe_code)]

mod batch;
mod call;
pub mod criteria;
#[cfg(feature = "cube")]
mod device;
mod host;
mod loss;
mod losses;
mod macros;
pub mod matching;
#[cfg(feature = "cube")]
mod on_device;
mod op;
mod parts;
mod replicas;
#[cfg(feature = "cube")]
mod rows;
#[cfg(feature = "cube")]
mod sets;
#[cfg(feature = "cube")]
mod steps;

pub use batch::{Batch, Target};
pub use loss::Loss;
pub use losses::*;
pub use replicas::{Replicas, Threads};
