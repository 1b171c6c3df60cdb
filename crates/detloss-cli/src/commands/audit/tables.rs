//! The audit as tables, for the terminal and for the page.

use std::collections::BTreeMap;

use detloss_coco::{Bbox, Outcome, Size};

use super::measure::{Audit, Over};
use super::suspects::Suspect;
use super::tally::Tally;
use crate::table::{Column, Table};
use crate::text::percent;

/// What is not there.
const NOTHING: &str = "-";

/// Three significant digits.
pub(super) fn short(value: f64) -> String {
    let rounded: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    match rounded.abs() {
        0.0 => "0".into(),
        1e-4..1e7 => format!("{rounded}"),
        _ => format!("{rounded:e}"),
    }
}

fn fixed(value: Option<f64>) -> String {
    value.map_or(NOTHING.into(), |value| format!("{value:.3}"))
}

fn bbox<B: Bbox>(bbox: B) -> String {
    let fields = bbox.as_ref().iter().enumerate().map(|(place, field)| match place {
        ..4 => format!("{field:.0}"),
        // An angle in radians.
        _ => format!("{field:.2}"),
    });
    fields.collect::<Vec<_>>().join(" ")
}

/// What a column of boxes is called.
fn heading<B: Bbox>(_: &Audit<B>, what: &str) -> String {
    format!("{what} {}", B::FIELDS.join(" "))
}

/// The id of an annotation, or its place in the file where it has none.
pub(super) fn annotation_id(audit: &Audit<impl Bbox>, index: usize) -> String {
    match audit.truth.annotations[index].id {
        Some(id) => id.to_string(),
        None => format!("annotations[{index}]"),
    }
}

/// How many images, objects and detections there are, and what became of them.
pub(super) fn counts(audit: &Audit<impl Bbox>) -> Table {
    let crowds = audit.truth.annotations.iter().filter(|annotation| annotation.crowd).count();
    let matched = audit.units(Over::Pairs).len();
    let rows = [
        ("images", audit.truth.images.len(), ""),
        ("objects", audit.truth.annotations.len() - crowds, ""),
        ("  found", matched, ""),
        ("  missed", audit.assignment.missed.len(), ""),
        ("crowds", crowds, "not counted as objects"),
        ("detections", audit.found.len(), ""),
        ("  matched to an object", matched, "IoU >= 0.5"),
        ("  background", audit.units(Over::Scores).len() - matched, ""),
        ("  in crowds", audit.count(|outcome| *outcome == Outcome::Crowd), "left out"),
        (
            "  beyond the best 100",
            audit.count(|outcome| *outcome == Outcome::BeyondLimit),
            "per image and class; left out",
        ),
    ];
    let mut table = Table::new([Column::words("what"), Column::numbers("n"), Column::words("")]);
    for (what, count, note) in rows {
        table.push([what.to_owned(), count.to_string(), note.to_owned()]);
    }
    table
}

/// COCO's twelve numbers.
pub(super) fn precision(audit: &Audit<impl Bbox>) -> Table {
    let metrics = audit.summary.iter();
    let mut table = Table::new(metrics.clone().map(|metric| Column::numbers(metric.name)));
    table.push(metrics.map(|metric| fixed(metric.value)));
    table
}

/// Each loss over all detections it is measured on.
pub(super) fn losses(audit: &Audit<impl Bbox>) -> Table {
    let numbers = ["n", "mean", "median", "99 %", "max", "total"].map(Column::numbers);
    let mut table = Table::new([Column::words("loss")].into_iter().chain(numbers));
    for loss in &audit.losses {
        let spread = match loss.spread {
            Some(spread) => [spread.mean, spread.median, spread.p99, spread.max].map(short),
            None => [NOTHING; 4].map(Into::into),
        };
        let head = [loss.name.clone(), loss.values.len().to_string()];
        table.push(head.into_iter().chain(spread).chain([short(loss.total)]));
    }
    table
}

/// Who holds the gradient of each loss.
pub(super) fn gradients(audit: &Audit<impl Bbox>) -> Table {
    let words = ["loss", "gradient by"].map(Column::words);
    let numbers = ["top 1 %", "top 10 %", "small", "medium", "large", "background"];
    let mut table = Table::new(words.into_iter().chain(numbers.map(Column::numbers)));
    let mut push = |loss, by: &str, own_size| {
        let gradient = audit.gradient(loss, own_size);
        let tops = [0.01, 0.1].map(|top| gradient.parts.held_by(top));
        let background = match loss.over {
            Over::Pairs => NOTHING.to_owned(),
            Over::Scores => percent(gradient.background),
        };
        let shares = tops.into_iter().chain(gradient.sizes).map(percent);
        let head = [loss.name.clone(), by.to_owned()];
        table.push(head.into_iter().chain(shares).chain([background]));
    };
    for loss in &audit.losses {
        match loss.over {
            Over::Pairs => {
                push(loss, "pixels", false);
                push(loss, "own size", true);
            }
            Over::Scores => push(loss, "logit", false),
        }
    }
    table
}

