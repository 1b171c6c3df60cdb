//! ATSS against its definition: every distance, sorted.

use detloss::matching::{AnyMatcher, Atss};

use crate::scenes::{Scene, depth, iou, scenes};

fn definition(scene: &Scene, rule: Atss) -> Vec<i32> {
    // Truths down, anchors across.
    let mut matrix = vec![vec![-1.0; scene.prediction_count()]; scene.truth_count()];
    for (truth, row) in matrix.iter_mut().enumerate() {
        let target = scene.truth(truth);
        let center = [(target[0] + target[2]) / 2.0, (target[1] + target[3]) / 2.0];
        let mut candidates = Vec::new();
        let mut start = 0;
        for count in &scene.levels {
            let mut level: Vec<usize> = (start..start + count).collect();
            let distance = |&index: &usize| {
                let [x, y] = scene.point(index);
                (x - center[0]).powi(2) + (y - center[1]).powi(2)
            };
            level.sort_by(|a, b| distance(a).total_cmp(&distance(b)).then(a.cmp(b)));
            candidates.extend(level.into_iter().take(rule.topk as usize));
            start += count;
        }
        let overlaps: Vec<f64> =
            candidates.iter().map(|&index| iou(scene.anchor(index), target)).collect();
        let n = overlaps.len() as f64;
        let mean = overlaps.iter().sum::<f64>() / n;
        let variance =
            overlaps.iter().map(|overlap| (overlap - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let threshold = mean + if n > 1.0 { variance.sqrt() } else { 0.0 };
        for (&index, overlap) in candidates.iter().zip(overlaps) {
            // Up to the rounding of a mean of equal numbers.
            if overlap >= threshold - 1e-12 && depth(target, scene.point(index)) > rule.margin {
                row[index] = overlap;
            }
        }
    }
    let best = |index: usize| {
        let column: Vec<f64> = matrix.iter().map(|row| row[index]).collect();
        let better = |best, truth| if column[truth] > column[best] { truth } else { best };
        let best = (0..column.len()).reduce(better)?;
        (column[best] > 0.0).then_some(best as i32)
    };
    (0..scene.prediction_count()).map(|index| best(index).unwrap_or(-1)).collect()
}

#[test]
fn it_is_its_definition() {
    let mut positives = 0;
    for scene in scenes() {
        let anchors = scene.anchors();
        let image = scene.image(&anchors);
        for rule in
            [Atss::default(), Atss { topk: 1, ..Atss::default() }, Atss { topk: 30, margin: 2.0 }]
        {
            let matches = AnyMatcher::new(rule).unwrap().match_image(&image).unwrap();
            assert_eq!(matches.indices, definition(&scene, rule), "{} {rule:?}", scene.what);
            positives += matches.positives();
        }
    }
    assert!(positives > 500);
}
