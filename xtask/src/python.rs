//! The Python package, tested and type-checked in a virtual environment of its own.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use walkdir::WalkDir;

use crate::cargo::{WHOLE, cargo};
use crate::root;

const PACKAGE: &str = "crates/detloss-python";

/// The package runs on Python 3.10; what it is tested with needs a newer one.
const OLDEST: (u32, u32) = (3, 11);

/// Chooses the tests that do not take long.
pub(crate) const QUICK: [&str; 2] = ["-m", "not slow"];

/// The compiled part of the package that is tested.
pub(crate) enum Core {
    /// That of this wheel, which users get.
    Wheel(PathBuf),
    /// That of the profile of the tests, nearly all of which is compiled when they have run.
    Dev,
}

/// Tests the wheel; without a Python it says so and does nothing.
pub(crate) fn run() -> anyhow::Result<()> {
    let Some(environment) = prepare()? else { return Ok(()) };
    environment.check(&Core::Wheel(environment.build()?), &mut cargo_run(), &[])?;
    environment.check_types()
}

/// The example of the core that prints what front-ends are asked for, built if it is not.
fn cargo_run() -> Command {
    let mut command = Command::new(env!("CARGO"));
    let example = ["run", "--quiet", "--package", "detloss", "--example", "requests"];
    command.args(example).args(["--features", "testing"]);
    command
}

/// The same example as it was built with all tests, which is with other features of its dependencies.
pub(crate) fn tested_example() -> Command {
    Command::new(dev("examples/requests").with_extension(env::consts::EXE_EXTENSION))
}

/// What cargo builds in the profile of the tests.
fn dev(file: &str) -> PathBuf {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("debug").join(file)
}

/// Makes the virtual environment, in which nothing is compiled; None, with a word, where there is no Python.
pub(crate) fn prepare() -> anyhow::Result<Option<Environment>> {
    let Some(python) = interpreter() else {
        let (major, minor) = OLDEST;
        eprintln!(
            "skipped: no python3 of version {major}.{minor} or newer with the module venv is on the PATH"
        );
        return Ok(None);
    };
    Environment::new(&python).map(Some)
}

/// The first Python on the PATH that will do.
fn interpreter() -> Option<String> {
    let (major, minor) = OLDEST;
    let question =
        format!("import sys, venv, ensurepip; sys.exit(sys.version_info < ({major}, {minor}))");
    let names = ["python3", "python", "python3.13", "python3.12", "python3.11"];
    let answers = |name: &&str| {
        Command::new(name)
            .args(["-c", &question])
            .output()
            .is_ok_and(|answer| answer.status.success())
    };
    names.into_iter().find(answers).map(str::to_owned)
}

/// `target/venv` with the pinned requirements.
pub(crate) struct Environment {
    package: PathBuf,
    target: PathBuf,
    /// Where tests run: away from the sources, and before all else on the path of Python.
    tests: PathBuf,
    python: PathBuf,
}

impl Environment {
    /// Makes it anew if it is not there, or was made of other requirements.
    fn new(interpreter: &str) -> anyhow::Result<Self> {
        let (package, target) = (root().join(PACKAGE), root().join("target"));
        let venv = target.join("venv");
        let folder = if cfg!(windows) { "Scripts" } else { "bin" };
        let (tests, python) = (target.join("python-tests"), venv.join(folder).join("python"));
        let environment = Self { package, target, tests, python };
        let lists = ["requirements-dev.txt", "requirements-owners.txt"];
        let [requirements, owners] = lists.map(|list| environment.package.join(list));
        let mut wanted = String::new();
        for list in [&requirements, &owners] {
            wanted += &fs::read_to_string(list)
                .with_context(|| format!("{} cannot be read", list.display()))?;
        }
        let stamp = venv.join("requirements.txt");
        if fs::read_to_string(&stamp).is_ok_and(|made_of| made_of == wanted) {
            return Ok(environment);
        }
        eprintln!("making target/venv (once; PyTorch alone is several gigabytes)");
        if venv.exists() {
            fs::remove_dir_all(&venv).context("target/venv cannot be removed")?;
        }
        quietly(Command::new(interpreter).args(["-m", "venv"]).arg(&venv))?;
        environment
            .pip(&["--requirement".as_ref(), requirements.as_ref()])
            .and_then(|()| {
                environment.pip(&["--no-deps".as_ref(), "--requirement".as_ref(), owners.as_ref()])
            })
            .context("the requirements cannot be installed: is there a network?")?;
        fs::write(stamp, wanted)?;
        Ok(environment)
    }

    /// Tests the package with this core. `requests` prints what the tests ask for; pytest gets the arguments that choose among them.
    pub(crate) fn check(
        &self,
        core: &Core,
        requests: &mut Command,
        chosen: &[&str],
    ) -> anyhow::Result<()> {
        if self.tests.exists() {
            fs::remove_dir_all(&self.tests)?;
        }
        fs::create_dir_all(&self.tests)?;
        let place = match core {
            Core::Wheel(wheel) => {
                self.install(wheel)?;
                self.target.join("venv")
            }
            Core::Dev => {
                self.lay_out()?;
                self.tests.clone()
            }
        };
        self.test(&place, &self.requests(requests)?, chosen)
    }

