//! What a matcher is given of one image.

use std::sync::atomic::AtomicBool;

use super::anchors::{Anchors, finite};
use super::tree::Rect;
use crate::error::{Error, Result};
use crate::geometry::{Cxcywh, Xyxy};
use crate::parallel::Work;
use crate::scalar::Compute;

/// One image: its truths, and what answers for them. What a matcher needs of it is its [`Inputs`].
#[derive(Clone, Copy, Debug)]
pub struct Image<'a, T> {
    pub(super) truths: &'a [T],
    pub(super) labels: Option<&'a [i64]>,
    pub(super) crowd: Option<&'a [bool]>,
    pub(super) anchors: Option<&'a Anchors<T>>,
    pub(super) boxes: Option<&'a [T]>,
    pub(super) scores: Option<&'a [T]>,
    pub(super) centers: bool,
    pub(super) work: Work<'a>,
}

/// What a matcher needs of an [`Image`], besides truths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inputs {
    /// Anchors. Else there is a prediction for every predicted box.
    pub anchors: bool,
    /// The box of every prediction.
    pub boxes: bool,
    /// A score of every prediction for every class, and the labels of the truths.
    pub scores: Option<Scores>,
    /// Whether truths may be crowds.
    pub crowd: bool,
}

/// What scores are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scores {
    /// From 0 to 1, after the sigmoid.
    Probabilities,
    /// Before the sigmoid or softmax.
    Logits,
}

impl Inputs {
    /// Truths.
    pub const TRUTHS: Self = Self { anchors: false, boxes: false, scores: None, crowd: false };

    /// Truths and anchors.
    pub const ANCHORS: Self = Self { anchors: true, ..Self::TRUTHS };

    /// And predictions, with these scores.
    #[must_use]
    pub const fn predictions(self, scores: Scores) -> Self {
        Self { boxes: true, scores: Some(scores), ..self }
    }

    /// And truths that are crowds.
    #[must_use]
    pub const fn crowd(self) -> Self {
        Self { crowd: true, ..self }
    }
}

impl<'a, T: Compute> Image<'a, T> {
    /// The boxes to find, row after row: x1, y1, x2, y2, or what the matcher's [`Overlap`](super::Overlap) compares.
    #[must_use]
    pub fn new(truths: &'a (impl AsRef<[T]> + ?Sized)) -> Self {
        let truths = truths.as_ref();
        Self {
            truths,
            labels: None,
            crowd: None,
            anchors: None,
            boxes: None,
            scores: None,
            centers: false,
            work: Work::ALONE,
        }
    }

    /// Says that truths and predicted boxes are cx, cy, w, h, and not corners. Rotated boxes always are by their centres.
    #[must_use]
    pub fn centers(self) -> Self {
        Self { centers: true, ..self }
    }

    /// The class of every truth.
    #[must_use]
    pub fn labels(self, labels: &'a [i64]) -> Self {
        Self { labels: Some(labels), ..self }
    }

    /// Which truths are crowds: what lies in one is left out.
    #[must_use]
    pub fn crowd(self, crowd: &'a [bool]) -> Self {
        Self { crowd: Some(crowd), ..self }
    }

    /// The anchors; a prediction stands for each.
    #[must_use]
    pub fn anchors(self, anchors: &'a Anchors<T>) -> Self {
        Self { anchors: Some(anchors), ..self }
    }

    /// The box of every prediction, in the form of the truths.
    #[must_use]
    pub fn boxes(self, boxes: &'a [T]) -> Self {
        Self { boxes: Some(boxes), ..self }
    }

    /// The scores of every prediction, one for each class.
    #[must_use]
    pub fn scores(self, scores: &'a [T]) -> Self {
        Self { scores: Some(scores), ..self }
    }

    /// Ends the call with [`Error::Cancelled`] soon after another thread sets `flag`, which is to stay set until it has ended.
    #[must_use]
    pub fn cancelled_by(self, flag: &'a AtomicBool) -> Self {
        Self { work: Work { cancelled: Some(flag), ..self.work }, ..self }
    }

