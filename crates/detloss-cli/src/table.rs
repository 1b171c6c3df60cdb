//! A table that prints in a terminal and on a page.

use comfy_table::{CellAlignment, ContentArrangement, Table as Grid, presets};

use crate::text::visible;

/// A column: its heading, and the side its cells line up on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    /// The heading.
    pub(crate) name: String,
    /// Numbers line up on the right, words on the left.
    pub(crate) numbers: bool,
}

impl Column {
    /// A column of words.
    pub(crate) fn words(name: impl Into<String>) -> Self {
        Self { name: visible(&name.into()).into_owned(), numbers: false }
    }

    /// A column of numbers.
    pub(crate) fn numbers(name: impl Into<String>) -> Self {
        Self { name: visible(&name.into()).into_owned(), numbers: true }
    }
}

/// Headings and rows of formatted cells.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Table {
    /// The columns.
    pub(crate) columns: Vec<Column>,
    /// The rows, each with one cell per column.
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row of one cell per column. What a terminal would take for an order is made visible.
    pub(crate) fn push<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        let row: Vec<String> =
            cells.into_iter().map(|cell| visible(&cell.into()).into_owned()).collect();
        debug_assert_eq!(row.len(), self.columns.len(), "a row has one cell per column");
        self.rows.push(row);
    }

    /// The table as aligned lines; `styled` makes the headings bold.
    pub(crate) fn to_text(&self, styled: bool) -> String {
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(self.columns.iter().map(|column| &column.name))
            .add_rows(&self.rows);
        for (index, (column, cells)) in self.columns.iter().zip(grid.column_iter_mut()).enumerate()
        {
            // No edge on the left, two blanks between columns.
            cells.set_padding((if index == 0 { 0 } else { 2 }, 0));
            if column.numbers {
                cells.set_cell_alignment(CellAlignment::Right);
            }
        }
        let mut text = String::new();
        for (index, line) in grid.lines().enumerate() {
            let line = line.trim_end();
            if index == 0 && styled {
                text.push_str(&format!("\x1b[1m{line}\x1b[0m\n"));
            } else {
                text.push_str(&format!("{line}\n"));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_losses() -> Table {
        let mut table = Table::new([Column::words("loss"), Column::numbers("error")]);
        table.push(["giou", "0.5"]);
        table.push(["smooth_l1", "12.25"]);
        table
    }

    #[test]
    fn words_line_up_left_and_numbers_right() {
        let text = "loss       error\ngiou         0.5\nsmooth_l1  12.25\n";
        assert_eq!(two_losses().to_text(false), text);
    }

    #[test]
    fn only_the_headings_are_styled() {
        let text = two_losses().to_text(true);
        assert!(text.starts_with("\x1b[1mloss       error\x1b[0m\ngiou"));
    }

    #[test]
    fn letters_of_double_width_keep_the_columns_aligned() {
        let mut table = Table::new([Column::words("名"), Column::numbers("n")]);
        table.push(["ab", "1"]);
        assert_eq!(table.to_text(false), "名  n\nab  1\n");
    }
}
