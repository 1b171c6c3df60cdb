//! Half precision comes in and goes out; the arithmetic is `f32`.

use detloss::batch::Element;
use detloss::testing::{Rows, tested};
use half::{bf16, f16};

use crate::mixed;

fn is_f32_rounded<T: Element + PartialEq + std::fmt::Debug>(
    rows: &Rows,
    name: &str,
    round: fn(f32) -> T,
) {
    let loss = detloss::losses::find(name).unwrap().make();
    let memory = rows.memory::<T>();
    let (mut values, mut grad) =
        (vec![T::default(); rows.len()], vec![T::default(); memory.pred.len()]);
    let (mut wide_values, mut wide_grad) = (vec![0.0; rows.len()], vec![0.0; memory.pred.len()]);
    let batch = memory.batch();
    let widen = |numbers: &[T]| numbers.iter().map(|x| x.to_f64() as f32).collect();
    let mut wide_memory = rows.memory::<f32>();
    (wide_memory.pred, wide_memory.target) = (widen(&memory.pred), widen(&memory.target));
    let wide_batch = wide_memory.batch();
    batch.values_and_grad_into(&loss, None, &mut values, &mut grad).unwrap();
    wide_batch.values_and_grad_into(&loss, None, &mut wide_values, &mut wide_grad).unwrap();
    let narrow = |numbers: &[f32]| numbers.iter().map(|&x| round(x)).collect::<Vec<_>>();
    assert_eq!(values, narrow(&wide_values), "{name}");
    assert_eq!(grad, narrow(&wide_grad), "{name}");
    assert_eq!(
        batch.value(&loss).unwrap(),
        wide_batch.value(&loss).unwrap(),
        "{name}: the sum is not rounded"
    );
}

#[test]
fn f16_is_f32_rounded() {
    for entry in tested() {
        // Rows that f16 can hold: the ugliest would overflow on their way in.
        is_f32_rounded::<f16>(
            &detloss::testing::ordinary(entry, 333, 43),
            entry.name,
            f16::from_f32,
        );
    }
}

#[test]
fn bf16_is_f32_rounded() {
    for entry in tested() {
        is_f32_rounded::<bf16>(
            &detloss::testing::ordinary(entry, 333, 43),
            entry.name,
            bf16::from_f32,
        );
        let ugly = mixed(entry, 99);
        let fits = ugly.pred.iter().chain(&ugly.target).all(|&x| bf16::from_f64(x).is_finite());
        if fits {
            is_f32_rounded::<bf16>(&ugly, entry.name, bf16::from_f32);
        }
    }
}

/// A mixed-precision trainer scales its losses up so that small slopes survive: they must be scaled before they are rounded.
#[test]
fn slopes_are_scaled_before_they_are_rounded() {
    for entry in tested() {
        let rows = detloss::testing::ordinary(entry, 50, 71);
        let (loss, memory) = (entry.make(), rows.memory::<f16>());
        let grad_output = f16::from_f32(1024.0);
        let run = |batch: detloss::Batch<'_, f16>, grad_output: Option<&[f16]>| {
            let (mut values, mut grad) =
                (vec![f16::ZERO; rows.len()], vec![f16::ZERO; memory.pred.len()]);
            batch.values_and_grad_into(&loss, grad_output, &mut values, &mut grad).unwrap();
            grad
        };
        // Powers of two: nothing is rounded but the result, to f16.
        let small = memory.batch().grad_output(2.0_f64.powi(-20));
        let expected = run(memory.batch().grad_output(2.0_f64.powi(-10)), None);
        let got = run(small, Some(&vec![grad_output; rows.len()]));
        assert_eq!(got, expected, "{}", entry.name);
    }
}

/// An epsilon, which is there for parity, makes no slope of two boxes without area: over it, a side is more than `f16` holds.
#[test]
fn an_epsilon_gives_nothing_no_slope() {
    let with_eps =
        tested().iter().filter(|entry| entry.params.iter().any(|param| param.name == "eps"));
    for entry in with_eps.filter(|entry| entry.signature.pred == entry.signature.target) {
        let loss = entry.with(&[("eps", 1e-7)]).unwrap();
        let mut rows = Rows::of(entry);
        let segments = [
            [10.0, 20.0, 50.0, 20.0],
            [10.0, 20.0, 10.0, 60.0],
            [50.0, 20.0, 10.0, 20.0],
            [30.0, 20.0, 70.0, 20.0],
            [30.0, 20.0, 30.0, 20.0],
        ];
        for (pred, target) in segments.iter().flat_map(|pred| segments.map(|target| (pred, target)))
        {
            rows.push("two boxes without area", pred, &target);
        }
        let memory = rows.memory::<f16>();
        let (_, grad) = memory.batch().sum().value_and_grad(&loss).unwrap();
        for (index, slope) in grad.iter().enumerate() {
            let (pred, target) = (rows.pred_of(index / 4), rows.target_of(index / 4));
            // The hull of two segments has an area: its slopes are at most 1 over a side.
            assert!(slope.to_f32().abs() < 1.0, "{}: {pred:?}, {target:?}: {slope}", entry.name);
        }
    }
}

/// The neighbours of a number halfway between two of the narrow ones go different ways, however little they differ from it.
fn rounds_once<T: Element>(round: fn(f32) -> T) {
    for bits in (0..0x7f80_0000_u32).step_by(9_973).chain([
        0x3f80_7fff,
        0x3f80_8000,
        0x3f80_8001,
        0x3f80_0fff,
        0x3f80_1001,
    ]) {
        let wide = f32::from_bits(bits);
        assert_eq!(T::from_f64(wide.into()).to_f64(), round(wide).to_f64(), "{wide:e}");
    }
}

#[test]
fn an_element_takes_the_nearest_number() {
    rounds_once::<f16>(f16::from_f32);
    rounds_once::<bf16>(bf16::from_f32);
}
