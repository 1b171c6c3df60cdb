//! NumPy arrays as slices.

use half::{bf16, f16};
use numpy::{
    BorrowError, Element, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn,
    PyReadwriteArrayDyn, PyUntypedArray, PyUntypedArrayMethods, dtype,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The number types of [`detloss::Element`](detloss::batch::Element).
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    F32,
    F64,
    F16,
    Bf16,
}

impl Kind {
    /// What an array is of.
    pub(crate) fn of(array: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = array.py();
        let array = array
            .cast::<PyUntypedArray>()
            .map_err(|_| PyTypeError::new_err("the prediction is no NumPy array"))?;
        let of = array.dtype();
        if of.is_equiv_to(&dtype::<f32>(py)) {
            Ok(Self::F32)
        } else if of.is_equiv_to(&dtype::<f64>(py)) {
            Ok(Self::F64)
        } else if of.is_equiv_to(&dtype::<f16>(py)) {
            Ok(Self::F16)
        // By its name first: the type is there only once the package that has it is imported.
        } else if of.to_string() == "bfloat16" && of.is_equiv_to(&dtype::<bf16>(py)) {
            Ok(Self::Bf16)
        } else {
            Err(PyTypeError::new_err(format!(
                "the prediction is of {of}: give float16, bfloat16, float32 or float64"
            )))
        }
    }
}

/// The memory of an array, to read.
pub(crate) fn read<'py, T: Element>(
    what: &str,
    array: &Bound<'py, PyAny>,
) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
    let array = lendable::<T>(what, array)?;
    array.try_readonly().map_err(|_| shared(what))
}

/// The memory of an array, to write.
pub(crate) fn write<'py, T: Element>(
    what: &str,
    array: &Bound<'py, PyAny>,
) -> PyResult<PyReadwriteArrayDyn<'py, T>> {
    // First, as a broadcast array is both read-only and not contiguous, and a contiguous copy of it would be of no use.
    if let Ok(array) = array.cast::<PyArrayDyn<T>>()
        && let Err(BorrowError::NotWriteable) = array.try_readwrite()
    {
        return Err(PyValueError::new_err(format!(
            "{what} is read-only: give an array of your own"
        )));
    }
    lendable::<T>(what, array)?.try_readwrite().map_err(|_| shared(what))
}

/// An array of `T` whose memory is a slice.
fn lendable<'a, 'py, T: Element>(
    what: &str,
    array: &'a Bound<'py, PyAny>,
) -> PyResult<&'a Bound<'py, PyArrayDyn<T>>> {
    let Ok(array) = array.cast::<PyArrayDyn<T>>() else {
        let is = match array.cast::<PyUntypedArray>() {
            Ok(array) => array.dtype().to_string(),
            Err(_) => "no NumPy array".to_owned(),
        };
        let wanted = dtype::<T>(array.py());
        return Err(PyTypeError::new_err(format!("{what} is of {is}: convert it to {wanted}")));
    };
    let fault = if !array.is_c_contiguous() {
        "is not contiguous: give an array that is, such as numpy.ascontiguousarray makes"
    } else if !array.is_aligned() {
        "does not begin at a multiple of the size of its numbers: give an array that does, such as its copy()"
    } else {
        return Ok(array);
    };
    Err(PyValueError::new_err(format!("{what} {fault}")))
}

fn shared(what: &str) -> PyErr {
    PyValueError::new_err(format!(
        "{what} shares memory with another array of this call, or of one in another thread, and one of them is written to: \
         give a copy"
    ))
}

/// What a dictionary has under `key`; None if it lacks it, or has None.
pub(crate) fn given<'py, V: FromPyObjectOwned<'py>>(
    call: &Bound<'py, PyDict>,
    key: &str,
) -> PyResult<Option<V>> {
    let value = call.get_item(key)?.filter(|value| !value.is_none());
    value.map(|value| value.extract().map_err(Into::into)).transpose()
}

/// An array that is read.
pub(crate) type Read<'py, T> = PyReadonlyArrayDyn<'py, T>;

/// An array of all images.
pub(crate) fn one<'py, T: Element>(
    what: &str,
    array: Option<Bound<'py, PyAny>>,
) -> PyResult<Option<Read<'py, T>>> {
    array.map(|array| read(what, &array)).transpose()
}

/// An array for every image.
pub(crate) fn all<'py, T: Element>(
    what: &str,
    arrays: Option<Vec<Bound<'py, PyAny>>>,
) -> PyResult<Option<Vec<Read<'py, T>>>> {
    arrays.map(|arrays| arrays.iter().map(|array| read(what, array)).collect()).transpose()
}
