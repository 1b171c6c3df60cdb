//! On a device whose kernels CubeCL makes, losses agree with the core. `cargo xtask wgpu`; a Vulkan driver in software will do.

#![recursion_limit = "512"]

#[path = "on_tensors/mod.rs"]
mod on_tensors;
#[path = "wgpu/sets.rs"]
mod sets;

use std::sync::{Arc, Mutex, MutexGuard, Once};
use std::thread;

use burn::tensor::{DType, Device, DeviceKind, FloatDType, IntDType, Tensor};
use cubecl::logging::{LaunchObservation, LaunchObserver};
use detloss::batch::{Kernel as _, Target, Weights};
use detloss::loss::{Param, Scope};
use detloss::losses::Entry;
use detloss::losses::{ALL, boxes, scores};
use detloss::testing::{
    Tolerance, assert_close, check, check_tensors, count_requests, ordinary, tested,
};
use detloss_burn::{Batch, BceLoss, CiouLoss, FocalLoss, L1Loss, Loss, Threads};
use on_tensors::{OnTensors, numbers};

/// Launches are counted for the whole process, so that the tests take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> Turn {
    Turn(TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
}

struct Turn(#[expect(dead_code, reason = "it is held")] MutexGuard<'static, ()>);

impl Drop for Turn {
    /// Waits for what a test has launched and not read. When the last one has ended so does the process, which takes a driver in
    /// software away from under the threads that are still compiling.
    fn drop(&mut self) {
        let done = Device::wgpu(DeviceKind::DefaultDevice).sync();
        assert!(done.is_ok() || thread::panicking(), "the device failed: {done:?}");
    }
}

/// Tensors of this type on a device where floats are halves unless one says otherwise, as where a model trains in them.
fn on(dtype: DType) -> OnTensors {
    static HALVES: Once = Once::new();
    let mut device = Device::wgpu(DeviceKind::DefaultDevice);
    HALVES.call_once(|| device.configure(FloatDType::F16).expect("nothing is on it yet"));
    OnTensors(device.autodiff(), dtype)
}

/// Formulas by their kernels, losses of rows and masks by tensor operations, and what sorts or has groups over the host.
#[test]
fn every_loss_agrees_with_the_formula() {
    let _turn = turn();
    assert_eq!(check(&on(DType::F32), Tolerance::F32), tested().len());
}

#[test]
fn tensors_of_every_rank_with_every_option_agree_with_the_formula() {
    let _turn = turn();
    let count = check_tensors(&on(DType::F32), Tolerance::F32);
    assert_eq!(count, count_requests(|_| true));
}

#[test]
fn an_ignored_row_may_hold_anything() {
    let _turn = turn();
    let on = on(DType::F32);
    let pred = on.tensor(&[2.0, -1.0, f64::NAN, f64::INFINITY], [2, 2]).require_grad();
    let loss = Batch::new(pred.clone(), on.integers(&[0, 7], [2])).ignore_index(7).sum();
    let value = loss.weights(on.tensor(&[1.0, f64::NAN], [2])).value(&FocalLoss::new());
    let (expected, slopes) = detloss::Batch::new(&[2.0, -1.0], Target::Classes(&[0]))
        .columns(2)
        .sum()
        .value_and_grad(&scores::Focal::default())
        .unwrap();
    assert_close(numbers(&value)[0], expected, Tolerance::F32, &"a row besides");
    let grad = numbers(&pred.grad(&value.backward()).unwrap());
    for (got, slope) in grad.into_iter().zip([slopes[0], slopes[1], 0.0, 0.0]) {
        assert_close(got, slope, Tolerance::F32, &"its gradient");
    }
}

const LOGITS: [f64; 6] = [2.0, -1.0, 0.5, -3.0, 1.5, 0.25];
const BOXES: [f64; 8] = [0.0, 0.0, 2.0, 2.0, 1.0, 1.0, 4.0, 3.0];
const NEAR: [f64; 8] = [0.5, 0.25, 2.25, 1.75, 2.0, 1.5, 4.5, 3.25];

/// The value and the gradient that a batch has here and in the core.
fn agree(what: &str, pred: Tensor<2>, batch: impl Fn(Tensor<2>) -> Tensor<1>, core: Core) {
    let pred = pred.require_grad();
    let value = batch(pred.clone());
    let (expected, slopes) = core.unwrap();
    assert_close(numbers(&value)[0], expected, Tolerance::F32, &what);
    let grad = numbers(&pred.grad(&value.backward()).unwrap());
    assert_eq!(grad.len(), slopes.len());
    for (index, (got, slope)) in grad.into_iter().zip(slopes).enumerate() {
        assert_close(got, slope, Tolerance::F32, &format!("{what}: slope {index}"));
    }
}

type Core = detloss::Result<(f64, Vec<f64>)>;

/// Scores of three classes with class indices; 3 is background.
fn scores_agree(
    what: &str,
    batch: impl Fn(Batch<2>) -> Batch<2>,
    core: impl Fn(detloss::Batch<'static, f64>) -> detloss::Batch<'static, f64>,
) {
    let on = on(DType::F32);
    agree(
        what,
        on.tensor(&LOGITS, [2, 3]),
        |pred| batch(Batch::new(pred, on.integers(&[0, 3], [2]))).value(&FocalLoss::new()),
        core(detloss::Batch::new(&LOGITS, Target::Classes(&[0, 3])).columns(3))
            .value_and_grad(&scores::Focal::default()),
    );
}

#[test]
fn classes_weights_and_reductions_mean_the_same() {
    let _turn = turn();
    let on = on(DType::F32);
    scores_agree("mean", |batch| batch, |core| core);
    scores_agree("sum", |batch| batch.sum(), |core| core.sum());
    scores_agree("by a number", |batch| batch.normalizer(1.5), |core| core.normalizer(1.5));
    scores_agree(
        "weights per row and column",
        |batch| {
            let batch = batch.weights(on.tensor(&[0.5, 2.0], [2])).weighted_mean();
            batch.column_weights([1.0, 2.0, 0.5])
        },
        |core| {
            let core = core.weights(Weights::Rows(&[0.5, 2.0])).weighted_mean();
            core.column_weights(&[1.0, 2.0, 0.5])
        },
    );
    scores_agree(
        "weights per element",
        |batch| batch.weights(on.tensor(&[1.0, 0.0, 0.5, 0.25, 3.0, 1.0], [2, 3])),
        |core| core.weights(Weights::Elements(&[1.0, 0.0, 0.5, 0.25, 3.0, 1.0])),
    );
    scores_agree(
        "an ignored class",
        |batch| batch.ignore_index(3).weighted_mean(),
        |core| core.ignore_index(3).weighted_mean(),
    );
    let ignored = Batch::new(on.tensor(&LOGITS, [2, 3]), on.integers(&[7, 7], [2])).ignore_index(7);
    assert_eq!(numbers(&ignored.weighted_mean().value(&FocalLoss::new())), [0.0]);
}

#[test]
fn boxes_with_weights_and_their_own_slopes() {
    let _turn = turn();
    let on = on(DType::F32);
    let core = |weights| {
        detloss::Batch::new(&NEAR, &BOXES)
            .weights(Weights::Rows(weights))
            .sum()
            .value_and_grad(&boxes::Ciou::default())
    };
    agree(
        "weights per row",
        on.tensor(&NEAR, [2, 4]),
        |pred| {
            let batch = Batch::new(pred, on.tensor(&BOXES, [2, 4]));
            batch.weights(on.tensor(&[0.5, 3.0], [2])).sum().value(&CiouLoss::new())
        },
        core(&[0.5, 3.0]),
    );
    // What the losses of the units are multiplied by multiplies their slopes.
    agree(
        "a slope per unit",
        on.tensor(&NEAR, [2, 4]),
        |pred| {
            let units = Batch::new(pred, on.tensor(&BOXES, [2, 4])).values(&CiouLoss::new());
            (units * on.tensor(&[2.0, -0.25], [2])).sum()
        },
        core(&[2.0, -0.25]),
    );
    // Predictions that no memory holds one after the other.
    agree(
        "columns of something wider",
        on.tensor(&NEAR, [2, 4]),
        |pred| {
            let wide = Tensor::cat(vec![pred.clone(), pred], 1);
            let batch = Batch::new(wide.narrow(1, 4, 4), on.tensor(&BOXES, [2, 4]));
            batch.weights(on.tensor(&[0.5, 3.0], [2])).sum().value(&CiouLoss::new())
        },
        core(&[0.5, 3.0]),
    );
}

#[test]
fn half_precision_is_computed_in_single() {
    let _turn = turn();
    let (half, single) = (on(DType::F16), on(DType::F32));
    let loss = |on: &OnTensors| {
        let pred = on.tensor(&LOGITS, [2, 3]).require_grad();
        let value = Batch::new(pred.clone(), on.integers(&[0, 2], [2])).value(&FocalLoss::new());
        (value.clone(), pred.grad(&value.backward()).unwrap())
    };
    let ((half, slopes), (single, expected)) = (loss(&half), loss(&single));
    assert_eq!((half.dtype(), slopes.dtype()), (DType::F16, DType::F16));
    assert_close(numbers(&half)[0], numbers(&single)[0], Tolerance::HALF, &"focal");
    for (slope, expected) in numbers(&slopes).into_iter().zip(numbers(&expected)) {
        assert_close(slope, expected, Tolerance::HALF, &"slope of focal");
    }
}

#[test]
fn nothing_is_worth_nothing() {
    let _turn = turn();
    let boxes: Tensor<2> = on(DType::F32).tensor(&[], [0, 4]);
    let pred = boxes.clone().require_grad();
    let value = Batch::new(pred.clone(), boxes).value(&CiouLoss::new());
    assert_eq!(numbers(&value), [0.0]);
    assert_eq!(pred.grad(&value.backward()).unwrap().dims(), [0, 4]);
}

/// More units than one dimension of a launch has room for.
#[test]
fn a_batch_of_millions() {
    let _turn = turn();
    const UNITS: usize = 20_000_000;
    let device = on(DType::F32).0.inner();
    let ones = Tensor::<1>::ones([UNITS], (&device, DType::F32));
    let value = Batch::new(ones.clone(), ones * 3.0).values(&L1Loss::new());
    assert_eq!(value.dims(), [UNITS]);
    assert_eq!(value.clone().min().into_scalar::<f32>(), 2.0);
    assert_eq!(value.max().into_scalar::<f32>(), 2.0);
}

#[test]
fn replicas_divide_by_what_they_count_together() {
    let _turn = turn();
    let run = |rows: &[f64], weights: &[f64], replicas: Option<Threads>| {
        let on = on(DType::F32);
        let pred = on.tensor(rows, [rows.len()]).require_grad();
        let batch = Batch::new(pred.clone(), on.tensor(&vec![1.0; rows.len()], [rows.len()]));
        let batch = batch.weights(on.tensor(weights, [rows.len()])).weighted_mean();
        let batch = match replicas {
            Some(replicas) => batch.replicas(replicas),
            None => batch,
        };
        let value = batch.value(&FocalLoss::new());
        (numbers(&value)[0], numbers(&pred.grad(&value.backward()).unwrap()))
    };
    let weights = [1.0, 0.5, 2.0, 0.0, 1.0, 0.25];
    let (value, grad) = run(&LOGITS, &weights, None);
    let run = &run;
    let parts: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = [0..2, 2..6]
            .into_iter()
            .zip(Threads::new(2))
            .map(|(rows, rank)| {
                scope.spawn(move || run(&LOGITS[rows.clone()], &weights[rows], Some(rank)))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let sum: f64 = parts.iter().map(|(value, _)| value).sum();
    assert_close(sum, value, Tolerance::F32, &"the values of both");
    let slopes = parts.into_iter().flat_map(|(_, grad)| grad);
    for (slope, expected) in slopes.zip(grad) {
        assert_close(slope, expected, Tolerance::F32, &"slope");
    }
}

#[test]
#[should_panic(expected = "the normalizer is 0")]
fn what_the_core_refuses_is_refused() {
    let _turn = turn();
    let on = on(DType::F32);
    let batch = Batch::new(on.tensor(&LOGITS, [2, 3]), on.integers(&[0, 1], [2]));
    let _ = batch.normalizer(0.0).value(&FocalLoss::new());
}

#[test]
#[should_panic(expected = "the normalizer is -2")]
fn so_is_what_replicas_say_together() {
    let _turn = turn();
    let on = on(DType::F32);
    let batch = Batch::new(on.tensor(&LOGITS, [2, 3]), on.integers(&[0, 1], [2]));
    let batch = batch.normalizer(-2.0).replicas(Threads::new(1).remove(0));
    let _ = batch.value(&FocalLoss::new());
}

#[test]
#[should_panic(expected = "focal: the target is on ")]
fn a_target_elsewhere_is_refused() {
    let _turn = turn();
    let host = OnTensors(Device::flex(), DType::F32);
    let batch = Batch::new(on(DType::F32).tensor(&LOGITS, [2, 3]), host.integers(&[0, 1], [2]));
    let _ = batch.value(&FocalLoss::new());
}

#[test]
#[should_panic(expected = "focal: the weights are on ")]
fn weights_elsewhere_are_refused() {
    let _turn = turn();
    let (on, host) = (on(DType::F32), OnTensors(Device::flex(), DType::F32));
    let batch = Batch::new(on.tensor(&LOGITS, [2, 3]), on.integers(&[0, 1], [2]));
    let _ = batch.weights(host.tensor(&[1.0, 2.0], [2])).value(&FocalLoss::new());
}

/// The names of the kernels that were launched.
#[derive(Default)]
struct Launched(Mutex<Vec<&'static str>>);

impl LaunchObserver for Launched {
    fn launched(&self, kernel: &'static str) {
        self.0.lock().unwrap().push(kernel);
    }
}

/// The kernels of a mean loss and of its gradient.
fn launches(entry: &Entry) -> (Vec<&'static str>, Vec<&'static str>) {
    let (on, loss, rows) =
        (on(DType::F32), Loss::find(entry.name).unwrap(), ordinary(entry, 64, 1));
    let count = 64 * rows.height.unwrap_or(1);
    let of = |numbers: &[f64]| on.tensor(numbers, [count, numbers.len() / count]);
    let (pred, target): (Tensor<2>, Tensor<2>) = (of(&rows.pred).require_grad(), of(&rows.target));
    // Whatever is under way before the loss is not counted.
    let _ = (pred.to_data(), target.to_data());
    let launched = Arc::new(Launched::default());
    let watching = LaunchObservation::new(launched.clone());
    let value = Batch::new(pred.clone(), target).value(&loss);
    let _ = value.to_data();
    let forward = launched.0.lock().unwrap().split_off(0);
    let _ = pred.grad(&value.backward()).unwrap().to_data();
    drop(watching);
    let backward = launched.0.lock().unwrap().split_off(0);
    (forward, backward)
}

/// One launch of ours, whatever the formula; the sum, the quotient and their slopes are Burn's.
#[test]
fn a_formula_is_one_launch() {
    let _turn = turn();
    let formulas = ALL.iter().filter(|entry| entry.signature.scope == Scope::Unit);
    for entry in formulas {
        let (forward, backward) = launches(entry);
        let ours = |kernels: &[&str]| {
            kernels.iter().filter(|kernel| kernel.starts_with("detloss_burn::")).count()
        };
        assert_eq!((ours(&forward), ours(&backward)), (1, 0), "{}", entry.name);
        assert_eq!(forward.len(), 4, "{} forward: {forward:#?}", entry.name);
        assert_eq!(backward.len(), 4, "{} backward: {backward:#?}", entry.name);
    }
}

fn is_of_rows(entry: &Entry) -> bool {
    entry.make().trace_row(2, false, false).is_some()
}

fn is_of_sets(entry: &Entry) -> bool {
    entry.make().trace_set(false).is_some()
}

/// What tensor operations suffice for stays on the device, and all else is computed by the host.
#[test]
fn what_tensor_operations_do_not_suffice_for_is_no_launch() {
    let _turn = turn();
    let others = ALL.iter().filter(|entry| entry.signature.scope != Scope::Unit);
    for entry in others {
        let (forward, _) = launches(entry);
        let stays = is_of_rows(entry) || is_of_sets(entry);
        assert_eq!(forward.is_empty(), !stays, "{}: {forward:#?}", entry.name);
    }
}

/// Classes with weights, an ignored one whose row holds anything, and a slope for each row.
#[test]
fn rows_of_classes_mean_the_same() {
    let _turn = turn();
    let on = on(DType::F32);
    let logits = [2.0, -1.0, 0.5, f64::NAN, f64::INFINITY, 0.0, -3.0, 1.5, 0.25];
    let finite = logits.map(|logit| if logit.is_finite() { logit } else { 0.0 });
    for entry in of_classes().filter(|entry| is_of_rows(entry)) {
        // Halfway, so that a smoothed row is worth something without a class.
        let halfway = |param: &Param| (param.name, 0.5 * (param.default + param.range.1));
        let params: Vec<_> = entry.params.iter().map(halfway).collect();
        let (core, loss) = (entry.with(&params).unwrap(), Loss::with(entry.name, &params).unwrap());
        let weighted = detloss::Batch::new(&finite, Target::Classes(&[0, 9, 2])).columns(3);
        let weighted = weighted.weights(Weights::Rows(&[0.5, 1.0, 2.0]));
        let weighted = weighted.column_weights(&[1.0, 2.0, 0.5]).ignore_index(9);
        let batch = |pred| {
            let batch = Batch::new(pred, on.integers(&[0, 9, 2], [3])).ignore_index(9);
            batch.weights(on.tensor(&[0.5, f64::NAN, 2.0], [3])).column_weights([1.0, 2.0, 0.5])
        };
        let pred = || on.tensor(&logits, [3, 3]);
        agree(
            entry.name,
            pred(),
            |pred| batch(pred).weighted_mean().value(&loss),
            weighted.weighted_mean().value_and_grad(&core),
        );
        let scales = [3.0, 5.0, -0.5];
        let (mut values, mut grad) = ([0.0; 3], [0.0; 9]);
        weighted.values_and_grad_into(&core, Some(&scales), &mut values, &mut grad).unwrap();
        let sum = values.iter().zip(scales).map(|(value, scale)| value * scale).sum();
        agree(
            entry.name,
            pred(),
            |pred| (batch(pred).values(&loss) * on.tensor(&scales, [3])).sum(),
            Ok((sum, grad.to_vec())),
        );
        // One over the frequency of a class that is absent is such a weight.
        let absent = [1.0, f64::INFINITY, 0.5];
        let core = detloss::Batch::new(&finite, Target::Classes(&[0, 0, 2])).columns(3);
        agree(
            entry.name,
            on.tensor(&finite, [3, 3]),
            |pred| {
                let batch = Batch::new(pred, on.integers(&[0, 0, 2], [3])).column_weights(absent);
                batch.weighted_mean().value(Loss::find(entry.name).unwrap())
            },
            core.column_weights(&absent).weighted_mean().value_and_grad(&entry.make()),
        );
        // Nothing is read back: a class that is none makes its row NaN.
        let unknown = Batch::new(on.tensor(&finite, [3, 3]), on.integers(&[0, 3, 2], [3]));
        let values = numbers(&unknown.values(&loss));
        assert!(values[0].is_finite() && values[2].is_finite(), "{}: {values:?}", entry.name);
        assert!(!values[1].is_finite(), "{}: {values:?}", entry.name);
    }
}

/// Those whose targets may be class indices.
fn of_classes() -> impl Iterator<Item = &'static Entry> {
    let is_here = |entry: &&Entry| entry.signature.scope == Scope::Unit || is_of_rows(entry);
    ALL.iter().filter(|entry| entry.signature.takes().class_indices).filter(is_here)
}

/// Among halves there is no 2049.
#[test]
fn a_class_among_thousands_is_itself() {
    let _turn = turn();
    let on = on(DType::F32);
    let mut logits = [0.0; 2100];
    logits[2049] = 3.0;
    for entry in of_classes() {
        let loss = Loss::find(entry.name).unwrap();
        agree(
            entry.name,
            on.tensor(&logits, [1, 2100]),
            |pred| Batch::new(pred, on.integers(&[2049], [1])).sum().value(&loss),
            detloss::Batch::new(&logits, Target::Classes(&[2049]))
                .columns(2100)
                .sum()
                .value_and_grad(&entry.make()),
        );
    }
}

/// −100 is what others ignore by default.
#[test]
fn no_row_has_a_class_that_its_integers_do_not_have() {
    let _turn = turn();
    let on = on(DType::F32);
    for (dtype, ignored) in [(IntDType::U32, -100), (IntDType::I32, 1 << 32)] {
        for entry in of_classes() {
            let loss = Loss::find(entry.name).unwrap();
            let classes = || on.integers::<1>(&[0, 1], [2]).cast(dtype);
            let batch = || Batch::new(on.tensor(&LOGITS, [2, 3]), classes()).weighted_mean();
            let (all, got) = (batch().value(&loss), batch().ignore_index(ignored).value(&loss));
            assert_eq!(numbers(&got), numbers(&all), "{}: {ignored} of {dtype:?}", entry.name);
        }
    }
}

/// A confident score's loss is less than a device's logarithm can say.
#[test]
fn a_confident_score_keeps_its_digits() {
    let _turn = turn();
    let logits: Vec<f64> = (0..40).map(|index| -2.0 * f64::from(index)).collect();
    let pred: Tensor<1> = on(DType::F32).tensor(&logits, [40]).require_grad();
    let units =
        Batch::new(pred.clone(), on(DType::F32).tensor(&[0.0; 40], [40])).values(&BceLoss::new());
    let grad = pred.grad(&units.clone().sum().backward()).unwrap();
    let tolerance = Tolerance { absolute: 0.0, relative: 2e-5 };
    for (index, &logit) in logits.iter().enumerate() {
        let (value, slope) = (logit.exp().ln_1p(), 1.0 / (1.0 + (-logit).exp()));
        assert_close(numbers(&units)[index], value, tolerance, &format!("softplus of {logit}"));
        assert_close(numbers(&grad)[index], slope, tolerance, &format!("sigmoid of {logit}"));
    }
}
