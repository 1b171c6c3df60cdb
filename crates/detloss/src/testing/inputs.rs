//! Inputs for any loss, made from what its operands are.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4};

use super::Rows;
use super::rows::COLUMNS;
use crate::loss::{Case, Scope};
use crate::losses::Entry;
use crate::operand::Kind;
use crate::scalar::{DIV_EPS, MAX_MAGNITUDE};
use crate::signature::Signature;

/// How many rows a set needs to come near the ends of its range.
const TALL: usize = 512;

/// A reproducible source of numbers (xorshift).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The source that `seed` starts.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number of 24 bits in `low..high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let unit = (self.0 >> 40) as f64 / (1_u64 << 24) as f64;
        f64::from((low + (high - low) * unit) as f32)
    }

    /// A whole number in `0..end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.between(0.0, end as f64) as usize).min(end - 1)
    }
}

/// Whether labels are 0 or 1 only: whole batches have positives and negatives and nothing in between.
fn is_binary(entry: &Entry) -> bool {
    entry.signature.scope == Scope::Set
}

/// `count` rows as training sees them: most predictions are near their targets, some far away; no ties.
#[must_use]
pub fn ordinary(entry: &Entry, count: usize, seed: u64) -> Rows {
    let (mut rows, mut random) = (Rows::of(entry), Random::new(seed));
    let Signature { pred: pred_kind, target: target_kind, .. } = entry.signature;
    for unit in 0..count {
        let (mut preds, mut targets) = (Vec::new(), Vec::new());
        for _ in 0..rows.height.unwrap_or(1) {
            let target = ordinary_target(target_kind, is_binary(entry), &mut random);
            preds.extend(ordinary_pred(pred_kind, &target, &mut random));
            targets.extend(target);
        }
        rows.push(format!("ordinary row {unit} of seed {seed}"), &preds, &targets);
    }
    rows
}

/// One prediction with its target, in rows of `columns`.
pub(super) fn pair(entry: &Entry, columns: usize, random: &mut Random) -> (Vec<f64>, Vec<f64>) {
    let Signature { pred, target, .. } = entry.signature;
    if entry.signature.is_mask() {
        let logits = (0..columns).map(|_| random.between(-4.0, 4.0)).collect();
        return (logits, (0..columns).map(|_| random.below(2) as f64).collect());
    }
    let target = ordinary_target(target, is_binary(entry), random);
    (ordinary_pred(pred, &target, random), target)
}

fn ordinary_target(kind: Kind, binary: bool, random: &mut Random) -> Vec<f64> {
    match kind {
        Kind::Box => {
            let (x, y) = (random.between(-5.0, 5.0), random.between(-5.0, 5.0));
            vec![x, y, x + random.between(0.5, 4.0), y + random.between(0.5, 4.0)]
        }
        Kind::RotatedBox => {
            let mut side = || random.between(0.5, 4.0);
            let (w, h) = (side(), side());
            let [cx, cy] = [0; 2].map(|_| random.between(-5.0, 5.0));
            vec![cx, cy, w, h, random.between(-3.0, 3.0)]
        }
        Kind::Number => vec![random.between(-3.0, 3.0)],
        Kind::Label if binary => vec![random.below(2) as f64],
        Kind::Label => vec![match random.below(3) {
            0 => 0.0,
            1 => 1.0,
            _ => random.between(0.05, 0.95),
        }],
        Kind::Class => vec![random.below(COLUMNS) as f64],
        Kind::Position => vec![random.between(0.0, (COLUMNS - 1) as f64)],
        Kind::Mask => (0..COLUMNS).map(|_| random.below(2) as f64).collect(),
        Kind::Logits => (0..COLUMNS).map(|_| random.between(-4.0, 4.0)).collect(),
        Kind::Distribution if random.below(2) == 0 => one_hot(random.below(COLUMNS)),
        Kind::Distribution => {
            let masses: Vec<f64> = (0..COLUMNS).map(|_| random.between(0.05, 1.0)).collect();
            let sum: f64 = masses.iter().sum();
            masses.iter().map(|mass| mass / sum).collect()
        }
        other => panic!("teach testing/inputs.rs what a target is that is {other:?}"),
    }
}

