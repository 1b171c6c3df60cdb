//! What stands in the places of an image, whatever is in it.

use std::sync::OnceLock;

use super::tree::{Rect, Tree};
use crate::error::{Error, Result};
use crate::geometry::Xyxy;
use crate::scalar::Compute;

/// Anchors: boxes, or points with a stride, in one or more levels. The same for all images of a call, and all steps of a run.
///
/// A point counts as a square box of its stride about it, and a box as a point in its middle whose stride is its width, so that every matcher
/// takes both.
#[derive(Clone, Debug)]
pub struct Anchors<T> {
    boxes: Vec<Rect<T>>,
    centers: Vec<[T; 2]>,
    strides: Vec<T>,
    /// Where each level ends.
    ends: Vec<usize>,
    box_trees: OnceLock<Vec<Tree<T>>>,
    center_trees: OnceLock<Vec<Tree<T>>>,
}

impl<T: Compute> Anchors<T> {
    /// Boxes: n rows of x1, y1, x2, y2.
    ///
    /// # Errors
    ///
    /// [`Error::PartialRow`], and [`Error::InvalidNumber`] for a number that is not finite.
    pub fn boxes(rows: &[T]) -> Result<Self> {
        let boxes: Vec<Rect<T>> = whole_rows("the anchors", rows)?.to_vec();
        let centers = boxes.iter().map(|rect| corners(*rect).center()).collect();
        let strides = boxes.iter().map(|rect| corners(*rect).width()).collect();
        Ok(Self::new(boxes, centers, strides))
    }

    /// Points: n rows of x, y, and the stride of each.
    ///
    /// # Errors
    ///
    /// [`Error::PartialRow`], [`Error::Length`] if there is not one stride for every point, and [`Error::InvalidNumber`] for a number that is
    /// not finite, or a stride that is not positive.
    pub fn points(points: &[T], strides: &[T]) -> Result<Self> {
        let centers: Vec<[T; 2]> = whole_rows("the anchor points", points)?.to_vec();
        if strides.len() != centers.len() {
            let (expected, got) = (centers.len(), strides.len());
            return Err(Error::Length { what: "the strides", expected, got });
        }
        let is_stride = |stride: T| stride > T::default() && is_finite(stride);
        if let Some(index) = strides.iter().position(|stride| !is_stride(*stride)) {
            let (what, got) = ("the strides", strides[index].to_f64());
            return Err(Error::InvalidNumber { what, index, got, wanted: "a positive number" });
        }
        let square = |(&[x, y], &stride): (&[T; 2], &T)| {
            let half = stride * stride.lit(0.5);
            [x - half, y - half, x + half, y + half]
        };
        let boxes = centers.iter().zip(strides).map(square).collect();
        Ok(Self::new(boxes, centers, strides.to_vec()))
    }

    fn new(boxes: Vec<Rect<T>>, centers: Vec<[T; 2]>, strides: Vec<T>) -> Self {
        let ends = vec![boxes.len()];
        let (box_trees, center_trees) = Default::default();
        Self { boxes, centers, strides, ends, box_trees, center_trees }
    }

    /// How many anchors each level has, in their order. One level if not called.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] if their sum is not the number of anchors.
    pub fn levels(self, counts: &[usize]) -> Result<Self> {
        let mut ends = counts.to_vec();
        let mut end = 0_usize;
        for count in &mut ends {
            end = end.saturating_add(*count);
            *count = end;
        }
        if end != self.len() {
            return Err(Error::Length {
                what: "all levels together",
                expected: self.len(),
                got: end,
            });
        }
        Ok(Self { ends, box_trees: OnceLock::new(), center_trees: OnceLock::new(), ..self })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.boxes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.boxes.is_empty()
    }

    pub(crate) fn rect(&self, index: usize) -> Rect<T> {
        self.boxes[index]
    }

    pub(crate) fn center(&self, index: usize) -> [T; 2] {
        self.centers[index]
    }

    pub(crate) fn stride(&self, index: usize) -> T {
        self.strides[index]
    }

    /// The range of indices of every level.
    pub(super) fn level_ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| start..end)
    }

    /// Shows every anchor whose box meets the window to `visit`, by ascending index.
    pub(super) fn boxes_meeting(&self, window: Rect<T>, mut visit: impl FnMut(usize)) {
        let trees = self.box_trees.get_or_init(|| self.trees(|index| self.boxes[index]));
        for (tree, level) in trees.iter().zip(self.level_ranges()) {
            tree.meeting(window, |index| visit(level.start + index));
        }
    }

    /// Shows every anchor whose centre lies in the window or on its edge to `visit`, by ascending index.
    pub(super) fn centers_in(&self, window: Rect<T>, mut visit: impl FnMut(usize)) {
        for (tree, level) in self.center_trees().iter().zip(self.level_ranges()) {
            tree.meeting(window, |index| visit(level.start + index));
        }
    }

    /// A tree of the centres of each level.
    pub(super) fn center_trees(&self) -> &[Tree<T>] {
        self.center_trees.get_or_init(|| {
            self.trees(|index| {
                let [x, y] = self.centers[index];
                [x, y, x, y]
            })
        })
    }

    fn trees(&self, rect: impl Fn(usize) -> Rect<T>) -> Vec<Tree<T>> {
        self.level_ranges().map(|level| Tree::new(level.map(&rect))).collect()
    }
}

pub(super) fn corners<T>([x1, y1, x2, y2]: Rect<T>) -> Xyxy<T> {
    Xyxy { x1, y1, x2, y2 }
}

pub(super) fn is_finite<T: Compute>(number: T) -> bool {
    number.to_f64().is_finite()
}

/// The rows of a slice of finite numbers.
pub(super) fn whole_rows<'a, T: Compute, const N: usize>(
    what: &'static str,
    numbers: &'a [T],
) -> Result<&'a [[T; N]]> {
    let (rows, rest) = numbers.as_chunks();
    if !rest.is_empty() {
        return Err(Error::PartialRow { what, got: numbers.len(), row: N });
    }
    finite(what, numbers)?;
    Ok(rows)
}

/// Checks that all numbers are finite.
pub(crate) fn finite<T: Compute>(what: &'static str, numbers: &[T]) -> Result<()> {
    match numbers.iter().position(|number| !is_finite(*number)) {
        Some(index) => {
            let got = numbers[index].to_f64();
            Err(Error::InvalidNumber { what, index, got, wanted: "a finite number" })
        }
        None => Ok(()),
    }
}
