//! The audit as files: JSON for programs, CSV for spreadsheets.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use detloss_coco::{Bbox, Outcome};
use serde_json::{Map, Value, json};

use super::findings::Findings;
use super::measure::{Audit, Measured, Over};
use super::suspects::Suspect;
use super::tally::Tally;

/// Everything but the single detections; of what is ranked, the first `top`.
pub(super) fn as_json(audit: &Audit<impl Bbox>, findings: &Findings, top: usize) -> Value {
    let classes = findings.classes.iter().map(|(category, tally)| {
        let mut map = Map::new();
        map.insert("category_id".into(), (*category).into());
        map.insert("class".into(), audit.truth.categories[category].clone().into());
        with_tally(audit, map, tally)
    });
    let images = findings.images.iter().take(top).map(|(image, tally)| {
        let mut map = Map::new();
        map.insert("image_id".into(), (*image).into());
        map.insert("file_name".into(), audit.truth.images[image].clone().into());
        with_tally(audit, map, tally)
    });
    let sizes = findings.sizes.iter().map(|(size, tally)| {
        let map = Map::from_iter([("size".to_owned(), size.word().into())]);
        with_tally(audit, map, tally)
    });
    let crowds = audit.truth.annotations.iter().filter(|annotation| annotation.crowd).count();
    let matched = audit.units(Over::Pairs).len();
    let precision = audit.summary.iter();
    json!({
        "images": audit.truth.images.len(),
        "objects": audit.truth.annotations.len() - crowds,
        "crowds": crowds,
        "missed": audit.assignment.missed.len(),
        "detections": audit.found.len(),
        "matched": matched,
        "background": audit.units(Over::Scores).len() - matched,
        "left_out": {
            "in_crowds": audit.count(|outcome| *outcome == Outcome::Crowd),
            "beyond_limit": audit.count(|outcome| *outcome == Outcome::BeyondLimit),
        },
        "clamped_scores": audit.clamped.0,
        "average_precision":
            precision.map(|metric| (metric.name.to_owned(), metric.value.into())).collect::<Map<_, _>>(),
        "losses": audit.losses.iter().map(|loss| loss_json(audit, loss)).collect::<Vec<_>>(),
        "sizes": sizes.collect::<Vec<_>>(),
        "classes": classes.collect::<Vec<_>>(),
        "worst_images": images.collect::<Vec<_>>(),
        "worst_boxes": findings.boxes.iter().take(top).map(|&index| box_json(audit, index)).collect::<Vec<_>>(),
        "suspects": findings.suspects.iter().take(top).map(|suspect| suspect_json(audit, suspect)).collect::<Vec<_>>(),
        "suspect_count": findings.suspects.len(),
    })
}

fn loss_json(audit: &Audit<impl Bbox>, loss: &Measured) -> Value {
    let gradient = |own_size| {
        let gradient = audit.gradient(loss, own_size);
        let [small, medium, large] = gradient.sizes;
        json!({
            "top_1_percent": gradient.parts.held_by(0.01),
            "top_10_percent": gradient.parts.held_by(0.1),
            "small": small,
            "medium": medium,
            "large": large,
            "background": gradient.background,
        })
    };
    let (over, gradients) = match loss.over {
        Over::Pairs => {
            ("pairs", json!({ "by_pixels": gradient(false), "by_own_size": gradient(true) }))
        }
        Over::Scores => ("scores", json!({ "by_logit": gradient(false) })),
    };
    json!({
        "loss": loss.name,
        "params": loss.params,
        "over": over,
        "n": loss.values.len(),
        "total": loss.total,
        "spread": loss.spread,
        "gradient_share": gradients,
    })
}

fn with_tally(audit: &Audit<impl Bbox>, mut map: Map<String, Value>, tally: &Tally) -> Value {
    map.insert("objects".into(), tally.objects().into());
    map.insert("matched".into(), tally.matched.into());
    map.insert("missed".into(), tally.missed.into());
    map.insert("background".into(), tally.background.into());
    map.insert("mean_iou".into(), tally.mean_iou().into());
    for over in audit.kinds() {
        map.insert(format!("{}_share", over.word().replace(' ', "_")), tally.share(over).into());
    }
    let losses = audit.losses.iter().enumerate().map(|(index, loss)| {
        let numbers = json!({ "mean": tally.mean(audit, index), "total": tally.sum(index) });
        (loss.name.clone(), numbers)
    });
    map.insert("losses".into(), Value::Object(losses.collect()));
    Value::Object(map)
}

fn box_json(audit: &Audit<impl Bbox>, index: usize) -> Value {
    let detection = &audit.found[index];
    let object = audit.object(index);
    let annotation = object.map(|(object, _)| &audit.truth.annotations[object]);
    let losses = audit
        .losses
        .iter()
        .filter_map(|loss| Some((loss.name.clone(), audit.value(loss, index)?.into())));
    json!({
        "detection": index,
        "image_id": detection.image,
        "file_name": audit.truth.images[&detection.image],
        "class": audit.truth.categories[&detection.category],
        "score": detection.score,
        "box_iou": object.map(|(_, iou)| iou),
        "bbox": detection.bbox,
        "annotation_id": annotation.and_then(|annotation| annotation.id),
        "annotation_bbox": annotation.map(|annotation| annotation.bbox),
        "losses": losses.collect::<Map<_, _>>(),
    })
}

