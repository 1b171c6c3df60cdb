//! Sixteen `f32` at once, on whatever registers the machine has.

mod heaviside;
pub(crate) mod math;
mod transpose;

use std::ops::{Add, Mul, Neg, Sub};

use fearless_simd::{Level, Simd, SimdBase, SimdFloat, f32x16, prelude::*};

use super::Compute;
use super::{DIV_EPS, MAX_MAGNITUDE, Scalar, literal_on_the_right};
use crate::elementary_functions;

/// How many numbers [`Lanes`] hold.
pub const LANES: usize = 16;

/// Sixteen numbers that a formula treats as one.
///
/// The width is the same everywhere (one AVX-512 register, two of AVX2, four of SSE2, NEON or wasm), so that results do not
/// depend on it. A value of this type proves that the CPU has the instructions of `S`.
#[derive(Clone, Copy, Debug)]
pub struct Lanes<S: Simd>(pub(crate) f32x16<S>);

impl<S: Simd> Lanes<S> {
    /// Whether multiply-add rounds once on this machine level.
    #[inline(always)]
    fn fuses(self) -> bool {
        match self.0.token().level() {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Avx512(_) | Level::Avx2(_) => true,
            #[cfg(target_arch = "aarch64")]
            Level::Neon(_) => true,
            _ => false,
        }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self {
        Self(f32x16::splat(self.0.token(), value))
    }
}

impl<S: Simd> Add for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn add(self, right: Self) -> Self {
        Self(self.0 + right.0)
    }
}

impl<S: Simd> Sub for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, right: Self) -> Self {
        Self(self.0 - right.0)
    }
}

impl<S: Simd> Mul for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, right: Self) -> Self {
        Self(self.0 * right.0)
    }
}

impl<S: Simd> Neg for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

literal_on_the_right!([S: Simd] Lanes<S>);

macro_rules! by_lane {
    ($($(#[doc = $doc:literal])+ $name:ident $variant:ident, |$x:ident| $value:expr, |$at:pat_param, $y:pat_param| $slope:expr;)+) => {$(
        #[inline(always)]
        fn $name(self) -> Self {
            Self(math::$name(self.0))
        }
    )+};
}

impl<S: Simd> Scalar for Lanes<S> {
    #[inline(always)]
    fn lit(self, value: f64) -> Self {
        self.splat(value as f32)
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(self.0.mul_add(factor.0, addend.0))
    }

    #[inline(always)]
    fn safe_div(self, denominator: Self) -> Self {
        let zero = self.lit(0.0);
        let recip = Self::if_lt(denominator, self.lit(DIV_EPS), zero, denominator.recip());
        if self.fuses() {
            // One division serves the value and its derivatives. The correction makes x / x exactly 1.
            let quotient = self * recip;
            let rest = (-quotient).mul_add(denominator, self);
            rest.mul_add(recip, quotient)
        } else {
            Self::if_lt(denominator, self.lit(DIV_EPS), zero, Self(self.0 / denominator.0))
        }
    }

    #[inline(always)]
    fn recip(self) -> Self {
        Self(self.splat(1.0).0 / self.0)
    }

    #[inline(always)]
    fn if_lt(a: Self, b: Self, then: Self, otherwise: Self) -> Self {
        Self(a.0.simd_lt(b.0).select(then.0, otherwise.0))
    }

    #[inline(always)]
    fn heaviside(self, other: Self) -> Self {
        Self(heaviside::heaviside(self.0, other.0))
    }

    // On x86 the second operand of the instruction wins where either is NaN: it is the prediction.
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(other.0.min(self.0))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(other.0.max(self.0))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(self.0.abs())
    }

    #[inline(always)]
    fn clamp_finite(self) -> Self {
        self.max(self.lit(-MAX_MAGNITUDE)).min(self.lit(MAX_MAGNITUDE))
    }

    #[inline(always)]
    fn detach(self) -> Self {
        self
    }

    #[inline(always)]
    fn atan2(self, x: Self) -> Self {
        Self(math::atan2(self.0, x.0))
    }

    elementary_functions!(by_lane);
}

