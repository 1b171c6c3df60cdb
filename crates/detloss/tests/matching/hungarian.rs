//! Hungarian matching against its costs, pair by pair, and the union of layers against D-FINE's procedure.

use detloss::matching::{AnyMatcher, Hungarian, Image, Matches, linear_sum_assignment, union};

use crate::scenes::{Random, Scene, iou, scenes};

fn logit(probability: f64) -> f64 {
    (probability / (1.0 - probability)).ln()
}

fn logits(scene: &Scene) -> Vec<f64> {
    scene.scores.iter().map(|score| logit(*score)).collect()
}

/// cx, cy, w, h.
fn by_center(numbers: &[f64]) -> Vec<f64> {
    let of = |b: &[f64]| [(b[0] + b[2]) / 2.0, (b[1] + b[3]) / 2.0, b[2] - b[0], b[3] - b[1]];
    numbers.chunks(4).flat_map(of).collect()
}

/// 1 − GIoU.
fn giou_loss(a: [f64; 4], b: [f64; 4]) -> f64 {
    let area = |r: [f64; 4]| (r[2] - r[0]).max(0.0) * (r[3] - r[1]).max(0.0);
    let shared = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let hull = area([a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]);
    let union = area(a) + area(b) - shared;
    1.0 - iou(a, b) + if hull > 0.0 { (hull - union) / hull } else { 0.0 }
}

/// As the page says it.
fn cost(scene: &Scene, rule: Hungarian, query: usize, truth: usize) -> f64 {
    let label = scene.labels[truth];
    let p = scene.score(query, label);
    let class = if rule.softmax {
        let sum: f64 = (0..scene.classes as i64).map(|c| logit(scene.score(query, c)).exp()).sum();
        -logit(p).exp() / sum
    } else {
        let positive = -rule.alpha * (1.0 - p).powf(rule.gamma) * p.ln();
        let negative = -(1.0 - rule.alpha) * p.powf(rule.gamma) * (1.0 - p).ln();
        positive - negative
    };
    let (b, t) = (scene.predicted(query), scene.truth(truth));
    let l1: f64 = by_center(&b).iter().zip(by_center(&t)).map(|(b, t)| (b - t).abs()).sum();
    rule.class_weight * class + rule.l1_weight * l1 + rule.overlap_weight * giou_loss(b, t)
}

/// Checks that no other matches cost less, group by group.
fn check(scene: &Scene, rule: Hungarian, indices: &[i32], tolerance: f64) {
    let size = scene.prediction_count() / rule.groups as usize;
    for group in 0..rule.groups as usize {
        let costs: Vec<f64> = (0..scene.truth_count())
            .flat_map(|truth| (0..size).map(move |place| (truth, group * size + place)))
            .map(|(truth, query)| cost(scene, rule, query, truth))
            .collect();
        let best = linear_sum_assignment(&costs, size).unwrap();
        let least: f64 = best.iter().map(|&(truth, place)| costs[truth * size + place]).sum();
        let matched: Vec<(usize, usize)> = indices[group * size..][..size]
            .iter()
            .enumerate()
            .filter_map(|(place, truth)| Some((usize::try_from(*truth).ok()?, place)))
            .collect();
        let sum: f64 = matched.iter().map(|&(truth, place)| costs[truth * size + place]).sum();
        let mut truths: Vec<usize> = matched.iter().map(|pair| pair.0).collect();
        truths.sort_unstable();
        truths.dedup();
        assert_eq!(truths.len(), matched.len(), "{}: a truth twice in a group", scene.what);
        assert_eq!(matched.len(), best.len(), "{} {rule:?}", scene.what);
        let close = tolerance * (1.0 + costs.iter().fold(0.0, |a: f64, b| a.max(b.abs())));
        assert!((sum - least).abs() < close, "{} {rule:?}: {sum}, not {least}", scene.what);
    }
}

fn rules() -> [Hungarian; 6] {
    let base = Hungarian::default();
    [
        base,
        // Distances in pixels count little here, so that all three parts matter.
        Hungarian { l1_weight: 0.01, ..base },
        Hungarian { l1_weight: 0.01, softmax: true, class_weight: 3.0, ..base },
        Hungarian { l1_weight: 0.0, overlap_weight: 0.0, alpha: 0.6, gamma: 1.5, ..base },
        Hungarian { l1_weight: 0.0, class_weight: 0.0, ..base },
        Hungarian { l1_weight: 0.02, groups: 5, ..base },
    ]
}

