//! Parameters: their ranges, and that each does something.

use detloss::Error;
use detloss::batch::{Kernel as _, Level};
use detloss::loss::ParamKind;
use detloss::losses::{self, ALL};
use detloss::losses::{AnyLoss, Entry};
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
            let value = if param.kind == ParamKind::Real { value } else { value.round() };
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
            assert_eq!(loss.param(param.name), Some(end), "{}: {} is kept", entry.name, param.name);
            let checked = loss.check().map(|()| loss.params());
            assert!(checked.is_ok(), "{}: what is set reaches the formula", entry.name);
        }
        let before = loss.params().to_vec();
        let (low, high) = param.range;
        let beyond = match param.kind {
            ParamKind::Real => vec![low.next_down(), high.next_up(), f64::NAN],
            ParamKind::Count => vec![low - 1.0, low + 0.5, high + 1.0, f64::NAN],
            ParamKind::Switch => vec![-1.0, 0.5, 2.0, f64::NAN],
        };
        for beyond in beyond {
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

/// Values and gradients, and the state after two steps: the second one meets what the first one left.
fn everything(loss: &AnyLoss, rows: &Rows) -> ((Vec<f64>, Vec<f64>), Vec<f64>) {
    let memory = rows.memory::<f64>();
    let batch = memory.batch();
    let mut state = batch.initial_state(loss);
    for _ in 0..2 {
        batch.step_into(loss, &mut state, &mut vec![0.0; memory.pred.len()]).unwrap();
    }
    (in_f64(loss, rows), state)
}

#[test]
fn every_parameter_does_something() {
    for (entry, param) in
        tested().iter().flat_map(|entry| entry.params.iter().map(move |param| (entry, param)))
    {
        let rows = ordinary(entry, 200, 13);
        let default = everything(&entry.make(), &rows);
        let changes = settings(entry)
            .iter()
            .filter(|setting| {
                setting.iter().any(|&(key, value)| key == param.name && value != param.default)
            })
            .any(|setting| everything(&entry.with(setting).unwrap(), &rows) != default);
        assert!(changes, "{}: {} changes nothing", entry.name, param.name);
    }
}

#[test]
fn parameters_of_all_kinds_leave_ugly_rows_finite() {
    for entry in tested() {
        let rows = nasty(entry);
        for setting in settings(entry) {
            let loss = entry.with(&setting).unwrap();
            let (values, grad) = in_f64(&loss, &rows);
            let (narrow_values, narrow_grad) = at_level(&loss, &rows, Level::best());
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
        if ALL.iter().any(|other| other.name == typo) {
            continue;
        }
        let error = losses::find(&typo).err().unwrap();
        assert!(
            matches!(&error, Error::UnknownLoss { nearest, .. } if *nearest == Some(entry.name)),
            "{error}"
        );
        assert_eq!(losses::find(entry.name).unwrap().name, entry.name);
    }
}

#[test]
fn a_name_that_is_like_no_other_gets_no_guess() {
    for name in ["", "banana", "yolo", "不"] {
        let error = losses::find(name).err().unwrap();
        assert!(matches!(&error, Error::UnknownLoss { nearest: None, .. }), "{error}");
        assert!(!error.to_string().contains("did you mean"), "{error}");
    }
}

#[test]
fn a_loss_is_what_is_written_of_it() {
    for entry in tested() {
        for setting in settings(entry) {
            let loss = entry.with(&setting).unwrap();
            let written = loss.to_string();
            let read: AnyLoss = written.parse().unwrap();
            assert_eq!(read, loss, "{written}");
            assert_eq!(read.to_string(), written);
            assert_eq!(in_f64(&read, &nasty(entry)), in_f64(&loss, &nasty(entry)), "{written}");
            for (param, value) in loss.changed() {
                assert!(written.contains(&format!("{}=", param.name)) && value != param.default);
            }
        }
    }
}

#[test]
fn what_is_no_loss_is_refused_with_the_way_to_write_one() {
    for text in ["ciou(gate=0.5", "ciou(gate)", "ciou(gate=x)", "ciou(gate=0, gate=1)"] {
        let error = text.parse::<AnyLoss>().unwrap_err();
        assert!(error.to_string().contains("ciou(gate=0.5)"), "{error}");
    }
    for (text, word) in [("cious", "ciou"), ("ciou(beta=1)", "gate"), ("ciou(gate=7)", "0 to 1")] {
        let error = text.parse::<AnyLoss>().unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
    let switch = "focal_eiou(detach=false)".parse::<AnyLoss>().unwrap();
    assert_eq!(switch.param("detach"), Some(0.0));
    assert_eq!(switch, "focal_eiou( detach = 0 )".parse().unwrap());
}
