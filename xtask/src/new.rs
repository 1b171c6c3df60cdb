//! A new loss from the template.

use std::fs;

use anyhow::{Context, bail, ensure};
use detloss::losses;

use crate::root;

const LIST: &str = "crates/detloss/src/losses.rs";

/// Writes `losses/<family>/<name>.rs` and its line in the list.
pub(crate) fn run(family: &str, name: &str) -> anyhow::Result<()> {
    let snake = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    ensure!(snake, "{name:?} is no id: use snake case, such as my_iou");
    ensure!(
        !losses::ALL.iter().any(|entry| entry.name == name),
        "there is a loss called {name} already"
    );
    let pairs = |pred: &str, target: &str, seen: &str| {
        PAIRS.replace("{pred}", pred).replace("{target}", target).replace("{seen}", seen)
    };
    let (implementation, fields) = match family {
        "boxes" => (BOXES.to_owned(), "&[0., 0., 1., 1.], &[0., 0., 1., 1.]"),
        "rotated" => (
            pairs("RotatedBox", "RotatedBox", "Rotated<S>"),
            "&[0., 0., 2., 1., 0.], &[0., 0., 2., 1., 0.]",
        ),
        "boxes3d" => (
            pairs("YawBox", "YawBox", "Yaw<S>"),
            "&[0., 0., 0., 2., 1., 1., 0.], &[0., 0., 0., 2., 1., 1., 0.]",
        ),
        "values" => (pairs("Number", "Number", "S"), "&[1.0], &[1.0]"),
        "scores" => (pairs("Logit", "Label", "S"), "&[0.0], &[1.0]"),
        _ if losses::ALL.iter().any(|entry| entry.family == family) => bail!(
            "there is no template for {family}, whose losses write their own gradient: copy the file of the nearest loss in \
             crates/detloss/src/losses/{family}/, and add a line to {LIST}"
        ),
        _ => bail!(
            "there is no template for the family {family:?}: use boxes, rotated, boxes3d, values or scores"
        ),
    };
    let ty = type_name(name);
    let root = root();
    let file = root.join(format!("crates/detloss/src/losses/{family}/{name}.rs"));
    ensure!(!file.exists(), "{} is there already", file.display());

    let list =
        fs::read_to_string(root.join(LIST)).with_context(|| format!("{LIST} cannot be read"))?;
    let (before, block) = list
        .split_once(&format!("    {family}: formula {{\n"))
        .with_context(|| format!("{LIST} has no family {family}"))?;
    let (lines, after) = block.split_once("    }\n").context("the family does not end")?;
    let list =
        format!("{before}    {family}: formula {{\n{lines}        {name}: {ty},\n    }}\n{after}");

    let text = (TEMPLATE.to_owned() + &implementation)
        .replace("{name}", name)
        .replace("{type}", &ty)
        .replace("{fields}", fields);
    fs::write(&file, text)?;
    fs::write(root.join(LIST), list)?;
    eprintln!(
        "wrote {} and its line in {LIST}; now write the formula, then run `cargo xtask try {name}`",
        file.display()
    );
    Ok(())
}

/// The name of the type of a loss.
pub(crate) fn type_name(name: &str) -> String {
    let capitalized = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    };
    name.split('_').map(capitalized).collect()
}

const TEMPLATE: &str = r#"use crate::prelude::*;

loss! {
    /// {type} loss: what it adds to its predecessor.
    ///
    /// ```text
    /// L = the formula, as the paper prints it
    /// ```
    ///
    /// where every symbol is explained.
    ///
    /// The failure it repairs, what it costs, when not to use it.
    ///
    /// # Gradient
    ///
    /// Disjoint, nested, empty and identical inputs; the kinks; what is detached, and why.
    ///
    /// # Conventions
    ///
    /// Where other libraries differ.
    ///
    /// # References
    ///
    /// Authors, *Title*, venue and year, equation.
    "{name}", "{type}" => pub struct {type}: Formula {}
}
"#;

/// The formula of a loss of two boxes.
const BOXES: &str = r#"
impl BoxLoss for {type} {
    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target().symmetric();

    const CASES: &'static [Case] = &[case("what it shows", {fields}, 0.0)];

    #[inline(always)]
    fn eval_with<S: Scalar>(&self, pred: Xyxy<S>, target: Xyxy<S>, terms: impl Terms) -> S {
        lit(1.0) - terms.iou(pred, target, 0.0) + terms.penalty()
    }
}
"#;

/// The formula of a loss of two numbers.
const PAIRS: &str = r#"
impl Loss for {type} {
    type Pred = {pred};
    type Target = {target};

    const FACTS: Facts = Facts::range(0.0, f64::INFINITY).zero_at_target().symmetric();

    const CASES: &'static [Case] = &[case("what it shows", {fields}, 0.0)];

    #[inline(always)]
    fn eval<S: Scalar>(&self, pred: {seen}, target: {seen}) -> S {
    }
}
"#;
