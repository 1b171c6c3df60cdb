//! What the losses say, as sections: each loss, where it sits by size, and who holds its gradient.

use detloss_coco::Bbox;
use serde_json::{Value, json};

use super::findings::Findings;
use super::measure::{Audit, Measured, Over};
use super::quality::{by_error, listing};
use super::records::{Field, Records, Show, field, hidden};
use super::section::{Section, Shown};
use super::stats::{Histogram, share, tick_step};
use super::tally::Tally;
use crate::plot::{Axis, Chart, Series};

/// Bins of a histogram.
const BINS: usize = 25;
/// Bars of a chart: more are no longer legible.
const BARS: usize = 20;

/// Each loss over all detections it is measured on.
pub(super) fn losses<B: Bbox>(audit: &Audit<B>) -> Section {
    let mut section = Section::new("Losses");
    section.prose(format!(
        "A box loss is taken of every matched pair of boxes, {}. A score loss is taken of every \
         detection that counts: its score as a logit, with label 1 if it is matched and 0 if it is background, also for \
         losses that are made for softer labels. An object that nobody found has no loss.",
        B::SEEN_BY
    ));
    let note = audit.clamped.note();
    if !note.is_empty() {
        section.prose(note);
    }
    let mut records = Records::new([
        field("loss", "loss", Show::Words),
        hidden("params"),
        hidden("over"),
        field("n", "n", Show::Numbers),
        field("spread/mean", "mean", Show::Short),
        field("spread/median", "median", Show::Short),
        field("spread/p99", "99 %", Show::Short),
        field("spread/max", "max", Show::Short),
        field("total", "total", Show::Short),
        hidden("gradient_share"),
        hidden("by_error"),
    ]);
    let by_error = by_error(audit);
    for loss in &audit.losses {
        let spread = loss.spread.as_ref();
        let any = !loss.values.is_empty();
        let over = match loss.over {
            Over::Pairs => "pairs",
            Over::Scores => "scores",
        };
        let of_loss = by_error.iter().find(|(other, ..)| std::ptr::eq(*other, loss));
        let by_kind = of_loss.filter(|_| any).map(|(_, of_loss, of_gradient)| {
            let kinds = super::quality::places().map(|(place, name, _)| {
                let [loss, gradient] = [of_loss, of_gradient].map(|by| by.shares[place]);
                (name.to_owned(), json!({ "loss": loss, "gradient": gradient }))
            });
            Value::Object(kinds.filter(|(name, _)| name != "Miss").collect())
        });
        records.push([
            json!(loss.name),
            json!(loss.params),
            json!(over),
            json!(loss.values.len()),
            json!(spread.map(|it| it.mean)),
            json!(spread.map(|it| it.median)),
            json!(spread.map(|it| it.p99)),
            json!(spread.map(|it| it.max)),
            if any { json!(loss.total) } else { Value::Null },
            gradient_json(audit, loss),
            json!(by_kind),
        ]);
    }
    let caption = "Each loss over the detections it is taken of".to_owned();
    let shown = if audit.units(Over::Scores).is_empty() {
        section.lines(vec!["No detection counts, so that no loss has a value.".to_owned()]);
        Shown::Programs
    } else {
        Shown::All
    };
    section.records(listing("losses", caption, records, None, shown));
    distributions(&mut section, audit);
    section
}

fn gradient_json(audit: &Audit<impl Bbox>, loss: &Measured) -> Value {
    let gradient = |own_size| {
        let gradient = audit.gradient(loss, own_size);
        let mut object = serde_json::Map::new();
        object.insert("top_1_percent".into(), gradient.parts.held_by(0.01).into());
        object.insert("top_10_percent".into(), gradient.parts.held_by(0.1).into());
        for (size, share) in audit.sizes().into_iter().zip(gradient.sizes) {
            object.insert(size.into(), share.into());
        }
        object.insert("background".into(), gradient.background.into());
        Value::Object(object)
    };
    match loss.over {
        _ if loss.values.is_empty() => Value::Null,
        Over::Pairs => json!({ "by_pixels": gradient(false), "by_own_size": gradient(true) }),
        Over::Scores => json!({ "by_logit": gradient(false) }),
    }
}

