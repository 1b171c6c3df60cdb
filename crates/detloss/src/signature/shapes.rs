//! Tensors of these shapes as a batch.

use super::{Signature, Takes};
use crate::error::{Error, Result};
use crate::loss::Scope;

/// How the tensors of one call make up a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shapes {
    /// The loss.
    pub loss: &'static str,
    /// The shape of what is one per row: class indices, groups, weights per row.
    pub rows: Vec<usize>,
    /// How many columns a row has.
    pub columns: usize,
    /// The shape of what is one per unit: weights per element and, unless the loss is of whole batches, its values.
    pub units: Vec<usize>,
    /// The target is class indices, one per row.
    pub class_indices: bool,
    takes: Takes,
}

impl Signature {
    /// How many of the dimensions of a prediction count rows: the first ones. The others hold columns, fields or pixels.
    #[must_use]
    pub const fn row_dims(&self, rank: usize) -> usize {
        match rank {
            0 => 0,
            1 if self.is_elementwise() => 1,
            // All dimensions of a mask but the first are its pixels.
            2.. if self.is_mask() => 1,
            _ => rank - 1,
        }
    }

    /// The dimensions of a target that has all its fields, for a prediction of these dimensions.
    fn dense_target(&self, pred: &[usize]) -> Vec<usize> {
        let rows = &pred[..self.row_dims(pred.len())];
        match self.target.fields() {
            _ if self.is_elementwise() || self.target.is_row() => pred.to_vec(),
            [_] => rows.to_vec(),
            fields => [rows, &[fields.len()]].concat(),
        }
    }

    /// Tensors of these shapes as a batch; `integers` says whether the target is of integers, which may then be class indices.
    ///
    /// Integers of the shape of the targets are labels, and numbers like any other. A target of one field may have a last dimension
    /// of 1.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if a shape does not fit the loss, or not the other one.
    pub fn shapes(&self, pred: &[usize], target: &[usize], integers: bool) -> Result<Shapes> {
        let fields = self.pred.fields();
        let (rows, rest) = pred.split_at(self.row_dims(pred.len()));
        let columns = match rest {
            _ if fields.len() > 1 => {
                if rest != [fields.len()] {
                    let wanted =
                        format!("a last dimension of {} ({})", fields.len(), fields.join(", "));
                    return Err(unfit(self.loss, "the prediction", pred, wanted));
                }
                1
            }
            [] if self.pred.is_row() => {
                let wanted = format!("rows of {}s: (..., columns)", fields[0]);
                return Err(unfit(self.loss, "the prediction", pred, wanted));
            }
            rest => rest.iter().product(),
        };
        if columns == 0 && self.pred.is_row() && !rows.contains(&0) {
            let wanted = format!("a {} or more in every row", fields[0]);
            return Err(unfit(self.loss, "the prediction", pred, wanted));
        }
        let dense = self.dense_target(pred);
        // Without a dimension of columns, 1 could be "yes" or "the class after the only one": it is "yes".
        let takes_indices =
            self.tensors_take().class_indices && (self.pred.is_row() || rows.len() < pred.len());
        let is_column = self.target.fields().len() == 1
            && !self.is_elementwise()
            && !self.target.is_row()
            && target.split_last() == Some((&1, rows));
        let class_indices = integers && takes_indices && (target == rows || is_column);
        if !class_indices && target != dense && !is_column {
            let mut wanted = format!("{dense:?} with a prediction of shape {pred:?}");
            if takes_indices {
                wanted += &format!(", or class indices (integers) of shape {rows:?}");
            }
            return Err(Error::Shape {
                loss: self.loss,
                what: "the target",
                got: target.to_vec(),
                wanted,
                columns_at: self.columns_at(pred, target),
            });
        }
        let units = if self.is_elementwise() { pred } else { rows };
        let (rows, units) = (rows.to_vec(), units.to_vec());
        let takes = self.tensors_take();
        Ok(Shapes { loss: self.loss, rows, columns, units, class_indices, takes })
    }

    /// How many columns rows have of which only the numbers are known: those of a prediction and of its target, field by field. A
    /// loss of single rows has one row; numbers that are units of their own are rows of one column.
    #[must_use]
    pub fn columns_of(&self, pred: usize, target: usize) -> usize {
        let rows = match self.scope {
            _ if !self.pred.is_row() => return 1,
            Scope::Set if !self.target.is_row() => target / self.target.fields().len(),
            _ => 1,
        };
        pred / rows.max(1)
    }

    /// The same for a prediction and so many class indices, one per row.
    #[must_use]
    pub fn columns_of_indices(&self, pred: usize, rows: usize) -> usize {
        let width = if self.pred.is_row() { 1 } else { self.pred.fields().len() };
        pred / width / rows.max(1)
    }

    /// The dimension without which a prediction has the shape of its target, where that would be class indices.
    fn columns_at(&self, pred: &[usize], target: &[usize]) -> Option<usize> {
        let without = |dim: usize| [&pred[..dim], &pred[dim + 1..]].concat() == target;
        let earlier = (0..pred.len().saturating_sub(1)).find(|&dim| without(dim));
        earlier.filter(|_| self.tensors_take().class_indices)
    }
}

