//! Numbers in vectors: sigmoids, and distances as distributions over bins.

use crate::batch::{Level, OnVectors};
use crate::matching::Precision;
use crate::scalar::lanes::Vector;
use crate::scalar::softmax::{Softmax, through_softmax};
use crate::scalar::{lit, slice};

/// The means of the distributions of `bins` logits each, over 0, 1, …, bins − 1.
pub(super) fn means<T: Precision>(logits: &[T], bins: usize) -> Vec<T> {
    T::on_vectors(Level::best(), Means { logits, bins })
}

/// Adds the gradient by the logits of one distribution, from that by its mean.
pub(super) fn add_backward<T: Precision>(logits: &[T], grad_mean: T, grad: &mut [T]) {
    T::on_vectors(Level::best(), Backward { logits, grad_mean, grad });
}

/// The sigmoid of every logit.
pub(super) fn sigmoids<T: Precision>(logits: &[T]) -> Vec<T> {
    T::on_vectors(Level::best(), Sigmoids(logits))
}

struct Sigmoids<'a, T>(&'a [T]);

impl<T: Precision> OnVectors<T> for Sigmoids<'_, T> {
    type Output = Vec<T>;

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, token: V::Token) -> Vec<T> {
        let mut sigmoids = vec![T::default(); self.0.len()];
        for start in (0..self.0.len()).step_by(V::LEN) {
            let logits = slice::load::<V>(token, self.0, start, 0.0);
            slice::store(logits.sigmoid(), &mut sigmoids, start);
        }
        sigmoids
    }
}

struct Means<'a, T> {
    logits: &'a [T],
    bins: usize,
}

impl<T: Precision> OnVectors<T> for Means<'_, T> {
    type Output = Vec<T>;

    // Loops and no closures: only what is inlined here has the instructions of the level.
    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, token: V::Token) -> Vec<T> {
        let mut powers = vec![T::default(); self.bins];
        let places: Vec<T> = (0..self.bins).map(|bin| T::from_f64(bin as f64)).collect();
        let mut means = vec![T::default(); self.logits.len() / self.bins];
        for (logits, mean) in self.logits.chunks_exact(self.bins).zip(&mut means) {
            let softmax = Softmax::<V>::new(token, logits, Some(&mut powers));
            *mean = T::from_f64(dot::<V>(token, &powers, &places) / softmax.sum());
        }
        means
    }
}

struct Backward<'a, T> {
    logits: &'a [T],
    grad_mean: T,
    grad: &'a mut [T],
}

impl<T: Precision> OnVectors<T> for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, token: V::Token) {
        let bins = self.logits.len();
        let mut probabilities = vec![T::default(); bins];
        let softmax = Softmax::<V>::new(token, self.logits, Some(&mut probabilities));
        slice::multiply::<V>(token, &mut probabilities, 1.0 / softmax.sum());
        let mut slopes: Vec<T> = (0..bins).map(|bin| self.grad_mean * lit(bin as f64)).collect();
        through_softmax::<V>(token, &mut slopes, &probabilities);
        for (grad, slope) in self.grad.iter_mut().zip(slopes) {
            *grad = *grad + slope;
        }
    }
}

#[inline(always)]
fn dot<V: Vector>(token: V::Token, a: &[V::Element], b: &[V::Element]) -> f64 {
    slice::sum(
        token,
        a.len(),
        #[inline(always)]
        |start| slice::load::<V>(token, a, start, 0.0) * slice::load::<V>(token, b, start, 0.0),
    )
}
