//! `detloss explain`: what a loss is, from the text that documents its code, with its worked cases computed.

use detloss::batch::Kernel as _;
use detloss::loss::modifiers::{self, Modifier};
use detloss::loss::{Case, Facts, Param, ParamKind, Scope, State};
use detloss::losses::Entry;
use detloss::operand::Kind;
use serde::Serialize;

use super::eval::{EvalTarget, Input};
use crate::choice;
use crate::cli::ExplainArgs;
use crate::doc::{self, Block, Section};
use crate::output::{CliError, print, print_json, stdout_is_styled};
use crate::table::{Column, Table};
use crate::text::{self, number, numbers};

/// Where the words of a line of input begin.
const INPUT_COLUMN: usize = 12;

const INDENT: &str = "  ";
/// The state of a loss of rows is shown for rows of so many columns.
const STATE_COLUMNS: usize = 3;

/// A worked case: what is claimed, and what comes out.
#[derive(Serialize)]
struct Worked {
    what: &'static str,
    pred: &'static [f64],
    target: &'static [f64],
    params: serde_json::Map<String, serde_json::Value>,
    #[serde(skip)]
    settings: String,
    claimed: f64,
    computed: f64,
}

/// Explains a loss.
pub(crate) fn run(args: &ExplainArgs, json: bool) -> Result<(), CliError> {
    let entry = match (detloss::losses::find(&args.loss), modifiers::find(&args.loss)) {
        (Err(_), Some(modifier)) => return explain_modifier(modifier, json),
        (found, _) => found?,
    };
    let sections = doc::sections(entry.doc);
    let cases = entry.cases.iter().map(|case| work(entry, case)).collect::<Result<Vec<_>, _>>()?;
    if json {
        return print_json(&as_json(entry, &sections, &cases));
    }
    print(&as_text(entry, &sections, &cases, stdout_is_styled()))
}

fn explain_modifier(modifier: &Modifier, json: bool) -> Result<(), CliError> {
    let sections = doc::sections(modifier.doc);
    if json {
        let mut page = document(modifier.summary(), &sections, modifier.params);
        page.insert("id".into(), modifier.name.into());
        page.insert("label".into(), modifier.label.into());
        page.insert("family".into(), "modifiers".into());
        return print_json(&page);
    }
    let mut page = Page { text: String::new(), styled: stdout_is_styled() };
    page.heading(&format!("{} ({}, modifiers)", modifier.label, modifier.name));
    page.blocks(&sections[0].blocks);
    page.params(modifier.params);
    page.notes(&sections);
    print(&page.text)
}

fn work(entry: &Entry, case: &Case) -> Result<Worked, CliError> {
    let loss = entry.with(case.params)?;
    let class;
    let goal = match (entry.signature.target, case.target) {
        // One number cannot be a distribution over the classes of a row.
        (Kind::Distribution, &[index]) => {
            class = [index as i64];
            EvalTarget::Classes(&class)
        }
        (_, target) => EvalTarget::Fields(target),
    };
    Ok(Worked {
        what: case.what,
        pred: case.pred,
        target: case.target,
        params: choice::as_json(settings(entry, case)),
        settings: settings(entry, case)
            .map(|(param, value)| format!("{} = {}", param.name, text::param(param, value)))
            .collect::<Vec<_>>()
            .join(", "),
        claimed: case.value,
        computed: Input::new(entry, case.pred, goal).evaluate(&loss)?.value,
    })
}

/// The parameters that a case sets.
fn settings(entry: &Entry, case: &Case) -> impl Iterator<Item = (&'static Param, f64)> {
    let param = |name| entry.param(name).expect("a case sets parameters of its loss");
    case.params.iter().map(move |&(name, value)| (param(name), value))
}

