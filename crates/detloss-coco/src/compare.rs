//! Two detectors on the same images: what differs, and by how much it would on other images of the kind.

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use serde::Serialize;

use crate::ap::{Category, Scored, mean, numbered};
use crate::bbox::Bbox;
use crate::dataset::{Detection, GroundTruth};
use crate::options::Options;

/// The part of the resamples that lies within an interval.
const WITHIN: f64 = 0.95;

/// A number of two detectors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// That of the first; none where it has none.
    pub first: Option<f64>,
    /// That of the second.
    pub second: Option<f64>,
    /// The second less the first.
    pub difference: Option<f64>,
    /// The interval that has 95 % of the differences on images drawn anew from these.
    pub interval: Option<[f64; 2]>,
}

impl Difference {
    /// Of two numbers, and of the differences on resamples.
    pub fn of(first: Option<f64>, second: Option<f64>, resampled: Vec<f64>) -> Self {
        let difference = first.zip(second).map(|(first, second)| second - first);
        Self { first, second, difference, interval: interval(resampled) }
    }

    /// Whether the interval is on one side of 0: another set of images would hardly say the opposite.
    pub fn is_clear(&self) -> bool {
        self.interval.is_some_and(|[low, high]| low > 0.0 || high < 0.0)
    }
}

/// Two detectors side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// AP over all IoUs, at the first of them, and for each size.
    pub metrics: Vec<(String, Difference)>,
    /// AP of each class, by its id.
    pub classes: Vec<(u64, Difference)>,
}

/// How often each image is drawn, many times over: the bootstrap of Efron (1979).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resamples {
    /// How many times.
    pub count: usize,
    /// Equal seeds draw alike.
    pub seed: u64,
}

impl Resamples {
    /// How often each of so many images is in resample number `place`.
    fn draw(self, place: usize, images: usize) -> Vec<f64> {
        let mut random = Pcg64::seed_from_u64(self.seed.wrapping_add(place as u64));
        let mut counts = vec![0.0; images];
        for _ in 0..images {
            // The high bits of a product are uniform over the images.
            let image = (u128::from(random.next_u64()) * images as u128) >> 64;
            counts[image as usize] += 1.0;
        }
        counts
    }

    /// What `of` gives for each resample, each image weighed by how often it is drawn.
    pub fn each<T: Send>(self, images: usize, of: impl Fn(&[f64]) -> T + Sync) -> Vec<T> {
        (0..self.count).into_par_iter().map(|place| of(&self.draw(place, images))).collect()
    }
}

/// Compares two detectors by AP.
pub fn compare<B: Bbox>(
    truth: &GroundTruth<B>,
    first: &[Detection<B>],
    second: &[Detection<B>],
    options: &Options,
    resamples: Resamples,
) -> Comparison {
    let places = numbered(truth, &[first, second]);
    let [first, second] =
        [first, second].map(|found| Scored::with(truth, found, options, &places, true));
    let ids: Vec<u64> = first.categories.keys().chain(second.categories.keys()).copied().collect();
    let ids: Vec<u64> = std::collections::BTreeSet::from_iter(ids).into_iter().collect();
    let whole = vec![1.0; places.len()];
    let both = |weights: &[f64]| [&first, &second].map(|scored| numbers(scored, &ids, weights));
    let [a, b] = both(&whole);
    let resampled = resamples.each(places.len(), both);
    let difference = |pick: &dyn Fn(&Numbers) -> Option<f64>| {
        let each = resampled.iter().filter_map(|[a, b]| Some(pick(b)? - pick(a)?));
        Difference::of(pick(&a), pick(&b), each.collect())
    };
    let at = format!("AP at IoU {}", options.iou());
    let names = ["AP".to_owned(), at].into_iter();
    let names = names.chain(options.areas.iter().map(|area| format!("AP of {}", area.name)));
    let metrics =
        names.enumerate().map(|(place, name)| (name, difference(&|it| it.metrics[place])));
    let metrics = metrics.collect();
    let classes =
        ids.iter().enumerate().map(|(place, &id)| (id, difference(&|it| it.classes[place])));
    Comparison { metrics, classes: classes.collect() }
}

/// What is compared.
struct Numbers {
    metrics: Vec<Option<f64>>,
    classes: Vec<Option<f64>>,
}

