//! Annotation files.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::raw::{self, Fault, Pairs, RawCategory, RawImage, RawObject};
use super::{ReadError, SWAP_REMEDY, load, parse};
use crate::bbox::Bbox;
use crate::dataset::{Annotation, GroundTruth};
use crate::id::Id;
use crate::problem::{Entry, Kind, Place, Problem, Read};

/// Reads an annotation file (`instances_*.json`). Only one that has no lists of images and annotations is an error.
pub fn read_ground_truth<B: Bbox>(path: &Path) -> Result<Read<GroundTruth<B>>, ReadError> {
    parse_ground_truth(path, &load(path)?)
}

/// The same of its text; problems and errors name it as `path`.
pub fn parse_ground_truth<B: Bbox>(
    path: &Path,
    text: &str,
) -> Result<Read<GroundTruth<B>>, ReadError> {
    parse(path, text, |value| {
        let Ok(Pairs(fields)) = serde_json::from_str(value.get()) else {
            return Err(ReadError::whole(path, "is an array of results", SWAP_REMEDY));
        };
        let field =
            |name: &str| fields.iter().rfind(|(field, _)| field == name).map(|(_, value)| *value);
        let list = |name: &str| field(name).and_then(raw::list);
        let Some(images) = list("images") else {
            return Err(ReadError::whole(
                path,
                "there is no list `images`",
                "annotations are {\"images\": […], \"categories\": […], \"annotations\": […]}",
            ));
        };
        let Some(annotations) = list("annotations") else {
            let remedy = "this is a list of images only: give the file that has the boxes, too";
            return Err(ReadError::whole(path, "there is no list `annotations`", remedy));
        };
        let mut reader =
            Reader::<B> { file: path.into(), truth: GroundTruth::default(), problems: Vec::new() };
        reader.images(images);
        let listed = list("categories");
        let open = listed.is_none();
        reader.categories(listed.unwrap_or_default());
        reader.annotations(annotations, open);
        Ok(Read { content: reader.truth, problems: reader.problems })
    })
}

/// The entries of a list, with keys where it is an object.
type List<'a> = Vec<(Option<String>, &'a RawValue)>;

struct Reader<B> {
    file: Arc<Path>,
    truth: GroundTruth<B>,
    problems: Vec<Problem>,
}

impl<B: Bbox> Reader<B> {
    fn report(&mut self, place: Place, (field, kind, said): Fault) {
        self.problems.push(Problem { kind, place: Place { field, ..place }, said });
    }

    fn images(&mut self, entries: List<'_>) {
        for (index, (key, entry)) in entries.into_iter().enumerate() {
            let place = Place::new(&self.file, Entry::Image(index));
            let image: RawImage = match raw::entry(entry) {
                Ok(image) => image,
                Err(said) => {
                    self.report(place, ("", Kind::Unreadable, said));
                    continue;
                }
            };
            let Some((id, shown)) = self.id(raw::id(image.id), key.as_deref(), &place) else {
                continue;
            };
            if self.truth.images.contains_key(&id) {
                let said = format!("there is an image {shown} already");
                let place = Place { id: Some(shown), ..place };
                self.report(place, ("id", Kind::DuplicateImageId, said));
                continue;
            }
            self.truth.images.insert(id, image.file());
            if let Some(size) = image.size() {
                self.truth.sizes.insert(id, size);
            }
        }
    }

    fn categories(&mut self, entries: List<'_>) {
        for (index, (key, entry)) in entries.into_iter().enumerate() {
            let place = Place::new(&self.file, Entry::Category(index));
            // {"1": "cat"} and {"cat": 1} are written, too.
            let (id, name) = match (key, raw::entry::<RawCategory>(entry)) {
                (key, Ok(category)) => {
                    let name = category.name.map(|name| raw::text(name).into_owned());
                    let name = name.or_else(|| key.clone().filter(|_| category.id.is_some()));
                    let id = if category.id.is_some() { None } else { key };
                    (self.id(raw::id(category.id), id.as_deref(), &place), name)
                }
                (Some(key), Err(_)) if entry.get().starts_with('"') => {
                    (self.id(Ok(None), Some(&key), &place), Some(raw::text(entry).into_owned()))
                }
                (Some(key), Err(_)) => (self.id(raw::id(Some(entry)), None, &place), Some(key)),
                (None, Err(said)) => {
                    self.report(place, ("", Kind::Unreadable, said));
                    continue;
                }
            };
            let Some((id, shown)) = id else { continue };
            if self.truth.categories.contains_key(&id) {
                let said = format!("there is a category {shown} already");
                let place = Place { id: Some(shown), ..place };
                self.report(place, ("id", Kind::DuplicateCategoryId, said));
                continue;
            }
            self.truth.categories.insert(id, name.unwrap_or_else(|| shown.to_string()));
        }
    }

