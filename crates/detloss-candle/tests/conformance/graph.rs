//! What a loss is in Candle's graph.

use candle_core::{D, DType, Device, Result, Tensor, Var};
use detloss::loss::Scope;
use detloss::losses::ALL;
use detloss::losses::Entry;
use detloss::operand::Kind;
use detloss::testing::ordinary;
use detloss_candle::{Backend, Options, Reduction, loss};

use crate::{Tensors, is_replayed, is_replayed_whole, numbers, slopes};

/// Every loss on every backend it has.
fn all() -> impl Iterator<Item = (&'static Entry, Backend)> {
    let backends = [Backend::Auto, Backend::Fused, Backend::Decomposed];
    let all = ALL.iter().flat_map(move |entry| backends.map(|backend| (entry, backend)));
    all.filter(|(entry, backend)| {
        *backend != Backend::Decomposed || is_replayed(entry) || is_replayed_whole(entry)
    })
}

fn tensors(entry: &'static Entry) -> Result<Tensors> {
    Tensors::new(entry, &ordinary(entry, 20, 9), DType::F32)
}

#[test]
fn a_mean_is_a_scalar_of_the_dtype_of_the_prediction() -> Result<()> {
    for (entry, backend) in all() {
        let Tensors { pred, target, .. } = tensors(entry)?;
        let options = Options { backend, ..Options::default() };
        let value = loss(&pred, &target, &entry.make(), &options)?;
        assert_eq!((value.rank(), value.dtype()), (0, DType::F32), "{}", entry.name);
    }
    Ok(())
}

#[test]
fn backward_may_be_called_again() -> Result<()> {
    for (entry, backend) in all() {
        let tensors = tensors(entry)?;
        let options = tensors.each(backend);
        for options in [Options { reduction: Reduction::Sum, ..options.clone() }, options] {
            let value = loss(&tensors.pred, &tensors.target, &entry.make(), &options)?;
            let first = slopes(&value, &tensors.pred)?;
            assert_eq!(first, slopes(&value, &tensors.pred)?, "{}", entry.name);
            assert!(first.iter().any(|&slope| slope != 0.0), "{}", entry.name);
        }
    }
    Ok(())
}

#[test]
fn what_comes_after_scales_the_gradient_and_losses_add_up() -> Result<()> {
    for (entry, backend) in all() {
        let Tensors { pred, target, .. } = tensors(entry)?;
        let options = Options { backend, ..Options::default() };
        let once = loss(&pred, &target, &entry.make(), &options)?;
        let again = loss(&pred, &target, &entry.make(), &options)?;
        let expected: Vec<f64> = slopes(&once, &pred)?.iter().map(|slope| slope * 4.0).collect();
        assert_eq!(slopes(&((&once * 3.0)? + again)?, &pred)?, expected, "{}", entry.name);
    }
    Ok(())
}

#[test]
fn without_a_variable_there_is_no_graph_and_the_same_value() -> Result<()> {
    for (entry, backend) in all() {
        let tensors = tensors(entry)?;
        for reduction in [Reduction::Mean, Reduction::None] {
            let options = Options { reduction, ..tensors.each(backend) };
            let kind = entry.make();
            let tracked = loss(&tensors.pred, &tensors.target, &kind, &options)?;
            let plain = loss(&tensors.pred.detach(), &tensors.target, &kind, &options)?;
            assert!(tracked.track_op() && !plain.track_op(), "{}", entry.name);
            assert_eq!(numbers(&tracked)?, numbers(&plain)?, "{}", entry.name);
        }
    }
    Ok(())
}

#[test]
fn a_target_of_the_graph_is_a_constant() -> Result<()> {
    for (entry, backend) in all() {
        let Tensors { pred, target, .. } = tensors(entry)?;
        let source = Var::from_tensor(&target)?;
        let computed = (source.as_tensor() * 1.0)?;
        let options = Options { backend, ..Options::default() };
        let value = loss(&pred, &computed, &entry.make(), &options)?;
        let grads = value.backward()?;
        assert!(grads.get(&source).is_none(), "{}", entry.name);
        let expected = loss(&pred, &target, &entry.make(), &options)?;
        assert_eq!(
            numbers(grads.get(&pred).unwrap())?,
            slopes(&expected, &pred)?,
            "{}",
            entry.name
        );
    }
    Ok(())
}

/// The same numbers, one in three places of memory, and not from the first on.
fn scattered(tensor: &Tensor) -> Result<Tensor> {
    let padded = tensor.unsqueeze(D::Minus1)?.pad_with_zeros(D::Minus1, 1, 1)?.contiguous()?;
    let scattered = padded.narrow(D::Minus1, 1, 1)?.squeeze(D::Minus1)?;
    assert!(!scattered.is_contiguous() && scattered.layout().start_offset() == 1);
    Ok(scattered)
}

#[test]
fn strides_make_no_difference() -> Result<()> {
    for (entry, backend) in all() {
        let tensors = tensors(entry)?;
        let (options, kind) = (tensors.each(backend), entry.make());
        let expected = loss(&tensors.pred, &tensors.target, &kind, &options)?;
        let (pred, target) = (scattered(&tensors.pred)?, scattered(&tensors.target)?);
        let got = loss(&pred, &target, &kind, &options)?;
        assert_eq!(numbers(&got)?, numbers(&expected)?, "{}", entry.name);
        let expected = slopes(&expected, &tensors.pred)?;
        assert_eq!(slopes(&got, &tensors.pred)?, expected, "{}", entry.name);
    }
    Ok(())
}

