//! Refinement of distributions: what D-FINE's two losses need besides the losses themselves.
//!
//! An edge of a box is a distribution over [`Offsets`] from that edge of a reference box. They lie close where the edge is nearly right and
//! far apart elsewhere, and each layer of the decoder refines the distribution of the one before.
//!
//! | loss | is |
//! |---|---|
//! | FGL, fine-grained localization | [`distribution_focal`](crate::losses::rows::DistributionFocal) at the [place](Offsets::place) of an edge, its weight the IoU of the decoded box |
//! | DDF, decoupled distillation focal | [`softmax_kl`](crate::losses::rows::SoftmaxKl) with T = 5 between layers, with [`ddf_weights`] |
//!
//! D-FINE weighs FGL by 0.15, its sum over the four edges of all matched queries divided by the number of boxes, and DDF by 1.5. The IoU,
//! the teacher and all weights are constants.
//!
//! ```
//! use detloss::{Batch, batch::Weights, losses::rows::DistributionFocal, refinement::Offsets};
//!
//! let offsets = Offsets { bins: 8, ..Offsets::default() };
//! let logits = [0.2, -0.4, 1.0, 0.6, 0.0, -1.0, 0.3, 0.8, -0.7];
//! let place = offsets.place(&[-1.5])?;
//! let fgl = Batch::new(&logits, &place).columns(9).weights(Weights::Rows(&[0.6])).sum();
//! assert!((fgl.value(&DistributionFocal::default())? - 1.267_945_663_5).abs() < 1e-9);
//! # Ok::<(), detloss::Error>(())
//! ```
//!
//! Peng, Li, Wu, Zhang, Sun, Wu, *D-FINE: Redefine Regression Task in DETRs as Fine-grained Distribution Refinement*, ICLR 2025.
//! <https://arxiv.org/abs/2410.13842>

use crate::error::{Error, Result, positive};

/// The offsets W(0), …, W(N) that the N + 1 places of an edge stand for, in units of 1/c of the width or height of the reference.
///
/// ```text
/// W(0) = −2ac,    W(N) = 2ac,    W(N/2 ± i) = ±((ac + 1)^(2i / (N − 2)) − 1),  i = 0, …, N/2 − 1
/// ```
///
/// where N is `bins`, a `up` and c `reg_scale`. The last but one are ±ac: an edge moves by up to half of the reference's side, and by
/// as much again at the ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offsets {
    /// The number of intervals, an even one: places are 0 to `bins`. D-FINE calls it `reg_max`.
    pub bins: u32,
    /// The size of the range.
    pub up: f64,
    /// The inverse of the unit of offsets, as a share of the reference's side.
    pub reg_scale: f64,
}

impl Default for Offsets {
    /// D-FINE's.
    fn default() -> Self {
        Self { bins: 32, up: 0.5, reg_scale: 4.0 }
    }
}

impl Offsets {
    /// W(0), …, W(N): what a distribution over the places is the mean of.
    ///
    /// # Errors
    ///
    /// If `bins` is 0 or odd, or another field is not a positive number.
    pub fn values(self) -> Result<Vec<f64>> {
        if self.bins == 0 || !self.bins.is_multiple_of(2) {
            let (what, wanted) = ("bins", "an even number from 2 on");
            return Err(Error::InvalidNumber { what, index: 0, got: self.bins.into(), wanted });
        }
        positive("up", &[self.up])?;
        positive("reg_scale", &[self.reg_scale])?;
        let (half, inner) = (self.bins / 2, self.up * self.reg_scale);
        let step = inner.ln_1p() * 2.0 / (f64::from(self.bins) - 2.0);
        let above = (1..=half)
            .map(|i| if i == half { 2.0 * inner } else { (f64::from(i) * step).exp_m1() });
        let above: Vec<f64> = above.collect();
        let below = above.iter().rev().map(|offset| -offset);
        Ok(below.chain([0.0]).chain(above.iter().copied()).collect())
    }

