//! `detloss list`: which losses there are.

use std::io::{IsTerminal, stdout};

use detloss::loss::Param;
use detloss::loss::modifiers::{self, Modifier};
use detloss::losses::{ALL, Entry};
use serde::{Serialize, Serializer};

use crate::cli::ListArgs;
use crate::output::{CliError, print_json, print_table};
use crate::table::{Column, Table};
use crate::{choice, doc, text};

/// A loss or a modifier in a few words.
#[derive(Serialize)]
struct Line {
    id: &'static str,
    label: &'static str,
    family: &'static str,
    #[serde(serialize_with = "defaults")]
    params: &'static [Param],
    summary: String,
}

fn defaults<S: Serializer>(params: &[Param], serializer: S) -> Result<S::Ok, S::Error> {
    choice::as_json(params.iter().map(|param| (param, param.default))).serialize(serializer)
}

impl Line {
    fn of(entry: &Entry) -> Self {
        let Entry { name, label, family, params, .. } = *entry;
        Self { id: name, label, family, params, summary: doc::flat(entry.summary()) }
    }

    fn of_modifier(modifier: &Modifier) -> Self {
        let Modifier { name, label, params, .. } = *modifier;
        Self { id: name, label, family: MODIFIERS, params, summary: doc::flat(modifier.summary()) }
    }
}

/// What the modifiers are called beside the families of losses.
const MODIFIERS: &str = "modifiers";

/// Lists the losses, or the modifiers.
pub(crate) fn run(args: &ListArgs, json: bool) -> Result<(), CliError> {
    let family = args.family.as_deref();
    let lines: Vec<Line> = if family == Some(MODIFIERS) {
        modifiers::ALL.iter().map(Line::of_modifier).collect()
    } else {
        let is_meant = |entry: &&Entry| family.is_none_or(|family| family == entry.family);
        ALL.iter().filter(is_meant).map(Line::of).collect()
    };
    if lines.is_empty() {
        let mut families: Vec<&str> = ALL.iter().map(|entry| entry.family).collect();
        families.dedup();
        let (family, known) = (family.unwrap_or_default(), families.join(", "));
        return Err(CliError::Usage(format!(
            "no family is called {family:?}: there are {known}, and {MODIFIERS}"
        )));
    }
    if json { print_json(&lines) } else { print_table(&table(&lines)) }
}

fn table(lines: &[Line]) -> Table {
    let default = |param: &Param| format!("{}={}", param.name, text::param(param, param.default));
    let cells = |line: &Line| {
        let params = line.params.iter().map(default).collect::<Vec<_>>().join(" ");
        [line.family.to_owned(), line.id.to_owned(), line.label.to_owned(), params]
    };
    let rows: Vec<[String; 4]> = lines.iter().map(cells).collect();
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
    for (line, row) in lines.iter().zip(rows) {
        let mut row = row.to_vec();
        for part in textwrap::wrap(&line.summary, room) {
            row.push(part.into_owned());
            table.push(std::mem::replace(&mut row, vec![String::new(); 4]));
        }
    }
    table
}
