//! Maps of centres, for detectors that have no anchors.

use super::anchors::whole_rows;
use super::image::{check_labels, of_length};
use super::{BACKGROUND, Matches};
use crate::error::{Error, Result};
use crate::scalar::Compute;

/// The targets of CenterNet: a map for every class with a peak at the centre of each truth, and which truth each cell is to find.
///
/// ```text
/// peak     exp(−distance² / (2 sigma²)), sigma = (2 r + 1) / 6, within r cells in x and in y; where peaks overlap, the largest value
/// r        ⌊(s − √(s² − 4 (1 − m) w h)) / 4⌋ for a truth of w × h cells, s = w + h, m = min_overlap
/// ```
///
/// Distances are in cells of the map, from the cell of the centre, where the peak is 1. Two corners of a box may move by r inwards, and the IoU is
/// still m; it is larger where both move as far outwards, or the same way. A loss such as [`GaussianFocal`](crate::losses::scores::GaussianFocal)
/// compares the map with predicted scores; sizes and offsets are learned where a cell has a truth.
///
/// It is no matcher of [the list](super::ALL): it knows no anchors, and answers with a map.
///
/// ```
/// use detloss::matching::CenterHeatmap;
///
/// let maps = CenterHeatmap { stride: 4.0, ..CenterHeatmap::new(2, 3, 5) };
/// let mut heatmap = [0.0_f32; 2 * 3 * 5];
/// let matches = maps.draw(&[2.0, 2.0, 14.0, 8.0], &[1], &mut heatmap)?;
/// assert_eq!(matches.pairs().collect::<Vec<_>>(), [(7, 0)]);
/// assert_eq!(heatmap[15 + 7], 1.0);
/// # Ok::<(), detloss::Error>(())
/// ```
///
/// # Conventions
///
/// - Truths are in pixels, a cell is a square of `stride`. A truth without area, or with its centre outside the map, draws nothing and is found by
///   no cell. CenterNet cuts truths at the border of the image before: cut them if yours lie across it.
/// - The authors' code has r = ⌊√(m² s² + 4 m (1 − m) w h) − m s⌋ with w and h rounded up: `original`. It takes the least of three bounds, as CornerNet
///   does, inwards, outwards and the same way, but solves them wrongly, and then outwards is the least. MMDetection and CornerNet corrected it.
/// - MMDetection's head has `min_overlap: 0.3`.
/// - Of several truths with their centres in one cell the first one is found. MMDetection keeps the last one; the authors learn the sizes
///   of all.
/// - Both set values below the precision of the float to 0. There are none: the least value of a peak is above e⁻⁹.
///
/// # References
///
/// Zhou, Wang, Krähenbühl, *Objects as Points*, 2019, section 3. <https://arxiv.org/abs/1904.07850>
///
/// Law, Deng, *CornerNet: Detecting Objects as Paired Keypoints*, ECCV 2018, section 3.2. <https://arxiv.org/abs/1808.01244>
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CenterHeatmap {
    /// How many classes there are.
    pub classes: usize,
    /// How many rows a map has.
    pub rows: usize,
    /// How many columns a map has.
    pub columns: usize,
    /// How many pixels a cell is wide and high.
    pub stride: f64,
    /// The IoU that a box keeps whose corners move by a radius, from 0 to 1.
    pub min_overlap: f64,
    /// Whether the radius is that of the authors' code.
    pub original: bool,
}

impl CenterHeatmap {
    /// For maps of this size, with a stride of 4, `min_overlap` 0.7, and corrected bounds.
    #[must_use]
    pub const fn new(classes: usize, rows: usize, columns: usize) -> Self {
        Self { classes, rows, columns, stride: 4.0, min_overlap: 0.7, original: false }
    }

