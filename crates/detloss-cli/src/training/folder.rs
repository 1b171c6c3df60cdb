//! Scenes from a data set of annotations and images.
//!
//! What cannot be used is left out and named; the rest is trained on.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use detloss_coco::{
    Annotation, DataSet, GroundTruth, Ids, Problem, Read, ReadError, Severity, Source,
};
use image::RgbImage;
use rayon::prelude::*;

use super::augment::Augment;
use super::data::{Class, Data, index_of};
use super::images::scene_of;
use super::random::scrambled;
use super::scene::{Object, Scene};
use crate::random::Random;
use detloss_coco::images::{Frame, open_declared};

/// So many classes are named; the others are counted.
const NAMED: usize = 10;

/// Without a validation file, one image of so many is held out.
const HELD_OUT: u64 = 5;

/// A box that lies inside its image with a smaller share of its area than this is none that somebody drew there.
const LEAST_INSIDE: f64 = 0.1;

/// A folder that could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// There are no annotations, or they could not be used.
    #[error(transparent)]
    Annotations(#[from] ReadError),
    /// The folder lacks something.
    #[error("{}: {problem}; {remedy}", path.display())]
    Content {
        /// The folder or the file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        remedy: &'static str,
    },
}

impl FolderError {
    fn content(path: &Path, problem: String, remedy: &'static str) -> Self {
        Self::Content { path: path.into(), problem, remedy }
    }
}

/// The images of a folder with their objects.
pub(crate) struct Folder {
    name: String,
    side: usize,
    seed: u64,
    classes: Vec<Class>,
    train: Vec<Scene>,
    held_out: Vec<Scene>,
    truth: GroundTruth,
    /// What is to be found in the images to train on.
    train_truth: GroundTruth,
    /// Where annotations and images are, as the system calls these folders.
    rooms: BTreeSet<PathBuf>,
    /// How many images the annotations list.
    read: usize,
    skipped: Vec<String>,
    notes: Vec<String>,
    augment: Augment,
    /// The order of the last epoch that was asked for.
    order: Mutex<(u64, Vec<usize>)>,
}

impl Folder {
    /// Reads all images and brings them to squares of `side` pixels. `progress` is told after each how many of how many
    /// are done. If no file says which images to hold out, the seed decides.
    pub(crate) fn read(
        folder: &Path,
        side: usize,
        seed: u64,
        progress: impl Fn(usize, usize) + Sync,
    ) -> Result<Self, FolderError> {
        let set = DataSet::find(folder)?;
        let (train, held_out) = set.to_train()?;
        let mut parts = Vec::new();
        let (mut skipped, mut notes) = (Vec::new(), Vec::new());
        for source in [Some(train), held_out].into_iter().flatten() {
            let Read { content: truth, problems } = source.read()?;
            let (of_interest, wrong): (Vec<Problem>, Vec<Problem>) =
                problems.into_iter().partition(|it| it.kind.severity() == Severity::Note);
            skipped.extend(wrong.iter().map(Problem::to_string));
            notes.extend(of_interest.iter().map(|it| format!("{}: {}", it.kind.title(), it.said)));
            parts.push((source, truth));
        }
        let classes = classes(&parts)?;
        if classes.is_empty() {
            let problem = "there are no classes".into();
            return Err(FolderError::content(
                &parts[0].0.file,
                problem,
                "list them under `categories` or `names`",
            ));
        }
        let all = parts.iter().map(|(_, truth)| truth.images.len()).sum();
        let done = AtomicUsize::new(0);
        let step = || progress(done.fetch_add(1, Ordering::Relaxed) + 1, all);
        let mut loaded = Vec::new();
        for (source, truth) in &parts {
            let part = load(&set, source, truth, &classes, side, &step);
            skipped.extend(part.iter().flat_map(|(_, problems)| problems.iter().cloned()));
            let images = part.into_iter().filter_map(|(image, _)| image);
            loaded.push(images.collect::<Vec<Image>>());
        }
        let mut loaded = loaded.into_iter();
        let train = loaded.next().unwrap_or_default();
        let (train, held_out) = match loaded.next() {
            Some(held_out) => (train, held_out),
            None => split(train, seed),
        };
        for (images, what) in [(&train, "train on"), (&held_out, "hold out")] {
            if !images.iter().any(Image::has_object) {
                let first = skipped.first().map(|first| format!(" (the first left out: {first})"));
                let problem = format!(
                    "none of the {} usable images to {what} has an object{}",
                    images.len(),
                    first.unwrap_or_default()
                );
                let remedy = "give at least two images with boxes that are no crowds";
                return Err(FolderError::content(folder, problem, remedy));
            }
        }
        let of_images = [note_classes(&train, &classes), note_frames(&train, &held_out)];
        notes.extend(of_images.into_iter().chain(note_twins(&train, &held_out)).flatten());
        let ids: Ids = parts.iter().map(|(_, truth)| &truth.ids).collect();
        let [train_truth, truth] = [&train, &held_out].map(|images| truth(images, &classes, &ids));
        let scenes = |images: Vec<Image>| images.into_iter().map(|image| image.scene).collect();
        let name = name(folder, &classes, &train, &held_out);
        let images = train.iter().chain(&held_out).map(|image| &*image.file);
        let labels = parts.iter().flat_map(|(_, truth)| &truth.lines).map(|(file, _)| &**file);
        let around: BTreeSet<&Path> = images.chain(labels).filter_map(Path::parent).collect();
        let rooms = set.rooms().chain(around.into_iter().map(Path::to_owned));
        let rooms = rooms.filter_map(|room| room.canonicalize().ok()).collect();
        Ok(Self {
            name,
            side,
            seed,
            classes,
            train: scenes(train),
            held_out: scenes(held_out),
            truth,
            train_truth,
            rooms,
            read: all,
            skipped,
            notes,
            augment: Augment::default(),
            order: Mutex::default(),
        })
    }

