//! Pascal VOC's format: for each image an XML file of objects.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use roxmltree::{Document, Node};

use super::each;
use super::raw::{Fault, LARGEST, short};
use crate::bbox::{Bbox, Xywh};
use crate::dataset::{Annotation, GroundTruth};
use crate::images::{self, is_image};
use crate::problem::{Entry, Kind, Place, Problem, Read};

/// A part as it lies.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// The folder of its annotations.
    pub(crate) annotations: PathBuf,
    /// The list of the images that belong to it; all if there is none.
    pub(crate) list: Option<PathBuf>,
    /// Where images may be.
    pub(crate) images: Vec<PathBuf>,
    /// The annotations of all parts: a class has the same id in each.
    pub(crate) all: Vec<PathBuf>,
}

/// Reads a part; what is wrong with the whole of it is told of `file`.
///
/// Classes count from 1 in the order of their names. Difficult objects are neither to be found nor wrong to find, as crowds are.
pub(crate) fn read<B: Bbox>(file: &Path, layout: &Layout) -> Read<GroundTruth<B>> {
    let files: BTreeSet<PathBuf> =
        layout.all.iter().flat_map(|folder| annotations(folder)).collect();
    let parsed: Vec<_> = files.into_par_iter().map(|file| (Parsed::read(&file), file)).collect();
    let named = parsed.iter().filter_map(|(parsed, _)| parsed.as_ref().ok());
    let names: BTreeSet<&str> =
        named.flat_map(|parsed| &parsed.objects).filter_map(|it| it.name.as_deref()).collect();
    let categories: BTreeMap<u64, String> = (1..).zip(names.iter().map(|&it| it.into())).collect();
    let classes = categories.iter().map(|(&key, name)| (name.clone(), key)).collect();
    let mut reader = Reader {
        truth: GroundTruth { categories, ..GroundTruth::default() },
        classes,
        images: Images::of(layout),
        problems: Vec::new(),
        from_zero: Vec::new(),
    };
    let mut parsed: BTreeMap<PathBuf, _> =
        parsed.into_iter().map(|(it, file)| (file, it)).collect();
    for (wanted, line) in layout.wanted() {
        match parsed.remove(&wanted) {
            Some(Ok(parsed)) => reader.add(&wanted, &layout.annotations, parsed),
            Some(Err((line, said))) => {
                let entry = line.map_or(Entry::File, Entry::Line);
                let place = Place::new(&wanted.as_path().into(), entry);
                reader.problems.push(Problem { kind: Kind::Unreadable, place, said });
            }
            None => {
                let place = Place::new(&file.into(), Entry::Line(line));
                let said = format!("there is no {}, or it is listed already", wanted.display());
                reader.problems.push(Problem { kind: Kind::NoAnnotation, place, said });
            }
        }
    }
    let mut of_all = |kind, said| {
        let place = Place::new(&file.into(), Entry::File);
        reader.problems.push(Problem { kind, place, said });
    };
    if let Some(first) = reader.from_zero.first() {
        let count = reader.from_zero.len();
        of_all(Kind::FromZero, format!("{count} boxes begin at 0, the first: {}", first));
    }
    let rest = reader.images.rest();
    if let (None, Some(first)) = (&layout.list, rest.first()) {
        let said = format!("{} are left out, the first: {}", rest.len(), first.display());
        of_all(Kind::NoLabels, said);
    }
    Read { content: reader.truth, problems: reader.problems }
}

/// The annotation files of a folder.
pub(crate) fn annotations(folder: &Path) -> Vec<PathBuf> {
    each::files(folder, |file| each::ends_in(file, "xml"))
}

/// Whether a file is such an annotation: other tools write XML, too.
pub(crate) fn is_annotation(file: &Path) -> bool {
    each::text_of(file).is_ok_and(|text| text.contains("<annotation"))
}

