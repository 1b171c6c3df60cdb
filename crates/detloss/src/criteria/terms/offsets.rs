use super::{Paired, batch, sum_and_grad};
use crate::batch::Weights;
use crate::criteria::criterion::{Sides, Term};
use crate::error::Result;
use crate::matching::Precision;
use crate::scalar::lit;

impl<T: Precision> Paired<'_, T> {
    /// The raw numbers of boxes with those of their encoded truths.
    pub(super) fn offsets(
        &self,
        term: &Term,
        sides: Sides,
        factor: f64,
        grad: &mut [T],
    ) -> Result<f64> {
        let layer = self.layer;
        let mut preds = Vec::with_capacity(4 * self.pairs.len());
        let (mut targets, mut scales) = (preds.clone(), preds.clone());
        for (pair, (&raw, &target)) in self.raws.iter().zip(&self.targets).enumerate() {
            let place = self.place(pair);
            let scale = match (sides, layer.outputs.image_size) {
                (Sides::MeanOfImage, Some(size)) => {
                    let [x, y] = size.map(|side| place.stride * lit(0.25 / side));
                    [x, y, x, y]
                }
                _ => [T::from_f64(1.0); 4],
            };
            let times = |numbers: [T; 4]| (0..4).map(move |side| numbers[side] * scale[side]);
            let [a, b, c, d, _] = raw;
            preds.extend(times([a, b, c, d]));
            let encoded = layer.encoded(&self.truths, self.pairs[pair], self.image, target);
            targets.extend(times(encoded));
            scales.extend(scale);
        }
        let (weights, _) = self.row_weights(term);
        let batch = batch(&preds, &targets, factor).columns(4).weights(Weights::Rows(&weights));
        let (sum, mut slopes) = sum_and_grad(&batch, &term.loss, grad)?;
        for (slope, scale) in slopes.iter_mut().zip(scales) {
            *slope = *slope * scale;
        }
        self.add_to_boxes(grad, &slopes);
        Ok(sum)
    }
}
