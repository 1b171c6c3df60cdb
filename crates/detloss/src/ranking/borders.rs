//! Where the steps of the positives begin and end, and sums over what lies between.

use super::exact::{Exact, two_sum};
use super::sweep::{Line, Moments, from_above};

/// Cells for every border: with more of them, the search for one leaves the cache.
const CELLS: usize = 2;

/// More borders than this in the cell of the average border, and sorting all negatives is faster than looking up where they lie.
const CROWD: u64 = 16;

/// The borders of positives: of each the score from which on its step has begun, and that from which on it has come to its end.
#[derive(Clone, Debug)]
pub(super) struct Borders {
    /// The scores of the borders in ascending order, each once, and after them [`BEYOND`].
    at: Vec<f64>,
    /// How many steps begin and end at each. The first to begin is that of the lowest positive, and so it is with those that end.
    steps: Vec<Steps>,
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

#[derive(Clone, Copy, Debug, Default)]
struct Steps {
    begin: u32,
    end: u32,
}

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
    /// Of positives with these scores, in ascending order; there is at least one. None if they lie so unevenly, most of them close
    /// together and some far off, that nothing would be found quickly.
    pub(super) fn new(scores: &[f64], delta: f64) -> Option<Self> {
        let mut at = Vec::with_capacity(2 * scores.len() + BEYOND.len());
        let mut steps: Vec<Steps> = Vec::with_capacity(2 * scores.len());
        let mut add = |border: f64, begin: u32, end: u32| {
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
        let width = at[at.len() - 1] - at[0];
        // A single border has the first cell, and all scores above it the last.
        let per_unit = |count: f64| (count / width).min(f64::MAX);
        let (before, regions) = (vec![0; cells + 1], per_unit(256.0));
        let mut borders = Self { at, steps, before, cells: per_unit(cells as f64), regions, delta };
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
        borders.at.extend(BEYOND);
        (crowd <= CROWD * borders.len() as u64).then_some(borders)
    }

    pub(super) fn len(&self) -> usize {
        self.steps.len()
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
        let (mut ends, mut begins) = ((0..scores.len()).rev(), (0..scores.len()).rev());
        let mut above = Moments::default();
        for (steps, segment) in self.steps.iter().zip(&segments[1..]).rev() {
            above = above.plus(Moments { weight: segment.count.into(), moment: segment.moment });
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
