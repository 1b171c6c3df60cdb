//! All that can be said of detections beside annotations.

use std::collections::BTreeSet;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::ap::{Category, Scored, Scores, Summary, coco_recall, place_of, read_off};
use crate::assign::{Assignment, Outcome, assign};
use crate::bbox::Bbox;
use crate::calibration::Calibration;
use crate::confusion::Confusion;
use crate::crowding::{Crowding, GROUPS, neighbours};
use crate::dataset::{Detection, GroundTruth};
use crate::errors::{Errors, errors};
use crate::id::Id;
use crate::options::{Area, Options};

/// What became of a detector's output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// By what it was evaluated.
    pub options: Options,
    /// How many images there are.
    pub images: usize,
    /// How many objects are to be found: crowds aside.
    pub objects: usize,
    /// How many detections are looked at: those in crowds, too.
    pub detections: usize,
    /// COCO's numbers.
    #[serde(serialize_with = "as_map")]
    pub summary: Summary,
    /// Where F1 over all detections of all classes is best; none without objects or without detections.
    pub best: Option<Operating>,
    /// By class, in the order of the ids, if these are numbers.
    pub classes: Vec<Class>,
    /// The mean curve of precision over recall of all classes, for each IoU.
    pub curves: Vec<Curve>,
    /// By size of the objects.
    pub sizes: Vec<OfSize>,
    /// By the number of neighbours.
    pub crowding: Vec<Crowding>,
    /// Which class is taken for which.
    pub confusion: Confusion,
    /// The kinds of errors, with the AP they cost.
    pub errors: Errors,
    /// How well scores are probabilities; none where one lies outside of 0 to 1, or none counts.
    pub calibration: Option<Calibration>,
    /// What became of each detection.
    #[serde(skip)]
    pub assignment: Assignment,
}

/// A score from which detections count, with what comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Operating {
    /// The score.
    pub threshold: f64,
    /// The share of the detections that found an object.
    pub precision: f64,
    /// The share of the objects that were found.
    pub recall: f64,
    /// Their harmonic mean.
    pub f1: f64,
}

/// One class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Class {
    /// The key of its id in [`GroundTruth::categories`].
    #[serde(skip)]
    pub key: u64,
    /// Its id, as the file has it.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// How many objects are to be found.
    pub objects: usize,
    /// How many detections count.
    pub detections: usize,
    /// Average precision over all IoUs; none without objects, here as in what follows.
    #[serde(rename = "AP")]
    pub ap: Option<f64>,
    /// At an IoU of 0.5, if that is among those that are looked at.
    #[serde(rename = "AP50")]
    pub ap50: Option<f64>,
    /// At an IoU of 0.75.
    #[serde(rename = "AP75")]
    pub ap75: Option<f64>,
    /// The mean recall of all detections over all IoUs.
    #[serde(rename = "AR")]
    pub ar: Option<f64>,
    /// Where F1 is best at the first IoU.
    pub best: Option<Operating>,
    /// Precision at recalls of 0, 0.01, … 1 at the first IoU, each the best at that recall or beyond.
    pub precision: Option<Vec<f64>>,
}

/// Precision over recall at one IoU.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// The IoU.
    pub iou: f64,
    /// Precision at recalls of 0, 0.01, … 1.
    pub precision: Vec<f64>,
}

/// Objects of one size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OfSize {
    /// The size.
    pub size: Area,
    /// How many objects there are; one on a border is of the larger size.
    pub objects: usize,
    /// How many of them were found.
    pub found: usize,
    /// Average precision, as COCO has it; an object on a border is of both sizes.
    #[serde(rename = "AP")]
    pub ap: Option<f64>,
    /// Average recall.
    #[serde(rename = "AR")]
    pub ar: Option<f64>,
}

