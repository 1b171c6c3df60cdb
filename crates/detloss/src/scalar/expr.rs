//! A formula as a list of operations.
//!
//! A [`Trace`] hands out [`Expr`]s; a loss evaluated on them (or on [`Dual`](super::Dual)s of them) leaves its formula (and its
//! gradient) behind as a [`Program`]: one operation per entry, common subexpressions shared, literal zeros and ones folded.
//! A front-end replays the program with whatever numbers it has.

mod op;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::{Add, Mul, Neg, Sub};

use super::{Scalar, literal_on_the_right};
use crate::elementary_functions;

pub use op::{Binary, Constant, Op, Unary};
pub(crate) use op::{BinaryVisitor, UnaryVisitor};

/// A straight-line program: a formula, or a formula with its gradient.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// The operations, each after its operands.
    pub ops: Vec<Op>,
    /// Which operations are the results: the value, then its derivative by each field of the prediction if it was traced.
    pub outputs: Vec<usize>,
}

impl Program {
    /// The outputs for these inputs (the prediction's fields, then the target's), computed on any scalar. There is one row here, of one column.
    ///
    /// # Panics
    ///
    /// If `inputs` is empty or shorter than the program's inputs.
    #[must_use]
    pub fn run<S: Scalar>(&self, inputs: &[S]) -> Vec<S> {
        let mut done: Vec<S> = Vec::with_capacity(self.ops.len());
        for op in &self.ops {
            let v = &done;
            let result = match *op {
                Op::Input(index) => inputs[index],
                Op::Const(value) => inputs[0].lit(value.get()),
                Op::Unary(function, a) => function.of(v[a]),
                Op::Binary(function, a, b) => function.of(v[a], v[b]),
                Op::MulAdd(a, b, c) => v[a].mul_add(v[b], v[c]),
                Op::IfLt(a, b, c, d) => S::if_lt(v[a], v[b], v[c], v[d]),
                Op::RowSum(a) | Op::RowMax(a) | Op::ColumnSum(a) | Op::ColumnMax(a) => v[a],
            };
            done.push(result);
        }
        self.outputs.iter().map(|&output| done[output]).collect()
    }
}

/// Records what is done to the [`Expr`]s it hands out.
#[derive(Default)]
pub struct Trace {
    ops: RefCell<Vec<Op>>,
    known: RefCell<HashMap<Op, usize>>,
    detaches: Cell<bool>,
}

impl Trace {
    /// An empty trace.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The input field `index`.
    pub fn input(&self, index: usize) -> Expr<'_> {
        self.push(Op::Input(index))
    }

    /// Whether something was detached, which the operations do not show.
    pub fn detaches(&self) -> bool {
        self.detaches.get()
    }

    /// The program that computes `outputs`, without whatever they do not need.
    pub fn program(&self, outputs: &[Expr<'_>]) -> Program {
        let ops = self.ops.borrow();
        let mut needed = vec![false; ops.len()];
        for output in outputs {
            needed[output.index] = true;
        }
        for index in (0..ops.len()).rev() {
            if needed[index] {
                for operand in ops[index].operands() {
                    needed[operand] = true;
                }
            }
        }
        let mut place = vec![0; ops.len()];
        let mut kept = Vec::new();
        for (index, op) in ops.iter().enumerate() {
            if needed[index] {
                place[index] = kept.len();
                kept.push(op.rename(|operand| place[operand]));
            }
        }
        Program { ops: kept, outputs: outputs.iter().map(|output| place[output.index]).collect() }
    }

    fn push(&self, op: Op) -> Expr<'_> {
        let mut ops = self.ops.borrow_mut();
        let index = *self.known.borrow_mut().entry(op).or_insert_with(|| {
            ops.push(op);
            ops.len() - 1
        });
        Expr { trace: self, index }
    }
}

/// A number with the record of how it was made.
#[derive(Clone, Copy)]
pub struct Expr<'t> {
    trace: &'t Trace,
    index: usize,
}

