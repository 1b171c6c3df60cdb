//! Every detection as a row for spreadsheets.

use std::io::Write;

use detloss_coco::{Bbox, Outcome};

use super::measure::Audit;

/// A row for every detection, in the order of the results file. Seven digits: as many as an `f32` has.
pub(super) fn write<B: Bbox>(audit: &Audit<B>, to: impl Write) -> anyhow::Result<()> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(to);
    let header = [
        "detection",
        "image_id",
        "file_name",
        "category_id",
        "class",
        "score",
        "outcome",
        "error",
        "size",
    ];
    let mut header: Vec<String> =
        header.into_iter().chain(B::FIELDS.iter().copied()).map(Into::into).collect();
    header.extend(["annotation_id", "box_iou"].map(Into::into));
    header.extend(B::FIELDS.iter().map(|field| format!("annotation_{field}")));
    for loss in &audit.losses {
        header.extend([format!("loss_{}", loss.name), format!("gradient_{}", loss.name)]);
    }
    writer.write_record(header)?;
    let sizes = audit.sizes();
    for (index, detection) in audit.found.iter().enumerate() {
        let outcome = match audit.evaluation.assignment.outcomes[index] {
            Outcome::Object { .. } => "matched",
            Outcome::Background => "background",
            Outcome::Crowd => "crowd",
            Outcome::BeyondLimit => "beyond_limit",
            Outcome::LeftOut => "left_out",
        };
        let error = audit.error(index).map(detloss_coco::ErrorKind::name);
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
            (index, audit.truth.id(detection.image), &audit.truth.images[&detection.image]),
            (audit.truth.id(detection.category), &audit.truth.categories[&detection.category]),
            (detection.score as f32, outcome, error, sizes[audit.size(index)]),
            fields(detection.bbox),
            (
                annotation.and_then(|it| it.id).map(|id| audit.truth.id(id)),
                object.map(|(_, iou)| iou as f32),
            ),
            of_annotation,
            losses.collect::<Vec<_>>(),
        ))?;
    }
    Ok(writer.flush()?)
}
