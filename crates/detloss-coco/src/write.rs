//! Annotations and results as COCO's format has them.

use serde_json::{Value, json};

use crate::bbox::Bbox;
use crate::dataset::{Annotation, GroundTruth};
use crate::id::Id;

/// A detection as COCO's results have it.
pub fn result_of<B: Bbox>(image: &Id, category: &Id, bbox: B, score: f64) -> Value {
    json!({"image_id": image, "category_id": category, "bbox": bbox, "score": score})
}

/// A truth as COCO's annotations have it.
pub fn annotations_of<B: Bbox>(truth: &GroundTruth<B>) -> Value {
    let id = |key: u64| truth.id(key);
    let image = |(&key, name): (&u64, &String)| {
        let mut image = json!({"id": id(key), "file_name": name});
        if let Some(size) = truth.sizes.get(&key) {
            // Lengths are whole, and readers want them written so.
            let [width, height] = size.map(|length| length as u64);
            image["width"] = width.into();
            image["height"] = height.into();
        }
        image
    };
    // Pycocotools takes an object with the id 0 for none.
    let annotation = |(index, one): (u64, &Annotation<B>)| {
        json!({
            "id": id(one.id.filter(|&id| id > 0).unwrap_or(index)),
            "image_id": id(one.image),
            "category_id": id(one.category),
            "bbox": one.bbox,
            "area": one.area,
            "iscrowd": u8::from(one.crowd),
        })
    };
    let category = |(&key, name): (&u64, &String)| json!({"id": id(key), "name": name});
    json!({
        "images": truth.images.iter().map(image).collect::<Vec<_>>(),
        "annotations": (1..).zip(&truth.annotations).map(annotation).collect::<Vec<_>>(),
        "categories": truth.categories.iter().map(category).collect::<Vec<_>>(),
    })
}
