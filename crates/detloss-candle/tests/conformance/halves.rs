//! Half precision comes in and goes out; between them, all is f32.

use candle_core::{DType, Result, WithDType};
use detloss::batch::Element;
use detloss::losses::ALL;
use detloss::testing::{Tolerance, assert_close, ordinary};
use detloss_candle::{Backend, Options, Reduction, loss};
use half::{bf16, f16};

use crate::{Tensors, is_replayed, numbers, slopes, wide};

fn check<T: Element + WithDType>() -> Result<()> {
    for entry in ALL {
        let (rows, kind) = (ordinary(entry, 50, 13), entry.make());
        let memory = rows.memory::<T>();
        let mut values = vec![T::default(); rows.len()];
        let mut grad = vec![T::default(); memory.pred.len()];
        memory.batch().values_and_grad_into(&kind, None, &mut values, &mut grad).unwrap();
        let tensors = Tensors::new(entry, &rows, T::DTYPE)?;
        for backend in [Backend::Fused, Backend::Decomposed] {
            if backend == Backend::Decomposed && !is_replayed(entry) {
                continue;
            }
            let tolerance =
                if backend == Backend::Fused { Tolerance::EXACT } else { Tolerance::HALF };
            let got = loss(&tensors.pred, &tensors.target, &kind, &tensors.each(backend))?;
            assert_eq!(got.dtype(), T::DTYPE, "{}", entry.name);
            for (got, expected) in numbers(&got)?.into_iter().zip(wide(&values)) {
                assert_close(got, expected, tolerance, &entry.name);
            }
            for (got, expected) in slopes(&got, &tensors.pred)?.into_iter().zip(wide(&grad)) {
                assert_close(got, expected, tolerance, &entry.name);
            }
        }
    }
    Ok(())
}

#[test]
fn f16_is_that_of_the_core() -> Result<()> {
    check::<f16>()
}

#[test]
fn bf16_is_that_of_the_core() -> Result<()> {
    check::<bf16>()
}

/// What a gradient scaler is for: these slopes are below the smallest f16, those of the scaled loss are not.
#[test]
fn a_scaled_loss_keeps_its_small_slopes() -> Result<()> {
    const NORMALIZER: f64 = 1e7;
    const SCALE: f64 = 8192.0;
    for entry in ALL {
        let (rows, kind) = (ordinary(entry, 20, 13), entry.make());
        let memory = rows.memory::<f16>();
        let (_, expected) =
            memory.batch().normalizer(NORMALIZER / SCALE).value_and_grad(&kind).unwrap();
        let tensors = Tensors::new(entry, &rows, DType::F16)?;
        for backend in [Backend::Fused, Backend::Decomposed] {
            if backend == Backend::Decomposed && !is_replayed(entry) {
                continue;
            }
            let reduction = Reduction::Normalizer(NORMALIZER);
            let options = Options { reduction, ..tensors.each(backend) };
            let value = loss(&tensors.pred, &tensors.target, &kind, &options)?;
            let scaled = slopes(&(value * SCALE)?, &tensors.pred)?;
            for (got, expected) in scaled.into_iter().zip(wide(&expected)) {
                assert_close(got, expected, Tolerance::HALF, &entry.name);
            }
        }
    }
    Ok(())
}
