//! Random inputs, ugly ones among them, that shrink to the smallest that fails.

use detloss::losses::Entry;
use detloss::losses::{self, ALL};
use detloss::scalar::Scalar;
use detloss::{Batch, geometry::Xyxy};
use proptest::prelude::*;

/// A coordinate: often one of a few, so that edges meet; sometimes anything finite.
fn coordinate() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => (-4_i8..=4).prop_map(f32::from),
        4 => -10.0_f32..10.0,
        1 => prop_oneof![Just(1e-6), Just(-1e-6), Just(1e6), Just(-1e6), Just(f32::MAX), Just(f32::MIN), Just(0.0)],
        1 => proptest::num::f32::NORMAL | proptest::num::f32::SUBNORMAL | proptest::num::f32::ZERO,
    ]
}

/// A box of any kind: empty, inverted, huge or tiny.
fn any_box() -> impl Strategy<Value = [f32; 4]> {
    prop::array::uniform4(coordinate())
}

/// A box of ordinary size.
fn real_box() -> impl Strategy<Value = [f64; 4]> {
    (-10.0..10.0, -10.0..10.0, 0.5..8.0, 0.5..8.0)
        .prop_map(|(x, y, w, h): (f64, f64, f64, f64)| [x, y, x + w, y + h])
}

fn logit() -> impl Strategy<Value = f32> {
    prop_oneof![-20.0_f32..20.0, -1e4_f32..1e4, Just(0.0), Just(1e4), Just(-1e4)]
}

