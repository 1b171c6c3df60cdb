use detloss::losses::Entry;

use super::*;

/// The iterations at which the reference was written down.
const MARKS: [usize; 5] = [1, 50, 100, 160, 200];

/// So few stand for the 5000 of the full experiment.
const CENTERS: usize = 80;

/// The curve at [`MARKS`] and its total, in millions of the full experiment.
fn marks(outcome: &Outcome) -> Vec<f64> {
    let scale = 5000.0 / outcome.last.len() as f64 / 1e6;
    MARKS
        .iter()
        .map(|&mark| outcome.curve[mark])
        .chain([outcome.total()])
        .map(|sum| sum * scale)
        .collect()
}

/// `reference` has None where nothing was written down. Sums of large errors are within 2.5 %, of which 1.5 % are the choice of
/// the centres; what is left in the end is a matter of a few cases, so it may be off by 0.006 (of 6.6 at the start).
fn assert_matches(name: &str, outcome: &Outcome, reference: [Option<f64>; 6]) {
    for (got, expected) in marks(outcome).into_iter().zip(reference) {
        let Some(expected) = expected else { continue };
        assert!(
            (got - expected).abs() <= 0.025 * expected + 0.006,
            "{name}: {got} is not {expected}"
        );
    }
}

fn entry(name: &str) -> &'static Entry {
    detloss::losses::find(name).unwrap()
}

/// The reference: another implementation, 5000 random centres, in f64.
#[test]
fn published_directions_redo_the_figure_of_the_paper() {
    let centers = disc(CENTERS, 1);
    for (name, reference) in [
        ("iou", [6.646, 6.028, 5.983, 5.981, 5.911, 1207.1]),
        ("giou", [6.436, 3.364, 2.330, 1.858, 1.497, 541.39]),
        ("diou", [6.386, 0.528, 0.407, 0.398, 0.0041, 162.72]),
        ("ciou", [6.326, 0.431, 0.404, 0.395, 0.0041, 144.16]),
    ] {
        let direction = published::find(name).unwrap();
        assert_matches(name, &run(&centers, || direction, |_| ()), reference.map(Some));
    }
}

/// The reference: gradients derived by hand and checked against automatic differentiation.
#[test]
fn exact_gradients_tell_another_story() {
    let centers = disc(CENTERS, 1);
    for (name, [at_50, at_100, at_160, at_200, total]) in [
        ("iou", [6.084, 5.979, 5.961, 5.911, 1210.2]),
        ("giou", [1.951, 0.590, 0.323, 0.0289, 272.75]),
        ("diou", [2.873, 0.719, 0.304, 0.0525, 341.63]),
        ("ciou", [2.508, 0.494, 0.258, 0.0074, 304.23]),
        ("eiou", [2.011, 0.365, 0.265, 0.0027, 256.94]),
        ("focal_eiou", [6.086, 6.009, 5.990, 5.947, 1213.8]),
    ] {
        let loss = entry(name).make();
        let outcome = run(&centers, || Exact::new(&loss), |_| ());
        let reference = [None, Some(at_50), Some(at_100), Some(at_160), Some(at_200), Some(total)];
        assert_matches(name, &outcome, reference);
    }
}

#[test]
fn the_result_does_not_depend_on_threads() {
    let centers = disc(2 * GROUP + 3, 7);
    let direction = published::find("diou").unwrap();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&centers, || direction, |_| ()))
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn a_seed_always_gives_the_same_centers() {
    // As first released: whoever quotes a seed relies on it.
    let known = [0.149311, -0.235691, 0.394075, 2.203920];
    for (got, expected) in disc(2, 1).as_flattened().iter().zip(known) {
        assert!((got - expected).abs() < 1e-5, "{got} is not {expected}");
    }
    assert_eq!(disc(3, 1), disc(3, 1));
    assert_ne!(disc(3, 1), disc(3, 2));
    assert!(disc(1000, 1).iter().all(|[x, y]| x.hypot(*y) <= RADIUS));
}

#[test]
fn there_are_343_cases_with_areas_and_ratios_of_the_paper() {
    assert_eq!(CASES, 343);
    let (anchors, targets) = (Boxes::anchors([1.0, 2.0]), Boxes::targets());
    assert_eq!((targets.w[0], targets.h[0]), (0.5, 2.0));
    assert_eq!((anchors.w[CASES - 1], anchors.h[CASES - 1]), (8.0_f32.sqrt(), 0.5_f32.sqrt()));
    assert!(targets.w.iter().zip(&targets.h).all(|(w, h)| (w * h - 1.0).abs() < 1e-6));
}

#[test]
fn a_perfect_box_stays_under_an_exact_gradient() {
    let targets = Boxes::targets();
    let mut ascent = Boxes::zeros();
    let loss = entry("ciou").make();
    Exact::new(&loss).write(&targets, &targets, &mut ascent);
    assert_eq!(ascent, Boxes::zeros());
}
