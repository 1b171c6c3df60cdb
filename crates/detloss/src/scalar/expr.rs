//! A formula as a list of operations.
//!
//! A [`Trace`] hands out [`Expr`]s; a loss evaluated on them (or on [`Dual`](super::Dual)s of them) leaves its formula (and its
//! gradient) behind as a [`Program`]: one operation per entry, common subexpressions shared, literal zeros and ones folded.
//! A front-end replays the program with whatever numbers it has.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::{Add, Mul, Neg, Sub};

use super::{Scalar, literal_on_the_right};

/// One operation of a [`Program`]. Operands are the indices of earlier operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Op {
    /// The input field of this number: the prediction's fields first, then the target's.
    Input(usize),
    /// A constant.
    Const(Constant),
    /// a + b
    Add(usize, usize),
    /// a − b
    Sub(usize, usize),
    /// a · b
    Mul(usize, usize),
    /// a · b + c
    MulAdd(usize, usize, usize),
    /// −a
    Neg(usize),
    /// a / b, or 0 where b < [`SMALLEST`](super::SMALLEST)
    Over(usize, usize),
    /// 1 / a
    Recip(usize),
    /// c where a < b, else d
    IfLt(usize, usize, usize, usize),
    /// The smaller of a and b
    Min(usize, usize),
    /// The larger of a and b
    Max(usize, usize),
    /// |a|
    Abs(usize),
    /// a held within ±[`LARGEST`](super::LARGEST)
    Saturate(usize),
    /// √a
    Sqrt(usize),
    /// eᵃ, saturating
    Exp(usize),
    /// ln a, for a not below the smallest positive normal number
    Ln(usize),
    /// ln(1 + a)
    Ln1p(usize),
    /// The angle of the point (b, a)
    Atan2(usize, usize),
    /// The inverse tangent of a
    Atan(usize),
    /// 1 / (1 + e⁻ᵃ)
    Sigmoid(usize),
    /// ln(1 + eᵃ)
    Softplus(usize),
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

impl Op {
    /// The operation with every operand renamed. Who only wants to see them gives each its own name.
    #[must_use]
    pub fn rename(self, mut name: impl FnMut(usize) -> usize) -> Self {
        match self {
            Self::Input(_) | Self::Const(_) => self,
            Self::Add(a, b) => Self::Add(name(a), name(b)),
            Self::Sub(a, b) => Self::Sub(name(a), name(b)),
            Self::Mul(a, b) => Self::Mul(name(a), name(b)),
            Self::MulAdd(a, b, c) => Self::MulAdd(name(a), name(b), name(c)),
            Self::Neg(a) => Self::Neg(name(a)),
            Self::Over(a, b) => Self::Over(name(a), name(b)),
            Self::Recip(a) => Self::Recip(name(a)),
            Self::IfLt(a, b, c, d) => Self::IfLt(name(a), name(b), name(c), name(d)),
            Self::Min(a, b) => Self::Min(name(a), name(b)),
            Self::Max(a, b) => Self::Max(name(a), name(b)),
            Self::Abs(a) => Self::Abs(name(a)),
            Self::Saturate(a) => Self::Saturate(name(a)),
            Self::Sqrt(a) => Self::Sqrt(name(a)),
            Self::Exp(a) => Self::Exp(name(a)),
            Self::Ln(a) => Self::Ln(name(a)),
            Self::Ln1p(a) => Self::Ln1p(name(a)),
            Self::Atan2(a, b) => Self::Atan2(name(a), name(b)),
            Self::Atan(a) => Self::Atan(name(a)),
            Self::Sigmoid(a) => Self::Sigmoid(name(a)),
            Self::Softplus(a) => Self::Softplus(name(a)),
        }
    }
}

/// A straight-line program: a formula, or a formula with its gradient.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// The operations, each after its operands.
    pub ops: Vec<Op>,
    /// Which operations are the results: the value, then its derivative by each field of the prediction if it was traced.
    pub outputs: Vec<usize>,
}

