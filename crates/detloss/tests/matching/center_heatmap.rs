//! CenterNet's maps against their definition: every cell of every map asks all truths, and a radius is found by moving corners.

use detloss::Error;
use detloss::matching::CenterHeatmap;

use crate::scenes::{iou, scenes};

/// How far two corners may move, in ways that `moved` knows, until the IoU falls below `min_overlap`: by halving.
fn reach(w: f64, h: f64, min_overlap: f64, moved: impl Fn(f64) -> [f64; 4], most: f64) -> f64 {
    let (mut low, mut high) = (0.0, most);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if iou([0.0, 0.0, w, h], moved(middle)) >= min_overlap {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

fn radius(maps: CenterHeatmap, w: f64, h: f64) -> f64 {
    let m = maps.min_overlap;
    if maps.original {
        // As the authors have them: half of −b + √(b² − 4 a c), whatever a is.
        let (w, h) = (w.ceil(), h.ceil());
        let third = |a: f64, b: f64, c: f64| (b + (b * b - 4.0 * a * c).sqrt()) / 2.0;
        return third(1.0, h + w, w * h * (1.0 - m) / (1.0 + m))
            .min(third(4.0, 2.0 * (h + w), (1.0 - m) * w * h))
            .min(third(4.0 * m, -2.0 * m * (h + w), (m - 1.0) * w * h));
    }
    let shortest = w.min(h);
    reach(w, h, m, |r| [r, r, w + r, h + r], shortest)
        .min(reach(w, h, m, |r| [r, r, w - r, h - r], shortest / 2.0))
        .min(reach(w, h, m, |r| [-r, -r, w + r, h + r], 1e9))
}

fn definition(maps: CenterHeatmap, truths: &[f64], labels: &[i64]) -> (Vec<f64>, Vec<i32>) {
    let cells = maps.rows * maps.columns;
    let mut heatmap = vec![0.0; maps.classes * cells];
    let mut indices = vec![-1; cells];
    for (truth, (corners, &label)) in truths.chunks(4).zip(labels).enumerate() {
        let [x1, y1, x2, y2] = [0, 1, 2, 3].map(|edge| corners[edge] / maps.stride);
        let (column, row) = (((x1 + x2) / 2.0).floor(), ((y1 + y2) / 2.0).floor());
        let is_there =
            (0.0..maps.columns as f64).contains(&column) && (0.0..maps.rows as f64).contains(&row);
        if !is_there || x2 <= x1 || y2 <= y1 {
            continue;
        }
        let r = radius(maps, x2 - x1, y2 - y1).floor();
        let variance = ((2.0 * r + 1.0) / 6.0).powi(2);
        for cell in 0..cells {
            let x = (cell % maps.columns) as f64 - column;
            let y = (cell / maps.columns) as f64 - row;
            if x.abs() <= r && y.abs() <= r {
                let value = &mut heatmap[label as usize * cells + cell];
                *value = f64::max(*value, (-0.5 * (x * x + y * y) / variance).exp());
            }
            if x == 0.0 && y == 0.0 && indices[cell] == -1 {
                indices[cell] = truth as i32;
            }
        }
    }
    (heatmap, indices)
}

#[test]
fn it_is_its_definition() {
    let base = CenterHeatmap::new(5, 30, 40);
    let mut peaks = 0;
    for scene in scenes() {
        for maps in [
            base,
            CenterHeatmap { min_overlap: 0.3, ..base },
            CenterHeatmap { original: true, ..base },
            CenterHeatmap { stride: 8.0, min_overlap: 0.99, original: true, ..base },
            CenterHeatmap { stride: 1.5, min_overlap: 0.05, ..base },
        ] {
            // What was there before does not matter.
            let mut heatmap = vec![7.0; 5 * 30 * 40];
            let matches = maps.draw(&scene.truths, &scene.labels, &mut heatmap).unwrap();
            let (expected, indices) = definition(maps, &scene.truths, &scene.labels);
            assert_eq!(matches.indices, indices, "{} {maps:?}", scene.what);
            for (cell, (value, expected)) in heatmap.iter().zip(&expected).enumerate() {
                assert!(
                    (value - expected).abs() < 1e-12,
                    "{} {maps:?} {cell}: {value}, {expected}",
                    scene.what
                );
            }
            let single: Vec<f32> = scene.truths.iter().map(|&edge| edge as f32).collect();
            let mut narrow = vec![0.0_f32; heatmap.len()];
            maps.draw(&single, &scene.labels, &mut narrow).unwrap();
            for (value, expected) in narrow.iter().zip(&heatmap) {
                assert!((f64::from(*value) - expected).abs() < 1e-6, "{} {maps:?}", scene.what);
            }
            peaks += matches.positives();
        }
    }
    assert!(peaks > 500, "{peaks}");
}

#[test]
fn what_is_wrong_is_named() {
    let maps = CenterHeatmap::new(2, 3, 4);
    let truth = [0.0, 0.0, 8.0, 8.0];
    let draw = |maps: CenterHeatmap, truths: &[f64], labels: &[i64], cells: usize| {
        maps.draw(truths, labels, &mut vec![0.0; cells]).map(|matches| matches.positives())
    };
    assert_eq!(draw(maps, &truth, &[1], 24), Ok(1));
    assert!(matches!(draw(maps, &truth[..3], &[1], 24), Err(Error::PartialRow { .. })));
    assert!(matches!(draw(maps, &truth, &[], 24), Err(Error::Length { .. })));
    assert!(matches!(draw(maps, &truth, &[2], 24), Err(Error::UnknownLabel { .. })));
    assert!(matches!(draw(maps, &truth, &[1], 12), Err(Error::Length { expected: 24, .. })));
    assert!(matches!(draw(maps, &[f64::NAN; 4], &[1], 24), Err(Error::InvalidNumber { .. })));
    for (stride, min_overlap) in
        [(0.0, 0.7), (f64::INFINITY, 0.7), (4.0, -0.1), (4.0, 1.1), (4.0, f64::NAN)]
    {
        let wrong = CenterHeatmap { stride, min_overlap, ..maps };
        assert!(matches!(draw(wrong, &truth, &[1], 24), Err(Error::InvalidNumber { .. })));
    }
    // Numbers that are far too large are drawn, too.
    for original in [false, true] {
        let huge = [-1e300, -1e300, 1e300, 1e300];
        assert_eq!(draw(CenterHeatmap { original, ..maps }, &huge, &[1], 24), Ok(1));
    }
}
