//! Sections of an audit: each is built once, and shown in a terminal, on a page, as JSON and as CSV.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use serde_json::{Map, Value};

use super::records::{Records, insert};
use crate::plot::Chart;
use crate::report::Report;
use crate::table::{Column, Table};

/// Something to say, with a heading.
pub(super) struct Section {
    heading: String,
    parts: Vec<Part>,
}

enum Part {
    /// For the page alone.
    Prose(String),
    /// Single values, by the names that programs know them by.
    Facts {
        facts: Vec<Fact>,
        caption: String,
    },
    Records(Listing),
    Chart(Box<Chart>, String),
    Charts(Vec<Chart>, String),
    /// JPEG files with words, for the page.
    Pictures(Vec<(Vec<u8>, String)>, String),
    /// A drawing for broad pages, and one for slim ones.
    Drawing([String; 2], String),
    /// A file for spreadsheets alone.
    File(Records, &'static str),
    Value(&'static str, Value),
    Lines(Vec<String>),
}

/// A value with its words, and what is to be said about it.
pub(super) struct Fact {
    pub(super) key: &'static str,
    pub(super) words: String,
    pub(super) value: Value,
    pub(super) note: String,
}

/// Records with what is to be done with them.
pub(super) struct Listing {
    /// The name in JSON.
    pub(super) key: &'static str,
    pub(super) caption: String,
    pub(super) records: Records,
    /// The name of the CSV file, if there is one.
    pub(super) file: Option<&'static str>,
    /// Where it is shown.
    pub(super) shown: Shown,
}

/// How much of records is shown where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// All rows, everywhere.
    All,
    /// All rows to programs, the worst to people.
    Classes,
    /// The worst rows.
    Ranked,
    /// All rows, but not in a terminal.
    Page,
    /// All rows to programs.
    Programs,
    /// The only row, as an object.
    One,
}

/// A terminal shows at most so many rows of what is ranked; the files have the others.
const TERMINAL: usize = 8;

impl Section {
    pub(super) fn new(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), parts: Vec::new() }
    }

    /// Adds a paragraph to the page.
    pub(super) fn prose(&mut self, text: impl Into<String>) -> &mut Self {
        self.add(Part::Prose(text.into()))
    }

    /// Adds sentences, one a line in a terminal.
    pub(super) fn lines(&mut self, lines: Vec<String>) -> &mut Self {
        self.add(Part::Lines(lines))
    }

    pub(super) fn facts(&mut self, facts: Vec<Fact>, caption: &str) -> &mut Self {
        self.add(Part::Facts { facts, caption: caption.into() })
    }

    pub(super) fn records(&mut self, listing: Listing) -> &mut Self {
        self.add(Part::Records(listing))
    }

    pub(super) fn chart(&mut self, chart: Chart, caption: &str) -> &mut Self {
        self.add(Part::Chart(Box::new(chart), caption.into()))
    }

    pub(super) fn charts(&mut self, charts: Vec<Chart>, caption: &str) -> &mut Self {
        self.add(Part::Charts(charts, caption.into()))
    }

    pub(super) fn pictures(
        &mut self,
        pictures: Vec<(Vec<u8>, String)>,
        caption: &str,
    ) -> &mut Self {
        self.add(Part::Pictures(pictures, caption.into()))
    }

    /// Adds a drawing for broad pages with one for slim ones.
    pub(super) fn drawing(&mut self, (broad, slim): (String, String), caption: &str) -> &mut Self {
        self.add(Part::Drawing([broad, slim], caption.into()))
    }

    pub(super) fn file(&mut self, records: Records, name: &'static str) -> &mut Self {
        self.add(Part::File(records, name))
    }

    /// Adds something that programs alone want.
    pub(super) fn value(&mut self, key: &'static str, value: Value) -> &mut Self {
        self.add(Part::Value(key, value))
    }

    fn add(&mut self, part: Part) -> &mut Self {
        self.parts.push(part);
        self
    }
}

impl Fact {
    pub(super) fn new(
        key: &'static str,
        words: impl Into<String>,
        value: impl Into<Value>,
        note: impl Into<String>,
    ) -> Self {
        Self { key, words: words.into(), value: value.into(), note: note.into() }
    }
}

impl Listing {
    /// How many rows people see, at most `top` of what is ranked.
    fn most(&self, top: usize) -> usize {
        match self.shown {
            Shown::All | Shown::Page | Shown::One => self.records.len(),
            Shown::Classes | Shown::Ranked => top.min(self.records.len()),
            Shown::Programs => 0,
        }
    }

    /// What is shown of all.
    fn of_all(&self, top: usize, how: impl Fn(usize, usize) -> String) -> String {
        let (most, all) = (self.most(top), self.records.len());
        if most < all { how(most, all) } else { String::new() }
    }
}

