//! Images to match, drawn by a seed, and the nasty ones.

use detloss::matching::{Anchors, Image};

/// Numbers by a seed (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }
}

/// An image of 160 × 120 with levels of strides 8, 16 and 32, and predictions on all points.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) what: String,
    pub(crate) truths: Vec<f64>,
    pub(crate) labels: Vec<i64>,
    pub(crate) points: Vec<f64>,
    pub(crate) strides: Vec<f64>,
    pub(crate) levels: Vec<usize>,
    pub(crate) boxes: Vec<f64>,
    /// Probabilities.
    pub(crate) scores: Vec<f64>,
    pub(crate) classes: usize,
}

impl Scene {
    pub(crate) fn truth_count(&self) -> usize {
        self.labels.len()
    }

    pub(crate) fn prediction_count(&self) -> usize {
        self.strides.len()
    }

    pub(crate) fn truth(&self, truth: usize) -> [f64; 4] {
        self.truths[4 * truth..][..4].try_into().unwrap()
    }

    pub(crate) fn predicted(&self, prediction: usize) -> [f64; 4] {
        self.boxes[4 * prediction..][..4].try_into().unwrap()
    }

    pub(crate) fn point(&self, prediction: usize) -> [f64; 2] {
        self.points[2 * prediction..][..2].try_into().unwrap()
    }

    pub(crate) fn score(&self, prediction: usize, class: i64) -> f64 {
        self.scores[prediction * self.classes + class as usize]
    }

    /// A point as a square of its stride.
    pub(crate) fn anchor(&self, prediction: usize) -> [f64; 4] {
        let ([x, y], half) = (self.point(prediction), self.strides[prediction] / 2.0);
        [x - half, y - half, x + half, y + half]
    }

    /// The points as anchors, in their levels.
    pub(crate) fn anchors(&self) -> Anchors<f64> {
        Anchors::points(&self.points, &self.strides).unwrap().levels(&self.levels).unwrap()
    }

    /// With everything that a matcher may ask for; scores are probabilities.
    pub(crate) fn image<'a>(&'a self, anchors: &'a Anchors<f64>) -> Image<'a, f64> {
        Image::new(&self.truths)
            .labels(&self.labels)
            .anchors(anchors)
            .boxes(&self.boxes)
            .scores(&self.scores)
    }

    /// A scene of these truths, with predictions near the truth of their place, so that many overlap.
    pub(crate) fn new(what: &str, truths: Vec<[f64; 4]>, random: &mut Random) -> Self {
        let classes = 5;
        let (mut points, mut strides, mut levels) = (Vec::new(), Vec::new(), Vec::new());
        for stride in [8.0, 16.0, 32.0] {
            let (columns, rows) = ((160.0 / stride) as usize, (120.0_f64 / stride) as usize);
            levels.push(columns * rows);
            for cell in 0..columns * rows {
                let (x, y) = ((cell % columns) as f64 + 0.5, (cell / columns) as f64 + 0.5);
                points.extend([x * stride, y * stride]);
                strides.push(stride);
            }
        }
        let mut boxes = Vec::new();
        for point in points.chunks(2) {
            let (x, y) = (point[0], point[1]);
            let inside = |t: &&[f64; 4]| t[0] < x && x < t[2] && t[1] < y && y < t[3];
            let near =
                truths.iter().find(inside).copied().unwrap_or([x - 9.0, y - 9.0, x + 9.0, y + 9.0]);
            boxes.extend(near.map(|edge| edge + random.between(-5.0, 5.0)));
        }
        let scores = (0..strides.len() * classes).map(|_| random.between(0.001, 0.999)).collect();
        let labels = truths.iter().map(|_| random.below(classes) as i64).collect();
        let truths = truths.concat();
        Self {
            what: what.to_owned(),
            truths,
            labels,
            points,
            strides,
            levels,
            boxes,
            scores,
            classes,
        }
    }

    /// And again with all truths in one class, so that equal truths are equal in everything.
    pub(crate) fn and_in_one_class(self) -> [Self; 2] {
        let (what, labels) = (self.what.clone() + ", one class", vec![0; self.labels.len()]);
        [self.clone(), Self { what, labels, ..self }]
    }

    /// Without any prediction.
    pub(crate) fn without_predictions(mut self) -> Self {
        self.what += ", no predictions";
        (self.points, self.strides, self.levels) = (Vec::new(), Vec::new(), vec![0, 0, 0]);
        (self.boxes, self.scores) = (Vec::new(), Vec::new());
        self
    }
}

/// A box somewhere in the image, with sides from `least` to `most`.
fn somewhere(random: &mut Random, least: f64, most: f64) -> [f64; 4] {
    let (w, h) = (random.between(least, most), random.between(least, most));
    let (x, y) = (random.between(0.0, 160.0 - w), random.between(0.0, 120.0 - h));
    [x, y, x + w, y + h]
}

/// Random images of every crowding, and nested, equal, tiny, empty, huge and far truths, none, and no predictions.
pub(crate) fn scenes() -> Vec<Scene> {
    let random = &mut Random(17);
    let mut scenes = Vec::new();
    for count in [1, 2, 5, 12, 40] {
        for seed in 0..4 {
            let truths = (0..count).map(|_| somewhere(random, 4.0, 90.0)).collect();
            scenes.push(Scene::new(&format!("{count} truths, {seed}"), truths, random));
        }
    }
    let nested = (0..6).map(|n| f64::from(n) * 8.0).map(|n| [n, n, 150.0 - n, 110.0 - n]).collect();
    scenes.push(Scene::new("nested", nested, random));
    scenes.push(Scene::new("equal", vec![[20.0, 20.0, 70.0, 60.0]; 3], random));
    let tiny = (0..9).map(|_| somewhere(random, 0.01, 2.0)).collect();
    scenes.push(Scene::new("tiny", tiny, random));
    scenes.push(Scene::new(
        "empty",
        vec![[40.0, 40.0, 40.0, 80.0], [30.0; 4], [50.0, 50.0, 40.0, 90.0]],
        random,
    ));
    scenes.push(Scene::new("huge", vec![[-1e6, -1e6, 1e6, 1e6], [10.0, 10.0, 60.0, 60.0]], random));
    scenes.push(Scene::new(
        "far",
        vec![[900.0, 900.0, 950.0, 950.0], [10.0, 10.0, 60.0, 60.0]],
        random,
    ));
    scenes.push(Scene::new(
        "on the grid",
        vec![[16.0, 16.0, 80.0, 80.0], [32.0, 0.0, 64.0, 96.0]],
        random,
    ));
    scenes.push(Scene::new("no truths", Vec::new(), random));
    scenes.push(scenes[0].clone().without_predictions());
    scenes
}

/// Intersection over union; 0 for two empty boxes.
pub(crate) fn iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let side = |low: f64, high: f64| (high - low).max(0.0);
    let area = |r: [f64; 4]| side(r[0], r[2]) * side(r[1], r[3]);
    let shared = side(a[0].max(b[0]), a[2].min(b[2])) * side(a[1].max(b[1]), a[3].min(b[3]));
    let union = area(a) + area(b) - shared;
    if union > 0.0 { shared / union } else { 0.0 }
}

/// How far inside a box a point lies.
pub(crate) fn depth(r: [f64; 4], [x, y]: [f64; 2]) -> f64 {
    [x - r[0], y - r[1], r[2] - x, r[3] - y].into_iter().fold(f64::INFINITY, f64::min)
}
