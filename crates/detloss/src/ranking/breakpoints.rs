//! Where the steps of the positives begin and end, and sums over what lies between.

use std::iter::Peekable;

use super::double_double::two_sum;
use super::sweep::{Line, Moments, from_above};
use crate::scalar::Compute;

/// Cells for every breakpoint: with more of them, the search for one leaves the cache.
const CELLS: usize = 2;

/// More breakpoints than this in the cell of the average breakpoint, and sorting all negatives is faster than looking up where they lie.
const MAX_MEAN_CELL: u64 = 16;

/// How many breakpoints are looked at without asking how many there are.
const UNROLLED: usize = 3;

/// The breakpoints of positives: of each the score from which on its step has begun, and that from which on it has come to its end.
#[derive(Clone, Debug)]
pub(super) struct Breakpoints<T> {
    /// The scores of the breakpoints in ascending order, each once but the lowest, which stands for what lies below it as well; after
    /// them some that no score comes up to.
    at: Vec<T>,
    /// How many breakpoints lie in cells before each cell, and how many there are in all.
    before: Vec<u32>,
    /// Cells for every unit of the scores.
    cells: f64,
    /// Units of height for every unit of the scores.
    units: f64,
    delta: f64,
}

/// What lies from a breakpoint to the next one: how many scores, and how far these are above the breakpoint, summed up.
///
/// Both are whole numbers, so that the sums are the same in any order: the upper 32 bits count the scores, the lower 96 the units of
/// their heights. Where no step rises nobody asks for heights; there they are no larger than that of a step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Segment(u128);

impl Segment {
    const SCORE: u128 = 1 << 96;

    /// How many units of height there are from where a step begins to where it ends.
    const STEP: f64 = (1_u64 << 62) as f64;

    #[inline(always)]
    fn add(&mut self, units: f64) {
        // To the nearest, and by way of a signed number, for which there is an instruction.
        self.0 += Self::SCORE + u128::from((units.min(Self::STEP) + 0.5) as i64 as u64);
    }

    fn count(self) -> f64 {
        f64::from((self.0 >> 96) as u32)
    }

    fn units(self) -> f64 {
        // In two parts, for each of which there is an instruction.
        f64::from((self.0 >> 64) as u32) * (4.0 * Self::STEP) + self.0 as u64 as f64
    }
}

/// What two sets have between the same breakpoints.
pub(super) fn merge(mut low: Vec<Segment>, high: Vec<Segment>) -> Vec<Segment> {
    low.iter_mut().zip(high).for_each(|(low, high)| low.0 += high.0);
    low
}

/// The segments above a breakpoint that moves down.
struct Above<I: Iterator> {
    segments: Peekable<I>,
    sum: Segment,
    /// Of their scores, as if each were at the breakpoint that its segment begins with.
    moments: Moments,
}

impl<T: Compute, I: Iterator<Item = (T, Segment)>> Above<I> {
    fn new(segments: I) -> Self {
        let segments = segments.peekable();
        Self { segments, sum: Segment::default(), moments: Moments::default() }
    }

    fn pass(&mut self, breakpoint: T) {
        while let Some((at, segment)) = self.segments.next_if(|&(at, _)| at >= breakpoint) {
            self.sum.0 += segment.0;
            self.moments.weight.add_whole(segment.count());
            self.moments.moment.add_product(segment.count(), at.to_f64());
        }
    }
}

/// From a breakpoint on to the next one, what all steps add up to: at the breakpoint, and more for every unit above it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rise<T> {
    sum: T,
    slope: T,
}

impl<T: Compute> Breakpoints<T> {
    /// Of positives with these scores, in ascending order; there is at least one. None if they lie so unevenly, most of them close
    /// together and some far off, that nothing would be found quickly.
    pub(super) fn new(scores: &[f64], delta: f64) -> Option<Self> {
        let mut at = Vec::with_capacity(1 + 2 * scores.len() + UNROLLED);
        let mut add = |breakpoint: T| {
            if at.last() != Some(&breakpoint) {
                at.push(breakpoint);
            }
        };
        let mut begins = scores.iter().map(|&score| begin(score, delta)).peekable();
        for &score in scores {
            let end = end(score, delta);
            while let Some(begin) = begins.next_if(|&begin| begin <= end) {
                add(begin);
            }
            add(end);
        }
        let cells = CELLS * at.len();
        let width = at[at.len() - 1].to_f64() - at[0].to_f64();
        // With a single breakpoint the width is 0: it has the first cell, and scores above it have any.
        let per_unit = (cells as f64 / width).min(f64::MAX);
        let units = if delta > 0.0 { Segment::STEP / (2.0 * delta) } else { 0.0 };
        at.insert(0, at[0]);
        at.extend([T::from_f64(f64::INFINITY); UNROLLED]);
        let mut breakpoints =
            Self { at, before: vec![0; cells + 1], cells: per_unit, units, delta };
        for index in 1..=breakpoints.len() {
            let cell = breakpoints.cell(breakpoints.at[index]);
            breakpoints.before[cell + 1] += 1;
        }
        let crowd: u64 = breakpoints.before.iter().map(|&count| u64::from(count).pow(2)).sum();
        let mut sum = 0;
        for before in &mut breakpoints.before {
            sum += *before;
            *before = sum;
        }
        (crowd <= MAX_MEAN_CELL * breakpoints.len() as u64).then_some(breakpoints)
    }