    /// Varies what is trained on.
    pub(crate) fn augmented(self, augment: Augment) -> Self {
        Self { augment, ..self }
    }

    /// The images to train on as they are, and what is to be found in them.
    pub(crate) fn to_train_on(&self) -> (&[Scene], &GroundTruth) {
        (&self.train, &self.train_truth)
    }

    /// Whether annotations or images are, or would be looked for, right in this folder.
    pub(crate) fn reads(&self, folder: &Path) -> bool {
        folder.canonicalize().is_ok_and(|folder| self.rooms.contains(&folder))
    }

    /// What was left out, one line each: file, entry, problem.
    pub(crate) fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// What whoever trains on this should know.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How many images are what, in words.
    pub(crate) fn counts(&self) -> String {
        let [train, held_out] = [self.train.len(), self.held_out.len()];
        let left_out = self.read - train - held_out;
        let images = if train == 1 { "image" } else { "images" };
        format!("{train} {images} to train on, {held_out} held out, {left_out} left out")
    }

    /// Which scene comes when in this epoch.
    fn scene_at(&self, epoch: u64, place: usize) -> usize {
        let mut order = self.order.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if order.1.is_empty() || order.0 != epoch {
            let mut scenes: Vec<usize> = (0..self.train.len()).collect();
            Random::at(self.seed, epoch).shuffle(&mut scenes);
            *order = (epoch, scenes);
        }
        order.1[place]
    }
}

impl Data for Folder {
    fn name(&self) -> &str {
        &self.name
    }

    fn classes(&self) -> &[Class] {
        &self.classes
    }

    fn side(&self) -> usize {
        self.side
    }

    /// Each image comes once in an epoch, in another order in each, varied.
    fn train(&self, place: u64) -> Scene {
        let count = self.train.len();
        let first = self.scene_at(place / count as u64, (place % count as u64) as usize);
        let others = |other: usize| &self.train[other];
        self.augment.apply(&self.train[first], others, count, self.seed, place)
    }

    fn held_out(&self) -> &[Scene] {
        &self.held_out
    }

    fn truth(&self) -> &GroundTruth {
        &self.truth
    }
}

/// A scene and what is known of its image.
struct Image {
    scene: Scene,
    name: String,
    file: PathBuf,
    /// In which pixels of it annotations are.
    frame: Frame,
    /// In pixels of the image, inside it.
    annotations: Vec<Annotation>,
}

impl Image {
    fn has_object(&self) -> bool {
        !self.scene.objects.is_empty()
    }
}

/// Says which classes will not be found.
fn note_classes(train: &[Image], classes: &[Class]) -> Option<String> {
    let mut counts = vec![0_usize; classes.len()];
    let objects = train.iter().flat_map(|image| &image.scene.objects);
    objects.for_each(|object| counts[object.class] += 1);
    let missing = classes.iter().zip(&counts).filter(|(_, count)| **count == 0);
    let mut missing: Vec<String> = missing.map(|(class, _)| format!("{:?}", class.name)).collect();
    let more = missing.split_off(NAMED.min(missing.len())).len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let names = missing.join(", ") + &more;
    (!missing.is_empty())
        .then(|| format!("no object to train on is of class {names}: none will be found"))
}

