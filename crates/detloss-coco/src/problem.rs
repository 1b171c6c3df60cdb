//! What is wrong with a file or a data set: kinds, and places.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::id::Id;

/// How bad a kind of problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Data are wrong, or cannot be used.
    Error,
    /// Data look wrong.
    Warning,
    /// Good to know before training.
    Note,
}

impl Severity {
    /// Its name, in lower case.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

macro_rules! kinds {
    ($($kind:ident: $id:literal, $severity:ident, $title:literal, $remedy:literal;)*) => {
        /// A kind of problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = $title] $kind,)*
        }

        impl Kind {
            /// All kinds, errors first.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Its name in JSON.
            pub fn id(self) -> &'static str {
                match self { $(Self::$kind => $id,)* }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Self::$kind => Severity::$severity,)* }
            }

            /// What it is, in a few words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)* }
            }

            /// What to do about it.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$kind => $remedy,)* }
            }
        }
    };
}

kinds! {
    Unreadable: "unreadable", Error, "entries that are none",
        "an image is {id, file_name, width, height}, a category {id, name}, an annotation {image_id, category_id, bbox}, a detection \
         {image_id, category_id, bbox, score}";
    NoId: "no_id", Error, "entries without an id", "give each image and each category an id of its own, a whole number or a text";
    NoBox: "no_box", Error, "annotations without a box", "write bbox as [left, top, width, height] in pixels";
    NotFinite: "not_finite", Error, "numbers that are not finite", "write finite numbers, or leave the entry out";
    NegativeSide: "negative_side", Error, "boxes with a negative side", "write bbox as [left, top, width, height]: corners in order";
    BadField: "bad_field", Error, "fields that hold something else", "area is a number of square pixels, iscrowd and difficult are 0 or 1";
    NoScore: "no_score", Error, "detections without a score", "give each detection a score, a number";
    DuplicateImageId: "duplicate_image_id", Error, "images with the id of another", "give each image an id of its own";
    DuplicateCategoryId: "duplicate_category_id", Error, "categories with the id of another", "give each category an id of its own";
    DuplicateAnnotationId: "duplicate_annotation_id", Error, "annotations with the id of another",
        "give each annotation an id of its own: pycocotools loses all but one of them";
    UnknownImage: "unknown_image", Error, "boxes in images that are not listed",
        "list the image under `images`; detect on the annotated images only";
    UnknownClass: "unknown_class", Error, "boxes of classes that are not listed",
        "list the class; in results write the category's id of the annotations, not the network's class index";
    NoObjects: "no_objects", Error, "files without a usable object", "give annotations with boxes";
    ClassNames: "class_names", Error, "ids that are different classes in different parts", "give a class the same id in every file";
    NoArea: "no_area", Error, "boxes without area", "remove them, or draw them again";
    NotNormalised: "not_normalised", Error, "labels that are no shares of their image",
        "divide by width and height of the image: all numbers are from 0 to 1";
    NotPixels: "not_pixels", Error, "boxes below one pixel: normalised?", "multiply by the width and the height of the image";
    Corners: "corners", Error, "boxes that look like x1, y1, x2, y2", "write bbox as [left, top, width, height]: subtract";
    Outside: "outside", Error, "boxes outside their image", "check that image and size are those that were annotated";
    SameBox: "same_box", Error, "objects annotated twice", "keep one of them";
    NoPart: "no_part", Error, "parts without images", "check `path`, `train`, `val` and `test` of the yaml file, or leave the part out";
    ClassCount: "class_count", Error, "counts of classes that are not that of their names", "make nc the number of names";
    NoImage: "no_image", Error, "label files without an image", "put the image where the others are, or remove the file";
    NoAnnotation: "no_annotation", Error, "listed images without an annotation file",
        "annotate the image, or take it off the list";
    SameFile: "same_file", Error, "image files listed twice", "list each once, with the objects of both";
    MissingFile: "missing_file", Error, "images without a file", "check file_name or the list, and --images";
    UnreadableFile: "unreadable_file", Error, "image files that cannot be read", "save them again as PNG or JPEG";
    CutOff: "cut_off", Error, "image files that are cut off", "copy or download them again";
    WrongSize: "wrong_size", Error, "images that are not as large as is said", "give width, height and boxes in pixels of the file";
    SameContent: "same_content", Error, "image files with the content of another", "keep one of them";
    Leak: "leak", Error, "images in two parts", "keep each in one part: a detector is not judged by what it was trained on";
    Beyond: "beyond", Warning, "boxes that go beyond their image", "clip them, or check the size of the image";
    Tiny: "tiny", Warning, "boxes below two pixels", "remove them, or train on larger images: most detectors cannot see them";
    Covering: "covering", Warning, "boxes that cover their whole image", "check that they are objects";
    OddShape: "odd_shape", Warning, "very long or very flat boxes", "check that they are objects";
    OtherClass: "other_class", Warning, "objects annotated as two classes", "keep the right one";
    SamePicture: "same_picture", Warning, "images that show what another one shows, in other bytes",
        "keep one of them, in one part";
    Scored: "scored", Warning, "labels with a score", "give what somebody annotated, not what a detector found";
    FromOne: "from_one", Warning, "results whose classes seem to count from 1",
        "take one off each category_id: the annotations count from 0";
    BadArea: "bad_area", Warning, "areas larger than their box", "leave area out, or give that of the mask";
    NoSize: "no_size", Warning, "images without width and height", "give both, in pixels";
    NoName: "no_name", Warning, "images without a file name", "give file_name";
    OddSize: "odd_size", Warning, "images of an odd size", "check that they belong to the data set";
    Turned: "turned", Warning, "images that are turned when displayed, but not in their annotation",
        "apply the orientation to the file, and annotate it as it is displayed";
    SameName: "same_name", Warning, "classes of one name", "make them one class";
    LeakedName: "leaked_name", Warning, "file names in two parts", "check that they are different images: give --images";
    EmptyClass: "empty_class", Note, "classes without an object", "they will not be learnt: annotate some, or leave the class out";
    EmptyImage: "empty_image", Note, "images without an object", "right if nothing is to be found there";
    NoLabels: "no_labels", Note, "images without a label file", "right if nothing is to be found there";
    FromZero: "from_zero", Note, "pixels counted from 0",
        "VOC counts from 1: if all are counted from 0, left and upper sides are read a pixel too far out";
    Balance: "balance", Note, "classes of very different frequency", "expect little of the rare ones: weigh or sample classes";
    Crowds: "crowds", Note, "many crowds", "they are neither trained on nor judged by";
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

/// An entry of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// The file as a whole.
    File,
    /// An image of the list, counted from 0.
    Image(usize),
    /// A category of the list.
    Category(usize),
    /// An annotation of the list.
    Annotation(usize),
    /// A detection of the list.
    Result(usize),
    /// A line of a text file, counted from 1.
    Line(usize),
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => Ok(()),
            Self::Image(index) => write!(f, "images[{index}]"),
            Self::Category(index) => write!(f, "categories[{index}]"),
            Self::Annotation(index) => write!(f, "annotations[{index}]"),
            Self::Result(index) => write!(f, "results entry {index}"),
            Self::Line(line) => write!(f, "line {line}"),
        }
    }
}

