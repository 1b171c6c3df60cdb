//! One call, as the host and the device take it.

use std::fmt;
use std::sync::{Arc, Mutex};

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, ExtensionType};
use burn::tensor::{Int, Tensor};

use crate::{Loss, Replicas};

/// How the losses of the units are added up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reduce {
    /// Not at all.
    Units,
    Sum,
    Mean,
    WeightedMean,
    /// The sum, divided by this number.
    Normalizer(f64),
}

/// What the operation does to its tensors.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) loss: Loss,
    pub(crate) columns: usize,
    /// How many values there are before they are added up.
    pub(crate) units: usize,
    pub(crate) reduce: Reduce,
    pub(crate) column_weights: Option<Vec<f64>>,
    pub(crate) ignore_index: Option<i64>,
    /// The state of the loss, brought up to date by the operation.
    pub(crate) state: Option<Arc<Mutex<Vec<f64>>>>,
    pub(crate) replicas: Option<Arc<dyn Replicas>>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.loss, self.reduce)
    }
}

/// The tensors besides the prediction. They are constants: no gradient flows into them.
#[derive(ExtensionType)]
pub(crate) struct Operands<B: Backend> {
    #[extension_type]
    pub(crate) target: Target<B>,
    #[extension_type]
    pub(crate) weights: Weights<B>,
    #[extension_type]
    pub(crate) groups: Groups<B>,
}

#[derive(ExtensionType)]
pub(crate) enum Target<B: Backend> {
    Dense(FloatTensor<B>),
    Classes(IntTensor<B>),
}

#[derive(ExtensionType)]
pub(crate) enum Weights<B: Backend> {
    None,
    Rows(FloatTensor<B>),
    Elements(FloatTensor<B>),
}

#[derive(ExtensionType)]
pub(crate) enum Groups<B: Backend> {
    None,
    /// The group of every row, counted from 0 without gaps.
    Rows(IntTensor<B>),
}

/// A target that fits its prediction, without its dimensions.
pub(crate) enum HeldTarget {
    Dense(Tensor<1>),
    Classes(Tensor<1, Int>),
}
