//! Losses and matchers in configurations: what serde writes and reads is their text.

use std::fmt::{Debug, Display};

use detloss::loss::Param;
use detloss::losses::{self, AnyLoss};
use detloss::matching::{self, AnyMatcher};
use detloss::testing::modified;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A configuration has the text as a string, and gives back the same, from a text in memory and from a value that owns it.
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug + Display>(chosen: &T) {
    let value = serde_json::to_value(chosen).unwrap();
    assert_eq!(value, Value::String(chosen.to_string()));
    assert_eq!(read::<T>(&value.to_string()).as_ref(), Ok(chosen));
    assert_eq!(serde_json::from_value::<T>(value).as_ref().ok(), Some(chosen));
}

/// What stands in a configuration, or what is said of it.
fn read<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

/// Each parameter at both ends of its range.
fn at_the_ends(params: &'static [Param]) -> impl Iterator<Item = (&'static str, f64)> {
    params.iter().flat_map(|param| [param.range.0, param.range.1].map(|value| (param.name, value)))
}

#[test]
fn every_loss_goes_through_a_configuration_with_its_parameters_and_modifiers() {
    for entry in losses::ALL {
        check(&entry.make());
        at_the_ends(entry.params).for_each(|param| check(&entry.with(&[param]).unwrap()));
        modified(entry).iter().for_each(check);
    }
}

#[test]
fn every_matcher_goes_through_a_configuration_with_its_parameters_and_overlap() {
    for entry in matching::ALL {
        check(&entry.make());
        // Left out are parameters that do not go together.
        at_the_ends(entry.params)
            .filter_map(|param| entry.with(&[param]).ok())
            .for_each(|it| check(&it));
        if entry.overlap.is_some() {
            check(&entry.make().with_overlap("siou(theta=2)".parse().unwrap()).unwrap());
        }
    }
}

#[test]
fn what_is_no_loss_is_refused_with_the_remedy() {
    for (json, remedy) in [
        (r#""ciou(gate""#, "write it as ciou, ciou(gate=0.5)"),
        (r#""cious""#, r#"did you mean "ciou"?"#),
        (r#""ciou(beta=1)""#, "gate"),
        (r#""ciou(gate=7)""#, "0 to 1"),
        (r#"{"ciou": {"gate": 1}}"#, "expected a string"),
    ] {
        let error = read::<AnyLoss>(json).unwrap_err();
        assert!(error.contains(remedy), "{json}: {error}");
    }
}

#[test]
fn what_is_no_matcher_is_refused_with_the_remedy() {
    for (json, remedy) in [
        (r#""task_aligned(topk""#, "write it as task_aligned, task_aligned(topk=13)"),
        (r#""task_alined""#, "there are max_iou"),
        (r#""max_iou(high=7)""#, "0 to 1"),
        (r#""task_aligned(overlap=cious)""#, r#"did you mean "ciou"?"#),
        ("13", "expected a string"),
    ] {
        let error = read::<AnyMatcher>(json).unwrap_err();
        assert!(error.contains(remedy), "{json}: {error}");
    }
}
