//! Reports as one HTML file: no scripts, nothing fetched, light and dark.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::table::Table;

/// A page of sections.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    title: String,
    parts: Vec<Markup>,
}

impl Report {
    /// An empty page; `lead` says in a sentence or two what it shows.
    pub(crate) fn new(title: &str, lead: &str) -> Self {
        let head = html! { h1 { (title) } p.lead { (lead) } };
        Self { title: title.into(), parts: vec![head] }
    }

    /// Opens a section; what is added next belongs to it.
    pub(crate) fn section(&mut self, heading: &str) -> &mut Self {
        self.add(html! { h2 { (heading) } })
    }

    /// Adds a paragraph of prose.
    pub(crate) fn prose(&mut self, text: &str) -> &mut Self {
        self.add(html! { p { (text) } })
    }

    /// Adds a table with a caption.
    pub(crate) fn table(&mut self, table: &Table, caption: &str) -> &mut Self {
        let class = |column: usize| table.columns[column].numbers.then_some("number");
        self.add(html! {
            div.wide { table {
                caption { (caption) }
                thead { tr { @for (index, column) in table.columns.iter().enumerate() {
                    th scope="col" class=[class(index)] { (column.name) }
                } } }
                tbody { @for row in &table.rows { tr { @for (index, cell) in row.iter().enumerate() {
                    td class=[class(index)] { (cell) }
                } } } }
            } }
        })
    }

    /// Adds a figure drawn by [`crate::plot`] with a caption; `svg` is taken as it is.
    pub(crate) fn figure(&mut self, svg: &str, caption: &str) -> &mut Self {
        // An XML declaration is not allowed inside HTML.
        let svg = &svg[svg.find("<svg").unwrap_or(0)..];
        self.add(html! {
            figure role="group" aria-label=(caption) {
                div.plot { (PreEscaped(svg)) }
                figcaption { (caption) }
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
                    title { (self.title) }
                    style { (PreEscaped(include_str!("report.css"))) }
                }
                body {
                    main { @for part in &self.parts { (part) } }
                    footer { "made by detloss " (env!("CARGO_PKG_VERSION")) }
                }
            }
        }
        .into_string()
    }

    fn add(&mut self, part: Markup) -> &mut Self {
        self.parts.push(part);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Column;

    fn report() -> String {
        let mut table = Table::new([Column::words("loss"), Column::numbers("AP")]);
        table.push(["<giou>", "0.5"]);
        let mut report = Report::new("Race & rank", "Which loss is fastest?");
        report.section("Result").prose("a < b").table(&table, "AP by loss");
        report.figure("<?xml version=\"1.0\"?><svg id=\"x\"></svg>", "Error by step");
        report.to_html()
    }

    #[test]
    fn words_are_escaped_and_drawings_are_not() {
        let page = report();
        for part in ["<title>Race &amp; rank", "a &lt; b", "&lt;giou&gt;", "<svg id=\"x\">"] {
            assert!(page.contains(part), "{part} is missing in {page}");
        }
        assert!(!page.contains("<?xml"));
    }

    #[test]
    fn numbers_have_the_class_that_aligns_them() {
        let page = report();
        assert!(page.contains("<td>&lt;giou&gt;</td><td class=\"number\">0.5</td>"));
    }

    #[test]
    fn nothing_is_fetched_and_nothing_runs() {
        let page = report();
        for part in ["http", "<script", "<link", "url(", "@import"] {
            assert!(!page.contains(part), "{part} is in {page}");
        }
    }
}