/// Where something is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The file.
    pub file: Arc<Path>,
    /// The entry of the file.
    pub entry: Entry,
    /// The field of the entry; empty for all of it.
    pub field: &'static str,
    /// The entry's own id.
    pub id: Option<Id>,
    /// The image that it belongs to.
    pub image: Option<Id>,
}

impl Place {
    /// An entry of a file.
    pub fn new(file: &Arc<Path>, entry: Entry) -> Self {
        Self { file: file.clone(), entry, field: "", id: None, image: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entry, field, id, image, .. } = self;
        entry.fmt(f)?;
        if !field.is_empty() {
            write!(f, "{}{field}", if *entry == Entry::File { "" } else { "." })?;
        }
        match (id, image) {
            (Some(id), Some(image)) => write!(f, " (id {id}, image {image})"),
            (Some(id), None) => write!(f, " (id {id})"),
            (None, Some(image)) => write!(f, " (image {image})"),
            (None, None) => Ok(()),
        }
    }
}

/// Something wrong, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// What sort of thing it is.
    pub kind: Kind,
    /// Where it is.
    pub place: Place,
    /// What is wrong there.
    pub said: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, said, .. } = self;
        let path = place.file.display();
        let place = place.to_string();
        let colon = if place.is_empty() { "" } else { ": " };
        write!(f, "{path}: {place}{colon}{said}")
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'a> {
            kind: Kind,
            severity: Severity,
            file: PathBuf,
            entry: String,
            #[serde(skip_serializing_if = "str::is_empty")]
            field: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            id: &'a Option<Id>,
            #[serde(skip_serializing_if = "Option::is_none")]
            image: &'a Option<Id>,
            problem: &'a str,
        }
        let Self { kind, place, said } = self;
        let Place { file, entry, field, id, image } = place;
        Flat {
            kind: *kind,
            severity: kind.severity(),
            file: file.as_ref().into(),
            entry: entry.to_string(),
            field,
            id,
            image,
            problem: said,
        }
        .serialize(serializer)
    }
}

/// What was read of a file, and what was wrong there.
#[derive(Debug, Clone, PartialEq)]
pub struct Read<T> {
    /// What can be used.
    pub content: T,
    /// What is wrong, in the order of the file.
    pub problems: Vec<Problem>,
}
