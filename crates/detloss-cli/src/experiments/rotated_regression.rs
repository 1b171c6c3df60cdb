//! The regression of rotated boxes: the experiment of [`box_regression`](super::box_regression) with an angle.
//!
//! Targets, anchors, starting points, and the length of the steps are those of the upright boxes, and every starting point has an
//! angle of its own. No loss depends on the axes, so the targets lie along them.

use std::f64::consts::{FRAC_PI_2, PI, SQRT_2};

use detloss::Batch;
use detloss::batch::Kernel;
use detloss::losses::rotated::RotatedIou;
use rayon::prelude::*;

use super::box_regression::{CASES, GROUP, ITERATIONS, cases, disc, rate, sides};
use crate::random::Random;

/// How many parts the errors at the start are sorted into, of 5 degrees each.
pub(crate) const BINS: usize = 18;

/// A rotated box: cx, cy, w, h, angle.
type Fields = [f32; 5];

/// How many cases have a target with an angle, which a square is without.
pub(crate) fn cases_with_angle() -> usize {
    targets().iter().filter(|target| has_angle(target)).count()
}

/// Where anchors start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Start {
    /// Their centre, from that of the targets.
    pub(crate) center: [f64; 2],
    /// Their angle, from that of the targets: from −π/2 to π/2.
    pub(crate) turn: f64,
}

/// `count` points of the disc around the target, each with its angle. Both are spread evenly, whatever the seed.
pub(crate) fn starts(count: usize, seed: u64) -> Vec<Start> {
    // Another step than the golden one from point to point, or the angle would follow from the place.
    let first = Random::new(!seed).uniform();
    let turn = |index: usize| PI * ((first + SQRT_2 * index as f64).fract() - 0.5);
    let centers = disc(count, seed).into_iter().enumerate();
    centers.map(|(index, center)| Start { center, turn: turn(index) }).collect()
}

/// How far boxes are from their targets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Distance {
    /// The sum of the IoUs of all cases.
    pub(crate) iou: f64,
    /// The sum of the errors of the angle in radians, of the cases that have one.
    pub(crate) angle: f64,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// After 0, 1, … [`ITERATIONS`] iterations, from all starts.
    pub(crate) curve: Vec<Distance>,
    /// After the last iteration, from each start.
    pub(crate) last: Vec<Distance>,
    /// Of the cases whose error of the angle is at first in one of [`BINS`] equal parts of 0 to π/2: the sum of the last errors, and
    /// how many cases they are.
    pub(crate) by_angle: [(f64, usize); BINS],
}

impl Outcome {
    fn zero() -> Self {
        let curve = vec![Distance::default(); ITERATIONS + 1];
        Self { curve, last: Vec::new(), by_angle: [(0.0, 0); BINS] }
    }

    fn add(&mut self, later: &Self) {
        for (sum, distance) in self.curve.iter_mut().zip(&later.curve) {
            sum.iou += distance.iou;
            sum.angle += distance.angle;
        }
        self.last.extend_from_slice(&later.last);
        for ((sum, count), (more, others)) in self.by_angle.iter_mut().zip(later.by_angle) {
            *sum += more;
            *count += others;
        }
    }
}

/// Lets the boxes of every start walk down the gradient of a loss of two rotated boxes, on all threads; the result does not depend
/// on their number. `done` hears of every group of starts how many they were.
pub(crate) fn run<L: Kernel + Sync + ?Sized>(
    starts: &[Start],
    loss: &L,
    done: impl Fn(usize) + Sync,
) -> Outcome {
    let group = |starts: &[Start]| {
        let mut outcome = Outcome::zero();
        for &start in starts {
            walk(start, loss, &mut outcome);
        }
        done(starts.len());
        outcome
    };
    let groups: Vec<Outcome> = starts.par_chunks(GROUP).map(group).collect();
    let mut outcome = Outcome::zero();
    groups.iter().for_each(|group| outcome.add(group));
    outcome
}

