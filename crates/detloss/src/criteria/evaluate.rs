//! The value of a criterion, term by term, and its gradient.

use std::borrow::Cow;

use super::criterion::{Criterion, Layers, Normalizer, Pairs, Term};
use super::outputs::{Layer, Outputs, Truths};
use super::terms::{Grads, Paired, Slot};
use crate::error::{Error, Result};
use crate::matching::{self, IGNORED, Matches, Precision, sampling};
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
    /// By the distributions; empty where there are none.
    pub distribution: Vec<T>,
}

/// How a criterion is evaluated.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    grads: bool,
    all_reduce: Option<AllReduce<'a>>,
}

type AllReduce<'a> = &'a (dyn Fn(&mut [f64]) -> Result<()> + Sync);

impl<'a> Options<'a> {
    /// The value without the gradient: [`Evaluation::grads`] are empty.
    #[must_use]
    pub fn value_only(self) -> Self {
        Self { grads: false, ..self }
    }

    /// For a criterion whose normalizers are [means over processes](Criterion::all_reduce): `mean` is called once, between matching and
    /// losses, with the sums of this process, and replaces each by its mean over all of them. All have as many numbers, in the same order,
    /// if their models have the same heads and layers; those without a matcher, such as queries for denoising, may be missing.
    #[must_use]
    pub fn all_reduce(self, mean: AllReduce<'a>) -> Self {
        Self { all_reduce: Some(mean), ..self }
    }
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { grads: true, all_reduce: None }
    }
}

