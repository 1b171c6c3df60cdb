//! Matching: which prediction is to find which truth, by the matchers of [`detloss::matching`].
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use detloss_burn::matching::{Images, Places, match_images};
//!
//! let device = Device::flex();
//! let anchors = Tensor::<2>::from_data([[0.0, 0.0, 8.0, 8.0], [8.0, 0.0, 16.0, 8.0]], &device);
//! let truths = Tensor::<2>::from_data([[1.0, 0.0, 9.0, 8.0]], &device);
//! let images = Images { truths: vec![truths], anchors: Some(Places::Boxes(anchors)), ..Images::default() };
//! let matches = match_images(&"max_iou(high=0.6)".parse()?, images)?;
//! assert_eq!(matches.indices.into_data().iter::<i64>().collect::<Vec<_>>(), [0, -1]);
//! # Ok::<(), detloss::Error>(())
//! ```

use burn::tensor::{Bool, DType, Device, Element, Int, Tensor, TensorData};
use detloss::Result;
use detloss::matching::{self, AnyMatcher, Array, BatchMatches, Precision};

/// Images of one call, with as many predictions each, on any devices.
///
/// They are matched in F32, or in F64 if a tensor is of F64.
#[derive(Clone, Debug, Default)]
pub struct Images {
    /// The boxes to find, of shape \[truths, 4\] for every image, or as wide as what the matcher's overlap compares.
    pub truths: Vec<Tensor<2>>,
    /// The class of every truth of every image.
    pub labels: Option<Vec<Tensor<1, Int>>>,
    /// Which truths of every image are crowds.
    pub crowd: Option<Vec<Tensor<1, Bool>>>,
    /// The anchors, the same for all images; a prediction stands for each.
    pub anchors: Option<Places>,
    /// How many anchors each level has, in their order.
    pub levels: Option<Vec<usize>>,
    /// The box of every prediction, of shape \[images, predictions, 4\], or as wide as a truth.
    pub boxes: Option<Tensor<3>>,
    /// The scores of every prediction, of shape \[images, predictions, classes\].
    pub scores: Option<Tensor<3>>,
    /// Whether truths and predicted boxes are cx, cy, w, h, and not corners.
    pub centers: bool,
}

/// Where the anchors are.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one in a call")]
pub enum Places {
    /// Boxes, of shape \[predictions, 4\].
    Boxes(Tensor<2>),
    /// Other boxes in each image, of shape \[images, predictions, 4\]: proposals, for [criteria](crate::criteria) only.
    BoxesOfImages(Tensor<3>),
    /// Points, of shape \[predictions, 2\], and their strides.
    Points(Tensor<2>, Tensor<1>),
}

/// For every prediction of every image, the truth that it is to find: constants, on the device of the predicted boxes, or else of the
/// anchors.
#[derive(Clone, Debug)]
pub struct Matches {
    /// Of shape \[images, predictions\]: the index of the truth in its image, [`BACKGROUND`](matching::BACKGROUND) or
    /// [`IGNORED`](matching::IGNORED).
    pub indices: Tensor<2, Int>,
    /// Of the same shape, how much a prediction is to find its truth, from 0 to 1: the label of its class. Only from matchers with soft
    /// scores, and 0 for what has no truth.
    pub scores: Option<Tensor<2>>,
}

/// The matches of images, which are matched in the memory of the host: tensors are copied there, and the matches back.
///
/// # Errors
///
/// If something is missing that the matcher needs, does not fit, or is not finite. The message names the remedy.
pub fn match_images(matcher: &AnyMatcher, images: Images) -> Result<Matches> {
    let anchors = match &images.anchors {
        Some(Places::Boxes(boxes)) => Some((boxes.dtype(), boxes.device())),
        Some(Places::BoxesOfImages(boxes)) => Some((boxes.dtype(), boxes.device())),
        Some(Places::Points(points, _)) => Some((points.dtype(), points.device())),
        None => None,
    };
    let [boxes, scores] = [&images.boxes, &images.scores].map(|of| of.as_ref().map(Tensor::dtype));
    let predicted = [boxes, scores, anchors.as_ref().map(|(dtype, _)| *dtype)];
    let mut dtypes = images.truths.iter().map(Tensor::dtype).chain(predicted.into_iter().flatten());
    let device = match (&images.boxes, anchors) {
        (Some(boxes), _) => boxes.device(),
        (None, Some((_, device))) => device,
        (None, None) => Device::flex(),
    };
    if dtypes.any(|dtype| dtype == DType::F64) {
        match_as::<f64>(matcher, images, &device)
    } else {
        match_as::<f32>(matcher, images, &device)
    }
}

fn match_as<T: Precision + Element>(
    matcher: &AnyMatcher,
    images: Images,
    device: &Device,
) -> Result<Matches> {
    let truths: Vec<_> = images.truths.into_iter().map(floats::<T, 2>).collect();
    let integers = |labels: Tensor<1, Int>| labels.into_data().iter().collect::<Vec<i64>>();
    let labels = images.labels.map(|labels| labels.into_iter().map(integers).collect::<Vec<_>>());
    let flags = |crowd: Tensor<1, Bool>| crowd.into_data().iter().collect::<Vec<bool>>();
    let crowd = images.crowd.map(|crowd| crowd.into_iter().map(flags).collect::<Vec<_>>());
    let anchors = images.anchors.map(|places| match places {
        Places::Boxes(boxes) => (floats::<T, 2>(boxes), None),
        // Refused by the core, in its words.
        Places::BoxesOfImages(boxes) => (floats::<T, 3>(boxes), None),
        Places::Points(points, strides) => (floats::<T, 2>(points), Some(floats::<T, 1>(strides))),
    });
    let boxes = images.boxes.map(floats::<T, 3>);
    let scores = images.scores.map(floats::<T, 3>);
    let batch = matching::Images {
        truths: truths.iter().map(array::<T>).collect(),
        labels: labels.as_ref().map(|labels| labels.iter().map(Vec::as_slice).collect()),
        crowd: crowd.as_ref().map(|crowd| crowd.iter().map(Vec::as_slice).collect()),
        anchors: anchors.as_ref().map(|(places, strides)| match strides {
            None => matching::Places::Boxes(array(places)),
            Some(strides) => matching::Places::Points(array(places), array(strides).numbers),
        }),
        levels: images.levels,
        boxes: boxes.as_ref().map(array),
        scores: scores.as_ref().map(array),
        centers: images.centers,
        cancelled: None,
    };
    let BatchMatches { shape, indices, scores, .. } = matcher.match_batch(&batch)?;
    let scores = scores.map(|scores| TensorData::new(scores, shape));
    Ok(Matches {
        indices: Tensor::from_data(TensorData::new(indices, shape), device),
        scores: scores.map(|scores| Tensor::from_data(scores, (device, T::dtype()))),
    })
}

/// The numbers of a tensor in the memory of the host, out of their graph.
fn floats<T: Element, const D: usize>(tensor: Tensor<D>) -> TensorData {
    tensor.without_autodiff().into_data().convert::<T>()
}

fn array<T: Element>(data: &TensorData) -> Array<'_, T> {
    let numbers = data.as_slice().expect("numbers of the type that they were converted to");
    Array { shape: data.shape().as_slice(), numbers }
}