    /// The key of an entry's id. Without one it has none, which is reported.
    fn id(
        &mut self,
        id: Result<Option<Id>, String>,
        key: Option<&str>,
        place: &Place,
    ) -> Option<(u64, Id)> {
        let said = match id.map(|id| id.or_else(|| key.map(written))) {
            Ok(Some(id)) => return Some((self.truth.ids.key(id.clone()), id)),
            Ok(None) => "has no id".to_owned(),
            Err(said) => said,
        };
        self.report(place.clone(), ("id", Kind::NoId, said));
        None
    }

    /// The objects; `open` takes their categories for listed.
    fn annotations(&mut self, entries: List<'_>, open: bool) {
        self.truth.annotations.reserve_exact(entries.len());
        let mut ids = HashSet::new();
        for (index, (key, entry)) in entries.into_iter().enumerate() {
            let place = Place::new(&self.file, Entry::Annotation(index));
            let object: RawObject = match raw::entry(entry) {
                Ok(object) => object,
                Err(said) => {
                    self.report(place, ("", Kind::Unreadable, said));
                    continue;
                }
            };
            // An annotation needs no id: whatever is none counts as left out.
            let id = raw::id(object.id).ok().flatten();
            let id = id.or_else(|| key.as_deref().map(written));
            let image = raw::id(object.image_id).ok().flatten();
            let place = Place { id: id.clone(), image, ..place };
            match self.annotation(&object, id, &place, open) {
                Ok(annotation) => {
                    if let Some(id) = annotation.id
                        && !ids.insert(id)
                    {
                        let said =
                            format!("there is an annotation {} already", self.truth.ids.id(id));
                        self.report(place, ("id", Kind::DuplicateAnnotationId, said));
                    }
                    self.truth.annotations.push(annotation);
                    self.truth.entries.push(index);
                }
                Err(fault) => self.report(place, fault),
            }
        }
    }

    fn annotation(
        &mut self,
        object: &RawObject<'_>,
        id: Option<Id>,
        place: &Place,
        open: bool,
    ) -> Result<Annotation<B>, Fault> {
        let images = &self.truth.images;
        let image = match &place.image {
            Some(image) => {
                self.truth.ids.find(image, |id| images.contains_key(&id)).ok_or_else(|| {
                    ("image_id", Kind::UnknownImage, format!("no image has id {image}"))
                })?
            }
            None => {
                let said = raw::id(object.image_id).err().unwrap_or("is missing".into());
                return Err(("image_id", Kind::UnknownImage, said));
            }
        };
        let bbox = object.bbox::<B>()?;
        let category = match raw::id(object.category_id) {
            Ok(Some(category)) if open => {
                let key = self.truth.ids.key(category.clone());
                self.truth.categories.entry(key).or_insert_with(|| category.to_string());
                key
            }
            Ok(Some(category)) => {
                let categories = &self.truth.categories;
                let found = self.truth.ids.find(&category, |id| categories.contains_key(&id));
                found.ok_or_else(|| {
                    ("category_id", Kind::UnknownClass, format!("no category has id {category}"))
                })?
            }
            Ok(None) => return Err(("category_id", Kind::UnknownClass, "is missing".into())),
            Err(said) => return Err(("category_id", Kind::UnknownClass, said)),
        };
        let area = raw::number(object.area).and_then(|area| match area {
            Some(area) if area < 0.0 => Err((Kind::BadField, format!("{area} is not an area"))),
            area => Ok(area),
        });
        let area = area.unwrap_or_else(|(kind, said)| {
            self.report(place.clone(), ("area", kind, said));
            None
        });
        let crowd = raw::flag(object.iscrowd).unwrap_or_else(|said| {
            self.report(place.clone(), ("iscrowd", Kind::BadField, said));
            false
        });
        Ok(Annotation {
            id: id.map(|id| self.truth.ids.key(id)),
            image,
            category,
            bbox,
            area: area.unwrap_or(bbox.area()),
            crowd,
        })
    }
}

/// The id that a key of an object is.
fn written(key: &str) -> Id {
    key.parse().map_or_else(|_| Id::Text(key.to_owned()), Id::Whole)
}
