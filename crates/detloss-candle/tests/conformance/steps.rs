//! Stateful losses.

use candle_core::{DType, Result};
use detloss::losses::ALL;
use detloss::testing::ordinary;
use detloss_candle::{Backend, Options, Reduction, loss, named, step};

use crate::{Tensors, numbers, slopes};

#[test]
fn steps_are_those_of_the_core() -> Result<()> {
    let mut stateful = 0;
    for entry in ALL {
        let kind = entry.make();
        let (mut state, mut expected_state) = (Vec::new(), None);
        for seed in 1..4 {
            let rows = ordinary(entry, 5, seed);
            let memory = rows.memory::<f64>();
            let batch = memory.batch();
            let expected_state = expected_state.get_or_insert_with(|| batch.initial_state(&kind));
            let mut grad = vec![0.0; memory.pred.len()];
            let value = batch.step_into(&kind, expected_state, &mut grad).unwrap();

            let tensors = Tensors::new(entry, &rows, DType::F64)?;
            let options = Options { groups: tensors.groups.clone(), ..Options::default() };
            let got = step(&tensors.pred, &tensors.target, &kind, &options, &mut state)?;
            assert_eq!(numbers(&got)?, [value], "{}", entry.name);
            assert_eq!(slopes(&got, &tensors.pred)?, grad, "{}", entry.name);
            assert_eq!(&state, expected_state, "{}", entry.name);
            // Without a variable, a step is one all the same.
            let (mut before, mut after) = (state.clone(), state.clone());
            let again = step(&tensors.pred, &tensors.target, &kind, &options, &mut before)?;
            let plain = step(&tensors.pred.detach(), &tensors.target, &kind, &options, &mut after)?;
            assert_eq!((numbers(&plain)?, after), (numbers(&again)?, before), "{}", entry.name);
        }
        stateful += usize::from(!state.is_empty());
    }
    assert!(stateful > 0);
    Ok(())
}

/// A replayed program has nowhere to leave the state; without a step it needs none.
#[test]
fn a_step_with_a_running_mean_is_not_replayed() -> Result<()> {
    let entry = detloss::losses::find("wiou_v3").unwrap();
    let tensors = Tensors::new(entry, &ordinary(entry, 5, 1), DType::F64)?;
    let (pred, target, kind) = (&tensors.pred, &tensors.target, entry.make());
    let options = Options { backend: Backend::Decomposed, ..Options::default() };
    let error = step(pred, target, &kind, &options, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("use Backend::Auto or Backend::Fused"), "{error}");
    let wise = named("wise_v3(ciou)", &[("gate", 0.5)])?;
    assert!(step(pred, target, &wise, &options, &mut Vec::new()).is_err());
    let mut state = Vec::new();
    step(pred, target, &wise, &Options::default(), &mut state)?;
    assert!(state.len() == 1 && state[0] < 1.0, "{state:?}");
    let replayed = loss(pred, target, &kind, &options)?;
    let fused = loss(pred, target, &kind, &Options::default())?;
    assert!((numbers(&replayed)?[0] - numbers(&fused)?[0]).abs() < 1e-12);
    Ok(())
}

#[test]
fn a_step_has_one_value_and_its_own_state() -> Result<()> {
    for entry in ALL {
        let tensors = Tensors::new(entry, &ordinary(entry, 5, 1), DType::F64)?;
        let (pred, target, kind) = (&tensors.pred, &tensors.target, entry.make());
        let options = Options { reduction: Reduction::None, ..Options::default() };
        let error = step(pred, target, &kind, &options, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("another reduction than None"), "{error}");
        let mut foreign = vec![0.0; 1000];
        let error = step(pred, target, &kind, &Options::default(), &mut foreign).unwrap_err();
        assert!(error.to_string().contains("1000"), "{}: {error}", entry.name);
    }
    Ok(())
}
