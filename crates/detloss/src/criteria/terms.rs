//! The terms of a criterion over one image.

mod boxes;
mod classes;
mod distribution;
mod offsets;
mod quality;
mod refinement;

use std::ops::Range;

use super::criterion::{Compares, RowWeight, Rows, Term};
use super::decoder::{Fields, Place};
use super::layer::Layer;
use super::outputs::Truths;
use crate::batch::Batch;
use crate::error::Result;
use crate::geometry::{Rotated, Xyxy};
use crate::losses::AnyLoss;
use crate::matching::{BACKGROUND, Matches, Precision};
use crate::operand::Kind;
use crate::scalar::Compute;

/// The gradients of an image; without memory where only the value is wanted.
#[derive(Default)]
pub(super) struct Grads<'a, T> {
    pub logits: Slot<'a, T>,
    pub boxes: Slot<'a, T>,
    pub quality: Slot<'a, T>,
    pub angle: Slot<'a, T>,
    pub distribution: Slot<'a, T>,
}

/// Gradients, and whether their memory holds what can be added to: what comes first may be written over anything else.
#[derive(Default)]
pub(super) struct Slot<'a, T> {
    pub grad: &'a mut [T],
    pub is_written: bool,
}

impl<T: Precision> Slot<'_, T> {
    /// The gradients to add to, zeros if nothing has been written.
    pub(super) fn written(&mut self) -> &mut [T] {
        if !std::mem::replace(&mut self.is_written, true) {
            self.grad.fill(T::default());
        }
        self.grad
    }
}

/// One image of a layer: its predictions with their truths.
pub(super) struct Paired<'a, T> {
    layer: &'a Layer<'a, T>,
    image: usize,
    truths: Truths<'a, T>,
    matches: &'a Matches<T>,
    /// The predictions with a truth, and the truth of each.
    pairs: Vec<(usize, usize)>,
    /// The raw numbers of each of these predictions, of distributions their means.
    raws: Vec<Fields<T>>,
    /// The decoded box of each of these predictions.
    preds: Vec<Fields<T>>,
    /// The truth of each.
    targets: Vec<Fields<T>>,
}

impl<'a, T: Precision> Paired<'a, T> {
    pub(super) fn new(
        layer: &'a Layer<'a, T>,
        image: usize,
        truths: Truths<'a, T>,
        matches: &'a Matches<T>,
    ) -> Self {
        let pairs: Vec<_> = matches.pairs().collect();
        let raw = |&(row, truth): &(usize, usize)| layer.raw(image, row, truths.labels[truth]);
        let raws: Vec<_> = pairs.iter().map(raw).collect();
        let decoded = |(&raw, &(row, _)): (&Fields<T>, &(usize, usize))| {
            layer.head.decoder.decode(raw, layer.place(image, row))
        };
        let preds = raws.iter().zip(&pairs).map(decoded).collect();
        let targets = pairs.iter().map(|&(_, truth)| layer.truth(&truths, truth)).collect();
        Self { layer, image, truths, matches, pairs, raws, preds, targets }
    }

    /// Σ row weight · loss of a term. `factor` times its gradient is added to `grads`. `shares` are weights more, of what has a truth
    /// and of background.
    pub(super) fn sum(
        &self,
        term: &Term,
        factor: f64,
        shares: [f64; 2],
        grads: &mut Grads<'_, T>,
    ) -> Result<f64> {
        match term.compares {
            Compares::Classes(labels) => self.classes(term, labels, factor, &mut grads.logits),
            Compares::Boxes(unit) => self.boxes(term, unit, factor, grads),
            Compares::Offsets(sides) => self.offsets(term, sides, factor, grads.boxes.written()),
            Compares::Distribution { margin } => {
                self.distribution(term, margin, factor, grads.boxes.written())
            }
            Compares::Quality(label) => self.quality(term, label, factor, grads.quality.written()),
            Compares::Refinement { up, reg_scale } => {
                self.refinement(term, up, reg_scale, factor, grads.distribution.written())
            }
            Compares::Teacher => self.teacher(term, factor, shares, grads.distribution.written()),
        }
    }

    /// The sum of the weights of all predictions that a term is of.
    pub(super) fn weight_sum(&self, term: &Term) -> f64 {
        let (of_pairs, background) = self.row_weights(term);
        // A class of a softmax weighs rows.
        let of_class = |label: i64| term.class_weight.get(label as usize).copied().unwrap_or(1.0);
        let (of_label, background): (&dyn Fn(i64) -> f64, f64) = match term.compares {
            Compares::Classes(labels) if labels.are_of_softmax() => {
                (&of_class, background * of_class(self.background(labels)))
            }
            Compares::Classes(_) | Compares::Quality(_) => (&|_| 1.0, background),
            _ => (&|_| 1.0, 0.0),
        };
        let weight = |(weight, &(_, truth)): (T, &(usize, usize))| {
            weight.to_f64() * of_label(self.truths.labels[truth])
        };
        let positives: f64 = of_pairs.into_iter().zip(&self.pairs).map(weight).sum();
        let negatives = match term.rows {
            Rows::Matched => 0.0,
            _ => self.matches.negatives() as f64,
        };
        positives + if background == 0.0 { 0.0 } else { background * negatives }
    }

