//! What a criterion is made of.

use super::decoder::Decoder;
use crate::losses::AnyLoss;
use crate::matching::AnyMatcher;
#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

/// The whole loss of a detector, as data: print it, change it, save it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
pub struct Criterion {
    /// The kinds of outputs that the model has.
    pub heads: Vec<Head>,
    /// Whether the total is multiplied by the number of images, as in Ultralytics.
    #[cfg_attr(feature = "serde", serde(default))]
    pub times_images: bool,
    /// Whether normalizers are means over the processes of a distributed training, as in DETR; else each process has its own. See
    /// [`Options::all_reduce`](super::Options::all_reduce).
    #[cfg_attr(feature = "serde", serde(default))]
    pub all_reduce: bool,
}

/// How outputs of one kind get their pairs, and the terms that are added up over them.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
pub struct Head {
    /// What [outputs](super::Outputs) name it by.
    pub name: String,
    /// What its terms are multiplied by.
    #[cfg_attr(feature = "serde", serde(default))]
    pub weight: Schedule,
    /// How raw outputs become boxes.
    pub decoder: Decoder,
    /// Whether a prediction has the raw numbers of a box for every class, and that of the truth's class counts (Fast R-CNN).
    #[cfg_attr(feature = "serde", serde(default))]
    pub class_specific: bool,
    /// Whether raw numbers of boxes beyond 0 to 1 count as 0 or 1, without a gradient (`torch.clamp`).
    #[cfg_attr(feature = "serde", serde(default))]
    pub clamp: bool,
    /// Which prediction is to find which truth. None: the pairs come with the outputs, as those of queries for denoising.
    #[cfg_attr(feature = "serde", serde(default))]
    pub matcher: Option<AnyMatcher>,
    /// Whether the matcher is given √(class · objectness), both after the sigmoid, and not the class alone.
    #[cfg_attr(feature = "serde", serde(default))]
    pub with_objectness: bool,
    /// Some of the matches by chance.
    #[cfg_attr(feature = "serde", serde(default))]
    pub sampler: Option<Sampler>,
    /// What is added up.
    pub terms: Vec<Term>,
}

/// A weight that may change over a training run.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(untagged))]
pub enum Schedule {
    /// The same from beginning to end.
    Constant(f64),
    /// Along a line, see [`Criterion::at`].
    Linear {
        /// At the beginning.
        from: f64,
        /// At the end.
        to: f64,
    },
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Constant(1.0)
    }
}

/// See [`balanced`](crate::matching::sampling::balanced).
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub struct Sampler {
    /// How many predictions of an image.
    pub size: usize,
    /// The largest share of those with a truth.
    pub positive: f64,
}

/// One loss of a criterion: weight · Σ row weight · loss / normalizer.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(deny_unknown_fields))]
pub struct Term {
    /// What a report calls it.
    pub name: String,
    /// The loss.
    pub loss: AnyLoss,
    /// What it is multiplied by.
    #[cfg_attr(feature = "serde", serde(default = "one"))]
    pub weight: f64,
    /// What is compared with what.
    pub compares: Compares,
    /// Of which predictions.
    #[cfg_attr(feature = "serde", serde(default))]
    pub rows: Rows,
    /// The weight of each of them.
    #[cfg_attr(feature = "serde", serde(default))]
    pub row_weight: RowWeight,
    /// The weight of each class, of a term of [`Classes`](Compares::Classes): of its logit, or for a softmax of the rows that it labels.
    /// All 1 where there are none.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub class_weight: Vec<f64>,
    /// What the sum is divided by.
    pub normalizer: Normalizer,
    /// Whose pairs are taken.
    #[cfg_attr(feature = "serde", serde(default))]
    pub pairs: Pairs,
    /// Of which of the head's outputs.
    #[cfg_attr(feature = "serde", serde(default))]
    pub layers: Layers,
}

#[cfg(feature = "serde")]
fn one() -> f64 {
    1.0
}

