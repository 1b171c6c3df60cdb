use detloss::losses;

use super::*;

#[test]
fn precision_is_that_of_hand_arithmetic() {
    let of = |marks: &str| {
        let ranked = marks.chars().zip((0_u16..).map(|rank| -f32::from(rank)));
        average_precision(ranked.map(|(mark, score)| (score, mark == '+')).collect())
    };
    assert_eq!(of("++--"), 1.0);
    assert_eq!(of("+-+"), (1.0 + 2.0 / 3.0) / 2.0);
    assert_eq!(of("-+"), 0.5);
    // Interpolated: the second precision, 2/3, is better than the first, 1/2.
    assert_eq!(of("-++"), 2.0 / 3.0);
    assert!(of("--").is_nan());
    // Of equal scores the negative comes first.
    assert_eq!(average_precision(vec![(0.0, true), (0.0, false)]), 0.5);
}

#[test]
fn precision_by_class_is_the_mean_over_classes_with_positives() {
    let scores = Scores {
        logits: vec![2.0, 1.0, 0.0, 3.0, 9.0],
        ious: vec![Some(0.5), None, Some(1.0), None, None],
        classes: Some(vec![1, 1, 2, 2, 3]),
    };
    assert_eq!(scores.precision(&scores.logits), f64::midpoint(1.0, 0.5));
}

#[test]
fn a_seed_always_gives_the_same_scores() {
    let scores = synthetic(3, 100, 1);
    assert_eq!(scores, synthetic(3, 100, 1));
    assert_ne!(scores, synthetic(3, 100, 2));
    assert_eq!((scores.positives(), scores.logits.len()), (3, 103));
    assert!(scores.ious.iter().flatten().all(|iou| (0.5..=1.0).contains(iou)));
}

#[test]
fn made_up_qualities_rise_with_the_scores() {
    let scores = synthetic(2000, 0, 1);
    let ious: Vec<f64> = scores.ious.iter().flatten().map(|&iou| f64::from(iou)).collect();
    let above = |high: bool| {
        let mut of = ious.iter().zip(&scores.logits).filter(|(_, logit)| (**logit > 1.0) == high);
        let (sum, count) = of.by_ref().fold((0.0, 0.0), |(sum, n), (iou, _)| (sum + iou, n + 1.0));
        sum / count
    };
    assert!(above(true) > above(false) + 0.05);
}

#[test]
fn every_step_of_every_loss_has_the_same_length() {
    let scores = synthetic(9, 300, 1);
    for entry in losses::ALL.iter().filter(|entry| fits(entry)) {
        let course = run(&entry.make(), entry, &scores, 1, || {}).unwrap();
        let moved = course.logits.iter().zip(&scores.logits).map(|(a, b)| f64::from(a - b).powi(2));
        let length = moved.sum::<f64>().sqrt();
        assert!((length - 3.0 * descent::STEP).abs() < 1e-4, "{}: {length}", entry.name);
    }
}

#[test]
fn every_loss_of_scores_ranks_better_in_the_end() {
    let scores = synthetic(20, 500, 1);
    for entry in losses::ALL.iter().filter(|entry| fits(entry)) {
        let course = run(&entry.make(), entry, &scores, 30, || {}).unwrap();
        let (first, last) = (course.precision[0], course.precision[30]);
        assert!(last > first + 0.05, "{}: from {first} to {last}", entry.name);
        assert_eq!(course.values.len(), 31, "{}", entry.name);
    }
}

#[test]
fn scores_without_a_slope_rest() {
    let scores = Scores { logits: vec![1.0], ious: vec![None], classes: None };
    let entry = losses::find("bce").unwrap();
    let course = run(&entry.make(), entry, &scores, 3, || {}).unwrap();
    // No positive, no length.
    assert_eq!(course.logits, scores.logits);
}
