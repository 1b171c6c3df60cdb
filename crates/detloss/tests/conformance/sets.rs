//! Losses of whole batches: groups, what is left out, what is remembered.

use detloss::batch::{Kernel as _, Target, Weights};
use detloss::loss::Scope;
use detloss::losses::Entry;
use detloss::testing::{Memory, Random, Rows, Tolerance, assert_close, ordinary, tested};
use detloss::{Batch, Error};

use crate::of_units;

fn sets() -> impl Iterator<Item = &'static Entry> {
    tested().iter().filter(|entry| entry.signature.scope == Scope::Set)
}

/// Sixty rows and their targets, as one set.
struct One {
    columns: usize,
    /// Numbers per row.
    width: usize,
    target_width: usize,
    memory: Memory<f64>,
}

const ROWS: usize = 60;

impl One {
    fn new(entry: &Entry, seed: u64) -> Self {
        let rows = ordinary(entry, ROWS / Rows::of(entry).height.unwrap(), seed);
        let memory = rows.memory::<f64>();
        let (width, target_width) = (memory.pred.len() / ROWS, memory.target.len() / ROWS);
        Self { columns: rows.columns, width, target_width, memory }
    }

    fn batch(&self) -> Batch<'_, f64> {
        Batch::new(&self.memory.pred, &self.memory.target).columns(self.columns)
    }

    /// Only these rows, in this order.
    fn take(&self, rows: impl Iterator<Item = usize> + Clone) -> (Vec<f64>, Vec<f64>) {
        let of = |numbers: &[f64], width: usize| {
            rows.clone().flat_map(|row| numbers[row * width..(row + 1) * width].to_vec()).collect()
        };
        (of(&self.memory.pred, self.width), of(&self.memory.target, self.target_width))
    }
}

#[test]
fn groups_are_separate_calls_in_the_order_of_their_ids() {
    for entry in sets() {
        let (loss, one) = (entry.make(), One::new(entry, 3));
        for ids in [
            (0..ROWS as i64).map(|row| row / 17).collect::<Vec<_>>(),
            (0..ROWS as i64).map(|row| row * 7 % 5 - 2).collect(),
        ] {
            let (mut values, mut grad) = (Vec::new(), vec![f64::NAN; one.memory.pred.len()]);
            let mut known = ids.clone();
            known.sort_unstable();
            known.dedup();
            for id in &known {
                let rows = (0..ROWS).filter(|&row| ids[row] == *id);
                let (pred, target) = one.take(rows.clone());
                let batch = Batch::new(&pred, &target).columns(one.columns);
                let (value, slopes) = batch.value_and_grad(&loss).unwrap();
                values.push(value);
                for (row, slopes) in rows.zip(slopes.chunks(one.width)) {
                    grad[row * one.width..(row + 1) * one.width].copy_from_slice(slopes);
                }
            }
            let batch = one.batch().groups(&ids);
            let name = entry.name;
            assert_eq!(batch.values(&loss).unwrap(), values, "{name}");
            let sum: f64 = values.iter().sum();
            assert_eq!(batch.sum().value_and_grad(&loss).unwrap(), (sum, grad), "{name}");
            let mean = batch.mean().value(&loss).unwrap();
            assert_close(mean, sum / known.len() as f64, Tolerance::LAW, &name);
        }
    }
}

#[test]
fn a_slope_per_group_multiplies_the_gradient_of_that_group() {
    for entry in sets() {
        let (loss, one) = (entry.make(), One::new(entry, 5));
        let ids: Vec<i64> = (0..ROWS as i64).map(|row| row * 7 % 3).collect();
        let batch = one.batch().groups(&ids).sum();
        let (_, plain) = batch.value_and_grad(&loss).unwrap();
        let (mut values, mut grad) = (vec![0.0; 3], vec![0.0; plain.len()]);
        let grad_output = [2.0, 0.0, -0.5];
        batch.values_and_grad_into(&loss, Some(&grad_output), &mut values, &mut grad).unwrap();
        for (index, (&got, &slope)) in grad.iter().zip(&plain).enumerate() {
            let factor = grad_output[ids[index / one.width] as usize];
            assert_close(got, slope * factor, Tolerance::LAW, &format!("{} {index}", entry.name));
        }
    }
}

#[test]
fn permuting_the_batch_permutes_the_gradient() {
    for entry in sets() {
        let (loss, one, mut random) = (entry.make(), One::new(entry, 7), Random::new(9));
        let mut order: Vec<usize> = (0..ROWS).collect();
        order.sort_by_cached_key(|_| random.below(1 << 20));
        let (pred, target) = one.take(order.iter().copied());
        let (value, grad) = one.batch().value_and_grad(&loss).unwrap();
        let permuted = Batch::new(&pred, &target).columns(one.columns);
        let (other, slopes) = permuted.value_and_grad(&loss).unwrap();
        assert_close(other, value, Tolerance::LAW, &entry.name);
        for (place, &row) in order.iter().enumerate() {
            for field in 0..one.width {
                let (got, expected) =
                    (slopes[place * one.width + field], grad[row * one.width + field]);
                assert_close(got, expected, Tolerance::LAW, &format!("{}, row {row}", entry.name));
            }
        }
    }
}

