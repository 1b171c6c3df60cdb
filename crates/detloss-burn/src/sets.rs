//! Losses of whole batches on a device: the steps of their traced operations on all rows and columns at once.

use burn::tensor::{Bool, DType, FloatDType, Tensor};
use detloss::operand::{LEFT_OUT, MAX_LABEL};
use detloss::scalar::expr::Program;
use detloss::signature::Signature;

use crate::call::HeldTarget;
use crate::rows::{differentiable, filled, follow, numbers_of_columns};
use crate::steps::steps;

/// How many inputs a program of sets has: all of them are columns.
const INPUTS: usize = 3;

/// A whole batch but for its predictions.
pub(crate) struct Set {
    shape: [usize; 2],
    targets: Targets,
}

struct Targets {
    /// A number for every column; of a class 1 for it and 0 for the others.
    numbers: Tensor<2>,
    /// Where the target is none, or the weight: the loss is then NaN, since to look would be to wait.
    unknown: Option<Tensor<2, Bool>>,
    /// What does not count.
    left_out: Option<Tensor<2, Bool>>,
}

impl Set {
    /// `left_out` says which class indices, or labels of elements, are; `weights` are one per row or per element, and what has weight 0 is
    /// left out, too.
    pub(crate) fn new(
        signature: Signature,
        shape: [usize; 2],
        target: &HeldTarget,
        left_out: Option<Tensor<2, Bool>>,
        weights: Option<Tensor<2>>,
    ) -> Self {
        let mut targets = Targets::new(signature, shape, target, left_out);
        if let Some(weights) = weights {
            let is_out = weights.clone().equal_scalar(0.0);
            let is_weight = is_out.clone().bool_or(weights.equal_scalar(1.0));
            targets.unknown = either(targets.unknown, is_weight.bool_not(), shape);
            targets.left_out = either(targets.left_out, is_out, shape);
        }
        let Targets { numbers, left_out, .. } = &targets;
        targets.numbers = filled(numbers.clone(), left_out, 0.0);
        Self { shape, targets }
    }

    /// The loss, by the program of the value or that of value and gradient.
    pub(crate) fn value<const D: usize>(
        &self,
        pred: Tensor<D>,
        programs: [Program; 2],
    ) -> Tensor<1> {
        differentiable(pred, self.shape, programs, |program, pred| self.follow(program, pred))
    }

    /// The loss of these predictions, and their slopes if the program has them.
    fn follow(&self, program: &Program, pred: Tensor<2>) -> (Tensor<1>, Option<Tensor<2>>) {
        let Targets { numbers, unknown, left_out } = &self.targets;
        let pred = filled(filled(pred, unknown, f32::NAN), left_out, 0.0);
        let counts = match left_out {
            Some(left_out) => left_out.clone().bool_not().cast(FloatDType::F32),
            None => Tensor::ones([1, 1], (&pred.device(), DType::F32)),
        };
        let inputs = [pred, numbers.clone(), counts];
        let [value, slopes] = follow(&steps(program, INPUTS), &inputs, self.shape);
        let value = value.expect("a program has a value");
        (value.narrow(0, 0, 1).narrow(1, 0, 1).reshape([1]), slopes)
    }
}

impl Targets {
    fn new(
        signature: Signature,
        shape: [usize; 2],
        target: &HeldTarget,
        left_out: Option<Tensor<2, Bool>>,
    ) -> Self {
        let ([rows, columns], kind) = (shape, signature.target);
        let in_columns = |classes: &Tensor<2>| {
            let column = numbers_of_columns(columns, &classes.device()).expand(shape);
            classes.clone().expand(shape).equal(column).cast(FloatDType::F32)
        };
        match target {
            HeldTarget::Classes(classes) => {
                // Integers may be of any width; those of a class are floats, too.
                let classes = classes.clone().cast(FloatDType::F32).reshape([rows, 1]);
                // The index behind the last is background; a row of a softmax must have a class.
                let most = columns - usize::from(signature.pred.is_row());
                Self {
                    numbers: in_columns(&classes),
                    unknown: Some(outside(&classes, most as f64)),
                    left_out,
                }
            }
            HeldTarget::Dense(classes) if signature.pred.is_row() => {
                let classes = classes.clone().cast(DType::F32).reshape([rows, 1]);
                let numbers = in_columns(&classes);
                Self {
                    unknown: Some(numbers.clone().sum_dim(1).equal_scalar(0.0)),
                    numbers,
                    left_out: Some(classes.equal_scalar(LEFT_OUT)),
                }
            }
            HeldTarget::Dense(numbers) => {
                let numbers = numbers.clone().cast(DType::F32).reshape(shape);
                let unknown = kind.is_probability().then(|| outside(&numbers, MAX_LABEL));
                Self { numbers, unknown, left_out }
            }
        }
    }
}

