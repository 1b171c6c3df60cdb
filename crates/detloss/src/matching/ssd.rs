use super::Matches;
use super::entry::{Matcher, Precision};
use super::image::{Inputs, Scene};
use super::max_iou::MaxIou;
use super::overlap::Overlap;
use crate::error::Result;
use crate::loss;

loss! {
    /// SSD's matching: maximum IoU with one threshold, and every truth claims the anchor that overlaps it most.
    ///
    /// ```text
    /// IoU ≥ threshold with some truth    the truth of the largest IoU
    /// the best anchor of a truth         that truth
    /// all others                         background
    /// ```
    ///
    /// It is [max_iou](MaxIou) with high = low = `threshold`, `claim`, and not `all_best`.
    ///
    /// # Conventions
    ///
    /// Of several best anchors the first is claimed; of several truths that claim one anchor the last gets it, as in torchvision. A truth that no
    /// anchor overlaps claims none, where torchvision gives it the first anchor of the image.
    ///
    /// # References
    ///
    /// Liu, Anguelov, Erhan, Szegedy, Reed, Fu, Berg, *SSD: Single Shot MultiBox Detector*, ECCV 2016, section 2.2.
    /// <https://arxiv.org/abs/1512.02325>
    "ssd", "SSD" => pub struct Ssd: Matching {
        /// From this IoU on an anchor is positive.
        threshold: f64 = 0.5 in 0.0..=1.0,
    }
}

impl Matcher for Ssd {
    const INPUTS: Inputs = Inputs::ANCHORS;

    fn matches<T: Precision>(
        &self,
        scene: &Scene<'_, T>,
        overlap: Option<&Overlap>,
    ) -> Result<Matches<T>> {
        let (high, low) = (self.threshold, self.threshold);
        let rule = MaxIou { high, low, claim: true, all_best: false, ..MaxIou::default() };
        rule.matches(scene, overlap)
    }
}
