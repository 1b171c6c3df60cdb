//! `detloss criteria`: the whole losses of named detectors.

use detloss::criteria::{self, Criterion, Entry};
use serde::Serialize;

use crate::cli::CriteriaArgs;
use crate::doc;
use crate::output::{CliError, print, print_json, print_table};
use crate::table::{Column, Table};

/// A criterion in a few words.
#[derive(Serialize)]
struct Line {
    id: &'static str,
    aliases: &'static [&'static str],
    label: &'static str,
    source: &'static str,
    summary: String,
}

impl Line {
    fn of(entry: &Entry) -> Self {
        let Entry { name, aliases, label, source, .. } = *entry;
        Self { id: name, aliases, label, source, summary: doc::flat(entry.summary()) }
    }
}

/// Lists the criteria, or prints one of them.
pub(crate) fn run(args: &CriteriaArgs, json: bool) -> Result<(), CliError> {
    let Some(text) = &args.criterion else {
        let lines: Vec<Line> = criteria::ALL.iter().map(Line::of).collect();
        return if json { print_json(&lines) } else { print_table(&list(&lines)) };
    };
    let criterion: Criterion = text.parse()?;
    if args.toml {
        return print(&toml::to_string(&criterion).map_err(CliError::failure)?);
    }
    if json { print_json(&criterion) } else { print_table(&table(&criterion)) }
}

fn list(lines: &[Line]) -> Table {
    let headings = ["criterion", "also", "of", "its numbers are those of"];
    let mut table = Table::new(headings.map(Column::words));
    for line in lines {
        table.push([line.id, &line.aliases.join(", "), line.label, line.source]);
    }
    table
}

/// A line for every term.
fn table(criterion: &Criterion) -> Table {
    let mut table = Table::new([
        Column::words("head"),
        Column::words("term"),
        Column::words("loss"),
        Column::numbers("weight"),
        Column::words("compares"),
        Column::words("rows"),
        Column::words("pairs"),
        Column::words("layers"),
        Column::words("row weight"),
        Column::words("divided by"),
    ]);
    for head in &criterion.heads {
        for term in &head.terms {
            table.push([
                head.name.clone(),
                term.name.clone(),
                term.loss.to_string(),
                term.weight.to_string(),
                term.compares.to_string(),
                term.rows.to_string(),
                term.pairs.to_string(),
                term.layers.to_string(),
                term.row_weight.to_string(),
                term.normalizer.to_string(),
            ]);
        }
    }
    table
}
