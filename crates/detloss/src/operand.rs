//! What a prediction or a target is: a kind, and its fields in memory.
//!
//! A [`Kind`] is what everybody sees of an operand at run time. An [`Operand`] is the type by which a formula names it; a new one
//! is a variant of [`Kind`] with its fields, and an entry of the macro `operand!` below.

use crate::geometry::{MAX_3D, MAX_ANGLE, Rotated, Xyxy, Xyzxyz, Yaw};
use crate::scalar::dual::Gradient;
use crate::scalar::lanes::Vector;
use crate::scalar::{Dual, Scalar};

/// The most fields an [`Operand`] has: as many as a [`Dual`] has derivatives.
pub(crate) const MAX_FIELDS: usize = 8;

/// The largest label: 1, and one step of `bf16` above it for labels that were computed in half precision.
pub const MAX_LABEL: f64 = 1.0 + 1.0 / 128.0;

/// The label of an element that is left out: it counts with weight 0, whatever its prediction is.
pub const LEFT_OUT: f64 = -1.0;

/// What one prediction or one target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// An axis-aligned box by its corners: x1, y1, x2, y2.
    Box,
    /// A rotated box by its centre, its sides and its angle in radians, from x towards y.
    RotatedBox,
    /// An axis-aligned box in space by two corners: x1, y1, z1, x2, y2, z2.
    Box3d,
    /// An upright box in space by its centre, its sides and its angle in radians about the vertical axis, from x towards y.
    YawBox,
    /// A number: a coordinate, an offset, a size.
    Number,
    /// A number predicted with the logarithm of its variance.
    UncertainNumber,
    /// A score before the sigmoid.
    Logit,
    /// A logit with the localisation error of its box.
    LogitWithError,
    /// What a score should be: 0, 1, or a quality in between.
    Label,
    /// A row of logits, one per column.
    Logits,
    /// A distribution over the columns, or the index of one.
    Distribution,
    /// A label per pixel.
    Mask,
    /// The index of a class.
    Class,
    /// A place between the columns of a row, from 0 to the last column.
    Position,
}

impl Kind {
    /// The names of the fields, in the order they lie in memory. A [row](Kind::is_row) has its one field once per column.
    #[must_use]
    pub const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Box => &["x1", "y1", "x2", "y2"],
            Self::RotatedBox => &["cx", "cy", "w", "h", "angle"],
            Self::Box3d => &["x1", "y1", "z1", "x2", "y2", "z2"],
            Self::YawBox => &["cx", "cy", "cz", "dx", "dy", "dz", "yaw"],
            Self::Number => &["value"],
            Self::UncertainNumber => &["value", "log_variance"],
            Self::Logit | Self::Logits => &["logit"],
            Self::LogitWithError => &["logit", "error"],
            Self::Label | Self::Mask => &["label"],
            Self::Distribution => &["probability"],
            Self::Class => &["class"],
            Self::Position => &["position"],
        }
    }

    /// Whether it is a row of any length, one number per column.
    #[must_use]
    pub const fn is_row(self) -> bool {
        matches!(self, Self::Logits | Self::Distribution | Self::Mask)
    }

    /// Whether the index of a class may stand for this target: 1 for that class, 0 for the others.
    #[must_use]
    pub const fn is_label(self) -> bool {
        matches!(self, Self::Label | Self::Distribution | Self::Class)
    }

    /// Whether its fields are probabilities: numbers from 0 to [`MAX_LABEL`].
    #[must_use]
    pub const fn is_probability(self) -> bool {
        matches!(self, Self::Label | Self::Mask | Self::Distribution)
    }

    /// Whether one of its fields may be [`LEFT_OUT`].
    #[must_use]
    pub const fn can_be_left_out(self) -> bool {
        matches!(self, Self::Label | Self::Mask | Self::Class)
    }

    /// How many numbers one has, in rows of `columns`.
    #[must_use]
    pub const fn width(self, columns: usize) -> usize {
        if self.is_row() { columns } else { self.fields().len() }
    }

    /// These fields with every length, coordinate and logit multiplied by `factor`: what
    /// [scale invariance](crate::loss::Facts::scale_invariant) is about. Labels, classes, places and angles have no scale.
    #[must_use]
    pub fn scaled(self, fields: &[f64], factor: f64) -> Vec<f64> {
        self.changed(fields, |measure, number| match measure {
            Measure::Place | Measure::Length => number * factor,
            Measure::Neither => number,
        })
    }

    /// These fields with `offset` added to every coordinate and logit: what
    /// [shift invariance](crate::loss::Facts::shift_invariant) is about.
    #[must_use]
    pub fn shifted(self, fields: &[f64], offset: f64) -> Vec<f64> {
        self.changed(fields, |measure, number| match measure {
            Measure::Place => number + offset,
            Measure::Length | Measure::Neither => number,
        })
    }

    /// The fields of any number of them, each changed by what it measures.
    fn changed(self, fields: &[f64], change: impl Fn(Measure, f64) -> f64) -> Vec<f64> {
        let measures = self.measures();
        fields
            .iter()
            .zip(measures.iter().cycle())
            .map(|(&x, &measure)| change(measure, x))
            .collect()
    }

    /// What the fields measure.
    const fn measures(self) -> &'static [Measure] {
        use Measure::{Length, Neither, Place};
        match self {
            Self::Box => &[Place, Place, Place, Place],
            Self::RotatedBox => &[Place, Place, Length, Length, Neither],
            Self::Box3d => &[Place, Place, Place, Place, Place, Place],
            Self::YawBox => &[Place, Place, Place, Length, Length, Length, Neither],
            Self::Number | Self::Logit | Self::Logits => &[Place],
            Self::UncertainNumber | Self::LogitWithError => &[Place, Place],
            Self::Label | Self::Distribution | Self::Mask | Self::Class | Self::Position => {
                &[Neither]
            }
        }
    }
}

