//! What a loss of rows leaves behind for tensors, computed on whole columns, is what its kernel computes row by row.

use detloss::Batch;
use detloss::batch::{Kernel as _, Target};
use detloss::loss::ParamKind;
use detloss::losses::AnyLoss;
use detloss::scalar::Scalar;
use detloss::scalar::expr::{Op, Program};
use detloss::testing::{FrontEnd, Random, Request, Response, Tolerance, check, tested};

pub(crate) const CLOSE: Tolerance = Tolerance { absolute: 1e-12, relative: 1e-12 };

/// The columns of a row, or of several one after the other; what they have one of is written out.
type Columns = Vec<f64>;

/// The outputs of a program for rows of so many columns.
pub(crate) fn follow(program: &Program, inputs: &[Columns], columns: usize) -> Vec<Columns> {
    let count = inputs[0].len();
    let mut done: Vec<Columns> = Vec::new();
    for op in &program.ops {
        let each = |of: &dyn Fn(usize) -> f64| (0..count).map(of).collect();
        let v = &done;
        let row = |a: usize, k: usize| v[a][k / columns * columns..][..columns].iter().copied();
        let column = |a: usize, k: usize| v[a].iter().skip(k % columns).step_by(columns).copied();
        let result = match *op {
            Op::Input(index) => inputs[index].clone(),
            Op::Const(value) => vec![value.get(); count],
            Op::Unary(function, a) => each(&|k| function.of(v[a][k])),
            Op::Binary(function, a, b) => each(&|k| function.of(v[a][k], v[b][k])),
            Op::MulAdd(a, b, c) => each(&|k| v[a][k] * v[b][k] + v[c][k]),
            Op::IfLt(a, b, c, d) => each(&|k| f64::if_lt(v[a][k], v[b][k], v[c][k], v[d][k])),
            Op::RowSum(a) => each(&|k| row(a, k).sum()),
            Op::RowMax(a) => each(&|k| row(a, k).fold(f64::NEG_INFINITY, f64::max)),
            Op::ColumnSum(a) => each(&|k| column(a, k).sum()),
            Op::ColumnMax(a) => each(&|k| column(a, k).fold(f64::NEG_INFINITY, f64::max)),
            other => panic!("teach this test the operation {}", other.name()),
        };
        done.push(result);
    }
    program.outputs.iter().map(|&output| done[output].clone()).collect()
}

/// The value of a row and its slopes; None if the loss leaves nothing behind.
fn traced(
    loss: &AnyLoss,
    logits: &[f64],
    target: &[f64],
    weights: Option<&[f64]>,
) -> Option<(f64, Columns)> {
    let columns = logits.len();
    let trace = |gradient| loss.trace_row(columns, weights.is_some(), gradient);
    // A number for the row meets every column.
    let target = if target.len() == columns { target.to_vec() } else { vec![target[0]; columns] };
    let numbers = (0..columns).map(|column| column as f64).collect();
    let mut inputs = vec![logits.to_vec(), target, numbers];
    inputs.extend(weights.map(<[f64]>::to_vec));
    let outputs = follow(&trace(true)?, &inputs, columns);
    let alone = follow(&trace(false)?, &inputs, columns);
    let [value, slopes] = outputs.try_into().expect("a value and its slopes");
    assert_eq!(alone.len(), 1, "a value alone");
    assert!(alone[0][0].to_bits() == value[0].to_bits(), "the same with and without a gradient");
    Some((value[0], slopes))
}

struct OnColumns;

impl FrontEnd for OnColumns {
    fn run(&self, request: &Request<'_>) -> Option<Response> {
        let Request { entry, params, pred, target, .. } = request;
        let loss = entry.with(params).unwrap();
        let rows = pred.dims[0];
        let width = |numbers: &[f64]| numbers.len() / rows;
        let mut response = Response::default();
        let targets = target.numbers.chunks(width(&target.numbers));
        for (logits, target) in pred.numbers.chunks(width(&pred.numbers)).zip(targets) {
            let (value, slopes) = traced(&loss, logits, target, None)?;
            response.values.push(value);
            response.grad.extend(slopes);
        }
        Some(response)
    }
}

