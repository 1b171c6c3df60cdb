//! Matching tensors is matching their numbers.

use burn::tensor::{Bool, DType, Int, IntDType, Tensor, TensorData};
use detloss::matching::{ALL, Anchors, AnyMatcher, Image, Matches, Precision};
use detloss::testing::{Array, Pictures};
use detloss_burn::matching::{Images, Places, match_images};

use crate::{device, integers, numbers, tensor};

fn of<const D: usize>(array: &Array<f64>, dtype: DType) -> Tensor<D> {
    tensor(&array.numbers, array.dims.clone().try_into().expect("its dimensions"), dtype)
}

/// Their tensors: those of predictions have a graph.
fn images(pictures: &Pictures, dtype: DType, labels: IntDType) -> Images {
    let classes = |classes: &Array<i64>| integers(&classes.numbers, [classes.dims[0]]).cast(labels);
    let predicted = |array: &Array<f64>| of::<3>(array, dtype).require_grad() * 1.0;
    Images {
        truths: pictures.truths.iter().map(|truths| of(truths, dtype)).collect(),
        labels: Some(pictures.labels.iter().map(classes).collect()),
        anchors: Some(Places::Points(of(&pictures.points, dtype), of(&pictures.strides, dtype))),
        levels: Some(pictures.levels.clone()),
        // Not in order.
        boxes: Some(predicted(&pictures.boxes).swap_dims(0, 2).swap_dims(0, 2)),
        scores: Some(predicted(&pictures.scores)),
        ..Images::default()
    }
}

/// The indices of tensors, row after row.
fn indices(tensor: &Tensor<2, Int>) -> Vec<i64> {
    tensor.to_data().iter().collect()
}

/// Asserts that these images have these matches.
#[track_caller]
fn agree<T: Precision>(
    matcher: &AnyMatcher,
    images: Images,
    expected: &[Matches<T>],
    dtype: DType,
) {
    let got = match_images(matcher, images).expect("matches");
    assert_eq!(got.indices.dims(), [expected.len(), expected[0].indices.len()], "{matcher}");
    let wanted = expected.iter().flat_map(|matches| matches.indices.iter().copied());
    assert_eq!(indices(&got.indices), wanted.map(i64::from).collect::<Vec<_>>(), "{matcher}");
    assert_eq!(got.scores.is_some(), matcher.entry().has_scores);
    if let Some(scores) = got.scores {
        assert_eq!((scores.dtype(), scores.dims()), (dtype, got.indices.dims()));
        assert!(!scores.is_require_grad());
        let wanted = expected.iter().flat_map(|matches| matches.scores.iter().flatten());
        assert!(numbers(&scores).into_iter().eq(wanted.map(|score| score.to_f64())), "{matcher}");
    }
}

#[test]
fn every_matcher_matches_tensors_as_it_matches_numbers() {
    for entry in ALL {
        let (matcher, pictures) = (entry.make(), Pictures::new(entry, 3));
        let expected = pictures.matched::<f32>(&matcher);
        let positives = expected.iter().map(Matches::positives).collect::<Vec<_>>();
        assert!(positives[0] > 0 && positives[1] == 0 && positives[2] > 0, "{matcher}");
        agree(&matcher, images(&pictures, DType::F32, IntDType::I64), &expected, DType::F32);
        let expected = pictures.matched::<f64>(&matcher);
        agree(&matcher, images(&pictures, DType::F64, IntDType::U8), &expected, DType::F64);
    }
}

#[test]
fn crowds_boxes_and_centres_are_handed_on() {
    let matcher: AnyMatcher = "max_iou(high=0.3, low=0.2)".parse().expect("a matcher");
    // Two by their centres, one of them a crowd; the anchors are themselves and what is far away.
    let truths = [8_f32, 8.0, 16.0, 16.0, 40.0, 8.0, 16.0, 16.0];
    let anchors = [0_f32, 0.0, 16.0, 16.0, 32.0, 0.0, 48.0, 16.0, 90.0, 90.0, 99.0, 99.0];
    let floats = |numbers: &[f32], rows: usize| -> Tensor<2> {
        tensor(
            &numbers.iter().map(|&number| number.into()).collect::<Vec<_>>(),
            [rows, 4],
            DType::F32,
        )
    };
    let places = Anchors::boxes(&anchors).expect("boxes");
    for (crowd, wanted) in
        [([false, false], [0, 1, -1]), ([false, true], [0, -2, -1]), ([true, false], [-2, 1, -1])]
    {
        let flags = TensorData::new(crowd.to_vec(), [2]);
        let images = Images {
            truths: vec![floats(&truths, 2)],
            crowd: Some(vec![Tensor::<1, Bool>::from_data(flags, &device())]),
            anchors: Some(Places::Boxes(floats(&anchors, 3))),
            centers: true,
            ..Images::default()
        };
        let image = Image::new(&truths).anchors(&places).crowd(&crowd).centers();
        let expected = matcher.match_image(&image).expect("an image");
        assert_eq!(expected.indices, wanted);
        agree(&matcher, images, &[expected], DType::F32);
    }
}

#[test]
fn half_precision_is_matched_in_single() {
    for entry in ALL {
        let (matcher, pictures) = (entry.make(), Pictures::new(entry, 7));
        let half = images(&pictures, DType::BF16, IntDType::I32);
        let widened = Images {
            boxes: half.boxes.clone().map(|boxes| boxes.cast(DType::F32)),
            scores: half.scores.clone().map(|scores| scores.cast(DType::F32)),
            ..half.clone()
        };
        let [got, expected] =
            [half, widened].map(|images| match_images(&matcher, images).expect("matches"));
        assert_eq!(indices(&got.indices), indices(&expected.indices), "{matcher}");
        assert!(got.scores.is_none_or(|scores| scores.dtype() == DType::F32));
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let matcher: AnyMatcher = "task_aligned".parse().expect("a matcher");
    let whole = images(&Pictures::new(matcher.entry(), 3), DType::F32, IntDType::I64);
    let turned = whole.boxes.clone().map(|boxes| boxes.swap_dims(1, 2));
    for (wrong, says) in [
        (Images { anchors: None, ..whole.clone() }, "task_aligned needs anchors: give them"),
        (Images { boxes: turned, ..whole.clone() }, "has shape [3, 4, 180]: give [3, 180, 4]"),
        (Images { truths: whole.truths[..2].to_vec(), ..whole }, "give [2, 180, 4]"),
    ] {
        let error = match_images(&matcher, wrong).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
