//! Detections in the form of labels: a text file for each image, with a score at the end of each line.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::super::raw::Fault;
use super::super::{ReadError, each};
use super::line::{self, Line};
use crate::bbox::Bbox;
use crate::dataset::{Detection, GroundTruth};
use crate::problem::{Entry, Kind, Place, Problem, Read};

/// Reads the detections of a folder, made on the images of `truth`. A file has the name of its image; an image without one has none.
///
/// A class is known by its index: the id of a category where these count from 0, and else its place among them, as detectors of COCO
/// have it.
pub(in super::super) fn read<B: Bbox>(
    folder: &Path,
    truth: &GroundTruth<B>,
) -> Result<Read<Vec<Detection<B>>>, ReadError> {
    let files = each::files(folder, |file| each::ends_in(file, "txt"));
    let texts = files.into_iter().map(|file| (each::text_of(&file), file));
    // Among them may be notes of whoever made it.
    let texts: Vec<_> = texts
        .filter(|(text, _)| {
            text.as_ref().map_or(true, |text| text.trim().is_empty() || line::is_labels(text))
        })
        .collect();
    if texts.is_empty() {
        let remedy = "write a text file for each image, as save_txt=True with save_conf=True does";
        return Err(ReadError::whole(folder, "there are no detections", remedy));
    }
    let mut reader = Reader {
        truth,
        images: images(truth),
        classes: truth.categories.keys().copied().collect(),
        found: Vec::new(),
        problems: Vec::new(),
    };
    for (text, file) in texts {
        reader.file(folder, &file, text);
    }
    Ok(Read { content: reader.found, problems: reader.problems })
}

/// Images by their names without the ending; also without their folders, where there is one of that name.
fn images<B>(truth: &GroundTruth<B>) -> HashMap<String, Option<u64>> {
    let mut images = HashMap::new();
    let bare = |name: &str| Path::new(name).with_extension("");
    for (&image, name) in &truth.images {
        let stem = bare(name).file_name().unwrap_or_default().to_string_lossy().into_owned();
        images.entry(stem).and_modify(|found| *found = None).or_insert(Some(image));
    }
    for (&image, name) in &truth.images {
        images.insert(bare(name).to_string_lossy().into_owned(), Some(image));
    }
    images
}

struct Reader<'a, B> {
    truth: &'a GroundTruth<B>,
    images: HashMap<String, Option<u64>>,
    classes: Vec<u64>,
    found: Vec<Detection<B>>,
    problems: Vec<Problem>,
}

impl<B: Bbox> Reader<'_, B> {
    fn file(&mut self, folder: &Path, file: &Path, text: Result<String, String>) {
        let place: Arc<Path> = file.into();
        let mut wrong = |kind, said| {
            let place = Place::new(&place, Entry::File);
            self.problems.push(Problem { kind, place, said });
        };
        let text = match text {
            Ok(text) => text,
            Err(said) => return wrong(Kind::Unreadable, said),
        };
        let bare = each::name(&file.with_extension(""), folder);
        let stem = bare.rsplit('/').next().unwrap_or_default();
        let known = self.images.get(&bare).or_else(|| self.images.get(stem));
        let Some(Some(image)) = known.copied() else {
            let how_many = if known.is_some() { "more than one image" } else { "no image" };
            return wrong(Kind::UnknownImage, format!("the annotations have {how_many} {stem}"));
        };
        let Some(&size) = self.truth.sizes.get(&image) else {
            let said = format!("the annotations say no width and height of {stem}");
            return wrong(Kind::NoSize, said);
        };
        for (line, entry) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
            match self.detection(line, image, size) {
                Ok(detection) => self.found.push(detection),
                Err((field, kind, said)) => {
                    let image = Some(self.truth.id(image));
                    let place = Place { field, image, ..Place::new(&place, Entry::Line(entry)) };
                    self.problems.push(Problem { kind, place, said });
                }
            }
        }
    }

    fn detection(&self, line: &str, image: u64, size: [f64; 2]) -> Result<Detection<B>, Fault> {
        let Line { class, bbox, score, .. } = Line::parse(line, size, 0)?;
        let by_id = self.classes.first() == Some(&0);
        let category = if by_id {
            Some(class).filter(|class| self.truth.categories.contains_key(class))
        } else {
            self.classes.get(class as usize).copied()
        };
        let category = category.ok_or_else(|| {
            let said = format!("the annotations have no class {class}: they count from 0");
            ("class", Kind::UnknownClass, said)
        })?;
        let none =
            || ("", Kind::NoScore, "has no score: write it last (save_conf=True)".to_owned());
        Ok(Detection { image, category, bbox, score: score.ok_or_else(none)? })
    }
}