    /// Truths and boxes by their corners, if they are by their centres. A box has `width` numbers.
    pub(super) fn corners(&self, width: usize) -> Option<[Vec<T>; 2]> {
        let is_by_center = self.centers && width == 4;
        is_by_center.then(|| [self.truths, self.boxes.unwrap_or_default()].map(to_corners))
    }

    /// What the matcher called `matcher` needs, checked, boxes having `width` numbers. `corners` are [its own](Self::corners).
    pub(super) fn checked<'b>(
        &'b self,
        matcher: &'static str,
        inputs: Inputs,
        width: usize,
        corners: Option<&'b [Vec<T>; 2]>,
    ) -> Result<Scene<'b, T>> {
        let count = rows_of("the truths", self.truths, width)?;
        finite("the truths", self.truths)?;
        let missing = |what| Error::MissingInput { matcher, what };
        let anchors = inputs.anchors.then(|| self.anchors.ok_or(missing("anchors"))).transpose()?;
        let boxes = if inputs.boxes { self.boxes.ok_or(missing("predicted boxes"))? } else { &[] };
        let box_count = rows_of("the predicted boxes", boxes, width)?;
        let predictions = anchors.map_or(box_count, Anchors::len);
        if inputs.boxes {
            of_length("the predicted boxes", predictions * width, boxes.len())?;
        }
        let (mut labels, mut scores, mut classes) = (&[][..], &[][..], 0);
        if inputs.scores.is_some() {
            labels = self.labels.ok_or(missing("labels of the truths"))?;
            of_length("the labels of the truths", count, labels.len())?;
            scores = self.scores.ok_or(missing("scores"))?;
            classes = scores.len().checked_div(predictions).unwrap_or(0);
            of_length("the scores, in rows of classes,", predictions * classes, scores.len())?;
            // Without predictions nobody knows how many classes there are.
            if predictions > 0 {
                check_labels(labels, classes)?;
            }
        }
        if self.crowd.is_some() && !inputs.crowd {
            return Err(Error::NoCrowds { matcher });
        }
        let crowd = self.crowd.unwrap_or_default();
        if self.crowd.is_some() {
            of_length("the crowds", count, crowd.len())?;
        }
        Ok(Scene {
            truths: corners.map_or(self.truths, |[truths, _]| truths),
            labels,
            crowd,
            anchors,
            boxes: corners.filter(|_| inputs.boxes).map_or(boxes, |[_, boxes]| boxes),
            given: corners.map(|_| [self.truths, boxes]),
            scores,
            classes,
            width,
            count,
            predictions,
            work: self.work,
        })
    }
}

/// A checked image.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a, T> {
    truths: &'a [T],
    labels: &'a [i64],
    crowd: &'a [bool],
    anchors: Option<&'a Anchors<T>>,
    boxes: &'a [T],
    /// Truths and boxes by their centres, where they were given so.
    given: Option<[&'a [T]; 2]>,
    scores: &'a [T],
    /// How many scores a prediction has.
    pub(super) classes: usize,
    /// How many numbers a box has.
    width: usize,
    /// How many truths there are.
    pub(super) count: usize,
    /// How many predictions there are.
    pub(super) predictions: usize,
    /// A loop over truths asks it before each of them.
    pub(super) work: Work<'a>,
}

