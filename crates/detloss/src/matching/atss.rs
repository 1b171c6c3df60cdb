use super::anchors::corners;
use super::entry::{Matcher, Precision};
use super::image::{Inputs, Scene};
use super::overlap::{Overlap, iou};
use super::top::Top;
use super::{BACKGROUND, Matches};
use crate::error::Result;
use crate::loss;

loss! {
    /// Adaptive training sample selection: each truth sets its own threshold, by how well the anchors next to it overlap it.
    ///
    /// ```text
    /// candidates of a truth   the topk anchors of every level whose centres are nearest to its centre
    /// threshold               mean + standard deviation of their IoUs
    /// positive                candidates with IoU ≥ threshold whose centre lies inside the truth
    /// ```
    ///
    /// An anchor that is positive for several truths finds the one that it overlaps most.
    ///
    /// # Conventions
    ///
    /// The standard deviation is that of a sample, with n − 1, as in the authors' code and in MMDetection; of a single candidate it is
    /// 0, where theirs is NaN and nothing is positive. Anchors are squares of eight strides, one for each place, in both; levels are to be
    /// given. Of equally distant anchors the first ones are candidates; a truth in the middle between anchors has many, and PyTorch's `topk`
    /// leaves open which it takes.
    ///
    /// # References
    ///
    /// Zhang, Chi, Yao, Lei, Li, *Bridging the Gap Between Anchor-based and Anchor-free Detection via Adaptive Training Sample Selection*, CVPR
    /// 2020, algorithm 1. <https://arxiv.org/abs/1912.02424>
    "atss", "ATSS" => pub struct Atss: Matching {
        /// How many candidates a truth has on every level.
        topk: u32 = 9 in 1..=1000,
        /// How far inside the truth a centre lies, at least.
        margin: f64 = 0.01 in 0.0..=1000.0,
    }
}

impl Matcher for Atss {
    const INPUTS: Inputs = Inputs::ANCHORS;

    fn matches<T: Precision>(
        &self,
        scene: &Scene<'_, T>,
        _: Option<&Overlap>,
    ) -> Result<Matches<T>> {
        let anchors = scene.anchors();
        let margin = T::from_f64(self.margin);
        let mut best = vec![(T::default(), BACKGROUND); scene.predictions];
        let mut nearest = Top::new(self.topk as usize);
        let mut candidates = Vec::new();
        for truth in 0..scene.count {
            scene.work.check_cancelled()?;
            let target = scene.corners(truth);
            candidates.clear();
            for (tree, level) in anchors.center_trees().iter().zip(anchors.level_ranges()) {
                nearest.clear();
                tree.nearest(target.center(), level.start, &mut nearest);
                let overlap = |index: usize| (index, iou(corners(anchors.rect(index)), target));
                candidates.extend(nearest.best().iter().map(|&(_, index)| overlap(index as usize)));
            }
            let threshold = threshold(&candidates);
            for &(anchor, overlap) in &candidates {
                let is_inside = target.depth(anchors.center(anchor)) > margin;
                if overlap >= threshold && is_inside && overlap > best[anchor].0 {
                    best[anchor] = (overlap, truth as i32);
                }
            }
        }
        let indices = best.into_iter().map(|(_, truth)| truth).collect();
        Ok(Matches { indices, scores: None })
    }
}

/// Mean and standard deviation added up. Seen from the first IoU, so that equal ones reach their own threshold.
fn threshold<T: Precision>(candidates: &[(usize, T)]) -> T {
    let first = candidates.first().map_or(0.0, |candidate| candidate.1.to_f64());
    let offsets = || candidates.iter().map(|candidate| candidate.1.to_f64() - first);
    let count = candidates.len() as f64;
    let mean = offsets().sum::<f64>() / count;
    let squares: f64 = offsets().map(|offset| (offset - mean).powi(2)).sum();
    T::from_f64(first + mean + (squares / (count - 1.0).max(1.0)).sqrt())
}
