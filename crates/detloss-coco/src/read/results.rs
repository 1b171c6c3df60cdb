//! Results files.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::raw::{self, Fault, Pairs, RawObject};
use super::{ReadError, SWAP_REMEDY, load, parse, yolo};
use crate::bbox::Bbox;
use crate::dataset::{Detection, GroundTruth};
use crate::problem::{Entry, Kind, Place, Problem, Read};

/// Fields under which tools keep what should be the whole file.
const WRAPPERS: [&str; 5] = ["annotations", "predictions", "results", "detections", "instances"];

/// Reads a results file of boxes made on the images of `truth`: a list of `{image_id, category_id, bbox, score}`. Also takes the
/// list as a field of an object, and in Detectron2's way, in lists of each image's `instances`; and a folder of text files, one for
/// each image, as Ultralytics' `save_txt` and `save_conf` write them.
pub fn read_results<B: Bbox>(
    path: &Path,
    truth: &GroundTruth<B>,
) -> Result<Read<Vec<Detection<B>>>, ReadError> {
    if path.is_dir() {
        return yolo::read_results(path, truth);
    }
    parse_results(path, &load(path)?, truth)
}

/// The same of its text; problems and errors name it as `path`.
pub fn parse_results<B: Bbox>(
    path: &Path,
    text: &str,
    truth: &GroundTruth<B>,
) -> Result<Read<Vec<Detection<B>>>, ReadError> {
    parse(path, text, |value| {
        let entries = entries(path, value)?;
        let mut reader = Reader {
            file: path.into(),
            truth,
            // Asking a hash set a million times costs a tenth of asking the tree.
            images: truth.images.keys().copied().collect(),
            categories: truth.categories.keys().copied().collect(),
            found: Vec::with_capacity(entries.len()),
            problems: Vec::new(),
        };
        for (index, entry) in entries.into_iter().enumerate() {
            reader.read(index, entry);
        }
        let from_one = reader.counts_from_one();
        reader.problems.extend(from_one);
        Ok(Read { content: reader.found, problems: reader.problems })
    })
}

/// The entries, wherever the list is.
fn entries<'a>(path: &Path, value: &'a RawValue) -> Result<Vec<&'a RawValue>, ReadError> {
    if let Ok(entries) = serde_json::from_str(value.get()) {
        return Ok(entries);
    }
    let Pairs(fields) = serde_json::from_str(value.get()).unwrap_or(Pairs(Vec::new()));
    let is_list = |value: &RawValue| value.get().starts_with('[');
    let inside = fields.iter().find(|(name, value)| WRAPPERS.contains(&&**name) && is_list(value));
    let entries =
        inside.and_then(|(_, list)| serde_json::from_str::<Vec<&RawValue>>(list.get()).ok());
    let swapped = || {
        let problem = "is an object where an array of detections belongs";
        ReadError::whole(path, problem, SWAP_REMEDY)
    };
    let entries = entries.ok_or_else(swapped)?;
    // Annotations are such an object, too, but have no scores.
    let scored = |entry: &&RawValue| {
        raw::entry::<RawObject>(entry).is_ok_and(|o| o.score.is_some() || o.instances.is_some())
    };
    let listed = fields.iter().any(|(name, _)| name == "images");
    if listed && !entries.iter().any(scored) { Err(swapped()) } else { Ok(entries) }
}

struct Reader<'a, B> {
    file: Arc<Path>,
    truth: &'a GroundTruth<B>,
    images: HashSet<u64>,
    categories: HashSet<u64>,
    found: Vec<Detection<B>>,
    problems: Vec<Problem>,
}

impl<B: Bbox> Reader<'_, B> {
    fn read(&mut self, index: usize, entry: &RawValue) {
        let object: Result<RawObject, String> = raw::entry(entry);
        let instances = object.as_ref().ok().and_then(|object| object.instances);
        if let Some(instances) = instances {
            for entry in serde_json::from_str::<Vec<&RawValue>>(instances.get()).unwrap_or_default()
            {
                self.read(index, entry);
            }
            return;
        }
        let place = || Place::new(&self.file, Entry::Result(index));
        let (place, (field, kind, said)) = match object {
            Err(said) => (place(), ("", Kind::Unreadable, said)),
            Ok(object) => match self.detection(&object) {
                Ok(detection) => return self.found.push(detection),
                Err(fault) => {
                    let image = raw::id(object.image_id).ok().flatten();
                    (Place { image, ..place() }, fault)
                }
            },
        };
        self.problems.push(Problem { kind, place: Place { field, ..place }, said });
    }

    fn detection(&self, object: &RawObject<'_>) -> Result<Detection<B>, Fault> {
        let bbox = object.bbox::<B>()?;
        let ids = &self.truth.ids;
        let image = match raw::id(object.image_id) {
            Ok(Some(image)) => {
                ids.find(&image, |id| self.images.contains(&id)).ok_or_else(|| {
                    (
                        "image_id",
                        Kind::UnknownImage,
                        format!("the annotations have no image {image}"),
                    )
                })?
            }
            Ok(None) => return Err(("image_id", Kind::UnknownImage, "is missing".into())),
            Err(said) => return Err(("image_id", Kind::UnknownImage, said)),
        };
        let category = match raw::id(object.category_id) {
            Ok(Some(category)) => {
                ids.find(&category, |id| self.categories.contains(&id)).ok_or_else(|| {
                    let said = format!("the annotations have no category {category}");
                    ("category_id", Kind::UnknownClass, said)
                })?
            }
            Ok(None) => return Err(("category_id", Kind::UnknownClass, "is missing".into())),
            Err(said) => return Err(("category_id", Kind::UnknownClass, said)),
        };
        let score = match raw::number(object.score) {
            Ok(Some(score)) => score,
            Ok(None) => return Err(("score", Kind::NoScore, "is missing".into())),
            Err((Kind::NotFinite, said)) => return Err(("score", Kind::NotFinite, said)),
            Err((_, said)) => return Err(("score", Kind::NoScore, said)),
        };
        Ok(Detection { image, category, bbox, score })
    }

    /// Ultralytics counts classes from 0 in labels, and from 1 in its results: no detection of the first class is a sign of it.
    fn counts_from_one(&self) -> Option<Problem> {
        let of_first = self.truth.annotations.iter().filter(|one| one.category == 0).count();
        if of_first == 0 || self.found.is_empty() || self.found.iter().any(|it| it.category == 0) {
            return None;
        }
        let said = format!("none is of class 0, of which there are {of_first} objects");
        let place = Place::new(&self.file, Entry::File);
        Some(Problem { kind: Kind::FromOne, place, said })
    }
}
