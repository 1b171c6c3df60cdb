//! What SimOTA and its successor share: how many predictions a truth takes, and who gets one that several take.

use super::anchors::is_finite;
use super::entry::Precision;
use super::image::Scene;
use super::overlap::iou;
use super::top::Top;
use super::tree::Tree;
use super::{BACKGROUND, Matches};
use crate::error::Result;

/// Candidates of all truths together, and what was taken of them so far.
pub(super) struct DynamicK<'a, T> {
    scene: &'a Scene<'a, T>,
    is_candidate: Vec<bool>,
    /// By ascending index.
    candidates: Vec<usize>,
    /// Their predicted boxes.
    tree: Tree<T>,
    indices: Vec<i32>,
    contested: Vec<usize>,
}

impl<'a, T: Precision> DynamicK<'a, T> {
    /// Of these predictions those that are finite.
    pub(super) fn new(scene: &'a Scene<'a, T>, mut is_candidate: Vec<bool>) -> Self {
        let are_finite = |numbers: &[T]| numbers.iter().all(|number| is_finite(*number));
        for (prediction, is_candidate) in is_candidate.iter_mut().enumerate() {
            *is_candidate = *is_candidate
                && are_finite(scene.predicted(prediction))
                && are_finite(scene.scores(prediction));
        }
        let candidates: Vec<usize> =
            (0..scene.predictions).filter(|&prediction| is_candidate[prediction]).collect();
        let rect = |&prediction: &usize| {
            let predicted = scene.predicted_corners(prediction);
            [predicted.x1, predicted.y1, predicted.x2, predicted.y2]
        };
        let tree = Tree::new(candidates.iter().map(rect));
        let indices = vec![BACKGROUND; scene.predictions];
        Self { scene, is_candidate, candidates, tree, indices, contested: Vec::new() }
    }

    pub(super) fn is_candidate(&self, prediction: usize) -> bool {
        self.is_candidate[prediction]
    }

    pub(super) fn candidates(&self) -> &[usize] {
        &self.candidates
    }

    /// A number for every candidate, and 0 for all others.
    pub(super) fn for_each(&self, number: impl Fn(&[T]) -> T) -> Vec<T> {
        let mut numbers = vec![T::default(); self.scene.predictions];
        for &prediction in &self.candidates {
            numbers[prediction] = number(self.scene.scores(prediction));
        }
        numbers
    }

    /// The IoU of a predicted box and a truth.
    pub(super) fn iou(&self, prediction: usize, truth: usize) -> T {
        let overlap = iou(self.scene.predicted_corners(prediction), self.scene.corners(truth));
        if overlap > overlap.lit(1.0) { overlap.lit(1.0) } else { overlap }
    }

    /// How many predictions a truth takes: as many as its `topk` largest IoUs add up to, but one at least. `visit` sees every candidate
    /// with an IoU, by ascending index.
    pub(super) fn count(&self, truth: usize, topk: u32, mut visit: impl FnMut(usize, T)) -> usize {
        let mut largest = Top::new(topk as usize);
        self.tree.meeting(self.scene.window(truth), |place| {
            let prediction = self.candidates[place];
            let overlap = self.iou(prediction, truth);
            if overlap > T::default() {
                largest.offer(overlap, place as u32);
                visit(prediction, overlap);
            }
        });
        let sum = largest.best().iter().fold(T::default(), |sum, &(overlap, _)| sum + overlap);
        (sum.to_f64() as usize).max(1)
    }

    /// A truth takes these predictions.
    pub(super) fn take(&mut self, truth: usize, best: &[(T, u32)]) {
        for &(_, prediction) in best {
            let index = &mut self.indices[prediction as usize];
            if *index == BACKGROUND {
                *index = truth as i32;
            } else {
                self.contested.push(prediction as usize);
            }
        }
    }

    /// The matches, when all truths have taken: `winner` says which of all truths gets a prediction that several took.
    pub(super) fn matches(
        mut self,
        winner: impl Fn(&Self, usize) -> Option<usize>,
    ) -> Result<Matches<T>> {
        let mut contested = std::mem::take(&mut self.contested);
        contested.sort_unstable();
        contested.dedup();
        for prediction in contested {
            self.scene.work.check_cancelled()?;
            if let Some(truth) = winner(&self, prediction) {
                self.indices[prediction] = truth as i32;
            }
        }
        let score = |(prediction, &truth): (usize, &i32)| match usize::try_from(truth) {
            Ok(truth) => self.iou(prediction, truth),
            Err(_) => T::default(),
        };
        let scores = self.indices.iter().enumerate().map(score).collect();
        Ok(Matches { indices: self.indices, scores: Some(scores) })
    }
}

/// Which of these truths costs least; of equal ones the first. None of none.
pub(super) fn cheapest<T: Precision>(
    truths: impl Iterator<Item = usize>,
    cost: impl Fn(usize) -> T,
) -> Option<usize> {
    truths
        .map(|truth| (cost(truth), truth))
        .reduce(|a, b| if b.0 < a.0 { b } else { a })
        .map(|least| least.1)
}
