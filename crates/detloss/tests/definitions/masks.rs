//! Losses of masks: sums over the pixels, and for the Lovász losses the Jaccard loss of every set of wrong pixels.

use detloss::testing::Random;

use crate::{Definition, hold};

const LENGTHS: [usize; 7] = [1, 2, 7, 16, 17, 40, 500];

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn safe_div(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a / b }
}

/// The Tversky loss to the power of 1 / gamma, by the quotient rule.
fn tversky(x: &[f64], g: &[f64], [alpha, beta, eps, gamma]: [f64; 4]) -> Definition {
    let (mut hit, mut wrong) = (eps, 0.0);
    for (&x, &g) in x.iter().zip(g).filter(|&(_, &g)| g >= 0.0) {
        hit += sigmoid(x) * g;
        wrong += alpha * sigmoid(x) * (1.0 - g) + beta * sigmoid(-x) * g;
    }
    let all = hit + wrong;
    let loss = safe_div(wrong, all);
    let value = loss.powf(1.0 / gamma);
    let outer = safe_div(value, gamma * loss);
    let slope = |(&x, &g): (&f64, &f64)| {
        let by_score = (alpha * (1.0 - g) - beta * g) * hit - g * wrong;
        let known = if g < 0.0 { 0.0 } else { outer };
        known * safe_div(safe_div(by_score, all), all) * sigmoid(x) * sigmoid(-x)
    };
    (value, x.iter().zip(g).map(slope).collect())
}

fn dice_squared(x: &[f64], g: &[f64], eps: f64) -> Definition {
    let (mut distance, mut all) = (0.0, eps);
    for (&x, &g) in x.iter().zip(g).filter(|&(_, &g)| g >= 0.0) {
        distance += (sigmoid(x) - g).powi(2);
        all += sigmoid(x).powi(2) + g * g;
    }
    let value = safe_div(distance, all);
    let slope = |(&x, &g): (&f64, &f64)| {
        let p = sigmoid(x);
        let known = if g < 0.0 { 0.0 } else { 2.0 };
        known * safe_div(p - g - p * value, all) * p * sigmoid(-x)
    };
    (value, x.iter().zip(g).map(slope).collect())
}

/// The Jaccard loss of a mask where `wrong` says which pixels are wrong.
fn jaccard(g: &[f64], wrong: impl Fn(usize) -> bool) -> f64 {
    let (mut kept, mut union) = (0.0, 0.0);
    for (i, &g) in g.iter().enumerate() {
        kept += if wrong(i) { 0.0 } else { g };
        union += if wrong(i) { 1.0 } else { g };
    }
    if union == 0.0 { 0.0 } else { 1.0 - kept / union }
}

/// The Choquet integral: the Jaccard loss of the pixels above a height, integrated over the heights. With the slope by every error:
/// the mean of what moving up alone and moving down alone would change.
fn lovasz(m: &[f64], g: &[f64]) -> Definition {
    let mut heights: Vec<f64> = m.iter().copied().filter(|&m| m > 0.0).collect();
    heights.push(0.0);
    heights.sort_by(|a, b| b.total_cmp(a));
    let layer = |pair: &[f64]| {
        if pair[0] == pair[1] { 0.0 } else { (pair[0] - pair[1]) * jaccard(g, |i| m[i] >= pair[0]) }
    };
    let value = heights.windows(2).map(layer).sum();
    let slope = |i: usize| {
        if m[i] < 0.0 {
            return 0.0;
        }
        let up = jaccard(g, |k| m[k] > m[i] || k == i) - jaccard(g, |k| m[k] > m[i]);
        let down = jaccard(g, |k| m[k] >= m[i]) - jaccard(g, |k| m[k] >= m[i] && k != i);
        0.5 * (up + if m[i] > 0.0 { down } else { 0.0 })
    };
    (value, (0..m.len()).map(slope).collect())
}

