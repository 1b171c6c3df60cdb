//! Where tensors in the host's memory meet the core: they are borrowed, not copied.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, TensorData};
use detloss::Batch;
use detloss::batch;
use detloss::loss::Scope;
use half::{bf16, f16};

use crate::call::{Call, Groups, Operands, Reduce, Target, Weights};
use crate::loss::expect_valid;
use crate::parts::{Number, Parts, narrow};
use crate::replicas::{Union, divisor};

/// The losses, and the gradient with respect to the prediction if it is asked for.
pub(crate) fn run(
    call: &Call,
    pred: FlexTensor,
    others: Operands<Flex>,
    gradient: bool,
) -> (FlexTensor, Option<FlexTensor>) {
    match pred.dtype() {
        DType::F32 => run_as::<f32>(call, pred, others, gradient),
        DType::F64 => run_as::<f64>(call, pred, others, gradient),
        DType::F16 => run_as::<f16>(call, pred, others, gradient),
        DType::BF16 => run_as::<bf16>(call, pred, others, gradient),
        other => panic!("losses take F32, F64, F16 and BF16, not {other:?}: cast the predictions"),
    }
}

fn run_as<T: Number>(
    call: &Call,
    pred: FlexTensor,
    others: Operands<Flex>,
    gradient: bool,
) -> (FlexTensor, Option<FlexTensor>) {
    let shape = pred.layout().shape().clone();
    let pred = contiguous(pred);
    let target = match others.target {
        Target::Dense(target) => (Some(contiguous(target)), Vec::new()),
        Target::Classes(classes) => (None, whole(classes)),
    };
    let weights = match others.weights {
        Weights::None => None,
        Weights::Rows(weights) => Some((contiguous(weights), batch::Weights::Rows as fn(_) -> _)),
        Weights::Elements(weights) => {
            Some((contiguous(weights), batch::Weights::Elements as fn(_) -> _))
        }
    };
    let groups = match others.groups {
        Groups::None => None,
        Groups::Rows(ids) => Some(whole(ids)),
    };
    let parts = Parts {
        pred: numbers::<T>(&pred),
        target: match &target {
            (Some(target), _) => batch::Target::Dense(numbers(target)),
            (None, classes) => batch::Target::Classes(classes),
        },
        weights: weights.as_ref().map(|(weights, of)| of(numbers(weights))),
        groups: groups.as_deref(),
    };
    let mut grad = if gradient { vec![T::default(); parts.pred.len()] } else { Vec::new() };
    let values = call.run(parts, gradient.then_some(&mut grad[..]));
    let count = values.len();
    let values = FlexTensor::from_data(TensorData::new(values, [count]));
    (values, gradient.then(|| FlexTensor::from_data(TensorData::new(grad, shape))))
}

/// The tensor itself, if its numbers lie one after the other.
pub(crate) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }
}

pub(crate) fn numbers<T: Number>(tensor: &FlexTensor) -> &[T] {
    tensor.as_slice().expect("a contiguous tensor of the prediction's type")
}

/// The numbers of a tensor of integers of any width.
fn whole(tensor: FlexTensor) -> Vec<i64> {
    let tensor = contiguous(tensor);
    if let Some(numbers) = tensor.as_slice::<i64>() {
        return numbers.to_vec();
    }
    tensor.into_data().iter::<i64>().collect()
}

impl Call {
    /// The values, one or as many as there are units. The gradient is written to `grad`.
    fn run<T: Number>(&self, parts: Parts<'_, T>, grad: Option<&mut [T]>) -> Vec<T> {
        // A state is of the units of all replicas.
        let is_joint = self.loss.signature().scope == Scope::Set || self.has_state();
        let is_whole = is_joint && parts.groups.is_none();
        let Some(replicas) = self.replicas.as_deref().filter(|_| is_whole) else {
            return self.run_parts(parts, grad, self.units, false);
        };
        let union = Union::of(&parts, replicas);
        let units = usize::from(!union.pred.is_empty());
        let mut slopes = vec![T::default(); union.pred.len()];
        let all = grad.is_some().then_some(&mut slopes[..]);
        let values = self.run_parts(union.parts(), all, units, true);
        if let Some(grad) = grad {
            grad.copy_from_slice(&slopes[union.own]);
        }
        values
    }

    fn has_state(&self) -> bool {
        self.state
            .as_ref()
            .is_some_and(|state| !state.lock().expect("nobody panics with the state").is_empty())
    }

    fn run_parts<T: Number>(
        &self,
        parts: Parts<'_, T>,
        grad: Option<&mut [T]>,
        units: usize,
        is_union: bool,
    ) -> Vec<T> {
        let column_weights: Option<Vec<T>> = self
            .column_weights
            .as_ref()
            .map(|weights| weights.iter().map(|&weight| narrow(weight)).collect());
        let mut batch = Batch::new(parts.pred, parts.target).columns(self.columns);
        if let Some(weights) = parts.weights {
            batch = batch.weights(weights);
        }
        if let Some(weights) = &column_weights {
            batch = batch.column_weights(weights);
        }
        if let Some(index) = self.ignore_index {
            batch = batch.ignore_index(index);
        }
        if let Some(ids) = parts.groups {
            batch = batch.groups(ids);
        }
        let loss = self.loss.as_ref();
        if self.reduce == Reduce::Units {
            let mut values = vec![T::default(); units];
            expect_valid(match grad {
                None => batch.values_into(loss, &mut values),
                Some(grad) => batch.values_and_grad_into(loss, None, &mut values, grad),
            });
            return values;
        }
        let batch = self.normalized(batch, is_union);
        let value = match (&self.state, grad) {
            (Some(state), grad) => {
                let mut state = state.lock().expect("nobody panics with the state");
                let mut unwanted = Vec::new();
                let grad = match grad {
                    Some(grad) => grad,
                    None => {
                        unwanted.resize(parts.pred.len(), T::default());
                        &mut unwanted
                    }
                };
                batch.step_into(loss, &mut state, grad)
            }
            (None, Some(grad)) => batch.value_and_grad_into(loss, grad),
            (None, None) => batch.value(loss),
        };
        vec![narrow(expect_valid(value))]
    }

    /// The batch, with what its sum is divided by: for replicas the sum of what each would divide by.
    fn normalized<'a, T: Number>(&self, batch: Batch<'a, T>, is_union: bool) -> Batch<'a, T> {
        let batch = match self.reduce {
            Reduce::Units | Reduce::Sum => return batch.sum(),
            Reduce::Mean => batch.mean(),
            Reduce::WeightedMean => batch.weighted_mean(),
            Reduce::Normalizer(number) => batch.normalizer(number),
        };
        let Some(replicas) = self.replicas.as_deref() else { return batch };
        let own = match self.reduce {
            Reduce::Normalizer(number) => number,
            _ if is_union => return batch,
            _ => expect_valid(batch.divisor(self.loss.as_ref())),
        };
        batch.normalizer(divisor(own, Some(replicas)))
    }
}
