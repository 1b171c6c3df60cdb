//! Losses that are others with what a function gives: with weights or margins of the classes, and D-FINE's two. Numbers of 50 digits.

use detloss::Batch;
use detloss::batch::{Target, Weights};
use detloss::frequency::{class_balanced_weights, ldam_margins, logit_adjustment};
use detloss::refinement::{Offsets, ddf_weights};
use detloss::scalar::Scalar;
use detloss::testing::{Random, Tolerance, assert_close};

use crate::loss;

const COUNTS: [f64; 4] = [1000.0, 100.0, 10.0, 1.0];
const LOGITS: [f64; 4] = [1.5, -0.5, 0.25, 2.0];
const STUDENT: [f64; 9] = [0.2, -0.4, 1.0, 0.6, 0.0, -1.0, 0.3, 0.8, -0.7];
const TEACHER: [f64; 9] = [0.0, -0.5, 1.5, 0.4, 0.1, -1.0, 0.0, 1.0, 0.0];

#[track_caller]
fn hold((value, grad): (f64, Vec<f64>), expected: f64, slopes: &str) {
    let printed = Tolerance { absolute: 1e-10, relative: 0.0 };
    assert_close(value, expected, printed, &"value");
    let slopes: Vec<f64> = slopes.split_whitespace().map(|slope| slope.parse().unwrap()).collect();
    assert_eq!(grad.len(), slopes.len());
    for (column, (&got, slope)) in grad.iter().zip(slopes).enumerate() {
        assert_close(got, slope, printed, &format!("slope of column {column}"));
    }
}

fn cross_entropy(logits: &[f64], class: i64) -> (f64, Vec<f64>) {
    let (classes, columns) = ([class], logits.len());
    let batch = Batch::new(logits, Target::Classes(&classes)).columns(columns);
    batch.value_and_grad(&loss("softmax_ce", &[])).unwrap()
}

#[test]
fn class_balanced_cross_entropy() {
    let weights = class_balanced_weights(&COUNTS, 0.9999).unwrap();
    for (class, value, slopes) in [
        (0, 0.004_243_664_7, "-0.0025507774 0.0001667230 0.0003529526 0.0020311019"),
        (2, 0.854_227_712_0, "0.1172915576 0.0158736862 -0.3265463297 0.1933810859"),
        (3, 2.238_628_389_8, "1.1723879049 0.1586654492 0.3358947585 -1.6669481127"),
    ] {
        let classes = [class];
        let batch = Batch::new(&LOGITS, Target::Classes(&classes)).columns(4);
        let batch = batch.column_weights(&weights);
        hold(batch.value_and_grad(&loss("softmax_ce", &[])).unwrap(), value, slopes);
    }
}

#[test]
fn logit_adjusted_cross_entropy() {
    for (tau, class, value, slopes) in [
        (1.0, 0, 0.017_886_378_3, "-0.0177273665 0.0132936145 0.0028142582 0.0016194938"),
        (1.0, 3, 6.425_641_657_3, "0.9822726335 0.0132936145 0.0028142582 -0.9983805062"),
        (0.5, 2, 3.669_109_023_8, "0.8900087981 0.0380895056 -0.9745008210 0.0464025172"),
    ] {
        let adjustment = logit_adjustment(&COUNTS, tau).unwrap();
        let adjusted: Vec<f64> = LOGITS.iter().zip(adjustment).map(|(z, by)| z + by).collect();
        hold(cross_entropy(&adjusted, class), value, slopes);
    }
}

#[test]
fn label_distribution_aware_margins() {
    let margins = ldam_margins(&COUNTS, 0.5).unwrap();
    for (class, value, slopes) in [
        (0, 5.670_897_675_5, "-29.8966568520 0.0000091452 0.0008232249 29.8958244819"),
        (2, 18.983_707_526_5, "1.4227757726 0.0000087418 -29.9999998292 28.5772153147"),
        (3, 12.000_565_213_0, "29.9830484001 0.0001842222 0.0165831554 -29.9998157778"),
    ] {
        let mut cosines = [0.3, -0.1, 0.05, 0.4];
        cosines[class as usize] -= margins[class as usize];
        let (value_of, grad) = cross_entropy(&cosines.map(|cosine| 30.0 * cosine), class);
        hold((value_of, grad.iter().map(|slope| 30.0 * slope).collect()), value, slopes);
    }
}

