//! The operation that joins Burn's backends: one pass of the core for value and gradient, and a backward step that hands the saved
//! gradient on. One operation for all losses: which loss, and how it is added up, are arguments.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, AutodiffBackend, Backend, Flex, TensorMetadata, backend_extension};
use burn::tensor::Shape;
use detloss::loss::Scope;

use crate::call::{Call, Groups, Operands, Reduce, Target, Weights};
use crate::host;

/// A backend that computes losses.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait LossBackend: Backend {
    /// The losses, added up as `call` says.
    fn loss(
        pred: FloatTensor<Self>,
        #[extension_type] others: Operands<Self>,
        call: Call,
    ) -> FloatTensor<Self>;

    /// The same, and the gradient with respect to the prediction.
    fn loss_and_grad(
        pred: FloatTensor<Self>,
        #[extension_type] others: Operands<Self>,
        call: Call,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// A value whose gradient with respect to `pred` is there already.
    fn given(
        pred: FloatTensor<Self>,
        value: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

impl LossBackend for Flex {
    fn loss(pred: FloatTensor<Self>, others: Operands<Self>, call: Call) -> FloatTensor<Self> {
        host::run(&call, pred, others, false).0
    }

    fn loss_and_grad(
        pred: FloatTensor<Self>,
        others: Operands<Self>,
        call: Call,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (value, grad) = host::run(&call, pred, others, true);
        (value, grad.expect("a gradient was asked for"))
    }

    fn given(
        _: FloatTensor<Self>,
        value: FloatTensor<Self>,
        _: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        value
    }
}

impl<B: LossBackend, C: CheckpointStrategy> Operands<Autodiff<B, C>> {
    fn inner(self) -> Operands<B> {
        Operands {
            target: match self.target {
                Target::Dense(target) => Target::Dense(target.into_primitive()),
                Target::Classes(classes) => Target::Classes(classes),
            },
            weights: match self.weights {
                Weights::None => Weights::None,
                Weights::Rows(weights) => Weights::Rows(weights.into_primitive()),
                Weights::Elements(weights) => Weights::Elements(weights.into_primitive()),
            },
            groups: match self.groups {
                Groups::None => Groups::None,
                Groups::Rows(ids) => Groups::Rows(ids),
            },
        }
    }
}

impl<B: LossBackend, C: CheckpointStrategy> LossBackend for Autodiff<B, C> {
    fn loss(pred: FloatTensor<Self>, others: Operands<Self>, call: Call) -> FloatTensor<Self> {
        let (pred, guard) = pred.into_parts();
        let others = others.inner();
        // Nothing is recomputed under gradient checkpointing: the gradient is as large as the prediction, which is there anyway.
        match Backward::<B, 1>::prepare::<C>(LossBackward, [guard]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let by = GradIndex::of(&call, &others.groups);
                let (value, grad) = B::loss_and_grad(pred, others, call);
                prep.finish(SavedGrad { grad, by }, value)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::loss(pred, others, call)),
        }
    }

    fn loss_and_grad(
        pred: FloatTensor<Self>,
        others: Operands<Self>,
        call: Call,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (value, grad) = B::loss_and_grad(pred.into_primitive(), others.inner(), call);
        (Self::from_inner(value), Self::from_inner(grad))
    }

    fn given(
        pred: FloatTensor<Self>,
        value: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (_, guard) = pred.into_parts();
        let (value, grad) = (value.into_primitive(), grad.into_primitive());
        match Backward::<B, 1>::prepare::<C>(LossBackward, [guard]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(SavedGrad { grad, by: GradIndex::Batch }, value),
            OpsKind::UnTracked(prep) => prep.finish(value),
        }
    }
}

/// The gradient with respect to the prediction, and what each number of the output gradient is the slope of.
#[derive(Clone, Debug)]
pub(crate) struct SavedGrad<B: Backend> {
    pub(crate) grad: FloatTensor<B>,
    pub(crate) by: GradIndex<B>,
}

#[derive(Clone, Debug)]
pub(crate) enum GradIndex<B: Backend> {
    /// The one value of the batch.
    Batch,
    /// The value of a unit; the units lie one after the other.
    Unit,
    /// The value of a group; here is the group of every row.
    Group(IntTensor<B>),
}

impl<B: Backend> GradIndex<B> {
    fn of(call: &Call, groups: &Groups<B>) -> Self {
        match groups {
            _ if call.reduce != Reduce::Units => Self::Batch,
            Groups::Rows(ids) => Self::Group(ids.clone()),
            Groups::None if call.loss.signature().scope == Scope::Set => Self::Batch,
            Groups::None => Self::Unit,
        }
    }
}

/// The backward step.
#[derive(Debug)]
pub(crate) struct LossBackward;

impl<B: Backend> Backward<B, 1> for LossBackward {
    type State = SavedGrad<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad_output = grads.consume::<B>(&ops.node);
        if let [Some(parent)] = ops.parents {
            grads.register::<B>(parent.id, times::<B>(ops.state, grad_output));
        }
    }
}

/// The gradient with respect to the prediction of whatever `grad_output` is the gradient of.
fn times<B: Backend>(slopes: SavedGrad<B>, grad_output: FloatTensor<B>) -> FloatTensor<B> {
    let SavedGrad { grad, by } = slopes;
    let shape = grad.shape();
    let (count, numbers) = (grad_output.shape().num_elements(), shape.num_elements());
    if numbers == 0 {
        return grad;
    }
    let (rows, grad_output) = match by {
        GradIndex::Batch => (1, grad_output),
        GradIndex::Unit => (count, grad_output),
        GradIndex::Group(ids) => (ids.shape().num_elements(), B::float_select(grad_output, 0, ids)),
    };
    let grad = B::float_reshape(grad, Shape::new([rows, numbers / rows]));
    let grad_output = B::float_reshape(grad_output, Shape::new([rows, 1]));
    B::float_reshape(B::float_mul(grad, grad_output), shape)
}
