//! Maximum IoU against its definition, pair by pair.

use detloss::matching::{AnyMatcher, MaxIou};

use crate::scenes::{Scene, iou, scenes};

/// As the page says it, over the whole matrix.
fn definition(scene: &Scene, rule: MaxIou, crowd: &[bool]) -> Vec<i32> {
    let area = |r: [f64; 4]| (r[2] - r[0]).max(0.0) * (r[3] - r[1]).max(0.0);
    let in_crowd = |index: usize| {
        (0..scene.truth_count()).any(|truth| {
            let (a, t) = (scene.anchor(index), scene.truth(truth));
            let shared = [a[0].max(t[0]), a[1].max(t[1]), a[2].min(t[2]), a[3].min(t[3])];
            crowd[truth] && area(shared) / area(a) > rule.ignore
        })
    };
    let row = |index: usize| -> Vec<f64> {
        let overlap = |truth| {
            if crowd[truth] || in_crowd(index) {
                -1.0
            } else {
                iou(scene.anchor(index), scene.truth(truth))
            }
        };
        (0..scene.truth_count()).map(overlap).collect()
    };
    let matrix: Vec<Vec<f64>> = (0..scene.prediction_count()).map(row).collect();
    let first_best = |row: &[f64]| {
        (0..row.len()).fold(0, |best, truth| if row[truth] > row[best] { truth } else { best })
    };
    let decided = |(index, row): (usize, &Vec<f64>)| {
        let best = first_best(row);
        match row.get(best).copied().unwrap_or(0.0) {
            _ if in_crowd(index) => -2,
            most if most > 0.0 && most >= rule.high => best as i32,
            most if most.max(0.0) >= rule.low => -2,
            _ => -1,
        }
    };
    let mut indices: Vec<i32> = matrix.iter().enumerate().map(decided).collect();
    if rule.low_quality {
        for truth in (0..scene.truth_count()).filter(|&truth| !crowd[truth]) {
            let most = matrix.iter().map(|row| row[truth]).fold(0.0, f64::max);
            let equal = (0..matrix.len()).filter(|&index| matrix[index][truth] == most);
            for index in equal.take(if rule.all_best { usize::MAX } else { 1 }) {
                if most > 0.0 && most >= rule.min_best {
                    indices[index] =
                        if rule.claim { truth } else { first_best(&matrix[index]) } as i32;
                }
            }
        }
    }
    indices
}

#[test]
fn it_is_its_definition() {
    let base = MaxIou::default();
    let rules = [
        base,
        MaxIou { high: 0.7, low: 0.3, ..base },
        MaxIou { high: 0.2, low: 0.05, low_quality: false, ..base },
        MaxIou { high: 0.3, low: 0.1, claim: true, ..base },
        MaxIou { claim: true, all_best: false, min_best: 0.2, ..base },
    ];
    let mut positives = 0;
    for scene in scenes() {
        let anchors = scene.anchors();
        for rule in rules {
            for crowds in [0, 1, 3] {
                let crowd: Vec<bool> = (0..scene.truth_count())
                    .map(|truth| crowds > 0 && truth % 3 < crowds - 1)
                    .collect();
                let image = scene.image(&anchors).crowd(&crowd);
                let matches = AnyMatcher::new(rule).unwrap().match_image(&image).unwrap();
                assert_eq!(
                    matches.indices,
                    definition(&scene, rule, &crowd),
                    "{} {rule:?} {crowd:?}",
                    scene.what
                );
                positives += matches.positives();
            }
        }
    }
    assert!(positives > 1000);
}