/// Numbers that come from memory: sixteen `f32` or one `f64` at a time. An affair of the drivers.
#[doc(hidden)]
pub trait Vector: Scalar {
    /// What lies in memory.
    type Element: Compute + Mul<Output = Self::Element>;
    /// What proves that the CPU can.
    type Token: Copy;
    /// How many elements one vector holds.
    const LEN: usize;

    /// Every lane the same.
    fn splat(token: Self::Token, value: Self::Element) -> Self;
    /// `LEN` elements, in their order.
    fn load(token: Self::Token, from: &[Self::Element]) -> Self;
    /// The inverse of [`load`](Vector::load).
    fn store(self, to: &mut [Self::Element]);
    /// `LEN` rows of two fields as two vectors.
    fn load_pairs(token: Self::Token, from: &[Self::Element]) -> [Self; 2];
    /// The inverse of [`load_pairs`](Vector::load_pairs).
    fn store_pairs(fields: [Self; 2], to: &mut [Self::Element]);
    /// `LEN` rows of four fields as four vectors, rows in [quad order](Vector::quad_order).
    fn load_quads(token: Self::Token, from: &[Self::Element]) -> [Self; 4];
    /// The inverse of [`load_quads`](Vector::load_quads).
    fn store_quads(fields: [Self; 4], to: &mut [Self::Element]);
    /// `LEN` rows of `N` fields as `N` vectors, for shapes that have no faster way.
    #[inline(always)]
    fn load_fields<const N: usize>(token: Self::Token, from: &[Self::Element]) -> [Self; N] {
        let mut fields = [Self::splat(token, Self::Element::default()); N];
        for (place, field) in fields.iter_mut().enumerate() {
            *field = Self::load_field(token, from, N, place);
        }
        fields
    }
    /// The inverse of [`load_fields`](Vector::load_fields).
    #[inline(always)]
    fn store_fields<const N: usize>(fields: [Self; N], to: &mut [Self::Element]) {
        for (place, field) in fields.into_iter().enumerate() {
            field.store_field(to, N, place);
        }
    }
    /// The field at `place` of `LEN` rows of `width` fields.
    #[inline(always)]
    fn load_field(token: Self::Token, from: &[Self::Element], width: usize, place: usize) -> Self {
        let mut column = [Self::Element::default(); LANES];
        for (number, row) in column.iter_mut().zip(from.chunks_exact(width)) {
            *number = row[place];
        }
        Self::load(token, &column[..Self::LEN])
    }
    /// The inverse of [`load_field`](Vector::load_field).
    #[inline(always)]
    fn store_field(self, to: &mut [Self::Element], width: usize, place: usize) {
        let mut column = [Self::Element::default(); LANES];
        self.store(&mut column[..Self::LEN]);
        for (number, row) in column.into_iter().zip(to.chunks_exact_mut(width)) {
            row[place] = number;
        }
    }
    /// From the order of the rows to the order the cheapest transpose leaves them in, and back.
    fn quad_order(self) -> Self;
    /// The sum of all lanes, in an order that depends on nothing.
    fn sum(self) -> f64;
    /// The largest lane.
    fn largest(self) -> Self::Element;
    /// The first lane.
    fn first(self) -> Self::Element;
}

impl<S: Simd> Vector for Lanes<S> {
    type Element = f32;
    type Token = S;
    const LEN: usize = LANES;

    #[inline(always)]
    fn splat(token: S, value: f32) -> Self {
        Self(f32x16::splat(token, value))
    }

