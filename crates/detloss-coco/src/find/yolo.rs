//! Data sets in YOLO's format: with a `data.yaml`, or known by their folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Format, PARTS, Role, Source, entries_in, files_in, stem};
use crate::read::yolo::{Layout, Settings, has_labels, names_of};
use crate::read::{ReadError, each};

/// Lists of the names of classes, as LabelImg, Darknet and Roboflow call them.
const NAMES: [&str; 4] = ["classes.txt", "obj.names", "_darknet.labels", "data.names"];

/// Names and settings of a part lie at most so many folders above its images.
const ABOVE: usize = 3;

/// The parts of a `data.yaml`.
pub(super) fn of_settings(file: &Path) -> Result<Vec<Source>, ReadError> {
    let settings = Settings::read(file)?;
    let base = settings.base(file);
    let part = |(name, paths): (&str, &[String])| {
        let images: Vec<PathBuf> = paths.iter().map(|path| resolved(path, &base)).collect();
        let of_part = images[0].clone();
        let layout = Layout {
            images,
            base: base.clone(),
            names: settings.names(),
            keypoints: settings.keypoints(),
            problems: settings.problems(file),
        };
        source(name, of_part, layout)
    };
    Ok(settings.parts().map(part).collect())
}

/// A path of a `data.yaml`. Roboflow's begin with `../` where they mean the folder of the file.
fn resolved(path: &str, base: &Path) -> PathBuf {
    let path = path.trim().replace('\\', "/");
    let below = path.trim_start_matches("../");
    let places = [base.join(&path), base.join(below)];
    places.iter().find(|place| place.exists()).unwrap_or(&places[0]).clone()
}

/// A list of images.
pub(super) fn of_list(file: &Path) -> Option<Source> {
    let around = file.parent().unwrap_or(Path::new(""));
    file.is_file().then(|| {
        let layout = layout(vec![file.to_owned()], around);
        source(&stem(file), file.to_owned(), layout)
    })
}

/// The parts of a folder, if it has some.
pub(super) fn in_folder(folder: &Path) -> Result<Vec<Source>, ReadError> {
    let mut with_parts = Vec::new();
    for file in settings_in(folder) {
        match Settings::read(&file) {
            Ok(settings) if settings.has_parts() => with_parts.push(file),
            Err(error) if is_usual(&file) => return Err(error),
            // A folder may have other YAML, too.
            _ => {}
        }
    }
    let usual = with_parts.iter().find(|file| is_usual(file));
    match (usual, &with_parts[..]) {
        (Some(file), _) | (None, [file]) => return of_settings(file),
        (None, []) => {}
        (None, several) => {
            let problem = format!("there are {} yaml files with train and val", several.len());
            return Err(ReadError::whole(folder, problem, "give one of them"));
        }
    }
    let below = |room: &Path| {
        let known =
            |path: &PathBuf| path.is_dir() && Role::of(name(path).as_ref()) != Role::Unknown;
        entries_in(room).into_iter().filter(known).collect::<Vec<_>>()
    };
    let images = folder.join("images");
    let groups = [
        below(&images),
        PARTS.map(|part| folder.join(part).join("images")).to_vec(),
        PARTS.map(|part| folder.join(part)).to_vec(),
        vec![images],
        vec![folder.join("obj_train_data"), folder.join("obj_valid_data")],
        vec![folder.to_owned()],
    ];
    for group in groups {
        let folders: Vec<PathBuf> =
            group.into_iter().filter(|folder| folder.is_dir() && has_labels(folder)).collect();
        if !folders.is_empty() {
            return Ok(folders.into_iter().map(|images| of_images(images, folder)).collect());
        }
    }
    Ok(Vec::new())
}

/// A part that is the images of a folder.
fn of_images(images: PathBuf, folder: &Path) -> Source {
    // `train/images` and `images/train` are called train.
    let around =
        if name(&images) == "images" && images != *folder { images.parent() } else { None };
    let name = name(around.unwrap_or(&images));
    let layout = layout(vec![images.clone()], &images);
    source(&name, images, layout)
}

/// What is known of these images by the files above them.
fn layout(images: Vec<PathBuf>, folder: &Path) -> Layout {
    let absolute = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let above = absolute.ancestors().take(1 + ABOVE);
    let same =
        |one: &PathBuf, other: &PathBuf| one.canonicalize().ok() == other.canonicalize().ok();
    let parts = above.clone().flat_map(settings_in).filter_map(|file| of_settings(&file).ok());
    let layouts = parts.flatten().filter_map(|part| match part.format {
        Format::Yolo(layout) => Some(layout),
        _ => None,
    });
    let is_own =
        |layout: &Layout| layout.images.iter().any(|one| images.iter().any(|it| same(one, it)));
    if let Some(Layout { names, keypoints, .. }) = layouts.into_iter().find(is_own) {
        return Layout { images, base: folder.to_owned(), names, keypoints, problems: Vec::new() };
    }
    // LabelImg writes them beside the labels.
    let rooms = above.flat_map(|room| [room.to_owned(), room.join("labels")]);
    let lists = rooms.flat_map(|room| NAMES.map(|name| room.join(name)));
    let names = lists.map(|file| names_of(&file)).find(|names| !names.is_empty());
    let names: BTreeMap<u64, String> = names.unwrap_or_default();
    Layout { images, base: folder.to_owned(), names, ..Layout::default() }
}

/// Whether a `data.yaml` usually has this name.
fn is_usual(file: &Path) -> bool {
    ["data", "dataset"].contains(&&*stem(file))
}

fn settings_in(folder: &Path) -> Vec<PathBuf> {
    let is_yaml = |file: &PathBuf| each::ends_in(file, "yaml") || each::ends_in(file, "yml");
    files_in(folder).into_iter().filter(is_yaml).collect()
}

fn source(name: &str, file: PathBuf, layout: Layout) -> Source {
    let role = Role::of(name.as_ref());
    Source { name: name.to_owned(), role, file, format: Format::Yolo(layout) }
}

pub(super) fn name(folder: &Path) -> String {
    let whole = || folder.canonicalize().ok();
    let last = |path: &Path| Some(path.file_name()?.to_string_lossy().into_owned());
    last(folder).or_else(|| last(&whole()?)).unwrap_or_default()
}