/// What torchvision's formula is with α of the column: αⱼ for a positive, 1 − αⱼ for a negative, and their mixture.
#[test]
fn focal_with_an_alpha_per_class_is_two_weighted_ones() {
    const COLUMNS: usize = 5;
    let (alphas, gamma) = ([0.25, 0.0, 0.5, 0.9, 1.0], 2.0);
    let mut random = Random::new(157);
    let logits: Vec<f64> = (0..60 * COLUMNS).map(|_| random.between(-6.0, 6.0)).collect();
    let label = |random: &mut Random| [0.0, 1.0, random.between(0.0, 1.0)][random.below(3)];
    let labels: Vec<f64> = (0..logits.len()).map(|_| label(&mut random)).collect();
    let batch = Batch::new(&logits, &labels).columns(COLUMNS).sum();
    let others = alphas.map(|alpha| 1.0 - alpha);
    let part = |alpha: f64, weights: &[f64]| {
        let loss = loss("focal", &[("gamma", gamma), ("alpha", alpha)]);
        let batch = batch.column_weights(weights);
        let values = batch.values(&loss).unwrap();
        (values, batch.value_and_grad(&loss).unwrap().1)
    };
    let (of_positives, of_negatives) = (part(1.0, &alphas), part(0.0, &others));
    for (unit, (&x, &y)) in logits.iter().zip(&labels).enumerate() {
        let alpha = alphas[unit % COLUMNS];
        let value = |x: f64| {
            let p = x.sigmoid();
            let wrong = 1.0 - (p * y + (1.0 - p) * (1.0 - y));
            let alpha_t = alpha * y + (1.0 - alpha) * (1.0 - y);
            alpha_t * wrong.powf(gamma) * ((-x).softplus() * y + x.softplus() * (1.0 - y))
        };
        let got = of_positives.0[unit] + of_negatives.0[unit];
        assert_close(got, value(x), Tolerance::LAW, &format!("unit {unit}"));
        let slope = of_positives.1[unit] + of_negatives.1[unit];
        let expected = (value(x + 1e-5) - value(x - 1e-5)) / 2e-5;
        assert!((slope - expected).abs() < 1e-8, "unit {unit}: {slope}, {expected}");
    }
}

#[test]
fn fine_grained_localization() {
    let offsets = Offsets { bins: 8, ..Offsets::default() };
    let rows = [
        (
            0.35,
            1.0,
            3.265_590_012_2,
            "0.1028810648 0.0564623255 0.2289660205 0.1534805134 -0.1243597645 -0.7604211626 0.1137011609 0.1874615224 0.0418283195",
        ),
        (
            -1.5,
            0.6,
            1.267_945_663_5,
            "0.0617286389 -0.2400059350 -0.1887370574 0.0920883081 0.0505391350 0.0185923087 0.0682206965 0.1124769135 0.0250969917",
        ),
        (
            7.0,
            1.0,
            3.174_181_668_4,
            "0.1028810648 0.0564623255 0.2289660205 0.1534805134 0.0842318917 0.0309871812 0.1137011609 0.1874615224 -0.9581716805",
        ),
    ];
    for (offset, iou, value, slopes) in rows {
        let place = offsets.place(&[offset]).unwrap();
        let weights = [iou];
        let batch = Batch::new(&STUDENT, &place).columns(9).weights(Weights::Rows(&weights)).sum();
        hold(batch.value_and_grad(&loss("distribution_focal", &[])).unwrap(), value, slopes);
    }
}

#[test]
fn decoupled_distillation_focal() {
    let weights = ddf_weights(&[0.7], &[true]).unwrap();
    let batch = Batch::new(&STUDENT, &TEACHER).columns(9).weights(Weights::Rows(&weights)).sum();
    let slopes = "0.0219989551 0.0128389126 -0.0398572031 0.0238311836 -0.0009890474 0.0053496475 0.0299664851 -0.0101674696 -0.0429714638";
    let softmax_kl = loss("softmax_kl", &[("temperature", 5.0)]);
    hold(batch.value_and_grad(&softmax_kl).unwrap(), 0.036_029_175_5, slopes);
}
