//! The bounding-box regression experiment of the DIoU paper.
//!
//! Boxes of many shapes, placed all around a target, walk towards it down a loss. How far all of them together still are, step
//! after step, shows where a loss is slow and where it never arrives.
//!
//! Zheng, Wang, Liu, Li, Ye, Ren, *Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression*, AAAI 2020,
//! section "Analysis to IoU and GIoU losses"; the protocol in detail is `test_1715k.m` of <https://github.com/Zzh-tju/DIoU>.

mod exact;
pub(crate) mod published;

use std::f64::consts::TAU;

use rayon::prelude::*;

use crate::random::Random;

pub(crate) use exact::Exact;

/// How often every box moves.
pub(crate) const ITERATIONS: usize = 200;
/// Width over height of the seven targets, whose area is 1, and of the anchors.
pub(crate) const RATIOS: [f64; 7] = [1.0 / 4.0, 1.0 / 3.0, 1.0 / 2.0, 1.0, 2.0, 3.0, 4.0];
/// The areas of the anchors.
pub(crate) const AREAS: [f64; 7] = [0.5, 0.67, 0.75, 1.0, 1.33, 1.5, 2.0];
/// How many anchors, each with its target, start from one centre.
pub(crate) const CASES: usize = RATIOS.len() * AREAS.len() * RATIOS.len();
/// The anchors' centres lie at most this far from the targets' centre.
pub(crate) const RADIUS: f64 = 3.0;

/// How many centres make a unit of work; the sums are formed group by group, so it is part of the result's last digits.
pub(crate) const GROUP: usize = 25;

/// How far boxes move along a direction in iteration 1, 2, …
pub(super) fn rate(iteration: usize) -> f32 {
    match iteration {
        ..=160 => 0.1,
        161..=180 => 0.01,
        _ => 0.001,
    }
}

/// The boxes of all cases of one centre, field by field, so that loops over them become SIMD code.
///
/// The targets' centre is the origin, where the paper has (10, 10): no loss of two boxes depends on it, and `f32` has more
/// digits there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Boxes {
    cx: [f32; CASES],
    cy: [f32; CASES],
    w: [f32; CASES],
    h: [f32; CASES],
}

impl Boxes {
    fn zeros() -> Self {
        Self { cx: [0.0; CASES], cy: [0.0; CASES], w: [0.0; CASES], h: [0.0; CASES] }
    }

    /// The boxes around `center` whose sizes are `size(target ratio, area, anchor ratio)`.
    fn around([cx, cy]: [f64; 2], size: impl Fn(f64, f64, f64) -> [f64; 2]) -> Self {
        let mut boxes = Self::zeros();
        boxes.cx.fill(cx as f32);
        boxes.cy.fill(cy as f32);
        for (index, (target, area, anchor)) in cases().enumerate() {
            let [w, h] = size(target, area, anchor);
            boxes.w[index] = w as f32;
            boxes.h[index] = h as f32;
        }
        boxes
    }

    /// The targets of all cases.
    pub(crate) fn targets() -> Self {
        Self::around([0.0; 2], |target, _, _| sides(1.0, target))
    }

    /// The anchors of all cases around `center`.
    fn anchors(center: [f64; 2]) -> Self {
        Self::around(center, |_, area, anchor| sides(area, anchor))
    }
}

/// The ratio of the target, the area of the anchor, and its ratio, in all cases.
pub(super) fn cases() -> impl Iterator<Item = (f64, f64, f64)> {
    let anchors = || AREAS.iter().flat_map(|&area| RATIOS.map(|anchor| (area, anchor)));
    RATIOS
        .iter()
        .flat_map(move |&target| anchors().map(move |(area, anchor)| (target, area, anchor)))
}

/// Width and height of a box.
pub(super) fn sides(area: f64, ratio: f64) -> [f64; 2] {
    [(area * ratio).sqrt(), (area / ratio).sqrt()]
}

/// `count` points, uniform in the disc around the target: one at random in each of `count` rings of equal area, turned by the
/// golden angle from ring to ring. Every point is as uniform as in the paper's protocol; that they share the disc evenly takes
/// away most of what depends on the seed.
pub(crate) fn disc(count: usize, seed: u64) -> Vec<[f64; 2]> {
    let mut random = Random::new(seed);
    let mut uniform = move || random.uniform();
    let golden = TAU * (1.0 - 2.0 / (1.0 + 5.0_f64.sqrt()));
    let start = TAU * uniform();
    let mut point = |ring: usize| {
        let radius = RADIUS * ((ring as f64 + uniform()) / count as f64).sqrt();
        let angle = start + golden * ring as f64;
        [radius * angle.cos(), radius * angle.sin()]
    };
    (0..count).map(&mut point).collect()
}

