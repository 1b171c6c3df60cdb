//! The value of a criterion, term by term, and its gradient.

use std::borrow::Cow;

use super::criterion::{Criterion, Layers, Normalizer, Pairs, Term};
use super::divisors::{AllReduce, Divisor, Found, divisors, reduce};
use super::gradients::{OutputGrads, OutputGradsMut};
use super::layer::{Layer, clamped};
use super::outputs::{Outputs, Truths};
use super::terms::{Grads, Paired};
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
    /// The gradient of the total with respect to each of the outputs, in their order, but what the caller gave memory for.
    pub grads: Vec<OutputGrads<T>>,
    /// The matches of every image, for each of the outputs.
    pub matches: Vec<Vec<Matches<T>>>,
}

impl<T> Evaluation<T> {
    /// The indices of the [matches](Self::matches) as tensors have them, for each of the outputs: their shape, images and predictions, and the
    /// numbers image after image.
    pub fn indices(&self) -> impl Iterator<Item = ([usize; 2], Vec<i64>)> {
        self.matches.iter().map(|images| {
            let predictions = images.first().map_or(0, |matches| matches.indices.len());
            let indices = images.iter().flat_map(|matches| &matches.indices);
            ([images.len(), predictions], indices.map(|&index| index.into()).collect())
        })
    }
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

/// How a criterion is evaluated.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    grads: bool,
    all_reduce: Option<AllReduce<'a>>,
}

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
        grads: Option<Vec<OutputGradsMut<'_, Self>>>,
    ) -> Result<Evaluation<Self>>;

    #[doc(hidden)]
    fn decode(criterion: &Criterion, outputs: &Outputs<'_, Self>) -> Result<Vec<Self>>;
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
                grads: Option<Vec<OutputGradsMut<'_, $float>>>,
            ) -> Result<Evaluation<$float>> {
                criterion.evaluate_as(outputs, truths, options, grads)
            }

            #[inline(never)]
            fn decode(criterion: &Criterion, outputs: &Outputs<'_, $float>) -> Result<Vec<$float>> {
                let clamped = clamped(criterion, outputs)?;
                let layer = Layer::new(criterion, outputs, clamped.as_deref())?;
                Ok((0..outputs.images).flat_map(|image| layer.corners(image)).collect())
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
        let fresh = options.grads.then(|| outputs.iter().map(|_| OutputGradsMut::default()));
        T::evaluate(self, outputs, truths, options, fresh.map(Iterator::collect))
    }

    /// The same with gradients in memory of the caller, one item for each of the outputs.
    ///
    /// It pays for logits alone, whose gradient is written everywhere. That of all else is zero but where a prediction has a truth, and fresh
    /// zeros cost neither time nor memory where nobody touches them.
    ///
    /// # Errors
    ///
    /// Those of [`evaluate_with`](Self::evaluate_with), and [`Error::Length`] for memory of another size.
    pub fn evaluate_into<T: Number>(
        &self,
        outputs: &[Outputs<'_, T>],
        truths: &[Truths<'_, T>],
        grads: Vec<OutputGradsMut<'_, T>>,
        options: Options<'_>,
    ) -> Result<Evaluation<T>> {
        T::evaluate(self, outputs, truths, options, Some(grads))
    }

    /// The boxes of what a detector says, for prediction: x1, y1, x2, y2 of every prediction of every image in the unit of the truths (cx,
    /// cy, w, h, angle from a decoder of rotated boxes); of a head that has boxes for every class, one for each. `outputs` are what
    /// [`evaluate`](Self::evaluate) takes.
    ///
    /// ```
    /// use detloss::criteria::{self, Outputs};
    /// use detloss::matching::Anchors;
    ///
    /// let anchors = Anchors::points(&[4.0_f32, 4.0], &[8.0])?;
    /// let outputs = Outputs::new(1, &[0.0; 2], &[0.5, 0.5, 1.0, 2.0]).quality(&[0.0]).anchors(&anchors);
    /// assert_eq!(criteria::find("fcos")?.make().decode(&outputs)?, [0.0, 0.0, 12.0, 20.0]);
    /// # Ok::<(), detloss::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`evaluate`](Self::evaluate) for outputs that are not the criterion's, or do not fit.
    pub fn decode<T: Number>(&self, outputs: &Outputs<'_, T>) -> Result<Vec<T>> {
        T::decode(self, outputs)
    }

    fn evaluate_as<T: Precision>(
        &self,
        outputs: &[Outputs<'_, T>],
        truths: &[Truths<'_, T>],
        options: Options<'_>,
        grads: Option<Vec<OutputGradsMut<'_, T>>>,
    ) -> Result<Evaluation<T>> {
        let clamped: Vec<_> =
            outputs.iter().map(|outputs| clamped(self, outputs)).collect::<Result<_>>()?;
        let layers = outputs.iter().zip(&clamped);
        let mut layers: Vec<_> = layers
            .map(|(outputs, clamped)| Layer::new(self, outputs, clamped.as_deref()))
            .collect::<Result<_>>()?;
        Layer::set_teachers(&mut layers)?;
        for layer in &layers {
            if layer.outputs.images != truths.len() {
                let (expected, got) = (layer.outputs.images, truths.len());
                return Err(Error::Length {
                    what: "the truths (one item an image)",
                    expected,
                    got,
                });
            }
            for (image, truths) in truths.iter().enumerate() {
                layer.check(truths).map_err(|error| error.in_image(image))?;
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
        let mut made = Vec::new();
        let grads: Vec<Vec<Grads<'_, T>>> = match grads {
            None => {
                layers.iter().map(|_| truths.iter().map(|_| Grads::default()).collect()).collect()
            }
            Some(given) => {
                let what = "the memory for gradients (one item for each of the outputs)";
                matching::of_length(what, layers.len(), given.len())?;
                made.extend(outputs.iter().zip(&given).map(|(of, given)| given.others(of)));
                let memory = outputs.iter().zip(given).zip(&mut made);
                memory.map(|((of, given), made)| given.images(of, made)).collect::<Result<_>>()?
            }
        };
        let mut jobs = Vec::new();
        for (((layer, matches), divisors), grads) in
            layers.iter().zip(found).zip(&divisors).zip(grads)
        {
            for (image, grads) in grads.into_iter().enumerate() {
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
        Ok(Evaluation { total, terms, grads: made, matches })
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
            let sum = sum.map_err(|error| error.in_image(image))?;
            values.push((head.name.as_str(), term.name.as_str(), factor * sum));
        }
        let Grads { logits, boxes, quality, angle, distribution } = &mut grads;
        for slot in [logits, boxes, quality, angle, distribution] {
            slot.written();
        }
        layer.clamp_backward(image, grads.boxes.written());
        Ok(values)
    }
}

/// The matches of every image, for each of the layers.
fn match_all<T: Precision>(
    work: Work<'_>,
    layers: &[Layer<'_, T>],
    truths: &[Truths<'_, T>],
) -> Result<Vec<Vec<Matches<T>>>> {
    let jobs = layers.iter().flat_map(|layer| (0..truths.len()).map(move |image| (layer, image)));
    let matched = work.map(jobs.collect(), |(layer, image)| {
        match_image(layer, image, &truths[image]).map_err(|error| error.in_image(image))
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
        matching::union(&layers).map_err(|error| error.in_image(image))
    };
    (0..images).map(of_image).collect()
}
