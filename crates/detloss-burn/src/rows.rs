//! Losses of rows on a device: the steps of their traced operations, each a tensor operation of Burn's, which fuse.

use burn::tensor::{Bool, DType, Int, Tensor};
use detloss::operand::{LEFT_OUT, MAX_LABEL};
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
    /// A class as 1 in its column.
    target: Tensor<2>,
    column_weights: Option<Tensor<2>>,
    /// Where the target is none.
    unknown: Option<Tensor<2, Bool>>,
    /// Where the class is the ignored one.
    ignored: Option<Tensor<2, Bool>>,
    has_classes: bool,
}

impl Rows {
    pub(crate) fn new(
        loss: &Loss,
        shape: [usize; 2],
        target: &HeldTarget,
        ignore_index: Option<i64>,
        column_weights: Option<Tensor<2>>,
    ) -> Self {
        let ([rows, columns], kind) = (shape, loss.signature().target);
        match target {
            HeldTarget::Classes(classes) => {
                let column = Tensor::arange(0..columns as i64, &classes.device());
                let column = column.reshape([1, columns]).expand(shape);
                let classes = classes.clone().reshape([rows, 1]).expand(shape);
                let above = classes.clone().greater_equal_scalar(columns as i64);
                Self {
                    shape,
                    target: classes.clone().equal(column).float().cast(DType::F32),
                    column_weights,
                    unknown: Some(above.bool_or(classes.clone().lower_scalar(0))),
                    ignored: ignore_index.map(|index| classes.equal_scalar(index)),
                    has_classes: true,
                }
            }
            HeldTarget::Dense(numbers) => {
                let width = kind.width(columns);
                let target = numbers.clone().cast(DType::F32).reshape([rows, width]);
                let unknown = kind.is_probability().then(|| {
                    let below = target.clone().lower_scalar(0.0);
                    let below = match kind.can_be_left_out() {
                        true => below.bool_and(target.clone().not_equal_scalar(LEFT_OUT)),
                        false => below,
                    };
                    below.bool_or(target.clone().greater_scalar(MAX_LABEL))
                });
                Self { shape, target, column_weights, unknown, ignored: None, has_classes: false }
            }
        }
    }

    /// The weight of the class of every row.
    pub(crate) fn weights_of_classes(&self) -> Option<Tensor<2>> {
        let weights = self.column_weights.clone().filter(|_| self.has_classes)?;
        Some((self.target.clone() * weights).sum_dim(1))
    }

    /// The losses, by the program of the value or that of value and gradient.
    pub(crate) fn values<const D: usize>(
        &self,
        pred: Tensor<D>,
        [value, value_and_grad]: [Program; 2],
    ) -> Tensor<1> {
        let rows = pred.clone().without_autodiff().reshape(self.shape);
        if !pred.is_tracked() {
            return self.follow(&value, rows).0;
        }
        let (units, slopes) = self.follow(&value_and_grad, rows);
        let slopes = slopes.expect("a slope was asked for").reshape(pred.dims());
        with_slopes(pred, units, slopes)
    }

    /// The losses of these predictions, and their slopes if the program has them.
    fn follow(&self, program: &Program, pred: Tensor<2>) -> (Tensor<1>, Option<Tensor<2>>) {
        let [rows, columns] = self.shape;
        // To look whether targets are any would be to wait; what is left out may hold anything.
        let pred = match &self.unknown {
            Some(unknown) => pred.mask_fill(unknown.clone(), f32::NAN),
            None => pred,
        };
        let pred = match &self.ignored {
            Some(ignored) => pred.mask_fill(ignored.clone(), 0.0),
            None => pred,
        };
        let column = Tensor::<1, Int>::arange(0..columns as i64, &pred.device());
        let column = column.float().cast(DType::F32).reshape([1, columns]);
        let mut inputs = vec![pred, self.target.clone(), column];
        inputs.extend(self.column_weights.clone());
        let [value, slopes] = follow(&steps(program, INPUTS), &inputs, self.shape);
        let value = value.expect("a program has a value").narrow(1, 0, 1).reshape([rows]);
        (value, slopes)
    }
}