/// Where boxes go: the direction in which some metric of theirs rises, by centre and size.
pub(crate) trait Direction {
    /// Writes the direction of every box, before it is scaled by the step.
    fn write(&mut self, boxes: &Boxes, targets: &Boxes, direction: &mut Boxes);
}

/// What came of a run. An error is |Δcx| + |Δcy| + |Δw| + |Δh|.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// The sum of the errors of all cases after 0, 1, … [`ITERATIONS`] iterations.
    pub(crate) curve: Vec<f64>,
    /// For every centre, the sum of the errors of its cases after the last iteration.
    pub(crate) last: Vec<f64>,
}

impl Outcome {
    fn zero() -> Self {
        Self { curve: vec![0.0; ITERATIONS + 1], last: Vec::new() }
    }

    /// The sum of the errors over all cases and iterations; the start does not count.
    pub(crate) fn total(&self) -> f64 {
        self.curve[1..].iter().sum()
    }

    fn add(&mut self, later: &Self) {
        for (sum, error) in self.curve.iter_mut().zip(&later.curve) {
            *sum += error;
        }
        self.last.extend_from_slice(&later.last);
    }
}

/// Lets the boxes around every centre walk along a direction, on all threads; the result does not depend on their number.
///
/// Every group of centres makes its own `direction`, with room for its buffers, and reports to `done` how many centres it had.
pub(crate) fn run<D: Direction>(
    centers: &[[f64; 2]],
    direction: impl Fn() -> D + Sync,
    done: impl Fn(usize) + Sync,
) -> Outcome {
    let group = |centers: &[[f64; 2]]| {
        let mut direction = direction();
        let mut outcome = Outcome::zero();
        for &center in centers {
            walk(center, &mut direction, &mut outcome);
        }
        done(centers.len());
        outcome
    };
    let groups: Vec<Outcome> = centers.par_chunks(GROUP).map(group).collect();
    let mut outcome = Outcome::zero();
    groups.iter().for_each(|group| outcome.add(group));
    outcome
}

/// Adds the cases of one centre to `outcome`. All of its memory stays in the first-level cache.
fn walk(center: [f64; 2], direction: &mut impl Direction, outcome: &mut Outcome) {
    let targets = Boxes::targets();
    let mut boxes = Boxes::anchors(center);
    let mut ascent = Boxes::zeros();
    let mut errors = [0.0; CASES];
    step(&mut boxes, &targets, &ascent, 0.0, &mut errors);
    outcome.curve[0] += sum(&errors);
    for iteration in 1..=ITERATIONS {
        direction.write(&boxes, &targets, &mut ascent);
        step(&mut boxes, &targets, &ascent, rate(iteration), &mut errors);
        outcome.curve[iteration] += sum(&errors);
    }
    outcome.last.push(sum(&errors));
}

/// Moves every box by rate · (2 − IoU) along its direction, then measures its error. A box that is already good moves less.
fn step(boxes: &mut Boxes, targets: &Boxes, ascent: &Boxes, rate: f32, errors: &mut [f32; CASES]) {
    let Boxes { cx, cy, w, h } = boxes;
    for i in 0..CASES {
        let (target_w, target_h) = (targets.w[i], targets.h[i]);
        let meet = overlap(cx[i], w[i], target_w) * overlap(cy[i], h[i], target_h);
        // An inverted box meets nothing, and its negative area might make the union 0.
        let iou = if meet > 0.0 { meet / (w[i] * h[i] + target_w * target_h - meet) } else { 0.0 };
        let scale = rate * (2.0 - iou);
        cx[i] += scale * ascent.cx[i];
        cy[i] += scale * ascent.cy[i];
        w[i] += scale * ascent.w[i];
        h[i] += scale * ascent.h[i];
        errors[i] = cx[i].abs() + cy[i].abs() + (w[i] - target_w).abs() + (h[i] - target_h).abs();
    }
}

/// How much of one axis a box shares with its target, whose centre is 0.
fn overlap(center: f32, size: f32, target: f32) -> f32 {
    let (half, edge) = (0.5 * size, 0.5 * target);
    (edge.min(center + half) - (-edge).max(center - half)).max(0.0)
}

/// A sum in a fixed order: eight partial sums, for SIMD registers, then one after the other.
fn sum(errors: &[f32; CASES]) -> f64 {
    let (rows, rest) = errors.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for row in rows {
        for (sum, error) in sums.iter_mut().zip(row) {
            *sum += error;
        }
    }
    sums.iter().chain(rest).copied().map(f64::from).sum()
}

#[cfg(test)]
mod tests;
