use super::area::Area;
use super::entry::{Matcher, Precision};
use super::image::{Inputs, Scene, Scores};
use super::overlap::{Block, Overlap};
use super::top::Top;
use super::{BACKGROUND, Matches};
use crate::error::Result;
use crate::loss;
use crate::loss::Described;
use crate::losses::boxes::Ciou;
use crate::operand::Kind;

loss! {
    /// Task-aligned assignment: a truth takes the predictions that are best in class and place at once.
    ///
    /// ```text
    /// candidates   points inside the truth, whose sides count as min_side at least
    /// o            max(0, overlap of predicted box and truth)
    /// t            p^alpha · o^beta, p the probability of the truth's class
    /// positive     the topk candidates of largest t > 0
    /// ```
    ///
    /// A prediction that several truths take finds the one of the largest o. Then, with `topk2`, each truth keeps so many of largest t. The
    /// score of a prediction is t / max t · max o, each over the predictions of its truth: the best one is to be as sure as its box is good.
    ///
    /// # Conventions
    ///
    /// | user | parameters |
    /// |---|---|
    /// | Ultralytics 8.4 (YOLOv8, 11, 12) | the defaults |
    /// | its YOLO26, one to one | `topk=7, topk2=1` |
    /// | its rotated boxes | `overlap=prob_iou`, boxes and truths rotated; points on the edge count |
    /// | TOOD, MMDetection | `topk=13, alpha=1, min_side=0, margin=0.01, among=0, overlap=iou` |
    /// | YOLOv9 | `min_side=0, among=2` |
    /// | PP-YOLOE | `topk=13, alpha=1, min_side=0, margin=0, among=0, overlap=iou` |
    ///
    /// TOOD's code and MMDetection take the topk of all predictions and drop the ones outside then: a truth may have fewer there.
    /// A candidate with t = 0 is never positive; in Ultralytics' code it may be, by a tie, with a score of 0. `stride[1]` there is `min_side`.
    ///
    /// # References
    ///
    /// Feng, Zhong, Gao, Scott, Huang, *TOOD: Task-aligned One-stage Object Detection*, ICCV 2021, section 3.3.
    /// <https://arxiv.org/abs/2108.07755>
    "task_aligned", "Task-aligned" => pub struct TaskAligned: Matching {
        /// How many predictions a truth takes, at most.
        topk: u32 = 10 in 1..=1000,
        /// How many of them it keeps after conflicts. 0: all.
        topk2: u32 = 0 in 0..=1000,
        /// The power of the probability.
        alpha: f64 = 0.5 in 0.0..=10.0,
        /// The power of the overlap.
        beta: f64 = 6.0 in 0.0..=20.0,
        /// How long a side of a truth counts, at least, where candidates are looked for. 0: as long as it is.
        min_side: f64 = 16.0 in 0.0..=1e6,
        /// How far inside the truth a point lies, more than this.
        margin: f64 = 1e-9 in 0.0..=1000.0,
        /// Which truths a prediction may get that several take: 0: these. 1: all that it is a candidate of. 2: all.
        among: u32 = 1 in 0..=2,
        /// Added to max t.
        eps: f64 = 1e-9 in 0.0..=0.01,
    }
}

/// A truth that a prediction may find.
#[derive(Clone, Copy)]
struct Pair<T> {
    truth: i32,
    overlap: T,
    metric: T,
}

impl Matcher for TaskAligned {
    const INPUTS: Inputs = Inputs::ANCHORS.predictions(Scores::Probabilities);
    const OVERLAP: Option<&'static str> = Some(Ciou::NAME);
    const HAS_SCORES: bool = true;

    fn matches<T: Precision>(
        &self,
        scene: &Scene<'_, T>,
        overlap: Option<&Overlap>,
    ) -> Result<Matches<T>> {
        let overlap = overlap.expect("it has a default");
        let metric = Metric::new(self, scene);
        let none = Pair { truth: BACKGROUND, overlap: T::default(), metric: T::default() };
        // Of every prediction the truth of the largest overlap, of those that it may get; and the first that took it.
        let mut best = vec![(BACKGROUND, none.overlap); scene.predictions];
        let mut taken = vec![none; scene.predictions];
        let mut contested = Vec::new();
        let (mut top, mut block) = (Top::new(self.topk as usize), Block::default());
        let mut candidates = Vec::new();
        for truth in 0..scene.count {
            scene.work.check_cancelled()?;
            self.candidates(scene, overlap.kind(), truth, &mut candidates);
            let overlaps = overlap.of_truth(scene, truth, &candidates, &mut block)?;
            top.clear();
            for (place, (&overlap, &prediction)) in overlaps.iter().zip(&candidates).enumerate() {
                if self.among == 1 && overlap > best[prediction].1 {
                    best[prediction] = (truth as i32, overlap);
                }
                // The scores of predictions lie far apart in memory: most need not be looked at.
                if overlap > none.overlap && top.may_take(metric.bound(overlap)) {
                    let metric = metric.of(prediction, truth, overlap);
                    if metric > none.metric {
                        top.offer(metric, place as u32);
                    }
                }
            }
            for &(metric, place) in top.best() {
                let (prediction, overlap) = (candidates[place as usize], overlaps[place as usize]);
                if self.among == 0 && overlap > best[prediction].1 {
                    best[prediction] = (truth as i32, overlap);
                }
                if taken[prediction].truth == BACKGROUND {
                    taken[prediction] = Pair { truth: truth as i32, overlap, metric };
                } else {
                    contested.push(prediction);
                }
            }
        }
        contested.sort_unstable();
        contested.dedup();
        for prediction in contested {
            let (truth, overlap) = if self.among == 2 {
                best_of_all(overlap.of_prediction(scene, prediction, &mut block)?)
            } else {
                best[prediction]
            };
            let metric = metric.of(prediction, truth as usize, overlap);
            taken[prediction] = Pair { truth, overlap, metric };
        }
        if self.topk2 > 0 {
            keep_best(&mut taken, scene.count, self.topk2 as usize);
        }
        let scores = self.scores(&taken, scene.count);
        let indices = taken.into_iter().map(|pair| pair.truth).collect();
        Ok(Matches { indices, scores: Some(scores) })
    }
}

