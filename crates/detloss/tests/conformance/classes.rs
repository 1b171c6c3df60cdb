//! Class indices are labels that nobody has to write out.

use detloss::batch::{Target, Weights};
use detloss::losses::Entry;
use detloss::testing::{Random, Tolerance, assert_close, tested};
use detloss::{Batch, Error};

use crate::of_units;

const COLUMNS: usize = 7;
const ROWS: usize = 211;

fn with_labels() -> impl Iterator<Item = &'static Entry> {
    of_units().filter(|entry| entry.signature.target.is_label())
}

fn logits() -> Vec<f32> {
    let mut random = Random::new(47);
    (0..ROWS * COLUMNS).map(|_| random.between(-6.0, 6.0) as f32).collect()
}

/// Every class and, where a row may be background, the index behind the last.
fn classes(background: bool) -> Vec<i64> {
    let columns = COLUMNS as i64 + i64::from(background);
    (0..ROWS as i64).map(|row| row * 5 % columns).collect()
}

fn one_hot(classes: &[i64]) -> Vec<f32> {
    classes
        .iter()
        .flat_map(|&class| {
            (0..COLUMNS as i64).map(move |column| f32::from(u8::from(class == column)))
        })
        .collect()
}

/// The same numbers: bit for bit where a class index is written out, closely where a row has a shorter way for one class.
fn assert_same(indices: Batch<'_, f32>, written: Batch<'_, f32>, entry: &Entry, what: &str) {
    let loss = entry.make();
    let all = |batch: Batch<'_, f32>| {
        let (value, grad) = batch.value_and_grad(&loss).unwrap();
        let rows = batch.values(&loss).unwrap();
        let rest = rows.into_iter().chain(grad).map(f64::from);
        std::iter::once(value).chain(rest).collect::<Vec<_>>()
    };
    let tolerance = if entry.signature.pred.is_row() { Tolerance::F32 } else { Tolerance::EXACT };
    let (indices, written) = (all(indices), all(written));
    assert_eq!(indices.len(), written.len(), "{}", entry.name);
    for (index, (&got, &expected)) in indices.iter().zip(&written).enumerate() {
        assert_close(got, expected, tolerance, &format!("{}, {what}, number {index}", entry.name));
    }
}

#[test]
fn class_indices_are_one_hot_targets() {
    assert!(with_labels().count() > 0 || tested().len() == 1);
    for entry in with_labels() {
        let (logits, classes) = (logits(), classes(!entry.signature.pred.is_row()));
        let dense = one_hot(&classes);
        let by_column: Vec<f32> = (0..COLUMNS).map(|column| 0.5 + column as f32).collect();
        let by_row: Vec<f32> = (0..ROWS).map(|row| (row % 4) as f32).collect();
        let indices = Batch::new(&logits, Target::Classes(&classes)).columns(COLUMNS);
        let written = Batch::new(&logits, &dense).columns(COLUMNS);
        assert_same(indices, written, entry, "no weights");
        let (indices, written) =
            (indices.weights(Weights::Rows(&by_row)), written.weights(Weights::Rows(&by_row)));
        assert_same(indices.weighted_mean(), written.weighted_mean(), entry, "per row");
        let (indices, written) =
            (indices.column_weights(&by_column), written.column_weights(&by_column));
        assert_same(indices, written, entry, "per column");
    }
}

/// A whole row counts as much as its class does; torch divides the cross entropy by the same sum.
#[test]
fn the_weighted_mean_of_rows_divides_by_the_weights_of_their_classes() {
    for entry in with_labels().filter(|entry| entry.signature.pred.is_row()) {
        let (loss, logits, classes) = (entry.make(), logits(), classes(false));
        let by_column: Vec<f32> = (0..COLUMNS).map(|column| 0.5 + column as f32).collect();
        let batch = Batch::new(&logits, Target::Classes(&classes))
            .columns(COLUMNS)
            .column_weights(&by_column);
        let divisor: f64 = classes.iter().map(|&class| f64::from(by_column[class as usize])).sum();
        let expected = batch.sum().value(&loss).unwrap() / divisor;
        assert_close(
            batch.weighted_mean().value(&loss).unwrap(),
            expected,
            Tolerance::LAW,
            &entry.name,
        );
    }
}