/// The columns of a tally, after a heading for what it is of.
fn tally_table(audit: &Audit<impl Bbox>, heading: &str) -> Table {
    let numbers = ["objects", "found", "missed", "background", "mean IoU"];
    let shares = audit.kinds().map(|over| Column::numbers(over.word()));
    let numbers = numbers.map(Column::numbers);
    Table::new([Column::words(heading)].into_iter().chain(numbers).chain(shares))
}

fn tally_cells(audit: &Audit<impl Bbox>, name: String, tally: &Tally) -> Vec<String> {
    let counts = [tally.objects(), tally.matched, tally.missed, tally.background];
    let mut cells = vec![name];
    cells.extend(counts.map(|count| count.to_string()));
    cells.push(fixed(tally.mean_iou()));
    cells.extend(audit.kinds().map(|over| percent(tally.share(over))));
    cells
}

/// Where the loss sits by size.
pub(super) fn sizes(audit: &Audit<impl Bbox>, sizes: &BTreeMap<Size, Tally>) -> Table {
    let mut table = tally_table(audit, "size");
    for (size, tally) in sizes {
        table.push(tally_cells(audit, size.word().into(), tally));
    }
    table
}

/// Where the loss sits by class.
pub(super) fn classes(audit: &Audit<impl Bbox>, ranked: &[(u64, Tally)]) -> Table {
    let mut table = tally_table(audit, "class");
    for (category, tally) in ranked {
        table.push(tally_cells(audit, audit.truth.categories[category].clone(), tally));
    }
    table
}

/// Where the loss sits by image.
pub(super) fn images(audit: &Audit<impl Bbox>, ranked: &[(u64, Tally)]) -> Table {
    let mut table = tally_table(audit, "image");
    for (image, tally) in ranked {
        table.push(tally_cells(audit, audit.truth.file(*image), tally));
    }
    table
}

/// The detections with the largest share of the box losses.
pub(super) fn boxes(audit: &Audit<impl Bbox>, worst: &[usize]) -> Table {
    let words = ["image", "class"].map(Column::words);
    let [detected, annotated] = ["detected", "annotated"].map(|what| heading(audit, what));
    let numbers =
        ["score", "IoU", "annotation", &detected, &annotated, "share"].map(Column::numbers);
    let losses = audit.of_kind(Over::Pairs).map(|loss| Column::numbers(&loss.name));
    let mut table = Table::new(words.into_iter().chain(numbers).chain(losses));
    for &index in worst {
        let detection = &audit.found[index];
        let Some((object, iou)) = audit.object(index) else { continue };
        let mut cells = vec![
            audit.truth.file(detection.image),
            audit.truth.categories[&detection.category].clone(),
            fixed(Some(detection.score)),
            fixed(Some(iou)),
            annotation_id(audit, object),
            bbox(detection.bbox),
            bbox(audit.truth.annotations[object].bbox),
            percent(audit.share(Over::Pairs, index)),
        ];
        let values = audit.of_kind(Over::Pairs).filter_map(|loss| audit.value(loss, index));
        cells.extend(values.map(short));
        table.push(cells);
    }
    table
}

/// Annotations that look wrong.
pub(super) fn suspects(audit: &Audit<impl Bbox>, suspects: &[Suspect]) -> Table {
    let words = ["suspicion", "image", "detected as", "annotated as"].map(Column::words);
    let [detected, annotated] = ["detected", "annotated"].map(|what| heading(audit, what));
    let numbers = ["annotation", "score", "IoU", &detected, &annotated, "score x loss"];
    let mut table = Table::new(words.into_iter().chain(numbers.map(Column::numbers)));
    for suspect in suspects {
        let detection = &audit.found[suspect.detection];
        let nothing = || NOTHING.to_owned();
        let (class, id, overlap, place) = match suspect.annotation {
            None => (nothing(), nothing(), None, nothing()),
            Some((index, overlap)) => {
                let annotation = &audit.truth.annotations[index];
                let class = audit.truth.categories[&annotation.category].clone();
                (class, annotation_id(audit, index), Some(overlap), bbox(annotation.bbox))
            }
        };
        table.push([
            suspect.suspicion.words().to_owned(),
            audit.truth.file(detection.image),
            audit.truth.categories[&detection.category].clone(),
            class,
            id,
            fixed(Some(detection.score)),
            fixed(overlap),
            bbox(detection.bbox),
            place,
            short(suspect.weight),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        for (value, text) in
            [(0.0, "0"), (0.123456, "0.123"), (12345.6, "12300"), (1.234e-6, "1.23e-6")]
        {
            assert_eq!(short(value), text);
        }
    }
}
