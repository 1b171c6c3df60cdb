//! Many predictions with their targets, from a CSV file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context;
use csv::StringRecord;
use detloss::Batch;
use detloss::batch::{Target, Weights};

use super::Question;
use crate::cli::{EvalArgs, Reduction};
use crate::output::{CliError, print, print_json};

/// The lines of a file, column by column.
#[derive(Default)]
struct Rows {
    pred: Vec<f64>,
    target: Vec<f64>,
    /// For rows of logits, instead of the target.
    classes: Vec<i64>,
    weights: Vec<f64>,
    /// How many numbers a prediction has.
    width: usize,
    count: usize,
}

/// Evaluates the lines of `file`.
pub(super) fn run(
    question: &Question,
    args: &EvalArgs,
    file: &Path,
    json: bool,
) -> Result<(), CliError> {
    let rows = if file == Path::new("-") {
        read(question, args.weights, "standard input", io::stdin().lock())?
    } else {
        let name = file.display().to_string();
        let open = File::open(file).with_context(|| {
            format!("could not open {name}: give a CSV file, or - for standard input")
        })?;
        read(question, args.weights, &name, open)?
    };
    let pred = question.to_loss(&rows.pred);
    let target = question.to_loss(&rows.target);
    let is_row = question.pred().is_empty();
    let mut batch = Batch::new(
        &pred,
        if is_row { Target::Classes(&rows.classes) } else { Target::Dense(&target) },
    );
    if is_row {
        batch = batch.columns(rows.width);
    }
    if args.weights {
        batch = batch.weights(Weights::Rows(&rows.weights));
    }
    let loss = question.chosen.kernel();
    let (values, gradient) = match args.reduction {
        Reduction::None => {
            let (mut values, mut gradient) = (vec![0.0; rows.count], vec![0.0; pred.len()]);
            batch.rows_and_grad_into(loss, None, &mut values, &mut gradient)?;
            (values, gradient)
        }
        Reduction::Mean => single(batch.mean().value_and_grad(loss)?),
        Reduction::Sum => single(batch.sum().value_and_grad(loss)?),
    };
    let gradient = question.to_given(&rows.pred, gradient);
    let names = question.names(rows.width);
    match (args.reduction, json) {
        (Reduction::None, true) => print(&json_lines(&values, &gradient, rows.width)),
        (Reduction::None, false) => print(&csv_lines(&names, &values, &gradient, rows.width)),
        (_, true) => print_json(&serde_json::json!({
            "loss": args.loss,
            "params": question.chosen.params(),
            "fields": names,
            "rows": rows.count,
            "value": values[0],
            "grad": gradient.chunks(rows.width.max(1)).collect::<Vec<_>>(),
        })),
        (_, false) => print(&format!("{}\n", values[0])),
    }
}

fn single((value, gradient): (f64, Vec<f64>)) -> (Vec<f64>, Vec<f64>) {
    (vec![value], gradient)
}

fn csv_lines(names: &[String], values: &[f64], gradient: &[f64], width: usize) -> String {
    let mut text = "value".to_owned();
    for name in names {
        text.push_str(&format!(",grad_{name}"));
    }
    text.push('\n');
    for (value, slopes) in values.iter().zip(gradient.chunks(width.max(1))) {
        let cells = std::iter::once(value).chain(slopes).map(f64::to_string);
        text.push_str(&cells.collect::<Vec<_>>().join(","));
        text.push('\n');
    }
    text
}

fn json_lines(values: &[f64], gradient: &[f64], width: usize) -> String {
    let line =
        |(value, slopes)| format!("{}\n", serde_json::json!({ "value": value, "grad": slopes }));
    values.iter().zip(gradient.chunks(width.max(1))).map(line).collect()
}

fn read(
    question: &Question,
    weighted: bool,
    file: &str,
    mut from: impl Read,
) -> Result<Rows, CliError> {
    let mut text = String::new();
    from.read_to_string(&mut text)
        .with_context(|| format!("could not read {file}: give UTF-8 text"))?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut rows = Rows::default();
    for (index, record) in reader.records().enumerate() {
        let record = record.with_context(|| format!("could not read {file}: give CSV"))?;
        let is_header = index == 0 && record.iter().all(|cell| cell.parse::<f64>().is_err());
        if !is_header {
            rows.add(question, weighted, &record).map_err(|wrong| {
                let line = record.position().map_or(0, |position| line_of(position, &text));
                anyhow::anyhow!("{file}, line {line}{wrong}")
            })?;
        }
    }
    Ok(rows)
}

/// The line of a record, which for the reader begins with the empty lines and the comments before it.
fn line_of(position: &csv::Position, text: &str) -> u64 {
    let skipped = |line: &&str| line.is_empty() || line.starts_with('#');
    let before = text[position.byte() as usize..].lines().take_while(skipped).count();
    position.line() + before as u64
}

impl Rows {
    /// Adds a line, or says what is wrong with it.
    fn add(
        &mut self,
        question: &Question,
        weighted: bool,
        record: &StringRecord,
    ) -> Result<(), String> {
        let cells = record.len();
        let around = 1 + usize::from(weighted);
        let is_row = question.pred().is_empty();
        let mut columns = if is_row {
            let width =
                if self.count > 0 { self.width } else { cells.saturating_sub(around).max(1) };
            (0..width).map(|index| format!("logit{index}")).chain(["class".to_owned()]).collect()
        } else {
            let of = |what: &'static str| move |field: &&str| format!("{what} {field}");
            let pred = question.pred().iter().map(of("prediction"));
            pred.chain(question.target().iter().map(of("target"))).collect::<Vec<_>>()
        };
        if weighted {
            columns.push("weight".to_owned());
        }
        if cells != columns.len() {
            let hint =
                if cells == columns.len() + 1 && !weighted { "; or add --weights" } else { "" };
            let (expected, names) = (columns.len(), columns.join(", "));
            return Err(format!(" has {cells} fields instead of {expected}: give {names}{hint}"));
        }
        let number = |column: usize| {
            let cell = &record[column];
            match cell.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(number),
                _ => {
                    let name = &columns[column];
                    Err(format!(
                        ", column {} ({name}): {cell:?} is no number: write it as 0.5",
                        column + 1
                    ))
                }
            }
        };
        self.width = if is_row { cells - around } else { question.pred().len() };
        let end = cells - usize::from(weighted);
        for column in 0..self.width {
            self.pred.push(number(column)?);
        }
        if is_row {
            let class = record[end - 1].parse();
            let wrong = |_| {
                format!(", column {end} (class): {:?} is no class: write it as 0", &record[end - 1])
            };
            self.classes.push(class.map_err(wrong)?);
        } else {
            for column in self.width..end {
                self.target.push(number(column)?);
            }
        }
        if weighted {
            self.weights.push(number(end)?);
        }
        self.count += 1;
        Ok(())
    }
}
