//! Parameters: their ranges, and that each does something.

use detloss::Error;
use detloss::batch::Level;
use detloss::loss::{AnyLoss, Entry};
use detloss::losses;
use detloss::testing::{Rows, nasty, ordinary, tested};

use crate::{at_level, in_f64};

/// The defaults; then for every parameter some other values, its ends among them.
pub(crate) fn settings(entry: &Entry) -> Vec<Vec<(&'static str, f64)>> {
    let mut settings = vec![Vec::new()];
    for param in entry.params {
        let (low, high) = param.range;
        for value in [
            low,
            low + 0.3 * (high - low),
            0.75 * param.default,
            (1.5 * param.default).clamp(low, high),
            high,
        ] {
            settings.push(vec![(param.name, value)]);
        }
    }
    settings
}

#[test]
fn defaults_lie_inside_their_ranges_and_are_the_defaults() {
    for entry in tested() {
        let loss = entry.make();
        assert_eq!(
            loss.params(),
            entry.params.iter().map(|param| param.default).collect::<Vec<_>>(),
            "{}",
            entry.name
        );
        for param in entry.params {
            param.check(entry.name, param.default).unwrap();
        }
    }
}

#[test]
fn a_parameter_takes_the_ends_of_its_range_and_nothing_beyond() {
    for (entry, param) in
        tested().iter().flat_map(|entry| entry.params.iter().map(move |param| (entry, param)))
    {
        let mut loss = entry.make();
        for end in [param.range.0, param.range.1] {
            loss.set(param.name, end).unwrap();
            assert!(loss.params().contains(&end), "{}: {} = {end} is kept", entry.name, param.name);
        }
        let before = loss.params();
        for beyond in [param.range.0.next_down(), param.range.1.next_up(), f64::NAN] {
            let error = loss.set(param.name, beyond).unwrap_err();
            assert!(matches!(error, Error::BadParam { key, .. } if key == param.name), "{error}");
            assert_eq!(loss.params(), before, "a refused value changes nothing");
        }
    }
}

#[test]
fn an_unknown_parameter_is_named_with_those_there_are() {
    for entry in tested() {
        let error = entry.with(&[("no_such_parameter", 1.0)]).err().unwrap();
        let known = entry.params.iter().map(|param| param.name).collect();
        let key = "no_such_parameter".to_owned();
        assert_eq!(error, Error::UnknownParam { loss: entry.name, key, known });
        for param in entry.params {
            assert!(error.to_string().contains(param.name), "{error}");
        }
    }
}

/// Values and gradients, and what a training run remembers after them.
fn everything(loss: &dyn AnyLoss, rows: &Rows) -> ((Vec<f64>, Vec<f64>), Vec<f64>) {
    let memory = rows.memory::<f64>();
    let batch = memory.batch();
    let mut state = batch.initial_state(loss);
    batch.step_into(loss, &mut state, &mut vec![0.0; memory.pred.len()]).unwrap();
    (in_f64(loss, rows), state)
}

#[test]
fn every_parameter_does_something() {
    for (entry, param) in
        tested().iter().flat_map(|entry| entry.params.iter().map(move |param| (entry, param)))
    {
        let rows = ordinary(entry, 200, 13);
        let default = everything(&*entry.make(), &rows);
        let changes = settings(entry)
            .iter()
            .filter(|setting| {
                setting.iter().any(|&(key, value)| key == param.name && value != param.default)
            })
            .any(|setting| everything(&*entry.with(setting).unwrap(), &rows) != default);
        assert!(changes, "{}: {} changes nothing", entry.name, param.name);
    }
}

#[test]
fn parameters_of_all_kinds_leave_ugly_rows_finite() {
    for entry in tested() {
        let rows = nasty(entry);
        for setting in settings(entry) {
            let loss = entry.with(&setting).unwrap();
            let (values, grad) = in_f64(&*loss, &rows);
            let (narrow_values, narrow_grad) = at_level(&*loss, &rows, Level::best());
            let narrow = narrow_values.iter().chain(&narrow_grad).all(|x| x.is_finite());
            assert!(narrow, "{} {setting:?} in f32", entry.name);
            assert!(
                values.iter().chain(&grad).all(|x| x.is_finite()),
                "{} {setting:?} in f64",
                entry.name
            );
        }
    }
}

#[test]
fn an_unknown_loss_is_refused_with_the_nearest_name() {
    for entry in tested() {
        let typo = format!("{}q", entry.name);
        if losses::ALL.iter().any(|other| other.name == typo) {
            continue;
        }
        let error = losses::find(&typo).err().unwrap();
        assert!(
            matches!(&error, Error::UnknownLoss { nearest, .. } if *nearest == entry.name),
            "{error}"
        );
        assert_eq!(losses::find(entry.name).unwrap().name, entry.name);
    }
}
