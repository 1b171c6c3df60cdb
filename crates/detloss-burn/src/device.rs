//! Formulas on the devices of CubeCL: one kernel that follows the traced formula, for every loss that has one.
//!
//! The steps of a program are known when the kernel is made, so the device gets straight-line code: a launch gives the loss of every
//! unit and its gradient. Weights and sums are Burn's own tensor operations, which fuse.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::ops::{Backward, OpsKind};
use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, AutodiffBackend, Backend, Dispatch, DispatchDevice, TensorMetadata, backend_extension,
};
use burn::tensor::{Bool, DType, Device, Shape, Tensor};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::{CubeBackend, tensor::CubeTensor};
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;
use detloss::batch::{Kernel as _, Target};
use detloss::loss::Scope;
use detloss::operand::{LEFT_OUT, MAX_LABEL};

use crate::batch::HeldTarget;
use crate::loss::expect_valid;
use crate::op::{GradIndex, LossBackward, Reduce, SavedGrad};
use crate::replicas::divisor;
use crate::steps::{Step, steps};
use crate::{Loss, Replicas};

/// A formula, and how the fields of its units lie in memory.
#[derive(Clone, Debug)]
pub(crate) struct Formula {
    loss: Loss,
    fields: Fields,
}

/// How the fields of units lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Fields {
    pred: usize,
    target: usize,
    /// If targets are class indices, one for so many units.
    classes: Option<usize>,
}

impl Formula {
    /// The loss as a kernel; None if it is no formula, or the device has no kernels for such numbers.
    pub(crate) fn new(
        loss: &Loss,
        device: &Device,
        dtype: DType,
        columns: usize,
        target: &HeldTarget,
    ) -> Option<Self> {
        let (signature, device) = (loss.signature(), device.clone().inner());
        let has_kernels = matches!(device.as_dispatch(), DispatchDevice::Cube(_));
        // The kernels compute in single precision.
        if signature.scope != Scope::Unit || !has_kernels || dtype == DType::F64 {
            return None;
        }
        let fields = Fields {
            pred: signature.pred.fields().len(),
            target: signature.target.fields().len(),
            classes: matches!(target, HeldTarget::Classes(_)).then_some(columns),
        };
        Some(Self { loss: loss.clone(), fields })
    }

