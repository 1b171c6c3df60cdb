//! Reading annotations and results as tools write them. What is broken is left out and named; only what is no file of its sort is an
//! error.

pub(crate) mod each;
mod raw;
mod results;
mod text;
mod truth;
pub(crate) mod voc;
pub(crate) mod yolo;

use std::path::{Path, PathBuf};

use serde_json::value::RawValue;

pub use self::results::{parse_results, read_results};
pub use self::truth::{parse_ground_truth, read_ground_truth};

/// A file that could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be opened or read.
    #[error("could not read {}: check the path", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file was read, but its content is not what belongs there.
    #[error("{}: {}{problem}; {remedy}", path.display(), prefix(place))]
    Content {
        /// The file.
        path: PathBuf,
        /// Where in the file; empty for all of it.
        place: String,
        /// What is wrong there.
        problem: String,
        /// What to do about it.
        remedy: &'static str,
    },
}

fn prefix(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!("{place}: ") }
}

impl ReadError {
    pub(crate) fn whole(path: &Path, problem: impl Into<String>, remedy: &'static str) -> Self {
        let problem = problem.into();
        Self::Content { path: path.into(), place: String::new(), problem, remedy }
    }
}

const SWAP_REMEDY: &str = "annotations are an object, results an array: are the files swapped?";

/// A file of JSON, as text.
fn load(path: &Path) -> Result<String, ReadError> {
    let text = text::load(path)?;
    match text.trim_start().bytes().next() {
        Some(b'{' | b'[') => {}
        None => {
            let remedy = "for no detections write [], for annotations a COCO json file";
            return Err(ReadError::whole(path, "the file is empty", remedy));
        }
        Some(_) => return Err(ReadError::whole(path, "is not json", "give a COCO json file")),
    }
    Ok(text)
}

/// Has the value of a file looked at: that of its text, or, if that is no JSON, of the text with its infinities in quotes.
fn parse<T>(
    path: &Path,
    text: &str,
    look: impl FnOnce(&RawValue) -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    let error = match serde_json::from_str::<&RawValue>(text) {
        Ok(value) => return look(value),
        Err(error) => error,
    };
    if let Some(quoted) = text::quote_infinities(text)
        && let Ok(value) = serde_json::from_str(&quoted)
    {
        return look(value);
    }
    let place = format!("line {}, column {}", error.line(), error.column());
    let words = error.to_string();
    let words = words.split(" at line").next().unwrap_or_default();
    let (problem, remedy) = match error.classify() {
        serde_json::error::Category::Eof => (
            "the file ends in the middle of a value".to_owned(),
            "the file was cut off: write it again",
        ),
        _ if words == "trailing characters" => {
            ("something follows after the end".to_owned(), "keep one json value in a file")
        }
        _ => (
            format!("this is no json ({words})"),
            "write plain json, without trailing commas or comments",
        ),
    };
    Err(ReadError::Content { path: path.into(), place, problem, remedy })
}

/// The whole of a file.
pub(crate) fn json_of(path: &Path) -> Result<serde_json::Value, ReadError> {
    let text = load(path)?;
    parse(path, &text, |value| {
        // Of a field that is there twice the last one stays.
        serde_json::from_str(value.get())
            .map_err(|error| ReadError::whole(path, error.to_string(), "write plain json"))
    })
}

#[cfg(test)]
mod tests;
