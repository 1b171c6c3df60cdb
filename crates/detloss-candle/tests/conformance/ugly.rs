//! NaN stays in its row, on both backends. (Finite rows, however ugly, are part of what `backends` checks.)

use candle_core::{DType, Result};
use detloss::loss::Scope;
use detloss::losses::ALL;
use detloss::testing::ordinary;
use detloss_candle::{Backend, loss};

use crate::{Tensors, is_replayed, numbers, slopes};

#[test]
fn nan_in_a_prediction_gives_nan_in_its_row_alone() -> Result<()> {
    const ROWS: usize = 7;
    for entry in ALL {
        for backend in [Backend::Fused, Backend::Decomposed] {
            if backend == Backend::Decomposed && !is_replayed(entry) {
                continue;
            }
            let (rows, kind) = (ordinary(entry, ROWS, 3), entry.make());
            let healthy = Tensors::new(entry, &rows, DType::F32)?;
            let expected = loss(&healthy.pred, &healthy.target, &kind, &healthy.each(backend))?;
            let (values, grad) = (numbers(&expected)?, slopes(&expected, &healthy.pred)?);
            for field in 0..rows.width() {
                let (sick, mut sick_rows) = (field % ROWS, rows.clone());
                sick_rows.pred[sick * rows.width() + field] = f64::NAN;
                let tensors = Tensors::new(entry, &sick_rows, DType::F32)?;
                let got = loss(&tensors.pred, &tensors.target, &kind, &tensors.each(backend))?;
                let (got, got_grad) = (numbers(&got)?, slopes(&got, &tensors.pred)?);
                // A loss of whole batches may not read the box of a negative.
                let is_nan = got[sick].is_nan() || entry.signature.scope == Scope::Set;
                assert!(is_nan, "{} on {backend:?}, field {field}: {}", entry.name, got[sick]);
                for unit in (0..ROWS).filter(|&unit| unit != sick) {
                    let of_unit = unit * rows.width()..(unit + 1) * rows.width();
                    assert_eq!(got[unit], values[unit], "{} on {backend:?}", entry.name);
                    assert_eq!(
                        got_grad[of_unit.clone()],
                        grad[of_unit],
                        "{} on {backend:?}",
                        entry.name
                    );
                }
            }
        }
    }
    Ok(())
}
