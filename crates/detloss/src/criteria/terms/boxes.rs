use super::{Grads, Paired, batch, reciprocal};
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
        grads: &mut Grads<'_, T>,
    ) -> Result<f64> {
        let width = self.layer.head.decoder.width();
        let (mut preds, mut targets, mut scales) = (Vec::new(), Vec::new(), Vec::new());
        for ((&(row, _), pred), target) in self.pairs.iter().zip(&self.preds).zip(&self.targets) {
            let scale = match unit {
                Unit::Given => T::from_f64(1.0),
                Unit::Strides => reciprocal(self.layer.place(row).stride),
            };
            // An angle has no unit.
            let of = [scale, scale, scale, scale, T::from_f64(1.0)];
            preds.extend(pred.iter().zip(of).take(width).map(|(&field, scale)| field * scale));
            targets.extend(target.iter().zip(of).take(width).map(|(&field, scale)| field * scale));
            scales.push(of);
        }
        let (weights, _) = self.row_weights(term);
        let batch = batch(&preds, &targets, factor).weights(Weights::Rows(&weights));
        let (sum, slopes) = batch.value_and_grad(&term.loss)?;
        for (pair, slopes) in slopes.chunks_exact(width).enumerate() {
            let mut fields = [T::default(); 5];
            for ((field, &slope), scale) in fields.iter_mut().zip(slopes).zip(scales[pair]) {
                *field = slope * scale;
            }
            let row = self.pairs[pair].0;
            self.layer.add_backward(self.image, row, fields, grads.boxes, grads.angle);
        }
        Ok(sum)
    }
}
