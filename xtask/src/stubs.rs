//! The types of the Python package: functions and classes that Python makes from the list when it is imported.
//!
//! `tests/test_stubs.py` holds the signatures to those of the running package.

use std::fmt::Write;

use detloss::loss::{Param, ParamKind, State};
use detloss::losses::{self, Entry};
use detloss::matching;

/// No longer line, if it can be broken.
const WIDTH: usize = 120;

const NUMPY: &str = r#"# Generated from the list of losses by `cargo xtask gen`.
from collections.abc import Callable
from typing import Any, Literal, overload

from numpy.typing import ArrayLike, NDArray

from detloss._numpy import get_num_threads as get_num_threads
from detloss._numpy import initial_state as initial_state
from detloss._numpy import set_num_threads as set_num_threads
from detloss._numpy import value_and_grad as value_and_grad
from detloss._spec import Case as Case
from detloss._spec import Operand as Operand
from detloss._spec import Param as Param
from detloss._spec import Spec as Spec

__all__: list[str]
__version__: str

def losses() -> list[Spec]:
    """All losses with their parameters, ranges and documentation."""

def get_loss(name: str) -> Callable[..., Any]:
    """The function of the loss that is written as ``name``: ``giou``, ``ciou(gate=0.5)``, ``inner(focaler(siou), ratio=0.8)``."""
"#;

const TORCH: &str = r#"# Generated from the list of losses by `cargo xtask gen`.
from torch import Tensor

from detloss.torch._modules import Loss as Loss
from detloss.torch._modules import get_loss as get_loss

__all__: list[str]
"#;

const MATCHING: &str = r#"# Generated from the list of matchers by `cargo xtask gen`.
from detloss._matching import BACKGROUND as BACKGROUND
from detloss._matching import IGNORED as IGNORED
from detloss._matching import CenterHeatmap as CenterHeatmap
from detloss._matching import Matcher as Matcher
from detloss._matching import Matches as Matches
from detloss._matching import get_matcher as get_matcher
from detloss._matching import matchers as matchers
from detloss._matching import union as union
from detloss.matching import sampling as sampling

__all__: list[str]
"#;

/// What a reduction of NumPy arrays is called, and what comes out.
const REDUCTIONS: [(&str, &str); 3] = [
    ("reduction: Literal[\"mean\", \"sum\", \"weighted_mean\"] = \"mean\"", "float"),
    ("reduction: Literal[\"none\"]", "NDArray[Any]"),
    ("reduction: str", "float | NDArray[Any]"),
];

/// `detloss/__init__.pyi`.
pub(crate) fn numpy() -> anyhow::Result<String> {
    let mut text = NUMPY.to_owned();
    for entry in losses::ALL {
        for (index, (reduction, result)) in REDUCTIONS.into_iter().enumerate() {
            let mut keywords = options(entry, "ArrayLike");
            keywords.extend(dim(entry));
            keywords.push("normalizer: float | None = None".into());
            keywords.push(reduction.into());
            keywords.extend(params(entry.params));
            text += "\n@overload\n";
            let signature = ["pred: ArrayLike".into(), "target: ArrayLike".into(), "*".into()];
            let body = if index == 0 { summary(entry.summary()) } else { "...".into() };
            define(
                &mut text,
                "",
                entry.name,
                &[&signature[..], &keywords].concat(),
                result,
                &body,
            )?;
        }
    }
    Ok(text)
}

