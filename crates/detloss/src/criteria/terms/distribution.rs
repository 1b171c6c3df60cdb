use super::{Paired, batch, sum_and_grad};
use crate::batch::Weights;
use crate::criteria::criterion::Term;
use crate::error::Result;
use crate::matching::Precision;
use crate::scalar::lit;

impl<T: Precision> Paired<'_, T> {
    /// The distributions of the four sides with the places of the truths' sides: their mean.
    pub(super) fn distribution(
        &self,
        term: &Term,
        margin: f64,
        factor: f64,
        grad: &mut [T],
    ) -> Result<f64> {
        let layer = self.layer;
        let columns = layer.head.decoder.columns();
        let bins = columns / 4;
        let logits = layer.boxes(self.image);
        let preds: Vec<T> =
            (0..self.pairs.len()).flat_map(|pair| &logits[self.numbers(pair)]).copied().collect();
        let mut places = Vec::with_capacity(4 * self.pairs.len());
        for (pair, &target) in self.targets.iter().enumerate() {
            let distances = layer.head.decoder.encode(target, self.place(pair));
            places.extend(distances.map(|place| place.clamp(0.0, bins as f64 - 1.0 - margin)));
        }
        let (weights, _) = self.row_weights(term);
        let weights: Vec<T> = weights.iter().flat_map(|&weight| [weight * lit(0.25); 4]).collect();
        let batch = batch(&preds, &places, factor).columns(bins).weights(Weights::Rows(&weights));
        let (sum, slopes) = sum_and_grad(&batch, &term.loss, grad)?;
        self.add_to_boxes(grad, &slopes);
        Ok(sum)
    }
}