    /// Draws the peaks of one image into its maps, classes × rows × columns, over whatever is there; and says for every cell, row after row,
    /// which truth has its centre there. Truths are rows of x1, y1, x2, y2.
    ///
    /// # Errors
    ///
    /// [`Error::PartialRow`], [`Error::Length`], [`Error::UnknownLabel`], and [`Error::InvalidNumber`] for a truth that is not finite, a stride
    /// that is not positive, or a `min_overlap` that is not from 0 to 1.
    pub fn draw<T: Compute>(
        &self,
        truths: &[T],
        labels: &[i64],
        heatmap: &mut [T],
    ) -> Result<Matches<T>> {
        let truths = whole_rows("the truths", truths)?;
        of_length("the labels of the truths", truths.len(), labels.len())?;
        check_labels(labels, self.classes)?;
        self.check()?;
        let cells = self.rows * self.columns;
        of_length("the heatmap, classes × rows × columns,", self.classes * cells, heatmap.len())?;
        heatmap.fill(T::default());
        let mut matches = Matches::none(cells, false);
        for (truth, (corners, &label)) in truths.iter().zip(labels).enumerate() {
            if let Some(peak) = self.peak(corners.map(T::to_f64)) {
                peak.draw(&mut heatmap[label as usize * cells..][..cells], self.columns);
                let index = &mut matches.indices[peak.row * self.columns + peak.column];
                if *index == BACKGROUND {
                    *index = truth as i32;
                }
            }
        }
        Ok(matches)
    }

    fn check(&self) -> Result<()> {
        let invalid = |what, got, wanted| Err(Error::InvalidNumber { what, index: 0, got, wanted });
        if !(self.stride > 0.0 && self.stride.is_finite()) {
            return invalid("the stride", self.stride, "a positive number");
        }
        if !(0.0..=1.0).contains(&self.min_overlap) {
            return invalid("min_overlap", self.min_overlap, "a number from 0 to 1");
        }
        Ok(())
    }

    /// Where the peak of a truth lies, and how wide it is. In `f64`, so that it is the same for every type.
    fn peak(&self, corners: [f64; 4]) -> Option<Peak> {
        let [x1, y1, x2, y2] = corners.map(|edge| edge / self.stride);
        let (x, y) = ((x1 + x2) / 2.0, (y1 + y2) / 2.0);
        let is_inside = 0.0 <= x && x < self.columns as f64 && 0.0 <= y && y < self.rows as f64;
        (is_inside && x1 < x2 && y1 < y2).then(|| Peak {
            row: y as usize,
            column: x as usize,
            rows: self.rows,
            radius: self.radius(x2 - x1, y2 - y1) as usize,
        })
    }

    /// The radius of the peak of a box of this size, in cells.
    fn radius(&self, w: f64, h: f64) -> f64 {
        let m = self.min_overlap;
        if self.original {
            let (sides, area) = (w.ceil() + h.ceil(), w.ceil() * h.ceil());
            return ((m * sides).powi(2) + 4.0 * m * (1.0 - m) * area).sqrt() - m * sides;
        }
        // Not the difference of the documentation: of a needle little is left of it.
        let (sides, lost) = (w + h, (1.0 - m) * w * h);
        lost / (sides + (sides * sides - 4.0 * lost).max(0.0).sqrt())
    }
}

/// A peak in the map of one class.
struct Peak {
    row: usize,
    column: usize,
    rows: usize,
    radius: usize,
}

impl Peak {
    fn draw<T: Compute>(&self, map: &mut [T], columns: usize) {
        let sigma = (2.0 * self.radius as f64 + 1.0) / 6.0;
        let around = |at: usize, end: usize| {
            at.saturating_sub(self.radius)
                ..end.min(at.saturating_add(self.radius).saturating_add(1))
        };
        for row in around(self.row, self.rows) {
            for column in around(self.column, columns) {
                let (x, y) = (column.abs_diff(self.column) as f64, row.abs_diff(self.row) as f64);
                let value = T::from_f64((-(x * x + y * y) / (2.0 * sigma * sigma)).exp());
                let cell = &mut map[row * columns + column];
                if *cell < value {
                    *cell = value;
                }
            }
        }
    }
}