/// `detloss/torch/__init__.pyi`.
pub(crate) fn torch() -> anyhow::Result<String> {
    let mut text = TORCH.to_owned();
    let inputs = ["pred: Tensor".to_owned(), "target: Tensor".into(), "*".into()];
    let avg_factor = ["avg_factor: Tensor | float | None = None".to_owned()];
    let fixed =
        ["reduction: str = \"mean\"", "loss_weight: float = 1.0", "backend: str = \"auto\""];
    let fixed = fixed.map(str::to_owned);
    for entry in losses::ALL {
        let (options, params) = (options(entry, "Tensor"), params(entry.params));
        let function = [&inputs[..], &options, &dim(entry), &avg_factor, &fixed, &params].concat();
        text += "\n";
        define(&mut text, "", entry.name, &function, "Tensor", &summary(entry.summary()))?;
    }
    for entry in losses::ALL {
        let (options, params) = (options(entry, "Tensor"), params(entry.params));
        writeln!(text, "\nclass {}(Loss):\n    {}", entry.class_name(), summary(entry.summary()))?;
        let mut constructor = [&["self".to_owned()], &fixed[..]].concat();
        let mut own = dim(entry);
        if entry.signature.state == State::PerColumn {
            own.push("num_classes: int".to_owned());
        }
        own.extend(params);
        if !own.is_empty() {
            constructor.push("*".into());
            constructor.extend(own);
        }
        define(&mut text, "    ", "__init__", &constructor, "None", "...")?;
        let call = [&["self".to_owned()], &inputs[..], &options, &avg_factor].concat();
        for method in ["forward", "__call__"] {
            let mut narrower = String::new();
            define(&mut narrower, "    ", method, &call, "Tensor", "...")?;
            // The class before takes whatever options; this one says which.
            text += &narrower.replacen(
                "(\n",
                "(  # type: ignore[override]\n",
                usize::from(method == "forward"),
            );
        }
    }
    Ok(text)
}

/// `detloss/matching/__init__.pyi`.
pub(crate) fn matching() -> anyhow::Result<String> {
    let mut text = MATCHING.to_owned();
    for entry in matching::ALL {
        writeln!(text, "\nclass {}(Matcher):\n    {}", entry.type_name, summary(entry.summary()))?;
        let mut constructor = vec!["self".to_owned(), "*".into()];
        constructor.extend(params(entry.params));
        constructor.extend(entry.overlap.map(|overlap| format!("overlap: str = \"{overlap}\"")));
        if constructor.len() == 2 {
            constructor.pop();
        }
        define(&mut text, "    ", "__init__", &constructor, "None", "...")?;
    }
    Ok(text)
}

/// A function on one line, or with its parameters broken over several.
fn define(
    text: &mut String,
    indent: &str,
    name: &str,
    parameters: &[String],
    result: &str,
    body: &str,
) -> anyhow::Result<()> {
    let body = if body == "..." { " ...".into() } else { format!("\n{indent}    {body}") };
    let line = format!("{indent}def {name}({}) -> {result}:", parameters.join(", "));
    if line.chars().count() <= WIDTH {
        writeln!(text, "{line}{body}")?;
        return Ok(());
    }
    writeln!(text, "{indent}def {name}(")?;
    for parameter in parameters {
        writeln!(text, "{indent}    {parameter},")?;
    }
    writeln!(text, "{indent}) -> {result}:{body}")?;
    Ok(())
}

/// The keywords that make sense for the loss.
fn options(entry: &Entry, array: &str) -> Vec<String> {
    let takes = entry.signature.tensors_take();
    let keyword = |name: &str, kind: &str| format!("{name}: {kind} | None = None");
    let mut options = vec![keyword("weight", array)];
    if takes.column_weights {
        options.push(keyword("class_weight", array));
    }
    if takes.ignore_index {
        options.push(keyword("ignore_index", "int"));
    }
    if takes.groups {
        options.push(keyword("groups", array));
    }
    options
}

/// Where the columns are, of a loss that has them.
fn dim(entry: &Entry) -> Vec<String> {
    entry.signature.has_columns().then(|| "dim: int = -1".to_owned()).into_iter().collect()
}

fn params(params: &[Param]) -> Vec<String> {
    let param = |param: &Param| match param.kind {
        ParamKind::Real => format!("{}: float = {:?}", param.name, param.default),
        ParamKind::Count => format!("{}: int = {}", param.name, param.default),
        ParamKind::Switch if param.default == 0.0 => format!("{}: bool = False", param.name),
        ParamKind::Switch => format!("{}: bool = True", param.name),
    };
    params.iter().map(param).collect()
}

/// The first sentence as a docstring.
fn summary(sentence: &str) -> String {
    let words: Vec<&str> = sentence.split_whitespace().collect();
    format!("\"\"\"{}\"\"\"", words.join(" "))
}
