//! A criterion of the list, as Python sees it.

use std::sync::Mutex;

use detloss::Error;
use detloss::criteria::{
    self, Evaluation, Number, Options, OutputGrads, OutputGradsMut, Outputs, Truths,
};
use detloss::matching::Anchors;
use numpy::{Element, PyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::arrays::{Kind, Read, all, given, one, write};
use crate::loss::{Operations, operations, python_error};
use crate::threads;

/// Id, other ids, label, source and documentation of every criterion, in the order of the list.
#[pyfunction]
pub(crate) fn criteria_list()
-> Vec<(&'static str, Vec<&'static str>, &'static str, &'static str, &'static str)> {
    let line = |entry: &criteria::Entry| {
        (entry.name, entry.aliases.to_vec(), entry.label, entry.source, entry.doc)
    };
    criteria::ALL.iter().map(line).collect()
}

/// A criterion as data.
#[pyclass(frozen, module = "detloss._core")]
pub(crate) struct Criterion {
    criterion: criteria::Criterion,
}

#[pymethods]
impl Criterion {
    /// The criterion that is written as `text`, or that was saved as JSON.
    #[new]
    #[pyo3(signature = (text, json = false))]
    fn new(text: &str, json: bool) -> PyResult<Self> {
        let criterion = if json {
            let read: criteria::Criterion = serde_json::from_str(text)
                .map_err(|error| PyValueError::new_err(format!("no criterion: {error}")))?;
            read.check().map(|()| read)
        } else {
            text.parse()
        };
        Ok(Self { criterion: criterion.map_err(|error| python_error(&error))? })
    }

    /// The same with one thing changed.
    fn with_setting(&self, name: &str, value: &str) -> PyResult<Self> {
        let mut criterion = self.criterion.clone();
        criterion.set(name, value).map_err(|error| python_error(&error))?;
        Ok(Self { criterion })
    }

    /// The same with the weights of a moment of a run.
    fn at(&self, progress: f64) -> Self {
        Self { criterion: self.criterion.clone().at(progress) }
    }

    /// All of it.
    fn json(&self) -> String {
        serde_json::to_string(&self.criterion).expect("a criterion is plain data")
    }

    /// Whether its normalizers are means over processes.
    #[getter]
    fn all_reduce(&self) -> bool {
        self.criterion.all_reduce
    }

    /// What the decoder of a head computes, as operations on four numbers, an angle, and the place of a prediction: middle, sides and stride.
    /// Boxes of raw numbers, raw numbers of boxes, and the centreness of the point in a box.
    fn decoder<'py>(
        &self,
        py: Python<'py>,
        head: &str,
    ) -> PyResult<(Operations<'py>, Operations<'py>, Operations<'py>)> {
        let known = self.criterion.head(head);
        let known = known.ok_or_else(|| PyValueError::new_err(format!("no head {head}")))?;
        let programs = known.decoder.programs();
        Ok((
            operations(py, programs.decode)?,
            operations(py, programs.encode)?,
            operations(py, programs.centerness)?,
        ))
    }

    /// Total, terms and gradients. `outputs` has a dictionary for each head or layer: logits, boxes, quality, angle, distribution and references,
    /// anchors (a list: for all images, or for each) or points and strides, levels, head, image_size, groups, pairs, seed. All arrays are
    /// contiguous and of one dtype, float32 or float64, but labels (int64) and pairs (int32). `grads` has an array for each of the outputs,
    /// memory for the gradient by its logits; the others are in the answer. `all_reduce` takes sums of this process and gives their means over all.
    fn evaluate<'py>(
        &self,
        outputs: Vec<Bound<'py, PyDict>>,
        truths: Vec<Bound<'py, PyAny>>,
        labels: Vec<Bound<'py, PyAny>>,
        threads: usize,
        grads: Option<Vec<Option<Bound<'py, PyAny>>>>,
        all_reduce: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let first = outputs.first().map(|outputs| outputs.get_item("boxes")).transpose()?.flatten();
        let call = Call { outputs: &outputs, truths, labels, threads, grads, all_reduce };
        match first.map_or(Ok(Kind::F32), |boxes| Kind::of(&boxes))? {
            Kind::F64 => self.evaluate_as::<f64>(call),
            _ => self.evaluate_as::<f32>(call),
        }
    }
}

