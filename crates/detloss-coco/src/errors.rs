//! What kinds of errors a detector makes, and the AP that each costs: TIDE (Bolya et al., ECCV 2020).

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;
use serde::Serialize;

use crate::ap::{average_precision, mean};
use crate::bbox::Bbox;
use crate::dataset::{Detection, GroundTruth};
use crate::options::Options;

/// What overlaps less is background.
pub const BACKGROUND: f64 = 0.1;

/// The most detections of an image, of all classes together, that are looked at, best scores first.
const MOST: usize = 100;

/// What is wrong with a detection that found no object, or with an object that nobody found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum ErrorKind {
    /// It lies on an object of another class.
    Cls,
    /// It lies beside an object of its class: near, but not near enough.
    Loc,
    /// It lies beside an object of another class.
    Both,
    /// A better detection had taken the object it lies on.
    Dupe,
    /// It lies on nothing.
    Bkg,
    /// An object that no detection would find if its class or its box were right.
    Miss,
}

impl ErrorKind {
    /// All of them, in the order of the paper.
    pub const ALL: [Self; 6] =
        [Self::Cls, Self::Loc, Self::Both, Self::Dupe, Self::Bkg, Self::Miss];

    /// TIDE's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cls => "Cls",
            Self::Loc => "Loc",
            Self::Both => "Both",
            Self::Dupe => "Dupe",
            Self::Bkg => "Bkg",
            Self::Miss => "Miss",
        }
    }

    /// What it is, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Cls => "wrong class",
            Self::Loc => "loose box",
            Self::Both => "wrong class and loose box",
            Self::Dupe => "found twice",
            Self::Bkg => "nothing there",
            Self::Miss => "missed",
        }
    }
}

/// One kind of errors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ErrorCost {
    /// Which.
    pub kind: ErrorKind,
    /// How many there are.
    pub count: usize,
    /// By how much AP rises if these errors alone are mended, which is never below 0.
    pub cost: f64,
}

/// The errors of a detector.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Errors {
    /// AP at the one IoU, the mean over all classes that have objects or detections (COCO leaves those without objects out); none
    /// where there are none.
    #[serde(rename = "AP")]
    pub ap: Option<f64>,
    /// The six kinds in the order of [`ErrorKind::ALL`].
    pub kinds: [ErrorCost; 6],
    /// By how much AP rises if all that found no object had a score below all others.
    pub false_positives: f64,
    /// By how much AP rises if objects that nobody found were not there.
    pub false_negatives: f64,
    /// The kind of each detection, in their order; none for those that found an object, or are not looked at.
    #[serde(skip)]
    pub of_detections: Vec<Option<ErrorKind>>,
    /// The objects that count as missed: indices in [`GroundTruth::annotations`], ascending.
    #[serde(skip)]
    pub missed: Vec<usize>,
}

/// A detection on the way to AP.
#[derive(Debug, Clone, Copy)]
struct Counted {
    class: u64,
    score: f64,
    hit: bool,
}

/// A detection that found no object.
struct Mistake {
    kind: ErrorKind,
    detection: usize,
    score: f64,
    /// The class it is said to be; none where it lies in a crowd and does not count.
    class: Option<u64>,
    /// The object that nobody found and that it would find, were its class or its box right.
    object: Option<usize>,
}

/// Finds the errors among the best hundred detections of each image.
pub(crate) fn errors<B: Bbox>(
    truth: &GroundTruth<B>,
    found: &[Detection<B>],
    options: &Options,
) -> Errors {
    let mut images: BTreeMap<u64, [Vec<usize>; 2]> = BTreeMap::new();
    for (index, object) in truth.annotations.iter().enumerate() {
        if options.has_class(object.category) {
            images.entry(object.image).or_default()[0].push(index);
        }
    }
    for (index, detection) in found.iter().enumerate() {
        if options.has(detection.category, detection.score) {
            images.entry(detection.image).or_default()[1].push(index);
        }
    }
    let mut findings = Findings::new(truth, found, options.iou());
    for [objects, mut detections] in images.into_values() {
        detections.sort_by(|&a, &b| found[b].score.total_cmp(&found[a].score));
        detections.truncate(MOST);
        findings.look_at(&objects, &detections);
    }
    findings.mend()
}

