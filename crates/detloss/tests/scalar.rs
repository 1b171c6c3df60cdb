//! The numbers a formula is computed on: slopes of every operation, rules at ties and edges, and what a trace leaves out.

use detloss::batch::Kernel as _;
use detloss::losses::ALL;
use detloss::scalar::dual::{Dual, Gradient};
use detloss::scalar::expr::{Binary, Expr, Op, Program, Trace, Unary};
use detloss::scalar::{DIV_EPS, MAX_MAGNITUDE, Scalar, lit};
use detloss::testing::{Tolerance, assert_close};

type One = Dual<f64, 1>;
type Two = Dual<f64, 2>;

/// A function of one variable, on any of the scalars these tests need.
struct Formula {
    name: &'static str,
    on_f64: fn(f64) -> f64,
    on_dual: fn(One) -> One,
    at: &'static [f64],
}

macro_rules! unary {
    ($($name:literal: $x:ident => $body:expr, at $at:expr;)*) => {
        [$(Formula { name: $name, on_f64: |$x| $body, on_dual: |$x| $body, at: &$at }),*]
    };
}

#[test]
fn every_function_has_the_slope_of_its_value() {
    let functions = unary! {
        "abs": x => Scalar::abs(x), at [-2.0, 0.7];
        "square": x => x.square(), at [-2.0, 0.7];
        "relu": x => x.relu(), at [-1.0, 2.0];
        "clamp": x => Scalar::clamp(x, -1.0, 2.0), at [-3.0, 0.5, 4.0];
        "clamp_finite": x => x.clamp_finite(), at [-3.0, 0.5];
        "smooth_l1": x => x.smooth_l1(1.5), at [0.5, 3.0];
        "pow 0": x => x.pow(0.0), at [0.5, 3.0];
        "pow 1": x => x.pow(1.0), at [0.5, 3.0];
        "pow 2": x => x.pow(2.0), at [0.5, 3.0];
        "pow 4": x => x.pow(4.0), at [0.5, 3.0];
        "pow 2.5": x => x.pow(2.5), at [0.5, 3.0];
        "pow 0.5": x => x.pow(0.5), at [0.5, 3.0];
        "neg": x => -x, at [0.5];
        "literals": x => lit(3.0) - x * lit(0.5) + lit(2.0) * x - lit(1.0), at [0.5];
        "product": x => x * (x + lit(1.0)), at [1.5];
        "difference": x => x.square() - x, at [1.5];
        "mul_add": x => Scalar::mul_add(x, x, x.square()), at [1.5];
        "mul_add of literals": x => Scalar::mul_add(x, x.lit(3.0), x.lit(2.0)), at [1.5];
        "safe_div": x => x.safe_div(x.square() + lit(1.0)), at [1.5, -2.0];
        "safe_div by a literal": x => x.safe_div(x.lit(4.0)), at [1.5];
        "literal safe_div": x => x.lit(4.0).safe_div(x), at [1.5];
        "angle by y": x => Scalar::atan2(x, x.lit(2.0)), at [0.5, 3.0];
        "angle by x": x => Scalar::atan2(x.lit(2.0), x), at [0.5, 3.0];
        "angle by both": x => Scalar::atan2(x, x.square()), at [0.5, 3.0];
        "min": x => Scalar::min(x, x.lit(1.0)), at [0.5, 2.0];
        "max": x => Scalar::max(x.lit(1.0), x.square()), at [0.5, 2.0];
        "if_lt": x => Scalar::if_lt(x, x.lit(1.0), x.square(), x * lit(3.0)), at [0.5, 2.0];
    };
    for Formula { name, on_f64, on_dual, at } in functions {
        for &x in at {
            has_the_slope_of_its_value(name, on_f64, on_dual(One::variable(x, 0)), x);
        }
    }
}

