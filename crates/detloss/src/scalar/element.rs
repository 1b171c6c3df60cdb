//! What may lie in a caller's memory.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::Scalar;

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

/// A number that is computed with: `f32` or `f64`.
pub trait Compute: Element<Compute = Self> + PartialOrd + Scalar {
    /// The largest number that is finite.
    #[doc(hidden)]
    const MAX: f64;

    /// The least number that is not below this one.
    #[doc(hidden)]
    fn at_least(number: f64) -> Self;

    /// Sorts by a key, in ascending order; equal keys stay in their order.
    #[doc(hidden)]
    fn sort_by_key<I: Copy>(items: &mut [I], key: impl Fn(&I) -> Self);

    /// A whole number in the bits of a float, for a place that is not yet needed for one.
    #[doc(hidden)]
    fn pack(number: u32) -> Self;

    /// The whole number that was packed.
    #[doc(hidden)]
    fn unpack(self) -> u32;
}

impl Compute for f32 {
    const MAX: f64 = f32::MAX as f64;

    fn at_least(number: f64) -> f32 {
        let nearest = number as f32;
        if f64::from(nearest) < number { nearest.next_up() } else { nearest }
    }

    fn sort_by_key<I: Copy>(items: &mut [I], key: impl Fn(&I) -> f32) {
        radsort::sort_by_key(items, key);
    }

    fn pack(number: u32) -> f32 {
        f32::from_bits(number)
    }

    fn unpack(self) -> u32 {
        self.to_bits()
    }
}

impl Compute for f64 {
    const MAX: f64 = f64::MAX;

    fn at_least(number: f64) -> f64 {
        number
    }

    fn sort_by_key<I: Copy>(items: &mut [I], key: impl Fn(&I) -> f64) {
        radsort::sort_by_key(items, key);
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
