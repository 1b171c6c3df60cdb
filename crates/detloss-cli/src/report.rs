//! Reports as one HTML file: nothing fetched, light and dark, whole on a telephone and on paper. A script sorts the tables; without it
//! they are as they were written.

mod source;

use std::collections::BTreeSet;
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use self::source::Input;
use crate::plot::Chart;
use crate::table::Table;
use crate::text::visible;

/// Pages with fewer sections have no table of contents.
const CONTENTS: usize = 3;

/// How wide a table may be, in rem: it becomes a list of its rows where there is less room than the first of these that it fits.
const WIDTHS: [u32; 7] = [18, 26, 34, 42, 52, 64, 72];

/// The widest column of words, in letters: longer cells go on in a second line.
const WORDS: usize = 28;

/// A page of sections.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    title: String,
    lead: String,
    inputs: Vec<Input>,
    /// The id of each section with its heading.
    sections: Vec<(String, String)>,
    /// The widths of the tables.
    widths: BTreeSet<u32>,
    parts: Vec<Markup>,
}

impl Report {
    /// An empty page; `lead` says in a sentence or two what it shows. It names the command it was made by, and when.
    pub(crate) fn new(title: &str, lead: &str) -> Self {
        Self {
            title: title.into(),
            lead: visible(lead).into_owned(),
            inputs: Vec::new(),
            sections: Vec::new(),
            widths: BTreeSet::new(),
            parts: Vec::new(),
        }
    }

    /// Names a file or a folder that the page was made from, and what it is.
    pub(crate) fn input(&mut self, what: &str, path: &Path) -> &mut Self {
        self.inputs.push(Input::new(what, path));
        self
    }

    /// Opens a section; what is added next belongs to it.
    pub(crate) fn section(&mut self, heading: &str) -> &mut Self {
        let heading = visible(heading);
        let id = self.id(&heading);
        self.sections.push((id.clone(), heading.to_string()));
        self.add(html! { h2 id=(id) { (heading) " " a.anchor href={ "#" (id) } aria-label={ "Link to " (heading) } { "#" } } })
    }

    /// Adds a paragraph of prose.
    pub(crate) fn prose(&mut self, text: &str) -> &mut Self {
        self.add(html! { p { (visible(text)) } })
    }

    /// Adds a table with a caption.
    pub(crate) fn table(&mut self, table: &Table, caption: &str) -> &mut Self {
        let class = |column: usize| table.columns[column].numbers.then_some("number");
        let width = width(table);
        self.widths.insert(width);
        self.add(html! {
            div.wide { table class={ "w" (width) } {
                caption { (visible(caption)) }
                thead { tr { @for (index, column) in table.columns.iter().enumerate() {
                    th scope="col" class=[class(index)] { (column.name) }
                } } }
                tbody { @for row in &table.rows { tr { @for (index, cell) in row.iter().enumerate() {
                    td class=[class(index)] data-label=(table.columns[index].name) { (cell) }
                } } } }
            } }
        })
    }

    /// Adds a chart with a caption.
    pub(crate) fn chart(&mut self, chart: &Chart, caption: &str) -> &mut Self {
        let narrow = chart.narrow_svg();
        let class = if narrow.is_some() { "plot broad" } else { "plot only" };
        self.add(html! {
            figure {
                div class=(class) { (PreEscaped(chart.svg())) }
                @if let Some(narrow) = narrow { div.plot.slim { (PreEscaped(narrow)) } }
                figcaption { (visible(caption)) }
            }
        })
    }

    /// Adds small charts side by side, under one caption.
    pub(crate) fn charts(&mut self, charts: &[Chart], caption: &str) -> &mut Self {
        self.add(html! {
            figure {
                div.plots { @for chart in charts { div.plot { (PreEscaped(chart.svg())) } } }
                figcaption { (visible(caption)) }
            }
        })
    }

