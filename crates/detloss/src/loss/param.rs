//! Parameters: reals, counts and switches with a default and a range.

use std::fmt;

use crate::error::{Error, Result};

/// A parameter of a loss. Its value is carried as an `f64`, whatever its kind.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What values it has.
    pub kind: ParamKind,
    /// Its default, the paper's.
    pub default: f64,
    /// The smallest and the largest value allowed.
    pub range: (f64, f64),
    /// Its documentation.
    pub doc: &'static str,
}

/// What values a parameter has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// Any number of its range: `f64`.
    Real,
    /// A whole number: `u32`.
    Count,
    /// On or off, 1 or 0: `bool`.
    Switch,
}

impl Param {
    #[doc(hidden)]
    #[must_use]
    pub const fn new<T: ParamValue>(
        name: &'static str,
        default: f64,
        range: (f64, f64),
        doc: &'static str,
    ) -> Self {
        Self { name, kind: T::KIND, default, range, doc }
    }

    /// Whether `value` may be set for the loss called `loss`.
    ///
    /// # Errors
    ///
    /// [`Error::BadParam`] outside the range, for NaN, and for a count or a switch that is no whole number.
    pub fn check(&self, loss: &'static str, value: f64) -> Result<()> {
        let is_in_range = self.range.0 <= value && value <= self.range.1;
        if is_in_range && (self.kind == ParamKind::Real || value.fract() == 0.0) {
            return Ok(());
        }
        Err(Error::BadParam { loss, key: self.name, value, wanted: self.wanted() })
    }

    /// What it may be, in words.
    fn wanted(&self) -> String {
        let (low, high) = self.range;
        match self.kind {
            ParamKind::Real => format!("a number from {low} to {high}"),
            ParamKind::Count => format!("a whole number from {low} to {high}"),
            ParamKind::Switch => "true or false (1 or 0)".to_owned(),
        }
    }

    /// Its value as people write it: `0.25`, `10`, `true`.
    #[must_use]
    pub fn show(&self, value: f64) -> String {
        match self.kind {
            ParamKind::Switch => (value != 0.0).to_string(),
            ParamKind::Real | ParamKind::Count => value.to_string(),
        }
    }

    /// The value that `text` says: a number, or `true` and `false`. None if it says none.
    #[must_use]
    pub fn parse(text: &str) -> Option<f64> {
        match text.trim() {
            "true" => Some(1.0),
            "false" => Some(0.0),
            // A minus before a 0 would make it another value.
            text => text.parse().ok().map(|value: f64| value + 0.0),
        }
    }
}

impl fmt::Display for ParamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "real",
            Self::Count => "count",
            Self::Switch => "switch",
        })
    }
}

/// A type that a parameter has: `f64`, `u32` or `bool`.
pub trait ParamValue: Copy {
    /// What values it has.
    const KIND: ParamKind;
    /// The value that a checked number stands for.
    fn from_f64(value: f64) -> Self;
    /// The value as a number.
    fn to_f64(self) -> f64;
}

impl ParamValue for f64 {
    const KIND: ParamKind = ParamKind::Real;

    fn from_f64(value: f64) -> Self {
        value
    }

    fn to_f64(self) -> f64 {
        self
    }
}

impl ParamValue for u32 {
    const KIND: ParamKind = ParamKind::Count;

    fn from_f64(value: f64) -> Self {
        value as u32
    }

    fn to_f64(self) -> f64 {
        self.into()
    }
}

impl ParamValue for bool {
    const KIND: ParamKind = ParamKind::Switch;

    fn from_f64(value: f64) -> Self {
        value != 0.0
    }

    fn to_f64(self) -> f64 {
        f64::from(u8::from(self))
    }
}
