//! Images to match, for front-ends of tensors.

use super::inputs::Random;
use super::request::Array;
use crate::matching::{Anchors, AnyMatcher, Entry, Image, Matches, Precision, Scores};

/// Images with truths, and predictions on the points of two levels that find some of them. All numbers are of 24 bits.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// The boxes to find of every image; the second image has none.
    pub truths: Vec<Array<f64>>,
    /// Their classes.
    pub labels: Vec<Array<i64>>,
    /// The points.
    pub points: Array<f64>,
    /// Their strides.
    pub strides: Array<f64>,
    /// How many points each level has.
    pub levels: Vec<usize>,
    /// The predicted boxes of all images.
    pub boxes: Array<f64>,
    /// The scores of all images, as the matcher wants them.
    pub scores: Array<f64>,
}

impl Pictures {
    /// Three images for the matcher.
    #[must_use]
    pub fn new(entry: &Entry, seed: u64) -> Self {
        const CLASSES: usize = 4;
        let (counts, mut random) = ([3, 0, 11], Random::new(seed));
        let (mut points, mut strides, mut levels) = (Vec::new(), Vec::new(), Vec::new());
        for stride in [8.0, 16.0] {
            let side = (96.0 / stride) as usize;
            levels.push(side * side);
            for cell in 0..side * side {
                points.extend([cell % side, cell / side].map(|at| (at as f64 + 0.5) * stride));
                strides.push(stride);
            }
        }
        let (mut truths, mut labels) = (Vec::new(), Vec::new());
        let (mut boxes, mut scores) = (Vec::new(), Vec::new());
        for count in counts {
            let mut numbers = Vec::new();
            for _ in 0..count {
                let [x, y] = [0, 0].map(|_| random.between(0.0, 60.0).round());
                numbers.extend([x, y, x + random.between(9.0, 36.0).round(), y + 20.0]);
            }
            let classes = (0..count).map(|_| random.below(CLASSES) as i64).collect();
            truths.push(Array { dims: vec![count, 4], numbers });
            labels.push(Array { dims: vec![count], numbers: classes });
            for point in points.chunks(2) {
                let [x, y] = [point[0], point[1]];
                let sides = [0; 4].map(|_| random.between(4.0, 30.0).round());
                boxes.extend([x - sides[0], y - sides[1], x + sides[2], y + sides[3]]);
                let [low, high] = match entry.inputs.scores {
                    Some(Scores::Logits) => [-4.0, 4.0],
                    _ => [0.01, 0.99],
                };
                scores.extend((0..CLASSES).map(|_| random.between(low, high)));
            }
        }
        let (images, predictions) = (counts.len(), strides.len());
        Self {
            truths,
            labels,
            points: Array { dims: vec![predictions, 2], numbers: points },
            strides: Array { dims: vec![predictions], numbers: strides },
            levels,
            boxes: Array { dims: vec![images, predictions, 4], numbers: boxes },
            scores: Array { dims: vec![images, predictions, CLASSES], numbers: scores },
        }
    }

    /// How many images there are, and how many predictions each has.
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        [self.truths.len(), self.strides.numbers.len()]
    }

    /// What the matcher of the core says of each image by itself.
    ///
    /// # Panics
    ///
    /// If it says that something is wrong.
    #[must_use]
    pub fn matched<T: Precision>(&self, matcher: &AnyMatcher) -> Vec<Matches<T>> {
        let of = |numbers: &[f64]| -> Vec<T> {
            numbers.iter().map(|&number| T::from_f64(number)).collect()
        };
        let [points, strides, boxes, scores] =
            [&self.points, &self.strides, &self.boxes, &self.scores].map(|all| of(&all.numbers));
        let anchors = Anchors::points(&points, &strides).and_then(|all| all.levels(&self.levels));
        let anchors = anchors.expect("points and strides");
        let [images, _] = self.shape();
        let part = |all: &[T], image: usize| {
            let size = all.len() / images;
            all[image * size..][..size].to_vec()
        };
        let matched = |(image, truths): (usize, &Array<f64>)| {
            let (truths, labels) = (of(&truths.numbers), &self.labels[image].numbers);
            let (boxes, scores) = (part(&boxes, image), part(&scores, image));
            let one = Image::new(&truths).labels(labels).anchors(&anchors).boxes(&boxes);
            matcher.match_image(&one.scores(&scores)).expect("an image")
        };
        self.truths.iter().enumerate().map(matched).collect()
    }
}
