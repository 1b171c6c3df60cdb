//! Named groups of scalars: what one prediction or one target is.
//!
//! A [`Shape`] says how many fields a prediction or target has in memory and what a formula sees of them.

mod cxcywh;
mod xyxy;

pub use cxcywh::Cxcywh;
pub use xyxy::{Xyxy, ratio};

use crate::scalar::dual::Gradient;
use crate::scalar::lanes::Vector;
use crate::scalar::{Dual, Scalar};

/// The most fields a [`Shape`] has: as many as a [`Dual`] has derivatives.
pub(crate) const MOST_FIELDS: usize = 8;

/// What one prediction or one target has in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// The names of the fields, in the order they lie in memory.
    pub names: &'static [&'static str],
    /// A row of any length: the one field there is comes once per column.
    pub is_row: bool,
    /// A class index may stand for it: 1 for that class, 0 for the others.
    pub is_label: bool,
}

impl Fields {
    /// A row of logits.
    pub const LOGITS: Self = Self::row(&["logit"], false);
    /// A distribution over the classes, or one class.
    pub const DISTRIBUTION: Self = Self::row(&["probability"], true);
    /// A label per column.
    pub const LABELS: Self = Self::row(&["label"], false);
    /// One class, by its index.
    pub const CLASS: Self = Self { names: &["class"], is_row: false, is_label: true };
    /// A place between the columns of a row, from 0 to the last column.
    pub const POSITION: Self = Self { names: &["position"], is_row: false, is_label: false };

    /// The fields of `S`.
    #[must_use]
    pub const fn of<S: Shape>() -> Self {
        Self { names: S::FIELDS, is_row: false, is_label: S::IS_LABEL }
    }

    const fn row(names: &'static [&'static str], is_label: bool) -> Self {
        Self { names, is_row: true, is_label }
    }

    /// How many numbers there are, in rows of `columns`.
    #[must_use]
    pub const fn width(&self, columns: usize) -> usize {
        if self.is_row { columns } else { self.names.len() }
    }
}

/// The fields of one prediction or one target.
pub trait Shape {
    /// The names of the fields, in the order they lie in memory.
    const FIELDS: &'static [&'static str];
    /// Whether a class index may stand for this target: 1 for that class, 0 for the others.
    const IS_LABEL: bool = false;
    /// What a formula sees.
    type Of<S: Scalar>: Copy;
    /// One value per field.
    type Raw<T: Copy>: Copy + AsRef<[T]>;
    /// A number with a derivative by each field.
    type Dual<S: Scalar>: Gradient<S>;

    /// What a formula sees of these fields.
    fn of<S: Scalar>(field: impl Fn(usize) -> S) -> Self::Of<S>;
    #[doc(hidden)]
    fn load<V: Vector>(token: V::Token, from: &[V::Element]) -> Self::Raw<V>;
    #[doc(hidden)]
    fn store<V: Vector>(partials: impl Fn(usize) -> V, to: &mut [V::Element]);
    /// The order in which [`load`](Shape::load) leaves the rows.
    #[doc(hidden)]
    #[inline(always)]
    fn order<V: Vector>(rows: V) -> V {
        rows
    }
    /// The fields of the prediction that a target asks for.
    fn perfect(target: &[f64]) -> Vec<f64>;
}

macro_rules! single_field {
    ($(#[doc = $doc:literal])+ $name:ident, $field:literal, label: $label:literal,
     |$value:ident| $of:expr, |$target:ident| $perfect:expr) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Shape for $name {
            const FIELDS: &'static [&'static str] = &[$field];
            const IS_LABEL: bool = $label;
            type Of<S: Scalar> = S;
            type Raw<T: Copy> = [T; 1];
            type Dual<S: Scalar> = Dual<S, 1>;

            #[inline(always)]
            fn of<S: Scalar>(field: impl Fn(usize) -> S) -> S {
                let $value = field(0);
                $of
            }

            #[inline(always)]
            fn load<V: Vector>(token: V::Token, from: &[V::Element]) -> [V; 1] {
                [V::load(token, from)]
            }

            #[inline(always)]
            fn store<V: Vector>(partials: impl Fn(usize) -> V, to: &mut [V::Element]) {
                partials(0).store(to);
            }

            fn perfect($target: &[f64]) -> Vec<f64> {
                $perfect
            }
        }
    };
}

single_field!(
    /// A number: a coordinate, an offset, a size.
    Number, "value", label: false, |value| value.saturate(), |target| target.to_vec()
);
single_field!(
    /// A score before the sigmoid.
    Logit, "logit", label: false, |value| value, |target| target.to_vec()
);
single_field!(
    /// What a score should be: 0, 1, or a quality in between.
    Label, "label", label: true, |value| value,
    |target| vec![if target[0] < 0.5 { -1e4 } else { 1e4 }]
);

/// The corners of a box: see [`Xyxy`].
#[derive(Clone, Copy, Debug)]
pub struct Corners;

impl Shape for Corners {
    const FIELDS: &'static [&'static str] = &["x1", "y1", "x2", "y2"];
    type Of<S: Scalar> = Xyxy<S>;
    type Raw<T: Copy> = [T; 4];
    type Dual<S: Scalar> = Dual<S, 4>;

    #[inline(always)]
    fn of<S: Scalar>(field: impl Fn(usize) -> S) -> Xyxy<S> {
        Xyxy {
            x1: field(0).saturate(),
            y1: field(1).saturate(),
            x2: field(2).saturate(),
            y2: field(3).saturate(),
        }
    }

    #[inline(always)]
    fn load<V: Vector>(token: V::Token, from: &[V::Element]) -> [V; 4] {
        V::load_quads(token, from)
    }

    #[inline(always)]
    fn store<V: Vector>(partials: impl Fn(usize) -> V, to: &mut [V::Element]) {
        V::store_quads([partials(0), partials(1), partials(2), partials(3)], to);
    }

    #[inline(always)]
    fn order<V: Vector>(rows: V) -> V {
        rows.quad_order()
    }

    fn perfect(target: &[f64]) -> Vec<f64> {
        target.to_vec()
    }
}

/// A value predicted with its uncertainty: see [`Uncertain`].
#[derive(Clone, Copy, Debug)]
pub struct UncertainNumber;

/// A normal distribution: a mean and the logarithm of its variance.
#[derive(Clone, Copy, Debug)]
pub struct Uncertain<S> {
    /// The predicted value.
    pub value: S,
    /// ln σ².
    pub log_variance: S,
}

impl Shape for UncertainNumber {
    const FIELDS: &'static [&'static str] = &["value", "log_variance"];
    type Of<S: Scalar> = Uncertain<S>;
    type Raw<T: Copy> = [T; 2];
    type Dual<S: Scalar> = Dual<S, 2>;

    #[inline(always)]
    fn of<S: Scalar>(field: impl Fn(usize) -> S) -> Uncertain<S> {
        Uncertain { value: field(0).saturate(), log_variance: field(1) }
    }

    #[inline(always)]
    fn load<V: Vector>(token: V::Token, from: &[V::Element]) -> [V; 2] {
        V::load_pairs(token, from)
    }

    #[inline(always)]
    fn store<V: Vector>(partials: impl Fn(usize) -> V, to: &mut [V::Element]) {
        V::store_pairs([partials(0), partials(1)], to);
    }

    fn perfect(target: &[f64]) -> Vec<f64> {
        vec![target[0], 0.0]
    }
}
