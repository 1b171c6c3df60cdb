//! Reductions, weights, classes and the rest mean what they mean in the core.

use burn::nn::loss::Reduction;
use burn::tensor::{DType, Tensor};
use detloss::batch::{Target, Weights};
use detloss::losses::{rows, scores, sets, values};
use detloss::testing::{Tolerance, assert_close};
use detloss_burn::{
    AlrpLossConfig, Batch, BceLoss, FocalLoss, GiouLoss, L2Loss, Loss, SeesawLoss, SoftmaxCeLoss,
};

use crate::{integers, numbers, tensor};

const LOGITS: [f64; 6] = [2.0, -1.0, 0.5, -3.0, 1.5, 0.25];

fn logits() -> Tensor<2> {
    tensor(&LOGITS, [2, 3], DType::F64)
}

/// The value and the gradient that `batch` has here and in the core.
fn agree(
    pred: Tensor<2>,
    batch: impl Fn(Tensor<2>) -> Tensor<1>,
    core: detloss::Result<(f64, Vec<f64>)>,
) {
    let pred = pred.require_grad();
    let value = batch(pred.clone());
    assert_eq!(value.dims(), [1]);
    let (expected, slopes) = core.unwrap();
    assert_ne!(expected, 0.0);
    assert_eq!(numbers(&value), [expected]);
    assert_eq!(numbers(&pred.grad(&value.backward()).unwrap()), slopes);
}

#[test]
fn reductions() {
    let target = tensor(&[0.0; 6], [2, 3], DType::F64);
    let of =
        |reduction| L2Loss::new().forward(logits(), target.clone(), reduction).into_scalar::<f64>();
    let sum: f64 = LOGITS.iter().map(|x| x * x).sum();
    assert_eq!(of(Reduction::Sum), sum);
    assert_eq!(of(Reduction::Mean), sum / 6.0);
    assert_eq!(of(Reduction::Auto), sum / 6.0);
    assert_eq!(of(Reduction::BatchMean), sum / 2.0);
    let units = L2Loss::new().forward_no_reduction(logits(), target);
    assert_eq!(numbers(&units), LOGITS.map(|x| x * x));
}

#[test]
fn class_indices_and_labels() {
    let core = detloss::Batch::new(&LOGITS, Target::Classes(&[0, 3])).columns(3).normalizer(1.5);
    let classes = integers(&[0, 3], [2]);
    agree(
        logits(),
        |pred| Batch::new(pred, classes.clone()).normalizer(1.5).value(&FocalLoss::new()),
        core.value_and_grad(&scores::Focal::default()),
    );
    // With the shape of the scores they are labels, as in Burn's binary cross entropy.
    let labels = integers(&[1, 0, 0, 0, 0, 0], [2, 3]);
    agree(
        logits(),
        |pred| Batch::new(pred, labels.clone()).normalizer(1.5).value(&FocalLoss::new()),
        core.value_and_grad(&scores::Focal::default()),
    );
    let flat = tensor(&[2.0, -1.0], [2], DType::F64);
    let labels = integers(&[1, 0], [2]);
    let loss = BceLoss::new().forward(flat, labels, Reduction::Sum).into_scalar::<f64>();
    let expected = (-2.0_f64).exp().ln_1p() + (-1.0_f64).exp().ln_1p();
    assert_close(loss, expected, Tolerance::LAW, &"binary labels");
}

#[test]
fn class_indices_of_any_width() {
    let classes = integers(&[2, 0], [2]);
    let of = |classes| {
        SoftmaxCeLoss::new().forward(logits(), classes, Reduction::Sum).into_scalar::<f64>()
    };
    let wide = of(classes.clone());
    assert_eq!(of(classes.cast(burn::tensor::IntDType::I32)), wide);
}

#[test]
fn weights() {
    let core = detloss::Batch::new(&LOGITS, Target::Classes(&[0, 3])).columns(3);
    let (by_row, by_element) = ([0.5, 2.0], [1.0, 0.0, 0.5, 0.25, 3.0, 1.0]);
    let classes = integers(&[0, 3], [2]);
    agree(
        logits(),
        |pred| {
            let weights = tensor(&by_row, [2], DType::F64);
            Batch::new(pred, classes.clone())
                .weights(weights)
                .weighted_mean()
                .value(&FocalLoss::new())
        },
        core.weights(Weights::Rows(&by_row))
            .weighted_mean()
            .value_and_grad(&scores::Focal::default()),
    );
    agree(
        logits(),
        |pred| {
            let weights = tensor(&by_element, [2, 3], DType::F64);
            Batch::new(pred, classes.clone()).weights(weights).value(&FocalLoss::new())
        },
        core.weights(Weights::Elements(&by_element)).value_and_grad(&scores::Focal::default()),
    );
    agree(
        logits(),
        |pred| {
            Batch::new(pred, classes.clone())
                .column_weights([1.0, 2.0, 0.5])
                .sum()
                .value(&FocalLoss::new())
        },
        core.column_weights(&[1.0, 2.0, 0.5]).sum().value_and_grad(&scores::Focal::default()),
    );
}