impl Layout {
    /// The annotation files of the part, each with its line in the list.
    fn wanted(&self) -> Vec<(PathBuf, usize)> {
        let Some(list) = &self.list else {
            return annotations(&self.annotations).into_iter().map(|file| (file, 0)).collect();
        };
        let text = each::text_of(list).unwrap_or_default();
        let lines = text.lines().zip(1..);
        // Lists of a class have a flag behind the name.
        let named =
            lines.filter_map(|(line, place)| Some((line.split_whitespace().next()?, place)));
        let file = |name: &str| self.annotations.join(format!("{name}.xml"));
        named.map(|(name, place)| (file(name), place)).collect()
    }
}

/// The image files of a part, by their names without the ending.
struct Images {
    rooms: Vec<PathBuf>,
    files: HashMap<PathBuf, (PathBuf, PathBuf)>,
    used: BTreeSet<PathBuf>,
}

impl Images {
    fn of(layout: &Layout) -> Self {
        let rooms: Vec<PathBuf> =
            layout.images.iter().filter(|room| room.is_dir()).cloned().collect();
        let mut files = HashMap::new();
        for room in &rooms {
            for file in each::files(room, is_image) {
                let below = file.strip_prefix(room).unwrap_or(&file).with_extension("");
                files.entry(below).or_insert((room.clone(), file));
            }
        }
        Self { rooms, files, used: BTreeSet::new() }
    }

    /// The folder and the file of an image. Annotation and image have the same name; where there is none, the annotation says which:
    /// not first, since tools do not write it anew when files are renamed.
    fn find(&mut self, below: &Path, written: &str) -> Option<(PathBuf, PathBuf)> {
        let named = || {
            let last = written.rsplit(['/', '\\']).next().filter(|last| !last.is_empty())?;
            let room = self.rooms.iter().find(|room| room.join(last).is_file())?;
            Some((room.clone(), room.join(last)))
        };
        let found = self.files.get(below).cloned().or_else(named)?;
        self.used.insert(found.1.clone());
        Some(found)
    }

    /// Images without an annotation.
    fn rest(&self) -> BTreeSet<&Path> {
        let all = self.files.values().map(|(_, file)| file.as_path());
        all.filter(|file| !self.used.contains(*file)).collect()
    }
}

struct Reader<B> {
    truth: GroundTruth<B>,
    classes: HashMap<String, u64>,
    images: Images,
    problems: Vec<Problem>,
    /// The places of boxes that begin at 0.
    from_zero: Vec<String>,
}

impl<B: Bbox> Reader<B> {
    fn add(&mut self, file: &Path, folder: &Path, parsed: Parsed) {
        let below = file.strip_prefix(folder).unwrap_or(file).with_extension("");
        let image = self.images.find(&below, &parsed.filename);
        let written = if parsed.filename.is_empty() {
            below.to_string_lossy().into_owned()
        } else {
            parsed.filename.clone()
        };
        let name = image.as_ref().map_or(written, |(room, image)| each::name(image, room));
        let key = each::key(&mut self.truth, &name);
        // Some tools leave the size out, or write zeros.
        let size = parsed.size.or_else(|| {
            let header = images::header(&image.as_ref()?.1).ok()?;
            Some(header.size().map(f64::from))
        });
        self.truth.images.insert(key, name);
        self.truth.sizes.extend(size.map(|size| (key, size)));
        self.truth.files.extend(image.map(|(_, image)| (key, image)));
        let file: Arc<Path> = file.into();
        for object in parsed.objects {
            let image = Some(self.truth.id(key));
            let place = Place { image, ..Place::new(&file, Entry::Line(object.line)) };
            for (field, kind, said) in object.faults {
                self.problems.push(Problem { kind, place: Place { field, ..place.clone() }, said });
            }
            let Some(class) = object.name.and_then(|name| self.classes.get(&name).copied()) else {
                continue;
            };
            let Some((bbox, from_zero)) = object.bbox else { continue };
            if from_zero {
                self.from_zero.push(format!("{}, {place}", file.display()));
            }
            let bbox = B::upright(bbox);
            let (area, crowd) = (bbox.area(), object.difficult);
            let annotation =
                Annotation { id: None, image: key, category: class, bbox, area, crowd };
            self.truth.annotations.push(annotation);
            self.truth.lines.push((file.clone(), object.line));
        }
    }
}

/// What an annotation file says.
struct Parsed {
    filename: String,
    size: Option<[f64; 2]>,
    objects: Vec<Object>,
}

