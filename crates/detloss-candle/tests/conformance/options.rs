//! Weights, class indices, groups and reductions, in all combinations that make sense, against the core.

use candle_core::{DType, Device, Result, Tensor, Var};
use detloss::Batch;
use detloss::batch::{Kernel, Target, Weights};
use detloss::loss::Scope;
use detloss::losses::ALL;
use detloss::losses::Entry;
use detloss::operand::LEFT_OUT;
use detloss::testing::{Random, Rows, Tolerance, assert_close, ordinary};
use detloss_candle::{Backend, Options, Reduction, loss};

use crate::{is_replayed, is_replayed_whole, numbers, slopes};

const ROWS: usize = 12;

/// The class that is ignored: one too many for a row of scores, which is background otherwise.
const IGNORED: i64 = 2;

/// A batch of several columns where the loss allows it.
struct Table {
    columns: usize,
    pred: Vec<f64>,
    target: Vec<f64>,
    classes: Vec<i64>,
    weights: Vec<f64>,
    column_weights: Vec<f64>,
    groups: Vec<i64>,
    /// One for every value there may be.
    grad_output: Vec<f64>,
}

impl Table {
    fn new(entry: &Entry) -> Self {
        let columns = match (entry.signature.pred.is_row(), entry.signature.pred.fields().len()) {
            (true, _) => Rows::of(entry).columns,
            (false, 1) => 3,
            (false, _) => 1,
        };
        let (pred, target) =
            (entry.signature.pred.width(columns), entry.signature.target.width(columns));
        let items = if entry.signature.pred.is_row() { ROWS } else { ROWS * columns };
        let rows = ordinary(entry, ROWS * columns, 3);
        let mut random = Random::new(11);
        let grad_output = (0..items).map(|_| random.between(-2.0, 2.0)).collect();
        let is_set = entry.signature.scope == Scope::Set;
        let mut weight = |_| if is_set { random.below(2) as f64 } else { random.between(0.0, 2.0) };
        Self {
            columns,
            pred: rows.pred[..items * pred].to_vec(),
            target: rows.target[..items * target].to_vec(),
            classes: (0..ROWS)
                .map(|row| (row % columns.max(IGNORED as usize + 1)) as i64)
                .collect(),
            weights: (0..items).map(&mut weight).collect(),
            column_weights: (0..columns).map(&mut weight).collect(),
            groups: (0..ROWS as i64).map(|row| row * 7 % 4).collect(),
            grad_output,
        }
    }
}

/// What a call says.
#[derive(Clone, Copy, Debug)]
struct Say {
    /// Per row, or per element.
    weights: Option<bool>,
    column_weights: bool,
    classes: bool,
    ignore: bool,
    groups: bool,
    reduction: Reduction,
}

impl Say {
    fn everything() -> Vec<Self> {
        let reductions = [
            Reduction::Mean,
            Reduction::Sum,
            Reduction::WeightedMean,
            Reduction::Normalizer(3.5),
            Reduction::None,
        ];
        let flags = |bits: usize| [1, 2, 4, 8].map(|bit| bits & bit > 0);
        let mut all = Vec::new();
        for reduction in reductions {
            for weights in [None, Some(true), Some(false)] {
                for [column_weights, classes, ignore, groups] in (0..16).map(flags) {
                    all.push(Self { weights, column_weights, classes, ignore, groups, reduction });
                }
            }
        }
        all
    }

