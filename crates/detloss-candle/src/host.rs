//! The backend over the host: one pass of the core for value and gradient.

use std::collections::BTreeSet;

use candle_core::{
    DType, Device, Error, Layout, Result, Storage, StorageRef, Tensor, WithDType, bail,
};
use detloss::batch::{Element, Kernel, Target};
use detloss::loss::Scope;

use crate::call::{Call, Outcome};
use crate::options::Reduction;

/// The loss of a call; its state, if any, is brought up to date.
pub(crate) fn run(
    call: &Call<'_>,
    loss: &(impl Kernel + ?Sized),
    state: Option<&mut Vec<f64>>,
) -> Result<Outcome> {
    match call.pred.dtype() {
        DType::F64 => compute::<f64>(call, loss, state),
        _ => compute::<f32>(call, loss, state),
    }
}

fn compute<T: Element + WithDType>(
    call: &Call<'_>,
    loss: &(impl Kernel + ?Sized),
    state: Option<&mut Vec<f64>>,
) -> Result<Outcome> {
    let floats = |tensor: &Tensor| on_host(tensor, T::DTYPE);
    let integers = |tensor: &Tensor| on_host(tensor, DType::I64);
    let pred = floats(&call.pred)?;
    let target =
        if call.shapes.class_indices { integers(&call.target)? } else { floats(&call.target)? };
    let weights = call.weights.as_ref().map(floats).transpose()?;
    let column_weights = call.column_weights.as_ref().map(floats).transpose()?;
    let groups = call.groups.as_ref().map(integers).transpose()?;
    let (pred, target) = (pred.storage_and_layout(), target.storage_and_layout());
    let weights = weights.as_ref().map(Tensor::storage_and_layout);
    let column_weights = column_weights.as_ref().map(Tensor::storage_and_layout);
    let groups = groups.as_ref().map(Tensor::storage_and_layout);

    let groups = groups.as_ref().map(slice::<i64>).transpose()?;
    let target = if call.shapes.class_indices {
        Target::Classes(slice(&target)?)
    } else {
        Target::Dense(slice(&target)?)
    };
    let batch = call.batch::<T>(
        slice(&pred)?,
        target,
        weights.as_ref().map(slice).transpose()?,
        column_weights.as_ref().map(slice).transpose()?,
        groups,
    );

    let (device, wants_gradient) = (call.pred.device(), call.wants_gradient());
    let numbers = call.pred.elem_count();
    let mut grad = vec![T::default(); if wants_gradient || state.is_some() { numbers } else { 0 }];
    let (value, value_of_row) = if call.options.reduction == Reduction::None {
        let (dims, value_of_row) = values(call, groups);
        let mut values = vec![T::default(); dims.iter().product()];
        let written = if wants_gradient {
            batch.values_and_grad_into(loss, None, &mut values, &mut grad)
        } else {
            batch.values_into(loss, &mut values)
        };
        written.map_err(Error::wrap)?;
        (Tensor::from_vec(values, dims, device)?, value_of_row)
    } else {
        let value = if let Some(state) = state {
            if state.is_empty() {
                *state = batch.initial_state(loss);
            }
            batch.step_into(loss, state, &mut grad)
        } else if wants_gradient {
            batch.value_and_grad_into(loss, &mut grad)
        } else {
            batch.value(loss)
        };
        (Tensor::new(<T as WithDType>::from_f64(value.map_err(Error::wrap)?), device)?, None)
    };
    let grad = wants_gradient.then(|| Tensor::from_vec(grad, call.pred.shape(), device));
    let value_of_row = value_of_row.map(|indices: Vec<u32>| Tensor::new(indices, device));
    let (grad, value_of_row) = (grad.transpose()?, value_of_row.transpose()?);
    Ok(Outcome { value, grad, value_of_row })
}

/// A tensor in order in the memory of the host: itself, if it is.
pub(crate) fn on_host(tensor: &Tensor, dtype: DType) -> Result<Tensor> {
    tensor.detach().to_device(&Device::Cpu)?.to_dtype(dtype)?.contiguous()
}

/// The numbers of a tensor that is [`on_host`].
pub(crate) fn slice<'t, T: WithDType>(
    (storage, layout): &'t (StorageRef<'_>, &Layout),
) -> Result<&'t [T]> {
    match (&**storage, layout.contiguous_offsets()) {
        (Storage::Cpu(memory), Some((start, end))) => Ok(&memory.as_slice::<T>()?[start..end]),
        _ => bail!("the tensor does not lie in order in the memory of the host"),
    }
}

/// The shape of the values without a reduction, and for groups which of them each row belongs to.
fn values(call: &Call<'_>, groups: Option<&[i64]>) -> (Vec<usize>, Option<Vec<u32>>) {
    if call.signature.scope != Scope::Set {
        return (call.shapes.units.clone(), None);
    }
    let Some(groups) = groups else {
        return (vec![call.shapes.unit_count().min(1)], None);
    };
    let ids: Vec<i64> = groups.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let place = |id: &i64| ids.partition_point(|other| other < id) as u32;
    (vec![ids.len()], Some(groups.iter().map(place).collect()))
}
