//! Rows of logits, and heatmaps.

use detloss::testing::Random;

use crate::{Definition, hold};

fn ln_softmax(x: &[f64]) -> Vec<f64> {
    let top = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let ln_sum = x.iter().map(|x| (x - top).exp()).sum::<f64>().ln();
    x.iter().map(|x| x - top - ln_sum).collect()
}

/// The cross entropy with a hat function around the place: its weights at every place of the row.
fn distribution_focal(z: &[f64], place: f64) -> Definition {
    let place = place.max(0.0).min((z.len() - 1) as f64);
    let hat = |k: usize| (1.0 - (k as f64 - place).abs()).max(0.0);
    let ln_q = ln_softmax(z);
    let cost = |k: usize| if hat(k) > 0.0 { -hat(k) * ln_q[k] } else { 0.0 };
    let grad = (0..z.len()).map(|k| ln_q[k].exp() - hat(k)).collect();
    ((0..z.len()).map(cost).sum(), grad)
}

fn softmax_kl(z: &[f64], t: &[f64], temperature: f64) -> Definition {
    let soften = |x: &[f64]| ln_softmax(&x.iter().map(|x| x / temperature).collect::<Vec<_>>());
    let (ln_q, ln_p) = (soften(z), soften(t));
    let pairs = || ln_q.iter().zip(&ln_p);
    let value: f64 = pairs().map(|(q, p)| p.exp() * (p - q)).sum();
    let grad = pairs().map(|(q, p)| temperature * (q.exp() - p.exp())).collect();
    (temperature * temperature * value, grad)
}

/// The listing of the paper: cross entropy, and ε for all that is not given to the class. The slope by the quotient rule.
fn poly1_ce(z: &[f64], y: &[f64], epsilon: f64) -> Definition {
    let ln_q = ln_softmax(z);
    let q: Vec<f64> = ln_q.iter().map(|ln_q| ln_q.exp()).collect();
    let given: f64 = q.iter().zip(y).map(|(q, y)| q * y).sum();
    let cross_entropy: f64 = ln_q.iter().zip(y).map(|(ln_q, y)| -y * ln_q).sum();
    let slope = |(q, y): (&f64, &f64)| (q - y) - epsilon * q * (y - given);
    (cross_entropy + epsilon * (1.0 - given), q.iter().zip(y).map(slope).collect())
}

fn logits(length: usize, random: &mut Random) -> Vec<f64> {
    (0..length).map(|_| (random.between(-4.0, 4.0) * 64.0).round() / 64.0).collect()
}

#[test]
fn distribution_focal_agrees_with_a_hat() {
    let mut random = Random::new(227);
    for length in [1, 2, 7, 16, 17, 40, 500] {
        let last = (length - 1) as f64;
        for place in [0.0, 0.25, 1.0, 0.5 * last, last - 0.125, last, last + 0.5, 1e4, -0.5, -7.0] {
            let z = logits(length, &mut random);
            let what = format!("{length} places, {place}");
            let slow = distribution_focal(&z, place);
            hold("distribution_focal", &[], (&z, &[place], length), &slow, &what);
        }
    }
}

#[test]
fn softmax_kl_agrees_with_its_sum() {
    let mut random = Random::new(229);
    for length in [2, 7, 16, 17, 40, 500] {
        for temperature in [0.5, 1.0, 2.0, 10.0] {
            let (z, t) = (logits(length, &mut random), logits(length, &mut random));
            let slow = softmax_kl(&z, &t, temperature);
            let params = [("temperature", temperature)];
            hold("softmax_kl", &params, (&z, &t, length), &slow, &format!("{length} classes"));
        }
    }
}

#[test]
fn poly1_ce_agrees_with_its_listing() {
    let mut random = Random::new(235);
    for length in [1, 2, 7, 16, 17, 40, 500] {
        for epsilon in [-1.0, 0.5, 1.0, 20.0] {
            let z = logits(length, &mut random);
            let class = random.below(length);
            let one_hot: Vec<f64> = (0..length).map(|k| f64::from(u8::from(k == class))).collect();
            // Powers of ½, so that f32 has them too; what is left goes to the last one.
            let halves: Vec<f64> = (0..length)
                .map(|k| 0.5_f64.powi((k + usize::from(k + 1 < length)).min(60) as i32))
                .collect();
            for y in [one_hot, halves] {
                let slow = poly1_ce(&z, &y, epsilon);
                let params = [("epsilon", epsilon)];
                hold("poly1_ce", &params, (&z, &y, length), &slow, &format!("{length} classes"));
            }
        }
    }
}

#[test]
fn gaussian_focal_agrees_with_its_paper() {
    let mut random = Random::new(233);
    for (alpha, beta) in [(2.0, 4.0), (0.0, 0.0), (1.0, 2.0), (3.0, 0.5)] {
        for y in [0.0, 0.125, 0.5, 0.875, 1.0] {
            for x in logits(20, &mut random) {
                let (p, q) = (1.0 / (1.0 + (-x).exp()), 1.0 / (1.0 + x.exp()));
                let slow = if y == 1.0 {
                    let power = q.powf(alpha);
                    (-power * p.ln(), vec![power * (alpha * p * p.ln() - q)])
                } else {
                    let power = f64::powf(1.0 - y, beta) * p.powf(alpha);
                    (-power * q.ln(), vec![power * (p - alpha * q * q.ln())])
                };
                let params = [("alpha", alpha), ("beta", beta)];
                hold("gaussian_focal", &params, (&[x], &[y], 1), &slow, &format!("{x}, {y}"));
            }
        }
    }
}
