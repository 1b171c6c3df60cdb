//! Outputs as a head takes them: what is checked, decoded, and handed to a matcher.

use std::borrow::Cow;
use std::ops::Range;

use super::criterion::{Compares, Criterion, Head};
use super::decoder::{Decoder, Fields, Place};
use super::outputs::{AnchorsOf, Outputs, Truths};
use super::vectors;
use crate::error::{Error, Result};
use crate::matching::{self, AnyMatcher, Image, Precision, Scores};
use crate::operand::Kind;

/// Outputs that fit their head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer<'a, T> {
    pub head: &'a Head,
    pub outputs: Outputs<'a, T>,
    /// How many predictions an image has.
    pub rows: usize,
    pub classes: usize,
    /// How many logits the distributions of a prediction have.
    pub columns: usize,
    /// The last of the outputs of its head, for all others.
    pub teacher: Option<Outputs<'a, T>>,
    /// The raw boxes as they came, where the head clamps them.
    unclamped: Option<&'a [T]>,
}

/// The raw boxes of outputs within 0 to 1, if their head clamps them.
pub(super) fn clamped<T: Precision>(
    criterion: &Criterion,
    outputs: &Outputs<'_, T>,
) -> Result<Option<Vec<T>>> {
    let (zero, one) = (T::default(), T::from_f64(1.0));
    // What is NaN stays so.
    let clamp = |x: T| T::if_lt(x, zero, zero, T::if_lt(one, x, one, x));
    let clamp_all = || outputs.boxes.iter().map(|&number| clamp(number)).collect();
    Ok(criterion.head_of(outputs.head)?.clamp.then(clamp_all))
}

impl<'a, T: Precision> Layer<'a, T> {
    /// Outputs, with their boxes [`clamped`] if there are such.
    pub(super) fn new(
        criterion: &'a Criterion,
        outputs: &Outputs<'a, T>,
        clamped: Option<&'a [T]>,
    ) -> Result<Self> {
        let head = criterion.head_of(outputs.head)?;
        let unclamped = clamped.map(|_| outputs.boxes);
        let outputs = &Outputs { boxes: clamped.unwrap_or(outputs.boxes), ..*outputs };
        let missing = |what| Error::MissingOutput { head: head.name.clone(), what };
        let width = head.decoder.columns() * outputs.images;
        let rows = match (head.class_specific, outputs.anchors) {
            (false, _) => whole("the raw boxes", outputs.boxes, width)?,
            // How many boxes belong to one prediction, only anchors tell.
            (true, Some(anchors)) if outputs.images > 0 => anchors.image(0).len(),
            (true, Some(_)) => 0,
            (true, None) => return Err(missing("anchors")),
        };
        let classes = whole("the logits", outputs.logits, rows * outputs.images)?;
        let distribution = outputs.distribution.unwrap_or_default();
        let columns = whole("the distributions", distribution, rows * outputs.images)?;
        let layer =
            Self { head, outputs: *outputs, rows, classes, columns, teacher: None, unclamped };
        let numbers = layer.columns_of_boxes() * rows * outputs.images;
        matching::of_length("the raw boxes", numbers, outputs.boxes.len())?;
        if let Some(AnchorsOf::EachImage(anchors)) = outputs.anchors {
            matching::of_length("the anchors (one item an image)", outputs.images, anchors.len())?;
        }
        if head.decoder.has_anchors() {
            let anchors = outputs.anchors.ok_or_else(|| missing("anchors"))?;
            for image in 0..outputs.images {
                matching::of_length("the anchors", rows, anchors.image(image).len())?;
            }
        }
        let needs =
            |what: fn(&Compares) -> bool| head.terms.iter().any(|term| what(&term.compares));
        if head.with_objectness || needs(|compares| matches!(compares, Compares::Quality(_))) {
            let quality =
                outputs.quality.ok_or_else(|| missing("a quality (objectness or centreness)"))?;
            matching::of_length("the quality", rows * outputs.images, quality.len())?;
        }
        if head.decoder.kind() == Kind::RotatedBox {
            let angle = outputs.angle.ok_or_else(|| missing("angles"))?;
            matching::of_length("the angles", rows * outputs.images, angle.len())?;
        }
        if needs(Compares::is_of_distributions) {
            let (Some(_), Some(references)) = (outputs.distribution, outputs.references) else {
                return Err(missing("distributions with their references"));
            };
            matching::of_length("the references", 4 * rows * outputs.images, references.len())?;
            // Four sides of the same number of places.
            whole("the distributions", distribution, 4 * rows * outputs.images)?;
        }
        if needs(Compares::is_of_image) {
            let size = outputs.image_size.ok_or_else(|| missing("the size of the images"))?;
            let is_size = |side: &f64| *side > 0.0 && side.is_finite();
            if let Some(index) = size.iter().position(|side| !is_size(side)) {
                let (what, got) = ("the size of the images", size[index]);
                return Err(Error::InvalidNumber { what, index, got, wanted: "a positive number" });
            }
        }
        let is_of_classes = needs(|compares| matches!(compares, Compares::Classes(_)));
        if (is_of_classes || head.class_specific) && classes == 0 && rows * outputs.images > 0 {
            return Err(missing("logits of classes"));
        }
        // A matcher without groups takes all queries for one.
        let of_matcher = |matcher: &AnyMatcher| matcher.param("groups").unwrap_or(1.0) as usize;
        let own = head.matcher.as_ref().map_or(outputs.groups, of_matcher);
        if outputs.groups != 1 && outputs.groups != own {
            let (what, got) = ("the groups of the outputs", outputs.groups as f64);
            let wanted = "the number of groups of the matcher, or leave it out";
            return Err(Error::InvalidNumber { what, index: 0, got, wanted });
        }
        let layer = Self { outputs: Outputs { groups: own, ..layer.outputs }, ..layer };
        if head.matcher.is_none() {
            let pairs = outputs.pairs.ok_or_else(|| missing("pairs"))?;
            matching::of_length("the pairs", rows * outputs.images, pairs.len())?;
        }
        Ok(layer)
    }

