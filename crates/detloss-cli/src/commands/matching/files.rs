//! Positives as files: JSON for programs, CSV for spreadsheets.

use serde_json::{Map, Value, json};

use super::assumed;
use super::measure::{Measured, Object, Tally};

/// Everything but the single objects; of those without any the first `top`.
pub(super) fn as_json(measured: &Measured, top: usize) -> Value {
    let sizes = measured.sizes().into_iter().map(|(size, tally)| {
        with_tally(Map::from_iter([("size".to_owned(), size.into())]), &tally)
    });
    let classes = measured.classes().into_iter().map(|(class, tally)| {
        let mut map = Map::new();
        map.insert("category_id".into(), serde_json::json!(measured.truth.id(class)));
        map.insert("class".into(), measured.truth.categories[&class].clone().into());
        with_tally(map, &tally)
    });
    let without = measured.without();
    let object = |object: &Object| {
        let annotation = measured.annotation(object);
        json!({
            "annotation_id": annotation.id.map(|id| measured.truth.id(id)),
            "annotation_index": measured.truth.entry(object.annotation),
            "image_id": measured.truth.id(annotation.image),
            "file_name": measured.truth.images[&annotation.image],
            "class": measured.class(object),
            "size": measured.size(object),
            "bbox": annotation.bbox,
            "area": annotation.area,
            "seen": object.sides,
        })
    };
    let map = Map::from_iter([
        ("anchors".to_owned(), measured.anchors.clone().into()),
        ("seen".to_owned(), measured.images.clone().into()),
        ("assigner".to_owned(), measured.assigner.to_string().into()),
        ("assumed".to_owned(), measured.is_assumed().then_some(assumed::WORDS).into()),
        ("images".to_owned(), measured.truth.images.len().into()),
        ("crowds".to_owned(), measured.crowds.into()),
    ]);
    let mut summary = with_tally(map, &measured.all());
    summary["sizes"] = sizes.collect();
    summary["classes"] = classes.collect();
    summary["objects_without"] = without.iter().take(top).map(object).collect();
    summary
}

fn with_tally(mut map: Map<String, Value>, tally: &Tally) -> Value {
    map.insert("objects".into(), tally.objects().into());
    map.insert("positives".into(), tally.positives().into());
    // Nothing is the mean of no objects.
    let of_any = |number: f64| (tally.objects() > 0).then_some(number);
    map.insert("mean".into(), of_any(tally.mean()).into());
    for (name, share) in [("p10", 0.1), ("median", 0.5), ("p90", 0.9), ("max", 1.0)] {
        map.insert(name.into(), tally.quantile(share).into());
    }
    map.insert("without".into(), tally.without().into());
    map.insert("share_without".into(), of_any(tally.share_without()).into());
    Value::Object(map)
}

/// A row for every object, in the order of the file.
pub(super) fn objects(measured: &Measured) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record([
        "annotation_id",
        "image_id",
        "file_name",
        "category_id",
        "class",
        "size",
        "area",
        "x",
        "y",
        "w",
        "h",
        "seen_w",
        "seen_h",
        "positives",
    ])?;
    for object in &measured.objects {
        let annotation = measured.annotation(object);
        writer.serialize((
            annotation.id.map(|id| measured.truth.id(id)),
            (measured.truth.id(annotation.image), &measured.truth.images[&annotation.image]),
            (measured.truth.id(annotation.category), measured.class(object)),
            (measured.size(object), annotation.area),
            annotation.bbox,
            object.sides.map(|side| side as f32),
            object.positives,
        ))?;
    }
    Ok(writer.into_inner()?)
}

/// A row for every class with objects, the worst first.
pub(super) fn classes(measured: &Measured) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record([
        "category_id",
        "class",
        "objects",
        "positives",
        "mean",
        "p10",
        "median",
        "p90",
        "max",
        "without",
        "share_without",
    ])?;
    for (class, tally) in measured.classes() {
        writer.serialize((
            (measured.truth.id(class), &measured.truth.categories[&class]),
            (tally.objects(), tally.positives(), tally.mean()),
            [0.1, 0.5, 0.9, 1.0].map(|share| tally.quantile(share)),
            (tally.without(), tally.share_without()),
        ))?;
    }
    Ok(writer.into_inner()?)
}
