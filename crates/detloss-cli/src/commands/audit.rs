//! `detloss audit`: the losses of a real detector's output.

mod boxes;
mod compare;
mod findings;
mod gradient;
mod losses;
mod matrix;
mod measure;
mod pictures;
mod quality;
mod records;
mod section;
mod stats;
mod suspects;
mod tally;
mod verdict;
mod worst;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use detloss::operand::Kind;
use detloss_coco::{Bbox, GroundTruth, Options, OptionsError, Role, RotatedBox, Xywh};

use self::findings::Findings;
use self::measure::{Audit, Over};
use self::section::Section;
use crate::choice::{self, Chosen};
use crate::cli::AuditArgs;
use crate::input;
use crate::output::{CliError, make_folder, print, print_json, progress, say, stdout_is_styled};
use crate::report::Report;

/// Audits a detector.
pub(crate) fn run(args: &AuditArgs, json: bool) -> Result<(), CliError> {
    if args.rotated { of::<RotatedBox>(args, json) } else { of::<Xywh>(args, json) }
}

/// Audits a detector of such boxes, or compares two.
fn of<B: Bbox>(args: &AuditArgs, json: bool) -> Result<(), CliError> {
    if args.dt.len() > 2 {
        let problem = "--dt is given more than twice: two detectors are compared at a time";
        return Err(CliError::Usage(problem.into()));
    }
    if args.images.is_some() && args.dt.len() > 1 {
        let problem = "--images shows one detector: give one --dt";
        return Err(CliError::Usage(problem.into()));
    }
    if let Some(folder) = args.images.as_ref().filter(|folder| !folder.is_dir()) {
        let problem = format!("--images: {} is no folder: check the path", folder.display());
        return Err(CliError::Usage(problem));
    }
    let chosen = choose(args, B::KIND)?;
    let top = args.top as usize;
    // For each detector a file to read, an evaluation, the losses; besides annotations, sections and files.
    let bar = progress((args.dt.len() * (chosen.len() + 2) + 3) as u64, "audit");
    bar.tick();
    let truth = Arc::new(input::ground_truth::<B>(&args.gt, Role::Validation)?);
    bar.inc(1);
    let options = options(args, &truth)?;
    make_folder(&args.out)?;
    let mut audits = Vec::new();
    for path in &args.dt {
        let found = input::results(path, &truth)?;
        bar.inc(1);
        audits.push(Audit::new(Arc::clone(&truth), found, &options, &chosen, &bar)?);
    }
    let mut names = vec!["audit.html", "audit.json"];
    let sections = match &audits[..] {
        [first, second] => compare::sections(first, second, args.seed),
        audits => {
            names.push("boxes.csv");
            section::write(&args.out, "boxes.csv", |file| boxes::write(&audits[0], file))?;
            of_one(&audits[0], top, args.images.as_deref())
        }
    };
    bar.inc(1);
    let folder = &args.out;
    let summary = section::json(&sections, top);
    names.extend(section::csv(&sections, folder)?);
    section::write(folder, "audit.json", |file| Ok(serde_json::to_writer_pretty(file, &summary)?))?;
    section::write(folder, "audit.html", |file| {
        Ok(file.write_all(page(args, &sections, top).as_bytes())?)
    })?;
    bar.finish_and_clear();

    for (audit, path) in audits.iter().zip(&args.dt) {
        let note = audit.clamped.note();
        for line in note.lines() {
            let which =
                if audits.len() > 1 { format!("{}: ", path.display()) } else { String::new() };
            say(format_args!("{which}{line}"));
        }
    }
    if json {
        print_json(&summary)?;
    } else {
        print(&section::text(&sections, top, stdout_is_styled()))?;
    }
    say(format_args!("wrote {} to {}", names.join(", "), folder.display()));
    Ok(())
}