#[test]
fn an_ignored_row_is_a_row_of_weight_zero() {
    for entry in with_labels() {
        let (loss, logits) = (entry.make(), logits());
        let mut classes = classes(!entry.signature.pred.is_row());
        for row in (0..ROWS).step_by(3) {
            classes[row] = 255;
        }
        let weights: Vec<f32> =
            classes.iter().map(|&class| f32::from(u8::from(class != 255))).collect();
        let known: Vec<i64> =
            classes.iter().map(|&class| if class == 255 { 0 } else { class }).collect();
        let ignoring =
            Batch::new(&logits, Target::Classes(&classes)).columns(COLUMNS).ignore_index(255);
        let weighted = Batch::new(&logits, Target::Classes(&known))
            .columns(COLUMNS)
            .weights(Weights::Rows(&weights));
        // Not by bits: a slope of either sign times 0 is a 0 of either sign.
        let same = |ignoring: Batch<'_, f32>, weighted: Batch<'_, f32>| {
            assert_eq!(
                ignoring.value_and_grad(&loss),
                weighted.value_and_grad(&loss),
                "{}",
                entry.name
            );
            assert_eq!(ignoring.values(&loss), weighted.values(&loss), "{}", entry.name);
        };
        same(ignoring, weighted);
        same(ignoring.weighted_mean(), weighted.weighted_mean());
        let none = vec![255; ROWS];
        let all_ignored =
            Batch::new(&logits, Target::Classes(&none)).columns(COLUMNS).ignore_index(255);
        let (value, grad) = all_ignored.weighted_mean().value_and_grad(&loss).unwrap();
        assert_eq!(value, 0.0, "{}: a batch of ignored rows", entry.name);
        assert!(grad.iter().all(|&slope| slope == 0.0), "{}: a batch of ignored rows", entry.name);
    }
}

/// Value, gradient and rows are those of the same batch with zeros in the ignored rows, which are 0 themselves.
#[test]
fn an_ignored_row_may_hold_anything() {
    for entry in with_labels() {
        for (ignored, bad) in [(255, f32::NAN), (2, f32::INFINITY), (0, f32::NEG_INFINITY)] {
            let (loss, mut zeros) = (entry.make(), logits());
            let mut classes = classes(!entry.signature.pred.is_row());
            for row in (0..ROWS).step_by(3) {
                classes[row] = ignored;
            }
            let is_ignored = |number: usize| classes[number / COLUMNS] == ignored;
            let mut odd = zeros.clone();
            for number in (0..zeros.len()).filter(|&number| is_ignored(number)) {
                (zeros[number], odd[number]) = (0.0, bad);
            }
            let batch = |logits| {
                let target = Target::Classes(&classes);
                Batch::new(logits, target).columns(COLUMNS).ignore_index(ignored)
            };
            let name = format!("{}: {bad} in rows of class {ignored}", entry.name);
            assert_eq!(
                batch(&odd).value_and_grad(&loss),
                batch(&zeros).value_and_grad(&loss),
                "{name}"
            );
            assert_eq!(batch(&odd).values(&loss), batch(&zeros).values(&loss), "{name}");
            let grad = batch(&odd).value_and_grad(&loss).unwrap().1;
            let mut of_ignored = (0..grad.len()).filter(|&number| is_ignored(number));
            assert!(of_ignored.all(|number| grad[number] == 0.0), "{name}");
        }
    }
}

#[test]
fn a_negative_weight_of_a_class_counts_against_it_in_both_kinds_of_target() {
    let by_column = [1.0, -2.0, 0.0, 0.5, -0.25, 3.0, 1.5];
    for entry in with_labels() {
        let (logits, classes) = (logits(), classes(!entry.signature.pred.is_row()));
        let dense = one_hot(&classes);
        let weigh =
            |target| Batch::new(&logits, target).columns(COLUMNS).column_weights(&by_column);
        let (indices, written) = (weigh(Target::Classes(&classes)), weigh(Target::Dense(&dense)));
        assert_same(indices, written, entry, "negative weights");
    }
}

#[test]
fn an_index_that_is_no_class_is_refused() {
    for entry in with_labels() {
        let (loss, logits) = (entry.make(), logits());
        let last = COLUMNS as i64;
        let is_row = entry.signature.pred.is_row();
        for (bad, refused) in [
            (-2, true),
            (last + 1, true),
            (-1, true),
            (last, is_row),
            (0, false),
            (last - 1, false),
        ] {
            let mut classes = classes(false);
            classes[100] = bad;
            let batch = Batch::new(&logits, Target::Classes(&classes)).columns(COLUMNS);
            let expected = Error::UnknownClass { row: 100, got: bad, classes: COLUMNS };
            assert_eq!(
                batch.value(&loss).err(),
                refused.then_some(expected),
                "{}, class {bad}",
                entry.name
            );
            assert!(batch.ignore_index(bad).value(&loss).is_ok(), "{}: {bad} ignored", entry.name);
        }
    }
}

#[test]
fn class_indices_are_refused_where_targets_are_no_labels() {
    for entry in tested().iter().filter(|entry| !entry.signature.target.is_label()) {
        let pred = vec![0.0_f32; entry.signature.pred.width(1)];
        let error = Batch::new(&pred, Target::Classes(&[0])).value(&entry.make()).unwrap_err();
        assert_eq!(error, Error::NotALabel { loss: entry.name });
    }
}
