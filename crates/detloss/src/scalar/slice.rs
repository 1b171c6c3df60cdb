//! Slices of any length, a vector at a time.

use super::lanes::{LANES, Vector};
use super::stable::negate_if_positive;
use crate::scalar::Element;

/// How many vectors are added up before the sum goes on in `f64`: few enough that `f32` loses nothing that matters.
const BLOCK: usize = 64;

/// `V::LEN` elements from `start` on, filled up with `pad` behind the end.
#[inline(always)]
pub fn load<V: Vector>(token: V::Token, from: &[V::Element], start: usize, pad: f64) -> V {
    let from = &from[start..];
    if V::LEN <= from.len() {
        V::load(token, &from[..V::LEN])
    } else {
        let mut padded = [V::Element::from_f64(pad); LANES];
        padded[..from.len()].copy_from_slice(from);
        V::load(token, &padded[..V::LEN])
    }
}

/// The labels from `start` on, and the logits turned [`negate_if_positive`] them. Behind the end stand the label −1, which is neither positive nor
/// negative, and a logit of −∞, which is as right as can be.
#[inline(always)]
pub fn scores<V: Vector>(
    token: V::Token,
    logits: &[V::Element],
    labels: &[V::Element],
    start: usize,
) -> (V, V) {
    let label = load::<V>(token, labels, start, -1.0);
    (label, negate_if_positive(label, load(token, logits, start, f64::NEG_INFINITY)))
}

/// The inverse of [`load`]: what lies behind the end is dropped.
#[inline(always)]
pub fn store<V: Vector>(vector: V, to: &mut [V::Element], start: usize) {
    let to = &mut to[start..];
    if V::LEN <= to.len() {
        vector.store(&mut to[..V::LEN]);
    } else {
        let mut padded = [V::Element::default(); LANES];
        vector.store(&mut padded[..V::LEN]);
        to.copy_from_slice(&padded[..to.len()]);
    }
}

/// What `value` says of the columns from `start` on.
#[inline(always)]
pub fn per_column<V: Vector>(token: V::Token, start: usize, value: impl Fn(usize) -> f64) -> V {
    let mut columns = [V::Element::default(); LANES];
    for (lane, column) in columns[..V::LEN].iter_mut().enumerate() {
        *column = V::Element::from_f64(value(start + lane));
    }
    V::load(token, &columns[..V::LEN])
}

/// Multiplies every element by `factor`.
#[inline(always)]
pub fn multiply<V: Vector>(token: V::Token, row: &mut [V::Element], factor: f64) {
    let factor = V::splat(token, V::Element::from_f64(factor));
    let mut whole = row.chunks_exact_mut(V::LEN);
    for part in &mut whole {
        (V::load(token, part) * factor).store(part);
    }
    let tail = whole.into_remainder();
    if !tail.is_empty() {
        store(load::<V>(token, tail, 0, 0.0) * factor, tail, 0);
    }
}

/// Σ of `terms` over `len` elements, N sums in one pass. `terms` is given the places where vectors start, and must be 0 behind the
/// end.
#[inline(always)]
pub fn sums<V: Vector, const N: usize>(
    token: V::Token,
    len: usize,
    mut terms: impl FnMut(usize) -> [V; N],
) -> [f64; N] {
    let mut sums = [0.0; N];
    for block in (0..len).step_by(BLOCK * V::LEN) {
        let mut partial = [V::splat(token, V::Element::default()); N];
        for start in (block..len.min(block + BLOCK * V::LEN)).step_by(V::LEN) {
            let terms = terms(start);
            for k in 0..N {
                partial[k] = partial[k] + terms[k];
            }
        }
        for k in 0..N {
            sums[k] += partial[k].sum();
        }
    }
    sums
}

/// One sum, as [`sums`] makes them.
#[inline(always)]
pub fn sum<V: Vector>(token: V::Token, len: usize, mut term: impl FnMut(usize) -> V) -> f64 {
    let [sum] = sums(
        token,
        len,
        #[inline(always)]
        |start| [term(start)],
    );
    sum
}
