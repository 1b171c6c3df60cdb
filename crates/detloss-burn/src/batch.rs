//! Tensors with weights and all the rest, on their way to the core.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use burn::backend::{Dispatch, DispatchDevice};
use burn::nn::loss::Reduction;
use burn::tensor::kind::Basic;
use burn::tensor::{DType, Device, FloatDType, Int, Tensor};
use detloss::batch::Kernel as _;
use detloss::loss::Scope;
use detloss::signature::Shapes;

use crate::call::{self, Call, HeldTarget, Operands, Reduce};
use crate::loss::expect_valid;
#[cfg(feature = "cube")]
use crate::on_device::{OnDevice, WeightedReduction};
use crate::op::LossBackend;
use crate::{Loss, Replicas};

/// Predictions with their targets, and how to weigh and add up their losses: the [`Batch`](detloss::Batch) of the core for tensors.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use detloss_burn::{Batch, FocalLoss};
///
/// // Scores of two anchors and three classes; one class index per anchor, 3 for background.
/// let device = Device::flex().autodiff();
/// let logits = Tensor::<2>::from_data([[2.0, -1.0, -3.0], [-2.0, -2.0, -4.0]], &device).require_grad();
/// let classes = Tensor::<1, Int>::from_data([0, 3], &device);
/// let positives = 1.0;
/// let loss = Batch::new(logits.clone(), classes).normalizer(positives).value(&FocalLoss::new());
/// let gradient = logits.grad(&loss.backward()).unwrap();
/// assert_eq!(gradient.dims(), [2, 3]);
/// ```
///
/// The prediction has a gradient. Everything else is constant: a target that depends on the prediction is detached.
#[derive(Clone, Debug)]
pub struct Batch<const D: usize> {
    pred: Tensor<D>,
    target: Target,
    weights: Option<Numbers>,
    column_weights: Option<Vec<f64>>,
    ignore_index: Option<i64>,
    groups: Option<(Vec<usize>, Tensor<1, Int>)>,
    reduce: Reduce,
    replicas: Option<Arc<dyn Replicas>>,
}

/// What the predictions should be. Made from a tensor:
///
/// - of floats: all fields of every target. Of the shape of the predictions; with 1 or no last dimension where a target is one number
///   (a label of a ranked box, a place in a row).
/// - of integers with the shape of the predictions: labels, 0 and 1.
/// - of integers with one dimension less: a class index for every row. For scores, the number of classes means background.
///
/// A label is a number from 0 to 1, or −1 to leave its element out.
///
/// All dimensions of a mask but the first are its pixels.
#[derive(Clone, Debug)]
pub struct Target(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Floats(Numbers),
    Integers(Vec<usize>, Tensor<1, Int>),
}

/// A tensor without its rank.
#[derive(Clone, Debug)]
struct Numbers {
    dims: Vec<usize>,
    flat: Tensor<1>,
}

impl Numbers {
    fn new<const D: usize>(tensor: Tensor<D>) -> Self {
        let dims = tensor.dims().to_vec();
        Self { dims, flat: tensor.without_autodiff().flatten(0, D - 1) }
    }
}

impl<const D: usize> From<Tensor<D>> for Target {
    fn from(tensor: Tensor<D>) -> Self {
        Self(Kind::Floats(Numbers::new(tensor)))
    }
}

impl<const D: usize> From<Tensor<D, Int>> for Target {
    fn from(tensor: Tensor<D, Int>) -> Self {
        let dims = tensor.dims().to_vec();
        Self(Kind::Integers(dims, tensor.flatten(0, D - 1)))
    }
}

impl<const D: usize> Batch<D> {
    /// The mean loss of `pred` against `target`.
    ///
    /// The last dimension of `pred` holds the fields of one prediction (4 for boxes), the columns of a row, or the
    /// classes or coordinates of what the other dimensions count (scores, values). All dimensions of masks but the first are pixels.
    #[must_use]
    pub fn new(pred: Tensor<D>, target: impl Into<Target>) -> Self {
        Self {
            pred,
            target: target.into(),
            weights: None,
            column_weights: None,
            ignore_index: None,
            groups: None,
            reduce: Reduce::Mean,
            replicas: None,
        }
    }

    /// A weight for every row (the shape of the prediction without its last dimension), or for every score or value (its whole shape).
    /// A loss of whole batches takes 0 and 1 only: what has weight 0 is left out.
    #[must_use]
    pub fn weights<const E: usize>(self, weights: Tensor<E>) -> Self {
        Self { weights: Some(Numbers::new(weights)), ..self }
    }

    /// A weight per column: class weights of scores and logits, coordinate weights of values.
    #[must_use]
    pub fn column_weights(self, weights: impl Into<Vec<f64>>) -> Self {
        Self { column_weights: Some(weights.into()), ..self }
    }

    /// Rows whose target is this class index count with weight 0, whatever they hold and weigh.
    #[must_use]
    pub fn ignore_index(self, index: i64) -> Self {
        Self { ignore_index: Some(index), ..self }
    }

