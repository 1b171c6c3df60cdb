//! The objects of a dataset, and what a detector found of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bbox::Xywh;
use crate::id::{Id, Ids};
use crate::problem::{Entry, Place};

/// One annotated object.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotation<B = Xywh> {
    /// The key of the annotation's own id, if the file gives one.
    pub id: Option<u64>,
    /// The image it lies in.
    pub image: u64,
    /// What it is.
    pub category: u64,
    /// Where it is.
    pub bbox: B,
    /// Its area in pixels: that of the mask where the file has it, else that of the box.
    pub area: f64,
    /// A group too dense to box one by one; detections inside count neither for nor against.
    pub crowd: bool,
}

/// One detection of a results file.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection<B = Xywh> {
    /// The image it was found in.
    pub image: u64,
    /// What it is said to be.
    pub category: u64,
    /// Where it is said to be.
    pub bbox: B,
    /// How sure the detector is; only the order matters.
    pub score: f64,
}

/// The annotations of a dataset.
///
/// Images, categories and annotations are known by the keys of their ids: those of [`GroundTruth::ids`]. The key of a whole number is
/// that number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroundTruth<B = Xywh> {
    /// What the keys of ids stand for.
    pub ids: Ids,
    /// Image to file name (empty where the file gives none).
    pub images: BTreeMap<u64, String>,
    /// Image to where its file lies, if whoever read it has seen it; COCO's format has names only.
    pub files: BTreeMap<u64, PathBuf>,
    /// Image to width and height in pixels, where the file gives both.
    pub sizes: BTreeMap<u64, [f64; 2]>,
    /// Category to name; from the annotations alone where the file lists no categories.
    pub categories: BTreeMap<u64, String>,
    /// Every object, in file order.
    pub annotations: Vec<Annotation<B>>,
    /// Which entry of the file each object is; empty where they are of no file.
    pub entries: Vec<usize>,
    /// In which line of which file each object is, where every image has a file of its own; else empty.
    pub lines: Vec<(Arc<Path>, usize)>,
}

impl<B> GroundTruth<B> {
    /// The file of an image, or its id where it has none.
    pub fn file(&self, image: u64) -> String {
        match self.images.get(&image) {
            Some(file) if !file.is_empty() => file.clone(),
            _ => format!("image {}", self.id(image)),
        }
    }

    /// Which entry of the file an object is.
    pub fn entry(&self, annotation: usize) -> usize {
        self.entries.get(annotation).copied().unwrap_or(annotation)
    }

    /// Where an object is written: in a file for its image, or in `file`, which is that of all.
    pub fn place(&self, annotation: usize, file: &Arc<Path>) -> Place {
        match self.lines.get(annotation) {
            Some((file, line)) => Place::new(file, Entry::Line(*line)),
            None => Place::new(file, Entry::Annotation(self.entry(annotation))),
        }
    }

    /// The category that is called so, or else has this id.
    pub fn category(&self, wanted: &str) -> Option<u64> {
        let named = self.categories.iter().find(|(_, name)| *name == wanted).map(|(&key, _)| key);
        let exists = |key| self.categories.contains_key(&key);
        named.or_else(|| self.ids.find(&Id::Text(wanted.to_owned()), exists))
    }

    /// The id of an image, a category or an annotation, as the file has it.
    pub fn id(&self, key: u64) -> Id {
        self.ids.id(key)
    }
}
