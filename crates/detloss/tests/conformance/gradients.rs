//! The gradient is the slope of the value.

use std::cell::{Cell, RefCell};
use std::ops::{Add, Mul, Neg, Sub};

use detloss::batch::{Kernel, RunningMean};
use detloss::loss::modifiers::Modifiers;
use detloss::loss::{Described, Loss, RowLoss, Scope, SetLoss};
use detloss::losses;
use detloss::losses::{AnyLoss, Entry, Visitor};
use detloss::operand::Operand;
use detloss::scalar::{Lit, Scalar};
use detloss::testing::{Rows, Tolerance, assert_close, modified, ordinary, tested, tied};

use crate::in_f64;
use crate::params::settings;

/// What a formula detached, in the order it did.
#[derive(Default)]
struct Tape {
    frozen: RefCell<Vec<f64>>,
    next: Cell<usize>,
    replay: Cell<bool>,
}

/// A number whose detached values can be frozen.
///
/// A loss that detaches part of itself has a gradient that is not the slope of its value. It is the slope of the value with
/// that part constant; so it is constant here: recorded once, at the point in question, and handed out again at the points
/// around it.
#[derive(Clone, Copy)]
struct Probe<'t>(f64, &'t Tape);

macro_rules! probe_operators {
    ($($op:ident $method:ident),*) => {$(
        impl $op for Probe<'_> {
            type Output = Self;
            fn $method(self, right: Self) -> Self {
                Self($op::$method(self.0, right.0), self.1)
            }
        }

        impl $op<Lit> for Probe<'_> {
            type Output = Self;
            fn $method(self, right: Lit) -> Self {
                Self($op::$method(self.0, right.0), self.1)
            }
        }
    )*};
}
probe_operators!(Add add, Sub sub, Mul mul);

impl Neg for Probe<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0, self.1)
    }
}

macro_rules! probe_functions {
    ($($method:ident($($other:ident),*)),* $(,)?) => {$(
        fn $method(self $(, $other: Self)*) -> Self {
            Self(Scalar::$method(self.0 $(, $other.0)*), self.1)
        }
    )*};
}