impl Expr<'_> {
    /// The sum over the columns of a row, for each of them.
    #[must_use]
    pub fn row_sum(self) -> Self {
        self.trace.push(Op::RowSum(self.index))
    }

    /// The largest number of a row, for each of its columns.
    #[must_use]
    pub fn row_max(self) -> Self {
        self.trace.push(Op::RowMax(self.index))
    }

    /// The sum over the rows, column by column; for each row.
    #[must_use]
    pub fn column_sum(self) -> Self {
        self.trace.push(Op::ColumnSum(self.index))
    }

    /// The largest number of a column, for each row.
    #[must_use]
    pub fn column_max(self) -> Self {
        self.trace.push(Op::ColumnMax(self.index))
    }

    fn op(self) -> Op {
        self.trace.ops.borrow()[self.index]
    }

    fn is(self, value: f64) -> bool {
        matches!(self.op(), Op::Const(constant) if constant.get() == value)
    }

    fn one(self, function: Unary) -> Self {
        self.trace.push(Op::Unary(function, self.index))
    }

    fn two(self, other: Self, function: Binary) -> Self {
        self.trace.push(Op::Binary(function, self.index, other.index))
    }

    /// Like [`two`](Self::two), where the order of the operands does not matter.
    fn unordered(self, other: Self, function: Binary) -> Self {
        let (first, last) = (self.index.min(other.index), self.index.max(other.index));
        self.trace.push(Op::Binary(function, first, last))
    }
}

impl Add for Expr<'_> {
    type Output = Self;
    fn add(self, right: Self) -> Self {
        if self.is(0.0) {
            right
        } else if right.is(0.0) {
            self
        } else {
            self.unordered(right, Binary::Add)
        }
    }
}

impl Sub for Expr<'_> {
    type Output = Self;
    fn sub(self, right: Self) -> Self {
        if self.is(0.0) {
            -right
        } else if right.is(0.0) {
            self
        } else {
            self.two(right, Binary::Sub)
        }
    }
}

impl Mul for Expr<'_> {
    type Output = Self;
    fn mul(self, right: Self) -> Self {
        if self.is(0.0) || right.is(1.0) {
            self
        } else if right.is(0.0) || self.is(1.0) {
            right
        } else if right.is(-1.0) {
            -self
        } else if self.is(-1.0) {
            -right
        } else {
            self.unordered(right, Binary::Mul)
        }
    }
}

impl Neg for Expr<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        match self.op() {
            Op::Unary(Unary::Neg, inner) => Self { trace: self.trace, index: inner },
            Op::Const(constant) => self.lit(-constant.get()),
            _ => self.one(Unary::Neg),
        }
    }
}

literal_on_the_right!(['t] Expr<'t>);

macro_rules! traced {
    ($($(#[doc = $doc:literal])+ $name:ident $variant:ident, |$x:ident| $value:expr, |$at:pat_param, $y:pat_param| $slope:expr;)+) => {$(
        fn $name(self) -> Self {
            self.one(Unary::$variant)
        }
    )+};
}

impl Scalar for Expr<'_> {
    fn lit(self, value: f64) -> Self {
        // One zero: −0 folds like 0.
        self.trace.push(Op::Const(Constant::new(if value == 0.0 { 0.0 } else { value })))
    }

    fn mul_add(self, factor: Self, addend: Self) -> Self {
        if addend.is(0.0) || [self, factor].iter().any(|x| x.is(0.0) || x.is(1.0)) {
            self * factor + addend
        } else {
            self.trace.push(Op::MulAdd(
                self.index.min(factor.index),
                self.index.max(factor.index),
                addend.index,
            ))
        }
    }

    fn safe_div(self, denominator: Self) -> Self {
        if self.is(0.0) { self } else { self.two(denominator, Binary::SafeDiv) }
    }

    fn recip(self) -> Self {
        self.one(Unary::Recip)
    }

    fn if_lt(a: Self, b: Self, then: Self, otherwise: Self) -> Self {
        if then.index == otherwise.index {
            then
        } else {
            a.trace.push(Op::IfLt(a.index, b.index, then.index, otherwise.index))
        }
    }

    fn min(self, other: Self) -> Self {
        self.two(other, Binary::Min)
    }

    fn max(self, other: Self) -> Self {
        self.two(other, Binary::Max)
    }

    fn abs(self) -> Self {
        self.one(Unary::Abs)
    }

    fn clamp_finite(self) -> Self {
        self.one(Unary::ClampFinite)
    }

    fn detach(self) -> Self {
        self.trace.detaches.set(true);
        self
    }

    fn atan2(self, x: Self) -> Self {
        self.two(x, Binary::Atan2)
    }

    elementary_functions!(traced);
}
