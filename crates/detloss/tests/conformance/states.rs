//! Losses of units with a state, which is a running mean; those of whole batches are in `sets`.

use detloss::Error;
use detloss::batch::{Kernel as _, Level, RunningMean, Weights};
use detloss::loss::{Scope, State};
use detloss::losses::AnyLoss;
use detloss::operand::Kind;
use detloss::testing::{Rows, modified, nasty, ordinary, tested};

/// Each with its rows: of the list, and made by modifiers.
fn each(check: impl Fn(&AnyLoss, &Rows)) {
    for entry in tested().iter().filter(|entry| entry.signature.scope != Scope::Set) {
        let losses = modified(entry).into_iter().chain([entry.make()]);
        for loss in losses.filter(|loss| loss.signature().state != State::None) {
            check(&loss, &ordinary(entry, 50, 41));
        }
    }
}

/// The value and the gradient of a step in `f64`, and the state after it.
fn step(loss: &AnyLoss, rows: &Rows, state: &[f64]) -> (f64, Vec<f64>, Vec<f64>) {
    let memory = rows.memory::<f64>();
    let (mut state, mut grad) = (state.to_vec(), vec![0.0; memory.pred.len()]);
    let value = memory.batch().sum().step_into(loss, &mut state, &mut grad).unwrap();
    (value, grad, state)
}

#[test]
fn the_state_is_one_mean_and_no_loss_without_a_state_has_one() {
    each(|loss, _| {
        assert_eq!(loss.initial_state(7), [RunningMean::FIRST], "{loss}");
        assert!(loss.running_mean().is_some() && loss.is_interpreted(), "{loss}");
    });
    for entry in tested() {
        let loss = entry.make();
        let has_state = entry.signature.state != State::None;
        assert_eq!(!loss.initial_state(7).is_empty(), has_state, "{loss}");
        let has_mean = has_state && entry.signature.scope == Scope::Unit;
        assert_eq!(loss.running_mean().is_some(), has_mean, "{loss}");
        assert_eq!(loss.trace_at_mean(true).is_some(), has_mean, "{loss}");
    }
}

/// Brings the mean up to date with what it is of, then computes every unit at it.
#[test]
fn a_step_is_the_program_at_the_mean_after_it() {
    each(|loss, rows| {
        let running_mean = loss.running_mean().unwrap();
        let of_batch = rows.memory::<f64>().batch().value(running_mean.of).unwrap();
        let program = loss.trace_at_mean(true).unwrap();
        for mean in [RunningMean::FIRST, 0.4] {
            let after = mean + running_mean.momentum * (of_batch - mean);
            let (value, grad, state) = step(loss, rows, &[mean]);
            assert_eq!(state, [after], "{loss}");
            let mut sum = 0.0;
            for unit in 0..rows.len() {
                let inputs = [rows.pred_of(unit), rows.target_of(unit), &[after]].concat();
                let outputs = program.run(&inputs);
                sum += outputs[0];
                assert_eq!(
                    grad[unit * 4..unit * 4 + 4],
                    outputs[1..],
                    "{loss}, {}",
                    rows.what[unit]
                );
            }
            assert!((value - sum).abs() <= 1e-12 * sum, "{loss}: {value} is not {sum}");
        }
    });
}

