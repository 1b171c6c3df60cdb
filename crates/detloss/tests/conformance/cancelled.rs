//! A call that is cancelled says so, leaves the state alone, and stands wherever it was.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use detloss::losses::AnyLoss;
use detloss::testing::{Random, ordinary, tested};
use detloss::{Batch, Error};

#[test]
fn a_call_that_is_cancelled_is_an_error_and_changes_no_state() {
    let (set, unset) = (AtomicBool::new(true), AtomicBool::new(false));
    for entry in tested() {
        let (loss, rows) = (entry.make(), ordinary(entry, 6, 53));
        let memory = rows.memory::<f32>();
        let batch = memory.batch();
        let value = batch.value(&loss).unwrap();
        assert_eq!(batch.cancelled_by(&unset).value(&loss), Ok(value), "{}", entry.name);
        let batch = batch.cancelled_by(&set);
        let (before, mut grad) = (batch.initial_state(&loss), vec![0.0; memory.pred.len()]);
        let mut state = before.clone();
        assert_eq!(batch.value(&loss), Err(Error::Cancelled), "{}", entry.name);
        assert_eq!(batch.values(&loss), Err(Error::Cancelled), "{}", entry.name);
        let step = batch.step_into(&loss, &mut state, &mut grad);
        assert_eq!(step, Err(Error::Cancelled), "{}", entry.name);
        assert_eq!(state, before, "{}", entry.name);
    }
}

/// Few positives are looked up, many are sorted.
#[test]
fn a_ranking_can_be_cancelled_at_any_moment() {
    let mut random = Random::new(3);
    for (name, one_in) in [("ap", 2), ("ap", 60), ("alrp", 60), ("rank_sort", 2)] {
        let loss: AnyLoss = name.parse().unwrap();
        let width = loss.entry().signature.pred.width(1);
        let label = |place: usize| {
            let is_positive = place.is_multiple_of(one_in);
            if is_positive { (place % 1000 + 1) as f64 / 1000.0 } else { 0.0 }
        };
        let labels: Vec<f64> = (0..60_000).map(label).collect();
        let pred: Vec<f64> = (0..labels.len() * width).map(|_| random.between(0.0, 4.0)).collect();
        let batch = Batch::new(&pred, &labels);
        let before = batch.initial_state(&loss);
        let call = |batch: Batch<'_, f64>| {
            let (mut state, mut grad) = (before.clone(), vec![0.0; pred.len()]);
            (batch.step_into(&loss, &mut state, &mut grad), state, grad)
        };
        let start = Instant::now();
        let whole = call(batch);
        let whole_time = start.elapsed();
        let mut cancelled = 0;
        for moment in 0..20 {
            let flag = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(whole_time.mul_f64(f64::from(moment) / 20.0));
                    flag.store(true, Ordering::Relaxed);
                });
                let got = call(batch.cancelled_by(&flag));
                if got.0 == Err(Error::Cancelled) {
                    cancelled += 1;
                    assert_eq!(got.1, before, "{name}");
                } else {
                    assert_eq!(got, whole, "{name}");
                }
            });
        }
        assert!(cancelled > 0, "{name} took {whole_time:?}");
    }
}