    fn steps(&self, gradient: bool) -> Vec<Step> {
        let program = self.loss.as_ref().trace(gradient).expect("a loss of units is a formula");
        steps(&program, self.fields.pred)
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
        formula: Formula,
    ) -> Tensor<1> {
        self.check(loss, &target);
        let (device, dtype) = (pred.device(), pred.dtype());
        let shape = [self.rows, self.columns];
        let Masks { is_none, left_out } = self.masks(loss, &target);
        let weights = self.product(left_out.as_ref(), &device.inner());
        let pred = pred.cast(DType::F32);
        // NaN where the target is none: to look would be to wait. Whatever is left out holds, infinity and NaN included, must not reach
        // the sum through a product with its weight.
        let pred = masked(pred, shape, [(is_none, f32::NAN), (left_out.clone(), 0.0)]);
        let target = match target {
            HeldTarget::Dense(target) => masked(target.cast(DType::F32), shape, [(left_out, 0.0)]),
            HeldTarget::Classes(classes) => classes.float().cast(DType::F32).into_dispatch(),
        };
        let units = Dispatch::units(pred, target, formula);
        let units = Tensor::<1>::from_dispatch(units).reshape(shape);
        let units = match &weights {
            Some(weights) => units * weights.clone(),
            None => units,
        };
        let count = (self.rows * self.columns) as f64;
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

    /// Where the target is none, and where it is left out.
    fn masks(&self, loss: &Loss, target: &HeldTarget) -> Masks {
        match target {
            HeldTarget::Classes(classes) => {
                let classes = classes.clone().reshape([self.rows, 1]);
                // The index behind the last is background.
                let beyond = classes.clone().greater_elem(self.columns as i64);
                Masks {
                    is_none: Some(classes.clone().lower_elem(0).bool_or(beyond)),
                    left_out: self.ignore_index.map(|index| classes.equal_scalar(index)),
                }
            }
            HeldTarget::Dense(labels) if loss.signature().target.is_probability() => {
                let labels = labels.clone().cast(DType::F32).reshape([self.rows, self.columns]);
                let beyond = labels.clone().greater_elem(MAX_LABEL);
                let left_out = labels.clone().equal_scalar(LEFT_OUT);
                Masks {
                    is_none: Some(labels.lower_elem(0.0).bool_or(beyond)),
                    left_out: Some(left_out),
                }
            }
            HeldTarget::Dense(_) => Masks { is_none: None, left_out: None },
        }
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

    /// The weights of all units, as far as they differ.
    fn product(&self, left_out: Option<&Tensor<2, Bool>>, device: &Device) -> Option<Tensor<2>> {
        let (rows, columns) = (self.rows, self.columns);
        let weights = self.weights.as_ref().map(|(weights, per_element)| {
            let columns = if *per_element { columns } else { 1 };
            weights.clone().cast(DType::F32).reshape([rows, columns])
        });
        let by_column = self.column_weights.as_ref().map(|weights| {
            let weights: Vec<f32> = weights.iter().map(|&weight| weight as f32).collect();
            Tensor::<1>::from_data(weights.as_slice(), device).reshape([1, columns])
        });
        let kept = left_out.map(|left_out| left_out.clone().bool_not().float());
        [weights, by_column, kept].into_iter().flatten().reduce(|a, b| a * b)
    }
}

/// Which units have no target, by row or by element; None for none.
struct Masks {
    /// The target is no label or class.
    is_none: Option<Tensor<2, Bool>>,
    /// The unit is left out.
    left_out: Option<Tensor<2, Bool>>,
}

/// Numbers, one for every unit if there is a mask, with others where the masks are.
fn masked<const D: usize>(
    numbers: Tensor<D>,
    shape: [usize; 2],
    masks: impl IntoIterator<Item = (Option<Tensor<2, Bool>>, f32)>,
) -> FloatTensor<Dispatch> {
    let mut masks = masks.into_iter().filter_map(|(mask, number)| Some((mask?, number))).peekable();
    if masks.peek().is_none() {
        return numbers.into_dispatch();
    }
    let fill = |numbers: Tensor<2>, (mask, number): (Tensor<2, Bool>, f32)| {
        numbers.mask_fill(mask.expand(shape), number)
    };
    masks.fold(numbers.reshape(shape), fill).into_dispatch()
}

fn units_of(pred: &TensorSpec, _: &TensorSpec, formula: &Formula) -> TensorSpec {
    let units = pred.shape.num_elements() / formula.fields.pred;
    TensorSpec::new(Shape::new([units]), pred.dtype)
}

fn units_and_grad_of(
    pred: &TensorSpec,
    target: &TensorSpec,
    formula: &Formula,
) -> (TensorSpec, TensorSpec) {
    (units_of(pred, target, formula), pred.clone())
}

/// A backend that follows traced formulas.
#[backend_extension(Cube, Fusion, Autodiff)]
pub(crate) trait DeviceBackend: Backend {
    /// The loss of every unit.
    #[fusion(meta = units_of)]
    fn units(
        pred: FloatTensor<Self>,
        target: FloatTensor<Self>,
        formula: Formula,
    ) -> FloatTensor<Self>;

    /// The same, and its gradient with respect to the prediction.
    #[fusion(meta = units_and_grad_of)]
    fn units_and_grad(
        pred: FloatTensor<Self>,
        target: FloatTensor<Self>,
        formula: Formula,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

impl<B: DeviceBackend, C: CheckpointStrategy> DeviceBackend for Autodiff<B, C> {
    fn units(
        pred: FloatTensor<Self>,
        target: FloatTensor<Self>,
        formula: Formula,
    ) -> FloatTensor<Self> {
        let (pred, guard) = pred.into_parts();
        let target = target.into_primitive();
        match Backward::<B, 1>::prepare::<C>(LossBackward, [guard]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (units, grad) = B::units_and_grad(pred, target, formula);
                prep.finish(SavedGrad { grad, by: GradIndex::Unit }, units)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::units(pred, target, formula)),
        }
    }

    fn units_and_grad(
        pred: FloatTensor<Self>,
        target: FloatTensor<Self>,
        formula: Formula,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (units, grad) =
            B::units_and_grad(pred.into_primitive(), target.into_primitive(), formula);
        (Self::from_inner(units), Self::from_inner(grad))
    }
}

impl DeviceBackend for CubeBackend {
    fn units(
        pred: FloatTensor<Self>,
        target: FloatTensor<Self>,
        formula: Formula,
    ) -> FloatTensor<Self> {
        // There is no gradient among the steps, so the prediction stands in for its place.
        let place = pred.clone();
        launch(pred, target, place, &formula, false)
    }

    fn units_and_grad(
        pred: FloatTensor<Self>,
        target: FloatTensor<Self>,
        formula: Formula,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let grad =
            empty_device_dtype(pred.client.clone(), pred.device.clone(), pred.shape(), DType::F32);
        let units = launch(pred, target, grad.clone(), &formula, true);
        (units, grad)
    }
}

fn launch(
    pred: CubeTensor,
    target: CubeTensor,
    grad: CubeTensor,
    formula: &Formula,
    gradient: bool,
) -> CubeTensor {
    let (pred, target) = (into_contiguous(pred), into_contiguous(target));
    let units = pred.shape().num_elements() / formula.fields.pred;
    let (client, device) = (pred.client.clone(), pred.device.clone());
    let values = empty_device_dtype(client.clone(), device, Shape::new([units]), DType::F32);
    if units > 0 {
        let dim = CubeDim::new(&client, units);
        follow::launch(
            &client,
            calculate_cube_count_elemwise(&client, units, dim),
            dim,
            pred.into_buffer_arg(),
            target.into_buffer_arg(),
            values.clone().into_buffer_arg(),
            grad.into_buffer_arg(),
            formula.steps(gradient),
            formula.fields,
        );
    }
    values
}

/// Follows the steps for one unit.
#[cube(launch)]
#[allow(clippy::needless_range_loop, reason = "only ranges are unrolled when a kernel is made")]
fn follow(
    pred: &[f32],
    target: &[f32],
    values: &mut [f32],
    grad: &mut [f32],
    #[comptime] steps: Vec<Step>,
    #[comptime] fields: Fields,
) {
    let unit = ABSOLUTE_POS;
    if unit >= values.len() {
        terminate!();
    }
    let mut v = Sequence::<f32>::new();
    #[unroll]
    for at in 0..steps.len() {
        let step = comptime![steps[at]];
        match step {
            Step::Pred(field) => {
                let number = pred[unit * fields.pred + field];
                v.push(number);
            }
            Step::Target(field) => match fields.classes {
                Some(columns) => {
                    let class = target[unit / columns];
                    let column = f32::cast_from(unit % columns);
                    v.push(select(class == column, 1.0f32, 0.0f32));
                }
                None => {
                    let number = target[unit * fields.target + field];
                    v.push(number);
                }
            },
            Step::Const(bits) => {
                let number = comptime![f32::from_bits(bits)];
                v.push(f32::new(number));
            }
            Step::Add(a, b) => {
                let result = *v.index(a) + *v.index(b);
                v.push(result);
            }
            Step::Sub(a, b) => {
                let result = *v.index(a) - *v.index(b);
                v.push(result);
            }
            Step::Mul(a, b) => {
                let result = *v.index(a) * *v.index(b);
                v.push(result);
            }
            Step::Div(a, b) => {
                let result = *v.index(a) / *v.index(b);
                v.push(result);
            }
            Step::IfLt(a, b, c, d) => {
                let result = select(*v.index(a) < *v.index(b), *v.index(c), *v.index(d));
                v.push(result);
            }
            Step::Abs(a) => {
                let result = (*v.index(a)).abs();
                v.push(result);
            }
            Step::Floor(a) => {
                let result = (*v.index(a)).floor();
                v.push(result);
            }
            Step::Sqrt(a) => {
                let result = (*v.index(a)).sqrt();
                v.push(result);
            }
            Step::Exp(a) => {
                let result = (*v.index(a)).exp();
                v.push(result);
            }
            Step::Ln(a) => {
                let result = (*v.index(a)).ln();
                v.push(result);
            }
            Step::Atan2(a, b) => {
                let result = (*v.index(a)).atan2(*v.index(b));
                v.push(result);
            }
            Step::Atan(a) => {
                let result = (*v.index(a)).atan();
                v.push(result);
            }
            Step::Value(a) => {
                values[unit] = *v.index(a);
            }
            Step::Slope(a, field) => {
                grad[unit * fields.pred + field] = *v.index(a);
            }
        }
    }
}
