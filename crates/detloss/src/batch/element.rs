//! What may lie in a caller's memory.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::kernel::{Kernel, Tile, TileTarget};
use super::level::Level;
use super::plan::TILE;
use crate::geometry::MOST_FIELDS;
use crate::loss::Scope;
use crate::ranking::Ranked;
use crate::scalar::Scalar;
use crate::scalar::lanes::LANES;

/// A number in a caller's memory: `f32`, `f64`, `f16` or `bf16`.
///
/// Half precision comes in and goes out; the arithmetic is `f32`. These four are all there are.
pub trait Element: Copy + Default + Send + Sync + 'static {
    /// What the arithmetic is done in: `f32` or `f64`.
    type Compute: Compute;

    /// The nearest `f64`, which is the number itself.
    fn to_f64(self) -> f64;
    /// The nearest number of this type.
    fn from_f64(value: f64) -> Self;

    /// `from` for computing: itself, or converted into `scratch`.
    #[doc(hidden)]
    fn read<'a>(from: &'a [Self], scratch: &'a mut Vec<Self::Compute>) -> &'a [Self::Compute];

    /// Lets `fill` write to `to`: directly, or through `scratch`.
    #[doc(hidden)]
    fn write<R>(
        to: &mut [Self],
        scratch: &mut Vec<Self::Compute>,
        fill: impl FnOnce(&mut [Self::Compute]) -> R,
    ) -> R;
}

/// A number that is computed with.
pub trait Compute: Element<Compute = Self> + PartialOrd + Scalar {
    /// Weights for a tile of a batch that has none.
    #[doc(hidden)]
    const ONES: &'static [Self];

    /// The largest number that is finite.
    #[doc(hidden)]
    const MAX: f64;

    #[doc(hidden)]
    fn tile<K: Kernel + ?Sized>(kernel: &K, level: Level, tile: Tile<'_, Self>) -> f64;

    /// Sorts by score, in ascending order.
    #[doc(hidden)]
    fn sort(ranked: &mut [Ranked<Self>]);

    /// The least number that is not below this one.
    #[doc(hidden)]
    fn at_least(number: f64) -> Self;

    /// A whole number in the bits of a float, for a place that is not yet needed for one.
    #[doc(hidden)]
    fn pack(number: u32) -> Self;

    /// The whole number that was packed.
    #[doc(hidden)]
    fn unpack(self) -> u32;
}

impl Compute for f32 {
    const ONES: &'static [f32] = &[1.0; TILE];

    const MAX: f64 = f32::MAX as f64;

    fn tile<K: Kernel + ?Sized>(kernel: &K, level: Level, tile: Tile<'_, f32>) -> f64 {
        let units = tile.weights.len();
        let layout = kernel.layout();
        match (layout.scope, layout.pred.names.len()) {
            (Scope::Unit, width) if !units.is_multiple_of(LANES) => {
                let (whole, rest) = tile.split(units - units % LANES, width);
                kernel.tile_f32(level, whole) + rest_of_tile(kernel, level, rest, width)
            }
            _ => kernel.tile_f32(level, tile),
        }
    }

    fn sort(ranked: &mut [Ranked<f32>]) {
        radsort::sort_by_key(ranked, |ranked| ranked.score);
    }

    fn at_least(number: f64) -> f32 {
        let nearest = number as f32;
        if f64::from(nearest) < number { nearest.next_up() } else { nearest }
    }

    fn pack(number: u32) -> f32 {
        f32::from_bits(number)
    }

    fn unpack(self) -> u32 {
        self.to_bits()
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
        let mut pad = [0.0; LANES * MOST_FIELDS];
        pad[..from.len()].copy_from_slice(from);
        pad
    };
    let (pred, weights) = (padded(tile.pred), padded(tile.weights));
    let target_width = target.len() / units;
    let target = padded(target);
    let (mut values, mut grad) = ([0.0; LANES], [0.0; LANES * MOST_FIELDS]);
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

impl Compute for f64 {
    const ONES: &'static [f64] = &[1.0; TILE];

    const MAX: f64 = f64::MAX;

    fn tile<K: Kernel + ?Sized>(kernel: &K, _: Level, tile: Tile<'_, f64>) -> f64 {
        kernel.tile_f64(tile)
    }

    fn sort(ranked: &mut [Ranked<f64>]) {
        radsort::sort_by_key(ranked, |ranked| ranked.score);
    }

    fn at_least(number: f64) -> f64 {
        number
    }

    fn pack(number: u32) -> f64 {
        f64::from_bits(number.into())
    }

    fn unpack(self) -> u32 {
        self.to_bits() as u32
    }
}

macro_rules! full_precision {
    ($float:ident) => {
        impl Element for $float {
            type Compute = $float;

            fn to_f64(self) -> f64 {
                self.into()
            }

            fn from_f64(value: f64) -> Self {
                value as $float
            }

            fn read<'a>(from: &'a [Self], _: &'a mut Vec<Self>) -> &'a [Self] {
                from
            }

            fn write<R>(
                to: &mut [Self],
                _: &mut Vec<Self>,
                fill: impl FnOnce(&mut [Self]) -> R,
            ) -> R {
                fill(to)
            }
        }
    };
}
full_precision!(f32);
full_precision!(f64);

macro_rules! half_precision {
    ($float:ident) => {
        impl Element for $float {
            type Compute = f32;

            fn to_f64(self) -> f64 {
                $float::to_f64(self)
            }

            fn from_f64(value: f64) -> Self {
                // Not `from_f64`: bf16's drops the low bits of the f64 and then mistakes a number just above a tie for the tie.
                $float::from_f32(value as f32)
            }

            fn read<'a>(from: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32] {
                scratch.resize(from.len(), 0.0);
                from.convert_to_f32_slice(scratch);
                scratch
            }

            fn write<R>(
                to: &mut [Self],
                scratch: &mut Vec<f32>,
                fill: impl FnOnce(&mut [f32]) -> R,
            ) -> R {
                scratch.resize(to.len(), 0.0);
                let result = fill(scratch);
                to.convert_from_f32_slice(scratch);
                result
            }
        }
    };
}
half_precision!(f16);
half_precision!(bf16);
