//! Ranking losses: every pair of a positive and a negative.

mod edges;

use detloss::Batch;
use detloss::losses::find;
use detloss::testing::{Random, Tolerance, assert_close};

use crate::{Definition, assert_same, hold};

fn step(x: f64, delta: f64) -> f64 {
    if delta > 0.0 {
        (x / (2.0 * delta) + 0.5).clamp(0.0, 1.0)
    } else {
        f64::from(u8::from(x >= 0.0))
    }
}

/// Scores with their labels, as they are given to a loss.
#[derive(Clone, Debug)]
struct Set {
    what: String,
    scores: Vec<f64>,
    labels: Vec<f64>,
}

impl Set {
    fn of(&self, is_positive: bool) -> Vec<usize> {
        (0..self.scores.len()).filter(|&i| (self.labels[i] > 0.0) == is_positive).collect()
    }

    /// A localisation error for every score.
    fn errors(&self) -> Vec<f64> {
        (0..self.scores.len()).map(|i| [0.25, 0.0, 1.0, 0.5, 1.75][i % 5]).collect()
    }

    /// Qualities instead of labels of 1: some of them equal.
    fn with_qualities(&self) -> Self {
        let quality = |i: usize| [0.5, 0.75, 0.625, 1.0, 0.5, 0.875][i % 6];
        let graded = |(i, &label): (usize, &f64)| if label > 0.0 { quality(i) } else { label };
        Self { labels: self.labels.iter().enumerate().map(graded).collect(), ..self.clone() }
    }
}

/// 1 + Σ H over the other positives, and Σ H over the negatives, for every positive.
fn counts(set: &Set, delta: f64) -> Vec<(f64, f64)> {
    let (positives, negatives) = (set.of(true), set.of(false));
    let above = |i: usize, among: &[usize]| -> f64 {
        let others = among.iter().filter(|&&k| k != i);
        others.map(|&k| step(set.scores[k] - set.scores[i], delta)).sum()
    };
    positives.iter().map(|&i| (1.0 + above(i, &positives), above(i, &negatives))).collect()
}

fn ap(set: &Set, delta: f64, interpolate: bool) -> Definition {
    let (positives, negatives) = (set.of(true), set.of(false));
    let count = positives.len().max(1) as f64;
    let mut grad = vec![0.0; set.scores.len()];
    let counts = counts(set, delta);
    // 1 − precision, so that nothing is lost where the precision is nearly 1.
    let raw: Vec<f64> = counts.iter().map(|(like, above)| above / (like + above)).collect();
    let best = |i: usize| {
        let lower =
            (0..raw.len()).filter(|&k| set.scores[positives[k]] <= set.scores[positives[i]]);
        lower.map(|k| raw[k]).fold(1.0, f64::min)
    };
    let mut value = 0.0;
    for (i, &positive) in positives.iter().enumerate() {
        let error = if interpolate { best(i) } else { raw[i] };
        value += error / count;
        grad[positive] -= error / count;
        for &negative in &negatives {
            let pair = step(set.scores[negative] - set.scores[positive], delta)
                / (counts[i].0 + counts[i].1);
            if pair > 0.0 {
                grad[negative] += pair * (error / raw[i]) / count;
            }
        }
    }
    (value, grad)
}

/// The gradient by logit and error of every element, one after the other.
fn alrp(set: &Set, delta: f64, smooth: bool, balance: f64) -> Definition {
    let (positives, negatives, errors) = (set.of(true), set.of(false), set.errors());
    let count = positives.len().max(1) as f64;
    let mut grad = vec![0.0; 2 * set.scores.len()];
    let mut value = 0.0;
    for (&i, (like, above)) in positives.iter().zip(counts(set, delta)) {
        let rank = like + above;
        let between = |k: usize| step(set.scores[k] - set.scores[i], delta);
        let others = positives.iter().filter(|&&k| k != i);
        let update = (above + others.map(|&k| errors[k] * between(k)).sum::<f64>()) / rank;
        value += above / rank / count;
        if above > 1e-5 {
            grad[2 * i] -= update / count;
            for &j in &negatives {
                grad[2 * j] += between(j) * update / above / count;
            }
        }
        for &k in &positives {
            let order = match (smooth, k == i) {
                (true, true) => 1.0,
                (true, false) => between(k),
                (false, _) => f64::from(u8::from(set.scores[k] >= set.scores[i])),
            };
            value += balance * errors[k] * order / rank / count;
            grad[2 * k + 1] += balance * order / rank / count;
        }
    }
    (value, grad)
}

