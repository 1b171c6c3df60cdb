//! The image files of a data set.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use detloss_coco::images::{self, Frame};
use detloss_coco::{Entry, Kind, Part, Place, Problem};
use rayon::prelude::*;

use super::look::{Look, twins};
use crate::output::progress;

/// What there is to know of an image file.
struct Seen {
    kind: Option<(Kind, String)>,
    /// The length and a hash of its bytes.
    content: Option<(usize, u64)>,
    look: Option<Look>,
}

/// An image that can be seen, as an entry of its part.
struct Known<'a> {
    part: usize,
    image: u64,
    name: &'a str,
}

/// Adds what is wrong with the images of all parts. `find` knows the file of an image, by its name; it was looked for in `folder`.
pub(super) fn check(
    parts: &[Part],
    folder: &Path,
    find: impl Fn(&Part, u64, &str) -> Option<PathBuf> + Sync,
    problems: &mut Vec<Problem>,
) {
    let all: usize = parts.iter().map(|part| part.truth.images.len()).sum();
    let bar = progress(all as u64, "images");
    let mut contents: HashMap<(usize, u64), (usize, &str)> = HashMap::new();
    let (mut known, mut looks) = (Vec::new(), Vec::new());
    for (index, part) in parts.iter().enumerate() {
        let listed: Vec<(&u64, &String)> =
            part.truth.images.iter().filter(|(_, name)| !name.is_empty()).collect();
        let look = |(image, name): &(&u64, &String)| {
            let declared = part.truth.sizes.get(image).copied();
            let seen = match find(part, **image, name) {
                Some(path) => look(&path, declared),
                None => {
                    let said = format!("{name:?} is not in {}", folder.display());
                    let kind = Some((Kind::MissingFile, said));
                    Seen { kind, content: None, look: None }
                }
            };
            bar.inc(1);
            seen
        };
        let seen: Vec<Seen> = listed.par_iter().map(look).collect();
        let mut names: BTreeSet<&str> = BTreeSet::new();
        for ((&image, name), Seen { kind, content, look }) in listed.into_iter().zip(seen) {
            if let Some((kind, said)) = kind {
                problems.push(problem(part, image, kind, said));
            }
            // That a file is listed twice is said already.
            if !names.insert(name) {
                continue;
            }
            let Some(content) = content else { continue };
            let (first, other) = *contents.entry(content).or_insert((index, name));
            if first != index {
                let said = format!("{name:?} is {other:?} of {}", parts[first].source.name);
                problems.push(problem(part, image, Kind::Leak, said));
            } else if other != name {
                let said = format!("{name:?} is {other:?}");
                problems.push(problem(part, image, Kind::SameContent, said));
            } else if let Some(look) = look {
                known.push(Known { part: index, image, name });
                looks.push(look);
            }
        }
    }
    bar.finish_and_clear();
    for (this, first) in twins(&looks) {
        let (this, first) = (&known[this], &known[first]);
        let other = match first.part == this.part {
            true => format!("{:?}", first.name),
            false => format!("{:?} of {}", first.name, parts[first.part].source.name),
        };
        let said = format!("{:?} shows what {other} does", this.name);
        problems.push(problem(&parts[this.part], this.image, Kind::SamePicture, said));
    }
    // Now it is known which files are the same: their names say no more.
    problems.retain(|problem| problem.kind != Kind::LeakedName);
}

fn problem(part: &Part, image: u64, kind: Kind, said: String) -> Problem {
    let file = part.source.file.as_path().into();
    let place = Place { image: Some(part.truth.id(image)), ..Place::new(&file, Entry::File) };
    Problem { kind, place, said }
}

fn look(path: &Path, declared: Option<[f64; 2]>) -> Seen {
    let bytes = images::read(path);
    let content = bytes.as_ref().ok().map(|bytes| {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        (bytes.len(), hasher.finish())
    });
    let opened = bytes.and_then(|bytes| images::decode(path, &bytes, declared));
    let (kind, look) = match opened {
        Ok((image, Frame::Displayed)) => (None, Some(Look::of(&image))),
        Ok((image, Frame::Stored)) => {
            let [width, height] = declared.unwrap_or_default();
            let said = format!(
                "{} is displayed turned by its EXIF data, and annotated as it is stored, {width} x {height}",
                path.display()
            );
            (Some((Kind::Turned, said)), Some(Look::of(&image)))
        }
        // The remedy of the kind follows.
        Err(error) => (Some((error.kind(), error.problem())), None),
    };
    Seen { kind, content, look }
}
