//! Losses of rows on a device: the steps of their traced operations, each a tensor operation of Burn's, which fuse.

use burn::tensor::{Bool, DType, Device, FloatDType, Int, Tensor};
use detloss::operand::{Kind, LEFT_OUT, MAX_LABEL};
use detloss::scalar::expr::Program;

use crate::Loss;
use crate::call::HeldTarget;
use crate::device::with_slopes;
use crate::steps::{Step, steps};

/// The inputs of a program of rows: all of them are columns.
const INPUTS: usize = 4;

/// The rows of a call but for their predictions.
pub(crate) struct Rows {
    shape: [usize; 2],
    /// A class as 1 in its column; NaN where the target is none, since to look would be to wait.
    target: Tensor<2>,
    column_weights: Option<Tensor<2>>,
    /// Where the class is the ignored one.
    ignored: Option<Tensor<2, Bool>>,
    has_classes: bool,
}

impl Rows {
    pub(crate) fn new(
        loss: &Loss,
        shape: [usize; 2],
        target: &HeldTarget,
        ignored: Option<Tensor<2, Bool>>,
        column_weights: Option<Tensor<2>>,
    ) -> Self {
        let ([rows, columns], kind) = (shape, loss.signature().target);
        match target {
            HeldTarget::Classes(classes) => {
                // Integers may be of any width; those of a class are floats, too, but not halves.
                let classes = classes.clone().cast(FloatDType::F32);
                let classes = classes.reshape([rows, 1]).expand(shape);
                let column = numbers_of_columns(columns, &classes.device()).expand(shape);
                let above = classes.clone().greater_equal_scalar(columns as f32);
                let unknown = above.bool_or(classes.clone().lower_scalar(0.0));
                let target = classes.equal(column).cast(FloatDType::F32);
                let target = target.mask_fill(unknown, f32::NAN);
                let target = filled(target, &ignored, 0.0);
                Self { shape, target, column_weights, ignored, has_classes: true }
            }
            HeldTarget::Dense(numbers) => {
                let target = numbers.clone().cast(DType::F32).reshape([rows, kind.width(columns)]);
                let target = if kind.is_probability() { checked(target, kind) } else { target };
                Self { shape, target, column_weights, ignored: None, has_classes: false }
            }
        }
    }

    /// The weight of the class of every row.
    pub(crate) fn weights_of_classes(&self) -> Option<Tensor<2>> {
        let weights = self.column_weights.clone().filter(|_| self.has_classes)?;
        let is_other = self.target.clone().equal_scalar(0.0);
        // The others may weigh infinity.
        Some((self.target.clone() * weights).mask_fill(is_other, 0.0).sum_dim(1))
    }

    /// The losses, by the program of the value or that of value and gradient.
    pub(crate) fn values<const D: usize>(
        &self,
        pred: Tensor<D>,
        programs: [Program; 2],
    ) -> Tensor<1> {
        differentiable(pred, self.shape, programs, |program, pred| self.follow(program, pred))
    }

    /// The losses of these predictions, and their slopes if the program has them.
    fn follow(&self, program: &Program, pred: Tensor<2>) -> (Tensor<1>, Option<Tensor<2>>) {
        let [rows, columns] = self.shape;
        // What is ignored may hold anything.
        let pred = filled(pred, &self.ignored, 0.0);
        let column = numbers_of_columns(columns, &pred.device());
        let mut inputs = vec![pred, self.target.clone(), column];
        inputs.extend(self.column_weights.clone());
        let [value, slopes] = follow(&steps(program, INPUTS), &inputs, self.shape);
        let value = value.expect("a program has a value").narrow(1, 0, 1).reshape([rows]);
        (value, slopes)
    }
}

/// What `follow` makes of a prediction, by the program of the value, or, if a gradient is asked for, by that of value and gradient.
pub(crate) fn differentiable<const D: usize>(
    pred: Tensor<D>,
    shape: [usize; 2],
    [value, value_and_grad]: [Program; 2],
    follow: impl Fn(&Program, Tensor<2>) -> (Tensor<1>, Option<Tensor<2>>),
) -> Tensor<1> {
    let columns = pred.clone().without_autodiff().reshape(shape);
    if !pred.is_tracked() {
        return follow(&value, columns).0;
    }
    let (value, slopes) = follow(&value_and_grad, columns);
    let slopes = slopes.expect("a slope was asked for").reshape(pred.dims());
    with_slopes(pred, value, slopes)
}

