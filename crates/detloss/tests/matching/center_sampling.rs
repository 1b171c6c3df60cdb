//! Centre sampling against its definition, point by point.

use detloss::matching::{AnyMatcher, CenterSampling};

use crate::scenes::{Scene, depth, scenes};

fn definition(scene: &Scene, rule: CenterSampling) -> Vec<i32> {
    let last = scene.prediction_count() - scene.levels[scene.levels.len() - 1];
    let decided = |index: usize| {
        let ([x, y], stride) = (scene.point(index), scene.strides[index]);
        let is_candidate = |&truth: &usize| {
            let t = scene.truth(truth);
            let (cx, cy) = ((t[0] + t[2]) / 2.0, (t[1] + t[3]) / 2.0);
            let farthest =
                [x - t[0], y - t[1], t[2] - x, t[3] - y].into_iter().fold(f64::MIN, f64::max);
            let low = if index < scene.levels[0] { 0.0 } else { rule.lower * stride };
            let high = if index >= last { f64::INFINITY } else { rule.upper * stride };
            (x - cx).abs().max((y - cy).abs()) < rule.radius * stride
                && depth(t, [x, y]) > 0.0
                && low < farthest
                && farthest < high
        };
        let area = |&truth: &usize| {
            let t = scene.truth(truth);
            (t[2] - t[0]) * (t[3] - t[1])
        };
        let smallest = |a: &usize, b: &usize| area(a).total_cmp(&area(b)).then(a.cmp(b));
        (0..scene.truth_count())
            .filter(is_candidate)
            .min_by(smallest)
            .map_or(-1, |truth| truth as i32)
    };
    (0..scene.prediction_count()).map(decided).collect()
}

#[test]
fn it_is_its_definition() {
    let base = CenterSampling::default();
    let mut positives = 0;
    for scene in scenes() {
        let anchors = scene.anchors();
        let image = scene.image(&anchors);
        for rule in [
            base,
            CenterSampling { radius: 1e6, ..base },
            CenterSampling { radius: 2.5, lower: 1.0, upper: 3.0 },
        ] {
            let matches = AnyMatcher::new(rule).unwrap().match_image(&image).unwrap();
            assert_eq!(matches.indices, definition(&scene, rule), "{} {rule:?}", scene.what);
            positives += matches.positives();
        }
    }
    assert!(positives > 500);
}
