//! Data sets in Pascal VOC's format, known by their folders.

use std::path::{Path, PathBuf};

use super::{Format, PARTS, Role, Source, files_in, stem};
use crate::read::each;
use crate::read::voc::{Layout, annotations, is_annotation};

/// Where annotations are: in VOC's own folder, in that of other tools, and right there.
const ANNOTATIONS: [&str; 3] = ["Annotations", "annotations", ""];
/// Where images are.
const IMAGES: [&str; 2] = ["JPEGImages", "images"];
/// The lists of the parts, of VOC itself and of tools that make one for boxes only.
const LISTS: &str = "ImageSets/Main";

/// A list of images in `ImageSets/Main`.
pub(super) fn of_list(file: &Path) -> Option<Source> {
    let folder = file.parent().filter(|lists| lists.ends_with(LISTS))?.parent()?.parent()?;
    let annotations = annotations_of(folder)?;
    file.is_file().then(|| source(folder, &annotations, Some(file.to_owned())))
}

/// The parts of a folder, if it has some.
pub(super) fn in_folder(folder: &Path) -> Vec<Source> {
    if let Some(annotations) = annotations_of(folder) {
        let lists = lists(&folder.join(LISTS));
        if lists.is_empty() {
            return vec![source(folder, &annotations, None)];
        }
        return lists.into_iter().map(|list| source(folder, &annotations, Some(list))).collect();
    }
    // Roboflow's parts are folders.
    let parts = PARTS.map(|part| folder.join(part));
    let found = parts.iter().filter_map(|part| Some((part, annotations_of(part)?)));
    found.map(|(part, annotations)| source(part, &annotations, None)).collect()
}

/// The folder of the annotations of a folder.
fn annotations_of(folder: &Path) -> Option<PathBuf> {
    let mut places = ANNOTATIONS.map(|name| folder.join(name)).into_iter();
    places.find(|place| {
        let mut files =
            if *place == folder.join("") { files_in(place) } else { annotations(place) };
        files.retain(|file| each::ends_in(file, "xml"));
        files.first().is_some_and(|file| is_annotation(file))
    })
}

/// The lists of parts. Those of a class have its name in front, and trainval is there already where train and val are.
fn lists(folder: &Path) -> Vec<PathBuf> {
    let is_part = |file: &PathBuf| {
        each::ends_in(file, "txt")
            && Role::of(stem(file).as_ref()) != Role::Unknown
            && !stem(file).contains('_')
    };
    let mut lists: Vec<PathBuf> = files_in(folder).into_iter().filter(is_part).collect();
    let has = |name: &str| lists.iter().any(|list| stem(list) == name);
    if has("train") && has("val") {
        lists.retain(|list| stem(list) != "trainval");
    }
    lists
}

/// A part of a folder, with all its annotations or those of a list.
fn source(folder: &Path, annotations: &Path, list: Option<PathBuf>) -> Source {
    let absolute = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let own = absolute.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = list.as_ref().map_or(own.clone(), |list| stem(list));
    // Classes count over all parts, also where only one of them is asked for.
    let beside = PARTS.contains(&&*own).then(|| folder.parent()).flatten();
    let all = beside
        .map(|around| PARTS.iter().filter_map(|part| annotations_of(&around.join(part))).collect());
    let images = match IMAGES.map(|name| folder.join(name)).into_iter().find(|room| room.is_dir()) {
        Some(images) => vec![images],
        None => vec![annotations.to_owned(), folder.to_owned()],
    };
    let layout = Layout {
        annotations: annotations.to_owned(),
        images,
        all: all.unwrap_or_else(|| vec![annotations.to_owned()]),
        list: list.clone(),
    };
    let role = Role::of(name.as_ref());
    let file = list.unwrap_or_else(|| annotations.to_owned());
    Source { name, role, file, format: Format::Voc(layout) }
}
