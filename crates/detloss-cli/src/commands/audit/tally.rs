//! Losses summed up by class, size and image.

use std::collections::BTreeMap;

use detloss_coco::Bbox;

use super::measure::{Audit, Over};
use super::stats::ratio;

/// Sums over some detections and objects.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) matched: usize,
    pub(super) missed: usize,
    pub(super) background: usize,
    /// Of the matched.
    iou: f64,
    /// Of each loss.
    sums: Vec<f64>,
    shares: [f64; 2],
}

impl Tally {
    /// How many objects there are, found or not.
    pub(super) fn objects(&self) -> usize {
        self.matched + self.missed
    }

    /// The mean overlap of the matched.
    pub(super) fn mean_iou(&self) -> Option<f64> {
        ratio(self.iou, self.matched)
    }

    /// The share of all losses of a kind.
    pub(super) fn share(&self, over: Over) -> f64 {
        self.shares[over as usize]
    }

    /// The share of all losses of any kind.
    pub(super) fn blame(&self, audit: &Audit<impl Bbox>) -> f64 {
        let shares = audit.kinds().map(|over| self.share(over));
        shares.sum::<f64>() / audit.kinds().count().max(1) as f64
    }

    /// The sum of the audit's loss number `index`.
    pub(super) fn sum(&self, index: usize) -> f64 {
        self.sums[index]
    }

    /// The mean of the audit's loss number `index`.
    pub(super) fn mean(&self, audit: &Audit<impl Bbox>, index: usize) -> Option<f64> {
        let count = match audit.losses[index].over {
            Over::Pairs => self.matched,
            Over::Scores => self.matched + self.background,
        };
        ratio(self.sums[index], count)
    }
}

/// Sums by a key of detections and of objects, for all of `keys` even if nothing has them.
pub(super) fn tally<K: Ord>(
    audit: &Audit<impl Bbox>,
    keys: impl IntoIterator<Item = K>,
    of_detection: impl Fn(usize) -> K,
    of_object: impl Fn(usize) -> K,
) -> BTreeMap<K, Tally> {
    let empty = || Tally { sums: vec![0.0; audit.losses.len()], ..Tally::default() };
    let mut tallies: BTreeMap<K, Tally> = keys.into_iter().map(|key| (key, empty())).collect();
    for &detection in audit.units(Over::Scores) {
        let tally = tallies.entry(of_detection(detection)).or_insert_with(empty);
        match audit.object(detection) {
            Some((_, iou)) => {
                tally.matched += 1;
                tally.iou += iou;
            }
            None => tally.background += 1,
        }
        for (sum, loss) in tally.sums.iter_mut().zip(&audit.losses) {
            *sum += audit.value(loss, detection).unwrap_or(0.0);
        }
        for over in Over::BOTH {
            tally.shares[over as usize] += audit.share(over, detection);
        }
    }
    for &object in audit.missed() {
        tallies.entry(of_object(object)).or_insert_with(empty).missed += 1;
    }
    tallies
}
