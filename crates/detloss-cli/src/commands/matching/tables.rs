//! Positives as tables, for the terminal and for the page.

use super::measure::{Measured, Object, Tally, ratio};
use crate::table::{Column, Table};
use crate::text::percent;

/// What stands out, in plain words.
pub(super) fn lead(measured: &Measured) -> String {
    let all = measured.all();
    if all.objects() == 0 {
        return "There are no objects, and nothing to match.".to_owned();
    }
    let sizes = measured.sizes();
    let small = sizes[0].1.without();
    let mut words = match all.without() {
        0 => format!("Each of the {} objects gets at least one positive.", all.objects()),
        without => format!(
            "{without} of {} objects ({}, {small} of them small) {} no positive at all: nothing tells the detector what is there.",
            all.objects(),
            percent(all.share_without()),
            gets(without)
        ),
    };
    if let [(_, small), .., (_, large)] = &sizes[..]
        && small.objects() > 0
        && large.objects() > 0
    {
        words.push_str(&format!(
            " A small object gets {:.1} positives on average, a large one {:.1}. Small objects are {} of all, and have {} of all \
             positives.",
            small.mean(),
            large.mean(),
            percent(ratio(small.objects(), all.objects())),
            percent(ratio(small.positives(), all.positives()))
        ));
    }
    if let [(class, worst), _, ..] = &measured.classes()[..] {
        let name = &measured.truth.categories[class];
        words.push_str(&match worst.without() {
            1 if worst.objects() == 1 => format!(" The only object of class {name} gets none."),
            0 => format!(" The fewest get those of class {name}: {:.1} on average.", worst.mean()),
            without => format!(
                " Worst off is class {name}: {without} of its {} objects {} none.",
                worst.objects(),
                gets(without)
            ),
        });
    }
    words
}

/// What one or many do.
fn gets(count: usize) -> &'static str {
    if count == 1 { "gets" } else { "get" }
}

fn table(heading: &str) -> Table {
    let numbers = [
        "objects",
        "positives each",
        "10 %",
        "median",
        "90 %",
        "max",
        "of all positives",
        "without any",
        "share",
    ];
    Table::new([Column::words(heading)].into_iter().chain(numbers.map(Column::numbers)))
}

fn push(table: &mut Table, name: &str, tally: &Tally, all: &Tally) {
    let quantile = |share| tally.quantile(share).map_or("-".to_owned(), |count| count.to_string());
    let [mean, share] = if tally.objects() == 0 {
        ["-", "-"].map(str::to_owned)
    } else {
        [format!("{:.1}", tally.mean()), percent(tally.share_without())]
    };
    table.push([
        name.to_owned(),
        tally.objects().to_string(),
        mean,
        quantile(0.1),
        quantile(0.5),
        quantile(0.9),
        quantile(1.0),
        percent(ratio(tally.positives(), all.positives())),
        tally.without().to_string(),
        share,
    ]);
}

pub(super) fn sizes(measured: &Measured) -> Table {
    let all = measured.all();
    let mut table = table("size");
    for (size, tally) in measured.sizes() {
        push(&mut table, size, &tally, &all);
    }
    push(&mut table, "all", &all, &all);
    table
}

pub(super) fn classes(measured: &Measured, ranked: &[(u64, Tally)]) -> Table {
    let all = measured.all();
    let mut table = table("class");
    for (class, tally) in ranked {
        push(&mut table, &measured.truth.categories[class], tally, &all);
    }
    table
}

/// Objects without any positive.
pub(super) fn without(measured: &Measured, objects: &[Object]) -> Table {
    let numbers = ["annotation", "bbox x y w h", "area", "seen as w h"];
    let words = ["image", "class", "size"].map(Column::words);
    let mut table = Table::new(words.into_iter().chain(numbers.map(Column::numbers)));
    for object in objects {
        let annotation = measured.annotation(object);
        let joined = |sides: &[f64]| {
            sides.iter().map(|side| format!("{side:.0}")).collect::<Vec<_>>().join(" ")
        };
        table.push([
            measured.truth.file(annotation.image),
            measured.class(object).to_owned(),
            measured.size(object).to_owned(),
            annotation.id.map_or_else(
                || format!("annotations[{}]", measured.truth.entry(object.annotation)),
                |id| id.to_string(),
            ),
            joined(&annotation.bbox),
            format!("{:.0}", annotation.area),
            joined(&object.sides),
        ]);
    }
    table
}
