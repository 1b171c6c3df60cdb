//! COCO's average precision and recall of boxes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;

use crate::bbox::Bbox;
use crate::dataset::{Detection, GroundTruth};
use crate::matching::{Group, Overlaps, groups};
use crate::options::{Area, MOST_IOUS, Options};

/// One number of COCO's summary.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Its usual name, such as `AP50`.
    pub name: String,
    /// From 0 to 1; none where the dataset has no object to find, or where its IoU is not among those that are looked at.
    pub value: Option<f64>,
}

/// COCO's twelve numbers in their usual order; fewer or more where other sizes are told apart.
pub type Summary = Vec<Metric>;

/// The number of recalls at which precision is read off.
pub(crate) const RECALLS: usize = 101;

/// A recall, and the best precision there or beyond.
pub(crate) type Point = (f64, f64);

/// Average precision and recall as COCO's server has them: its twelve numbers, if the options are its own.
pub fn summarize<B: Bbox>(
    truth: &GroundTruth<B>,
    found: &[Detection<B>],
    options: &Options,
) -> Summary {
    Scored::of(truth, found, options).summary()
}

/// The numbers of detections per image at which recall is looked at.
fn limits(options: &Options) -> Vec<usize> {
    let most = options.max_detections;
    [1, 10].into_iter().filter(|&limit| limit < most).chain([most]).collect()
}

/// All scores of all categories with objects or detections.
pub(crate) struct Scored<'a> {
    options: &'a Options,
    pub(crate) categories: BTreeMap<u64, Scores>,
    /// How many images there are. Those of detections and objects are numbered by their ids.
    pub(crate) images: usize,
}

/// The scores of one category.
pub(crate) struct Scores {
    /// Of objects of any size; none where there is no object.
    pub(crate) all: Option<Score>,
    /// The mean recall of the best detections up to each limit.
    limited: Vec<Option<f64>>,
    /// By size.
    areas: Vec<Option<Score>>,
    /// Its detections and objects of any size.
    pub(crate) category: Category,
    /// Those of each size, if they were to be kept.
    pub(crate) by_size: Vec<Category>,
}

impl<'a> Scored<'a> {
    pub(crate) fn of<B: Bbox>(
        truth: &GroundTruth<B>,
        found: &[Detection<B>],
        options: &'a Options,
    ) -> Self {
        Self::with(truth, found, options, &numbered(truth, &[found]), false)
    }

    /// With images by these numbers, keeping what belongs to each size or not.
    pub(crate) fn with<B: Bbox>(
        truth: &GroundTruth<B>,
        found: &[Detection<B>],
        options: &'a Options,
        places: &HashMap<u64, usize>,
        keep: bool,
    ) -> Self {
        assert!(options.ious.len() <= MOST_IOUS, "at most {MOST_IOUS} IoUs");
        let groups = groups(truth, found, options);
        let mut categories: BTreeMap<u64, Vec<(usize, Group)>> = BTreeMap::new();
        for ((category, image), group) in groups {
            categories.entry(category).or_default().push((places[&image], group));
        }
        let score = |(category, images): (u64, Vec<(usize, Group)>)| {
            let overlaps = |(_, group): &(usize, Group)| {
                Overlaps::of(group, truth, found, options.max_detections)
            };
            let overlaps: Vec<Overlaps> = images.iter().map(overlaps).collect();
            let of_area =
                |area: Option<&Area>| Category::of(&images, &overlaps, area, truth, found, options);
            let any = of_area(None);
            let limited = limits(options).into_iter().map(|limit| any.recall(limit)).collect();
            let by_size = options.areas.iter().map(|area| of_area(Some(area)));
            let mut kept = Vec::new();
            let score = |category: Category| {
                let score = category.score();
                kept.extend(keep.then_some(category));
                score
            };
            let areas = by_size.map(score).collect();
            (category, Scores { all: any.score(), limited, areas, category: any, by_size: kept })
        };
        let categories: Vec<_> = categories.into_iter().collect();
        let categories = categories.into_par_iter().map(score).collect();
        Self { options, categories, images: places.len() }
    }

    pub(crate) fn summary(&self) -> Summary {
        let options = self.options;
        let all: Vec<&Score> = self.categories.values().filter_map(|it| it.all.as_ref()).collect();
        let mut summary: Summary = Vec::new();
        let mut push = |name: String, value| summary.push(Metric { name, value });
        push("AP".into(), mean(all.iter().map(|score| score.ap())));
        for (name, iou) in [("AP50", 0.5), ("AP75", 0.75)] {
            let at = place_of(&options.ious, iou);
            push(name.into(), at.and_then(|at| mean(all.iter().map(|score| score.precision[at]))));
        }
        for (area, (ap, _)) in self.by_area().enumerate() {
            push(format!("AP{}", suffix(&options.areas, area)), ap);
        }
        for (place, limit) in limits(options).into_iter().enumerate() {
            let recalls = self.categories.values().filter_map(|scores| scores.limited[place]);
            push(format!("AR{limit}"), mean(recalls));
        }
        for (area, (_, ar)) in self.by_area().enumerate() {
            push(format!("AR{}", suffix(&options.areas, area)), ar);
        }
        summary
    }

