//! Boxes by other fields than their corners, and gradients back by those fields.

use clap::ValueEnum;
use detloss::geometry::{Cxcywh, Xyxy};
use detloss::scalar::dual::Gradient;
use detloss::scalar::{Dual, Scalar};

use crate::chain;

/// By which fields a box is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum BoxFormat {
    /// Left, top, right, bottom
    #[default]
    Xyxy,
    /// Left, top, width, height
    Xywh,
    /// Centre, width, height
    Cxcywh,
}

impl BoxFormat {
    /// The fields, in their order.
    pub(crate) fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Xyxy => &["x1", "y1", "x2", "y2"],
            Self::Xywh => &["x", "y", "w", "h"],
            Self::Cxcywh => &["cx", "cy", "w", "h"],
        }
    }

    /// The corners of boxes given by these fields, one box after the other.
    pub(crate) fn to_corners(self, boxes: &[f64]) -> Vec<f64> {
        boxes.as_chunks().0.iter().flat_map(|&fields| self.corners(fields)).collect()
    }

    /// The gradient by these fields, from the gradient by the corners.
    pub(crate) fn gradient(self, boxes: &[f64], by_corners: &[f64]) -> Vec<f64> {
        let pairs = boxes.as_chunks::<4>().0.iter().zip(by_corners.chunks(4));
        let pull = |(fields, slopes): (&[f64; 4], &[f64])| {
            let fields = std::array::from_fn(|k| Dual::<f64, 4>::variable(fields[k], k));
            chain::by_inputs(&self.corners(fields), slopes)
        };
        pairs.flat_map(pull).collect()
    }

    fn corners<S: Scalar>(self, [a, b, c, d]: [S; 4]) -> [S; 4] {
        let Xyxy { x1, y1, x2, y2 } = match self {
            Self::Xyxy => Xyxy { x1: a, y1: b, x2: c, y2: d },
            Self::Xywh => Xyxy { x1: a, y1: b, x2: a + c, y2: b + d },
            Self::Cxcywh => Cxcywh { cx: a, cy: b, w: c, h: d }.to_xyxy(),
        };
        [x1, y1, x2, y2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Something with a different slope by every corner.
    fn height(corners: &[f64]) -> f64 {
        corners.iter().zip(1..).map(|(corner, k)| f64::from(k) * corner * corner).sum()
    }

    #[test]
    fn gradients_are_the_slopes_by_the_fields_given() {
        let fields = [3.0, 5.0, 2.0, 1.5];
        for format in BoxFormat::value_variants() {
            let corners = format.to_corners(&fields);
            let by_corners: Vec<f64> =
                corners.iter().zip(1..).map(|(corner, k)| 2.0 * f64::from(k) * corner).collect();
            let gradient = format.gradient(&fields, &by_corners);
            for k in 0..4 {
                let at = |step: f64| {
                    let mut moved = fields;
                    moved[k] += step;
                    height(&format.to_corners(&moved))
                };
                let slope = (at(1e-4) - at(-1e-4)) / 2e-4;
                assert!((gradient[k] - slope).abs() < 1e-6, "{format:?}, field {k}");
            }
        }
    }

    #[test]
    fn the_three_formats_of_one_box_have_the_same_corners() {
        for (format, fields) in [
            (BoxFormat::Xyxy, [1.0, 2.0, 5.0, 8.0]),
            (BoxFormat::Xywh, [1.0, 2.0, 4.0, 6.0]),
            (BoxFormat::Cxcywh, [3.0, 5.0, 4.0, 6.0]),
        ] {
            assert_eq!(format.to_corners(&fields), [1.0, 2.0, 5.0, 8.0]);
        }
    }
}