/// Where numbers are not from 0 to `most`.
fn outside(numbers: &Tensor<2>, most: f64) -> Tensor<2, Bool> {
    let is_inside = numbers.clone().greater_equal_scalar(0.0);
    is_inside.bool_and(numbers.clone().lower_equal_scalar(most)).bool_not()
}

/// Where one of both is; of rows or of elements.
fn either(
    some: Option<Tensor<2, Bool>>,
    more: Tensor<2, Bool>,
    shape: [usize; 2],
) -> Option<Tensor<2, Bool>> {
    Some(match some {
        Some(some) if some.dims() == more.dims() => some.bool_or(more),
        Some(some) => some.expand(shape).bool_or(more.expand(shape)),
        None => more,
    })
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Int, TensorData};
    use detloss::batch::Kernel as _;
    use detloss::testing::{
        FrontEnd, GroupByGroup, Request, Response, Tolerance, check, check_tensors, count_requests,
        tested,
    };

    use super::*;
    use crate::Loss;
    use crate::on_device::left_out;

    /// The tensor operations, on Burn's own CPU backend.
    struct OnHost;

    fn tensor(numbers: &[f64]) -> Tensor<1> {
        let data = TensorData::new(numbers.to_vec(), [numbers.len()]);
        Tensor::from_data(data.convert::<f32>(), &Device::flex())
    }

    impl FrontEnd for OnHost {
        fn run(&self, request: &Request<'_>) -> Option<Response> {
            let Request { entry, params, pred, target, .. } = request;
            let loss = Loss::with(entry.name, params).unwrap();
            let program = loss.as_ref().trace_set(true)?;
            let (signature, integers) = (entry.signature, request.integers.is_some());
            let shapes = signature.shapes(&pred.dims, &target.dims, integers).unwrap();
            let shape = [shapes.row_count(), shapes.columns];
            let target = match shapes.class_indices {
                true => {
                    let classes: Vec<i64> = target.numbers.iter().map(|&x| x as i64).collect();
                    let data = TensorData::new(classes, [shape[0]]);
                    HeldTarget::Classes(Tensor::<1, Int>::from_data(data, &Device::flex()))
                }
                false => HeldTarget::Dense(tensor(&target.numbers)),
            };
            let weights = request.weights.as_ref();
            let weights =
                weights.map(|weights| tensor(&weights.numbers).reshape([shape[0] as i32, -1]));
            let left_out = left_out(signature, &target, request.ignore_index, shape);
            let set = Set::new(signature, shape, &target, left_out, weights);
            let (value, slopes) = set.follow(&program, tensor(&pred.numbers).reshape(shape));
            let slopes = slopes.expect("a gradient was asked for");
            Some(Response {
                values: value.into_data().iter().collect(),
                grad: slopes.into_data().iter().collect(),
            })
        }
    }

    #[test]
    fn sets_are_those_of_the_core() {
        let traced = tested().iter().filter(|entry| entry.make().trace_set(false).is_some());
        assert_eq!(check(&GroupByGroup(OnHost), Tolerance::F32), traced.count());
    }

    #[test]
    fn sets_with_every_option_are_those_of_the_core() {
        let count = count_requests(|entry| entry.make().trace_set(false).is_some());
        assert_eq!(check_tensors(&GroupByGroup(OnHost), Tolerance::F32), count);
    }
}
