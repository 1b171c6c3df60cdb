//! Which of many boxes meet a window, and which are nearest to a point.

use super::top::Top;
use crate::scalar::Compute;

/// How many boxes make a group, and how many groups a larger one.
const GROUP: usize = 16;

/// x1, y1, x2, y2; a point twice.
pub(super) type Rect<T> = [T; 4];

/// x1, y1, −x2, −y2: a hull is the least of each, and one comparison of four numbers says whether two boxes meet.
type Bounds<T> = [T; 4];

/// Boxes in their order, in groups with a hull each, in groups of groups, and so on: a bounding volume hierarchy.
///
/// Anchors stand in the list as they lie in the grid, so that neighbours in the list are neighbours in the image and hulls are small.
/// Nothing is sorted. Where boxes are in no order, hulls are large, and every box is looked at.
#[derive(Clone, Debug)]
pub(super) struct Tree<T> {
    /// The boxes, then the hulls of their groups, up to one group.
    floors: Vec<Vec<Bounds<T>>>,
}

impl<T: Compute> Tree<T> {
    pub(super) fn new(boxes: impl Iterator<Item = Rect<T>>) -> Self {
        let mut floors = vec![boxes.map(|[x1, y1, x2, y2]| [x1, y1, -x2, -y2]).collect::<Vec<_>>()];
        while let Some(top) = floors.last().filter(|floor| floor.len() > GROUP) {
            let hulls = top.chunks(GROUP).map(hull).collect();
            floors.push(hulls);
        }
        Self { floors }
    }

    /// Shows every box that meets the window to `visit`, by ascending index. What touches the window meets it.
    pub(super) fn meeting(&self, [x1, y1, x2, y2]: Rect<T>, mut visit: impl FnMut(usize)) {
        self.descend(self.floors.len() - 1, 0, [x2, y2, -x1, -y1], &mut visit);
    }

    fn descend(&self, floor: usize, group: usize, most: Bounds<T>, visit: &mut impl FnMut(usize)) {
        let (start, members) = self.group(floor, group);
        let mut meeting = 0_u32;
        for (place, member) in members.iter().enumerate() {
            meeting |= u32::from(is_within(member, &most)) << place;
        }
        while meeting != 0 {
            let index = start + meeting.trailing_zeros() as usize;
            meeting &= meeting - 1;
            match floor.checked_sub(1) {
                Some(below) => self.descend(below, index, most, visit),
                None => visit(index),
            }
        }
    }

    /// Offers to `top` the boxes whose squared distance from a point is least, with its opposite as their metric and `first` added to
    /// their index; not those that cannot be among them.
    pub(super) fn nearest(&self, point: [T; 2], first: usize, top: &mut Top<T>) {
        self.approach(self.floors.len() - 1, 0, point, first, top);
    }

    fn approach(&self, floor: usize, group: usize, point: [T; 2], first: usize, top: &mut Top<T>) {
        let (start, members) = self.group(floor, group);
        let mut near = [(T::default(), 0); GROUP];
        for (place, (near, member)) in near.iter_mut().zip(members).enumerate() {
            *near = (-distance_squared(*member, point), start + place);
        }
        let near = &mut near[..members.len()];
        if floor > 0 {
            // The nearest group first, so that the others need not be entered.
            near.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap_or(std::cmp::Ordering::Equal));
        }
        for &(metric, index) in &*near {
            match floor.checked_sub(1) {
                Some(_) if top.worst().is_some_and(|worst| metric < worst) => break,
                Some(below) => self.approach(below, index, point, first, top),
                None => top.offer(metric, (first + index) as u32),
            }
        }
    }

    /// The members of a group, and the index of the first one.
    fn group(&self, floor: usize, group: usize) -> (usize, &[Bounds<T>]) {
        let members = &self.floors[floor];
        let start = group * GROUP;
        (start, &members[start..members.len().min(start + GROUP)])
    }
}

fn hull<T: Compute>(boxes: &[Bounds<T>]) -> Bounds<T> {
    let least = |a: T, b: T| if b < a { b } else { a };
    let both = |a: Bounds<T>, b: &Bounds<T>| std::array::from_fn(|side| least(a[side], b[side]));
    boxes.iter().skip(1).fold(boxes[0], both)
}

/// Without branches, so that all four are compared at once.
#[inline(always)]
fn is_within<T: PartialOrd>(bounds: &Bounds<T>, most: &Bounds<T>) -> bool {
    (bounds[0] <= most[0])
        & (bounds[1] <= most[1])
        & (bounds[2] <= most[2])
        & (bounds[3] <= most[3])
}

fn distance_squared<T: Compute>(bounds: Bounds<T>, [x, y]: [T; 2]) -> T {
    let outside =
        |low: T, at: T, minus_high: T| largest(largest(low - at, at + minus_high), T::default());
    outside(bounds[0], x, bounds[2]).square() + outside(bounds[1], y, bounds[3]).square()
}

fn largest<T: PartialOrd>(a: T, b: T) -> T {
    if b > a { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grid, a grid in no order, one box, none.
    fn scenes() -> Vec<Vec<Rect<f64>>> {
        let cell = |place: usize| {
            let (x, y) = ((place % 20) as f64 * 8.0, (place / 20) as f64 * 8.0);
            [x, y, x + (place % 3) as f64 * 6.0, y + 5.0]
        };
        let grid: Vec<_> = (0..413).map(cell).collect();
        let shuffled = (0..413).map(|place| cell(place * 100 % 413)).collect();
        vec![grid, shuffled, vec![cell(3)], Vec::new()]
    }

    fn meets(a: Rect<f64>, b: Rect<f64>) -> bool {
        a[0] <= b[2] && a[1] <= b[3] && b[0] <= a[2] && b[1] <= a[3]
    }

    fn away([x1, y1, x2, y2]: Rect<f64>, [x, y]: [f64; 2]) -> f64 {
        (x.clamp(x1, x2) - x).powi(2) + (y.clamp(y1, y2) - y).powi(2)
    }

    #[test]
    fn those_that_meet_a_window_are_found_in_order() {
        for boxes in scenes() {
            let tree = Tree::new(boxes.iter().copied());
            for window in [
                [0.0, 0.0, 500.0, 500.0],
                [30.0, 17.0, 77.0, 40.0],
                [13.0, 8.0, 13.0, 8.0],
                [-9.0, 0.0, -1.0, 9.0],
            ] {
                let mut found = Vec::new();
                tree.meeting(window, |index| found.push(index));
                let expected: Vec<usize> =
                    (0..boxes.len()).filter(|&index| meets(boxes[index], window)).collect();
                assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn those_nearest_to_a_point_are_found_and_ties_go_to_the_lower_index() {
        for boxes in scenes() {
            let tree = Tree::new(boxes.iter().copied());
            for point in [[50.0, 60.0], [-100.0, 3.0], [80.0, 80.0]] {
                for k in [1, 9, 500] {
                    let mut top = Top::new(k);
                    tree.nearest(point, 1000, &mut top);
                    let mut expected: Vec<(f64, u32)> = boxes
                        .iter()
                        .zip(1000..)
                        .map(|(member, index)| (-away(*member, point), index))
                        .collect();
                    expected.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                    expected.truncate(k);
                    assert_eq!(top.best(), expected);
                }
            }
        }
    }
}
