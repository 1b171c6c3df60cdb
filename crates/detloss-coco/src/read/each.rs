//! What formats with a file for each image have in common.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::{ReadError, text};
use crate::dataset::GroundTruth;
use crate::id::Id;

/// The files of a folder and those below it that `wanted` takes, in the order of their names. Of what cannot be listed there are none.
pub(crate) fn files(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    // Links are followed: data sets are put together of them. A link to a folder around it is an error of its own, and left out.
    let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    let is_hidden =
        |it: &DirEntry| it.depth() > 0 && it.file_name().as_encoded_bytes().starts_with(b".");
    let entries = walk.filter_entry(|entry| !is_hidden(entry)).filter_map(Result::ok);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files.map(DirEntry::into_path).filter(|file| wanted(file)).collect()
}

/// Whether the name of a file ends so, in capitals or not.
pub(crate) fn ends_in(file: &Path, ending: &str) -> bool {
    file.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

/// The text of a file, or why there is none.
pub(crate) fn text_of(file: &Path) -> Result<String, String> {
    text::load(file).map_err(|error| match error {
        ReadError::Io { source, .. } if source.kind() == ErrorKind::NotFound => {
            "is not there".to_owned()
        }
        ReadError::Io { source, .. } => format!("cannot be read: {source}"),
        ReadError::Content { problem, .. } => problem,
    })
}

/// The key of an image by the name of its file. Its id is what detectors that know nothing but files give it in their results: the
/// name without its ending, as a number if it is one. If another image has that, it is more of the name.
pub(super) fn key<B>(truth: &mut GroundTruth<B>, name: &str) -> u64 {
    let path = Path::new(name).with_extension("");
    let stem = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let digits = !stem.is_empty() && stem.bytes().all(|digit| digit.is_ascii_digit());
    let number = stem.parse().ok().filter(|_| digits).map(Id::Whole);
    let texts = [stem, path.to_string_lossy().into_owned(), name.to_owned()].map(Id::Text);
    let counted = (2..).map(|count| Id::Text(format!("{name} ({count})")));
    let mut keys = number.into_iter().chain(texts).chain(counted).map(|id| truth.ids.key(id));
    let free = keys.find(|key| !truth.images.contains_key(key));
    free.expect("there is always one more number")
}

/// The name of an image: its path below `folder`, with the same slashes everywhere.
pub(super) fn name(file: &Path, folder: &Path) -> String {
    let below = file.strip_prefix(folder).ok();
    let below = below.or_else(|| file.file_name().map(Path::new)).unwrap_or(file);
    below.to_string_lossy().replace('\\', "/")
}