/// The numbers of the columns, from 0 on.
pub(crate) fn numbers_of_columns(columns: usize, device: &Device) -> Tensor<2> {
    let numbers = Tensor::<1, Int>::arange(0..columns as i64, (device, DType::I32));
    numbers.cast(FloatDType::F32).reshape([1, columns])
}

/// The labels, with NaN for those that are none.
fn checked(labels: Tensor<2>, kind: Kind) -> Tensor<2> {
    let below = labels.clone().lower_scalar(0.0);
    let below = match kind.can_be_left_out() {
        true => below.bool_and(labels.clone().not_equal_scalar(LEFT_OUT)),
        false => below,
    };
    let unknown = below.bool_or(labels.clone().greater_scalar(MAX_LABEL));
    labels.mask_fill(unknown, f32::NAN)
}

/// The numbers with `value` where the mask is.
pub(crate) fn filled(numbers: Tensor<2>, mask: &Option<Tensor<2, Bool>>, value: f32) -> Tensor<2> {
    match mask {
        Some(mask) => {
            let shape = numbers.dims();
            numbers.mask_fill(mask.clone().expand(shape), value)
        }
        None => numbers,
    }
}

/// A result: a number for all, or one for each column, row or both.
#[derive(Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "few live at once, and a box would be an allocation for each operation"
)]
enum Operand {
    Number(f32),
    Columns(Tensor<2>),
}

impl Operand {
    fn shape(&self) -> [usize; 2] {
        match self {
            Self::Number(_) => [1, 1],
            Self::Columns(tensor) => tensor.dims(),
        }
    }

    fn map(self, number: fn(f32) -> f32, columns: fn(Tensor<2>) -> Tensor<2>) -> Self {
        match self {
            Self::Number(a) => Self::Number(number(a)),
            Self::Columns(a) => Self::Columns(columns(a)),
        }
    }
}

