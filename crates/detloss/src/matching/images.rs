//! Images of one call as tensors hold them: what front-ends hand over.

use std::sync::atomic::AtomicBool;

use super::anchors::Anchors;
use super::any::AnyMatcher;
use super::entry::Precision;
use super::image::{Image, of_length};
use crate::error::{Error, Result};
use crate::parallel::Work;

/// A tensor in the memory of the host.
#[derive(Clone, Copy, Debug)]
pub struct Array<'a, T> {
    /// How long each dimension is.
    pub shape: &'a [usize],
    /// The numbers, row after row: as many as the shape says.
    pub numbers: &'a [T],
}

/// Where the anchors are, the same for all images.
#[derive(Clone, Copy, Debug)]
pub enum Places<'a, T> {
    /// Boxes, of shape (predictions, 4).
    Boxes(Array<'a, T>),
    /// Points, of shape (predictions, 2), and the stride of each.
    Points(Array<'a, T>, &'a [T]),
}

/// Images of one call, with as many predictions each: many an [`Image`], as tensors hold them.
///
/// ```
/// use detloss::matching::{AnyMatcher, Array, Images, Places};
///
/// let anchors = [0.0_f32, 0.0, 8.0, 8.0, 8.0, 0.0, 16.0, 8.0];
/// let truths = [1.0, 0.0, 9.0, 8.0];
/// let images = Images {
///     truths: vec![Array { shape: &[1, 4], numbers: &truths }, Array { shape: &[0, 4], numbers: &[] }],
///     anchors: Some(Places::Boxes(Array { shape: &[2, 4], numbers: &anchors })),
///     ..Images::default()
/// };
/// let matches = "max_iou(high=0.6)".parse::<AnyMatcher>()?.match_batch(&images)?;
/// assert_eq!((matches.shape, matches.indices), ([2, 2], vec![0, -1, -1, -1]));
/// # Ok::<(), detloss::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Images<'a, T> {
    /// The boxes to find, of shape (truths, 4) for every image, or as wide as what the matcher's [`Overlap`](super::Overlap) compares. Where
    /// there are none any shape will do.
    pub truths: Vec<Array<'a, T>>,
    /// The class of every truth of every image.
    pub labels: Option<Vec<&'a [i64]>>,
    /// Which truths of every image are crowds.
    pub crowd: Option<Vec<&'a [bool]>>,
    /// The anchors; a prediction stands for each.
    pub anchors: Option<Places<'a, T>>,
    /// How many anchors each level has, in their order.
    pub levels: Option<Vec<usize>>,
    /// The box of every prediction, of shape (images, predictions, 4), or as wide as a truth.
    pub boxes: Option<Array<'a, T>>,
    /// The scores of every prediction, of shape (images, predictions, classes).
    pub scores: Option<Array<'a, T>>,
    /// Whether truths and predicted boxes are cx, cy, w, h, and not corners.
    pub centers: bool,
    /// Ends the call, as in [`Image::cancelled_by`].
    pub cancelled: Option<&'a AtomicBool>,
}

/// The matches of a batch, image after image.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BatchMatches<T> {
    /// How many images there are, and how many predictions each has.
    pub shape: [usize; 2],
    /// The [indices](super::Matches::indices), as tensors have them.
    pub indices: Vec<i64>,
    /// The [scores](super::Matches::scores). Only from matchers with soft scores.
    pub scores: Option<Vec<T>>,
}

impl<T> Default for Images<'_, T> {
    fn default() -> Self {
        Self {
            truths: Vec::new(),
            labels: None,
            crowd: None,
            anchors: None,
            levels: None,
            boxes: None,
            scores: None,
            centers: false,
            cancelled: None,
        }
    }
}

