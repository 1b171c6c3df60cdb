//! What was found, for a terminal and as a page.

use std::path::Path;

use detloss_coco::{Entry, Problem, Severity};

use super::{Checked, OfKind};
use crate::output::stdout_is_styled;
use crate::report::Report;
use crate::table::{Column, Table};

/// A sentence about the whole.
fn lead(checked: &Checked) -> String {
    let count = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    let [errors, warnings, notes] =
        [(checked.errors, "error"), (checked.warnings, "warning"), (checked.notes, "note")]
            .map(|(n, one)| count(n, one));
    let images = checked.parts.iter().map(|part| part.images).sum();
    let objects = checked.parts.iter().map(|part| part.objects).sum();
    let [images, objects] = [count(images, "image"), count(objects, "object")];
    format!("{images} with {objects}: {errors}, {warnings}, {notes}.")
}

/// The parts, in numbers.
fn parts(checked: &Checked) -> Table {
    let numbers = ["images", "objects", "classes"].map(Column::numbers);
    let mut table = Table::new([Column::words("part")].into_iter().chain(numbers));
    for part in &checked.parts {
        let numbers = [part.images, part.objects, part.classes].map(|n| n.to_string());
        table.push([part.name.clone()].into_iter().chain(numbers));
    }
    table
}

/// The kinds of problems, the worst first.
fn kinds(checked: &Checked) -> Table {
    let mut table =
        Table::new([Column::words("severity"), Column::numbers("n"), Column::words("problem")]);
    for kind in &checked.kinds {
        table.push([
            kind.severity.word().to_owned(),
            kind.count.to_string(),
            kind.title.to_owned(),
        ]);
    }
    table
}

/// Where a problem is; in which file, unless there is but one.
fn place(checked: &Checked, problem: &Problem) -> String {
    let place = problem.place.to_string();
    let file = problem.place.file.display();
    let is_one_file = checked.parts.len() == 1 && !matches!(problem.place.entry, Entry::Line(_));
    match (is_one_file, place.is_empty()) {
        (true, _) => place.trim().to_owned(),
        (_, true) => file.to_string(),
        (_, false) => format!("{file}: {}", place.trim()),
    }
}

/// For a terminal: of each kind the first `top` places.
pub(super) fn text(checked: &Checked, top: usize) -> String {
    let mut text = format!("{}\n\n{}", lead(checked), parts(checked).to_text(stdout_is_styled()));
    if checked.kinds.is_empty() {
        return text + "\nNothing is wrong.\n";
    }
    text.push_str(&format!("\n{}", kinds(checked).to_text(stdout_is_styled())));
    for kind in &checked.kinds {
        text.push_str(&format!("\n# {}: {}\n", kind.title, kind.remedy));
        for problem in checked.of(kind.kind).take(top) {
            let place = place(checked, problem);
            let colon = if place.is_empty() { "" } else { ": " };
            text.push_str(&format!(
                "{}\n",
                crate::text::visible(&format!("{place}{colon}{}", problem.said))
            ));
        }
        if kind.count > top {
            text.push_str(&format!("… and {} more\n", kind.count - top));
        }
    }
    text
}

/// The page about the data of `path`: of each kind the first twenty times `top` places.
pub(super) fn page(checked: &Checked, path: &Path, top: usize) -> String {
    let mut report = Report::new("What is wrong with a data set", &lead(checked));
    report.input("Data", path);
    report.section("Parts").table(&parts(checked), "The parts, with what can be used of them");
    if checked.kinds.is_empty() {
        report.section("Problems").prose("Nothing is wrong.");
        return report.to_html();
    }
    report.section("Problems").table(&kinds(checked), "Kinds of problems, the worst first");
    report.prose(
        "Errors are wrong, or cannot be used; warnings look wrong; notes are good to know before training.",
    );
    for kind in &checked.kinds {
        of_kind(&mut report, checked, kind, 20 * top);
    }
    report.to_html()
}

fn of_kind(report: &mut Report, checked: &Checked, kind: &OfKind, most: usize) {
    let heading = kind.title[..1].to_uppercase() + &kind.title[1..];
    report.section(&heading).prose(&format!("{}: {}.", word(kind.severity), kind.remedy));
    let mut table = Table::new([Column::words("place"), Column::words("problem")]);
    for problem in checked.of(kind.kind).take(most) {
        table.push([place(checked, problem), problem.said.clone()]);
    }
    let caption = if kind.count > most {
        format!("The first {most} of {}; problems.csv has all", kind.count)
    } else {
        format!("All {}", kind.count)
    };
    report.table(&table, &caption);
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "Error",
        Severity::Warning => "Warning",
        Severity::Note => "Note",
    }
}