#[test]
fn one_tensor_may_be_prediction_and_target() -> Result<()> {
    for (entry, backend) in all() {
        let Tensors { pred, target, .. } = tensors(entry)?;
        if entry.facts.zero_at_target && pred.dims() == target.dims() && entry.facts.symmetric {
            let options = Options { backend, ..Options::default() };
            let value = loss(&pred, &pred, &entry.make(), &options)?;
            assert_eq!(value.to_scalar::<f32>()?, 0.0, "{}", entry.name);
        }
    }
    Ok(())
}

#[test]
fn an_empty_batch_is_worth_nothing() -> Result<()> {
    for (entry, backend) in all() {
        let Tensors { pred, target, groups } = tensors(entry)?;
        let pred = Var::from_tensor(&pred.narrow(0, 0, 0)?)?;
        let target = target.narrow(0, 0, 0)?;
        let groups = groups.map(|groups| groups.narrow(0, 0, 0)).transpose()?;
        let reductions =
            [Reduction::Mean, Reduction::WeightedMean, Reduction::Sum, Reduction::None];
        for reduction in reductions {
            let options =
                Options { reduction, groups: groups.clone(), backend, ..Options::default() };
            let value = loss(&pred, &target, &entry.make(), &options)?;
            let expected: &[f64] = if reduction == Reduction::None { &[] } else { &[0.0] };
            assert_eq!(numbers(&value)?, expected, "{}", entry.name);
            let grads = value.sum_all()?.backward()?;
            assert_eq!(grads.get(&pred).unwrap().dims(), pred.dims(), "{}", entry.name);
        }
    }
    Ok(())
}

#[test]
fn a_batch_without_weight_is_worth_nothing() -> Result<()> {
    for (entry, backend) in all() {
        let Tensors { pred, target, .. } = tensors(entry)?;
        let weights = Some(Tensor::zeros(pred.dim(0)?, DType::F32, &Device::Cpu)?);
        for reduction in [Reduction::Mean, Reduction::WeightedMean, Reduction::Sum] {
            let options =
                Options { reduction, weights: weights.clone(), backend, ..Options::default() };
            let value = loss(&pred, &target, &entry.make(), &options)?;
            assert_eq!(numbers(&value)?, [0.0], "{}", entry.name);
            assert!(slopes(&value, &pred)?.iter().all(|&slope| slope == 0.0), "{}", entry.name);
        }
    }
    Ok(())
}

/// Batches of images: all dimensions but the last are rows.
#[test]
fn leading_dimensions_are_rows() -> Result<()> {
    for (entry, backend) in all() {
        let tensors = tensors(entry)?;
        let kind = entry.make();
        let flat = loss(&tensors.pred, &tensors.target, &kind, &tensors.each(backend))?;
        let fold = |tensor: &Tensor| {
            let (rows, tail) = tensor.dims().split_first().unwrap();
            tensor.reshape([&[2, rows / 2], tail].concat())
        };
        let is_mask = entry.family == "masks" && entry.signature.scope == Scope::Row;
        let is_flat_set = entry.signature.scope == Scope::Set && flat.rank() == tensors.pred.rank();
        if is_mask || is_flat_set {
            continue; // There, these dimensions are pixels, or columns.
        }
        let options = tensors.each(backend);
        let groups = options.groups.as_ref().map(fold).transpose()?;
        let options = Options { groups, ..options };
        let folded = loss(&fold(&tensors.pred)?, &fold(&tensors.target)?, &kind, &options)?;
        assert_eq!(numbers(&folded)?, numbers(&flat)?, "{}", entry.name);
        assert_eq!(
            slopes(&folded, &tensors.pred)?,
            slopes(&flat, &tensors.pred)?,
            "{}",
            entry.name
        );
    }
    Ok(())
}

#[test]
fn all_dimensions_of_a_mask_but_the_first_are_pixels() -> Result<()> {
    let masks = ALL.iter().filter(|entry| entry.family == "masks");
    let mut seen = 0;
    for entry in masks {
        let Tensors { pred, target, groups } = tensors(entry)?;
        if groups.is_some() {
            continue; // Of whole images, by class.
        }
        seen += 1;
        let (kind, options) =
            (entry.make(), Options { reduction: Reduction::None, ..Options::default() });
        let flat = loss(&pred, &target, &kind, &options)?;
        let (rows, pixels) = pred.dims2()?;
        let image = |tensor: &Tensor| tensor.reshape((rows, pixels, 1));
        let images = loss(&image(&pred)?, &image(&target)?, &kind, &options)?;
        assert_eq!(images.dims(), [rows], "{}", entry.name);
        assert_eq!(numbers(&images)?, numbers(&flat)?, "{}", entry.name);
    }
    assert!(seen > 0);
    Ok(())
}

#[test]
fn a_score_has_a_value_per_column() -> Result<()> {
    let device = &Device::Cpu;
    let scores =
        ALL.iter().filter(|entry| entry.signature.pred == Kind::Logit && is_replayed(entry));
    for entry in scores {
        let pred = Var::new(&[[0.5_f32, -1.0, 2.0], [1.0, 0.0, -2.0]], device)?;
        let target = Tensor::new(&[[1_f32, 0.0, 0.0], [0.0, 0.0, 1.0]], device)?;
        let options = Options { reduction: Reduction::None, ..Options::default() };
        let values = loss(&pred, &target, &entry.make(), &options)?;
        assert_eq!(values.dims(), [2, 3], "{}", entry.name);
    }
    Ok(())
}