/// All sections as text.
pub(super) fn text(sections: &[Section], top: usize, styled: bool) -> String {
    let mut text = String::new();
    for section in sections {
        let mut body = String::new();
        let mut more = String::new();
        for part in &section.parts {
            let table = match part {
                Part::Lines(lines) => {
                    for line in lines {
                        let width = crate::text::width();
                        let options = textwrap::Options::new(width).initial_indent("- ");
                        body.push_str(&textwrap::fill(
                            &crate::text::visible(line),
                            options.subsequent_indent("  "),
                        ));
                        body.push('\n');
                    }
                    continue;
                }
                Part::Facts { facts, .. } => table_of(facts),
                Part::Records(list) if !matches!(list.shown, Shown::Page | Shown::Programs) => {
                    let top = top.min(TERMINAL);
                    more = list.of_all(top, |most, all| format!(" ({most} of {all})"));
                    list.records.table(list.most(top))
                }
                _ => continue,
            };
            if !body.is_empty() {
                body.push('\n');
            }
            match table.rows.is_empty() {
                true => body.push_str("none\n"),
                false => body.push_str(&table.to_text(styled)),
            }
        }
        if !body.is_empty() {
            let gap = if text.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}# {}{more}\n{body}", section.heading));
        }
    }
    text
}

/// All sections as JSON; of what is ranked, the first `top`.
pub(super) fn json(sections: &[Section], top: usize) -> Value {
    let mut all = Map::new();
    for part in sections.iter().flat_map(|section| &section.parts) {
        match part {
            Part::Facts { facts, .. } => {
                for fact in facts {
                    insert(&mut all, fact.key, fact.value.clone());
                }
            }
            Part::Records(list) => {
                let most = if list.shown == Shown::Ranked { top } else { usize::MAX };
                let mut rows = list.records.json(most);
                let value = match list.shown {
                    Shown::One => rows.pop().unwrap_or_default(),
                    _ => Value::Array(rows),
                };
                insert(&mut all, list.key, value);
            }
            Part::Value(key, value) => insert(&mut all, key, value.clone()),
            _ => {}
        }
    }
    Value::Object(all)
}

/// Adds all sections to a page; of what is ranked, the first `top`.
pub(super) fn page(report: &mut Report, sections: &[Section], top: usize) {
    for section in sections {
        report.section(&section.heading);
        for part in &section.parts {
            match part {
                Part::Prose(text) => _ = report.prose(text),
                Part::Lines(lines) => lines.iter().for_each(|line| _ = report.prose(line)),
                Part::Facts { facts, caption } => _ = report.table(&table_of(facts), caption),
                Part::Records(list) if list.shown == Shown::Programs => {}
                Part::Records(list) if list.records.len() == 0 => _ = report.prose("None."),
                Part::Records(list) => {
                    let more = list.of_all(top, |most, all| format!(": the first {most} of {all}"));
                    let caption = format!("{}{more}", list.caption);
                    report.table(&list.records.table(list.most(top)), &caption);
                }
                Part::Chart(chart, caption) => _ = report.chart(chart, caption),
                Part::Charts(charts, caption) => _ = report.charts(charts, caption),
                Part::Pictures(pictures, caption) => _ = report.pictures(pictures, caption),
                Part::Drawing([broad, slim], caption) => _ = report.figure(broad, slim, caption),
                Part::File(..) | Part::Value(..) => {}
            }
        }
    }
}

/// Writes the CSV files of all sections, and gives their names.
pub(super) fn csv(sections: &[Section], folder: &Path) -> anyhow::Result<Vec<&'static str>> {
    let mut names = Vec::new();
    for part in sections.iter().flat_map(|section| &section.parts) {
        let (records, name) = match part {
            Part::Records(Listing { records, file: Some(name), .. }) => (records, *name),
            Part::File(records, name) => (records, *name),
            _ => continue,
        };
        write(folder, name, |file| records.csv(file))?;
        names.push(name);
    }
    Ok(names)
}

/// A file that is written in pieces, and says its name if it cannot be.
pub(super) fn write(
    folder: &Path,
    name: &str,
    content: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let path = folder.join(name);
    let wrong = || format!("could not write {}: choose another --out", path.display());
    let mut file = BufWriter::with_capacity(1 << 18, File::create(&path).with_context(wrong)?);
    content(&mut file).and_then(|()| Ok(file.flush()?)).with_context(wrong)
}

fn table_of(facts: &[Fact]) -> Table {
    let mut table = Table::new([Column::words("what"), Column::numbers("n"), Column::words("")]);
    for Fact { words, value, note, .. } in facts {
        let value = match value.as_f64() {
            Some(number) if value.is_f64() => format!("{number:.3}"),
            _ if value.is_null() => "-".to_owned(),
            _ => value.to_string(),
        };
        table.push([words.clone(), value, note.clone()]);
    }
    table
}
