//! Matching tensors is matching their numbers.

use candle_core::{DType, Device, Result, Tensor, Var};
use detloss::matching::{ALL, Anchors, AnyMatcher, Image, Matches, Precision};
use detloss::testing::{Array, Pictures};
use detloss_candle::matching::{Images, Places, match_images};

fn tensor(array: &Array<f64>, dtype: DType) -> Result<Tensor> {
    Tensor::from_slice(&array.numbers, array.dims.as_slice(), &Device::Cpu)?.to_dtype(dtype)
}

/// Their tensors: of predictions, which have a graph, those of `dtype`.
fn images(pictures: &Pictures, dtype: DType, labels: DType) -> Result<Images> {
    let truths = pictures.truths.iter().map(|truths| tensor(truths, dtype));
    let classes = pictures
        .labels
        .iter()
        .map(|labels| Tensor::from_slice(&labels.numbers, labels.dims.as_slice(), &Device::Cpu));
    let classes = classes.map(|classes| classes?.to_dtype(labels));
    let predicted = |array: &Array<f64>| {
        // Neither in order nor constant.
        let across = tensor(array, dtype)?.transpose(0, 2)?.contiguous()?;
        Var::from_tensor(&across)?.transpose(0, 2)
    };
    Ok(Images {
        truths: truths.collect::<Result<_>>()?,
        labels: Some(classes.collect::<Result<_>>()?),
        anchors: Some(Places::Points(
            tensor(&pictures.points, dtype)?,
            tensor(&pictures.strides, dtype)?,
        )),
        levels: Some(pictures.levels.clone()),
        boxes: Some(predicted(&pictures.boxes)?),
        scores: Some(predicted(&pictures.scores)?),
        ..Images::default()
    })
}

/// Asserts that tensors of `dtype` have these matches.
#[track_caller]
fn agree<T: Precision>(
    matcher: &AnyMatcher,
    images: &Images,
    expected: &[Matches<T>],
    dtype: DType,
) -> Result<()> {
    let got = match_images(matcher, images)?;
    assert_eq!(got.indices.dtype(), DType::I64);
    for (row, expected) in got.indices.to_vec2::<i64>()?.iter().zip(expected) {
        assert!(row.iter().copied().eq(expected.indices.iter().map(|&index| i64::from(index))));
    }
    assert_eq!(got.indices.dims(), [expected.len(), expected[0].indices.len()], "{matcher}");
    assert_eq!(got.scores.is_some(), matcher.entry().has_scores);
    if let Some(scores) = got.scores {
        assert_eq!((scores.dtype(), scores.dims()), (dtype, got.indices.dims()));
        assert!(!scores.track_op());
        let scores = scores.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        let expected = expected.iter().flat_map(|matches| matches.scores.iter().flatten());
        assert!(scores.into_iter().eq(expected.map(|score| score.to_f64())), "{matcher}");
    }
    Ok(())
}

#[test]
fn every_matcher_matches_tensors_as_it_matches_numbers() -> Result<()> {
    for entry in ALL {
        let (matcher, pictures) = (entry.make(), Pictures::new(entry, 3));
        let single = images(&pictures, DType::F32, DType::U32)?;
        let expected = pictures.matched::<f32>(&matcher);
        let positives = expected.iter().map(Matches::positives).collect::<Vec<_>>();
        assert!(positives[0] > 0 && positives[1] == 0 && positives[2] > 0, "{matcher}");
        agree(&matcher, &single, &expected, DType::F32)?;
        let double = images(&pictures, DType::F64, DType::I64)?;
        let expected = pictures.matched::<f64>(&matcher);
        agree(&matcher, &double, &expected, DType::F64)?;
    }
    Ok(())
}

#[test]
fn crowds_boxes_and_centres_are_handed_on() -> Result<()> {
    let matcher: AnyMatcher = "max_iou(high=0.3, low=0.2)".parse().expect("a matcher");
    // Two by their centres, one of them a crowd; the anchors are themselves and what is far away.
    let truths = [8f32, 8., 16., 16., 40., 8., 16., 16.];
    let anchors = [0f32, 0., 16., 16., 32., 0., 48., 16., 90., 90., 99., 99.];
    let images = |crowd: &[u8]| -> Result<Images> {
        Ok(Images {
            truths: vec![Tensor::from_slice(&truths, (2, 4), &Device::Cpu)?],
            crowd: Some(vec![Tensor::from_slice(crowd, 2, &Device::Cpu)?]),
            anchors: Some(Places::Boxes(Tensor::from_slice(&anchors, (3, 4), &Device::Cpu)?)),
            centers: true,
            ..Images::default()
        })
    };
    let places = Anchors::boxes(&anchors).expect("boxes");
    for (crowd, wanted) in [([0, 0], [0, 1, -1]), ([0, 1], [0, -2, -1]), ([9, 0], [-2, 1, -1])] {
        let flags = crowd.map(|flag| flag != 0);
        let image = Image::new(&truths).anchors(&places).crowd(&flags).centers();
        let expected = matcher.match_image(&image).expect("an image");
        assert_eq!(expected.indices, wanted);
        agree(&matcher, &images(&crowd)?, &[expected], DType::F32)?;
    }
    Ok(())
}

#[test]
fn half_precision_is_matched_in_single() -> Result<()> {
    for entry in ALL {
        let (matcher, pictures) = (entry.make(), Pictures::new(entry, 7));
        let half = images(&pictures, DType::BF16, DType::U8)?;
        let widened = Images {
            boxes: half.boxes.as_ref().map(|boxes| boxes.to_dtype(DType::F32)).transpose()?,
            scores: half.scores.as_ref().map(|scores| scores.to_dtype(DType::F32)).transpose()?,
            ..half.clone()
        };
        let (got, expected) = (match_images(&matcher, &half)?, match_images(&matcher, &widened)?);
        assert_eq!(got.indices.to_vec2::<i64>()?, expected.indices.to_vec2::<i64>()?, "{matcher}");
        if let Some(scores) = got.scores {
            assert_eq!(scores.dtype(), DType::F32);
        }
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_named() -> Result<()> {
    let matcher: AnyMatcher = "task_aligned".parse().expect("a matcher");
    let whole = images(&Pictures::new(matcher.entry(), 3), DType::F32, DType::I64)?;
    let flat = whole.boxes.as_ref().map(|boxes| boxes.flatten_to(1)).transpose()?;
    let fractions = vec![Tensor::zeros(3, DType::F32, &Device::Cpu)?; 3];
    for (wrong, says) in [
        (Images { anchors: None, ..whole.clone() }, "task_aligned needs anchors: give them"),
        (Images { boxes: flat, ..whole.clone() }, "has shape [540, 4]: give [3, 180, 4]"),
        (
            Images { labels: Some(fractions), ..whole.clone() },
            "not of F32: convert them with to_dtype",
        ),
        (Images { truths: whole.truths[..2].to_vec(), ..whole }, "give [2, 180, 4]"),
    ] {
        let error = match_images(&matcher, &wrong).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    Ok(())
}