/// What a term compares with what.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Compares {
    /// The logits of all classes, with these labels.
    Classes(Labels),
    /// The decoded box with that of the truth, in this unit. Gradients go through the decoder.
    Boxes(Unit),
    /// The raw numbers of the box with those that the truth's box has been encoded to.
    Offsets(Sides),
    /// The distributions of the four sides with the places of the truth's, in bins.
    Distribution {
        /// How far from the last bin a place stays.
        margin: f64,
    },
    /// The logit that a prediction has besides its classes, with this label.
    Quality(Quality),
    /// The four distributions that a prediction has besides its box with the places of the truth's sides, seen from a reference box: the
    /// sum of the sides. See [`Offsets`](crate::refinement::Offsets).
    Refinement {
        /// The size of the range.
        up: f64,
        /// The inverse of the unit of offsets, as a share of the reference's side.
        reg_scale: f64,
    },
    /// These distributions with those of the last of the head's outputs, which is a constant: the mean of the sides.
    Teacher,
}

/// The labels of classes: 0 for all classes but that of the truth, and for predictions that are background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Labels {
    /// 1 for the class of the truth.
    OneHot,
    /// The score of the match.
    Score,
    /// The IoU of the decoded box and the truth, a constant; above 0 also where they do not meet.
    Iou,
    /// The index of a class for a softmax. The first column is background; labels of truths are from 1 on.
    BackgroundFirst,
    /// The index of a class for a softmax. The last column is background.
    BackgroundLast,
}

/// What boxes are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
pub enum Unit {
    /// That of the truths.
    Given,
    /// The stride of the prediction. It matters where a loss has a length or an epsilon of its own.
    Strides,
}

/// How the four sides of a box are added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
pub enum Sides {
    /// Their sum, as they are.
    Sum,
    /// Their mean, as fractions of the width and height of the image.
    MeanOfImage,
}

/// The label of the logit that a prediction has besides its classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Quality {
    /// 1 where there is a truth: objectness.
    Matched,
    /// How near the point is to the middle of its truth, FCOS's √(min(l, r) / max(l, r) · min(t, b) / max(t, b)).
    Centerness,
    /// The IoU of the decoded box and the truth, a constant.
    Iou,
}

/// The predictions that a term is of. Those that are left out by the matcher never count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Rows {
    /// Those with a truth. Boxes, offsets and distributions always are of them.
    #[default]
    Matched,
    /// Background, too.
    All,
    /// For each with a truth, so many of background with the largest losses, image by image.
    HardNegatives(usize),
}

/// The weight of a prediction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum RowWeight {
    /// 1.
    #[default]
    One,
    /// The score of the match.
    Score,
    /// The IoU of the decoded box and the truth, a constant.
    Iou,
    /// [`Quality::Centerness`].
    Centerness,
    /// This for background, and 1 for what has a truth.
    Background(f64),
    /// The IoU of the decoded box and the truth; for background the largest probability of a class that the
    /// [`Teacher`](Compares::Teacher) has. Constants.
    Confidence,
}

/// The pairs that a term is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
pub enum Pairs {
    /// Those of its head's matcher, or that came with the outputs.
    #[default]
    Own,
    /// The [`union`](crate::matching::union) over all outputs whose head has a matcher.
    Union,
}

/// The outputs that a term is of. Those of one head are its layers, from the first to the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
pub enum Layers {
    /// All of them.
    #[default]
    All,
    /// All but the last.
    AllButLast,
}

/// What the sum of a term is divided by: over all images, and not below 1 unless it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Normalizer {
    /// The number of predictions with a truth.
    Positives,
    /// That of each image for its own sum; then the mean over images.
    PositivesOfImage,
    /// The sum of the scores of all matches.
    Scores,
    /// The number of truths, times that of the groups of queries.
    Truths,
    /// The number of predictions that count.
    Rows,
    /// The sum of their weights, however small.
    Weights,
    /// Two means, of what has a truth and of background, are mixed in the ratio of the roots of the numbers of both.
    Roots,
    /// The same, with the numbers of the union of the matches of all outputs whose head has a matcher.
    RootsOfUnion,
}

