//! Loss functions for object detection: one formula each, exact gradients, fused SIMD kernels.
//!
//! A [`Batch`] holds predictions and targets and gives the value of a loss with its gradient, in one pass over the memory:
//!
//! ```
//! use detloss::{Batch, losses::boxes::Giou};
//!
//! let pred = [0.0_f32, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0];
//! let target = [0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 2.0];
//! let (value, grad) = Batch::new(&pred, &target).value_and_grad(&Giou::default())?;
//! assert_eq!((value, grad.len()), (0.5, 8));
//! # Ok::<(), detloss::Error>(())
//! ```
//!
//! # Where things are
//!
//! - [`losses`]: the list. Every loss by its type, and by its name with [`losses::find`].
//! - [`batch`]: many rows at once, with weights, normalisers, class indices, half precision, threads; the reductions with their
//!   formulas.
//! - [`scalar`]: what a formula is computed on, and the rules for ties, `0/0` and the like that hold for every loss.
//! - [`matching`]: which prediction is to find which truth. [`criteria`]: the whole losses of named detectors.
//! - [`geometry`]: boxes. [`operand`]: what predictions and targets are.
//! - [`signature`]: how a loss is called: its options, and tensors of any shape as a batch.
//! - [`loss`](mod@loss): what a loss is. [`loss!`] declares one, here or in a crate of yours.
//! - [`ranking`](mod@ranking): sums over all pairs of positives and negatives in O(n log n).
//! - [`frequency`]: weights, adjustments and margins of classes by their numbers. [`refinement`]: places and weights of D-FINE's losses.
//! - [`voting`]: variance voting. [`information`]: entropies of distributions.
//!
//! # A loss of your own
//!
//! ```
//! use detloss::prelude::*;
//!
//! loss! {
//!     /// Log-cosh loss: quadratic near the target, linear far from it, smooth everywhere.
//!     "log_cosh", "Log-cosh" => pub struct LogCosh: Formula {}
//! }
//!
//! impl Loss for LogCosh {
//!     type Pred = Number;
//!     type Target = Number;
//!     // A perfect prediction costs 0 up to rounding only.
//!     const FACTS: Facts = Facts::range(0.0, f64::INFINITY).symmetric().shift_invariant();
//!     const CASES: &'static [Case] = &[case("equal", &[1.0], &[1.0], 0.0)];
//!
//!     fn eval<S: Scalar>(&self, pred: S, target: S) -> S {
//!         let error = (pred - target).abs();
//!         error + (error * lit(-2.0)).exp().ln_1p() - lit(std::f64::consts::LN_2)
//!     }
//! }
//!
//! let (value, grad) = detloss::Batch::new(&[0.0_f64], &[1.0]).value_and_grad(&LogCosh::default())?;
//! assert!((value - 1.0_f64.cosh().ln()).abs() < 1e-12);
//! assert!((grad[0] + 1.0_f64.tanh()).abs() < 1e-12);
//! # Ok::<(), detloss::Error>(())
//! ```
//!
//! # Features
//!
//! - `kernels` (default): compiled loops for every loss. Without them the library builds in seconds, for tools that read
//!   [`losses::ALL`] or trace formulas; a [`Batch`] then interprets formulas, at a third to a sixth of the speed, and answers
//!   [`Error::NoKernels`] for all other losses.
//! - `serde`: losses and matchers chosen by name and whole [criteria] are written to and read from configurations.
//! - `rayon` (default): large batches on all cores. Off or on, the results have the same bits.
//! - `testing`: what the tests of this crate and of front-ends share.

#![deny(unsafe_code)]

pub mod batch;
pub mod criteria;
mod density;
pub mod error;
pub mod frequency;
pub mod geometry;
pub mod information;
mod likelihood;
pub mod loss;
pub mod losses;
pub mod lovasz;
mod macros;
pub mod matching;
pub mod operand;
pub mod overlap;
pub mod pairwise;
mod parallel;
pub mod prelude;
pub mod ranking;
pub mod refinement;
pub mod scalar;
pub mod signature;
#[cfg(feature = "testing")]
pub mod testing;
pub mod voting;

pub use batch::Batch;
pub use error::{Error, Result};

/// The examples of the README run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
