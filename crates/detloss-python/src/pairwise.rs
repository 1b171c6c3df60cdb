//! Every box with every other one.

use std::sync::atomic::{AtomicBool, Ordering};

use detloss::batch::{Element as Number, Kernel};
use detloss::losses::AnyLoss;
use detloss::{Error, Result, pairwise as core};
use numpy::{Element, PyArray1, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays::{Kind, read};
use crate::loss::python_error;
use crate::threads;

/// Matrices of more pairs can be interrupted, between blocks of so many. To hand them to another thread takes no time beside theirs.
const BLOCK: usize = 1 << 16;

/// And at least so many rows: the core lays out the other boxes once for each block.
const ROWS: usize = 16;

/// Longer rows are for all threads, of a pool of ours: threads do not survive a fork.
const ROW: usize = 1 << 13;

/// Every box with every other one.
#[pymodule]
#[pyo3(submodule)]
pub(crate) mod pairwise {
    #[pymodule_export]
    use super::{center_distance, ciou, diou, giou, iof, iou, l1, loss, rotated_iou, yaw_iou3d};
}

type Matrix<'py> = PyResult<Bound<'py, PyAny>>;

/// Functions of two arrays of boxes, both of float32 or both of float64, whose boxes have so many numbers: the matrix, row after row.
macro_rules! functions {
    ($($name:ident $width:literal,)+) => {$(
        #[doc = concat!("See [`", stringify!($name), "`](detloss::pairwise).")]
        #[pyfunction]
        pub(crate) fn $name<'py>(
            boxes: &Bound<'py, PyAny>,
            others: &Bound<'py, PyAny>,
            threads: usize,
        ) -> Matrix<'py> {
            match Kind::of(boxes)? {
                Kind::F64 => matrix::<f64>(boxes, others, threads, $width, core::$name),
                _ => matrix::<f32>(boxes, others, threads, $width, core::$name),
            }
        }
    )+};
}

functions! {
    iou 4,
    iof 4,
    giou 4,
    diou 4,
    ciou 4,
    l1 4,
    center_distance 4,
    rotated_iou 5,
    yaw_iou3d 7,
}

/// See [`loss`](detloss::pairwise::loss); the loss as it is written.
#[pyfunction]
pub(crate) fn loss<'py>(
    name: &str,
    boxes: &Bound<'py, PyAny>,
    others: &Bound<'py, PyAny>,
    threads: usize,
) -> Matrix<'py> {
    let loss: AnyLoss = name.parse().map_err(|error| python_error(&error))?;
    // Before it is said how many numbers a box has, it is a loss of boxes.
    core::loss::<f32>(&loss, &[], &[], &mut []).map_err(|error| python_error(&error))?;
    let width = loss.signature().pred.fields().len();
    match Kind::of(boxes)? {
        Kind::F64 => {
            matrix::<f64>(boxes, others, threads, width, |a, b, to| core::loss(&loss, a, b, to))
        }
        _ => matrix::<f32>(boxes, others, threads, width, |a, b, to| core::loss(&loss, a, b, to)),
    }
}

fn matrix<'py, T: Number + Element>(
    boxes: &Bound<'py, PyAny>,
    others: &Bound<'py, PyAny>,
    threads: usize,
    width: usize,
    fill: impl Fn(&[T], &[T], &mut [T]) -> Result<()> + Send,
) -> Matrix<'py> {
    let (boxes, others) = (read::<T>("boxes", boxes)?, read::<T>("others", others)?);
    for (what, array) in [("boxes", &boxes), ("others", &others)] {
        if array.ndim() != 2 || array.shape()[1] != width {
            let shape = array.shape();
            return Err(PyValueError::new_err(format!(
                "{what} have shape {shape:?}: give (boxes, {width})"
            )));
        }
    }
    let count = others.shape()[0];
    let mut numbers = vec![T::default(); boxes.shape()[0] * count];
    let (one, other) = (boxes.as_slice()?, others.as_slice()?);
    let py = boxes.py();
    let is_long = count > ROW || numbers.len() > BLOCK;
    let into = &mut numbers;
    let filled = threads::run(py, threads, is_long, move |cancelled: &AtomicBool| {
        let rows = (BLOCK / count.max(1)).max(ROWS);
        for (one, into) in one.chunks(rows * width).zip(into.chunks_mut((rows * count).max(1))) {
            if cancelled.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            fill(one, other, into)?;
        }
        Ok(())
    })?;
    filled.map_err(|error| python_error(&error))?;
    Ok(PyArray1::from_vec(py, numbers).into_any())
}