#[test]
fn no_other_matches_cost_less() {
    for scene in scenes() {
        let logits = logits(&scene);
        let narrow = |numbers: &[f64]| numbers.iter().map(|n| *n as f32).collect::<Vec<_>>();
        let [truths, boxes, scores] = [&scene.truths, &scene.boxes, &logits].map(|n| narrow(n));
        for rule in rules() {
            if !scene.prediction_count().is_multiple_of(rule.groups as usize) {
                panic!("the scenes have {} predictions", scene.prediction_count());
            }
            let matcher = AnyMatcher::new(rule).unwrap();
            let image = Image::new(&scene.truths).labels(&scene.labels).scores(&logits);
            let matches = matcher.match_image(&image.boxes(&scene.boxes)).unwrap();
            check(&scene, rule, &matches.indices, 1e-9);
            assert_eq!(matches.scores, None);
            let image = Image::new(&truths).labels(&scene.labels).scores(&scores);
            let matches = matcher.match_image(&image.boxes(&boxes)).unwrap();
            check(&scene, rule, &matches.indices, 1e-4);
        }
    }
}

#[test]
fn boxes_by_their_centres_find_the_same() {
    for scene in scenes() {
        let logits = logits(&scene);
        let (truths, boxes) = (by_center(&scene.truths), by_center(&scene.boxes));
        let image = Image::new(&truths).boxes(&boxes).labels(&scene.labels).scores(&logits);
        for rule in rules() {
            let matches = AnyMatcher::new(rule).unwrap().match_image(&image.centers()).unwrap();
            // An inverted box stays one.
            check(&scene, rule, &matches.indices, 1e-9);
        }
    }
    let anchors =
        detloss::matching::Anchors::boxes(&[0.0, 0.0, 8.0, 8.0, 8.0, 8.0, 16.0, 16.0]).unwrap();
    let matcher: AnyMatcher = "max_iou".parse().unwrap();
    let image = Image::new(&[12.0, 12.0, 8.0, 7.0]).anchors(&anchors).centers();
    assert_eq!(matcher.match_image(&image).unwrap().indices, [-1, 0]);
    // Rotated boxes are by their centres anyway.
    let random = &mut Random(6);
    let mut rotated = |count: usize| -> Vec<f64> {
        (0..count)
            .flat_map(|_| [20.0, 20.0, 9.0, 9.0, 3.0])
            .map(|most| random.between(0.5, most))
            .collect()
    };
    let (truths, boxes) = (rotated(8), rotated(40));
    let image = Image::new(&truths).boxes(&boxes).labels(&[0; 8]).scores(&[0.0; 40]);
    let matcher: AnyMatcher = "hungarian(l1_weight=0, overlap=rotated_giou)".parse().unwrap();
    let matches = matcher.match_image(&image).unwrap();
    assert_eq!(matches.positives(), 8);
    assert_eq!(matcher.match_image(&image.centers()).unwrap(), matches);
}

#[test]
fn what_was_given_wrongly_is_named() {
    let truths = [1.0, 1.0, 3.0, f64::NAN];
    let image = Image::new(&truths).boxes(&[0.0; 8]).labels(&[0]).scores(&[0.0; 2]);
    let matcher: AnyMatcher = "hungarian".parse().unwrap();
    let error = |image: &Image<'_, f64>| matcher.match_image(image).unwrap_err().to_string();
    assert!(error(&image.centers()).contains("number 3 of the truths is NaN"));
    let image = Image::new(&truths[..3]).boxes(&[0.0; 8]).labels(&[0]).scores(&[0.0; 2]);
    assert!(error(&image.centers()).contains("no whole number of rows of 4"));
    let image = Image::new(&[1.0; 4]).boxes(&[0.0; 8]).labels(&[1]).scores(&[0.0; 2]);
    assert!(error(&image).contains("truth 0 has label 1"));
    let grouped: AnyMatcher = "hungarian(groups=3)".parse().unwrap();
    let image = image.labels(&[0]);
    let error = grouped.match_image(&image).unwrap_err().to_string();
    assert!(
        error.contains(
            "hungarian cannot have groups = 3: give a divisor of the number of predictions"
        )
    );
}

