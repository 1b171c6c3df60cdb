//! Where the steps of the positives begin and end, and sums over what lies between.

use super::exact::{Exact, two_sum};
use super::sweep::{Line, Moments, Point};

/// Cells for every border: with more of them, the search for one leaves the cache.
const CELLS: usize = 2;

/// The borders of positives in ascending order: of each the score from which on its step has begun, and that from which on it has
/// come to its end. For steps of no width the end alone.
#[derive(Clone, Debug)]
pub(super) struct Borders {
    /// The borders, and after them [`BEYOND`].
    at: Vec<f64>,
    /// Whether a step ends there. The first one that does is of the first positive, the next one of the second, and so on; as it is
    /// with those that begin.
    ends: Vec<bool>,
    /// How many borders lie in cells before each cell, and how many there are in all.
    before: Vec<u32>,
    /// Cells for every unit of the scores.
    cells: f64,
    /// Regions for every unit of the scores.
    regions: f64,
    delta: f64,
}

/// No score comes up to these.
const BEYOND: [f64; 3] = [f64::INFINITY; 3];

/// What lies from a border to the next one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Segment {
    count: u32,
    /// The sum of the scores.
    moment: Exact,
}

impl Segment {
    #[inline(always)]
    pub(super) fn add(&mut self, score: f64) {
        self.count += 1;
        self.moment.add(score);
    }
}

impl Borders {
    /// Of positives with these scores, in ascending order; there is at least one.
    pub(super) fn new(scores: &[f64], delta: f64) -> Self {
        let count = if delta > 0.0 { 2 * scores.len() } else { scores.len() };
        let (mut at, mut ends) =
            (Vec::with_capacity(count + BEYOND.len()), Vec::with_capacity(count));
        let begins = scores.iter().filter(|_| delta > 0.0);
        let mut begins = begins.map(|&score| at_least(score, -delta)).peekable();
        for &score in scores {
            let end = at_least(score, delta);
            while let Some(begin) = begins.next_if(|&begin| begin <= end) {
                at.push(begin);
                ends.push(false);
            }
            at.push(end);
            ends.push(true);
        }
        let cells = CELLS * count;
        let width = at[at.len() - 1] - at[0];
        // Where all borders are one, it has the first cell, and all scores above it the last.
        let per_unit = |count: f64| (count / width).min(f64::MAX);
        let (before, regions) = (vec![0; cells + 1], per_unit(256.0));
        let mut borders = Self { at, ends, before, cells: per_unit(cells as f64), regions, delta };
        for index in 0..borders.len() {
            let cell = borders.cell(borders.at[index]);
            borders.before[cell + 1] += 1;
        }
        let mut sum = 0;
        for before in &mut borders.before {
            sum += *before;
            *before = sum;
        }
        borders.at.extend(BEYOND);
        borders
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The lowest one: no step of a score below it is above 0.
    pub(super) fn lowest(&self) -> f64 {
        self.at[0]
    }

    /// Which of 256 regions between the first border and the last a score is in.
    #[inline(always)]
    pub(super) fn region(&self, score: f64) -> u8 {
        ((score - self.at[0]) * self.regions) as u8
    }

    /// The same for cells. A score is never in a lower one than a border that it has passed.
    #[inline(always)]
    fn cell(&self, score: f64) -> usize {
        (((score - self.at[0]) * self.cells) as usize).min(self.before.len() - 2)
    }

    /// How many borders are not above this score.
    #[inline(always)]
    pub(super) fn passed(&self, score: f64) -> usize {
        let cell = self.cell(score);
        let before = self.before[cell] as usize;
        // Most cells have no more than two borders, but nobody could predict how many.
        let near = &self.at[before..before + BEYOND.len()];
        if near[2] > score {
            return before + usize::from(near[0] <= score) + usize::from(near[1] <= score);
        }
        let of_cell = &self.at[before..self.before[cell + 1] as usize];
        before + of_cell.partition_point(|&at| at <= score)
    }

    /// Σⱼ H(sⱼ − sᵢ) over negatives j, for each of the positives i with these scores; by the segments after each number of borders
    /// passed.
    pub(super) fn sums_above(&self, scores: &[f64], segments: &[Segment]) -> Vec<f64> {
        let mut sums = vec![0.0; scores.len()];
        let mut full = vec![Moments::default(); scores.len()];
        let (mut begins, mut ends) = (scores.len(), scores.len());
        let mut above = Moments::default();
        for (&is_end, segment) in self.ends.iter().zip(&segments[1..]).rev() {
            above = above.plus(Moments { weight: segment.count.into(), moment: segment.moment });
            if is_end {
                ends -= 1;
                full[ends] = above;
            }
            if !is_end || self.delta == 0.0 {
                begins -= 1;
                sums[begins] = Line::new(scores[begins], full[begins], above, self.delta).sum;
            }
        }
        sums
    }

    /// Σᵢ wᵢ H(s − sᵢ) over positives i with these scores, as a function of −s, for each number of borders passed.
    pub(super) fn lines_below(&self, scores: &[f64], weights: &[f64]) -> Vec<Line> {
        let mut points = scores
            .iter()
            .zip(weights)
            .map(|(&at, &weight)| Point { at: -at, weight: Some(weight) });
        let mut begun = points.clone();
        let (mut full, mut reached) = (Moments::default(), Moments::default());
        let mut lines = Vec::with_capacity(self.len() + 1);
        lines.push(Line::default());
        for (&is_end, &at) in self.ends.iter().zip(&self.at) {
            let (above, points) =
                if is_end { (&mut full, &mut points) } else { (&mut reached, &mut begun) };
            above.add(points.next().expect("a border for every positive"));
            lines.push(Line::new(-at, full, reached, self.delta));
        }
        lines
    }
}

/// The least number that is not below a + b. A rounded sum might be above a score that a small δ reaches.
fn at_least(a: f64, b: f64) -> f64 {
    let (sum, rest) = two_sum(a, b);
    if rest > 0.0 { sum.next_up() } else { sum }
}
