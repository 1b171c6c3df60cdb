use super::anchors::corners;
use super::entry::{Matcher, Precision};
use super::image::{Inputs, Scene};
use super::overlap::{Overlap, iou};
use super::{BACKGROUND, IGNORED, Matches};
use crate::error::{Error, Result};
use crate::loss;

loss! {
    /// Maximum IoU with thresholds: an anchor finds the truth that it overlaps most, if it overlaps it enough.
    ///
    /// ```text
    /// m = max over truths of IoU(anchor, truth)
    /// m ≥ high          its truth
    /// low ≤ m < high    ignored
    /// m < low           background
    /// ```
    ///
    /// Of Faster R-CNN (its region proposals too), RetinaNet and most detectors with anchors. With `low_quality` no truth goes without: the
    /// anchors that overlap it most are positive whatever their IoU is, all that are equal. By default each of them finds the truth that it
    /// overlaps most itself, which need not be this one, as in Detectron2 and torchvision; with `claim` it finds this one, and the
    /// last truth of several, as in MMDetection.
    ///
    /// # Conventions
    ///
    /// | user | high | low | low_quality |
    /// |---|---|---|---|
    /// | torchvision's and MMDetection's RetinaNet | 0.5 | 0.4 | yes |
    /// | their region proposals | 0.7 | 0.3 | yes (MMDetection: `min_best` 0.3) |
    /// | their second stages | 0.5 | 0.5 | no |
    ///
    /// MMDetection's are with `claim`. A truth that no anchor overlaps stays without: torchvision makes every anchor positive that does not
    /// overlap it. An anchor of which more than `ignore` lies in a crowd is ignored and takes part in nothing, as in MMDetection.
    ///
    /// # References
    ///
    /// Ren, He, Girshick, Sun, *Faster R-CNN: Towards Real-Time Object Detection with Region Proposal Networks*, NeurIPS 2015, section 3.1.2.
    /// <https://arxiv.org/abs/1506.01497>
    "max_iou", "Max-IoU" => pub struct MaxIou: Matching {
        /// From this IoU on an anchor is positive.
        high: f64 = 0.5 in 0.0..=1.0,
        /// Below this IoU an anchor is background. At most `high`.
        low: f64 = 0.4 in 0.0..=1.0,
        /// Whether the anchors with the largest IoU of a truth are positive in any case.
        low_quality: bool = true,
        /// Whether these find the truth that they are the best of, and not the one they overlap most.
        claim: bool = false,
        /// Whether all of them are, and not the first one only.
        all_best: bool = true,
        /// The IoU that the best anchors of a truth need.
        min_best: f64 = 0.0 in 0.0..=1.0,
        /// How much of an anchor lies in a crowd before it is ignored.
        ignore: f64 = 0.5 in 0.0..=1.0,
    }
}

impl Matcher for MaxIou {
    const INPUTS: Inputs = Inputs::ANCHORS.crowd();

    fn check(&self) -> Result<()> {
        if self.low <= self.high {
            return Ok(());
        }
        let wanted = format!("a number of at most high, which is {}", self.high);
        Err(Error::BadParam { loss: "max_iou", key: "low", value: self.low, wanted })
    }

    fn matches<T: Precision>(
        &self,
        scene: &Scene<'_, T>,
        _: Option<&Overlap>,
    ) -> Result<Matches<T>> {
        let anchors = scene.anchors();
        let zero = T::default();
        let (high, low, min_best) =
            (zero.lit(self.high), zero.lit(self.low), zero.lit(self.min_best));
        let ignored = self.in_crowds(scene)?;
        // Of every anchor its largest IoU, and with which truth; and the truth that it is positive for in any case.
        let mut best = vec![(zero, BACKGROUND); scene.predictions];
        let mut kept = vec![BACKGROUND; scene.predictions];
        let mut overlaps = Vec::new();
        for truth in (0..scene.count).filter(|&truth| !scene.is_crowd(truth)) {
            scene.work.check_cancelled()?;
            let target = scene.corners(truth);
            overlaps.clear();
            let mut most = zero;
            anchors.boxes_meeting(scene.window(truth), |anchor| {
                if is_in(&ignored, anchor) {
                    return;
                }
                let overlap = iou(corners(anchors.rect(anchor)), target);
                overlaps.push((anchor, overlap));
                if overlap > most {
                    most = overlap;
                }
                if overlap > best[anchor].0 {
                    best[anchor] = (overlap, truth as i32);
                }
            });
            if self.low_quality && most > zero && most >= min_best {
                let equal = overlaps.iter().filter(|(_, overlap)| *overlap == most);
                let count = if self.all_best { overlaps.len() } else { 1 };
                equal.take(count).for_each(|&(anchor, _)| kept[anchor] = truth as i32);
            }
        }
        let index = |anchor: usize| {
            let (overlap, truth) = best[anchor];
            if kept[anchor] != BACKGROUND {
                if self.claim { kept[anchor] } else { truth }
            } else if is_in(&ignored, anchor) {
                IGNORED
            } else if truth != BACKGROUND && overlap >= high {
                truth
            } else if overlap >= low {
                IGNORED
            } else {
                BACKGROUND
            }
        };
        Ok(Matches { indices: (0..scene.predictions).map(index).collect(), scores: None })
    }
}

impl MaxIou {
    /// Which anchors lie in crowds; empty if there are none.
    fn in_crowds<T: Precision>(&self, scene: &Scene<'_, T>) -> Result<Vec<bool>> {
        let anchors = scene.anchors();
        let mut ignored = Vec::new();
        for truth in (0..scene.count).filter(|&truth| scene.is_crowd(truth)) {
            scene.work.check_cancelled()?;
            let crowd = scene.corners(truth);
            ignored.resize(scene.predictions, false);
            anchors.boxes_meeting(scene.window(truth), |anchor| {
                let anchor_box = corners(anchors.rect(anchor));
                let share = anchor_box.intersection(crowd).area().safe_div(anchor_box.area());
                ignored[anchor] |= share > share.lit(self.ignore);
            });
        }
        Ok(ignored)
    }
}

fn is_in(flags: &[bool], index: usize) -> bool {
    flags.get(index).copied().unwrap_or(false)
}
