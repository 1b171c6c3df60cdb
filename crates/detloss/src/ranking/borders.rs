//! Where the steps of the positives begin and end, and sums over what lies between.

use super::exact::{Exact, two_sum};
use super::sweep::{Line, Moments, from_above};
use crate::batch::Compute;

/// Cells for every border: with more of them, the search for one leaves the cache.
const CELLS: usize = 2;

/// More borders than this in the cell of the average border, and sorting all negatives is faster than looking up where they lie.
const CROWD: u64 = 16;

/// The borders of positives: of each the score from which on its step has begun, and that from which on it has come to its end.
#[derive(Clone, Debug)]
pub(super) struct Borders<T> {
    /// The scores of the borders in ascending order, each once, and after them some that no score comes up to.
    at: Vec<T>,
    /// How many steps begin and end at each. The first to begin is that of the lowest positive, and so it is with those that end.
    steps: Vec<Steps>,
    /// How many borders lie in cells before each cell, and how many there are in all.
    before: Vec<u32>,
    /// Cells for every unit of the scores.
    cells: f64,
    delta: f64,
}

/// How many borders are looked at without asking how many there are.
const NEAR: usize = 3;

#[derive(Clone, Copy, Debug, Default)]
struct Steps {
    begin: u32,
    end: u32,
}

/// What lies from a border to the next one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Segment {
    count: u32,
    /// How far the scores are above the border, summed up. All of one sign, they lose nothing to each other.
    height: f64,
}

/// What two sets have between the same borders.
pub(super) fn merge(mut low: Vec<Segment>, high: Vec<Segment>) -> Vec<Segment> {
    for (low, high) in low.iter_mut().zip(high) {
        low.count += high.count;
        low.height += high.height;
    }
    low
}

impl<T: Compute> Borders<T> {
    /// Of positives with these scores, in ascending order; there is at least one. None if they lie so unevenly, most of them close
    /// together and some far off, that nothing would be found quickly.
    pub(super) fn new(scores: &[f64], delta: f64) -> Option<Self> {
        let mut at = Vec::with_capacity(2 * scores.len() + NEAR);
        let mut steps: Vec<Steps> = Vec::with_capacity(2 * scores.len());
        let mut add = |border: T, begin: u32, end: u32| {
            if at.last() != Some(&border) {
                at.push(border);
                steps.push(Steps::default());
            }
            let here = steps.last_mut().expect("the one just added");
            here.begin += begin;
            here.end += end;
        };
        let mut begins = scores.iter().map(|&score| at_least(score, -delta)).peekable();
        for &score in scores {
            let end = at_least(score, delta);
            while let Some(begin) = begins.next_if(|&begin| begin <= end) {
                add(begin, 1, 0);
            }
            add(end, 0, 1);
        }
        let cells = CELLS * at.len();
        let width = at[at.len() - 1].to_f64() - at[0].to_f64();
        // With a single border the width is 0: it has the first cell, and scores above it have any.
        let per_unit = (cells as f64 / width).min(f64::MAX);
        let mut borders = Self { at, steps, before: vec![0; cells + 1], cells: per_unit, delta };
        for index in 0..borders.len() {
            let cell = borders.cell(borders.at[index]);
            borders.before[cell + 1] += 1;
        }
        let crowd: u64 = borders.before.iter().map(|&count| u64::from(count).pow(2)).sum();
        let mut sum = 0;
        for before in &mut borders.before {
            sum += *before;
            *before = sum;
        }
        borders.at.extend([T::from_f64(f64::INFINITY); NEAR]);
        (crowd <= CROWD * borders.len() as u64).then_some(borders)
    }

    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The lowest one: no step of a score below it is above 0.
    pub(super) fn lowest(&self) -> T {
        self.at[0]
    }

    /// Which cell a score is in. A score is never in a lower one than a border that it has passed.
    #[inline(always)]
    fn cell(&self, score: T) -> usize {
        let cells = (score.to_f64() - self.at[0].to_f64()) * self.cells;
        (cells as usize).min(self.before.len() - 2)
    }

    /// How many borders are not above this score.
    #[inline(always)]
    pub(super) fn passed(&self, score: T) -> u32 {
        let cell = self.cell(score);
        let before = self.before[cell] as usize;
        // Most cells have no more than two borders, but nobody could predict how many.
        let near = &self.at[before..before + NEAR];
        let in_cell = if near[NEAR - 1] > score {
            usize::from(near[0] <= score) + usize::from(near[1] <= score)
        } else {
            let all = &self.at[before..self.before[cell + 1] as usize];
            all.partition_point(|&at| at <= score)
        };
        (before + in_cell) as u32
    }

    /// Nothing between any borders yet. The first segment lies below the lowest border and stays as it is.
    pub(super) fn segments(&self) -> Vec<Segment> {
        vec![Segment::default(); self.len() + 1]
    }

    /// Adds a score that has passed so many borders, at least one, to the segment that it lies in.
    #[inline(always)]
    pub(super) fn add(&self, score: T, passed: u32, segments: &mut [Segment]) {
        let segment = &mut segments[passed as usize];
        segment.count += 1;
        segment.height += score.to_f64() - self.at[passed as usize - 1].to_f64();
    }

    /// Σⱼ H(sⱼ − sᵢ) over negatives j, for each of the positives i with these scores; by the segments after each number of borders
    /// passed.
    pub(super) fn sums_above(&self, scores: &[f64], segments: &[Segment]) -> Vec<f64> {
        let mut sums = vec![0.0; scores.len()];
        let mut full = vec![Moments::default(); scores.len()];
        let (mut ends, mut begins) = ((0..scores.len()).rev(), (0..scores.len()).rev());
        let mut above = Moments::default();
        for ((steps, at), segment) in self.steps.iter().zip(&self.at).zip(&segments[1..]).rev() {
            let weight = Exact::from(f64::from(segment.count));
            let moment = weight.times(at.to_f64()).plus(Exact::from(segment.height));
            above = above.plus(Moments { weight, moment });
            ends.by_ref().take(steps.end as usize).for_each(|i| full[i] = above);
            for i in begins.by_ref().take(steps.begin as usize) {
                sums[i] = Line::new(scores[i], full[i], above, self.delta).sum;
            }
        }
        sums
    }

    /// Σᵢ wᵢ H(s − sᵢ) over positives i with these scores, as a function of −s, for each number of borders passed.
    pub(super) fn lines_below(&self, scores: &[f64], weights: &[f64]) -> Vec<Line> {
        let points = from_above(scores, weights);
        let (mut begins, mut ends) = (points.clone(), points);
        let (mut full, mut reached) = (Moments::default(), Moments::default());
        let mut lines = Vec::with_capacity(self.len() + 1);
        lines.push(Line::default());
        for (steps, &at) in self.steps.iter().zip(&self.at) {
            begins.by_ref().take(steps.begin as usize).for_each(|point| reached.add(point));
            ends.by_ref().take(steps.end as usize).for_each(|point| full.add(point));
            lines.push(Line::new(-at.to_f64(), full, reached, self.delta));
        }
        lines
    }
}

/// The least number that is not below a + b. A rounded sum might be above a score that a small δ reaches.
fn at_least<T: Compute>(a: f64, b: f64) -> T {
    let (sum, rest) = two_sum(a, b);
    T::at_least(if rest > 0.0 { sum.next_up() } else { sum })
}
