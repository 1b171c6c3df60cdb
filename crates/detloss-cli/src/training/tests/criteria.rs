//! Criteria of the list as what the detector is trained with.

use detloss::criteria::{self, Outputs, Truths};

use super::super::criterion::Fitted;
use super::super::output::{Output, anchors, middle, numbers};
use super::super::run::Settings;
use super::*;

/// Of 60 steps.
fn of_criterion(text: &str) -> (Objective, Settings) {
    with_settings(Objective::Criterion(text.parse().unwrap()))
}

/// The criteria that fit, by their names.
fn fitting() -> Vec<&'static str> {
    let names = criteria::ALL.iter().map(|entry| entry.name);
    names.filter(|name| name.parse::<Fitted>().is_ok()).collect()
}

fn total(point: &EvalPoint) -> f64 {
    point.scores + point.boxes
}

#[test]
fn what_does_not_fit_is_told_why() {
    for (text, words) in [
        ("retinanet", "its head \"head\" stretches anchor boxes, and a cell is a point"),
        ("yolo8_obb", "its head \"head\" has rotated boxes, and a cell has none"),
        ("faster_rcnn", "its head \"rpn\" stretches anchor boxes"),
        ("rf_detr", "its head \"decoder\" has 13 groups of queries"),
        ("rf_detr", "rf_detr(matcher=hungarian)"),
        ("d_fine", "distributions with their references"),
        ("rt_detr(matcher=task_aligned)", "anchors"),
        ("yolo", "yolo8"),
        ("yolo8(box=focal)", "a loss of two boxes"),
    ] {
        let problem = text.parse::<Fitted>().unwrap_err();
        assert!(problem.contains(words), "{text}: {problem}");
    }
    let problem = "ssd".parse::<Fitted>().unwrap_err();
    let (_, fit) = problem.split_once("These fit: ").unwrap();
    assert_eq!(fit.split(", ").collect::<Vec<_>>(), fitting());
    for name in ["yolo8", "fcos", "rt_detr", "yolox", "detr"] {
        assert!(fitting().contains(&name), "{name}");
    }
    for text in ["rf_detr(matcher=hungarian)", "yolo8(cls.class_weight=1 2 3)"] {
        assert!(text.parse::<Fitted>().is_ok(), "{text}");
    }
}

#[test]
fn a_detector_learns_with_criteria_of_every_decoder() {
    for text in
        ["yolo8", "fcos", "yolox", "rt_detr", "yolo8(box=siou, matcher=task_aligned(topk=4))"]
    {
        let (objective, settings) = of_criterion(text);
        let points = finish(&Squares::new(), &objective, settings).points;
        assert_falls(text, &points, total);
        let ap50 = points.last().unwrap().ap50;
        assert!(ap50 > 0.4, "{text}: AP50 {ap50}");
    }
}

#[test]
fn every_criterion_that_fits_takes_steps() {
    for name in fitting() {
        let (objective, settings) = of_criterion(name);
        let settings = Settings { steps: 5, batch: 4, rate: 1e-3, ..settings };
        let points = finish(&Squares::of(4, 2), &objective, settings).points;
        assert!(points.iter().all(|point| total(point).is_finite()), "{name}: {points:?}");
        assert!(total(&points[0]) != total(&points[4]), "{name}: {points:?}");
    }
}

/// The weights of YOLO26 depend on how far the run is.
#[test]
fn a_run_with_a_criterion_that_was_stopped_ends_as_one_that_was_not() {
    for text in ["yolo26", "fcos(classification=focal(gamma=1.5))"] {
        assert_stops_nowhere(&of_criterion(text));
    }
}

/// An output of all cells of a scene, whose numbers are leaves of a graph.
fn output(logits: &[f32], boxes: &[f32], quality: Option<&[f32]>) -> Output {
    let device = Device::flex().autodiff();
    let cells = (SIDE / 8) * (SIDE / 8);
    let leaf = |numbers: &[f32]| {
        let data = burn::tensor::TensorData::new(numbers.to_vec(), [cells, numbers.len() / cells]);
        Tensor::<2>::from_data(data, &device).require_grad()
    };
    Output { logits: leaf(logits), boxes: leaf(boxes), quality: quality.map(leaf) }
}

