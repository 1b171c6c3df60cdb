//! Rows of values that a terminal, a page, JSON and CSV show alike.

use std::io::Write;

use serde_json::{Map, Value};

use crate::table::{Column, Table};
use crate::text::percent;

/// What is not there.
const NOTHING: &str = "-";

/// How the values of a field are shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    /// As they are.
    Words,
    /// As they are, lined up as numbers.
    Numbers,
    /// To three decimals.
    Fixed,
    /// To three significant digits.
    Short,
    /// In hundredths.
    Percent,
    /// As the numbers of a box.
    Box,
    /// To programs only.
    Never,
}

/// What every row has.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Its name in JSON, where a slash opens an object, and in CSV, where that is a dot.
    key: String,
    heading: String,
    show: Show,
}

/// A field that people see.
pub(super) fn field(key: impl Into<String>, heading: impl Into<String>, show: Show) -> Field {
    Field { key: key.into(), heading: heading.into(), show }
}

/// A field for programs.
pub(super) fn hidden(key: impl Into<String>) -> Field {
    field(key, "", Show::Never)
}

/// Fields, and rows with a value for each.
#[derive(Debug, Clone)]
pub(super) struct Records {
    fields: Vec<Field>,
    rows: Vec<Vec<Value>>,
}

impl Records {
    pub(super) fn new(fields: impl IntoIterator<Item = Field>) -> Self {
        Self { fields: fields.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row of one value for each field.
    pub(super) fn push(&mut self, values: impl IntoIterator<Item = Value>) {
        let row: Vec<Value> = values.into_iter().collect();
        debug_assert_eq!(row.len(), self.fields.len(), "a row has one value per field");
        self.rows.push(row);
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The first `most` rows for people.
    pub(super) fn table(&self, most: usize) -> Table {
        let shown = || self.fields.iter().enumerate().filter(|(_, it)| it.show != Show::Never);
        let mut table = Table::new(shown().map(|(_, field)| match field.show {
            Show::Words => Column::words(&*field.heading),
            _ => Column::numbers(&*field.heading),
        }));
        for row in self.rows.iter().take(most) {
            table.push(shown().map(|(place, field)| cell(&row[place], field.show)));
        }
        table
    }

    /// The first `most` rows for programs.
    pub(super) fn json(&self, most: usize) -> Vec<Value> {
        let object = |row: &Vec<Value>| {
            let mut object = Map::new();
            for (field, value) in self.fields.iter().zip(row) {
                insert(&mut object, &field.key, value.clone());
            }
            Value::Object(object)
        };
        self.rows.iter().take(most).map(object).collect()
    }

    /// All rows for spreadsheets.
    pub(super) fn csv(&self, to: impl Write) -> anyhow::Result<()> {
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(to);
        let is_flat = |row: &Vec<Value>, place: usize| !row[place].is_array();
        let flat: Vec<usize> = (0..self.fields.len())
            .filter(|&place| self.rows.iter().all(|row| is_flat(row, place)))
            .collect();
        writer.write_record(flat.iter().map(|&place| self.fields[place].key.replace('/', ".")))?;
        for row in &self.rows {
            writer.write_record(flat.iter().map(|&place| match &row[place] {
                Value::Null => String::new(),
                Value::String(words) => words.clone(),
                other => other.to_string(),
            }))?;
        }
        Ok(writer.flush()?)
    }
}

/// Puts a value where the slashes of its key lead.
pub(super) fn insert(object: &mut Map<String, Value>, key: &str, value: Value) {
    match key.split_once('/') {
        Some((first, rest)) => {
            let inner = object.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
        None => _ = object.insert(key.to_owned(), value),
    }
}

fn cell(value: &Value, show: Show) -> String {
    match (value, show) {
        (Value::Null, _) => NOTHING.to_owned(),
        (Value::String(words), _) => words.clone(),
        (Value::Array(numbers), Show::Box) => bbox(numbers),
        (Value::Number(_), Show::Fixed) => fixed(value.as_f64().unwrap_or(f64::NAN)),
        (Value::Number(_), Show::Short) => short(value.as_f64().unwrap_or(f64::NAN)),
        (Value::Number(_), Show::Percent) => percent(value.as_f64().unwrap_or(f64::NAN)),
        (other, _) => other.to_string(),
    }
}

/// Three decimals; what rounds to 0 has no sign.
fn fixed(value: f64) -> String {
    let text = format!("{value:.3}");
    if text == "-0.000" { text[1..].to_owned() } else { text }
}

/// Three significant digits.
pub(super) fn short(value: f64) -> String {
    let rounded: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    match rounded.abs() {
        0.0 => "0".into(),
        1e-4..1e7 => format!("{rounded}"),
        _ => format!("{rounded:e}"),
    }
}

fn bbox(numbers: &[Value]) -> String {
    let shown = numbers.iter().enumerate().map(|(place, number)| {
        let number = number.as_f64().unwrap_or(f64::NAN);
        match place {
            ..4 => format!("{number:.0}"),
            // An angle in radians.
            _ => format!("{number:.2}"),
        }
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn two() -> Records {
        let mut records = Records::new([
            field("name", "class", Show::Words),
            field("best/f1", "F1", Show::Fixed),
            hidden("best/at"),
            field("bbox", "x y w h", Show::Box),
        ]);
        records.push([json!("cat"), json!(0.5), json!(0.25), json!([1.4, 2.0, 3.0, 4.6])]);
        records.push([json!("a, b"), Value::Null, Value::Null, Value::Null]);
        records
    }

    #[test]
    fn what_rounds_to_0_has_no_sign() {
        assert_eq!([-0.0004, 0.0, -0.0006].map(fixed), ["0.000", "0.000", "-0.001"]);
    }

    #[test]
    fn people_see_headings_and_rounded_numbers() {
        let text = "class     F1  x y w h\ncat    0.500  1 2 3 5\na, b       -        -\n";
        assert_eq!(two().table(9).to_text(false), text);
        assert_eq!(two().table(1).rows.len(), 1);
    }

    #[test]
    fn programs_get_objects_and_spreadsheets_all_that_is_flat() {
        let json = two().json(1);
        let best = json!({ "f1": 0.5, "at": 0.25 });
        assert_eq!(json, [json!({ "name": "cat", "best": best, "bbox": [1.4, 2.0, 3.0, 4.6] })]);
        let mut csv = Vec::new();
        two().csv(&mut csv).unwrap();
        let text = "name,best.f1,best.at\ncat,0.5,0.25\n\"a, b\",,\n";
        assert_eq!(String::from_utf8(csv).unwrap(), text);
    }

    #[test]
    fn numbers_have_three_digits() {
        for (value, text) in
            [(0.0, "0"), (0.123456, "0.123"), (12345.6, "12300"), (1.234e-6, "1.23e-6")]
        {
            assert_eq!(short(value), text);
        }
    }
}
