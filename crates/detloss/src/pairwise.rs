//! Every box with every other one: for matching, suppression and evaluation.
//!
//! All functions write n rows of m numbers into memory of the caller, for n boxes and m others. [`blocks`] shows a matrix to the caller a few
//! rows at a time, where the whole of it would be too much.

use std::ops::Range;

use crate::batch::{Batch, Dispatch, Element, Kernel, Level, OnVectors};
use crate::error::{Error, Result};
use crate::geometry::Xyxy;
use crate::losses::boxes::{Ciou, Diou, Giou};
use crate::losses::boxes3d::YawIou3d;
use crate::losses::rotated::RotatedIou;
use crate::operand::Kind;
use crate::parallel::Work;
use crate::scalar::lanes::Vector;
use crate::scalar::{Compute, Scalar, slice};

/// How many pairs are computed at a time.
const PAIRS: usize = 2048;

/// All threads, for a long row.
const THREADS: Work<'static> = Work { threads: true, cancelled: None };

/// How many pairs a block has.
const BLOCK: usize = 16_384;

/// The IoU of n boxes (x1, y1, x2, y2) with m others; 0 for two empty boxes.
///
/// It is no difference from 1, so that a small IoU has all its digits.
///
/// ```
/// use detloss::pairwise::iou;
///
/// let (boxes, others) = ([0.0_f32, 0.0, 2.0, 2.0], [0.0, 0.0, 1.0, 2.0, 9.0, 9.0, 10.0, 10.0]);
/// let mut matrix = [0.0; 2];
/// iou(&boxes, &others, &mut matrix)?;
/// assert_eq!(matrix, [0.5, 0.0]);
/// # Ok::<(), detloss::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::PartialRow`] if a slice does not divide into boxes, [`Error::Length`] if the matrix has not n · m numbers.
pub fn iou<T: Element>(boxes: &[T], others: &[T], iou: &mut [T]) -> Result<()> {
    measured(Iou, boxes, others, iou)
}

/// The intersection of n boxes (x1, y1, x2, y2) with m others, over the area of the first: MMDetection's "iof". 0 for an empty box.
///
/// # Errors
///
/// Like [`iou`].
pub fn iof<T: Element>(boxes: &[T], others: &[T], iof: &mut [T]) -> Result<()> {
    measured(Iof, boxes, others, iof)
}

/// The sum of the distances of the four numbers of n boxes from those of m others, whatever form they have.
///
/// # Errors
///
/// Like [`iou`].
pub fn l1<T: Element>(boxes: &[T], others: &[T], distances: &mut [T]) -> Result<()> {
    measured(L1, boxes, others, distances)
}

/// The distance of the centres of n boxes (x1, y1, x2, y2) from those of m others.
///
/// # Errors
///
/// Like [`iou`].
pub fn center_distance<T: Element>(boxes: &[T], others: &[T], distances: &mut [T]) -> Result<()> {
    measured(CenterDistance, boxes, others, distances)
}

/// The GIoU, from −1 to 1, of n boxes (x1, y1, x2, y2) with m others; 1 minus the [loss](Giou).
///
/// # Errors
///
/// Like [`iou`].
pub fn giou<T: Element>(boxes: &[T], others: &[T], giou: &mut [T]) -> Result<()> {
    complements(&Giou::default(), boxes, others, giou)
}

/// The DIoU, from −1 to 1, of n boxes (x1, y1, x2, y2) with m others; 1 minus the [loss](Diou).
///
/// # Errors
///
/// Like [`iou`].
pub fn diou<T: Element>(boxes: &[T], others: &[T], diou: &mut [T]) -> Result<()> {
    complements(&Diou::default(), boxes, others, diou)
}

/// The CIoU of n boxes (x1, y1, x2, y2) with m others; 1 minus the [loss](Ciou). The others are the targets: it is not symmetric in the last
/// digits.
///
/// # Errors
///
/// Like [`iou`].
pub fn ciou<T: Element>(boxes: &[T], others: &[T], ciou: &mut [T]) -> Result<()> {
    complements(&Ciou::default(), boxes, others, ciou)
}

/// The IoU of n rotated boxes (cx, cy, w, h, angle) with m others: n rows of m numbers into `iou`.
///
/// It is 1 minus the [rotated IoU loss](RotatedIou), and what holds for that holds here: exactly 1 for equal boxes at any angle and
/// place, exactly 0 for disjoint ones, at most 1e-7 off in `f32`.
///
/// ```
/// use detloss::pairwise::rotated_iou;
///
/// let boxes = [0.0_f32, 0.0, 2.0, 1.0, 0.5, 9.0, 9.0, 2.0, 2.0, 0.0];
/// let mut iou = [0.0; 4];
/// rotated_iou(&boxes, &boxes, &mut iou)?;
/// assert_eq!(iou, [1.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), detloss::Error>(())
/// ```
///
/// # Errors
///
/// Like [`iou`].
pub fn rotated_iou<T: Element>(boxes: &[T], others: &[T], iou: &mut [T]) -> Result<()> {
    complements(&RotatedIou::default(), boxes, others, iou)
}

