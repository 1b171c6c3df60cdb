//! A matcher of the list, as Python sees it.

use detloss::matching::{self, Anchors, AnyMatcher, Image, Precision, Scores};
use numpy::{Element, PyArray1, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Kind, Read, all, given, one};
use crate::loss::{Parameter, parameters, python_error};
use crate::threads;

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
    /// Whether the last dimension of arrays is that of a box.
    fn check_rows<T: Element>(&self, what: &str, arrays: &[Read<'_, T>]) -> PyResult<()> {
        let width = self.matcher.box_fields().len();
        let is_other =
            |array: &&Read<'_, T>| !array.is_empty() && array.shape().last() != Some(&width);
        match arrays.iter().find(is_other) {
            Some(array) => {
                let (shape, fields) = (array.shape(), self.matcher.box_fields().join(", "));
                Err(PyValueError::new_err(format!(
                    "{what} have shape {shape:?}: their last dimension is that of {fields}"
                )))
            }
            None => Ok(()),
        }
    }

    fn run_as<'py, T: Precision + Element>(
        &self,
        truths: &[Bound<'py, PyAny>],
        call: &Bound<'py, PyDict>,
    ) -> PyResult<Answer<'py>> {
        let truths = all::<T>("the truths", Some(truths.to_vec()))?.unwrap_or_default();
        let boxes = one::<T>("the predicted boxes", given(call, "boxes")?)?;
        self.check_rows("the truths", &truths)?;
        self.check_rows("the predicted boxes", boxes.as_slice())?;
        let labels = all::<i64>("the labels", given(call, "labels")?)?;
        let crowd = all::<bool>("crowd", given(call, "crowd")?)?;
        let scores = one::<T>("the scores", given(call, "scores")?)?;
        let anchors = anchors::<T>(call)?;
        let images = truths.len();
        let centers = given::<bool>(call, "centers")?.unwrap_or(false);
        let mut all_images = Vec::with_capacity(images);
        for (image, truths) in truths.iter().enumerate() {
            let mut one = Image::new(truths.as_slice()?);
            if let Some(anchors) = &anchors {
                one = one.anchors(anchors);
            }
            if let Some(labels) = &labels {
                one = one.labels(labels[image].as_slice()?);
            }
            if let Some(crowd) = &crowd {
                one = one.crowd(crowd[image].as_slice()?);
            }
            if let Some(boxes) = &boxes {
                one = one.boxes(part_of(boxes.as_slice()?, image, images));
            }
            if let Some(scores) = &scores {
                one = one.scores(part_of(scores.as_slice()?, image, images));
            }
            if centers {
                one = one.centers();
            }
            all_images.push(one);
        }
        let py = call.py();
        let count = given::<usize>(call, "threads")?.unwrap_or(1);
        let pool = if images > 1 { threads::pool(count) } else { None };
        let matched = py.detach(|| match pool {
            Some(pool) => pool.install(|| self.matcher.match_images(&all_images)),
            None => self.matcher.match_images(&all_images),
        });
        let matched = matched.map_err(|error| python_error(&error))?;
        let mut indices = Vec::with_capacity(matched.iter().map(|image| image.indices.len()).sum());
        for image in &matched {
            indices.extend(image.indices.iter().map(|&index| i64::from(index)));
        }
        let indices = PyArray1::from_vec(py, indices);
        let scores = self.matcher.entry().has_scores.then(|| {
            let scores = matched.iter().filter_map(|matches| matches.scores.as_deref());
            PyArray1::from_vec(py, scores.collect::<Vec<_>>().concat()).into_any()
        });
        Ok((indices.into_any(), scores))
    }
}

/// The numbers of an image, of those of all.
fn part_of<T>(numbers: &[T], image: usize, images: usize) -> &[T] {
    let count = numbers.len() / images;
    &numbers[image * count..][..count]
}

pub(crate) fn anchors<T: Precision + Element>(
    call: &Bound<'_, PyDict>,
) -> PyResult<Option<Anchors<T>>> {
    let boxes = one::<T>("the anchors", given(call, "anchors")?)?;
    let points = one::<T>("the anchor points", given(call, "points")?)?;
    let strides = one::<T>("the strides", given(call, "strides")?)?;
    let made = match (&boxes, &points, &strides) {
        (Some(boxes), _, _) => Anchors::boxes(boxes.as_slice()?),
        (None, Some(points), Some(strides)) => {
            Anchors::points(points.as_slice()?, strides.as_slice()?)
        }
        _ => return Ok(None),
    };
    let made = match given::<Vec<usize>>(call, "levels")? {
        Some(levels) => made.and_then(|anchors| anchors.levels(&levels)),
        None => made,
    };
    made.map(Some).map_err(|error| python_error(&error))
}
