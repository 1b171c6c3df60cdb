//! Annotations and results as commands take them: what is broken is left out, and said.

use std::collections::BTreeMap;
use std::path::Path;

use detloss_coco::{
    self as coco, Bbox, DataSet, Detection, GroundTruth, Kind, Problem, Read, Role, Severity,
};

use crate::output::{CliError, say};

/// Of so many kinds of problems the first is shown.
const SHOWN: usize = 5;

/// The annotations of a data set; if it has several parts, those of the one for this `role`, which is said.
pub(crate) fn ground_truth<B: Bbox>(path: &Path, role: Role) -> Result<GroundTruth<B>, CliError> {
    let set = DataSet::find(path).map_err(CliError::failure)?;
    let part = set.one(role).map_err(CliError::failure)?;
    if set.parts.len() > 1 {
        say(format_args!("of {} the part {}: {}", path.display(), part.name, part.file.display()));
    }
    let Read { content, problems } = part.read().map_err(CliError::failure)?;
    let usable = !content.annotations.is_empty();
    report::<B>(&problems, usable, &format!("`detloss check {}` lists them all", path.display()))?;
    Ok(content)
}

/// The detections of a file, made on the images of `truth`.
pub(crate) fn results<B: Bbox>(
    path: &Path,
    truth: &GroundTruth<B>,
) -> Result<Vec<Detection<B>>, CliError> {
    let Read { content, problems } = coco::read_results(path, truth).map_err(CliError::failure)?;
    report::<B>(&problems, !content.is_empty(), "the others count")?;
    Ok(content)
}

/// Says what is wrong with what was read. If nothing else is there, it is an error.
fn report<B: Bbox>(problems: &[Problem], usable: bool, rest: &str) -> Result<(), CliError> {
    // Notes are for whoever checks a data set, or for whom it has nothing else to say.
    let is_wrong = |problem: &&Problem| !usable || problem.kind.severity() != Severity::Note;
    let problems: Vec<&Problem> = problems.iter().filter(is_wrong).collect();
    let Some(first) = problems.first() else { return Ok(()) };
    let remedy = |kind: Kind| if kind == Kind::NoBox { B::REMEDY } else { kind.remedy() };
    if !usable {
        return Err(CliError::Failure(anyhow::anyhow!(
            "{first}; {} (nothing else is left to use)",
            remedy(first.kind)
        )));
    }
    let mut kinds: BTreeMap<Kind, (usize, &Problem)> = BTreeMap::new();
    for &problem in &problems {
        kinds.entry(problem.kind).or_insert((0, problem)).0 += 1;
    }
    let entries = if problems.len() == 1 { "problem" } else { "problems" };
    say(format_args!("{} {entries} in {}; {rest}", problems.len(), first.place.file.display()));
    for (kind, (count, first)) in kinds.iter().take(SHOWN) {
        let (place, said) = (&first.place, &first.said);
        say(format_args!(
            "  {count} × {}, the first: {place}: {said}; {}",
            kind.title(),
            remedy(*kind)
        ));
    }
    if let Some(more) = kinds.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        say(format_args!("  and {more} other kinds"));
    }
    Ok(())
}
