//! Facts are verified in both directions: a claim by trying to break it, a denial by a counter-example.

use detloss::loss::Entry;
use detloss::testing::{Random, Rows, Tolerance, everywhere, ordinary, tested};

use crate::in_f64;

/// A finite end of a range must be reached nearly; an infinite one by numbers beyond this.
const FAR: f64 = 80.0;

/// Whether the fields of the target are numbers, and not labels, classes or shares.
fn is_on_a_scale(entry: &Entry) -> bool {
    ["x1", "value"].contains(&entry.target.names[0]) || entry.target == entry.pred
}

fn values(entry: &Entry, rows: &Rows) -> Vec<f64> {
    in_f64(&*entry.make(), rows).0
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
            (entry.pred == entry.target).then(|| (target.to_vec(), pred.to_vec()))
        };
        verify(entry, "symmetric", entry.facts.symmetric, &keeps_values(entry, exchange));
    }
}

#[test]
fn scale_invariance_is_what_the_facts_say() {
    for entry in tested() {
        let by = |factor: f64| {
            move |fields: &[f64]| fields.iter().map(|x| x * factor).collect::<Vec<_>>()
        };
        let found = [0.01, 0.3, 2.0, 100.0].into_iter().try_for_each(|factor| {
            keeps_values(entry, |pred, target| {
                // An index is no number on a scale.
                let is_index = ["class", "position"].contains(&entry.target.names[0]);
                let target = if is_index { target.to_vec() } else { by(factor)(target) };
                Some((by(factor)(pred), target))
            })
        });
        verify(entry, "scale invariant", entry.facts.scale_invariant, &found);
    }
}

#[test]
fn shift_invariance_is_what_the_facts_say() {
    for entry in tested() {
        let by = |offset: f64| {
            move |fields: &[f64]| fields.iter().map(|x| x + offset).collect::<Vec<_>>()
        };
        let found = [-10.0, 0.3, 2.0].into_iter().try_for_each(|offset| {
            keeps_values(entry, |pred, target| {
                // Labels, classes and distributions are no numbers on a scale.
                let target =
                    if is_on_a_scale(entry) { by(offset)(target) } else { target.to_vec() };
                Some((by(offset)(pred), target))
            })
        });
        verify(entry, "shift invariant", entry.facts.shift_invariant, &found);
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
            let pred: Vec<f64> = holder.pred.iter().map(&mut moved).collect();
            // Labels and distributions have their own bounds; boxes and values do not.
            let target = if entry.pred == entry.target {
                holder.target.iter().map(&mut moved).collect()
            } else {
                holder.target.clone()
            };
            near.push(format!("round {round}"), &pred, &target);
        }
        let found = in_f64(&*entry.make(), &near).0;
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
