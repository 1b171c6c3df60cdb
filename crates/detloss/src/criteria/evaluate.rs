//! The value of a criterion, term by term, and its gradient.

use super::criterion::{Criterion, Normalizer, Term};
use super::outputs::{Layer, Outputs, Truths};
use super::terms::{Grads, Paired};
use crate::error::{Error, Result};
use crate::matching::{BACKGROUND, IGNORED, Matches, Precision, sampling};
use crate::parallel::Work;

/// What a batch is worth.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Evaluation<T> {
    /// The sum of all terms.
    pub total: f64,
    /// Every term of every head, in their order, with its weight and divided by its normalizer; layers of one head together.
    pub terms: Vec<TermValue>,
    /// The gradient of the total with respect to each of the outputs, in their order.
    pub grads: Vec<OutputGrads<T>>,
    /// The matches of every image, for each of the outputs.
    pub matches: Vec<Vec<Matches<T>>>,
}

/// The value of a term.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TermValue {
    /// The head.
    pub head: String,
    /// The term.
    pub term: String,
    /// What it adds to the total.
    pub value: f64,
}

/// The gradient with respect to one of the [`Outputs`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct OutputGrads<T> {
    /// By the logits.
    pub logits: Vec<T>,
    /// By the raw boxes.
    pub boxes: Vec<T>,
    /// By the quality; empty where there is none.
    pub quality: Vec<T>,
    /// By the angles; empty where there are none.
    pub angle: Vec<T>,
}

