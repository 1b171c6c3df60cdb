//! Positives against positives of less quality: steps over pairs in the order of two things at once.

use super::Ranking;
use crate::scalar::Compute;

/// How badly each positive is sorted among the positives.
#[derive(Clone, Debug)]
pub struct Sorting {
    /// The mean of 1 − quality over all positives above it, less that over those of its quality and better.
    pub errors: Vec<f64>,
    /// What a positive of less quality, fully above it, is to blame for.
    pub shares: Vec<f64>,
}

/// Adds sums over positives to sums over positives: of better ones for worse ones, or the other way round.
trait Pass {
    /// Whether there is more to add: not when the work is cancelled.
    fn goes_on(&self) -> bool;

    /// `better` and `worse` are in ascending order of their scores; every quality of the one is above every one of the other.
    fn across(&mut self, better: &[usize], worse: &[usize]);

    /// All of these have the same quality.
    fn among(&mut self, equals: &[usize]);
}

impl<T: Compute> Ranking<'_, T> {
    /// Compares every positive with those of less quality above it.
    pub fn sorted_by(&self, qualities: &[f64]) -> Sorting {
        let count = self.count();
        let zeros = || vec![0.0; count];
        let mut pass = Compare {
            ranking: self,
            ones: vec![1.0; count],
            flaws: qualities.iter().map(|quality| 1.0 - quality).collect(),
            fair: zeros(),
            fair_flaws: zeros(),
            unfair: zeros(),
            unfair_flaws: zeros(),
        };
        by_quality(qualities, &mut pass);
        let (mut errors, mut shares) = (zeros(), zeros());
        for i in 0..count {
            if pass.unfair[i] > 0.0 {
                // Steps too narrow for their scores might have lost itself.
                let fair = pass.fair[i].max(self.tie());
                let too_much = pass.unfair_flaws[i] / pass.unfair[i] - pass.fair_flaws[i] / fair;
                shares[i] = too_much.max(0.0) / (fair + pass.unfair[i]);
                errors[i] = shares[i] * pass.unfair[i];
            }
        }
        Sorting { errors, shares }
    }

    /// Σᵢ wᵢ H(sₖ − sᵢ) over the positives i of more quality than k, for every positive k.
    pub fn below_worse(&self, qualities: &[f64], weights: &[f64]) -> Vec<f64> {
        let mut pass = Blame { ranking: self, weights, sums: vec![0.0; self.count()] };
        by_quality(qualities, &mut pass);
        pass.sums
    }
}

/// Shows all pairs of positives to `pass`, in O(P log P) points: halves of the qualities against each other, then each half.
fn by_quality(qualities: &[f64], pass: &mut impl Pass) {
    let mut levels = qualities.to_vec();
    levels.sort_unstable_by(f64::total_cmp);
    levels.dedup();
    let ranks: Vec<usize> = qualities
        .iter()
        .map(|quality| levels.partition_point(|level| level.total_cmp(quality).is_lt()))
        .collect();
    halve(&ranks, (0..qualities.len()).collect(), 0, levels.len(), pass);
}

/// The positives `among`, whose qualities have ranks from `first` to before `end`.
fn halve(ranks: &[usize], among: Vec<usize>, first: usize, end: usize, pass: &mut impl Pass) {
    if !pass.goes_on() {
        return;
    }
    if end - first <= 1 {
        pass.among(&among);
        return;
    }
    let middle = first.midpoint(end);
    let (worse, better): (Vec<_>, Vec<_>) = among.into_iter().partition(|&k| ranks[k] < middle);
    pass.across(&better, &worse);
    halve(ranks, better, middle, end, pass);
    halve(ranks, worse, first, middle, pass);
}

/// For every positive, the steps of those above it, and their flaws: of its quality and better, and of less.
struct Compare<'a, T> {
    ranking: &'a Ranking<'a, T>,
    ones: Vec<f64>,
    /// 1 − quality.
    flaws: Vec<f64>,
    fair: Vec<f64>,
    fair_flaws: Vec<f64>,
    unfair: Vec<f64>,
    unfair_flaws: Vec<f64>,
}

impl<T: Compute> Pass for Compare<'_, T> {
    fn goes_on(&self) -> bool {
        !self.ranking.work.is_cancelled()
    }

    fn across(&mut self, better: &[usize], worse: &[usize]) {
        let Self { ranking, ones, flaws, .. } = self;
        ranking.above((worse, ones), better, ranking.delta, &mut self.unfair);
        ranking.above((worse, flaws), better, ranking.delta, &mut self.unfair_flaws);
        ranking.above((better, ones), worse, ranking.delta, &mut self.fair);
        ranking.above((better, flaws), worse, ranking.delta, &mut self.fair_flaws);
    }

    fn among(&mut self, equals: &[usize]) {
        let Self { ranking, ones, flaws, .. } = self;
        ranking.above((equals, ones), equals, ranking.delta, &mut self.fair);
        ranking.above((equals, flaws), equals, ranking.delta, &mut self.fair_flaws);
    }
}

/// For every positive, what the better ones below it pass on to it.
struct Blame<'a, T> {
    ranking: &'a Ranking<'a, T>,
    weights: &'a [f64],
    sums: Vec<f64>,
}

impl<T: Compute> Pass for Blame<'_, T> {
    fn goes_on(&self) -> bool {
        !self.ranking.work.is_cancelled()
    }

    fn across(&mut self, better: &[usize], worse: &[usize]) {
        let Self { ranking, weights, sums } = self;
        ranking.below((better, weights), worse, ranking.delta, sums);
    }

    fn among(&mut self, _: &[usize]) {}
}