    /// Adds a drawing as it is, and one of the same for slim pages, under one caption.
    pub(crate) fn figure(&mut self, broad: &str, slim: &str, caption: &str) -> &mut Self {
        self.add(html! {
            figure {
                div.plot.broad { (PreEscaped(broad)) }
                div.plot.slim { (PreEscaped(slim)) }
                figcaption { (visible(caption)) }
            }
        })
    }

    /// Adds pictures side by side, each JPEG bytes with what is to be seen, under one caption.
    pub(crate) fn pictures(&mut self, pictures: &[(Vec<u8>, String)], caption: &str) -> &mut Self {
        let source =
            |bytes: &[u8]| format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(bytes));
        self.add(html! {
            figure {
                div.pictures { @for (bytes, words) in pictures {
                    figure { img src=(source(bytes)) alt=(visible(words)); figcaption { (visible(words)) } }
                } }
                figcaption { (visible(caption)) }
            }
        })
    }

    /// The page as text, ready to be written to a file.
    pub(crate) fn to_html(&self) -> String {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="generator" content={ "detloss " (env!("CARGO_PKG_VERSION")) };
                    title { (self.title) }
                    style { (PreEscaped(include_str!("report/page.css"))) (PreEscaped(self.lists())) }
                }
                body {
                    main {
                        h1 { (self.title) }
                        p.lead { (self.lead) }
                        (self.source())
                        @if self.sections.len() >= CONTENTS { (self.contents()) }
                        @for part in &self.parts { (part) }
                    }
                    footer { "made by detloss " (env!("CARGO_PKG_VERSION")) }
                    script { (PreEscaped(include_str!("report/sort.js"))) }
                }
            }
        }
        .into_string()
    }

    /// What the page was made from, by what, and when.
    fn source(&self) -> Markup {
        html! {
            dl.source {
                dt { "Command" } dd { code { (source::command()) } }
                dt { "Date" } dd { (source::date()) }
                @for input in &self.inputs {
                    dt { (input.what) } dd { (input.path) " " span.soft { "(" (input.state) ")" } }
                }
            }
        }
    }

    fn contents(&self) -> Markup {
        html! {
            nav aria-label="Contents" { ol { @for (id, heading) in &self.sections {
                li { a href={ "#" (id) } { (heading) } }
            } } }
        }
    }

    /// How tables look where they do not fit.
    fn lists(&self) -> String {
        let rules = include_str!("report/list.css");
        let of = |width: &u32| rules.replace("WIDTH", &width.to_string());
        self.widths.iter().map(of).collect()
    }

    /// A name for a heading that no other has.
    fn id(&self, heading: &str) -> String {
        let parts = heading.split(|letter: char| !letter.is_alphanumeric());
        let parts: Vec<String> =
            parts.filter(|part| !part.is_empty()).map(str::to_lowercase).collect();
        let name = if parts.is_empty() { "section".to_owned() } else { parts.join("-") };
        let counted = (2..).map(|count| format!("{name}-{count}"));
        let is_free = |id: &String| self.sections.iter().all(|(other, _)| other != id);
        std::iter::once(name.clone()).chain(counted).find(is_free).unwrap_or(name)
    }

    fn add(&mut self, part: Markup) -> &mut Self {
        self.parts.push(part);
        self
    }
}

/// The least of [`WIDTHS`] that a table fits, or the last.
fn width(table: &Table) -> u32 {
    let of = |(index, column): (usize, &crate::table::Column)| {
        let heading = column.name.split(' ').map(|word| word.chars().count()).max();
        let cells = table.rows.iter().map(|row| row[index].chars().count());
        let most = if column.numbers { usize::MAX } else { WORDS };
        heading.into_iter().chain(cells.map(|cell| cell.min(most))).max().unwrap_or_default()
    };
    let letters: usize = table.columns.iter().enumerate().map(of).sum();
    // Half a rem for a letter, and one for what is around a cell.
    let rem = letters as f64 * 0.5 + table.columns.len() as f64;
    let fits = |width: &&u32| rem <= f64::from(**width);
    *WIDTHS.iter().find(fits).unwrap_or(&WIDTHS[WIDTHS.len() - 1])
}

#[cfg(test)]
mod tests;
