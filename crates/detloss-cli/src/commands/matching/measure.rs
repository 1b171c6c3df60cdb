//! How many predictions each object of a file gets.

use std::collections::BTreeMap;

use anyhow::anyhow;
use detloss::matching::{AnyMatcher, Image};
use detloss_coco::{Annotation, Area, GroundTruth};
use indicatif::ProgressBar;
use rayon::prelude::*;

use super::anchors::{Grid, Layout, Placed};
use super::assumed::Assumed;

/// An object and what it gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object {
    /// Its place among the annotations.
    pub(super) annotation: usize,
    /// Its width and height as the detector sees it.
    pub(super) sides: [f64; 2],
    /// How many predictions are to find it.
    pub(super) positives: usize,
}

/// The objects of a file, in its order, and how they were matched.
pub(super) struct Measured {
    pub(super) truth: GroundTruth,
    pub(super) objects: Vec<Object>,
    /// The sizes that are told apart.
    pub(super) areas: Vec<Area>,
    pub(super) crowds: usize,
    pub(super) assigner: AnyMatcher,
    /// What `--anchors` said.
    pub(super) anchors: String,
    /// What becomes of images, in words.
    pub(super) images: String,
}

impl Measured {
    pub(super) fn annotation(&self, object: &Object) -> &Annotation {
        &self.truth.annotations[object.annotation]
    }

    /// What its size is called.
    pub(super) fn size(&self, object: &Object) -> &str {
        &self.areas[Area::place(&self.areas, self.annotation(object).area)].name
    }

    pub(super) fn class(&self, object: &Object) -> &str {
        &self.truth.categories[&self.annotation(object).category]
    }

    /// Whether the matcher looks at predictions.
    pub(super) fn is_assumed(&self) -> bool {
        self.assigner.entry().inputs.boxes
    }

    /// What becomes of crowds.
    pub(super) fn crowds_are(&self) -> &'static str {
        if self.assigner.entry().inputs.crowd { "what lies in one is ignored" } else { "left out" }
    }

    /// The objects without any, the largest first.
    pub(super) fn without(&self) -> Vec<Object> {
        let mut without: Vec<Object> =
            self.objects.iter().filter(|object| object.positives == 0).copied().collect();
        let area = |object: &Object| self.annotation(object).area;
        without.sort_by(|a, b| area(b).total_cmp(&area(a)));
        without
    }

    pub(super) fn all(&self) -> Tally {
        Tally::of(self.objects.iter().map(|object| object.positives))
    }

    pub(super) fn sizes(&self) -> Vec<(&str, Tally)> {
        let tally = |size: &str| {
            let own = self.objects.iter().filter(|object| self.size(object) == size);
            Tally::of(own.map(|object| object.positives))
        };
        self.areas.iter().map(|area| (&*area.name, tally(&area.name))).collect()
    }

    /// Classes with objects: with the largest share without any first, then with the fewest on average.
    pub(super) fn classes(&self) -> Vec<(u64, Tally)> {
        let mut counts: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for object in &self.objects {
            counts.entry(self.annotation(object).category).or_default().push(object.positives);
        }
        let mut classes: Vec<(u64, Tally)> =
            counts.into_iter().map(|(class, counts)| (class, Tally::of(counts))).collect();
        classes.sort_by(|(_, a), (_, b)| {
            b.share_without().total_cmp(&a.share_without()).then(a.mean().total_cmp(&b.mean()))
        });
        classes
    }
}

/// The numbers of positives of some objects.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Ascending.
    counts: Vec<usize>,
}

impl Tally {
    pub(super) fn of(counts: impl IntoIterator<Item = usize>) -> Self {
        let mut counts: Vec<usize> = counts.into_iter().collect();
        counts.sort_unstable();
        Self { counts }
    }

    pub(super) fn objects(&self) -> usize {
        self.counts.len()
    }

    pub(super) fn positives(&self) -> usize {
        self.counts.iter().sum()
    }

    pub(super) fn without(&self) -> usize {
        self.counts.partition_point(|count| *count == 0)
    }

    /// Of no objects 0, as the mean.
    pub(super) fn share_without(&self) -> f64 {
        ratio(self.without(), self.objects())
    }

    pub(super) fn mean(&self) -> f64 {
        ratio(self.positives(), self.objects())
    }

    /// The nearest rank: this share of the objects has no more. None of no objects.
    pub(super) fn quantile(&self, share: f64) -> Option<usize> {
        let rank = (share * self.counts.len() as f64).ceil() as usize;
        self.counts.get(rank.saturating_sub(1)).copied()
    }
}

/// A share; 0 of nothing.
pub(super) fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The annotations of an image, with where it lies.
struct Scene<'a> {
    placed: Placed,
    annotations: &'a [usize],
}