/// Evaluates detections.
pub fn evaluate<B: Bbox>(
    truth: &GroundTruth<B>,
    found: &[Detection<B>],
    options: &Options,
) -> Evaluation {
    let scored = Scored::of(truth, found, options);
    let assignment = assign(truth, found, options);
    let is_object = |(_, object): &(usize, &crate::Annotation<B>)| {
        !object.crowd && options.has_class(object.category)
    };
    let objects = || truth.annotations.iter().enumerate().filter(is_object);
    let mut ious = vec![None; truth.annotations.len()];
    for outcome in &assignment.outcomes {
        if let Outcome::Object { annotation, iou } = outcome {
            ious[*annotation] = Some(*iou);
        }
    }

    let counted: Vec<(f64, bool)> =
        scored.categories.values().flat_map(|scores| hits(&scores.category)).collect();
    let best = best_f1(counted.clone(), objects().count());
    // Without any, no detection is in the matrix, or none is right.
    let threshold = options.threshold.or(best.map(|best| best.threshold)).unwrap_or(0.0);
    let listed = truth.categories.keys().chain(scored.categories.keys()).copied();
    let listed: BTreeSet<u64> = listed.filter(|&class| options.has_class(class)).collect();
    let listed: Vec<u64> = listed.into_iter().collect();
    let confusion = Confusion::of(truth, found, &assignment, listed.clone(), options, threshold);

    let classes = listed.iter().map(|&key| {
        let id = truth.id(key);
        let name = truth.categories.get(&key).cloned().unwrap_or_else(|| id.to_string());
        Class::of(key, id, name, scored.categories.get(&key), options)
    });
    let classes = classes.collect();
    let with_objects = || scored.categories.values().filter(|scores| scores.all.is_some());
    let curves = options.ious.iter().enumerate().map(|(t, &iou)| {
        let mut precision = vec![0.0; crate::ap::RECALLS];
        for scores in with_objects() {
            let of_class = precisions(&scores.category, t);
            precision.iter_mut().zip(of_class).for_each(|(sum, one)| *sum += one);
        }
        let count = with_objects().count().max(1) as f64;
        precision.iter_mut().for_each(|sum| *sum /= count);
        Curve { iou, precision }
    });
    let curves = if with_objects().next().is_some() { curves.collect() } else { Vec::new() };

    let sizes =
        options.areas.iter().zip(scored.by_area()).enumerate().map(|(place, (size, (ap, ar)))| {
            let of_size =
                || objects().filter(|(_, it)| Area::place(&options.areas, it.area) == place);
            OfSize {
                size: size.clone(),
                objects: of_size().count(),
                found: of_size().filter(|&(index, _)| ious[index].is_some()).count(),
                ap,
                ar,
            }
        });
    let sizes = sizes.collect();
    let neighbours = neighbours(truth);
    let crowding = (0..GROUPS).map(|group| {
        let of_group =
            || objects().filter(|&(index, _)| neighbours[index].min(GROUPS - 1) == group);
        let of_found = || of_group().filter_map(|(index, _)| ious[index]);
        Crowding {
            neighbours: group,
            objects: of_group().count(),
            found: of_found().count(),
            mean_iou: crate::ap::mean(of_found()),
        }
    });
    let crowding = crowding.collect();
    let is_looked_at =
        |outcome: &&Outcome| !matches!(outcome, Outcome::LeftOut | Outcome::BeyondLimit);
    Evaluation {
        options: options.clone(),
        images: scored.images,
        objects: objects().count(),
        detections: assignment.outcomes.iter().filter(is_looked_at).count(),
        summary: scored.summary(),
        best,
        classes,
        curves,
        sizes,
        crowding,
        confusion,
        errors: errors(truth, found, options),
        calibration: Calibration::of(counted.into_iter()),
        assignment,
    }
}

impl Class {
    fn of(key: u64, id: Id, name: String, scores: Option<&Scores>, options: &Options) -> Self {
        let all = scores.and_then(|scores| scores.all.as_ref());
        let at = |iou: f64| Some(all?.precision[place_of(&options.ious, iou)?]);
        let category = scores.map(|scores| &scores.category);
        let counted: Vec<_> = category.into_iter().flat_map(hits).collect();
        let objects = category.map_or(0, Category::count);
        let precision = category.filter(|_| objects > 0).map(|category| precisions(category, 0));
        Self {
            key,
            id,
            name,
            objects,
            detections: counted.len(),
            ap: all.map(|score| score.ap()),
            ap50: at(0.5),
            ap75: at(0.75),
            ar: all.map(|score| score.ar),
            best: best_f1(counted, objects),
            precision,
        }
    }
}

/// The scores that count at the first IoU, and whether they found an object.
fn hits(category: &Category) -> impl Iterator<Item = (f64, bool)> {
    category.judged.iter().filter_map(|judged| Some((judged.score, judged.hit(0)?)))
}

/// Precision at COCO's recalls.
fn precisions(category: &Category, iou: usize) -> Vec<f64> {
    let mut curve = category.curve(iou, category.count() as f64, |_| 1.0);
    read_off(&mut curve, coco_recall)
}

/// Where F1 is best; of equals, at the highest score.
fn best_f1(mut counted: Vec<(f64, bool)>, objects: usize) -> Option<Operating> {
    counted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut best: Option<Operating> = None;
    let mut hits = 0;
    for (place, &(threshold, hit)) in counted.iter().enumerate() {
        hits += usize::from(hit);
        // Equal scores are above a threshold together.
        let is_last = counted.get(place + 1).is_none_or(|next| next.0 < threshold);
        if objects == 0 || !is_last {
            continue;
        }
        let precision = hits as f64 / (place + 1) as f64;
        let recall = hits as f64 / objects as f64;
        let f1 = 2.0 * hits as f64 / (place + 1 + objects) as f64;
        if best.is_none_or(|best| f1 > best.f1) {
            best = Some(Operating { threshold, precision, recall, f1 });
        }
    }
    best
}

/// A summary as an object of JSON.
fn as_map<S: Serializer>(summary: &Summary, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(summary.len()))?;
    for metric in summary {
        map.serialize_entry(&metric.name, &metric.value)?;
    }
    map.end()
}
