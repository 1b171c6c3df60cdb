use std::ops::Range;

use super::assignment::{assign, assign_allowed};
use super::entry::{Matcher, Precision};
use super::image::{Inputs, Scene, Scores};
use super::overlap::Overlap;
use super::{BACKGROUND, Matches};
use crate::batch::{Level, OnVectors};
use crate::error::{Error, Result};
use crate::loss;
use crate::loss::{Described, Loss};
use crate::losses::boxes::Giou;
use crate::losses::scores::Focal;
use crate::operand::MAX_FIELDS;
use crate::pairwise::{Rows, all_pairs};
use crate::scalar::lanes::Vector;
use crate::scalar::softmax::Softmax;
use crate::scalar::{lit, slice};

loss! {
    /// Hungarian matching: every truth finds one query, so that the costs of all pairs have the least sum.
    ///
    /// ```text
    /// cost = class_weight · class + l1_weight · |b − t|₁ + overlap_weight · (1 − overlap)
    /// class = FL(x, 1) − FL(x, 0)    with the focal loss FL of the logit x of the truth's label
    /// class = −softmax(x)            of that label, with `softmax`
    /// ```
    ///
    /// where |b − t|₁ is the sum of the distances of the four numbers cx, cy, w and h. Of DETR and all that came after it. Queries that no
    /// truth finds are background, and truths beyond the number of queries stay without.
    ///
    /// Detectors with a set of boxes per image and no suppression train so. Predictions need no anchors. The overlap is GIoU unless another is
    /// given; with one of rotated boxes the L1 distance is that of all five numbers.
    ///
    /// # Conventions
    ///
    /// The weights are of boxes as fractions of the image, as DETR has them. Give them by their centres with
    /// [`Image::centers`](super::Image::centers), or by their corners; in pixels the L1 distance is in pixels.
    ///
    /// | detector | parameters |
    /// |---|---|
    /// | Deformable DETR, DINO, RT-DETR, D-FINE, DEIM, LW-DETR, RF-DETR, Ultralytics' RT-DETR, MMDetection's DINO | the defaults |
    /// | Deformable DETR in Hugging Face's transformers | `class_weight` 1 |
    /// | DETR | `softmax`, `class_weight` 1 |
    /// | Group DETR, LW-DETR, RF-DETR in training | `groups` 13 |
    ///
    /// Their focal cost has logarithms of p + 1e-8 (MMDetection 1e-12), which hold what a hopeless score costs at 4.6; here it grows with the
    /// logit. It differs beyond logits of about ±15. The costs of pairs that are no numbers become the largest number in transformers, 1 in
    /// D-FINE and DEIM, and an error in DETR and RT-DETR. Here they are an error that names the prediction, or with `skip` never match.
    ///
    /// DETR's last score, of no object, is one of the scores and no label. Of several assignments with the same sum it is SciPy's.
    ///
    /// # References
    ///
    /// Carion, Massa, Synnaeve, Usunier, Kirillov, Zagoruyko, *End-to-End Object Detection with Transformers*, ECCV 2020, section 3.1.
    /// <https://arxiv.org/abs/2005.12872>
    ///
    /// Zhu, Su, Lu, Li, Wang, Dai, *Deformable DETR*, ICLR 2021. <https://arxiv.org/abs/2010.04159>
    ///
    /// Chen, Chen, Wang, Zhang, Yuan, Li, Zeng, Wang, *Group DETR*, ICCV 2023. <https://arxiv.org/abs/2207.13085>
    "hungarian", "Hungarian" => pub struct Hungarian: Matching {
        /// Weight of the class.
        class_weight: f64 = 2.0 in 0.0..=1000.0,
        /// Weight of the L1 distance of the boxes.
        l1_weight: f64 = 5.0 in 0.0..=1000.0,
        /// Weight of 1 − overlap.
        overlap_weight: f64 = 2.0 in 0.0..=1000.0,
        /// Whether a class costs its probability by the softmax over all scores, and not the focal loss.
        softmax: bool = false,
        /// α of the focal loss: what a positive is worth against a negative.
        alpha: f64 = 0.25 in 0.0..=1.0,
        /// γ of the focal loss: how strongly easy examples are turned away from.
        gamma: f64 = 2.0 in 0.0..=10.0,
        /// Into how many groups of equal size, one behind the other, the queries are split. Each is matched by itself.
        groups: u32 = 1 in 1..=1000,
        /// Whether pairs whose cost is no number never match. Else they are an error.
        skip: bool = false,
    }
}

impl Matcher for Hungarian {
    const INPUTS: Inputs = Inputs::TRUTHS.predictions(Scores::Logits);

    const OVERLAP: Option<&'static str> = Some(Giou::NAME);

    fn matches<T: Precision>(
        &self,
        scene: &Scene<'_, T>,
        overlap: Option<&Overlap>,
    ) -> Result<Matches<T>> {
        let overlap = overlap.expect("this matcher has an overlap");
        let groups = self.groups as usize;
        let size = scene.predictions / groups;
        if size * groups != scene.predictions {
            let wanted = format!("a divisor of the number of predictions, {}", scene.predictions);
            let value = self.groups.into();
            return Err(Error::BadParam { loss: Self::NAME, key: "groups", value, wanted });
        }
        let mut indices = vec![BACKGROUND; scene.predictions];
        for first in (0..scene.predictions).step_by(size) {
            for (truth, query) in self.assigned(scene, overlap, first..first + size)? {
                indices[first + query] = truth as i32;
            }
        }
        Ok(Matches { indices, scores: None })
    }
}