fn distributions(section: &mut Section, audit: &Audit<impl Bbox>) {
    let pairs = audit.units(Over::Pairs);
    if audit.units(Over::Scores).is_empty() {
        return;
    }
    let mut charts = Vec::new();
    if !pairs.is_empty() {
        let ious = pairs.iter().filter_map(|&pair| audit.object(pair)).map(|(_, iou)| iou);
        let from = audit.evaluation.options.iou();
        let Histogram { edges, counts } = Histogram::of(ious, (from, 1.0), BINS);
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
    section.charts(charts, "How many detections have which overlap and which loss");
}

/// Where the loss sits by size.
pub(super) fn sizes(audit: &Audit<impl Bbox>, findings: &Findings) -> Section {
    let areas = &audit.evaluation.options.areas;
    let ranges = areas.iter().map(|area| match area.from.sqrt() {
        from if area.is_last() => format!("{}: {from}² pixels or more", area.name),
        _ => format!("{}: below {}²", area.name, area.to.sqrt()),
    });
    let ranges: Vec<String> = ranges.collect();
    let mut section = Section::new("Sizes");
    section.prose(format!(
        "{}. The size is that of the object, or of the detection where there is no object. The share in the box (score) \
         loss is the mean of the shares in each box (score) loss.",
        ranges.join("; ")
    ));
    let fields = [
        field("size", "size", Show::Words),
        field("objects", "objects", Show::Numbers),
        field("matched", "found", Show::Numbers),
        field("missed", "missed", Show::Numbers),
        field("background", "background", Show::Numbers),
        field("AP", "AP", Show::Fixed),
        hidden("AR"),
    ];
    let mut records = Records::new(fields.into_iter().chain(tally_fields(audit)));
    for ((_, tally), size) in findings.sizes.iter().zip(&audit.evaluation.sizes) {
        let head = [
            json!(size.size.name),
            json!(tally.objects()),
            json!(tally.matched),
            json!(tally.missed),
            json!(tally.background),
            json!(size.ap),
            json!(size.ar),
        ];
        records.push(head.into_iter().chain(tally_values(audit, tally)));
    }
    let caption = "Objects, detections and their share in the losses by size".to_owned();
    section.records(listing("sizes", caption, records, None, Shown::All));
    if !audit.units(Over::Scores).is_empty() {
        let rows = audit.losses.iter().enumerate().map(|(index, loss)| {
            let part = |tally: &Tally| share(tally.sum(index), loss.total);
            (loss.label.clone(), findings.sizes.values().map(|it| 100.0 * part(it)).collect())
        });
        let rows: Vec<_> = rows.collect();
        let chart = Chart::stacked("Loss by size", "share of the loss, %", &audit.sizes(), &rows);
        section.chart(chart, "How much of each loss objects of each size cause");
    }
    section
}

/// Who holds the gradient of each loss.
pub(super) fn gradients(audit: &Audit<impl Bbox>) -> Section {
    let mut section = Section::new("Gradient: share held by");
    section.prose(
        "Shares of the sum of the lengths of all gradients. Shares have no unit, so losses can be compared. By pixels, \
         losses that do not depend on the size of boxes pull hardest at small ones. By own size (a pixel counts as its \
         share of the object's side √(wh)), as a head feels it that predicts boxes relative to their size, they do not.",
    );
    let fields = [
        field("loss", "loss", Show::Words),
        field("by", "gradient by", Show::Words),
        field("top_1_percent", "top 1 %", Show::Percent),
        field("top_10_percent", "top 10 %", Show::Percent),
    ];
    let sizes = audit.sizes().into_iter().map(|size| field(size, size, Show::Percent));
    let background = [field("background", "background", Show::Percent)];
    let mut records = Records::new(fields.into_iter().chain(sizes).chain(background));
    let mut push = |loss: &Measured, by: &str, own_size| {
        let gradient = audit.gradient(loss, own_size);
        let any = |share: f64| if loss.values.is_empty() { Value::Null } else { json!(share) };
        let tops = [0.01, 0.1].map(|top| any(gradient.parts.held_by(top)));
        let background = match loss.over {
            Over::Pairs => Value::Null,
            Over::Scores => any(gradient.background),
        };
        let shares = tops.into_iter().chain(gradient.sizes.iter().map(|&share| any(share)));
        let head = [json!(loss.name), json!(by)];
        records.push(head.into_iter().chain(shares).chain([background]));
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
    let caption = "Share of the gradient held by the largest gradients, and by size".to_owned();
    section.records(listing("gradients", caption, records, Some("gradients.csv"), Shown::Page));
    for over in audit.kinds().filter(|&over| !audit.units(over).is_empty()) {
        gradient_charts(&mut section, audit, over);
    }
    section
}

fn gradient_charts(section: &mut Section, audit: &Audit<impl Bbox>, over: Over) {
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
    section.chart(chart, &format!("How much of the gradient the strongest {whose} hold"));
    let rows = audit.of_kind(over).map(|loss| {
        let shares = audit.gradient(loss, false).sizes.into_iter();
        (loss.label.clone(), shares.map(|share| 100.0 * share).collect())
    });
    let rows: Vec<_> = rows.collect();
    let title = format!("Gradient {by}, by size");
    let chart = Chart::stacked(&title, "share of the gradient, %", &audit.sizes(), &rows);
    section.chart(chart, "How much of the gradient of each loss objects of each size hold");
}

/// Bars of the classes with the most loss.
pub(super) fn class_bars(section: &mut Section, audit: &Audit<impl Bbox>, findings: &Findings) {
    for over in audit.kinds().filter(|&over| !audit.units(over).is_empty()) {
        let bar = |(category, tally): &(u64, Tally)| {
            let name = audit.truth.categories.get(category).cloned();
            (name.unwrap_or_else(|| category.to_string()), 100.0 * tally.share(over))
        };
        let mut bars: Vec<(String, f64)> = findings.classes.iter().map(bar).collect();
        bars.sort_by(|a, b| b.1.total_cmp(&a.1));
        bars.truncate(BARS);
        let title = format!("Share of the {} by class", over.word());
        let caption = format!("{title}, the largest {}", bars.len());
        section.chart(Chart::bars(&title, "share, %", &bars), &caption);
    }
}

/// The fields of a tally after its counts.
pub(super) fn tally_fields(audit: &Audit<impl Bbox>) -> Vec<Field> {
    let mut fields = vec![field("mean_iou", "mean IoU", Show::Fixed)];
    fields.extend(audit.kinds().map(|over| {
        let key = format!("{}_share", over.word().replace(' ', "_"));
        field(key, over.word(), Show::Percent)
    }));
    fields.extend(audit.losses.iter().flat_map(|loss| {
        ["mean", "total"].map(|part| hidden(format!("losses/{}/{part}", loss.name)))
    }));
    fields
}

pub(super) fn tally_values(audit: &Audit<impl Bbox>, tally: &Tally) -> Vec<Value> {
    let mut values = vec![json!(tally.mean_iou())];
    values.extend(audit.kinds().map(|over| match audit.units(over).is_empty() {
        true => Value::Null,
        false => json!(tally.share(over)),
    }));
    values.extend(
        (0..audit.losses.len())
            .flat_map(|index| [json!(tally.mean(audit, index)), json!(tally.sum(index))]),
    );
    values
}

/// The numbers of a box.
pub(super) fn numbers<B: Bbox>(bbox: B) -> Value {
    json!(bbox.as_ref())
}
