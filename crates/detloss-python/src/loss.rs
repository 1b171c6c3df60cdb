//! A loss of the list, as Python sees it.

use detloss::batch::{Element, Kernel, Target, Weights};
use detloss::loss::{Case, Param, Scope, State};
use detloss::losses::AnyLoss;
use detloss::operand::Kind as Operand;
use detloss::scalar::expr::{Op, Program};
use detloss::{Batch, Error, losses};
use half::{bf16, f16};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::arrays::{Kind, read, write};
use crate::threads;

/// Batches of fewer numbers run in the calling thread: that is what one thread would take anyway.
const ONE_THREAD: usize = 1 << 16;

/// Batches of more numbers can be interrupted on one thread, too. To hand them to another thread takes no time beside theirs.
const LONG: usize = 1 << 20;

/// The names of all losses, in the order of the list.
#[pyfunction]
pub(crate) fn names() -> Vec<&'static str> {
    losses::ALL.iter().map(|entry| entry.name).collect()
}

pub(crate) fn python_error(error: &Error) -> PyErr {
    match error {
        // By the keyword that the user gave. For columns elsewhere the package has one, and says so.
        Error::Shape { loss, what, got, wanted, .. } => {
            let what = match *what {
                "the weight per column" => "class_weight",
                "the tensor of groups" => "groups",
                other => other,
            };
            let (got, wanted, columns_at) = (got.clone(), wanted.clone(), None);
            let error = Error::Shape { loss, what, got, wanted, columns_at };
            PyValueError::new_err(error.to_string())
        }
        Error::UnknownParam { .. } => PyTypeError::new_err(error.to_string()),
        _ => PyValueError::new_err(error.to_string()),
    }
}

/// A loss with its parameters.
#[pyclass(frozen, module = "detloss._core")]
pub(crate) struct Loss {
    loss: AnyLoss,
}

/// What a parameter is: its name, kind ("real", "count" or "switch"), default, least and greatest value, documentation.
pub(crate) type Parameter = (&'static str, String, f64, f64, f64, &'static str);

/// The parameters of a loss or a matcher, with their values.
pub(crate) fn parameters(params: &'static [Param], values: &[f64]) -> Vec<Parameter> {
    let parameter = |(p, &value): (&'static Param, &f64)| {
        (p.name, p.kind.to_string(), value, p.range.0, p.range.1, p.doc.trim())
    };
    params.iter().zip(values).map(parameter).collect()
}

/// A worked case: what it shows, prediction, target, value, parameters.
type WorkedCase = (&'static str, Vec<f64>, Vec<f64>, f64, Vec<(&'static str, f64)>);

/// What one prediction or target consists of: field names, whether it is a whole row, whether a class index will do, whether its numbers
/// are probabilities, whether it can be left out.
type Row = (&'static [&'static str], bool, bool, bool, bool);

fn row(kind: Operand) -> Row {
    let can_be_left_out = kind.can_be_left_out();
    (kind.fields(), kind.is_row(), kind.is_label(), kind.is_probability(), can_be_left_out)
}

/// Tensors of NumPy and PyTorch have at most 64 dimensions.
const RANKS: usize = 65;

/// How tensors make up a batch: columns, shape of the values, shape of what is one per row, whether the target is class indices,
/// whether the weight is one per row.
type Form = (usize, Vec<usize>, Vec<usize>, bool, bool);

#[pymethods]
impl Loss {
    /// The loss that is written as `name`, with these parameters in the order of `params`, or those that are written.
    #[new]
    #[pyo3(signature = (name, values = None))]
    fn new(name: &str, values: Option<Vec<f64>>) -> PyResult<Self> {
        let loss: AnyLoss = name.parse().map_err(|error| python_error(&error))?;
        let Some(values) = values else { return Ok(Self { loss }) };
        let params = loss.entry().params;
        if values.len() != params.len() {
            let wanted = params.len();
            return Err(PyValueError::new_err(format!("{name} has {wanted} parameters")));
        }
        let given: Vec<_> = params.iter().map(|p| p.name).zip(values).collect();
        let loss = loss.with(&given).map_err(|error| python_error(&error))?;
        Ok(Self { loss })
    }

    /// The id with its modifiers.
    #[getter]
    fn name(&self) -> String {
        self.loss.name()
    }

    #[getter]
    fn label(&self) -> String {
        self.loss.label()
    }

