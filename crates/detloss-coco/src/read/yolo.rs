//! YOLO's format: for each image a text file of labels, with a line for each object.

mod line;
mod results;
mod settings;

use std::collections::{BTreeMap, HashSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use self::line::Line;
pub(super) use self::results::read as read_results;
pub(crate) use self::settings::{Settings, names_of};
use super::each;
use super::raw::Fault;
use crate::bbox::Bbox;
use crate::dataset::{Annotation, GroundTruth};
use crate::images::{self, is_image};
use crate::problem::{Entry, Kind, Place, Problem, Read};

/// A part as it lies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    /// Folders of images, lists of them, and what is not there although it should be.
    pub(crate) images: Vec<PathBuf>,
    /// Where the paths of a list may begin.
    pub(crate) base: PathBuf,
    /// The classes; if there are none, whatever the labels have.
    pub(crate) names: BTreeMap<u64, String>,
    /// How many numbers the key points of an object are.
    pub(crate) keypoints: usize,
    /// What is wrong with the settings.
    pub(crate) problems: Vec<Problem>,
}

/// Reads a part; what is wrong with the whole of it is told of `file`.
pub(crate) fn read<B: Bbox>(file: &Path, layout: &Layout) -> Read<GroundTruth<B>> {
    let mut problems = layout.problems.clone();
    let listed = layout.list(file, &mut problems);
    let labelled: Vec<Labelled<B>> =
        listed.par_iter().map(|(image, _)| Labelled::read(image, layout.keypoints)).collect();
    let known = labelled.iter().map(|image| image.labels.as_path()).collect();
    let stray = layout.stray(&known);
    let mut reader = Reader {
        truth: GroundTruth { categories: layout.names.clone(), ..GroundTruth::default() },
        open: layout.names.is_empty(),
        problems,
    };
    let unlabelled: Vec<&str> = (labelled.iter().zip(&listed))
        .filter(|(image, _)| matches!(image.lines, Lines::None))
        .map(|(_, (_, name))| name.as_str())
        .collect();
    if let Some(first) = unlabelled.first() {
        let said = format!("{} of {}, the first: {first}", unlabelled.len(), listed.len());
        let place = Place::new(&file.into(), Entry::File);
        reader.problems.push(Problem { kind: Kind::NoLabels, place, said });
    }
    for (image, (path, name)) in labelled.into_iter().zip(listed) {
        reader.add(image, path, &name);
    }
    for file in stray {
        let said = "there is no such image".to_owned();
        let place = Place::new(&file.as_path().into(), Entry::File);
        reader.problems.push(Problem { kind: Kind::NoImage, place, said });
    }
    Read { content: reader.truth, problems: reader.problems }
}

impl Layout {
    /// All images with their names.
    fn list(&self, file: &Path, problems: &mut Vec<Problem>) -> Vec<(PathBuf, String)> {
        let mut seen = HashSet::new();
        let mut all = Vec::new();
        let file: Arc<Path> = file.into();
        for from in &self.images {
            let before = all.len();
            let found = if from.is_dir() {
                each::files(from, is_image).into_iter().map(|image| (image, None)).collect()
            } else {
                self.in_list(from)
            };
            for (image, line) in found {
                let shown = image.display();
                let (kind, said) = if !image.is_file() {
                    (Kind::MissingFile, format!("{shown} is not there"))
                } else if !seen.insert(image.clone()) {
                    (Kind::SameFile, format!("{shown} is listed already"))
                } else {
                    let name = each::name(&image, if from.is_dir() { from } else { &self.base });
                    all.push((image, name));
                    continue;
                };
                let in_list =
                    line.map(|line| Place::new(&from.as_path().into(), Entry::Line(line)));
                let place = in_list.unwrap_or_else(|| Place::new(&file, Entry::File));
                problems.push(Problem { kind, place, said });
            }
            if all.len() == before {
                let said = match (from.is_dir(), from.is_file()) {
                    (true, _) => format!("there are no images in {}", from.display()),
                    (_, true) => format!("{} lists no image that is there", from.display()),
                    _ => format!("there is no {}", from.display()),
                };
                let place = Place::new(&file, Entry::File);
                problems.push(Problem { kind: Kind::NoPart, place, said });
            }
        }
        all
    }

    /// The images of a list, each with its line.
    fn in_list(&self, list: &Path) -> Vec<(PathBuf, Option<usize>)> {
        let text = each::text_of(list).unwrap_or_default();
        let lines = text.lines().map(str::trim).zip(1..).filter(|(line, _)| !line.is_empty());
        let beside = list.parent().unwrap_or(Path::new(""));
        let image = |(line, place): (&str, usize)| {
            let written = PathBuf::from(line.replace('\\', "/"));
            // Darknet's begin at a folder around the data set, which may have another name here.
            let shorter: PathBuf = written.components().skip(1).collect();
            let places = [
                beside.join(&written),
                self.base.join(&written),
                self.base.join(&shorter),
                beside.join(&shorter),
            ];
            let found = places.into_iter().find(|place| place.is_file());
            (found.unwrap_or(written), Some(place))
        };
        lines.map(image).collect()
    }

