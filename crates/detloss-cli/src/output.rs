//! How commands speak: data on stdout, words on stderr, and how they end.

mod lines;

use std::borrow::Cow;
use std::fmt::Display;
use std::fs;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use self::lines::Lines;
use crate::table::Table;
use crate::text::{visible, visible_lines};

/// How much is said on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Volume {
    /// What went wrong.
    Errors,
    /// What is worth knowing, too.
    Words,
    /// And what it ran on.
    All,
}

static VOLUME: OnceLock<Volume> = OnceLock::new();

/// Sets how much is said, once.
pub(crate) fn set_volume(volume: Volume) {
    _ = VOLUME.set(volume);
}

fn volume() -> Volume {
    *VOLUME.get().unwrap_or(&Volume::Words)
}

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The command was called wrongly; exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The command could not do its work; exit code 1.
    #[error("{0:#}")]
    Failure(#[from] anyhow::Error),
    /// Somebody pressed Ctrl-C; exit code 130, as shells have it.
    #[cfg(feature = "train")]
    #[error("{0}")]
    Stopped(String),
    /// Whoever read stdout has enough, as `head` does; exit code 0.
    #[error("nobody reads the output")]
    ReaderGone,
}

impl CliError {
    /// A failure from an error of a library.
    pub(crate) fn failure(error: impl Into<anyhow::Error>) -> Self {
        Self::Failure(error.into())
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failure(_) => 1,
            #[cfg(feature = "train")]
            Self::Stopped(_) => 130,
            Self::ReaderGone => 0,
        }
    }
}

/// Tells the user about an error, if there is one to tell, and gives the exit code.
pub(crate) fn finish(result: Result<(), CliError>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    match error {
        CliError::ReaderGone => {}
        #[cfg(feature = "train")]
        CliError::Stopped(_) => say(&error),
        _ => refuse(&format!("error: {error}\n")),
    }
    ExitCode::from(error.exit_code())
}

/// Says what is wrong, whatever the volume.
pub(crate) fn refuse(words: &str) {
    let _ = io::stderr().lock().write_all(visible_lines(words).as_bytes());
}

/// The same in the colours that it has.
pub(crate) fn refuse_in_colors(words: &str) {
    let _ = io::stderr().lock().write_all(words.as_bytes());
}

/// Whether what goes to stderr may have colours.
pub(crate) fn stderr_is_styled() -> bool {
    styled(io::stderr().is_terminal())
}

/// Prints data to stdout: to a file or a pipe as it is, to a terminal without what would act on it.
pub(crate) fn print(data: &str) -> Result<(), CliError> {
    let is_terminal = io::stdout().is_terminal();
    let shown = if is_terminal { Cow::Owned(for_terminal(data)) } else { Cow::Borrowed(data) };
    deliver(&mut io::stdout().lock(), shown.as_bytes())
}

/// What is not seen made visible, but for tabs, line breaks, and the headings that this program makes bold.
fn for_terminal(data: &str) -> String {
    const BOLD: &str = "\x1b[1m";
    const PLAIN: &str = "\x1b[0m";
    let seen = |text: &str| text.split('\t').map(visible).collect::<Vec<_>>().join("\t");
    let line = |line: &str| match line.strip_prefix(BOLD).and_then(|line| line.strip_suffix(PLAIN))
    {
        Some(heading) => format!("{BOLD}{}{PLAIN}", seen(heading)),
        None => seen(line),
    };
    data.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Prints a value to stdout as indented JSON. What is not finite becomes `null`.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(CliError::failure)?;
    // JSON need not escape all that acts on a terminal, but may.
    print(&format!("{}\n", visible_lines(&text)))
}

/// Prints a table to stdout; its headings are bold in a terminal, unless `NO_COLOR` is set.
pub(crate) fn print_table(table: &Table) -> Result<(), CliError> {
    print(&table.to_text(stdout_is_styled()))
}

/// Whether what goes to stdout may be bold.
pub(crate) fn stdout_is_styled() -> bool {
    styled(io::stdout().is_terminal())
}

/// Makes the folder to write to. Best before the work, so that a wrong one is known at once.
pub(crate) fn make_folder(folder: &Path) -> Result<(), CliError> {
    make_folder_of(folder, "--out")
}

/// The same of a folder that another option or argument names.
pub(crate) fn make_folder_of(folder: &Path, option: &str) -> Result<(), CliError> {
    fs::create_dir_all(folder).with_context(|| {
        format!("could not make the folder {}: choose another {option}", folder.display())
    })?;
    Ok(())
}