    /// Values and gradient of the core; None if it refuses.
    fn core(
        self,
        entry: &Entry,
        table: &Table,
        kind: &(impl Kernel + ?Sized),
    ) -> Option<(Vec<f64>, Vec<f64>)> {
        let takes = entry.signature.tensors_take();
        if self.column_weights && !takes.column_weights {
            return None; // Without a dimension of columns, tensors have no weights of them.
        }
        let target = if self.classes {
            Target::Classes(&table.classes)
        } else {
            Target::Dense(&table.target)
        };
        let mut batch = Batch::new(&table.pred, target).columns(table.columns);
        batch = match self.weights {
            Some(true) => batch.weights(Weights::Rows(&table.weights[..ROWS])),
            Some(false) => batch.weights(Weights::Elements(&table.weights)),
            None => batch,
        };
        if self.column_weights {
            batch = batch.column_weights(&table.column_weights);
        }
        if self.ignore {
            batch = batch.ignore_index(IGNORED);
        }
        if self.groups {
            batch = batch.groups(&table.groups);
        }
        batch = match self.reduction {
            Reduction::Mean => batch.mean(),
            Reduction::Sum | Reduction::None => batch.sum(),
            Reduction::WeightedMean => batch.weighted_mean(),
            Reduction::Normalizer(number) => batch.normalizer(number),
        };
        let mut grad = vec![0.0; table.pred.len()];
        if self.reduction != Reduction::None {
            let value = batch
                .grad_output(table.grad_output[0])
                .value_and_grad_into(kind, &mut grad)
                .ok()?;
            return Some((vec![value], grad));
        }
        let mut values = batch.values(kind).ok()?;
        let grad_output = &table.grad_output[..values.len()];
        batch.values_and_grad_into(kind, Some(grad_output), &mut values, &mut grad).unwrap();
        Some((values, grad))
    }

    /// The same of tensors.
    fn tensors(
        self,
        entry: &Entry,
        table: &Table,
        kind: &(impl Kernel + ?Sized),
        backend: Backend,
    ) -> Result<(Vec<f64>, Vec<f64>)> {
        let device = &Device::Cpu;
        let shaped = |numbers: &[f64], fields: usize, is_row: bool| {
            let tensor = Tensor::from_slice(numbers, numbers.len(), device)?;
            if is_row
                || fields == 1
                    && entry.signature.pred.fields().len() == 1
                    && !entry.signature.pred.is_row()
            {
                tensor.reshape((ROWS, table.columns))
            } else if fields > 1 {
                tensor.reshape((ROWS, fields))
            } else {
                Ok(tensor)
            }
        };
        let pred = Var::from_tensor(&shaped(
            &table.pred,
            entry.signature.pred.fields().len(),
            entry.signature.pred.is_row(),
        )?)?;
        let target = if self.classes {
            // Any integers will do.
            Tensor::new(&*table.classes, device)?.to_dtype(DType::U32)?
        } else {
            shaped(
                &table.target,
                entry.signature.target.fields().len(),
                entry.signature.target.is_row(),
            )?
        };
        let weights = |per_row: bool| {
            if per_row {
                Tensor::new(&table.weights[..ROWS], device)
            } else {
                shaped(&table.weights, 1, false)
            }
        };
        let options = Options {
            reduction: self.reduction,
            weights: self.weights.map(weights).transpose()?,
            column_weights: self
                .column_weights
                .then(|| Tensor::new(&*table.column_weights, device))
                .transpose()?,
            ignore_index: self.ignore.then_some(IGNORED),
            groups: self.groups.then(|| Tensor::new(&*table.groups, device)).transpose()?,
            backend,
        };
        let value = loss(&pred, &target, kind, &options)?;
        let grad_output = Tensor::new(&table.grad_output[..value.elem_count()], device)?;
        let weighted = (value.flatten_all()? * grad_output)?;
        Ok((numbers(&value)?, slopes(&weighted, &pred)?))
    }
}

fn compare(backend: Backend, tolerance: Tolerance) -> usize {
    let mut compared = 0;
    let has_backend = |entry: &&Entry| {
        backend == Backend::Fused || is_replayed(entry) || is_replayed_whole(entry)
    };
    for entry in ALL.iter().filter(has_backend) {
        let (table, kind) = (Table::new(entry), entry.make());
        let takes = entry.signature.tensors_take();
        // Integers for any other loss are numbers as good as others.
        for say in Say::everything().into_iter().filter(|say| takes.class_indices || !say.classes) {
            let what = format!("{}, {say:?}", entry.name);
            let got = say.tensors(entry, &table, &kind, backend);
            let are_apart = say.groups && entry.signature.takes().groups;
            let expected = say.core(entry, &table, &kind);
            let expected = expected.filter(|_| backend == Backend::Fused || !are_apart);
            let (Some(expected), Ok(got)) = (&expected, &got) else {
                assert!(
                    expected.is_none() && got.is_err(),
                    "{what}: {got:?} instead of {expected:?}"
                );
                continue;
            };
            compared += 1;
            assert_eq!((got.0.len(), got.1.len()), (expected.0.len(), expected.1.len()), "{what}");
            for (got, expected) in
                got.0.iter().chain(&got.1).zip(expected.0.iter().chain(&expected.1))
            {
                assert_close(*got, *expected, tolerance, &what);
            }
        }
    }
    compared
}

