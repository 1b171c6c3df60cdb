//! What a criterion is given: the raw outputs of a model, and the truths.

use crate::matching::{Anchors, Precision};

/// The raw outputs of a model for a batch of images: of one head, or of one layer of it.
///
/// Numbers lie image by image, prediction by prediction.
#[derive(Clone, Copy, Debug)]
pub struct Outputs<'a, T> {
    pub(super) head: Option<&'a str>,
    pub(super) images: usize,
    pub(super) logits: &'a [T],
    pub(super) boxes: &'a [T],
    pub(super) quality: Option<&'a [T]>,
    pub(super) angle: Option<&'a [T]>,
    pub(super) distribution: Option<&'a [T]>,
    pub(super) references: Option<&'a [T]>,
    pub(super) anchors: Option<AnchorsOf<'a, T>>,
    pub(super) image_size: Option<[f64; 2]>,
    pub(super) groups: usize,
    pub(super) pairs: Option<&'a [i32]>,
    pub(super) seed: u64,
}

impl<'a, T: Precision> Outputs<'a, T> {
    /// Logits of all classes, and the raw numbers of boxes that the head's [decoder](super::Decoder) takes, of so many images.
    #[must_use]
    pub fn new(
        images: usize,
        logits: &'a (impl AsRef<[T]> + ?Sized),
        boxes: &'a (impl AsRef<[T]> + ?Sized),
    ) -> Self {
        Self {
            head: None,
            images,
            logits: logits.as_ref(),
            boxes: boxes.as_ref(),
            quality: None,
            angle: None,
            distribution: None,
            references: None,
            anchors: None,
            image_size: None,
            groups: 1,
            pairs: None,
            seed: 0,
        }
    }

    /// The head that they are of; the first one if not called.
    #[must_use]
    pub fn head(self, head: &'a str) -> Self {
        Self { head: Some(head), ..self }
    }

    /// The anchors or points, one for each prediction of an image, in the unit of the truths; the same for all images.
    #[must_use]
    pub fn anchors(self, anchors: &'a Anchors<T>) -> Self {
        Self { anchors: Some(AnchorsOf::AllImages(anchors)), ..self }
    }

    /// Those of each image: proposals of a first stage, of which all images have the same number. Where there are fewer, fill up with any
    /// boxes, whose [pairs](Self::pairs) are [`IGNORED`](crate::matching::IGNORED).
    #[must_use]
    pub fn anchors_of_images(self, anchors: &'a [Anchors<T>]) -> Self {
        Self { anchors: Some(AnchorsOf::EachImage(anchors)), ..self }
    }

    /// The logit that each prediction has besides its classes: objectness or centreness.
    #[must_use]
    pub fn quality(self, quality: &'a [T]) -> Self {
        Self { quality: Some(quality), ..self }
    }

    /// The angle of each prediction's box in radians, for a decoder of rotated boxes.
    #[must_use]
    pub fn angle(self, angle: &'a [T]) -> Self {
        Self { angle: Some(angle), ..self }
    }

    /// The logits of the four distributions that each prediction has besides its box, over N + 1 places each, and the box that they are
    /// seen from, in the form of the truths. A reference has no gradient.
    #[must_use]
    pub fn distribution(self, distribution: &'a [T], references: &'a [T]) -> Self {
        Self { distribution: Some(distribution), references: Some(references), ..self }
    }

    /// Width and height of the images, in the unit of the truths. For criteria that measure sides as fractions of the image.
    #[must_use]
    pub fn image_size(self, width: f64, height: f64) -> Self {
        Self { image_size: Some([width, height]), ..self }
    }

    /// How many groups of queries there are, of a head without a matcher: what is divided by the number of truths is divided by this, too. 1
    /// if not called. A matcher has a number of its own.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// For a head without a matcher: the index of the truth in its image of every prediction,
    /// [`BACKGROUND`](crate::matching::BACKGROUND) or [`IGNORED`](crate::matching::IGNORED).
    #[must_use]
    pub fn pairs(self, pairs: &'a [i32]) -> Self {
        Self { pairs: Some(pairs), ..self }
    }

    /// The seed of a head that chooses by chance. Give every step another.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }
}

/// Where the predictions stand.
#[derive(Clone, Copy, Debug)]
pub(super) enum AnchorsOf<'a, T> {
    AllImages(&'a Anchors<T>),
    EachImage(&'a [Anchors<T>]),
}

impl<'a, T> AnchorsOf<'a, T> {
    pub(super) fn image(self, image: usize) -> &'a Anchors<T> {
        match self {
            Self::AllImages(anchors) => anchors,
            Self::EachImage(anchors) => &anchors[image],
        }
    }
}

/// The truths of one image: their boxes, x1, y1, x2, y2 each (cx, cy, w, h for a decoder of [`Centers`](super::Decoder::Centers), and cx, cy,
/// w, h, angle for one of rotated boxes), and their labels.
#[derive(Clone, Copy, Debug)]
pub struct Truths<'a, T> {
    pub(super) boxes: &'a [T],
    pub(super) labels: &'a [i64],
}

impl<'a, T> Truths<'a, T> {
    /// The truths of one image.
    #[must_use]
    pub fn new(boxes: &'a (impl AsRef<[T]> + ?Sized), labels: &'a [i64]) -> Self {
        Self { boxes: boxes.as_ref(), labels }
    }
}