/// A number that outputs are made of: `f32` or `f64`.
pub trait Number: Precision {
    // Not generic, so that it is compiled once, here, and optimised as this library is.
    #[doc(hidden)]
    fn evaluate(
        criterion: &Criterion,
        outputs: &[Outputs<'_, Self>],
        truths: &[Truths<'_, Self>],
        options: Options<'_>,
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
                options: Options<'_>,
            ) -> Result<Evaluation<$float>> {
                criterion.evaluate_as(outputs, truths, options)
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
    /// [`Error::Length`] for what does not fit; [`Error::InImage`] for truths that are not finite, are not as many as their labels, or
    /// have a label that there is not, and with what a matcher or a loss says.
    pub fn evaluate<T: Number>(
        &self,
        outputs: &[Outputs<'_, T>],
        truths: &[Truths<'_, T>],
    ) -> Result<Evaluation<T>> {
        self.evaluate_with(outputs, truths, Options::default())
    }

    /// The same in another way: without gradients, or as one of several processes.
    ///
    /// # Errors
    ///
    /// Those of [`evaluate`](Self::evaluate), and what [`Options::all_reduce`] says.
    pub fn evaluate_with<T: Number>(
        &self,
        outputs: &[Outputs<'_, T>],
        truths: &[Truths<'_, T>],
        options: Options<'_>,
    ) -> Result<Evaluation<T>> {
        T::evaluate(self, outputs, truths, options)
    }

    fn evaluate_as<T: Precision>(
        &self,
        outputs: &[Outputs<'_, T>],
        truths: &[Truths<'_, T>],
        options: Options<'_>,
    ) -> Result<Evaluation<T>> {
        let mut layers: Vec<_> =
            outputs.iter().map(|outputs| Layer::new(self, outputs)).collect::<Result<_>>()?;
        Layer::set_teachers(&mut layers)?;
        for layer in &layers {
            if layer.outputs.images != truths.len() {
                let (expected, got) = (layer.outputs.images, truths.len());
                return Err(Error::Length {
                    what: "the truths, one item an image,",
                    expected,
                    got,
                });
            }
            for (image, truths) in truths.iter().enumerate() {
                layer.check(truths).map_err(|error| in_image(image, error))?;
            }
        }
        let work = Work { threads: layers.len() * truths.len() > 1, cancelled: None };
        let matches = match_all(work, &layers, truths)?;
        let union = union(&layers, &matches, truths.len())?;
        let found = layers.iter().zip(&matches).map(|(layer, own)| {
            let is_united = layer.head.matcher.is_some() && !union.is_empty();
            Found { own, union: &union, is_united }
        });
        let found: Vec<_> = found.collect();
        let mut divisors: Vec<Vec<Divisor>> = layers
            .iter()
            .zip(&found)
            .map(|(layer, found)| divisors(layer, found, truths))
            .collect();
        if let (true, Some(mean)) = (self.all_reduce, options.all_reduce) {
            reduce(&layers, &mut divisors, mean)?;
        }
        let gradients =
            |layer| if options.grads { OutputGrads::of(layer) } else { OutputGrads::default() };
        let mut grads: Vec<_> = layers.iter().map(gradients).collect();
        let mut jobs = Vec::new();
        for (((layer, matches), divisors), grads) in
            layers.iter().zip(found).zip(&divisors).zip(&mut grads)
        {
            for (image, grads) in grads.images(layer, truths.len()).into_iter().enumerate() {
                let of =
                    |(term, divisor): (&Term, &Divisor)| divisor.of_image(&matches.of(term)[image]);
                let of = layer.head.terms.iter().zip(divisors).map(of).collect();
                jobs.push(Job {
                    layer,
                    image,
                    truths: truths[image],
                    matches,
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
    matches: Found<'a, T>,
    divisors: Vec<(f64, [f64; 2])>,
    grads: Grads<'a, T>,
}

/// A term of a head with its value.
type Value<'a> = (&'a str, &'a str, f64);

impl<'a, T: Precision> Job<'a, T> {
    fn run(self, scale: f64) -> Result<Vec<Value<'a>>> {
        let Self { layer, image, truths, matches, divisors, mut grads } = self;
        let pair = |of: &'a [Matches<T>]| Paired::new(layer, image, truths, &of[image]);
        let own = pair(matches.own);
        let union = matches.is_united.then(|| pair(matches.union));
        let head = layer.head;
        let mut values = Vec::new();
        for (term, (divisor, shares)) in head.terms.iter().zip(divisors) {
            if term.layers == Layers::AllButLast && layer.teacher.is_none() {
                continue;
            }
            let paired = match &union {
                Some(union) if term.pairs == Pairs::Union => union,
                _ => &own,
            };
            let factor = head.weight.at(0.0) * term.weight * scale / divisor;
            if factor == 0.0 {
                continue;
            }
            let sum = paired.sum(term, factor, shares, &mut grads);
            let sum = sum.map_err(|error| in_image(image, error))?;
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
    let boxes = if inputs.boxes { layer.decoded(image) } else { Cow::default() };
    let scores = inputs.scores.map_or_else(Cow::default, |wanted| layer.scores(image, wanted));
    let matches = matcher.match_image(&layer.image(image, truths, &boxes, &scores))?;
    Ok(match head.sampler {
        None => matches,
        Some(sampler) => {
            let seed = layer.outputs.seed.wrapping_mul(0x9e37_79b9).wrapping_add(image as u64);
            sampling::balanced(&matches, sampler.size, sampler.positive, seed)?
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

/// The union of the matches of every image over all layers with a matcher; nothing if no term asks for it.
fn union<T: Precision>(
    layers: &[Layer<'_, T>],
    matches: &[Vec<Matches<T>>],
    images: usize,
) -> Result<Vec<Matches<T>>> {
    let is_asked_for =
        |term: &Term| term.pairs == Pairs::Union || term.normalizer == Normalizer::RootsOfUnion;
    if !layers.iter().any(|layer| layer.head.terms.iter().any(is_asked_for)) {
        return Ok(Vec::new());
    }
    let matched = layers.iter().zip(matches).filter(|(layer, _)| layer.head.matcher.is_some());
    let matched: Vec<_> = matched.map(|(_, matches)| matches).collect();
    let of_image = |image: usize| {
        let layers: Vec<_> = matched.iter().map(|images| images[image].clone()).collect();
        matching::union(&layers).map_err(|error| in_image(image, error))
    };
    (0..images).map(of_image).collect()
}

/// The matches of every image: those of a layer, and the union of all layers; no union if no term asks for it.
#[derive(Clone, Copy)]
struct Found<'a, T> {
    own: &'a [Matches<T>],
    union: &'a [Matches<T>],
    /// Whether the layer is a part of the union.
    is_united: bool,
}

impl<'a, T: Precision> Found<'a, T> {
    fn of(&self, term: &Term) -> &'a [Matches<T>] {
        if self.is_united && term.pairs == Pairs::Union { self.union } else { self.own }
    }
}

/// What a term is divided by.
enum Divisor {
    /// The number of truths, times that of groups; not below 1.
    Truths { truths: f64, groups: f64 },
    /// A sum over all images, not below 1.
    Sum(f64),
    /// The sum of weights; 1 if there are none.
    Weights(f64),
    /// The positives of the image, times the number of images.
    PositivesOfImage(f64),
    /// Nothing, but what has a truth and background have these weights.
    Shares([f64; 2]),
}

impl Divisor {
    fn of_image<T>(&self, matches: &Matches<T>) -> (f64, [f64; 2]) {
        let number = match *self {
            Self::Truths { truths, groups } => (truths * groups).max(1.0),
            Self::Sum(sum) => sum.max(1.0),
            Self::Weights(sum) => {
                if sum > 0.0 {
                    sum
                } else {
                    1.0
                }
            }
            Self::PositivesOfImage(images) => matches.positives().max(1) as f64 * images,
            Self::Shares(shares) => return (1.0, shares),
        };
        (number, [1.0; 2])
    }
}

/// What every term of a layer is divided by.
fn divisors<T: Precision>(
    layer: &Layer<'_, T>,
    found: &Found<'_, T>,
    truths: &[Truths<'_, T>],
) -> Vec<Divisor> {
    let of = |term: &Term| {
        let matches = found.of(term);
        let count =
            |number: fn(&Matches<T>) -> usize| matches.iter().map(number).sum::<usize>() as f64;
        match term.normalizer {
            Normalizer::PositivesOfImage => Divisor::PositivesOfImage(truths.len() as f64),
            Normalizer::Roots => Divisor::Shares(roots(matches, matches)),
            Normalizer::RootsOfUnion => Divisor::Shares(roots(matches, found.union)),
            Normalizer::Positives => Divisor::Sum(count(Matches::positives)),
            Normalizer::Rows => Divisor::Sum(count(Matches::positives) + count(Matches::negatives)),
            Normalizer::Truths => {
                let truths: usize = truths.iter().map(|truths| truths.labels.len()).sum();
                Divisor::Truths { truths: truths as f64, groups: layer.outputs.groups as f64 }
            }
            Normalizer::Scores => {
                let scores = matches.iter().filter_map(|matches| matches.scores.as_ref());
                Divisor::Sum(scores.flatten().map(|score| score.to_f64()).sum())
            }
            Normalizer::Weights => {
                let images = (0..truths.len()).zip(matches).zip(truths);
                let of = |((image, matches), truths): ((usize, &Matches<T>), &Truths<'_, T>)| {
                    Paired::new(layer, image, *truths, matches).weight_sum(term)
                };
                Divisor::Weights(images.map(of).sum())
            }
        }
    };
    layer.head.terms.iter().map(of).collect()
}

/// Replaces sums by their means over all processes: first the number of truths, which all layers share, then those of each layer with a
/// matcher. Layers whose pairs are given may be missing in a process that has no truths, and keep their own.
fn reduce<T>(
    layers: &[Layer<'_, T>],
    divisors: &mut [Vec<Divisor>],
    mean: AllReduce<'_>,
) -> Result<()> {
    let mut numbers = vec![0.0];
    let mut sums = Vec::new();
    for (layer, divisors) in layers.iter().zip(divisors) {
        for divisor in divisors {
            match divisor {
                Divisor::Truths { truths, .. } => {
                    numbers[0] = *truths;
                    sums.push((0, truths));
                }
                Divisor::Sum(sum) | Divisor::Weights(sum) if layer.head.matcher.is_some() => {
                    numbers.push(*sum);
                    sums.push((numbers.len() - 1, sum));
                }
                _ => {}
            }
        }
    }
    mean(&mut numbers)?;
    for (index, sum) in sums {
        *sum = numbers[index];
    }
    Ok(())
}

/// The weights of what has a truth, and of background: one of their numbers, mixed in the ratio of the roots of these numbers.
fn roots<T: Precision>(of: &[Matches<T>], ratio: &[Matches<T>]) -> [f64; 2] {
    let numbers = |of: &[Matches<T>]| {
        [Matches::positives, Matches::negatives]
            .map(|number| of.iter().map(number).sum::<usize>() as f64)
    };
    let own = numbers(of);
    let ratio = numbers(ratio);
    let [positives, negatives] = if ratio == [0.0; 2] { own } else { ratio }.map(f64::sqrt);
    let share = |root: f64, number: f64| {
        if number > 0.0 { root / (number * (positives + negatives)) } else { 0.0 }
    };
    [share(positives, own[0]), share(negatives, own[1])]
}

impl<T: Precision> OutputGrads<T> {
    fn of(layer: &Layer<'_, T>) -> Self {
        let zeros = |like: &[T]| vec![T::default(); like.len()];
        Self {
            logits: zeros(layer.outputs.logits),
            boxes: zeros(layer.outputs.boxes),
            quality: zeros(layer.outputs.quality.unwrap_or_default()),
            angle: zeros(layer.outputs.angle.unwrap_or_default()),
            distribution: zeros(layer.outputs.distribution.unwrap_or_default()),
        }
    }

    /// The parts of every image.
    fn images(&mut self, layer: &Layer<'_, T>, images: usize) -> Vec<Grads<'_, T>> {
        let rows = layer.rows;
        let mut logits = parts(&mut self.logits, rows * layer.classes);
        let mut boxes = parts(&mut self.boxes, rows * layer.columns_of_boxes());
        let mut quality = parts(&mut self.quality, rows);
        let mut angle = parts(&mut self.angle, rows);
        let mut distribution = parts(&mut self.distribution, rows * layer.columns);
        let mut of_image = || Grads {
            logits: Slot { grad: logits.next().unwrap_or_default(), is_zero: true },
            boxes: boxes.next().unwrap_or_default(),
            quality: quality.next().unwrap_or_default(),
            angle: angle.next().unwrap_or_default(),
            distribution: distribution.next().unwrap_or_default(),
        };
        (0..images).map(|_| of_image()).collect()
    }
}

fn parts<T>(numbers: &mut [T], length: usize) -> std::slice::ChunksMut<'_, T> {
    numbers.chunks_mut(length.max(1))
}
