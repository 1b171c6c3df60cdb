//! From a number in memory to the kernels that compute with it.

use fearless_simd::Simd;

use super::kernel::{Kernel, Tile, TileTarget};
use super::level::{Job, Level};
use super::plan::TILE;
use crate::loss::Scope;
use crate::operand::{MAX_FIELDS, MAX_LABEL};
use crate::scalar::lanes::LANES;
use crate::scalar::{self, Compute};

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

    /// Whether no number lies outside of 0 to [`MAX_LABEL`].
    #[doc(hidden)]
    fn are_probabilities(level: Level, numbers: &[Self]) -> bool {
        struct Check<'a, C>(&'a [C]);
        impl<C: Compute> Job for Check<'_, C> {
            type Output = bool;
            #[inline(always)]
            fn run<S: Simd>(self, _: S) -> bool {
                let (least, most) = (C::default(), C::from_f64(MAX_LABEL));
                // Without a branch, so that the compiler makes vectors of it.
                !self
                    .0
                    .iter()
                    .fold(false, |is_odd, &number| is_odd | (number < least) | (number > most))
            }
        }
        level.run(Check(numbers))
    }
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
}

impl Dispatch for f64 {
    const ONES: &'static [f64] = &[1.0; TILE];

    fn tile<K: Kernel + ?Sized>(kernel: &K, _: Level, tile: Tile<'_, f64>) -> f64 {
        kernel.tile_f64(tile)
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
