//! `detloss eval`: the value and the gradient of a loss.

mod input;
mod rows;

use detloss::loss::Scope;
use detloss::operand::Kind;
use serde_json::json;

pub(crate) use self::input::{Answer, EvalTarget, Input};
use crate::choice::{self, Chosen};
use crate::cli::EvalArgs;
use crate::format::BoxFormat;
use crate::output::{CliError, print_json, print_table};
use crate::table::{Column, Table};

/// A loss with the fields it is given by.
struct Question {
    chosen: Chosen,
    /// None if the loss takes no boxes.
    format: Option<BoxFormat>,
}

impl Question {
    fn new(args: &EvalArgs) -> Result<Self, CliError> {
        let chosen = choice::one(&args.loss, &args.params)?;
        let (name, scope) = (&args.loss, chosen.entry.signature.scope);
        let pred = chosen.entry.signature.pred;
        let takes_boxes = pred == Kind::Box;
        let wrong = |what: &str| Err(CliError::Usage(format!("{name} {what}")));
        if args.format.is_some() && !takes_boxes {
            return match choice::name_of_boxes(pred) {
                None => wrong("takes no boxes: leave out --format"),
                Some(boxes) => {
                    let fields = pred.fields().join(",");
                    wrong(&format!("takes {boxes} as {fields}: leave out --format"))
                }
            };
        }
        if args.groups && scope != Scope::Set {
            return wrong("is of every line by itself: leave out --groups");
        }
        if args.columns.is_some() && scope != Scope::Set {
            return wrong("is of one prediction or row: leave out --columns; a --file takes many");
        }
        Ok(Self { chosen, format: takes_boxes.then(|| args.format.unwrap_or_default()) })
    }

    /// The fields of a prediction.
    fn pred(&self) -> &'static [&'static str] {
        self.format.map_or(self.chosen.entry.signature.pred.fields(), BoxFormat::fields)
    }

    /// The fields of a target.
    fn target(&self) -> &'static [&'static str] {
        self.format.map_or(self.chosen.entry.signature.target.fields(), BoxFormat::fields)
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

    /// Names for a gradient by `length` numbers that lie in rows of `columns`.
    fn names(&self, length: usize, columns: usize) -> Vec<String> {
        let fields = self.pred();
        let name = |index: usize| match (index / fields.len(), fields[index % fields.len()]) {
            (_, field) if length == fields.len() => field.to_owned(),
            (item, field) if columns > 1 && columns < length / fields.len() => {
                format!("{field}{}.{}", item / columns, item % columns)
            }
            (item, field) => format!("{field}{item}"),
        };
        (0..length).map(name).collect()
    }
}

/// Evaluates a loss.
pub(crate) fn run(args: &EvalArgs, json: bool) -> Result<(), CliError> {
    let question = Question::new(args)?;
    match &args.file {
        Some(file) => rows::run(&question, args, file, json),
        None => once(&question, args, json),
    }
}

/// Evaluates what stands on the command line.
fn once(question: &Question, args: &EvalArgs, json: bool) -> Result<(), CliError> {
    input::check(question, args)?;
    let (pred, target) = (question.to_loss(&args.pred), question.to_loss(&args.target));
    let goal = if args.class.is_empty() {
        EvalTarget::Fields(&target)
    } else {
        EvalTarget::Classes(&args.class)
    };
    let mut input = Input::new(question.chosen.entry, &pred, goal);
    input.columns = args.columns.unwrap_or(input.columns);
    let Answer { value, gradient, components } = input.evaluate(question.chosen.kernel())?;
    let gradient = question.to_given(&args.pred, gradient);
    let names = question.names(gradient.len(), input.columns);
    if json {
        let target = match args.class[..] {
            [] => json!(args.target),
            [class] => json!({ "class": class }),
            _ => json!({ "classes": args.class }),
        };
        let mut answer = json!({
            "loss": args.loss,
            "params": question.chosen.params(),
            "fields": names,
            "pred": args.pred,
            "target": target,
            "value": value,
            "grad": gradient,
        });
        if !components.is_empty() {
            answer["components"] = input::as_map(&components).into();
        }
        return print_json(&answer);
    }
    let mut table = Table::new([Column::words(question.chosen.title()), Column::words("")]);
    table.push(["value".to_owned(), value.to_string()]);
    for (name, part) in components {
        table.push([format!("  {name}"), part.to_string()]);
    }
    for (name, slope) in names.iter().zip(gradient) {
        table.push([format!("d/d{name}"), slope.to_string()]);
    }
    print_table(&table)
}
