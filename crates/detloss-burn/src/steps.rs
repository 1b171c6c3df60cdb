//! A traced formula in the few steps that every device knows.

use std::collections::HashMap;

use detloss::scalar::expr::{Binary, Op, Program, Unary};
use detloss::scalar::{DIV_EPS, MAX_MAGNITUDE};

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
    Floor(usize),
    Sqrt(usize),
    Exp(usize),
    Ln(usize),
    Atan2(usize, usize),
    Atan(usize),
    /// The sum over the columns of a row.
    RowSum(usize),
    /// The largest number of a row.
    RowMax(usize),
    /// The sum over the rows, column by column.
    ColumnSum(usize),
    /// The largest number of a column.
    ColumnMax(usize),
    /// Stores the value.
    Value(usize),
    /// Stores the slope by this field of the prediction.
    Slope(usize, usize),
}

impl Step {
    /// The places of the results that it takes, in order.
    pub(crate) fn operands(self) -> impl Iterator<Item = usize> {
        let (operands, count) = match self {
            Self::Pred(_) | Self::Target(_) | Self::Const(_) => ([0; 4], 0),
            Self::Abs(a)
            | Self::Floor(a)
            | Self::Sqrt(a)
            | Self::Exp(a)
            | Self::Ln(a)
            | Self::Atan(a)
            | Self::RowSum(a)
            | Self::RowMax(a)
            | Self::ColumnSum(a)
            | Self::ColumnMax(a)
            | Self::Value(a)
            | Self::Slope(a, _) => ([a, 0, 0, 0], 1),
            Self::Add(a, b)
            | Self::Sub(a, b)
            | Self::Mul(a, b)
            | Self::Div(a, b)
            | Self::Atan2(a, b) => ([a, b, 0, 0], 2),
            Self::IfLt(a, b, c, d) => ([a, b, c, d], 4),
        };
        operands.into_iter().take(count)
    }
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

    /// eᵃ − 1. Near 0, where eᵃ forgets a: the series a (1 + a/2 (1 + a/3 (1 + …))).
    fn exp_m1(&mut self, a: usize) -> usize {
        let one = self.lit(1.0);
        let mut sum = one;
        for term in (2..=12).rev() {
            let part = self.lit(1.0 / f64::from(term));
            let part = self.push(Step::Mul(a, part));
            let product = self.push(Step::Mul(part, sum));
            sum = self.push(Step::Add(one, product));
        }
        let small = self.push(Step::Mul(a, sum));
        let power = self.exp(a);
        let large = self.push(Step::Sub(power, one));
        let size = self.push(Step::Abs(a));
        self.push(Step::IfLt(size, one, small, large))
    }

    /// sin(a + `turns` · π/2). A device's own is exact near 0 at best; this one is within a few roundings up to ±1e5.
    fn sin(&mut self, a: usize, turns: f64) -> usize {
        // π/2 in parts of 8 bits, whose products with a whole number below 2¹⁶ are exact, and a rest.
        const PARTS: [f64; 4] = [
            1.570_312_5,
            4.825_592_041_015_625e-4,
            1.266_598_701_477_050_8e-6,
            9.920_936_294_705_03e-10,
        ];
        let (half, quarter) = (self.lit(0.5), self.lit(0.25));
        let per_turn = self.lit(std::f64::consts::FRAC_2_PI);
        let scaled = self.push(Step::Mul(a, per_turn));
        let above = self.push(Step::Add(scaled, half));
        let n = self.push(Step::Floor(above));
        let mut rest = a;
        for part in PARTS {
            let part = self.lit(part);
            let product = self.push(Step::Mul(n, part));
            rest = self.push(Step::Sub(rest, product));
        }
        // π/4, and what 2/π and its product are rounded by, times n. Of an angle that is too large for this, the rest is anything.
        let r = self.clamp(rest, -0.8, 0.8);
        let square = self.push(Step::Mul(r, r));
        let sin = self.polynomial(square, &[1.0, -0.166_666_55, 0.008_332_189, -0.000_195_182_92]);
        let sin = self.push(Step::Mul(r, sin));
        let cos =
            self.polynomial(square, &[1.0, -0.5, 0.041_666_646, -0.001_388_731, 2.443_232_7e-5]);
        // n modulo 4 chooses among sin, cos, −sin and −cos.
        let turns = self.lit(turns);
        let n = self.push(Step::Add(n, turns));
        let quarters = self.push(Step::Mul(n, quarter));
        let whole = self.push(Step::Floor(quarters));
        let quarters = self.push(Step::Sub(quarters, whole));
        let (minus_sin, minus_cos) = (self.neg(sin), self.neg(cos));
        let mut value = minus_cos;
        for (limit, choice) in [(0.625, minus_sin), (0.375, cos), (0.125, sin)] {
            let limit = self.lit(limit);
            value = self.push(Step::IfLt(quarters, limit, choice, value));
        }
        value
    }

