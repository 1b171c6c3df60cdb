//! A cleaned copy of an annotation file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use serde_json::{Value, json};

use super::Part;
use crate::problem::{Entry, Kind, Problem};
use crate::read::{ReadError, json_of};
use crate::write::annotations_of;

/// What was done about a problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The problem.
    pub problem: Problem,
    /// What was done about it; none if that is for somebody to decide.
    pub done: Option<String>,
}

/// The file of a part without what `problems` say of it, as far as there is one right way: entries that cannot be used and second
/// copies are left out, boxes clipped, wrong areas and flags removed, units put right. All other fields stay as they are. It is in COCO's
/// format, whatever that of the part.
///
/// # Errors
///
/// If the file can no longer be read.
pub fn fixed(part: &Part, problems: &[Problem]) -> Result<(Value, Vec<Change>), ReadError> {
    let coco = part.source.is_coco();
    let mut value = if coco { json_of(&part.source.file)? } else { annotations_of(&part.truth) };
    let lines = part.truth.lines.iter().map(|(file, line)| (&**file, *line));
    let lines: HashMap<(&Path, usize), usize> = lines.zip(0..).collect();
    let of_problems = part.problems.iter().map(|problem| &*problem.place.file);
    let of_lines = lines.keys().map(|(file, _)| *file);
    let files: HashSet<&Path> = of_problems.chain(of_lines).chain([&*part.source.file]).collect();
    let own = problems.iter().filter(|problem| files.contains(&*problem.place.file));
    let places = (0..part.truth.annotations.len()).map(|it| (part.truth.entry(it), it)).collect();
    let mut fix = Fix { part, value: &mut value, dropped: BTreeMap::new(), places, lines };
    let changes = own.map(|problem| Change { done: fix.apply(problem), problem: problem.clone() });
    let changes = changes.collect();
    fix.drop_all();
    Ok((value, changes))
}

struct Fix<'a> {
    part: &'a Part,
    value: &'a mut Value,
    /// The entries to leave out of each list.
    dropped: BTreeMap<&'static str, HashSet<usize>>,
    /// The index of each annotation that can be used, by its entry in the file.
    places: BTreeMap<usize, usize>,
    /// The same by the file of an image, and the line there.
    lines: HashMap<(&'a Path, usize), usize>,
}

impl Fix<'_> {
    fn apply(&mut self, problem: &Problem) -> Option<String> {
        use Kind::*;
        let entry = match problem.place.entry {
            Entry::Line(line) => match self.lines.get(&(&*problem.place.file, line)) {
                Some(&annotation) => Entry::Annotation(annotation),
                // Whatever could not be read is not in the copy.
                None => return Some("left out".to_owned()),
            },
            entry => entry,
        };
        match problem.kind {
            NotFinite | BadField | BadArea
                if problem.place.field != "bbox" || problem.kind == BadArea =>
            {
                let field = if problem.kind == BadArea { "area" } else { problem.place.field };
                self.object(entry)?.as_object_mut()?.shift_remove(field)?;
                Some(format!("{field} was removed"))
            }
            Unreadable | NoId | NoBox | NotFinite | NegativeSide | DuplicateImageId
            | DuplicateCategoryId | UnknownImage | UnknownClass | NoArea | Outside | SameBox => {
                let (list, index) = match entry {
                    Entry::Image(index) => ("images", index),
                    Entry::Category(index) => ("categories", index),
                    Entry::Annotation(index) => ("annotations", index),
                    Entry::File | Entry::Result(_) | Entry::Line(_) => return None,
                };
                self.dropped.entry(list).or_default().insert(index);
                Some("left out".to_owned())
            }
            DuplicateAnnotationId => {
                self.object(entry)?.as_object_mut()?.shift_remove("id")?;
                let id = self.free_id();
                self.object(entry)?["id"] = json!(id);
                Some(format!("has the id {id} now"))
            }
            Beyond => {
                let Entry::Annotation(index) = entry else { return None };
                let object = &self.part.truth.annotations[*self.places.get(&index)?];
                let [width, height] = *self.part.truth.sizes.get(&object.image)?;
                let [x, y, w, h] = object.bbox;
                let [x1, x2] = [x, x + w].map(|x| x.clamp(0.0, width));
                let [y1, y2] = [y, y + h].map(|y| y.clamp(0.0, height));
                let bbox = json!([x1, y1, x2 - x1, y2 - y1]);
                let said = format!("clipped to {bbox}");
                let object = self.object(entry)?.as_object_mut()?;
                // That of the whole box is no more that of what is left.
                let area = object.get("area").and_then(Value::as_f64);
                if area.is_some_and(|area| area > (x2 - x1) * (y2 - y1)) {
                    object.shift_remove("area");
                }
                object.insert("bbox".to_owned(), bbox);
                Some(said)
            }
            NotPixels | Corners if entry == Entry::File => self.units(problem.kind),
            _ => None,
        }
    }

    /// An annotation of the file.
    fn object(&mut self, entry: Entry) -> Option<&mut Value> {
        match entry {
            Entry::Annotation(index) => self.value.get_mut("annotations")?.get_mut(index),
            _ => None,
        }
    }

    /// One more than the largest id of all annotations.
    fn free_id(&self) -> u64 {
        let entries = self.value["annotations"].as_array().into_iter().flatten();
        let ids = entries.filter_map(|entry| entry["id"].as_f64());
        ids.fold(0.0, f64::max) as u64 + 1
    }

    /// Brings all boxes to left, top, width and height in pixels. None if an image has no size.
    fn units(&mut self, kind: Kind) -> Option<String> {
        let truth = &self.part.truth;
        let sized = |image: &u64| truth.sizes.contains_key(image);
        if kind == Kind::NotPixels && !truth.annotations.iter().all(|object| sized(&object.image)) {
            return None;
        }
        for (index, object) in truth.annotations.iter().enumerate() {
            let [x, y, w, h] = object.bbox;
            let bbox = match kind {
                Kind::NotPixels => {
                    let [width, height] = truth.sizes[&object.image];
                    [x * width, y * height, w * width, h * height]
                }
                _ => [x, y, w - x, h - y],
            };
            let entry = self.value.get_mut("annotations")?.get_mut(truth.entry(index))?;
            entry["bbox"] = json!(bbox);
            entry.as_object_mut()?.shift_remove("area");
        }
        let what = if kind == Kind::NotPixels {
            "multiplied by the sizes of their images"
        } else {
            "turned into left, top, width, height"
        };
        Some(format!("all boxes were {what}"))
    }

    fn drop_all(&mut self) {
        for (list, dropped) in &self.dropped {
            match self.value.get_mut(*list) {
                Some(Value::Array(entries)) => {
                    let mut index = 0..;
                    entries.retain(|_| !index.next().is_some_and(|index| dropped.contains(&index)));
                }
                Some(Value::Object(entries)) => {
                    let mut index = 0..;
                    entries
                        .retain(|_, _| !index.next().is_some_and(|index| dropped.contains(&index)));
                }
                _ => {}
            }
        }
    }
}
