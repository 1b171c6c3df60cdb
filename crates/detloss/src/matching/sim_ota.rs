use super::Matches;
use super::anchors::Anchors;
use super::dynamic_k::{DynamicK, cheapest};
use super::entry::{Matcher, Precision};
use super::image::{Inputs, Scene, Scores};
use super::overlap::Overlap;
use super::top::Top;
use crate::error::Result;
use crate::geometry::Xyxy;
use crate::loss;

loss! {
    /// SimOTA, of YOLOX: a truth takes the predictions that cost least, as many as its largest IoUs add up to.
    ///
    /// ```text
    /// own of a truth   points with max(|x − cx|, |y − cy|) < radius · stride
    /// candidates       what is any truth's own
    /// cost             class_weight · BCE(p, class of the truth) − iou_weight · ln(IoU + eps)
    /// k                ⌊sum of its topk largest IoUs with candidates⌋, at least 1
    /// positive         the k candidates of least cost, its own before all others
    /// ```
    ///
    /// BCE is the sum over all classes, and no logarithm is below −100. A prediction that several truths take finds the one it costs least for,
    /// of all truths whose own it is; if it is none's, of all. The score of a match is its IoU, which YOLOX has as the label of the class.
    ///
    /// # Conventions
    ///
    /// p are probabilities. YOLOX gives √(class · objectness), both after the sigmoid: the caller multiplies and takes the root.
    ///
    /// | user | parameters |
    /// |---|---|
    /// | YOLOX from 0.3 on | the defaults |
    /// | MMDetection's `SimOTAAssigner` | `radius=2.5, in_box, eps=1e-7` |
    /// | PicoDet | the same with `iou_weight=6` |
    ///
    /// What is not a truth's own costs 1e6 more in YOLOX and 1e5 more in MMDetection, to which `f32` rounds the rest away; here it comes after
    /// all that is its own, whatever that costs. So a truth with fewer points of its own than k takes some of others', also one far away from
    /// everything: leave out such truths.
    ///
    /// # References
    ///
    /// Ge, Liu, Wang, Li, Sun, *YOLOX: Exceeding YOLO Series in 2021*, 2021, section 2.1; Ge, Liu, Li, Yoshie, Sun, *OTA: Optimal Transport
    /// Assignment for Object Detection*, CVPR 2021. <https://arxiv.org/abs/2107.08430> <https://arxiv.org/abs/2103.14259>
    "sim_ota", "SimOTA" => pub struct SimOta: Matching {
        /// How many strides a truth's own points are from its centre, at most.
        radius: f64 = 1.5 in 0.0..=1e6,
        /// Whether they have to lie inside it, too. Then what lies inside a truth or near a centre is a candidate.
        in_box: bool = false,
        /// How many IoUs are added up, at most.
        topk: u32 = 10 in 1..=1000,
        /// The weight of the class.
        class_weight: f64 = 1.0 in 0.0..=1000.0,
        /// The weight of the IoU.
        iou_weight: f64 = 3.0 in 0.0..=1000.0,
        /// Added to the IoU before the logarithm.
        eps: f64 = 1e-8 in 0.0..=0.01,
    }
}

impl Matcher for SimOta {
    const INPUTS: Inputs = Inputs::ANCHORS.predictions(Scores::Probabilities);
    const HAS_SCORES: bool = true;

    fn matches<T: Precision>(
        &self,
        scene: &Scene<'_, T>,
        _: Option<&Overlap>,
    ) -> Result<Matches<T>> {
        let regions = Regions::new(self, scene);
        let mut pairs = DynamicK::new(scene, regions.candidates()?);
        let without_class = pairs.for_each(cost_without_class);
        let [class_weight, iou_weight, eps] =
            [self.class_weight, self.iou_weight, self.eps].map(T::from_f64);
        let cost = |pairs: &DynamicK<'_, T>, prediction: usize, truth: usize| {
            let p = scene.scores(prediction)[scene.label(truth)];
            let class = without_class[prediction] + (minus_ln(p) - minus_ln(p.lit(1.0) - p));
            class * class_weight - (pairs.iou(prediction, truth) + eps).ln() * iou_weight
        };
        for truth in 0..scene.count {
            scene.work.check_cancelled()?;
            let k = pairs.count(truth, self.topk, |_, _| ());
            let (mut own, mut best) = (0, Top::new(k));
            regions.near(truth, |point| {
                if regions.is_own(point, truth) && pairs.is_candidate(point) {
                    own += 1;
                    best.offer(-cost(&pairs, point, truth), point as u32);
                }
            });
            pairs.take(truth, best.best());
            if own < k {
                let mut best = Top::new(k - own);
                for &point in pairs.candidates() {
                    if !regions.is_own(point, truth) {
                        best.offer(-cost(&pairs, point, truth), point as u32);
                    }
                }
                pairs.take(truth, best.best());
            }
        }
        pairs.matches(|pairs, point| {
            let cost = |truth: usize| cost(pairs, point, truth);
            let owners = (0..scene.count).filter(|&truth| regions.is_own(point, truth));
            cheapest(owners, cost).or_else(|| cheapest(0..scene.count, cost))
        })
    }
}

