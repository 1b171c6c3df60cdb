//! What is wrong with a data set before anything is trained on it.

mod boxes;
mod fix;
mod lists;

use std::fs;
use std::path::{Path, PathBuf};

pub use self::fix::{Change, fixed};
use crate::dataset::GroundTruth;
use crate::problem::{Problem, Read};
use crate::read::{ReadError, read_ground_truth};

/// A part of a data set: what one file annotates.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its name, such as `train`.
    pub name: String,
    /// The annotation file.
    pub file: PathBuf,
    /// What can be used of it.
    pub truth: GroundTruth,
    /// What cannot be read of it.
    pub problems: Vec<Problem>,
}

/// The parts of a data set: a file, or all annotation files of a folder, where the usual tools put them.
///
/// # Errors
///
/// If there is none, or one of them is no annotation file.
pub fn parts_of(path: &Path) -> Result<Vec<Part>, ReadError> {
    let files = if path.is_dir() { annotation_files(path)? } else { vec![path.to_owned()] };
    let names =
        |file: &PathBuf| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut distinct: Vec<String> = files.iter().map(names).collect();
    distinct.sort();
    distinct.dedup();
    let part = |file: PathBuf| {
        let Read { content: truth, problems } = read_ground_truth(&file)?;
        let name = if distinct.len() == files.len() {
            names(&file)
        } else {
            let folder = file.parent().and_then(Path::file_name).unwrap_or_default();
            folder.to_string_lossy().into_owned()
        };
        Ok(Part { name, file, truth, problems })
    };
    files.clone().into_iter().map(part).collect()
}

/// Folders of annotations beside the data set's own: COCO's, and those that Roboflow makes for each part.
const ROOMS: [&str; 6] = ["", "annotations", "train", "valid", "val", "test"];

fn annotation_files(folder: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let mut files = Vec::new();
    for room in ROOMS.map(|room| folder.join(room)) {
        let Ok(entries) = fs::read_dir(room) else { continue };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        files.extend(paths.filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            path.is_file() && (name.ends_with(".json") || name.ends_with(".json.gz"))
        }));
    }
    let usual = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        ["annotations.json", "_annotations.coco.json"].contains(&&*name)
            || name.starts_with("instances_")
    };
    if files.iter().any(usual) {
        files.retain(usual);
    }
    if files.is_empty() {
        let remedy =
            "put COCO annotations there as annotations.json, or as annotations/instances_*.json";
        return Err(ReadError::whole(folder, "there is no annotation file", remedy));
    }
    files.sort();
    Ok(files)
}

/// Everything that is wrong with the annotations, without a look at the images.
pub fn check(parts: &[Part]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    for part in parts {
        problems.extend(part.problems.iter().cloned());
        problems.extend(boxes::check(part));
        problems.extend(lists::check(part));
    }
    problems.extend(lists::between(parts));
    problems
}

#[cfg(test)]
mod tests;