    /// Tells every layer which is the last one of its head.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if one that has distributions is not like its teacher.
    pub(super) fn set_teachers(layers: &mut [Self]) -> Result<()> {
        for index in 0..layers.len() {
            let (first, later) = layers[index..].split_first_mut().expect("it is one of them");
            let Some(last) = later.iter().rev().find(|last| last.head.name == first.head.name)
            else {
                continue;
            };
            if first.columns > 0 {
                matching::of_length("the distributions", last.rows, first.rows)?;
                matching::of_length("the distributions", last.columns, first.columns)?;
                matching::of_length("the logits", last.classes, first.classes)?;
            }
            first.teacher = Some(last.outputs);
        }
        Ok(())
    }

    /// Whether the truths of an image are what this layer can find.
    pub(super) fn check(&self, truths: &Truths<'_, T>) -> Result<()> {
        let boxes = truths.labels.len() * self.head.decoder.width();
        matching::of_length("the truths (a box for each label)", boxes, truths.boxes.len())?;
        matching::finite("the truths", truths.boxes)?;
        if self.classes == 0 {
            // A head without classes takes all of them alike.
            return Ok(());
        }
        matching::check_labels(truths.labels, self.classes)?;
        let background = self.head.terms.iter().find_map(|term| match term.compares {
            Compares::Classes(labels) => labels.background(self.classes),
            _ => None,
        });
        match truths.labels.iter().position(|&label| Some(label) == background) {
            Some(truth) => {
                let (got, classes) = (truths.labels[truth], self.classes);
                Err(Error::BackgroundLabel { truth, got, classes })
            }
            None => Ok(()),
        }
    }

    /// How many raw numbers of boxes a prediction has.
    pub(super) fn columns_of_boxes(&self) -> usize {
        self.head.decoder.columns() * if self.head.class_specific { self.classes } else { 1 }
    }