/// A result: a number for all, or one for each column, row or both.
#[derive(Clone)]
enum Operand {
    Number(f32),
    Columns(Tensor<2>),
}

/// The value and the slopes of a program for these inputs.
fn follow(steps: &[Step], inputs: &[Tensor<2>], shape: [usize; 2]) -> [Option<Tensor<2>>; 2] {
    use Operand::{Columns, Number};
    let mut outputs = [None, None];
    let mut v: Vec<Operand> = Vec::new();
    let device = inputs[0].device();
    // Of the shape of all columns of all rows.
    let whole = |result: &Operand| match result {
        Number(number) => Tensor::full(shape, *number, (&device, DType::F32)),
        Columns(tensor) => tensor.clone().expand(shape),
    };
    for &step in steps {
        let at = |index: usize| v[index].clone();
        let one = |a: usize, number: fn(f32) -> f32, tensor: fn(Tensor<2>) -> Tensor<2>| match at(a)
        {
            Number(a) => Number(number(a)),
            Columns(a) => Columns(tensor(a)),
        };
        let result = match step {
            Step::Pred(input) => Columns(inputs[input].clone()),
            Step::Const(bits) => Number(f32::from_bits(bits)),
            Step::Add(a, b) => match (at(a), at(b)) {
                (Number(a), Number(b)) => Number(a + b),
                (Number(a), Columns(b)) | (Columns(b), Number(a)) => Columns(b.add_scalar(a)),
                (Columns(a), Columns(b)) => Columns(a + b),
            },
            Step::Sub(a, b) => match (at(a), at(b)) {
                (Number(a), Number(b)) => Number(a - b),
                (Number(a), Columns(b)) => Columns(b.neg().add_scalar(a)),
                (Columns(a), Number(b)) => Columns(a.sub_scalar(b)),
                (Columns(a), Columns(b)) => Columns(a - b),
            },
            Step::Mul(a, b) => match (at(a), at(b)) {
                (Number(a), Number(b)) => Number(a * b),
                (Number(a), Columns(b)) | (Columns(b), Number(a)) => Columns(b.mul_scalar(a)),
                (Columns(a), Columns(b)) => Columns(a * b),
            },
            Step::Div(a, b) => match (at(a), at(b)) {
                (Number(a), Number(b)) => Number(a / b),
                (Number(a), Columns(b)) => Columns(b.recip().mul_scalar(a)),
                (Columns(a), Number(b)) => Columns(a.div_scalar(b)),
                (Columns(a), Columns(b)) => Columns(a / b),
            },
            Step::IfLt(a, b, then, otherwise) => {
                let is_less = match (at(a), at(b)) {
                    (Number(a), Number(b)) => {
                        v.push(at(if a < b { then } else { otherwise }));
                        continue;
                    }
                    (Number(a), Columns(b)) => b.greater_scalar(a),
                    (Columns(a), Number(b)) => a.lower_scalar(b),
                    (a, b) => whole(&a).lower(whole(&b)),
                };
                let (is_less, otherwise) = (is_less.expand(shape), whole(&at(otherwise)));
                Columns(match at(then) {
                    Number(then) => otherwise.mask_fill(is_less, then),
                    then => otherwise.mask_where(is_less, whole(&then)),
                })
            }
            Step::Abs(a) => one(a, f32::abs, |a| a.abs()),
            Step::Floor(a) => one(a, f32::floor, |a| a.floor()),
            Step::Sqrt(a) => one(a, f32::sqrt, |a| a.sqrt()),
            Step::Exp(a) => one(a, f32::exp, |a| a.exp()),
            Step::Ln(a) => one(a, f32::ln, |a| a.log()),
            Step::RowSum(a) => Columns(whole(&at(a)).sum_dim(1)),
            Step::RowMax(a) => Columns(whole(&at(a)).max_dim(1)),
            Step::Value(a) => {
                outputs[0] = Some(whole(&at(a)));
                continue;
            }
            Step::Slope(a, _) => {
                outputs[1] = Some(whole(&at(a)));
                continue;
            }
            Step::Target(_) | Step::Atan2(..) | Step::Atan(_) => {
                unreachable!("no row has angles, and all its inputs are columns")
            }
        };
        v.push(result);
    }
    outputs
}
