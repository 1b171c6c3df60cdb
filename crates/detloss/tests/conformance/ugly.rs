//! The table of degenerate inputs: finite in, finite out; NaN stays in its row.

use detloss::Batch;
use detloss::batch::{Level, Target, Weights};
use detloss::loss::{Loss, RowLoss, Scope, SetLoss};
use detloss::losses;
use detloss::losses::{ALL, Entry, Visitor};
use detloss::operand::Operand;
use detloss::testing::{
    Random, Rows, Tolerance, assert_close, certain_target, nasty, perfect, scales, tested,
};

use crate::{at_level, bits, in_f64, mixed};

#[test]
fn finite_rows_have_finite_values_and_slopes() {
    for entry in tested() {
        let (loss, rows) = (entry.make(), nasty(entry));
        for level in Level::available() {
            let (values, grad) = at_level(&loss, &rows, level);
            for unit in 0..rows.len() {
                let slopes = &grad[unit * rows.width()..][..rows.width()];
                let finite =
                    values[unit].is_finite() && slopes.iter().all(|slope| slope.is_finite());
                let what = &rows.what[unit];
                assert!(
                    finite,
                    "{} at {level}, {what}: {} with slopes {slopes:?}",
                    entry.name, values[unit]
                );
            }
        }
        let (values, grad) = in_f64(&loss, &rows);
        for unit in 0..rows.len() {
            let slopes = &grad[unit * rows.width()..][..rows.width()];
            let finite = values[unit].is_finite() && slopes.iter().all(|slope| slope.is_finite());
            assert!(
                finite,
                "{} in f64, {}: {} with slopes {slopes:?}",
                entry.name, rows.what[unit], values[unit]
            );
        }
    }
}

/// The sum of a batch that is all ugly is finite too.
#[test]
fn a_batch_of_ugly_rows_has_a_finite_value() {
    for entry in tested() {
        let memory = nasty(entry).memory::<f32>();
        let (value, _) = memory.batch().value_and_grad(&entry.make()).unwrap();
        assert!(value.is_finite(), "{}: {value}", entry.name);
    }
}

#[test]
fn an_empty_batch_is_worth_nothing() {
    for entry in tested() {
        let loss = entry.make();
        let (pred, target): ([f32; 0], [f32; 0]) = ([], []);
        let batch = detloss::Batch::new(&pred, &target).columns(Rows::of(entry).columns);
        for batch in [batch, batch.weighted_mean(), batch.sum(), batch.normalizer(3.0)] {
            assert_eq!(batch.value_and_grad(&loss).unwrap(), (0.0, vec![]), "{}", entry.name);
            assert_eq!(batch.values(&loss).unwrap(), vec![], "{}", entry.name);
            assert_eq!(batch.root_and_grad_into(&loss, &mut []).unwrap(), 0.0, "{}", entry.name);
        }
    }
}

#[test]
fn a_batch_without_weight_is_worth_nothing() {
    for entry in tested() {
        let (loss, rows) = (entry.make(), mixed(entry, 37));
        let memory = rows.memory::<f32>();
        let weights = vec![0.0; rows.len() * rows.height.unwrap_or(1)];
        let batch = memory.batch().weights(Weights::Rows(&weights));
        for batch in [batch, batch.weighted_mean(), batch.sum()] {
            let (value, grad) = batch.value_and_grad(&loss).unwrap();
            assert_eq!(value, 0.0, "{}", entry.name);
            assert!(grad.iter().all(|&slope| slope == 0.0), "{}", entry.name);
        }
        let mut grad = vec![7.0; memory.pred.len()];
        assert_eq!(batch.root_and_grad_into(&loss, &mut grad).unwrap(), 0.0, "{}", entry.name);
        assert!(
            grad.iter().all(|&slope| slope == 0.0),
            "{}: the root has slope 0 at 0",
            entry.name
        );
    }
}

/// Puts `poison` in one number of one prediction and compares with the batch that has it not.
fn poison(entry: &'static Entry, poison: f64) {
    let (loss, rows) = (entry.make(), mixed(entry, 35));
    let spread = |values: &[f32], grad: &[f32], sick: usize, width: usize| {
        let healthy = |unit: &usize| *unit != sick;
        let values: Vec<f32> = (0..35).filter(healthy).map(|unit| values[unit]).collect();
        let grad: Vec<f32> = (0..35)
            .filter(healthy)
            .flat_map(|unit| grad[unit * width..][..width].to_vec())
            .collect();
        (bits(&values), bits(&grad))
    };
    for level in Level::available() {
        let clean = at_level(&loss, &rows, level);
        for (sick, field) in [(0, 0), (6, rows.width() - 1), (16, rows.width() / 2), (34, 0)] {
            let mut sick_rows = rows.clone();
            sick_rows.pred[sick * rows.width() + field] = poison;
            let (values, grad) = at_level(&loss, &sick_rows, level);
            let what =
                format!("{} at {level}, {poison} in field {field} of row {sick}", entry.name);
            assert_eq!(
                spread(&values, &grad, sick, rows.width()),
                spread(&clean.0, &clean.1, sick, rows.width()),
                "the other rows keep their bits: {what}"
            );
            if poison.is_nan() {
                assert!(values[sick].is_nan(), "{what}: its value is {}", values[sick]);
            }
        }
    }
}

#[test]
fn nan_in_a_prediction_gives_nan_in_its_row_alone() {
    for entry in tested() {
        poison(entry, f64::NAN);
    }
}

#[test]
fn infinity_in_a_prediction_stays_in_its_row() {
    for entry in tested() {
        poison(entry, f64::INFINITY);
        poison(entry, f64::NEG_INFINITY);
    }
}

