//! The audit as a page.

use detloss_coco::{Bbox, MATCH, Size};

use super::findings::Findings;
use super::measure::{Audit, Measured, Over};
use super::stats::{Histogram, share, tick_step};
use super::suspects::{LOOSE, NEAR, SURE};
use super::tables;
use super::tally::Tally;
use crate::plot::{Axis, Chart, Series};
use crate::report::Report;
use crate::table::Table;

/// Bins of a histogram.
const BINS: usize = 25;
/// Bars of a chart: more are no longer legible.
const BARS: usize = 20;

/// The page; of what is ranked, the first `top`.
pub(super) fn page<B: Bbox>(
    audit: &Audit<B>,
    findings: &Findings,
    top: usize,
    note: &str,
) -> String {
    let lead = "Where the losses of a detector sit: by class, size, image and box; who holds their gradient; and which \
        annotations the detector disagrees with.";
    let mut report = Report::new("Loss audit", lead);
    report.section("Detections and objects");
    report.table(&tables::counts(audit), "Detections assigned to objects by COCO's rules");
    report.table(&tables::precision(audit), "Average precision and recall (COCO)");

    report.section("Losses").prose(&format!(
        "A box loss is taken of every matched pair of boxes, {}. A score loss is taken of every \
         detection that counts: its score as a logit, with label 1 if it is matched and 0 if it is background, also for \
         losses that are made for softer labels. An object that nobody found has no loss.",
        B::SEEN_BY
    ));
    if !note.is_empty() {
        report.prose(note);
    }
    report.table(&tables::losses(audit), "Each loss over the detections it is taken of");
    distributions(&mut report, audit);
    by_size(&mut report, audit, findings);
    gradients(&mut report, audit);
    by_class(&mut report, audit, findings, top);
    worst(&mut report, audit, findings, top);
    suspects(&mut report, audit, findings, top);
    report.to_html()
}

fn distributions(report: &mut Report, audit: &Audit<impl Bbox>) {
    let pairs = audit.units(Over::Pairs);
    if pairs.is_empty() && audit.units(Over::Scores).is_empty() {
        return;
    }
    let mut charts = Vec::new();
    if !pairs.is_empty() {
        let ious = pairs.iter().filter_map(|&pair| audit.object(pair)).map(|(_, iou)| iou);
        let Histogram { edges, counts } = Histogram::of(ious, (MATCH, 1.0), BINS);
        charts.push(Chart::histogram("IoU of matched pairs", "IoU", edges, counts, 0.1));
    }
    for loss in &audit.losses {
        let Some(spread) = loss.spread else { continue };
        // A single box far out would flatten all the others: beyond the axis, it is in the last bin.
        let step = tick_step(spread.p99);
        let end = step * (spread.p99 / step).ceil().max(1.0);
        let values = loss.values.iter().copied();
        let Histogram { edges, counts } = Histogram::of(values, (0.0, end), BINS);
        let axis = if spread.max > end { "loss (the last bar holds all beyond)" } else { "loss" };
        charts.push(Chart::histogram(&loss.label, axis, edges, counts, step));
    }
    let drawings: Vec<String> = charts.iter().map(Chart::svg).collect();
    report.figures(&drawings, "How many detections have which overlap and which loss");
}

fn by_size(report: &mut Report, audit: &Audit<impl Bbox>, findings: &Findings) {
    report.section("By size").prose(
        "Small is below 32² pixels, medium below 96². The size is that of the object, or of the detection where there is \
         no object. The share in the box (score) loss is the mean of the shares in each box (score) loss.",
    );
    report.table(
        &tables::sizes(audit, &findings.sizes),
        "Objects, detections and their share in the losses by size",
    );
    let rows = audit.losses.iter().enumerate().map(|(index, loss)| {
        let part = |tally: &Tally| share(tally.sum(index), loss.total);
        (loss.label.clone(), findings.sizes.values().map(|tally| 100.0 * part(tally)).collect())
    });
    let chart =
        Chart::stacked("Loss by size", "share of the loss, %", &sizes(), &rows.collect::<Vec<_>>());
    report.figure(&chart.svg(), "How much of each loss small, medium and large objects cause");
}

