//! The operations of a traced formula.

use crate::elementary_functions;
use crate::scalar::Scalar;

/// One operation of a [`Program`](super::Program). Operands are the indices of earlier operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Op {
    /// The input of this number: the prediction's fields first, then the target's; or those of a
    /// [row](crate::batch::Kernel::trace_row) or a [set](crate::batch::Kernel::trace_set).
    Input(usize),
    /// A constant.
    Const(Constant),
    /// A function of one number.
    Unary(Unary, usize),
    /// A function of two numbers.
    Binary(Binary, usize, usize),
    /// a · b + c
    MulAdd(usize, usize, usize),
    /// c where a < b, else d
    IfLt(usize, usize, usize, usize),
    /// The sum of a over the columns of its row.
    RowSum(usize),
    /// The largest a of its row.
    RowMax(usize),
    /// The sum of a over the rows, column by column.
    ColumnSum(usize),
    /// The largest a of its column.
    ColumnMax(usize),
}

impl Op {
    /// The name of the operation, that of the method of [`Scalar`] or of the operator.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input(_) => "input",
            Self::Const(_) => "const",
            Self::Unary(function, _) => function.name(),
            Self::Binary(function, ..) => function.name(),
            Self::MulAdd(..) => "mul_add",
            Self::IfLt(..) => "if_lt",
            Self::RowSum(_) => "row_sum",
            Self::RowMax(_) => "row_max",
            Self::ColumnSum(_) => "column_sum",
            Self::ColumnMax(_) => "column_max",
        }
    }

    /// The indices of the operations whose results it takes, in order.
    pub fn operands(self) -> impl Iterator<Item = usize> {
        let (operands, count) = match self {
            Self::Input(_) | Self::Const(_) => ([0; 4], 0),
            Self::Unary(_, a)
            | Self::RowSum(a)
            | Self::RowMax(a)
            | Self::ColumnSum(a)
            | Self::ColumnMax(a) => ([a, 0, 0, 0], 1),
            Self::Binary(_, a, b) => ([a, b, 0, 0], 2),
            Self::MulAdd(a, b, c) => ([a, b, c, 0], 3),
            Self::IfLt(a, b, c, d) => ([a, b, c, d], 4),
        };
        operands.into_iter().take(count)
    }

    /// The operation with every operand renamed.
    #[must_use]
    pub fn rename(self, name: impl Fn(usize) -> usize) -> Self {
        match self {
            Self::Input(_) | Self::Const(_) => self,
            Self::Unary(function, a) => Self::Unary(function, name(a)),
            Self::Binary(function, a, b) => Self::Binary(function, name(a), name(b)),
            Self::MulAdd(a, b, c) => Self::MulAdd(name(a), name(b), name(c)),
            Self::IfLt(a, b, c, d) => Self::IfLt(name(a), name(b), name(c), name(d)),
            Self::RowSum(a) => Self::RowSum(name(a)),
            Self::RowMax(a) => Self::RowMax(name(a)),
            Self::ColumnSum(a) => Self::ColumnSum(name(a)),
            Self::ColumnMax(a) => Self::ColumnMax(name(a)),
        }
    }
}

/// An `f64` that can be compared and hashed by its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Constant(u64);

impl Constant {
    /// The constant `value`.
    #[must_use]
    pub fn new(value: f64) -> Self {
        Self(value.to_bits())
    }

    /// Its value.
    #[must_use]
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// Sees a function of one number.
pub(crate) trait UnaryVisitor<S> {
    /// Must be `#[inline(always)]`, like all that calls `function`.
    fn visit(self, function: impl Fn(S) -> S);
}

/// Sees a function of two numbers.
pub(crate) trait BinaryVisitor<S> {
    /// Must be `#[inline(always)]`, like all that calls `function`.
    fn visit(self, function: impl Fn(S, S) -> S);
}

/// Functions with their names, and what they make of numbers.
macro_rules! functions {
    (@show $visitor:ident ($($argument:ident),+) $result:expr) => {
        $visitor.visit(
            #[inline(always)]
            |$($argument: S),+| $result,
        )
    };
    // The arguments twice: a repetition within another must be one token there.
    ($(#[doc = $title:literal])+ $Functions:ident $arguments:tt by $Visitor:ident: $($rest:tt)+) => {
        functions! { @all [$(#[doc = $title])+] $Functions $arguments $arguments by $Visitor: $($rest)+ }
    };
    (@all [$(#[doc = $title:literal])+] $Functions:ident ($($argument:ident),+) $arguments:tt by $Visitor:ident:
     $($(#[doc = $doc:literal])+ $variant:ident $name:ident => $result:expr;)+) => {
        $(#[doc = $title])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $Functions {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl $Functions {
            /// All there are.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($name),)+
                }
            }

            /// Its value.
            pub fn of<S: Scalar>(self, $($argument: S),+) -> S {
                match self {
                    $(Self::$variant => $result,)+
                }
            }


            /// Shows the function to `visitor`, which is compiled for each of them.
            #[inline(always)]
            pub(crate) fn visit<S: Scalar>(self, visitor: impl $Visitor<S>) {
                match self {
                    $(Self::$variant => functions!(@show visitor $arguments $result),)+
                }
            }
        }
    };
}

macro_rules! unary {
    ($($(#[doc = $doc:literal])+ $name:ident $variant:ident, |$x:ident| $value:expr, |$at:pat_param, $y:pat_param| $slope:expr;)+) => {
        functions! {
            /// A function of one number.
            Unary(a) by UnaryVisitor:
            /// −a
            Neg neg => -a;
            /// 1 / a
            Recip recip => a.recip();
            /// |a|
            Abs abs => a.abs();
            /// a held within ±[`MAX_MAGNITUDE`](crate::scalar::MAX_MAGNITUDE)
            ClampFinite clamp_finite => a.clamp_finite();
            $($(#[doc = $doc])+ $variant $name => a.$name();)+
        }
    };
}
elementary_functions!(unary);

functions! {
    /// A function of two numbers.
    Binary(a, b) by BinaryVisitor:
    /// a + b
    Add add => a + b;
    /// a − b
    Sub sub => a - b;
    /// a · b
    Mul mul => a * b;
    /// a / b, or 0 where b < [`DIV_EPS`](crate::scalar::DIV_EPS)
    SafeDiv safe_div => a.safe_div(b);
    /// The smaller of a and b
    Min min => a.min(b);
    /// The larger of a and b
    Max max => a.max(b);
    /// The angle of the point (b, a)
    Atan2 atan2 => a.atan2(b);
}
