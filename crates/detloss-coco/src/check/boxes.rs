//! Boxes one by one, and beside the others of their image.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::Part;
use crate::bbox::{Xywh, iou};
use crate::dataset::{Annotation, GroundTruth};
use crate::problem::{Entry, Kind, Place, Problem};

/// A box may leave its image by so many pixels: tools round.
const SLACK: f64 = 1.0;
/// Shorter sides are tiny, in pixels.
const TINY: f64 = 2.0;
/// The longer side is at most so many times the shorter one.
const ODD: f64 = 20.0;
/// A box of this share of its image covers it.
const COVERING: f64 = 0.999;
/// Boxes that overlap by so much are the same.
const SAME: f64 = 0.95;
/// A mask may be larger than its box by what rounding does.
const LARGER: f64 = 1.05;

pub(super) fn check(part: &Part) -> Vec<Problem> {
    let mut found =
        Found { truth: &part.truth, file: part.source.file.as_path().into(), problems: vec![] };
    let whole = found.units();
    for (index, object) in part.truth.annotations.iter().enumerate() {
        found.alone(index, object, whole);
    }
    found.beside();
    found.problems.sort_by_cached_key(|problem| (problem.place.file.clone(), problem.place.entry));
    found.problems
}

struct Found<'a> {
    truth: &'a GroundTruth,
    file: Arc<Path>,
    problems: Vec<Problem>,
}