    /// The place of every offset, from 0 to N: the target of [`distribution_focal`](crate::losses::rows::DistributionFocal).
    ///
    /// Between W(i) and W(i + 1) it is i, and the share of the way; beyond the ends it is 0 or N. NaN stays NaN.
    ///
    /// # Errors
    ///
    /// As [`values`](Self::values).
    pub fn place(self, offsets: &[f64]) -> Result<Vec<f64>> {
        let values = self.values()?;
        let place = |&offset: &f64| match values.partition_point(|&value| value <= offset) {
            _ if offset.is_nan() => offset,
            0 => 0.0,
            above if above == values.len() => f64::from(self.bins),
            above => {
                let (low, high) = (values[above - 1], values[above]);
                (above - 1) as f64 + (offset - low) / (high - low)
            }
        };
        Ok(offsets.iter().map(place).collect())
    }

    /// How far the four edges of every target lie outside of those of its reference: left, top, right, bottom, in units of 1/c of the
    /// reference's side.
    ///
    /// ```text
    /// (x1 − X1) c / w,    (y1 − Y1) c / h,    (X2 − x2) c / w,    (Y2 − y2) c / h
    /// ```
    ///
    /// where x, y, w, h are of the reference and X, Y of the target. D-FINE writes the same as distances from the centre, less c/2. Both
    /// have four corners a box. With a reference of no width, the offset of an edge that differs is infinite, at the end of all places.
    ///
    /// # Errors
    ///
    /// If the slices are not four numbers a box, or not of equal length, or `reg_scale` is not a positive number.
    pub fn of_boxes(self, targets: &[f64], references: &[f64]) -> Result<Vec<f64>> {
        positive("reg_scale", &[self.reg_scale])?;
        let (rows, rest) = targets.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(Error::PartialRow { what: "the targets", got: targets.len(), row: 4 });
        }
        if targets.len() != references.len() {
            let (expected, got) = (targets.len(), references.len());
            return Err(Error::Length { what: "the references", expected, got });
        }
        let offset = |outside: f64, side: f64| {
            if outside == 0.0 { 0.0 } else { outside * self.reg_scale / side.max(0.0) }
        };
        let of_box = |(target, reference): (&[f64; 4], &[f64; 4])| {
            let [x1, y1, x2, y2] = *reference;
            let (w, h) = (x2 - x1, y2 - y1);
            [
                offset(x1 - target[0], w),
                offset(y1 - target[1], h),
                offset(target[2] - x2, w),
                offset(target[3] - y2, h),
            ]
        };
        Ok(rows.iter().zip(references.as_chunks::<4>().0).flat_map(of_box).collect())
    }
}

