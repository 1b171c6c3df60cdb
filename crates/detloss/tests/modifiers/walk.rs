//! Every loss of boxes with every modifier.

use detloss::batch::Kernel as _;
use detloss::loss::modifiers;
use detloss::losses::{AnyLoss, Entry};
use detloss::testing::{
    Random, Rows, Tolerance, assert_close, certain_target, modified, nasty, ordinary,
};

use crate::{boxes, loss, of};

/// The losses that have no IoU: they are what they are in one piece.
const WITHOUT_IOU: [&str; 3] = ["nwd", "bounded_iou", "extended_iou"];

#[test]
fn every_loss_of_boxes_takes_every_modifier_unless_it_has_no_iou() {
    for entry in boxes() {
        for modifier in modifiers::ALL {
            let taken = entry.make().modified(modifier.name, &[]);
            let needs_iou = ["inner", "focaler"].contains(&modifier.name);
            let has_mean = entry.make().running_mean().is_some();
            let is_focusing = taken.as_ref().is_ok_and(|loss| loss.running_mean().is_some());
            let is_second_mean = has_mean && ["wise_v2", "wise_v3"].contains(&modifier.name);
            let expected = !is_second_mean && (!needs_iou || !WITHOUT_IOU.contains(&entry.name));
            let adds_mean = modifier.name.starts_with("wise_v");
            assert_eq!(is_focusing, expected && (has_mean || adds_mean), "{}", entry.name);
            assert_eq!(taken.is_ok(), expected, "{} of {}", modifier.name, entry.name);
        }
        let all = modified(entry);
        assert!(all.len() > 10, "{}: {all:?}", entry.name);
    }
}

#[test]
fn finite_boxes_have_finite_values_and_slopes() {
    for entry in boxes() {
        let rows = nasty(entry);
        for loss in modified(entry) {
            for (what, results) in
                [("f32", of(&loss, &rows, |x| x as f32)), ("f64", of(&loss, &rows, |x| x))]
            {
                for (unit, results) in results.iter().enumerate() {
                    let finite = results.iter().all(|x| x.is_finite());
                    assert!(finite, "{loss} in {what}, {}: {results:?}", rows.what[unit]);
                }
            }
        }
    }
}

#[test]
fn a_perfect_prediction_costs_exactly_nothing() {
    for entry in boxes() {
        let (mut rows, mut random) = (Rows::of(entry), Random::new(17));
        for power in -10..=13 {
            for _ in 0..5 {
                let target = certain_target(entry, 10_f64.powi(power), &mut random);
                rows.push(format!("perfect, at scale 1e{power}"), &target, &target);
            }
        }
        for loss in modified(entry) {
            for results in [of(&loss, &rows, |x| x as f32), of(&loss, &rows, |x| x)] {
                for (unit, results) in results.iter().enumerate() {
                    let what = format!("{loss}, {}", rows.what[unit]);
                    results.iter().for_each(|&x| assert_close(x, 0.0, Tolerance::EXACT, &what));
                }
            }
        }
    }
}

/// The numbers with which a modifier changes nothing leave the program as it is, operation by operation.
#[test]
fn modifiers_that_change_nothing_leave_the_program_as_it_is() {
    const NOTHING: [(&str, &[(&str, f64)]); 4] = [
        ("inner", &[("ratio", 1.0)]),
        ("focaler", &[("d", 0.0), ("u", 1.0)]),
        ("alpha", &[("alpha", 1.0)]),
        ("focal", &[("gamma", 0.0)]),
    ];
    let mut compared = 0;
    for entry in boxes() {
        for (modifier, params) in NOTHING {
            let Ok(modified) = entry.make().modified(modifier, params) else { continue };
            for gradient in [false, true] {
                assert_eq!(modified.trace(gradient), entry.make().trace(gradient), "{modified}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 2 * (19 * 4 - 2 * WITHOUT_IOU.len()));
}

#[test]
fn the_value_is_the_same_with_and_without_gradient() {
    for entry in boxes() {
        let rows = ordinary(entry, 50, 5);
        for loss in modified(entry) {
            let value = loss.trace(false).unwrap();
            for (unit, results) in of(&loss, &rows, |x| x).iter().enumerate() {
                let inputs = [rows.pred_of(unit), rows.target_of(unit)].concat();
                assert_eq!(value.run(&inputs), results[..1], "{loss}, {}", rows.what[unit]);
            }
        }
    }
}

/// A loss that says that its gradient is the slope has that gradient; one that denies it has another one somewhere.
#[test]
fn the_gradient_is_the_slope_where_the_loss_says_so() {
    let differs_from_slope = |loss: &AnyLoss, entry: &Entry| {
        let (rows, value) = (ordinary(entry, 40, 11), loss.trace(false).unwrap());
        let (mut compared, mut different) = (0, None);
        for (unit, results) in of(loss, &rows, |x| x).iter().enumerate() {
            for field in 0..4 {
                let at = |offset: f64| {
                    let mut inputs = [rows.pred_of(unit), rows.target_of(unit)].concat();
                    inputs[field] += offset;
                    value.run(&inputs)[0]
                };
                let across =
                    |h: f64| (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                let (coarse, fine) = (across(2e-4), across(1e-4));
                // There is a kink nearby.
                if (coarse - fine).abs() > 1e-7 * (1.0 + fine.abs()) {
                    continue;
                }
                compared += 1;
                if !Tolerance::SLOPE.holds(results[1 + field], fine) {
                    let slope = results[1 + field];
                    different =
                        Some(format!("{}, field {field}: {slope} is not {fine}", rows.what[unit]));
                }
            }
        }
        assert!(compared > 100, "{loss}: only {compared} slopes could be compared");
        different
    };
    let (mut exact, mut others) = (0, 0);
    for entry in boxes() {
        for loss in modified(entry) {
            let found = differs_from_slope(&loss, entry);
            if loss.has_exact_gradient() {
                assert_eq!(found, None, "{loss}");
                exact += 1;
            } else {
                others += usize::from(found.is_some());
            }
        }
    }
    assert!(exact > 80 && others > 100, "{exact} with the slope, {others} without");
}

#[test]
fn modifiers_of_a_type_are_those_of_its_name() {
    use detloss::loss::modifiers::{Inner, Modifiers};
    use detloss::losses::boxes::Ciou;
    let modifiers = Modifiers { inner: Some(Inner { ratio: 0.8 }), ..Modifiers::default() };
    let typed =
        AnyLoss::new(Ciou { gate: 0.5, ..Ciou::default() }).with_modifiers(modifiers).unwrap();
    let named = loss("inner(ciou(gate=0.5), ratio=0.8)");
    assert_eq!(typed, named);
    assert_eq!(typed.trace(true), named.trace(true));
    assert_ne!(typed.trace(true), loss("ciou(gate=0.5)").trace(true));
    let plain = typed.clone().with_modifiers(Modifiers::default()).unwrap();
    assert_eq!(
        (plain.trace(true), plain),
        (loss("ciou(gate=0.5)").trace(true), loss("ciou(gate=0.5)"))
    );
}
