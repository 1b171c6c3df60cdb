//! Annotations and results as commands take them: what is broken is left out, and said.

use std::collections::BTreeMap;
use std::path::Path;

use detloss_coco::{self as coco, Bbox, Detection, GroundTruth, Kind, Problem, Read};

use crate::output::{CliError, say};

/// Of so many kinds of problems the first is shown.
const SHOWN: usize = 5;

/// The annotations of a file.
pub(crate) fn ground_truth<B: Bbox>(path: &Path) -> Result<GroundTruth<B>, CliError> {
    let Read { content, problems } = coco::read_ground_truth(path).map_err(CliError::failure)?;
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
    let Some(first) = problems.first() else { return Ok(()) };
    let remedy = |kind: Kind| if kind == Kind::NoBox { B::REMEDY } else { kind.remedy() };
    if !usable {
        return Err(CliError::Failure(anyhow::anyhow!(
            "{first}; {} (nothing else is left to use)",
            remedy(first.kind)
        )));
    }
    let mut kinds: BTreeMap<Kind, (usize, &Problem)> = BTreeMap::new();
    for problem in problems {
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