    pub(super) fn len(&self) -> usize {
        self.at.len() - 1 - UNROLLED
    }

    /// The lowest one: no step of a score below it is above 0.
    pub(super) fn lowest(&self) -> T {
        self.at[0]
    }

    /// Which cell a score is in. A score is never in a lower one than a breakpoint that it has passed.
    #[inline(always)]
    fn cell(&self, score: T) -> usize {
        let cells = (score.to_f64() - self.at[0].to_f64()) * self.cells;
        // There are fewer than 2³², and the way to 32 bits is the shorter one.
        (cells as u32 as usize).min(self.before.len() - 2)
    }

    /// How many breakpoints are not above this score.
    #[inline(always)]
    pub(super) fn passed(&self, score: T) -> u32 {
        let cell = self.cell(score);
        let before = self.before[cell] as usize;
        // Most cells have no more than two breakpoints, but nobody could predict how many.
        let near = &self.at[before + 1..][..UNROLLED];
        let in_cell = if near[UNROLLED - 1] > score {
            usize::from(near[0] <= score) + usize::from(near[1] <= score)
        } else {
            let all = &self.at[before + 1..=self.before[cell + 1] as usize];
            all.partition_point(|&at| at <= score)
        };
        (before + in_cell) as u32
    }

    /// Nothing between any breakpoints yet. The first segment lies below the lowest breakpoint and stays as it is.
    pub(super) fn segments(&self) -> Vec<Segment> {
        vec![Segment::default(); self.len() + 1]
    }

    /// How far a score is above the last of so many breakpoints that it has passed; any number if it has passed none.
    #[inline(always)]
    fn height(&self, score: T, passed: u32) -> f64 {
        score.to_f64() - self.at[passed as usize].to_f64()
    }

    /// Adds a score that has passed so many breakpoints, at least one, to the segment that it lies in.
    #[inline(always)]
    pub(super) fn add(&self, score: T, passed: u32, segments: &mut [Segment]) {
        segments[passed as usize].add(self.height(score, passed) * self.units);
    }

    /// Σⱼ H(sⱼ − sᵢ) over negatives j, for each of the positives i with these scores; by the segments after each number of breakpoints
    /// passed.
    pub(super) fn sums_above(&self, scores: &[f64], segments: &[Segment]) -> Vec<f64> {
        let unit = 2.0 * self.delta / Segment::STEP;
        let segments = self.at.iter().copied().zip(segments.iter().copied()).rev();
        let (mut full, mut reached) = (Above::new(segments.clone()), Above::new(segments));
        let mut sums = vec![0.0; scores.len()];
        for (sum, &score) in sums.iter_mut().zip(scores).rev() {
            full.pass(end(score, self.delta));
            reached.pass(begin(score, self.delta));
            let mut moments = reached.moments;
            moments.moment.add(unit * Segment(reached.sum.0 - full.sum.0).units());
            *sum = Line::new(score, full.moments, moments, self.delta).sum;
        }
        sums
    }

    /// Σᵢ wᵢ H(s − sᵢ) over positives i with these scores, after each number of breakpoints passed.
    pub(super) fn sums_below(&self, scores: &[f64], weights: &[f64]) -> Vec<Rise<T>> {
        let delta = self.delta;
        let by = |place: fn(f64, f64) -> T| {
            from_above(scores, weights)
                .map(move |point| (place(-point.at, delta), point))
                .peekable()
        };
        let (mut begins, mut ends) = (by(begin), by(end));
        let (mut full, mut reached) = (Moments::default(), Moments::default());
        let mut rises = Vec::with_capacity(self.len() + 1);
        rises.push(Rise::default());
        for &breakpoint in &self.at[1..=self.len()] {
            while let Some((_, point)) = begins.next_if(|&(begin, _)| begin <= breakpoint) {
                reached.add(point);
            }
            while let Some((_, point)) = ends.next_if(|&(end, _)| end <= breakpoint) {
                full.add(point);
            }
            let line = Line::new(-breakpoint.to_f64(), full, reached, delta);
            // An infinite slope would be NaN at the breakpoint.
            let slope = T::from_f64(line.slope.clamp(-T::MAX, T::MAX));
            rises.push(Rise { sum: T::from_f64(line.sum), slope });
        }
        rises
    }

    /// The sum at a score that has passed so many breakpoints.
    #[inline(always)]
    pub(super) fn sum_below(&self, score: T, passed: u32, rises: &[Rise<T>]) -> T {
        let Rise { sum, slope } = rises[passed as usize];
        sum + slope * (score - self.at[passed as usize])
    }
}

/// The least score that is on the step of a positive.
pub(super) fn begin<T: Compute>(score: f64, delta: f64) -> T {
    at_least(score, -delta)
}

/// The least score that counts in full for a positive.
fn end<T: Compute>(score: f64, delta: f64) -> T {
    at_least(score, delta)
}

/// The least number that is not below a + b. A rounded sum might be above a score that a small δ reaches.
fn at_least<T: Compute>(a: f64, b: f64) -> T {
    let (sum, rest) = two_sum(a, b);
    T::at_least(if rest > 0.0 { sum.next_up() } else { sum })
}