/// Every function of one number, where all of them are defined, and below 0 where they are.
#[test]
fn every_function_of_one_number_has_the_slope_of_its_value() {
    for &function in Unary::ALL {
        let at_negative = [-4.0_f64, -0.7].into_iter().filter(|&x| function.of(x).is_finite());
        for x in [0.2, 0.5, 3.0].into_iter().chain(at_negative) {
            // The logarithm of what is not positive is a constant, whose slope nobody meets.
            if function != Unary::Ln || x > 0.0 {
                let dual = function.of(One::variable(x, 0));
                has_the_slope_of_its_value(function.name(), |x| function.of(x), dual, x);
            }
        }
    }
}

fn has_the_slope_of_its_value(name: &str, on_f64: impl Fn(f64) -> f64, dual: One, x: f64) {
    let h = 1e-4;
    let across = (8.0 * (on_f64(x + h) - on_f64(x - h)) - on_f64(x + 2.0 * h)
        + on_f64(x - 2.0 * h))
        / (12.0 * h);
    assert_eq!(dual.value(), on_f64(x), "{name} at {x}");
    assert_close(dual.partial(0), across, Tolerance::SLOPE, &format!("slope of {name} at {x}"));
}

#[test]
fn partials_belong_to_their_own_inputs() {
    let (x, y) = (Two::variable(3.0, 0), Two::variable(5.0, 1));
    let both = |number: Two| [number.partial(0), number.partial(1)];
    assert_eq!(both(x + y), [1.0, 1.0]);
    assert_eq!(both(x - y), [1.0, -1.0]);
    assert_eq!(both(x * y), [5.0, 3.0]);
    assert_eq!(both(x.safe_div(y)), [1.0 / 5.0, -(3.0 / 5.0) * (1.0 / 5.0)]);
    assert_eq!(both(Scalar::min(x, y)), [1.0, 0.0]);
    assert_eq!(both(Scalar::max(x, y)), [0.0, 1.0]);
    assert_eq!(both(Two::if_lt(y, x, x, y)), [0.0, 1.0]);
    assert_eq!(both(Two::constant(7.0) * x), [7.0, 0.0]);
    assert_eq!(both((x * y).detach() * x), [15.0, 0.0]);
}

#[test]
fn a_tie_splits_the_slope_half_and_half() {
    let (x, y) = (Two::variable(2.0, 0), Two::variable(2.0, 1));
    for tied in [Scalar::min(x, y), Scalar::max(x, y), Scalar::min(y, x), Scalar::max(y, x)] {
        assert_eq!([tied.value(), tied.partial(0), tied.partial(1)], [2.0, 0.5, 0.5]);
    }
    let (zero, two) = (One::variable(0.0, 0), One::variable(2.0, 0));
    assert_eq!(zero.relu().partial(0), 0.5);
    assert_eq!(Scalar::clamp(two, 0.0, 2.0).partial(0), 0.5);
    assert_eq!(Scalar::clamp(two, 2.0, 3.0).partial(0), 0.5);
}

#[test]
fn edges_are_what_the_table_says() {
    let at = |x: f64| One::variable(x, 0);
    assert_eq!(Scalar::abs(at(0.0)).partial(0), 0.0);
    assert_eq!(Scalar::sqrt(at(0.0)).partial(0), 0.0);
    for x in [0.0, 1.0] {
        let nothing = at(x).safe_div(at(x).lit(0.0));
        assert_eq!([nothing.value(), nothing.partial(0)], [0.0, 0.0], "{x}/0");
    }
    let by_zero = at(1.0).lit(1.0).safe_div(at(0.0));
    assert_eq!([by_zero.value(), by_zero.partial(0)], [0.0, 0.0]);
    assert_eq!(DIV_EPS.safe_div(DIV_EPS), 1.0);
    assert_eq!(1.0.safe_div(DIV_EPS * 0.99), 0.0);
    assert_eq!(
        [at(f64::MAX).clamp_finite().value(), at(f64::MAX).clamp_finite().partial(0)],
        [MAX_MAGNITUDE, 1.0]
    );
    assert_eq!(
        [at(-1e300).clamp_finite().value(), at(-1e300).clamp_finite().partial(0)],
        [-MAX_MAGNITUDE, 1.0]
    );
    for exponent in [0.5, 1.5, 2.0, 3.0] {
        assert_eq!(
            [at(0.0).pow(exponent).value(), at(0.0).pow(exponent).partial(0)],
            [0.0, 0.0],
            "0 to the {exponent}"
        );
    }
    assert_eq!(at(0.0).pow(1.0).partial(0), 1.0);
    assert_eq!(Scalar::exp(1e4_f64), f64::MAX);
    assert_eq!(Scalar::exp_m1(1e4_f32), f32::MAX);
    assert_eq!(Scalar::exp(1e4_f32), f32::MAX);
    assert_eq!(Scalar::exp(-1e4_f64), 0.0);
    assert_eq!(Scalar::exp(-100.0_f32), 0.0, "no subnormal number");
    assert_eq!(Scalar::ln(0.0_f32), Scalar::ln(f32::MIN_POSITIVE));
    assert_eq!(Scalar::atan2(0.0_f64, 0.0), 0.0);
    assert_eq!(Scalar::atan2(0.0_f64, -0.0), 0.0, "-0 is 0, also as a side of a box");
    assert_eq!(Scalar::atan2(at(0.0), at(0.0)).partial(0), 0.0);
}