    /// Horner's scheme, lowest coefficient first.
    fn polynomial(&mut self, x: usize, coefficients: &[f64]) -> usize {
        let (last, others) = coefficients.split_last().expect("coefficients");
        let mut sum = self.lit(*last);
        for &coefficient in others.iter().rev() {
            let (coefficient, product) = (self.lit(coefficient), self.push(Step::Mul(sum, x)));
            sum = self.push(Step::Add(coefficient, product));
        }
        sum
    }

    fn op(&mut self, op: Op, fields: usize, at: impl Fn(usize) -> usize) -> usize {
        match op {
            Op::Input(field) if field < fields => self.push(Step::Pred(field)),
            Op::Input(field) => self.push(Step::Target(field - fields)),
            Op::Const(value) => self.lit(value.get()),
            Op::Unary(function, a) => self.unary(function, at(a)),
            Op::Binary(function, a, b) => self.binary(function, at(a), at(b)),
            Op::MulAdd(a, b, c) => {
                let product = self.push(Step::Mul(at(a), at(b)));
                self.push(Step::Add(product, at(c)))
            }
            Op::IfLt(a, b, c, d) => self.push(Step::IfLt(at(a), at(b), at(c), at(d))),
            Op::RowSum(a) => self.push(Step::RowSum(at(a))),
            Op::RowMax(a) => self.push(Step::RowMax(at(a))),
            Op::ColumnSum(a) => self.push(Step::ColumnSum(at(a))),
            Op::ColumnMax(a) => self.push(Step::ColumnMax(at(a))),
            other => panic!("teach steps.rs the operation {}", other.name()),
        }
    }

    fn unary(&mut self, function: Unary, a: usize) -> usize {
        match function {
            Unary::Neg => self.neg(a),
            Unary::Recip => {
                let one = self.lit(1.0);
                self.push(Step::Div(one, a))
            }
            Unary::Abs => self.push(Step::Abs(a)),
            Unary::ClampFinite => self.clamp(a, -MAX_MAGNITUDE, MAX_MAGNITUDE),
            Unary::Sqrt => self.push(Step::Sqrt(a)),
            Unary::Exp => self.exp(a),
            Unary::ExpM1 => self.exp_m1(a),
            Unary::Ln => {
                let least = self.lit(f64::from(f32::MIN_POSITIVE));
                let a = self.max(a, least);
                self.push(Step::Ln(a))
            }
            Unary::Ln1p => self.ln_1p(a),
            Unary::Sin => self.sin(a, 0.0),
            Unary::Cos => self.sin(a, 1.0),
            Unary::Atan => self.push(Step::Atan(a)),
            Unary::Sigmoid => {
                let (zero, one) = (self.lit(0.0), self.lit(1.0));
                let decay = self.decay(a);
                let above = self.push(Step::IfLt(a, zero, decay, one));
                let below = self.push(Step::Add(one, decay));
                self.push(Step::Div(above, below))
            }
            Unary::Softplus => {
                let zero = self.lit(0.0);
                let decay = self.decay(a);
                let positive = self.max(a, zero);
                let rest = self.ln_1p(decay);
                self.push(Step::Add(positive, rest))
            }
            other => panic!("teach steps.rs the operation {}", other.name()),
        }
    }