#[test]
fn the_ignored_class() {
    let core =
        detloss::Batch::new(&LOGITS, Target::Classes(&[2, 255])).columns(3).ignore_index(255);
    agree(
        logits(),
        |pred| {
            let classes = integers(&[2, 255], [2]);
            Batch::new(pred, classes).ignore_index(255).weighted_mean().value(&SoftmaxCeLoss::new())
        },
        core.weighted_mean().value_and_grad(&rows::SoftmaxCe::default()),
    );
}

#[test]
fn groups_of_whole_batches() {
    let labels = [1.0, 0.0, 0.0, 1.0, 0.0, 1.0];
    let core = detloss::Batch::new(&LOGITS, &labels).columns(3).groups(&[9, 4]);
    agree(
        logits(),
        |pred| {
            let labels = tensor(&labels, [2, 3], DType::F64);
            Batch::new(pred, labels)
                .groups(integers(&[9, 4], [2]))
                .value(Loss::find("rank_sort").unwrap())
        },
        core.value_and_grad(&sets::RankSort::default()),
    );
}

#[test]
fn rows_of_several_dimensions() {
    let pred = tensor::<4>(&[LOGITS, LOGITS].concat(), [2, 1, 2, 3], DType::F64);
    let classes = integers::<3>(&[0, 1, 2, 0], [2, 1, 2]);
    let units = SoftmaxCeLoss::new().forward_no_reduction(pred, classes);
    let core = [LOGITS, LOGITS].concat();
    let core = detloss::Batch::new(&core, Target::Classes(&[0, 1, 2, 0])).columns(3);
    assert_eq!(numbers(&units), core.values(&rows::SoftmaxCe::default()).unwrap());
}

#[test]
fn what_a_loss_remembers() {
    let loss = SeesawLoss::new();
    let batch = || Batch::new(logits(), integers(&[0, 2], [2]));
    let mut state = batch().initial_state(&loss);
    let steps: Vec<f64> =
        (0..3).map(|_| batch().step(&loss, &mut state).into_scalar::<f64>()).collect();
    let core = detloss::Batch::new(&LOGITS, Target::Classes(&[0, 2])).columns(3);
    let mut expected = core.initial_state(&sets::Seesaw::default());
    for step in steps {
        let mut grad = [0.0; 6];
        let value = core.step_into(&sets::Seesaw::default(), &mut expected, &mut grad).unwrap();
        assert_eq!(step, value);
    }
    assert_eq!(state, expected);
    // A loss of units, by its name and with a modifier.
    for name in ["wiou_v3", "inner(wise_v2(giou, momentum=0.5))"] {
        let (loss, pred, truth) = (
            Loss::find(name).unwrap(),
            [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 5.0, 4.0],
            [0.0, 0.0, 2.0, 1.0, 2.5, 1.5, 5.0, 5.0],
        );
        let batch = || {
            Batch::new(tensor::<2>(&pred, [2, 4], DType::F64), tensor(&truth, [2, 4], DType::F64))
        };
        let mut state = batch().initial_state(&loss);
        let core = detloss::Batch::new(&pred, &truth);
        let mut expected = core.initial_state(loss.as_ref());
        for _ in 0..3 {
            let value = batch().step(&loss, &mut state).into_scalar::<f64>();
            let mut grad = [0.0; 8];
            assert_eq!(value, core.step_into(loss.as_ref(), &mut expected, &mut grad).unwrap());
        }
        assert_eq!(state, expected);
        assert!(state.len() == 1 && state[0] < 1.0, "{name}: {state:?}");
    }
    // Two fields of a prediction are no columns.
    let alrp = AlrpLossConfig::new().init();
    let batch = Batch::new(
        tensor(&[2.0, 0.3, -1.0, 0.0], [2, 2], DType::F64),
        tensor(&[1.0, 0.0], [2], DType::F64),
    );
    let mut state = batch.initial_state(&alrp);
    assert!(batch.step(&alrp, &mut state).into_scalar::<f64>() > 0.0);
}

