//! From the words of a call to what is to be done: with settings of a file, and options that all commands have alike.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command, CommandFactory, FromArgMatches};
use toml::{Table, Value};

use crate::cli::Cli;
use crate::output::{self, CliError, Volume};
use crate::text::is_unseen;

/// Options that name a file to read; `-` is standard input.
const READ: [&str; 2] = ["gt", "dt"];

/// What is to be done; or, where there is nothing left to do, how to end.
pub(crate) fn read() -> Result<Cli, ExitCode> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let words = with_settings(words, &command()).and_then(with_one_standard_input);
    let words = words.map_err(|problem| output::finish(Err(CliError::Usage(problem))))?;
    let is_plain = words.iter().all(|word| !word.to_string_lossy().contains(is_unseen));
    let parsed = command().try_get_matches_from(words);
    let parsed = parsed.and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = parsed.map_err(|error| refuse(&error, is_plain))?;
    output::set_volume(match (cli.quiet, cli.verbose) {
        (true, _) => Volume::Errors,
        (_, true) => Volume::All,
        _ => Volume::Words,
    });
    Ok(cli)
}

/// The commands with all their options.
pub(crate) fn command() -> Command {
    completed(Cli::command())
}

/// Gives every command what all have alike: -o for --out, and numbers below zero as values.
fn completed(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        let arg = if arg.get_long() == Some("out") { arg.short('o') } else { arg };
        if takes_value(&arg) && !arg.is_positional() {
            arg.allow_negative_numbers(true)
        } else {
            arg
        }
    });
    command.mut_subcommands(completed)
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

/// Says what is wrong with a call, in colours if nothing in the call could be taken for some; or shows the help that it asked for.
fn refuse(error: &clap::Error, is_plain: bool) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        error.exit();
    }
    let words = error.render();
    if is_plain && output::stderr_is_styled() {
        output::refuse_in_colors(&remedied(&words.ansi().to_string()));
    } else {
        output::refuse(&remedied(&words.to_string()));
    }
    ExitCode::from(2)
}

/// Says what to give where Rust only says what it cannot read.
fn remedied(words: &str) -> String {
    let remedies = [
        ("invalid digit found in string", "give a whole number, 0 or more"),
        ("number too large to fit in target type", "give a smaller number"),
        ("invalid float literal", "give a number, such as 0.5"),
        ("cannot parse integer from empty string", "give a whole number"),
        ("cannot parse float from empty string", "give a number"),
    ];
    remedies
        .iter()
        .fold(words.to_owned(), |words, (problem, remedy)| words.replace(problem, remedy))
}

/// Adds the settings of the file that `--config` names, where the command line says nothing else.
fn with_settings(mut words: Vec<OsString>, root: &Command) -> Result<Vec<OsString>, String> {
    let Some(file) = config(&words) else { return Ok(words) };
    let name = Path::new(&file).display();
    let text = std::fs::read_to_string(&file).map_err(|error| {
        format!("could not read {name}: {error}: give a file of settings in TOML")
    })?;
    if text.trim_start().starts_with('{') {
        return Err(format!(
            "{name} is JSON, and settings are TOML: write such as `steps = 200` on a line of its own (the result.json of a training says \
             what a run was, but not where its pictures lie)"
        ));
    }
    let settings: Table = text.parse().map_err(|error| format!("{name} is no TOML: {error}"))?;
    let strange =
        |(key, value): &(&String, &Value)| value.is_table() && root.find_subcommand(key).is_none();
    if let Some((key, _)) = settings.iter().find(strange) {
        return Err(format!("{name}: no command is called {key}: see `detloss --help`"));
    }
    let (place, path) = called(&words, root);
    let Some(&command) = path.last() else { return Ok(words) };
    let known = |key: &str| {
        option(command, key).or_else(|| option(root, key).filter(|arg| arg.is_global_set()))
    };
    // What stands in a table of the command outweighs what stands above all tables.
    let inner = path.iter().try_fold(&settings, |table, command| {
        table.get(command.get_name()).and_then(Value::as_table)
    });
    let is_own = |(key, value): &(&String, &Value)| {
        !(value.is_table() && command.find_subcommand(key).is_some())
    };
    let mut more = Vec::new();
    for (key, value) in inner.into_iter().flatten().filter(is_own) {
        let Some(arg) = known(key) else {
            return Err(unknown(
                &format!("{name}: {} has no option --{key}", command.get_name()),
                command,
            ));
        };
        more.push((arg, key, value));
    }
    for (key, value) in settings.iter().filter(|(_, value)| !value.is_table()) {
        match known(key) {
            Some(arg) if more.iter().all(|(other, ..)| other.get_id() != arg.get_id()) => {
                more.push((arg, key, value));
            }
            None if !has_option(root, key) => {
                return Err(unknown(&format!("{name}: no command has an option --{key}"), command));
            }
            // Said in the table, or for other commands.
            _ => {}
        }
    }
    let mut said = Vec::new();
    for (arg, key, value) in more {
        if !is_given(&words[1..], arg) {
            let words =
                as_words(arg, key, value).map_err(|problem| format!("{name}: {problem}"))?;
            said.extend(words);
        }
    }
    words.splice(place..place, said);
    Ok(words)
}

