//! What the file of a loss imports.

pub use crate::geometry::{Corners, Label, Logit, Number, Uncertain, UncertainNumber, Xyxy};
pub use crate::loss::{Case, Facts, Loss, RowLoss, case};
pub use crate::loss;
pub use crate::scalar::{Scalar, lit};