    fn binary(&mut self, function: Binary, a: usize, b: usize) -> usize {
        match function {
            Binary::Add => self.push(Step::Add(a, b)),
            Binary::Sub => self.push(Step::Sub(a, b)),
            Binary::Mul => self.push(Step::Mul(a, b)),
            Binary::SafeDiv => {
                let (zero, least) = (self.lit(0.0), self.lit(DIV_EPS));
                let denominator = self.max(b, least);
                let quotient = self.push(Step::Div(a, denominator));
                self.push(Step::IfLt(b, least, zero, quotient))
            }
            Binary::Min => self.min(a, b),
            Binary::Max => self.max(a, b),
            Binary::Atan2 => self.push(Step::Atan2(a, b)),
            other => panic!("teach steps.rs the operation {}", other.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows the steps on the host, one unit.
    fn follow(steps: &[Step], pred: &[f32]) -> f32 {
        let mut v: Vec<f32> = Vec::new();
        for &step in steps {
            v.push(match step {
                Step::Pred(field) => pred[field],
                Step::Const(bits) => f32::from_bits(bits),
                Step::Add(a, b) => v[a] + v[b],
                Step::Sub(a, b) => v[a] - v[b],
                Step::Mul(a, b) => v[a] * v[b],
                Step::Div(a, b) => v[a] / v[b],
                Step::IfLt(a, b, c, d) => v[if v[a] < v[b] { c } else { d }],
                Step::Abs(a) => v[a].abs(),
                Step::Floor(a) => v[a].floor(),
                Step::Sqrt(a) => v[a].sqrt(),
                Step::Exp(a) => v[a].exp(),
                Step::Ln(a) => v[a].ln(),
                Step::Atan2(a, b) => v[a].atan2(v[b]),
                Step::Atan(a) => v[a].atan(),
                Step::RowSum(a) | Step::RowMax(a) | Step::ColumnSum(a) | Step::ColumnMax(a) => v[a],
                Step::Value(a) => return v[a],
                Step::Target(_) | Step::Slope(..) => unreachable!("there is neither"),
            });
        }
        unreachable!("there is a value")
    }

    fn of(function: Unary, x: f32) -> f32 {
        let ops = vec![Op::Input(0), Op::Unary(function, 0)];
        follow(&steps(&Program { ops, outputs: vec![1] }, 1), &[x])
    }

    #[test]
    fn every_function_is_that_of_the_core() {
        for &function in Unary::ALL {
            let positive = (-60..60).map(|power| 1.3_f32.powi(power) * 1.01);
            for x in positive.flat_map(|x| [x, -x]).chain([0.0, 1e4, -1e4, 99_999.0, f32::MAX]) {
                let is_angle = matches!(function, Unary::Sin | Unary::Cos);
                let is_defined = x >= 0.0
                    || !matches!(function, Unary::Sqrt | Unary::Ln1p) && function.of(x).is_finite();
                if !is_defined || is_angle && x.abs() > 1e5 {
                    continue;
                }
                let (got, expected) = (of(function, x), function.of(x));
                // Exponentials saturate a little earlier here.
                let is_close = (got - expected).abs() <= 1e-6 * expected.abs() + 2e-38;
                assert!(
                    is_close || expected > 3e38 && got > 3e38,
                    "{} of {x:e}: {got:e} instead of {expected:e}",
                    function.name()
                );
            }
            assert!(of(function, f32::NAN).is_nan(), "{} of NaN", function.name());
        }
    }

    #[test]
    fn angles_of_many_turns_have_their_sine() {
        for function in [Unary::Sin, Unary::Cos] {
            for x in (0..40_000).map(|step| 2.4637 * step as f32) {
                let (got, expected) = (of(function, x), function.of(x));
                let name = function.name();
                assert!(
                    (got - expected).abs() <= 1e-6,
                    "{name} of {x}: {got} instead of {expected}"
                );
            }
        }
    }

    #[test]
    fn any_finite_angle_has_a_sine() {
        for x in [1e6, 1e10, 1e20, f32::MAX] {
            for function in [Unary::Sin, Unary::Cos] {
                assert!(of(function, x).abs() <= 1.0, "{} of {x:e}", function.name());
                assert!(of(function, -x).abs() <= 1.0, "{} of −{x:e}", function.name());
            }
        }
    }
}