/// Every way to leave every third row out gives what the others give alone, and slopes of 0.
#[test]
fn what_is_left_out_is_as_if_it_were_not_there() {
    for entry in sets() {
        let (loss, one) = (entry.make(), One::new(entry, 11));
        let out = |row: usize| row % 3 == 1;
        let (pred, target) = one.take((0..ROWS).filter(|&row| !out(row)));
        let alone = Batch::new(&pred, &target).columns(one.columns).value_and_grad(&loss).unwrap();
        let mut slopes = alone.1.chunks(one.width);
        let grad: Vec<f64> = (0..ROWS)
            .flat_map(
                |row| if out(row) { vec![0.0; one.width] } else { slopes.next().unwrap().to_vec() },
            )
            .collect();
        let weights: Vec<f64> = (0..ROWS).map(|row| f64::from(u8::from(!out(row)))).collect();
        for weights in [Weights::Rows(&weights), Weights::Elements(&weights)] {
            let batch = one.batch().weights(weights);
            assert_eq!(
                batch.value_and_grad(&loss).unwrap(),
                (alone.0, grad.clone()),
                "{}",
                entry.name
            );
            assert_eq!(batch.value(&loss).unwrap(), alone.0, "{}", entry.name);
            let ids: Vec<i64> = (0..ROWS as i64).map(|row| row % 3).collect();
            // The middle group has nothing that counts.
            let groups = batch.groups(&ids);
            let sum: f64 = groups.values(&loss).unwrap().iter().sum();
            assert_eq!(groups.values(&loss).unwrap()[1], 0.0, "{}", entry.name);
            let mean = groups.weighted_mean().value(&loss).unwrap();
            assert_close(mean, sum / 2.0, Tolerance::LAW, &entry.name);
        }
        if entry.signature.target.is_label() {
            let mut labels = one.memory.target.clone();
            labels
                .iter_mut()
                .enumerate()
                .filter(|(row, _)| out(*row))
                .for_each(|(_, label)| *label = -1.0);
            let batch = Batch::new(&one.memory.pred, &labels).columns(one.columns);
            assert_eq!(batch.value_and_grad(&loss).unwrap(), (alone.0, grad), "{}", entry.name);
        }
    }
}

#[test]
fn class_indices_are_written_out() {
    for entry in sets().filter(|entry| entry.signature.target.is_label()) {
        let (loss, mut random) = (entry.make(), Random::new(13));
        let (columns, rows) = (5, 40);
        let fields =
            if entry.signature.pred.is_row() { 1 } else { entry.signature.pred.fields().len() };
        let pred: Vec<f64> =
            (0..rows * columns * fields).map(|_| random.between(-2.0, 2.0).abs()).collect();
        let classes: Vec<i64> =
            (0..rows as i64).map(|row| [0, 3, 4, 1, 9][row as usize % 5]).collect();
        let written: Vec<f64> = if entry.signature.pred.is_row() {
            classes.iter().map(|&class| if class == 9 { -1.0 } else { class as f64 }).collect()
        } else {
            let label = |class: i64, column: i64| {
                if class == 9 { -1.0 } else { f64::from(u8::from(class == column)) }
            };
            classes
                .iter()
                .flat_map(|&class| (0..columns as i64).map(move |column| label(class, column)))
                .collect()
        };
        let dense = Batch::new(&pred, &written).columns(columns);
        let indices = Batch::new(&pred, Target::Classes(&classes)).columns(columns).ignore_index(9);
        assert_eq!(
            indices.value_and_grad(&loss).unwrap(),
            dense.value_and_grad(&loss).unwrap(),
            "{}",
            entry.name
        );
    }
}

/// Nothing at all, rows of which none counts, and single rows, which most losses have nothing to say about.
#[test]
fn a_loss_of_nothing_is_no_negative_zero() {
    for entry in sets() {
        let (loss, one) = (entry.make(), One::new(entry, 23));
        let check = |batch: Batch<'_, f64>, units: usize, what: &str| {
            let mut rows = vec![1.0; units];
            batch.values_into(&loss, &mut rows).unwrap();
            rows.push(batch.value(&loss).unwrap());
            rows.push(batch.value_and_grad(&loss).unwrap().0);
            assert!(rows.iter().all(|value| value.is_sign_positive()), "{}: {what}", entry.name);
        };
        check(Batch::new(&[], &[]).columns(one.columns), 0, "no rows");
        check(one.batch().weights(Weights::Rows(&[0.0; ROWS])), 1, "no row that counts");
        let ids: Vec<i64> = (0..ROWS as i64).collect();
        check(one.batch().groups(&ids), ROWS, "a row to a group");
    }
}