    /// How many sizes are told apart.
    pub(crate) fn sizes(&self) -> usize {
        self.options.areas.len()
    }

    /// AP and AR of each size.
    pub(crate) fn by_area(&self) -> impl Iterator<Item = (Option<f64>, Option<f64>)> {
        (0..self.options.areas.len()).map(|area| {
            let scores = || self.categories.values().filter_map(move |it| it.areas[area].as_ref());
            (mean(scores().map(Score::ap)), mean(scores().map(|score| score.ar)))
        })
    }
}

/// The images of objects and detections, numbered by their ids.
pub(crate) fn numbered<B>(
    truth: &GroundTruth<B>,
    found: &[&[Detection<B>]],
) -> HashMap<u64, usize> {
    let of_objects = truth.annotations.iter().map(|object| object.image);
    let of_detections = found.iter().copied().flatten().map(|detection| detection.image);
    let images = truth.images.keys().copied().chain(of_objects).chain(of_detections);
    let images: BTreeSet<u64> = images.collect();
    images.into_iter().zip(0..).collect()
}

/// What follows AP or AR for a size: `s` for COCO's small ones.
fn suffix(areas: &[Area], place: usize) -> String {
    let name = &areas[place].name;
    if areas == Area::coco() { name[..1].to_owned() } else { format!(" {name}") }
}

/// Where this IoU is among others, if it is.
pub(crate) fn place_of(ious: &[f64], wanted: f64) -> Option<usize> {
    ious.iter().position(|iou| (iou - wanted).abs() < 1e-9)
}

/// The mean; none of nothing.
pub(crate) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// Average precision of one category at each IoU, and the mean recall of all its detections.
pub(crate) struct Score {
    pub(crate) precision: Vec<f64>,
    pub(crate) ar: f64,
}

impl Score {
    /// The mean precision over all IoUs.
    pub(crate) fn ap(&self) -> f64 {
        self.precision.iter().sum::<f64>() / self.precision.len() as f64
    }
}

/// One detection with its verdict at every IoU, a bit each.
pub(crate) struct Judged {
    pub(crate) score: f64,
    pub(crate) image: usize,
    /// How many detections of its image and category score better.
    pub(crate) rank: usize,
    matched: u64,
    ignored: u64,
}

impl Judged {
    /// Whether it found an object at this IoU; none where it does not count.
    pub(crate) fn hit(&self, iou: usize) -> Option<bool> {
        (self.ignored >> iou & 1 == 0).then_some(self.matched >> iou & 1 == 1)
    }
}

/// All detections of a category, best score first, for one range of areas.
pub(crate) struct Category {
    pub(crate) judged: Vec<Judged>,
    /// The images that have objects, and how many.
    pub(crate) objects: Vec<(usize, usize)>,
    pub(crate) ious: usize,
}

impl Category {
    fn of<B: Bbox>(
        images: &[(usize, Group)],
        overlaps: &[Overlaps],
        area: Option<&Area>,
        truth: &GroundTruth<B>,
        found: &[Detection<B>],
        options: &Options,
    ) -> Self {
        // As in COCO, an area on a border is of both sizes.
        let outside = |size: f64| area.is_some_and(|area| size < area.from || size > area.to);
        let mut judged = Vec::new();
        let mut objects = Vec::new();
        for ((image, group), overlaps) in images.iter().zip(overlaps) {
            let ignored = |&index: &usize| {
                let object = &truth.annotations[index];
                object.crowd || outside(object.area)
            };
            let ignored: Vec<bool> = group.objects.iter().map(ignored).collect();
            let count = ignored.iter().filter(|&&ignored| !ignored).count();
            if count > 0 {
                objects.push((*image, count));
            }

            let first = judged.len();
            let looked_at = group.detections.iter().take(options.max_detections).enumerate();
            judged.extend(looked_at.map(|(rank, &index)| {
                let Detection { bbox, score, .. } = found[index];
                // Unless it finds an object, a detection of another size is nobody's business.
                let ignored = if outside(bbox.area()) { u64::MAX } else { 0 };
                Judged { score, image: *image, rank, matched: 0, ignored }
            }));
            let judged = &mut judged[first..];
            if group.objects.is_empty() {
                continue;
            }
            for (t, &iou) in options.ious.iter().enumerate() {
                let matches = overlaps.matches(judged.len(), &ignored, iou);
                for (detection, object) in judged.iter_mut().zip(matches) {
                    if let Some(o) = object {
                        detection.matched |= 1 << t;
                        detection.ignored &= !(1 << t);
                        detection.ignored |= u64::from(ignored[o]) << t;
                    }
                }
            }
        }
        judged.sort_by(|a, b| b.score.total_cmp(&a.score));
        Self { judged, objects, ious: options.ious.len() }
    }

    /// How many objects there are to find.
    pub(crate) fn count(&self) -> usize {
        self.objects.iter().map(|(_, count)| count).sum()
    }

