//! Dynamic soft labels against their definition: all costs in a matrix.

use detloss::matching::{AnyMatcher, DynamicSoftLabel};

use crate::scenes::{Scene, depth, iou, scenes};
use crate::sim_ota::{Dense, matrix};

fn definition(scene: &Scene, rule: DynamicSoftLabel) -> (Vec<i32>, Vec<f64>) {
    let (truths, predictions) = (scene.truth_count(), scene.prediction_count());
    let inside = |a: &usize| (0..truths).any(|g| depth(scene.truth(g), scene.point(*a)) > 0.0);
    let candidates: Vec<usize> = (0..predictions).filter(inside).collect();
    let ious = matrix(truths, &candidates, |g, a| iou(scene.predicted(a), scene.truth(g)));
    let costs = matrix(truths, &candidates, |g, a| {
        let quality = iou(scene.predicted(a), scene.truth(g));
        let class = |c: i64| {
            let p = scene.score(a, c);
            let label = if c == scene.labels[g] { quality } else { 0.0 };
            -(label * p.ln() + (1.0 - label) * (1.0 - p).ln()) * (label - p).powi(2)
        };
        let ([x1, y1, x2, y2], [x, y]) = (scene.truth(g), scene.point(a));
        let distance = (x - (x1 + x2) / 2.0).hypot(y - (y1 + y2) / 2.0) / scene.strides[a];
        (0..scene.classes as i64).map(class).sum::<f64>()
            - rule.iou_weight * (quality + rule.eps).ln()
            + 10.0_f64.powf(distance - rule.radius)
    });
    Dense { candidates, ious, costs }.matched(predictions, rule.topk as usize)
}

#[test]
fn it_is_its_definition() {
    let base = DynamicSoftLabel::default();
    let rules = [
        base,
        // The distance decides, and boxes that do not overlap are taken.
        DynamicSoftLabel { radius: 0.0, iou_weight: 0.1, ..base },
        DynamicSoftLabel { topk: 200, eps: 0.01, ..base },
        DynamicSoftLabel { topk: 2, radius: 9.0, ..base },
    ];
    let (mut positives, mut without_iou) = (0, 0);
    for scene in scenes().into_iter().flat_map(Scene::and_in_one_class) {
        let anchors = scene.anchors();
        let logits: Vec<f64> = scene.scores.iter().map(|p| (p / (1.0 - p)).ln()).collect();
        for rule in rules {
            let image = scene.image(&anchors).scores(&logits);
            let matches = AnyMatcher::new(rule).unwrap().match_image(&image).unwrap();
            let (indices, scores) = definition(&scene, rule);
            assert_eq!(matches.indices, indices, "{} {rule:?}", scene.what);
            positives += matches.positives();
            let pairs: Vec<_> = matches.pairs().collect();
            let ours = matches.scores.unwrap_or(vec![0.0; indices.len()]);
            without_iou += pairs.iter().filter(|&&(point, _)| ours[point] == 0.0).count();
            for (score, expected) in ours.iter().zip(&scores) {
                assert!((score - expected).abs() < 1e-12, "{}: {score}, {expected}", scene.what);
            }
        }
    }
    assert!(positives > 1000 && without_iou > 10, "{positives}, {without_iou} without IoU");
}