impl Program {
    /// The outputs for these inputs (the prediction's fields, then the target's), computed on any scalar.
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
                Op::Add(a, b) => v[a] + v[b],
                Op::Sub(a, b) => v[a] - v[b],
                Op::Mul(a, b) => v[a] * v[b],
                Op::MulAdd(a, b, c) => v[a].mul_add(v[b], v[c]),
                Op::Neg(a) => -v[a],
                Op::Over(a, b) => v[a].over(v[b]),
                Op::Recip(a) => v[a].recip(),
                Op::IfLt(a, b, c, d) => S::if_lt(v[a], v[b], v[c], v[d]),
                Op::Min(a, b) => v[a].min(v[b]),
                Op::Max(a, b) => v[a].max(v[b]),
                Op::Abs(a) => v[a].abs(),
                Op::Saturate(a) => v[a].saturate(),
                Op::Sqrt(a) => v[a].sqrt(),
                Op::Exp(a) => v[a].exp(),
                Op::Ln(a) => v[a].ln(),
                Op::Ln1p(a) => v[a].ln_1p(),
                Op::Atan2(a, b) => v[a].atan2(v[b]),
                Op::Atan(a) => v[a].atan(),
                Op::Sigmoid(a) => v[a].sigmoid(),
                Op::Softplus(a) => v[a].softplus(),
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

    /// Whether something was held still, which the operations do not show.
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
                let _ = ops[index].rename(|operand| {
                    needed[operand] = true;
                    operand
                });
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

/// A number that remembers how it was made.
#[derive(Clone, Copy)]
pub struct Expr<'t> {
    trace: &'t Trace,
    index: usize,
}

impl Expr<'_> {
    fn op(self) -> Op {
        self.trace.ops.borrow()[self.index]
    }

    fn is(self, value: f64) -> bool {
        matches!(self.op(), Op::Const(constant) if constant.get() == value)
    }

    fn one(self, op: impl Fn(usize) -> Op) -> Self {
        self.trace.push(op(self.index))
    }

    fn two(self, other: Self, op: impl Fn(usize, usize) -> Op) -> Self {
        self.trace.push(op(self.index, other.index))
    }

    /// Like [`two`](Self::two), where the order of the operands does not matter.
    fn unordered(self, other: Self, op: impl Fn(usize, usize) -> Op) -> Self {
        self.trace.push(op(self.index.min(other.index), self.index.max(other.index)))
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
            self.unordered(right, Op::Add)
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
            self.two(right, Op::Sub)
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
            self.unordered(right, Op::Mul)
        }
    }
}

impl Neg for Expr<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        match self.op() {
            Op::Neg(inner) => Self { trace: self.trace, index: inner },
            Op::Const(constant) => self.lit(-constant.get()),
            _ => self.one(Op::Neg),
        }
    }
}

literal_on_the_right!(['t] Expr<'t>);

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

    fn over(self, denominator: Self) -> Self {
        if self.is(0.0) { self } else { self.two(denominator, Op::Over) }
    }

    fn recip(self) -> Self {
        self.one(Op::Recip)
    }

    fn if_lt(a: Self, b: Self, then: Self, otherwise: Self) -> Self {
        if then.index == otherwise.index {
            then
        } else {
            a.trace.push(Op::IfLt(a.index, b.index, then.index, otherwise.index))
        }
    }

    fn min(self, other: Self) -> Self {
        self.two(other, Op::Min)
    }

    fn max(self, other: Self) -> Self {
        self.two(other, Op::Max)
    }

    fn abs(self) -> Self {
        self.one(Op::Abs)
    }

    fn saturate(self) -> Self {
        self.one(Op::Saturate)
    }

    fn detach(self) -> Self {
        self.trace.detaches.set(true);
        self
    }

    fn sqrt(self) -> Self {
        self.one(Op::Sqrt)
    }

    fn exp(self) -> Self {
        self.one(Op::Exp)
    }

    fn ln(self) -> Self {
        self.one(Op::Ln)
    }

    fn ln_1p(self) -> Self {
        self.one(Op::Ln1p)
    }

    fn atan2(self, x: Self) -> Self {
        self.two(x, Op::Atan2)
    }

    fn atan(self) -> Self {
        self.one(Op::Atan)
    }

    fn sigmoid(self) -> Self {
        self.one(Op::Sigmoid)
    }

    fn softplus(self) -> Self {
        self.one(Op::Softplus)
    }
}
