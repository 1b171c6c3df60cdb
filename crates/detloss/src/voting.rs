//! Variance voting: what the uncertainties of the loss [`kl`](crate::losses::values::Kl) are good for.

use crate::error::{Error, Result, positive};
use crate::operand::{Corners, Operand};

/// The width of the paper's neighbourhood; the authors' code has 0.01.
pub const SIGMA_T: f64 = 0.02;

/// A better place for the box number `kept`, voted for by all boxes that overlap it.
///
/// ```text
/// x = Σᵢ pᵢ xᵢ / σᵢ²  /  Σᵢ pᵢ / σᵢ²,    pᵢ = exp(−(1 − IoUᵢ)² / σₜ)
/// ```
///
/// over the boxes i with an IoU above 0 with the kept one, for each coordinate x by itself. `boxes` has four corners a box,
/// `variances` their σ² in the same order and the unit of the boxes squared, σₜ is `sigma_t` (see [`SIGMA_T`]). An empty kept
/// box stays where it is. It takes one pass over the boxes: suppress duplicates first, then call it for the boxes that are left.
///
/// The authors' code counts boxes from an IoU of 0.01 on, and adds 1 to widths and heights.
///
/// He, Zhu, Wang, Savvides, Zhang, *Bounding Box Regression with Uncertainty for Accurate Object Detection*, CVPR 2019.
/// <https://arxiv.org/abs/1809.08545>
///
/// # Errors
///
/// If `boxes` and `variances` are not four numbers a box, `kept` is none of the boxes, or a variance or `sigma_t` is not a
/// positive number.
pub fn variance_voting(
    boxes: &[f64],
    variances: &[f64],
    kept: usize,
    sigma_t: f64,
) -> Result<[f64; 4]> {
    let (rows, rest) = boxes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(Error::PartialRow { what: "the boxes", got: boxes.len(), row: 4 });
    }
    if variances.len() != boxes.len() {
        let (expected, got) = (boxes.len(), variances.len());
        return Err(Error::Length { what: "the variances", expected, got });
    }
    let Some(&kept_row) = rows.get(kept) else {
        let (what, wanted) = ("the kept box", "the number of one of the boxes");
        return Err(Error::InvalidNumber { what, index: 0, got: kept as f64, wanted });
    };
    positive("the variances", variances)?;
    positive("sigma_t", &[sigma_t])?;

    let corners = |row: &[f64; 4]| Corners::of(|field| row[field]);
    let (mut votes, mut weights) = ([0.0; 4], [0.0; 4]);
    for (row, variance) in rows.iter().zip(variances.as_chunks::<4>().0) {
        let iou = corners(&kept_row).iou(corners(row), 0.0);
        if iou > 0.0 {
            let nearness = (-(1.0 - iou).powi(2) / sigma_t).exp();
            for side in 0..4 {
                let weight = nearness / variance[side];
                votes[side] += weight * row[side];
                weights[side] += weight;
            }
        }
    }
    Ok(std::array::from_fn(|side| {
        if weights[side] > 0.0 { votes[side] / weights[side] } else { kept_row[side] }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWINS: [f64; 8] = [0., 0., 10., 10., 0., 0., 10., 10.];

    #[test]
    fn a_lonely_box_stays() {
        let boxes = [0., 0., 10., 10., 20., 20., 30., 30.];
        assert_eq!(variance_voting(&boxes, &[1.0; 8], 0, SIGMA_T), Ok([0., 0., 10., 10.]));
    }

    #[test]
    fn an_empty_box_stays() {
        let boxes = [5., 5., 5., 5., 0., 0., 10., 10.];
        assert_eq!(variance_voting(&boxes, &[1.0; 8], 0, SIGMA_T), Ok([5., 5., 5., 5.]));
    }

    #[test]
    fn the_sure_side_wins_the_vote() {
        let boxes = [0., 0., 10., 10., 0., 0., 10., 9.];
        let variances = [1., 1., 1., 1., 1., 1., 1., 0.25];
        let voted = variance_voting(&boxes, &variances, 0, SIGMA_T).unwrap();
        // IoU 0.9: the neighbour counts e^-½, and four times that for the side it is sure of.
        let weight = 4.0 * (-0.5_f64).exp();
        let expected = (10.0 + weight * 9.0) / (1.0 + weight);
        assert_eq!(voted[..3], [0., 0., 10.]);
        assert!((voted[3] - expected).abs() < 1e-12);
    }

    #[test]
    fn wrong_calls_are_errors() {
        let ones = [1.0; 8];
        assert!(matches!(
            variance_voting(&TWINS[..7], &ones, 0, 0.02),
            Err(Error::PartialRow { .. })
        ));
        assert!(matches!(variance_voting(&TWINS, &ones[..4], 0, 0.02), Err(Error::Length { .. })));
        assert!(matches!(
            variance_voting(&TWINS, &ones, 2, 0.02),
            Err(Error::InvalidNumber { .. })
        ));
        assert!(matches!(
            variance_voting(&TWINS, &[0.0; 8], 0, 0.02),
            Err(Error::InvalidNumber { .. })
        ));
        assert!(matches!(variance_voting(&TWINS, &ones, 0, 0.0), Err(Error::InvalidNumber { .. })));
    }
}
