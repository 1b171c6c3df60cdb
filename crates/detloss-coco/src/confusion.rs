//! Which class is taken for which.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use crate::assign::{Assignment, Outcome};
use crate::bbox::Bbox;
use crate::dataset::{Detection, GroundTruth};
use crate::options::Options;

/// A confusion matrix: a row for each class of the objects, a column for each class of the detections, and background as the last
/// of both.
///
/// Of detections with a score of `threshold` or more, those that found an object are on the diagonal, as many as recall counts.
/// Of the others, best score first, each takes the free object of another class in its image that it overlaps most, if by `iou` or
/// more: the cell of both classes. What then has no partner is in the cell of its class and background: detections in the last
/// row, missed objects in the last column. Crowds, and detections in them, are in no cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Confusion {
    /// Detections with a lower score are in no cell.
    pub threshold: f64,
    /// From this IoU on, a detection is at an object.
    pub iou: f64,
    /// The keys of the classes in the order of rows and columns, which is that of [`crate::Evaluation::classes`].
    #[serde(skip)]
    pub classes: Vec<u64>,
    /// The counts, row by row.
    pub counts: Vec<Vec<usize>>,
    /// What is in the cells: an object of [`GroundTruth::annotations`], a detection, or both.
    #[serde(skip)]
    pub pairs: Vec<(Option<usize>, Option<usize>)>,
}

impl Confusion {
    pub(crate) fn of<B: Bbox>(
        truth: &GroundTruth<B>,
        found: &[Detection<B>],
        assignment: &Assignment,
        classes: Vec<u64>,
        options: &Options,
        threshold: f64,
    ) -> Self {
        let mut pairs = Vec::new();
        let mut taken = HashSet::new();
        let mut alone: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (index, outcome) in assignment.outcomes.iter().enumerate() {
            match outcome {
                _ if found[index].score < threshold => {}
                Outcome::Object { annotation, .. } => {
                    taken.insert(*annotation);
                    pairs.push((Some(*annotation), Some(index)));
                }
                Outcome::Background => alone.entry(found[index].image).or_default().push(index),
                Outcome::Crowd | Outcome::BeyondLimit | Outcome::LeftOut => {}
            }
        }
        let mut free: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (index, object) in truth.annotations.iter().enumerate() {
            if !object.crowd && !taken.contains(&index) && options.has_class(object.category) {
                free.entry(object.image).or_default().push(index);
            }
        }
        for (image, mut detections) in alone {
            detections.sort_by(|&a, &b| found[b].score.total_cmp(&found[a].score));
            let mut none = Vec::new();
            let objects = free.get_mut(&image).unwrap_or(&mut none);
            for detection in detections {
                let Detection { bbox, category, .. } = found[detection];
                let overlaps = objects.iter().enumerate().filter_map(|(place, &object)| {
                    let object = &truth.annotations[object];
                    let overlap = bbox.iou(object.bbox, false);
                    let is_at = object.category != category && overlap >= options.iou();
                    is_at.then_some((place, overlap))
                });
                let best = overlaps.reduce(|best, one| if one.1 > best.1 { one } else { best });
                pairs.push((best.map(|(place, _)| objects.remove(place)), Some(detection)));
            }
        }
        pairs.extend(free.into_values().flatten().map(|object| (Some(object), None)));

        let place = |class: u64| classes.binary_search(&class).unwrap_or(classes.len());
        let mut counts = vec![vec![0; classes.len() + 1]; classes.len() + 1];
        for &(object, detection) in &pairs {
            let row =
                object.map_or(classes.len(), |object| place(truth.annotations[object].category));
            let column = detection.map_or(classes.len(), |index| place(found[index].category));
            counts[row][column] += 1;
        }
        Self { threshold, iou: options.iou(), classes, counts, pairs }
    }
}
