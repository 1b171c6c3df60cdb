//! The lines through the space of predictions that curves are drawn along.

use clap::ValueEnum;
use detloss::scalar::dual::Gradient;
use detloss::scalar::{Dual, Scalar, lit};

use crate::cli::AxisName;

/// A number with its slope along the line.
pub(super) type Along = Dual<f64, 1>;

/// A logit that is as sure as anything can be.
const SURE: f64 = 1e4;

impl AxisName {
    /// The first axis that fits predictions of these fields.
    pub(super) fn of(fields: &[&str]) -> Option<Self> {
        Self::value_variants().iter().copied().find(|axis| axis.fits(fields))
    }

    /// Whether predictions of these fields can be drawn over this axis.
    pub(super) fn fits(self, fields: &[&str]) -> bool {
        match self {
            Self::Error => matches!(fields, ["value"] | ["value", "log_variance"]),
            Self::Probability | Self::Logit => matches!(fields, ["logit"]),
            Self::Offset | Self::Scale => matches!(fields, ["x1", "y1", "x2", "y2"]),
        }
    }

    /// What lies along the axis.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Error => "error: prediction − target",
            Self::Probability => "probability of the right class",
            Self::Logit => "logit of a positive",
            Self::Offset => "offset between two unit boxes",
            Self::Scale => "side of the predicted square, target 1",
        }
    }

    /// By what the slope is.
    pub(super) fn by(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Probability | Self::Logit => "logit",
            Self::Offset => "offset",
            Self::Scale => "side",
        }
    }

    /// Where the axis begins and ends if nobody says otherwise.
    pub(super) fn range(self) -> (f64, f64) {
        match self {
            Self::Error => (-3.0, 3.0),
            // Where the cross entropy is 5.
            Self::Probability => (0.0067, 1.0),
            Self::Logit => (-5.0, 5.0),
            Self::Offset => (0.0, 2.0),
            Self::Scale => (0.1, 3.0),
        }
    }

    /// The places that lie on the axis at all.
    pub(super) fn limits(self) -> (f64, f64) {
        match self {
            Self::Probability => (0.0, 1.0),
            Self::Scale => (0.0, f64::MAX),
            Self::Error | Self::Logit | Self::Offset => (f64::MIN, f64::MAX),
        }
    }

    /// The prediction at `place`, each field with its slope along the line.
    pub(super) fn pred(self, place: f64) -> Vec<Along> {
        let along = Along::variable(place, 0);
        let (zero, one) = (along.lit(0.0), along.lit(1.0));
        match self {
            Self::Error | Self::Logit => vec![along],
            Self::Probability => {
                let logit = (place.ln() - (1.0 - place).ln()).clamp(-SURE, SURE);
                vec![Along::variable(logit, 0)]
            }
            Self::Offset => vec![along, zero, along + one, one],
            Self::Scale => {
                let (start, end) = (lit(0.5) - along * lit(0.5), lit(0.5) + along * lit(0.5));
                vec![start, start, end, end]
            }
        }
    }

    /// The target.
    pub(super) fn target(self) -> &'static [f64] {
        match self {
            Self::Error => &[0.0],
            Self::Probability | Self::Logit => &[1.0],
            Self::Offset | Self::Scale => &[0.0, 0.0, 1.0, 1.0],
        }
    }
}
