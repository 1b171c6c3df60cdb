//! What is generated is checked in, and generating again leaves no difference.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use detloss::losses;

use crate::cargo::cargo;
use crate::{burn, pages, root, stubs};

/// Where the figures of the guide are.
const PLOTS: &str = "docs/plots";

/// Where the Python package is.
const PYTHON: &str = "crates/detloss-python/python/detloss";

/// What they show: arguments of `detloss curves`, each writing one figure.
const FIGURES: &str = "docs/plots/figures.txt";

/// Writes every generated text, or, with `check`, fails where one would change.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let root = root();
    let mut stale = Vec::new();
    let mut file = |path: String, text: String| -> anyhow::Result<()> {
        let at = root.join(&path);
        if fs::read_to_string(&at).is_ok_and(|now| now == text) {
            return Ok(());
        }
        if check {
            stale.push(path);
            return Ok(());
        }
        fs::create_dir_all(at.parent().expect("a file lies in a folder"))?;
        fs::write(&at, text).with_context(|| format!("{path} cannot be written"))
    };
    for entry in losses::ALL {
        file(format!("docs/losses/{}.md", entry.name), pages::page(entry)?)?;
    }
    file("docs/losses/README.md".into(), pages::index())?;
    file("docs/modifiers.md".into(), pages::modifiers())?;
    file("docs/matching.md".into(), pages::matching())?;
    file("docs/criteria.md".into(), pages::criteria())?;
    file(format!("{PYTHON}/__init__.pyi"), stubs::numpy()?)?;
    file(format!("{PYTHON}/torch/__init__.pyi"), stubs::torch()?)?;
    file(format!("{PYTHON}/matching/__init__.pyi"), stubs::matching()?)?;
    let readme = fs::read_to_string(root.join("README.md"))?;
    file("README.md".into(), pages::with_table(&readme)?)?;
    for entry in losses::ALL {
        file(format!("{}/{}.rs", burn::FOLDER, entry.name), burn::module(entry)?)?;
    }
    file(format!("{}.rs", burn::FOLDER), burn::index())?;
    no_strays(&root.join("docs/losses"))?;
    no_strays(&root.join(burn::FOLDER))?;
    ensure!(stale.is_empty(), "run `cargo xtask gen`: these files are stale: {}", stale.join(", "));
    Ok(())
}

/// A page whose loss is gone would stay for ever.
fn no_strays(folder: &Path) -> anyhow::Result<()> {
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if stem != "README" && !losses::ALL.iter().any(|entry| entry.name == stem) {
            bail!("{} belongs to no loss: remove it", path.display());
        }
    }
    Ok(())
}

/// Draws the figures of the guide. A test of the command line holds them to what it draws.
pub(crate) fn draw() -> anyhow::Result<()> {
    let figures = fs::read_to_string(root().join(FIGURES))
        .with_context(|| format!("{FIGURES} cannot be read"))?;
    for figure in figures.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let figure = figure.split_whitespace();
        let curves = ["run", "--quiet", "--package", "detloss-cli", "--", "curves"];
        let arguments: Vec<&str> =
            curves.into_iter().chain(figure).chain(["--out", PLOTS]).collect();
        cargo(&arguments, &[])?;
    }
    Ok(())
}
