//! The lines through the space of predictions that curves are drawn along.

use clap::ValueEnum;
use detloss::loss::Scope;
use detloss::losses::Entry;
use detloss::operand::Kind;
use detloss::scalar::dual::Gradient;
use detloss::scalar::{Dual, Scalar, lit};

use crate::choice;
use crate::cli::AxisName;

/// A number with its slope along the line.
pub(super) type Along = Dual<f64, 1>;

/// A logit that is as sure as anything can be.
const SURE: f64 = 1e4;

impl AxisName {
    /// The first axis that fits a loss.
    pub(super) fn of(entry: &Entry) -> Option<Self> {
        Self::value_variants().iter().copied().find(|axis| axis.fits(entry))
    }

    /// Whether a loss can be drawn over this axis.
    pub(super) fn fits(self, entry: &Entry) -> bool {
        let pred = entry.signature.pred;
        match self {
            Self::Error => matches!(pred, Kind::Number | Kind::UncertainNumber),
            Self::Probability | Self::Logit => right_class(entry).is_some(),
            Self::Margin => {
                let is_set = entry.signature.scope == Scope::Set;
                is_set && matches!(pred, Kind::Logit | Kind::LogitWithError)
            }
            Self::Offset | Self::Scale => choice::kind_of_boxes(entry).is_some(),
            Self::Turn => {
                let turns = matches!(pred, Kind::RotatedBox | Kind::YawBox);
                turns && choice::kind_of_boxes(entry).is_some()
            }
        }
    }

    /// What lies along the axis.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Error => "error: prediction − target",
            Self::Probability => "probability of the right class",
            Self::Logit => "logit of a positive",
            Self::Margin => "logit of a positive above that of a negative",
            Self::Offset => "offset between two unit boxes",
            Self::Scale => "side of the predicted square, target 1",
            Self::Turn => "angle between two boxes of 2 : 1, degrees",
        }
    }

    /// By what the slope is.
    pub(super) fn by(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Probability | Self::Logit => "logit",
            Self::Margin => "logit of the positive",
            Self::Offset => "offset",
            Self::Scale => "side",
            Self::Turn => "angle",
        }
    }

    /// Where the axis begins and ends if nobody says otherwise.
    pub(super) fn range(self) -> (f64, f64) {
        match self {
            Self::Error => (-3.0, 3.0),
            // Where the cross entropy is 5.
            Self::Probability => (0.0067, 1.0),
            Self::Logit => (-5.0, 5.0),
            Self::Margin => (-3.0, 3.0),
            Self::Offset => (0.0, 2.0),
            Self::Scale => (0.1, 3.0),
            Self::Turn => (-90.0, 90.0),
        }
    }

    /// The places that lie on the axis at all.
    pub(super) fn limits(self) -> (f64, f64) {
        match self {
            Self::Probability => (0.0, 1.0),
            Self::Scale => (0.0, f64::MAX),
            Self::Error | Self::Logit | Self::Margin | Self::Offset | Self::Turn => {
                (f64::MIN, f64::MAX)
            }
        }
    }

    /// The prediction of a loss at `place`, each field with its slope along the line.
    pub(super) fn pred(self, entry: &Entry, place: f64) -> Vec<Along> {
        let along = Along::variable(place, 0);
        let (zero, one) = (along.lit(0.0), along.lit(1.0));
        match self {
            Self::Error => vec![along],
            Self::Logit => logits(entry, along),
            Self::Probability => {
                let logit = (place.ln() - (1.0 - place).ln()).clamp(-SURE, SURE);
                logits(entry, Along::variable(logit, 0))
            }
            // Both are located perfectly, where a loss asks for that.
            Self::Margin if entry.signature.pred.fields().len() > 1 => {
                vec![along, zero, zero, zero]
            }
            Self::Margin => vec![along, zero],
            Self::Offset => box_of(entry.signature.pred, along, [one; 3], zero),
            Self::Scale => box_of(entry.signature.pred, zero, [along; 3], zero),
            Self::Turn => {
                let angle = along * lit(1_f64.to_radians());
                box_of(entry.signature.pred, zero, [one + one, one, one], angle)
            }
        }
    }

    /// The target of a loss.
    pub(super) fn target(self, entry: &Entry) -> Vec<f64> {
        let pred = |place| self.pred(entry, place).iter().map(|field| field.value()).collect();
        match self {
            Self::Error => vec![0.0],
            Self::Probability | Self::Logit => {
                right_class(entry).map_or(Vec::new(), |(_, target)| target.to_vec())
            }
            Self::Margin => vec![1.0, 0.0],
            Self::Offset | Self::Turn => pred(0.0),
            Self::Scale => pred(1.0),
        }
    }
}

/// A box of this kind with these sides, about the middle of the unit box at `offset` along x.
fn box_of(kind: Kind, offset: Along, sides: [Along; 3], angle: Along) -> Vec<Along> {
    let axes = [(offset, sides[0]), (angle.lit(0.0), sides[1]), (angle.lit(0.0), sides[2])];
    let axes = if matches!(kind, Kind::Box | Kind::RotatedBox) { &axes[..2] } else { &axes };
    let sides = axes.iter().map(|(_, side)| *side);
    if matches!(kind, Kind::RotatedBox | Kind::YawBox) {
        let centers = axes.iter().map(|(offset, _)| *offset + lit(0.5));
        return centers.chain(sides).chain([angle]).collect();
    }
    let edge = |half: f64| axes.iter().map(move |&(at, side)| at + (side * lit(half) + lit(0.5)));
    edge(-0.5).chain(edge(0.5)).collect()
}

/// The logits of a prediction as multiples of the one that is drawn over, and the target, where the sigmoid of that one is the
/// probability of what is right: of one score, of the first of two classes, or of a mask that is half object, half background.
fn right_class(entry: &Entry) -> Option<(&'static [f64], &'static [f64])> {
    match (entry.signature.scope, entry.signature.pred.fields(), entry.signature.target) {
        (Scope::Unit, ["logit"], _) => Some((&[1.0], &[1.0])),
        (_, _, Kind::Distribution) => Some((&[1.0, 0.0], &[1.0, 0.0])),
        (_, ["logit"], Kind::Class) => Some((&[1.0, 0.0], &[0.0])),
        (Scope::Row, ["logit"], Kind::Mask) => Some((&[1.0, -1.0], &[1.0, 0.0])),
        _ => None,
    }
}

fn logits(entry: &Entry, logit: Along) -> Vec<Along> {
    let (multiples, _) = right_class(entry).unwrap_or_default();
    multiples.iter().map(|&multiple| logit * lit(multiple)).collect()
}
