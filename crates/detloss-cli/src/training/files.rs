//! What is there and what was found, as files in COCO's format, and how well each class is found.

use std::path::Path;

use detloss_coco::{Annotation, Class, Detection, Evaluation, GroundTruth, Id, Xywh};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::output::save;
use crate::table::{Column, Table};

/// What was found, in every folder that has it.
pub(crate) const DETECTIONS: &str = "detections.json";

/// How well the objects of a class are found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ClassScore {
    /// The id of its category.
    pub(crate) id: Id,
    /// What it is called.
    pub(crate) name: String,
    /// How many there are, without crowds.
    pub(crate) objects: usize,
    /// Average precision over IoU 0.5 to 0.95; none without objects.
    pub(crate) ap: Option<f64>,
    /// At IoU 0.5.
    pub(crate) ap50: Option<f64>,
    /// At IoU 0.75.
    pub(crate) ap75: Option<f64>,
}

/// Every class of an evaluation by itself.
pub(crate) fn classes(evaluation: &Evaluation) -> Vec<ClassScore> {
    let score = |class: &Class| {
        let Class { objects, ap, ap50, ap75, .. } = *class;
        ClassScore { id: class.id.clone(), name: class.name.clone(), objects, ap, ap50, ap75 }
    };
    evaluation.classes.iter().map(score).collect()
}

/// A line for each class.
pub(crate) fn table(classes: &[ClassScore]) -> Table {
    let numbers = ["objects", "AP", "AP50", "AP75"].map(Column::numbers);
    let mut table = Table::new([Column::words("class")].into_iter().chain(numbers));
    for class in classes {
        let metrics = [class.ap, class.ap50, class.ap75]
            .map(|metric| metric.map_or_else(|| "-".to_owned(), |metric| format!("{metric:.3}")));
        let head = [class.name.clone(), class.objects.to_string()];
        table.push(head.into_iter().chain(metrics));
    }
    table
}

/// Writes the truth under this name, and the detections.
///
/// # Errors
///
/// If `folder` cannot be written to.
pub(crate) fn write(
    truth: &GroundTruth,
    name: &str,
    found: &[Detection],
    folder: &Path,
) -> anyhow::Result<()> {
    save(folder, name, &serde_json::to_vec(&annotations(truth))?)?;
    let of = |found: &Detection| {
        let Detection { image, category, bbox, score } = *found;
        result(&truth.id(image), &truth.id(category), bbox, score)
    };
    let results: Vec<Value> = found.iter().map(of).collect();
    save(folder, DETECTIONS, &serde_json::to_vec(&results)?)?;
    Ok(())
}

/// A detection as COCO's results have it.
pub(crate) fn result(image: &Id, category: &Id, bbox: Xywh, score: f64) -> Value {
    json!({"image_id": image, "category_id": category, "bbox": bbox, "score": score})
}

/// A truth as COCO's annotations have it.
pub(crate) fn annotations(truth: &GroundTruth) -> Value {
    let image = |(id, name): (&u64, &String)| {
        let mut image = json!({"id": truth.id(*id), "file_name": name});
        if let Some(size) = truth.sizes.get(id) {
            // Lengths are whole, and readers want them written so.
            let [width, height] = size.map(|length| length as u64);
            image["width"] = width.into();
            image["height"] = height.into();
        }
        image
    };
    // Pycocotools takes an object with the id 0 for none.
    let annotation = |(index, one): (u64, &Annotation)| {
        json!({
            "id": truth.id(one.id.filter(|&id| id > 0).unwrap_or(index)),
            "image_id": truth.id(one.image),
            "category_id": truth.id(one.category),
            "bbox": one.bbox,
            "area": one.area,
            "iscrowd": u8::from(one.crowd),
        })
    };
    let category = |(id, name): (&u64, &String)| json!({"id": truth.id(*id), "name": name});
    json!({
        "images": truth.images.iter().map(image).collect::<Vec<_>>(),
        "annotations": (1..).zip(&truth.annotations).map(annotation).collect::<Vec<_>>(),
        "categories": truth.categories.iter().map(category).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use detloss_coco::{Options, evaluate, read_ground_truth, read_results};

    use super::super::data::Data;
    use super::super::digits::Digits;
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_scores_the_same() {
        let digits = Digits::new(32, 1, 1);
        let truth = digits.truth();
        let found: Vec<Detection> = truth
            .annotations
            .iter()
            .filter(|one| one.category != 4)
            .zip(1..)
            .map(|(one, place)| {
                let (image, category, score) = (one.image, one.category, 1.0 / f64::from(place));
                let bbox =
                    [one.bbox[0] + f64::from(place % 5), one.bbox[1], one.bbox[2], one.bbox[3]];
                Detection { image, category, bbox, score }
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        write(truth, "truth.json", &found, folder.path()).unwrap();
        let read = read_ground_truth(&folder.path().join("truth.json")).unwrap().content;
        let read = GroundTruth { entries: Vec::new(), ..read };
        assert_eq!(&read, truth);
        let results = read_results(&folder.path().join(DETECTIONS), &read).unwrap();
        assert_eq!(results.content, found);

        let evaluation = evaluate(truth, &found, &Options::default());
        let of_classes = classes(&evaluation);
        assert_eq!(of_classes.len(), 10);
        assert_eq!((of_classes[3].ap, &*of_classes[3].name), (Some(0.0), "3"));
        let mean: f64 = of_classes.iter().map(|class| class.ap.unwrap()).sum::<f64>() / 10.0;
        let all = evaluation.summary[0].value.unwrap();
        assert!((mean - all).abs() < 1e-12 && all > 0.1, "{mean} and {all}");
        let objects: usize = of_classes.iter().map(|class| class.objects).sum();
        assert_eq!(objects, truth.annotations.len());
    }
}
