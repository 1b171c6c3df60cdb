//! Facts are verified in both directions: a claim by trying to break it, a denial by a counter-example.

use detloss::batch::Level;
use detloss::losses::Entry;
use detloss::operand::Kind;
use detloss::signature::Signature;
use detloss::testing::{Random, Rows, Tolerance, assert_close, everywhere, ordinary, tested};

use crate::{at_level, in_f64};

/// A finite end of a range must be reached nearly; an infinite one by numbers beyond this.
const FAR: f64 = 80.0;

fn values(entry: &Entry, rows: &Rows) -> Vec<f64> {
    in_f64(&entry.make(), rows).0
}

/// Whether `changed` leaves the values of ordinary rows as they are; with a row where it does not.
fn keeps_values(
    entry: &Entry,
    change: impl Fn(&[f64], &[f64]) -> Option<(Vec<f64>, Vec<f64>)>,
) -> Result<(), String> {
    let rows = ordinary(entry, 500, 19);
    let mut changed = rows.like();
    for unit in 0..rows.len() {
        let Some((pred, target)) = change(rows.pred_of(unit), rows.target_of(unit)) else {
            return Err("prediction and target are different things".to_owned());
        };
        // Not `push`: what is compared in f64 need not be rounded to f32.
        changed.what.push(rows.what[unit].clone());
        changed.pred.extend(pred);
        changed.target.extend(target);
    }
    let (before, after) = (values(entry, &rows), values(entry, &changed));
    for unit in 0..rows.len() {
        if !Tolerance::LAW.holds(after[unit], before[unit]) {
            let (pred, target) = (rows.pred_of(unit), rows.target_of(unit));
            return Err(format!(
                "{pred:?} against {target:?}: {} became {}",
                before[unit], after[unit]
            ));
        }
    }
    Ok(())
}

fn verify(entry: &Entry, what: &str, claimed: bool, found: &Result<(), String>) {
    let name = entry.name;
    match found {
        Err(counter) => assert!(!claimed, "{name} claims to be {what}, but {counter}"),
        Ok(()) => assert!(claimed, "{name} denies to be {what}, but no counter-example was found"),
    }
}

#[test]
fn symmetry_is_what_the_facts_say() {
    for entry in tested() {
        let exchange = |pred: &[f64], target: &[f64]| {
            (entry.signature.pred == entry.signature.target)
                .then(|| (target.to_vec(), pred.to_vec()))
        };
        verify(entry, "symmetric", entry.facts.symmetric, &keeps_values(entry, exchange));
    }
}

#[test]
fn scale_invariance_is_what_the_facts_say() {
    for entry in tested() {
        let Signature { pred: of_pred, target: of_target, .. } = entry.signature;
        let found = [0.01, 0.3, 2.0, 100.0].into_iter().try_for_each(|factor| {
            keeps_values(entry, |pred, target| {
                Some((of_pred.scaled(pred, factor), of_target.scaled(target, factor)))
            })
        });
        verify(entry, "scale invariant", entry.facts.scale_invariant, &found);
    }
}

#[test]
fn shift_invariance_is_what_the_facts_say() {
    for entry in tested() {
        let Signature { pred: of_pred, target: of_target, .. } = entry.signature;
        let found = [-10.0, 0.3, 2.0].into_iter().try_for_each(|offset| {
            keeps_values(entry, |pred, target| {
                Some((of_pred.shifted(pred, offset), of_target.shifted(target, offset)))
            })
        });
        verify(entry, "shift invariant", entry.facts.shift_invariant, &found);
    }
}

