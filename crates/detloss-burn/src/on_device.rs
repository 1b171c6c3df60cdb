//! What a device computes of a loss, and how the losses of its units are weighted and added up there: by Burn's own tensor operations,
//! which fuse.

use std::sync::Arc;

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Device, Tensor};
use detloss::batch::{Kernel as _, Target};
use detloss::loss::Scope;
use detloss::operand::LEFT_OUT;
use detloss::scalar::expr::Program;
use detloss::signature::Shapes;

use crate::call::{HeldTarget, Reduce};
use crate::device::{Formula, units};
use crate::loss::expect_valid;
use crate::replicas::divisor;
use crate::rows::Rows;
use crate::sets::Set;
use crate::{Loss, Replicas};

/// How a device computes a loss.
pub(crate) enum OnDevice {
    /// By one kernel.
    Units,
    /// By tensor operations: those of the value, and those of the value with its gradient.
    Rows([Program; 2]),
    /// The same for a whole batch.
    Set([Program; 2]),
}

impl OnDevice {
    /// None if the loss needs more than a device has, or the device has no kernels for such numbers.
    pub(crate) fn new(
        loss: &Loss,
        device: &Device,
        dtype: DType,
        shapes: &Shapes,
        has_column_weights: bool,
        has_replicas: bool,
    ) -> Option<Self> {
        let device = device.clone().inner();
        let has_kernels = matches!(device.as_dispatch(), DispatchDevice::Cube(_));
        // The kernels compute in single precision. What has no rows has no maximum of one either.
        if !has_kernels || dtype == DType::F64 {
            return None;
        }
        let trace =
            |gradient| loss.as_ref().trace_row(shapes.columns, has_column_weights, gradient);
        match loss.signature().scope {
            Scope::Unit => Some(Self::Units),
            Scope::Row if shapes.unit_count() > 0 => {
                Some(Self::Rows([trace(false)?, trace(true)?]))
            }
            // Those of all replicas are brought together on the host.
            Scope::Set if shapes.unit_count() > 0 && !has_replicas => {
                let trace = |gradient| loss.as_ref().trace_set(gradient);
                Some(Self::Set([trace(false)?, trace(true)?]))
            }
            Scope::Row | Scope::Set => None,
        }
    }
}

/// How the losses of the units are weighted and added up, by tensor operations.
pub(crate) struct WeightedReduction {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) weights: Option<(Tensor<1>, bool)>,
    pub(crate) column_weights: Option<Vec<f64>>,
    pub(crate) ignore_index: Option<i64>,
    pub(crate) reduce: Reduce,
    pub(crate) replicas: Option<Arc<dyn Replicas>>,
}

