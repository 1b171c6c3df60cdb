//! SimOTA against its definition: all costs in a matrix, with the penalty as the owners add it.

use detloss::matching::{Anchors, AnyMatcher, Image, SimOta};

use crate::scenes::{Scene, depth, iou, scenes};

fn cross_entropy(p: f64, label: f64) -> f64 {
    -(label * p.ln().max(-100.0) + (1.0 - label) * (1.0 - p).ln().max(-100.0))
}

/// Truths down, candidates across: which have to be the same for what follows.
pub(crate) struct Dense {
    pub(crate) candidates: Vec<usize>,
    pub(crate) ious: Vec<Vec<f64>>,
    pub(crate) costs: Vec<Vec<f64>>,
}

impl Dense {
    /// Dynamic k, its positives, and conflicts: the truth and the IoU of every prediction.
    pub(crate) fn matched(&self, predictions: usize, topk: usize) -> (Vec<i32>, Vec<f64>) {
        let (mut indices, mut scores) = (vec![-1; predictions], vec![0.0; predictions]);
        let order = |row: &[f64]| {
            let mut order: Vec<usize> = (0..row.len()).collect();
            order.sort_by(|&a, &b| row[a].total_cmp(&row[b]).then(a.cmp(&b)));
            order
        };
        let mut takers = vec![Vec::new(); self.candidates.len()];
        for (truth, costs) in self.costs.iter().enumerate() {
            let mut overlaps = self.ious[truth].clone();
            overlaps.sort_by(|a, b| b.total_cmp(a));
            let k = overlaps.iter().take(topk).sum::<f64>().floor().max(1.0) as usize;
            order(costs).into_iter().take(k).for_each(|place| takers[place].push(truth));
        }
        for (place, takers) in takers.iter().enumerate() {
            let column: Vec<f64> = self.costs.iter().map(|row| row[place]).collect();
            let truth = match takers[..] {
                [] => continue,
                [only] => only,
                _ => order(&column)[0],
            };
            indices[self.candidates[place]] = truth as i32;
            scores[self.candidates[place]] = self.ious[truth][place];
        }
        (indices, scores)
    }
}

/// A matrix of numbers of truths and candidates.
pub(crate) fn matrix(
    truths: usize,
    candidates: &[usize],
    entry: impl Fn(usize, usize) -> f64,
) -> Vec<Vec<f64>> {
    (0..truths).map(|g| candidates.iter().map(|&a| entry(g, a)).collect()).collect()
}

fn definition(scene: &Scene, rule: SimOta) -> (Vec<i32>, Vec<f64>) {
    let (truths, predictions) = (scene.truth_count(), scene.prediction_count());
    let inside = |g: usize, a: usize| depth(scene.truth(g), scene.point(a)) > 0.0;
    let near = |g: usize, a: usize| {
        let ([x1, y1, x2, y2], reach) = (scene.truth(g), rule.radius * scene.strides[a]);
        let (x, y) = ((x1 + x2) / 2.0, (y1 + y2) / 2.0);
        depth([x - reach, y - reach, x + reach, y + reach], scene.point(a)) > 0.0
    };
    let is_candidate =
        |a: &usize| (0..truths).any(|g| near(g, *a) || (rule.in_box && inside(g, *a)));
    let candidates: Vec<usize> = (0..predictions).filter(is_candidate).collect();
    let ious = matrix(truths, &candidates, |g, a| iou(scene.predicted(a), scene.truth(g)));
    let costs = matrix(truths, &candidates, |g, a| {
        let class: f64 = (0..scene.classes as i64)
            .map(|c| cross_entropy(scene.score(a, c), f64::from(c == scene.labels[g])))
            .sum();
        let overlap = -(iou(scene.predicted(a), scene.truth(g)) + rule.eps).ln();
        let is_own = near(g, a) && (!rule.in_box || inside(g, a));
        let penalty = if is_own { 0.0 } else { 1e6 };
        rule.class_weight * class + rule.iou_weight * overlap + penalty
    });
    Dense { candidates, ious, costs }.matched(predictions, rule.topk as usize)
}

#[test]
fn it_is_its_definition() {
    let base = SimOta::default();
    let rules = [
        base,
        SimOta { radius: 2.5, in_box: true, eps: 1e-7, ..base },
        SimOta { radius: 0.3, in_box: true, iou_weight: 6.0, ..base },
        SimOta { radius: 20.0, topk: 200, class_weight: 0.2, ..base },
    ];
    let (mut positives, mut several) = (0, 0);
    for scene in scenes().into_iter().flat_map(Scene::and_in_one_class) {
        let anchors = scene.anchors();
        for rule in rules {
            let matches =
                AnyMatcher::new(rule).unwrap().match_image(&scene.image(&anchors)).unwrap();
            let (indices, scores) = definition(&scene, rule);
            assert_eq!(matches.indices, indices, "{} {rule:?}", scene.what);
            let counts = matches.counts(scene.truth_count());
            let ours = matches.scores.unwrap_or(vec![0.0; indices.len()]);
            for (score, expected) in ours.iter().zip(&scores) {
                assert!((score - expected).abs() < 1e-12, "{}: {score}, {expected}", scene.what);
            }
            several += counts.iter().filter(|&&count| count > 2).count();
            positives += counts.iter().sum::<usize>();
        }
    }
    assert!(
        positives > 1000 && several > 100,
        "{positives} positives, {several} truths of more than two"
    );
}

#[test]
fn saturated_probabilities_cost_100_as_in_pytorch() {
    // Of two equal boxes the one whose other class is surely wrong loses: 100 more, not infinitely much, than its sure label.
    let anchors = Anchors::points(&[4.0_f32, 4.0, 5.0, 4.0], &[8.0, 8.0]).unwrap();
    let (truth, boxes) = ([0.0, 0.0, 8.0, 8.0], [0.0, 0.0, 8.0, 8.0, 0.0, 0.0, 8.0, 8.0]);
    let matcher: AnyMatcher = "sim_ota(topk=1)".parse().unwrap();
    for (scores, found) in [
        ([1.0, 1.0, 1.0, 0.5], [-1, 0]),
        ([1.0, 0.5, 1.0, 1.0], [0, -1]),
        // 100 for either: the first.
        ([0.0, 0.0, 1.0, 1.0], [0, -1]),
        ([1.0, 1.0, 0.0, 0.0], [0, -1]),
        // 100 for either, and 0.7 more for the first.
        ([0.0, 0.5, 1.0, 1.0], [-1, 0]),
    ] {
        let image = Image::new(&truth).labels(&[0]).anchors(&anchors).boxes(&boxes).scores(&scores);
        assert_eq!(matcher.match_image(&image).unwrap().indices, found, "{scores:?}");
    }
}