struct Object {
    line: usize,
    name: Option<String>,
    /// Left, top, width, height in pixels, and whether they count from 0.
    bbox: Option<(Xywh, bool)>,
    difficult: bool,
    faults: Vec<Fault>,
}

impl Parsed {
    /// Reads a file, or says in which line it is none.
    fn read(file: &Path) -> Result<Self, (Option<usize>, String)> {
        let text = each::text_of(file).map_err(|said| (None, said))?;
        // Definitions are refused, so that none unfolds.
        let document = Document::parse(&text).map_err(|error| {
            let line = error.pos().row as usize;
            (Some(line), format!("this is no XML ({error})"))
        })?;
        let root = document.root_element();
        if root.tag_name().name() != "annotation" {
            let said = format!("is <{}>, not <annotation>", short(root.tag_name().name()));
            return Err((None, said));
        }
        let size = child(root, "size").and_then(|size| {
            let side = |name| {
                let side: f64 = text_of(size, name)?.parse().ok()?;
                Some(side).filter(|side| *side > 0.0 && *side <= LARGEST)
            };
            Some([side("width")?, side("height")?])
        });
        let objects = root.children().filter(|node| node.has_tag_name("object"));
        let line = |node: Node| document.text_pos_at(node.range().start).row as usize;
        Ok(Self {
            filename: text_of(root, "filename").unwrap_or_default().to_owned(),
            size,
            objects: objects.map(|object| Object::of(object, line(object))).collect(),
        })
    }
}

impl Object {
    fn of(node: Node, line: usize) -> Self {
        let mut faults = Vec::new();
        let name = text_of(node, "name").filter(|name| !name.is_empty()).map(str::to_owned);
        if name.is_none() {
            faults.push(("name", Kind::UnknownClass, "is missing".to_owned()));
        }
        let bbox = bbox(node).map_err(|fault| faults.push(fault)).ok();
        let difficult = match text_of(node, "difficult") {
            None | Some("0" | "" | "false" | "False") => false,
            Some("1" | "true" | "True") => true,
            Some(other) => {
                let said = format!("expected 0 or 1, got {}", short(other));
                faults.push(("difficult", Kind::BadField, said));
                false
            }
        };
        Self { line, name, bbox, difficult, faults }
    }
}

/// The box of an object, and whether it counts from 0.
///
/// VOC's numbers are those of the first and the last pixel inside, counted from 1: the box [1, width] is as wide as the image. Hence the
/// left side is one less than xmin, and the right one is xmax.
fn bbox(object: Node) -> Result<(Xywh, bool), Fault> {
    let missing = |field| (field, Kind::NoBox, "is missing".to_owned());
    let corners = child(object, "bndbox").ok_or_else(|| missing("bndbox"))?;
    let number = |field: &'static str| {
        let written = text_of(corners, field).ok_or_else(|| missing(field))?;
        match written.parse::<f64>() {
            Ok(number) if number.abs() <= LARGEST => Ok(number),
            Ok(_) => {
                let said = format!("{} is no number of pixels", short(written));
                Err((field, Kind::NotFinite, said))
            }
            Err(_) => {
                let said = format!("{:?} is not a number", short(written));
                Err((field, Kind::NoBox, said))
            }
        }
    };
    let [left, top] = [number("xmin")?, number("ymin")?];
    let [right, bottom] = [number("xmax")?, number("ymax")?];
    if right < left || bottom < top {
        let said =
            format!("[{left}, {top}, {right}, {bottom}] has its corners the other way round");
        return Err(("bndbox", Kind::NegativeSide, said));
    }
    let from_zero = |first: f64| (0.0..1.0).contains(&first);
    // No image begins a pixel before its first one.
    let side = |first: f64| if from_zero(first) { 0.0 } else { first - 1.0 };
    let [x, y] = [side(left), side(top)];
    Ok(([x, y, right - x, bottom - y], from_zero(left) || from_zero(top)))
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

/// The text of a child.
fn text_of<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    Some(child(node, name)?.text().unwrap_or_default().trim())
}

#[cfg(test)]
mod tests;
