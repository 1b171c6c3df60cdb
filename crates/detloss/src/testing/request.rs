//! What a front-end is asked to compute, with the dimensions its tensors are to have.

use std::collections::BTreeSet;

use super::rows::COLUMNS;
use super::{Random, Rows, inputs};
use crate::batch::{Batch, Element, Kernel, Level, Target, Weights};
use crate::error::Error;
use crate::losses::Entry;
use crate::operand::{Kind, LEFT_OUT};

/// Numbers with the dimensions they lie in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Array<T> {
    /// The dimensions.
    pub dims: Vec<usize>,
    /// The numbers, row after row.
    pub numbers: Vec<T>,
}

/// What a front-end is asked for: the weighted loss of every unit by itself, and the gradient of their sum with respect to the
/// prediction.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// What is asked, in words.
    pub what: String,
    /// The loss.
    pub entry: &'static Entry,
    /// Its parameters, the others at their defaults.
    pub params: &'a [(&'a str, f64)],
    /// The prediction.
    pub pred: Array<f64>,
    /// The target, field by field; of whole numbers if the next says so.
    pub target: Array<f64>,
    /// The target is of integers: class indices, or labels in the shape of the prediction.
    pub integers: Option<Integers>,
    /// A weight per row or per element.
    pub weights: Option<Array<f64>>,
    /// A weight per column.
    pub column_weights: Option<Vec<f64>>,
    /// The class whose rows are ignored.
    pub ignore_index: Option<i64>,
    /// The group of every row.
    pub groups: Option<Array<i64>>,
    is_per_row: bool,
    columns: usize,
    classes: Option<Vec<i64>>,
}

/// Which integers a target is of: the number of a type among those that a front-end has, counted round and round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integers(pub usize);

/// What a front-end answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response {
    /// The loss of every unit.
    pub values: Vec<f64>,
    /// The gradient, number by number of the prediction.
    pub grad: Vec<f64>,
}

impl<T> Array<T> {
    fn new(dims: impl Into<Vec<usize>>, numbers: Vec<T>) -> Self {
        let dims = dims.into();
        assert_eq!(dims.iter().product::<usize>(), numbers.len(), "{dims:?}");
        Self { dims, numbers }
    }
}

impl Array<f64> {
    /// Some of its rows, which are those of `groups`.
    fn rows(&self, groups: &Array<i64>, rows: &[usize]) -> Self {
        let width = self.numbers.len() / groups.numbers.len();
        let dims = [&[rows.len()], &self.dims[groups.dims.len()..]].concat();
        let numbers = rows.iter().flat_map(|row| &self.numbers[row * width..][..width]);
        Self::new(dims, numbers.copied().collect())
    }
}