/// Adds the cases of one start to `outcome`.
fn walk<L: Kernel + ?Sized>(start: Start, loss: &L, outcome: &mut Outcome) {
    let (mut boxes, targets) = (anchors(start), targets());
    let mut slopes = boxes.clone();
    let first = angle_errors(&boxes, &targets);
    for iteration in 0..=ITERATIONS {
        let ious = overlaps(&boxes, &targets);
        let distance = Distance {
            iou: ious.iter().copied().map(f64::from).sum(),
            angle: angle_errors(&boxes, &targets).iter().flatten().sum(),
        };
        outcome.curve[iteration].iou += distance.iou;
        outcome.curve[iteration].angle += distance.angle;
        if iteration == ITERATIONS {
            outcome.last.push(distance);
            break;
        }
        Batch::new(boxes.as_flattened(), targets.as_flattened())
            .sum()
            .threads(false)
            .value_and_grad_into(loss, slopes.as_flattened_mut())
            .expect("there are five fields for every box");
        for ((fields, slopes), iou) in boxes.iter_mut().zip(&slopes).zip(&ious) {
            // A box that is already good moves less.
            let step = rate(iteration + 1) * (2.0 - iou);
            for (field, slope) in fields.iter_mut().zip(slopes) {
                *field -= step * slope;
            }
        }
    }
    for (first, last) in first.iter().zip(angle_errors(&boxes, &targets)) {
        if let (Some(first), Some(last)) = (first, last) {
            let bin = (first / FRAC_PI_2 * BINS as f64) as usize;
            let (sum, count) = &mut outcome.by_angle[bin.min(BINS - 1)];
            *sum += last;
            *count += 1;
        }
    }
}

fn targets() -> Vec<Fields> {
    cases().map(|(target, ..)| fields([0.0; 2], sides(1.0, target), 0.0)).collect()
}

fn anchors(Start { center, turn }: Start) -> Vec<Fields> {
    cases().map(|(_, area, anchor)| fields(center, sides(area, anchor), turn)).collect()
}

fn fields([cx, cy]: [f64; 2], [w, h]: [f64; 2], angle: f64) -> Fields {
    [cx, cy, w, h, angle].map(|field| field as f32)
}

/// The IoU of every box with its target.
fn overlaps(boxes: &[Fields], targets: &[Fields]) -> Vec<f32> {
    let mut ious = vec![0.0; CASES];
    Batch::new(boxes.as_flattened(), targets.as_flattened())
        .threads(false)
        .values_into(&RotatedIou::default(), &mut ious)
        .expect("there are five fields for every box");
    ious.iter().map(|loss| 1.0 - loss).collect()
}

/// The error of the angle of every box, where its target has an angle.
fn angle_errors(boxes: &[Fields], targets: &[Fields]) -> Vec<Option<f64>> {
    let pairs = boxes.iter().zip(targets);
    pairs.map(|(one, target)| has_angle(target).then(|| angle_error(*one, *target))).collect()
}

fn has_angle([_, _, w, h, _]: &Fields) -> bool {
    w != h
}