fn hinge(x: &[f64], g: &[f64]) -> Definition {
    let known: Vec<usize> = (0..x.len()).filter(|&i| g[i] >= 0.0).collect();
    let labels: Vec<f64> = known.iter().map(|&i| g[i]).collect();
    let errors: Vec<f64> = known.iter().map(|&i| 1.0 - (2.0 * g[i] - 1.0) * x[i]).collect();
    let (value, slopes) = lovasz(&errors, &labels);
    let mut grad = vec![0.0; x.len()];
    for (&i, slope) in known.iter().zip(slopes) {
        grad[i] = -(2.0 * g[i] - 1.0) * slope;
    }
    (value, grad)
}

fn every_loss(x: &[f64], g: &[f64], what: &str) {
    let input = (x, g, x.len());
    for eps in [0.0, 1e-3, 1.0] {
        let params = [("eps", eps)];
        hold("dice", &params, input, &tversky(x, g, [0.5, 0.5, 0.5 * eps, 1.0]), what);
        hold("jaccard", &params, input, &tversky(x, g, [1.0, 1.0, eps, 1.0]), what);
        hold("dice_squared", &params, input, &dice_squared(x, g, eps), what);
        let params = [("alpha", 0.25), ("beta", 0.75), ("eps", eps)];
        hold("tversky", &params, input, &tversky(x, g, [0.25, 0.75, eps, 1.0]), what);
    }
    for gamma in [1.0, 4.0 / 3.0, 3.0] {
        let params = [("alpha", 0.25), ("beta", 0.75), ("gamma", gamma)];
        hold("focal_tversky", &params, input, &tversky(x, g, [0.25, 0.75, 0.0, gamma]), what);
    }
    hold("lovasz_hinge", &[], input, &hinge(x, g), what);
}

#[test]
fn masks_agree_with_sums_over_pixels() {
    let mut random = Random::new(211);
    for length in LENGTHS {
        // On a grid, so that `f32` holds them and some of them tie.
        let x: Vec<f64> =
            (0..length).map(|_| (random.between(-4.0, 4.0) * 64.0).round() / 64.0).collect();
        let hard: Vec<f64> = (0..length).map(|_| random.below(2) as f64).collect();
        let soft: Vec<f64> = (0..length).map(|_| random.below(9) as f64 / 8.0).collect();
        let void: Vec<f64> = (0..length).map(|i| if i % 3 == 1 { -1.0 } else { hard[i] }).collect();
        for (g, what) in [
            (&hard, "hard labels"),
            (&soft, "soft labels"),
            (&void, "some void"),
            (&vec![0.0; length], "empty"),
            (&vec![1.0; length], "full"),
            (&vec![-1.0; length], "all void"),
        ] {
            every_loss(&x, g, &format!("{length} pixels, {what}"));
            every_loss(&vec![0.5; length], g, &format!("{length} pixels, {what}, all equal"));
            let far: Vec<f64> = x.iter().map(|&x| if x < 0.0 { -1e4 } else { 1e4 }).collect();
            every_loss(&far, g, &format!("{length} pixels, {what}, logits of 1e4"));
        }
    }
}

fn softmax(x: &[f64]) -> Vec<f64> {
    let top = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = x.iter().map(|x| (x - top).exp()).sum();
    x.iter().map(|x| (x - top).exp() / sum).collect()
}

fn lovasz_softmax(x: &[f64], classes: &[f64], columns: usize) -> Definition {
    let scores: Vec<Vec<f64>> = x.chunks(columns).map(softmax).collect();
    let present: Vec<usize> = (0..columns).filter(|&c| classes.contains(&(c as f64))).collect();
    let mut by_score = vec![0.0; x.len()];
    let mut value = 0.0;
    for &c in &present {
        let g: Vec<f64> = classes.iter().map(|&k| f64::from(u8::from(k == c as f64))).collect();
        let m: Vec<f64> = (0..g.len()).map(|i| (g[i] - scores[i][c]).abs()).collect();
        let (loss, slopes) = lovasz(&m, &g);
        value += loss / present.len() as f64;
        for (i, slope) in slopes.into_iter().enumerate() {
            by_score[i * columns + c] = (1.0 - 2.0 * g[i]) * slope / present.len() as f64;
        }
    }
    (value, through_softmax(&scores, &by_score, columns))
}