impl<'a, T: Compute> Scene<'a, T> {
    /// The numbers of a truth.
    pub(super) fn truth(&self, truth: usize) -> &'a [T] {
        &self.truths[truth * self.width..][..self.width]
    }

    /// A truth by its corners.
    pub(super) fn corners(&self, truth: usize) -> Xyxy<T> {
        xyxy(self.truth(truth))
    }

    /// The class of a truth.
    pub(super) fn label(&self, truth: usize) -> usize {
        self.labels[truth] as usize
    }

    /// Whether a truth is a crowd.
    pub(super) fn is_crowd(&self, truth: usize) -> bool {
        self.crowd.get(truth).copied().unwrap_or(false)
    }

    /// A truth as a window into the image.
    pub(super) fn window(&self, truth: usize) -> Rect<T> {
        let Xyxy { x1, y1, x2, y2 } = self.corners(truth);
        [x1, y1, x2, y2]
    }

    /// The anchors.
    pub(super) fn anchors(&self) -> &'a Anchors<T> {
        self.anchors.expect("the matcher asked for anchors")
    }

    /// The numbers of a predicted box.
    pub(super) fn predicted(&self, prediction: usize) -> &'a [T] {
        &self.boxes[prediction * self.width..][..self.width]
    }

    /// A predicted box by its corners.
    pub(super) fn predicted_corners(&self, prediction: usize) -> Xyxy<T> {
        xyxy(self.predicted(prediction))
    }

    /// The numbers of all truths.
    pub(super) fn truths(&self) -> &'a [T] {
        self.truths
    }

    /// The numbers of all predicted boxes.
    pub(super) fn boxes(&self) -> &'a [T] {
        self.boxes
    }

    /// How many numbers a box has.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The number at `place` of a truth by its centre and its size, as it was given if it was given so.
    pub(super) fn truth_by_center(&self, truth: usize, place: usize) -> T {
        match self.given {
            Some([truths, _]) => truths[truth * self.width + place],
            None => by_center(self.truth(truth), place),
        }
    }

    /// The number at `place` of a predicted box by its centre and its size, as it was given if it was given so.
    pub(super) fn predicted_by_center(&self, prediction: usize, place: usize) -> T {
        match self.given {
            Some([_, boxes]) => boxes[prediction * self.width + place],
            None => by_center(self.predicted(prediction), place),
        }
    }

    /// The scores of a prediction.
    pub(super) fn scores(&self, prediction: usize) -> &'a [T] {
        &self.scores[prediction * self.classes..][..self.classes]
    }
}

fn xyxy<T: Compute>(numbers: &[T]) -> Xyxy<T> {
    Xyxy { x1: numbers[0], y1: numbers[1], x2: numbers[2], y2: numbers[3] }
}

/// By their corners; what is no whole row is left as it is.
fn to_corners<T: Compute>(numbers: &[T]) -> Vec<T> {
    let mut numbers = numbers.to_vec();
    for [x1, y1, x2, y2] in numbers.as_chunks_mut().0 {
        let corners = Cxcywh { cx: *x1, cy: *y1, w: *x2, h: *y2 }.to_xyxy();
        (*x1, *y1, *x2, *y2) = (corners.x1, corners.y1, corners.x2, corners.y2);
    }
    numbers
}

/// A number of a box of corners by its centre and its size, which is negative for an inverted one; of any other box the number itself.
fn by_center<T: Compute>(numbers: &[T], place: usize) -> T {
    let (low, high) = (place % 2, place % 2 + 2);
    match place {
        _ if numbers.len() != 4 => numbers[place],
        0 | 1 => (numbers[low] + numbers[high]) * numbers[low].lit(0.5),
        _ => numbers[high] - numbers[low],
    }
}

fn rows_of<T>(what: &'static str, numbers: &[T], row: usize) -> Result<usize> {
    if numbers.len().is_multiple_of(row) {
        return Ok(numbers.len() / row);
    }
    Err(Error::PartialRow { what, got: numbers.len(), row })
}

pub(crate) fn of_length(what: &'static str, expected: usize, got: usize) -> Result<()> {
    if expected == got { Ok(()) } else { Err(Error::Length { what, expected, got }) }
}

pub(crate) fn check_labels(labels: &[i64], classes: usize) -> Result<()> {
    let is_class = |label: i64| usize::try_from(label).is_ok_and(|label| label < classes);
    match labels.iter().position(|label| !is_class(*label)) {
        Some(truth) => Err(Error::UnknownLabel { truth, got: labels[truth], classes }),
        None => Ok(()),
    }
}
