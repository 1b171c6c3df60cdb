//! `detloss check`: what is wrong with a data set.

mod files;
mod look;
mod show;

use std::path::Path;

use detloss_coco::{self as coco, Change, DataSet, Kind, Part, Problem, Severity};
use serde::Serialize;

use crate::cli::CheckArgs;
use crate::output::{CliError, make_folder_of, print, print_json, replace, save, say};

/// What was found.
#[derive(Serialize)]
struct Checked {
    parts: Vec<OfPart>,
    errors: usize,
    warnings: usize,
    notes: usize,
    kinds: Vec<OfKind>,
    problems: Vec<Problem>,
}

/// A part, in numbers.
#[derive(Serialize)]
struct OfPart {
    name: String,
    file: String,
    images: usize,
    objects: usize,
    classes: usize,
}

/// A kind of problem that occurs.
#[derive(Serialize)]
struct OfKind {
    kind: Kind,
    severity: Severity,
    count: usize,
    title: &'static str,
    remedy: &'static str,
}

/// Checks a data set.
pub(crate) fn run(args: &CheckArgs, json: bool) -> Result<(), CliError> {
    let set = DataSet::find(&args.data).map_err(CliError::failure)?;
    let parts = coco::parts_of(&set).map_err(CliError::failure)?;
    for (folder, option) in [(&args.out, "--out"), (&args.fix, "--fix")] {
        if let Some(folder) = folder {
            make_folder_of(folder, option)?;
        }
    }
    let mut problems = coco::check(&parts);
    match &args.images {
        Some(images) if !images.is_dir() => {
            let problem = format!("--images {} is no folder", images.display());
            return Err(CliError::Usage(problem));
        }
        Some(images) => {
            let find = |part: &Part, image, name: &str| {
                let file = part.source.image_in(images, name);
                file.or_else(|| set.image(&part.source, &part.truth, image))
            };
            files::check(&parts, images, find, &mut problems);
        }
        // An annotation file by itself is checked by itself.
        None if !args.data.is_dir() && parts.iter().all(|part| part.source.is_coco()) => {}
        None => {
            let find = |part: &Part, image, _: &str| set.image(&part.source, &part.truth, image);
            let is_there = |part: &Part| {
                part.truth.images.keys().any(|&image| find(part, image, "").is_some())
            };
            if parts.iter().any(is_there) {
                files::check(&parts, &set.folder, find, &mut problems);
            } else {
                say(format_args!(
                    "no image is in {}: files are not checked; --images says where they are",
                    set.folder.display()
                ));
            }
        }
    }
    let checked = Checked::new(&parts, problems);
    let top = args.top as usize;
    // Files first: whoever reads the output may have enough of it before its end.
    if let Some(folder) = &args.out {
        let document = serde_json::to_vec_pretty(&checked).map_err(CliError::failure)?;
        save(folder, "check.json", &document)?;
        save(folder, "problems.csv", &rows(checked.problems.iter().map(|it| (it, None)))?)?;
        save(folder, "check.html", show::page(&checked, &args.data, top).as_bytes())?;
        say(format_args!("wrote check.html, check.json, problems.csv to {}", folder.display()));
    }
    if let Some(folder) = &args.fix {
        fix(&parts, &checked.problems, folder)?;
    }
    if json {
        print_json(&checked)?;
    } else {
        print(&show::text(&checked, top))?;
    }
    match checked.errors {
        0 => Ok(()),
        1 => Err(CliError::Failure(anyhow::anyhow!("1 error was found"))),
        errors => Err(CliError::Failure(anyhow::anyhow!("{errors} errors were found"))),
    }
}

impl Checked {
    fn new(parts: &[Part], problems: Vec<Problem>) -> Self {
        let count = |severity| problems.iter().filter(|it| it.kind.severity() == severity).count();
        let kinds = Kind::ALL.iter().map(|&kind| OfKind {
            kind,
            severity: kind.severity(),
            count: problems.iter().filter(|problem| problem.kind == kind).count(),
            title: kind.title(),
            remedy: kind.remedy(),
        });
        let part = |part: &Part| OfPart {
            name: part.source.name.clone(),
            file: part.source.file.display().to_string(),
            images: part.truth.images.len(),
            objects: part.truth.annotations.len(),
            classes: part.truth.categories.len(),
        };
        Self {
            parts: parts.iter().map(part).collect(),
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
            kinds: kinds.filter(|kind| kind.count > 0).collect(),
            problems,
        }
    }

    /// The problems of a kind.
    fn of(&self, kind: Kind) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(move |problem| problem.kind == kind)
    }
}

/// Writes cleaned copies, and what was done.
fn fix(parts: &[Part], problems: &[Problem], folder: &Path) -> Result<(), CliError> {
    let mut changes: Vec<Change> = Vec::new();
    for part in parts {
        if part.source.file == Path::new("-") {
            let words = "standard input cannot be read twice: give --fix a file to clean";
            return Err(CliError::Usage(words.into()));
        }
        let (value, done) = coco::fixed(part, problems).map_err(CliError::failure)?;
        let name = copy_of(part);
        // Roboflow has files of one name in a folder for each part.
        let same = |other: &&Part| copy_of(other) == name;
        let place = if parts.iter().filter(same).count() > 1 {
            let place = folder.join(&part.source.name);
            make_folder_of(&place, "--fix")?;
            place
        } else {
            folder.to_owned()
        };
        let copy = place.join(&name);
        if copy.exists() && copy.canonicalize().ok() == part.source.file.canonicalize().ok() {
            let words = format!("--fix would write over {}: choose another folder", copy.display());
            return Err(CliError::Usage(words));
        }
        replace(&copy, &serde_json::to_vec(&value).map_err(CliError::failure)?, "--fix")?;
        changes.extend(done);
    }
    let open = changes.iter().filter(|change| change.done.is_none());
    let open = open.filter(|change| change.problem.kind.severity() != Severity::Note).count();
    let done = changes.iter().filter(|change| change.done.is_some()).count();
    let table = rows(changes.iter().map(|it| (&it.problem, it.done.as_deref())))?;
    replace(&folder.join("changes.csv"), &table, "--fix")?;
    say(format_args!(
        "wrote cleaned copies to {}: {done} changes, {open} errors and warnings left to decide; changes.csv has them all",
        folder.display()
    ));
    Ok(())
}

/// The name of the cleaned copy of a part: in COCO's format, whatever that of the part.
fn copy_of(part: &Part) -> String {
    if !part.source.is_coco() {
        return format!("{}.json", part.source.name);
    }
    let name = part.source.file.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".gz").unwrap_or(&name).to_owned()
}

/// Problems as CSV, each with what was done about it.
fn rows<'a>(
    problems: impl Iterator<Item = (&'a Problem, Option<&'a str>)>,
) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "severity", "kind", "file", "entry", "field", "id", "image", "problem", "done",
    ])?;
    for (problem, done) in problems {
        let place = &problem.place;
        let id = |id: &Option<coco::Id>| id.as_ref().map_or(String::new(), ToString::to_string);
        writer.write_record([
            problem.kind.severity().word(),
            problem.kind.id(),
            &place.file.display().to_string(),
            &place.entry.to_string(),
            place.field,
            &id(&place.id),
            &id(&place.image),
            &problem.said,
            done.unwrap_or_default(),
        ])?;
    }
    Ok(writer.into_inner()?)
}