    #[getter]
    fn family(&self) -> &'static str {
        self.loss.entry().family
    }

    #[getter]
    fn doc(&self) -> &'static str {
        self.loss.entry().doc
    }

    /// Name, kind, value, least and greatest value, and documentation of every parameter.
    #[getter]
    fn params(&self) -> Vec<Parameter> {
        parameters(self.loss.entry().params, self.loss.params())
    }

    /// Field names of a prediction, whether it is a whole row, whether a class index will do.
    #[getter]
    fn pred(&self) -> Row {
        row(self.loss.entry().signature.pred)
    }

    /// The same of a target.
    #[getter]
    fn target(&self) -> Row {
        row(self.loss.entry().signature.target)
    }

    /// What one value is of: "unit", "row" or "set".
    #[getter]
    fn scope(&self) -> &'static str {
        match self.loss.entry().signature.scope {
            Scope::Unit => "unit",
            Scope::Row => "row",
            Scope::Set => "set",
        }
    }

    /// Worked cases: what each shows, the numbers of prediction and target, the value, and the parameters that are not at their
    /// defaults. None of a loss with modifiers.
    #[getter]
    fn cases(&self) -> Vec<WorkedCase> {
        if !self.loss.modifiers().is_empty() {
            return Vec::new();
        }
        let case = |case: &Case| {
            (case.what, case.pred.to_vec(), case.target.to_vec(), case.value, case.params.to_vec())
        };
        self.loss.entry().cases.iter().map(case).collect()
    }

    /// Whether the gradient is the derivative of the value.
    #[getter]
    fn has_exact_gradient(&self) -> bool {
        self.loss.has_exact_gradient()
    }

    /// Whether prediction and target can change places.
    #[getter]
    fn symmetric(&self) -> bool {
        self.loss.entry().facts.symmetric
    }

    /// The names of the components that make up the value.
    #[getter]
    fn components(&self) -> &'static [&'static str] {
        self.loss.entry().signature.components
    }

    /// The name of a class, as PyTorch's losses have it.
    #[getter]
    fn class_name(&self) -> String {
        self.loss.class_name()
    }

    /// Which options make sense: of weight, `class_weight`, `ignore_index` and groups.
    #[getter]
    fn options(&self) -> Vec<&'static str> {
        let takes = self.loss.entry().signature.tensors_take();
        let options = [
            ("weight", true),
            ("class_weight", takes.column_weights),
            ("ignore_index", takes.ignore_index),
            ("groups", takes.groups),
        ];
        options.into_iter().filter(|(_, is_taken)| *is_taken).map(|(name, _)| name).collect()
    }

    /// What goes from one batch of a training run to the next: "none", "fixed" or "`per_column`".
    #[getter]
    fn state(&self) -> &'static str {
        match self.loss.signature().state {
            State::None => "none",
            State::Fixed => "fixed",
            State::PerColumn => "per_column",
        }
    }

    /// The call in words: prediction, target, weight, what is one per row, unit, values.
    #[getter]
    fn description(&self) -> (String, String, String, &'static str, &'static str, String) {
        let it = self.loss.entry().signature.describe();
        (it.pred, it.target, it.weight, it.rows, it.unit, it.values)
    }

    /// Whether a dimension of the prediction is one of columns, and not of fields or pixels.
    #[getter]
    fn has_columns(&self) -> bool {
        self.loss.entry().signature.has_columns()
    }

    /// Whether every number of the prediction is a unit.
    #[getter]
    fn is_elementwise(&self) -> bool {
        self.loss.entry().signature.is_elementwise()
    }

    /// Whether a prediction is the pixels of one mask.
    #[getter]
    fn is_mask(&self) -> bool {
        self.loss.entry().signature.is_mask()
    }

    /// How many of the dimensions of a prediction count rows, by its number of dimensions.
    #[getter]
    fn row_dims(&self) -> Vec<usize> {
        (0..RANKS).map(|rank| self.loss.entry().signature.row_dims(rank)).collect()
    }

    /// How tensors of these shapes make up a batch.
    #[pyo3(signature = (pred, target, integers, weight = None, class_weight = None, groups = None))]
    fn shapes(
        &self,
        pred: Vec<usize>,
        target: Vec<usize>,
        integers: bool,
        weight: Option<Vec<usize>>,
        class_weight: Option<Vec<usize>>,
        groups: Option<Vec<usize>>,
    ) -> PyResult<Form> {
        let checked = || {
            let shapes = self.loss.entry().signature.shapes(&pred, &target, integers)?;
            if let Some(dims) = class_weight {
                shapes.check_column_weights(&dims)?;
            }
            if let Some(dims) = groups {
                shapes.check_groups(&dims)?;
            }
            let per_row = weight.map_or(Ok(false), |dims| shapes.weights_per_row(&dims))?;
            Ok((shapes.columns, shapes.units, shapes.rows, shapes.class_indices, per_row))
        };
        checked().map_err(|error| python_error(&error))
    }

    /// The state that a training run begins with.
    fn initial_state(&self, columns: usize) -> Vec<f64> {
        self.loss.initial_state(columns)
    }

    /// The formula with its gradient as operations (name, operands), and which of them are the results; if asked for, with the running
    /// mean as an input more. None for a loss that is no formula, or has no running mean.
    #[pyo3(signature = (gradient, at_mean = false))]
    fn trace<'py>(
        &self,
        py: Python<'py>,
        gradient: bool,
        at_mean: bool,
    ) -> PyResult<Option<Operations<'py>>> {
        let program =
            if at_mean { self.loss.trace_at_mean(gradient) } else { self.loss.trace(gradient) };
        program.map(|program| operations(py, program)).transpose()
    }

    /// The momentum of the running mean that is the state of a loss of units, and what it is of, as operations.
    fn running_mean<'py>(&self, py: Python<'py>) -> PyResult<Option<(f64, Operations<'py>)>> {
        let Some(mean) = self.loss.running_mean() else { return Ok(None) };
        let program = mean.of.trace(false).expect("a running mean is of a formula");
        Ok(Some((mean.momentum, operations(py, program)?)))
    }

    /// Runs a batch and returns its value, or 0 if there is room for a value per unit. All arrays are contiguous and of the dtype
    /// of `pred`, but for classes and groups (int64) and the state (float64).
    fn run(
        &self,
        pred: &Bound<'_, PyAny>,
        target: &Bound<'_, PyAny>,
        call: &Bound<'_, PyDict>,
    ) -> PyResult<f64> {
        let call = Call(call.clone());
        match Kind::of(pred)? {
            Kind::F32 => call.run::<f32>(&self.loss, pred, target),
            Kind::F64 => call.run::<f64>(&self.loss, pred, target),
            Kind::F16 => call.run::<f16>(&self.loss, pred, target),
            Kind::Bf16 => call.run::<bf16>(&self.loss, pred, target),
        }
    }
}

