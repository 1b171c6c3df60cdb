//! What is made of matches, and CenterNet's maps.

use detloss::matching::{self, CenterHeatmap, Matches, Precision, sampling};
use detloss::{Error, Result};
use numpy::{Element, PyArray1, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays::{Kind, read, write};
use crate::loss::python_error;

type Indices<'py> = Bound<'py, PyArray1<i64>>;
type Scores<'py> = Option<Bound<'py, PyArray1<f64>>>;

/// See [`matching::union`]; the indices of each layer, those of the union.
#[pyfunction]
pub(crate) fn union<'py>(
    py: Python<'py>,
    layers: Vec<Bound<'py, PyAny>>,
) -> PyResult<Indices<'py>> {
    let layers = layers.iter().map(|layer| read::<i64>("the indices", layer));
    let layers: Vec<_> = layers.collect::<PyResult<_>>()?;
    let slices = layers.iter().map(|layer| Ok(layer.as_slice()?)).collect::<PyResult<Vec<_>>>()?;
    let union = py.detach(|| {
        let of_layer = |indices: &&[i64]| Matches::<f64>::new(indices, None);
        matching::union(&slices.iter().map(of_layer).collect::<Result<Vec<_>>>()?)
    });
    let union = union.map_err(|error| python_error(&error))?;
    Ok(PyArray1::from_vec(py, wide(&union.indices).collect()))
}

/// See [`sampling::balanced`]; indices and scores of shape (images, predictions), a seed for each image.
#[pyfunction]
pub(crate) fn balanced<'py>(
    indices: &Bound<'py, PyAny>,
    scores: Option<&Bound<'py, PyAny>>,
    size: usize,
    positive: f64,
    seeds: Vec<u64>,
) -> PyResult<(Indices<'py>, Scores<'py>)> {
    sampled(indices, scores, None, |image, matches, _| {
        sampling::balanced(matches, size, positive, seeds[image])
    })
}

/// See [`sampling::hardest`]; indices, scores and losses of shape (images, predictions).
#[pyfunction]
pub(crate) fn hardest<'py>(
    indices: &Bound<'py, PyAny>,
    scores: Option<&Bound<'py, PyAny>>,
    losses: &Bound<'py, PyAny>,
    size: usize,
) -> PyResult<(Indices<'py>, Scores<'py>)> {
    sampled(indices, scores, Some(losses), |_, matches, losses| {
        sampling::hardest(matches, losses, size)
    })
}

/// See [`sampling::hard_negatives`]; indices, scores and losses of shape (images, predictions).
#[pyfunction]
pub(crate) fn hard_negatives<'py>(
    indices: &Bound<'py, PyAny>,
    scores: Option<&Bound<'py, PyAny>>,
    losses: &Bound<'py, PyAny>,
    ratio: usize,
) -> PyResult<(Indices<'py>, Scores<'py>)> {
    sampled(indices, scores, Some(losses), |_, matches, losses| {
        sampling::hard_negatives(matches, losses, ratio)
    })
}

/// What `sample` leaves of the matches of each image, by its losses.
fn sampled<'py>(
    indices: &Bound<'py, PyAny>,
    scores: Option<&Bound<'py, PyAny>>,
    losses: Option<&Bound<'py, PyAny>>,
    sample: impl Fn(usize, &Matches<f64>, &[f64]) -> Result<Matches<f64>> + Sync,
) -> PyResult<(Indices<'py>, Scores<'py>)> {
    let py = indices.py();
    let indices = read::<i64>("the indices", indices)?;
    let scores = scores.map(|scores| read::<f64>("the scores", scores)).transpose()?;
    let losses = losses.map(|losses| read::<f64>("the losses", losses)).transpose()?;
    let (images, predictions) = (indices.shape()[0], indices.shape()[1]);
    let indices = indices.as_slice()?;
    let scores = scores.as_ref().map(|scores| scores.as_slice()).transpose()?;
    let losses = losses.as_ref().map_or(Ok(&[][..]), |losses| losses.as_slice())?;
    let (mut chosen, mut soft) = (Vec::with_capacity(indices.len()), Vec::new());
    let done = py.detach(|| {
        for image in 0..images {
            let part = image * predictions..(image + 1) * predictions;
            let scores = scores.map(|scores| scores[part.clone()].to_vec());
            let left = Matches::new(&indices[part.clone()], scores).and_then(|matches| {
                sample(image, &matches, if losses.is_empty() { losses } else { &losses[part] })
            });
            let left = left.map_err(|error| error.in_image(image))?;
            chosen.extend(wide(&left.indices));
            soft.extend(left.scores.unwrap_or_default());
        }
        Ok(())
    });
    done.map_err(|error: Error| python_error(&error))?;
    let soft = scores.map(|_| PyArray1::from_vec(py, soft));
    Ok((PyArray1::from_vec(py, chosen), soft))
}

/// See [`CenterHeatmap::draw`]; draws into maps of shape (images, classes, rows, columns).
#[pyfunction]
pub(crate) fn center_heatmap<'py>(
    maps: &Bound<'py, PyAny>,
    truths: Vec<Bound<'py, PyAny>>,
    labels: Vec<Bound<'py, PyAny>>,
    stride: f64,
    min_overlap: f64,
    original: bool,
) -> PyResult<Indices<'py>> {
    let rule = |shape: &[usize]| CenterHeatmap {
        stride,
        min_overlap,
        original,
        ..CenterHeatmap::new(shape[1], shape[2], shape[3])
    };
    match Kind::of(maps)? {
        Kind::F64 => drawn::<f64>(maps, &truths, &labels, rule),
        _ => drawn::<f32>(maps, &truths, &labels, rule),
    }
}

fn drawn<'py, T: Precision + Element>(
    maps: &Bound<'py, PyAny>,
    truths: &[Bound<'py, PyAny>],
    labels: &[Bound<'py, PyAny>],
    rule: impl Fn(&[usize]) -> CenterHeatmap,
) -> PyResult<Indices<'py>> {
    let py = maps.py();
    let mut maps = write::<T>("the heatmap", maps)?;
    let rule = rule(maps.shape());
    let numbers = maps.as_slice_mut()?;
    let size = numbers.len() / truths.len().max(1);
    let mut indices = Vec::new();
    for (image, (truths, labels)) in truths.iter().zip(labels).enumerate() {
        let (truths, labels) = (read::<T>("the truths", truths)?, read::<i64>("labels", labels)?);
        if !truths.is_empty() && truths.shape().last() != Some(&4) {
            let shape = truths.shape();
            return Err(PyValueError::new_err(format!(
                "the truths have shape {shape:?}: give (truths, 4)"
            )));
        }
        let (truths, labels) = (truths.as_slice()?, labels.as_slice()?);
        let map = &mut numbers[image * size..][..size];
        let matches = py.detach(|| rule.draw(truths, labels, map));
        let matches = matches.map_err(|error| python_error(&error.in_image(image)))?;
        indices.extend(wide(&matches.indices));
    }
    Ok(PyArray1::from_vec(py, indices))
}

/// As arrays have them.
fn wide(indices: &[i32]) -> impl Iterator<Item = i64> {
    indices.iter().map(|&index| index.into())
}
