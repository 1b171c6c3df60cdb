//! What the sums of terms are divided by.

use super::criterion::{Normalizer, Pairs, Term};
use super::layer::Layer;
use super::outputs::Truths;
use super::terms::Paired;
use crate::error::Result;
use crate::matching::{Matches, Precision};

/// A function that replaces numbers of this process by their means over all.
pub(super) type AllReduce<'a> = &'a (dyn Fn(&mut [f64]) -> Result<()> + Sync);

/// The matches of every image: those of a layer, and the union of all layers; no union if no term asks for it.
#[derive(Clone, Copy)]
pub(super) struct Found<'a, T> {
    pub own: &'a [Matches<T>],
    pub union: &'a [Matches<T>],
    /// Whether the layer is a part of the union.
    pub is_united: bool,
}

impl<'a, T: Precision> Found<'a, T> {
    pub(super) fn of(&self, term: &Term) -> &'a [Matches<T>] {
        if self.is_united && term.pairs == Pairs::Union { self.union } else { self.own }
    }
}

/// What a term is divided by.
pub(super) enum Divisor {
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
    pub(super) fn of_image<T>(&self, matches: &Matches<T>) -> (f64, [f64; 2]) {
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
pub(super) fn divisors<T: Precision>(
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
pub(super) fn reduce<T>(
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
