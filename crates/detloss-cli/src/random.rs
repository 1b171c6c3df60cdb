//! Random numbers that a seed gives on every machine alike.

use std::f64::consts::TAU;

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};

/// A stream of random numbers.
pub(crate) struct Random(Pcg64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Pcg64::seed_from_u64(seed))
    }

    /// All 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform from 0 to 1: the 53 high bits, as many as an f64 holds.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Of the standard normal distribution.
    pub(crate) fn normal(&mut self) -> f64 {
        // Box and Muller; 1 − u is never 0.
        let (radius, angle) = (1.0 - self.uniform(), TAU * self.uniform());
        (-2.0 * radius.ln()).sqrt() * angle.cos()
    }
}