impl WeightedReduction {
    /// The value, or the values of all units.
    #[track_caller]
    pub(crate) fn value<const D: usize>(
        self,
        loss: &Loss,
        pred: Tensor<D>,
        target: HeldTarget,
        on_device: OnDevice,
    ) -> Tensor<1> {
        self.check(loss, &target);
        let (device, dtype) = (pred.device(), pred.dtype());
        let by_column = self.by_column(&device.inner());
        let pred = pred.cast(DType::F32);
        // What a class weighs is in the loss of its row, but for the sum of the weights.
        let (shape, units, weights, of_class) = match on_device {
            OnDevice::Units => {
                let shape = [self.rows, self.columns];
                let formula = Formula::new(loss, self.columns, &target, self.ignore_index);
                let weights = self.weights(loss, &target, shape).into_iter().chain(by_column);
                let weights = weights.reduce(|a, b| a * b);
                (shape, units(pred, target, formula), weights, None)
            }
            OnDevice::Rows(programs) => {
                let (shape, ignored) = ([self.rows, 1], self.ignore_index);
                let rows = Rows::new(loss, [self.rows, self.columns], &target, ignored, by_column);
                let of_class = match self.reduce {
                    Reduce::WeightedMean => rows.weights_of_classes(),
                    _ => None,
                };
                (shape, rows.values(pred, programs), self.weights(loss, &target, shape), of_class)
            }
            OnDevice::Set(programs) => {
                let weights = self
                    .weights
                    .map(|(weights, _)| weights.cast(DType::F32).reshape([self.rows as i32, -1]));
                let shape = [self.rows, self.columns];
                let set = Set::new(loss.signature(), shape, &target, self.ignore_index, weights);
                let value = set.value(pred, programs);
                let value = match self.reduce {
                    Reduce::Normalizer(number) => value / number,
                    _ => value,
                };
                return value.cast(dtype);
            }
        };
        let units = units.reshape(shape);
        let units = match &weights {
            Some(weights) => units * weights.clone(),
            None => units,
        };
        let weights = weights.into_iter().chain(of_class).reduce(|a, b| a * b);
        let count = (shape[0] * shape[1]) as f64;
        let own = match (self.reduce, weights) {
            (Reduce::Units, _) => return units.flatten(0, 1).cast(dtype),
            (Reduce::Sum, _) => return units.sum().cast(dtype),
            (Reduce::Normalizer(number), _) => number,
            (Reduce::WeightedMean, Some(weights)) => {
                let sum = weights.expand(shape).sum();
                if self.replicas.is_none() {
                    // Where nothing weighs, nothing is divided; the device need not tell.
                    let nothing = sum.clone().equal_scalar(0.0).float();
                    return (units.sum() / (sum + nothing)).cast(dtype);
                }
                f64::from(sum.into_scalar::<f32>())
            }
            _ => count,
        };
        (units.sum() / divisor(own, self.replicas.as_deref())).cast(dtype)
    }

    /// The core's checks of everything that is not on the device.
    #[track_caller]
    fn check(&self, loss: &Loss, target: &HeldTarget) {
        let target = match target {
            HeldTarget::Dense(_) => Target::Dense(&[]),
            HeldTarget::Classes(_) => Target::Classes(&[]),
        };
        let mut batch = detloss::Batch::<f64>::new(&[], target).columns(self.columns);
        if let Some(weights) = &self.column_weights {
            batch = batch.column_weights(weights);
        }
        if let Some(index) = self.ignore_index {
            batch = batch.ignore_index(index);
        }
        if let (Reduce::Normalizer(number), None) = (self.reduce, &self.replicas) {
            batch = batch.normalizer(number);
        }
        expect_valid(batch.value(loss.as_ref()));
    }

    /// A weight for every column.
    fn by_column(&self, device: &Device) -> Option<Tensor<2>> {
        self.column_weights.as_ref().map(|weights| {
            let weights: Vec<f32> = weights.iter().map(|&weight| weight as f32).collect();
            Tensor::<1>::from_data(weights.as_slice(), device).reshape([1, self.columns])
        })
    }

    /// The weights of all units, which have this shape, as far as they differ.
    fn weights(
        &self,
        loss: &Loss,
        target: &HeldTarget,
        [rows, columns]: [usize; 2],
    ) -> Option<Tensor<2>> {
        let weights = self.weights.as_ref().map(|(weights, per_element)| {
            let columns = if *per_element { columns } else { 1 };
            weights.clone().cast(DType::F32).reshape([rows, columns])
        });
        // A unit that is left out has value and gradient 0 anyway, and only a mean by weight has to know; a row has not.
        let is_row = loss.signature().pred.is_row();
        let kept = match (target, self.ignore_index) {
            (HeldTarget::Classes(classes), Some(index))
                if is_row || self.reduce == Reduce::WeightedMean =>
            {
                Some(classes.clone().not_equal_scalar(index).float().reshape([rows, 1]))
            }
            // A mask leaves its pixels out itself.
            (HeldTarget::Dense(labels), _)
                if self.reduce == Reduce::WeightedMean
                    && loss.signature().target.can_be_left_out()
                    && !is_row =>
            {
                Some(labels.clone().not_equal_scalar(LEFT_OUT).float().reshape([rows, columns]))
            }
            _ => None,
        };
        weights.into_iter().chain(kept).reduce(|a, b| a * b)
    }
}
