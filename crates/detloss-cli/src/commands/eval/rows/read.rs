//! Reading the lines, with errors that name line and column.

use std::io::Read;

use anyhow::Context;
use csv::StringRecord;
use detloss::operand::Kind;

use super::super::Question;
use crate::cli::EvalArgs;
use crate::output::CliError;

/// The lines of a file, column by column.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) pred: Vec<f64>,
    pub(super) target: Vec<f64>,
    /// Where a class stands for a distribution, instead of the target.
    pub(super) classes: Vec<i64>,
    pub(super) groups: Vec<i64>,
    pub(super) weights: Vec<f64>,
    /// How many numbers the prediction of a line has.
    pub(super) width: usize,
    pub(super) count: usize,
}

/// Reads all lines of a file that is called `file`.
pub(super) fn read(
    question: &Question,
    args: &EvalArgs,
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
    let is_row = question.chosen.entry.signature.pred.is_row();
    let width = if is_row { 0 } else { question.pred().len() };
    let mut rows = Rows { width, ..Rows::default() };
    for (index, record) in reader.records().enumerate() {
        let record = record.with_context(|| format!("could not read {file}: give CSV"))?;
        if let Some(mark) = other_separator(&record) {
            let line = record.position().map_or(0, |position| line_of(position, &text));
            let problem =
                format!("{file}, line {line} has {mark} between its numbers: give commas");
            return Err(anyhow::anyhow!(problem).into());
        }
        let is_header = index == 0 && record.iter().all(|cell| cell.parse::<f64>().is_err());
        if !is_header {
            rows.add(question, args, &record).map_err(|wrong| {
                let line = record.position().map_or(0, |position| line_of(position, &text));
                anyhow::anyhow!("{file}, line {line}{wrong}")
            })?;
        }
    }
    Ok(rows)
}

/// What stands between numbers that the reader takes for one cell of words: a file of another kind than CSV.
fn other_separator(record: &StringRecord) -> Option<&'static str> {
    let marks = [('\t', "tabs"), (';', "semicolons"), (' ', "blanks")];
    let parts = |mark: char| {
        move |cell: &str| {
            let parts: Vec<&str> = cell.split(mark).filter(|part| !part.is_empty()).collect();
            parts.len() > 1 && parts.iter().all(|part| part.trim().parse::<f64>().is_ok())
        }
    };
    marks.iter().find(|(mark, _)| record.iter().any(parts(*mark))).map(|(_, name)| *name)
}

/// The line of a record, which for the reader begins with the empty lines and the comments before it.
fn line_of(position: &csv::Position, text: &str) -> u64 {
    let skipped = |line: &&str| line.is_empty() || line.starts_with('#');
    let before = text[position.byte() as usize..].lines().take_while(skipped).count();
    position.line() + before as u64
}

/// What the columns of a line are called.
struct Columns {
    pred: Vec<String>,
    target: Vec<String>,
    /// The group and the weight, where there are any.
    more: Vec<&'static str>,
}

impl Columns {
    /// The columns of a line of `cells`. A row is as wide as those before, or as the first line says.
    fn new(question: &Question, args: &EvalArgs, cells: usize, known: Option<usize>) -> Self {
        let flags = [(args.groups, "group"), (args.weights, "weight")];
        let more: Vec<_> = flags.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect();
        let entry = question.chosen.entry;
        if !entry.signature.pred.is_row() {
            let of = |what: &'static str| move |field: &&str| format!("{what} {field}");
            let pred = question.pred().iter().map(of("prediction")).collect();
            let target = question.target().iter().map(of("target")).collect();
            return Self { pred, target, more };
        }
        let numbers = cells.saturating_sub(more.len());
        let row = |kind: Kind, width: usize| {
            (0..width).map(|index| format!("{}{index}", kind.fields()[0])).collect()
        };
        let (width, target) = match entry.signature.target {
            kind if kind.is_row() && !kind.is_label() => {
                let width = known.unwrap_or((numbers / 2).max(1));
                (width, row(entry.signature.target, width))
            }
            kind if kind.is_row() => {
                (known.unwrap_or(numbers.saturating_sub(1).max(1)), vec!["class".to_owned()])
            }
            kind => {
                let names = kind.fields();
                let width = known.unwrap_or(numbers.saturating_sub(names.len()).max(1));
                (width, names.iter().map(|&name| name.to_owned()).collect())
            }
        };
        Self { pred: row(entry.signature.pred, width), target, more }
    }

    fn names(&self) -> Vec<&str> {
        let more = self.more.iter().copied();
        self.pred.iter().chain(&self.target).map(String::as_str).chain(more).collect()
    }
}

impl Rows {
    /// The groups in ascending order, as their values come.
    pub(super) fn group_ids(&self) -> Vec<i64> {
        let mut ids = self.groups.clone();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// How many groups there are: all lines are one, if they name none.
    pub(super) fn group_count(&self) -> usize {
        if self.groups.is_empty() { usize::from(self.count > 0) } else { self.group_ids().len() }
    }

    /// Adds a line, or says what is wrong with it.
    fn add(
        &mut self,
        question: &Question,
        args: &EvalArgs,
        record: &StringRecord,
    ) -> Result<(), String> {
        let cells = record.len();
        let known = (self.count > 0).then_some(self.width);
        let columns = Columns::new(question, args, cells, known);
        let names = columns.names();
        if cells != names.len() {
            let is_set = question.chosen.entry.signature.scope == detloss::loss::Scope::Set;
            let hint = match (cells == names.len() + 1, args.weights, args.groups || !is_set) {
                (true, false, true) => "; or add --weights",
                (true, false, false) => "; or add --weights or --groups",
                (true, true, false) => "; or add --groups",
                _ => "",
            };
            let (expected, names) = (names.len(), names.join(", "));
            return Err(format!(" has {cells} fields instead of {expected}: give {names}{hint}"));
        }
        let wrong = |column: usize, what: &str| {
            let (cell, name, place) = (&record[column], names[column], column + 1);
            format!(", column {place} ({name}): {cell:?} is no {what}")
        };
        let number = |column: usize| match record[column].parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(wrong(column, "number: write it as 0.5")),
        };
        let whole = |column: usize, what: &str| {
            let what = format!("{what}: write it as 0");
            record[column].parse::<i64>().map_err(|_| wrong(column, &what))
        };
        self.width = columns.pred.len();
        let end = self.width + columns.target.len();
        for column in 0..self.width {
            self.pred.push(number(column)?);
        }
        if question.chosen.entry.signature.target == Kind::Distribution {
            self.classes.push(whole(self.width, "class")?);
        } else {
            for column in self.width..end {
                self.target.push(number(column)?);
            }
        }
        for (column, &name) in (end..).zip(&columns.more) {
            match name {
                "group" => self.groups.push(whole(column, "group")?),
                _ => self.weights.push(number(column)?),
            }
        }
        self.count += 1;
        Ok(())
    }
}