impl Shapes {
    /// How many rows there are.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.rows.iter().product()
    }

    /// How many units there are.
    #[must_use]
    pub fn unit_count(&self) -> usize {
        self.units.iter().product()
    }

    /// Whether weights of this shape are one per row. If not, they are one per element.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if they are neither.
    pub fn weights_per_row(&self, dims: &[usize]) -> Result<bool> {
        let Self { rows, units, .. } = self;
        if dims == rows || dims == units {
            return Ok(dims == rows);
        }
        let wanted = if rows == units {
            format!("{rows:?}, one per row")
        } else {
            format!("{units:?}, one per value, or {rows:?}, one per row")
        };
        Err(unfit(self.loss, "the weight", dims, wanted))
    }

    /// Checks that weights per column have one number for each.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if they have not, [`Error::NoColumnWeights`] if the loss takes none.
    pub fn check_column_weights(&self, dims: &[usize]) -> Result<()> {
        if !self.takes.column_weights {
            return Err(Error::NoColumnWeights { loss: self.loss });
        }
        if dims == [self.columns] {
            return Ok(());
        }
        let wanted = format!("[{}], one per column", self.columns);
        Err(unfit(self.loss, "the weight per column", dims, wanted))
    }

    /// Checks that groups have one id per row.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if they have not, [`Error::NothingToGroup`] if the loss takes none.
    pub fn check_groups(&self, dims: &[usize]) -> Result<()> {
        if !self.takes.groups {
            return Err(Error::NothingToGroup { loss: self.loss });
        }
        if dims == self.rows {
            return Ok(());
        }
        Err(unfit(
            self.loss,
            "the tensor of groups",
            dims,
            format!("{:?}, one id per row", self.rows),
        ))
    }
}

fn unfit(loss: &'static str, what: &'static str, got: &[usize], wanted: String) -> Error {
    Error::Shape { loss, what, got: got.to_vec(), wanted, columns_at: None }
}

#[cfg(test)]
mod tests {
    use crate::losses;

    fn shapes(loss: &str, pred: &[usize], target: &[usize], integers: bool) -> String {
        let signature = losses::find(loss).unwrap().signature;
        match signature.shapes(pred, target, integers) {
            Ok(it) => format!(
                "{:?} x {}, units {:?}{}",
                it.rows,
                it.columns,
                it.units,
                if it.class_indices { ", indices" } else { "" }
            ),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_kind_of_loss_has_its_batch() {
        for (loss, pred, target, integers, expected) in [
            ("giou", &[7, 4][..], &[7, 4][..], false, "[7] x 1, units [7]"),
            ("giou", &[4], &[4], false, "[] x 1, units []"),
            ("l1", &[7, 3], &[7, 3], false, "[7] x 3, units [7, 3]"),
            ("l1", &[7], &[7], false, "[7] x 1, units [7]"),
            ("l1", &[], &[], false, "[] x 1, units []"),
            ("focal", &[2, 7, 3], &[2, 7], true, "[2, 7] x 3, units [2, 7, 3], indices"),
            ("focal", &[2, 7, 3], &[2, 7, 3], true, "[2, 7] x 3, units [2, 7, 3]"),
            ("focal", &[7], &[7], true, "[7] x 1, units [7]"),
            ("kl", &[7, 2], &[7], false, "[7] x 1, units [7]"),
            ("kl", &[7, 2], &[7, 1], false, "[7] x 1, units [7]"),
            ("seesaw", &[7, 3], &[7, 1], true, "[7] x 3, units [7], indices"),
            ("softmax_ce", &[7, 3], &[7], true, "[7] x 3, units [7], indices"),
            ("softmax_ce", &[7, 3], &[7, 3], false, "[7] x 3, units [7]"),
            ("softmax_ce", &[3], &[], true, "[] x 3, units [], indices"),
            ("distribution_focal", &[7, 17], &[7], false, "[7] x 17, units [7]"),
            ("dice", &[2, 5, 6], &[2, 5, 6], false, "[2] x 30, units [2]"),
            ("dice", &[30], &[30], false, "[] x 30, units []"),
            ("lovasz_softmax", &[5, 6, 3], &[5, 6], true, "[5, 6] x 3, units [5, 6], indices"),
            ("alrp", &[9, 2], &[9], false, "[9] x 1, units [9]"),
            ("ap", &[9, 2], &[9], true, "[9] x 2, units [9, 2], indices"),
        ] {
            assert_eq!(
                shapes(loss, pred, target, integers),
                expected,
                "{loss} {pred:?} {target:?}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_remedy() {
        assert_eq!(
            shapes("giou", &[7, 5], &[7, 5], false),
            "giou: the prediction has shape [7, 5]: give a last dimension of 4 (x1, y1, x2, y2)"
        );
        assert_eq!(
            shapes("softmax_ce", &[2, 3, 5, 6], &[2, 5, 6], true),
            "softmax_ce: the target has shape [2, 5, 6]: give [2, 3, 5, 6] with a prediction of shape [2, 3, 5, 6], or class \
             indices (integers) of shape [2, 3, 5]; the columns are the last dimension of a prediction: if here they are \
             dimension 1, move it to the end"
        );
        assert!(shapes("softmax_ce", &[], &[], true).contains("give rows of logits"));
        assert_eq!(
            shapes("softmax_ce", &[3, 0], &[3], true),
            "softmax_ce: the prediction has shape [3, 0]: give a logit or more in every row"
        );
        assert!(shapes("softmax_ce", &[0, 0], &[0], true).starts_with("[0] x 0"));
        assert!(shapes("focal", &[7, 3], &[7], false).contains("give [7, 3]"));
    }
}
