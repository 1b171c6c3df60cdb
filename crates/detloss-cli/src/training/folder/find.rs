//! Which files of a folder are what.

use std::path::{Path, PathBuf};

use super::FolderError;

/// Annotation files.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// One for all images.
    Whole(PathBuf),
    /// One for the images to train on, one for those to judge by.
    Split(PathBuf, PathBuf),
}

/// Folders beside the annotations' own that Roboflow makes, one for each part.
const PARTS: [&str; 4] = ["train", "valid", "val", "test"];

/// Where annotations are looked for: in the folder itself first.
pub(super) fn rooms(folder: &Path) -> impl Iterator<Item = PathBuf> {
    ["", "annotations"].into_iter().chain(PARTS).map(|part| folder.join(part))
}

/// Looks for annotation files where the usual tools put them.
pub(super) fn annotations(folder: &Path) -> Result<Found, FolderError> {
    let mut files = json_files(folder)?;
    for room in rooms(folder).skip(1).filter(|room| room.is_dir()) {
        files.extend(json_files(&room)?);
    }
    if files.iter().any(|file| usual(file)) {
        files.retain(|file| usual(file));
    }
    let part = |file: &PathBuf| Part::of(file.strip_prefix(folder).unwrap_or(file));
    let of = |wanted: Part| files.iter().filter(|&file| part(file) == wanted).collect::<Vec<_>>();
    let found = match (&of(Part::Train)[..], &of(Part::Validation)[..], &of(Part::Unknown)[..]) {
        ([train], [validation], []) => Some(Found::Split(train.into(), validation.into())),
        ([one], [], []) | ([], [one], []) | ([], [], [one]) => Some(Found::Whole(one.into())),
        _ => None,
    };
    let names = || {
        let name = |file: &PathBuf| file.strip_prefix(folder).unwrap_or(file).display().to_string();
        files.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    found.ok_or_else(|| match files.len() {
        0 => FolderError::content(
            folder,
            "there is no annotation file".into(),
            "put COCO annotations there as annotations.json, or as annotations/instances_*.json",
        ),
        _ => FolderError::content(
            folder,
            format!("cannot choose among {}", names()),
            "keep one annotation file, or two with train and val in their names",
        ),
    })
}

/// The file of an image, wherever it lies.
pub(super) fn image(folder: &Path, annotations: &Path, name: &str) -> Option<PathBuf> {
    // COCO's own images lie in train2017 when the annotations are instances_train2017.json.
    let stem = annotations.file_stem().unwrap_or_default().to_string_lossy();
    let part = stem.strip_prefix("instances_").unwrap_or(&stem).to_owned();
    let images = folder.join("images");
    let rooms = [
        annotations.parent().unwrap_or(folder).to_owned(),
        folder.to_owned(),
        folder.join(&part),
        images.join(part),
        images,
    ];
    rooms.into_iter().map(|room| room.join(name)).find(|file| file.is_file())
}

/// What a file is for, by its path.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Train,
    Validation,
    /// Kept for later by whoever made it: left alone.
    Test,
    Unknown,
}

impl Part {
    fn of(file: &Path) -> Self {
        let path = file.to_string_lossy().to_lowercase();
        let has = |word: &str| path.contains(word);
        if has("train") {
            Self::Train
        } else if has("val") {
            Self::Validation
        } else if has("test") {
            Self::Test
        } else {
            Self::Unknown
        }
    }
}

/// Whether annotations of boxes usually have this name.
fn usual(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    ["annotations.json", "_annotations.coco.json"].contains(&&*name)
        || name.starts_with("instances_")
}

fn json_files(folder: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let io = |source| FolderError::Io { path: folder.into(), source };
    let mut files = Vec::new();
    for entry in folder.read_dir().map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "json") && path.is_file() {
            files.push(path);
        }
    }
    // Systems list folders in any order.
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What is found among these files.
    fn found(files: &[&str]) -> Result<Found, String> {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let local = |path: PathBuf| path.strip_prefix(folder.path()).unwrap().to_owned();
        match annotations(folder.path()) {
            Ok(Found::Whole(file)) => Ok(Found::Whole(local(file))),
            Ok(Found::Split(train, held_out)) => Ok(Found::Split(local(train), local(held_out))),
            Err(error) => Err(error.to_string()),
        }
    }

    fn whole(file: &str) -> Result<Found, String> {
        Ok(Found::Whole(file.into()))
    }

    fn split(train: &str, held_out: &str) -> Result<Found, String> {
        Ok(Found::Split(train.into(), held_out.into()))
    }

    #[test]
    fn one_file_is_found_where_tools_put_it() {
        for file in [
            "annotations.json",
            "_annotations.coco.json",
            "boxes.json",
            "annotations/instances_all.json",
            "annotations/x.json",
            "train/_annotations.coco.json",
        ] {
            assert_eq!(found(&[file, "a.png", "notes.txt"]), whole(file));
        }
        assert_eq!(found(&["settings.json", "annotations.json"]), whole("annotations.json"));
    }

    #[test]
    fn the_parts_of_coco_and_of_roboflow_are_known() {
        let [train, val] = ["train", "val"].map(|p| format!("annotations/instances_{p}2017.json"));
        let rest =
            ["annotations/captions_train2017.json", "annotations/person_keypoints_val2017.json"];
        assert_eq!(found(&[&train, rest[0], &val, rest[1]]), split(&train, &val));
        let [train, valid, test] =
            ["train", "valid", "test"].map(|part| format!("{part}/_annotations.coco.json"));
        assert_eq!(found(&[&train, &valid, &test]), split(&train, &valid));
        assert_eq!(found(&["my_train.json", "my_val.json"]), split("my_train.json", "my_val.json"));
    }

    #[test]
    fn no_file_and_too_many_are_errors_with_a_remedy() {
        let none = found(&["a.png"]).unwrap_err();
        assert!(none.contains("there is no annotation file; put COCO annotations there"), "{none}");
        let two = found(&["a.json", "b.json"]).unwrap_err();
        assert!(two.contains("cannot choose among a.json, b.json; keep one"), "{two}");
        let missing = annotations(Path::new("no-such-folder")).unwrap_err().to_string();
        assert!(missing.contains("no-such-folder: check the path"), "{missing}");
    }

    #[test]
    fn images_are_found_beside_the_annotations_and_in_the_folders_of_their_part() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        let file = at("annotations/instances_train2017.json");
        for path in [
            "annotations/a.png",
            "b.png",
            "train2017/c.png",
            "images/train2017/d.png",
            "images/e.png",
            "images/deep/f.png",
        ] {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), "").unwrap();
            let name = path.rsplit('/').next().unwrap();
            let name = if name == "f.png" { "deep/f.png" } else { name };
            assert_eq!(image(folder.path(), &file, name), Some(at(path)));
        }
        assert_eq!(image(folder.path(), &file, "z.png"), None);
        assert_eq!(image(folder.path(), &file, ""), None);
    }
}
