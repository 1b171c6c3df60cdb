//! Matchers of the list as the rule by which cells find objects.

use detloss::matching;

use super::super::output::Output;
use super::super::run::Settings;
use super::super::targets::{LEFT_OUT, matched};
use super::*;

/// Of 60 steps.
fn with_matcher(scores: &str, matcher: &str, quality: bool) -> (Objective, Settings) {
    let chosen = choice::every(&[scores.into(), "giou".into()], &[]).unwrap();
    let matcher = Some(matcher.parse().unwrap());
    let losses = Losses::new(&chosen[0], &chosen[1], 1.0, quality, matcher).unwrap();
    with_settings(Objective::Losses(Box::new(losses)))
}

#[test]
fn a_detector_learns_with_task_aligned_matching() {
    for (scores, quality) in [("focal", false), ("bce", true)] {
        let (objective, settings) = with_matcher(scores, "task_aligned(topk=4)", quality);
        let points = finish(&Squares::new(), &objective, settings).points;
        assert_falls(scores, &points, |point| point.boxes);
        let ap50 = points.last().unwrap().ap50;
        assert!(ap50 > 0.4, "{scores}: AP50 {ap50}");
    }
}

#[test]
fn every_matcher_assigns_for_losses_of_every_kind() {
    let kinds = ["focal", "softmax_ce", "ap", "alrp"];
    for (entry, scores) in
        matching::ALL.iter().flat_map(|entry| kinds.map(move |scores| (entry, scores)))
    {
        for quality in [false, true] {
            let (objective, settings) = with_matcher(scores, entry.name, quality);
            let settings = Settings { steps: 2, batch: 4, rate: 1e-3, ..settings };
            let points = finish(&Squares::of(4, 2), &objective, settings).points;
            let is_finite = |point: &EvalPoint| (point.scores + point.boxes).is_finite();
            assert!(points.iter().all(is_finite), "{} and {scores}: {points:?}", entry.name);
        }
    }
}

#[test]
fn a_run_with_a_matcher_that_was_stopped_ends_as_one_that_was_not() {
    assert_stops_nowhere(&with_matcher("focal", "task_aligned(topk=13)", true));
}

/// A scene of 4 by 4 cells with an object, and what a detector of two classes says that has found it from the cell 5.
fn seen() -> (Scene, Output) {
    let (pixels, scale, size) = (Vec::new(), 1.0, [SIDE as u32; 2]);
    let objects = vec![Object { class: 1, corners: [4.0, 4.0, 20.0, 20.0] }];
    let scene = Scene { image: 1, side: SIDE, pixels, scale, size, objects };
    let (mut logits, mut boxes) = ([[-4.0_f32; 2]; 16], [[0.0_f32, 0.0, 6.0, 6.0]; 16]);
    (logits[5], boxes[5]) = ([-4.0, 3.0], [4.0, 4.0, 20.0, 20.0]);
    let device = Device::flex();
    let output = Output {
        logits: Tensor::from_data(logits, &device),
        boxes: Tensor::from_data(boxes, &device),
        quality: None,
    };
    (scene, output)
}

#[test]
fn matches_are_targets() {
    let (scene, output) = seen();
    let config = objective("focal", "giou").0.config(SIDE, &Squares::new().classes);
    let matched = |matcher: &str| {
        let scenes = [Scene { objects: Vec::new(), ..scene.clone() }, scene.clone()];
        let twice = |tensor: &Tensor<2>| Tensor::cat(vec![tensor.clone(); 2], 0);
        let output =
            Output { logits: twice(&output.logits), boxes: twice(&output.boxes), quality: None };
        matched(&matcher.parse().unwrap(), &output, &scenes, &config).unwrap()
    };
    let aligned = matched("task_aligned(topk=1)");
    assert_eq!(aligned.positives, [16 + 5]);
    assert_eq!(aligned.corners, [[4.0, 4.0, 20.0, 20.0]]);
    assert_eq!((aligned.classes[4], aligned.classes[16 + 5]), (2, 1));
    let score = aligned.scores.unwrap()[0];
    assert!((0.99..=1.0).contains(&score), "{score}");

    // An anchor of 8 by 8 within the object has an IoU of a quarter.
    let overlapping = matched("max_iou(high=0.5, low=0.2, low_quality=0)");
    assert!(overlapping.positives.is_empty() && overlapping.scores.is_none());
    assert_eq!(overlapping.classes[16 + 5], LEFT_OUT);
    assert_eq!(overlapping.classes[16], 2);
}

#[test]
fn a_matcher_of_rotated_boxes_does_not_fit() {
    let chosen = choice::every(&["focal".into(), "giou".into()], &[]).unwrap();
    let matcher = "task_aligned(overlap=prob_iou)".parse().unwrap();
    let problem = Losses::new(&chosen[0], &chosen[1], 1.0, false, Some(matcher)).err().unwrap();
    assert!(problem.to_string().contains("measures rotated boxes"), "{problem}");
}