#[test]
fn the_host_does_what_the_core_does_and_refuses_what_it_refuses() {
    assert!(compare(Backend::Fused, Tolerance::LAW) > 1000);
}

#[test]
fn the_replay_does_what_the_core_does_and_refuses_what_it_refuses() {
    assert!(compare(Backend::Decomposed, Tolerance::LAW) > 500);
}

/// Value and gradient are those of zeros in the ignored rows, their weights included; they have no gradient.
#[test]
fn an_ignored_row_may_hold_anything() -> Result<()> {
    const COLUMNS: usize = 3;
    let classes = Tensor::new(&[0_i64, 2, 1, 2, 0], &Device::Cpu)?;
    for entry in ALL
        .iter()
        .filter(|entry| entry.signature.target.is_label() && entry.signature.scope != Scope::Set)
    {
        for backend in [Backend::Fused, Backend::Decomposed] {
            if backend == Backend::Decomposed && !is_replayed(entry)
                || entry.signature.pred.fields().len() != 1
            {
                continue;
            }
            let run = |ignored: f32, reduction| {
                let logits: Vec<f32> = (0..5 * COLUMNS)
                    .map(|place| match place / COLUMNS {
                        1 | 3 => ignored,
                        _ => place as f32 - 7.0,
                    })
                    .collect();
                let pred =
                    Var::from_tensor(&Tensor::from_vec(logits, (5, COLUMNS), &Device::Cpu)?)?;
                let weights = Some(Tensor::new(&[1.0, ignored, 0.5, ignored, 2.0], &Device::Cpu)?);
                let ignore_index = Some(2);
                let options =
                    Options { weights, ignore_index, reduction, backend, ..Options::default() };
                let value = loss(&pred, &classes, &entry.make(), &options)?;
                Ok::<_, candle_core::Error>((numbers(&value)?, slopes(&value, &pred)?))
            };
            for reduction in [Reduction::Mean, Reduction::WeightedMean] {
                let (value, grad) = run(0.0, reduction)?;
                assert!(value[0].is_finite() && grad[COLUMNS..2 * COLUMNS] == [0.0; COLUMNS]);
                for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let got = run(bad, reduction)?;
                    assert_eq!(got, (value.clone(), grad.clone()), "{}: {bad}", entry.name);
                }
            }
        }
    }
    Ok(())
}

/// The host refuses a label outside of 0..=1 and a class that there is not; where nobody waits for the device, its units are NaN.
#[test]
fn a_target_that_is_none_is_not_computed_with() -> Result<()> {
    let pred = Tensor::new(&[[0.5_f32, -1.0], [2.0, 0.25]], &Device::Cpu)?;
    let of_labels = |entry: &&Entry| entry.signature.target.is_probability() && is_replayed(entry);
    for entry in ALL.iter().filter(of_labels) {
        let signature = entry.signature;
        let run = |target: &Tensor, backend| {
            let options = Options { reduction: Reduction::None, backend, ..Options::default() };
            loss(&pred, target, &entry.make(), &options).and_then(|values| numbers(&values))
        };
        // A row of a softmax, and a mask, is one unit.
        let of_units = |elements: [bool; 4]| match signature.pred.is_row() {
            true => vec![elements[0] || elements[1], elements[2] || elements[3]],
            false => elements.to_vec(),
        };
        let left_out = (!signature.target.can_be_left_out()).then_some(LEFT_OUT as f32);
        for bad in [255.0_f32, -0.5, f32::INFINITY].into_iter().chain(left_out) {
            let labels = Tensor::new(&[[0.0_f32, 1.0], [bad, 0.0]], &Device::Cpu)?;
            let said = run(&labels, Backend::Fused).unwrap_err().to_string();
            assert!(said.contains("number 2 of the target is"), "{}: {said}", entry.name);
            let values = run(&labels, Backend::Decomposed)?;
            let are_nan = values.iter().map(|value| value.is_nan()).collect::<Vec<_>>();
            let expected = of_units([false, false, true, false]);
            assert_eq!(are_nan, expected, "{}: {bad}", entry.name);
        }
        let first_bad = 2 + i64::from(!signature.pred.is_row());
        let bad_classes = [-1, first_bad].into_iter().filter(|_| signature.takes().class_indices);
        for bad in bad_classes {
            let classes = Tensor::new(&[first_bad - 1, bad], &Device::Cpu)?;
            assert!(run(&classes, Backend::Fused).is_err(), "{}: class {bad}", entry.name);
            let values = run(&classes, Backend::Decomposed)?;
            let are_nan = values.iter().map(|value| value.is_nan()).collect::<Vec<_>>();
            let expected = of_units([false, false, true, true]);
            assert_eq!(are_nan, expected, "{}: class {bad}", entry.name);
        }
    }
    Ok(())
}

