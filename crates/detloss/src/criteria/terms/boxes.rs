use super::{Grads, Paired, add, batch, reciprocal, sum_and_grad};
use crate::batch::Weights;
use crate::criteria::criterion::{Term, Unit};
use crate::criteria::vectors;
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
        for (pair, (pred, target)) in self.preds.iter().zip(&self.targets).enumerate() {
            let scale = match unit {
                Unit::Given => T::from_f64(1.0),
                Unit::Strides => reciprocal(self.place(pair).stride),
            };
            // An angle has no unit.
            let of = [scale, scale, scale, scale, T::from_f64(1.0)];
            preds.extend(pred.iter().zip(of).take(width).map(|(&field, scale)| field * scale));
            targets.extend(target.iter().zip(of).take(width).map(|(&field, scale)| field * scale));
            scales.push(of);
        }
        let (weights, _) = self.row_weights(term);
        let batch = batch(&preds, &targets, factor).weights(Weights::Rows(&weights));
        let (sum, slopes) = sum_and_grad(&batch, &term.loss, grads.boxes.grad)?;
        for (pair, slopes) in slopes.chunks_exact(width).enumerate() {
            let mut fields = [T::default(); 5];
            for ((field, &slope), scale) in fields.iter_mut().zip(slopes).zip(scales[pair]) {
                *field = slope * scale;
            }
            self.add_backward(pair, fields, grads);
        }
        Ok(sum)
    }

    /// Adds the gradient by the raw numbers of a box, from that by the fields of the decoded one.
    fn add_backward(&self, pair: usize, grad_fields: [T; 5], grads: &mut Grads<'_, T>) {
        let (layer, numbers) = (self.layer, self.numbers(pair));
        let decoder = layer.head.decoder;
        let slopes = decoder.backward(self.raws[pair], self.place(pair), grad_fields);
        let grad = &mut grads.boxes.written()[numbers.clone()];
        if let Some(bins) = decoder.bins() {
            let logits = &layer.boxes(self.image)[numbers];
            let sides = logits.chunks_exact(bins).zip(grad.chunks_exact_mut(bins));
            for ((logits, grad), slope) in sides.zip(slopes) {
                vectors::add_backward(logits, slope, grad);
            }
        } else {
            add(grad, &slopes);
        }
        if let Some(angle) = grads.angle.written().get_mut(self.pairs[pair].0) {
            *angle = *angle + slopes[4];
        }
    }
}
