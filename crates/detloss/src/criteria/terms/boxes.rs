use super::{Paired, batch, reciprocal, scaled};
use crate::batch::Weights;
use crate::criteria::criterion::{Term, Unit};
use crate::error::Result;
use crate::matching::Precision;

impl<T: Precision> Paired<'_, T> {
    /// Decoded boxes with those of their truths.
    pub(super) fn boxes(
        &self,
        term: &Term,
        unit: Unit,
        factor: f64,
        grad: &mut [T],
    ) -> Result<f64> {
        let scale = |pair: usize| match unit {
            Unit::Given => T::from_f64(1.0),
            Unit::Strides => reciprocal(self.layer.place(self.pairs[pair].0).stride),
        };
        let (preds, targets) = (scaled(&self.preds, scale), scaled(&self.targets, scale));
        let (weights, _) = self.row_weights(term);
        let batch = batch(&preds, &targets, factor).weights(Weights::Rows(&weights));
        let (sum, grad_boxes) = batch.value_and_grad(&term.loss)?;
        for (pair, slope) in grad_boxes.as_chunks::<4>().0.iter().enumerate() {
            let scale = scale(pair);
            self.layer.add_backward(
                self.image,
                self.pairs[pair].0,
                slope.map(|slope| slope * scale),
                grad,
            );
        }
        Ok(sum)
    }
}