/// The ranking part, the sorting part, and the gradient of both.
fn rank_sort(set: &Set, delta: f64) -> (f64, f64, Vec<f64>) {
    let (positives, negatives) = (set.of(true), set.of(false));
    let count = positives.len().max(1) as f64;
    let (mut ranking, mut sorting, mut grad) = (0.0, 0.0, vec![0.0; set.scores.len()]);
    for &i in &positives {
        let between = |k: usize| step(set.scores[k] - set.scores[i], delta);
        let above: f64 = negatives.iter().map(|&j| between(j)).sum();
        let rank: f64 = positives.iter().map(|&k| between(k)).sum();
        let error = above / (rank + above);
        ranking += error / count;
        if above > 0.0 {
            grad[i] -= error / count;
            for &j in &negatives {
                grad[j] += error * between(j) / above / count;
            }
        }
        let is_fair = |k: usize| set.labels[k] >= set.labels[i];
        let mean = |among: &dyn Fn(usize) -> bool| {
            let of = |flaw: &dyn Fn(usize) -> f64| -> f64 {
                positives.iter().filter(|&&k| among(k)).map(|&k| between(k) * flaw(k)).sum()
            };
            of(&|k| 1.0 - set.labels[k]) / of(&|_| 1.0)
        };
        let unfair: f64 = positives.iter().filter(|&&k| !is_fair(k)).map(|&k| between(k)).sum();
        if unfair > 0.0 {
            let error = mean(&|_| true) - mean(&is_fair);
            sorting += error / count;
            grad[i] -= error / count;
            for &k in positives.iter().filter(|&&k| !is_fair(k)) {
                grad[k] += error * between(k) / unfair / count;
            }
        }
    }
    (ranking, sorting, grad)
}

const DELTAS: [f64; 4] = [1.0, 0.5, 0.25, 0.0];

fn every_loss(set: &Set) {
    for delta in DELTAS {
        for interpolate in [0.0, 1.0] {
            let params = [("delta", delta), ("interpolate", interpolate)];
            let slow = ap(set, delta, interpolate > 0.0);
            hold("ap", &params, (&set.scores, &set.labels, 1), &slow, &set.what);
            let (mut positives, mut negatives) = (0.0, 0.0);
            for (slope, label) in slow.1.iter().zip(&set.labels) {
                *(if *label > 0.0 { &mut positives } else { &mut negatives }) += slope;
            }
            assert_close(negatives, slow.0, Tolerance::LAW, &"the negatives' slopes are the loss");
            assert_close(positives, -slow.0, Tolerance::LAW, &"the positives' are its negative");
        }
        for smooth in [0.0, 1.0] {
            let params = [("delta", delta), ("smooth_order", smooth), ("balance", 1.5)];
            let pairs =
                set.scores.iter().zip(set.errors()).flat_map(|(&score, error)| [score, error]);
            let pred: Vec<f64> = pairs.collect();
            let slow = alrp(set, delta, smooth > 0.0, 1.5);
            hold("alrp", &params, (&pred, &set.labels, 1), &slow, &set.what);
        }
        for set in [set, &set.with_qualities()] {
            let (ranking, sorting, grad) = rank_sort(set, delta);
            let (params, slow) = ([("delta", delta)], (ranking + sorting, grad));
            hold("rank_sort", &params, (&set.scores, &set.labels, 1), &slow, &set.what);
        }
    }
}

