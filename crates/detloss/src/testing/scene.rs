//! Outputs of every head of a criterion, for a few images.

use super::inputs::Random;
use crate::criteria::{
    Compares, Criterion, Decoder, Evaluation, Head, Number, Options, OutputGrads, OutputGradsMut,
    Outputs, Truths,
};
use crate::error::Result;
use crate::matching::{Anchors, Precision};
use crate::operand::Kind;

/// How many images there are.
const IMAGES: usize = 3;
const CLASSES: usize = 5;
const SIDE: f64 = 64.0;
/// The places of a distribution beside a box.
const PLACES: usize = 9;

/// Raw outputs for all heads of a criterion, random, and truths: of three images, the second without truths.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The outputs: one layer of every head, two where the last is a teacher.
    pub layers: Vec<SceneLayer>,
    /// Boxes and labels of every image.
    pub truths: Vec<(Vec<f64>, Vec<i64>)>,
    /// For every layer, that of every prediction.
    pub pairs: Option<Vec<Vec<i32>>>,
    /// Whether there are anchors, which are points.
    pub has_points: bool,
}

/// The raw outputs of a layer, with all that a head may want.
#[derive(Clone, Debug)]
pub struct SceneLayer {
    /// The head.
    pub head: String,
    /// The logits.
    pub logits: Vec<f64>,
    /// The raw boxes.
    pub boxes: Vec<f64>,
    /// The quality.
    pub quality: Vec<f64>,
    /// The angles.
    pub angle: Vec<f64>,
    /// The distributions.
    pub distribution: Vec<f64>,
    /// The references.
    pub references: Vec<f64>,
}

impl SceneLayer {
    /// What has a gradient.
    #[must_use]
    pub fn parts(&self) -> [&Vec<f64>; 5] {
        [&self.logits, &self.boxes, &self.quality, &self.angle, &self.distribution]
    }

    /// The same, to be changed.
    pub fn parts_mut(&mut self) -> [&mut Vec<f64>; 5] {
        [
            &mut self.logits,
            &mut self.boxes,
            &mut self.quality,
            &mut self.angle,
            &mut self.distribution,
        ]
    }
}

/// Roughly normal, with the standard deviation 1.
fn normal(random: &mut Random) -> f64 {
    ((0..4).map(|_| uniform(random)).sum::<f64>() - 2.0) * 3_f64.sqrt()
}

fn uniform(random: &mut Random) -> f64 {
    random.between(0.0, 1.0)
}

fn many(random: &mut Random, count: usize, number: impl Fn(&mut Random) -> f64) -> Vec<f64> {
    (0..count).map(|_| number(random)).collect()
}

impl Scene {
    /// Outputs that the criterion takes.
    #[must_use]
    pub fn new(criterion: &Criterion, seed: u64) -> Self {
        let random = &mut Random::new(seed);
        let decoder = criterion.heads[0].decoder;
        let points = decoder != Decoder::Centers;
        // Of queries a multiple of the groups that there may be.
        let rows = if points { places().len() } else { 26 };
        let layers = criterion.heads.iter().flat_map(|head| vec![head; layers(head)]).map(|head| {
            let boxes = if head.class_specific { CLASSES } else { 1 };
            let columns = head.decoder.columns() * boxes;
            let box_number = |random: &mut Random| match head.decoder {
                Decoder::Centers => 0.1 + 0.5 * uniform(random),
                Decoder::Distances => 3.0 * uniform(random),
                _ => 0.4 * normal(random),
            };
            SceneLayer {
                head: head.name.clone(),
                logits: many(random, IMAGES * rows * CLASSES, normal),
                boxes: many(random, IMAGES * rows * columns, box_number),
                quality: many(random, IMAGES * rows, normal),
                angle: many(random, IMAGES * rows, normal),
                distribution: many(random, IMAGES * rows * 4 * PLACES, normal),
                references: many(random, IMAGES * rows * 4, |random| 0.1 + 0.5 * uniform(random)),
            }
        });
        let layers: Vec<SceneLayer> = layers.collect();
        let truths = (0..IMAGES).map(|image| {
            let count = [2, 0, 3][image];
            let boxes = (0..count).flat_map(|_| truth(random, decoder)).collect();
            // From 1 on, as SSD has them, and below the last, which is no object for DETR.
            (
                boxes,
                (0..count).map(|_| 1 + (uniform(random) * (CLASSES - 2) as f64) as i64).collect(),
            )
        });
        let truths = truths.collect();
        let given = criterion.heads.iter().any(|head| head.matcher.is_none());
        let pairs = given.then(|| {
            let of_image = |image: usize| {
                (0..rows).map(move |row| if row < [2, 0, 3][image] { row as i32 } else { -1 })
            };
            layers.iter().map(|_| (0..IMAGES).flat_map(of_image).collect()).collect()
        });
        Self { layers, truths, pairs, has_points: points }
    }

