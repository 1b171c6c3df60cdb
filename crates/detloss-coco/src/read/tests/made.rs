//! Folders for tests of formats with a file for each image.

use std::fs;

use image::RgbImage;
use tempfile::TempDir;

use crate::{DataSet, GroundTruth, Problem, Read};

/// A folder with images of 100 x 50 pixels and these files.
pub(in crate::read) fn folder(images: &[&str], files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    for image in images {
        RgbImage::new(100, 50).save(at(image)).unwrap();
    }
    for (name, text) in files {
        fs::write(at(name), text).unwrap();
    }
    folder
}

/// What is read of its first part.
pub(in crate::read) fn truth(folder: &TempDir) -> Read<GroundTruth> {
    DataSet::find(folder.path()).unwrap().parts[0].read().unwrap()
}

/// Problems in words, with their kinds, and with paths below the folder.
pub(in crate::read) fn lines(folder: &TempDir, problems: &[Problem]) -> Vec<String> {
    let root = format!("{}/", folder.path().display());
    let line = |it: &Problem| format!("{} {it}", it.kind).replace(&root, "");
    problems.iter().map(line).collect()
}