fn unknown(problem: &str, command: &Command) -> String {
    let known = command.get_arguments().filter_map(Arg::get_long);
    let known =
        known.filter(|long| !["help", "config"].contains(long)).map(|long| format!("--{long}"));
    format!("{problem}: {} has {}", command.get_name(), known.collect::<Vec<_>>().join(", "))
}

/// The file that `--config` names.
fn config(words: &[OsString]) -> Option<OsString> {
    let mut words = words.iter().skip(1).take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if word == "--config" {
            return words.next().cloned();
        }
        if let Some(file) = word.to_str().and_then(|word| word.strip_prefix("--config=")) {
            return Some(file.into());
        }
    }
    None
}

/// The command that is called, after the commands that it is one of; and the place of the words after it.
fn called<'a>(words: &[OsString], root: &'a Command) -> (usize, Vec<&'a Command>) {
    let (mut place, mut path) = (1, Vec::new());
    let mut command = root;
    let mut after = 1;
    while let Some(word) = words.get(place) {
        place += 1;
        if word == "--config" {
            place += 1;
        } else if !word.as_encoded_bytes().starts_with(b"-") {
            let Some(next) = command.find_subcommand(word) else { break };
            (command, after) = (next, place);
            path.push(next);
        } else if !path.is_empty() {
            break;
        }
    }
    (after, path)
}

fn option<'a>(command: &'a Command, key: &str) -> Option<&'a Arg> {
    let is_called = |arg: &&Arg| {
        let others = arg.get_all_aliases().unwrap_or_default();
        arg.get_long() == Some(key) || others.contains(&key)
    };
    command.get_arguments().find(is_called)
}

fn has_option(command: &Command, key: &str) -> bool {
    option(command, key).is_some()
        || command.get_subcommands().any(|command| has_option(command, key))
}

/// Whether the command line has a word for an option itself.
fn is_given(words: &[OsString], arg: &Arg) -> bool {
    let longs = arg.get_long().into_iter().chain(arg.get_all_aliases().unwrap_or_default());
    let longs: Vec<String> = longs.map(|long| format!("--{long}")).collect();
    let short = arg.get_short().map(|short| format!("-{short}"));
    words.iter().filter_map(|word| word.to_str()).take_while(|word| *word != "--").any(|word| {
        let name = word.split_once('=').map_or(word, |(name, _)| name);
        longs.iter().any(|long| long == name)
            || short
                .as_ref()
                .is_some_and(|short| word.starts_with(short) && !word.starts_with("--"))
    })
}

/// A setting in the words of a command line.
fn as_words(arg: &Arg, key: &str, value: &Value) -> Result<Vec<OsString>, String> {
    let long = arg.get_long().unwrap_or(key);
    let wrong = |remedy: &str| Err(format!("{key} is {value}: give {remedy}"));
    let is_switch = !takes_value(arg);
    let word = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => Some(value.to_string()),
        _ => None,
    };
    match value {
        Value::Boolean(is_on) if is_switch => {
            Ok(is_on.then(|| format!("--{long}").into()).into_iter().collect())
        }
        _ if is_switch => wrong("true or false"),
        Value::Array(values) => match values.iter().map(word).collect::<Option<Vec<String>>>() {
            Some(values) => {
                Ok(values.iter().map(|value| format!("--{long}={value}").into()).collect())
            }
            None => wrong("a list of words or numbers"),
        },
        value => match word(value) {
            Some(value) => Ok(vec![format!("--{long}={value}").into()]),
            None => wrong("a word, a number or a list of them"),
        },
    }
}

/// Refuses two files that are both standard input: the second would find nothing left there.
fn with_one_standard_input(words: Vec<OsString>) -> Result<Vec<OsString>, String> {
    let is_dash = |place: usize| {
        READ.iter().any(|name| {
            words[place] == *format!("--{name}=-")
                || words[place] == "-" && words[place - 1] == *format!("--{name}")
        })
    };
    match (1..words.len()).filter(|&place| is_dash(place)).count() {
        0 | 1 => Ok(words),
        _ => Err("two files are -, but there is one standard input: give a file for the other"
            .to_owned()),
    }
}

#[cfg(test)]
mod tests;
