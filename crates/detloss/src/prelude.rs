//! What the file of a loss imports.

pub use crate::geometry::{
    Gaussians, Intervals, Rotated, Xyxy, Xyzxyz, Yaw, part_of_hull, ratio, tempered,
};
pub use crate::loss;
pub use crate::loss::modifiers::{focal_weight, wise_weight};
pub use crate::loss::{BoxLoss, Case, Facts, Focusing, Loss, RowLoss, SetLoss, Terms, case};
pub use crate::operand::{
    Corners, Corners3d, Kind, Label, Logit, Number, RotatedBox, Uncertain, UncertainNumber, YawBox,
};
pub use crate::scalar::expr::Expr;
pub use crate::scalar::stable::{
    abs_error, alpha_t, cross_entropy, negate_if_positive, one_minus_pt,
};
pub use crate::scalar::{Scalar, lit};
// What the losses of whole rows and whole batches need besides.
pub use crate::density::{Density, GhmTerm};
pub use crate::likelihood::{
    CrossEntropy, OfLikelihood, sum_over_classes, trace_over_classes, weighted,
};
pub use crate::loss::{RowOf, RowTarget, SetOf, State, TracedLoss, TracedRow, TracedSet};
pub use crate::lovasz::lovasz;
pub use crate::overlap::{
    OfOverlap, Overlap, OverlapLoss, Pixels, mean_over_classes, of_overlap,
    trace_mean_over_classes, trace_of_overlap,
};
pub use crate::ranking::{Ranking, Step};
pub use crate::scalar::lanes::Vector;
pub use crate::scalar::slice;
pub use crate::scalar::softmax::{Softmax, TracedSoftmax, through_softmax};
pub use crate::scalar::{Compute, Element};
