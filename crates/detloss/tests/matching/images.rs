//! Images as tensors hold them are matched like images one by one.

use std::sync::atomic::AtomicBool;

use detloss::Error;
use detloss::matching::{ALL, Anchors, AnyMatcher, Array, Entry, Image, Images, Places};

use crate::laws::Given;
use crate::scenes::{Scene, scenes};

/// What a tensor is of, with its shape.
type Tensor = (Vec<usize>, Vec<f64>);

fn array((shape, numbers): &Tensor) -> Array<'_, f64> {
    Array { shape, numbers }
}

/// The tensors of scenes that have the same anchors.
struct Tensors {
    truths: Vec<Tensor>,
    labels: Vec<Vec<i64>>,
    points: Tensor,
    strides: Vec<f64>,
    levels: Vec<usize>,
    boxes: Tensor,
    scores: Tensor,
}

impl Tensors {
    fn new(entry: &Entry, scenes: &[Scene]) -> Self {
        let given: Vec<_> =
            scenes.iter().map(|scene| Given::new(entry, scene, |value| value)).collect();
        let first = &scenes[0];
        let (images, predictions) = (scenes.len(), first.prediction_count());
        let numbers = |of: fn(&Given<f64>) -> &[f64]| given.iter().flat_map(of).copied().collect();
        let truths = |given: &Given<f64>| (vec![given.labels.len(), 4], given.truths.clone());
        Self {
            truths: given.iter().map(truths).collect(),
            labels: given.iter().map(|given| given.labels.clone()).collect(),
            points: (vec![predictions, 2], first.points.clone()),
            strides: first.strides.clone(),
            levels: first.levels.clone(),
            boxes: (vec![images, predictions, 4], numbers(|given| &given.boxes)),
            scores: (vec![images, predictions, first.classes], numbers(|given| &given.scores)),
        }
    }

    fn images(&self) -> Images<'_, f64> {
        Images {
            truths: self.truths.iter().map(array).collect(),
            labels: Some(self.labels.iter().map(Vec::as_slice).collect()),
            anchors: Some(Places::Points(array(&self.points), &self.strides)),
            levels: Some(self.levels.clone()),
            boxes: Some(array(&self.boxes)),
            scores: Some(array(&self.scores)),
            ..Images::default()
        }
    }
}

/// Scenes with predictions: they have the same anchors.
fn batch() -> Vec<Scene> {
    scenes().into_iter().filter(|scene| scene.prediction_count() > 0).collect()
}

#[test]
fn a_batch_is_its_images() {
    let scenes = batch();
    for entry in ALL {
        let (matcher, tensors) = (entry.make(), Tensors::new(entry, &scenes));
        let got = matcher.match_batch(&tensors.images()).unwrap();
        assert_eq!(got.shape, [scenes.len(), scenes[0].prediction_count()]);
        let given = |scene| Given::new(entry, scene, |value| value);
        let expected: Vec<_> = scenes.iter().map(|scene| given(scene).matched(&matcher)).collect();
        let indices = expected.iter().flat_map(|matches| &matches.indices).copied();
        assert_eq!(got.indices, indices.map(i64::from).collect::<Vec<_>>(), "{}", entry.name);
        let scores: Option<Vec<_>> = expected.into_iter().map(|matches| matches.scores).collect();
        assert_eq!(got.scores, scores.map(|scores| scores.concat()), "{}", entry.name);
        // Without images there is nothing.
        let none = Images { truths: Vec::new(), labels: None, ..tensors.images() };
        let empty = [0, scenes[0].prediction_count(), 4];
        let boxes = Some(Array { shape: &empty, numbers: &[] });
        let none = matcher.match_batch(&Images { boxes, scores: boxes, ..none }).unwrap();
        assert_eq!((none.shape, none.indices), ([0, empty[1]], Vec::new()), "{}", entry.name);
    }
}