fn of_family(family: &'static str) -> impl Iterator<Item = &'static Entry> {
    ALL.iter().filter(move |entry| entry.family == family)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_boxes_give_finite_numbers_in_range(pred in any_box(), target in any_box()) {
        for entry in of_family("boxes") {
            let (value, grad) = Batch::new(&pred, &target).value_and_grad(&entry.make()).unwrap();
            let (low, high) = entry.facts.range;
            // Rounding may carry a value a little over the end, where the ratio of areas is nearly 1.
            let near = 1e-5;
            prop_assert!(value.is_finite() && low - near <= value && value <= high + near, "{}: {value}", entry.name);
            prop_assert!(grad.iter().all(|slope| slope.is_finite()), "{}: {grad:?}", entry.name);
        }
    }

    /// Seven numbers are an upright box; a rotated box and the corners of a box in space are the first of them.
    #[test]
    fn any_boxes_of_five_to_seven_fields_give_finite_numbers_in_range(
        pred in prop::array::uniform7(coordinate()),
        target in prop::array::uniform7(coordinate()),
    ) {
        for entry in of_family("rotated").chain(of_family("boxes3d")) {
            let fields = entry.signature.pred.fields().len();
            let batch = Batch::new(&pred[..fields], &target[..fields]);
            let (value, grad) = batch.value_and_grad(&entry.make()).unwrap();
            let (low, high) = entry.facts.range;
            let near = 1e-5;
            prop_assert!(value.is_finite() && low - near <= value && value <= high + near, "{}: {value}", entry.name);
            prop_assert!(grad.iter().all(|slope| slope.is_finite()), "{}: {grad:?}", entry.name);
        }
    }

    #[test]
    fn any_logits_give_finite_numbers_in_range(logit in logit(), label in 0.0_f32..=1.0) {
        for entry in of_family("scores") {
            let (value, grad) = Batch::new(&[logit], &[label]).value_and_grad(&entry.make()).unwrap();
            let (low, high) = entry.facts.range;
            prop_assert!(value.is_finite() && low - 1e-5 <= value && value <= high, "{}: {value}", entry.name);
            prop_assert!(grad[0].is_finite(), "{}: {grad:?}", entry.name);
        }
    }

    #[test]
    fn any_values_give_finite_numbers(pred in coordinate(), spread in -1e4_f32..1e4, target in coordinate()) {
        for entry in of_family("values") {
            let pred = &[pred, spread][..entry.signature.pred.fields().len()];
            let (value, grad) = Batch::new(pred, &[target]).value_and_grad(&entry.make()).unwrap();
            prop_assert!(value.is_finite() && grad.iter().all(|slope| slope.is_finite()), "{}: {value}, {grad:?}", entry.name);
        }
    }

    #[test]
    fn any_rows_of_logits_give_finite_numbers(logits in prop::collection::vec(logit(), 1..40), class in 0_usize..40) {
        let class = class % logits.len();
        for entry in of_family("rows").filter(|entry| entry.signature.target.is_label()) {
            let (len, class_of) = (logits.len(), [class as i64]);
            let target = detloss::batch::Target::Classes(&class_of);
            let batch = Batch::new(&logits, target).columns(len);
            let (value, grad) = batch.value_and_grad(&entry.make()).unwrap();
            prop_assert!(value.is_finite() && 0.0 <= value, "{}: {value}", entry.name);
            prop_assert!(grad.iter().all(|slope| slope.is_finite()), "{}: {grad:?}", entry.name);
            // A logit of another class is never pulled up more than rounding does; the class itself is never pushed down.
            prop_assert!(grad[class] <= 1e-6, "{}: {grad:?}", entry.name);
        }
    }

    /// The prediction moves as a whole when prediction and target do, and the gradient stays.
    #[test]
    fn moving_both_boxes_moves_no_slope(pred in real_box(), target in real_box(), by in -4_i8..=4) {
        let moved = |corners: [f64; 4]| corners.map(|x| x + f64::from(by));
        for entry in of_family("boxes").filter(|entry| entry.facts.shift_invariant) {
            let loss = entry.make();
            let here = Batch::new(&pred, &target).value_and_grad(&loss).unwrap().1;
            let there = Batch::new(&moved(pred), &moved(target)).value_and_grad(&loss).unwrap().1;
            for (here, there) in here.iter().zip(&there) {
                prop_assert!((here - there).abs() < 1e-9, "{}: {here} became {there}", entry.name);
            }
        }
    }

    /// A loss that does not change with the scale has a gradient at right angles to the scaling (Euler).
    #[test]
    fn scaling_both_boxes_divides_the_slopes(pred in real_box(), target in real_box(), power in -8_i32..=8) {
        let scale = 2_f64.powi(power);
        for entry in of_family("boxes").filter(|entry| entry.facts.scale_invariant) {
            let loss = entry.make();
            let here = Batch::new(&pred, &target).value_and_grad(&loss).unwrap().1;
            let there = Batch::new(&pred.map(|x| x * scale), &target.map(|x| x * scale)).value_and_grad(&loss).unwrap().1;
            for (here, there) in here.iter().zip(&there) {
                prop_assert!((here - there * scale).abs() < 1e-9 * (1.0 + here.abs()), "{}: {here} became {there}", entry.name);
            }
        }
    }

    /// Exchanging x and y exchanges the slopes.
    #[test]
    fn transposed_boxes_have_transposed_slopes(pred in real_box(), target in real_box()) {
        let transposed = |[x1, y1, x2, y2]: [f64; 4]| [y1, x1, y2, x2];
        for entry in of_family("boxes") {
            let loss = entry.make();
            let (value, grad) = Batch::new(&pred, &target).value_and_grad(&loss).unwrap();
            let (other, other_grad) = Batch::new(&transposed(pred), &transposed(target)).value_and_grad(&loss).unwrap();
            prop_assert!((value - other).abs() < 1e-12, "{}: {value} became {other}", entry.name);
            let back = transposed(other_grad.try_into().unwrap());
            for (slope, other) in grad.iter().zip(back) {
                prop_assert!((slope - other).abs() < 1e-9, "{}: {slope} became {other}", entry.name);
            }
        }
    }

    /// More of the same label never makes a higher score worse.
    #[test]
    fn scores_fall_towards_their_label(logit in -8.0_f64..8.0) {
        for entry in of_family("scores") {
            for (label, sign) in [(1.0, -1.0), (0.0, 1.0)] {
                let grad = Batch::new(&[logit], &[label]).value_and_grad(&entry.make()).unwrap().1;
                prop_assert!(grad[0] * sign >= 0.0, "{}: {grad:?}", entry.name);
            }
        }
    }

    #[test]
    fn centre_and_corners_describe_the_same_box([x1, y1, x2, y2] in real_box()) {
        let corners = Xyxy { x1, y1, x2, y2 };
        let centre = corners.to_cxcywh();
        let back = centre.to_xyxy();
        for (one, other) in [(x1, back.x1), (y1, back.y1), (x2, back.x2), (y2, back.y2)] {
            prop_assert!((one - other).abs() < 1e-12);
        }
        prop_assert!((centre.w * centre.h - corners.area()).abs() < 1e-9);
    }

    #[test]
    fn meet_lies_in_both_boxes_and_the_hull_around_them(a in real_box(), b in real_box()) {
        let corners = |[x1, y1, x2, y2]: [f64; 4]| Xyxy { x1, y1, x2, y2 };
        let (a, b) = (corners(a), corners(b));
        let (meet, hull) = (a.intersection(b).area(), a.hull(b).area());
        prop_assert!(meet <= Scalar::min(a.area(), b.area()) + 1e-9);
        prop_assert!(hull >= a.area() + b.area() - meet - 1e-9);
        let iou = a.iou(b, 0.0);
        prop_assert!((0.0..=1.0).contains(&iou) && (iou - b.iou(a, 0.0)).abs() < 1e-15);
        prop_assert!((a.iou(a, 0.0) - 1.0).abs() == 0.0, "the same box is the same, exactly");
    }

    #[test]
    fn names_that_do_not_exist_find_a_name_that_does(name in "[a-z_0-9]{0,12}") {
        if let Err(detloss::Error::UnknownLoss { nearest: Some(nearest), .. }) = losses::find(&name) {
            prop_assert!(losses::find(nearest).is_ok());
        }
    }
}
