use super::{Paired, add, batch, sum_and_grad};
use crate::batch::Weights;
use crate::criteria::criterion::{RowWeight, Rows, Term};
use crate::error::Result;
use crate::matching::Precision;
use crate::refinement::Offsets;

impl<T: Precision> Paired<'_, T> {
    /// The distributions beside the boxes with the places of the truths' sides: the sum of the sides.
    pub(super) fn refinement(
        &self,
        term: &Term,
        up: f64,
        reg_scale: f64,
        factor: f64,
        grad: &mut [T],
    ) -> Result<f64> {
        let layer = self.layer;
        let columns = layer.columns;
        let preds = self.gathered(layer.distribution(self.image), columns);
        let targets = self.targets.iter().map(|&[x1, y1, x2, y2, _]| [x1, y1, x2, y2]);
        let references = self.pairs.iter().map(|&(row, _)| layer.reference(self.image, row));
        let offsets = Offsets { bins: (columns / 4) as u32 - 1, up, reg_scale };
        let places = offsets.of_boxes(&doubles(targets), &doubles(references))?;
        let places: Vec<T> = offsets.place(&places)?.into_iter().map(T::from_f64).collect();
        let (weights, _) = self.row_weights(term);
        let weights: Vec<T> = weights.iter().flat_map(|&weight| [weight; 4]).collect();
        let batch =
            batch(&preds, &places, factor).columns(columns / 4).weights(Weights::Rows(&weights));
        let (sum, slopes) = sum_and_grad(&batch, &term.loss, grad)?;
        self.add_to_rows(grad, &slopes, columns);
        Ok(sum)
    }

    /// The distributions beside the boxes with those of the last layer: the mean of the sides.
    pub(super) fn teacher(
        &self,
        term: &Term,
        factor: f64,
        shares: [f64; 2],
        grad: &mut [T],
    ) -> Result<f64> {
        let (layer, image) = (self.layer, self.image);
        // The last layer is its own teacher, and has nothing to learn.
        let Some((teacher, logits)) = layer.teacher(image) else { return Ok(0.0) };
        let (of_pairs, of_background) = self.row_weights(term);
        let [positive, negative] = shares.map(|share| T::from_f64(share * 0.25));
        let mut weights = vec![T::default(); layer.rows];
        if term.rows == Rows::All {
            for (row, weight) in
                weights.iter_mut().enumerate().filter(|(row, _)| self.is_background(*row))
            {
                let confidence = match term.row_weight {
                    RowWeight::Confidence => {
                        largest(&logits[row * layer.classes..][..layer.classes])
                    }
                    _ => T::from_f64(of_background),
                };
                *weight = confidence * negative;
            }
        }
        for (&(row, _), weight) in self.pairs.iter().zip(of_pairs) {
            weights[row] = weight * positive;
        }
        let weights: Vec<T> = weights.iter().flat_map(|&weight| [weight; 4]).collect();
        let batch = batch(layer.distribution(image), teacher, factor)
            .columns(layer.columns / 4)
            .weights(Weights::Rows(&weights));
        let (sum, slopes) = sum_and_grad(&batch, &term.loss, grad)?;
        add(grad, &slopes);
        Ok(sum)
    }
}

/// The largest probability of a class.
fn largest<T: Precision>(logits: &[T]) -> T {
    let most = |most: T, &logit: &T| most.max(logit.sigmoid());
    logits.iter().fold(T::default(), most)
}

fn doubles<T: Precision>(boxes: impl Iterator<Item = [T; 4]>) -> Vec<f64> {
    boxes.flat_map(|corners| corners.map(T::to_f64)).collect()
}