/// The weight of every row in the sum that is the decoupled distillation focal loss (DDF).
///
/// ```text
/// L = (√M L⁺ + √U L⁻) / (√M + √U)
/// ```
///
/// where L⁺ is the mean of wᵢ dᵢ over M matched rows, L⁻ over U unmatched ones, and d is
/// [`softmax_kl`](crate::losses::rows::SoftmaxKl) with T = 5 between the last layer, the teacher, and the layer that learns. `confidence` has
/// w: the IoU of a matched query, the teacher's largest score of an unmatched one. Rows are edges or queries: four times as many
/// of both are of no difference. The weight of a row is w / (√M (√M + √U)), or that with U. A side without rows is 0.
///
/// Unmatched queries are the most by far. By the roots of their numbers they neither drown the matched ones nor go under.
///
/// ```
/// use detloss::{Batch, batch::Weights, losses::rows::SoftmaxKl, refinement::ddf_weights};
///
/// let weights = ddf_weights(&[0.7], &[true])?;
/// let student = [0.2, -0.4, 1.0, 0.6, 0.0, -1.0, 0.3, 0.8, -0.7];
/// let teacher = [0.0, -0.5, 1.5, 0.4, 0.1, -1.0, 0.0, 1.0, 0.0];
/// let ddf = Batch::new(&student, &teacher).columns(9).weights(Weights::Rows(&weights)).sum();
/// assert!((ddf.value(&SoftmaxKl { temperature: 5.0 })? - 0.036_029_175_5).abs() < 1e-9);
/// # Ok::<(), detloss::Error>(())
/// ```
///
/// The means are those of D-FINE's code, where a factor by the size of the batch cancels. Its queries for denoising take M and U of the
/// ordinary ones: multiply by the ratio.
///
/// # Errors
///
/// If the slices are not of equal length, or a confidence is negative, infinite or NaN.
pub fn ddf_weights(confidence: &[f64], matched: &[bool]) -> Result<Vec<f64>> {
    if confidence.len() != matched.len() {
        let (expected, got) = (confidence.len(), matched.len());
        return Err(Error::Length { what: "what is matched", expected, got });
    }
    if let Some(index) = confidence.iter().position(|it| !(*it >= 0.0 && it.is_finite())) {
        let (what, wanted) = ("the confidence", "a number from 0 on");
        return Err(Error::InvalidNumber { what, index, got: confidence[index], wanted });
    }
    let root_of =
        |side: bool| (matched.iter().filter(|&&matched| matched == side).count() as f64).sqrt();
    let (matches, others) = (root_of(true), root_of(false));
    let weight = |(&confidence, &matched): (&f64, &bool)| {
        confidence / ((if matched { matches } else { others }) * (matches + others))
    };
    Ok(confidence.iter().zip(matched).map(weight).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tolerance, assert_close};

    fn hold(got: &[f64], expected: &[f64]) {
        assert_eq!(got.len(), expected.len());
        let printed = Tolerance { absolute: 1e-10, relative: 0.0 };
        for (got, &expected) in got.iter().zip(expected) {
            assert_close(*got, expected, printed, &expected);
        }
    }

    /// Numbers of 50 digits; they agree with D-FINE's code.
    #[test]
    fn offsets_are_close_in_the_middle_and_far_apart_at_the_ends() {
        let all = Offsets::default().values().unwrap();
        let above = [
            0.0,
            0.075_989_624_7,
            0.157_753_672_5,
            0.245_730_939_6,
            0.340_393_566_2,
            0.442_249_570_3,
            0.551_845_573_9,
            0.669_769_736_7,
            0.796_654_912_4,
            0.933_182_044_9,
            1.080_083_823_1,
            1.238_148_612_2,
            1.408_224_685_3,
            1.591_224_775_4,
            1.788_130_973_6,
            2.0,
            4.0,
        ];
        hold(&all[16..], &above);
        hold(&all[..=16], &above.iter().rev().map(|offset| -offset).collect::<Vec<_>>());
        let few = Offsets { bins: 8, ..Offsets::default() }.values().unwrap();
        hold(&few[4..], &[0.0, 0.442_249_570_3, 1.080_083_823_1, 2.0, 4.0]);
        hold(&Offsets { bins: 2, ..Offsets::default() }.values().unwrap(), &[-4.0, 0.0, 4.0]);
    }

    #[test]
    fn a_place_is_between_its_neighbours() {
        let offsets = Offsets::default();
        let places = offsets.place(&[0.0, 0.1, -0.3, 1.9, 3.0, -3.5, 5.0, -9.0]).unwrap();
        let printed =
            [16.0, 17.293_654_435_2, 12.426_710_811_6, 30.528_010_291_5, 31.5, 0.25, 32.0, 0.0];
        hold(&places, &printed);
        let whole: Vec<f64> = (0..=32).map(f64::from).collect();
        assert_eq!(offsets.place(&offsets.values().unwrap()).unwrap(), whole);
        assert_eq!(offsets.place(&[f64::INFINITY, f64::NEG_INFINITY]).unwrap(), [32.0, 0.0]);
        assert!(offsets.place(&[f64::NAN]).unwrap()[0].is_nan());
    }

    #[test]
    fn offsets_of_boxes_are_how_far_their_edges_lie_outside() {
        let (target, reference) = ([0.42, 0.33, 0.57, 0.46], [0.4, 0.35, 0.6, 0.45]);
        let offsets = Offsets::default();
        hold(&offsets.of_boxes(&target, &reference).unwrap(), &[-0.4, 0.8, -0.6, 0.4]);
        assert_eq!(offsets.of_boxes(&reference, &reference).unwrap(), [0.0; 4]);
        // As D-FINE writes it: from the centre.
        let (cx, w, c) = (0.5, 0.2, 4.0);
        hold(
            &offsets.of_boxes(&target, &reference).unwrap()[..1],
            &[(cx - target[0]) * c / w - c / 2.0],
        );
    }

    #[test]
    fn a_reference_without_a_side_has_its_edges_at_the_ends() {
        let flat = [1.0, 1.0, 1.0, 3.0];
        let offsets = Offsets::default()
            .of_boxes(&[0.5, 1.0, 1.0, 3.0, 2.0, 1.0, 0.0, 3.0], &[flat, flat].concat());
        let places = Offsets::default().place(&offsets.unwrap()).unwrap();
        assert_eq!(places, [32.0, 16.0, 16.0, 16.0, 0.0, 16.0, 0.0, 16.0]);
        let inverted = Offsets::default().of_boxes(&[0.0; 4], &[2.0, 2.0, 1.0, 1.0]).unwrap();
        assert!(inverted.iter().all(|offset| offset.is_infinite()), "{inverted:?}");
    }

    /// The formula as it is printed.
    #[test]
    fn weights_of_the_distillation_are_means_joined_by_roots() {
        let (confidence, matched) = ([0.7, 0.2, 0.9, 0.1, 0.0], [true, false, true, false, false]);
        let d = [0.3, 1.0, 0.5, 2.0, 4.0];
        let weights = ddf_weights(&confidence, &matched).unwrap();
        let loss: f64 = weights.iter().zip(d).map(|(weight, d)| weight * d).sum();
        let (of_matched, others) = ((0.7 * 0.3 + 0.9 * 0.5) / 2.0, (0.2 + 0.1 * 2.0) / 3.0);
        let (m, u) = (2_f64.sqrt(), 3_f64.sqrt());
        hold(&[loss], &[(m * of_matched + u * others) / (m + u)]);
        // Four edges each: the same loss, each a quarter.
        let of_edges = |of: &[f64]| of.iter().flat_map(|&it| [it; 4]).collect::<Vec<_>>();
        let four: Vec<bool> = matched.iter().flat_map(|&it| [it; 4]).collect();
        let quarter: Vec<f64> = weights.iter().map(|weight| weight / 4.0).collect();
        hold(&ddf_weights(&of_edges(&confidence), &four).unwrap(), &of_edges(&quarter));
        hold(&ddf_weights(&[0.5, 0.5], &[false; 2]).unwrap(), &[0.25; 2]);
        hold(&ddf_weights(&[0.5, 0.5], &[true; 2]).unwrap(), &[0.25; 2]);
        assert_eq!(ddf_weights(&[], &[]).unwrap(), []);
    }

    #[test]
    fn wrong_calls_are_errors() {
        for bins in [0, 7] {
            let error = Offsets { bins, ..Offsets::default() }.values().unwrap_err();
            assert!(error.to_string().contains("an even number from 2 on"), "{error}");
        }
        assert!(Offsets { up: 0.0, ..Offsets::default() }.place(&[1.0]).is_err());
        let no_scale = Offsets { reg_scale: f64::NAN, ..Offsets::default() };
        assert!(no_scale.of_boxes(&[0.0; 4], &[0.0; 4]).is_err());
        let offsets = Offsets::default();
        assert!(matches!(offsets.of_boxes(&[0.0; 5], &[0.0; 4]), Err(Error::PartialRow { .. })));
        assert!(matches!(offsets.of_boxes(&[0.0; 4], &[0.0; 8]), Err(Error::Length { .. })));
        assert!(matches!(ddf_weights(&[0.5], &[]), Err(Error::Length { .. })));
        for bad in [-0.5, f64::NAN, f64::INFINITY] {
            let error = ddf_weights(&[0.5, bad], &[true; 2]).unwrap_err();
            assert!(matches!(error, Error::InvalidNumber { index: 1, .. }), "{error}");
        }
    }
}