    /// The group of every row, usually the image it is from: a loss of whole batches is then computed of each group by itself, in
    /// ascending order of their ids. Without groups the batch is one.
    #[must_use]
    pub fn groups<const E: usize>(self, ids: Tensor<E, Int>) -> Self {
        let dims = ids.dims().to_vec();
        Self { groups: Some((dims, ids.flatten(0, E - 1))), ..self }
    }

    /// Divides the sum by the number of units, whatever their weights.
    #[must_use]
    pub fn mean(self) -> Self {
        self.reduce(Reduce::Mean)
    }

    /// Divides the sum by the sum of the weights.
    #[must_use]
    pub fn weighted_mean(self) -> Self {
        self.reduce(Reduce::WeightedMean)
    }

    /// Does not divide the sum.
    #[must_use]
    pub fn sum(self) -> Self {
        self.reduce(Reduce::Sum)
    }

    /// Divides the sum by this positive number, usually the number of positives.
    #[must_use]
    pub fn normalizer(self, number: f64) -> Self {
        self.reduce(Reduce::Normalizer(number))
    }

    /// One of Burn's reductions. `BatchMean` divides by the first dimension of the prediction; `Auto` is the mean.
    #[must_use]
    pub fn reduction(self, reduction: Reduction) -> Self {
        match reduction {
            Reduction::Mean | Reduction::Auto => self.mean(),
            Reduction::Sum => self.sum(),
            Reduction::BatchMean => {
                let size = self.pred.dims()[0].max(1) as f64;
                self.normalizer(size)
            }
        }
    }

    /// This is a part of a batch, and `replicas` have the other parts. The sum is divided by what they count together, and a loss of
    /// whole batches looks at the elements of all of them (unless there are groups: an image is on one device). All replicas have
    /// to call the same losses in the same order with the same kinds of inputs.
    ///
    /// The value of a loss of whole batches is that of all replicas, on each of them, and so is a [`step`](Self::step) of any loss with
    /// a state; other values add up to that of the whole batch.
    #[must_use]
    pub fn replicas(self, replicas: impl Replicas + 'static) -> Self {
        Self { replicas: Some(Arc::new(replicas)), ..self }
    }

    fn reduce(self, reduce: Reduce) -> Self {
        Self { reduce, ..self }
    }

    /// The value of the batch, of shape \[1\].
    ///
    /// # Panics
    ///
    /// If the shapes do not fit each other or the loss, or a class index names no class.
    #[must_use]
    #[track_caller]
    pub fn value(self, loss: impl Into<Loss>) -> Tensor<1> {
        self.run(loss.into(), None)
    }

    /// The weighted loss of every unit, of shape \[units\].
    ///
    /// # Panics
    ///
    /// Like [`value`](Self::value).
    #[must_use]
    #[track_caller]
    pub fn values(self, loss: impl Into<Loss>) -> Tensor<1> {
        self.reduce(Reduce::Units).run(loss.into(), None)
    }

    /// One step of a training run with a stateful loss: like [`value`](Self::value), and `state` is brought up to date. A run begins
    /// with [`initial_state`](Self::initial_state); save it with your checkpoints.
    ///
    /// # Panics
    ///
    /// Like [`value`](Self::value), and if `state` has not the length of the initial state.
    #[must_use]
    #[track_caller]
    pub fn step(self, loss: impl Into<Loss>, state: &mut Vec<f64>) -> Tensor<1> {
        let shared = Arc::new(Mutex::new(std::mem::take(state)));
        let value = self.run(loss.into(), Some(Arc::clone(&shared)));
        *state = shared.lock().expect("the operation is done").clone();
        value
    }

    /// The state that a training run with this loss begins with. Empty for a loss without state.
    #[must_use]
    pub fn initial_state(&self, loss: impl Into<Loss>) -> Vec<f64> {
        let loss = loss.into();
        loss.as_ref().initial_state(self.shapes(&loss).columns)
    }

    /// How the tensors make up a batch.
    #[track_caller]
    fn shapes(&self, loss: &Loss) -> Shapes {
        let (target, integers) = match &self.target.0 {
            Kind::Floats(Numbers { dims, .. }) => (dims, false),
            Kind::Integers(dims, _) => (dims, true),
        };
        let shapes = expect_valid(loss.signature().shapes(&self.pred.dims(), target, integers));
        if let Some(weights) = &self.column_weights {
            expect_valid(shapes.check_column_weights(&[weights.len()]));
        }
        if let Some((dims, _)) = &self.groups {
            expect_valid(shapes.check_groups(dims));
        }
        shapes
    }