macro_rules! elementary_probes {
    ($($(#[doc = $doc:literal])+ $name:ident $variant:ident, |$x:ident| $value:expr, |$at:pat_param, $y:pat_param| $slope:expr;)+) => {
        probe_functions! { $($name(),)+ }
    };
}

impl Scalar for Probe<'_> {
    fn lit(self, value: f64) -> Self {
        Self(value, self.1)
    }

    fn if_lt(a: Self, b: Self, then: Self, otherwise: Self) -> Self {
        if a.0 < b.0 { then } else { otherwise }
    }

    fn detach(self) -> Self {
        let Tape { frozen, next, replay } = self.1;
        if replay.get() {
            let index = next.replace(next.get() + 1);
            Self(frozen.borrow()[index], self.1)
        } else {
            frozen.borrow_mut().push(self.0);
            self
        }
    }

    probe_functions! {
        mul_add(factor, addend), safe_div(denominator), recip(), min(other), max(other), abs(), clamp_finite(), atan2(x),
    }

    detloss::elementary_functions!(elementary_probes);
}

/// The value of a loss near one point, with its detached parts as they are at that point.
type Near<'a> = dyn Fn(&[f64]) -> f64 + 'a;

fn near_formula<L: Loss>(
    (loss, modifiers): (&L, &Modifiers),
    pred: &[f64],
    target: &[f64],
    check: &mut dyn FnMut(&Near<'_>),
) {
    let tape = Tape::default();
    let value = |pred: &[f64]| {
        tape.next.set(0);
        loss.eval_modified(
            L::Pred::of(|k| Probe(pred[k], &tape)),
            L::Target::of(|k| Probe(target[k], &tape)),
            modifiers,
            Probe(RunningMean::FIRST, &tape),
        )
        .0
    };
    let _ = value(pred);
    tape.replay.set(true);
    check(&value);
}

/// A row of logits and a set detach nothing.
fn near_row(loss: &dyn Kernel, rows: &Rows, unit: usize, check: &mut dyn FnMut(&Near<'_>)) {
    check(&|pred| {
        let moved = Rows { pred: pred.to_vec(), ..rows.only(unit) };
        moved.memory::<f64>().batch().sum().value(loss).unwrap()
    });
}

/// Slopes at one point along one field.
#[derive(Clone, Copy)]
struct Slopes {
    /// Whether it is an angle, and there is a kink along another field as well.
    is_compound: bool,
    /// To the left, to the right, and across.
    left: f64,
    right: f64,
    across: f64,
    /// Whether the left and the right one can be trusted.
    one_sided: bool,
    /// Whether there is neither kink nor step here or nearby.
    smooth: bool,
}

impl Slopes {
    fn is_kink(&self) -> bool {
        self.one_sided && (self.left - self.right).abs() > 1e-6
    }
}

fn slopes(value: &Near<'_>, pred: &[f64], field: usize) -> Slopes {
    let at = |offset: f64| {
        let mut moved = pred.to_vec();
        moved[field] += offset;
        value(&moved)
    };
    let across = |h: f64| (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
    // Of third order, so that the two sides of a smooth point agree.
    let side = |h: f64| {
        (-11.0 * at(0.0) + 18.0 * at(h) - 9.0 * at(2.0 * h) + 2.0 * at(3.0 * h)) / (6.0 * h)
    };
    let (coarse, fine) = (across(2e-3), across(1e-3));
    let (left, right) = (side(-2e-4), side(2e-4));
    let close = |a: f64, b: f64, limit: f64| (a - b).abs() <= limit * (1.0 + b.abs());
    let one_sided = close(left, side(-1e-4), 1e-6) && close(right, side(1e-4), 1e-6);
    let smooth = one_sided
        && close(coarse, fine, 1e-7)
        && close(left, right, 1e-6)
        && close(left, fine, 1e-6);
    Slopes { is_compound: false, left, right, across: fine, one_sided, smooth }
}

/// Compares every slope of some rows with the gradient.
struct Check<'a> {
    rows: fn(&Entry) -> Rows,
    compare: &'a mut dyn FnMut(&Slopes, f64, &str) -> bool,
}

impl Check<'_> {
    /// Kernels are those of the library: asked for by its type, each would be compiled once more.
    fn all<L: Described>(
        &mut self,
        near: impl Fn((&L, &AnyLoss), &Rows, usize, &mut dyn FnMut(&Near<'_>)),
    ) {
        let entry = losses::find(L::NAME).unwrap();
        let (rows, names) = ((self.rows)(entry), entry.signature.pred.fields());
        let plain = settings(entry).into_iter().map(|params| entry.with(&params).unwrap());
        for any in plain.chain(modified(entry)) {
            if entry.signature.scope == Scope::Set && !any.has_exact_gradient() {
                continue;
            }
            let mut loss = L::default();
            for (param, &value) in entry.params.iter().zip(any.params()) {
                loss.set(param.name, value).unwrap();
            }
            let (_, grad) = in_f64(&any, &rows);
            let (mut compared, width) = (0, rows.width());
            for unit in 0..rows.len() {
                near((&loss, &any), &rows, unit, &mut |value| {
                    let along: Vec<Slopes> =
                        (0..width).map(|field| slopes(value, rows.pred_of(unit), field)).collect();
                    for field in 0..width {
                        let is_kinked_elsewhere =
                            || (0..width).any(|other| other != field && along[other].is_kink());
                        let is_angle = ["angle", "yaw"].contains(&names[field % names.len()]);
                        let slopes = Slopes {
                            is_compound: is_angle && is_kinked_elsewhere(),
                            ..along[field]
                        };
                        let what = format!(
                            "{any}, slope by field {field} at {:?} against {:?}",
                            rows.pred_of(unit),
                            rows.target_of(unit)
                        );
                        compared +=
                            usize::from((self.compare)(&slopes, grad[unit * width + field], &what));
                    }
                });
            }
            let part = compared as f64 / grad.len() as f64;
            // The root of a penalty that vanishes has no slope to compare with.
            let at_least = if any.modifiers().is_empty() { 0.8 } else { 0.7 };
            assert!(part >= at_least, "{any}: only {part} of the slopes could be compared");
        }
    }
}

impl Visitor for Check<'_> {
    fn formula<L: Loss>(&mut self) {
        self.all::<L>(|(loss, any), rows, unit, check| {
            let (pred, target) = (rows.pred_of(unit), rows.target_of(unit));
            near_formula((loss, any.modifiers()), pred, target, check)
        });
    }

    fn row<L: RowLoss>(&mut self) {
        self.all::<L>(|(_, any), rows, unit, check| near_row(any, rows, unit, check));
    }

    fn set<L: SetLoss>(&mut self) {
        self.all::<L>(|(_, any), rows, unit, check| near_row(any, rows, unit, check));
    }
}

#[test]
fn away_from_kinks_the_gradient_is_the_slope() {
    losses::visit(&mut Check {
        rows: |entry| ordinary(entry, 60, 11),
        compare: &mut |slopes, grad, what| {
            if slopes.smooth {
                assert_close(grad, slopes.across, Tolerance::SLOPE, &what);
            }
            slopes.smooth
        },
    });
}

#[test]
fn at_a_tie_the_gradient_is_the_mean_of_both_sides() {
    losses::visit(&mut Check {
        rows: tied,
        compare: &mut |slopes, grad, what| {
            // Where edges meet, sides are parallel: by the angle three lengths may tie, and pairs of halves make no mean.
            if slopes.one_sided && !slopes.is_compound {
                assert_close(grad, (slopes.left + slopes.right) / 2.0, Tolerance::TIE, &what);
            }
            slopes.one_sided
        },
    });
}

/// A loss of whole batches whose gradient is not the slope says so, and one that says so has such a gradient.
#[test]
fn a_gradient_that_is_not_the_slope_is_somewhere_else() {
    for entry in tested().iter().filter(|entry| entry.signature.scope == Scope::Set) {
        let (loss, rows) = (entry.make(), ordinary(entry, 60, 11));
        let (_, grad) = in_f64(&loss, &rows);
        let differs = (0..rows.len()).any(|unit| {
            let mut found = false;
            near_row(&loss, &rows, unit, &mut |value| {
                found = (0..rows.width()).any(|field| {
                    let slopes = slopes(value, rows.pred_of(unit), field);
                    let slope = grad[unit * rows.width() + field];
                    slopes.smooth && !Tolerance::SLOPE.holds(slope, slopes.across)
                });
            });
            found
        });
        assert_eq!(
            !differs,
            loss.has_exact_gradient(),
            "{}: the gradient is the slope",
            entry.name
        );
    }
}
