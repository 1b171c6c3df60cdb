//! The repository checks.

use std::fs;
use std::path::Path;

use anyhow::ensure;
use detloss::losses;
use walkdir::WalkDir;

use crate::{circles, root};

/// A longer file is two rooms.
const MOST_LINES: usize = 500;

/// What may lie in the root.
const AT_THE_ROOT: [&str; 13] = [
    ".cargo",
    ".ci",
    ".git",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "rustfmt.toml",
];
const FOLDERS_AT_THE_ROOT: [&str; 3] = ["crates", "docs", "xtask"];

/// Where `unsafe` may stand: a prefetch takes a raw pointer, and a kernel written by hand is what the benchmark measures.
const UNSAFE: [&str; 5] = [
    "crates/detloss/src/batch/prefetch.rs",
    "crates/detloss/benches/limits.rs",
    "crates/detloss/benches/limits/by_hand.rs",
    "crates/detloss/benches/limits/by_hand_avx2.rs",
    "crates/detloss/benches/limits/triad.rs",
];

/// Where code may name a loss outside its own file: the experiment has directions that were published for four of them, a
/// benchmark opponents, a detector is trained with two of them unless others are asked for, and a modifier may have the name of one.
const NAMES_LOSSES: [&str; 5] = [
    "crates/detloss-cli/src/cli/train.rs",
    "crates/detloss-cli/src/experiments/",
    "crates/detloss/benches/",
    "crates/detloss/src/loss/modifiers.rs",
    "crates/detloss-burn/benches/",
];

/// The same for Python: hand-written operations, and other libraries' names for some losses.
const NAMES_LOSSES_IN_PYTHON: [&str; 2] = [
    "crates/detloss-python/python/detloss/torch/_operations/",
    "crates/detloss-python/python/detloss/compat/",
];

/// Where prose begins and ends in Python.
const DOCSTRING: &str = "\"\"\"";

/// Checks everything and names all that is wrong at once.
pub(crate) fn run() -> anyhow::Result<()> {
    let root = root();
    let mut wrong = Vec::new();
    // What commands leave behind is nobody's fault.
    let ignored = fs::read_to_string(root.join(".gitignore"))?;
    let ignored: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('/')).collect();
    for entry in fs::read_dir(&root)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let name = name.as_str();
        if ![&AT_THE_ROOT[..], &FOLDERS_AT_THE_ROOT, &ignored]
            .iter()
            .any(|known| known.contains(&name))
        {
            wrong.push(format!("{name}: a stray file in the root"));
        }
    }
    let mut read = Vec::new();
    let sources = WalkDir::new(&root).into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        name != "target" && name != ".git"
    });
    for entry in sources {
        let entry = entry?;
        let check = match entry.path().extension().and_then(|extension| extension.to_str()) {
            Some("rs") => check_source,
            Some("py") => check_python,
            _ => continue,
        };
        let path = entry.path().strip_prefix(&root)?.to_string_lossy().replace('\\', "/");
        let text = fs::read_to_string(entry.path())?;
        check(&path, &text, &mut wrong);
        read.push((path, text));
    }
    wrong.extend(circles::find(&read));
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn check_length(path: &str, text: &str, wrong: &mut Vec<String>) {
    let lines = text.lines().count();
    if lines > MOST_LINES {
        wrong.push(format!("{path}: {lines} lines; split it (at most {MOST_LINES})"));
    }
}

fn check_python(path: &str, text: &str, wrong: &mut Vec<String>) {
    check_length(path, text, wrong);
    let may_name_losses = path.contains("/tests/")
        || path.contains("/benches/")
        || NAMES_LOSSES_IN_PYTHON.iter().any(|place| path.starts_with(place));
    let mut in_docstring = false;
    for (number, line) in text.lines().enumerate() {
        let mut complain = |what: &str| wrong.push(format!("{path}:{}: {what}", number + 1));
        let is_prose = in_docstring || line.contains(DOCSTRING);
        in_docstring ^= line.matches(DOCSTRING).count() % 2 == 1;
        let code = if is_prose { "" } else { line.split('#').next().unwrap_or_default() };
        if code.contains("breakpoint(") {
            complain("unfinished");
        }
        let named = |name: &str| {
            ['"', '\''].iter().any(|quote| code.contains(&format!("{quote}{name}{quote}")))
        };
        for entry in losses::ALL.iter().filter(|entry| !may_name_losses && named(entry.name)) {
            complain(&format!("names the loss {}; walk the list instead", entry.name));
        }
    }
}

fn check_source(path: &str, text: &str, wrong: &mut Vec<String>) {
    if path.starts_with("xtask/") {
        return; // It holds what it looks for.
    }
    check_length(path, text, wrong);
    let mut is_test =
        path.contains("/tests/") || path.contains("/tests.rs") || path.contains("/testing");
    for (number, line) in text.lines().enumerate() {
        let mut complain = |what: &str| wrong.push(format!("{path}:{}: {what}", number + 1));
        let code = line.split("//").next().unwrap_or_default();
        is_test |= code.contains("#[cfg(test)]");
        if ["todo!", "unimplemented!", "dbg!"].iter().any(|word| code.contains(word)) {
            complain("unfinished");
        }
        if (code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl"))
            && !UNSAFE.contains(&path)
        {
            complain("unsafe code; it belongs in batch/prefetch.rs, with its proof");
        }
        if !is_test && !NAMES_LOSSES.iter().any(|place| path.starts_with(place)) {
            for entry in losses::ALL {
                let named = code.contains(&format!("\"{}\"", entry.name));
                if named && Path::new(path).file_stem() != Path::new(entry.file).file_stem() {
                    complain(&format!("names the loss {}; walk the list instead", entry.name));
                }
            }
        }
    }
}