fn gradients(report: &mut Report, audit: &Audit<impl Bbox>) {
    report.section("Who holds the gradient").prose(
        "Shares of the sum of the lengths of all gradients. Shares have no unit, so losses can be compared. By pixels, \
         losses that do not depend on the size of boxes pull hardest at small ones. By own size (a pixel counts as its \
         share of the object's side √(wh)), as a head feels it that predicts boxes relative to their size, they do not.",
    );
    report.table(
        &tables::gradients(audit),
        "Share of the gradient held by the largest gradients, and by size",
    );
    for over in audit.kinds().filter(|&over| !audit.units(over).is_empty()) {
        let (whose, by) = match over {
            Over::Pairs => ("matched pairs", "by pixels"),
            Over::Scores => ("detections", "by the logit"),
        };
        let curve = |loss: &Measured| {
            let curve = audit.gradient(loss, false).parts.curve().into_iter();
            let points = curve.map(|(top, held)| (100.0 * top, 100.0 * held)).collect();
            Series { name: loss.label.clone(), points }
        };
        let x = format!("share of the {whose}, largest gradient first, %");
        let y = Axis::linear("share of the gradient, %");
        let title = format!("Gradient of each {}, {by}", over.word());
        let series: Vec<Series> = audit.of_kind(over).map(curve).collect();
        let chart = Chart::lines(&title, Axis::log(&x), y, &series);
        report
            .figure(&chart.svg(), &format!("How much of the gradient the strongest {whose} hold"));
        let rows = audit.of_kind(over).map(|loss| {
            let shares = audit.gradient(loss, false).sizes.map(|share| 100.0 * share);
            (loss.label.clone(), shares.to_vec())
        });
        let title = format!("Gradient {by}, by size");
        let chart =
            Chart::stacked(&title, "share of the gradient, %", &sizes(), &rows.collect::<Vec<_>>());
        report.figure(
            &chart.svg(),
            "How much of the gradient of each loss small, medium and large objects hold",
        );
    }
}

fn sizes() -> [&'static str; 3] {
    Size::ALL.map(Size::word)
}

fn by_class(report: &mut Report, audit: &Audit<impl Bbox>, findings: &Findings, top: usize) {
    report.section("By class");
    let ranked = first(&findings.classes, top);
    report.table(
        &tables::classes(audit, ranked),
        &caption("Classes by their share in the losses", ranked, &findings.classes),
    );
    for over in audit.kinds().filter(|&over| !audit.units(over).is_empty()) {
        let bar = |(category, tally): &(u64, Tally)| {
            (audit.truth.categories[category].clone(), 100.0 * tally.share(over))
        };
        let mut bars: Vec<(String, f64)> = findings.classes.iter().map(bar).collect();
        bars.sort_by(|a, b| b.1.total_cmp(&a.1));
        bars.truncate(BARS);
        let title = format!("Share of the {} by class", over.word());
        report.figure(
            &Chart::bars(&title, "share, %", &bars).svg(),
            &format!("{title}, the largest {}", bars.len()),
        );
    }
}

fn worst(report: &mut Report, audit: &Audit<impl Bbox>, findings: &Findings, top: usize) {
    report.section("Worst images");
    let ranked = first(&findings.images, top);
    ranked_table(
        report,
        &tables::images(audit, ranked),
        &caption("Images by their share in the losses", ranked, &findings.images),
    );
    report.section("Worst boxes");
    let ranked = first(&findings.boxes, top);
    ranked_table(
        report,
        &tables::boxes(audit, ranked),
        &caption("Matched pairs by their share in the box losses", ranked, &findings.boxes),
    );
}

fn suspects(report: &mut Report, audit: &Audit<impl Bbox>, findings: &Findings, top: usize) {
    report.section("Annotations that look wrong").prose(&format!(
        "A detection with a score of {SURE} or more that disagrees with the annotations. Missing annotation: nothing of any \
         class overlaps it by half. Wrong label: an object of another class does. Sloppy box: it is matched with an IoU \
         below {LOOSE}, or overlaps an object of its class that nobody found by {NEAR} or more. A second detection of a \
         found object is no suspicion. Ranked by score times loss, the loss as a multiple of its mean.",
    ));
    let ranked = first(&findings.suspects, top);
    ranked_table(
        report,
        &tables::suspects(audit, ranked),
        &caption("Detections that disagree with annotations", ranked, &findings.suspects),
    );
}

/// A table, or a word where it would be empty.
fn ranked_table(report: &mut Report, table: &Table, caption: &str) {
    if table.rows.is_empty() {
        report.prose("None.");
    } else {
        report.table(table, caption);
    }
}

fn first<T>(all: &[T], top: usize) -> &[T] {
    &all[..top.min(all.len())]
}

fn caption<T>(what: &str, shown: &[T], all: &[T]) -> String {
    if shown.len() < all.len() {
        format!("{what}: the first {} of {}", shown.len(), all.len())
    } else {
        what.to_owned()
    }
}