/// Says of which images the annotations do not follow the EXIF data.
fn note_frames(train: &[Image], held_out: &[Image]) -> Option<String> {
    let images = || train.iter().chain(held_out).filter(|image| image.frame == Frame::Stored);
    let first = images().next()?;
    Some(format!(
        "images annotated as they are stored, not as they are displayed: {} (the first: {}); they are read so",
        images().count(),
        first.name
    ))
}

/// Says which pictures are there more than once.
fn note_twins(train: &[Image], held_out: &[Image]) -> [Option<String>; 2] {
    let mut seen = HashMap::new();
    let (mut twins, mut leaks) = (Vec::new(), Vec::new());
    for (held_out, image) in
        train.iter().map(|image| (false, image)).chain(held_out.iter().map(|image| (true, image)))
    {
        match seen.entry((image.scene.size, &image.scene.pixels)) {
            Entry::Vacant(entry) => _ = entry.insert(held_out),
            Entry::Occupied(first) if held_out && !first.get() => leaks.push(&image.name),
            Entry::Occupied(_) => twins.push(&image.name),
        }
    }
    let twins = twins.first().map(|first| {
        format!("images that show what another one does: {} (the first: {first})", twins.len())
    });
    let leaks = leaks.first().map(|first| {
        format!(
            "held-out images that are trained on as well: {} of {} (the first: {first}); what they say of the detector is too good",
            leaks.len(),
            held_out.len()
        )
    });
    [twins, leaks]
}

/// The name of the folder, and what differs when anything in it does that a run depends on.
fn name(folder: &Path, classes: &[Class], train: &[Image], held_out: &[Image]) -> String {
    let mut sum = crc32fast::Hasher::new();
    sum.update(format!("{classes:?}").as_bytes());
    for Image { scene, name, annotations, .. } in train.iter().chain(held_out) {
        sum.update(&scene.pixels);
        sum.update(format!("{name}{:?}{annotations:?}", scene.objects).as_bytes());
    }
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.into());
    format!(
        "{}: {} images to train on, {} held out, checksum {:08x}",
        folder.file_name().unwrap_or_default().display(),
        train.len(),
        held_out.len(),
        sum.finalize()
    )
}

/// The categories of all files, in order of the keys of their ids.
fn classes(parts: &[(&Source, GroundTruth)]) -> Result<Vec<Class>, FolderError> {
    let mut all: BTreeMap<u64, Class> = BTreeMap::new();
    for (source, truth) in parts {
        for (&key, name) in &truth.categories {
            let id = truth.id(key);
            let class = || Class::of(key, id.clone(), name);
            let Class { name: known, .. } = all.entry(key).or_insert_with(class);
            if known != name {
                let problem = format!("category {id} is {name:?} here and {known:?} elsewhere");
                let remedy = "give a category the same id in every file";
                return Err(FolderError::content(&source.file, problem, remedy));
            }
        }
    }
    Ok(all.into_values().collect())
}

/// The images of a part, each with what was wrong.
fn load(
    set: &DataSet,
    source: &Source,
    truth: &GroundTruth,
    classes: &[Class],
    side: usize,
    step: &(impl Fn() + Sync),
) -> Vec<(Option<Image>, Vec<String>)> {
    let mut annotations: BTreeMap<u64, Vec<&Annotation>> = BTreeMap::new();
    for annotation in &truth.annotations {
        annotations.entry(annotation.image).or_default().push(annotation);
    }
    let load = |(&id, name): (&u64, &String)| {
        let of_image = annotations.get(&id).map_or(&[][..], Vec::as_slice);
        let mut problems = Vec::new();
        let shown = truth.id(id);
        let problem =
            |problem: String| format!("{}: image {shown}: {problem}", source.file.display());
        let declared = truth.sizes.get(&id).copied();
        let file = set.image(source, truth, id);
        let image = match decode(&set.folder, file, name, declared) {
            Ok((file, (pixels, frame))) => {
                let (scene, annotations, wrong) =
                    compose(id, name, &pixels, of_image, classes, side);
                let name = name.clone();
                let image = Image { scene, name, file, frame, annotations };
                problems.extend(wrong.into_iter().map(problem));
                Some(image)
            }
            Err(words) => {
                problems.push(problem(words));
                None
            }
        };
        step();
        (image, problems)
    };
    truth.images.par_iter().map(load).collect()
}