/// Also where the weight is largest: late in a training, when the mean is nearly 0.
#[test]
fn finite_rows_have_finite_slopes_at_any_mean() {
    let modified =
        ["wise_v2({}, gamma=2, momentum=0)", "wise_v3({}, alpha=1, delta=0.5, momentum=0)"];
    let plain = ["wiou_v2(gamma=2, momentum=0)", "wiou_v3(alpha=1, delta=0.5, momentum=0)"];
    for entry in tested().iter().filter(|entry| entry.signature.pred == Kind::Box) {
        let of_modified =
            modified.iter().map(|text| text.replace("{}", entry.name)).map(|text| text.parse());
        let losses: Vec<AnyLoss> = match entry.signature.state {
            State::None => of_modified.filter_map(Result::ok).collect(),
            _ => plain
                .iter()
                .filter(|text| text.starts_with(entry.name))
                .map(|text| text.parse().unwrap())
                .collect(),
        };
        assert!(!losses.is_empty(), "{}", entry.name);
        let rows = nasty(entry);
        for (loss, mean) in losses.iter().flat_map(|loss| [1.0, 1e-3, 0.0].map(|mean| (loss, mean)))
        {
            let memory = rows.memory::<f32>();
            let mut grad = vec![0.0; memory.pred.len()];
            memory.batch().sum().step_into(loss, &mut [mean], &mut grad).unwrap();
            for unit in 0..rows.len() {
                let slopes = &grad[unit * 4..][..4];
                assert!(
                    slopes.iter().all(|slope| slope.is_finite()),
                    "{loss} at {mean}, {}: {slopes:?}",
                    rows.what[unit]
                );
            }
        }
    }
}

#[test]
fn without_a_step_a_loss_is_that_of_the_first_mean() {
    each(|loss, rows| {
        let (plain, at_mean) = (loss.trace(true).unwrap(), loss.trace_at_mean(true).unwrap());
        let memory = rows.memory::<f64>();
        let (_, grad) = memory.batch().sum().value_and_grad(loss).unwrap();
        for unit in 0..rows.len() {
            let inputs = [rows.pred_of(unit), rows.target_of(unit)].concat();
            let with_mean = [&inputs[..], &[RunningMean::FIRST]].concat();
            let outputs = plain.run(&inputs);
            assert_eq!(outputs, at_mean.run(&with_mean), "{loss}, {}", rows.what[unit]);
            assert_eq!(grad[unit * 4..unit * 4 + 4], outputs[1..], "{loss}, {}", rows.what[unit]);
        }
    });
}

#[test]
fn the_mean_depends_on_nothing_but_the_boxes_that_count() {
    each(|loss, rows| {
        let memory = rows.memory::<f32>();
        let weights: Vec<f32> = (0..rows.len()).map(|unit| [0.0, 1.0, 3.0][unit % 3]).collect();
        let after = |level: Level, threads: bool, weights: &[f32], scale: f64| {
            let (mut state, mut grad) = ([0.4], vec![0.0; memory.pred.len()]);
            let batch = memory.batch().level(level).threads(threads).grad_output(scale);
            let batch = batch.weights(Weights::Rows(weights)).normalizer(scale);
            batch.step_into(loss, &mut state, &mut grad).unwrap();
            state[0]
        };
        let expected = after(Level::best(), true, &weights, 1.0);
        for level in Level::available() {
            let found = after(level, false, &weights, 7.0);
            assert!((found - expected).abs() < 1e-7, "{loss} at {level}: {found}, {expected}");
        }
        let counts: Vec<f32> = weights.iter().map(|weight| weight.min(1.0)).collect();
        assert_eq!(after(Level::best(), true, &counts, 1.0), expected, "{loss}");
        let of_all = after(Level::best(), true, &vec![1.0; rows.len()], 1.0);
        let momentum = loss.running_mean().unwrap().momentum;
        assert_eq!(of_all != expected, momentum > 0.0, "{loss}: what is left out is not counted");
    });
}

#[test]
fn a_state_of_another_length_is_refused_and_nothing_is_written() {
    each(|loss, rows| {
        let memory = rows.memory::<f64>();
        for mut state in [vec![], vec![0.4, 0.4]] {
            let (before, mut grad) = (state.clone(), vec![7.0; memory.pred.len()]);
            let error = memory.batch().step_into(loss, &mut state, &mut grad).unwrap_err();
            let got = before.len();
            assert_eq!(error, Error::Length { what: "the state", expected: 1, got }, "{loss}");
            assert!(grad.iter().all(|&slope| slope == 7.0) && state == before, "{loss}");
        }
        let (mut state, mut short) = ([0.4], vec![0.0; 3]);
        assert!(memory.batch().step_into(loss, &mut state, &mut short).is_err(), "{loss}");
        assert_eq!(state, [0.4], "{loss}: a refused step leaves the state");
    });
}