fn one_hot(hot: usize) -> Vec<f64> {
    (0..COLUMNS).map(|column| f64::from(u8::from(column == hot))).collect()
}

fn ordinary_pred(kind: Kind, target: &[f64], random: &mut Random) -> Vec<f64> {
    match kind {
        Kind::Box if random.below(4) == 0 => ordinary_target(kind, false, random),
        Kind::Box => {
            let (w, h) = (target[2] - target[0], target[3] - target[1]);
            let mut near = |edge: f64, side: f64| edge + side * random.between(-0.4, 0.4);
            vec![near(target[0], w), near(target[1], h), near(target[2], w), near(target[3], h)]
        }
        Kind::RotatedBox => {
            let is_far = random.below(4) == 0;
            let mut pred =
                if is_far { ordinary_target(kind, false, random) } else { near(target, random) };
            // Not parallel, nor nearly so: where parallel edges cross is no matter of `f32`.
            let quarters = random.below(if is_far { 9 } else { 1 }) as f64;
            let sign = [1.0, -1.0][random.below(2)];
            pred[4] = target[4] + sign * random.between(0.1, 0.7) + quarters * FRAC_PI_2;
            pred
        }
        Kind::Number | Kind::UncertainNumber => {
            let spread = [0.2, 1.5, 5.0][random.below(3)];
            let mut pred = vec![target[0] + random.between(-spread, spread)];
            if kind == Kind::UncertainNumber {
                pred.push(random.between(-2.0, 2.0));
            }
            pred
        }
        Kind::Logit => vec![random.between(-6.0, 6.0)],
        // Not farther than the steps of ranking losses reach, most of the time.
        Kind::LogitWithError => vec![random.between(-2.0, 2.0), random.between(0.0, 1.0)],
        Kind::Logits => (0..COLUMNS).map(|_| random.between(-4.0, 4.0)).collect(),
        other => panic!("teach testing/inputs.rs what a prediction is that is {other:?}"),
    }
}

/// The centre and the sides of a rotated box near those of another, at the same angle.
fn near(target: &[f64], random: &mut Random) -> Vec<f64> {
    let (w, h) = (target[2], target[3]);
    let mut part = |side: f64| side * random.between(-0.4, 0.4);
    vec![target[0] + part(w), target[1] + part(h), w + part(w), h + part(h), target[4]]
}

/// The ugliest rows there are: each ugly prediction with each ugly target.
#[must_use]
pub fn nasty(entry: &Entry) -> Rows {
    ugly_rows(entry, Rows::of(entry))
}

fn ugly_rows(entry: &Entry, mut rows: Rows) -> Rows {
    let Signature { pred, target, .. } = entry.signature;
    let height = rows.height;
    for (what_target, target) in arrangements(ugly(target, is_binary(entry)), height) {
        for (what_pred, pred) in arrangements(ugly(pred, false), height) {
            rows.push(format!("{what_pred} against {what_target}"), &pred, &target);
        }
    }
    rows
}

/// For sets, what is ugly all over, and each among others.
fn arrangements(ugly: Vec<(String, Vec<f64>)>, height: Option<usize>) -> Vec<(String, Vec<f64>)> {
    let Some(height) = height else { return ugly };
    let count = ugly.len();
    let pairs =
        (0..count).flat_map(|one| [0, 1, count - 1, 7].map(|step| (one, (one + step) % count)));
    pairs
        .map(|(one, others)| {
            let (what, others) = &ugly[others];
            let numbers =
                ugly[one].1.iter().chain(std::iter::repeat_n(others, height - 1).flatten());
            (format!("{} among {what}", ugly[one].0), numbers.copied().collect())
        })
        .collect()
}

