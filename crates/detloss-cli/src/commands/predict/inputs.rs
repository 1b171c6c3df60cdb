//! Which images to look at, and what annotations call them.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use detloss_coco::{DataSet, GroundTruth, Id, Role, Source};
use image::RgbImage;

use crate::cli::PredictArgs;
use crate::output::CliError;
use detloss_coco::images::{FORMATS, ImageFileError, decode, is_image, open_declared};

/// What standard input is called.
const STDIN: &str = "-";

/// The images of a call.
pub(super) struct Inputs {
    pub(super) images: Vec<PathBuf>,
    /// Of each image what annotations say of it; none where there are no annotations.
    known: Option<Vec<Option<Known>>>,
    /// The file that says so.
    pub(super) annotations: Option<PathBuf>,
}

/// What annotations say of an image.
#[derive(Clone)]
struct Known {
    id: Id,
    size: Option<[f64; 2]>,
}

impl Inputs {
    /// The images that are given, and those of the folders that are.
    pub(super) fn new(args: &PredictArgs) -> Result<Self, CliError> {
        let mut images = Vec::new();
        for path in &args.images {
            if path.is_dir() {
                let before = images.len();
                collect(path, &args.out, &mut images)?;
                if images.len() == before {
                    let problem = format!("{} has no images: {FORMATS} are read", path.display());
                    return Err(anyhow::anyhow!(problem).into());
                }
            } else {
                images.push(path.clone());
            }
        }
        let source = match (&args.annotations, &args.images[..]) {
            (Some(file), _) => {
                let set = DataSet::find(file).map_err(CliError::failure)?;
                Some(set.one(Role::Validation).map_err(CliError::failure)?.clone())
            }
            (None, [folder]) if folder.is_dir() => {
                let set = DataSet::find(folder).ok().filter(|set| set.parts.len() == 1);
                set.map(|mut set| set.parts.remove(0))
            }
            _ => None,
        };
        let Some(source) = source else {
            return Ok(Self { images, known: None, annotations: None });
        };
        let known = Some(known(&source, &images)?);
        Ok(Self { images, known, annotations: Some(source.file) })
    }

    /// Opens the image at this place, in the pixels that its annotations are in if it has some.
    pub(super) fn open(&self, place: usize) -> Result<RgbImage, ImageFileError> {
        let path = &*self.images[place];
        if path == Path::new(STDIN) {
            let mut bytes = Vec::new();
            let io = |problem| ImageFileError::Io { path: "standard input".into(), problem };
            std::io::stdin().lock().read_to_end(&mut bytes).map_err(io)?;
            return decode(Path::new("standard input"), &bytes, None).map(|(image, _)| image);
        }
        let known = self.known.as_ref().and_then(|known| known[place].as_ref());
        open_declared(path, known.and_then(|known| known.size)).map(|(image, _)| image)
    }

    /// The id of the image at this place: that of the annotations, or its number where there are none.
    pub(super) fn id(&self, place: usize) -> Option<Id> {
        match &self.known {
            Some(known) => known[place].as_ref().map(|known| known.id.clone()),
            None => Some(Id::Whole(place as i128 + 1)),
        }
    }

    /// What to say of ids that nobody gave.
    pub(super) fn note(&self) -> &'static str {
        if self.known.is_some() {
            ""
        } else {
            "; the ids of their images count from 1: --annotations gives others"
        }
    }
}

/// All images below a folder by their names, but none of those that are to be written.
fn collect(folder: &Path, out: &Path, images: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let io = || format!("could not read {}: check the path", folder.display());
    let mut entries: Vec<PathBuf> = folder
        .read_dir()
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .with_context(io)?;
    // Systems list folders in any order.
    entries.sort();
    let is_out = |path: &Path| {
        let [path, out] = [path, out].map(|path| path.canonicalize().ok());
        path.is_some() && path == out
    };
    for path in entries {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() {
            if !hidden && !is_out(&path) {
                collect(&path, out, images)?;
            }
        } else if !hidden && is_image(&path) {
            images.push(path);
        }
    }
    Ok(())
}

/// Finds each image among the annotated ones by its name: the whole of it, folders included, is how the path ends.
fn known(source: &Source, images: &[PathBuf]) -> Result<Vec<Option<Known>>, CliError> {
    let truth: GroundTruth = source.read().map_err(CliError::failure)?.content;
    let mut by_name: HashMap<_, Vec<(&str, Known)>> = HashMap::new();
    for (&id, name) in truth.images.iter().filter(|(_, name)| !name.is_empty()) {
        let known = Known { id: truth.id(id), size: truth.sizes.get(&id).copied() };
        let last = Path::new(name).file_name().unwrap_or_default();
        by_name.entry(last).or_default().push((name, known));
    }
    let find = |path: &PathBuf| {
        let candidates = by_name.get(path.file_name()?)?;
        let fits = candidates.iter().filter(|(name, _)| path.ends_with(name));
        // The longest name says most: a/b.png, where there is a b.png as well.
        fits.max_by_key(|(name, _)| name.len()).map(|(_, known)| known.clone())
    };
    Ok(images.iter().map(find).collect())
}
