//! What is wrong with a call, and the remedy.

use candle_core::{DType, Device, Result, Tensor};
use detloss::losses::ALL;
use detloss::losses::Entry;
use detloss::testing::ordinary;
use detloss_candle::{Backend, Options, Reduction, loss, named};

use crate::{Tensors, is_replayed, is_replayed_whole};

const DEVICE: &Device = &Device::Cpu;

/// Asserts that a call fails, on both backends, with a message that says all of this.
#[track_caller]
fn fails(entry: &Entry, pred: &Tensor, target: &Tensor, options: &Options, says: &[&str]) {
    for backend in [Backend::Fused, Backend::Decomposed] {
        if backend == Backend::Fused || is_replayed(entry) {
            let options = Options { backend, ..options.clone() };
            let error = loss(pred, target, &entry.make(), &options).unwrap_err().to_string();
            for part in says {
                assert!(error.contains(part), "{} on {backend:?}: {error}", entry.name);
            }
        }
    }
}

fn tensors(entry: &'static Entry) -> Tensors {
    Tensors::new(entry, &ordinary(entry, 4, 1), DType::F32).unwrap()
}

#[test]
fn dtypes_are_those_of_the_prediction() -> Result<()> {
    for entry in ALL {
        let Tensors { pred, target, .. } = tensors(entry);
        let plain = Options::default();
        let integers = pred.to_dtype(DType::I64)?;
        fails(entry, &integers, &target, &plain, &["prediction is of I64", "F32", "to_dtype"]);
        let double = target.to_dtype(DType::F64)?;
        fails(entry, &pred, &double, &plain, &["target is of F64", "F32", "to_dtype"]);
        let weights = Some(Tensor::ones(pred.dim(0)?, DType::F64, DEVICE)?);
        let options = Options { weights, ..plain.clone() };
        fails(entry, &pred, &target, &options, &["weights is of F64", "to_dtype"]);
        let groups = Some(Tensor::ones(pred.dim(0)?, DType::F32, DEVICE)?);
        fails(entry, &pred, &target, &Options { groups, ..plain }, &["groups is of F32", "I64"]);
    }
    Ok(())
}

#[test]
fn shapes_fit() -> Result<()> {
    for entry in ALL {
        let Tensors { pred, target, .. } = tensors(entry);
        let plain = Options::default();
        let short = target.narrow(0, 1, target.dim(0)? - 1)?;
        let expected = format!("{:?}", target.dims());
        fails(entry, &pred, &short, &plain, &["the target has shape", "give ", &expected]);
        let scalar = pred.flatten_all()?.get(0)?;
        let is_wide = entry.signature.pred.is_row() || entry.signature.pred.fields().len() > 1;
        if is_wide {
            fails(entry, &scalar, &target, &plain, &["prediction"]);
        }
        if entry.signature.pred.fields().len() > 1 {
            let narrow = pred.narrow(1, 1, 1)?;
            fails(
                entry,
                &narrow,
                &target,
                &plain,
                &["a last dimension of", entry.signature.pred.fields()[0]],
            );
        }
        let three = Some(Tensor::ones(3, DType::F32, DEVICE)?);
        let options = Options { weights: three.clone(), ..plain.clone() };
        fails(entry, &pred, &target, &options, &["the weight has shape [3]", "one per row"]);
        let options = Options { column_weights: three, ..plain.clone() };
        let takes = entry.signature.tensors_take();
        let words: &[&str] = match takes.column_weights {
            true => &["the weight per column has shape [3]", "one per column"],
            false => &["takes no weights per column"],
        };
        fails(entry, &pred, &target, &options, words);
        let groups = Some(Tensor::ones(3, DType::U32, DEVICE)?);
        let words: &[&str] = match takes.groups {
            true => &["the tensor of groups has shape [3]", "one id per row"],
            false => &["takes no groups"],
        };
        fails(entry, &pred, &target, &Options { groups, ..plain }, words);
    }
    Ok(())
}

