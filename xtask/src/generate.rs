//! What is generated is checked in, and generating again leaves no difference.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail, ensure};
use detloss::losses;

use crate::{burn, pages, root, stubs};

/// Where the figures of the guide are.
const PLOTS: &str = "docs/plots";

/// Where the Python package is.
const PYTHON: &str = "crates/detloss-python/python/detloss";

/// What they are: arguments of `detloss curves`, each writing one figure.
const FIGURES: &str = "docs/plots/figures.txt";

/// Writes every generated file, or, with `check`, fails where one would change.
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
    file(format!("{PYTHON}/__init__.pyi"), stubs::numpy()?)?;
    file(format!("{PYTHON}/torch/__init__.pyi"), stubs::torch()?)?;
    let readme = fs::read_to_string(root.join("README.md"))?;
    file("README.md".into(), pages::with_table(&readme)?)?;
    for entry in losses::ALL {
        file(format!("{}/{}.rs", burn::FOLDER, entry.name), burn::module(entry)?)?;
    }
    file(format!("{}.rs", burn::FOLDER), burn::index())?;
    no_strays(&root.join("docs/losses"))?;
    no_strays(&root.join(burn::FOLDER))?;
    let folder = if check { "target/figures" } else { PLOTS };
    draw(&root, folder)?;
    if check {
        stale.extend(stale_figures(&root, folder)?);
    }
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

/// Draws every figure, in the profile that the tests have built anyway.
fn draw(root: &Path, folder: &str) -> anyhow::Result<()> {
    let figures = fs::read_to_string(root.join(FIGURES))
        .with_context(|| format!("{FIGURES} cannot be read"))?;
    for figure in figures.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let output = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--package", "detloss-cli", "--", "curves"])
            .args(figure.split_whitespace())
            .args(["--out", folder])
            .current_dir(root)
            .output()?;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "detloss curves {figure} failed: {words}");
    }
    Ok(())
}

/// The figures in `folder` that are checked in differently, or not at all.
fn stale_figures(root: &Path, folder: &str) -> anyhow::Result<Vec<String>> {
    let mut stale = Vec::new();
    for file in fs::read_dir(root.join(folder))? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "svg") {
            let name =
                format!("{PLOTS}/{}", path.file_name().unwrap_or_default().to_string_lossy());
            if fs::read(&path)? != fs::read(root.join(&name)).unwrap_or_default() {
                stale.push(name);
            }
        }
    }
    Ok(stale)
}