/// What a page has of a loss and of a modifier.
fn document(
    summary: &str,
    sections: &[Section],
    params: &[Param],
) -> serde_json::Map<String, serde_json::Value> {
    let formula = sections[0].blocks.iter().find_map(|block| match block {
        Block::Lines(lines) => Some(lines.join("\n")),
        Block::Prose(_) => None,
    });
    let description = |block: &&Block| matches!(block, Block::Prose(_));
    let description: Vec<Block> =
        sections[0].blocks.iter().filter(description).skip(1).cloned().collect();
    let description = Section { blocks: description, ..Section::default() };
    let titled = |section: &Section| (section.heading.to_lowercase(), section.text().into());
    let notes: serde_json::Map<_, _> = sections[1..].iter().map(titled).collect();
    let params = params.iter().map(|param| {
        serde_json::json!({
            "name": param.name,
            "kind": param.kind.to_string(),
            "default": choice::value_json(param, param.default),
            "range": [param.range.0, param.range.1],
            "doc": doc::flat(param.doc),
        })
    });
    let mut page = serde_json::Map::new();
    page.insert("summary".into(), doc::flat(summary).into());
    page.insert("formula".into(), formula.into());
    page.insert("description".into(), description.text().into());
    page.insert("notes".into(), notes.into());
    page.insert("params".into(), params.collect());
    page
}

fn as_json(entry: &Entry, sections: &[Section], cases: &[Worked]) -> serde_json::Value {
    let Facts { range, zero_at_target, symmetric, scale_invariant, shift_invariant, .. } =
        entry.facts;
    let mut page = document(entry.summary(), sections, entry.params);
    page.extend([
        ("id".into(), entry.name.into()),
        ("label".into(), entry.label.into()),
        ("family".into(), entry.family.into()),
        ("scope".into(), scope(entry).into()),
        ("pred".into(), entry.signature.pred.fields().into()),
        ("pred_is_row".into(), entry.signature.pred.is_row().into()),
        ("target".into(), entry.signature.target.fields().into()),
        ("target_is_row".into(), entry.signature.target.is_row().into()),
        ("components".into(), entry.signature.components.into()),
        ("state".into(), state(entry).into()),
        (
            "facts".into(),
            serde_json::json!({
                "range": [range.0, range.1],
                "zero_at_target": zero_at_target,
                "symmetric": symmetric,
                "scale_invariant": scale_invariant,
                "shift_invariant": shift_invariant,
            }),
        ),
        ("cases".into(), serde_json::json!(cases)),
    ]);
    page.into()
}

fn as_text(entry: &Entry, sections: &[Section], cases: &[Worked], styled: bool) -> String {
    let mut page = Page { text: String::new(), styled };
    page.heading(&format!("{} ({}, {})", entry.label, entry.name, entry.family));
    page.blocks(&sections[0].blocks);
    page.heading("Input");
    for line in input(entry) {
        page.hanging(&line, INPUT_COLUMN);
    }
    page.params(entry.params);
    page.heading("Facts");
    page.lines(&facts(entry.facts));
    page.notes(sections);
    page.heading("Worked cases");
    let table = worked(cases).to_text(false);
    page.lines(&table.lines().map(str::to_owned).collect::<Vec<_>>());
    page.text
}

/// Text that grows downwards.
struct Page {
    text: String,
    styled: bool,
}

impl Page {
    fn heading(&mut self, heading: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let line =
            if self.styled { format!("\x1b[1m{heading}\x1b[0m\n") } else { format!("{heading}\n") };
        self.text.push_str(&line);
    }

    fn params(&mut self, params: &[Param]) {
        if !params.is_empty() {
            self.heading("Parameters");
            for param in params {
                let (low, high) = (number(param.range.0), number(param.range.1));
                self.lines(&[match param.kind {
                    ParamKind::Switch => format!("{} = {}", param.name, param.show(param.default)),
                    ParamKind::Real | ParamKind::Count => {
                        format!("{} = {}, from {low} to {high}", param.name, number(param.default))
                    }
                }]);
                self.wrapped(&doc::flat(param.doc), &INDENT.repeat(2));
            }
        }
    }

    /// The sections behind the first.
    fn notes(&mut self, sections: &[Section]) {
        for section in &sections[1..] {
            self.heading(&section.heading);
            self.blocks(&section.blocks);
        }
    }

