//! Numbers that other implementations published, or that were computed without this crate. The tables are in `tests/golden/`;
//! each line names its source.
//!
//! A number counts as far as it is printed: `.75` is a number between .745 and .755.

use detloss::Batch;
use detloss::batch::{Element, Kernel as _, Weights};
use detloss::loss::Scope;
use detloss::losses;
use detloss::losses::AnyLoss;
use detloss::testing::{Tolerance, assert_close};

const UNITS: [&str; 9] = [
    include_str!("golden/boxes.txt"),
    include_str!("golden/rotated.txt"),
    include_str!("golden/boxes3d.txt"),
    include_str!("golden/values.txt"),
    include_str!("golden/scores.txt"),
    include_str!("golden/rows.txt"),
    include_str!("golden/ranking.txt"),
    include_str!("golden/masks.txt"),
    include_str!("golden/sets.txt"),
];
const STATES: &str = include_str!("golden/states.txt");
const BATCHES: &str = include_str!("golden/batches.txt");

fn lines(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split('|').map(str::trim).collect())
}

fn numbers(cell: &str) -> Vec<f64> {
    cell.split_whitespace()
        .map(|number| number.parse().unwrap_or_else(|_| panic!("{number:?} is no number")))
        .collect()
}

fn loss(name: &str, params: &str) -> AnyLoss {
    let params: Vec<(&str, f64)> = params
        .split_whitespace()
        .map(|param| param.split_once('=').expect("name=value"))
        .map(|(key, value)| (key, value.parse().unwrap()))
        .collect();
    let entry = losses::find(name).unwrap_or_else(|error| panic!("{error}"));
    entry.with(&params).unwrap_or_else(|error| panic!("{error}"))
}

/// How far a number may be from the exact one if it is printed like this, computed with this tolerance besides.
fn printed(number: &str, source: &str, tolerance: Tolerance) -> Tolerance {
    let (digits, exponent) = number.split_once('e').unwrap_or((number, "0"));
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len()) as i32;
    // A whole number is exact: nobody prints 200 for 199.6.
    let unit =
        if decimals == 0 { 0.0 } else { 10_f64.powi(exponent.parse::<i32>().unwrap() - decimals) };
    // One unit, not half of one: some sources cut off, and some say what they allow or computed in f32.
    let allowed = if source.contains("atol 1e-3") { 1e-3 } else { unit };
    let relative =
        if source.contains("in f32") { Tolerance::F32.relative } else { tolerance.relative };
    Tolerance { absolute: tolerance.absolute + allowed, relative }
}

/// Every line, in this precision.
fn hold<T: Element>(tolerance: Tolerance) {
    for cells in UNITS.into_iter().flat_map(lines) {
        let [name, params, pred, target, value, grad, source] = cells[..] else {
            panic!("{cells:?} has not 7 cells")
        };
        let store = |cell: &str| numbers(cell).into_iter().map(T::from_f64).collect::<Vec<_>>();
        let (pred, target) = (store(pred), store(target));
        let loss = loss(name, params);
        let signature = loss.signature();
        let sets = if signature.scope == Scope::Set {
            target.len() / signature.target.fields().len()
        } else {
            1
        };
        let columns = if signature.pred.is_row() { pred.len() / sets } else { 1 };
        let (got, got_grad) =
            Batch::new(&pred, &target).columns(columns).sum().value_and_grad(&loss).unwrap();
        assert_close(
            got,
            value.parse().unwrap(),
            printed(value, source, tolerance),
            &format!("{cells:?}"),
        );
        let slopes: Vec<&str> = grad.split_whitespace().collect();
        assert!(
            slopes.is_empty() || slopes.len() == got_grad.len(),
            "{cells:?} has one slope per field"
        );
        for (&got, slope) in got_grad.iter().zip(slopes) {
            let expected = slope.parse().unwrap();
            assert_close(
                got.to_f64(),
                expected,
                printed(slope, source, tolerance),
                &format!("slope of {cells:?}"),
            );
        }
    }
}

#[test]
fn published_values_and_slopes_hold_in_f64() {
    hold::<f64>(Tolerance::LAW);
}

#[test]
fn published_values_and_slopes_hold_in_f32() {
    hold::<f32>(Tolerance::F32);
}

#[test]
fn published_batches_hold() {
    for cells in lines(BATCHES) {
        let [name, params, columns, pred, target, weights, normalizer, value, source] = cells[..]
        else {
            panic!("{cells:?} has not 9 cells")
        };
        let (pred, target, weights) = (numbers(pred), numbers(target), numbers(weights));
        let batch = Batch::new(&pred, &target).columns(columns.parse().unwrap());
        let batch = if weights.is_empty() { batch } else { batch.weights(Weights::Rows(&weights)) };
        let batch = match normalizer {
            "mean" => batch.mean(),
            "weighted" => batch.weighted_mean(),
            "sum" => batch.sum(),
            number => batch.normalizer(number.parse().unwrap()),
        };
        let got = batch.value(&loss(name, params)).unwrap();
        assert_close(
            got,
            value.parse().unwrap(),
            printed(value, source, Tolerance::LAW),
            &format!("{cells:?}"),
        );
    }
}

/// A step from a state; a momentum of 0 leaves that as it is.
#[test]
fn published_steps_hold() {
    for cells in lines(STATES) {
        let [name, params, state, pred, target, value, grad, source] = cells[..] else {
            panic!("{cells:?} has not 8 cells")
        };
        let (pred, target, before) = (numbers(pred), numbers(target), numbers(state));
        let (mut state, mut slopes) = (before.clone(), vec![0.0; pred.len()]);
        let batch = Batch::new(&pred, &target).sum();
        let got = batch.step_into(&loss(name, params), &mut state, &mut slopes).unwrap();
        assert_eq!(state, before, "{cells:?}");
        let of_grad = grad.split_whitespace().zip(&slopes);
        assert_eq!(of_grad.clone().count(), 4, "{cells:?}");
        for (number, &got) in of_grad.chain([(value, &got)]) {
            let tolerance = printed(number, source, Tolerance::LAW);
            assert_close(got, number.parse().unwrap(), tolerance, &format!("{cells:?}"));
        }
    }
}

#[test]
fn every_loss_has_a_number_from_elsewhere() {
    for entry in losses::ALL {
        let mut all = UNITS.into_iter().chain([STATES, BATCHES]).flat_map(lines);
        assert!(all.any(|cells| cells[0] == entry.name), "{} has no golden number", entry.name);
    }
}