    /// The sources with the core of the tests beside them.
    fn lay_out(&self) -> anyhow::Result<()> {
        // With the features that the tests have the library is compiled already.
        let features = ["--features", "detloss/serde,detloss/testing"];
        cargo(&[&["build", "--lib"], &WHOLE[..], &features].concat(), &[])?;
        let sources = self.package.join("python");
        for entry in WalkDir::new(&sources) {
            let entry = entry?;
            let to = self.tests.join(entry.path().strip_prefix(&sources)?);
            if entry.file_type().is_dir() {
                fs::create_dir_all(to)?;
            } else if entry.path().extension().is_some_and(|kind| kind == "py" || kind == "pyi") {
                fs::copy(entry.path(), to)?;
            }
        }
        let (prefix, suffix) = (env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
        let core = if cfg!(windows) { "_core.pyd" } else { "_core.abi3.so" };
        fs::copy(dev(&format!("{prefix}_core{suffix}")), self.tests.join("detloss").join(core))?;
        Ok(())
    }

    fn pip(&self, arguments: &[&Path]) -> anyhow::Result<()> {
        quietly(
            Command::new(&self.python)
                .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"])
                .args(arguments),
        )
    }

    /// The wheel that users get.
    pub(crate) fn build(&self) -> anyhow::Result<PathBuf> {
        let wheels = self.target.join("wheels");
        if wheels.exists() {
            fs::remove_dir_all(&wheels)?;
        }
        quietly(
            Command::new(&self.python)
                .args(["-m", "maturin", "build", "--release", "--quiet", "--interpreter"])
                .arg(&self.python)
                .arg("--out")
                .arg(&wheels)
                .current_dir(&self.package),
        )?;
        let mut built = fs::read_dir(&wheels)?.map(|entry| entry.map(|entry| entry.path()));
        let wheel = built.next().context("maturin built no wheel")??;
        ensure!(built.next().is_none(), "maturin built several wheels");
        Ok(wheel)
    }

    fn install(&self, wheel: &Path) -> anyhow::Result<()> {
        self.pip(&["--force-reinstall".as_ref(), "--no-deps".as_ref(), wheel])
    }

    /// Runs the tests that are `chosen`, which have to see the package in this folder.
    fn test(&self, place: &Path, requests: &Path, chosen: &[&str]) -> anyhow::Result<()> {
        let seen = Command::new(&self.python)
            .args(["-c", "import detloss; print(detloss.__file__)"])
            .current_dir(&self.tests)
            .output()?;
        let seen = String::from_utf8_lossy(&seen.stdout).trim().to_owned();
        ensure!(
            Path::new(&seen).starts_with(place),
            "the tests would see {seen:?} instead of the package in {}: unset PYTHONPATH",
            place.display()
        );
        loudly(
            Command::new(&self.python)
                .env("DETLOSS_REQUESTS", requests)
                .args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider", "--numprocesses", "2"])
                // Tests that take long stand together: dealt out beforehand, one process would have them all.
                .args(["--dist", "worksteal"])
                .args(chosen)
                .arg(self.package.join("tests"))
                .env("PYTHONDONTWRITEBYTECODE", "1")
                // What was compiled for GPUs is not compiled again until its text changes.
                .env("TRITON_CACHE_DIR", self.target.join("triton"))
                .current_dir(&self.tests),
        )
    }

    /// What every front-end of tensors is asked for, as the core's tests have it.
    fn requests(&self, requests: &mut Command) -> anyhow::Result<PathBuf> {
        let path = self.target.join("requests.jsonl");
        let output = requests.current_dir(root()).output()?;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the requests cannot be made:\n{words}");
        fs::write(&path, output.stdout)?;
        Ok(path)
    }

    /// Both type checkers on the sources, whose settings are in `pyproject.toml`.
    pub(crate) fn check_types(&self) -> anyhow::Result<()> {
        quietly(
            Command::new(&self.python)
                .args(["-m", "mypy", "--cache-dir"])
                .arg(self.target.join("mypy"))
                .current_dir(&self.package),
        )?;
        quietly(
            Command::new(&self.python)
                .args(["-m", "pyright", "--warnings", "--pythonpath"])
                .arg(&self.python)
                .current_dir(&self.package),
        )
    }
}

/// Runs a command whose words are of interest only if it fails.
fn quietly(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("{command:?} does not start"))?;
    if !output.status.success() {
        let words = [output.stdout, output.stderr].concat();
        bail!("{command:?} failed:\n{}", String::from_utf8_lossy(&words));
    }
    Ok(())
}

fn loudly(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?} does not start"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}
