//! Small rows on dual numbers: formulas without a derivative, against slopes written by hand.

use detloss::scalar::dual::Gradient;
use detloss::scalar::{Dual, Scalar, lit};
use detloss::testing::Random;

use crate::{Definition, hold};

const LENGTH: usize = 5;

type Number = Dual<f64, LENGTH>;

fn on_duals(row: &[f64], formula: impl Fn(&[Number]) -> Number) -> Definition {
    let row: Vec<Number> = row.iter().enumerate().map(|(k, &x)| Number::variable(x, k)).collect();
    let result = formula(&row);
    (result.value(), (0..LENGTH).map(|k| result.partial(k)).collect())
}

fn sum(terms: impl Iterator<Item = Number>) -> Number {
    terms.reduce(|a, b| a + b).expect("a row is not empty")
}

#[test]
fn slopes_of_masks_are_those_of_their_formulas() {
    let mut random = Random::new(241);
    for _ in 0..50 {
        let x: Vec<f64> = (0..LENGTH).map(|_| random.between(-4.0, 4.0)).collect();
        let g: Vec<f64> = (0..LENGTH).map(|_| random.below(5) as f64 / 4.0).collect();
        let total = g.iter().sum::<f64>() + 1e-300;
        let hits = |x: &[Number]| sum(x.iter().zip(&g).map(|(x, &g)| x.sigmoid() * lit(g)));
        let scores = |x: &[Number]| sum(x.iter().map(|x| x.sigmoid()));
        let squares = |x: &[Number]| sum(x.iter().map(|x| x.sigmoid().square()));
        let squared_labels: f64 = g.iter().map(|g| g * g).sum();
        let less = |index: Number| lit(1.0) - index;
        let dice = |x: &[Number]| less((hits(x) * lit(2.0)).safe_div(scores(x) + lit(total)));
        let jaccard = |x: &[Number]| less(hits(x).safe_div(scores(x) + lit(total) - hits(x)));
        let dice_squared =
            |x: &[Number]| less((hits(x) * lit(2.0)).safe_div(squares(x) + lit(squared_labels)));
        let input = (&x[..], &g[..], LENGTH);
        hold("dice", &[], input, &on_duals(&x, dice), "on duals");
        hold("jaccard", &[], input, &on_duals(&x, jaccard), "on duals");
        hold("dice_squared", &[], input, &on_duals(&x, dice_squared), "on duals");
    }
}

#[test]
fn slopes_of_rows_are_those_of_their_formulas() {
    let mut random = Random::new(251);
    for _ in 0..50 {
        let z: Vec<f64> = (0..LENGTH).map(|_| random.between(-4.0, 4.0)).collect();
        let place = random.between(0.0, (LENGTH - 1) as f64);
        let (left, share) = (place.floor() as usize, place.fract());
        let ln_sum = |z: &[Number]| sum(z.iter().map(|z| z.exp())).ln();
        let focal = |z: &[Number]| {
            let right = (left + 1).min(LENGTH - 1);
            ln_sum(z) - z[left] * lit(1.0 - share) - z[right] * lit(share)
        };
        let what = "on duals";
        hold("distribution_focal", &[], (&z, &[place], LENGTH), &on_duals(&z, focal), what);
        let t: Vec<f64> = (0..LENGTH).map(|_| random.between(-4.0, 4.0)).collect();
        let all: f64 = t.iter().map(|t| t.exp()).sum();
        let kl = |z: &[Number]| {
            let ln_sum = ln_sum(z);
            sum(z.iter().zip(&t).map(|(&z, t)| {
                let p = t.exp() / all;
                (ln_sum - z + lit(p.ln())) * lit(p)
            }))
        };
        hold("softmax_kl", &[], (&z, &t, LENGTH), &on_duals(&z, kl), what);
        let y: Vec<f64> = t.iter().map(|t| f64::from((t.exp() / all) as f32)).collect();
        let poly1 = |z: &[Number]| {
            let ln_sum = ln_sum(z);
            sum(z.iter().zip(&y).map(|(&z, &y)| {
                let surprise = ln_sum - z;
                (surprise + (lit(1.0) - (-surprise).exp())) * lit(y)
            }))
        };
        hold("poly1_ce", &[], (&z, &y, LENGTH), &on_duals(&z, poly1), what);
    }
}
