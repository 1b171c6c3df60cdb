//! The image files of a data set.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use detloss_coco::{Entry, Kind, Part, Place, Problem};
use rayon::prelude::*;

use crate::images::{self, Frame, ImageFileError};
use crate::output::progress;

/// What there is to know of an image file.
struct Seen {
    kind: Option<(Kind, String)>,
    /// The length and a hash of its bytes.
    content: Option<(usize, u64)>,
}

/// Adds what is wrong with the images of all parts, as they lie in `folder`.
pub(super) fn check(parts: &[Part], folder: &Path, problems: &mut Vec<Problem>) {
    let all: usize = parts.iter().map(|part| part.truth.images.len()).sum();
    let bar = progress(all as u64, "images");
    let mut contents: HashMap<(usize, u64), (usize, &str)> = HashMap::new();
    for (index, part) in parts.iter().enumerate() {
        let file = part.file.as_path().into();
        let listed: Vec<(&u64, &String)> =
            part.truth.images.iter().filter(|(_, name)| !name.is_empty()).collect();
        let look = |(image, name): &(&u64, &String)| {
            let seen = look(folder, part, name, part.truth.sizes.get(image).copied());
            bar.inc(1);
            seen
        };
        let seen: Vec<Seen> = listed.par_iter().map(look).collect();
        let mut names: HashMap<&str, ()> = HashMap::new();
        for ((image, name), Seen { kind, content }) in listed.into_iter().zip(seen) {
            let mut add = |kind, said| {
                let place =
                    Place { image: Some(part.truth.id(*image)), ..Place::new(&file, Entry::File) };
                problems.push(Problem { kind, place, said });
            };
            if let Some((kind, said)) = kind {
                add(kind, said);
            }
            // That a file is listed twice is said already.
            if names.insert(name, ()).is_some() {
                continue;
            }
            let Some(content) = content else { continue };
            let (first, other) = *contents.entry(content).or_insert((index, name));
            if first != index {
                add(Kind::Leak, format!("{name:?} is {other:?} of {}", parts[first].name));
            } else if other != name {
                add(Kind::SameContent, format!("{name:?} is {other:?}"));
            }
        }
    }
    bar.finish_and_clear();
    // Now it is known which files are the same: their names say no more.
    problems.retain(|problem| problem.kind != Kind::LeakedName);
}

fn look(folder: &Path, part: &Part, name: &str, declared: Option<[f64; 2]>) -> Seen {
    let Some(path) = find(folder, part, name) else {
        let said = format!("{name:?} is not in {}", folder.display());
        return Seen { kind: Some((Kind::MissingFile, said)), content: None };
    };
    let content = fs::read(&path).ok().map(|bytes| {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        (bytes.len(), hasher.finish())
    });
    let kind = match images::open_declared(&path, declared) {
        Ok((_, Frame::Displayed)) => None,
        Ok((_, Frame::Stored)) => {
            let [width, height] = declared.unwrap_or_default();
            let said = format!(
                "{} is displayed turned by its EXIF data, and annotated as it is stored, {width} x {height}",
                path.display()
            );
            Some((Kind::Turned, said))
        }
        Err(error) => {
            let kind = match &error {
                ImageFileError::CutOff { .. } => Kind::CutOff,
                ImageFileError::Size { .. } => Kind::WrongSize,
                _ => Kind::UnreadableFile,
            };
            let said = error.to_string();
            // The remedy of the kind follows.
            let said = said.split_once(": give ").map_or(&*said, |(said, _)| said);
            Some((kind, said.to_owned()))
        }
    };
    Seen { kind, content }
}

/// The file of an image, wherever it lies.
fn find(folder: &Path, part: &Part, name: &str) -> Option<PathBuf> {
    // COCO's own images lie in train2017 when the annotations are instances_train2017.json.
    let part_name = part.name.strip_prefix("instances_").unwrap_or(&part.name);
    let beside = part.file.parent().unwrap_or(folder);
    let rooms = [
        folder.to_owned(),
        folder.join(part_name),
        folder.join("images"),
        folder.join("images").join(part_name),
        beside.to_owned(),
    ];
    rooms.into_iter().map(|room| room.join(name)).find(|file| file.is_file())
}