#[test]
fn nothing_is_worth_nothing() {
    let boxes = Tensor::<2>::empty([0, 4], &crate::device()).require_grad();
    let target = Tensor::<2>::empty([0, 4], &crate::device());
    let loss = GiouLoss::new().forward(boxes.clone(), target.clone(), Reduction::Mean);
    assert_eq!(numbers(&loss), [0.0]);
    assert_eq!(boxes.grad(&loss.backward()).unwrap().dims(), [0, 4]);
    assert_eq!(GiouLoss::new().forward_no_reduction(boxes, target).dims(), [0]);
    let scores = Tensor::<1>::empty([0], &crate::device()).require_grad();
    let loss = Batch::new(scores.clone(), scores.clone().detach()).value(Loss::find("ap").unwrap());
    assert_eq!(numbers(&loss), [0.0]);
    assert_eq!(scores.grad(&loss.backward()).unwrap().dims(), [0]);
}

#[test]
fn every_type_of_number() {
    let target = [1.5, 0.0, 0.0, -3.0, 1.0, 0.0];
    let core = detloss::Batch::new(&LOGITS, &target);
    let (value, slopes) = core.value_and_grad(&values::SmoothL1::default()).unwrap();
    for (dtype, tolerance) in [
        (DType::F64, Tolerance::EXACT),
        (DType::F32, Tolerance::F32),
        (DType::F16, Tolerance::HALF),
        (DType::BF16, Tolerance::HALF),
    ] {
        let pred = tensor(&LOGITS, [2, 3], dtype).require_grad();
        // Of another type than the prediction.
        let target = tensor(&target, [2, 3], DType::F32);
        let loss = Batch::new(pred.clone(), target).value(Loss::find("smooth_l1").unwrap());
        let grad = pred.grad(&loss.clone().backward()).unwrap();
        assert_eq!((loss.dtype(), grad.dtype()), (dtype, dtype));
        assert_close(numbers(&loss)[0], value, tolerance, &format!("value in {dtype:?}"));
        for (got, &slope) in numbers(&grad).into_iter().zip(&slopes) {
            assert_close(got, slope, tolerance, &format!("slope in {dtype:?}"));
        }
    }
}

#[test]
#[should_panic(expected = "giou: the target has shape [4, 2]: give [2, 4] with a prediction of")]
fn targets_of_another_shape() {
    let (pred, target) =
        (tensor(&[0.0; 8], [2, 4], DType::F32), tensor(&[0.0; 8], [4, 2], DType::F32));
    let _ = GiouLoss::new().forward(pred, target, Reduction::Mean);
}

#[test]
#[should_panic(expected = "give a last dimension of 4 (x1, y1, x2, y2)")]
fn boxes_of_three_numbers() {
    let boxes = tensor(&[0.0; 6], [2, 3], DType::F32);
    let _ = GiouLoss::new().forward(boxes.clone(), boxes, Reduction::Mean);
}

#[test]
#[should_panic(
    expected = "number 3 of the target is 255: give a label from 0 to 1, or -1 to leave it out"
)]
fn a_label_that_is_none() {
    let labels = tensor(&[0.0, 1.0, 0.0, 255.0, 0.0, 0.0], [2, 3], DType::F64);
    let _ = FocalLoss::new().forward(logits(), labels, Reduction::Mean);
}

#[test]
#[should_panic(expected = "row 1 has class 7, but there are 3 classes")]
fn a_class_there_is_not() {
    let _ = SoftmaxCeLoss::new().forward(logits(), integers(&[0, 7], [2]), Reduction::Mean);
}

#[test]
#[should_panic(
    expected = "focal: the weight has shape [3]: give [2, 3], one per value, or [2], one per row"
)]
fn weights_of_another_shape() {
    let batch =
        Batch::new(logits(), integers(&[0, 1], [2])).weights(tensor(&[1.0; 3], [3], DType::F64));
    let _ = batch.value(&FocalLoss::new());
}

#[test]
#[should_panic(expected = "the normalizer is 0")]
fn divided_by_nothing() {
    let _ = Batch::new(logits(), integers(&[0, 1], [2])).normalizer(0.0).value(&FocalLoss::new());
}

#[test]
#[should_panic(expected = "ghm_r: the tensor of groups has shape [1]: give [2], one id per row")]
fn too_few_groups() {
    let batch = Batch::new(logits(), logits()).groups(integers(&[0], [1]));
    let _ = batch.value(Loss::find("ghm_r").unwrap());
}