    /// The score of all detections; none without an object to find.
    fn score(&self) -> Option<Score> {
        let ar = self.recall(usize::MAX)?;
        let objects = self.count() as f64;
        let precision = (0..self.ious).map(|t| self.average(t, objects, |_| 1.0)).collect();
        Some(Score { precision, ar })
    }

    /// The mean recall over all IoUs of the best `limit` detections per image; none without an object to find.
    fn recall(&self, limit: usize) -> Option<f64> {
        let all = self.count() * self.ious;
        let judged = self.judged.iter().filter(|judged| judged.rank < limit);
        let hits: u32 = judged.map(|judged| (judged.matched & !judged.ignored).count_ones()).sum();
        (all > 0).then(|| f64::from(hits) / all as f64)
    }

    /// Average precision at an IoU, with images that count `weigh` times.
    pub(crate) fn average(&self, iou: usize, objects: f64, weigh: impl Fn(usize) -> f64) -> f64 {
        average_precision(&mut self.curve(iou, objects, weigh), coco_recall)
    }

    /// Recall and precision after every detection that finds an object: between them, both can only be less.
    pub(crate) fn curve(
        &self,
        iou: usize,
        objects: f64,
        weigh: impl Fn(usize) -> f64,
    ) -> Vec<Point> {
        let (mut hits, mut seen) = (0.0, 0.0);
        let mut curve = Vec::new();
        for judged in &self.judged {
            let Some(hit) = judged.hit(iou) else { continue };
            let weight = weigh(judged.image);
            seen += weight;
            if hit && weight > 0.0 {
                hits += weight;
                curve.push((hits / objects, hits / seen));
            }
        }
        curve
    }
}

/// The recalls of COCO as numpy's linspace rounds them: those of a curve lie exactly on these values.
pub(crate) fn coco_recall(place: usize) -> f64 {
    place as f64 * 0.01
}

/// The mean over 101 recalls of the best precision at that recall or beyond.
pub(crate) fn average_precision(curve: &mut [Point], recalls: impl Fn(usize) -> f64) -> f64 {
    read_off(curve, recalls).iter().sum::<f64>() / RECALLS as f64
}

/// The best precision at each of 101 recalls or beyond; `curve` is made to fall.
pub(crate) fn read_off(curve: &mut [Point], recalls: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut best = 0.0_f64;
    for (_, precision) in curve.iter_mut().rev() {
        best = best.max(*precision);
        *precision = best;
    }
    let mut at = 0;
    let precision = |place| {
        let wanted = recalls(place);
        at += curve[at..].iter().take_while(|(recall, _)| *recall < wanted).count();
        curve.get(at).map_or(0.0, |&(_, precision)| precision)
    };
    (0..RECALLS).map(precision).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Annotation;

    fn one_object(crowd: bool) -> GroundTruth {
        let bbox = [0.0, 0.0, 10.0, 10.0];
        let object = Annotation { id: None, image: 1, category: 1, bbox, area: 100.0, crowd };
        GroundTruth { annotations: vec![object], ..GroundTruth::default() }
    }

    fn detection(bbox: [f64; 4], score: f64) -> Detection {
        Detection { image: 1, category: 1, bbox, score }
    }

    fn value(truth: &GroundTruth, found: &[Detection], name: &str) -> Option<f64> {
        let summary = summarize(truth, found, &Options::default());
        summary.iter().find(|metric| metric.name == name).unwrap().value
    }

    #[test]
    fn a_perfect_detection_scores_one_where_there_are_objects_and_nothing_elsewhere() {
        let (truth, found) = (one_object(false), [detection([0.0, 0.0, 10.0, 10.0], 0.9)]);
        assert!((value(&truth, &found, "AP").unwrap() - 1.0).abs() < 1e-12);
        assert!((value(&truth, &found, "APs").unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(value(&truth, &found, "APl"), None);
    }

    #[test]
    fn a_false_alarm_with_the_better_score_halves_the_precision() {
        let found =
            [detection([50.0, 50.0, 5.0, 5.0], 0.9), detection([0.0, 0.0, 10.0, 10.0], 0.5)];
        let truth = one_object(false);
        assert!((value(&truth, &found, "AP50").unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(value(&truth, &found, "AR1"), Some(0.0));
        assert_eq!(value(&truth, &found, "AR10"), Some(1.0));
    }

    #[test]
    fn no_detections_score_zero_and_no_objects_score_nothing() {
        assert_eq!(value(&one_object(false), &[], "AP"), Some(0.0));
        assert_eq!(value(&one_object(true), &[], "AP"), None);
    }

    #[test]
    fn a_summary_has_the_names_of_what_it_was_asked() {
        let names = |options: &Options| {
            let summary = summarize(&one_object(false), &[], options).into_iter();
            summary.map(|metric| metric.name).collect::<Vec<_>>().join(" ")
        };
        let coco = "AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl";
        assert_eq!(names(&Options::default()), coco);
        let options =
            Options { areas: Area::between(&[16.0]), max_detections: 10, ..Options::default() };
        assert_eq!(
            names(&options),
            "AP AP50 AP75 AP below 16 AP from 16 AR1 AR10 AR below 16 AR from 16"
        );
    }
}
