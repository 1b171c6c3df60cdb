//! Evaluations beside pycocotools and TIDE (`golden/make.py`): on random sets, and on the example of COCO.

use std::fs;
use std::path::{Path, PathBuf};

use detloss_coco::{
    Area, Detection, Evaluation, GroundTruth, Options, evaluate, read_ground_truth, read_results,
    summarize,
};
use serde_json::Value;

fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/evaluation.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The random sets.
fn sets(golden: &Value) -> Vec<(GroundTruth, Vec<Detection>, &Value)> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &Value| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, value.to_string()).unwrap();
        path
    };
    let sets = golden["sets"].as_array().unwrap().iter();
    sets.map(|set| {
        let truth = read_ground_truth(&write("truth.json", &set["truth"])).unwrap().content;
        let found = read_results(&write("results.json", &set["results"]), &truth).unwrap().content;
        (truth, found, set)
    })
    .collect()
}

/// The example of COCO, where it is beside the project.
fn example() -> Option<(GroundTruth, Vec<Detection>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/coco100");
    if !folder.exists() {
        println!("skipped: the COCO example is not beside the project");
        return None;
    }
    let truth = read_ground_truth(&folder.join("instances_val2014_100.json")).unwrap().content;
    let found = read_results(&folder.join("fakebbox100_results.json"), &truth).unwrap().content;
    Some((truth, found))
}

fn assert_near(got: Option<f64>, wanted: &Value, what: &str) {
    match (got, wanted.as_f64()) {
        (Some(got), Some(wanted)) => {
            assert!((got - wanted).abs() < 1e-9, "{what}: {got} instead of {wanted}");
        }
        (got, wanted) => assert_eq!(got, wanted, "{what}"),
    }
}

/// The evaluation has the numbers of pycocotools.
fn assert_coco(evaluation: &Evaluation, wanted: &Value) {
    let names = ["AP", "AP50", "AP75", "AP0", "AP1", "AP2", "AR1", "AR10", "AR100"];
    let most = evaluation.options.max_detections;
    for (place, name) in names.into_iter().enumerate() {
        let wanted = &wanted["summary"][place];
        let metric = |name: &str| {
            let found = evaluation.summary.iter().find(|metric| metric.name == name);
            found.unwrap_or_else(|| panic!("no {name}")).value
        };
        let value = match name {
            "AP0" | "AP1" | "AP2" => evaluation.sizes[place - 3].ap,
            "AR10" if most < 10 => metric(&format!("AR{most}")),
            "AR100" => metric(&format!("AR{most}")),
            name => metric(name),
        };
        assert_near(value, wanted, name);
    }
    for (place, size) in evaluation.sizes.iter().enumerate() {
        assert_near(size.ar, &wanted["summary"][9 + place], &size.size.name);
    }
    for class in &evaluation.classes {
        let wanted = &wanted["classes"][class.id.to_string()];
        for (place, value) in [class.ap, class.ap50, class.ap75, class.ar].into_iter().enumerate() {
            assert_near(value, &wanted[place], &format!("class {}, {place}", class.id));
        }
    }
}

/// The evaluation has the errors of TIDE.
fn assert_tide(evaluation: &Evaluation, wanted: &Value) {
    let errors = &evaluation.errors;
    assert_near(errors.ap, &wanted["ap"], "AP");
    for kind in &errors.kinds {
        let name = kind.kind.name();
        assert_near(Some(kind.cost), &wanted["cost"][name], name);
        assert_eq!(wanted["count"][name], kind.count, "{name}");
    }
    assert_near(Some(errors.false_positives), &wanted["cost"]["FalsePos"], "false positives");
    assert_near(Some(errors.false_negatives), &wanted["cost"]["FalseNeg"], "false negatives");
}

#[test]
fn random_sets_have_the_numbers_of_pycocotools_and_tide() {
    let golden = golden();
    let sets = sets(&golden);
    assert_eq!(sets.len(), 4);
    for (truth, found, set) in sets {
        let evaluation = evaluate(&truth, &found, &Options::default());
        assert_coco(&evaluation, &set["default"]);
        assert_tide(&evaluation, &set["tide"]);
    }
}

