//! `detloss list`: which losses there are.

use std::io::{IsTerminal, stdout};

use detloss::loss::Param;
use detloss::losses::ALL;
use detloss::losses::Entry;
use serde::Serialize;

use crate::cli::ListArgs;
use crate::output::{CliError, print_json, print_table};
use crate::table::{Column, Table};
use crate::{choice, doc, text};

/// A loss in a few words.
#[derive(Serialize)]
struct Line {
    id: &'static str,
    label: &'static str,
    family: &'static str,
    params: serde_json::Map<String, serde_json::Value>,
    summary: String,
}

/// Lists the losses.
pub(crate) fn run(args: &ListArgs, json: bool) -> Result<(), CliError> {
    let entries: Vec<&Entry> = match &args.family {
        Some(family) => ALL.iter().filter(|entry| entry.family == family).collect(),
        None => ALL.iter().collect(),
    };
    if entries.is_empty() {
        let mut families: Vec<&str> = ALL.iter().map(|entry| entry.family).collect();
        families.dedup();
        let family = args.family.as_deref().unwrap_or_default();
        let known = families.join(", ");
        return Err(CliError::Usage(format!("no family is called {family:?}: there are {known}")));
    }
    if json {
        let line = |entry: &&Entry| Line {
            id: entry.name,
            label: entry.label,
            family: entry.family,
            params: choice::as_json(entry.params.iter().map(|param| (param, param.default))),
            summary: doc::flat(entry.summary()),
        };
        return print_json(&entries.iter().map(line).collect::<Vec<_>>());
    }
    print_table(&table(&entries))
}

fn table(entries: &[&Entry]) -> Table {
    let default = |param: &Param| format!("{}={}", param.name, text::param(param, param.default));
    let cells = |entry: &&Entry| {
        let params = entry.params.iter().map(default).collect::<Vec<_>>().join(" ");
        [entry.family.to_owned(), entry.name.to_owned(), entry.label.to_owned(), params]
    };
    let rows: Vec<[String; 4]> = entries.iter().map(cells).collect();
    let headings = ["family", "loss", "label", "parameters"];
    let widest = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([headings[column].len()]).max().unwrap_or_default() + 2
    };
    let taken: usize = (0..4).map(widest).sum();
    // A pipe gets one line per loss; a reader gets summaries that do not run around the edge of the terminal.
    let room = if stdout().is_terminal() {
        text::full_width().saturating_sub(taken).max(24)
    } else {
        usize::MAX
    };
    let mut table = Table::new(headings.into_iter().chain(["summary"]).map(Column::words));
    for (entry, row) in entries.iter().zip(rows) {
        let mut row = row.to_vec();
        for line in textwrap::wrap(&doc::flat(entry.summary()), room) {
            row.push(line.into_owned());
            table.push(std::mem::replace(&mut row, vec![String::new(); 4]));
        }
    }
    table
}