fn ugly(kind: Kind, binary: bool) -> Vec<(String, Vec<f64>)> {
    const MAX: f64 = f32::MAX as f64;
    const TINY: f64 = f32::MIN_POSITIVE as f64;
    const THIN: f64 = DIV_EPS / (2.0 * MAX_MAGNITUDE);
    let named = |numbers: &[f64]| numbers.iter().map(|&x| (format!("{x:e}"), vec![x])).collect();
    match kind {
        Kind::Box => [
            ("a unit box", [0.0, 0.0, 1.0, 1.0]),
            ("a box that shares an edge", [1.0, 0.0, 2.0, 1.0]),
            ("a box that shares a corner", [1.0, 1.0, 2.0, 2.0]),
            ("a box inside that touches two edges", [0.0, 0.0, 0.5, 0.25]),
            ("a box far away", [1e6, 1e6, 1e6 + 1.0, 1e6 + 1.0]),
            ("a point at a corner", [0.0, 0.0, 0.0, 0.0]),
            ("a point inside", [0.5, 0.5, 0.5, 0.5]),
            ("a vertical segment", [0.5, 0.0, 0.5, 1.0]),
            ("a horizontal segment", [0.0, 0.5, 1.0, 0.5]),
            ("an inverted box", [0.75, 0.75, 0.25, 0.25]),
            ("a box inverted in x", [0.75, 0.25, 0.25, 0.75]),
            ("sides of 1e-6", [0.0, 0.0, 1e-6, 1e-6]),
            ("sides of 1e-6, shifted by half", [5e-7, 5e-7, 1.5e-6, 1.5e-6]),
            ("sides of 1e6", [-5e5, -5e5, 5e5, 5e5]),
            ("sides of 1e6, shifted", [0.0, 0.0, 1e6, 1e6]),
            ("a needle of 1e6 by 1e-6", [0.0, 0.0, 1e6, 1e-6]),
            ("sides that vanish", [0.0, 0.0, TINY, TINY]),
            ("the thinnest needle with an area", [0.0, -MAX_MAGNITUDE, THIN, MAX_MAGNITUDE]),
            ("all of f32", [-MAX, -MAX, MAX, MAX]),
            ("all of f32, inverted", [MAX, MAX, -MAX, -MAX]),
            ("a point at the end of f32", [MAX, MAX, MAX, MAX]),
        ]
        .map(|(what, corners)| (what.to_owned(), corners.to_vec()))
        .to_vec(),
        Kind::RotatedBox => [
            ("a unit box", [0.5, 0.5, 1.0, 1.0, 0.0]),
            ("a unit box, turned", [0.5, 0.5, 1.0, 1.0, 0.5]),
            ("a unit box, by a quarter turn", [0.5, 0.5, 1.0, 1.0, FRAC_PI_2]),
            ("a unit box, by a half turn and a bit", [0.5, 0.5, 1.0, 1.0, 3.642]),
            ("a box that shares an edge", [1.5, 0.5, 1.0, 1.0, 0.0]),
            ("a box that shares a corner", [1.5, 1.5, 1.0, 1.0, 0.0]),
            ("a box inside that touches two edges", [0.25, 0.125, 0.5, 0.25, 0.0]),
            ("a box far away", [1e6, 1e6, 1.0, 1.0, 0.5]),
            ("a point at a corner", [0.0, 0.0, 0.0, 0.0, 0.0]),
            ("a point inside, turned", [0.5, 0.5, 0.0, 0.0, 1.0]),
            ("a point far away", [3e6, 3e6, 0.0, 0.0, 0.0]),
            ("a vertical segment", [0.5, 0.5, 0.0, 1.0, 0.0]),
            ("a horizontal segment, turned", [0.5, 0.5, 1.0, 0.0, 0.3]),
            ("a box of negative sides", [0.5, 0.5, -0.5, -0.5, 0.0]),
            ("a box of negative width", [0.5, 0.5, -0.5, 0.5, 0.5]),
            ("a box of negative height", [0.5, 0.5, 0.5, -0.5, 2.0]),
            ("sides of 1e-6", [0.0, 0.0, 1e-6, 1e-6, 0.3]),
            ("sides of 1e-6, shifted by half", [5e-7, 5e-7, 1e-6, 1e-6, 0.3]),
            ("sides of 1e6", [0.0, 0.0, 1e6, 1e6, 0.0]),
            ("sides of 1e6, shifted and turned", [5e5, 5e5, 1e6, 1e6, -0.7]),
            ("a needle of 1e6 by 1e-6", [0.0, 0.0, 1e6, 1e-6, FRAC_PI_4]),
            ("a needle of 1e-7 by 1", [0.0, 0.0, 1e-7, 1.0, FRAC_PI_4]),
            ("a needle of 1e-7 by 1, upright", [0.0, 0.0, 1e-7, 1.0, 0.0]),
            ("sides that vanish", [0.0, 0.0, TINY, TINY, 0.1]),
            ("the shortest sides with an area", [0.0, 0.0, 8e-12, 8e-12, 0.1]),
            ("the thinnest needle with an area", [0.0, 0.0, 8e-12, MAX_MAGNITUDE, 1e-6]),
            ("all of f32", [0.0, 0.0, MAX, MAX, 0.0]),
            ("all of f32, turned", [MAX, -MAX, MAX, MAX, 0.5]),
            ("a point at the end of f32", [MAX, MAX, 0.0, 0.0, 0.0]),
            ("many turns", [0.5, 0.5, 1.0, 2.0, 300.0]),
            ("more turns than count", [0.5, 0.5, 1.0, 2.0, 1e6]),
            ("the largest angle", [0.5, 0.5, 1.0, 2.0, MAX]),
            ("the least angle", [0.5, 0.5, 2.0, 1.0, -MAX]),
        ]
        .map(|(what, fields)| (what.to_owned(), fields.to_vec()))
        .to_vec(),
        Kind::Number => named(&[
            0.0,
            -0.0,
            TINY,
            -TINY,
            1e-6,
            1.0,
            -1.0,
            1.0 + 1e-6,
            1e6,
            -1e6,
            1e30,
            -1e30,
            MAX,
            -MAX,
        ]),
        Kind::UncertainNumber => {
            let values = [0.0, 1e-6, 1.0, -1.0, 1e6, -1e6, MAX, -MAX];
            let log_variances = [0.0, 1.0, -1.0, 10.0, -10.0, 88.0, -88.0, 1e4, -1e4];
            let pair = |value: f64| {
                log_variances
                    .map(|log| (format!("{value:e} with log variance {log:e}"), vec![value, log]))
            };
            values.into_iter().flat_map(pair).collect()
        }
        Kind::Logit => named(&[
            0.0, -0.0, 1e-6, -1e-6, 1.0, -1.0, 16.5, -16.5, 40.0, -40.0, 87.0, -87.0, 87.5, -87.5,
            89.0, -89.0, 104.0, -104.0, 1e3, -1e3, 1e4, -1e4,
        ]),
        Kind::LogitWithError => {
            let logits = [0.0, -0.0, 1e-6, 0.5, -0.5, 1.0, 2.0, 40.0, -40.0, 1e4, -1e4, 1e30];
            let pair = |logit: f64| {
                [0.0, 1e-6, 0.5, 1.0, 1e6]
                    .map(|error| (format!("{logit:e} with error {error:e}"), vec![logit, error]))
            };
            logits.into_iter().flat_map(pair).collect()
        }
        Kind::Label if binary => named(&[0.0, 1.0]),
        Kind::Label => named(&[0.0, 1.0, 0.5, 1e-6, 1.0 - 1e-6]),
        Kind::Class => {
            (0..COLUMNS).map(|class| (format!("class {class}"), vec![class as f64])).collect()
        }
        Kind::Position => named(&[0.0, 1.0, 1e-6, 2.5, (COLUMNS - 1) as f64]),
        Kind::Mask => [[0.0; COLUMNS], [1.0; COLUMNS], [0.5; COLUMNS], [1.0, 0.0, 0.0, 0.0, 1.0]]
            .map(|labels| (format!("labels {labels:?}"), labels.to_vec()))
            .to_vec(),
        Kind::Distribution => {
            let mut targets: Vec<_> =
                (0..COLUMNS).map(|hot| (format!("class {hot}"), one_hot(hot))).collect();
            targets.push(("the uniform distribution".to_owned(), vec![0.2; COLUMNS]));
            targets
        }
        Kind::Logits => [
            ("equal logits", [0.0; COLUMNS]),
            ("equal high logits", [1e4; COLUMNS]),
            ("equal low logits", [-1e4; COLUMNS]),
            ("certainty of 1", [-1e4, 1e4, -1e4, -1e4, -1e4]),
            ("a tie of 0 and 4", [1e4, -1e4, -1e4, -1e4, 1e4]),
            ("a ramp", [-1e4, -1e2, 0.0, 1e2, 1e4]),
            ("near certainty of 3", [0.0, 0.0, 0.0, 17.0, 0.0]),
            ("the edge of exp", [0.0, 87.3, 87.4, 88.7, -87.4]),
        ]
        .map(|(what, logits)| (what.to_owned(), logits.to_vec()))
        .to_vec(),
    }
}