    /// Whether a layer is the last one of its head.
    #[must_use]
    pub fn is_teacher(&self, layer: usize) -> bool {
        self.layers.get(layer + 1).is_none_or(|next| next.head != self.layers[layer].head)
    }

    /// The truths.
    #[must_use]
    pub fn truths(&self) -> Vec<Truths<'_, f64>> {
        self.truths.iter().map(|(boxes, labels)| Truths::new(boxes, labels)).collect()
    }

    /// How many points each level has.
    pub const LEVELS: [usize; 2] = [64, 16];

    /// Width and height of the images.
    pub const SIDE: f64 = SIDE;

    /// The points, x and y each, and their strides.
    #[must_use]
    pub fn points<T: Precision>() -> (Vec<T>, Vec<T>) {
        let places = places();
        let points = places.iter().flat_map(|&(x, y, _)| [x, y]).map(T::from_f64).collect();
        (points, places.iter().map(|&(_, _, stride)| T::from_f64(stride)).collect())
    }

    /// The points as anchors.
    ///
    /// # Panics
    ///
    /// Never.
    #[must_use]
    pub fn anchors<T: Precision>() -> Anchors<T> {
        let (points, strides) = Self::points();
        Anchors::points(&points, &strides).unwrap().levels(&Self::LEVELS).unwrap()
    }

    /// The images in the opposite order.
    #[must_use]
    pub fn reversed(&self) -> Self {
        self.images(&[2, 1, 0])
    }

    /// Some of the images, in this order.
    #[must_use]
    pub fn images(&self, images: &[usize]) -> Self {
        fn of<T: Copy>(numbers: &[T], images: &[usize]) -> Vec<T> {
            let length = numbers.len() / IMAGES;
            images.iter().flat_map(|image| &numbers[image * length..][..length]).copied().collect()
        }
        let mut scene = self.clone();
        scene.truths = images.iter().map(|&image| self.truths[image].clone()).collect();
        for layer in &mut scene.layers {
            for part in layer.parts_mut() {
                *part = of(part, images);
            }
            layer.references = of(&layer.references, images);
        }
        for pairs in scene.pairs.iter_mut().flatten() {
            *pairs = of(pairs, images);
        }
        scene
    }

    /// What it is worth.
    ///
    /// # Panics
    ///
    /// For an error.
    #[must_use]
    pub fn evaluate(&self, criterion: &Criterion) -> Evaluation<f64> {
        self.try_evaluate(criterion).unwrap()
    }

    /// What it is worth.
    ///
    /// # Errors
    ///
    /// Those of [`Criterion::evaluate`].
    pub fn try_evaluate(&self, criterion: &Criterion) -> Result<Evaluation<f64>> {
        self.with_outputs(|outputs, truths| criterion.evaluate(outputs, truths))
    }

    /// What it is worth in single precision.
    ///
    /// # Panics
    ///
    /// For an error.
    #[must_use]
    pub fn single(&self, criterion: &Criterion) -> Evaluation<f32> {
        self.with_outputs(|outputs, truths| criterion.evaluate(outputs, truths)).unwrap()
    }

    /// What it is worth, with options.
    ///
    /// # Errors
    ///
    /// Those of [`Criterion::evaluate_with`].
    pub fn evaluate_with(
        &self,
        criterion: &Criterion,
        options: Options<'_>,
    ) -> Result<Evaluation<f64>> {
        self.with_outputs(|outputs, truths| criterion.evaluate_with(outputs, truths, options))
    }

    /// What it is worth, with gradients in this memory where it is not empty.
    ///
    /// # Errors
    ///
    /// Those of [`Criterion::evaluate_into`].
    pub fn evaluate_into(
        &self,
        criterion: &Criterion,
        grads: &mut [OutputGrads<f64>],
    ) -> Result<Evaluation<f64>> {
        let into = grads.iter_mut().map(|grads| OutputGradsMut {
            logits: &mut grads.logits,
            boxes: &mut grads.boxes,
            quality: &mut grads.quality,
            angle: &mut grads.angle,
            distribution: &mut grads.distribution,
        });
        let into = into.collect();
        self.with_outputs(|outputs, truths| {
            criterion.evaluate_into(outputs, truths, into, Options::default())
        })
    }

    fn with_outputs<T: Number>(
        &self,
        evaluate: impl FnOnce(&[Outputs<'_, T>], &[Truths<'_, T>]) -> Result<Evaluation<T>>,
    ) -> Result<Evaluation<T>> {
        let numbers =
            |from: &[f64]| -> Vec<T> { from.iter().map(|&number| T::from_f64(number)).collect() };
        let layers: Vec<[Vec<T>; 5]> =
            self.layers.iter().map(|layer| layer.parts().map(|part| numbers(part))).collect();
        let references: Vec<Vec<T>> =
            self.layers.iter().map(|layer| numbers(&layer.references)).collect();
        let boxes: Vec<Vec<T>> = self.truths.iter().map(|(boxes, _)| numbers(boxes)).collect();
        let truths: Vec<_> = boxes
            .iter()
            .zip(&self.truths)
            .map(|(boxes, (_, labels))| Truths::new(boxes, labels))
            .collect();
        let anchors = Self::anchors();
        let outputs: Vec<_> = layers
            .iter()
            .enumerate()
            .map(|(layer, [logits, boxes, quality, angle, distribution])| {
                let mut outputs = Outputs::new(self.truths.len(), logits, boxes)
                    .head(&self.layers[layer].head)
                    .quality(quality)
                    .angle(angle)
                    .distribution(distribution, &references[layer])
                    .image_size(SIDE, SIDE);
                if self.has_points {
                    outputs = outputs.anchors(&anchors);
                }
                match &self.pairs {
                    Some(pairs) => outputs.pairs(&pairs[layer]),
                    None => outputs,
                }
            })
            .collect();
        evaluate(&outputs, &truths)
    }
}

/// How many layers of a head there are: more than one where the last is a teacher.
fn layers(head: &Head) -> usize {
    if head.terms.iter().any(|term| term.compares == Compares::Teacher) { 2 } else { 1 }
}

/// The middles of cells with their strides.
fn places() -> Vec<(f64, f64, f64)> {
    let cells = |stride: f64| {
        let along = (SIDE / stride) as usize;
        (0..along * along).map(move |cell| {
            let at = |place: usize| (place as f64 + 0.5) * stride;
            (at(cell % along), at(cell / along), stride)
        })
    };
    cells(8.0).chain(cells(16.0)).collect()
}

fn truth(random: &mut Random, decoder: Decoder) -> Vec<f64> {
    let [x, y, w, h] = [0.3, 0.3, 0.5, 0.4].map(|most| 0.1 + most * uniform(random));
    match decoder.kind() {
        _ if decoder == Decoder::Centers => vec![x + 0.2, y + 0.2, w, h],
        Kind::RotatedBox => {
            vec![(x + w / 2.0) * SIDE, (y + h / 2.0) * SIDE, w * SIDE, h * SIDE, normal(random)]
        }
        _ => [x, y, x + w, y + h].map(|place| place * SIDE).to_vec(),
    }
}
