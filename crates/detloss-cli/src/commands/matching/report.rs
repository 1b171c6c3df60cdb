//! Positives as a page.

use std::collections::BTreeMap;
use std::path::Path;

use super::measure::{Measured, Tally};
use super::{RANKED, assumed, tables};
use crate::plot::{Axis, Chart, Series};
use crate::report::Report;

/// The page about the annotations of a file; of the objects without any, the first `top`.
pub(super) fn page(measured: &Measured, truth: &Path, top: usize) -> String {
    let mut report = Report::new("Positives of each object", &tables::lead(measured));
    report.input("Annotations", truth);
    report.prose(&format!(
        "A detector learns an object from its positives: the predictions that {} gives to it. Here are those of {} objects in {} images, \
         with anchors of {}, {}. Crowds: {}, {}.",
        measured.assigner,
        measured.objects.len(),
        measured.truth.images.len(),
        measured.anchors,
        measured.images,
        measured.crowds,
        measured.crowds_are(),
    ));
    if measured.is_assumed() {
        report.prose(assumed::WORDS);
    }
    by_size(&mut report, measured);
    let classes = measured.classes();
    let shown = &classes[..RANKED.min(classes.len())];
    report.section("By class");
    report.table(
        &tables::classes(measured, shown),
        &format!(
            "The {} classes of {} with the largest share of objects without any positive, then with the fewest on average",
            shown.len(),
            classes.len()
        ),
    );
    let without = measured.without();
    let shown = &without[..top.min(without.len())];
    report.section("Objects without any positive");
    if shown.is_empty() {
        report.prose("None.");
    } else {
        report.table(
            &tables::without(measured, shown),
            &format!("The largest {} of {}", shown.len(), without.len()),
        );
    }
    report.to_html()
}

fn by_size(report: &mut Report, measured: &Measured) {
    report.section("By size").prose(
        "Small is below 32² pixels in the file, medium below 96². The table has, of the positives of an object, the mean, and what 10, 50 \
         and 90 % of the objects do not exceed; the share of all positives that goes to objects of this size; and how many objects get \
         none.",
    );
    report.table(&tables::sizes(measured), "Positives of an object by its size");
    if measured.objects.is_empty() {
        return;
    }
    let bins = bins(measured);
    let curve = |name: &str, value: &dyn Fn(&Tally) -> f64| Series {
        name: name.to_owned(),
        points: bins.iter().map(|(side, tally)| (*side, value(tally))).collect(),
    };
    let at = |share: f64| move |tally: &Tally| tally.quantile(share).unwrap_or(0) as f64;
    let side = Axis::log("side of the object as the detector sees it, √(w h), pixels");
    let series = [
        curve("mean", &Tally::mean),
        curve("10 %", &at(0.1)),
        curve("median", &at(0.5)),
        curve("90 %", &at(0.9)),
    ];
    let chart =
        Chart::lines("Positives by size", side, Axis::linear("positives of an object"), &series);
    report.chart(&chart, "Positives of an object by its size: mean, and what 10, 50 and 90 % of the objects do not exceed");
    let series = [curve("without any", &|tally| 100.0 * tally.share_without())];
    let share = Axis::linear("objects without any positive, %");
    let chart = Chart::lines("Objects without any positive by size", side, share, &series);
    report.chart(&chart, "Share of the objects that get no positive, by their size");
}

/// Objects by the octave of their sides, under its middle.
fn bins(measured: &Measured) -> Vec<(f64, Tally)> {
    let mut bins: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for object in &measured.objects {
        let [w, h] = object.sides;
        // Boxes without area, and what is below a pixel, are one bin.
        let side = (w * h).sqrt().max(1.0);
        bins.entry(side.log2().floor() as i64).or_default().push(object.positives);
    }
    let middle = |octave: i64| (octave as f64 + 0.5).exp2();
    bins.into_iter().map(|(bin, counts)| (middle(bin), Tally::of(counts))).collect()
}
