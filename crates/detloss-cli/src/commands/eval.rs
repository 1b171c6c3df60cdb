//! `detloss eval`: the value and the gradient of a loss.

mod rows;

use detloss::Batch;
use detloss::batch::{Kernel, Target};
use detloss::loss::Entry;

use crate::choice::{self, Chosen};
use crate::cli::EvalArgs;
use crate::format::BoxFormat;
use crate::output::{CliError, print_json, print_table};
use crate::table::{Column, Table};

/// What a prediction should be.
#[derive(Clone, Copy)]
pub(crate) enum Goal<'a> {
    /// All fields of the target.
    Fields(&'a [f64]),
    /// This class.
    Class(i64),
}

/// A loss with the fields it is given by.
struct Question {
    chosen: Chosen,
    /// None if the loss takes no boxes.
    format: Option<BoxFormat>,
}

impl Question {
    fn new(args: &EvalArgs) -> Result<Self, CliError> {
        let chosen = choice::one(&args.loss, &args.params)?;
        let takes_boxes = chosen.entry.pred == BoxFormat::Xyxy.fields();
        if args.format.is_some() && !takes_boxes {
            return Err(CliError::Usage(format!(
                "{} takes no boxes: leave out --format",
                args.loss
            )));
        }
        Ok(Self { chosen, format: takes_boxes.then(|| args.format.unwrap_or_default()) })
    }

    /// The fields of a prediction; empty for a row of any length.
    fn pred(&self) -> &'static [&'static str] {
        self.format.map_or(self.chosen.entry.pred, BoxFormat::fields)
    }

    /// The fields of a target; empty for a row of any length.
    fn target(&self) -> &'static [&'static str] {
        self.format.map_or(self.chosen.entry.target, BoxFormat::fields)
    }

    /// What the loss takes, for what was given.
    fn to_loss(&self, given: &[f64]) -> Vec<f64> {
        self.format.map_or_else(|| given.to_vec(), |format| format.to_corners(given))
    }

    /// The gradient by what was given.
    fn to_given(&self, given: &[f64], gradient: Vec<f64>) -> Vec<f64> {
        match self.format {
            Some(format) => format.gradient(given, &gradient),
            None => gradient,
        }
    }

    /// Names for a gradient by a prediction of `length` numbers.
    fn names(&self, length: usize) -> Vec<String> {
        match self.pred() {
            [field] if length > 1 => (0..length).map(|index| format!("{field}{index}")).collect(),
            [] => (0..length).map(|index| format!("logit{index}")).collect(),
            fields => fields.iter().map(|&field| field.to_owned()).collect(),
        }
    }
}

/// The value of a loss for one prediction, and its gradient.
pub(crate) fn evaluate(
    loss: &(impl Kernel + ?Sized),
    entry: &Entry,
    pred: &[f64],
    goal: Goal,
) -> Result<(f64, Vec<f64>), CliError> {
    let batch = match &goal {
        Goal::Fields(target) => Batch::new(pred, Target::Dense(target)),
        Goal::Class(class) => Batch::new(pred, Target::Classes(std::slice::from_ref(class))),
    };
    let columns = if entry.pred.len() > 1 { 1 } else { pred.len() };
    Ok(batch.columns(columns).sum().value_and_grad(loss)?)
}

/// Evaluates a loss.
pub(crate) fn run(args: &EvalArgs, json: bool) -> Result<(), CliError> {
    let question = Question::new(args)?;
    match &args.file {
        Some(file) => rows::run(&question, args, file, json),
        None => pair(&question, args, json),
    }
}

fn pair(question: &Question, args: &EvalArgs, json: bool) -> Result<(), CliError> {
    let goal_fields = question.to_loss(&args.target);
    let goal = match args.class {
        Some(class) => Goal::Class(class),
        None => {
            check("--pred", question.pred(), &args.pred, args.pred.len())?;
            check("--target", question.target(), &args.target, args.pred.len())?;
            Goal::Fields(&goal_fields)
        }
    };
    let pred = question.to_loss(&args.pred);
    let (value, gradient) = evaluate(question.chosen.kernel(), question.chosen.entry, &pred, goal)?;
    let gradient = question.to_given(&args.pred, gradient);
    let names = question.names(gradient.len());
    if json {
        let target = match args.class {
            Some(class) => serde_json::json!({ "class": class }),
            None => serde_json::json!(args.target),
        };
        return print_json(&serde_json::json!({
            "loss": args.loss,
            "params": question.chosen.params(),
            "fields": names,
            "pred": args.pred,
            "target": target,
            "value": value,
            "grad": gradient,
        }));
    }
    let mut table = Table::new([Column::words(question.chosen.title()), Column::words("")]);
    table.push(["value".to_owned(), value.to_string()]);
    for (name, slope) in names.iter().zip(gradient) {
        table.push([format!("d/d{name}"), slope.to_string()]);
    }
    print_table(&table)
}

/// Checks the numbers of an option against the fields they stand for; `row` is the length of a row without named fields.
fn check(option: &str, fields: &[&str], given: &[f64], row: usize) -> Result<(), CliError> {
    if let Some(number) = given.iter().find(|number| !number.is_finite()) {
        return Err(CliError::Usage(format!("{option} has {number}: give finite numbers")));
    }
    let (expected, wanted) = match fields {
        [] => (row, "one per logit, or a class with --class".to_owned()),
        fields => (fields.len(), fields.join(",")),
    };
    if given.len() == expected {
        return Ok(());
    }
    let got = given.len();
    Err(CliError::Usage(format!("{option} has {got} numbers instead of {expected}: give {wanted}")))
}
