//! What a device computes of a loss, and how the losses of its units are weighted and added up there: by Burn's own tensor operations,
//! which fuse.

use std::sync::Arc;

use burn::backend::DispatchDevice;
use burn::tensor::{Bool, DType, Device, FloatDType, IntDType, Tensor};
use detloss::batch::{Kernel as _, Target};
use detloss::loss::Scope;
use detloss::operand::LEFT_OUT;
use detloss::scalar::expr::Program;
use detloss::signature::{Shapes, Signature};

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
        let reduce = self.reduce_together();
        self.check(loss, &pred.device(), &target, reduce);
        let left_out = |shape| left_out(loss.signature(), &target, self.ignore_index, shape);
        let (device, dtype) = (pred.device(), pred.dtype());
        let by_column = self.by_column(&device.inner());
        let pred = pred.cast(DType::F32);
        // What a class weighs is in the loss of its row, but for the sum of the weights.
        let (shape, units, weights, of_class) = match on_device {
            OnDevice::Units => {
                let shape = [self.rows, self.columns];
                let formula = Formula::new(loss, self.columns, &target, self.ignore_index);
                let weights = [self.weights(shape), by_column];
                // A unit that is left out has value and gradient 0 anyway: only weights have to know.
                let is_asked =
                    weights.iter().any(Option::is_some) || reduce == Reduce::WeightedMean;
                let left_out = if is_asked { left_out(shape) } else { None };
                let weights = without_left_out(product(weights), left_out, shape);
                (shape, units(pred, target, formula), weights, None)
            }
            OnDevice::Rows(programs) => {
                let shape = [self.rows, 1];
                let left_out = left_out(shape);
                let rows = [self.rows, self.columns];
                let rows = Rows::new(loss, rows, &target, left_out.clone(), by_column);
                let of_class = match reduce {
                    Reduce::WeightedMean => rows.weights_of_classes(),
                    _ => None,
                };
                let weights = without_left_out(self.weights(shape), left_out, shape);
                (shape, rows.values(pred, programs), weights, of_class)
            }
            OnDevice::Set(programs) => {
                let shape = [self.rows, self.columns];
                let weights = self.weights(shape);
                let set = Set::new(loss.signature(), shape, &target, left_out(shape), weights);
                let value = set.value(pred, programs);
                let value = match reduce {
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
        let weights = product([weights, of_class]);
        let count = (shape[0] * shape[1]) as f64;
        let own = match (reduce, weights) {
            (Reduce::Units, _) => return units.flatten(0, 1).cast(dtype),
            (Reduce::Sum, _) => return units.sum().cast(dtype),
            (Reduce::Normalizer(number), _) => return (units.sum() / number).cast(dtype),
            (Reduce::WeightedMean, Some(weights)) => {
                let sum = weights.expand(shape).sum();
                if self.replicas.is_none() {
                    // Where nothing weighs, nothing is divided; the device need not tell.
                    let nothing = sum.clone().equal_scalar(0.0).cast(FloatDType::F32);
                    return (units.sum() / (sum + nothing)).cast(dtype);
                }
                f64::from(sum.into_scalar::<f32>())
            }
            _ => count,
        };
        (units.sum() / divisor(own, self.replicas.as_deref())).cast(dtype)
    }

    /// The reduction, whose number is that of all replicas.
    fn reduce_together(&self) -> Reduce {
        match (self.reduce, self.replicas.as_deref()) {
            (Reduce::Normalizer(own), Some(replicas)) => {
                Reduce::Normalizer(divisor(own, Some(replicas)))
            }
            (reduce, _) => reduce,
        }
    }

    /// The core's checks of everything that is not on the device, and that all else is on the same.
    #[track_caller]
    fn check(&self, loss: &Loss, device: &Device, target: &HeldTarget, reduce: Reduce) {
        let (target, its_device) = match target {
            HeldTarget::Dense(target) => (Target::Dense(&[]), target.device()),
            HeldTarget::Classes(classes) => (Target::Classes(&[]), classes.device()),
        };
        let of_weights =
            self.weights.as_ref().map(|(weights, _)| ("weights are", weights.device()));
        for (what, other) in [("target is", its_device)].into_iter().chain(of_weights) {
            let (device, other) = (device.clone().inner(), other.inner());
            assert!(
                device == other,
                "{}: the {what} on {other:?}, the prediction on {device:?}: move one with to_device",
                loss.signature().loss
            );
        }
        let mut batch = detloss::Batch::<f64>::new(&[], target).columns(self.columns);
        if let Some(weights) = &self.column_weights {
            batch = batch.column_weights(weights);
        }
        if let Some(index) = self.ignore_index {
            batch = batch.ignore_index(index);
        }
        if let Reduce::Normalizer(number) = reduce {
            batch = batch.normalizer(number);
        }
        expect_valid(batch.value(loss.as_ref()));
    }

    /// A weight for every column.
    fn by_column(&self, device: &Device) -> Option<Tensor<2>> {
        self.column_weights.as_ref().map(|weights| {
            let weights: Vec<f32> = weights.iter().map(|&weight| weight as f32).collect();
            let options = (device, DType::F32);
            Tensor::<1>::from_data(weights.as_slice(), options).reshape([1, self.columns])
        })
    }

    /// The weights of all units, which have this shape, as far as they differ.
    fn weights(&self, [rows, columns]: [usize; 2]) -> Option<Tensor<2>> {
        self.weights.as_ref().map(|(weights, per_element)| {
            let columns = if *per_element { columns } else { 1 };
            weights.clone().cast(DType::F32).reshape([rows, columns])
        })
    }
}

/// Where units are left out, by row or by element. A mask leaves its pixels out itself.
pub(crate) fn left_out(
    signature: Signature,
    target: &HeldTarget,
    ignore_index: Option<i64>,
    [rows, columns]: [usize; 2],
) -> Option<Tensor<2, Bool>> {
    match target {
        HeldTarget::Classes(classes) => {
            let ignored = ignore_index?;
            has(classes.dtype().into(), ignored)
                .then(|| classes.clone().equal_scalar(ignored).reshape([rows, 1]))
        }
        HeldTarget::Dense(labels) => (signature.target.can_be_left_out()
            && !signature.pred.is_row())
        .then(|| labels.clone().equal_scalar(LEFT_OUT).reshape([rows, columns])),
    }
}

/// The product of those there are.
fn product(factors: [Option<Tensor<2>>; 2]) -> Option<Tensor<2>> {
    factors.into_iter().flatten().reduce(|a, b| a * b)
}

/// The weights with 0 where units are left out, whatever they weigh, infinity and NaN included.
fn without_left_out(
    weights: Option<Tensor<2>>,
    left_out: Option<Tensor<2, Bool>>,
    shape: [usize; 2],
) -> Option<Tensor<2>> {
    match (weights, left_out) {
        (weights, None) => weights,
        (None, Some(left_out)) => Some(left_out.bool_not().cast(FloatDType::F32)),
        (Some(weights), Some(left_out)) => {
            Some(weights.expand(shape).mask_fill(left_out.expand(shape), 0.0))
        }
    }
}

/// Whether integers of this type have the number: Burn compares with no other.
fn has(dtype: IntDType, number: i64) -> bool {
    match dtype {
        IntDType::I64 => true,
        IntDType::I32 => i32::try_from(number).is_ok(),
        IntDType::I16 => i16::try_from(number).is_ok(),
        IntDType::I8 => i8::try_from(number).is_ok(),
        IntDType::U64 => u64::try_from(number).is_ok(),
        IntDType::U32 => u32::try_from(number).is_ok(),
        IntDType::U16 => u16::try_from(number).is_ok(),
        IntDType::U8 => u8::try_from(number).is_ok(),
    }
}