/// The file of an image, and the image in the pixels that its boxes are in.
fn decode(
    folder: &Path,
    file: Option<PathBuf>,
    name: &str,
    declared: Option<[f64; 2]>,
) -> Result<(PathBuf, (RgbImage, Frame)), String> {
    if name.is_empty() {
        return Err("has no file_name".into());
    }
    let file = file.ok_or_else(|| {
        format!("{name} is neither beside the annotations nor in {}", folder.display())
    })?;
    let image = open_declared(&file, declared).map_err(|error| error.to_string())?;
    Ok((file, image))
}

/// The scene of an image, its annotations inside it, and what is wrong with them.
fn compose(
    id: u64,
    name: &str,
    image: &RgbImage,
    annotations: &[&Annotation],
    classes: &[Class],
    side: usize,
) -> (Scene, Vec<Annotation>, Vec<String>) {
    let (width, height) = (f64::from(image.width()), f64::from(image.height()));
    let mut scene = scene_of(id, image, side);
    let scale = scene.scale;
    let mut kept: Vec<Annotation> = Vec::new();
    let mut problems = Vec::new();
    for &annotation in annotations {
        let [left, top, wide, high] = annotation.bbox;
        let [x1, x2] = [left, left + wide].map(|x| x.clamp(0.0, width));
        let [y1, y2] = [top, top + high].map(|y| y.clamp(0.0, height));
        let bbox = [x1, y1, x2 - x1, y2 - y1];
        let corners = [x1, y1, x2, y2].map(|corner| corner as f32 * scale);
        let inside = bbox[2] * bbox[3];
        let wrong = if corners[0] >= corners[2] || corners[1] >= corners[3] {
            Some(format!("has no area inside {name} of {width} x {height} pixels"))
        } else if wide < 1.0 || high < 1.0 {
            Some("is smaller than a pixel: give left, top, width, height in pixels".into())
        } else if inside < LEAST_INSIDE * wide * high {
            Some(format!("lies mostly outside {name} of {width} x {height} pixels"))
        } else {
            let twin = |other: &Annotation| {
                (other.category, other.bbox, other.crowd)
                    == (annotation.category, bbox, annotation.crowd)
            };
            kept.iter().any(twin).then(|| "is there twice".into())
        };
        if let Some(wrong) = wrong {
            problems.push(format!("the box {:?} {wrong}", annotation.bbox));
            continue;
        }
        if !annotation.crowd {
            let class = index_of(classes, annotation.category);
            scene.objects.push(Object { class, corners });
        }
        kept.push(Annotation { bbox, ..annotation.clone() });
    }
    (scene, kept, problems)
}

/// Images to train on, and a fifth that is held out; of those with objects and of those without.
fn split(images: Vec<Image>, seed: u64) -> (Vec<Image>, Vec<Image>) {
    let (objects, backgrounds) = images.into_iter().partition(Image::has_object);
    let parts = [fifth(objects, seed), fifth(backgrounds, seed)];
    let [(mut train, mut held_out), (more_train, more_held_out)] = parts;
    train.extend(more_train);
    held_out.extend(more_held_out);
    (train, held_out)
}

/// Four fifths and a fifth; at least one of each if there are two.
fn fifth(images: Vec<Image>, seed: u64) -> (Vec<Image>, Vec<Image>) {
    // By the image's own hash: a new image changes nothing for the others.
    let hash = |image: &Image| scrambled(scrambled(seed) ^ image.scene.image);
    let few = images.len() < 2;
    let least = images.iter().map(hash).min();
    let most = images.iter().map(hash).max();
    let chosen = images.iter().filter(|image| hash(image) % HELD_OUT == 0).count();
    let (none, all) = (chosen == 0, chosen == images.len());
    images.into_iter().partition(|image| {
        let hash = Some(hash(image));
        let held_out = (none && hash == least) || hash.is_some_and(|h| h % HELD_OUT == 0);
        few || !held_out || (all && hash == most)
    })
}

/// What is to be found in these images.
fn truth(images: &[Image], classes: &[Class], ids: &Ids) -> GroundTruth {
    GroundTruth {
        ids: ids.clone(),
        images: images.iter().map(|image| (image.scene.image, image.name.clone())).collect(),
        sizes: images
            .iter()
            .map(|image| (image.scene.image, image.scene.size.map(f64::from)))
            .collect(),
        categories: classes.iter().map(|class| (class.id, class.name.clone())).collect(),
        annotations: images.iter().flat_map(|image| image.annotations.iter().cloned()).collect(),
        ..GroundTruth::default()
    }
}

#[cfg(test)]
mod tests;
