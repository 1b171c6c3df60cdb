//! The objects of a dataset, and what a detector found of them.

use std::collections::BTreeMap;

use crate::bbox::Xywh;

/// One annotated object.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotation<B = Xywh> {
    /// The annotation's own id, if the file gives one.
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
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroundTruth<B = Xywh> {
    /// Image id to file name (empty where the file gives none).
    pub images: BTreeMap<u64, String>,
    /// Image id to width and height in pixels, where the file gives both.
    pub sizes: BTreeMap<u64, [f64; 2]>,
    /// Category id to name; from the annotations alone where the file lists no categories.
    pub categories: BTreeMap<u64, String>,
    /// Every object, in file order.
    pub annotations: Vec<Annotation<B>>,
}

impl<B> GroundTruth<B> {
    /// The file of an image, or its id where it has none.
    pub fn file(&self, image: u64) -> String {
        match self.images.get(&image) {
            Some(file) if !file.is_empty() => file.clone(),
            _ => format!("image {image}"),
        }
    }
}
