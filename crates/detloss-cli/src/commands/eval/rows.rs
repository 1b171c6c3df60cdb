//! Many predictions with their targets, from a CSV file.

mod read;

use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::Context;
use detloss::Batch;
use detloss::batch::{Target, Weights};
use detloss::loss::Scope;
use detloss::operand::Kind;
use serde_json::json;

use self::read::{Rows, read};
use super::{Question, input};
use crate::cli::{EvalArgs, Reduction};
use crate::output::{CliError, print, print_json, say};

/// Evaluates the lines of `file`.
pub(super) fn run(
    question: &Question,
    args: &EvalArgs,
    file: &Path,
    json: bool,
) -> Result<(), CliError> {
    let rows = if file == Path::new("-") {
        read(question, args, "standard input", io::stdin().lock())?
    } else {
        let name = file.display().to_string();
        if file.is_dir() {
            let problem = format!("{name} is a folder: give a CSV file, or - for standard input");
            return Err(anyhow::anyhow!(problem).into());
        }
        let open = File::open(file).with_context(|| {
            format!("could not open {name}: give a CSV file, or - for standard input")
        })?;
        read(question, args, &name, open)?
    };
    if rows.count == 0 {
        say("note: there is no line with numbers");
    }
    let pred = question.to_loss(&rows.pred);
    let target = question.to_loss(&rows.target);
    let batch = batch(question, args, &rows, &pred, &target);
    let loss = question.chosen.kernel();
    let lines = |answer: (Vec<f64>, Vec<f64>)| {
        let gradient = question.to_given(&rows.pred, answer.1);
        let lines = Lines { question, rows: &rows, values: answer.0, gradient };
        print(&if json { lines.as_json() } else { lines.as_csv() })
    };
    let (batch, reduced) = match args.reduction {
        Reduction::None => {
            let units = match question.chosen.entry.signature.scope {
                Scope::Set => rows.group_count(),
                Scope::Unit | Scope::Row => rows.count,
            };
            let (mut values, mut gradient) = (vec![0.0; units], vec![0.0; pred.len()]);
            batch.values_and_grad_into(loss, None, &mut values, &mut gradient)?;
            return lines((values, gradient));
        }
        Reduction::Mean => (batch.mean(), batch.mean().value_and_grad(loss)?),
        Reduction::Sum => (batch.sum(), batch.sum().value_and_grad(loss)?),
    };
    let (value, gradient) = reduced;
    if !json {
        return print(&format!("{value}\n"));
    }
    let gradient = question.to_given(&rows.pred, gradient);
    let mut answer = json!({
        "loss": args.loss,
        "params": question.chosen.params(),
        "fields": question.names(rows.width, 1),
        "rows": rows.count,
        "value": value,
        "grad": gradient.chunks(rows.width.max(1)).collect::<Vec<_>>(),
    });
    let names = loss.signature().components;
    if !names.is_empty() {
        let components: Vec<_> = names.iter().copied().zip(batch.components(loss)?).collect();
        answer["components"] = input::as_map(&components).into();
    }
    print_json(&answer)
}

fn batch<'a>(
    question: &Question,
    args: &EvalArgs,
    rows: &'a Rows,
    pred: &'a [f64],
    target: &'a [f64],
) -> Batch<'a, f64> {
    let entry = question.chosen.entry;
    let is_class = entry.signature.target == Kind::Distribution;
    let target = if is_class { Target::Classes(&rows.classes) } else { Target::Dense(target) };
    let mut batch = Batch::new(pred, target);
    if entry.signature.pred.is_row() {
        batch = batch.columns(rows.width);
    }
    if args.weights {
        batch = batch.weights(Weights::Rows(&rows.weights));
    }
    if args.groups {
        batch = batch.groups(&rows.groups);
    }
    batch
}

/// What is said of every line of the file: the value that it is a part of, and the gradient by its prediction.
struct Lines<'a> {
    question: &'a Question,
    rows: &'a Rows,
    values: Vec<f64>,
    gradient: Vec<f64>,
}

impl Lines<'_> {
    /// The value of each line: its own, that of its group, or that of the whole file.
    fn each(&self) -> impl Iterator<Item = (f64, &[f64])> {
        let ids = self.rows.group_ids();
        let value = move |line: usize| match (self.question.chosen.entry.signature.scope, &ids[..])
        {
            (Scope::Unit | Scope::Row, _) => self.values[line],
            (Scope::Set, []) => self.values[0],
            (Scope::Set, ids) => {
                self.values[ids.binary_search(&self.rows.groups[line]).unwrap_or_default()]
            }
        };
        let slopes = self.gradient.chunks(self.rows.width.max(1));
        slopes.enumerate().map(move |(line, slopes)| (value(line), slopes))
    }

    fn group(&self, line: usize) -> Option<i64> {
        self.rows.groups.get(line).copied()
    }

    fn as_csv(&self) -> String {
        let names = self.question.names(self.rows.width, 1);
        let mut text = if self.rows.groups.is_empty() { "value" } else { "group,value" }.to_owned();
        for name in names {
            text.push_str(&format!(",grad_{name}"));
        }
        text.push('\n');
        for (line, (value, slopes)) in self.each().enumerate() {
            let group = self.group(line).map(|group| group.to_string());
            let numbers = std::iter::once(&value).chain(slopes).map(f64::to_string);
            text.push_str(&group.into_iter().chain(numbers).collect::<Vec<_>>().join(","));
            text.push('\n');
        }
        text
    }

    fn as_json(&self) -> String {
        let line = |(line, (value, slopes)): (usize, (f64, &[f64]))| match self.group(line) {
            Some(group) => {
                format!("{}\n", json!({ "group": group, "value": value, "grad": slopes }))
            }
            None => format!("{}\n", json!({ "value": value, "grad": slopes })),
        };
        self.each().enumerate().map(line).collect()
    }
}