/// What does not depend on where it is loses no digit far from the origin. All numbers are quarters, here and there, and so exact.
#[test]
fn a_shift_costs_no_accuracy_in_f32() {
    const FAR_AWAY: f64 = 2_097_152.0;
    for entry in tested().iter().filter(|entry| entry.facts.shift_invariant) {
        let (loss, rows) = (entry.make(), ordinary(entry, 500, 29));
        let quarters = |kind: Kind, numbers: &[f64]| -> Vec<f64> {
            let shifted = kind.shifted(numbers, 1.0);
            let quarter = |x: f64| (x * 4.0).round() / 4.0;
            // What a shift leaves alone is no coordinate, and stays as it is.
            let each = numbers.iter().zip(&shifted);
            each.map(|(&x, &moved)| if moved == x { x } else { quarter(x) }).collect()
        };
        let Signature { pred: of_pred, target: of_target, .. } = entry.signature;
        let (mut near, mut far) = (rows.clone(), rows.clone());
        near.pred = quarters(of_pred, &rows.pred);
        near.target = quarters(of_target, &rows.target);
        far.pred = of_pred.shifted(&near.pred, FAR_AWAY);
        far.target = of_target.shifted(&near.target, FAR_AWAY);
        let (expected, slopes) = in_f64(&loss, &near);
        for level in Level::available() {
            let (values, grad) = at_level(&loss, &far, level);
            for unit in 0..rows.len() {
                let (pred, target) = (near.pred_of(unit), near.target_of(unit));
                let what =
                    format!("{} at {level}, {pred:?} against {target:?}, far away", entry.name);
                assert_close(values[unit].into(), expected[unit], Tolerance::F32, &what);
                let of_unit = unit * rows.width()..(unit + 1) * rows.width();
                for (&got, &slope) in grad[of_unit.clone()].iter().zip(&slopes[of_unit]) {
                    assert_close(got.into(), slope, Tolerance::F32, &format!("slope of {what}"));
                }
            }
        }
    }
}

/// The extreme value found in the direction of `sign`: the best of rows from everywhere, then uphill from there.
fn extreme(entry: &Entry, rows: &Rows, values: &[f64], sign: f64) -> f64 {
    let best = |values: &[f64]| {
        (0..values.len())
            .max_by(|&a, &b| (values[a] * sign).total_cmp(&(values[b] * sign)))
            .unwrap()
    };
    let mut top = best(values);
    let (mut record, mut holder) = (values[top], rows.only(top));
    let mut random = Random::new(23);
    for round in 0..120 {
        let mut near = rows.like();
        for _ in 0..64 {
            let step = 10_f64.powf(random.between(-4.0, 0.5));
            let mut moved = |x: &f64| {
                if random.below(2) == 0 { *x } else { x + step * random.between(-1.0, 1.0) }
            };
            let mut pred: Vec<f64> = holder.pred.iter().map(&mut moved).collect();
            if entry.signature.pred == Kind::LogitWithError {
                // A localisation error is no less than 0.
                pred.iter_mut().skip(1).step_by(2).for_each(|error| *error = error.max(0.0));
            }
            // Labels and distributions have their own bounds; boxes and values do not.
            let target = if entry.signature.pred == entry.signature.target {
                holder.target.iter().map(&mut moved).collect()
            } else {
                holder.target.clone()
            };
            near.push(format!("round {round}"), &pred, &target);
        }
        let found = in_f64(&entry.make(), &near).0;
        top = best(&found);
        if found[top] * sign > record * sign {
            (record, holder) = (found[top], near.only(top));
        }
    }
    record
}

#[test]
fn the_range_is_kept_and_both_its_ends_are_reached() {
    for entry in tested() {
        let rows = everywhere(entry);
        let (values, (low, high)) = (values(entry, &rows), entry.facts.range);
        for (unit, &value) in values.iter().enumerate() {
            let inside =
                low - Tolerance::LAW.absolute <= value && value <= high + Tolerance::LAW.absolute;
            let (pred, target) = (rows.pred_of(unit), rows.target_of(unit));
            assert!(
                inside,
                "{}: {pred:?} against {target:?} is worth {value}, outside {low}..={high}",
                entry.name
            );
        }
        for (end, sign) in [(low, -1.0), (high, 1.0)] {
            let found = extreme(entry, &rows, &values, sign);
            let reached = if end.is_finite() {
                Tolerance::REACH.holds(found, end)
            } else {
                found * sign > FAR
            };
            assert!(
                reached,
                "{} claims to reach {end}, but {found} is the farthest found",
                entry.name
            );
            assert!(
                found * sign <= end * sign + Tolerance::LAW.absolute,
                "{} goes beyond {end}: {found}",
                entry.name
            );
        }
    }
}
