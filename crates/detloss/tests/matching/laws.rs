//! What holds for every matcher of the list, with its defaults and at the ends of its parameters.

use detloss::Error;
use detloss::matching::{
    ALL, Anchors, AnyMatcher, BACKGROUND, Entry, IGNORED, Image, Matches, Precision, Scores,
};

use crate::scenes::{Scene, scenes};

/// Whose truths take predictions wherever they are; the truths of all others need some that overlap them, or lie in them.
const TAKE_ANYTHING: [&str; 3] = ["sim_ota", "dynamic_soft_label", "hungarian"];

/// By whose rule a later truth takes from an earlier one.
const BY_ORDER: [&str; 1] = ["ssd"];

/// What a matcher may ask for, in its precision, with scores as it wants them.
pub(crate) struct Given<T> {
    pub(crate) truths: Vec<T>,
    pub(crate) labels: Vec<i64>,
    anchors: Anchors<T>,
    pub(crate) boxes: Vec<T>,
    pub(crate) scores: Vec<T>,
}

impl<T: Precision> Given<T> {
    pub(crate) fn new(entry: &Entry, scene: &Scene, number: impl Fn(f64) -> T) -> Self {
        let numbers = |of: &[f64]| of.iter().map(|&value| number(value)).collect::<Vec<T>>();
        let score = |&p: &f64| match entry.inputs.scores {
            Some(Scores::Logits) => number((p / (1.0 - p)).ln()),
            _ => number(p),
        };
        let anchors = Anchors::points(&numbers(&scene.points), &numbers(&scene.strides));
        Self {
            truths: numbers(&scene.truths),
            labels: scene.labels.clone(),
            anchors: anchors.unwrap().levels(&scene.levels).unwrap(),
            boxes: numbers(&scene.boxes),
            scores: scene.scores.iter().map(score).collect(),
        }
    }

    pub(crate) fn image(&self) -> Image<'_, T> {
        Image::new(&self.truths)
            .labels(&self.labels)
            .anchors(&self.anchors)
            .boxes(&self.boxes)
            .scores(&self.scores)
    }

    pub(crate) fn matched(&self, matcher: &AnyMatcher) -> Matches<T> {
        matcher.match_image(&self.image()).unwrap()
    }
}

fn matched(entry: &Entry, scene: &Scene) -> Matches<f64> {
    Given::new(entry, scene, |value| value).matched(&entry.make())
}

/// Scenes of which nothing is equal to anything else.
fn without_ties() -> impl Iterator<Item = Scene> {
    let has_ties = ["equal", "tiny", "empty", "huge"];
    scenes().into_iter().filter(move |scene| !has_ties.contains(&scene.what.as_str()))
}

/// The matchers at both ends of each of their parameters, as far as they fit the others.
fn at_the_ends(entry: &'static Entry) -> impl Iterator<Item = AnyMatcher> {
    let ends = entry.params.iter().flat_map(|param| {
        [param.range.0, param.range.1].map(|value| entry.with(&[(param.name, value)]))
    });
    ends.filter_map(Result::ok).chain([entry.make()])
}

#[test]
fn truths_in_another_order_are_the_same_truths() {
    for entry in ALL {
        let mut is_by_order = false;
        for scene in without_ties().filter(|scene| scene.truth_count() > 1) {
            let truths = scene.truth_count();
            let mut turned = scene.clone();
            turned.truths.rotate_left(4);
            turned.labels.rotate_left(1);
            let mut expected = matched(entry, &scene);
            for index in expected.indices.iter_mut().filter(|index| **index >= 0) {
                *index = (*index + truths as i32 - 1) % truths as i32;
            }
            let found = matched(entry, &turned);
            if BY_ORDER.contains(&entry.name) {
                is_by_order |= found != expected;
            } else {
                assert_eq!(found, expected, "{}, {}", entry.name, scene.what);
            }
        }
        assert_eq!(is_by_order, BY_ORDER.contains(&entry.name), "{}", entry.name);
    }
}

#[test]
fn a_truth_far_away_changes_nothing() {
    for entry in ALL {
        let mut takes = 0;
        for scene in scenes() {
            let mut with_far = scene.clone();
            with_far.truths.extend([3e6, 3e6, 3e6 + 50.0, 3e6 + 50.0]);
            with_far.labels.push(1);
            let (found, expected) = (matched(entry, &with_far), matched(entry, &scene));
            if TAKE_ANYTHING.contains(&entry.name) {
                takes += found.counts(with_far.truth_count())[scene.truth_count()];
            } else {
                assert_eq!(found, expected, "{}, {}", entry.name, scene.what);
            }
        }
        assert_eq!(takes > 0, TAKE_ANYTHING.contains(&entry.name), "{}", entry.name);
    }
}

