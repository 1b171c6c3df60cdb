//! The directions of the paper's own experiment, which are not the gradients of its losses.
//!
//! The boxes of the DIoU paper's figures were moved by formulas written by hand: `dIOU.m`, `dGIOU.m`, `dDIOU.m` and `dCIOU.m`
//! of <https://github.com/Zzh-tju/DIoU>, the same as in the authors' darknet. They depart from the derivatives in five ways,
//! listed in [`DEVIATIONS`] and marked by their number here. Who wants the paper's figures has to depart with them.

use std::f32::consts::PI;

use super::{Boxes, CASES, Direction, RATIOS};

/// How the published directions differ from the gradients, in words for the report.
pub(crate) const DEVIATIONS: [&str; 5] = [
    "All four: width and height move by the difference of the slopes of their two edges; the derivative is half of that \
     (to_xywh.m).",
    "GIoU: the sides of the intersection may be negative, so boxes apart from each other in both directions have a positive \
     intersection, and boxes apart in one have a negative one (dGIOU.m).",
    "DIoU and CIoU: for the centre, the slope of the diagonal enters with the opposite sign, and either axis of the diagonal \
     is given the slopes of both; a side of a box that spans its target along that side has slope −1 instead of 1 (dDIOU.m, \
     dCIOU.m; the author calls it a custom direction in issues 14 and 38 of Zzh-tju/DIoU-darknet).",
    "CIoU: the factor 1/(w² + h²) of the slope of the aspect ratio is left out, as the paper announces, and 1e-7 is added to \
     the denominator of alpha (dCIOU.m).",
    "All four: edges are compared strictly, so boxes that fit exactly still move, and step over the target until the rate \
     falls (dIbox.m, dCbox.m).",
];

/// The losses that have a published direction, by their ids in the list.
static ALL: &[(&str, Loop)] = &[
    ("iou", |boxes, targets, to| each(boxes, targets, to, iou)),
    ("giou", |boxes, targets, to| each(boxes, targets, to, giou)),
    ("diou", |boxes, targets, to| each(boxes, targets, to, diou)),
    ("ciou", ciou),
];

/// Writes the directions of all boxes. Whole loops are listed, so that a formula is inlined into its own.
type Loop = fn(&Boxes, &Boxes, &mut Boxes);

/// What was published for the loss called `name`, if anything was.
pub(crate) fn find(name: &str) -> Option<Published> {
    ALL.iter().find(|(known, _)| *known == name).map(|&(_, write)| Published { write })
}

/// A published direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published {
    write: Loop,
}

impl Direction for Published {
    fn write(&mut self, boxes: &Boxes, targets: &Boxes, direction: &mut Boxes) {
        (self.write)(boxes, targets, direction);
    }
}

#[inline(always)]
fn each(
    boxes: &Boxes,
    targets: &Boxes,
    direction: &mut Boxes,
    formula: impl Fn(Axis, Axis) -> [Step; 2],
) {
    for i in 0..CASES {
        let x = Axis::new(boxes.cx[i], boxes.w[i], targets.w[i]);
        let y = Axis::new(boxes.cy[i], boxes.h[i], targets.h[i]);
        let [x, y] = formula(x, y);
        direction.cx[i] = x.center;
        direction.cy[i] = y.center;
        direction.w[i] = x.size;
        direction.h[i] = y.size;
    }
}

/// One axis of a box and of its target, whose centre is 0.
#[derive(Clone, Copy)]
struct Axis {
    center: f32,
    size: f32,
    target: f32,
    /// The length both share; negative where they are apart.
    meet: f32,
    /// The length of the hull.
    hull: f32,
    /// The slopes of `meet` by the lower and the upper edge.
    meet_slopes: [f32; 2],
    /// The slopes of `hull` by the lower and the upper edge.
    hull_slopes: [f32; 2],
}

impl Axis {
    #[inline(always)]
    fn new(center: f32, size: f32, target: f32) -> Self {
        let (low, high, edge) = (center - 0.5 * size, center + 0.5 * size, 0.5 * target);
        let slope = |moves: bool, slope: f32| if moves { slope } else { 0.0 };
        Self {
            center,
            size,
            target,
            meet: high.min(edge) - low.max(-edge),
            hull: high.max(edge) - low.min(-edge),
            // (5): at equal edges the derivative is half of one slope and half of the other.
            meet_slopes: [slope(low > -edge, -1.0), slope(high < edge, 1.0)],
            hull_slopes: [slope(low < -edge, -1.0), slope(high > edge, 1.0)],
        }
    }

    /// The step along the slopes by both edges.
    #[inline(always)]
    fn step(&self, slope: impl Fn(usize) -> f32) -> Step {
        let [low, high] = [slope(0), slope(1)];
        Step { center: low + high, size: high - low } // (1)
    }