/// The worked cases of a loss, each with its rows of one unit.
pub fn cases(entry: &Entry) -> impl Iterator<Item = (&'static Case, Rows)> {
    entry.cases.iter().map(|case| {
        let is_class = entry.signature.target == Kind::Distribution;
        let height =
            is_binary(entry).then(|| case.target.len() / entry.signature.target.fields().len());
        let columns =
            if entry.signature.pred.is_row() { case.pred.len() / height.unwrap_or(1) } else { 1 };
        let mut rows = Rows::new(columns, height);
        rows.what.push(case.what.to_owned());
        rows.pred = case.pred.to_vec();
        rows.target = match case.target {
            // A class index, written out.
            &[class] if is_class => {
                (0..columns).map(|column| f64::from(u8::from(column as f64 == class))).collect()
            }
            target => target.to_vec(),
        };
        (case, rows)
    })
}

/// Rows full of ties: small whole numbers, and boxes that share edges but always have an area.
#[must_use]
pub fn tied(entry: &Entry) -> Rows {
    let mut rows = Rows::of(entry);
    let Signature { pred, target, .. } = entry.signature;
    let (preds, targets) = (whole(pred, false), whole(target, is_binary(entry)));
    let Some(height) = rows.height else {
        for target in &targets {
            for pred in &preds {
                rows.push(format!("{pred:?} against {target:?}"), pred, target);
            }
        }
        return rows;
    };
    let mut random = Random::new(5);
    for _ in 0..60 {
        let mut draw = |from: &[Vec<f64>]| {
            (0..height).flat_map(|_| from[random.below(from.len())].clone()).collect::<Vec<_>>()
        };
        let (pred, target) = (draw(&preds), draw(&targets));
        rows.push(format!("{pred:?} against {target:?}"), &pred, &target);
    }
    rows
}

