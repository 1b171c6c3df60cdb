//! A decoder as operations, for front-ends that evaluate criteria with numbers of their own.

use super::decoder::{Decoder, Fields, Place};
use crate::scalar::expr::{Expr, Program, Trace};

/// What a decoder computes, as operations. All have ten inputs: five fields, and where the prediction stands: the middle of its anchor, its
/// width and height, and its stride (0, 0, 0, 0, 1 where there are no anchors).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Programs {
    /// The fields of the box of raw numbers: of four, which are means where they are distributions, and the angle.
    pub decode: Program,
    /// The four raw numbers of a box: of its corners, or of the fields of a rotated box.
    pub encode: Program,
    /// The centreness of the prediction's point in such a box.
    pub centerness: Program,
}

impl Decoder {
    /// What it computes, as operations.
    #[must_use]
    pub fn programs(self) -> Programs {
        Programs {
            decode: traced(|raw, place| self.decode(raw, place)[..self.width()].to_vec()),
            encode: traced(|truth, place| self.encode(truth, place).to_vec()),
            centerness: traced(|truth, place| vec![self.centerness(truth, place)]),
        }
    }
}

/// The operations of a formula of fields at a place.
fn traced(formula: impl for<'t> Fn(Fields<Expr<'t>>, Place<Expr<'t>>) -> Vec<Expr<'t>>) -> Program {
    let trace = Trace::new();
    let [a, b, c, d, angle, x, y, width, height, stride] =
        std::array::from_fn(|index| trace.input(index));
    let place = Place { center: [x, y], size: [width, height], stride };
    trace.program(&formula([a, b, c, d, angle], place))
}