#[test]
fn other_options_have_the_numbers_of_pycocotools() {
    let golden = golden();
    let numbers = |name: &str| -> Vec<f64> {
        let list = golden["other"][name].as_array().unwrap().iter();
        list.map(|number| number.as_f64().unwrap()).collect()
    };
    let options = Options {
        ious: numbers("ious"),
        score: golden["other"]["score"].as_f64(),
        max_detections: golden["other"]["max_detections"].as_u64().unwrap() as usize,
        classes: Some(numbers("classes").into_iter().map(|class| class as u64).collect()),
        areas: Area::between(&numbers("borders")),
        threshold: None,
    };
    for (truth, found, set) in sets(&golden) {
        assert_coco(&evaluate(&truth, &found, &options), &set["other"]);
    }
}

#[test]
fn the_example_of_coco_has_the_numbers_of_pycocotools_and_tide() {
    let Some((truth, found)) = example() else { return };
    let evaluation = evaluate(&truth, &found, &Options::default());
    let golden = &golden()["coco100"];
    assert_coco(&evaluation, &golden["default"]);
    assert_tide(&evaluation, &golden["tide"]);
    // What the COCO API publishes for its own example.
    let published =
        [0.505, 0.697, 0.573, 0.586, 0.519, 0.501, 0.387, 0.594, 0.595, 0.640, 0.566, 0.564];
    let summary = summarize(&truth, &found, &Options::default());
    for (metric, published) in summary.iter().zip(published) {
        let value = metric.value.unwrap();
        assert!((value - published).abs() <= 0.0005, "{}: {value}, {published}", metric.name);
    }
}

#[test]
fn parts_of_an_evaluation_add_up() {
    let golden = golden();
    let mut sets: Vec<(GroundTruth, Vec<Detection>)> =
        sets(&golden).into_iter().map(|(truth, found, _)| (truth, found)).collect();
    sets.extend(example());
    for (truth, found) in sets {
        let evaluation = evaluate(&truth, &found, &Options::default());
        let objects = evaluation.objects;
        let missed = evaluation.assignment.missed.len();
        assert_eq!(evaluation.classes.iter().map(|class| class.objects).sum::<usize>(), objects);
        assert_eq!(evaluation.sizes.iter().map(|size| size.objects).sum::<usize>(), objects);
        assert_eq!(evaluation.sizes.iter().map(|size| size.found).sum::<usize>(), objects - missed);
        assert_eq!(evaluation.crowding.iter().map(|group| group.objects).sum::<usize>(), objects);
        let found = evaluation.crowding.iter().map(|group| group.found).sum::<usize>();
        assert_eq!(found, objects - missed);

        // The diagonal is what the best threshold finds; a row has all objects of its class.
        let (confusion, best) = (&evaluation.confusion, evaluation.best.unwrap());
        assert_eq!(confusion.threshold, best.threshold);
        let diagonal: usize = (0..confusion.classes.len()).map(|k| confusion.counts[k][k]).sum();
        assert!((diagonal as f64 / objects as f64 - best.recall).abs() < 1e-12);
        for (row, class) in confusion.counts.iter().zip(&evaluation.classes) {
            assert_eq!(row.iter().sum::<usize>(), class.objects);
        }
        let all: usize = confusion.counts.iter().flatten().sum();
        let (last, rows) = confusion.counts.split_last().unwrap();
        let background: usize = rows.iter().map(|row| row[row.len() - 1]).sum();
        let precision = diagonal as f64 / (all - background) as f64;
        assert!((precision - best.precision).abs() < 1e-12);
        assert_eq!(last[last.len() - 1], 0);

        // The curve of the first IoU has AP50, class by class and in the mean.
        let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / numbers.len() as f64;
        for class in &evaluation.classes {
            assert_eq!(class.precision.is_some(), class.objects > 0);
            if let (Some(precision), Some(ap)) = (&class.precision, class.ap50) {
                assert!((mean(precision) - ap).abs() < 1e-12);
            }
        }
        let ap50 = evaluation.summary[1].value.unwrap();
        assert!((mean(&evaluation.curves[0].precision) - ap50).abs() < 1e-12);
        let bins = &evaluation.calibration.unwrap().bins;
        let counted: usize = evaluation.classes.iter().map(|class| class.detections).sum();
        assert_eq!(bins.iter().map(|bin| bin.detections).sum::<usize>(), counted);
    }
}
