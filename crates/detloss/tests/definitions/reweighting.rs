//! Losses that weigh their elements by what else is in the batch.

use detloss::Batch;
use detloss::batch::Weights;
use detloss::losses::find;
use detloss::testing::{Random, Tolerance, assert_close};

use crate::{Definition, assert_same, hold};

fn sigmoid(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

/// −ln σ(−x), the cross entropy of a negative.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Cross entropy and its slope.
fn cross_entropy(logit: f64, label: f64) -> (f64, f64) {
    if label > 0.0 {
        (softplus(-logit), -sigmoid(-logit))
    } else {
        (softplus(logit), sigmoid(logit))
    }
}

/// Logits with labels of 0 and 1.
type Set = (Vec<f64>, Vec<f64>);

fn random_set(count: usize, share: f64, random: &mut Random) -> Set {
    let logits = (0..count).map(|_| random.between(-6.0, 6.0)).collect();
    let label = |random: &mut Random| f64::from(u8::from(random.between(0.0, 1.0) < share));
    (logits, (0..count).map(|_| label(random)).collect())
}

/// Ordinary sets of many sizes, and what can go wrong with one.
fn sets() -> Vec<(String, Set)> {
    let mut random = Random::new(131);
    let mut sets = Vec::new();
    for count in [1, 2, 7, 16, 40, 500] {
        for share in [0.0, 0.1, 0.5, 1.0] {
            let what = format!("{count} elements, {share} of them positive");
            sets.push((what, random_set(count, share, &mut random)));
        }
    }
    let (logits, labels) = random_set(60, 0.3, &mut random);
    let mut one_positive = vec![0.0; 60];
    one_positive[17] = 1.0;
    let large = logits.iter().map(|x| (x * 1e4 / 6.0).round()).collect();
    sets.push(("one positive".into(), (logits, one_positive)));
    sets.push(("all equal".into(), (vec![0.5; 60], labels.clone())));
    sets.push(("logits up to 1e4".into(), (large, labels)));
    sets
}

/// Equations of the paper; with `detach` the distributions are constants. Its parameters, but for the margin, are at their defaults.
fn dr((logits, labels): &Set, margin: f64, detach: bool) -> Definition {
    let (lambda_pos, lambda_neg, sharpness, tau) = (1.0, 0.1 / 3.5_f64.ln(), 6.0, 4.0);
    let scores: Vec<f64> = logits.iter().map(|&x| sigmoid(x)).collect();
    let of = |is_positive: bool| {
        (0..scores.len()).filter(move |&i| (labels[i] > 0.0) == is_positive).collect::<Vec<_>>()
    };
    // Probabilities are at most 1: their softmax needs no shift.
    let expectation = |among: &[usize], rate: f64| {
        let powers: Vec<f64> = among.iter().map(|&i| (rate * scores[i]).exp()).collect();
        let sum: f64 = powers.iter().sum();
        let weights: Vec<f64> = powers.iter().map(|power| power / sum).collect();
        let mean: f64 = among.iter().zip(&weights).map(|(&i, weight)| weight * scores[i]).sum();
        (weights, mean)
    };
    let (positives, negatives) = (of(true), of(false));
    let (of_positives, high) = expectation(&positives, -1.0 / lambda_pos);
    let (of_negatives, low) = expectation(&negatives, 1.0 / lambda_neg);
    let high = if positives.is_empty() { 1.0 } else { high };
    let z = sharpness * (low - high + margin);
    let mut grad = vec![0.0; scores.len()];
    let pull = tau * sigmoid(z);
    for (&i, weight) in positives.iter().zip(of_positives) {
        let bend = if detach { 1.0 } else { 1.0 - (scores[i] - high) / lambda_pos };
        grad[i] = -pull * weight * bend * scores[i] * sigmoid(-logits[i]);
    }
    for (&j, weight) in negatives.iter().zip(of_negatives) {
        let bend = if detach { 1.0 } else { 1.0 + (scores[j] - low) / lambda_neg };
        grad[j] = pull * weight * bend * scores[j] * sigmoid(-logits[j]);
    }
    (tau / sharpness * softplus(z), grad)
}

#[test]
fn dr_is_the_definition() {
    for (what, set) in sets() {
        for (margin, detach) in [(0.5, 0.0), (0.5, 1.0), (0.0, 0.0)] {
            let slow = dr(&set, margin, detach > 0.5);
            let params = [("margin", margin), ("detach", detach)];
            hold("dr", &params, (&set.0, &set.1, 1), &slow, &what);
        }
    }
}

fn balanced((logits, labels): &Set) -> Definition {
    let all = logits.len() as f64;
    let positives = labels.iter().filter(|label| **label > 0.0).count() as f64;
    let alpha = if positives == 0.0 || positives == all { 0.5 } else { (all - positives) / all };
    let (mut value, mut grad) = (0.0, Vec::new());
    for (&logit, &label) in logits.iter().zip(labels) {
        let weight = if label > 0.0 { alpha } else { 1.0 - alpha } / all;
        let (loss, slope) = cross_entropy(logit, label);
        value += weight * loss;
        grad.push(weight * slope);
    }
    (value, grad)
}

#[test]
fn balanced_cross_entropy_is_the_definition() {
    for (what, set) in sets() {
        hold("balanced_ce", &[], (&set.0, &set.1, 1), &balanced(&set), &what);
    }
}

/// How GHM weighs elements: norms in 0..=1 with their losses and slopes; and the densities of a training run, if it is one.
struct Ghm<'a> {
    bins: usize,
    nonempty: bool,
    run: Option<(&'a mut [f64], f64)>,
}

impl Ghm<'_> {
    fn of(self, elements: &[(f64, f64, f64)]) -> Definition {
        let bin = |norm: f64| ((norm * self.bins as f64).floor() as usize).min(self.bins - 1);
        let mut density: Vec<f64> = (0..self.bins)
            .map(|k| elements.iter().filter(|element| bin(element.0) == k).count() as f64)
            .collect();
        let filled = density.iter().filter(|&&count| count > 0.0).count();
        let sharing = if self.nonempty { filled } else { self.bins } as f64;
        if let Some((past, momentum)) = self.run {
            for (density, past) in density.iter_mut().zip(past) {
                if *density > 0.0 {
                    *past = momentum * *past + (1.0 - momentum) * *density;
                    *density = *past;
                }
            }
        }
        // wᵢ / N.
        let weight = |norm: f64| 1.0 / (density[bin(norm)] * sharing);
        let value = elements.iter().map(|&(norm, loss, _)| weight(norm) * loss).sum();
        (value, elements.iter().map(|&(norm, _, slope)| weight(norm) * slope).collect())
    }
}