/// Matches the objects of all images; those of images on a canvas of one size with the same anchors.
pub(super) fn measure(
    truth: &GroundTruth,
    layout: &Layout,
    assigner: &AnyMatcher,
    bar: &ProgressBar,
) -> anyhow::Result<Vec<Object>> {
    let mut annotations: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (index, annotation) in truth.annotations.iter().enumerate() {
        annotations.entry(annotation.image).or_default().push(index);
    }
    let mut canvases: BTreeMap<[usize; 2], Vec<Scene<'_>>> = BTreeMap::new();
    for (image, annotations) in &annotations {
        let placed = layout.place(truth.sizes.get(image).copied()).ok_or_else(|| {
            anyhow!(
                "image {image} has no width and height, and how large it gets is not known: add them to its entry under `images`"
            )
        })?;
        canvases.entry(placed.canvas).or_default().push(Scene { placed, annotations });
    }
    bar.set_length(annotations.len() as u64);
    let of_canvas = |(canvas, scenes): (&[usize; 2], &Vec<Scene<'_>>)| {
        let grid = layout.grid(*canvas)?;
        let of_scene = |scene: &Scene<'_>| {
            let objects = objects(truth, scene, &grid, assigner);
            bar.inc(1);
            objects
        };
        scenes.par_iter().map(of_scene).collect::<detloss::Result<Vec<_>>>()
    };
    let measured: Vec<Vec<Vec<Object>>> =
        canvases.par_iter().map(of_canvas).collect::<detloss::Result<_>>()?;
    let mut objects: Vec<Object> = measured.into_iter().flatten().flatten().collect();
    objects.sort_unstable_by_key(|object| object.annotation);
    Ok(objects)
}

/// The objects of an image. Crowds are none, and only matchers that know them see them.
fn objects(
    truth: &GroundTruth,
    scene: &Scene<'_>,
    grid: &Grid,
    assigner: &AnyMatcher,
) -> detloss::Result<Vec<Object>> {
    let inputs = assigner.entry().inputs;
    let annotation = |index: usize| &truth.annotations[index];
    let seen = scene.annotations.iter().copied();
    let seen: Vec<usize> = seen.filter(|&index| inputs.crowd || !annotation(index).crowd).collect();
    let boxes: Vec<[f32; 4]> =
        seen.iter().map(|&index| scene.placed.corners(annotation(index).bbox)).collect();
    let crowd: Vec<bool> = seen.iter().map(|&index| annotation(index).crowd).collect();
    let mut image = Image::new(boxes.as_flattened()).anchors(&grid.anchors);
    if inputs.crowd {
        image = image.crowd(&crowd);
    }
    let labels;
    let assumed;
    if inputs.boxes {
        labels = labels_of(seen.iter().map(|&index| annotation(index).category));
        assumed = Assumed::new(assigner, grid, &boxes, &labels);
        image = image.labels(&labels).boxes(assumed.boxes.as_flattened()).scores(&assumed.scores);
    }
    let counts = assigner.match_image(&image)?.counts(seen.len());
    let objects =
        seen.iter().zip(boxes).zip(counts).filter(|((index, _), _)| !annotation(**index).crowd);
    let object = |((&index, [x1, y1, x2, y2]), positives): ((&usize, [f32; 4]), usize)| Object {
        annotation: index,
        sides: [x2 - x1, y2 - y1].map(f64::from),
        positives,
    };
    Ok(objects.map(object).collect())
}

/// The classes of an image, counted from 0: those of no object in it would have the same score everywhere.
fn labels_of(categories: impl Iterator<Item = u64>) -> Vec<i64> {
    let mut known = Vec::new();
    let label = |category: u64| {
        let place = known.iter().position(|other| *other == category);
        place.unwrap_or_else(|| {
            known.push(category);
            known.len() - 1
        }) as i64
    };
    categories.map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_are_those_of_hand_arithmetic() {
        let tally = Tally::of([4, 0, 1, 0, 10]);
        assert_eq!((tally.objects(), tally.positives(), tally.without()), (5, 15, 2));
        assert_eq!((tally.mean(), tally.share_without()), (3.0, 0.4));
        assert_eq!(
            [0.0, 0.1, 0.5, 0.9, 1.0].map(|share| tally.quantile(share).unwrap()),
            [0, 0, 1, 10, 10]
        );
        let none = Tally::of([]);
        assert_eq!((none.mean(), none.share_without(), none.quantile(0.5)), (0.0, 0.0, None));
    }

    #[test]
    fn classes_of_an_image_are_counted_as_they_come() {
        assert_eq!(labels_of([7, 3, 7, 90].into_iter()), [0, 1, 0, 2]);
    }
}