fn whole(kind: Kind, binary: bool) -> Vec<Vec<f64>> {
    const SPANS: [[f64; 2]; 5] = [[0.0, 1.0], [0.0, 2.0], [1.0, 2.0], [1.0, 3.0], [0.0, 3.0]];
    match kind {
        Kind::Box => {
            SPANS.iter().flat_map(|x| SPANS.map(|y| vec![x[0], y[0], x[1], y[1]])).collect()
        }
        Kind::RotatedBox => {
            // Edges meet exactly only where no angle has to be rounded: of boxes along the axes, and of turned ones about one
            // centre. A quarter turn is no number.
            let span = |[low, high]: [f64; 2]| ((low + high) / 2.0, high - low);
            let along = SPANS.iter().flat_map(|&x| {
                SPANS.map(|y| {
                    let ((cx, w), (cy, h)) = (span(x), span(y));
                    vec![cx, cy, w, h, 0.0]
                })
            });
            let turned = [(1.0, 1.0), (1.0, 2.0), (2.0, 1.0), (2.0, 2.0)]
                .map(|(w, h)| vec![1.25, 0.75, w, h, 0.5]);
            along.chain(turned).collect()
        }
        Kind::Number | Kind::Logit => (-3..=3).map(|x| vec![f64::from(x)]).collect(),
        Kind::UncertainNumber | Kind::LogitWithError => {
            (-3..=3).flat_map(|x| [-1.0, 0.0, 1.0].map(|more| vec![f64::from(x), more])).collect()
        }
        Kind::Label if binary => vec![vec![0.0], vec![1.0]],
        Kind::Label => vec![vec![0.0], vec![0.5], vec![1.0]],
        Kind::Class | Kind::Position => (0..COLUMNS).map(|place| vec![place as f64]).collect(),
        Kind::Mask => vec![
            vec![0.0; COLUMNS],
            vec![1.0; COLUMNS],
            vec![1.0, 0.0, 0.0, 1.0, 0.0],
            vec![0.0, 1.0, 1.0, 1.0, 0.0],
        ],
        Kind::Logits | Kind::Distribution => (0..COLUMNS).map(one_hot).collect(),
    }
}