fn scores_for_ghm((logits, labels): &Set) -> Vec<(f64, f64, f64)> {
    let element = |(&logit, &label): (&f64, &f64)| {
        let (loss, slope) = cross_entropy(logit, label);
        (slope.abs(), loss, slope)
    };
    logits.iter().zip(labels).map(element).collect()
}

fn values_for_ghm(errors: &[f64], mu: f64) -> Vec<(f64, f64, f64)> {
    let element = |&error: &f64| {
        let length = error.hypot(mu);
        (error.abs() / length, error * error / (length + mu), error / length)
    };
    errors.iter().map(element).collect()
}

/// No norm so near an edge between bins that `f32` may see it on the other side.
fn is_clear(elements: &[(f64, f64, f64)], bins: usize) -> bool {
    elements.iter().all(|(norm, _, _)| {
        let place = norm * bins as f64;
        place < 1e-4 || place > bins as f64 - 1.0 + 1e-4 || (place - place.round()).abs() > 1e-4
    })
}

#[test]
fn ghm_is_the_definition() {
    let mut compared = 0;
    for (what, set) in sets() {
        for (bins, nonempty) in [(10, 0.0), (10, 1.0), (1, 0.0), (30, 1.0)] {
            let ghm = || Ghm { bins, nonempty: nonempty > 0.5, run: None };
            let params = [("bins", bins as f64), ("nonempty", nonempty)];
            let elements = scores_for_ghm(&set);
            if is_clear(&elements, bins) {
                let slow = ghm().of(&elements);
                hold("ghm_c", &params, (&set.0, &set.1, 1), &slow, &what);
                compared += 1;
            }
            // Errors of the size of mu, so that all bins are in use.
            let errors: Vec<f64> = set.0.iter().map(|x| f64::from((x / 128.0) as f32)).collect();
            let elements = values_for_ghm(&errors, 0.02);
            if is_clear(&elements, bins) {
                let target = vec![0.0; errors.len()];
                hold("ghm_r", &params, (&errors, &target, 1), &ghm().of(&elements), &what);
                compared += 1;
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

/// A norm exactly on an edge belongs to the bin above, 1 to the last.
#[test]
fn edges_between_bins_belong_to_the_upper_one() {
    // Of mu 3 and errors 4 and 0 the norms are 4/5 and 0, and so they are of a quarter of both; σ(0) is 1/2, σ(1e4) is 1.
    let errors = [4.0, 4.0, 0.0, -4.0, 1e6];
    let slow = Ghm { bins: 5, nonempty: false, run: None }.of(&values_for_ghm(&errors, 3.0));
    let loss = find("ghm_r").unwrap();
    let scaled: Vec<f64> = errors.iter().map(|x| x / 4.0).collect();
    let (value, grad) = Batch::new(&scaled, &[0.0; 5])
        .value_and_grad(&loss.with(&[("mu", 0.75), ("bins", 5.0)]).unwrap())
        .unwrap();
    assert_same((4.0 * value, &grad), (slow.0, &slow.1), Tolerance::LAW, "ghm_r");
    let set = (vec![0.0, 0.0, 1e4, -1e4, 0.1], vec![0.0; 5]);
    for bins in [2, 4, 10] {
        let slow = Ghm { bins, nonempty: false, run: None }.of(&scores_for_ghm(&set));
        hold("ghm_c", &[("bins", bins as f64)], (&set.0, &set.1, 1), &slow, "on an edge");
    }
}

#[test]
fn ghm_remembers_densities() {
    let mut random = Random::new(137);
    let loss = find("ghm_c").unwrap().with(&[("momentum", 0.75), ("nonempty", 1.0)]).unwrap();
    let (mut state, mut past) = (vec![0.0; 10], vec![0.0; 10]);
    for step in 0..6 {
        let set = random_set(30, 0.3, &mut random);
        let batch = Batch::new(&set.0, &set.1);
        assert_eq!(batch.initial_state(&loss), [0.0; 10]);
        let mut grad = vec![0.0; 30];
        let value = batch.step_into(&loss, &mut state, &mut grad).unwrap();
        let run = Some((&mut past[..], 0.75));
        let slow = Ghm { bins: 10, nonempty: true, run }.of(&scores_for_ghm(&set));
        assert_same((value, &grad), (slow.0, &slow.1), Tolerance::LAW, &format!("step {step}"));
        // What is saved and read again goes on as before.
        state = state.iter().map(|number| number.to_string().parse().unwrap()).collect();
    }
}

fn seesaw(logits: &[f64], classes: &[f64], counts: &[f64], p: f64, q: f64) -> Definition {
    let (columns, rows) = (counts.len(), classes.len() as f64);
    let (mut value, mut grad) = (0.0, Vec::new());
    for (row, &class) in logits.chunks(columns).zip(classes) {
        let i = class as usize;
        let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = row.iter().map(|z| (z - max).exp()).collect();
        let sum: f64 = powers.iter().sum();
        let own = (powers[i] / sum).max(0.01);
        let factor = |j: usize| {
            let rarer = (counts[j].max(1.0) / counts[i].max(1.0)).min(1.0).powf(p);
            let preferred = (powers[j] / sum / own).max(1.0).powf(q);
            if j == i { 1.0 } else { rarer * preferred }
        };
        let weighted: Vec<f64> = (0..columns).map(|j| powers[j] * factor(j)).collect();
        let sum: f64 = weighted.iter().sum();
        value += (sum.ln() - (row[i] - max)) / rows;
        grad.extend((0..columns).map(|j| (weighted[j] / sum - f64::from(u8::from(j == i))) / rows));
    }
    (value, grad)
}

#[test]
fn seesaw_is_the_definition_and_remembers_counts() {
    let mut random = Random::new(139);
    for columns in [1, 2, 5, 17, 40] {
        let mut state = vec![0.0; columns];
        let mut seen = vec![0.0; columns];
        for rows in [1, 3, 20] {
            let logits: Vec<f64> = (0..rows * columns).map(|_| random.between(-5.0, 5.0)).collect();
            // Of two numbers the smaller one: the first classes are frequent.
            let mut class = || random.below(columns).min(random.below(columns)) as f64;
            let classes: Vec<f64> = (0..rows).map(|_| class()).collect();
            let mut counts = vec![0.0; columns];
            classes.iter().for_each(|&class| counts[class as usize] += 1.0);
            seen.iter_mut().zip(&counts).for_each(|(seen, count)| *seen += count);
            for (p, q) in [(0.8, 2.0), (0.0, 0.0), (1.5, 0.0), (0.0, 1.0)] {
                let slow = seesaw(&logits, &classes, &counts, p, q);
                let what = format!("{rows} rows of {columns}");
                let params = [("p", p), ("q", q)];
                hold("seesaw", &params, (&logits, &classes, columns), &slow, &what);
            }
            let loss = find("seesaw").unwrap().make();
            let mut grad = vec![0.0; logits.len()];
            let batch = Batch::new(&logits, &classes).columns(columns);
            let value = batch.step_into(&loss, &mut state, &mut grad).unwrap();
            let slow = seesaw(&logits, &classes, &seen, 0.8, 2.0);
            assert_same((value, &grad), (slow.0, &slow.1), Tolerance::LAW, "a step");
            assert_eq!(state, seen);
        }
    }
}

/// A batch after the sums of norms `before`, per class those of its positives and of its negatives; with what the batch adds.
fn eqlv2(
    (logits, classes): (&[f64], &[f64]),
    before: &[[f64; 2]],
    background: bool,
) -> (Definition, Vec<[f64; 2]>) {
    let (columns, rows) = (before.len(), classes.len() as f64);
    let weights = |j: usize| {
        let [pulled, pushed] = before[j];
        if background && j == columns - 1 || pulled + pushed <= 1e-10 {
            return [1.0, 1.0];
        }
        let negative = 1.0 / (1.0 + (-12.0 * (pulled / (pushed + 1e-10) - 0.8)).exp());
        [1.0 + 4.0 * (1.0 - negative), negative]
    };
    let (mut value, mut grad, mut added) = (0.0, Vec::new(), vec![[0.0; 2]; columns]);
    for (index, &logit) in logits.iter().enumerate() {
        let (i, j) = (index / columns, index % columns);
        let side = usize::from(classes[i] != j as f64);
        let (loss, slope) = cross_entropy(logit, f64::from(u8::from(side == 0)));
        let weight = weights(j)[side];
        value += weight * loss / rows;
        grad.push(weight * slope / rows);
        added[j][side] += weight * slope.abs();
    }
    ((value, grad), added)
}

#[test]
fn eqlv2_is_the_definition_and_remembers_gradients() {
    let mut random = Random::new(149);
    for (columns, background) in [(1, false), (2, true), (5, false), (17, true), (40, true)] {
        let params = [("background", f64::from(u8::from(background)))];
        let loss = find("eqlv2").unwrap().with(&params).unwrap();
        let mut state = vec![0.0; 2 * columns];
        let mut sums = vec![[0.0; 2]; columns];
        for rows in [1, 3, 20, 20] {
            let logits: Vec<f64> = (0..rows * columns).map(|_| random.between(-5.0, 5.0)).collect();
            let mut class = || random.below(columns).min(random.below(columns)) as f64;
            let classes: Vec<f64> = (0..rows).map(|_| class()).collect();
            let what = format!("{rows} rows of {columns}");
            let (plain, _) = eqlv2((&logits, &classes), &vec![[0.0; 2]; columns], background);
            hold("eqlv2", &params, (&logits, &classes, columns), &plain, &what);
            let mut grad = vec![0.0; logits.len()];
            let batch = Batch::new(&logits, &classes).columns(columns);
            let value = batch.step_into(&loss, &mut state, &mut grad).unwrap();
            let (slow, added) = eqlv2((&logits, &classes), &sums, background);
            assert_same((value, &grad), (slow.0, &slow.1), Tolerance::LAW, &what);
            for (sum, added) in sums.iter_mut().zip(added) {
                *sum = [sum[0] + added[0], sum[1] + added[1]];
            }
            let flat: Vec<f64> =
                [0, 1].iter().flat_map(|&side| sums.iter().map(move |sum| sum[side])).collect();
            assert_same((0.0, &state), (0.0, &flat), Tolerance::LAW, "the state");
        }
    }
}

/// Numbers of MMDetection's class: two calls with the same batch.
#[test]
fn eqlv2_weighs_by_what_was_before() {
    let logits = [0.5, -1.0, 0.2, -0.3, 0.8, -1.5, 0.1, -2.0, 1.0];
    let loss = find("eqlv2").unwrap().make();
    let batch = Batch::new(&logits, &[0.0, 1.0, 2.0]).columns(3);
    let (mut state, mut grad) = (batch.initial_state(&loss), [0.0; 9]);
    let printed = Tolerance { absolute: 1e-10, relative: 0.0 };
    let first = batch.step_into(&loss, &mut state, &mut grad).unwrap();
    assert_close(first, 1.298_977_696_0, printed, &"the first call");
    assert_close(state[0] / (state[3] + 1e-10), 0.397_186_852_9, printed, &"the ratio of class 0");
    assert_close(state[1] / (state[4] + 1e-10), 0.798_737_696_6, printed, &"the ratio of class 1");
    let second = batch.step_into(&loss, &mut state, &mut grad).unwrap();
    assert_close(second, 1.671_944_301_6, printed, &"the second call");
}

/// A batch with a NaN says so, and leaves what is remembered as it was.
#[test]
fn eqlv2_does_not_remember_nan() {
    let loss = find("eqlv2").unwrap().make();
    for place in 0..4 {
        let mut logits = [0.5, -1.0, 0.2, -0.3];
        logits[place] = f64::NAN;
        let batch = Batch::new(&logits, &[0.0, 1.0]).columns(2);
        let (mut state, mut grad) = (vec![3.0, 2.0, 1.0, 4.0], [0.0; 4]);
        assert!(batch.step_into(&loss, &mut state, &mut grad).unwrap().is_nan());
        assert!(grad.iter().all(|slope| slope.is_nan()));
        assert_eq!(state, [3.0, 2.0, 1.0, 4.0]);
    }
}

/// A batch after the sums of norms `before`, per column those of its positives and of its negatives; with what the batch adds.
fn efl(
    (logits, labels): (&[f64], &[f64]),
    before: &[[f64; 2]],
    [gamma, scale, alpha]: [f64; 3],
) -> (Definition, Vec<[f64; 2]>) {
    let positives = labels.iter().filter(|&&label| label > 0.0).count().max(1) as f64;
    let (mut value, mut grad, mut added) = (0.0, Vec::new(), vec![[0.0; 2]; before.len()]);
    for (index, (&logit, &label)) in logits.iter().zip(labels).enumerate() {
        let [pulled, pushed] = before[index % before.len()];
        let ratio = if pulled + pushed <= 1e-10 { 1.0 } else { pulled / (pushed + 1e-10) };
        let exponent = gamma + scale * (1.0 - ratio.clamp(0.0, 1.0));
        let sign = if label > 0.0 { 1.0 } else { -1.0 };
        let alpha_t = if label > 0.0 { alpha } else { 1.0 - alpha };
        let (right, wrong) = (sigmoid(sign * logit), sigmoid(-sign * logit));
        let surprise = softplus(-sign * logit);
        let weight = if alpha < 0.0 { 1.0 } else { alpha_t } * exponent / gamma;
        value += weight * wrong.powf(exponent) * surprise / positives;
        let slope =
            weight * wrong.powf(exponent) * (exponent * right * surprise + wrong) / positives;
        grad.push(-sign * slope);
        added[index % before.len()][usize::from(label <= 0.0)] += slope;
    }
    ((value, grad), added)
}

#[test]
fn efl_is_the_definition_and_remembers_gradients() {
    let mut random = Random::new(151);
    for (columns, params) in [
        (1, [2.0, 8.0, 0.25]),
        (3, [2.0, 4.0, -1.0]),
        (17, [1.0, 8.0, 0.5]),
        (80, [2.0, 8.0, 0.25]),
    ] {
        let named = ["gamma", "scale", "alpha"].into_iter().zip(params).collect::<Vec<_>>();
        let loss = find("efl").unwrap().with(&named).unwrap();
        let (mut state, mut sums) = (vec![0.0; 2 * columns], vec![[0.0; 2]; columns]);
        for (step, rows) in [1, 3, 40, 40, 40].into_iter().enumerate() {
            let (logits, mut labels) = random_set(rows * columns, 0.2, &mut random);
            // The last column never has a positive.
            labels.iter_mut().skip(columns - 1).step_by(columns).for_each(|label| *label = 0.0);
            let what = format!("{rows} rows of {columns}, step {step}");
            let (plain, _) = efl((&logits, &labels), &vec![[0.0; 2]; columns], params);
            hold("efl", &named, (&logits, &labels, columns), &plain, &what);
            // In the fourth step some elements are left out; then they stand in no sum.
            let counts: Vec<bool> =
                (0..labels.len()).map(|_| step != 3 || random.below(3) > 0).collect();
            let weights: Vec<f64> = counts.iter().map(|&it| f64::from(u8::from(it))).collect();
            let batch = Batch::new(&logits, &labels).columns(columns);
            let batch = batch.weights(Weights::Elements(&weights));
            let mut grad = vec![0.0; logits.len()];
            let value = batch.step_into(&loss, &mut state, &mut grad).unwrap();
            let far = |numbers: &[f64], out: f64| -> Vec<f64> {
                let pairs = numbers.iter().zip(&counts);
                pairs.map(|(&number, &counts)| if counts { number } else { out }).collect()
            };
            // As right as can be is as good as not there.
            let (slow, added) = efl((&far(&logits, -1e4), &far(&labels, 0.0)), &sums, params);
            assert_same((value, &grad), (slow.0, &slow.1), Tolerance::LAW, &what);
            for (sum, added) in sums.iter_mut().zip(added) {
                *sum = [sum[0] + added[0], sum[1] + added[1]];
            }
            let flat: Vec<f64> =
                [0, 1].iter().flat_map(|&side| sums.iter().map(move |sum| sum[side])).collect();
            assert_same((0.0, &state), (0.0, &flat), Tolerance::LAW, "the state");
        }
    }
}

/// Numbers of 50 digits, with gradients whose ratio is 0.35.
#[test]
fn efl_at_a_ratio_of_gradients() {
    let printed = Tolerance { absolute: 1e-10, relative: 0.0 };
    for (logit, label, value, slope) in [
        (0.5, 1.0, 0.000_383_910_8, -0.002_026_310_7),
        (-1.25, 0.0, 0.000_013_684_5, 0.000_088_683_1),
    ] {
        let (mut state, mut grad, pred, target) = ([3.5, 10.0], [0.0], [logit], [label]);
        let batch = Batch::new(&pred, &target);
        let got = batch.step_into(&find("efl").unwrap().make(), &mut state, &mut grad).unwrap();
        assert_close(got, value, printed, &logit);
        assert_close(grad[0], slope, printed, &logit);
    }
}

/// A batch with a NaN says so, and leaves what is remembered as it was.
#[test]
fn efl_does_not_remember_nan() {
    let (mut state, mut grad) = ([3.0, 2.0, 1.0, 4.0], [0.0; 4]);
    let batch = Batch::new(&[0.5, -1.0, f64::NAN, -0.3], &[1.0, 0.0, 0.0, 1.0]).columns(2);
    let value = batch.step_into(&find("efl").unwrap().make(), &mut state, &mut grad).unwrap();
    assert!(value.is_nan() && grad.iter().all(|slope| slope.is_nan()));
    assert_eq!(state, [3.0, 2.0, 1.0, 4.0]);
}