fn suspect_json(audit: &Audit<impl Bbox>, suspect: &Suspect) -> Value {
    let detection = &audit.found[suspect.detection];
    let class = |category: u64| audit.truth.categories[&category].clone();
    let annotation = suspect.annotation.map(|(index, _)| &audit.truth.annotations[index]);
    json!({
        "suspicion": suspect.suspicion.words(),
        "weight": suspect.weight,
        "detection": suspect.detection,
        "image_id": detection.image,
        "file_name": audit.truth.images[&detection.image],
        "class": class(detection.category),
        "score": detection.score,
        "bbox": detection.bbox,
        "box_iou": suspect.annotation.map(|(_, iou)| iou),
        "annotation_id": annotation.and_then(|annotation| annotation.id),
        "annotation_index": suspect.annotation.map(|(index, _)| index),
        "annotation_class": annotation.map(|annotation| class(annotation.category)),
        "annotation_bbox": annotation.map(|annotation| annotation.bbox),
    })
}

/// A file that is written in pieces, and says its name if it cannot be.
pub(super) fn write(
    folder: &Path,
    name: &str,
    content: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let path = folder.join(name);
    let wrong = || format!("could not write {}: choose another --out", path.display());
    let mut file = BufWriter::with_capacity(1 << 18, File::create(&path).with_context(wrong)?);
    content(&mut file).and_then(|()| Ok(file.flush()?)).with_context(wrong)
}

/// A row for every tally.
pub(super) fn tallies<'a>(
    audit: &Audit<impl Bbox>,
    to: impl Write,
    key: [&str; 2],
    rows: impl Iterator<Item = (u64, &'a str, &'a Tally)>,
) -> anyhow::Result<()> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(to);
    let counts = ["objects", "matched", "missed", "background", "mean_iou"];
    let mut header: Vec<String> = key.into_iter().chain(counts).map(Into::into).collect();
    header.extend(audit.kinds().map(|over| format!("{}_share", over.word().replace(' ', "_"))));
    for loss in &audit.losses {
        header.extend([format!("mean_{}", loss.name), format!("total_{}", loss.name)]);
    }
    writer.write_record(header)?;
    for (id, name, tally) in rows {
        let counts = (tally.objects(), tally.matched, tally.missed, tally.background);
        let shares: Vec<f64> = audit.kinds().map(|over| tally.share(over)).collect();
        let losses = (0..audit.losses.len())
            .map(|index| (tally.mean(audit, index), tally.sum(index)))
            .collect::<Vec<_>>();
        writer.serialize((id, name, counts, tally.mean_iou(), shares, losses))?;
    }
    Ok(writer.flush()?)
}

/// A row for every detection, in the order of the results file. Seven digits: as many as an `f32` has.
pub(super) fn boxes<B: Bbox>(audit: &Audit<B>, to: impl Write) -> anyhow::Result<()> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(to);
    let header =
        ["detection", "image_id", "file_name", "category_id", "class", "score", "outcome", "size"];
    let mut header: Vec<String> =
        header.into_iter().chain(B::FIELDS.iter().copied()).map(Into::into).collect();
    header.extend(["annotation_id", "box_iou"].map(Into::into));
    header.extend(B::FIELDS.iter().map(|field| format!("annotation_{field}")));
    for loss in &audit.losses {
        header.extend([format!("loss_{}", loss.name), format!("gradient_{}", loss.name)]);
    }
    writer.write_record(header)?;
    for (index, detection) in audit.found.iter().enumerate() {
        let outcome = match audit.assignment.outcomes[index] {
            Outcome::Object { .. } => "matched",
            Outcome::Background => "background",
            Outcome::Crowd => "crowd",
            Outcome::BeyondLimit => "beyond_limit",
        };
        let object = audit.object(index);
        let annotation = object.map(|(object, _)| &audit.truth.annotations[object]);
        let fields = |bbox: B| bbox.as_ref().iter().map(|&field| field as f32).collect::<Vec<_>>();
        let of_annotation = match annotation {
            Some(annotation) => fields(annotation.bbox).into_iter().map(Some).collect(),
            None => vec![None; B::FIELDS.len()],
        };
        let losses = audit.losses.iter().map(|loss| {
            let short = |number: Option<f64>| number.map(|number| number as f32);
            (short(audit.value(loss, index)), short(audit.slope(loss, index)))
        });
        writer.serialize((
            (index, detection.image, &audit.truth.images[&detection.image]),
            (detection.category, &audit.truth.categories[&detection.category]),
            (detection.score as f32, outcome, audit.size(index).word()),
            fields(detection.bbox),
            (annotation.and_then(|annotation| annotation.id), object.map(|(_, iou)| iou as f32)),
            of_annotation,
            losses.collect::<Vec<_>>(),
        ))?;
    }
    Ok(writer.flush()?)
}
