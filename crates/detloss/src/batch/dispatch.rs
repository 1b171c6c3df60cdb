//! From a number in memory to the kernels that compute with it.

use fearless_simd::Simd;

use super::kernel::Kernel;
use super::level::{Job, Level};
use super::tile::{TILE, Tile, TileTarget};
use crate::loss::Scope;
use crate::operand::{MAX_FIELDS, MAX_LABEL};
use crate::scalar::lanes::{LANES, Lanes, Vector};
use crate::scalar::{self, Compute, slice};

/// A number in a caller's memory that batches are made of: `f32`, `f64`, `f16` or `bf16`.
pub trait Element: scalar::Element<Compute: Dispatch> {}

impl<T: scalar::Element<Compute: Dispatch>> Element for T {}

/// A number that has kernels.
pub trait Dispatch: Compute {
    /// Weights for a tile of a batch that has none.
    #[doc(hidden)]
    const ONES: &'static [Self];

    #[doc(hidden)]
    fn tile<K: Kernel + ?Sized>(kernel: &K, level: Level, tile: Tile<'_, Self>) -> f64;

    /// What a job on vectors of these numbers gives.
    #[doc(hidden)]
    fn on_vectors<J: OnVectors<Self>>(level: Level, job: J) -> J::Output;

    /// Whether no number lies outside of 0 to [`MAX_LABEL`]. NaN does not.
    #[doc(hidden)]
    fn are_probabilities(level: Level, numbers: &[Self]) -> bool {
        Self::on_vectors(level, Probabilities(numbers))
    }
}

/// Work on vectors of numbers.
#[doc(hidden)]
pub trait OnVectors<T> {
    type Output;
    /// Must be `#[inline(always)]`: the caller brings the instructions.
    fn run<V: Vector<Element = T>>(self, token: V::Token) -> Self::Output;
}

impl Dispatch for f32 {
    const ONES: &'static [f32] = &[1.0; TILE];

    fn tile<K: Kernel + ?Sized>(kernel: &K, level: Level, tile: Tile<'_, f32>) -> f64 {
        let units = tile.weights.len();
        let signature = kernel.signature();
        match (signature.scope, signature.pred.fields().len()) {
            (Scope::Unit, width) if !units.is_multiple_of(LANES) => {
                let (whole, rest) = tile.split(units - units % LANES, width);
                kernel.tile_f32(level, whole) + rest_of_tile(kernel, level, rest, width)
            }
            _ => kernel.tile_f32(level, tile),
        }
    }

    fn on_vectors<J: OnVectors<f32>>(level: Level, job: J) -> J::Output {
        struct OnLanes<J>(J);
        impl<J: OnVectors<f32>> Job for OnLanes<J> {
            type Output = J::Output;
            #[inline(always)]
            fn run<S: Simd>(self, simd: S) -> J::Output {
                self.0.run::<Lanes<S>>(simd)
            }
        }
        level.run(OnLanes(job))
    }
}

impl Dispatch for f64 {
    const ONES: &'static [f64] = &[1.0; TILE];

    fn tile<K: Kernel + ?Sized>(kernel: &K, _: Level, tile: Tile<'_, f64>) -> f64 {
        kernel.tile_f64(tile)
    }

    fn on_vectors<J: OnVectors<f64>>(_: Level, job: J) -> J::Output {
        job.run::<f64>(())
    }
}

struct Probabilities<'a, T>(&'a [T]);

impl<T: Compute> OnVectors<T> for Probabilities<'_, T> {
    type Output = bool;

    /// Four vectors at a time: each has its own flags, so that none waits for another.
    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, token: V::Token) -> bool {
        let Self(numbers) = self;
        let zero = V::splat(token, V::Element::default());
        let (one, most) = (zero.lit(1.0), zero.lit(MAX_LABEL));
        let flagged =
            |flags: V, number: V| V::if_lt(most, number, one, V::if_lt(number, zero, one, flags));
        let mut flags = [zero; 4];
        let mut blocks = numbers.chunks_exact(4 * V::LEN);
        for block in &mut blocks {
            for (flags, numbers) in flags.iter_mut().zip(block.chunks_exact(V::LEN)) {
                *flags = flagged(*flags, V::load(token, numbers));
            }
        }
        let rest = blocks.remainder();
        for start in (0..rest.len()).step_by(V::LEN) {
            flags[0] = flagged(flags[0], slice::load(token, rest, start, 0.0));
        }
        let [a, b, c, d] = flags;
        (a + b + c + d).sum() == 0.0
    }
}

/// Fewer units than a vector has lanes, filled up with units of weight 0.
fn rest_of_tile<K: Kernel + ?Sized>(
    kernel: &K,
    level: Level,
    tile: Tile<'_, f32>,
    width: usize,
) -> f64 {
    let units = tile.weights.len();
    let TileTarget::Dense(target) = tile.target else {
        unreachable!("formulas have dense targets")
    };
    let padded = |from: &[f32]| {
        let mut pad = [0.0; LANES * MAX_FIELDS];
        pad[..from.len()].copy_from_slice(from);
        pad
    };
    let (pred, weights) = (padded(tile.pred), padded(tile.weights));
    let target_width = target.len() / units;
    let target = padded(target);
    let (mut values, mut grad) = ([0.0; LANES], [0.0; LANES * MAX_FIELDS]);
    let sum = kernel.tile_f32(
        level,
        Tile {
            pred: &pred[..LANES * width],
            target: TileTarget::Dense(&target[..LANES * target_width]),
            weights: &weights[..LANES],
            values: tile.values.is_some().then_some(&mut values),
            grad: tile.grad.is_some().then_some(&mut grad[..LANES * width]),
            ..tile
        },
    );
    if let Some(to) = tile.values {
        to.copy_from_slice(&values[..units]);
    }
    if let Some(to) = tile.grad {
        to.copy_from_slice(&grad[..units * width]);
    }
    sum
}
