//! The operations of a traced formula, as tensor operations. They keep the rules of [`detloss::scalar`].

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4};

use candle_core::{DType, Result, Tensor, bail};
use detloss::scalar::expr::{Binary, Op, Program, Unary};
use detloss::scalar::{DIV_EPS, MAX_MAGNITUDE};

/// The outputs of a program for these inputs, whose shapes the first one's can hold.
pub(crate) fn run(program: Program, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let outputs = execute(program, |op, v| apply(op, inputs, v))?;
    outputs.iter().map(|output| output.broadcast_as(inputs[0].shape())).collect()
}

/// The outputs of a program whose operations `apply` does, from earlier results.
fn execute<V: Clone>(
    program: Program,
    apply: impl Fn(Op, &dyn Fn(usize) -> V) -> Result<V>,
) -> Result<Vec<V>> {
    let Program { ops, outputs } = program;
    let last_use = last_use(&ops, &outputs);
    let mut done: Vec<Option<V>> = Vec::with_capacity(ops.len());
    for (place, &op) in ops.iter().enumerate() {
        let kept = |operand: usize| done[operand].clone().expect("kept until its last use");
        let result = apply(op, &kept)?;
        done.push(Some(result));
        // What nobody needs any more would fill the memory of the device.
        for operand in op.operands() {
            if last_use[operand] == place {
                done[operand] = None;
            }
        }
    }
    Ok(outputs.iter().map(|&output| done[output].clone().expect("an output is kept")).collect())
}

/// Where each result is used for the last time; never, for an output.
fn last_use(ops: &[Op], outputs: &[usize]) -> Vec<usize> {
    let mut last_use = vec![usize::MAX; ops.len()];
    for (place, op) in ops.iter().enumerate() {
        for operand in op.operands() {
            last_use[operand] = place;
        }
    }
    for &output in outputs {
        last_use[output] = usize::MAX;
    }
    last_use
}

fn apply(op: Op, inputs: &[Tensor], v: &dyn Fn(usize) -> Tensor) -> Result<Tensor> {
    match op {
        Op::Input(index) => Ok(inputs[index].clone()),
        Op::Const(value) => constant(&inputs[0], value.get()),
        Op::Unary(function, a) => unary(function, &v(a)),
        Op::Binary(function, a, b) => {
            let [a, b] = together([v(a), v(b)])?;
            binary(function, &a, &b)
        }
        Op::MulAdd(a, b, c) => {
            let [a, b, c] = together([v(a), v(b), v(c)])?;
            (a * b)? + c
        }
        Op::IfLt(a, b, c, d) => {
            let [a, b, c, d] = together([v(a), v(b), v(c), v(d)])?;
            if_lt(&a, &b, &c, &d)
        }
        Op::RowSum(a) => over(1, v(a), &inputs[0], |a| a.sum_keepdim(1)),
        Op::RowMax(a) => over(1, v(a), &inputs[0], |a| a.max_keepdim(1)),
        Op::ColumnSum(a) => over(0, v(a), &inputs[0], |a| a.sum_keepdim(0)),
        Op::ColumnMax(a) => over(0, v(a), &inputs[0], |a| a.max_keepdim(0)),
        other => unknown(other.name()),
    }
}

fn unary(function: Unary, a: &Tensor) -> Result<Tensor> {
    match function {
        Unary::Neg => a.neg(),
        Unary::Recip => a.recip(),
        Unary::Abs => a.abs(),
        Unary::ClampFinite => clamp_finite(a),
        Unary::Sqrt => a.sqrt(),
        Unary::Exp => exp(a),
        Unary::ExpM1 => exp_m1(a),
        Unary::Ln => ln(a),
        Unary::Ln1p => ln_1p(a),
        Unary::Sin => a.sin(),
        Unary::Cos => a.cos(),
        Unary::Atan => atan(a),
        Unary::Sigmoid => sigmoid(a),
        Unary::Softplus => softplus(a),
        other => unknown(other.name()),
    }
}