/// Losses of rows whose target may be a class.
fn of_classes() -> impl Iterator<Item = &'static Entry> {
    ALL.iter().filter(|entry| {
        entry.signature.scope == Scope::Row && entry.signature.takes().class_indices
    })
}

/// Also where no class is asked for, or the one that is weighs nothing.
#[test]
fn nan_in_a_row_that_asks_for_nothing_gives_nan() {
    let logits = [0.5, f64::NAN, -1.0];
    for entry in of_classes() {
        let nothing = Batch::new(&logits, &[0.0; 3]).columns(3);
        let weightless = Batch::new(&logits, Target::Classes(&[0])).columns(3);
        for batch in [nothing, weightless.column_weights(&[0.0, 1.0, 1.0])] {
            let value = batch.value(&entry.make()).unwrap();
            assert!(value.is_nan(), "{}: {value}", entry.name);
        }
    }
}

/// One over the frequency of a class that is absent is such a weight.
#[test]
fn a_class_that_nobody_asks_for_may_weigh_infinity() {
    let (logits, weights) = ([0.5, 0.25, -1.0], [1.0, 2.0, f64::INFINITY]);
    for entry in of_classes() {
        let targets = [Target::Classes(&[1]), Target::Dense(&[0.0, 1.0, 0.0])];
        for target in targets {
            let batch = Batch::new(&logits, target).columns(3).column_weights(&weights);
            let (value, slopes) = batch.value_and_grad(&entry.make()).unwrap();
            let all_are_finite = value.is_finite() && slopes.iter().all(|slope| slope.is_finite());
            assert!(all_are_finite, "{}: {value}, {slopes:?}", entry.name);
        }
    }
}

/// It costs infinitely much, and pulls as one does that is as unlikely as can be.
#[test]
fn a_class_that_is_excluded_and_asked_for_has_slopes() {
    let logits = [0.5, f64::NEG_INFINITY, 0.5];
    for entry in of_classes() {
        let targets = [Target::Classes(&[1]), Target::Dense(&[0.0, 1.0, 0.0])];
        for target in targets {
            let batch = Batch::new(&logits, target).columns(3).sum();
            let (value, slopes) = batch.value_and_grad(&entry.make()).unwrap();
            assert_eq!(value, f64::INFINITY, "{}", entry.name);
            assert_eq!(slopes, [0.5, -1.0, 0.5], "{}", entry.name);
        }
    }
}

#[test]
fn nan_in_any_field_gives_nan_in_f64_too() {
    for entry in tested() {
        let rows = mixed(entry, 30);
        let healthy = in_f64(&entry.make(), &rows);
        for index in 0..rows.pred.len() {
            let mut sick = rows.clone();
            sick.pred[index] = f64::NAN;
            let (values, grad) = in_f64(&entry.make(), &sick);
            let unit = index / rows.width();
            // What a loss does not read, such as the box of a negative, is nothing to it.
            let slopes = unit * rows.width()..(unit + 1) * rows.width();
            let is_read =
                values[unit] != healthy.0[unit] || grad[slopes.clone()] != healthy.1[slopes];
            assert!(
                values[unit].is_nan() || !is_read && entry.signature.scope == Scope::Set,
                "{}, field {}: {}",
                entry.name,
                index % rows.width(),
                rows.what[unit]
            );
        }
    }
}

/// Predictions that are what their targets ask for, at all [`scales`].
struct Perfect<'a>(&'a mut dyn FnMut(&'static Entry, &Rows));

impl Perfect<'_> {
    fn show(&mut self, name: &str, element: impl Fn(&[f64]) -> Vec<f64>) {
        let entry = losses::find(name).unwrap();
        let mut rows = Rows::of(entry);
        let mut random = Random::new(17);
        for power in scales(entry) {
            for _ in 0..20 {
                let target = certain_target(entry, 10_f64.powi(power), &mut random);
                let pred = perfect(entry, &target, &element);
                rows.push(format!("perfect, at scale 1e{power}"), &pred, &target);
            }
        }
        self.0(entry, &rows);
    }
}

impl Visitor for Perfect<'_> {
    fn formula<L: Loss>(&mut self) {
        let fields = L::Pred::KIND.fields().len();
        // The target knows, unless the prediction has fields of its own.
        self.show(L::NAME, |target| {
            Some(L::Target::perfect(target))
                .filter(|p| p.len() == fields)
                .unwrap_or_else(|| L::Pred::perfect(target))
        });
    }

    fn row<L: RowLoss>(&mut self) {
        self.show(L::NAME, |_| unreachable!("a row is no element"));
    }

    fn set<L: SetLoss>(&mut self) {
        self.show(L::NAME, |_| unreachable!("a set is no element"));
    }
}

#[test]
fn a_perfect_prediction_costs_exactly_nothing_where_the_facts_say_so_and_nowhere_else() {
    losses::visit(&mut Perfect(&mut |entry, rows| {
        let loss = entry.make();
        let (values, grad) = in_f64(&loss, rows);
        let mut all_zero = values.iter().chain(&grad).all(|&x| x == 0.0);
        for level in Level::available() {
            let (values, grad) = at_level(&loss, rows, level);
            if entry.facts.zero_at_target {
                for (index, slope) in grad.iter().enumerate() {
                    let (unit, zero) = (index / rows.width(), Tolerance::EXACT);
                    let what = format!(
                        "{} at {level}, {}: {:?}",
                        entry.name,
                        rows.what[unit],
                        rows.target_of(unit)
                    );
                    assert_close(values[unit].into(), 0.0, zero, &what);
                    assert_close((*slope).into(), 0.0, zero, &format!("slope of {what}"));
                }
            }
            all_zero &= values.iter().chain(&grad).all(|&x| x == 0.0);
        }
        assert_eq!(all_zero, entry.facts.zero_at_target, "{}: zero_at_target", entry.name);
    }));
}
