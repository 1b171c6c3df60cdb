//! What is wrong with a data set before anything is trained on it.

mod boxes;
mod fix;
mod lists;

pub use self::fix::{Change, fixed};
use crate::dataset::GroundTruth;
use crate::find::{DataSet, Source};
use crate::problem::{Problem, Read};
use crate::read::ReadError;

/// A part of a data set, as it was read.
#[derive(Debug, Clone)]
pub struct Part {
    /// Where it is.
    pub source: Source,
    /// What can be used of it.
    pub truth: GroundTruth,
    /// What cannot be read of it.
    pub problems: Vec<Problem>,
}

/// All parts of a data set.
///
/// # Errors
///
/// If one of them is no annotation file.
pub fn parts_of(set: &DataSet) -> Result<Vec<Part>, ReadError> {
    let mut parts: Vec<Part> = Vec::new();
    for source in &set.parts {
        let Read { content: truth, mut problems } = source.read()?;
        // What is wrong with the settings of all parts is told once.
        problems.retain(|problem| !parts.iter().any(|part| part.problems.contains(problem)));
        parts.push(Part { source: source.clone(), truth, problems });
    }
    Ok(parts)
}

/// Everything that is wrong with the annotations, without a look at the images.
pub fn check(parts: &[Part]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    for part in parts {
        problems.extend(part.problems.iter().cloned());
        problems.extend(boxes::check(part));
        problems.extend(lists::check(part));
    }
    problems.extend(lists::between(parts));
    problems
}

#[cfg(test)]
mod tests;
