//! Training on several devices: what the copies of a model have to tell each other.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Barrier, Mutex};

use detloss::batch::{Target, Weights};

use crate::parts::{Number, Parts, narrow, wide};

/// Copies of a model that train together, each on its part of the batch. Implement it with any collective.
///
/// A [`Batch`](crate::Batch) that is given its [`replicas`](crate::Batch::replicas) divides its sum by what all of them count
/// together, and ranks the scores of all of them. The gradients of the replicas, added up, are then those of the whole batch on
/// one device.
pub trait Replicas: fmt::Debug + Send + Sync {
    /// Which one this is, from 0.
    fn rank(&self) -> usize;

    /// The numbers of every replica in the order of their ranks, its own among them. All replicas call it at the same time, and
    /// each may have a different count of numbers.
    fn gather(&self, numbers: Vec<f64>) -> Vec<Vec<f64>>;
}

/// What a sum is divided by that `own` of is this replica's: all of them together. If nobody has a positive, what is divided is 0, or
/// all that there is.
pub(crate) fn divisor(own: f64, replicas: Option<&dyn Replicas>) -> f64 {
    let all = replicas.map_or(own, |replicas| replicas.gather(vec![own]).concat().iter().sum());
    if all == 0.0 { 1.0 } else { all }
}

/// Replicas on threads of one process.
#[derive(Clone, Debug)]
pub struct Threads {
    rank: usize,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    barrier: Barrier,
    numbers: Mutex<Vec<Vec<f64>>>,
}

impl Threads {
    /// As many replicas as `count`, one for each thread. All of them have to take part in every step, or the others wait for ever.
    #[must_use]
    pub fn new(count: usize) -> Vec<Self> {
        let numbers = Mutex::new(vec![Vec::new(); count]);
        let shared = Arc::new(Shared { barrier: Barrier::new(count), numbers });
        (0..count).map(|rank| Self { rank, shared: Arc::clone(&shared) }).collect()
    }
}

impl Replicas for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn gather(&self, numbers: Vec<f64>) -> Vec<Vec<f64>> {
        let all = || self.shared.numbers.lock().expect("nobody panics with the numbers");
        all()[self.rank] = numbers;
        self.shared.barrier.wait();
        let gathered = all().clone();
        // Nobody may write the next numbers before everybody has read these.
        self.shared.barrier.wait();
        gathered
    }
}

/// The batches of all replicas as one.
pub(crate) struct Union<T> {
    pub(crate) pred: Vec<T>,
    /// Where the numbers of this replica are in `pred`.
    pub(crate) own: Range<usize>,
    target: Vec<T>,
    classes: Option<Vec<i64>>,
    weights: Option<(Vec<T>, bool)>,
}

impl<T: Number> Union<T> {
    pub(crate) fn of(parts: &Parts<'_, T>, replicas: &dyn Replicas) -> Self {
        let gather = |numbers: &[T]| replicas.gather(numbers.iter().copied().map(wide).collect());
        let joined = |all: Vec<Vec<f64>>| all.concat().into_iter().map(narrow).collect();
        let pred = gather(parts.pred);
        let start = pred[..replicas.rank()].iter().map(Vec::len).sum();
        let (target, classes) = match parts.target {
            Target::Dense(target) => (joined(gather(target)), None),
            Target::Classes(classes) => {
                let all = replicas.gather(classes.iter().map(|&class| class as f64).collect());
                (Vec::new(), Some(all.concat().into_iter().map(|class| class as i64).collect()))
            }
        };
        let weights = parts.weights.map(|weights| match weights {
            Weights::Rows(weights) => (joined(gather(weights)), false),
            Weights::Elements(weights) => (joined(gather(weights)), true),
        });
        Self { own: start..start + parts.pred.len(), pred: joined(pred), target, classes, weights }
    }

    pub(crate) fn parts(&self) -> Parts<'_, T> {
        let target = match &self.classes {
            Some(classes) => Target::Classes(classes),
            None => Target::Dense(&self.target),
        };
        let weights = self.weights.as_ref().map(|(weights, per_element)| {
            if *per_element { Weights::Elements(weights) } else { Weights::Rows(weights) }
        });
        Parts { pred: &self.pred, target, weights, groups: None }
    }
}