fn binary(function: Binary, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    match function {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::SafeDiv => safe_div(a, b),
        Binary::Min => min(a, b),
        Binary::Max => max(a, b),
        Binary::Atan2 => atan2(a, b),
        other => unknown(other.name()),
    }
}

fn unknown(name: &str) -> Result<Tensor> {
    bail!("an operation that is new here: {name}: update detloss-candle with detloss")
}

/// What `all` makes of the numbers along a dimension of `like`. What they have one of counts for each.
fn over(
    dim: usize,
    a: Tensor,
    like: &Tensor,
    all: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let count = like.dim(dim)?;
    if count == 1 {
        return Ok(a);
    }
    let mut shape = a.dims().to_vec();
    shape[dim] = count;
    all(&a.broadcast_as(shape)?)
}

/// The tensors, each repeated to the shape of all.
fn together<const N: usize>(tensors: [Tensor; N]) -> Result<[Tensor; N]> {
    let shape = tensors[1..].iter().try_fold(tensors[0].shape().clone(), |shape, tensor| {
        shape.broadcast_shape_binary_op(tensor.shape(), "together")
    })?;
    let mut repeated = tensors;
    for tensor in &mut repeated {
        *tensor = tensor.broadcast_as(&shape)?;
    }
    Ok(repeated)
}

/// The number `value`, of the dtype of `like` and as many dimensions.
fn constant(like: &Tensor, value: f64) -> Result<Tensor> {
    let shape = vec![1; like.rank()];
    match like.dtype() {
        DType::F64 => Tensor::full(value, shape, like.device()),
        _ => Tensor::full(value as f32, shape, like.device()),
    }
}

/// The number `value`, of the dtype and shape of `like`.
fn lit(like: &Tensor, value: f64) -> Result<Tensor> {
    constant(like, value)?.broadcast_as(like.shape())
}

/// The smallest positive normal number.
fn tiny(like: &Tensor) -> Result<Tensor> {
    lit(like, if like.dtype() == DType::F64 { f64::MIN_POSITIVE } else { f32::MIN_POSITIVE.into() })
}

fn largest(like: &Tensor) -> f64 {
    if like.dtype() == DType::F64 { f64::MAX } else { f32::MAX.into() }
}

fn if_lt(a: &Tensor, b: &Tensor, then: &Tensor, otherwise: &Tensor) -> Result<Tensor> {
    a.lt(b)?.where_cond(then, otherwise)
}

/// Not Candle's `minimum`, whose answer to a NaN depends on the device.
fn min(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if_lt(b, a, b, a)
}

fn max(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if_lt(a, b, b, a)
}

fn clamp_finite(a: &Tensor) -> Result<Tensor> {
    min(&max(a, &lit(a, -MAX_MAGNITUDE)?)?, &lit(a, MAX_MAGNITUDE)?)
}

fn safe_div(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if_lt(b, &lit(b, DIV_EPS)?, &lit(b, 0.0)?, &(a / b)?)
}

fn exp(a: &Tensor) -> Result<Tensor> {
    let power = a.exp()?;
    let power = if_lt(&power, &tiny(a)?, &lit(a, 0.0)?, &power)?;
    min(&power, &lit(a, largest(a))?)
}

/// Candle has none. With u the rounded eᵃ, (u − 1) a / ln u is all but free of the error of u, for u ≠ 1.
fn exp_m1(a: &Tensor) -> Result<Tensor> {
    let (one, minus) = (lit(a, 1.0)?, lit(a, -1.0)?);
    let u = exp(a)?;
    let rest = (&u - &one)?;
    let value = (&rest * (a / ln(&u)?)?)?;
    let value = u.eq(&one)?.where_cond(a, &value)?;
    // Where u is forgotten beside 1, and where it is as large as it gets.
    let value = rest.eq(&minus)?.where_cond(&minus, &value)?;
    min(&value, &lit(a, largest(a))?)
}