impl TaskAligned {
    /// The points inside of a truth, by ascending index.
    fn candidates<T: Precision>(
        &self,
        scene: &Scene<'_, T>,
        kind: Kind,
        truth: usize,
        into: &mut Vec<usize>,
    ) {
        let [min_side, margin] = [self.min_side, self.margin].map(T::from_f64);
        let (anchors, area) = (scene.anchors(), Area::new(kind, scene.truth(truth), min_side));
        into.clear();
        anchors.centers_in(area.window(), |point| {
            if area.holds(anchors.center(point), margin) {
                into.push(point);
            }
        });
    }

    /// t / max t · max o, each over the predictions of one truth.
    fn scores<T: Precision>(&self, taken: &[Pair<T>], truths: usize) -> Vec<T> {
        let mut most = vec![(T::default(), T::default()); truths];
        for pair in taken.iter().filter(|pair| pair.truth != BACKGROUND) {
            let (metric, overlap) = &mut most[pair.truth as usize];
            *metric = if pair.metric > *metric { pair.metric } else { *metric };
            *overlap = if pair.overlap > *overlap { pair.overlap } else { *overlap };
        }
        let eps = T::from_f64(self.eps);
        let score = |pair: &Pair<T>| match usize::try_from(pair.truth) {
            Ok(truth) => (pair.metric * most[truth].1).safe_div(most[truth].0 + eps),
            Err(_) => T::default(),
        };
        taken.iter().map(score).collect()
    }
}

/// Every truth keeps its `k` predictions of largest t.
fn keep_best<T: Precision>(taken: &mut [Pair<T>], truths: usize, k: usize) {
    let mut kept = vec![Top::new(k); truths];
    for (prediction, pair) in taken.iter().enumerate() {
        if let Ok(truth) = usize::try_from(pair.truth) {
            kept[truth].offer(pair.metric, prediction as u32);
        }
    }
    for (prediction, pair) in taken.iter_mut().enumerate() {
        if let Ok(truth) = usize::try_from(pair.truth) {
            let is_kept = kept[truth].best().iter().any(|&(_, index)| index as usize == prediction);
            if !is_kept {
                pair.truth = BACKGROUND;
            }
        }
    }
}

/// The truth of the largest overlap, with it.
fn best_of_all<T: Precision>(overlaps: &[T]) -> (i32, T) {
    let better = |best: usize, truth| if overlaps[truth] > overlaps[best] { truth } else { best };
    let truth = (1..overlaps.len()).fold(0, better);
    (truth as i32, overlaps[truth])
}

/// t, of the scores of an image.
struct Metric<'a, T> {
    scene: &'a Scene<'a, T>,
    alpha: Power,
    beta: Power,
}

impl<'a, T: Precision> Metric<'a, T> {
    fn new(rule: &TaskAligned, scene: &'a Scene<'a, T>) -> Self {
        Self { scene, alpha: Power::new(rule.alpha), beta: Power::new(rule.beta) }
    }

    /// The metric of a prediction that is sure of itself.
    fn bound(&self, overlap: T) -> T {
        self.beta.of(overlap)
    }

    fn of(&self, prediction: usize, truth: usize, overlap: T) -> T {
        let probability = self.scene.scores(prediction)[self.scene.label(truth)];
        self.alpha.of(probability) * self.beta.of(overlap)
    }
}

/// A power, by multiplications where that is possible.
#[derive(Clone, Copy)]
enum Power {
    Root,
    Whole(u32),
    Real(f64),
}

impl Power {
    fn new(exponent: f64) -> Self {
        match exponent {
            0.5 => Self::Root,
            _ if exponent.fract() == 0.0 && exponent <= 8.0 => Self::Whole(exponent as u32),
            _ => Self::Real(exponent),
        }
    }

    #[inline]
    fn of<T: Precision>(self, base: T) -> T {
        let (mut power, mut square) = (base.lit(1.0), base);
        match self {
            Self::Root => base.sqrt(),
            Self::Real(exponent) => base.pow(exponent),
            Self::Whole(mut exponent) => {
                while exponent > 0 {
                    if exponent % 2 == 1 {
                        power = power * square;
                    }
                    (square, exponent) = (square * square, exponent / 2);
                }
                power
            }
        }
    }
}