/// All sections of an audit; of the worst boxes, the first `top`.
fn of_one(audit: &Audit<impl Bbox>, top: usize, images: Option<&Path>) -> Vec<Section> {
    let findings = Findings::of(audit);
    let remarks = verdict::remarks(audit, &findings);
    let pictures = images.map(|folder| pictures::section(audit, &findings, folder));
    let what_and_where = [
        verdict::section(&remarks),
        quality::counts(audit),
        quality::precision(audit),
        quality::errors(audit),
        quality::classes(audit, &findings),
        quality::confusions(audit),
        losses::sizes(audit, &findings),
        quality::crowding(audit),
        quality::calibration(audit),
        worst::images(audit, &findings),
        worst::boxes(audit, &findings, top),
        worst::suspects(audit, &findings),
    ];
    // A chart for each loss: whoever looks for boxes and pictures need not pass them.
    let by_loss = [losses::losses(audit), losses::gradients(audit)];
    what_and_where.into_iter().chain(pictures).chain(by_loss).collect()
}

fn page(args: &AuditArgs, sections: &[Section], top: usize) -> String {
    let (title, lead) = match args.dt.len() {
        1 => (
            "Audit of a detector",
            "Where the errors of a detector are, what they cost, and which losses they hold: by kind, class, size, image and box; \
             and which annotations the detector disagrees with.",
        ),
        _ => (
            "Two detectors",
            "How two detectors differ on the same images, by class, size and loss, and which of the differences would stay.",
        ),
    };
    let mut report = Report::new(title, lead);
    report.input("Annotations", &args.gt);
    for (place, path) in args.dt.iter().enumerate() {
        let name = if args.dt.len() == 1 { "Detections" } else { ["A", "B"][place] };
        report.input(name, path);
    }
    section::page(&mut report, sections, top);
    report.to_html()
}

/// How to evaluate.
fn options<B>(args: &AuditArgs, truth: &GroundTruth<B>) -> Result<Options, CliError> {
    let mut options = Options {
        score: args.score,
        threshold: args.threshold,
        max_detections: args.max_dets as usize,
        ..Options::default()
    };
    let wrong = |option| move |error: OptionsError| CliError::Usage(format!("{option}: {error}"));
    if !args.iou.is_empty() {
        options = options.with_ious(&args.iou).map_err(wrong("--iou"))?;
    }
    if !args.area.is_empty() {
        options = options.with_sides(&args.area).map_err(wrong("--area"))?;
    }
    if !args.classes.is_empty() {
        let key = |wanted: &String| {
            truth.category(wanted.trim()).ok_or_else(|| {
                let names: Vec<&str> = truth.categories.values().map(String::as_str).collect();
                let all = names.join(", ");
                CliError::Usage(format!("there is no class {wanted:?}: the annotations have {all}"))
            })
        };
        options.classes = Some(args.classes.iter().map(key).collect::<Result<_, _>>()?);
    }
    Ok(options)
}

/// The losses that were asked for, or all that an audit of such boxes can take.
fn choose(args: &AuditArgs, boxes: Kind) -> Result<Vec<Chosen>, CliError> {
    let fits = |entry: &&detloss::losses::Entry| Over::of(entry, boxes).is_some();
    let all: Vec<String> =
        detloss::losses::ALL.iter().filter(fits).map(|entry| entry.name.to_owned()).collect();
    let names = choice::split(&args.losses);
    for name in &names {
        let loss = name.parse::<detloss::losses::AnyLoss>()?;
        if !fits(&loss.entry()) {
            let remedy = match choice::kind_of_boxes(loss.entry()) {
                Some(Kind::Box) => Some("leave out --rotated"),
                Some(Kind::RotatedBox) => Some("give boxes of five numbers, and --rotated"),
                _ => None,
            };
            if let Some(remedy) = remedy {
                let [own, these] = [loss.entry().signature.pred, boxes]
                    .map(|kind| choice::name_of_boxes(kind).unwrap_or_default());
                let problem = format!("{name} is a loss of {own}, and these are {these}: {remedy}");
                return Err(CliError::Usage(problem));
            }
            return Err(CliError::Usage(format!(
                "{name} is no loss of a detector's boxes or scores: choose among {}",
                all.join(", ")
            )));
        }
    }
    if names.is_empty() {
        return choice::every(&all, &args.params);
    }
    // Each once, in the order of the list.
    let mut chosen = choice::every(&names, &args.params)?;
    chosen.sort_by_key(|chosen| all.iter().position(|known| known == chosen.entry.name));
    chosen.dedup_by(|next, before| next.loss == before.loss);
    Ok(chosen)
}