/// Rows from everywhere, among them some near either end of the range of any loss.
#[must_use]
pub fn everywhere(entry: &Entry) -> Rows {
    if is_binary(entry) {
        return ugly_rows(entry, Rows::new(Rows::of(entry).columns, Some(TALL)));
    }
    let mut rows = nasty(entry);
    let more = ordinary(entry, 1000, 7);
    for unit in 0..more.len() {
        rows.push(&*more.what[unit], more.pred_of(unit), more.target_of(unit));
    }
    if entry.signature.pred == Kind::RotatedBox {
        // Boxes of these sides, empty and not, thin and wide, side by side, apart and far away, parallel and not.
        const AT: [f64; 3] = [0.0, 1.0, 1e3];
        for index in 0..AT.len().pow(6) {
            let pick = |place: u32| AT[index / AT.len().pow(place) % AT.len()];
            let [x, y, w, h, frame_w, frame_h] = [0, 1, 2, 3, 4, 5].map(pick);
            for (angle, frame_angle) in [(0.0, 0.0), (0.3, 0.3), (FRAC_PI_4, 0.0), (1.9, -0.4)] {
                let frame = [0.0, 0.0, frame_w, frame_h, frame_angle];
                rows.push("", &[x, y, w, h, angle], &frame);
            }
        }
    }
    if entry.signature.pred == Kind::Box {
        // Every pair of boxes whose corners are these: far and near, empty and inverted, thin and wide.
        const AT: [f64; 4] = [0.0, 1.0, 1e3, 1e3 + 1.0];
        for index in 0..AT.len().pow(8) {
            let corner = |place: u32| AT[index / AT.len().pow(place) % AT.len()];
            let (pred, target) = ([0, 1, 2, 3].map(corner), [4, 5, 6, 7].map(corner));
            rows.push("", &pred, &target);
        }
    }
    rows
}

/// A target that is asked for without doubt, of sides (or at distances) around `scale`.
#[must_use]
pub fn certain_target(entry: &Entry, scale: f64, random: &mut Random) -> Vec<f64> {
    let target = entry.signature.target;
    let certain = |random: &mut Random| match target {
        Kind::Label => vec![random.below(2) as f64],
        Kind::Distribution => one_hot(random.below(COLUMNS)),
        // Their logits, labels and places have no scale.
        Kind::Class | Kind::Mask | Kind::Logits => ordinary_target(target, false, random),
        Kind::Position => vec![random.below(COLUMNS) as f64],
        other => {
            let scaled = other.scaled(&ordinary_target(other, false, random), scale);
            scaled.into_iter().map(|x| f64::from(x as f32)).collect()
        }
    };
    (0..Rows::of(entry).height.unwrap_or(1)).flat_map(|_| certain(random)).collect()
}

/// A prediction that is what `target`, a [`certain_target`], asks for; `element` says it for the target of one formula.
#[must_use]
pub fn perfect(entry: &Entry, target: &[f64], element: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    const SURE: f64 = 1e4;
    let sure = |is: bool| if is { SURE } else { -SURE };
    let Signature { pred, target: kind, .. } = entry.signature;
    let class = |class: f64| (0..COLUMNS).map(move |column| sure(column as f64 == class));
    match (pred, kind) {
        (Kind::LogitWithError, _) => {
            target.iter().flat_map(|&label| [sure(label > 0.5), 0.0]).collect()
        }
        (_, Kind::Mask | Kind::Distribution) => {
            target.iter().map(|&label| sure(label > 0.5)).collect()
        }
        (_, Kind::Class | Kind::Position) => {
            target.iter().flat_map(|&place| class(place)).collect()
        }
        (_, Kind::Label) if is_binary(entry) => {
            target.iter().map(|&label| sure(label > 0.5)).collect()
        }
        (_, Kind::Logits) => target.to_vec(),
        _ if is_binary(entry) => target.to_vec(),
        _ => element(target),
    }
}