/// Whatever is predicted there, and whatever it weighs.
#[test]
fn a_label_that_is_left_out_costs_nothing() -> Result<()> {
    let labels = Tensor::new(&[[0.0_f32, -1.0], [-1.0, 1.0]], &Device::Cpu)?;
    let of_labels = |entry: &&Entry| entry.signature.target.can_be_left_out() && is_replayed(entry);
    for entry in ALL.iter().filter(of_labels) {
        for backend in [Backend::Fused, Backend::Decomposed] {
            let run = |left_out: f32| {
                let pred = [[0.5_f32, left_out], [left_out, 0.25]];
                let pred = Var::from_tensor(&Tensor::new(&pred, &Device::Cpu)?)?;
                let weights = Tensor::new(&[[1.0, left_out], [left_out, 2.0]], &Device::Cpu)?;
                let is_row = entry.signature.pred.is_row();
                let options = Options {
                    reduction: Reduction::WeightedMean,
                    weights: (!is_row).then_some(weights),
                    backend,
                    ..Options::default()
                };
                let value = loss(&pred, &labels, &entry.make(), &options)?;
                Ok::<_, candle_core::Error>((numbers(&value)?, slopes(&value, &pred)?))
            };
            let (value, grad) = run(0.0)?;
            assert_eq!(grad[1..3], [0.0; 2], "{}", entry.name);
            for any in [f32::NAN, f32::INFINITY, 40.0] {
                assert_eq!(run(any)?, (value.clone(), grad.clone()), "{}: {any}", entry.name);
            }
        }
    }
    Ok(())
}

/// One over the frequency of a class that is absent is such a weight.
#[test]
fn a_class_that_nobody_asks_for_may_weigh_infinity() -> Result<()> {
    let classes = Tensor::new(&[0_i64, 2], &Device::Cpu)?;
    let weights = Tensor::new(&[1.0_f32, f32::INFINITY, 0.5], &Device::Cpu)?;
    let of_classes = |entry: &&Entry| {
        let takes = entry.signature.takes();
        entry.signature.scope == Scope::Row && takes.class_indices && takes.column_weights
    };
    for entry in ALL.iter().filter(of_classes) {
        for reduction in [Reduction::Mean, Reduction::WeightedMean] {
            let run = |backend| {
                let pred = Tensor::new(&[[0.5_f32, -1.0, 0.0], [2.0, 0.25, 1.0]], &Device::Cpu)?;
                let pred = Var::from_tensor(&pred)?;
                let column_weights = Some(weights.clone());
                let options = Options { reduction, column_weights, backend, ..Options::default() };
                let value = loss(&pred, &classes, &entry.make(), &options)?;
                Ok::<_, candle_core::Error>([numbers(&value)?, slopes(&value, &pred)?].concat())
            };
            let [replayed, of_host] = [run(Backend::Decomposed)?, run(Backend::Fused)?];
            for (got, expected) in replayed.iter().zip(&of_host) {
                assert!((got - expected).abs() < 1e-5, "{}: {replayed:?}", entry.name);
            }
        }
    }
    Ok(())
}