#[test]
fn nan_is_not_swallowed() {
    let nan = f64::NAN;
    for got in [
        Scalar::min(nan, 1.0),
        Scalar::max(nan, 1.0),
        nan.relu(),
        Scalar::clamp(nan, 0.0, 1.0),
        nan.clamp_finite(),
    ] {
        assert!(got.is_nan());
    }
    for got in [nan.safe_div(1.0), 1.0.safe_div(nan)] {
        assert!(got.is_nan());
    }
    for &function in Unary::ALL {
        assert!(function.of(nan).is_nan(), "{}", function.name());
    }
}

// --------------------------------------------------------------------------------------------------------------- traces

/// The program of a formula over inputs 0 and 1.
fn program(formula: impl for<'t> Fn(Expr<'t>, Expr<'t>) -> Expr<'t>) -> Program {
    let trace = Trace::new();
    let result = formula(trace.input(0), trace.input(1));
    trace.program(&[result])
}

#[test]
fn what_is_computed_twice_is_computed_once() {
    assert_eq!(program(|x, y| (x + y) * (y + x)).ops.len(), 4, "two inputs, one sum, one product");
    assert_eq!(program(|x, y| (x * y) - (y * x)).ops.len(), 4);
    assert_eq!(program(|x, y| (x - y) * (y - x)).ops.len(), 5, "a difference has an order");
    assert_eq!(program(|x, y| Scalar::min(x, y) + Scalar::min(x, y)).ops.len(), 4);
}

#[test]
fn zeros_and_ones_are_folded() {
    for folded in [
        program(|x, _| x + lit(0.0)),
        program(|x, _| lit(0.0) + x),
        program(|x, _| x - lit(0.0)),
        program(|x, _| x * lit(1.0)),
        program(|x, _| lit(1.0) * x),
        program(|x, _| -(-x)),
        program(|x, y| Expr::if_lt(x, y, x, x)),
        program(|x, y| Scalar::mul_add(x, x.lit(1.0), y * lit(0.0))),
        program(|x, y| Scalar::mul_add(y, x.lit(0.0), x)),
    ] {
        assert_eq!(folded.ops, [Op::Input(0)], "{folded:?}");
    }
    for nothing in [
        program(|x, _| x * lit(0.0)),
        program(|x, _| lit(-0.0) * x),
        program(|x, y| x.lit(0.0).safe_div(y)),
    ] {
        assert!(matches!(nothing.ops[..], [Op::Const(zero)] if zero.get() == 0.0), "{nothing:?}");
    }
    assert!(matches!(
        program(|x, _| x * lit(-1.0)).ops[..],
        [Op::Input(0), Op::Unary(Unary::Neg, 0)]
    ));
    assert!(matches!(
        program(|x, _| lit(0.0) - x).ops[..],
        [Op::Input(0), Op::Unary(Unary::Neg, 0)]
    ));
}