#[test]
fn predictions_that_are_nan_are_as_if_they_were_elsewhere() {
    for entry in ALL.iter().filter(|entry| entry.inputs.boxes && entry.inputs.anchors) {
        let (mut matched_before, mut left) = (0, 0);
        for scene in scenes() {
            for every in [1, 2, 5] {
                let (mut with_nan, mut elsewhere) = (scene.clone(), scene.clone());
                for prediction in (0..scene.prediction_count()).filter(|index| index % every == 0) {
                    if prediction % 3 == 0 {
                        with_nan.boxes[4 * prediction + prediction % 4] = f64::NAN;
                    } else {
                        let scores = prediction * scene.classes..(prediction + 1) * scene.classes;
                        with_nan.scores[scores].fill(f64::NAN);
                    }
                    elsewhere.points[2 * prediction..][..2].fill(1e7);
                }
                let found = matched(entry, &with_nan);
                assert_eq!(
                    found,
                    matched(entry, &elsewhere),
                    "{}, {}, {every}",
                    entry.name,
                    scene.what
                );
                matched_before += matched(entry, &scene).positives();
                left += found.positives();
            }
        }
        assert!(left > 100 && matched_before > left + 100, "{}: {left}", entry.name);
    }
}

#[test]
fn many_images_in_a_call_are_one_after_the_other() {
    for entry in ALL {
        let all: Vec<_> =
            scenes().iter().map(|scene| Given::new(entry, scene, |value| value)).collect();
        let images: Vec<_> = all.iter().map(Given::image).collect();
        let singly: Vec<_> = all.iter().map(|given| given.matched(&entry.make())).collect();
        assert_eq!(entry.make().match_images(&images).unwrap(), singly, "{}", entry.name);
    }
}

#[test]
fn single_precision_matches_as_double_precision_does() {
    for entry in ALL {
        for mut scene in without_ties() {
            for numbers in [&mut scene.truths, &mut scene.boxes, &mut scene.scores] {
                numbers.iter_mut().for_each(|value| *value = f64::from(*value as f32));
            }
            let wide = matched(entry, &scene);
            let narrow = Given::new(entry, &scene, |value| value as f32).matched(&entry.make());
            assert_eq!(narrow.indices, wide.indices, "{}, {}", entry.name, scene.what);
            for (a, b) in narrow.scores.iter().flatten().zip(wide.scores.iter().flatten()) {
                assert!(
                    (f64::from(*a) - b).abs() < 1e-4,
                    "{}, {}: {a}, {b}",
                    entry.name,
                    scene.what
                );
            }
        }
    }
}

#[test]
fn a_matcher_reads_what_it_writes() {
    for entry in ALL {
        for matcher in at_the_ends(entry) {
            assert_eq!(matcher.to_string().parse::<AnyMatcher>().unwrap(), matcher);
            if entry.overlap.is_some() {
                let other = matcher.with_overlap("siou(theta=2)".parse().unwrap()).unwrap();
                assert_eq!(other.to_string().parse::<AnyMatcher>().unwrap(), other);
            }
        }
    }
}

#[test]
fn indices_and_scores_stay_in_their_ranges_whatever_the_parameters() {
    for entry in ALL {
        for scene in scenes() {
            let given = Given::new(entry, &scene, |value| value as f32);
            for matcher in at_the_ends(entry) {
                let what = || format!("{matcher}, {}", scene.what);
                let matches = match matcher.match_image(&given.image()) {
                    // More groups than predictions.
                    Err(Error::BadParam { key: "groups", .. }) => continue,
                    matches => matches.unwrap(),
                };
                assert_eq!(matches.indices.len(), scene.prediction_count(), "{}", what());
                let truths = 0..scene.truth_count() as i32;
                let is_index =
                    |index| truths.contains(index) || [BACKGROUND, IGNORED].contains(index);
                assert!(matches.indices.iter().all(is_index), "{}", what());
                assert_eq!(matches.scores.is_some(), entry.has_scores, "{}", what());
                let Some(scores) = matches.scores else { continue };
                assert_eq!(scores.len(), scene.prediction_count(), "{}", what());
                for (score, index) in scores.iter().zip(matches.indices) {
                    let is_score =
                        if index >= 0 { (0.0..=1.0).contains(score) } else { *score == 0.0 };
                    assert!(is_score, "{}: {score} for {index}", what());
                }
            }
        }
    }
}