fn ln(a: &Tensor) -> Result<Tensor> {
    max(a, &tiny(a)?)?.log()
}

/// Candle has none. With u the rounded 1 + a, ln u / (u − 1) is all but free of the error of u, for u ≠ 1.
fn ln_1p(a: &Tensor) -> Result<Tensor> {
    let one = lit(a, 1.0)?;
    let u = (a + &one)?;
    let ratio = (a / (&u - &one)?)?;
    u.eq(&one)?.where_cond(a, &(u.log()? * ratio)?)
}

fn sigmoid(a: &Tensor) -> Result<Tensor> {
    let (zero, one) = (lit(a, 0.0)?, lit(a, 1.0)?);
    let e = exp(&a.abs()?.neg()?)?;
    if_lt(a, &zero, &e, &one)? / (&one + &e)?
}

fn softplus(a: &Tensor) -> Result<Tensor> {
    max(a, &lit(a, 0.0)?)? + ln_1p(&exp(&a.abs()?.neg()?)?)?
}

/// Candle has no inverse tangent. That of t in 0..=1 is guessed to 0.004, and the rest of the angle has the tangent
/// (t cos θ − sin θ) / (cos θ + t sin θ), of which three terms of the series are exact in `f64`.
fn atan_of_fraction(t: &Tensor) -> Result<Tensor> {
    let guess = (t * t.affine(-0.273, FRAC_PI_4 + 0.273)?)?;
    let (sin, cos) = (guess.sin()?, guess.cos()?);
    let rest = (((t * &cos)? - &sin)? / (&cos + (t * &sin)?)?)?;
    let square = rest.sqr()?;
    let series = (&square * square.affine(0.2, -1.0 / 3.0)?)?.affine(1.0, 1.0)?;
    guess + (rest * series)?
}

/// The angle of the point (x, y) in the first quadrant.
fn atan2(y: &Tensor, x: &Tensor) -> Result<Tensor> {
    let is_steep = x.lt(y)?;
    let t = is_steep.where_cond(&(x / y)?, &(y / x)?)?;
    // 0/0 at the origin, whose angle is 0.
    let zero = lit(y, 0.0)?;
    let t = y.eq(&zero)?.where_cond(&zero, &t)?;
    let angle = atan_of_fraction(&t)?;
    is_steep.where_cond(&angle.affine(-1.0, FRAC_PI_2)?, &angle)
}