/// What Python gives of a batch.
struct Call<'a, 'py> {
    outputs: &'a [Bound<'py, PyDict>],
    truths: Vec<Bound<'py, PyAny>>,
    labels: Vec<Bound<'py, PyAny>>,
    threads: usize,
    grads: Option<Vec<Option<Bound<'py, PyAny>>>>,
    all_reduce: Option<Py<PyAny>>,
}

/// The arrays of one of the outputs.
struct Arrays<'py, T: Element> {
    logits: Option<Read<'py, T>>,
    boxes: Read<'py, T>,
    quality: Option<Read<'py, T>>,
    angle: Option<Read<'py, T>>,
    distribution: Option<Read<'py, T>>,
    references: Option<Read<'py, T>>,
    pairs: Option<Read<'py, i32>>,
    anchors: Vec<Anchors<T>>,
    head: Option<String>,
    image_size: Option<(f64, f64)>,
    groups: usize,
    seed: u64,
}

impl<'py, T: Number + Element> Arrays<'py, T> {
    fn new(given_: &Bound<'py, PyDict>) -> PyResult<Self> {
        let boxes = one::<T>("the raw boxes", given(given_, "boxes")?)?;
        Ok(Self {
            logits: one("the logits", given(given_, "logits")?)?,
            boxes: boxes
                .ok_or_else(|| PyValueError::new_err("outputs without the raw boxes: give them"))?,
            quality: one("the quality", given(given_, "quality")?)?,
            angle: one("the angles", given(given_, "angle")?)?,
            distribution: one("the distribution", given(given_, "distribution")?)?,
            references: one("the references", given(given_, "references")?)?,
            pairs: one("the pairs", given(given_, "pairs")?)?,
            anchors: anchors(given_)?,
            head: given(given_, "head")?,
            image_size: given(given_, "image_size")?,
            groups: given(given_, "groups")?.unwrap_or(1),
            seed: given(given_, "seed")?.unwrap_or(0),
        })
    }

    fn outputs(&self, images: usize) -> PyResult<Outputs<'_, T>> {
        let logits = self.logits.as_ref().map(|logits| logits.as_slice()).transpose()?;
        let mut outputs = Outputs::new(images, logits.unwrap_or_default(), self.boxes.as_slice()?)
            .groups(self.groups)
            .seed(self.seed);
        if let Some(quality) = &self.quality {
            outputs = outputs.quality(quality.as_slice()?);
        }
        if let Some(angle) = &self.angle {
            outputs = outputs.angle(angle.as_slice()?);
        }
        if let (Some(distribution), Some(references)) = (&self.distribution, &self.references) {
            outputs = outputs.distribution(distribution.as_slice()?, references.as_slice()?);
        }
        if let Some(pairs) = &self.pairs {
            outputs = outputs.pairs(pairs.as_slice()?);
        }
        outputs = match self.anchors.as_slice() {
            [] => outputs,
            [of_all] => outputs.anchors(of_all),
            of_images => outputs.anchors_of_images(of_images),
        };
        if let Some(head) = &self.head {
            outputs = outputs.head(head);
        }
        if let Some((width, height)) = self.image_size {
            outputs = outputs.image_size(width, height);
        }
        Ok(outputs)
    }
}