impl<'a> Request<'a> {
    /// The loss of some rows, in one dimension of rows and, where it takes one, one of columns or fields.
    #[must_use]
    pub fn new(entry: &'static Entry, params: &'a [(&'a str, f64)], rows: &Rows) -> Self {
        let count = rows.len() * rows.height.unwrap_or(1);
        let array = |numbers: &[f64], is_single: bool| {
            let dims =
                if is_single { vec![count] } else { vec![count, numbers.len() / count.max(1)] };
            Array::new(dims, numbers.to_vec())
        };
        let is_single = |width: usize| width == 1 && !entry.signature.pred.is_row();
        let ids = |height| (0..rows.len() as i64).flat_map(move |unit| vec![unit; height]);
        let (pred, target) = (entry.signature.pred, entry.signature.target);
        Self {
            what: "rows".to_owned(),
            entry,
            params,
            pred: array(&rows.pred, is_single(pred.fields().len())),
            target: array(&rows.target, !target.is_row() && target.fields().len() == 1),
            integers: None,
            weights: None,
            column_weights: None,
            ignore_index: None,
            groups: rows.height.map(|height| Array::new([count], ids(height).collect())),
            is_per_row: true,
            columns: rows.columns,
            classes: None,
        }
    }

    /// A request without groups for each group, in ascending order of their ids, with the rows that it is of; None if there are no groups.
    pub(super) fn by_group(&self) -> Option<Vec<(Vec<usize>, Self)>> {
        let groups = self.groups.as_ref()?;
        let ids: BTreeSet<i64> = groups.numbers.iter().copied().collect();
        let of_group = |id: i64| {
            let is_member = |&row: &usize| groups.numbers[row] == id;
            let rows: Vec<usize> = (0..groups.numbers.len()).filter(is_member).collect();
            let request = Self {
                pred: self.pred.rows(groups, &rows),
                target: self.target.rows(groups, &rows),
                weights: self.weights.as_ref().map(|weights| weights.rows(groups, &rows)),
                classes: self
                    .classes
                    .as_ref()
                    .map(|all| rows.iter().map(|&row| all[row]).collect()),
                groups: None,
                ..self.clone()
            };
            (rows, request)
        };
        Some(ids.into_iter().map(of_group).collect())
    }

    /// The answer of the crate itself, in `f64`.
    ///
    /// # Panics
    ///
    /// If the parameters or the rows are not the loss's.
    #[must_use]
    pub fn reference(&self) -> Response {
        self.answer::<f64>(Level::best())
    }

    /// The answer of the crate itself, in this precision and with these instructions.
    ///
    /// # Panics
    ///
    /// If the parameters or the rows are not the loss's.
    #[must_use]
    pub fn answer<T: Element>(&self, level: Level) -> Response {
        let loss = self.entry.with(self.params).unwrap_or_else(|error| panic!("{error}"));
        self.answer_of::<T>(&loss, level)
    }

    /// The answer of a loss that stands for the one that is asked for.
    ///
    /// # Panics
    ///
    /// If the rows are not the loss's.
    #[must_use]
    pub fn answer_of<T: Element>(&self, loss: &impl Kernel, level: Level) -> Response {
        let narrow = |numbers: &[f64]| numbers.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>();
        let wide = |numbers: Vec<T>| numbers.into_iter().map(T::to_f64).collect::<Vec<f64>>();
        let (pred, target) = (narrow(&self.pred.numbers), narrow(&self.target.numbers));
        let weights = self.weights.as_ref().map(|weights| narrow(&weights.numbers));
        let column_weights = self.column_weights.as_ref().map(|weights| narrow(weights));
        let target = match &self.classes {
            Some(classes) => Target::Classes(classes),
            None => Target::Dense(&target),
        };
        let mut batch = Batch::new(&pred, target).columns(self.columns).level(level);
        if let Some(weights) = &weights {
            let is_per_row = self.is_per_row;
            batch = batch.weights(if is_per_row {
                Weights::Rows(weights)
            } else {
                Weights::Elements(weights)
            });
        }
        if let Some(weights) = &column_weights {
            batch = batch.column_weights(weights);
        }
        if let Some(index) = self.ignore_index {
            batch = batch.ignore_index(index);
        }
        if let Some(Array { numbers, .. }) = &self.groups {
            batch = batch.groups(numbers);
        }
        let run = || {
            let (mut values, mut grad) = (batch.values(loss)?, vec![T::default(); pred.len()]);
            batch.values_and_grad_into(loss, None, &mut values, &mut grad)?;
            Ok(Response { values: wide(values), grad: wide(grad) })
        };
        run().unwrap_or_else(|error: Error| panic!("{}, {}: {error}", self.entry.name, self.what))
    }
}

/// The dimensions that twelve rows lie in, in tensors of several ranks.
const LEADS: [&[usize]; 3] = [&[12], &[3, 4], &[2, 3, 2]];

/// Requests for tensors of rank 1 to 4, with weights of every form, groups, and class indices of every width.
pub(super) fn shaped(entry: &'static Entry) -> Vec<Request<'static>> {
    let mut requests = Vec::new();
    for lead in LEADS {
        requests.extend(if entry.signature.is_mask() {
            masks(entry, lead)
        } else {
            of_rows(entry, lead)
        });
    }
    requests
}

/// Random numbers of a prediction and its targets: `rows` rows of `columns`.
fn draw(entry: &'static Entry, rows: usize, columns: usize) -> (Vec<f64>, Vec<f64>) {
    let mut random = Random::new(31);
    let (mut preds, mut targets) = (Vec::new(), Vec::new());
    let items = if entry.signature.pred.is_row() { rows } else { rows * columns };
    for _ in 0..items {
        let (pred, target) = inputs::pair(entry, columns, &mut random);
        preds.extend(pred);
        targets.extend(target);
    }
    (preds, targets)
}

/// Masks whose pixels lie in one, two or three dimensions; the first of the tensor counts masks.
fn masks(entry: &'static Entry, pixels: &[usize]) -> Vec<Request<'static>> {
    let count: usize = pixels.iter().product();
    let request = |masks: Option<usize>| {
        let (pred, target) = draw(entry, masks.unwrap_or(1), count);
        let dims: Vec<usize> = masks.into_iter().chain(pixels.iter().copied()).collect();
        Request {
            what: format!("{} masks of {pixels:?} pixels", masks.unwrap_or(1)),
            pred: Array::new(dims.clone(), pred),
            target: Array::new(dims, target),
            columns: count,
            ..Request::new(entry, &[], &Rows::new(1, None))
        }
    };
    let mut requests = vec![request(Some(2)), request(Some(1)), with_left_out(request(Some(2)))];
    let weights = Some(Array::new([2], vec![0.5, 3.0]));
    requests.push(Request { weights, ..request(Some(2)) });
    if pixels.len() == 1 {
        requests.push(request(None));
    }
    requests
}

/// Rows in these dimensions: of columns, of fields, or of single numbers.
fn of_rows(entry: &'static Entry, lead: &[usize]) -> Vec<Request<'static>> {
    let signature = &entry.signature;
    let count: usize = lead.iter().product();
    let with = |width: usize| [lead, &[width]].concat();
    let is_elementwise = signature.pred.fields().len() == 1 && !signature.pred.is_row();
    let mut requests = Vec::new();
    for columns in if is_elementwise { vec![1, COLUMNS] } else { vec![COLUMNS] } {
        let of_pred = signature.pred.fields().len() == 1;
        // Numbers without a dimension of columns: a tensor of rank 1.
        let is_bare = is_elementwise && columns == 1 && lead.len() == 1;
        let of_batch = if of_pred { columns } else { 1 };
        let (pred, target) = draw(entry, count, of_batch);
        let pred_dims = match () {
            () if is_bare => lead.to_vec(),
            () if of_pred => with(columns),
            () => with(signature.pred.fields().len()),
        };
        let target_dims = match signature.target.fields().len() {
            _ if is_elementwise || signature.target.is_row() => pred_dims.clone(),
            1 => lead.to_vec(),
            fields => with(fields),
        };
        let plain = Request {
            what: format!("{pred_dims:?} against {target_dims:?}"),
            pred: Array::new(pred_dims.clone(), pred),
            target: Array::new(target_dims, target),
            columns: of_batch,
            ..Request::new(entry, &[], &Rows::new(1, None))
        };
        requests.extend(with_options(&plain, lead, columns, is_bare));
        requests.push(plain);
    }
    requests
}

/// The same with weights of every form, groups, and class indices.
fn with_options(
    plain: &Request<'static>,
    lead: &[usize],
    columns: usize,
    is_bare: bool,
) -> Vec<Request<'static>> {
    let (signature, count) = (&plain.entry.signature, lead.iter().product::<usize>());
    let is_elementwise = signature.is_elementwise();
    let is_set = signature.takes().groups;
    // Whole batches take or leave elements.
    let weight =
        |index: usize| if is_set { (index % 3).min(1) as f64 } else { 0.25 * (index % 5) as f64 };
    let weights = |count: usize| (0..count).map(weight).collect::<Vec<_>>();
    let ask = |what: &str| Request { what: format!("{what} {}", plain.what), ..plain.clone() };
    let mut requests = vec![Request {
        weights: Some(Array::new(lead, weights(count))),
        ..ask("a weight per row of")
    }];
    if is_elementwise && !is_bare {
        requests.push(Request {
            weights: Some(Array::new(plain.pred.dims.clone(), weights(plain.pred.numbers.len()))),
            is_per_row: false,
            ..ask("a weight per element of")
        });
    }
    let groups = is_set.then(|| {
        let ids = (0..count as i64).map(|row| [3, -1, 8][row as usize % 3]).collect();
        Array::new(lead, ids)
    });
    if is_set {
        requests.push(Request { groups: groups.clone(), ..ask("groups of") });
    }
    let takes = signature.tensors_take();
    let column_weights =
        (takes.column_weights && !is_bare).then(|| (1..=columns).map(|c| c as f64).collect());
    if takes.column_weights && !is_bare && !takes.class_indices {
        requests
            .push(Request { column_weights: column_weights.clone(), ..ask("column weights of") });
    }
    if takes.class_indices && !is_bare {
        for width in 0..8 {
            let ignored = columns as i64 + 2;
            // The index behind the last is background.
            let known = columns + usize::from(is_elementwise);
            let classes: Vec<i64> = (0..count)
                .map(|row| if row % 5 == 4 { ignored } else { (row % known) as i64 })
                .collect();
            requests.push(Request {
                target: Array::new(lead, classes.iter().map(|&class| class as f64).collect()),
                integers: Some(Integers(width)),
                ignore_index: Some(ignored),
                column_weights: column_weights.clone(),
                groups: groups.clone(),
                classes: Some(classes),
                ..ask(&format!("class indices of type {width} for"))
            });
        }
    }
    if is_elementwise && signature.target.is_label() {
        for width in 0..8 {
            let labels: Vec<f64> =
                (0..plain.target.numbers.len()).map(|i| (i % 4 / 3) as f64).collect();
            requests.push(Request {
                target: Array::new(plain.target.dims.clone(), labels),
                integers: Some(Integers(width)),
                ..ask(&format!("integer labels of type {width} for"))
            });
        }
    }
    let is_label = signature.target == Kind::Label;
    if is_label {
        requests.push(with_left_out(ask("labels that are left out of")));
    }
    // One number per row may lie in a last dimension of 1.
    if !is_elementwise && !signature.target.is_row() && signature.target.fields().len() == 1 {
        let dims = [lead, &[1]].concat();
        requests.push(Request {
            target: Array::new(dims, plain.target.numbers.clone()),
            ..ask("a last dimension of 1 in the target of")
        });
    }
    requests
}

/// The same with every third label left out, and a prediction there that would show in any sum.
fn with_left_out(mut request: Request<'static>) -> Request<'static> {
    let width = request.pred.numbers.len() / request.target.numbers.len();
    for (index, label) in request.target.numbers.iter_mut().enumerate().step_by(3) {
        *label = LEFT_OUT;
        request.pred.numbers[index * width..][..width].fill(40.0);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::ALL;

    /// What a loss takes is asked for: every rank, every option, every type of integers.
    #[test]
    fn nothing_that_a_loss_takes_is_left_unasked() {
        for entry in ALL {
            let (requests, signature) = (shaped(entry), &entry.signature);
            let takes = signature.tensors_take();
            let asks = |what: &dyn Fn(&Request<'_>) -> bool| requests.iter().any(what);
            let rank = |request: &Request<'_>| request.pred.dims.len();
            let ranks: BTreeSet<usize> = requests.iter().map(rank).collect();
            let lowest = if signature.is_elementwise() || signature.is_mask() { 1 } else { 2 };
            assert!(ranks.iter().copied().eq(lowest..=4), "{}: ranks {ranks:?}", entry.name);
            assert!(asks(&|request| request.weights.is_some()), "{}: weights", entry.name);
            if signature.is_elementwise() {
                assert!(asks(&|request| !request.is_per_row), "{}: per element", entry.name);
            }
            let has_left_out =
                signature.target.is_probability() && signature.target.can_be_left_out();
            for (what, is_taken, is_asked) in [
                (
                    "column weights",
                    takes.column_weights,
                    asks(&|request| request.column_weights.is_some()),
                ),
                ("groups", takes.groups, asks(&|request| request.groups.is_some())),
                ("ignored rows", takes.class_indices, asks(&|it| it.ignore_index.is_some())),
                ("left out", has_left_out, asks(&|it| it.target.numbers.contains(&LEFT_OUT))),
            ] {
                assert_eq!(is_asked, is_taken, "{}: {what}", entry.name);
            }
            if takes.class_indices {
                let of_class = |request: &&Request<'_>| request.classes.is_some();
                let types = requests.iter().filter(of_class).filter_map(|request| request.integers);
                let types: BTreeSet<usize> = types.map(|integers| integers.0).collect();
                assert!(types.into_iter().eq(0..8), "{}: types of integers", entry.name);
            }
        }
    }
}