    /// Where the prediction of a pair stands.
    fn place(&self, pair: usize) -> Place<T> {
        self.layer.place(self.image, self.pairs[pair].0)
    }

    /// Where the raw numbers of its box stand among those of the image.
    fn numbers(&self, pair: usize) -> Range<usize> {
        let (row, truth) = self.pairs[pair];
        self.layer.numbers(row, self.truths.labels[truth])
    }

    /// The rows of the predictions with a truth, of an array with `columns` numbers for each prediction.
    fn gathered(&self, numbers: &[T], columns: usize) -> Vec<T> {
        let rows = self.pairs.iter().map(|&(row, _)| &numbers[row * columns..][..columns]);
        rows.flatten().copied().collect()
    }

    /// Adds to the raw numbers of the boxes of these predictions.
    fn add_to_boxes(&self, grad: &mut [T], slopes: &[T]) {
        let columns = self.layer.head.decoder.columns();
        for (pair, slopes) in slopes.chunks_exact(columns).enumerate() {
            add(&mut grad[self.numbers(pair)], slopes);
        }
    }

    /// Adds to these rows.
    fn add_to_rows(&self, grad: &mut [T], slopes: &[T], columns: usize) {
        for (&(row, _), slopes) in self.pairs.iter().zip(slopes.chunks_exact(columns.max(1))) {
            add(&mut grad[row * columns..][..columns], slopes);
        }
    }

    /// The weight of each prediction with a truth, and that of background.
    fn row_weights(&self, term: &Term) -> (Vec<T>, f64) {
        let each = |weight: &dyn Fn(usize) -> T| (0..self.pairs.len()).map(weight).collect();
        match term.row_weight {
            RowWeight::One => (each(&|_| T::from_f64(1.0)), 1.0),
            RowWeight::Background(weight) => (each(&|_| T::from_f64(1.0)), weight),
            RowWeight::Score => (each(&|pair| self.score(pair)), 0.0),
            RowWeight::Iou | RowWeight::Confidence => (each(&|pair| self.iou(pair)), 0.0),
            RowWeight::Centerness => (each(&|pair| self.centerness(pair)), 0.0),
        }
    }

    /// The score of a match; 1 from a matcher without scores.
    fn score(&self, pair: usize) -> T {
        let scores = self.matches.scores.as_ref();
        scores.map_or(T::from_f64(1.0), |scores| scores[self.pairs[pair].0])
    }

    /// The IoU of a decoded box and its truth.
    fn iou(&self, pair: usize) -> T {
        let (pred, target) = (self.preds[pair], self.targets[pair]);
        match self.layer.head.decoder.kind() {
            Kind::RotatedBox => rotated(pred).seen_from(rotated(target)).iou(),
            _ => xyxy(pred).iou(xyxy(target), 0.0),
        }
    }

    /// How near the middle of its truth a point is.
    fn centerness(&self, pair: usize) -> T {
        self.layer.head.decoder.centerness(self.targets[pair], self.place(pair))
    }

    /// Whether a prediction has no truth, and counts.
    fn is_background(&self, row: usize) -> bool {
        self.matches.indices[row] == BACKGROUND
    }
}

/// The batch of one image: threads are over images.
fn batch<'a, T: Precision>(
    pred: &'a [T],
    target: impl Into<crate::batch::Target<'a, T>>,
    factor: f64,
) -> Batch<'a, T> {
    Batch::new(pred, target).sum().grad_output(factor).threads(false)
}

/// The sum of a batch, and its gradient; none where there is no memory for it.
fn sum_and_grad<T: Precision>(
    batch: &Batch<'_, T>,
    loss: &AnyLoss,
    grad: &[T],
) -> Result<(f64, Vec<T>)> {
    if grad.is_empty() { Ok((batch.value(loss)?, Vec::new())) } else { batch.value_and_grad(loss) }
}

fn xyxy<T>([x1, y1, x2, y2, _]: Fields<T>) -> Xyxy<T> {
    Xyxy { x1, y1, x2, y2 }
}

fn rotated<T>([cx, cy, w, h, angle]: Fields<T>) -> Rotated<T> {
    Rotated { cx, cy, w, h, angle }
}

fn add<T: Compute>(to: &mut [T], grad: &[T]) {
    for (to, grad) in to.iter_mut().zip(grad) {
        *to = *to + *grad;
    }
}

/// 1 / length; 0 of no length.
fn reciprocal<T: Compute>(length: T) -> T {
    T::from_f64(1.0).safe_div(length)
}