/// The value and the slopes of a program for these inputs.
pub(crate) fn follow(
    steps: &[Step],
    inputs: &[Tensor<2>],
    shape: [usize; 2],
) -> [Option<Tensor<2>>; 2] {
    use Operand::{Columns, Number};
    let device = inputs[0].device();
    let repeated = |operand: Operand, shape: [usize; 2]| -> Tensor<2> {
        match operand {
            Number(number) => Tensor::full(shape, number, (&device, DType::F32)),
            Columns(tensor) => tensor.expand(shape),
        }
    };
    // What there is one of counts for every column, or every row.
    let over = |dim: usize, operand: Operand, all: fn(Tensor<2>, usize) -> Tensor<2>| {
        let mut of = operand.shape();
        of[dim] = shape[dim];
        let tensor = repeated(operand, of);
        Columns(if of[dim] == 1 { tensor } else { all(tensor, dim) })
    };
    let mut last_use = vec![0; steps.len()];
    for (place, step) in steps.iter().enumerate() {
        step.operands().for_each(|operand| last_use[operand] = place);
    }
    let mut outputs = [None, None];
    let mut done: Vec<Option<Operand>> = Vec::with_capacity(steps.len());
    for (place, &step) in steps.iter().enumerate() {
        let operands: Vec<_> =
            step.operands().map(|operand| done[operand].clone().expect("kept")).collect();
        // What nobody needs any more is never written to the memory of the device, if what makes it and what takes it fuse.
        for operand in step.operands().filter(|&operand| last_use[operand] == place) {
            done[operand] = None;
        }
        let mut operands = operands.into_iter();
        let mut next = || operands.next().expect("as many as the step says");
        let result = match step {
            Step::Pred(input) => Columns(inputs[input].clone()),
            Step::Const(bits) => Number(f32::from_bits(bits)),
            Step::Add(..) => match (next(), next()) {
                (Number(a), Number(b)) => Number(a + b),
                (Number(a), Columns(b)) | (Columns(b), Number(a)) => Columns(b.add_scalar(a)),
                (Columns(a), Columns(b)) => Columns(a + b),
            },
            Step::Sub(..) => match (next(), next()) {
                (Number(a), Number(b)) => Number(a - b),
                (Number(a), Columns(b)) => Columns(b.neg().add_scalar(a)),
                (Columns(a), Number(b)) => Columns(a.sub_scalar(b)),
                (Columns(a), Columns(b)) => Columns(a - b),
            },
            Step::Mul(..) => match (next(), next()) {
                (Number(a), Number(b)) => Number(a * b),
                (Number(a), Columns(b)) | (Columns(b), Number(a)) => Columns(b.mul_scalar(a)),
                (Columns(a), Columns(b)) => Columns(a * b),
            },
            Step::Div(..) => match (next(), next()) {
                (Number(a), Number(b)) => Number(a / b),
                (Number(a), Columns(b)) => Columns(b.recip().mul_scalar(a)),
                (Columns(a), Number(b)) => Columns(a.div_scalar(b)),
                (Columns(a), Columns(b)) => Columns(a / b),
            },
            Step::IfLt(..) => {
                let [a, b, then, otherwise] = [next(), next(), next(), next()];
                let shapes = [&a, &b, &then, &otherwise].map(Operand::shape);
                let of = shapes
                    .into_iter()
                    .fold([1; 2], |[r, c], [rows, columns]| [r.max(rows), c.max(columns)]);
                let whole = |operand| repeated(operand, of);
                let is_less = match (a, b) {
                    (Number(a), b) => whole(b).greater_scalar(a),
                    (a, Number(b)) => whole(a).lower_scalar(b),
                    (a, b) => whole(a).lower(whole(b)),
                };
                Columns(match (then, whole(otherwise)) {
                    (Number(then), otherwise) => otherwise.mask_fill(is_less, then),
                    (then, otherwise) => otherwise.mask_where(is_less, whole(then)),
                })
            }
            Step::Abs(_) => next().map(f32::abs, Tensor::abs),
            Step::Floor(_) => next().map(f32::floor, Tensor::floor),
            Step::Sqrt(_) => next().map(f32::sqrt, Tensor::sqrt),
            Step::Exp(_) => next().map(f32::exp, Tensor::exp),
            Step::Ln(_) => next().map(f32::ln, Tensor::log),
            Step::RowSum(_) => over(1, next(), Tensor::sum_dim),
            Step::RowMax(_) => over(1, next(), Tensor::max_dim),
            Step::ColumnSum(_) => over(0, next(), Tensor::sum_dim),
            Step::ColumnMax(_) => over(0, next(), Tensor::max_dim),
            Step::Value(_) => {
                outputs[0] = Some(repeated(next(), shape));
                continue;
            }
            Step::Slope(..) => {
                outputs[1] = Some(repeated(next(), shape));
                continue;
            }
            Step::Target(_) | Step::Atan2(..) | Step::Atan(_) => {
                unreachable!("no row has angles, and all its inputs are columns")
            }
        };
        done.push(Some(result));
    }
    outputs
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use detloss::batch::Kernel as _;
    use detloss::testing::{FrontEnd, Request, Response, Tolerance, check, tested};

    use super::*;

    /// The tensor operations, on Burn's own CPU backend.
    struct OnHost;

    impl FrontEnd for OnHost {
        fn run(&self, request: &Request<'_>) -> Option<Response> {
            let Request { entry, params, pred, target, .. } = request;
            let loss = Loss::with(entry.name, params).unwrap();
            let shapes = entry.signature.shapes(&pred.dims, &target.dims, false).unwrap();
            let program = loss.as_ref().trace_row(shapes.columns, false, true)?;
            let tensor = |numbers: &[f64]| {
                let data = TensorData::new(numbers.to_vec(), [numbers.len()]);
                Tensor::<1>::from_data(data.convert::<f32>(), &Device::flex())
            };
            let shape = [shapes.row_count(), shapes.columns];
            let target = HeldTarget::Dense(tensor(&target.numbers));
            let rows = Rows::new(&loss, shape, &target, None, None);
            let (values, slopes) = rows.follow(&program, tensor(&pred.numbers).reshape(shape));
            let slopes = slopes.expect("a gradient was asked for");
            Some(Response {
                values: values.into_data().iter().collect(),
                grad: slopes.into_data().iter().collect(),
            })
        }
    }

    #[test]
    fn rows_are_those_of_the_core() {
        let traced =
            tested().iter().filter(|entry| entry.make().trace_row(2, false, false).is_some());
        assert_eq!(check(&OnHost, Tolerance::F32), traced.count());
    }
}