    /// Label files that belong to no image.
    fn stray(&self, known: &HashSet<&Path>) -> Vec<PathBuf> {
        let folders = self.images.iter().filter(|folder| folder.is_dir());
        let of_labels = folders.map(|folder| {
            swapped(folder).filter(|labels| labels.is_dir()).unwrap_or_else(|| folder.clone())
        });
        let text = |file: &Path| each::ends_in(file, "txt");
        let all = of_labels.flat_map(|folder| each::files(&folder, text));
        let stray = all.filter(|file| !known.contains(file.as_path()));
        stray.filter(|file| each::text_of(file).is_ok_and(|text| line::is_labels(&text))).collect()
    }
}

/// Whether images of this folder have labels.
pub(crate) fn has_labels(folder: &Path) -> bool {
    let images = each::files(folder, is_image);
    let text = |image: &PathBuf| each::text_of(&labels_of(image)).unwrap_or_default();
    images.iter().any(|image| line::is_labels(&text(image)))
}

/// The labels of an image: in `labels` where it lies in `images`, or else beside it.
fn labels_of(image: &Path) -> PathBuf {
    let beside = image.with_extension("txt");
    swapped(&beside).filter(|apart| apart.is_file() || !beside.is_file()).unwrap_or(beside)
}

/// A path with `labels` for its last `images`.
fn swapped(path: &Path) -> Option<PathBuf> {
    let parts: Vec<Component> = path.components().collect();
    let place = parts.iter().rposition(|part| part.as_os_str() == "images")?;
    let part = |(index, part): (usize, &Component)| -> PathBuf {
        if index == place { "labels".into() } else { part.as_os_str().into() }
    };
    Some(parts.iter().enumerate().map(part).collect())
}

/// What a label file says.
enum Lines<B> {
    /// There is none: the image is background.
    None,
    Some(Vec<(usize, Result<Line<B>, Fault>)>),
    /// The image cannot be used.
    Wrong(PathBuf, Kind, String),
}

/// An image with its labels.
struct Labelled<B> {
    labels: PathBuf,
    size: [f64; 2],
    lines: Lines<B>,
}

impl<B: Bbox> Labelled<B> {
    fn read(image: &Path, keypoints: usize) -> Self {
        let labels = labels_of(image);
        let header = match images::header(image) {
            Ok(header) => header,
            Err(error) => {
                let lines = Lines::Wrong(image.to_owned(), error.kind(), error.problem());
                return Self { labels, size: [0.0; 2], lines };
            }
        };
        let size = header.size().map(f64::from);
        if !labels.is_file() {
            return Self { labels, size, lines: Lines::None };
        }
        let lines = match each::text_of(&labels) {
            Ok(text) => {
                let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
                let read = |(line, place)| (place, Line::parse(line, size, keypoints));
                Lines::Some(lines.map(read).collect())
            }
            Err(said) => Lines::Wrong(labels.clone(), Kind::Unreadable, said),
        };
        Self { labels, size, lines }
    }
}

struct Reader<B> {
    truth: GroundTruth<B>,
    /// Whether the labels say which classes there are.
    open: bool,
    problems: Vec<Problem>,
}

impl<B: Bbox> Reader<B> {
    fn add(&mut self, image: Labelled<B>, path: PathBuf, name: &str) {
        let lines = match image.lines {
            Lines::None => Vec::new(),
            Lines::Some(lines) => lines,
            Lines::Wrong(file, kind, said) => {
                let place = Place::new(&file.into(), Entry::File);
                return self.problems.push(Problem { kind, place, said });
            }
        };
        let key = each::key(&mut self.truth, name);
        self.truth.images.insert(key, name.to_owned());
        self.truth.files.insert(key, path);
        self.truth.sizes.insert(key, image.size);
        let file: Arc<Path> = image.labels.into();
        let image_id = self.truth.id(key);
        let place = |line| {
            let image = Some(image_id.clone());
            Place { image, ..Place::new(&file, Entry::Line(line)) }
        };
        let mut scored = Vec::new();
        for (line, read) in lines {
            match read.and_then(|read| self.known(read)) {
                Ok(Line { class: category, bbox, area, score }) => {
                    scored.extend(score.map(|_| line));
                    let annotation =
                        Annotation { id: None, image: key, category, bbox, area, crowd: false };
                    self.truth.annotations.push(annotation);
                    self.truth.lines.push((file.clone(), line));
                }
                Err((field, kind, said)) => {
                    let place = Place { field, ..place(line) };
                    self.problems.push(Problem { kind, place, said });
                }
            }
        }
        if let Some(&first) = scored.first() {
            let count = scored.len();
            let said = format!("{count} lines have a number more, as detections have a score");
            self.problems.push(Problem { kind: Kind::Scored, place: place(first), said });
        }
    }

    /// An object of a class that is known, or that makes it known.
    fn known(&mut self, line: Line<B>) -> Result<Line<B>, Fault> {
        let (class, classes) = (line.class, &mut self.truth.categories);
        if self.open {
            classes.entry(class).or_insert_with(|| class.to_string());
        }
        match (classes.contains_key(&class), classes.first_key_value(), classes.last_key_value()) {
            (false, Some((first, _)), Some((last, _))) => {
                let said = format!("there is no class {class}: they are {first} to {last}");
                Err(("class", Kind::UnknownClass, said))
            }
            _ => Ok(line),
        }
    }
}

#[cfg(test)]
mod tests;