/// How many objects there are of each class.
type Counts = BTreeMap<u64, usize>;

/// What is found, image by image.
struct Findings<'a, B> {
    truth: &'a GroundTruth<B>,
    found: &'a [Detection<B>],
    iou: f64,
    /// Whatever counts, in the order in which it is found.
    counted: Vec<Counted>,
    mistakes: Vec<Mistake>,
    objects: Counts,
    /// Objects that nobody found.
    unfound: Vec<usize>,
    /// Those that no mistake would find.
    missed: Vec<usize>,
    /// The best mistake for each object that nobody found, by its score: a detection.
    best: HashMap<usize, (f64, usize)>,
}

impl<'a, B: Bbox> Findings<'a, B> {
    fn new(truth: &'a GroundTruth<B>, found: &'a [Detection<B>], iou: f64) -> Self {
        Self {
            truth,
            found,
            iou,
            counted: Vec::new(),
            mistakes: Vec::new(),
            objects: Counts::new(),
            unfound: Vec::new(),
            missed: Vec::new(),
            best: HashMap::new(),
        }
    }

    fn class(&self, object: usize) -> u64 {
        self.truth.annotations[object].category
    }

    /// Looks at an image, with its detections by their scores.
    fn look_at(&mut self, objects: &[usize], detections: &[usize]) {
        let (truth, found, iou) = (self.truth, self.found, self.iou);
        let (crowds, objects): (Vec<usize>, Vec<usize>) =
            objects.iter().partition(|&&index| truth.annotations[index].crowd);
        for &object in &objects {
            *self.objects.entry(self.class(object)).or_default() += 1;
        }
        let boxes: Vec<B> = detections.iter().map(|&detection| found[detection].bbox).collect();
        let all = objects.iter().chain(&crowds).map(|&index| &truth.annotations[index]);
        let all: Vec<(B, bool)> = all.map(|object| (object.bbox, object.crowd)).collect();
        let ious = B::ious(&boxes, &all);
        let row = |d: usize| &ious[d * all.len()..(d + 1) * all.len()];
        let is_of = |class: u64| {
            let objects = &objects;
            move |&o: &usize| truth.annotations[objects[o]].category == class
        };

        // Best score first, each takes the first of the free objects of its class that it overlaps most.
        let mut taken = vec![false; objects.len()];
        let mut take = |d: usize| {
            let own = (0..objects.len()).filter(is_of(found[detections[d]].category));
            let best = first_of_most(own.filter(|&o| !taken[o]), row(d));
            let best = best.filter(|&o| row(d)[o] >= iou);
            best.is_some_and(|o| !std::mem::replace(&mut taken[o], true))
        };
        let takes: Vec<bool> = (0..detections.len()).map(&mut take).collect();
        let mut usable = vec![false; objects.len()];
        for (d, &detection) in detections.iter().enumerate() {
            let Detection { category: class, score, .. } = found[detection];
            if takes[d] {
                self.counted.push(Counted { class, score, hit: true });
                continue;
            }
            let (ious, of_crowds) = row(d).split_at(objects.len());
            let mut of_crowds = crowds.iter().zip(of_crowds);
            let in_crowd =
                of_crowds.any(|(&crowd, &inside)| inside > iou && self.class(crowd) == class);
            if !in_crowd {
                self.counted.push(Counted { class, score, hit: false });
            }
            let own = first_of_most((0..objects.len()).filter(is_of(class)), ious);
            let other = (0..objects.len()).filter(|o| !is_of(class)(o));
            let other = first_of_most(other, ious);
            let overlap = |object: Option<usize>| object.map_or(0.0, |o| ious[o]);
            let (kind, object) = match (overlap(own), overlap(other)) {
                (own_iou, _) if own_iou >= BACKGROUND && own_iou <= iou => (ErrorKind::Loc, own),
                (_, other_iou) if other_iou >= iou => (ErrorKind::Cls, other),
                (own_iou, _) if own_iou > iou => (ErrorKind::Dupe, None),
                (own_iou, other_iou) if own_iou.max(other_iou) <= BACKGROUND => {
                    (ErrorKind::Bkg, None)
                }
                _ => (ErrorKind::Both, None),
            };
            let object = object.filter(|&o| !taken[o]);
            if let Some(o) = object {
                usable[o] = true;
                let best = self.best.entry(objects[o]).or_insert((score, detection));
                if score > best.0 {
                    *best = (score, detection);
                }
            }
            let object = object.map(|o| objects[o]);
            let class = (!in_crowd).then_some(class);
            self.mistakes.push(Mistake { kind, detection, score, class, object });
        }
        let unfound = (0..objects.len()).filter(|&o| !taken[o]);
        self.missed.extend(unfound.clone().filter(|&o| !usable[o]).map(|o| objects[o]));
        self.unfound.extend(unfound.map(|o| objects[o]));
    }

