//! Which files of a folder are what: the parts of a data set, in COCO's format, YOLO's or Pascal VOC's.

mod voc;
mod yolo;

use std::fs;
use std::path::{Path, PathBuf};

use crate::bbox::Bbox;
use crate::dataset::GroundTruth;
use crate::problem::Read;
use crate::read::{self, ReadError, each};

/// Folders of the parts of a data set.
const PARTS: [&str; 4] = ["train", "valid", "val", "test"];

/// What the images of a part are for, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// To train on.
    Train,
    /// To judge by.
    Validation,
    /// Kept for later by whoever made it.
    Test,
    /// Nothing is said.
    Unknown,
}

impl Role {
    fn of(name: &Path) -> Self {
        let name = name.to_string_lossy().to_lowercase();
        let roles = [("train", Self::Train), ("val", Self::Validation), ("test", Self::Test)];
        roles.into_iter().find(|(word, _)| name.contains(word)).map_or(Self::Unknown, |it| it.1)
    }
}

/// How the annotations of a part are written.
#[derive(Debug, Clone)]
enum Format {
    Coco,
    Yolo(read::yolo::Layout),
    Voc(read::voc::Layout),
}

/// Where the annotations of a part of a data set are.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name, such as `train`.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The annotation file, or what says where annotations are: a list, `data.yaml`, a folder.
    pub file: PathBuf,
    format: Format,
}

impl Source {
    /// An annotation file in COCO's format.
    fn coco(file: PathBuf, name: String, role: Role) -> Self {
        Self { name, role, file, format: Format::Coco }
    }

    /// Reads the annotations.
    ///
    /// # Errors
    ///
    /// If a file of COCO's is none.
    pub fn read<B: Bbox>(&self) -> Result<Read<GroundTruth<B>>, ReadError> {
        match &self.format {
            Format::Coco => read::read_ground_truth(&self.file),
            Format::Yolo(layout) => Ok(read::yolo::read(&self.file, layout)),
            Format::Voc(layout) => Ok(read::voc::read(&self.file, layout)),
        }
    }

    /// Whether there is one file with all annotations, in COCO's format.
    pub fn is_coco(&self) -> bool {
        matches!(self.format, Format::Coco)
    }
}

/// A data set: a file, or a folder with the files of its parts where the usual tools put them.
#[derive(Debug, Clone)]
pub struct DataSet {
    /// The folder that it lies in.
    pub folder: PathBuf,
    /// Its parts, in the order of their files; at least one.
    pub parts: Vec<Source>,
}

impl DataSet {
    /// Looks for the annotations of a data set, and reads none of them.
    ///
    /// A file is COCO's; but YAML is that of Ultralytics, and text a list of the images of a part. In a folder the first of these counts:
    /// annotation files with COCO's usual names, `data.yaml`, images with YOLO's labels, VOC's XML, any JSON.
    ///
    /// # Errors
    ///
    /// If there are none, or a `data.yaml` is none.
    pub fn find(path: &Path) -> Result<Self, ReadError> {
        let io = |source| ReadError::Io { path: path.into(), source };
        if !path.is_dir() {
            let around = path.parent().filter(|around| !around.as_os_str().is_empty());
            let folder = around.unwrap_or(Path::new(".")).to_owned();
            // A folder without a name cannot be listed.
            let file = folder.join(path.file_name().unwrap_or_default());
            let ends = |ending| each::ends_in(path, ending);
            let parts = if ends("yaml") || ends("yml") {
                yolo::of_settings(&file)?
            } else if ends("txt") {
                fs::metadata(path).map_err(io)?;
                voc::of_list(&file).or_else(|| yolo::of_list(&file)).into_iter().collect()
            } else {
                let name = stem(path);
                vec![Source::coco(path.to_owned(), name, Role::of(path))]
            };
            if parts.is_empty() {
                let remedy = "give the folder of the data set, or its data.yaml";
                return Err(ReadError::whole(path, "names no part of a data set", remedy));
            }
            return Ok(Self { folder, parts });
        }
        // That it can be listed is known from here on.
        fs::read_dir(path).map_err(io)?;
        let files = coco_files(path);
        let usual: Vec<PathBuf> = files.iter().filter(|file| is_usual(file)).cloned().collect();
        let mut parts = of_coco(path, usual);
        if parts.is_empty() {
            parts = yolo::in_folder(path)?;
        }
        if parts.is_empty() {
            parts = voc::in_folder(path);
        }
        if parts.is_empty() {
            parts = of_coco(path, files);
        }
        if parts.is_empty() {
            let remedy = "put COCO annotations there as annotations.json, or as annotations/instances_*.json; YOLO's labels \
                with a data.yaml, or beside their images; VOC's as Annotations/*.xml";
            return Err(ReadError::whole(path, "there is no annotation file", remedy));
        }
        Ok(Self { folder: path.to_owned(), parts })
    }

