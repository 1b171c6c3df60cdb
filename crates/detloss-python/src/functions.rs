//! Functions beside the losses: numbers of classes, and D-FINE's places.

use detloss::refinement::Offsets;
use detloss::{Result, frequency, refinement};
use numpy::PyArray1;
use pyo3::prelude::*;

use crate::arrays::read;
use crate::loss::python_error;

type Floats<'py> = PyResult<Bound<'py, PyArray1<f64>>>;

fn array(py: Python<'_>, numbers: Result<Vec<f64>>) -> Floats<'_> {
    let numbers = numbers.map_err(|error| python_error(&error))?;
    Ok(PyArray1::from_vec(py, numbers))
}

/// See [`frequency::class_balanced_weights`].
#[pyfunction]
pub(crate) fn class_balanced_weights<'py>(counts: &Bound<'py, PyAny>, beta: f64) -> Floats<'py> {
    let read = read::<f64>("counts", counts)?;
    array(counts.py(), frequency::class_balanced_weights(read.as_slice()?, beta))
}

/// See [`frequency::logit_adjustment`].
#[pyfunction]
pub(crate) fn logit_adjustment<'py>(counts: &Bound<'py, PyAny>, tau: f64) -> Floats<'py> {
    let read = read::<f64>("counts", counts)?;
    array(counts.py(), frequency::logit_adjustment(read.as_slice()?, tau))
}

/// See [`frequency::ldam_margins`].
#[pyfunction]
pub(crate) fn ldam_margins<'py>(counts: &Bound<'py, PyAny>, max_m: f64) -> Floats<'py> {
    let read = read::<f64>("counts", counts)?;
    array(counts.py(), frequency::ldam_margins(read.as_slice()?, max_m))
}

/// See [`Offsets::values`].
#[pyfunction]
pub(crate) fn offsets(py: Python<'_>, bins: u32, up: f64, reg_scale: f64) -> Floats<'_> {
    array(py, Offsets { bins, up, reg_scale }.values())
}

/// See [`Offsets::place`].
#[pyfunction]
pub(crate) fn place<'py>(
    offsets: &Bound<'py, PyAny>,
    bins: u32,
    up: f64,
    reg_scale: f64,
) -> Floats<'py> {
    let read = read::<f64>("offsets", offsets)?;
    array(offsets.py(), Offsets { bins, up, reg_scale }.place(read.as_slice()?))
}

/// See [`Offsets::of_boxes`].
#[pyfunction]
pub(crate) fn offsets_of_boxes<'py>(
    targets: &Bound<'py, PyAny>,
    references: &Bound<'py, PyAny>,
    reg_scale: f64,
) -> Floats<'py> {
    let read_targets = read::<f64>("targets", targets)?;
    let read_references = read::<f64>("references", references)?;
    let offsets = Offsets { reg_scale, ..Offsets::default() };
    let of_boxes = offsets.of_boxes(read_targets.as_slice()?, read_references.as_slice()?);
    array(targets.py(), of_boxes)
}

/// See [`refinement::ddf_weights`].
#[pyfunction]
pub(crate) fn ddf_weights<'py>(
    confidence: &Bound<'py, PyAny>,
    matched: &Bound<'py, PyAny>,
) -> Floats<'py> {
    let read_confidence = read::<f64>("confidence", confidence)?;
    let read_matched = read::<bool>("matched", matched)?;
    let weights = refinement::ddf_weights(read_confidence.as_slice()?, read_matched.as_slice()?);
    array(confidence.py(), weights)
}