#[test]
fn boxes_crowds_and_centres_are_handed_on() {
    let scene = &scenes()[5];
    let squares: Vec<f64> =
        (0..scene.prediction_count()).flat_map(|point| scene.anchor(point)).collect();
    let shape = [scene.prediction_count(), 4];
    let crowd: Vec<bool> = (0..scene.truth_count()).map(|truth| truth % 2 == 1).collect();
    let cases = [("max_iou(high=0.3, low=0.2)", Some(&crowd[..])), ("atss", None)];
    for ((name, crowd), centers) in cases.into_iter().zip([true, false]) {
        let matcher: AnyMatcher = name.parse().unwrap();
        let truths = [scene.truth_count(), 4];
        let got = matcher.match_batch(&Images {
            truths: vec![Array { shape: &truths, numbers: &scene.truths }],
            crowd: crowd.map(|crowd| vec![crowd]),
            anchors: Some(Places::Boxes(Array { shape: &shape, numbers: &squares })),
            centers,
            ..Images::default()
        });
        let anchors = Anchors::boxes(&squares).unwrap();
        let image = Image::new(&scene.truths).anchors(&anchors);
        let plain = matcher.match_image(&image).unwrap();
        let image = crowd.map_or(image, |crowd| image.crowd(crowd));
        let image = if centers { image.centers() } else { image };
        let expected = matcher.match_image(&image).unwrap();
        assert_eq!(expected == plain, crowd.is_none());
        let indices: Vec<i64> = expected.indices.iter().map(|&index| index.into()).collect();
        assert_eq!(got.unwrap().indices, indices, "{name}");
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let scenes = batch();
    let matcher: AnyMatcher = "task_aligned".parse().unwrap();
    let tensors = Tensors::new(matcher.entry(), &scenes[..2]);
    let images = tensors.images();
    let error = |images: Images<'_, f64>| matcher.match_batch(&images).unwrap_err().to_string();
    let reshaped = |array: Array<'static, f64>, shape| Array { shape, ..array };
    let none = Array { shape: &[], numbers: &[0.0; 1] };
    let (predictions, set) = (scenes[0].prediction_count(), AtomicBool::new(true));
    for (wrong, message) in [
        (
            Images { truths: vec![reshaped(none, &[4, 1]); 2], ..images.clone() },
            "task_aligned: a tensor of truths has shape [4, 1]: give [truths, 4]".to_owned(),
        ),
        (
            Images { boxes: Some(reshaped(none, &[2, 4])), ..images.clone() },
            format!("predicted boxes has shape [2, 4]: give [2, {predictions}, 4]"),
        ),
        (
            Images { scores: Some(reshaped(none, &[1, 2, 3])), ..images.clone() },
            format!("scores has shape [1, 2, 3]: give [2, {predictions}, classes]"),
        ),
        (
            Images { anchors: Some(Places::Boxes(reshaped(none, &[4, 9]))), ..images.clone() },
            "the tensor of anchors has shape [4, 9]: give [anchors, 4]".to_owned(),
        ),
        (
            Images { anchors: Some(Places::Points(none, &[])), ..images.clone() },
            "the tensor of anchor points has shape []: give [anchors, 2]".to_owned(),
        ),
        (
            Images { labels: Some(vec![&[0]]), ..images.clone() },
            "expected 2 elements in the list of labels, got 1".to_owned(),
        ),
        (Images { anchors: None, ..images.clone() }, "task_aligned needs anchors".to_owned()),
        (Images { boxes: None, ..images.clone() }, "task_aligned needs predicted boxes".to_owned()),
        (Images { cancelled: Some(&set), ..images.clone() }, Error::Cancelled.to_string()),
    ] {
        let error = error(wrong);
        assert!(error.contains(&message), "{error}");
    }
    let hungarian: AnyMatcher = "hungarian".parse().unwrap();
    let flat = Images { boxes: Some(none), ..images };
    let error = hungarian.match_batch(&flat).unwrap_err().to_string();
    assert!(error.ends_with("give [2, predictions, 4]"), "{error}");
}
