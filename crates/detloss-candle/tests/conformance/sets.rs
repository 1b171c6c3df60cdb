//! Losses of whole batches, replayed.

use candle_core::{DType, Device, Result, Tensor, Var, WithDType};
use detloss::batch::Element;
use detloss::losses::{ALL, Entry};
use detloss::testing::{Tolerance, assert_close, ordinary};
use detloss_candle::{Backend, Options, Reduction, loss};
use half::{bf16, f16};

use crate::{Tensors, is_replayed_whole, numbers, slopes, wide};

fn replayed() -> impl Iterator<Item = &'static Entry> {
    ALL.iter().filter(|entry| is_replayed_whole(entry))
}

fn decomposed() -> Options {
    Options { backend: Backend::Decomposed, ..Options::default() }
}

fn check_half<T: Element + WithDType>() -> Result<()> {
    for entry in replayed() {
        let (rows, kind) = (ordinary(entry, 50, 13), entry.make());
        let memory = rows.memory::<T>();
        let batch = detloss::Batch::new(&memory.pred, &memory.target).columns(rows.columns);
        let (expected, expected_slopes) = batch.sum().value_and_grad(&kind).unwrap();
        let tensors = Tensors::new(entry, &rows, T::DTYPE)?;
        let value = loss(&tensors.pred, &tensors.target, &kind, &decomposed())?;
        assert_eq!(value.dtype(), T::DTYPE, "{}", entry.name);
        assert_close(numbers(&value)?[0], expected, Tolerance::HALF, &entry.name);
        let slopes = slopes(&value, &tensors.pred)?;
        for (got, expected) in slopes.into_iter().zip(wide(&expected_slopes)) {
            assert_close(got, expected, Tolerance::HALF, &entry.name);
        }
    }
    Ok(())
}

#[test]
fn a_replayed_set_of_f16_is_that_of_the_core() -> Result<()> {
    check_half::<f16>()
}

#[test]
fn a_replayed_set_of_bf16_is_that_of_the_core() -> Result<()> {
    check_half::<bf16>()
}

/// A batch of four rows, of two columns each if a row is a prediction or may have several, as predictions and a target that fits.
fn four_rows(entry: &Entry) -> Result<(Tensor, Tensor)> {
    let pred = Tensor::new(&[[0.5_f32, -1.0], [2.0, 0.25], [-0.5, 1.5], [1.0, 0.0]], &Device::Cpu)?;
    let target = match entry.signature.pred.is_row() {
        true => Tensor::new(&[0_f32, 1.0, 1.0, 0.0], &Device::Cpu)?,
        false => Tensor::new(&[[1_f32, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 0.0]], &Device::Cpu)?,
    };
    Ok((pred, target))
}

/// The same with another first number.
fn with_first(tensor: &Tensor, first: f32) -> Result<Tensor> {
    let mut all = tensor.flatten_all()?.to_vec1::<f32>()?;
    all[0] = first;
    Tensor::from_vec(all, tensor.shape(), &Device::Cpu)
}

/// The host refuses them; where nobody waits for the device, the loss is NaN.
#[test]
fn a_target_or_a_weight_that_is_none_is_not_computed_with() -> Result<()> {
    for entry in replayed() {
        let ((pred, target), kind) = (four_rows(entry)?, entry.make());
        let run = |target: &Tensor, weights: Option<Tensor>, backend| {
            let options = Options { weights, backend, ..Options::default() };
            loss(&pred, target, &kind, &options).and_then(|value| value.to_scalar::<f32>())
        };
        let is_none = |target: &Tensor, weights: Option<Tensor>, what: &str| -> Result<()> {
            assert!(
                run(target, weights.clone(), Backend::Fused).is_err(),
                "{}: {what}",
                entry.name
            );
            let value = run(target, weights, Backend::Decomposed)?;
            assert!(value.is_nan(), "{}: {what}: {value}", entry.name);
            Ok(())
        };
        if entry.signature.target.is_label() {
            for bad in [255.0, -0.5, f32::INFINITY, f32::NAN] {
                let target = with_first(&target, bad)?;
                let value = run(&target, None, Backend::Decomposed)?;
                assert!(value.is_nan(), "{}: {bad}: {value}", entry.name);
            }
            for bad in [-1_i64, 3] {
                is_none(&Tensor::new(&[bad, 0, 1, 1], &Device::Cpu)?, None, "a class")?;
            }
        }
        for bad in [0.5_f32, -1.0, f32::NAN] {
            let weights = Tensor::new(&[1.0, bad, 0.0, 1.0], &Device::Cpu)?;
            is_none(&target, Some(weights), "a weight")?;
        }
    }
    Ok(())
}

/// Whatever is predicted there, by weight, by label or by class.
#[test]
fn what_is_left_out_costs_nothing() -> Result<()> {
    for entry in replayed() {
        let ((pred, target), kind) = (four_rows(entry)?, entry.make());
        let weights = Some(Tensor::new(&[0_f32, 1.0, 1.0, 1.0], &Device::Cpu)?);
        let mut ways = vec![(target.clone(), Options { weights, ..decomposed() })];
        if entry.signature.target.can_be_left_out() {
            ways.push((with_first(&target, -1.0)?, decomposed()));
            let classes = Tensor::new(&[9_i64, 0, 1, 1], &Device::Cpu)?;
            ways.push((classes, Options { ignore_index: Some(9), ..decomposed() }));
        }
        for (target, options) in ways {
            let run = |left_out: f32| {
                let pred = Var::from_tensor(&with_first(&pred, left_out)?)?;
                let value = loss(&pred, &target, &kind, &options)?;
                Ok::<_, candle_core::Error>((numbers(&value)?, slopes(&value, &pred)?))
            };
            let (value, grad) = run(0.0)?;
            assert!(value[0].is_finite() && grad[0] == 0.0, "{}: {value:?}", entry.name);
            for any in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 40.0] {
                assert_eq!(run(any)?, (value.clone(), grad.clone()), "{}: {any}", entry.name);
            }
        }
    }
    Ok(())
}

#[test]
fn nan_in_a_prediction_is_nan() -> Result<()> {
    for entry in replayed() {
        let (pred, target) = four_rows(entry)?;
        let value = loss(&with_first(&pred, f32::NAN)?, &target, &entry.make(), &decomposed())?;
        assert!(numbers(&value)?[0].is_nan(), "{}", entry.name);
    }
    Ok(())
}

/// Of one batch there is one value.
#[test]
fn a_whole_batch_has_one_value() -> Result<()> {
    for entry in replayed() {
        let (pred, target) = four_rows(entry)?;
        let options = Options { reduction: Reduction::None, ..decomposed() };
        let value = loss(&pred, &target, &entry.make(), &options)?;
        assert_eq!((value.dims(), value.dtype()), (&[1][..], DType::F32), "{}", entry.name);
    }
    Ok(())
}