    /// Mends each kind of errors and evaluates again.
    fn mend(mut self) -> Errors {
        self.missed.sort_unstable();
        let ap = ap(self.counted.iter().copied(), &self.objects);
        let gain = |mended: Option<f64>| mended.unwrap_or(0.0) - ap.unwrap_or(0.0);
        let hits = || self.counted.iter().filter(|counted| counted.hit).copied();
        let without = |objects: &[usize]| {
            let mut counts = self.objects.clone();
            for &object in objects {
                counts.entry(self.class(object)).and_modify(|count| *count -= 1);
            }
            counts
        };
        let kinds: Vec<ErrorCost> = ErrorKind::ALL
            .par_iter()
            .map(|&kind| {
                let mended = self.mistakes.iter().filter_map(|mistake| {
                    let Mistake { detection, score, class, object, .. } = *mistake;
                    if mistake.kind != kind {
                        return Some(Counted { class: class?, score, hit: false });
                    }
                    // Of all that would find an object, the best one does.
                    let object = object.filter(|object| self.best[object].1 == detection)?;
                    Some(Counted { class: self.class(object), score, hit: true })
                });
                let (count, objects) = match kind {
                    ErrorKind::Miss => (self.missed.len(), without(&self.missed)),
                    _ => (self.mistakes.iter().filter(|it| it.kind == kind).count(), without(&[])),
                };
                let cost = gain(self::ap(mended.chain(hits()), &objects)).max(0.0);
                ErrorCost { kind, count, cost }
            })
            .collect();
        let mistakes = || {
            let counts =
                |it: &Mistake| Some(Counted { class: it.class?, score: it.score, hit: false });
            self.mistakes.iter().filter_map(counts)
        };
        let below = mistakes().map(|it| Counted { score: f64::NEG_INFINITY, ..it });
        let false_positives = gain(self::ap(hits().chain(below), &self.objects));
        let false_negatives = gain(self::ap(mistakes().chain(hits()), &without(&self.unfound)));
        let mut of_detections = vec![None; self.found.len()];
        for mistake in &self.mistakes {
            of_detections[mistake.detection] = Some(mistake.kind);
        }
        let kinds = kinds.try_into().expect("there is one for each kind");
        let missed = self.missed;
        Errors { ap, kinds, false_positives, false_negatives, of_detections, missed }
    }
}

/// The first of those with the largest overlap.
fn first_of_most(objects: impl Iterator<Item = usize>, ious: &[f64]) -> Option<usize> {
    objects.reduce(|best, o| if ious[o] > ious[best] { o } else { best })
}

