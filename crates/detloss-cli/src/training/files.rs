//! What is there and what was found, as files in COCO's format, and how well each class is found.

use std::path::Path;

use detloss_coco::{Class, Detection, Evaluation, GroundTruth, Id, annotations_of, result_of};
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    save(folder, name, &serde_json::to_vec(&annotations_of(truth))?)?;
    let of = |found: &Detection| {
        let Detection { image, category, bbox, score } = *found;
        result_of(&truth.id(image), &truth.id(category), bbox, score)
    };
    let results: Vec<Value> = found.iter().map(of).collect();
    save(folder, DETECTIONS, &serde_json::to_vec(&results)?)?;
    Ok(())
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
