//! `detloss audit`: the losses of a real detector's output.

mod files;
mod findings;
mod gradient;
mod measure;
mod report;
mod stats;
mod suspects;
mod tables;
mod tally;

use std::io::Write;

use detloss::operand::Kind;
use detloss_coco::{self as coco, Bbox, RotatedBox, Xywh};

use self::findings::Findings;
use self::measure::{Audit, Over};
use crate::choice::{self, Chosen};
use crate::cli::AuditArgs;
use crate::output::{CliError, make_folder, print, print_json, progress, say, stdout_is_styled};
use crate::table::Table;

/// A terminal shows at most so many rows of what is ranked; the files have the others.
const SHOWN: usize = 8;

/// Audits a detector.
pub(crate) fn run(args: &AuditArgs, json: bool) -> Result<(), CliError> {
    if args.rotated { of::<RotatedBox>(args, json) } else { of::<Xywh>(args, json) }
}

/// Audits a detector of such boxes.
fn of<B: Bbox>(args: &AuditArgs, json: bool) -> Result<(), CliError> {
    let chosen = choose(&args.losses, B::KIND)?;
    let top = args.top as usize;
    // Two files to read, an assignment, an evaluation, the losses, the findings, two kinds of files to write.
    let bar = progress(chosen.len() as u64 + 7, "audit");
    bar.tick();
    let truth = coco::read_ground_truth::<B>(&args.gt).map_err(CliError::failure)?;
    bar.inc(1);
    let found = coco::read_results(&args.dt, &truth).map_err(CliError::failure)?;
    bar.inc(1);
    make_folder(&args.out)?;
    let audit = Audit::new(truth, found, &chosen, &bar)?;
    let findings = Findings::of(&audit);
    bar.inc(1);
    let summary = files::as_json(&audit, &findings, top);
    let note = audit.clamped.note();
    let folder = &args.out;
    files::write(folder, "boxes.csv", |file| files::boxes(&audit, file))?;
    bar.inc(1);
    files::write(folder, "classes.csv", |file| {
        let name = |category: &u64| audit.truth.categories[category].as_str();
        let rows = findings.classes.iter().map(|(id, tally)| (*id, name(id), tally));
        files::tallies(&audit, file, ["category_id", "class"], rows)
    })?;
    files::write(folder, "images.csv", |file| {
        let name = |image: &u64| audit.truth.images[image].as_str();
        let rows = findings.images.iter().map(|(id, tally)| (*id, name(id), tally));
        files::tallies(&audit, file, ["image_id", "file_name"], rows)
    })?;
    files::write(folder, "audit.json", |file| Ok(serde_json::to_writer_pretty(file, &summary)?))?;
    files::write(folder, "audit.html", |file| {
        Ok(file.write_all(report::page(&audit, &findings, top, &note).as_bytes())?)
    })?;
    bar.finish_and_clear();

    if !note.is_empty() {
        say(&note);
    }
    if json {
        print_json(&summary)?;
    } else {
        print(&as_text(&audit, &findings, top.min(SHOWN)))?;
    }
    let names = ["audit.html", "audit.json", "boxes.csv", "classes.csv", "images.csv"];
    say(format_args!("wrote {} to {}", names.join(", "), folder.display()));
    Ok(())
}

/// The losses that were asked for, or all that an audit of such boxes can take.
fn choose(names: &[String], boxes: Kind) -> Result<Vec<Chosen>, CliError> {
    let fits = |entry: &&detloss::losses::Entry| Over::of(entry, boxes).is_some();
    let all: Vec<String> =
        detloss::losses::ALL.iter().filter(fits).map(|entry| entry.name.to_owned()).collect();
    let names = choice::split(names);
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
        return choice::every(&all, &[]);
    }
    // Each once, in the order of the list.
    let mut chosen = choice::every(&names, &[])?;
    chosen.sort_by_key(|chosen| all.iter().position(|known| known == chosen.entry.name));
    chosen.dedup_by(|next, before| next.loss == before.loss);
    Ok(chosen)
}

fn as_text(audit: &Audit<impl Bbox>, findings: &Findings, rows: usize) -> String {
    let styled = stdout_is_styled();
    let mut text = String::new();
    let mut section = |heading: &str, table: Table, all: usize| {
        if !text.is_empty() {
            text.push('\n');
        }
        let more = match all.saturating_sub(table.rows.len()) {
            0 => String::new(),
            more => format!(" ({} of {})", table.rows.len(), table.rows.len() + more),
        };
        text.push_str(&format!("# {heading}{more}\n"));
        text.push_str(&if table.rows.is_empty() { "none\n".into() } else { table.to_text(styled) });
    };
    section("Detections and objects", tables::counts(audit), 0);
    section("COCO", tables::precision(audit), 0);
    section("Losses", tables::losses(audit), 0);
    section("Gradient: share held by", tables::gradients(audit), 0);
    section("Sizes", tables::sizes(audit, &findings.sizes), 0);
    let classes = &findings.classes;
    let shown = &classes[..rows.min(classes.len())];
    section("Classes with the most loss", tables::classes(audit, shown), classes.len());
    let images = &findings.images;
    let shown = &images[..rows.min(images.len())];
    section("Images with the most loss", tables::images(audit, shown), images.len());
    let suspects = &findings.suspects;
    let shown = &suspects[..rows.min(suspects.len())];
    section("Annotations that look wrong", tables::suspects(audit, shown), suspects.len());
    text
}