/// The IoU of n upright boxes in space (cx, cy, cz, dx, dy, dz, yaw) with m others: n rows of m numbers into `iou`; 1 minus the
/// [yaw 3D IoU loss](YawIou3d).
///
/// # Errors
///
/// Like [`iou`].
pub fn yaw_iou3d<T: Element>(boxes: &[T], others: &[T], iou: &mut [T]) -> Result<()> {
    complements(&YawIou3d::default(), boxes, others, iou)
}

/// Any loss of two boxes, of n predictions against m targets: `ciou`, `nwd`, `kld`, or a modified one. 1 minus it is the overlap where it is
/// a loss of an overlap.
///
/// ```
/// use detloss::{losses::AnyLoss, pairwise};
///
/// let loss: AnyLoss = "rotated_giou".parse()?;
/// let boxes = [0.0_f32, 0.0, 2.0, 1.0, 0.5, 9.0, 9.0, 2.0, 2.0, 0.0];
/// let mut matrix = [1.0; 2];
/// pairwise::loss(&loss, &boxes, &boxes[..5], &mut matrix)?;
/// assert_eq!(matrix[0], 0.0);
/// # Ok::<(), detloss::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::NotOfBoxes`], and like [`iou`].
pub fn loss<T: Element>(
    loss: &(impl Kernel + ?Sized),
    preds: &[T],
    targets: &[T],
    into: &mut [T],
) -> Result<()> {
    let signature = loss.signature();
    let is_box =
        matches!(signature.pred, Kind::Box | Kind::RotatedBox | Kind::Box3d | Kind::YawBox);
    if !is_box || signature.pred != signature.target {
        return Err(Error::NotOfBoxes { loss: signature.loss });
    }
    all_pairs(loss, preds, targets, Rows::Preds, THREADS, into)
}

/// Shows the matrix that `fill` makes of boxes and others, each of `width` numbers, to `visit`: some rows at a time, and which they are.
///
/// ```
/// use detloss::pairwise::{blocks, giou};
///
/// let boxes: Vec<f32> = (0..4000).map(|n| (n % 4 / 2 * 10 + n / 4 % 97) as f32).collect();
/// let mut most = vec![-1.0_f32; 1000];
/// blocks(giou, 4, &boxes, &boxes[..400], |rows, block| {
///     for (most, row) in most[rows].iter_mut().zip(block.chunks(100)) {
///         *most = row.iter().copied().fold(-1.0, f32::max);
///     }
/// })?;
/// assert_eq!(most, [1.0; 1000]);
/// # Ok::<(), detloss::Error>(())
/// ```
///
/// # Errors
///
/// Those of `fill`, and [`Error::PartialRow`].
pub fn blocks<T: Element>(
    mut fill: impl FnMut(&[T], &[T], &mut [T]) -> Result<()>,
    width: usize,
    boxes: &[T],
    others: &[T],
    mut visit: impl FnMut(Range<usize>, &[T]),
) -> Result<()> {
    let [count, other_count] = counts(boxes, others, width)?;
    let rows = (BLOCK / other_count.max(1)).clamp(1, count.max(1));
    let mut block = vec![T::default(); rows * other_count];
    for (place, boxes) in boxes.chunks(rows * width).enumerate() {
        let first = place * rows;
        let rows = first..first + boxes.len() / width;
        let block = &mut block[..rows.len() * other_count];
        fill(boxes, others, block)?;
        visit(rows, block);
    }
    Ok(())
}

/// What the rows of a matrix stand for.
#[derive(Clone, Copy)]
pub(crate) enum Rows {
    Preds,
    Targets,
}

/// The loss of every pair: a row for every box of the first slice, which is what `kind` says.
pub(crate) fn all_pairs<T: Element>(
    loss: &(impl Kernel + ?Sized),
    boxes: &[T],
    others: &[T],
    kind: Rows,
    work: Work<'_>,
    into: &mut [T],
) -> Result<()> {
    let width = loss.signature().pred.fields().len();
    let [count, other_count] = shape(boxes, others, width, into.len())?;
    if into.is_empty() {
        return Ok(());
    }
    let rows = (PAIRS / other_count).clamp(1, count);
    let (mut repeated, others) = (Vec::new(), others.repeat(rows));
    for (boxes, into) in boxes.chunks(rows * width).zip(into.chunks_mut(rows * other_count)) {
        repeated.clear();
        for one in boxes.chunks(width) {
            let start = repeated.len();
            repeated.extend_from_slice(one);
            // Twice as much each time: a copy of one box is a call.
            while repeated.len() - start < other_count * width {
                let more =
                    (repeated.len() - start).min(start + other_count * width - repeated.len());
                repeated.extend_from_within(start..start + more);
            }
        }
        let (repeated, others) = (&repeated[..], &others[..repeated.len()]);
        let batch = match kind {
            Rows::Preds => Batch::new(repeated, others),
            Rows::Targets => Batch::new(others, repeated),
        };
        Batch { work, ..batch }.values_into(loss, into)?;
    }
    Ok(())
}

