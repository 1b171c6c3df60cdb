//! Task-aligned assignment against its definition: dense, step by step.

use detloss::Batch;
use detloss::losses::AnyLoss;
use detloss::matching::{Anchors, AnyMatcher, Image, TaskAligned};

use crate::scenes::{Random, Scene, depth, scenes};

/// Truths down, predictions across.
type Matrix = Vec<Vec<f64>>;

fn definition(scene: &Scene, rule: TaskAligned, loss: &AnyLoss) -> (Vec<i32>, Vec<f64>) {
    let (truths, preds) = (scene.truth_count(), scene.prediction_count());
    let matrix = |entry: &dyn Fn(usize, usize) -> f64| -> Matrix {
        (0..truths).map(|g| (0..preds).map(|a| entry(g, a)).collect()).collect()
    };
    let longer = |low: f64, high: f64| {
        let middle = (low + high) / 2.0;
        if high - low < rule.min_side {
            [middle - rule.min_side / 2.0, middle + rule.min_side / 2.0]
        } else {
            [low, high]
        }
    };
    let is_candidate = matrix(&|g, a| {
        let t = scene.truth(g);
        let ([x1, x2], [y1, y2]) = (longer(t[0], t[2]), longer(t[1], t[3]));
        f64::from(u8::from(depth([x1, y1, x2, y2], scene.point(a)) > rule.margin))
    });
    let overlap = matrix(&|g, a| {
        (1.0 - Batch::new(&scene.predicted(a), &scene.truth(g)).value(loss).unwrap()).max(0.0)
    });
    let metric = matrix(&|g, a| {
        scene.score(a, scene.labels[g]).powf(rule.alpha) * overlap[g][a].powf(rule.beta)
    });
    let mut positive = matrix(&|_, _| 0.0);
    let keep = |positive: &mut Matrix, k: usize, allowed: &Matrix| {
        for g in 0..truths {
            let mut order: Vec<usize> =
                (0..preds).filter(|&a| allowed[g][a] > 0.0 && metric[g][a] > 0.0).collect();
            order.sort_by(|&a, &b| metric[g][b].total_cmp(&metric[g][a]).then(a.cmp(&b)));
            positive[g] = vec![0.0; preds];
            order.into_iter().take(k).for_each(|a| positive[g][a] = 1.0);
        }
    };
    keep(&mut positive, rule.topk as usize, &is_candidate);
    for a in 0..preds {
        if positive.iter().map(|row| row[a]).sum::<f64>() > 1.0 {
            let may = |&g: &usize| match rule.among {
                0 => positive[g][a] > 0.0,
                1 => is_candidate[g][a] > 0.0,
                _ => true,
            };
            let better =
                |best: usize, g: usize| if overlap[g][a] > overlap[best][a] { g } else { best };
            let best = (0..truths).filter(may).reduce(better).unwrap();
            (0..truths).for_each(|g| positive[g][a] = f64::from(u8::from(g == best)));
        }
    }
    if rule.topk2 > 0 {
        let allowed = positive.clone();
        keep(&mut positive, rule.topk2 as usize, &allowed);
    }
    let most = |numbers: &[f64], g: usize| {
        (0..preds).map(|a| numbers[a] * positive[g][a]).fold(0.0, f64::max)
    };
    let decided = |a: usize| {
        let truth = (0..truths).find(|&g| positive[g][a] > 0.0);
        truth.map_or((-1, 0.0), |g| {
            (g as i32, metric[g][a] / (most(&metric[g], g) + rule.eps) * most(&overlap[g], g))
        })
    };
    (0..preds).map(decided).unzip()
}

#[test]
fn it_is_its_definition() {
    let base = TaskAligned::default();
    let rules = [
        (base, "ciou"),
        (TaskAligned { topk: 7, topk2: 1, ..base }, "ciou"),
        (
            TaskAligned { topk: 13, alpha: 1.0, min_side: 0.0, margin: 0.01, among: 0, ..base },
            "iou",
        ),
        (
            TaskAligned { topk: 200, min_side: 40.0, among: 2, alpha: 0.3, beta: 2.5, ..base },
            "giou",
        ),
    ];
    let (mut positives, mut contested) = (0, 0);
    for scene in scenes() {
        let anchors = scene.anchors();
        for (rule, loss) in rules {
            let matcher =
                AnyMatcher::new(rule).unwrap().with_overlap(loss.parse().unwrap()).unwrap();
            let matches = matcher.match_image(&scene.image(&anchors)).unwrap();
            let (indices, scores) = definition(&scene, rule, &loss.parse().unwrap());
            assert_eq!(matches.indices, indices, "{} {rule:?}", scene.what);
            let ours = matches.scores.unwrap();
            for (score, expected) in ours.iter().zip(&scores) {
                assert!((score - expected).abs() < 1e-9, "{}: {score}, {expected}", scene.what);
            }
            positives += indices.iter().filter(|&&truth| truth >= 0).count();
            contested += usize::from(rule.topk == 200 && indices.iter().any(|&truth| truth > 0));
        }
    }
    assert!(positives > 1000 && contested > 10);
}

#[test]
fn rotated_truths_hold_points_on_their_edge_and_match_by_any_angle() {
    let random = &mut Random(5);
    for _ in 0..50 {
        let [cx, cy] = [(); 2].map(|()| random.between(40.0, 80.0));
        let [w, h] = [(); 2].map(|()| random.between(10.0, 60.0));
        let angle = random.between(-4.0, 4.0);
        // Points just in and just out of every edge and corner, seen along the sides.
        let (mut points, mut inside) = (Vec::new(), Vec::new());
        for (along, across) in
            [(0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, -0.5), (0.5, 0.5), (-0.5, 0.5)]
        {
            for (factor, is_inside) in [(0.999, true), (1.001, false)] {
                let (u, v) = (along * w * factor, across * h * factor);
                points.extend([
                    cx + u * angle.cos() - v * angle.sin(),
                    cy + u * angle.sin() + v * angle.cos(),
                ]);
                inside.push(is_inside);
            }
        }
        let truth = [cx, cy, w, h, angle];
        let boxes = truth.repeat(inside.len());
        let anchors = Anchors::points(&points, &vec![8.0; inside.len()]).unwrap();
        let scores = vec![0.5; inside.len()];
        let image = Image::new(&truth).labels(&[0]).anchors(&anchors).boxes(&boxes).scores(&scores);
        let matcher: AnyMatcher =
            "task_aligned(topk=100, min_side=0, overlap=prob_iou)".parse().unwrap();
        let matches = matcher.match_image(&image).unwrap();
        let found: Vec<bool> = matches.indices.iter().map(|&index| index == 0).collect();
        assert_eq!(found, inside, "{truth:?}");
    }
}