    /// The slopes of `size` by the lower and the upper edge.
    const SIZE_SLOPES: [f32; 2] = [-1.0, 1.0];

    /// The slopes of the hull that enter the diagonal, by centre and by size.
    #[inline(always)]
    fn diagonal_slopes(&self) -> [f32; 2] {
        let [low, high] = self.hull_slopes;
        [low + high, 0.5 * (high - low)]
    }

    #[inline(always)]
    fn spans_target(&self) -> bool {
        self.hull_slopes == [-1.0, 1.0]
    }
}

/// How far a box goes along one axis.
#[derive(Clone, Copy)]
struct Step {
    center: f32,
    size: f32,
}

/// The area of the intersection, and of the union.
#[inline(always)]
fn intersection_and_union(x: Axis, y: Axis) -> (f32, f32) {
    let meet = x.meet * y.meet;
    (meet, x.size * y.size + x.target * y.target - meet)
}

/// The IoU and its slopes count only where this holds.
#[inline(always)]
fn overlaps(x: Axis, y: Axis) -> bool {
    x.meet.min(y.meet) > 0.0
}

#[inline(always)]
fn iou(x: Axis, y: Axis) -> [Step; 2] {
    let (meet, union) = intersection_and_union(x, y);
    let scale = if overlaps(x, y) { 1.0 / (union * union) } else { 0.0 };
    [(x, y), (y, x)].map(|(along, across)| {
        along.step(|edge| {
            let meet_slope = along.meet_slopes[edge] * across.meet;
            let union_slope = Axis::SIZE_SLOPES[edge] * across.size - meet_slope;
            (union * meet_slope - meet * union_slope) * scale
        })
    })
}

#[inline(always)]
fn giou(x: Axis, y: Axis) -> [Step; 2] {
    let (_, union) = intersection_and_union(x, y); // (2)
    let hull = x.hull * y.hull;
    let pull = [(x, y), (y, x)].map(|(along, across)| {
        along.step(|edge| {
            let meet_slope = along.meet_slopes[edge] * across.meet; // (2)
            let union_slope = Axis::SIZE_SLOPES[edge] * across.size - meet_slope;
            let hull_slope = along.hull_slopes[edge] * across.hull;
            (hull * union_slope - union * hull_slope) / (hull * hull)
        })
    });
    add(iou(x, y), pull)
}

#[inline(always)]
fn diou(x: Axis, y: Axis) -> [Step; 2] {
    let diagonal = x.hull * x.hull + y.hull * y.hull;
    let distance = x.center * x.center + y.center * y.center;
    let pull = [(x, y), (y, x)].map(|(along, across)| {
        let [by_center, by_size] = along.diagonal_slopes();
        // (3): `across.hull` does not depend on this axis at all.
        let center_slope = 2.0 * (along.hull + across.hull) * by_center;
        let own_slope = if along.spans_target() { -1.0 } else { by_size };
        let size_slope = 2.0 * (along.hull * own_slope + across.hull * by_size);
        Step {
            center: (-2.0 * along.center * diagonal - center_slope * distance)
                / (diagonal * diagonal), // (3)
            size: size_slope * distance / (diagonal * diagonal),
        }
    });
    add(iou(x, y), pull)
}

fn ciou(boxes: &Boxes, targets: &Boxes, direction: &mut Boxes) {
    each(boxes, targets, direction, diou);
    let mut target_angle = 0.0;
    for i in 0..CASES {
        // Arc tangents are most of the work here, and the cases of one target are neighbours.
        if i % (CASES / RATIOS.len()) == 0 {
            target_angle = (targets.w[i] / targets.h[i]).atan();
        }
        let (w, h) = (boxes.w[i], boxes.h[i]);
        let x = Axis::new(boxes.cx[i], w, targets.w[i]);
        let y = Axis::new(boxes.cy[i], h, targets.h[i]);
        let (meet, union) = intersection_and_union(x, y);
        let iou = if overlaps(x, y) { meet / union } else { 0.0 };
        let angle = target_angle - (w / h).atan();
        let v = 4.0 / (PI * PI) * angle * angle;
        let alpha = v / (1.0 - iou + v + 1e-7); // (4)
        let turn = alpha * 8.0 / (PI * PI) * angle; // (4)
        direction.w[i] += turn * h;
        direction.h[i] -= turn * w;
    }
}

#[inline(always)]
fn add(a: [Step; 2], b: [Step; 2]) -> [Step; 2] {
    [0, 1].map(|axis| Step {
        center: a[axis].center + b[axis].center,
        size: a[axis].size + b[axis].size,
    })
}