#[test]
fn the_gradient_is_that_of_the_criterion() {
    let scene = square(0);
    let [x1, y1, x2, y2] = scene.objects[0].corners;
    let label = [scene.objects[0].class as i64];
    for (text, columns) in [("yolo8", 64), ("fcos", 4), ("rt_detr", 4)] {
        let (objective, _) = of_criterion(text);
        let config = objective.config(SIDE, &Squares::new().classes);
        let mut random = Random::new(1);
        let mut many = |count: usize| -> Vec<f32> {
            (0..16 * count).map(|_| (0.1 + 0.5 * random.uniform()) as f32).collect()
        };
        let (logits, boxes, quality) = (many(2), many(columns), (text == "fcos").then(|| many(1)));
        let output = output(&logits, &boxes, quality.as_deref());
        let leaves = [Some(&output.logits), Some(&output.boxes), output.quality.as_ref()];
        let leaves = leaves.map(|leaf| leaf.cloned());

        let (points, side) = (anchors(SIDE / 8), SIDE as f32);
        let mut outputs = Outputs::new(1, &logits, &boxes).image_size(side.into(), side.into());
        let mut truth = [x1, y1, x2, y2];
        if text == "rt_detr" {
            truth = [(x1 + x2) / 2.0, (y1 + y2) / 2.0, x2 - x1, y2 - y1].map(|at| at / side);
        } else {
            outputs = outputs.anchors(&points);
        }
        if let Some(quality) = &quality {
            outputs = outputs.quality(quality);
        }
        let criterion = criteria::find(text).unwrap().make();
        let expected = criterion.evaluate(&[outputs], &[Truths::new(&truth, &label)]).unwrap();

        let states = &mut States::default();
        let value =
            objective.value(output, std::slice::from_ref(&scene), &config, 0.0, states).unwrap();
        assert!((value.scores + value.boxes.unwrap() - expected.total).abs() < 1e-9, "{text}");
        let gradients = value.total.backward();
        let of = &expected.grads[0];
        for (leaf, expected) in leaves.iter().zip([&of.logits, &of.boxes, &of.quality]) {
            let Some(leaf) = leaf else { continue };
            assert!(expected.iter().any(|&slope| slope != 0.0), "{text}");
            assert_eq!(&numbers(&leaf.grad(&gradients).unwrap()), expected, "{text}");
        }
    }
}

#[test]
fn a_criterion_of_other_classes_stops_the_run_with_its_step() {
    let (objective, settings) = of_criterion("yolo8(cls.class_weight=1 2 3)");
    let (folder, data) = (tempfile::tempdir().unwrap(), Squares::new());
    let mut run = Run::new(&data, &objective, settings);
    let problem = format!("{:#}", run.advance(folder.path(), &go_on).unwrap_err());
    assert!(problem.starts_with("at step 1") && problem.contains('3'), "{problem}");
}

#[test]
fn a_detector_begins_with_boxes_of_two_cells_about_their_cells() {
    let (classes, device) = (Squares::new().classes, Device::flex());
    let configs = ["yolo8", "fcos", "yolox", "rt_detr", "detr"].map(|text| of_criterion(text).0);
    for objective in configs.into_iter().chain([objective("focal", "giou").0]) {
        let config = objective.config(SIDE, &classes);
        let detector = Detector::new(&config, 0.01, 1, &device);
        let output = detector.forward(&[square(0), square(1)], &config, &device);
        let corners = config.corners(&output, 2).unwrap();
        assert_eq!(corners.len(), 2 * 16 * 4);
        for (cell, corners) in corners.as_chunks::<4>().0.iter().enumerate() {
            let [x, y] = middle(cell % 16, 4);
            for (corner, wanted) in corners.iter().zip([x - 8.0, y - 8.0, x + 8.0, y + 8.0]) {
                let title = objective.spec().title();
                assert!((corner - wanted).abs() < 2.0, "{title}: {corners:?} of {cell}");
            }
        }
    }
}

#[test]
fn a_box_of_queries_is_a_share_of_the_scene() {
    let (objective, _) = of_criterion("rt_detr");
    let config = objective.config(SIDE, &Squares::new().classes);
    let boxes: Vec<f32> = (0..16).flat_map(|_| [0.5, 0.25, 0.5, 0.25]).collect();
    let corners = config.corners(&output(&[0.0; 32], &boxes, None), 1).unwrap();
    assert_eq!(corners[..4], [8.0, 4.0, 24.0, 12.0]);
}

#[test]
fn a_criterion_is_saved_as_it_was_written() {
    let (objective, settings) = of_criterion(" yolo8( box=siou )");
    let text = serde_json::to_string(&settings).unwrap();
    assert!(text.contains(r#""criterion":"yolo8( box=siou )""#), "{text}");
    assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
    let config = objective.config(SIDE, &Squares::new().classes);
    let saved = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&saved).unwrap(), config);
    let broken = saved.replace("yolo8( box=siou )", "ssd");
    let problem = serde_json::from_str::<Config>(&broken).unwrap_err().to_string();
    assert!(problem.contains("does not fit the detector"), "{problem}");
}