/// Writes a file, and says where it lies. Whenever it is killed, the old file or the new one is there, and whole; another name
/// of the old one keeps its content.
pub(crate) fn save(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<String> {
    let path = folder.join(name);
    replace(&path, bytes, "--out")?;
    Ok(path.display().to_string())
}

/// The same of a file that an option names.
pub(crate) fn replace(path: &Path, bytes: &[u8], option: &str) -> anyhow::Result<()> {
    // A pipe or a device is no file to replace.
    if path.exists() && !path.is_file() {
        return fs::write(path, bytes).with_context(|| {
            format!("could not write {}: choose another {option}", path.display())
        });
    }
    let new = path.with_file_name(format!(".detloss-{}.new", std::process::id()));
    fs::write(&new, bytes)
        .and_then(|()| fs::rename(&new, path))
        .inspect_err(|_| _ = fs::remove_file(&new))
        .with_context(|| format!("could not write {}: choose another {option}", path.display()))
}

/// Says a line on stderr. That nobody listens is no error.
pub(crate) fn say(words: impl Display) {
    if volume() >= Volume::Words {
        let _ = writeln!(io::stderr().lock(), "{}", visible_lines(&words.to_string()));
    }
}

/// Says a line that only those want to know who ask for it.
pub(crate) fn detail(words: impl Display) {
    if volume() >= Volume::All {
        say(words);
    }
}

/// A bar on stderr that counts `length` steps of `work`; where stderr is no terminal a line now and then.
pub(crate) fn progress(length: u64, work: &'static str) -> ProgressBar {
    let terminal = io::stderr().is_terminal();
    let target = match (volume(), terminal) {
        (Volume::Errors, _) => ProgressDrawTarget::hidden(),
        (_, true) => ProgressDrawTarget::stderr(),
        (_, false) => ProgressDrawTarget::term_like_with_hz(Box::<Lines>::default(), 1),
    };
    let bar = ProgressBar::with_draw_target(Some(length), target);
    let template = if !terminal {
        "{pos} of {len} {msg}, {eta} to go"
    } else if styled(true) {
        "{msg} {bar:40.cyan/dim} {pos}/{len} {eta}"
    } else {
        "{msg} {bar:40} {pos}/{len} {eta}"
    };
    let style = ProgressStyle::with_template(template).expect("the template is well-formed");
    bar.set_style(style);
    bar.set_message(work);
    bar
}

/// By the convention of no-color.org: set and not empty means plain.
fn styled(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn deliver(to: &mut impl Write, data: &[u8]) -> Result<(), CliError> {
    to.write_all(data).and_then(|()| to.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => CliError::ReaderGone,
        _ => anyhow::Error::new(error).context("could not write to standard output").into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stdout that fails in one way.
    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_leaves_is_success() {
        let error = deliver(&mut Broken(ErrorKind::BrokenPipe), b"data").unwrap_err();
        assert_eq!(error.exit_code(), 0);
    }

    #[test]
    fn a_full_disk_is_a_failure_with_its_context() {
        let error = deliver(&mut Broken(ErrorKind::StorageFull), b"data").unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().starts_with("could not write to standard output: "));
    }

    #[test]
    fn wrong_usage_has_its_own_code() {
        assert_eq!(CliError::Usage("no such loss".into()).exit_code(), 2);
    }

    #[test]
    fn a_file_is_written_anew_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let [old, name] = ["old", "name"].map(|name| folder.path().join(name));
        fs::write(&old, "old").unwrap();
        fs::hard_link(&old, &name).unwrap();
        save(folder.path(), "name", b"new").unwrap();
        assert_eq!(fs::read(&old).unwrap(), b"old");
        assert_eq!(fs::read(&name).unwrap(), b"new");
        fs::create_dir(folder.path().join("folder")).unwrap();
        fs::write(folder.path().join("folder/file"), "").unwrap();
        assert!(save(folder.path(), "folder", b"new").unwrap_err().to_string().contains("--out"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_terminal_gets_tabs_and_headings_and_nothing_else_that_acts() {
        let data = "\x1b[1mloss\x07\x1b[0m\n a\tb\x1b[31m\nc\x1b[1md\x1b[0m\n";
        let shown = "\x1b[1mloss\\u0007\x1b[0m\n a\tb\\u001b[31m\nc\\u001b[1md\\u001b[0m\n";
        assert_eq!(for_terminal(data), shown);
    }

    #[test]
    fn a_pipe_is_never_styled() {
        assert!(!styled(false));
    }
}
