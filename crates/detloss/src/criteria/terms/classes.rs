use super::{Paired, Slot, add, batch, sum_and_grad};
use crate::batch::{Target, Weights};
use crate::criteria::criterion::{Labels, RowWeight, Rows, Term};
use crate::error::Result;
use crate::matching::{IGNORED, Precision, sampling};

/// The class of a row that does not count.
const LEFT_OUT: i64 = i64::MIN;

/// The label of a match whose IoU is 0.
const LEAST_LABEL: f64 = 1e-30;

impl<T: Precision> Paired<'_, T> {
    /// The logits of all classes with their labels.
    ///
    /// Background, and whatever has a class index as its label, is one batch over all rows, in place. Rows with another label are gathered:
    /// no array of labels of all rows and classes is made.
    pub(super) fn classes(
        &self,
        term: &Term,
        labels: Labels,
        factor: f64,
        slot: &mut Slot<'_, T>,
    ) -> Result<f64> {
        let mut sum = 0.0;
        let is_soft = matches!(labels, Labels::Score | Labels::Iou);
        if term.rows != Rows::Matched {
            sum += self.all_rows(term, labels, is_soft, factor, slot)?;
        }
        if is_soft || term.rows == Rows::Matched {
            sum += self.matched_rows(term, labels, factor, slot)?;
        }
        Ok(sum)
    }

    /// All rows of background, and those with a truth unless they come by themselves.
    fn all_rows(
        &self,
        term: &Term,
        labels: Labels,
        is_soft: bool,
        factor: f64,
        slot: &mut Slot<'_, T>,
    ) -> Result<f64> {
        let (layer, background) = (self.layer, self.background(labels));
        let mut classes: Vec<i64> = (0..layer.rows)
            .map(|row| if self.is_background(row) { background } else { LEFT_OUT })
            .collect();
        if !is_soft {
            for &(row, truth) in &self.pairs {
                classes[row] = self.truths.labels[truth];
            }
        }
        let logits = layer.logits(self.image);
        let (of_pairs, of_background) = self.row_weights(term);
        let mut weights = Vec::new();
        if term.row_weight != RowWeight::One {
            let of_background = T::from_f64(of_background);
            weights.resize(layer.rows, of_background);
            for (&(row, _), weight) in self.pairs.iter().zip(of_pairs) {
                weights[row] = weight;
            }
        }
        if let Rows::HardNegatives(ratio) = term.rows {
            let batch = batch(logits, Target::Classes(&classes), 1.0);
            let losses = batch.columns(layer.classes).ignore_index(LEFT_OUT).values(&term.loss)?;
            let hardest = sampling::hard_negatives(self.matches, &losses, ratio)?;
            for (class, &truth) in classes.iter_mut().zip(&hardest.indices) {
                if truth == IGNORED {
                    *class = LEFT_OUT;
                }
            }
        }
        let class_weight = class_weight(term);
        let mut batch = batch(logits, Target::Classes(&classes), factor)
            .columns(layer.classes)
            .ignore_index(LEFT_OUT);
        if !weights.is_empty() {
            batch = batch.weights(Weights::Rows(&weights));
        }
        if !class_weight.is_empty() {
            batch = batch.column_weights(&class_weight);
        }
        if !slot.grad.is_empty() && !slot.is_written {
            slot.is_written = true;
            return batch.value_and_grad_into(&term.loss, slot.grad);
        }
        let (sum, slopes) = sum_and_grad(&batch, &term.loss, slot.grad)?;
        add(slot.grad, &slopes);
        Ok(sum)
    }

    /// The rows with a truth, gathered.
    fn matched_rows(
        &self,
        term: &Term,
        labels: Labels,
        factor: f64,
        slot: &mut Slot<'_, T>,
    ) -> Result<f64> {
        let columns = self.layer.classes;
        let preds = self.gathered(self.layer.logits(self.image), columns);
        let classes: Vec<i64> =
            self.pairs.iter().map(|&(_, truth)| self.truths.labels[truth]).collect();
        let mut dense = Vec::new();
        let soft: Option<&dyn Fn(usize) -> T> = match labels {
            Labels::Score => Some(&|pair| self.score(pair)),
            // A match that does not meet its truth is no background to a loss that tells them apart by the label.
            Labels::Iou => Some(&|pair| self.iou(pair).max(T::from_f64(LEAST_LABEL))),
            _ => None,
        };
        if let Some(soft) = soft {
            dense.resize(preds.len(), T::default());
            for (pair, &class) in classes.iter().enumerate() {
                dense[pair * columns + class as usize] = soft(pair);
            }
        }
        let target = if soft.is_some() { Target::Dense(&dense) } else { Target::Classes(&classes) };
        let ((weights, _), class_weight) = (self.row_weights(term), class_weight(term));
        let mut batch =
            batch(&preds, target, factor).columns(columns).weights(Weights::Rows(&weights));
        if !class_weight.is_empty() {
            batch = batch.column_weights(&class_weight);
        }
        let (sum, slopes) = sum_and_grad(&batch, &term.loss, slot.grad)?;
        self.add_to_rows(slot.written(), &slopes, columns);
        Ok(sum)
    }

    /// The class index of background: that after the last class, where no column is background.
    pub(super) fn background(&self, labels: Labels) -> i64 {
        labels.background(self.layer.classes).unwrap_or(self.layer.classes as i64)
    }
}

fn class_weight<T: Precision>(term: &Term) -> Vec<T> {
    term.class_weight.iter().map(|&weight| T::from_f64(weight)).collect()
}
