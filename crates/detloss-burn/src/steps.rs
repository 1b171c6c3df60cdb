//! A traced formula in the few steps that every device knows.

use std::collections::HashMap;

use detloss::scalar::expr::{Op, Program};
use detloss::scalar::{LARGEST, SMALLEST};

/// One step of a kernel. Operands are the results of earlier steps; the last steps store and have no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Pred(usize),
    Target(usize),
    /// The bits of an `f32`.
    Const(u32),
    Add(usize, usize),
    Sub(usize, usize),
    Mul(usize, usize),
    Div(usize, usize),
    /// The third where the first is less than the second, else the fourth.
    IfLt(usize, usize, usize, usize),
    Abs(usize),
    Sqrt(usize),
    Exp(usize),
    Ln(usize),
    Atan2(usize, usize),
    Atan(usize),
    /// Stores the value.
    Value(usize),
    /// Stores the slope by this field of the prediction.
    Slope(usize, usize),
}

/// Beyond these, eˣ is 0 and the largest number.
const LEAST_EXPONENT: f64 = -87.33;
const MOST_EXPONENT: f64 = 88.72;

/// The steps of a program whose first `fields` inputs are the prediction's.
pub(crate) fn steps(program: &Program, fields: usize) -> Vec<Step> {
    let mut steps = Steps::default();
    let mut places: Vec<usize> = Vec::with_capacity(program.ops.len());
    for op in &program.ops {
        let place = steps.op(*op, fields, |operand| places[operand]);
        places.push(place);
    }
    for (index, &output) in program.outputs.iter().enumerate() {
        let place = places[output];
        steps.list.push(match index {
            0 => Step::Value(place),
            _ => Step::Slope(place, index - 1),
        });
    }
    steps.list
}

#[derive(Default)]
struct Steps {
    list: Vec<Step>,
    known: HashMap<Step, usize>,
}

impl Steps {
    /// The place of the step's result; an equal step before has the same.
    fn push(&mut self, step: Step) -> usize {
        *self.known.entry(step).or_insert_with(|| {
            self.list.push(step);
            self.list.len() - 1
        })
    }

    fn lit(&mut self, value: f64) -> usize {
        self.push(Step::Const((value as f32).to_bits()))
    }

    fn min(&mut self, a: usize, b: usize) -> usize {
        self.push(Step::IfLt(b, a, b, a))
    }

    fn max(&mut self, a: usize, b: usize) -> usize {
        self.push(Step::IfLt(a, b, b, a))
    }

    fn clamp(&mut self, a: usize, low: f64, high: f64) -> usize {
        let (low, high) = (self.lit(low), self.lit(high));
        let a = self.max(a, low);
        self.min(a, high)
    }

    fn neg(&mut self, a: usize) -> usize {
        let minus = self.lit(-1.0);
        self.push(Step::Mul(a, minus))
    }

    fn exp(&mut self, a: usize) -> usize {
        let (zero, least) = (self.lit(0.0), self.lit(LEAST_EXPONENT));
        let within = self.clamp(a, LEAST_EXPONENT, MOST_EXPONENT);
        let power = self.push(Step::Exp(within));
        self.push(Step::IfLt(a, least, zero, power))
    }

    /// e^−|a|.
    fn decay(&mut self, a: usize) -> usize {
        let size = self.push(Step::Abs(a));
        let minus = self.neg(size);
        self.exp(minus)
    }

    /// ln(1 + a) for a ≥ 0. A device's logarithm may be off by 5e-7 near 1, where a confident score has less than that to say: up to
    /// a = 1 it is 2 artanh(s) = 2 (s + s³/3 + s⁵/5 + …) with s = a / (2 + a) ≤ ⅓.
    fn ln_1p(&mut self, a: usize) -> usize {
        let (one, two) = (self.lit(1.0), self.lit(2.0));
        let below = self.push(Step::Add(two, a));
        let s = self.push(Step::Div(a, below));
        let square = self.push(Step::Mul(s, s));
        let mut sum = self.lit(2.0 / 15.0);
        for odd in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
            let (higher, term) = (self.push(Step::Mul(sum, square)), self.lit(2.0 / odd));
            sum = self.push(Step::Add(term, higher));
        }
        let small = self.push(Step::Mul(s, sum));
        let whole = self.push(Step::Add(one, a));
        let large = self.push(Step::Ln(whole));
        self.push(Step::IfLt(a, one, small, large))
    }

    fn op(&mut self, op: Op, fields: usize, at: impl Fn(usize) -> usize) -> usize {
        match op {
            Op::Input(field) if field < fields => self.push(Step::Pred(field)),
            Op::Input(field) => self.push(Step::Target(field - fields)),
            Op::Const(value) => self.lit(value.get()),
            Op::Add(a, b) => self.push(Step::Add(at(a), at(b))),
            Op::Sub(a, b) => self.push(Step::Sub(at(a), at(b))),
            Op::Mul(a, b) => self.push(Step::Mul(at(a), at(b))),
            Op::MulAdd(a, b, c) => {
                let product = self.push(Step::Mul(at(a), at(b)));
                self.push(Step::Add(product, at(c)))
            }
            Op::Neg(a) => self.neg(at(a)),
            Op::Over(a, b) => {
                let (zero, least) = (self.lit(0.0), self.lit(SMALLEST));
                let denominator = self.max(at(b), least);
                let quotient = self.push(Step::Div(at(a), denominator));
                self.push(Step::IfLt(at(b), least, zero, quotient))
            }
            Op::Recip(a) => {
                let one = self.lit(1.0);
                self.push(Step::Div(one, at(a)))
            }
            Op::IfLt(a, b, c, d) => self.push(Step::IfLt(at(a), at(b), at(c), at(d))),
            Op::Min(a, b) => self.min(at(a), at(b)),
            Op::Max(a, b) => self.max(at(a), at(b)),
            Op::Abs(a) => self.push(Step::Abs(at(a))),
            Op::Saturate(a) => self.clamp(at(a), -LARGEST, LARGEST),
            Op::Sqrt(a) => self.push(Step::Sqrt(at(a))),
            Op::Exp(a) => self.exp(at(a)),
            Op::Ln(a) => {
                let least = self.lit(f64::from(f32::MIN_POSITIVE));
                let a = self.max(at(a), least);
                self.push(Step::Ln(a))
            }
            Op::Ln1p(a) => self.ln_1p(at(a)),
            Op::Atan2(a, b) => self.push(Step::Atan2(at(a), at(b))),
            Op::Atan(a) => self.push(Step::Atan(at(a))),
            Op::Sigmoid(a) => {
                let (zero, one) = (self.lit(0.0), self.lit(1.0));
                let decay = self.decay(at(a));
                let above = self.push(Step::IfLt(at(a), zero, decay, one));
                let below = self.push(Step::Add(one, decay));
                self.push(Step::Div(above, below))
            }
            Op::Softplus(a) => {
                let zero = self.lit(0.0);
                let decay = self.decay(at(a));
                let positive = self.max(at(a), zero);
                let rest = self.ln_1p(decay);
                self.push(Step::Add(positive, rest))
            }
            other => panic!("teach steps.rs the operation {other:?}"),
        }
    }
}
