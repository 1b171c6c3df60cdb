//! The worst images and boxes, and annotations that look wrong, as sections.

use detloss_coco::Bbox;
use serde_json::{Value, json};

use super::findings::Findings;
use super::losses::{numbers, tally_fields, tally_values};
use super::measure::{Audit, Over};
use super::quality::listing;
use super::records::{Records, Show, field, hidden};
use super::section::{Section, Shown};
use super::suspects::{LOOSE, NEAR, SURE};

/// Of more suspects, nobody looks at the last.
const MOST: usize = 10_000;

/// The images with the most loss.
pub(super) fn images(audit: &Audit<impl Bbox>, findings: &Findings) -> Section {
    let fields = [
        hidden("image_id"),
        hidden("file_name"),
        field("image", "image", Show::Words),
        field("objects", "objects", Show::Numbers),
        field("matched", "found", Show::Numbers),
        field("missed", "missed", Show::Numbers),
        field("background", "background", Show::Numbers),
    ];
    let mut records = Records::new(fields.into_iter().chain(tally_fields(audit)));
    for (image, tally) in &findings.images {
        let head = [
            json!(audit.truth.id(*image)),
            json!(audit.truth.images[image]),
            json!(audit.truth.file(*image)),
            json!(tally.objects()),
            json!(tally.matched),
            json!(tally.missed),
            json!(tally.background),
        ];
        records.push(head.into_iter().chain(tally_values(audit, tally)));
    }
    let mut section = Section::new("Images with the most loss");
    let caption = "Images by their share in the losses".to_owned();
    let file = Some("images.csv");
    section.records(listing("worst_images", caption, records, file, Shown::Ranked));
    section
}

/// The detections with the largest share of the box losses.
pub(super) fn boxes<B: Bbox>(audit: &Audit<B>, findings: &Findings, top: usize) -> Section {
    let [detected, annotated] = ["detected", "annotated"].map(heading::<B>);
    let fields = [
        hidden("detection"),
        hidden("image_id"),
        hidden("file_name"),
        field("image", "image", Show::Words),
        field("class", "class", Show::Words),
        field("score", "score", Show::Fixed),
        field("box_iou", "IoU", Show::Fixed),
        hidden("annotation_id"),
        field("annotation", "annotation", Show::Numbers),
        field("bbox", detected, Show::Box),
        field("annotation_bbox", annotated, Show::Box),
        field("share", "share", Show::Percent),
    ];
    let losses = audit.losses.iter().map(|loss| {
        let key = format!("losses/{}", loss.name);
        match loss.over {
            Over::Pairs => field(key, &loss.name, Show::Short),
            Over::Scores => hidden(key),
        }
    });
    let mut records = Records::new(fields.into_iter().chain(losses));
    // All of them are in boxes.csv.
    for &index in findings.boxes.iter().take(top) {
        let detection = &audit.found[index];
        let Some((object, iou)) = audit.object(index) else { continue };
        let annotation = &audit.truth.annotations[object];
        let head = [
            json!(index),
            json!(audit.truth.id(detection.image)),
            json!(audit.truth.images[&detection.image]),
            json!(audit.truth.file(detection.image)),
            json!(audit.truth.categories[&detection.category]),
            json!(detection.score),
            json!(iou),
            json!(annotation.id.map(|id| audit.truth.id(id))),
            json!(annotation_id(audit, object)),
            numbers(detection.bbox),
            numbers(annotation.bbox),
            json!(audit.share(Over::Pairs, index)),
        ];
        let values = audit.losses.iter().map(|loss| json!(audit.value(loss, index)));
        records.push(head.into_iter().chain(values));
    }
    let mut section = Section::new("Worst boxes");
    let caption = match findings.boxes.len() {
        all if all > top => {
            format!("Matched pairs by their share in the box losses: the first {top} of {all}")
        }
        _ => "Matched pairs by their share in the box losses".to_owned(),
    };
    section.records(listing("worst_boxes", caption, records, None, Shown::Page));
    section
}

/// Annotations that look wrong.
pub(super) fn suspects<B: Bbox>(audit: &Audit<B>, findings: &Findings) -> Section {
    let [detected, annotated] = ["detected", "annotated"].map(heading::<B>);
    let mut records = Records::new([
        field("suspicion", "suspicion", Show::Words),
        hidden("detection"),
        hidden("image_id"),
        hidden("file_name"),
        field("image", "image", Show::Words),
        field("class", "detected as", Show::Words),
        field("annotation_class", "annotated as", Show::Words),
        hidden("annotation_id"),
        hidden("annotation_index"),
        field("annotation", "annotation", Show::Numbers),
        field("score", "score", Show::Fixed),
        field("box_iou", "IoU", Show::Fixed),
        field("bbox", detected, Show::Box),
        field("annotation_bbox", annotated, Show::Box),
        field("weight", "score x loss", Show::Short),
    ]);
    for suspect in findings.suspects.iter().take(MOST) {
        let detection = &audit.found[suspect.detection];
        let class = |category: u64| audit.truth.categories[&category].clone();
        let index = suspect.annotation.map(|(index, _)| index);
        let annotation = index.map(|index| &audit.truth.annotations[index]);
        let bbox = annotation.map_or(Value::Null, |annotation| numbers(annotation.bbox));
        records.push([
            json!(suspect.suspicion.words()),
            json!(suspect.detection),
            json!(audit.truth.id(detection.image)),
            json!(audit.truth.images[&detection.image]),
            json!(audit.truth.file(detection.image)),
            json!(class(detection.category)),
            json!(annotation.map(|annotation| class(annotation.category))),
            json!(annotation.and_then(|it| it.id).map(|id| audit.truth.id(id))),
            json!(index.map(|index| audit.truth.entry(index))),
            json!(index.map(|index| annotation_id(audit, index))),
            json!(detection.score),
            json!(suspect.annotation.map(|(_, iou)| iou)),
            numbers(detection.bbox),
            bbox,
            json!(suspect.weight),
        ]);
    }
    let mut section = Section::new("Annotations that look wrong");
    section.prose(format!(
        "A detection with a score of {SURE} or more that disagrees with the annotations. Missing annotation: nothing of any \
         class overlaps it by {}. Wrong label: an object of another class does. Sloppy box: it is matched with an IoU \
         below {LOOSE}, or overlaps an object of its class that nobody found by {NEAR} or more. A second detection of a \
         found object is no suspicion. Ranked by score times loss, the loss as a multiple of its mean.",
        audit.evaluation.options.iou()
    ));
    let caption = "Detections that disagree with annotations".to_owned();
    let file = Some("suspects.csv");
    section.value("suspect_count", findings.suspects.len().into());
    section.records(listing("suspects", caption, records, file, Shown::Ranked));
    section
}

/// What a column of boxes is called.
fn heading<B: Bbox>(what: &str) -> String {
    format!("{what} {}", B::FIELDS.join(" "))
}

/// The id of an annotation, or its place in the file where it has none.
pub(super) fn annotation_id(audit: &Audit<impl Bbox>, index: usize) -> String {
    match audit.truth.annotations[index].id {
        Some(id) => audit.truth.id(id).to_string(),
        None => format!("annotations[{}]", audit.truth.entry(index)),
    }
}