#[test]
fn what_nothing_needs_is_left_out() {
    let kept = program(|x, y| {
        let _ = Scalar::exp(x * y);
        x + y
    });
    assert_eq!(kept.ops, [Op::Input(0), Op::Input(1), Op::Binary(Binary::Add, 0, 1)]);
    assert_eq!(kept.outputs, [2]);
}

#[test]
fn a_replay_does_every_operation() {
    let all = program(|x, y| {
        let sums = (x + y) * (x - y) + Scalar::mul_add(x, y, -x) + x.safe_div(y) + Scalar::recip(y);
        let choices = Expr::if_lt(x, y, Scalar::min(x, y), Scalar::max(x, y) + Scalar::abs(x))
            + x.clamp_finite();
        let roots = Scalar::sqrt(y)
            + Scalar::exp(x)
            + Scalar::ln(y)
            + Scalar::ln_1p(y)
            + Scalar::atan2(y, y + lit(1.0));
        sums + choices + roots + x.sigmoid() + y.softplus()
    });
    let direct = |x: f64, y: f64| {
        let sums = (x + y) * (x - y) + (x * y - x) + x / y + 1.0 / y;
        let choices = if x < y { x.min(y) } else { x.max(y) + x.abs() } + x;
        let roots = y.sqrt() + x.exp() + y.ln() + y.ln_1p() + y.atan2(y + 1.0);
        sums + choices + roots + 1.0 / (1.0 + (-x).exp()) + y.exp().ln_1p()
    };
    for (x, y) in [(-0.7, 1.3), (2.0, 0.4)] {
        assert_close(all.run(&[x, y])[0], direct(x, y), Tolerance::LAW, &format!("at {x}, {y}"));
    }
}

/// Every method leaves the operation of its name in the trace, and a replay does what the method does.
#[test]
fn a_function_is_traced_as_itself() {
    for &function in Unary::ALL {
        let program = program(|x, _| function.of(x));
        assert_eq!(program.ops, [Op::Input(0), Op::Unary(function, 0)]);
        assert_eq!(program.run(&[0.3_f64]), [function.of(0.3_f64)], "{}", function.name());
    }
    for &function in Binary::ALL {
        let program = program(|x, y| function.of(x, y));
        assert_eq!(program.ops, [Op::Input(0), Op::Input(1), Op::Binary(function, 0, 1)]);
        let direct = function.of(0.3_f64, 0.7);
        assert_eq!(program.run(&[0.3_f64, 0.7]), [direct], "{}", function.name());
    }
    let elementary = [Unary::Sin, Unary::Cos, Unary::ExpM1, Unary::Ln1p].map(|f| f.of(0.3_f64));
    assert_eq!(elementary, [0.3_f64.sin(), 0.3_f64.cos(), 0.3_f64.exp_m1(), 0.3_f64.ln_1p()]);
}

/// Of a derivative nothing remains that is known to be 0 or 1 times something.
#[test]
fn no_program_of_a_loss_multiplies_by_zero_or_one_or_repeats_itself() {
    for entry in ALL {
        for gradient in [false, true] {
            let Some(Program { ops, outputs }) = entry.make().trace(gradient) else { continue };
            let is = |index: usize, value: f64| matches!(ops[index], Op::Const(constant) if constant.get().abs() == value);
            for op in &ops {
                let idle = match *op {
                    Op::Binary(Binary::Mul, a, b) => {
                        [a, b].into_iter().any(|x| is(x, 0.0) || is(x, 1.0))
                    }
                    Op::MulAdd(a, b, c) => {
                        is(c, 0.0) || [a, b].into_iter().any(|x| is(x, 0.0) || is(x, 1.0))
                    }
                    Op::Binary(Binary::Add | Binary::Sub, a, b) => is(a, 0.0) || is(b, 0.0),
                    _ => false,
                };
                assert!(!idle, "{}: {op:?} does nothing", entry.name);
            }
            for (index, op) in ops.iter().enumerate() {
                assert!(!ops[..index].contains(op), "{}: {op:?} stands there twice", entry.name);
            }
            let reads_last = ops.len() - 1;
            assert!(
                outputs.contains(&reads_last),
                "{}: the last operation is a result",
                entry.name
            );
        }
    }
}