    #[track_caller]
    fn run(self, loss: Loss, state: Option<Arc<Mutex<Vec<f64>>>>) -> Tensor<1> {
        let shapes = self.shapes(&loss);
        let (device, dtype) = (self.pred.device(), self.pred.dtype());
        let target = held(self.target, shapes.class_indices, dtype);
        let weights = self.weights.map(|Numbers { dims, flat }| {
            (flat.cast(dtype), !expect_valid(shapes.weights_per_row(&dims)))
        });
        #[cfg(feature = "cube")]
        let is_stateful =
            state.as_ref().is_some_and(|state| state.lock().is_ok_and(|state| !state.is_empty()));
        #[cfg(feature = "cube")]
        let has_column_weights = self.column_weights.is_some();
        #[cfg(feature = "cube")]
        let has_replicas = self.replicas.is_some();
        #[cfg(feature = "cube")]
        if let Some(on_device) =
            OnDevice::new(&loss, &device, dtype, &shapes, has_column_weights, has_replicas)
            && self.groups.is_none()
            && !is_stateful
        {
            let reduction = WeightedReduction {
                rows: shapes.row_count(),
                columns: shapes.columns,
                weights,
                column_weights: self.column_weights,
                ignore_index: self.ignore_index,
                reduce: self.reduce,
                replicas: self.replicas,
            };
            return reduction.value(&loss, self.pred, target, on_device);
        }
        // The core computes in the host's memory. The way there and back is differentiable.
        let host = host(&device);
        let groups = self.groups.map(|(_, ids)| counted(ids));
        let units = match (loss.signature().scope, &groups) {
            (Scope::Set, None) => shapes.row_count().min(1),
            (Scope::Set, Some((_, count))) => *count,
            _ => shapes.unit_count(),
        };
        let others = Operands::<Dispatch> {
            target: match target {
                HeldTarget::Dense(target) => call::Target::Dense(at(&host, target).into_dispatch()),
                HeldTarget::Classes(classes) => {
                    call::Target::Classes(at(&host, classes).into_dispatch())
                }
            },
            weights: match weights {
                None => call::Weights::None,
                Some((weights, false)) => call::Weights::Rows(at(&host, weights).into_dispatch()),
                Some((weights, true)) => {
                    call::Weights::Elements(at(&host, weights).into_dispatch())
                }
            },
            groups: groups
                .map_or(call::Groups::None, |(ids, _)| call::Groups::Rows(ids.into_dispatch())),
        };
        let call = Call {
            loss,
            columns: shapes.columns,
            units,
            reduce: self.reduce,
            column_weights: self.column_weights,
            ignore_index: self.ignore_index,
            state,
            replicas: self.replicas,
        };
        let pred = at(&host, self.pred).into_dispatch();
        let result = Tensor::from_dispatch(Dispatch::loss(pred, others, call));
        if host.is_some() { result.to_device(&device) } else { result }
    }
}

impl Loss {
    /// The losses added up.
    ///
    /// # Shapes
    ///
    /// - predictions: as many numbers in the last dimension as the loss has fields (4 for boxes), or any for values, scores and rows
    /// - targets: see [`Target`]
    /// - output: \[1\]
    ///
    /// # Panics
    ///
    /// If the shapes do not fit each other or the loss, or a class index names no class.
    #[track_caller]
    pub fn forward<const D: usize>(
        &self,
        predictions: Tensor<D>,
        targets: impl Into<Target>,
        reduction: Reduction,
    ) -> Tensor<1> {
        Batch::new(predictions, targets).reduction(reduction).value(self)
    }

    /// The loss of every unit by itself: of every box, value or score, of every row of logits, or of the whole batch.
    ///
    /// # Shapes
    ///
    /// Like [`forward`](Self::forward), but for the output: \[units\], in the order of the predictions.
    ///
    /// # Panics
    ///
    /// Like [`forward`](Self::forward).
    #[track_caller]
    pub fn forward_no_reduction<const D: usize>(
        &self,
        predictions: Tensor<D>,
        targets: impl Into<Target>,
    ) -> Tensor<1> {
        Batch::new(predictions, targets).values(self)
    }
}

/// Where the tensors of `device` go to be in the host's memory; None if they are there.
pub(crate) fn host(device: &Device) -> Option<Device> {
    let device = device.clone().inner();
    (!matches!(device.as_dispatch(), DispatchDevice::Flex(_))).then(Device::flex)
}

/// The tensor on the device `host`, or where it is.
pub(crate) fn at<const D: usize, K: Basic>(
    host: &Option<Device>,
    tensor: Tensor<D, K>,
) -> Tensor<D, K> {
    match host {
        Some(host) => tensor.to_device(host),
        None => tensor,
    }
}

/// The target in the precision of the prediction, or class indices as they are.
fn held(target: Target, is_indices: bool, dtype: DType) -> HeldTarget {
    match target.0 {
        Kind::Integers(_, classes) if is_indices => HeldTarget::Classes(classes),
        Kind::Integers(_, labels) => HeldTarget::Dense(labels.cast(FloatDType::from(dtype))),
        Kind::Floats(Numbers { flat, .. }) => HeldTarget::Dense(flat.cast(dtype)),
    }
}

/// The groups, counted from 0 in the order of their ids, and how many there are.
fn counted(ids: Tensor<1, Int>) -> (Tensor<1, Int>, usize) {
    let data = ids.into_data();
    let ids: Vec<i64> = data.iter().collect();
    let known: Vec<i64> = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let places: Vec<i64> =
        ids.iter().map(|id| known.binary_search(id).expect("an id among all ids") as i64).collect();
    (Tensor::from_data(places.as_slice(), (&Device::flex(), DType::I64)), known.len())
}