/// One column of labels and class indices of one class say the opposite of each other: integers of the shape of the prediction
/// are labels.
#[test]
fn integers_of_the_shape_of_the_prediction_are_labels() -> Result<()> {
    let mut seen = 0;
    for entry in ALL
        .iter()
        .filter(|entry| entry.signature.target.is_label() && entry.signature.is_elementwise())
    {
        seen += 1;
        let pred = Tensor::zeros(4, DType::F32, DEVICE)?;
        let labels = Tensor::new(&[1_u32, 0, 1, 1], DEVICE)?;
        let of = |target: &Tensor| {
            loss(&pred, target, &entry.make(), &Options::default())?.to_vec0::<f32>()
        };
        assert_eq!(of(&labels)?, of(&labels.to_dtype(DType::F32)?)?, "{}", entry.name);
        let column = pred.reshape((4, 1))?;
        loss(&column, &labels.zeros_like()?, &entry.make(), &Options::default())?;
    }
    assert!(seen > 0);
    Ok(())
}

#[test]
fn what_the_core_refuses_is_refused_in_its_words() -> Result<()> {
    for entry in ALL {
        let Tensors { pred, target, groups } = tensors(entry);
        for number in [0.0, -1.0, f64::NAN] {
            let options =
                Options { reduction: Reduction::Normalizer(number), ..Options::default() };
            fails(entry, &pred, &target, &options, &["normalizer", "positive number"]);
        }
        let options = Options { ignore_index: Some(3), ..Options::default() };
        fails(entry, &pred, &target, &options, &["ignore_index needs class indices"]);
        if groups.is_none() {
            let groups = Some(Tensor::zeros(pred.dim(0)?, DType::U32, DEVICE)?);
            let options = Options { groups, ..Options::default() };
            fails(entry, &pred, &target, &options, &["takes no groups"]);
        }
    }
    Ok(())
}

#[test]
fn a_class_that_is_none_is_named() -> Result<()> {
    for entry in ALL.iter().filter(|entry| {
        entry.signature.target.is_label() && entry.signature.pred.fields().len() == 1
    }) {
        let pred = Tensor::zeros((2, 3), DType::F32, DEVICE)?;
        let classes = Tensor::new(&[1_i64, 7], DEVICE)?;
        let error = loss(&pred, &classes, &entry.make(), &Options::default()).unwrap_err();
        assert!(error.to_string().contains("row 1 has class 7"), "{}: {error}", entry.name);
        let options = Options { ignore_index: Some(7), ..Options::default() };
        loss(&pred, &classes, &entry.make(), &options)?;
    }
    Ok(())
}

#[test]
fn what_is_not_traced_is_not_replayed() {
    for entry in ALL.iter().filter(|entry| !is_replayed(entry)) {
        let Tensors { pred, target, groups } = tensors(entry);
        // Of whole batches groups are not.
        let groups = groups.filter(|_| is_replayed_whole(entry));
        let options = Options { groups, backend: Backend::Decomposed, ..Options::default() };
        let error = loss(&pred, &target, &entry.make(), &options).unwrap_err().to_string();
        assert!(error.contains(entry.name) && error.contains("Backend::Auto"), "{error}");
    }
}

#[test]
fn names_and_parameters_are_checked() {
    let first = &ALL[0];
    let error = named(&format!("{}x", first.name), &[]).err().unwrap().to_string();
    assert!(error.contains("did you mean"), "{error}");
    let error = named(first.name, &[("nonsense", 1.0)]).err().unwrap().to_string();
    assert!(error.contains("no parameter \"nonsense\""), "{error}");
    for entry in ALL {
        for param in entry.params {
            let error =
                named(entry.name, &[(param.name, param.range.1 * 2.0 + 1.0)]).err().unwrap();
            assert!(error.to_string().contains(param.name), "{error}");
        }
        assert!(named(entry.name, &[]).is_ok(), "{}", entry.name);
    }
}
