//! Numbers from elsewhere, and what holds for a modified loss.

use std::f64::consts::E;

use detloss::losses::{AnyLoss, Entry, find};
use detloss::testing::{Rows, Tolerance, assert_close, everywhere, modified, ordinary};

use crate::{boxes, loss, of, one};

const GOLDEN: &str = include_str!("../golden/modifiers.txt");

#[test]
fn worked_values_and_slopes_hold() {
    let numbers = |cell: &str| -> Vec<f64> {
        cell.split_whitespace().map(|number| number.parse().unwrap()).collect()
    };
    let mut lines = 0;
    for line in GOLDEN.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [text, pred, target, expected] = cells[..] else { panic!("{line} has not 4 cells") };
        // Printed to ten digits.
        let printed = Tolerance { absolute: 1e-10, relative: 0.0 };
        let (found, expected) = (one(text, &numbers(pred), &numbers(target)), numbers(expected));
        assert_eq!(expected.len(), 5, "{line}");
        found
            .iter()
            .zip(expected)
            .for_each(|(&found, expected)| assert_close(found, expected, printed, &line));
        lines += 1;
    }
    assert_eq!(lines, 33);
}

/// Whether a change of both boxes leaves the values of ordinary rows as they are.
fn keeps_values(
    loss: &AnyLoss,
    entry: &Entry,
    change: impl Fn(&[f64], &[f64]) -> (Vec<f64>, Vec<f64>),
) -> bool {
    let rows = ordinary(entry, 100, 19);
    let mut changed = rows.like();
    for unit in 0..rows.len() {
        let (pred, target) = change(rows.pred_of(unit), rows.target_of(unit));
        changed.what.push(rows.what[unit].clone());
        changed.pred.extend(pred);
        changed.target.extend(target);
    }
    let values = |rows: &Rows| {
        of(loss, rows, |x| x).into_iter().map(|results| results[0]).collect::<Vec<_>>()
    };
    let pairs = values(&rows).into_iter().zip(values(&changed));
    pairs
        .into_iter()
        .all(|(before, after)| Tolerance { absolute: 1e-10, relative: 1e-10 }.holds(after, before))
}

#[test]
fn a_modified_loss_has_the_symmetries_of_its_loss() {
    let all = |boxes: &[f64], of: fn(f64) -> f64| boxes.iter().map(|&x| of(x)).collect::<Vec<_>>();
    for entry in boxes() {
        let mut found = [const { Vec::new() }; 3];
        for loss in modified(entry) {
            found[0].push(keeps_values(&loss, entry, |p, t| (t.to_vec(), p.to_vec())));
            let triple = |boxes: &[f64]| all(boxes, |x| 3.0 * x);
            found[1].push(keeps_values(&loss, entry, |p, t| (triple(p), triple(t))));
            let shift = |boxes: &[f64]| all(boxes, |x| x + 7.0);
            found[2].push(keeps_values(&loss, entry, |p, t| (shift(p), shift(t))));
        }
        let facts = entry.facts;
        let claims = [facts.symmetric, facts.scale_invariant, facts.shift_invariant];
        for (found, claimed) in found.iter().zip(claims) {
            // A high power makes nothing of what breaks a symmetry, at the defaults none is won.
            let holds = found.iter().filter(|&&holds| holds).count();
            assert!(
                if claimed { holds == found.len() } else { holds < 4 },
                "{}: {found:?}",
                entry.name
            );
        }
    }
}

#[test]
fn the_range_is_kept_and_its_upper_end_reached() {
    let range = |name: &str| find(name).unwrap().facts.range.1;
    for (text, high) in [
        ("alpha(iou)", 1.0),
        ("alpha(giou)", 2.0),
        ("alpha(diou)", 2.0),
        ("alpha(ciou)", 2.125),
        ("alpha(ciou, alpha=2)", 2.25),
        ("wise(iou)", E),
        ("wise_v2(iou)", range("wiou_v2")),
        ("wise_v3(iou)", range("wiou_v3")),
        ("wise_v3(giou, alpha=1.7, delta=2.7)", 2.0 * E * 1.7_f64.powf(1.7) / 2.7),
        ("inner(giou)", range("giou")),
        ("inner(giou, ratio=1.5)", range("giou")),
        ("inner(ciou)", range("ciou")),
        ("focaler(iou)", 1.0),
        ("focaler(ciou)", range("ciou")),
        ("focaler(eiou)", range("eiou")),
    ] {
        let rows = everywhere(loss(text).entry());
        let values = of(&loss(text), &rows, |x| x).into_iter().map(|results| results[0]);
        let (low, found) =
            values.fold((f64::MAX, f64::MIN), |(low, top), value| (low.min(value), top.max(value)));
        assert_eq!(low, 0.0, "{text}");
        assert!(found <= high + 1e-11, "{text} goes beyond {high}: {found}");
        assert!(
            Tolerance::REACH.holds(found, high),
            "{text} reaches {high}, but {found} is the farthest found"
        );
    }
}

/// Focaler stretches an IoU to 1 before it is 1: a loss of the IoU alone is then content.
#[test]
fn focaler_leaves_good_boxes_alone_unless_a_penalty_moves_them() {
    let (pred, target) = ([0.0, 0.0, 100.0, 97.0], [0.0, 0.0, 100.0, 100.0]);
    assert_eq!(one("focaler(iou)", &pred, &target), [0.0; 5]);
    for text in ["focaler(diou)", "focaler(eiou)", "focaler(siou)", "focaler(iou, u=1, d=0.5)"] {
        let results = one(text, &pred, &target);
        assert!(results[0] > 0.0 && results[4] < 0.0, "{text}: {results:?}");
    }
}

/// What the ratio is for: a gradient for boxes that nearly touch, and none for those that hardly do.
#[test]
fn larger_inner_boxes_overlap_where_the_boxes_do_not() {
    let (near, touching, target) =
        ([1.1, 0.0, 2.1, 1.0], [0.9, 0.0, 1.9, 1.0], [0.0, 0.0, 1.0, 1.0]);
    assert_eq!(one("iou", &near, &target), [1.0, 0.0, 0.0, 0.0, 0.0]);
    assert!(one("inner(iou, ratio=1.5)", &near, &target)[1] > 0.0);
    assert!(one("iou", &touching, &target)[0] < 1.0);
    assert_eq!(one("inner(iou)", &touching, &target), [1.0, 0.0, 0.0, 0.0, 0.0]);
}
