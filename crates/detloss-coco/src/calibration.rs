//! Whether scores are the probabilities that they look like.

use serde::Serialize;

/// How many bins there are.
const BINS: usize = 10;

/// How far scores are from the share of detections that are right (Küppers et al., CVPR workshops 2020): detections that found an
/// object are right.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// The expected calibration error: the mean over all detections of how far the mean score of their bin is from the share that
    /// is right.
    pub ece: f64,
    /// The largest of these differences.
    pub mce: f64,
    /// How many points of score above that share the detections are, in the mean: above 0 they are too sure of themselves.
    pub bias: f64,
    /// Ten bins of the same width, for scores from 0 to 1.
    pub bins: Vec<Bin>,
}

/// Detections with about the same score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// The lowest score.
    pub from: f64,
    /// Where the next bin begins.
    pub to: f64,
    /// How many detections there are.
    pub detections: usize,
    /// Their mean score.
    pub score: Option<f64>,
    /// The share of them that is right.
    pub right: Option<f64>,
}

impl Calibration {
    /// Of scores, and whether they are right; none where there are no scores, or one that is no probability.
    pub(crate) fn of(scored: impl Iterator<Item = (f64, bool)>) -> Option<Self> {
        let mut sums = [(0_usize, 0.0, 0_usize); BINS];
        for (score, right) in scored {
            if !(0.0..=1.0).contains(&score) {
                return None;
            }
            let (count, scores, rights) = &mut sums[((score * BINS as f64) as usize).min(BINS - 1)];
            *count += 1;
            *scores += score;
            *rights += usize::from(right);
        }
        let all: usize = sums.iter().map(|(count, ..)| count).sum();
        if all == 0 {
            return None;
        }
        let (mut ece, mut mce, mut bias) = (0.0, 0.0_f64, 0.0);
        let bins = sums.iter().enumerate().map(|(bin, &(detections, scores, rights))| {
            let mean = |sum: f64| (detections > 0).then(|| sum / detections as f64);
            let (score, right) = (mean(scores), mean(rights as f64));
            if let (Some(score), Some(right)) = (score, right) {
                let share = detections as f64 / all as f64;
                ece += share * (score - right).abs();
                bias += share * (score - right);
                mce = mce.max((score - right).abs());
            }
            let edge = |bin: usize| bin as f64 / BINS as f64;
            Bin { from: edge(bin), to: edge(bin + 1), detections, score, right }
        });
        let bins = bins.collect();
        Some(Self { ece, mce, bias, bins })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calibration_is_that_of_hand_arithmetic() {
        // 0.9 is right in two of three cases; the others never are.
        let scored =
            [(0.9, true), (0.95, true), (0.9, false), (0.15, false), (1.0, true), (0.0, false)];
        let calibration = Calibration::of(scored.into_iter()).unwrap();
        let top = calibration.bins[9];
        assert_eq!((top.detections, top.right), (4, Some(0.75)));
        assert!((top.score.unwrap() - 0.9375).abs() < 1e-12);
        let wanted = (4.0 * 0.1875 + 0.15) / 6.0;
        assert!((calibration.ece - wanted).abs() < 1e-12);
        assert!((calibration.bias - wanted).abs() < 1e-12);
        assert!((calibration.mce - 0.1875).abs() < 1e-12);
        assert_eq!(calibration.bins[5].score, None);
    }

    #[test]
    fn logits_and_nothing_have_none() {
        assert_eq!(Calibration::of([(0.5, true), (1.5, true)].into_iter()), None);
        assert_eq!(Calibration::of([(f64::NAN, true)].into_iter()), None);
        assert_eq!(Calibration::of(std::iter::empty()), None);
    }
}