impl Criterion {
    /// A criterion of these heads.
    #[must_use]
    pub fn new(heads: impl IntoIterator<Item = Head>) -> Self {
        Self { heads: heads.into_iter().collect(), times_images: false, all_reduce: false }
    }

    /// With normalizers that are means over processes.
    pub(super) fn all_reduced(self) -> Self {
        Self { all_reduce: true, ..self }
    }

    /// The criterion with the weights of this moment of a training run, from 0 at its beginning to 1 at its end. Without a call, those of
    /// the beginning are used.
    #[must_use]
    pub fn at(mut self, progress: f64) -> Self {
        for head in &mut self.heads {
            head.weight = Schedule::Constant(head.weight.at(progress));
        }
        self
    }

    /// The head of this name.
    #[must_use]
    pub fn head(&self, name: &str) -> Option<&Head> {
        self.heads.iter().find(|head| head.name == name)
    }
}

impl Compares {
    /// Whether it needs distributions besides the boxes.
    pub(super) fn is_of_distributions(&self) -> bool {
        matches!(self, Self::Refinement { .. } | Self::Teacher)
    }

    /// Whether it needs the size of the images.
    pub(super) fn is_of_image(&self) -> bool {
        *self == Self::Offsets(Sides::MeanOfImage)
    }
}

impl Labels {
    /// Whether they are indices for a softmax.
    pub(super) fn are_of_softmax(self) -> bool {
        matches!(self, Self::BackgroundFirst | Self::BackgroundLast)
    }

    /// The index of background among so many columns; none where all columns are classes.
    pub(super) fn background(self, columns: usize) -> Option<i64> {
        match self {
            Self::BackgroundFirst => Some(0),
            Self::BackgroundLast => Some(columns as i64 - 1),
            Self::OneHot | Self::Score | Self::Iou => None,
        }
    }
}

impl Schedule {
    pub(super) fn at(self, progress: f64) -> f64 {
        match self {
            Self::Constant(weight) => weight,
            Self::Linear { from, to } => {
                let progress = if progress.is_nan() { 0.0 } else { progress.clamp(0.0, 1.0) };
                // At the ends exactly what is written there.
                from * (1.0 - progress) + to * progress
            }
        }
    }
}

impl Head {
    /// A head with a matcher, if pairs are not given, and these terms.
    pub(super) fn new(
        name: &str,
        decoder: Decoder,
        matcher: impl Into<Option<AnyMatcher>>,
        terms: impl IntoIterator<Item = Term>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            weight: Schedule::default(),
            decoder,
            class_specific: false,
            clamp: false,
            matcher: matcher.into(),
            with_objectness: false,
            sampler: None,
            terms: terms.into_iter().collect(),
        }
    }
}

impl Term {
    /// A term of weight 1.
    pub(super) fn new(
        name: &str,
        loss: impl Into<AnyLoss>,
        compares: Compares,
        normalizer: Normalizer,
    ) -> Self {
        Self {
            name: name.to_owned(),
            loss: loss.into(),
            weight: 1.0,
            compares,
            rows: Rows::Matched,
            row_weight: RowWeight::One,
            class_weight: Vec::new(),
            normalizer,
            pairs: Pairs::Own,
            layers: Layers::All,
        }
    }

    pub(super) fn weight(self, weight: f64) -> Self {
        Self { weight, ..self }
    }

    pub(super) fn rows(self, rows: Rows) -> Self {
        Self { rows, ..self }
    }

    pub(super) fn row_weight(self, row_weight: RowWeight) -> Self {
        Self { row_weight, ..self }
    }

    pub(super) fn pairs(self, pairs: Pairs) -> Self {
        Self { pairs, ..self }
    }

    pub(super) fn layers(self, layers: Layers) -> Self {
        Self { layers, ..self }
    }
}
