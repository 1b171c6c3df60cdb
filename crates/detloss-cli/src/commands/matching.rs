//! `detloss match`: the positives that each object of a file gets.

mod anchors;
mod assumed;
mod files;
mod measure;
mod report;
mod tables;

use detloss::matching::{self, AnyMatcher};
use detloss_coco::{Area, Role, Xywh};

use self::anchors::Layout;
use self::measure::Measured;
use crate::cli::MatchArgs;
use crate::input;
use crate::output::{
    CliError, make_folder, print, print_json, progress, save, say, stdout_is_styled,
};
use crate::table::Table;
use crate::text::prose;

/// So many of the worst classes are shown, and in a terminal of the objects without any.
const RANKED: usize = 10;

/// Counts positives.
pub(crate) fn run(args: &MatchArgs, json: bool) -> Result<(), CliError> {
    if args.csv && json {
        return Err(CliError::Usage(
            "--csv and --json both are for stdout: give one of them".into(),
        ));
    }
    let layout = Layout::new(&args.anchors, args.size.map(|size| size as usize))?;
    let assigner = assigner(args.assigner.as_deref().unwrap_or(layout.assigner()))?;
    if let Some(folder) = &args.out {
        make_folder(folder)?;
    }
    let truth = input::ground_truth::<Xywh>(&args.gt, Role::Train)?;
    let bar = progress(0, "images");
    let objects = measure::measure(&truth, &layout, &assigner, &bar)
        .map_err(|error| error.context(args.gt.display().to_string()))?;
    bar.finish_and_clear();
    let measured = Measured {
        crowds: truth.annotations.len() - objects.len(),
        truth,
        objects,
        areas: Area::coco(),
        assigner,
        anchors: args.anchors.to_string(),
        images: layout.words(),
    };
    let top = args.top as usize;
    let summary = files::as_json(&measured, top);
    // Files first: whoever reads the output may have enough of it before its end.
    if let Some(folder) = &args.out {
        save(folder, "objects.csv", &files::objects(&measured)?)?;
        save(folder, "classes.csv", &files::classes(&measured)?)?;
        save(
            folder,
            "match.json",
            &serde_json::to_vec_pretty(&summary).map_err(CliError::failure)?,
        )?;
        save(folder, "match.html", report::page(&measured, &args.gt, top).as_bytes())?;
        let names = ["match.html", "match.json", "objects.csv", "classes.csv"];
        say(format_args!("wrote {} to {}", names.join(", "), folder.display()));
    }
    if json {
        print_json(&summary)
    } else if args.csv {
        let rows = files::objects(&measured)?;
        print(&String::from_utf8_lossy(&rows))
    } else {
        print(&as_text(&measured))
    }
}

/// The matcher, if there is something to count.
fn assigner(text: &str) -> Result<AnyMatcher, CliError> {
    let assigner: AnyMatcher = text.parse()?;
    let entry = assigner.entry();
    if !entry.inputs.anchors {
        let others =
            matching::ALL.iter().filter(|entry| entry.inputs.anchors).map(|entry| entry.name);
        return Err(CliError::Usage(format!(
            "{} needs no anchors, and always gives one query to each object (as long as there are as many): there is nothing to count; \
             choose among {}",
            entry.name,
            others.collect::<Vec<_>>().join(", ")
        )));
    }
    if assigner.box_fields().len() != 4 {
        let overlap = assigner.overlap().map_or(String::new(), ToString::to_string);
        return Err(CliError::Usage(format!(
            "{overlap} is an overlap of boxes of {}, and these are axis-aligned: give one of those, such as overlap=giou",
            assigner.box_fields().join(", ")
        )));
    }
    Ok(assigner)
}

fn as_text(measured: &Measured) -> String {
    let styled = stdout_is_styled();
    let mut text = format!("{}\n", prose(&tables::lead(measured)));
    let mut section = |heading: &str, table: &Table, all: usize| {
        let shown = table.rows.len();
        let more = if shown < all { format!(" ({shown} of {all})") } else { String::new() };
        text.push_str(&format!("\n# {heading}{more}\n"));
        text.push_str(&if table.rows.is_empty() { "none\n".into() } else { table.to_text(styled) });
    };
    let heading =
        format!("Positives by size: {}, anchors of {}", measured.assigner, measured.anchors);
    section(&heading, &tables::sizes(measured), 0);
    let classes = measured.classes();
    let shown = &classes[..RANKED.min(classes.len())];
    section("Classes that get the fewest", &tables::classes(measured, shown), classes.len());
    let without = measured.without();
    let shown = &without[..RANKED.min(without.len())];
    section(
        "Objects without any, the largest first",
        &tables::without(measured, shown),
        without.len(),
    );
    let mut notes = vec![format!(
        "Detected on {}. Crowds: {}, {}.",
        measured.images,
        measured.crowds,
        measured.crowds_are()
    )];
    if measured.is_assumed() {
        notes.push(assumed::WORDS.to_owned());
    }
    text.push_str(&format!("\n{}\n", prose(&notes.join(" "))));
    text
}