/// Scores that `f32` can hold, on a grid so that they tie and meet the edges of the step, or anywhere.
fn random_set(positives: usize, negatives: usize, grid: Option<f64>, random: &mut Random) -> Set {
    let mut labels = vec![1.0; positives];
    labels.resize(positives + negatives, 0.0);
    for last in (1..labels.len()).rev() {
        labels.swap(last, random.below(last + 1));
    }
    let score = |label: f64, random: &mut Random| {
        let score = random.between(-3.0, 3.0) + 0.5 * label;
        grid.map_or(score, |grid| (score / grid).round() * grid)
    };
    let scores = labels.iter().map(|&label| score(label, random)).collect();
    let what = format!("{positives} positives, {negatives} negatives, grid {grid:?}");
    Set { what, scores, labels }
}

#[test]
fn random_sets_agree_with_all_pairs() {
    let mut random = Random::new(101);
    for (positives, negatives) in
        [(1, 0), (0, 3), (1, 1), (1, 50), (50, 1), (7, 13), (40, 300), (120, 30), (3, 69), (8, 400)]
    {
        for grid in [None, Some(0.25), Some(1.0)] {
            for _ in 0..6 {
                every_loss(&random_set(positives, negatives, grid, &mut random));
            }
        }
    }
}

#[test]
fn adversarial_sets_agree_with_all_pairs() {
    let mut random = Random::new(103);
    // As many positives as negatives, nearly, and few.
    for (positives, negatives) in [(30, 90), (6, 200)] {
        adversarial(&random_set(positives, negatives, None, &mut random));
    }
}

fn adversarial(plain: &Set) {
    let change = |what: &str, change: &dyn Fn(f64) -> f64| Set {
        what: what.to_owned(),
        scores: plain.scores.iter().map(|&score| change(score)).collect(),
        labels: plain.labels.clone(),
    };
    for set in [
        change("all equal", &|_| 0.75),
        change("all equal and large", &|_| 1e4),
        change("around 1e4", &|score| 1e4 + (score * 64.0).round() / 64.0),
        change("up to 1e4", &|score| score * 3333.0),
        change("down from -1e4", &|score| score - 1e4),
        change("on the edges of steps", &|score| score.round() + 0.5),
        change("far apart", &|score| score.round() * 1e3),
        change("closer than f32 sees steps", &|score| score * 1e-6),
        change("nearly all in one place", &|score| score.powi(9)),
        change("all but one in one place", &|score| if score > 2.5 { 1e6 } else { score * 1e-3 }),
    ] {
        // `hold` gives these scores to `f32` too.
        let round = |&score: &f64| f64::from(score as f32);
        every_loss(&Set { scores: set.scores.iter().map(round).collect(), ..set });
    }
}

/// Negatives that no step reaches count for nothing, whether those that one reaches are sorted or looked up.
#[test]
fn negatives_out_of_reach_agree_with_all_pairs() {
    let mut random = Random::new(157);
    for within in [0, 1, 24, 25, 26, 27, 100] {
        let mut set = random_set(6, 400, None, &mut random);
        for index in set.of(false).into_iter().skip(within) {
            set.scores[index] = f64::from(random.between(-50.0, -40.0) as f32);
        }
        set.scores.iter_mut().for_each(|score| *score = f64::from(*score as f32));
        set.what = format!("{}, {within} within reach", set.what);
        every_loss(&set);
    }
}