    /// The only part, or the only one of this role.
    ///
    /// # Errors
    ///
    /// If there are several to choose among.
    pub fn one(&self, role: Role) -> Result<&Source, ReadError> {
        let mut fitting = self.parts.iter().filter(|part| part.role == role);
        match (&self.parts[..], fitting.next(), fitting.next()) {
            ([only], ..) | (_, Some(only), None) => Ok(only),
            _ => Err(self.ambiguous("give the file or the folder of one part")),
        }
    }

    /// The part to train on, and the one to judge by; or one for both.
    ///
    /// # Errors
    ///
    /// If there are several to choose among.
    pub fn to_train(&self) -> Result<(&Source, Option<&Source>), ReadError> {
        let of = |role| self.parts.iter().filter(move |part| part.role == role).collect::<Vec<_>>();
        match (&of(Role::Train)[..], &of(Role::Validation)[..], &of(Role::Unknown)[..]) {
            ([train], [validation], []) => Ok((train, Some(validation))),
            ([one], [], []) | ([], [one], []) | ([], [], [one]) => Ok((one, None)),
            _ => {
                let remedy = "keep one annotation file, or two with train and val in their names";
                Err(self.ambiguous(remedy))
            }
        }
    }

    fn ambiguous(&self, remedy: &'static str) -> ReadError {
        let name = |part: &Source| match &part.format {
            Format::Coco => {
                part.file.strip_prefix(&self.folder).unwrap_or(&part.file).display().to_string()
            }
            _ => part.name.clone(),
        };
        let names = self.parts.iter().map(name).collect::<Vec<_>>().join(", ");
        ReadError::whole(&self.folder, format!("cannot choose among {names}"), remedy)
    }

    /// Where annotations and images are looked for: in the folder itself first.
    pub fn rooms(&self) -> impl Iterator<Item = PathBuf> {
        rooms(&self.folder)
    }

    /// The file of an image of a part, wherever it lies.
    pub fn image<B>(&self, part: &Source, truth: &GroundTruth<B>, image: u64) -> Option<PathBuf> {
        if let Some(file) = truth.files.get(&image) {
            return Some(file.clone());
        }
        let name = truth.images.get(&image).filter(|name| !name.is_empty())?;
        let beside = part.file.parent().unwrap_or(&self.folder).join(name);
        Some(beside).filter(|file| file.is_file()).or_else(|| part.image_in(&self.folder, name))
    }
}

impl Source {
    /// The file of an image by its name, where it lies in this folder or in those of its part.
    pub fn image_in(&self, folder: &Path, name: &str) -> Option<PathBuf> {
        // COCO's own images lie in train2017 when the annotations are instances_train2017.json.
        let stem = stem(&self.file);
        let part = stem.strip_prefix("instances_").unwrap_or(&stem);
        let images = folder.join("images");
        let rooms = [folder.to_owned(), folder.join(part), images.join(part), images];
        rooms.into_iter().map(|room| room.join(name)).find(|file| file.is_file())
    }
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// COCO's annotations have a folder, and Roboflow makes one for each part.
fn rooms(folder: &Path) -> impl Iterator<Item = PathBuf> {
    ["", "annotations"].into_iter().chain(PARTS).map(|room| folder.join(room))
}

/// What is right in a folder, by its names; nothing if it cannot be listed.
fn entries_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    // Systems list folders in any order.
    paths.sort();
    paths
}

/// The files among it.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    entries_in(folder).into_iter().filter(|path| path.is_file()).collect()
}

fn coco_files(folder: &Path) -> Vec<PathBuf> {
    let is_json = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".json") || name.ends_with(".json.gz")
    };
    rooms(folder).flat_map(|room| files_in(&room)).filter(is_json).collect()
}

/// Whether annotations of boxes usually have this name.
fn is_usual(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    ["annotations.json", "_annotations.coco.json"].contains(&&*name)
        || name.starts_with("instances_")
}

/// A part for each file. Those of one name have the names of their folders.
fn of_coco(folder: &Path, files: Vec<PathBuf>) -> Vec<Source> {
    let mut distinct: Vec<String> = files.iter().map(|file| stem(file)).collect();
    distinct.sort();
    distinct.dedup();
    let by_folder = distinct.len() < files.len();
    let part = |file: PathBuf| {
        let around = file.parent().and_then(Path::file_name).unwrap_or_default();
        let name = if by_folder { around.to_string_lossy().into_owned() } else { stem(&file) };
        let role = Role::of(file.strip_prefix(folder).unwrap_or(&file));
        Source::coco(file, name, role)
    };
    files.into_iter().map(part).collect()
}

#[cfg(test)]
mod tests;
