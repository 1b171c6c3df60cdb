//! Matching: which prediction is to find which truth, by the matchers of [`detloss::matching`].
//!
//! ```
//! use candle_core::{Device, Result, Tensor};
//! use detloss::matching::AnyMatcher;
//! use detloss_candle::matching::{Images, Places, match_images};
//!
//! # fn main() -> Result<()> {
//! let anchors = Tensor::new(&[[0f32, 0., 8., 8.], [8., 0., 16., 8.]], &Device::Cpu)?;
//! let truths = Tensor::new(&[[1f32, 0., 9., 8.]], &Device::Cpu)?;
//! let max_iou: AnyMatcher = "max_iou(high=0.6)".parse().expect("a matcher");
//! let images = Images { truths: vec![truths], anchors: Some(Places::Boxes(anchors)), ..Images::default() };
//! let matches = match_images(&max_iou, &images)?;
//! assert_eq!(matches.indices.to_vec2::<i64>()?, [[0, -1]]);
//! # Ok(())
//! # }
//! ```

use candle_core::{DType, Device, Error, Layout, Result, StorageRef, Tensor, WithDType, bail};
use detloss::matching::{self, AnyMatcher, Array, Precision};

use crate::host::{on_host, slice};

/// Images of one call, with as many predictions each, on any devices.
///
/// They are matched in F32, or in F64 if a tensor is of F64.
#[derive(Clone, Debug, Default)]
pub struct Images {
    /// The boxes to find, of shape (truths, 4) for every image, or as wide as what the matcher's overlap compares.
    pub truths: Vec<Tensor>,
    /// The class of every truth of every image: integers.
    pub labels: Option<Vec<Tensor>>,
    /// Which truths of every image are crowds: integers, of which 0 says no.
    pub crowd: Option<Vec<Tensor>>,
    /// The anchors, the same for all images; a prediction stands for each.
    pub anchors: Option<Places>,
    /// How many anchors each level has, in their order.
    pub levels: Option<Vec<usize>>,
    /// The box of every prediction, of shape (images, predictions, 4), or as wide as a truth.
    pub boxes: Option<Tensor>,
    /// The scores of every prediction, of shape (images, predictions, classes).
    pub scores: Option<Tensor>,
    /// Whether truths and predicted boxes are cx, cy, w, h, and not corners.
    pub centers: bool,
}

/// Where the anchors are.
#[derive(Clone, Debug)]
pub enum Places {
    /// Boxes, of shape (predictions, 4).
    Boxes(Tensor),
    /// Points, of shape (predictions, 2), and their strides, of shape (predictions).
    Points(Tensor, Tensor),
}

/// For every prediction of every image, the truth that it is to find: constants, on the device of the predicted boxes, or else of the
/// anchors.
#[derive(Clone, Debug)]
pub struct Matches {
    /// Of I64 and shape (images, predictions): the index of the truth in its image, [`BACKGROUND`](matching::BACKGROUND) or
    /// [`IGNORED`](matching::IGNORED).
    pub indices: Tensor,
    /// Of the same shape, how much a prediction is to find its truth, from 0 to 1: the label of its class. Only from matchers with soft
    /// scores, and 0 for what has no truth.
    pub scores: Option<Tensor>,
}

/// The matches of images, which are matched in the memory of the host: tensors of other devices are copied there, and the matches back.
///
/// # Errors
///
/// If something is missing that the matcher needs, does not fit, or is not finite. The message names the remedy.
pub fn match_images(matcher: &AnyMatcher, images: &Images) -> Result<Matches> {
    let places: &[&Tensor] = match &images.anchors {
        None => &[],
        Some(Places::Boxes(boxes)) => &[boxes],
        Some(Places::Points(points, strides)) => &[points, strides],
    };
    let predicted = images.boxes.iter().chain(&images.scores);
    let mut floats = predicted.chain(places.iter().copied()).chain(&images.truths);
    if floats.any(|tensor| tensor.dtype() == DType::F64) {
        match_as::<f64>(matcher, images, places)
    } else {
        match_as::<f32>(matcher, images, places)
    }
}

fn match_as<T: Precision + WithDType>(
    matcher: &AnyMatcher,
    images: &Images,
    places: &[&Tensor],
) -> Result<Matches> {
    let floats = |tensors: &[&Tensor]| -> Result<Vec<Tensor>> {
        tensors.iter().map(|tensor| on_host(tensor, T::DTYPE)).collect()
    };
    let truths = floats(&images.truths.iter().collect::<Vec<_>>())?;
    let boxes = floats(images.boxes.as_ref().as_slice())?;
    let scores = floats(images.scores.as_ref().as_slice())?;
    let on_host = floats(places)?;
    let labels = images.labels.as_deref().map(integers).transpose()?;
    let crowd = images.crowd.as_deref().map(integers).transpose()?;

    let [truths, boxes, scores, on_host] =
        [&truths, &boxes, &scores, &on_host].map(|all| held(all));
    let labels = labels.as_deref().map(held);
    let crowd = crowd.as_deref().map(|all| all.iter().map(flags).collect::<Result<Vec<_>>>());
    let crowd = crowd.transpose()?;
    let (boxes, scores) = (arrays(&boxes)?.pop(), arrays(&scores)?.pop());
    let batch = matching::Images::<T> {
        truths: arrays(&truths)?,
        labels: labels.as_deref().map(|all| all.iter().map(slice).collect()).transpose()?,
        crowd: crowd.as_ref().map(|all| all.iter().map(Vec::as_slice).collect()),
        anchors: match *arrays(&on_host)? {
            [] => None,
            [boxes] => Some(matching::Places::Boxes(boxes)),
            [points, strides, ..] => Some(matching::Places::Points(points, strides.numbers)),
        },
        levels: images.levels.clone(),
        boxes,
        scores,
        centers: images.centers,
        cancelled: None,
    };
    let matches = matcher.match_batch(&batch).map_err(Error::wrap)?;
    let device = images.boxes.iter().chain(places.iter().copied()).next();
    let device = device.map_or(&Device::Cpu, Tensor::device);
    let scores = matches.scores.map(|scores| Tensor::from_vec(scores, &matches.shape, device));
    let indices = Tensor::from_vec(matches.indices, &matches.shape, device)?;
    Ok(Matches { indices, scores: scores.transpose()? })
}

/// A tensor in the memory of the host, lent.
pub(crate) type Held<'t> = (StorageRef<'t>, &'t Layout);

pub(crate) fn held(tensors: &[Tensor]) -> Vec<Held<'_>> {
    tensors.iter().map(Tensor::storage_and_layout).collect()
}

pub(crate) fn arrays<'t, T: WithDType>(tensors: &'t [Held<'_>]) -> Result<Vec<Array<'t, T>>> {
    tensors.iter().map(array).collect()
}

pub(crate) fn array<'t, T: WithDType>(held: &'t Held<'_>) -> Result<Array<'t, T>> {
    Ok(Array { shape: held.1.dims(), numbers: slice(held)? })
}

/// Integers of any width.
pub(crate) fn integers(tensors: &[Tensor]) -> Result<Vec<Tensor>> {
    let one = |tensor: &Tensor| match tensor.dtype() {
        dtype if !dtype.is_int() => bail!(
            "labels and crowds are of integers, such as U32 or I64, not of {dtype:?}: convert them with to_dtype"
        ),
        _ => on_host(tensor, DType::I64),
    };
    tensors.iter().map(one).collect()
}

fn flags(tensor: &Tensor) -> Result<Vec<bool>> {
    Ok(tensor.flatten_all()?.to_vec1::<i64>()?.into_iter().map(|flag| flag != 0).collect())
}