/// All that leave something behind, at parameters of every kind.
pub(crate) fn losses(is_traced: impl Fn(&AnyLoss) -> bool) -> Vec<AnyLoss> {
    let mut random = Random::new(5);
    let traceable = tested().iter().filter(|entry| is_traced(&entry.make()));
    let mut losses = Vec::new();
    for entry in traceable {
        losses.push(entry.make());
        for _ in 0..4 {
            let params = entry.params.iter().map(|param| {
                let (low, high) = param.range;
                let value = match param.kind {
                    ParamKind::Real => random.between(low, high.min(low + 4.0)),
                    ParamKind::Count => random.between(low, high.min(low + 4.0)).round(),
                    ParamKind::Switch => random.below(2) as f64,
                };
                (param.name, value)
            });
            losses.push(entry.with(&params.collect::<Vec<_>>()).unwrap());
        }
    }
    losses
}

fn is_traced(loss: &AnyLoss) -> bool {
    loss.trace_row(2, false, false).is_some()
}

#[test]
fn columns_agree_with_the_kernel() {
    let count = tested().iter().filter(|entry| is_traced(&entry.make())).count();
    assert_eq!(check(&OnColumns, CLOSE), count);
}

/// The same number, or close to it; infinity and NaN as they are.
pub(crate) fn assert_same(got: f64, expected: f64, what: &str) {
    let is_same = got.is_nan() && expected.is_nan() || CLOSE.holds(got, expected);
    assert!(is_same, "{what}: {got:e} instead of {expected:e}");
}

fn compare(loss: &AnyLoss, logits: &[f64], target: &[f64], weights: Option<&[f64]>) {
    let columns = logits.len();
    let what = format!("{loss}, {logits:?} against {target:?}, weights {weights:?}");
    let mut batch = Batch::new(logits, target).columns(columns);
    if let Some(weights) = weights {
        batch = batch.column_weights(weights);
    }
    let (value, slopes) = batch.value_and_grad(loss).unwrap();
    let (got, got_slopes) = traced(loss, logits, target, weights).unwrap();
    assert_same(got, value, &what);
    for (&got, &slope) in got_slopes.iter().zip(&slopes) {
        assert_same(got, slope, &format!("a slope of {what}"));
    }
}

/// Rows whose logits say little, much, and more than a number holds.
fn rows_of_logits(columns: usize, random: &mut Random) -> Vec<Columns> {
    let mut rows = Vec::new();
    for scale in [0.1, 3.0, 40.0, 1e4] {
        rows.push((0..columns).map(|_| random.between(-scale, scale)).collect());
    }
    rows.push(vec![2.0; columns]);
    let mut sure = vec![-60.0; columns];
    sure[0] = 60.0;
    rows.push(sure);
    rows
}

#[test]
fn columns_agree_with_the_kernel_on_rows_of_every_length() {
    let mut random = Random::new(9);
    let mut count = 0;
    for loss in losses(is_traced) {
        let takes = loss.signature().takes();
        for columns in [1, 2, 5, 37] {
            let weights: Columns = (0..columns).map(|_| random.between(0.0, 2.0)).collect();
            for logits in rows_of_logits(columns, &mut random) {
                for target in targets(&loss, columns, &mut random) {
                    compare(&loss, &logits, &target, None);
                    if takes.column_weights {
                        compare(&loss, &logits, &target, Some(&weights));
                    }
                    count += 1;
                }
            }
        }
    }
    assert!(count > 0);
}