/// How to run a batch, as a dictionary (`Call` in `_core.pyi`); what it lacks or has as None is left out.
struct Call<'py>(Bound<'py, PyDict>);

/// The value of a key of a [`Call`]; its name is made into a Python string once.
macro_rules! get {
    ($call:ident, $key:literal) => {
        match $call.0.get_item(intern!($call.0.py(), $key))? {
            Some(value) if !value.is_none() => Some(value),
            _ => None,
        }
    };
}

impl<'py> Call<'py> {
    fn run<T: Element + numpy::Element>(
        &self,
        loss: &AnyLoss,
        pred: &Bound<'_, PyAny>,
        target: &Bound<'_, PyAny>,
    ) -> PyResult<f64> {
        let py = pred.py();
        let pred = read::<T>("the prediction", pred)?;
        let classes = get!(self, "classes").map_or(Ok(false), |is| is.extract())?;
        let (dense, indices) = if classes {
            (None, Some(read::<i64>("the target", target)?))
        } else {
            (Some(read::<T>("the target", target)?), None)
        };
        let read_floats = |what, array: Option<Bound<'py, PyAny>>| {
            array.map(|array| read::<T>(what, &array)).transpose()
        };
        let write_floats = |what, array: Option<Bound<'py, PyAny>>| {
            array.map(|array| write::<T>(what, &array)).transpose()
        };
        let weight = read_floats("the weight", get!(self, "weight"))?;
        let class_weight = read_floats("the class weight", get!(self, "class_weight"))?;
        let groups = get!(self, "groups");
        let groups = groups.map(|array| read::<i64>("the groups", &array)).transpose()?;
        let mut rows = write_floats("the buffer of rows", get!(self, "rows"))?;
        let mut grad = write_floats("the buffer of the gradient", get!(self, "grad"))?;
        let state = get!(self, "state");
        let mut state = state.map(|array| write::<f64>("the state", &array)).transpose()?;

        let pred = pred.as_slice()?;
        let target = match (&dense, &indices) {
            (Some(dense), _) => Target::Dense(dense.as_slice()?),
            (None, Some(indices)) => Target::Classes(indices.as_slice()?),
            (None, None) => unreachable!("one of both was read"),
        };
        let columns = get!(self, "columns").map_or(Ok(1), |columns| columns.extract())?;
        let scale = get!(self, "scale").map_or(Ok(1.0), |scale| scale.extract())?;
        let mut batch =
            self.reduced(Batch::new(pred, target).columns(columns).grad_output(scale))?;
        if let Some(weight) = &weight {
            let weight = weight.as_slice()?;
            let per_row = get!(self, "per_row").map_or(Ok(false), |is| is.extract())?;
            batch = batch.weights(if per_row {
                Weights::Rows(weight)
            } else {
                Weights::Elements(weight)
            });
        }
        if let Some(weight) = &class_weight {
            batch = batch.column_weights(weight.as_slice()?);
        }
        if let Some(index) = get!(self, "ignore_index") {
            batch = batch.ignore_index(index.extract()?);
        }
        if let Some(groups) = &groups {
            batch = batch.groups(groups.as_slice()?);
        }
        let rows = rows.as_mut().map(|rows| rows.as_slice_mut()).transpose()?;
        let grad = grad.as_mut().map(|grad| grad.as_slice_mut()).transpose()?;
        let state = state.as_mut().map(|state| state.as_slice_mut()).transpose()?;
        let threads = get!(self, "threads").map_or(Ok(1), |threads| threads.extract())?;
        let work = move |batch: Batch<'_, T>| match (rows, grad, state) {
            (None, Some(grad), Some(state)) => batch.step_into(loss, state, grad),
            (None, Some(grad), None) => batch.value_and_grad_into(loss, grad),
            (None, None, _) => batch.value(loss),
            (Some(rows), None, _) => batch.values_into(loss, rows).map(|()| 0.0),
            (Some(rows), Some(grad), _) => {
                batch.values_and_grad_into(loss, None, rows, grad).map(|()| 0.0)
            }
        };
        let value = py.detach(|| {
            let is_large = threads > 1 && pred.len() > ONE_THREAD || pred.len() > LONG;
            match is_large.then(|| threads::pool(threads)).flatten() {
                Some(pool) => threads::interruptible(&pool, |cancelled| {
                    work(batch.threads(threads > 1).cancelled_by(cancelled))
                }),
                None => Ok(work(batch.threads(false))),
            }
        })?;
        Ok(value.map_err(|error| python_error(&error))? * scale)
    }

    /// The batch with the divisor of its sum: a number if one is given, else what the reduction says.
    fn reduced<'a, T: Element>(&self, batch: Batch<'a, T>) -> PyResult<Batch<'a, T>> {
        if let Some(normalizer) = get!(self, "normalizer") {
            return Ok(batch.normalizer(normalizer.extract()?));
        }
        let reduction = get!(self, "reduction");
        let reduction = reduction.as_ref().map(|name| name.cast::<PyString>()).transpose()?;
        match reduction.map(|name| name.to_cow()).transpose()?.as_deref() {
            Some("mean" | "none") | None => Ok(batch.mean()),
            Some("sum") => Ok(batch.sum()),
            Some("weighted_mean") => Ok(batch.weighted_mean()),
            Some(other) => Err(PyValueError::new_err(format!(
                "reduction is {other:?}: give \"none\", \"mean\", \"sum\" or \"weighted_mean\""
            ))),
        }
    }
}

/// The operations of a program, and which of them are the results.
pub(crate) type Operations<'py> = (Vec<Bound<'py, PyTuple>>, Vec<usize>);

pub(crate) fn operations(py: Python<'_>, program: Program) -> PyResult<Operations<'_>> {
    let ops = program.ops.iter().map(|op| operation(py, *op)).collect::<PyResult<_>>()?;
    Ok((ops, program.outputs))
}

/// An operation as a name and its operands.
fn operation(py: Python<'_>, op: Op) -> PyResult<Bound<'_, PyTuple>> {
    let operands = match op {
        Op::Const(value) => return (op.name(), value.get()).into_pyobject(py),
        Op::Input(index) => vec![index],
        _ => op.operands().collect(),
    };
    (op.name(), PyTuple::new(py, operands)?).into_pyobject(py)
}
