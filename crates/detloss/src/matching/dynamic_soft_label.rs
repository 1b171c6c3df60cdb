use super::Matches;
use super::dynamic_k::{DynamicK, cheapest};
use super::entry::{Matcher, Precision};
use super::image::{Inputs, Scene, Scores};
use super::overlap::Overlap;
use super::top::Top;
use crate::error::Result;
use crate::loss;

loss! {
    /// Dynamic soft label assignment, of RTMDet: SimOTA with the IoU as the label of the class, and with a cost of the distance from the centre.
    ///
    /// ```text
    /// candidates   points inside any truth
    /// cost         Σ over classes of BCE(x, y) · |y − sigmoid x|² − iou_weight · ln(IoU + eps) + 10^(d − radius)
    /// k            ⌊sum of its topk largest IoUs with candidates⌋, at least 1
    /// positive     the k candidates of least cost
    /// ```
    ///
    /// where x is the logit, y the IoU for the class of the truth and 0 for all others, and d the distance from the point to the centre of the
    /// truth in strides. A prediction that several truths take finds the one it costs least for, of all truths. The score of a match is its IoU:
    /// the quality in RTMDet's quality focal loss, whose weights for the boxes it is, too.
    ///
    /// # Conventions
    ///
    /// Scores are logits. The defaults are RTMDet's and MMDetection's. A candidate need not lie in the truth that takes it, and every truth takes
    /// one at least while there are any, also one far away from everything: leave out such truths.
    ///
    /// # References
    ///
    /// Lyu, Zhang, Huang, Zhou, Wang, Liu, Zhang, Chen, *RTMDet: An Empirical Study of Designing Real-Time Object Detectors*, 2022, section 3.3.
    /// <https://arxiv.org/abs/2212.07784>
    "dynamic_soft_label", "Dynamic soft label" => pub struct DynamicSoftLabel: Matching {
        /// How many IoUs are added up, at most.
        topk: u32 = 13 in 1..=1000,
        /// How many strides from the centre a point costs 1.
        radius: f64 = 3.0 in 0.0..=1000.0,
        /// The weight of the IoU.
        iou_weight: f64 = 3.0 in 0.0..=1000.0,
        /// Added to the IoU before the logarithm.
        eps: f64 = 1e-7 in 0.0..=0.01,
    }
}

impl Matcher for DynamicSoftLabel {
    const INPUTS: Inputs = Inputs::ANCHORS.predictions(Scores::Logits);
    const HAS_SCORES: bool = true;

    fn matches<T: Precision>(
        &self,
        scene: &Scene<'_, T>,
        _: Option<&Overlap>,
    ) -> Result<Matches<T>> {
        let mut pairs = DynamicK::new(scene, inside(scene)?);
        let costs = Costs::new(self, scene, &pairs);
        let mut overlaps = Vec::new();
        for truth in 0..scene.count {
            scene.work.check_cancelled()?;
            overlaps.clear();
            let k = pairs.count(truth, self.topk, |point, iou| overlaps.push((point, iou)));
            let mut best = Top::new(k);
            for &(point, iou) in &overlaps {
                best.offer(-costs.of(point, truth, iou), point as u32);
            }
            // A candidate that does not overlap the truth costs no less than this, and is not looked at where so many cost less.
            if best.worst().is_none_or(|worst| worst <= -costs.without_iou) {
                best.clear();
                for &point in pairs.candidates() {
                    let iou = pairs.iou(point, truth);
                    best.offer(-costs.of(point, truth, iou), point as u32);
                }
            }
            pairs.take(truth, best.best());
        }
        pairs.matches(|pairs, point| {
            cheapest(0..scene.count, |truth| costs.of(point, truth, pairs.iou(point, truth)))
        })
    }
}

/// For every prediction whether its point lies inside any truth.
fn inside<T: Precision>(scene: &Scene<'_, T>) -> Result<Vec<bool>> {
    let anchors = scene.anchors();
    let mut is_inside = vec![false; scene.predictions];
    for truth in 0..scene.count {
        scene.work.check_cancelled()?;
        let target = scene.corners(truth);
        anchors.centers_in(scene.window(truth), |point| {
            is_inside[point] |= target.depth(anchors.center(point)) > T::default();
        });
    }
    Ok(is_inside)
}

/// What pairs cost.
struct Costs<'a, T> {
    scene: &'a Scene<'a, T>,
    /// The class cost of every candidate with labels that are all 0.
    background: Vec<T>,
    /// The cost of no IoU.
    without_iou: T,
    iou_weight: T,
    eps: T,
    radius: T,
}

impl<'a, T: Precision> Costs<'a, T> {
    fn new(rule: &DynamicSoftLabel, scene: &'a Scene<'a, T>, pairs: &DynamicK<'_, T>) -> Self {
        let [iou_weight, eps, radius] = [rule.iou_weight, rule.eps, rule.radius].map(T::from_f64);
        let cost = |logits: &[T]| {
            logits.iter().fold(T::default(), |sum, &logit| sum + class_cost(logit, T::default()))
        };
        let background = pairs.for_each(cost);
        Self { scene, background, without_iou: -eps.ln() * iou_weight, iou_weight, eps, radius }
    }

    fn of(&self, point: usize, truth: usize, iou: T) -> T {
        let logit = self.scene.scores(point)[self.scene.label(truth)];
        let class =
            self.background[point] + (class_cost(logit, iou) - class_cost(logit, T::default()));
        let anchors = self.scene.anchors();
        let ([x, y], [cx, cy]) = (anchors.center(point), self.scene.corners(truth).center());
        let distance = ((x - cx).square() + (y - cy).square()).sqrt();
        let strides = distance.safe_div(anchors.stride(point));
        let prior = ((strides - self.radius) * strides.lit(std::f64::consts::LN_10)).exp();
        class - (iou + self.eps).ln() * self.iou_weight + prior
    }
}

/// BCE(logit, label) · |label − sigmoid(logit)|².
fn class_cost<T: Precision>(logit: T, label: T) -> T {
    (logit.softplus() - logit * label) * (label - logit.sigmoid()).square()
}