impl AnyMatcher {
    /// The matches of every image of a batch, on all threads of rayon's current pool (with the feature `rayon`). They are those of
    /// [`match_images`](Self::match_images).
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] and [`Error::Length`] for what does not fit the other tensors, [`Error::MissingInput`], and like
    /// [`match_images`](Self::match_images).
    pub fn match_batch<T: Precision>(&self, images: &Images<'_, T>) -> Result<BatchMatches<T>> {
        let anchors = images.anchors.filter(|_| self.entry().inputs.anchors);
        let anchors =
            anchors.map(|places| places.anchors(self.entry().name, images.levels.as_deref()));
        let anchors = anchors.transpose()?;
        let predictions = self.predictions(images, anchors.as_ref())?;
        let matched = self.match_images(&self.images(images, anchors.as_ref(), predictions)?)?;
        let indices = matched.iter().flat_map(|matches| &matches.indices);
        let scores = || matched.iter().flat_map(|matches| matches.scores.iter().flatten());
        Ok(BatchMatches {
            shape: [matched.len(), predictions],
            indices: indices.map(|&index| index.into()).collect(),
            scores: self.entry().has_scores.then(|| scores().copied().collect()),
        })
    }

    /// How many predictions an image has.
    fn predictions<T>(&self, images: &Images<'_, T>, anchors: Option<&Anchors<T>>) -> Result<usize>
    where
        T: Precision,
    {
        let missing = |what| Error::MissingInput { matcher: self.entry().name, what };
        if self.entry().inputs.anchors {
            return anchors.map(Anchors::len).ok_or(missing("anchors"));
        }
        let boxes = images.boxes.ok_or(missing("predicted boxes"))?;
        Ok(boxes.shape.get(1).copied().unwrap_or(0))
    }

    /// The images one by one, of what the matcher needs.
    fn images<'a, T: Precision>(
        &self,
        images: &Images<'a, T>,
        anchors: Option<&'a Anchors<T>>,
        predictions: usize,
    ) -> Result<Vec<Image<'a, T>>> {
        let (inputs, count, width) =
            (self.entry().inputs, images.truths.len(), self.box_fields().len());
        for truths in &images.truths {
            let is_rows = matches!(*truths.shape, [_, last] if last == width);
            if !is_rows && !truths.numbers.is_empty() {
                let wanted = format!("[truths, {width}]");
                return Err(truths.misshapen(self.entry().name, "a tensor of truths", wanted));
            }
        }
        let boxes = images.boxes.filter(|_| inputs.boxes);
        if let Some(boxes) = boxes
            && *boxes.shape != [count, predictions, width]
        {
            let wanted = match anchors {
                Some(_) => format!("[{count}, {predictions}, {width}]"),
                None => format!("[{count}, predictions, {width}]"),
            };
            return Err(boxes.misshapen(
                self.entry().name,
                "the tensor of predicted boxes",
                wanted,
            ));
        }
        let scores = images.scores.filter(|_| inputs.scores.is_some());
        if let Some(scores) = scores
            && !matches!(*scores.shape, [many, rows, _] if [many, rows] == [count, predictions])
        {
            let wanted = format!("[{count}, {predictions}, classes]");
            return Err(scores.misshapen(self.entry().name, "the tensor of scores", wanted));
        }
        let (labels, crowd) = (&images.labels, &images.crowd);
        for (what, lists) in [
            ("the list of labels", labels.as_ref().map(Vec::len)),
            ("the list of crowds", crowd.as_ref().map(Vec::len)),
        ] {
            of_length(what, count, lists.unwrap_or(count))?;
        }
        let one = |(place, truths): (usize, &Array<'a, T>)| {
            let part = |array: Array<'a, T>| {
                let size = array.numbers.len() / count;
                &array.numbers[place * size..][..size]
            };
            Image {
                labels: labels.as_ref().map(|labels| labels[place]),
                crowd: crowd.as_ref().map(|crowd| crowd[place]),
                anchors,
                boxes: boxes.map(part),
                scores: scores.map(part),
                centers: images.centers,
                work: Work { cancelled: images.cancelled, ..Work::ALONE },
                ..Image::new(truths.numbers)
            }
        };
        Ok(images.truths.iter().enumerate().map(one).collect())
    }
}

impl<T: Precision> Places<'_, T> {
    /// The anchors, of so many on each level. `of` is whose they are.
    pub(crate) fn anchors(self, of: &'static str, levels: Option<&[usize]>) -> Result<Anchors<T>> {
        let is_wide = |array: Array<'_, T>, width| {
            matches!(*array.shape, [_, last] if last == width) || array.numbers.is_empty()
        };
        let anchors = match self {
            Places::Boxes(boxes) if is_wide(boxes, 4) => Anchors::boxes(boxes.numbers)?,
            Places::Boxes(boxes) => {
                return Err(boxes.misshapen(of, "the tensor of anchors", "[anchors, 4]".into()));
            }
            Places::Points(points, strides) if is_wide(points, 2) => {
                Anchors::points(points.numbers, strides)?
            }
            Places::Points(points, _) => {
                let (what, wanted) = ("the tensor of anchor points", "[anchors, 2]");
                return Err(points.misshapen(of, what, wanted.into()));
            }
        };
        match levels {
            Some(levels) => anchors.levels(levels),
            None => Ok(anchors),
        }
    }
}

impl<T> Array<'_, T> {
    /// That it has not the shape `of` wants.
    pub(crate) fn misshapen(self, of: &'static str, what: &'static str, wanted: String) -> Error {
        Error::Shape { loss: of, what, got: self.shape.to_vec(), wanted, columns_at: None }
    }
}