/// The mean AP over all classes with detections or objects. Equal scores keep their order.
fn ap(counted: impl Iterator<Item = Counted>, objects: &Counts) -> Option<f64> {
    let mut classes: BTreeMap<u64, (usize, Vec<Counted>)> = BTreeMap::new();
    for (&class, &count) in objects.iter().filter(|(_, count)| **count > 0) {
        classes.insert(class, (count, Vec::new()));
    }
    for one in counted {
        classes.entry(one.class).or_default().1.push(one);
    }
    mean(classes.into_values().map(|(count, mut counted)| {
        if count == 0 {
            return 0.0;
        }
        counted.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut hits = 0.0;
        let found = counted.iter().zip(1..).filter(|(one, _)| one.hit).map(|(_, seen)| {
            hits += 1.0;
            (hits / count as f64, hits / f64::from(seen))
        });
        let mut curve: Vec<(f64, f64)> = found.collect();
        // TIDE's recalls are exact hundredths, where COCO's are rounded.
        average_precision(&mut curve, |place| place as f64 / 100.0)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Annotation, Xywh};

    const HERE: Xywh = [0.0, 0.0, 10.0, 10.0];
    const THERE: Xywh = [100.0, 0.0, 10.0, 10.0];

    fn truth() -> GroundTruth {
        let object = |category, bbox| Annotation {
            id: None,
            image: 1,
            category,
            bbox,
            area: 100.0,
            crowd: false,
        };
        let annotations = vec![object(1, HERE), object(2, THERE)];
        GroundTruth { annotations, ..GroundTruth::default() }
    }

    fn found(category: u64, bbox: Xywh, score: f64) -> Detection {
        Detection { image: 1, category, bbox, score }
    }

    fn kinds(found: &[Detection]) -> Vec<Option<ErrorKind>> {
        errors(&truth(), found, &Options::default()).of_detections
    }

    #[test]
    fn each_kind_is_known() {
        use ErrorKind::*;
        let beside = [0.0, 7.0, 10.0, 10.0];
        let found = [
            found(1, HERE, 0.9),
            found(1, HERE, 0.8),
            found(2, HERE, 0.7),
            found(1, beside, 0.6),
            found(2, beside, 0.5),
            found(1, [50.0, 50.0, 5.0, 5.0], 0.4),
        ];
        let wanted = [None, Some(Dupe), Some(Cls), Some(Loc), Some(Both), Some(Bkg)];
        assert_eq!(kinds(&found), wanted);
        let errors = errors(&truth(), &found, &Options::default());
        assert_eq!(errors.missed, [1]);
        assert_eq!(errors.kinds.map(|kind| kind.count), [1; 6]);
    }

    #[test]
    fn mending_the_only_error_costs_what_is_missing() {
        let cost = |found: &[Detection]| {
            let errors = errors(&truth(), found, &Options::default());
            (errors.ap.unwrap(), errors.kinds.map(|kind| kind.cost))
        };
        let near = |got: (f64, [f64; 6]), ap: f64, costs: [f64; 6]| {
            let same = got.1.iter().zip(costs).all(|(got, wanted)| (got - wanted).abs() < 1e-12);
            assert!(same && (got.0 - ap).abs() < 1e-12, "{got:?}");
        };
        // One class is right. Of the other, the object is named wrongly, or nobody sees it.
        let right = found(1, HERE, 0.9);
        near(cost(&[right.clone(), found(1, THERE, 0.5)]), 0.5, [0.5, 0.0, 0.0, 0.0, 0.0, 0.0]);
        near(cost(&[right]), 0.5, [0.0, 0.0, 0.0, 0.0, 0.0, 0.5]);
    }

    #[test]
    fn nothing_costs_nothing() {
        let none = errors(&GroundTruth::<Xywh>::default(), &[], &Options::default());
        assert_eq!(none.ap, None);
        assert_eq!((none.false_positives, none.false_negatives), (0.0, 0.0));
        assert!(none.kinds.iter().all(|kind| kind.count == 0 && kind.cost == 0.0));
    }
}
