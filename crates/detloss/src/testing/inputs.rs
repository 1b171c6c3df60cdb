//! Inputs for any loss, made from what its operands are.

mod boxes;

use super::Rows;
use super::rows::COLUMNS;
use crate::loss::{Case, Scope};
use crate::losses::Entry;
use crate::operand::Kind;
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
        Kind::Box | Kind::RotatedBox | Kind::Box3d | Kind::YawBox => boxes::ordinary(kind, random),
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
        Kind::Box | Kind::RotatedBox | Kind::Box3d | Kind::YawBox => {
            boxes::near(kind, target, random)
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
    let named = |numbers: &[f64]| numbers.iter().map(|&x| (format!("{x:e}"), vec![x])).collect();
    match kind {
        Kind::Box | Kind::RotatedBox | Kind::Box3d | Kind::YawBox => boxes::ugly(kind),
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
    match kind {
        Kind::Box | Kind::RotatedBox | Kind::Box3d | Kind::YawBox => boxes::whole(kind),
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
    for (pred, target) in boxes::everywhere(entry.signature.pred) {
        rows.push("", &pred, &target);
    }
    rows
}

/// The powers of ten at which a [`certain_target`] has a size that a loss can tell from 0 and from infinity: about as far as areas
/// and volumes of `f32` go.
#[must_use]
pub fn scales(entry: &Entry) -> std::ops::RangeInclusive<i32> {
    match entry.signature.pred {
        Kind::Box3d | Kind::YawBox => -6..=9,
        _ => -10..=13,
    }
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
