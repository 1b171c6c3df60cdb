//! Evaluation of detections, as Python sees it.

use std::path::PathBuf;

use detloss_coco::{
    Bbox, DataSet, GroundTruth, Id, Options, Outcome, Problem, Read, Role, RotatedBox, Severity,
    Xywh, evaluate, parse_ground_truth, parse_results, read_results,
};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::threads;

/// What is evaluated by: IoUs, least score, most detections, classes by name or id, sides of areas, threshold.
type Settings =
    (Option<Vec<f64>>, Option<f64>, usize, Option<Vec<String>>, Option<Vec<f64>>, Option<f64>);

/// Evaluates a file, or JSON text that is called so, of detections beside the annotations of a data set.
///
/// Gives the evaluation as JSON, columns of a line for each detection, and what was wrong with the files.
#[pyfunction]
pub(crate) fn evaluate_coco<'py>(
    py: Python<'py>,
    truth: (PathBuf, Option<String>),
    found: (PathBuf, Option<String>),
    rotated: bool,
    settings: Settings,
    threads: usize,
) -> PyResult<(String, Bound<'py, PyDict>, Vec<String>)> {
    if rotated {
        evaluated::<RotatedBox>(py, truth, found, settings, threads)
    } else {
        evaluated::<Xywh>(py, truth, found, settings, threads)
    }
}

/// What comes of an evaluation of such boxes, before Python has it.
struct Evaluated {
    json: String,
    images: Vec<Id>,
    categories: Vec<Id>,
    scores: Vec<f64>,
    outcomes: Vec<&'static str>,
    objects: Vec<Option<usize>>,
    ious: Vec<Option<f64>>,
    errors: Vec<Option<&'static str>>,
    problems: Vec<String>,
}

fn evaluated<'py, B: Bbox + Send + Sync>(
    py: Python<'py>,
    truth: (PathBuf, Option<String>),
    found: (PathBuf, Option<String>),
    settings: Settings,
    threads: usize,
) -> PyResult<(String, Bound<'py, PyDict>, Vec<String>)> {
    let done = threads::run(py, threads, true, |_| of::<B>(truth, found, settings))??;
    let columns = PyDict::new(py);
    let ids = |ids: Vec<Id>| -> PyResult<Vec<Bound<'py, PyAny>>> {
        let object = |id: Id| match id {
            Id::Whole(number) => Ok(number.into_pyobject(py)?.into_any()),
            Id::Text(text) => Ok(text.into_pyobject(py)?.into_any()),
        };
        ids.into_iter().map(object).collect()
    };
    columns.set_item("image_id", ids(done.images)?)?;
    columns.set_item("category_id", ids(done.categories)?)?;
    columns.set_item("score", done.scores)?;
    columns.set_item("outcome", done.outcomes)?;
    columns.set_item("annotation", done.objects)?;
    columns.set_item("box_iou", done.ious)?;
    columns.set_item("error", done.errors)?;
    Ok((done.json, columns, done.problems))
}

fn of<B: Bbox>(
    (truth_path, truth_text): (PathBuf, Option<String>),
    (found_path, found_text): (PathBuf, Option<String>),
    settings: Settings,
) -> PyResult<Evaluated> {
    let Read { content: truth, problems } = match truth_text {
        Some(text) => parse_ground_truth::<B>(&truth_path, &text),
        None => DataSet::find(&truth_path).and_then(|set| set.one(Role::Validation)?.read()),
    }
    .map_err(python_error)?;
    let read = match found_text {
        Some(text) => parse_results(&found_path, &text, &truth),
        None => read_results(&found_path, &truth),
    };
    let Read { content: found, problems: more } = read.map_err(python_error)?;
    let evaluation = evaluate(&truth, &found, &options(settings, &truth)?);
    let kinds = &evaluation.errors.of_detections;
    let outcomes = &evaluation.assignment.outcomes;
    let object = |outcome: &Outcome| match *outcome {
        Outcome::Object { annotation, iou } => (Some(truth.entry(annotation)), Some(iou)),
        _ => (None, None),
    };
    let (objects, ious) = outcomes.iter().map(object).unzip();
    Ok(Evaluated {
        json: serde_json::to_string(&evaluation).expect("an evaluation is plain data"),
        images: found.iter().map(|detection| truth.id(detection.image)).collect(),
        categories: found.iter().map(|detection| truth.id(detection.category)).collect(),
        scores: found.iter().map(|detection| detection.score).collect(),
        outcomes: outcomes.iter().map(|outcome| word(*outcome)).collect(),
        objects,
        ious,
        errors: kinds.iter().map(|kind| kind.map(|kind| kind.name())).collect(),
        problems: problems.iter().chain(&more).filter(is_wrong).map(Problem::to_string).collect(),
    })
}

/// Notes are for whoever checks a data set.
fn is_wrong(problem: &&Problem) -> bool {
    problem.kind.severity() != Severity::Note
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Object { .. } => "object",
        Outcome::Background => "background",
        Outcome::Crowd => "crowd",
        Outcome::BeyondLimit => "beyond_limit",
        Outcome::LeftOut => "left_out",
    }
}

fn options<B>(
    (ious, score, max_detections, classes, sides, threshold): Settings,
    truth: &GroundTruth<B>,
) -> PyResult<Options> {
    let wrong = |keyword| move |error| PyValueError::new_err(format!("{keyword}: {error}"));
    let mut options = Options { score, threshold, max_detections, ..Options::default() };
    if let Some(ious) = ious {
        options = options.with_ious(&ious).map_err(wrong("ious"))?;
    }
    if let Some(sides) = sides {
        options = options.with_sides(&sides).map_err(wrong("area"))?;
    }
    let key = |wanted: String| {
        let names: Vec<&str> = truth.categories.values().map(String::as_str).collect();
        let problem =
            format!("classes: there is no {wanted:?}: the annotations have {}", names.join(", "));
        truth.category(&wanted).ok_or_else(|| PyValueError::new_err(problem))
    };
    options.classes = classes
        .map(|classes| classes.into_iter().map(key).collect::<PyResult<Vec<u64>>>())
        .transpose()?;
    Ok(options)
}

fn python_error(error: detloss_coco::ReadError) -> PyErr {
    match &error {
        detloss_coco::ReadError::Io { source, .. } => {
            PyOSError::new_err(format!("{error} ({source})"))
        }
        detloss_coco::ReadError::Content { .. } => PyValueError::new_err(error.to_string()),
    }
}
