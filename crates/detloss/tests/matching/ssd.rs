//! SSD's matching against its definition.

use detloss::matching::{AnyMatcher, Ssd};

use crate::scenes::{Scene, iou, scenes};

fn definition(scene: &Scene, threshold: f64) -> Vec<i32> {
    let overlap = |index: usize, truth: usize| iou(scene.anchor(index), scene.truth(truth));
    let own = |index: usize| {
        let truths = 0..scene.truth_count();
        let better =
            |best, truth| if overlap(index, truth) > overlap(index, best) { truth } else { best };
        let best = truths.reduce(better)?;
        let most = overlap(index, best);
        (most > 0.0 && most >= threshold).then_some(best as i32)
    };
    let mut indices: Vec<i32> =
        (0..scene.prediction_count()).map(|index| own(index).unwrap_or(-1)).collect();
    for truth in 0..scene.truth_count() {
        let better =
            |best, index| if overlap(index, truth) > overlap(best, truth) { index } else { best };
        if let Some(best) =
            (0..scene.prediction_count()).reduce(better).filter(|&best| overlap(best, truth) > 0.0)
        {
            indices[best] = truth as i32;
        }
    }
    indices
}

#[test]
fn it_is_its_definition() {
    for scene in scenes() {
        let anchors = scene.anchors();
        let image = scene.image(&anchors);
        for threshold in [0.5, 0.2, 1.0] {
            let matches = AnyMatcher::new(Ssd { threshold }).unwrap().match_image(&image).unwrap();
            assert_eq!(
                matches.indices,
                definition(&scene, threshold),
                "{} {threshold}",
                scene.what
            );
        }
    }
}
