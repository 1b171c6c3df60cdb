//! A matcher of the list, as Python sees it.

use detloss::matching::{self, AnyMatcher, Array, BatchMatches, Images, Places, Precision, Scores};
use numpy::{Element, PyArray1, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Kind, Read, all, given, one};
use crate::loss::{Parameter, parameters, python_error};
use crate::threads;

/// One image with more products of a number of its truths and one of its predictions can be interrupted. To hand it to another thread takes no
/// time beside them.
const LONG: usize = 1 << 24;

/// The names of all matchers, in the order of the list.
#[pyfunction]
pub(crate) fn matchers() -> Vec<&'static str> {
    matching::ALL.iter().map(|entry| entry.name).collect()
}

/// A matcher with its parameters.
#[pyclass(frozen, module = "detloss._core")]
pub(crate) struct Matcher {
    matcher: AnyMatcher,
}

/// The indices and the scores of all images, one after the other.
type Answer<'py> = (Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

#[pymethods]
impl Matcher {
    /// The matcher that is written as `name`, with these parameters besides, and this overlap.
    #[new]
    #[pyo3(signature = (name, params = Vec::new(), overlap = None))]
    fn new(name: &str, params: Vec<(String, f64)>, overlap: Option<&str>) -> PyResult<Self> {
        let made = || {
            let written: AnyMatcher = name.parse()?;
            let given = params.iter().map(|(key, value)| (key.as_str(), *value));
            let known = written.entry().params.iter().map(|param| param.name);
            let all: Vec<_> = known.zip(written.params().iter().copied()).chain(given).collect();
            let mut matcher = written.entry().with(&all)?;
            if let Some(overlap) = written.overlap() {
                matcher = matcher.with_overlap(overlap.clone())?;
            }
            match overlap {
                Some(overlap) => matcher.with_overlap(overlap.parse()?),
                None => Ok(matcher),
            }
        };
        let matcher = made().map_err(|error| python_error(&error))?;
        Ok(Self { matcher })
    }

    /// As it is written.
    #[getter]
    fn text(&self) -> String {
        self.matcher.to_string()
    }

    #[getter]
    fn name(&self) -> &'static str {
        self.matcher.entry().name
    }

    #[getter]
    fn class_name(&self) -> &'static str {
        self.matcher.entry().type_name
    }

    #[getter]
    fn label(&self) -> &'static str {
        self.matcher.entry().label
    }

    #[getter]
    fn doc(&self) -> &'static str {
        self.matcher.entry().doc
    }

    /// Name, kind, value, least and greatest value, and documentation of every parameter.
    #[getter]
    fn params(&self) -> Vec<Parameter> {
        parameters(self.matcher.entry().params, self.matcher.params())
    }

    /// The loss that its overlap is 1 minus of; None if that is not open.
    #[getter]
    fn overlap(&self) -> Option<String> {
        self.matcher.overlap().map(ToString::to_string)
    }

    /// What it needs besides truths: "anchors", "boxes", "probabilities" or "logits", "crowd".
    #[getter]
    fn inputs(&self) -> Vec<&'static str> {
        let inputs = self.matcher.entry().inputs;
        let scores = inputs.scores.map(|scores| match scores {
            Scores::Probabilities => "probabilities",
            Scores::Logits => "logits",
        });
        let named = [
            inputs.anchors.then_some("anchors"),
            inputs.boxes.then_some("boxes"),
            scores,
            inputs.crowd.then_some("crowd"),
        ];
        named.into_iter().flatten().collect()
    }

    /// Matches images. All arrays are contiguous and of one dtype, float32 or float64, but labels (int64) and crowds (bool). `call`
    /// has lists with one array per image (truths, labels, crowd), arrays of all images (boxes, scores) and of none (points, strides,
    /// anchors), and levels, centers and threads; what it lacks or has as None is not given.
    fn run<'py>(
        &self,
        truths: Vec<Bound<'py, PyAny>>,
        call: &Bound<'py, PyDict>,
    ) -> PyResult<Answer<'py>> {
        let kind = truths.first().map_or(Ok(Kind::F32), Kind::of)?;
        match kind {
            Kind::F64 => self.run_as::<f64>(&truths, call),
            _ => self.run_as::<f32>(&truths, call),
        }
    }
}

impl Matcher {
    fn run_as<'py, T: Precision + Element>(
        &self,
        truths: &[Bound<'py, PyAny>],
        call: &Bound<'py, PyDict>,
    ) -> PyResult<Answer<'py>> {
        let py = call.py();
        let truths = all::<T>("the truths", Some(truths.to_vec()))?.unwrap_or_default();
        let labels = all::<i64>("the labels", given(call, "labels")?)?;
        let crowd = all::<bool>("crowd", given(call, "crowd")?)?;
        let boxes = one::<T>("the predicted boxes", given(call, "boxes")?)?;
        let scores = one::<T>("the scores", given(call, "scores")?)?;
        let anchors = one::<T>("the anchors", given(call, "anchors")?)?;
        let points = one::<T>("the anchor points", given(call, "points")?)?;
        let strides = one::<T>("the strides", given(call, "strides")?)?;
        let images = Images {
            truths: truths.iter().map(array).collect::<PyResult<_>>()?,
            labels: labels.as_deref().map(slices).transpose()?,
            crowd: crowd.as_deref().map(slices).transpose()?,
            anchors: match (&anchors, &points, &strides) {
                (Some(boxes), _, _) => Some(Places::Boxes(array(boxes)?)),
                (None, Some(points), Some(strides)) => {
                    Some(Places::Points(array(points)?, strides.as_slice()?))
                }
                _ => None,
            },
            levels: given(call, "levels")?,
            boxes: boxes.as_ref().map(array).transpose()?,
            scores: scores.as_ref().map(array).transpose()?,
            centers: given(call, "centers")?.unwrap_or(false),
            cancelled: None,
        };
        let threads = given(call, "threads")?.unwrap_or(1);
        let numbers = |arrays: &[&Option<Read<'_, T>>]| -> usize {
            arrays.iter().flat_map(|array| array.iter()).map(|array| array.len()).sum()
        };
        let of_truths: usize = truths.iter().map(|truths| truths.len()).sum();
        let of_predictions = numbers(&[&boxes, &anchors, &points]);
        let is_long = truths.len() > 1 || of_truths.saturating_mul(of_predictions) > LONG;
        let matched = threads::run(py, threads, is_long, |cancelled| {
            self.matcher.match_batch(&Images { cancelled: Some(cancelled), ..images })
        })?;
        let BatchMatches { indices, scores, .. } = matched.map_err(|error| python_error(&error))?;
        let scores = scores.map(|scores| PyArray1::from_vec(py, scores).into_any());
        Ok((PyArray1::from_vec(py, indices).into_any(), scores))
    }
}

/// With its shape.
fn array<'a, T: Element>(array: &'a Read<'_, T>) -> PyResult<Array<'a, T>> {
    Ok(Array { shape: array.shape(), numbers: array.as_slice()? })
}

/// Without their shapes.
fn slices<'a, T: Element>(arrays: &'a [Read<'_, T>]) -> PyResult<Vec<&'a [T]>> {
    arrays.iter().map(|array| array.as_slice().map_err(Into::into)).collect()
}
