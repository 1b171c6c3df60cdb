//! The call of a loss in words.

use super::Signature;
use crate::loss::Scope;
use crate::operand::Kind;

/// What goes into a loss and comes out of it, in words, for pages, docstrings and errors. Shapes stand in parentheses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// The prediction.
    pub pred: String,
    /// The target.
    pub target: String,
    /// What a weight is for.
    pub weight: String,
    /// The shape of what is one per row.
    pub rows: &'static str,
    /// What has a value of its own.
    pub unit: &'static str,
    /// The values, one per unit.
    pub values: String,
}

impl Signature {
    /// The call in words.
    #[must_use]
    pub fn describe(&self) -> Description {
        let rows = if self.is_mask() { "(n,)" } else { "(...)" };
        let unit = self.unit();
        Description {
            pred: self.describe_pred(),
            target: self.describe_target(),
            weight: self.describe_weight(rows),
            rows,
            unit,
            values: match self.scope {
                Scope::Set => "one for the whole batch, or for each group of rows in it".to_owned(),
                _ if self.is_elementwise() => {
                    format!("one per {unit}, of the shape of the prediction")
                }
                _ => format!("one per {unit}, {rows}"),
            },
        }
    }

    fn unit(&self) -> &'static str {
        match (self.scope, self.pred) {
            (Scope::Set, _) => "group",
            _ if self.is_mask() => "mask",
            (_, Kind::Box | Kind::RotatedBox | Kind::Box3d | Kind::YawBox) => "box",
            _ if self.is_elementwise() => self.pred.fields()[0],
            _ => "row",
        }
    }

    fn describe_pred(&self) -> String {
        match self.pred.fields() {
            [name] if self.is_mask() => {
                format!("(n, ...), n masks of {name}s, or (pixels,), a single one")
            }
            [name] if self.pred.is_row() => format!("(..., columns): rows of {name}s"),
            [name] => format!("(..., columns), or (n,) for a single column: {name}s"),
            names => format!("(..., {}): {}", names.len(), names.join(", ")),
        }
    }

    fn describe_target(&self) -> String {
        let takes = self.tensors_take();
        let range = match self.target {
            Kind::Label | Kind::Mask => " from 0 to 1 (-1 leaves out)",
            _ => "",
        };
        let mut text = match (self.target, self.target.fields()) {
            (target, _) if target == self.pred => return "the shape of the prediction".to_owned(),
            (Kind::Class, _) => return "(...): a class index (an integer) per row".to_owned(),
            (Kind::Distribution, _) => {
                "the shape of the prediction: probabilities from 0 to 1".to_owned()
            }
            (target, [name]) if self.is_elementwise() || target.is_row() => {
                format!("the shape of the prediction: {name}s{range}")
            }
            (_, [name]) => format!("(...): a {name}{range} per row"),
            (_, names) => format!("(..., {}): {}", names.len(), names.join(", ")),
        };
        if takes.class_indices {
            text += "; or (...): class indices (integers), one per row";
            if self.is_elementwise() {
                text += ", the number of columns being background. Integers of the shape of the prediction are labels";
            }
        }
        text
    }

    fn describe_weight(&self, rows: &str) -> String {
        let what =
            if self.scope == Scope::Set { "1 counts, 0 leaves out; one" } else { "a factor" };
        match self.pred.fields() {
            [name] if self.is_elementwise() => {
                format!("{what} per {name}, of the shape of the prediction, or per row, {rows}")
            }
            _ => format!("{what} per {}, {rows}", if self.is_mask() { "mask" } else { "row" }),
        }
    }
}
