//! Formulas on the devices of CubeCL: one kernel that follows the traced formula, for every loss that has one.
//!
//! The steps of a program are known when the kernel is made, so the device gets straight-line code: a launch gives the loss of every
//! unit and its gradient.

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::ops::{Backward, OpsKind};
use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, AutodiffBackend, Backend, Dispatch, TensorMetadata, backend_extension,
};
use burn::tensor::{DType, FloatDType, Shape, Tensor};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_dtype;
use burn_cubecl::{CubeBackend, tensor::CubeTensor};
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;
use detloss::batch::Kernel as _;
use detloss::operand::{LEFT_OUT, MAX_LABEL};

use crate::Loss;
use crate::call::HeldTarget;
use crate::op::{GradIndex, LossBackward, SavedGrad};
use crate::steps::{Step, steps};

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
    /// The class whose rows are left out.
    ignored: Option<i64>,
    /// The targets are labels: numbers from 0 to 1, or left out.
    are_labels: bool,
}

impl Fields {
    /// Whether a target may be none, or left out.
    fn are_checked(self) -> bool {
        self.are_labels || self.classes.is_some()
    }
}

impl Formula {
    pub(crate) fn new(
        loss: &Loss,
        columns: usize,
        target: &HeldTarget,
        ignored: Option<i64>,
    ) -> Self {
        let signature = loss.signature();
        let fields = Fields {
            pred: signature.pred.fields().len(),
            target: signature.target.fields().len(),
            classes: matches!(target, HeldTarget::Classes(_)).then_some(columns),
            ignored,
            are_labels: signature.target.is_probability() && matches!(target, HeldTarget::Dense(_)),
        };
        Self { loss: loss.clone(), fields }
    }

    fn steps(&self, gradient: bool) -> Vec<Step> {
        let program = self.loss.as_ref().trace(gradient).expect("a loss of units is a formula");
        steps(&program, self.fields.pred)
    }
}

/// The losses of units, by one kernel.
pub(crate) fn units<const D: usize>(
    pred: Tensor<D>,
    target: HeldTarget,
    formula: Formula,
) -> Tensor<1> {
    let target = match target {
        HeldTarget::Dense(target) => target.cast(FloatDType::F32),
        HeldTarget::Classes(classes) => classes.cast(FloatDType::F32),
    };
    let target = target.into_dispatch();
    Tensor::from_dispatch(Dispatch::units(pred.into_dispatch(), target, formula))
}

/// The losses of units whose slopes by `pred`, of its shape, are there already.
pub(crate) fn with_slopes<const D: usize>(
    pred: Tensor<D>,
    units: Tensor<1>,
    slopes: Tensor<D>,
) -> Tensor<1> {
    let [units, slopes] = [units.into_dispatch(), slopes.into_dispatch()];
    Tensor::from_dispatch(Dispatch::with_slopes(pred.into_dispatch(), units, slopes))
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

fn given_units(_: &TensorSpec, units: &TensorSpec, _: &TensorSpec) -> TensorSpec {
    units.clone()
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

    /// The losses of units whose gradient with respect to the prediction is there already.
    #[fusion(meta = given_units)]
    fn with_slopes(
        pred: FloatTensor<Self>,
        units: FloatTensor<Self>,
        slopes: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
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

    fn with_slopes(
        pred: FloatTensor<Self>,
        units: FloatTensor<Self>,
        slopes: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (_, guard) = pred.into_parts();
        let (units, grad) = (units.into_primitive(), slopes.into_primitive());
        match Backward::<B, 1>::prepare::<C>(LossBackward, [guard]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(SavedGrad { grad, by: GradIndex::Unit }, units),
            OpsKind::UnTracked(prep) => prep.finish(units),
        }
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

    fn with_slopes(
        _: FloatTensor<Self>,
        units: FloatTensor<Self>,
        _: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        units
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
            f32::NAN,
            formula.steps(gradient),
            formula.fields,
        );
    }
    values
}

/// Follows the steps for one unit. To look at the targets before would be to wait for the device: a unit whose target is none is `nan`,
/// which is an argument because WGSL has no way to write it.
#[cube(launch)]
#[allow(clippy::needless_range_loop, reason = "only ranges are unrolled when a kernel is made")]
fn follow(
    pred: &[f32],
    target: &[f32],
    values: &mut [f32],
    grad: &mut [f32],
    nan: f32,
    #[comptime] steps: Vec<Step>,
    #[comptime] fields: Fields,
) {
    let unit = ABSOLUTE_POS;
    if unit >= values.len() {
        terminate!();
    }
    // 0 for a target as it should be, 1 for none, 2 for one that is left out.
    let mut flaw = Sequence::<f32>::new();
    match fields.classes {
        Some(columns) => {
            let class = target[unit / columns];
            // The index behind the last is background.
            let most = comptime![columns as f32];
            let none = select(class < 0.0f32 || class > most, 1.0f32, 0.0f32);
            match fields.ignored {
                Some(index) => {
                    let ignored = comptime![index as f32];
                    flaw.push(select(class == ignored, 2.0f32, none));
                }
                None => {
                    flaw.push(none);
                }
            }
        }
        None => {
            if comptime![fields.are_labels] {
                let label = target[unit];
                let (most, left_out) = comptime![(MAX_LABEL as f32, LEFT_OUT as f32)];
                let none = select(label < 0.0f32 || label > most, 1.0f32, 0.0f32);
                flaw.push(select(label == left_out, 2.0f32, none));
            }
        }
    }
    let are_checked = comptime![fields.are_checked()];
    let mut v = Sequence::<f32>::new();
    #[unroll]
    for at in 0..steps.len() {
        let step = comptime![steps[at]];
        match step {
            Step::Pred(field) => {
                let number = pred[unit * fields.pred + field];
                if comptime![are_checked] {
                    let known = select(*flaw.index(0) > 0.5f32, nan, number);
                    v.push(select(*flaw.index(0) > 1.5f32, 0.0f32, known));
                } else {
                    v.push(number);
                }
            }
            Step::Target(field) => match fields.classes {
                Some(columns) => {
                    let class = target[unit / columns];
                    let column = f32::cast_from(unit % columns);
                    v.push(select(class == column, 1.0f32, 0.0f32));
                }
                None => {
                    let number = target[unit * fields.target + field];
                    if comptime![are_checked] {
                        v.push(select(*flaw.index(0) > 1.5f32, 0.0f32, number));
                    } else {
                        v.push(number);
                    }
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
            // A unit is one row of one column.
            Step::RowSum(a) => {
                let result = *v.index(a);
                v.push(result);
            }
            Step::RowMax(a) => {
                let result = *v.index(a);
                v.push(result);
            }
            Step::ColumnSum(a) => {
                let result = *v.index(a);
                v.push(result);
            }
            Step::ColumnMax(a) => {
                let result = *v.index(a);
                v.push(result);
            }
            Step::Value(a) => {
                if comptime![are_checked] {
                    values[unit] = select(*flaw.index(0) > 1.5f32, 0.0f32, *v.index(a));
                } else {
                    values[unit] = *v.index(a);
                }
            }
            Step::Slope(a, field) => {
                if comptime![are_checked] {
                    let slope = select(*flaw.index(0) > 1.5f32, 0.0f32, *v.index(a));
                    grad[unit * fields.pred + field] = slope;
                } else {
                    grad[unit * fields.pred + field] = *v.index(a);
                }
            }
        }
    }
}
