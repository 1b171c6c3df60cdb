//! How the shapes of the tensors make up a batch.

use candle_core::{Result, bail};
use detloss::batch::Layout;
use detloss::geometry::Fields;

/// What a prediction and a target of these shapes are.
#[derive(Debug)]
pub(crate) struct Form {
    /// How many units make a row.
    pub(crate) columns: usize,
    /// The shape of what is one per unit (box, value, score, row of logits): the values, unless the loss is of whole batches.
    pub(crate) units: Vec<usize>,
    /// The shape of what is one per row: class indices, groups, weights per row.
    pub(crate) rows: Vec<usize>,
    /// The target is class indices.
    pub(crate) classes: bool,
}

impl Form {
    /// The form of a prediction of shape `pred` and a target of shape `target`, of integers or not.
    pub(crate) fn new(
        layout: &Layout,
        pred: &[usize],
        target: &[usize],
        integers: bool,
    ) -> Result<Self> {
        let Layout { loss, pred: fields, target: of_target, .. } = *layout;
        let names = || fields.names.join(", ");
        let (columns, rows, units, fits);
        if fields.is_row {
            let Some((last, lead)) = pred.split_last() else {
                bail!(
                    "{loss}: the prediction is a scalar: give rows of {}s, [rows, columns]",
                    names()
                )
            };
            // All dimensions of a mask but the first are its pixels.
            let is_mask = of_target == Fields::LABELS && !lead.is_empty();
            let (lead, of_row) = if is_mask { pred.split_at(1) } else { (lead, &[*last][..]) };
            (columns, rows, units) = (of_row.iter().product(), lead.to_vec(), lead.to_vec());
            fits = if of_target.is_row { pred.to_vec() } else { lead.to_vec() };
        } else if fields.names.len() > 1 {
            let lead = match pred.split_last() {
                Some((&last, lead)) if last == fields.names.len() => lead,
                _ => bail!(
                    "{loss}: the prediction has shape {pred:?}: its last dimension is to be {} ({})",
                    fields.names.len(),
                    names()
                ),
            };
            (columns, rows, units) = (1, lead.to_vec(), lead.to_vec());
            let of_target = of_target.names.len();
            fits = if of_target == 1 { lead.to_vec() } else { [lead, &[of_target]].concat() };
        } else {
            let lead = &pred[..pred.len().saturating_sub(1)];
            columns = if pred.len() > 1 { pred[pred.len() - 1] } else { 1 };
            rows = if pred.len() > 1 { lead.to_vec() } else { pred.to_vec() };
            (units, fits) = (pred.to_vec(), pred.to_vec());
        }
        // Without a dimension of columns, 1 could be "yes" or "the class after the only one".
        let takes_classes = of_target.is_label && (fields.is_row || rows != fits);
        let classes = integers && takes_classes;
        let wanted = if classes { &rows } else { &fits };
        if target != wanted || integers && !classes {
            let or = if takes_classes {
                format!(", or class indices (integers) of shape {rows:?}")
            } else {
                String::new()
            };
            let given = if integers { "integers" } else { "floats" };
            bail!(
                "{loss}: the target is {given} of shape {target:?}: with a prediction of shape {pred:?} give floats of shape \
                 {fits:?} (to_dtype makes them){or}"
            )
        }
        Ok(Self { columns, units, rows, classes })
    }

    /// How many units there are.
    pub(crate) fn count(&self) -> usize {
        self.units.iter().product()
    }

    /// Whether weights of shape `weights` are one per row, and not per unit.
    pub(crate) fn is_per_row(&self, loss: &str, weights: &[usize]) -> Result<bool> {
        let Self { rows, units, .. } = self;
        if weights == units {
            return Ok(rows == units);
        }
        if weights != rows {
            bail!(
                "{loss}: the weights have shape {weights:?}: give {rows:?}, one per row, or {units:?}, one per value"
            )
        }
        Ok(true)
    }
}