impl Found<'_> {
    fn add(&mut self, kind: Kind, index: usize, said: String) {
        let object = &self.truth.annotations[index];
        let place = Place {
            field: "bbox",
            id: object.id.map(|id| self.truth.id(id)),
            image: Some(self.truth.id(object.image)),
            ..self.truth.place(index, &self.file)
        };
        self.problems.push(Problem { kind, place, said });
    }

    /// Tells whether all boxes are in other units, which is one problem and not that of each.
    fn units(&mut self) -> bool {
        let objects = &self.truth.annotations;
        let place = Place::new(&self.file, Entry::File);
        let some = objects.iter().filter(|object| has_area(object.bbox)).count();
        let below = objects.iter().filter(|object| is_below_one(object.bbox)).count();
        if below > 1 && below == some {
            let said = format!("all {below} boxes lie below 1: are they normalised?");
            self.problems.push(Problem { kind: Kind::NotPixels, place, said });
            return true;
        }
        let sized = |object: &&Annotation| self.truth.sizes.contains_key(&object.image);
        let as_corners =
            |object: &&Annotation| is_corners(object.bbox, self.truth.sizes[&object.image]);
        let beyond =
            |object: &&Annotation| beyond(object.bbox, self.truth.sizes[&object.image]) > SLACK;
        let known = objects.iter().filter(sized).count();
        let corners = objects.iter().filter(sized).filter(as_corners).count();
        let cannot = objects.iter().filter(sized).filter(beyond).count();
        if corners > 1 && corners == known && cannot > 0 {
            let said = format!(
                "all {known} boxes lie in their images if read as x1, y1, x2, y2; as left, top, width, height {cannot} go beyond them"
            );
            self.problems.push(Problem { kind: Kind::Corners, place, said });
            return true;
        }
        false
    }

    /// What is wrong with one box. Where all are in other `units`, pixels say nothing.
    fn alone(&mut self, index: usize, object: &Annotation, units: bool) {
        let [x, y, w, h] = object.bbox;
        let shown = format!("[{x}, {y}, {w}, {h}]");
        if !has_area(object.bbox) {
            return self.add(Kind::NoArea, index, format!("{shown} has no area"));
        }
        if units {
            return;
        }
        if object.area > LARGER * w * h {
            let said =
                format!("an area of {} is more than the {} of the box {shown}", object.area, w * h);
            self.add(Kind::BadArea, index, said);
        }
        if is_below_one(object.bbox) {
            return self.add(
                Kind::NotPixels,
                index,
                format!("{shown} lies below 1: is it normalised?"),
            );
        }
        if let Some(&size) = self.truth.sizes.get(&object.image) {
            let [width, height] = size;
            let image = format!("the image of {width} x {height} pixels");
            if x >= width || y >= height || x + w <= 0.0 || y + h <= 0.0 {
                return self.add(Kind::Outside, index, format!("{shown} lies outside {image}"));
            }
            let by = beyond(object.bbox, size);
            if by > SLACK {
                let hint = if is_corners(object.bbox, size) {
                    "; as x1, y1, x2, y2 it lies inside"
                } else {
                    ""
                };
                let said = format!("{shown} goes {by:.1} pixels beyond {image}{hint}");
                self.add(Kind::Beyond, index, said);
            } else if w * h >= COVERING * width * height && !object.crowd {
                self.add(Kind::Covering, index, format!("{shown} covers {image}"));
            }
        }
        if w.min(h) < TINY {
            self.add(Kind::Tiny, index, format!("{shown} is {:.2} pixels wide or high", w.min(h)));
        } else if w.max(h) > ODD * w.min(h) {
            let said = format!("{shown} is {:.0} times as long as it is wide", w.max(h) / w.min(h));
            self.add(Kind::OddShape, index, said);
        }
    }

    /// Boxes that are the same as another of their image.
    fn beside(&mut self) {
        let mut images: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (index, object) in self.truth.annotations.iter().enumerate() {
            if !object.crowd && has_area(object.bbox) {
                images.entry(object.image).or_default().push(index);
            }
        }
        for mut objects in images.into_values() {
            let object = |index: usize| &self.truth.annotations[index];
            // Of boxes that are the same, the left sides are near each other.
            objects
                .sort_by(|&a, &b| object(a).bbox[0].total_cmp(&object(b).bbox[0]).then(a.cmp(&b)));
            let mut pairs = Vec::new();
            for (place, &one) in objects.iter().enumerate() {
                let [x, _, w, _] = object(one).bbox;
                let near = |&&other: &&usize| object(other).bbox[0] <= x + (1.0 - SAME) * w;
                for &other in objects[place + 1..].iter().take_while(near) {
                    if iou(object(one).bbox, object(other).bbox, false) >= SAME {
                        pairs.push((one.min(other), one.max(other)));
                    }
                }
            }
            pairs.sort_unstable();
            let mut told = Vec::new();
            for (first, second) in pairs {
                if told.contains(&second) {
                    continue;
                }
                told.push(second);
                let (one, other) = (object(first), object(second));
                let first = self.truth.place(first, &self.file).entry;
                let class = |category: u64| &self.truth.categories[&category];
                if one.category == other.category {
                    let said = format!("the same {:?} as {first}", class(one.category));
                    self.add(Kind::SameBox, second, said);
                } else {
                    let [this, that] = [other, one].map(|object| class(object.category));
                    let said = format!("{this:?} here, and {that:?} in {first}");
                    self.add(Kind::OtherClass, second, said);
                }
            }
        }
    }
}

fn has_area([_, _, w, h]: Xywh) -> bool {
    w > 0.0 && h > 0.0
}

/// Whether all of it lies in the first pixel, as boxes do that are shares of their image.
fn is_below_one([x, y, w, h]: Xywh) -> bool {
    has_area([x, y, w, h]) && x >= 0.0 && y >= 0.0 && x + w <= 1.0 + 1e-3 && y + h <= 1.0 + 1e-3
}

/// Whether it is inside the image, if its last two numbers are those of a corner.
fn is_corners([x, y, right, bottom]: Xywh, [width, height]: [f64; 2]) -> bool {
    x >= 0.0
        && y >= 0.0
        && right > x
        && bottom > y
        && right <= width + SLACK
        && bottom <= height + SLACK
}

/// By how many pixels it leaves the image.
fn beyond([x, y, w, h]: Xywh, [width, height]: [f64; 2]) -> f64 {
    (-x).max(-y).max(x + w - width).max(y + h - height)
}
