//! One prediction, one row or one whole set, with what it should be.

use detloss::Batch;
use detloss::batch::{Kernel, Target};
use detloss::loss::Scope;
use detloss::losses::Entry;
use detloss::operand::Kind;

use super::Question;
use crate::cli::EvalArgs;
use crate::output::CliError;

/// What a prediction should be.
#[derive(Clone, Copy)]
pub(crate) enum EvalTarget<'a> {
    /// All fields of the targets.
    Fields(&'a [f64]),
    /// The class of each row.
    Classes(&'a [i64]),
}

/// What a loss has one value of.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) pred: &'a [f64],
    pub(crate) goal: EvalTarget<'a>,
    /// How many columns a row has.
    pub(crate) columns: usize,
}

/// The value of a loss, its gradient with respect to the prediction, and the terms of the value that have names.
pub(crate) struct Answer {
    pub(crate) value: f64,
    pub(crate) gradient: Vec<f64>,
    pub(crate) components: Vec<(&'static str, f64)>,
}

impl<'a> Input<'a> {
    /// As many columns as fit the numbers.
    pub(crate) fn new(entry: &Entry, pred: &'a [f64], goal: EvalTarget<'a>) -> Self {
        let columns = match goal {
            EvalTarget::Classes(classes) => {
                entry.signature.columns_of_indices(pred.len(), classes.len())
            }
            EvalTarget::Fields(target) => entry.signature.columns_of(pred.len(), target.len()),
        };
        Self { pred, goal, columns }
    }

    /// The loss of all this together.
    pub(crate) fn evaluate(&self, loss: &(impl Kernel + ?Sized)) -> Result<Answer, CliError> {
        let target = match self.goal {
            EvalTarget::Fields(fields) => Target::Dense(fields),
            EvalTarget::Classes(classes) => Target::Classes(classes),
        };
        let batch = Batch::new(self.pred, target).columns(self.columns).sum();
        let (value, gradient) = batch.value_and_grad(loss)?;
        let components = loss.signature().components;
        let values = if components.is_empty() { Vec::new() } else { batch.components(loss)? };
        Ok(Answer { value, gradient, components: components.iter().copied().zip(values).collect() })
    }
}

/// Named terms for JSON.
pub(super) fn as_map(components: &[(&str, f64)]) -> serde_json::Map<String, serde_json::Value> {
    components.iter().map(|&(name, part)| (name.to_owned(), part.into())).collect()
}

/// Checks what stands on the command line against what the loss takes.
pub(super) fn check(question: &Question, args: &EvalArgs) -> Result<(), CliError> {
    for (option, given) in [("--pred", &args.pred), ("--target", &args.target)] {
        if let Some(number) = given.iter().find(|number| !number.is_finite()) {
            return Err(CliError::Usage(format!("{option} has {number}: give finite numbers")));
        }
    }
    let entry = question.chosen.entry;
    let has_class = !args.class.is_empty();
    if has_class && !entry.signature.target.is_label() {
        return Err(CliError::Usage(format!(
            "{} takes no class: give --target {}",
            args.loss,
            wanted(question, entry.signature.target)
        )));
    }
    if has_class && args.class.len() > 1 && entry.signature.scope != Scope::Set {
        return Err(CliError::Usage(format!(
            "--class has {} classes, but {} is of one row: give one class, or rows in a --file",
            args.class.len(),
            args.loss
        )));
    }
    let given = args.pred.len();
    match (entry.signature.scope, entry.signature.pred.is_row()) {
        (Scope::Unit, _) if !has_class => exactly("--pred", given, question.pred())?,
        (Scope::Set, false) => whole("--pred", given, question.pred().len(), question.pred())?,
        _ => {}
    }
    let rows = rows(question, args)?;
    if has_class {
        return Ok(());
    }
    let target = args.target.len();
    let width = entry.signature.target.fields().len();
    match entry.signature.target.is_row() {
        true if target != given => {
            Err(numbers("--target", target, given, &wanted(question, entry.signature.target)))
        }
        false if target != rows * width => {
            let each = if rows > 1 { ", for each prediction" } else { "" };
            let wanted = format!("{}{each}", wanted(question, entry.signature.target));
            Err(numbers("--target", target, rows * width, &wanted))
        }
        _ => Ok(()),
    }
}

/// How many targets there have to be.
fn rows(question: &Question, args: &EvalArgs) -> Result<usize, CliError> {
    let entry = question.chosen.entry;
    let items =
        args.pred.len() / if entry.signature.pred.is_row() { 1 } else { question.pred().len() };
    let given = match (args.columns, args.class.len()) {
        (Some(columns), _) => {
            let columns = columns.max(1);
            whole("--pred", items, columns, &[&format!("rows of {columns}")])?;
            if !args.class.is_empty() && args.class.len() != items / columns {
                return Err(numbers("--class", args.class.len(), items / columns, "one per row"));
            }
            items / columns
        }
        (None, 0)
            if entry.signature.scope == Scope::Set
                && entry.signature.pred.is_row()
                && !entry.signature.target.is_row() =>
        {
            (args.target.len() / entry.signature.target.fields().len()).max(1)
        }
        (None, 0) => 1,
        (None, classes) => classes,
    };
    if items == 0 || !items.is_multiple_of(given) {
        return Err(CliError::Usage(format!(
            "--pred has {items} numbers, which do not make {given} rows: give as many for each row, or say --columns"
        )));
    }
    // What is no row has a target for each element, in whatever columns it lies.
    Ok(if entry.signature.pred.is_row() { given } else { items })
}

fn exactly(option: &str, given: usize, fields: &[&str]) -> Result<(), CliError> {
    if given == fields.len() {
        return Ok(());
    }
    Err(numbers(option, given, fields.len(), &fields.join(",")))
}

fn whole(option: &str, given: usize, width: usize, fields: &[&str]) -> Result<(), CliError> {
    if given > 0 && given.is_multiple_of(width) {
        return Ok(());
    }
    let fields = fields.join(",");
    Err(CliError::Usage(format!(
        "{option} has {given} numbers, which is no multiple of {width}: give {fields}, again and again"
    )))
}

fn numbers(option: &str, given: usize, expected: usize, wanted: &str) -> CliError {
    CliError::Usage(format!("{option} has {given} numbers instead of {expected}: give {wanted}"))
}

/// What a target is, in words.
fn wanted(question: &Question, target: Kind) -> String {
    match target {
        kind if kind.is_row() && kind.is_label() => {
            "one per logit, or a class with --class".to_owned()
        }
        kind if kind.is_row() => format!("a {} per logit", kind.fields()[0]),
        _ => question.target().join(","),
    }
}