fn atan(a: &Tensor) -> Result<Tensor> {
    let (zero, one) = (lit(a, 0.0)?, lit(a, 1.0)?);
    let angle = atan2(&a.abs()?, &one)?;
    if_lt(a, &zero, &angle.neg()?, &angle)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use candle_core::Device;
    use detloss::scalar::Scalar;

    use super::*;

    /// What the operations of the core make of these numbers, in both precisions.
    fn check(
        tensors: impl Fn(&Tensor) -> Result<Tensor>,
        in_f64: impl Fn(f64) -> f64,
        numbers: &[f64],
    ) -> Result<()> {
        for (dtype, tolerance) in [(DType::F64, 1e-15), (DType::F32, 4e-7)] {
            let inputs = Tensor::new(numbers, &Device::Cpu)?.to_dtype(dtype)?;
            let outputs = tensors(&inputs)?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
            let inputs = inputs.to_dtype(DType::F64)?.to_vec1::<f64>()?;
            for (input, got) in inputs.into_iter().zip(outputs) {
                let expected = in_f64(input);
                assert!(
                    (got - expected).abs() <= tolerance * expected.abs(),
                    "{dtype:?} of {input:e}: {got:e} instead of {expected:e}"
                );
            }
        }
        Ok(())
    }

    /// From 1e-30 to 1e30, and around 1.
    fn positive() -> Vec<f64> {
        let powers = (-300..=300).map(|power| 10_f64.powf(f64::from(power) / 10.0));
        powers.chain((0..=2000).map(|step| f64::from(step) / 1000.0)).collect()
    }

    #[test]
    fn ln_1p_is_that_of_the_core() -> Result<()> {
        check(ln_1p, Scalar::ln_1p, &positive())
    }

    #[test]
    fn atan_is_that_of_the_core() -> Result<()> {
        let both: Vec<f64> = positive().iter().flat_map(|&x| [x, -x]).collect();
        check(atan, Scalar::atan, &both)
    }

    #[test]
    fn exp_m1_is_that_of_the_core() -> Result<()> {
        let numbers = positive().into_iter().filter(|&x| x < 80.0).flat_map(|x| [x, -x]);
        check(exp_m1, Scalar::exp_m1, &numbers.collect::<Vec<_>>())
    }

    /// Also a function that is new in the core.
    #[test]
    fn every_function_is_that_of_the_core() -> Result<()> {
        for &function in Unary::ALL {
            let numbers = [0.01, 0.3, 0.9, 1.0, 2.5, 20.0];
            check(|a| unary(function, a), |a| function.of(a), &numbers)?;
        }
        Ok(())
    }

    #[test]
    fn the_angle_of_a_point_is_that_of_the_core() -> Result<()> {
        for x in [0.0, 1e-20, 0.3, 1.0, 1e9] {
            check(|y| atan2(y, &lit(y, x)?), |y| Scalar::atan2(y, x), &positive())?;
        }
        Ok(())
    }

    /// In `f64`, where what is beyond the smallest and the largest number differs from the core by nothing.
    #[test]
    fn logits_and_logarithms_are_those_of_the_core() -> Result<()> {
        type Pair = (fn(&Tensor) -> Result<Tensor>, fn(f64) -> f64);
        let pairs: [Pair; 4] = [
            (exp, Scalar::exp),
            (ln, Scalar::ln),
            (sigmoid, Scalar::sigmoid),
            (softplus, Scalar::softplus),
        ];
        let logits = (-8000..=8000).map(|tenth| f64::from(tenth) / 10.0);
        let numbers: Vec<f64> = logits.chain([0.0, 1e-310, -1e4, 1e4]).collect();
        for (tensors, in_f64) in pairs {
            let outputs = tensors(&Tensor::new(&*numbers, &Device::Cpu)?)?.to_vec1::<f64>()?;
            for (&input, got) in numbers.iter().zip(outputs) {
                let expected = in_f64(input);
                let is_close = (got - expected).abs() <= 1e-15 * expected.abs();
                assert!(is_close, "of {input:e}: {got:e} instead of {expected:e}");
            }
        }
        Ok(())
    }

    #[test]
    fn no_choice_swallows_a_nan() -> Result<()> {
        let nan = Tensor::new(&[f64::NAN], &Device::Cpu)?;
        let one = lit(&nan, 1.0)?;
        let mut results = vec![
            safe_div(&nan, &one)?,
            safe_div(&one, &nan)?,
            atan2(&nan, &one)?,
            atan2(&one, &nan)?,
        ];
        for &function in Unary::ALL {
            results.push(unary(function, &nan)?);
        }
        for (index, result) in results.iter().enumerate() {
            assert!(result.to_vec1::<f64>()?[0].is_nan(), "operation {index}");
        }
        Ok(())
    }

    /// A chain of a hundred operations on one input keeps the input and two results.
    #[test]
    fn results_are_dropped_after_their_last_use() -> Result<()> {
        let chain = (1..100).map(|place| Op::Binary(Binary::Add, 0, place - 1));
        let ops = [Op::Input(0)].into_iter().chain(chain).collect();
        let (result, most) = (Rc::new(()), Cell::new(0));
        let outputs = execute(Program { ops, outputs: vec![99, 0] }, |_, _| {
            most.set(most.get().max(Rc::strong_count(&result)));
            Ok(result.clone())
        })?;
        // The one here, the input, and the result before.
        assert_eq!((most.get(), outputs.len()), (3, 2));
        Ok(())
    }
}