/// What a field is: a place on a scale, the length between two, or a number that has nothing to do with it.
#[derive(Clone, Copy)]
enum Measure {
    Place,
    Length,
    Neither,
}

/// A prediction or target of a formula: how it lies in memory, and what the formula sees of it.
pub trait Operand {
    /// What it is.
    const KIND: Kind;
    /// What a formula sees.
    type Of<S: Scalar>: Copy;
    /// One value per field.
    type Raw<T: Copy>: Copy + AsRef<[T]>;
    /// A number with a derivative with respect to each field.
    type Dual<S: Scalar>: Gradient<S>;

    /// What a formula sees of these fields.
    fn of<S: Scalar>(field: impl Fn(usize) -> S) -> Self::Of<S>;
    #[doc(hidden)]
    fn load<V: Vector>(token: V::Token, from: &[V::Element]) -> Self::Raw<V>;
    #[doc(hidden)]
    fn store<V: Vector>(partials: impl Fn(usize) -> V, to: &mut [V::Element]);
    /// The order in which [`load`](Operand::load) leaves the units.
    #[doc(hidden)]
    fn order<V: Vector>(units: V) -> V;
    /// The fields of the prediction that a target asks for.
    fn perfect(target: &[f64]) -> Vec<f64>;
}

/// Declares an operand: its kind, number of fields, way from and to memory, what a formula sees, and what a target asks for.
macro_rules! operand {
    (
        $(#[doc = $doc:literal])+
        $name:ident: $kind:ident, [$fields:literal]
        |$token:ident, $from:ident| $load:expr,
        |$partial:ident, $to:ident| $store:expr,
        |$units:ident| $order:expr,
        |$field:ident| -> $of_type:ty $of:block
        |$target:ident| $perfect:expr
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Operand for $name {
            const KIND: Kind = {
                assert!(Kind::$kind.fields().len() == $fields && $fields <= MAX_FIELDS);
                Kind::$kind
            };
            type Of<S: Scalar> = $of_type;
            type Raw<T: Copy> = [T; $fields];
            type Dual<S: Scalar> = Dual<S, $fields>;

            #[inline(always)]
            fn of<S: Scalar>($field: impl Fn(usize) -> S) -> $of_type $of

            #[inline(always)]
            fn load<V: Vector>($token: V::Token, $from: &[V::Element]) -> [V; $fields] {
                $load
            }

            #[inline(always)]
            fn store<V: Vector>($partial: impl Fn(usize) -> V, $to: &mut [V::Element]) {
                $store
            }

            #[inline(always)]
            fn order<V: Vector>($units: V) -> V {
                $order
            }

            fn perfect($target: &[f64]) -> Vec<f64> {
                $perfect
            }
        }
    };
}

operand!(
    /// A number: a coordinate, an offset, a size.
    Number: Number, [1]
    |token, from| [V::load(token, from)],
    |partial, to| partial(0).store(to),
    |units| units,
    |field| -> S { field(0).clamp_finite() }
    |target| target.to_vec()
);

operand!(
    /// A score before the sigmoid.
    Logit: Logit, [1]
    |token, from| [V::load(token, from)],
    |partial, to| partial(0).store(to),
    |units| units,
    |field| -> S { field(0) }
    |target| target.to_vec()
);

operand!(
    /// What a score should be: 0, 1, or a quality in between.
    Label: Label, [1]
    |token, from| [V::load(token, from)],
    |partial, to| partial(0).store(to),
    |units| units,
    |field| -> S { field(0) }
    |target| vec![if target[0] < 0.5 { -1e4 } else { 1e4 }]
);

operand!(
    /// The corners of a box: see [`Xyxy`].
    Corners: Box, [4]
    |token, from| V::load_quads(token, from),
    |partial, to| V::store_quads([partial(0), partial(1), partial(2), partial(3)], to),
    |units| units.quad_order(),
    |field| -> Xyxy<S> { Xyxy {
        x1: field(0).clamp_finite(),
        y1: field(1).clamp_finite(),
        x2: field(2).clamp_finite(),
        y2: field(3).clamp_finite(),
    } }
    |target| target.to_vec()
);

operand!(
    /// A rotated box: see [`Rotated`].
    RotatedBox: RotatedBox, [5]
    |token, from| V::load_fields(token, from),
    |partial, to| V::store_fields([0, 1, 2, 3, 4].map(partial), to),
    |units| units,
    |field| -> Rotated<S> { Rotated {
        cx: field(0).clamp_finite(),
        cy: field(1).clamp_finite(),
        w: field(2).clamp_finite(),
        h: field(3).clamp_finite(),
        angle: field(4).clamp(-MAX_ANGLE, MAX_ANGLE),
    } }
    |target| target.to_vec()
);

operand!(
    /// The corners of a box in space: see [`Xyzxyz`].
    Corners3d: Box3d, [6]
    |token, from| V::load_fields(token, from),
    |partial, to| V::store_fields([0, 1, 2, 3, 4, 5].map(partial), to),
    |units| units,
    |field| -> Xyzxyz<S> {
        let field = |index| field(index).clamp(-MAX_3D, MAX_3D);
        Xyzxyz { low: [0, 1, 2].map(field), high: [3, 4, 5].map(field) }
    }
    |target| target.to_vec()
);

operand!(
    /// An upright box in space: see [`Yaw`].
    YawBox: YawBox, [7]
    |token, from| V::load_fields(token, from),
    |partial, to| V::store_fields([0, 1, 2, 3, 4, 5, 6].map(partial), to),
    |units| units,
    |field| -> Yaw<S> {
        let length = |index| field(index).clamp(-MAX_3D, MAX_3D);
        let ([cx, cy, cz], [dx, dy, dz]) = ([0, 1, 2].map(length), [3, 4, 5].map(length));
        Yaw { cx, cy, cz, dx, dy, dz, yaw: field(6).clamp(-MAX_ANGLE, MAX_ANGLE) }
    }
    |target| target.to_vec()
);

operand!(
    /// A value predicted with its uncertainty: see [`Uncertain`].
    UncertainNumber: UncertainNumber, [2]
    |token, from| V::load_pairs(token, from),
    |partial, to| V::store_pairs([partial(0), partial(1)], to),
    |units| units,
    |field| -> Uncertain<S> { Uncertain { value: field(0).clamp_finite(), log_variance: field(1) } }
    |target| vec![target[0], 0.0]
);

/// A normal distribution: a mean and the logarithm of its variance.
#[derive(Clone, Copy, Debug)]
pub struct Uncertain<S> {
    /// The predicted value.
    pub value: S,
    /// ln σ².
    pub log_variance: S,
}