    #[inline(always)]
    fn load(token: S, from: &[f32]) -> Self {
        Self(f32x16::from_slice(token, from))
    }

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        self.0.store_slice(to);
    }

    #[inline(always)]
    fn load_pairs(token: S, from: &[f32]) -> [Self; 2] {
        let (low, high) = from.split_at(16);
        let (even, odd) =
            f32x16::from_slice(token, low).deinterleave(f32x16::from_slice(token, high));
        [Self(even), Self(odd)]
    }

    #[inline(always)]
    fn store_pairs([even, odd]: [Self; 2], to: &mut [f32]) {
        let (low, high) = even.0.interleave(odd.0);
        let (to_low, to_high) = to.split_at_mut(16);
        low.store_slice(to_low);
        high.store_slice(to_high);
    }

    #[inline(always)]
    fn load_quads(token: S, from: &[f32]) -> [Self; 4] {
        let [a, b, c, d] = transpose::load(token, from);
        [Self(a), Self(b), Self(c), Self(d)]
    }

    #[inline(always)]
    fn store_quads([a, b, c, d]: [Self; 4], to: &mut [f32]) {
        transpose::store([a.0, b.0, c.0, d.0], to);
    }

    #[inline(always)]
    fn quad_order(self) -> Self {
        Self(transpose::order(self.0))
    }

    #[inline(always)]
    fn sum(self) -> f64 {
        let (low, high) = self.0.widen();
        let [a, b, c, d, e, f, g, h] = (low + high).to_array();
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }

    #[inline(always)]
    fn largest(self) -> f32 {
        self.0.reduce_max()
    }

    #[inline(always)]
    fn first(self) -> f32 {
        self.0.to_array()[0]
    }
}

impl Vector for f64 {
    type Element = f64;
    type Token = ();
    const LEN: usize = 1;

    #[inline(always)]
    fn splat((): (), value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn load((): (), from: &[f64]) -> Self {
        from[0]
    }

    #[inline(always)]
    fn store(self, to: &mut [f64]) {
        to[0] = self;
    }

    #[inline(always)]
    fn load_pairs((): (), from: &[f64]) -> [Self; 2] {
        [from[0], from[1]]
    }

    #[inline(always)]
    fn store_pairs(fields: [Self; 2], to: &mut [f64]) {
        to.copy_from_slice(&fields);
    }

    #[inline(always)]
    fn load_quads((): (), from: &[f64]) -> [Self; 4] {
        [from[0], from[1], from[2], from[3]]
    }

    #[inline(always)]
    fn store_quads(fields: [Self; 4], to: &mut [f64]) {
        to.copy_from_slice(&fields);
    }

    #[inline(always)]
    fn quad_order(self) -> Self {
        self
    }

    #[inline(always)]
    fn sum(self) -> f64 {
        self
    }

    #[inline(always)]
    fn largest(self) -> f64 {
        self
    }

    #[inline(always)]
    fn first(self) -> f64 {
        self
    }
}

/// The same vector under the other name of its level.
#[inline(always)]
fn same<A: Simd, B: Simd>(simd: B, vector: f32x16<A>) -> f32x16<B> {
    vector.to_array().simd_into(simd)
}

#[cfg(test)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::*;
    use crate::scalar::Element;

    /// Numbers 0, 1, 2 … as rows of `N` fields, from memory and back.
    #[inline(always)]
    fn there_and_back<V: Vector, const N: usize>(token: V::Token) {
        let numbers: Vec<V::Element> =
            (0..V::LEN * N).map(|x| V::Element::from_f64(x as f64)).collect();
        let fields = V::load_fields::<N>(token, &numbers);
        for (place, field) in fields.into_iter().enumerate() {
            let mut column = vec![V::Element::default(); V::LEN];
            field.store(&mut column);
            for (row, number) in column.into_iter().enumerate() {
                assert_eq!(
                    number.to_f64(),
                    (row * N + place) as f64,
                    "row {row}, field {place} of {N}"
                );
            }
        }
        let mut back = vec![V::Element::default(); V::LEN * N];
        V::store_fields(fields, &mut back);
        assert!(back == numbers, "{N} fields come back");
    }

    #[inline(always)]
    fn any_number_of_fields<V: Vector>(token: V::Token) {
        there_and_back::<V, 1>(token);
        there_and_back::<V, 3>(token);
        there_and_back::<V, 5>(token);
        there_and_back::<V, 6>(token);
        there_and_back::<V, 7>(token);
        there_and_back::<V, 8>(token);
    }

    #[test]
    fn rows_of_any_number_of_fields_come_and_go() {
        any_number_of_fields::<f64>(());
        dispatch!(Level::new(), simd => any_number_of_fields::<Lanes<_>>(simd));
    }
}