#[test]
fn a_cost_that_is_no_number_is_named_or_never_matches() {
    let truths = [0.0, 0.0, 4.0, 4.0, 10.0, 10.0, 14.0, 15.0];
    let good = [
        0.0, 0.0, 4.0, 4.0, 10.0, 10.0, 14.0, 15.0, 30.0, 30.0, 33.0, 33.0, 40.0, 40.0, 45.0, 45.0,
    ];
    let scores = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7];
    for softmax in [false, true] {
        let named = AnyMatcher::new(Hungarian { softmax, ..Hungarian::default() }).unwrap();
        let skips =
            AnyMatcher::new(Hungarian { softmax, skip: true, ..Hungarian::default() }).unwrap();
        let image = Image::new(&truths).labels(&[0, 1]);
        let plain = named.match_image(&image.boxes(&good).scores(&scores)).unwrap();
        assert_eq!(plain.indices, [0, 1, -1, -1]);
        assert_eq!(skips.match_image(&image.boxes(&good).scores(&scores)).unwrap(), plain);
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for place in 4..8 {
                let mut boxes = good;
                boxes[place] = bad;
                let image = image.boxes(&boxes).scores(&scores);
                let error = named.match_image(&image).unwrap_err().to_string();
                assert!(error.contains("hungarian: prediction 1 costs"), "{error}");
                assert_eq!(skips.match_image(&image).unwrap().indices, [0, -1, 1, -1]);
            }
        }
        // A score that is no number.
        let mut broken = scores;
        broken[3] = f64::NAN;
        let image = image.boxes(&good).scores(&broken);
        let error = named.match_image(&image).unwrap_err().to_string();
        assert!(error.contains("hungarian: prediction 1 costs NaN for truth"), "{error}");
        assert_eq!(skips.match_image(&image).unwrap().indices, [0, -1, 1, -1]);
        let nothing = skips.match_image(&image.boxes(&[f64::NAN; 16])).unwrap();
        assert_eq!(nothing.indices, [-1; 4]);
    }
}

#[test]
fn truths_beyond_the_queries_stay_without() {
    let scene = &scenes()[16];
    assert_eq!(scene.truth_count(), 40);
    let logits = logits(scene);
    for queries in [1, 7, 39] {
        let mut few = scene.clone();
        few.boxes.truncate(4 * queries);
        few.scores.truncate(few.classes * queries);
        few.strides.truncate(queries);
        let image = Image::new(&few.truths).labels(&few.labels).boxes(&few.boxes);
        let image = image.scores(&logits[..few.scores.len()]);
        let matches = AnyMatcher::new(Hungarian::default()).unwrap().match_image(&image).unwrap();
        assert_eq!(matches.positives(), queries);
        check(&few, Hungarian::default(), &matches.indices, 1e-9);
    }
}

/// All pairs of all layers with how often they occur, by falling count and then in their order; every query keeps its first truth.
fn procedure(layers: &[Matches<f32>]) -> Vec<i32> {
    let mut pairs: Vec<(usize, usize)> = layers.iter().flat_map(Matches::pairs).collect();
    pairs.sort_unstable();
    let count = |pair: &(usize, usize)| pairs.iter().filter(|other| *other == pair).count();
    let mut visited = pairs.clone();
    visited.dedup();
    visited.sort_by_key(|pair| std::cmp::Reverse(count(pair)));
    let mut indices = vec![-1; layers[0].indices.len()];
    for (query, truth) in visited {
        if indices[query] == -1 {
            indices[query] = truth as i32;
        }
    }
    indices
}

#[test]
fn the_union_is_what_most_layers_say() {
    let random = &mut Random(8);
    let matcher: AnyMatcher = "hungarian(l1_weight=0.01)".parse().unwrap();
    let truths = [0.0_f32, 0.0, 9.0, 9.0, 2.0, 2.0, 9.0, 9.0, 5.0, 5.0, 14.0, 12.0];
    let mut shared = 0;
    for count in 1..9 {
        let layers: Vec<Matches<f32>> = (0..count)
            .map(|_| {
                let boxes: Vec<f32> = (0..20)
                    .map(|n| random.between(0.0, 8.0) as f32 + (n % 4 / 2 * 5) as f32)
                    .collect();
                let image = Image::new(&truths).boxes(&boxes).labels(&[0, 0, 0]).scores(&[0.0; 5]);
                matcher.match_image(&image).unwrap()
            })
            .collect();
        let matches = union(&layers).unwrap();
        assert_eq!(matches.indices, procedure(&layers));
        shared += matches.positives().saturating_sub(3);
    }
    assert!(shared > 5, "truths have several queries");
    assert_eq!(union::<f32>(&[]).unwrap().indices, []);
}