/// A number that outputs are made of: `f32` or `f64`.
pub trait Number: Precision {
    // Not generic, so that it is compiled once, here, and optimised as this library is.
    #[doc(hidden)]
    fn evaluate(
        criterion: &Criterion,
        outputs: &[Outputs<'_, Self>],
        truths: &[Truths<'_, Self>],
    ) -> Result<Evaluation<Self>>;
}

macro_rules! number {
    ($float:ident) => {
        impl Number for $float {
            #[inline(never)]
            fn evaluate(
                criterion: &Criterion,
                outputs: &[Outputs<'_, $float>],
                truths: &[Truths<'_, $float>],
            ) -> Result<Evaluation<$float>> {
                criterion.evaluate_as(outputs, truths)
            }
        }
    };
}
number!(f32);
number!(f64);

impl Criterion {
    /// What a batch is worth: the outputs of every head and layer, against the truths of every image.
    ///
    /// Images are matched and evaluated on all threads of rayon's current pool (with the feature `rayon`); the result has the same bits for
    /// any number of them.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownHead`] and [`Error::MissingOutput`] for outputs that are not the criterion's; [`Error::PartialRow`] and
    /// [`Error::Length`] for what does not fit; [`Error::InImage`] with what a matcher or a loss says.
    pub fn evaluate<T: Number>(
        &self,
        outputs: &[Outputs<'_, T>],
        truths: &[Truths<'_, T>],
    ) -> Result<Evaluation<T>> {
        T::evaluate(self, outputs, truths)
    }

    fn evaluate_as<T: Precision>(
        &self,
        outputs: &[Outputs<'_, T>],
        truths: &[Truths<'_, T>],
    ) -> Result<Evaluation<T>> {
        let layers: Vec<_> =
            outputs.iter().map(|outputs| Layer::new(self, outputs)).collect::<Result<_>>()?;
        for layer in &layers {
            if layer.outputs.images != truths.len() {
                let (expected, got) = (layer.outputs.images, truths.len());
                return Err(Error::Length {
                    what: "the truths, one item an image,",
                    expected,
                    got,
                });
            }
        }
        let work = Work { threads: layers.len() * truths.len() > 1, cancelled: None };
        let matches = match_all(work, &layers, truths)?;
        let mut grads: Vec<_> = layers.iter().map(OutputGrads::of).collect();
        let mut jobs = Vec::new();
        for ((layer, matches), grads) in layers.iter().zip(&matches).zip(&mut grads) {
            let divisors = divisors(layer, matches, truths)?;
            for (image, grads) in grads.images(layer, truths.len()).into_iter().enumerate() {
                let of = divisors.iter().map(|divisor| divisor.of_image(&matches[image])).collect();
                jobs.push(Job {
                    layer,
                    image,
                    truths: truths[image],
                    matches: &matches[image],
                    divisors: of,
                    grads,
                });
            }
        }
        let scale = if self.times_images { truths.len() as f64 } else { 1.0 };
        let values = work.map(jobs, |job| job.run(scale));
        let mut terms = self.terms();
        for values in values {
            for (head, term, value) in values? {
                let at = terms.iter_mut().find(|it| it.head == *head && it.term == *term);
                at.expect("it is one of the criterion's").value += value;
            }
        }
        let total = terms.iter().map(|term| term.value).sum();
        Ok(Evaluation { total, terms, grads, matches })
    }

    /// Every term of every head, worth 0.
    fn terms(&self) -> Vec<TermValue> {
        let of = |(head, term): (&String, &Term)| TermValue {
            head: head.clone(),
            term: term.name.clone(),
            value: 0.0,
        };
        let all =
            self.heads.iter().flat_map(|head| head.terms.iter().map(|term| (&head.name, term)));
        all.map(of).collect()
    }
}

/// One image of one layer.
struct Job<'a, T> {
    layer: &'a Layer<'a, T>,
    image: usize,
    truths: Truths<'a, T>,
    matches: &'a Matches<T>,
    divisors: Vec<f64>,
    grads: Grads<'a, T>,
}

/// A term of a head with its value.
type Value<'a> = (&'a str, &'a str, f64);

impl<'a, T: Precision> Job<'a, T> {
    fn run(self, scale: f64) -> Result<Vec<Value<'a>>> {
        let Self { layer, image, truths, matches, divisors, mut grads } = self;
        let paired = Paired::new(layer, image, truths, matches);
        let head = layer.head;
        let mut values = Vec::new();
        for (term, divisor) in head.terms.iter().zip(divisors) {
            let factor = head.weight.at(0.0) * term.weight * scale / divisor;
            if factor == 0.0 {
                continue;
            }
            let sum =
                paired.sum(term, factor, &mut grads).map_err(|error| in_image(image, error))?;
            values.push((head.name.as_str(), term.name.as_str(), factor * sum));
        }
        Ok(values)
    }
}

fn in_image(image: usize, error: Error) -> Error {
    Error::InImage { image, error: Box::new(error) }
}

/// The matches of every image, for each of the layers.
fn match_all<T: Precision>(
    work: Work<'_>,
    layers: &[Layer<'_, T>],
    truths: &[Truths<'_, T>],
) -> Result<Vec<Vec<Matches<T>>>> {
    let jobs = layers.iter().flat_map(|layer| (0..truths.len()).map(move |image| (layer, image)));
    let matched = work.map(jobs.collect(), |(layer, image)| {
        match_image(layer, image, &truths[image]).map_err(|error| in_image(image, error))
    });
    let mut matched = matched.into_iter();
    layers.iter().map(|_| matched.by_ref().take(truths.len()).collect()).collect()
}

fn match_image<T: Precision>(
    layer: &Layer<'_, T>,
    image: usize,
    truths: &Truths<'_, T>,
) -> Result<Matches<T>> {
    let head = layer.head;
    let Some(matcher) = &head.matcher else { return given(layer, image, truths) };
    let inputs = matcher.entry().inputs;
    let boxes = if inputs.boxes { layer.decoded(image) } else { Vec::new() };
    let scores = inputs.scores.map_or_else(Vec::new, |wanted| layer.scores(image, wanted));
    let matches = matcher.match_image(&layer.image(truths, &boxes, &scores))?;
    Ok(match head.sampler {
        None => matches,
        Some(sampler) => {
            let seed = layer.outputs.seed.wrapping_mul(0x9e37_79b9).wrapping_add(image as u64);
            sampling::balanced(&matches, sampler.size, sampler.positive, seed)
        }
    })
}

/// Pairs that came with the outputs.
fn given<T: Precision>(
    layer: &Layer<'_, T>,
    image: usize,
    truths: &Truths<'_, T>,
) -> Result<Matches<T>> {
    let pairs = layer.outputs.pairs.expect("it is checked");
    let indices = pairs[image * layer.rows..][..layer.rows].to_vec();
    let count = truths.labels.len() as i32;
    match indices.iter().position(|&truth| !(IGNORED..count).contains(&truth)) {
        Some(index) => {
            let (what, got) = ("the pairs of an image", f64::from(indices[index]));
            Err(Error::InvalidNumber {
                what,
                index,
                got,
                wanted: "the index of a truth, or -1 for background",
            })
        }
        None => Ok(Matches { indices, scores: None }),
    }
}

/// What a term is divided by.
enum Divisor {
    Number(f64),
    /// The positives of the image, times the number of images.
    PositivesOfImage(f64),
}

impl Divisor {
    fn of_image<T>(&self, matches: &Matches<T>) -> f64 {
        match *self {
            Self::Number(number) => number,
            Self::PositivesOfImage(images) => matches.positives().max(1) as f64 * images,
        }
    }
}

/// What every term of a layer is divided by.
fn divisors<T: Precision>(
    layer: &Layer<'_, T>,
    matches: &[Matches<T>],
    truths: &[Truths<'_, T>],
) -> Result<Vec<Divisor>> {
    let count = |number: fn(&Matches<T>) -> usize| matches.iter().map(number).sum::<usize>() as f64;
    let of = |term: &Term| {
        Ok(Divisor::Number(match term.normalizer {
            Normalizer::PositivesOfImage => {
                return Ok(Divisor::PositivesOfImage(truths.len() as f64));
            }
            Normalizer::Positives => count(Matches::positives).max(1.0),
            Normalizer::Rows => (count(Matches::positives) + count(Matches::negatives)).max(1.0),
            Normalizer::Truths => {
                let truths: usize = truths.iter().map(|truths| truths.labels.len()).sum();
                (truths * layer.outputs.groups).max(1) as f64
            }
            Normalizer::Scores => {
                let scores = matches.iter().filter_map(|matches| matches.scores.as_ref());
                let sum: f64 = scores.flatten().map(|score| score.to_f64()).sum();
                sum.max(1.0)
            }
            Normalizer::Weights => {
                let images = (0..truths.len()).zip(matches).zip(truths);
                let of = |((image, matches), truths): ((usize, &Matches<T>), &Truths<'_, T>)| {
                    Paired::new(layer, image, *truths, matches).weight_sum(term)
                };
                let sum: f64 = images.map(of).sum();
                if sum > 0.0 { sum } else { 1.0 }
            }
        }))
    };
    layer.head.terms.iter().map(of).collect()
}

impl<T: Precision> OutputGrads<T> {
    fn of(layer: &Layer<'_, T>) -> Self {
        let zeros = |like: &[T]| vec![T::default(); like.len()];
        Self {
            logits: zeros(layer.outputs.logits),
            boxes: zeros(layer.outputs.boxes),
            quality: zeros(layer.outputs.quality.unwrap_or_default()),
            angle: zeros(layer.outputs.angle.unwrap_or_default()),
        }
    }

    /// The parts of every image.
    fn images(&mut self, layer: &Layer<'_, T>, images: usize) -> Vec<Grads<'_, T>> {
        let rows = layer.rows;
        let mut logits = parts(&mut self.logits, rows * layer.classes);
        let mut boxes = parts(&mut self.boxes, rows * layer.head.decoder.columns());
        let mut quality = parts(&mut self.quality, rows);
        let mut angle = parts(&mut self.angle, rows);
        let mut of_image = || Grads::new(logits.next(), boxes.next(), quality.next(), angle.next());
        (0..images).map(|_| of_image()).collect()
    }
}

fn parts<T>(numbers: &mut [T], length: usize) -> std::slice::ChunksMut<'_, T> {
    numbers.chunks_mut(length.max(1))
}

/// Whether a prediction counts.
pub(super) fn counts(truth: i32) -> bool {
    truth >= BACKGROUND
}