/// The angle between the longer sides of a box and of its target, from 0 to π/2: what the sides are called is no matter. Of a square
/// each side is as long as the other, so the nearer one counts.
fn angle_error(one: Fields, target: Fields) -> f64 {
    let along =
        |[_, _, w, h, angle]: Fields| f64::from(angle) + if w < h { FRAC_PI_2 } else { 0.0 };
    let turn = (along(one) - along(target)).rem_euclid(PI);
    let error = turn.min(PI - turn);
    if has_angle(&one) { error } else { error.min(FRAC_PI_2 - error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loss by its name.
    fn after(name: &str, starts: &[Start]) -> Outcome {
        run(starts, &detloss::losses::find(name).unwrap().make(), |_| ())
    }

    #[test]
    fn an_angle_is_that_of_the_longer_side() {
        let error = |w, h, angle| angle_error([0.0, 0.0, w, h, angle], [5.0, 0.0, 2.0, 1.0, 0.0]);
        let near = |got: f64, wanted: f64| assert!((got - wanted).abs() < 1e-6, "{got}, {wanted}");
        near(error(2.0, 1.0, 0.3), 0.3);
        near(error(2.0, 1.0, -0.3), 0.3);
        near(error(2.0, 1.0, 3.0), PI - 3.0);
        near(error(9.0, 1.0, 1.2), 1.2);
        // The same box with its sides exchanged.
        near(error(1.0, 2.0, 0.3 - FRAC_PI_2 as f32), 0.3);
        near(error(1.0, 2.0, 0.0), FRAC_PI_2);
        // A square looks the same from four sides.
        near(error(1.0, 1.0, 0.3), 0.3);
        near(error(1.0, 1.0, 1.2), FRAC_PI_2 - 1.2);
    }

    #[test]
    fn square_targets_have_no_angle() {
        assert_eq!(cases_with_angle(), CASES * 6 / 7);
        let square = [0.0, 0.0, 1.0, 1.0, 0.0];
        let turned = [0.0, 0.0, 1.0, 1.0, 0.5];
        assert_eq!(angle_errors(&[turned], &[square]), [None]);
    }

    #[test]
    fn starts_are_spread_over_places_and_angles() {
        let starts = starts(400, 1);
        let (left, ahead) =
            (|start: &&Start| start.center[0] < 0.0, |start: &&Start| start.turn < 0.0);
        assert!(starts.iter().all(|start| start.turn.abs() <= FRAC_PI_2));
        for half in [starts.iter().filter(left).count(), starts.iter().filter(ahead).count()] {
            assert!(half.abs_diff(200) <= 10, "{half}");
        }
        let both = starts.iter().filter(left).filter(ahead).count();
        assert!(both.abs_diff(100) <= 20, "{both}");
        assert_ne!(starts, super::starts(400, 2));
    }

    /// Where boxes overlap from the start, each way to compare them turns and fits them.
    #[test]
    fn near_boxes_arrive_down_every_kind_of_loss() {
        let near =
            [Start { center: [0.2, -0.1], turn: 0.4 }, Start { center: [0.0, 0.3], turn: -0.6 }];
        let cases = (near.len() * CASES) as f64;
        for name in ["rotated_iou", "rotated_giou", "gwd", "kld", "prob_iou", "mgiou"] {
            let Outcome { curve, last, .. } = after(name, &near);
            let mean = |at: usize| curve[at].iou / cases;
            assert!(
                mean(0) < 0.62 && mean(ITERATIONS) > 0.9,
                "{name}: {} to {}",
                mean(0),
                mean(ITERATIONS)
            );
            assert!(curve[ITERATIONS].angle < 0.25 * curve[0].angle, "{name}: {curve:?}");
            assert_eq!(last.len(), near.len());
        }
    }

    #[test]
    fn a_loss_without_a_slope_by_the_centre_leaves_it() {
        let far = [Start { center: [2.5, 0.0], turn: 0.4 }];
        let Outcome { curve, by_angle, .. } = after("kfiou", &far);
        assert_eq!(curve[ITERATIONS].iou, 0.0);
        assert!(curve[ITERATIONS].angle < 0.2 * curve[0].angle, "{:?}", curve[ITERATIONS]);
        let (errors, counts): (Vec<f64>, Vec<usize>) = by_angle.into_iter().unzip();
        assert_eq!(counts.iter().sum::<usize>(), cases_with_angle());
        assert!((errors.iter().sum::<f64>() - curve[ITERATIONS].angle).abs() < 1e-9);
        // 0.4 rad are 23 degrees: the longer sides are that far apart, or the complement.
        let places = |bin: &usize| counts[*bin] > 0;
        assert_eq!((0..BINS).filter(places).collect::<Vec<_>>(), [4, 13]);
    }

    #[test]
    fn the_result_does_not_depend_on_threads() {
        let starts = starts(GROUP + 2, 7);
        let loss = detloss::losses::find("rotated_angle").unwrap().make();
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&starts, &loss, |_| ()))
        };
        assert_eq!(on(1), on(3));
    }
}
