//! Some of the matches: what is left out of a loss where background is a thousand times as frequent.
//!
//! A sampler takes [`Matches`] and gives some of them: what it does not choose is [`IGNORED`].
//!
//! ```
//! use detloss::matching::{AnyMatcher, Anchors, Image, sampling};
//!
//! let points: Vec<f32> = (0..200).map(|n| (n / 2 * 8) as f32).collect();
//! let anchors = Anchors::points(&points, &[8.0; 100])?;
//! let image = Image::new(&[12.0, 12.0, 20.0, 20.0]).anchors(&anchors);
//! let matches = "max_iou".parse::<AnyMatcher>()?.match_image(&image)?;
//! let sampled = sampling::balanced(&matches, 10, 0.5, 17)?;
//! assert_eq!((sampled.positives(), sampled.negatives()), (1, 9));
//! # Ok::<(), detloss::Error>(())
//! ```

use super::matches::{BACKGROUND, IGNORED, Matches};
use crate::error::{Error, Result};
use crate::scalar::Compute;

/// `size` predictions by chance, at most a share of `positive` with truths, and background for all the rest; fewer where there are no more.
///
/// Faster R-CNN's (torchvision's `BalancedPositiveNegativeSampler`, MMDetection's `RandomSampler`) are 256 with a half for region proposals,
/// and 512 with a quarter for the second stage. What is chosen depends on the matches and the seed alone: give each image and step its own.
///
/// # Errors
///
/// [`Error::InvalidNumber`] for a share that is not from 0 to 1.
pub fn balanced<T: Compute>(
    matches: &Matches<T>,
    size: usize,
    positive: f64,
    seed: u64,
) -> Result<Matches<T>> {
    if !(0.0..=1.0).contains(&positive) {
        let (what, wanted) = ("the share of positives", "a number from 0 to 1");
        return Err(Error::InvalidNumber { what, index: 0, got: positive, wanted });
    }
    let (mut positives, mut negatives) = split(matches);
    let random = &mut Random(seed);
    random.choose(&mut positives, size.min((size as f64 * positive) as usize));
    random.choose(&mut negatives, size - positives.len());
    Ok(of(matches, positives.into_iter().chain(negatives)))
}

/// The `size` predictions with the largest losses, with a truth or without; of equal losses the lower index: online hard example mining.
///
/// `losses` holds one for every prediction. Detectron and the paper suppress overlapping boxes first, and MMDetection's `OHEMSampler` chooses
/// positives and negatives apart, as many of each as a balanced sampler.
///
/// # Errors
///
/// [`Error::Length`], and [`Error::InvalidNumber`] for the loss of a candidate that is NaN.
///
/// # References
///
/// Shrivastava, Gupta, Girshick, *Training Region-based Object Detectors with Online Hard Example Mining*, CVPR 2016.
/// <https://arxiv.org/abs/1604.03540>
pub fn hardest<T: Compute>(matches: &Matches<T>, losses: &[T], size: usize) -> Result<Matches<T>> {
    let (mut candidates, negatives) = split(matches);
    candidates.extend(negatives);
    candidates.sort_unstable();
    Ok(of(matches, largest(candidates, losses, matches, size)?))
}

/// All predictions with truths, and for each of them `ratio` of background with the largest losses; of equal losses the lower index. Without
/// a truth there is no background either.
///
/// `losses` holds one for every prediction. SSD and torchvision's have a ratio of 3, with the softmax cross entropy of the class as the loss,
/// image by image.
///
/// # Errors
///
/// Like [`hardest`].
///
/// # References
///
/// Liu, Anguelov, Erhan, Szegedy, Reed, Fu, Berg, *SSD: Single Shot MultiBox Detector*, ECCV 2016, section 2.2.
/// <https://arxiv.org/abs/1512.02325>
pub fn hard_negatives<T: Compute>(
    matches: &Matches<T>,
    losses: &[T],
    ratio: usize,
) -> Result<Matches<T>> {
    let (positives, negatives) = split(matches);
    let most = positives.len().saturating_mul(ratio);
    let negatives = largest(negatives, losses, matches, most)?;
    Ok(of(matches, positives.into_iter().chain(negatives)))
}

/// The predictions with a truth, and those that are background, by ascending index.
fn split<T>(matches: &Matches<T>) -> (Vec<usize>, Vec<usize>) {
    let background =
        |(prediction, &truth): (usize, &i32)| (truth == BACKGROUND).then_some(prediction);
    let negatives = matches.indices.iter().enumerate().filter_map(background);
    (matches.pairs().map(|(prediction, _)| prediction).collect(), negatives.collect())
}

/// These matches, and all others left out.
fn of<T: Compute>(matches: &Matches<T>, chosen: impl Iterator<Item = usize>) -> Matches<T> {
    let mut indices = vec![IGNORED; matches.indices.len()];
    let mut scores = matches.scores.as_ref().map(|scores| vec![T::default(); scores.len()]);
    for prediction in chosen {
        indices[prediction] = matches.indices[prediction];
        if let (Some(to), Some(from)) = (&mut scores, &matches.scores) {
            to[prediction] = from[prediction];
        }
    }
    Matches { indices, scores }
}

/// Up to `size` of the candidates, with the largest losses. Candidates come by ascending index.
fn largest<T: Compute>(
    mut candidates: Vec<usize>,
    losses: &[T],
    matches: &Matches<T>,
    size: usize,
) -> Result<impl Iterator<Item = usize>> {
    let (expected, got) = (matches.indices.len(), losses.len());
    if got != expected {
        return Err(Error::Length { what: "the losses", expected, got });
    }
    if let Some(&index) = candidates.iter().find(|&&candidate| losses[candidate].to_f64().is_nan())
    {
        let (what, got) = ("the losses", losses[index].to_f64());
        return Err(Error::InvalidNumber { what, index, got, wanted: "a number" });
    }
    let zero = T::default();
    // From 0, so that 0 and −0 are one.
    T::sort_by_key(&mut candidates, |&candidate| zero - losses[candidate]);
    Ok(candidates.into_iter().take(size))
}

/// Numbers by a seed (SplitMix64).
struct Random(u64);

impl Random {
    /// Below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((u128::from(bits) * bound as u128) >> 64) as usize
    }

    /// Leaves `size` of the items, every choice equally likely.
    fn choose(&mut self, items: &mut Vec<usize>, size: usize) {
        let size = size.min(items.len());
        for place in 0..size {
            let other = place + self.below(items.len() - place);
            items.swap(place, other);
        }
        items.truncate(size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_no_score() {
        let scores = Some(vec![0.5, 0.0, 0.9, 0.0]);
        let matches = Matches { indices: vec![0, BACKGROUND, 1, IGNORED], scores };
        let sampled = hardest(&matches, &[1.0, 2.0, 3.0, f64::NAN], 2).unwrap();
        assert_eq!(sampled.indices, [IGNORED, BACKGROUND, 1, IGNORED]);
        assert_eq!(sampled.scores, Some(vec![0.0, 0.0, 0.9, 0.0]));
    }
}