impl Hungarian {
    /// The pairs of a truth and a query, whose place is that in its group.
    fn assigned<T: Precision>(
        &self,
        scene: &Scene<'_, T>,
        overlap: &Overlap,
        queries: Range<usize>,
    ) -> Result<Vec<(usize, usize)>> {
        let size = queries.len();
        let mut costs = self.costs(scene, overlap, queries.clone())?;
        let is_number = |cost: T| cost.to_f64().is_finite();
        if costs.iter().fold(true, |all, cost| all & is_number(*cost)) {
            return assign(&mut costs, size, scene.work);
        }
        for (place, cost) in costs.iter_mut().enumerate().filter(|(_, cost)| !is_number(**cost)) {
            if !self.skip {
                return Err(Error::InvalidPrediction {
                    matcher: "hungarian",
                    prediction: queries.start + place % size,
                    truth: place / size,
                    got: cost.to_f64(),
                });
            }
            *cost = cost.lit(f64::INFINITY);
        }
        assign_allowed(&costs, size, scene.work)
    }

    /// What every truth costs with every query: a row for each truth.
    fn costs<T: Precision>(
        &self,
        scene: &Scene<'_, T>,
        overlap: &Overlap,
        queries: Range<usize>,
    ) -> Result<Vec<T>> {
        let width = scene.width();
        let boxes = &scene.boxes()[queries.start * width..queries.end * width];
        let mut costs = vec![T::default(); scene.count * queries.len()];
        let (loss, truths) = (overlap.loss(), scene.truths());
        all_pairs(loss, truths, boxes, Rows::Targets, scene.work, &mut costs)?;
        let mut labels: Vec<usize> = (0..scene.count).map(|truth| scene.label(truth)).collect();
        labels.sort_unstable();
        labels.dedup();
        let sum = Sum { rule: *self, scene: *scene, queries, labels, costs: &mut costs };
        T::on_vectors(Level::best(), sum);
        Ok(costs)
    }
}

/// From 1 − overlap of all pairs to their costs.
struct Sum<'a, T> {
    rule: Hungarian,
    scene: Scene<'a, T>,
    queries: Range<usize>,
    /// Those that there are, sorted: no class is computed twice.
    labels: Vec<usize>,
    /// A row for each truth.
    costs: &'a mut [T],
}

impl<T: Precision> OnVectors<T> for Sum<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, token: V::Token) {
        let (rule, scene, size) = (self.rule, self.scene, self.queries.len());
        let classes = if rule.softmax { self.softmax::<V>(token) } else { self.focal::<V>(token) };
        let coordinates: Vec<T> = (0..scene.width())
            .flat_map(|place| self.queries.clone().map(move |query| (query, place)))
            .map(|(query, place)| scene.predicted_by_center(query, place))
            .collect();
        for (truth, row) in self.costs.chunks_exact_mut(size).enumerate() {
            let class = self.labels.binary_search(&scene.label(truth)).expect("it is one of them");
            let classes = &classes[class * size..][..size];
            let mut numbers = [V::splat(token, T::default()); MAX_FIELDS];
            for (place, number) in numbers[..scene.width()].iter_mut().enumerate() {
                *number = V::splat(token, scene.truth_by_center(truth, place));
            }
            for start in (0..size).step_by(V::LEN) {
                let mut distance = V::splat(token, T::default());
                for (number, column) in numbers.iter().zip(coordinates.chunks_exact(size)) {
                    distance =
                        distance + (slice::load::<V>(token, column, start, 0.0) - *number).abs();
                }
                let loss = slice::load::<V>(token, row, start, 0.0);
                let class = slice::load::<V>(token, classes, start, 0.0);
                let cost = loss * lit(rule.overlap_weight)
                    + class * lit(rule.class_weight)
                    + distance * lit(rule.l1_weight);
                slice::store(cost, row, start);
            }
        }
    }
}

/// What every label costs with every query: a row for each label.
impl<T: Precision> Sum<'_, T> {
    #[inline(always)]
    fn focal<V: Vector<Element = T>>(&self, token: V::Token) -> Vec<T> {
        let focal = Focal { alpha: self.rule.alpha, gamma: self.rule.gamma };
        let scene = &self.scene;
        let mut costs: Vec<T> = self
            .labels
            .iter()
            .flat_map(|&label| self.queries.clone().map(move |query| scene.scores(query)[label]))
            .collect();
        for start in (0..costs.len()).step_by(V::LEN) {
            let logit = slice::load::<V>(token, &costs, start, 0.0);
            let cost = focal.eval(logit, logit.lit(1.0)) - focal.eval(logit, logit.lit(0.0));
            slice::store(cost, &mut costs, start);
        }
        costs
    }

    #[inline(always)]
    fn softmax<V: Vector<Element = T>>(&self, token: V::Token) -> Vec<T> {
        let size = self.queries.len();
        let mut costs = vec![T::default(); self.labels.len() * size];
        let mut powers = vec![T::default(); self.scene.classes];
        for (place, query) in self.queries.clone().enumerate() {
            let softmax = Softmax::<V>::new(token, self.scene.scores(query), Some(&mut powers));
            for (row, &label) in self.labels.iter().enumerate() {
                costs[row * size + place] = T::from_f64(-powers[label].to_f64() / softmax.sum());
            }
        }
        costs
    }
}