impl Criterion {
    fn evaluate_as<'py, T: Number + Element>(
        &self,
        call: Call<'_, 'py>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let Call { outputs, truths, labels, threads, grads, all_reduce } = call;
        let py = outputs.first().map(Bound::py);
        let py = py.ok_or_else(|| PyValueError::new_err("no outputs: give those of a head"))?;
        let truths = all::<T>("the truths", Some(truths))?.unwrap_or_default();
        let labels = all::<i64>("the labels", Some(labels))?.unwrap_or_default();
        let arrays: Vec<_> = outputs.iter().map(Arrays::<T>::new).collect::<PyResult<_>>()?;
        let outputs: Vec<_> =
            arrays.iter().map(|arrays| arrays.outputs(truths.len())).collect::<PyResult<_>>()?;
        let truths: Vec<_> = truths
            .iter()
            .zip(&labels)
            .map(|(boxes, labels)| Ok(Truths::new(boxes.as_slice()?, labels.as_slice()?)))
            .collect::<PyResult<_>>()?;
        let failure = Mutex::new(None);
        let mean = |numbers: &mut [f64]| match &all_reduce {
            Some(function) => Python::attach(|py| reduce(py, function, numbers)).map_err(|error| {
                *failure.lock().expect("nobody panics here") = Some(error);
                Error::Cancelled
            }),
            None => Ok(()),
        };
        let options = Options::default().all_reduce(&mean);
        let with_grads = grads.is_some();
        let logits = grads.iter().flatten().map(|memory| match memory {
            Some(memory) => write::<T>("the gradient", memory).map(Some),
            None => Ok(None),
        });
        let mut logits: Vec<_> = logits.collect::<PyResult<_>>()?;
        let into = logits.iter_mut().map(|memory| {
            let logits = match memory {
                Some(memory) => memory.as_slice_mut()?,
                None => Default::default(),
            };
            Ok(OutputGradsMut { logits, ..Default::default() })
        });
        let into: Vec<_> = into.collect::<PyResult<_>>()?;
        let pool = threads::pool(threads);
        let run = || match with_grads {
            true => self.criterion.evaluate_into(&outputs, &truths, into, options),
            false => self.criterion.evaluate_with(&outputs, &truths, options.value_only()),
        };
        let result = py.detach(|| match pool {
            Some(pool) => pool.install(run),
            None => run(),
        });
        if let Some(error) = failure.into_inner().expect("nobody panics here") {
            return Err(error);
        }
        answer(py, result.map_err(|error| python_error(&error))?)
    }
}

/// Replaces numbers by what a function makes of them.
fn reduce(py: Python<'_>, function: &Py<PyAny>, numbers: &mut [f64]) -> PyResult<()> {
    let means: Vec<f64> = function.call1(py, (numbers.to_vec(),))?.extract(py)?;
    numbers.copy_from_slice(&means);
    Ok(())
}

/// A result as arrays.
fn answer<T: Number + Element>(
    py: Python<'_>,
    result: Evaluation<T>,
) -> PyResult<Bound<'_, PyDict>> {
    let answer = PyDict::new(py);
    answer.set_item("total", result.total)?;
    let indices = result.indices().map(|(_, indices)| PyArray1::from_vec(py, indices));
    answer.set_item("indices", PyList::new(py, indices.collect::<Vec<_>>())?)?;
    let terms = result.terms.into_iter().map(|term| (term.head, term.term, term.value));
    answer.set_item("terms", terms.collect::<Vec<_>>())?;
    let grads = result.grads.into_iter().map(|grads| {
        let OutputGrads { boxes, quality, angle, distribution, .. } = grads;
        let named = PyDict::new(py);
        named.set_item("boxes", PyArray1::from_vec(py, boxes))?;
        named.set_item("quality", PyArray1::from_vec(py, quality))?;
        named.set_item("angle", PyArray1::from_vec(py, angle))?;
        named.set_item("distribution", PyArray1::from_vec(py, distribution))?;
        Ok(named)
    });
    answer.set_item("grads", grads.collect::<PyResult<Vec<_>>>()?)?;
    Ok(answer)
}

/// The anchors of a head: boxes, of all images or of each, or points with strides.
fn anchors<T: Number + Element>(call: &Bound<'_, PyDict>) -> PyResult<Vec<Anchors<T>>> {
    let boxes = all::<T>("the anchors", given(call, "anchors")?)?;
    let points = one::<T>("the anchor points", given(call, "points")?)?;
    let strides = one::<T>("the strides", given(call, "strides")?)?;
    let levels = given::<Vec<usize>>(call, "levels")?;
    let finish = |made: detloss::Result<Anchors<T>>| {
        let made = match &levels {
            Some(levels) => made.and_then(|anchors| anchors.levels(levels)),
            None => made,
        };
        made.map_err(|error| python_error(&error))
    };
    match (&boxes, &points, &strides) {
        (Some(images), _, _) => {
            images.iter().map(|boxes| finish(Anchors::boxes(boxes.as_slice()?))).collect()
        }
        (None, Some(points), Some(strides)) => {
            Ok(vec![finish(Anchors::points(points.as_slice()?, strides.as_slice()?))?])
        }
        _ => Ok(Vec::new()),
    }
}