/// 1 minus the loss of every box against every other one.
fn complements<T: Element>(
    loss: &impl Kernel,
    boxes: &[T],
    others: &[T],
    into: &mut [T],
) -> Result<()> {
    // Half precision is rounded once, at the end.
    let (mut first, mut second, mut third) = Default::default();
    let (boxes, others) = (T::read(boxes, &mut first), T::read(others, &mut second));
    T::write(into, &mut third, |into| {
        all_pairs(loss, boxes, others, Rows::Preds, THREADS, into)?;
        for value in into {
            *value = value.lit(1.0) - *value;
        }
        Ok(())
    })
}

/// How many boxes there are, and how many others.
fn counts<T>(boxes: &[T], others: &[T], width: usize) -> Result<[usize; 2]> {
    for (what, slice) in [("the first boxes", boxes), ("the other boxes", others)] {
        if width == 0 || !slice.len().is_multiple_of(width) {
            return Err(Error::PartialRow { what, got: slice.len(), row: width });
        }
    }
    Ok([boxes.len() / width, others.len() / width])
}

/// The same, if the matrix has a number for every pair.
fn shape<T>(boxes: &[T], others: &[T], width: usize, got: usize) -> Result<[usize; 2]> {
    let [count, other_count] = counts(boxes, others, width)?;
    let expected = count * other_count;
    if got != expected {
        return Err(Error::Length { what: "the matrix of all pairs", expected, got });
    }
    Ok([count, other_count])
}

/// A number of two boxes.
trait Measure: Copy {
    /// Must be `#[inline(always)]`.
    fn of<S: Scalar>(self, one: Xyxy<S>, other: Xyxy<S>) -> S;
}

#[derive(Clone, Copy)]
struct Iou;

impl Measure for Iou {
    #[inline(always)]
    fn of<S: Scalar>(self, one: Xyxy<S>, other: Xyxy<S>) -> S {
        one.iou(other, 0.0)
    }
}

#[derive(Clone, Copy)]
struct Iof;

impl Measure for Iof {
    #[inline(always)]
    fn of<S: Scalar>(self, one: Xyxy<S>, other: Xyxy<S>) -> S {
        one.intersection(other).area().safe_div(one.area())
    }
}

#[derive(Clone, Copy)]
struct L1;

impl Measure for L1 {
    #[inline(always)]
    fn of<S: Scalar>(self, one: Xyxy<S>, other: Xyxy<S>) -> S {
        let first = (one.x1 - other.x1).abs() + (one.y1 - other.y1).abs();
        first + (one.x2 - other.x2).abs() + (one.y2 - other.y2).abs()
    }
}

#[derive(Clone, Copy)]
struct CenterDistance;

impl Measure for CenterDistance {
    #[inline(always)]
    fn of<S: Scalar>(self, one: Xyxy<S>, other: Xyxy<S>) -> S {
        one.center_distance_squared(other).sqrt()
    }
}

/// The measure of every pair.
fn measured<T: Element>(
    measure: impl Measure,
    boxes: &[T],
    others: &[T],
    into: &mut [T],
) -> Result<()> {
    let [_, other_count] = shape(boxes, others, 4, into.len())?;
    if into.is_empty() {
        return Ok(());
    }
    let (mut scratch, mut other_scratch, mut row_scratch) = Default::default();
    let boxes = T::read(boxes, &mut scratch).as_chunks().0;
    let others = T::read(others, &mut other_scratch);
    let columns: Vec<T::Compute> =
        (0..4).flat_map(|place| others.iter().skip(place).step_by(4).copied()).collect();
    for (one, row) in boxes.iter().zip(into.chunks_exact_mut(other_count)) {
        T::write(row, &mut row_scratch, |row| {
            <T::Compute>::on_vectors(Level::best(), Row { measure, one, columns: &columns, row });
        });
    }
    Ok(())
}

/// A row of a matrix: one box with all others, which stand field by field.
struct Row<'a, T, M> {
    measure: M,
    one: &'a [T; 4],
    columns: &'a [T],
    row: &'a mut [T],
}

impl<T: Compute, M: Measure> OnVectors<T> for Row<'_, T, M> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, token: V::Token) {
        let [x1, y1, x2, y2] = *self.one;
        let one = Xyxy {
            x1: V::splat(token, x1),
            y1: V::splat(token, y1),
            x2: V::splat(token, x2),
            y2: V::splat(token, y2),
        };
        let count = self.row.len();
        for start in (0..count).step_by(V::LEN) {
            let other = Xyxy {
                x1: slice::load(token, &self.columns[..count], start, 0.0),
                y1: slice::load(token, &self.columns[count..2 * count], start, 0.0),
                x2: slice::load(token, &self.columns[2 * count..3 * count], start, 0.0),
                y2: slice::load(token, &self.columns[3 * count..], start, 0.0),
            };
            slice::store(self.measure.of(one, other), self.row, start);
        }
    }
}