/// Targets of a row: of every kind some that ask for one thing, and some that ask for a little of everything.
fn targets(loss: &AnyLoss, columns: usize, random: &mut Random) -> Vec<Columns> {
    let kind = loss.signature().target;
    if kind.width(columns) == 1 && columns > 1 {
        let last = (columns - 1) as f64;
        return [-1.0, 0.0, 0.25, last - 0.5, last, last + 7.0].map(|place| vec![place]).to_vec();
    }
    let mut one_hot = vec![0.0; columns];
    one_hot[columns / 2] = 1.0;
    let soft: Columns = (0..columns).map(|_| random.between(0.0, 1.0)).collect();
    let mut targets = vec![one_hot, soft, vec![0.0; columns]];
    if kind.can_be_left_out() {
        let some = (0..columns).map(|column| if column % 2 == 0 { -1.0 } else { 1.0 });
        targets.extend([some.collect(), vec![-1.0; columns]]);
    }
    targets
}

/// The loss of a row of this class, which is 1 in its column.
fn compare_class(loss: &AnyLoss, logits: &[f64], class: usize, weights: &[f64]) {
    let (columns, classes) = (logits.len(), [class as i64]);
    let batch = Batch::new(logits, Target::Classes(&classes)).columns(columns);
    let (value, slopes) = batch.column_weights(weights).value_and_grad(loss).unwrap();
    let mut target = vec![0.0; columns];
    target[class] = 1.0;
    let (got, got_slopes) = traced(loss, logits, &target, Some(weights)).unwrap();
    let what = format!("{loss}, {logits:?}, class {class}");
    assert_same(got, value, &what);
    for (&got, &slope) in got_slopes.iter().zip(&slopes) {
        // A sure row has slopes far below 1, and they are right.
        let close = Tolerance { absolute: 1e-300, relative: 1e-11 };
        let is_tiny = slope.abs() < 1e-20;
        let is_same = got.is_nan() && slope.is_nan()
            || if is_tiny { close.holds(got, slope) } else { CLOSE.holds(got, slope) };
        assert!(is_same, "a slope of {what}: {got:e} instead of {slope:e}");
    }
}

/// Unless all classes are asked for, by smoothing.
#[test]
fn a_class_that_nobody_asks_for_may_weigh_infinity() {
    for loss in tested().iter().map(|entry| entry.make()).filter(is_traced) {
        if loss.signature().takes().class_indices {
            compare_class(&loss, &[0.5, 0.25, -1.0], 1, &[f64::INFINITY, 0.5, 2.0]);
        }
    }
}

#[test]
fn classes_agree_with_the_kernel() {
    let mut random = Random::new(11);
    for loss in losses(is_traced).iter().filter(|loss| loss.signature().takes().class_indices) {
        for columns in [1, 3, 20] {
            let weights: Columns = (0..columns).map(|_| random.between(0.0, 2.0)).collect();
            for logits in rows_of_logits(columns, &mut random) {
                for class in [0, columns / 2, columns - 1] {
                    compare_class(loss, &logits, class, &weights);
                }
            }
        }
    }
}

/// A logit of −∞ excludes a class that nobody asks for, and NaN comes out again, also of a row that asks for nothing.
#[test]
fn what_is_not_finite_is_what_it_is_for_the_kernel() {
    for loss in losses(is_traced) {
        let (kind, takes) = (loss.signature().target, loss.signature().takes());
        let targets = match kind.width(3) {
            1 => vec![vec![1.5]],
            _ if kind.can_be_left_out() => vec![vec![-1.0, 1.0, 0.0]],
            _ => vec![vec![0.0, 1.0, 0.0], vec![0.0; 3]],
        };
        for bad in [f64::NEG_INFINITY, f64::INFINITY, f64::NAN] {
            for place in 0..3 {
                let mut logits = vec![0.5, -1.0, 2.0];
                logits[place] = bad;
                for target in &targets {
                    compare(&loss, &logits, target, None);
                    if takes.column_weights {
                        compare(&loss, &logits, target, Some(&[1.0, 0.0, 2.0]));
                    }
                }
                if takes.class_indices {
                    compare_class(&loss, &logits, 1, &[1.0, 0.0, 2.0]);
                }
            }
        }
    }
}
