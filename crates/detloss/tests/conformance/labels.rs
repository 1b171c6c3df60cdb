//! Labels and probabilities lie between 0 and 1, or are left out.

use detloss::batch::{Element, Weights};
use detloss::losses::Entry;
use detloss::operand::{Kind, LEFT_OUT, MAX_LABEL};
use detloss::testing::{Random, tested};
use detloss::{Batch, Error};
use half::{bf16, f16};

/// More units than a tile has, and no whole number of vectors.
const UNITS: usize = 2501;

/// Columns of a row that is one unit.
const COLUMNS: usize = 41;

fn with_probabilities() -> impl Iterator<Item = &'static Entry> {
    tested().iter().filter(|entry| entry.signature.target.is_probability())
}

/// Predictions and labels, and the columns they lie in.
struct Memory<T> {
    pred: Vec<T>,
    target: Vec<T>,
    columns: usize,
}

impl<T: Element> Memory<T> {
    fn new(entry: &Entry) -> Self {
        let mut random = Random::new(7);
        let columns = if entry.signature.pred.is_row() { COLUMNS } else { 1 };
        let width = entry.signature.pred.fields().len();
        let count = UNITS.next_multiple_of(columns);
        let mut numbers = |count: usize, low, high| {
            (0..count).map(|_| T::from_f64(random.between(low, high))).collect()
        };
        let pred = numbers(count * width, -3.0, 3.0);
        let target: Vec<T> = numbers(count, 0.0, 1.0);
        // Losses of whole batches that want positives and negatives have them.
        let hard = |label: &T| T::from_f64(label.to_f64().round());
        let target = target.iter().map(hard).collect();
        Self { pred, target, columns }
    }

    fn batch(&self) -> Batch<'_, T> {
        Batch::new(&self.pred, &self.target).columns(self.columns)
    }
}

fn refuses<T: Element>(entry: &Entry, index: usize, bad: f64) {
    let mut memory = Memory::<T>::new(entry);
    memory.target[index] = T::from_f64(bad);
    let (loss, batch, what) = (entry.make(), memory.batch(), format!("{}: {bad}", entry.name));
    let mut state = batch.initial_state(&loss);
    let before = state.clone();
    let mut grad = memory.pred.clone();
    let results = [
        batch.value(&loss).err(),
        batch.values(&loss).err(),
        batch.value_and_grad(&loss).err(),
        batch.step_into(&loss, &mut state, &mut grad).err(),
    ];
    for error in results {
        match error {
            Some(Error::InvalidNumber { what: "the target", index: at, got, .. }) => {
                assert_eq!((at, got), (index, memory.target[index].to_f64()), "{what}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    assert_eq!(state, before, "{what}");
}

#[test]
fn a_number_that_is_no_label_is_refused() {
    assert!(with_probabilities().count() > 0 || tested().len() == 1);
    for entry in with_probabilities() {
        for (index, bad) in [(0, 255.0), (2000, -0.5), (1023, 1.0625), (UNITS - 1, f64::INFINITY)] {
            refuses::<f32>(entry, index, bad);
            refuses::<f64>(entry, index, bad);
            refuses::<f16>(entry, index, bad);
            refuses::<bf16>(entry, index, bad);
        }
        if !entry.signature.target.can_be_left_out() {
            refuses::<f32>(entry, 3, LEFT_OUT);
        }
    }
}

/// An IoU that was computed in half precision is 1.0005 at times.
#[test]
fn a_label_that_rounding_left_above_1_is_one() {
    for entry in with_probabilities() {
        for label in [1.0005, MAX_LABEL] {
            let mut memory = Memory::<f32>::new(entry);
            memory.target[100] = label as f32;
            let value = memory.batch().value(&entry.make());
            assert!(
                value.as_ref().is_ok_and(|value| value.is_finite()),
                "{}: {value:?}",
                entry.name
            );
        }
    }
}

/// Whatever is predicted there, infinity and NaN included.
#[test]
fn what_is_left_out_counts_as_with_weight_0() {
    for entry in with_probabilities().filter(|entry| entry.signature.target == Kind::Label) {
        let loss = entry.make();
        let width = entry.signature.pred.fields().len();
        let (mut left_out, mut plain) = (Memory::<f32>::new(entry), Memory::new(entry));
        let mut weights = vec![1.0; UNITS];
        for (index, number) in
            (0..UNITS).step_by(7).zip([f32::NAN, 9.0, f32::INFINITY].into_iter().cycle())
        {
            left_out.target[index] = LEFT_OUT as f32;
            left_out.pred[index * width..][..width].fill(number);
            plain.target[index] = 0.0;
            plain.pred[index * width..][..width].fill(0.0);
            weights[index] = 0.0;
        }
        let by_weight = plain.batch().weights(Weights::Elements(&weights));
        for (got, expected) in [
            (left_out.batch(), by_weight),
            (left_out.batch().weighted_mean(), by_weight.weighted_mean()),
            (left_out.batch().sum(), by_weight.sum()),
        ] {
            assert_eq!(got.value_and_grad(&loss), expected.value_and_grad(&loss), "{}", entry.name);
            assert_eq!(got.values(&loss), expected.values(&loss), "{}", entry.name);
            assert_eq!(got.divisor(&loss), expected.divisor(&loss), "{}", entry.name);
        }
    }
}

/// Of rows of labels, masks, the pixels that are left out count as if they were not there.
#[test]
fn pixels_that_are_left_out_are_not_there() {
    for entry in with_probabilities().filter(|entry| entry.signature.target == Kind::Mask) {
        let loss = entry.make();
        let mut memory = Memory::<f32>::new(entry);
        let kept: Vec<usize> = (0..memory.pred.len()).filter(|index| index % 3 != 0).collect();
        memory.target.iter_mut().step_by(3).for_each(|label| *label = LEFT_OUT as f32);
        let of = |numbers: &[f32]| kept.iter().map(|&index| numbers[index]).collect::<Vec<_>>();
        let (pred, target) = (of(&memory.pred), of(&memory.target));
        let all = memory.batch().columns(memory.pred.len()).value(&loss).unwrap();
        let known = Batch::new(&pred, &target).columns(pred.len()).value(&loss).unwrap();
        assert!((all - known).abs() < 1e-6, "{}: {all} and {known}", entry.name);
    }
}