fn numbers(scored: &Scored, ids: &[u64], weights: &[f64]) -> Numbers {
    let averages = |category: &Category| -> Option<Vec<f64>> {
        let objects: f64 =
            category.objects.iter().map(|&(image, count)| weights[image] * count as f64).sum();
        let at = |iou| category.average(iou, objects, |image| weights[image]);
        (objects > 0.0).then(|| (0..category.ious).map(at).collect())
    };
    let over = |averages: &Vec<f64>| averages.iter().sum::<f64>() / averages.len() as f64;
    let of_class: Vec<Option<Vec<f64>>> = ids
        .iter()
        .map(|id| scored.categories.get(id).and_then(|scores| averages(&scores.category)))
        .collect();
    let classes: Vec<Option<f64>> = of_class.iter().map(|it| it.as_ref().map(over)).collect();
    let mut metrics = vec![mean(classes.iter().copied().flatten())];
    metrics.push(mean(of_class.iter().flatten().map(|averages| averages[0])));
    for size in 0..scored.sizes() {
        let of_size = scored.categories.values().filter_map(|it| averages(&it.by_size[size]));
        metrics.push(mean(of_size.map(|averages| over(&averages))));
    }
    Numbers { metrics, classes }
}

/// The middle of these numbers; none of fewer than two.
fn interval(mut numbers: Vec<f64>) -> Option<[f64; 2]> {
    if numbers.len() < 2 {
        return None;
    }
    numbers.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| numbers[(share * (numbers.len() - 1) as f64).round() as usize];
    Some([at((1.0 - WITHIN) / 2.0), at((1.0 + WITHIN) / 2.0)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Annotation, summarize};

    const SAMPLES: Resamples = Resamples { count: 200, seed: 1 };
    const BOX: [f64; 4] = [10.0, 10.0, 20.0, 20.0];

    /// Forty images with an object each, and a detector that finds the objects that `finds` says.
    fn set(finds: impl Fn(u64) -> bool) -> (GroundTruth, Vec<Detection>) {
        let images = (1..=40).map(|image| (image, String::new()));
        let object = |image| Annotation {
            id: None,
            image,
            category: 1,
            bbox: BOX,
            area: 400.0,
            crowd: false,
        };
        let annotations = (1..=40).map(object).collect();
        let truth = GroundTruth { images: images.collect(), annotations, ..GroundTruth::default() };
        let found = (1..=40).filter(|&image| finds(image));
        let found = found.map(|image| Detection { image, category: 1, bbox: BOX, score: 0.9 });
        (truth, found.collect())
    }

    #[test]
    fn a_difference_is_that_of_the_summaries_and_lies_within_its_interval() {
        let (truth, half) = set(|image| image % 2 == 0);
        let (_, most) = set(|image| image % 4 != 0);
        let options = Options::default();
        let comparison = compare(&truth, &half, &most, &options, SAMPLES);
        for (place, found) in [&half, &most].into_iter().enumerate() {
            let ap = summarize(&truth, found, &options)[0].value.unwrap();
            let difference = comparison.metrics[0].1;
            let value = [difference.first, difference.second][place].unwrap();
            assert!((value - ap).abs() < 1e-12);
        }
        for (name, difference) in &comparison.metrics[..3] {
            let (value, [low, high]) =
                (difference.difference.unwrap(), difference.interval.unwrap());
            assert!(low < value && value < high, "{name}: {value} in {low}, {high}");
        }
        assert_eq!(comparison.metrics[4].1.first, None);
        assert_eq!(comparison.classes, [(1, comparison.metrics[0].1)]);
        // A quarter of the images is found in addition, and a quarter is lost.
        assert!(!comparison.metrics[0].1.is_clear());
        let (_, all) = set(|_| true);
        assert!(compare(&truth, &half, &all, &options, SAMPLES).metrics[0].1.is_clear());
    }

    #[test]
    fn equal_detectors_do_not_differ_and_equal_seeds_draw_alike() {
        let (truth, half) = set(|image| image % 2 == 0);
        let same = compare(&truth, &half, &half, &Options::default(), SAMPLES);
        assert_eq!(same.metrics[0].1.interval, Some([0.0, 0.0]));
        let (_, other) = set(|image| image % 3 == 0);
        let once = || compare(&truth, &half, &other, &Options::default(), SAMPLES);
        assert_eq!(once(), once());
        assert_eq!(SAMPLES.draw(3, 40).iter().sum::<f64>(), 40.0);
        assert_ne!(SAMPLES.draw(3, 40), SAMPLES.draw(4, 40));
    }

    #[test]
    fn an_interval_leaves_out_the_ends() {
        let numbers = (0..=200).rev().map(f64::from).collect();
        assert_eq!(interval(numbers), Some([5.0, 195.0]));
        assert_eq!(interval(vec![1.0]), None);
    }
}