/// From the slopes by the scores to those by the logits.
fn through_softmax(scores: &[Vec<f64>], by_score: &[f64], columns: usize) -> Vec<f64> {
    let mut grad = Vec::new();
    for (i, q) in scores.iter().enumerate() {
        let by = &by_score[i * columns..][..columns];
        for k in 0..columns {
            grad.push(q[k] * (0..columns).map(|c| q[c] * (by[k] - by[c])).sum::<f64>());
        }
    }
    grad
}

/// The mean Tversky loss of the classes, by the quotient rule.
fn softmax_tversky(
    (x, classes, columns): (&[f64], &[f64], usize),
    [alpha, beta, eps]: [f64; 3],
    absent: bool,
) -> Definition {
    let scores: Vec<Vec<f64>> = x.chunks(columns).map(softmax).collect();
    let counted: Vec<usize> =
        (0..columns).filter(|&c| absent || classes.contains(&(c as f64))).collect();
    let (mut value, mut by_score) = (0.0, vec![0.0; x.len()]);
    for &c in &counted {
        let g: Vec<f64> = classes.iter().map(|&k| f64::from(u8::from(k == c as f64))).collect();
        let q: Vec<f64> = scores.iter().map(|scores| scores[c]).collect();
        let sum = |term: fn(f64, f64) -> f64| -> f64 {
            q.iter().zip(&g).map(|(&q, &g)| term(q, g)).sum()
        };
        let hit = sum(|q, g| q * g) + eps;
        let wrong = alpha * sum(|q, g| q * (1.0 - g)) + beta * sum(|q, g| (1.0 - q) * g);
        let all = hit + wrong;
        value += safe_div(wrong, all) / counted.len() as f64;
        for (i, g) in g.iter().enumerate() {
            let by_hit = -safe_div(safe_div(wrong, all), all);
            let by_wrong = safe_div(safe_div(hit, all), all);
            let slope = g * by_hit + (alpha * (1.0 - g) - beta * g) * by_wrong;
            by_score[i * columns + c] = slope / counted.len() as f64;
        }
    }
    (value, through_softmax(&scores, &by_score, columns))
}

#[test]
fn softmax_losses_of_overlap_agree_with_sums_over_pixels() {
    let mut random = Random::new(227);
    for pixels in [1, 2, 7, 40, 200] {
        for columns in [1, 2, 3, 17] {
            let x: Vec<f64> = (0..pixels * columns).map(|_| random.between(-3.0, 3.0)).collect();
            let classes: Vec<f64> = (0..pixels).map(|_| random.below(columns) as f64).collect();
            let (input, what) = ((&*x, &*classes, columns), format!("{pixels} of {columns}"));
            for (eps, absent) in [(0.0, false), (0.0, true), (0.5, false), (1.0, true)] {
                let params = [("eps", eps), ("absent", f64::from(u8::from(absent)))];
                let slow = |weights: [f64; 3]| softmax_tversky(input, weights, absent);
                hold("softmax_dice", &params, input, &slow([0.5, 0.5, 0.5 * eps]), &what);
                hold("softmax_jaccard", &params, input, &slow([1.0, 1.0, eps]), &what);
                let params = [params[0], params[1], ("alpha", 0.25), ("beta", 0.75)];
                hold("softmax_tversky", &params, input, &slow([0.25, 0.75, eps]), &what);
            }
        }
    }
}

#[test]
fn lovasz_softmax_agrees_with_sets_of_pixels() {
    let mut random = Random::new(223);
    for pixels in [1, 2, 7, 16, 17, 40, 200] {
        for columns in [2, 3, 17] {
            let x: Vec<f64> = (0..pixels * columns).map(|_| random.between(-3.0, 3.0)).collect();
            let x: Vec<f64> = x.into_iter().map(|x| f64::from(x as f32)).collect();
            let classes: Vec<f64> = (0..pixels).map(|_| random.below(columns) as f64).collect();
            let what = format!("{pixels} pixels, {columns} classes");
            let slow = lovasz_softmax(&x, &classes, columns);
            hold("lovasz_softmax", &[], (&x, &classes, columns), &slow, &what);
        }
    }
}