#[test]
fn a_state_goes_from_group_to_group_as_from_step_to_step() {
    for entry in sets() {
        let (loss, one) = (entry.make(), One::new(entry, 17));
        let ids: Vec<i64> = (0..ROWS as i64).map(|row| row / 20).collect();
        let batch = one.batch().groups(&ids).sum();
        let begin = batch.initial_state(&loss);
        let (mut grouped, mut stepped) = (begin.clone(), begin.clone());
        let mut grad = vec![0.0; one.memory.pred.len()];
        let value = batch.step_into(&loss, &mut grouped, &mut grad).unwrap();
        let mut sum = 0.0;
        for group in 0..3 {
            let (pred, target) = one.take(group * 20..(group + 1) * 20);
            let mut slopes = vec![0.0; pred.len()];
            let step = Batch::new(&pred, &target).columns(one.columns);
            sum += step.step_into(&loss, &mut stepped, &mut slopes).unwrap();
            assert_eq!(
                slopes,
                grad[group * pred.len()..(group + 1) * pred.len()],
                "{}",
                entry.name
            );
        }
        assert_eq!((value, grouped), (sum, stepped.clone()), "{}", entry.name);
        assert!(begin.is_empty() || stepped != begin, "{}: something is remembered", entry.name);
        let (mut long, mut untouched) =
            ([begin.clone(), vec![0.0]].concat(), vec![7.0; grad.len()]);
        let error = batch.step_into(&loss, &mut long, &mut untouched).unwrap_err();
        let got = begin.len() + 1;
        assert_eq!(error, Error::Length { what: "the state", expected: begin.len(), got });
        assert!(untouched.iter().all(|&slope| slope == 7.0), "{}: nothing is written", entry.name);
    }
}

#[test]
fn parts_add_up_to_the_value() {
    for entry in sets() {
        let (loss, one) = (entry.make(), One::new(entry, 19));
        let ids: Vec<i64> = (0..ROWS as i64).map(|row| row % 4).collect();
        let batch = one.batch().groups(&ids);
        let parts = batch.components(&loss).unwrap();
        assert_eq!(parts.len(), loss.signature().components.len(), "{}", entry.name);
        if !parts.is_empty() {
            let value = batch.value(&loss).unwrap();
            assert_close(parts.iter().sum(), value, Tolerance::LAW, &entry.name);
        }
    }
}

#[test]
fn what_makes_no_sense_for_a_whole_batch_is_refused() {
    for entry in sets() {
        let (loss, one) = (entry.make(), One::new(entry, 23));
        let mut weights = vec![1.0; ROWS];
        weights[7] = 0.5;
        let error = one.batch().weights(Weights::Rows(&weights)).value(&loss).unwrap_err();
        assert!(matches!(error, Error::InvalidNumber { index: 7, got: 0.5, .. }), "{error}");
        let by_column = vec![1.0; one.columns];
        let error = one.batch().column_weights(&by_column).value(&loss).unwrap_err();
        assert_eq!(error, Error::NoColumnWeights { loss: entry.name });
        let error = one.batch().groups(&[0, 1]).value(&loss).unwrap_err();
        assert_eq!(error, Error::Length { what: "the groups", expected: ROWS, got: 2 });
        if entry.signature.pred.is_row() {
            for odd in [0.5, one.columns as f64, f64::NAN] {
                let mut classes = one.memory.target.clone();
                classes[4] = odd;
                let batch = Batch::new(&one.memory.pred, &classes).columns(one.columns);
                let error = batch.value(&loss).unwrap_err();
                assert!(matches!(error, Error::InvalidNumber { index: 4, .. }), "{error}");
            }
        }
    }
    for entry in of_units() {
        let memory = ordinary(entry, 2, 3).memory::<f64>();
        let error = memory.batch().groups(&[0, 1]).value(&entry.make()).unwrap_err();
        assert_eq!(error, Error::NothingToGroup { loss: entry.name });
    }
}

/// Rows of several columns in groups out of order, some elements left out: each group is the set of its elements that count.
#[test]
fn a_set_of_several_columns_is_the_set_of_its_elements() {
    const COLUMNS: usize = 3;
    for entry in sets().filter(|entry| !entry.signature.pred.is_row()) {
        let (loss, one) = (entry.make(), One::new(entry, 29));
        let rows = ROWS / COLUMNS;
        let ids: Vec<i64> = (0..rows as i64).map(|row| row * 3 % 4).collect();
        let weights: Vec<f64> = (0..ROWS).map(|item| f64::from(u8::from(item % 5 != 2))).collect();
        let batch = one.batch().columns(COLUMNS).groups(&ids);
        let batch = batch.weights(Weights::Elements(&weights));
        let (values, (_, grad)) =
            (batch.values(&loss).unwrap(), batch.sum().value_and_grad(&loss).unwrap());
        let mut expected = vec![0.0; grad.len()];
        for id in 0..4 {
            let items = (0..ROWS).filter(|&item| ids[item / COLUMNS] == id && weights[item] == 1.0);
            let (pred, target) = one.take(items.clone());
            let (value, slopes) = Batch::new(&pred, &target).value_and_grad(&loss).unwrap();
            assert_eq!(values[id as usize], value, "{}, group {id}", entry.name);
            for (item, slopes) in items.zip(slopes.chunks(one.width)) {
                expected[item * one.width..(item + 1) * one.width].copy_from_slice(slopes);
            }
        }
        assert_eq!(grad, expected, "{}", entry.name);
    }
}