/// More elements than one thread takes where there are several: 16384, or 16 for every positive.
#[test]
fn sets_of_several_parts_agree_with_all_pairs() {
    pool(4).install(sets_of_several_parts);
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

fn sets_of_several_parts() {
    let mut random = Random::new(127);
    let scores = |score: fn(f64) -> f64, set: &mut Set| {
        set.scores.iter_mut().for_each(|at| *at = f64::from(score(*at) as f32));
    };
    let unchanged: fn(f64) -> f64 = |score| score;
    let part = 16_384;
    for (what, positives, negatives, change) in [
        ("a part", 3, part - 3, unchanged),
        ("a part and one more", 3, part - 2, unchanged),
        ("four parts", 9, 4 * part, unchanged),
        ("three parts by the number of positives", 1300, 4 * part + 4000, unchanged),
        ("on a grid", 5, 2 * part, |score| (2.0 * score).round() / 2.0),
        ("concentrated", 40, 2 * part, |score| score * 1e-3),
        ("some far off", 40, 2 * part, |score| if score > 3.3 { 1e6 } else { score }),
    ] {
        let mut set = random_set(positives, negatives, None, &mut random);
        scores(change, &mut set);
        several_parts(what, &set);
    }
    let mut set = random_set(7, 2 * part, None, &mut random);
    for (what, at) in [("equal", 0.25), ("out of reach", -9.0), ("above all", 9.0)] {
        for (score, label) in set.scores.iter_mut().zip(&set.labels) {
            *score = if *label > 0.0 { score.clamp(-3.0, 3.0) } else { at };
        }
        scores(unchanged, &mut set);
        several_parts(what, &set);
    }
}

fn several_parts(what: &str, set: &Set) {
    for delta in [1.0, 0.0] {
        let what = format!("{what}: {}", set.what);
        let inputs = (&set.scores[..], &set.labels[..], 1);
        let params = [("delta", delta), ("interpolate", 1.0)];
        hold("ap", &params, inputs, &ap(set, delta, true), &what);
        let loss = find("ap").unwrap().with(&params).unwrap();
        let batch = Batch::new(inputs.0, inputs.1);
        let with = |threads| pool(threads).install(|| batch.value_and_grad(&loss).unwrap());
        assert_eq!(with(1), with(4), "{what}: bits on one thread and on four");
        let pairs = set.scores.iter().zip(set.errors()).flat_map(|(&score, error)| [score, error]);
        let pred: Vec<f64> = pairs.collect();
        let slow = alrp(set, delta, false, 1.5);
        let params = [("delta", delta), ("balance", 1.5)];
        hold("alrp", &params, (&pred, &set.labels, 1), &slow, &what);
    }
}

#[test]
fn the_parts_of_rank_sort_are_those_of_its_paper() {
    let set = random_set(40, 60, Some(0.25), &mut Random::new(109)).with_qualities();
    let (ranking, sorting, _) = rank_sort(&set, 0.5);
    let loss = find("rank_sort").unwrap().make();
    let parts = Batch::new(&set.scores, &set.labels).components(&loss).unwrap();
    assert_close(parts[0], ranking, Tolerance::LAW, &"ranking");
    assert_close(parts[1], sorting, Tolerance::LAW, &"sorting");
}

/// β is 50 at first; after a period the mean classification part over the mean regression part, plus 1.
#[test]
fn alrp_balances_itself_in_a_training_run() {
    let mut random = Random::new(113);
    let loss = find("alrp").unwrap().with(&[("period", 3.0)]).unwrap();
    let mut state = Vec::new();
    let (mut balance, mut sums) = (50.0, (0.0, 0.0));
    for step in 0..8 {
        let set = random_set(5, 20, None, &mut random);
        let pairs = set.scores.iter().zip(set.errors()).flat_map(|(&score, error)| [score, error]);
        let pred: Vec<f64> = pairs.collect();
        let batch = Batch::new(&pred, &set.labels);
        if step == 0 {
            state = batch.initial_state(&loss);
        }
        let (plain, _) = alrp(&set, 1.0, false, 0.0);
        let (both, _) = alrp(&set, 1.0, false, 1.0);
        let mut grad = vec![0.0; pred.len()];
        let value = batch.step_into(&loss, &mut state, &mut grad).unwrap();
        assert_close(value, plain + balance * (both - plain), Tolerance::LAW, &step);
        assert_same(
            (value, &grad),
            (value, &alrp(&set, 1.0, false, balance).1),
            Tolerance::LAW,
            "slopes",
        );
        sums = (sums.0 + plain, sums.1 + both - plain);
        if step % 3 == 2 {
            balance = (sums.0 + sums.1) / sums.1;
            sums = (0.0, 0.0);
        }
        // What is saved and read again goes on as before.
        state = state.iter().map(|number| number.to_string().parse().unwrap()).collect();
    }
}