    fn blocks(&mut self, blocks: &[Block]) {
        for (index, block) in blocks.iter().enumerate() {
            if index > 0 {
                self.text.push('\n');
            }
            match block {
                Block::Prose(text) => self.wrapped(text, INDENT),
                Block::Lines(lines) => {
                    self.lines(
                        &lines.iter().map(|line| format!("{INDENT}{line}")).collect::<Vec<_>>(),
                    );
                }
            }
        }
    }

    fn wrapped(&mut self, text: &str, indent: &str) {
        self.filled(text, indent, indent);
    }

    /// A line whose continuations begin at a column.
    fn hanging(&mut self, line: &str, column: usize) {
        self.filled(line, INDENT, &format!("{INDENT}{}", " ".repeat(column)));
    }

    fn filled(&mut self, text: &str, first: &str, others: &str) {
        let options = textwrap::Options::new(text::width());
        let options = options.initial_indent(first).subsequent_indent(others).break_words(false);
        self.text.push_str(&textwrap::fill(text, options));
        self.text.push('\n');
    }

    fn lines(&mut self, lines: &[String]) {
        for line in lines {
            self.text.push_str(format!("{INDENT}{line}").trim_end());
            self.text.push('\n');
        }
    }
}

/// What goes in, and what a value is of.
fn input(entry: &Entry) -> Vec<String> {
    let description = entry.signature.describe();
    let mut lines = vec![
        format!("prediction  {}", description.pred),
        format!("target      {}", description.target),
        format!("values      {}", description.values),
    ];
    let parts = entry.signature.components;
    if !parts.is_empty() {
        lines.push(format!("sum of      {}", parts.join(", ")));
    }
    let state = state(entry);
    if !state.is_empty() {
        let count = state.len();
        let rows = if entry.signature.state == State::PerColumn {
            format!(", for rows of {STATE_COLUMNS}")
        } else {
            String::new()
        };
        let numbers = if count == 1 { "number" } else { "numbers" };
        lines.push(format!("state       {count} {numbers} from batch to batch{rows}"));
    }
    lines
}

/// What one value is of, for programs.
fn scope(entry: &Entry) -> &'static str {
    match entry.signature.scope {
        Scope::Unit => "unit",
        Scope::Row => "row",
        Scope::Set => "set",
    }
}

/// The state that a training run begins with.
fn state(entry: &Entry) -> Vec<f64> {
    entry.make().initial_state(match entry.signature.state {
        State::PerColumn => STATE_COLUMNS,
        State::None | State::Fixed => 1,
    })
}

fn facts(facts: Facts) -> [String; 5] {
    let Facts {
        range: (low, high),
        zero_at_target,
        symmetric,
        scale_invariant,
        shift_invariant,
        ..
    } = facts;
    let high =
        if high.is_finite() { format!("to {}", number(high)) } else { "without bound".into() };
    let low = if low.is_finite() { format!("from {}", number(low)) } else { "from -inf".into() };
    let line = |holds: bool, what: &str| format!("{}  {what}", if holds { "yes" } else { "no " });
    [
        format!("values {low} {high}"),
        line(
            zero_at_target,
            "exactly 0, with zero gradient, where the prediction is what the target asks for",
        ),
        line(symmetric, "prediction and target can change places"),
        line(
            scale_invariant,
            "multiplying every length, coordinate and logit by one positive number changes nothing",
        ),
        line(
            shift_invariant,
            "adding one number to every coordinate, or to every logit, changes nothing",
        ),
    ]
}

fn worked(cases: &[Worked]) -> Table {
    let words = ["case", "prediction", "target", "parameters"].map(Column::words);
    let mut table =
        Table::new(words.into_iter().chain(["claimed", "computed"].map(Column::numbers)));
    for case in cases {
        table.push([
            case.what.to_owned(),
            numbers(case.pred),
            numbers(case.target),
            case.settings.clone(),
            number(case.claimed),
            number(case.computed),
        ]);
    }
    if cases.iter().all(|case| case.params.is_empty()) {
        table.columns.remove(3);
        table.rows.iter_mut().for_each(|row| drop(row.remove(3)));
    }
    table
}
