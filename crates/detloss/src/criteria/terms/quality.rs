use super::{Paired, add, batch, sum_and_grad};
use crate::batch::Weights;
use crate::criteria::criterion::{Quality, Rows, Term};
use crate::error::Result;
use crate::matching::Precision;

impl<T: Precision> Paired<'_, T> {
    /// The logits that predictions have besides their classes.
    pub(super) fn quality(
        &self,
        term: &Term,
        label: Quality,
        factor: f64,
        grad: &mut [T],
    ) -> Result<f64> {
        let (of_pairs, background) = self.row_weights(term);
        let background = if term.rows == Rows::All { background } else { 0.0 };
        let mut labels = vec![T::default(); self.layer.rows];
        let mut weights: Vec<T> = (0..self.layer.rows)
            .map(|row| T::from_f64(if self.is_background(row) { background } else { 0.0 }))
            .collect();
        for (pair, &(row, _)) in self.pairs.iter().enumerate() {
            weights[row] = of_pairs[pair];
            labels[row] = match label {
                Quality::Matched => T::from_f64(1.0),
                Quality::Centerness => self.centerness(pair),
                Quality::Iou => self.iou(pair),
            };
        }
        let logits = self.layer.quality(self.image);
        let batch = batch(logits, &labels, factor).weights(Weights::Rows(&weights));
        let (sum, slopes) = sum_and_grad(&batch, &term.loss, grad)?;
        add(grad, &slopes);
        Ok(sum)
    }
}