    /// The raw boxes of an image.
    pub(super) fn boxes(&self, image: usize) -> &'a [T] {
        of_image(self.outputs.boxes, image, self.rows * self.columns_of_boxes())
    }

    /// Takes the gradient from the raw boxes of an image that have been clamped.
    pub(super) fn clamp_backward(&self, image: usize, grad: &mut [T]) {
        let Some(unclamped) = self.unclamped else { return };
        let given = of_image(unclamped, image, self.rows * self.columns_of_boxes());
        let range = T::default()..=T::from_f64(1.0);
        for (slope, number) in grad.iter_mut().zip(given) {
            if !range.contains(number) {
                *slope = T::default();
            }
        }
    }

    /// Where the raw numbers of the box stand among those of an image, that a prediction has for a class.
    pub(super) fn numbers(&self, row: usize, label: i64) -> Range<usize> {
        let columns = self.head.decoder.columns();
        let skipped = if self.head.class_specific { label as usize * columns } else { 0 };
        let start = row * self.columns_of_boxes() + skipped;
        start..start + columns
    }

    /// The logits of an image.
    pub(super) fn logits(&self, image: usize) -> &'a [T] {
        of_image(self.outputs.logits, image, self.rows * self.classes)
    }

    /// The quality of every prediction of an image; none if there is none.
    pub(super) fn quality(&self, image: usize) -> &'a [T] {
        self.outputs.quality.map_or(&[], |quality| of_image(quality, image, self.rows))
    }

    /// The distributions of an image.
    pub(super) fn distribution(&self, image: usize) -> &'a [T] {
        of_image(self.outputs.distribution.unwrap_or_default(), image, self.rows * self.columns)
    }

    /// Those of its teacher, and its logits.
    pub(super) fn teacher(&self, image: usize) -> Option<(&'a [T], &'a [T])> {
        let teacher = self.teacher?;
        let distribution = teacher.distribution.unwrap_or_default();
        let logits = of_image(teacher.logits, image, self.rows * self.classes);
        Some((of_image(distribution, image, self.rows * self.columns), logits))
    }

    /// The reference of a prediction by its corners.
    pub(super) fn reference(&self, image: usize, row: usize) -> [T; 4] {
        let references =
            of_image(self.outputs.references.unwrap_or_default(), image, 4 * self.rows);
        let [a, b, c, d] = references.as_chunks().0[row];
        let [x1, y1, x2, y2, _] = self.in_form_of_boxes([a, b, c, d, T::default()]);
        [x1, y1, x2, y2]
    }

    pub(super) fn place(&self, image: usize, row: usize) -> Place<T> {
        Place::of(self.outputs.anchors.map(|anchors| anchors.image(image)), row)
    }

    /// The angle of every prediction of an image; none if there is none.
    fn angles(&self, image: usize) -> &'a [T] {
        self.outputs.angle.map_or(&[], |angle| of_image(angle, image, self.rows))
    }

    /// The raw numbers of the box that a prediction has for a class, of distributions their means, and its angle.
    pub(super) fn raw(&self, image: usize, row: usize, label: i64) -> Fields<T> {
        let numbers = &self.boxes(image)[self.numbers(row, label)];
        match self.head.decoder.bins() {
            Some(bins) => self.fields(&vectors::means(numbers, bins), self.angles(image), 0, row),
            None => self.fields(numbers, self.angles(image), 0, row),
        }
    }

    /// The four numbers of row `place` with the angle of the prediction `row`.
    fn fields(&self, numbers: &[T], angles: &[T], place: usize, row: usize) -> Fields<T> {
        let [a, b, c, d] = numbers.as_chunks().0[place];
        [a, b, c, d, angles.get(row).copied().unwrap_or_default()]
    }

    /// All decoded boxes of an image, in the form of the truths.
    pub(super) fn decoded(&self, image: usize) -> Cow<'a, [T]> {
        match self.head.decoder {
            Decoder::Corners | Decoder::Centers => Cow::Borrowed(self.boxes(image)),
            _ => Cow::Owned(self.corners(image)),
        }
    }

    /// The same by their corners, or rotated: of every prediction one, or one for every class.
    pub(super) fn corners(&self, image: usize) -> Vec<T> {
        let (decoder, angles) = (self.head.decoder, self.angles(image));
        let raw = match decoder.bins() {
            Some(bins) => Cow::Owned(vectors::means(self.boxes(image), bins)),
            None => Cow::Borrowed(self.boxes(image)),
        };
        let of_row = self.columns_of_boxes() / decoder.columns();
        let mut boxes = Vec::with_capacity(self.rows * of_row * decoder.width());
        for place in 0..self.rows * of_row {
            let row = place / of_row;
            let fields = self.fields(&raw, angles, place, row);
            boxes.extend_from_slice(
                &decoder.decode(fields, self.place(image, row))[..decoder.width()],
            );
        }
        boxes
    }

    /// The raw numbers that a truth is encoded to, for an image and a prediction; `fields` is the same truth in the form of decoded boxes.
    pub(super) fn encoded(
        &self,
        truths: &Truths<'_, T>,
        (row, truth): (usize, usize),
        image: usize,
        fields: Fields<T>,
    ) -> [T; 4] {
        match self.head.decoder {
            // As it is: from corners and back, it would be rounded.
            Decoder::Centers => truths.boxes.as_chunks().0[truth],
            decoder => decoder.encode(fields, self.place(image, row)),
        }
    }

    /// A truth in the form that boxes are decoded to.
    pub(super) fn truth(&self, truths: &Truths<'_, T>, truth: usize) -> Fields<T> {
        let (decoder, zero) = (self.head.decoder, T::default());
        let mut fields = [zero; 5];
        let width = decoder.width();
        fields[..width].copy_from_slice(&truths.boxes[truth * width..][..width]);
        self.in_form_of_boxes(fields)
    }

    /// A box in the form of the truths, in that of decoded boxes.
    fn in_form_of_boxes(&self, fields: Fields<T>) -> Fields<T> {
        match self.head.decoder {
            Decoder::Centers => Decoder::Centers.decode(fields, Place::of(None, 0)),
            _ => fields,
        }
    }

    /// What the matcher is given of an image: the decoded boxes and the scores, in memory of the caller.
    pub(super) fn image<'b>(
        &self,
        image: usize,
        truths: &Truths<'b, T>,
        boxes: &'b [T],
        scores: &'b [T],
    ) -> Image<'b, T>
    where
        'a: 'b,
    {
        let given = Image::new(truths.boxes).labels(truths.labels).boxes(boxes).scores(scores);
        match self.outputs.anchors {
            Some(anchors) => given.anchors(anchors.image(image)),
            None if self.head.decoder == Decoder::Centers => given.centers(),
            None => given,
        }
    }

    /// The scores of an image as the matcher wants them.
    pub(super) fn scores(&self, image: usize, wanted: Scores) -> Cow<'a, [T]> {
        let logits = self.logits(image);
        if wanted == Scores::Logits {
            return Cow::Borrowed(logits);
        }
        let mut scores = vectors::sigmoids(logits);
        if self.head.with_objectness {
            let rows = scores.chunks_exact_mut(self.classes.max(1));
            for (row, objectness) in rows.zip(self.quality(image)) {
                let objectness = objectness.sigmoid();
                row.iter_mut().for_each(|score| *score = (*score * objectness).sqrt());
            }
        }
        Cow::Owned(scores)
    }
}

fn of_image<T>(numbers: &[T], image: usize, length: usize) -> &[T] {
    &numbers[image * length..][..length]
}

/// How many rows of this many numbers there are.
fn whole<T>(what: &'static str, numbers: &[T], row: usize) -> Result<usize> {
    match numbers.len().checked_div(row) {
        None => Ok(0),
        Some(rows) if rows * row == numbers.len() => Ok(rows),
        Some(_) => Err(Error::PartialRow { what, got: numbers.len(), row }),
    }
}