/// Where the candidates lie.
struct Regions<'a, T> {
    rule: &'a SimOta,
    scene: &'a Scene<'a, T>,
    anchors: &'a Anchors<T>,
    /// The largest stride of every level.
    strides: Vec<T>,
}

impl<'a, T: Precision> Regions<'a, T> {
    fn new(rule: &'a SimOta, scene: &'a Scene<'a, T>) -> Self {
        let anchors = scene.anchors();
        let largest = |a: T, b: T| if b > a { b } else { a };
        let strides = anchors
            .level_ranges()
            .map(|level| level.map(|point| anchors.stride(point)).fold(T::default(), largest))
            .collect();
        Self { rule, scene, anchors, strides }
    }

    fn around(&self, truth: usize, stride: T) -> Xyxy<T> {
        let ([x, y], reach) =
            (self.scene.corners(truth).center(), stride * stride.lit(self.rule.radius));
        Xyxy { x1: x - reach, y1: y - reach, x2: x + reach, y2: y + reach }
    }

    /// Shows every point to `visit` that may be near the centre of a truth.
    fn near(&self, truth: usize, mut visit: impl FnMut(usize)) {
        let levels = self.anchors.center_trees().iter().zip(self.anchors.level_ranges());
        for ((tree, level), &stride) in levels.zip(&self.strides) {
            let Xyxy { x1, y1, x2, y2 } = self.around(truth, stride);
            tree.meeting([x1, y1, x2, y2], |point| visit(level.start + point));
        }
    }

    fn is_near(&self, point: usize, truth: usize) -> bool {
        self.around(truth, self.anchors.stride(point)).depth(self.anchors.center(point))
            > T::default()
    }

    fn is_inside(&self, point: usize, truth: usize) -> bool {
        self.scene.corners(truth).depth(self.anchors.center(point)) > T::default()
    }

    fn is_own(&self, point: usize, truth: usize) -> bool {
        self.is_near(point, truth) && (!self.rule.in_box || self.is_inside(point, truth))
    }

    /// For every prediction whether it is a candidate.
    fn candidates(&self) -> Result<Vec<bool>> {
        let mut is_candidate = vec![false; self.scene.predictions];
        for truth in 0..self.scene.count {
            self.scene.work.check_cancelled()?;
            self.near(truth, |point| is_candidate[point] |= self.is_near(point, truth));
            if self.rule.in_box {
                self.anchors.centers_in(self.scene.window(truth), |point| {
                    is_candidate[point] |= self.is_inside(point, truth);
                });
            }
        }
        Ok(is_candidate)
    }
}

/// The sum over all classes of −ln(1 − p).
fn cost_without_class<T: Precision>(probabilities: &[T]) -> T {
    let (mut sum, mut product) = (T::default(), T::from_f64(1.0));
    for &p in probabilities {
        let rest = p.lit(1.0) - p;
        if rest > T::default() {
            // One logarithm for many classes; no rest is below 1e-16.
            product = product * rest;
            if product < product.lit(1e-20) {
                sum = sum - product.ln();
                product = product.lit(1.0);
            }
        } else {
            sum = sum + minus_ln(rest);
        }
    }
    sum - product.ln()
}

/// −ln p, at most 100.
fn minus_ln<T: Precision>(p: T) -> T {
    let most = p.lit(100.0);
    if p > T::default() {
        let cost = -p.ln();
        if cost > most { most } else { cost }
    } else {
        most
    }
}
