//! Settings of files beside those of the command line.

use super::*;

/// The words after the program that a call with a file of settings has.
fn words(settings: &str, call: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    std::fs::write(&file, settings).unwrap();
    let call = call.replace("FILE", &file.display().to_string());
    let words = with_settings(call.split(' ').map(OsString::from).collect(), &command())?;
    let words: Vec<&str> = words.iter().skip(1).map(|word| word.to_str().unwrap()).collect();
    Ok(words.join(" ").replace(&file.display().to_string(), "FILE"))
}

const SETTINGS: &str = "\
seed = 3
json = true
[race]
losses = [\"giou\", \"ciou\"]
centers = 20
[train]
rate = 1e-3
quality = false
[train.compare]
seeds = 2
";

#[test]
fn settings_stand_before_the_words_of_the_command_line() {
    assert_eq!(
        words(SETTINGS, "detloss --config FILE race -o x").unwrap(),
        "--config FILE race --centres=20 --losses=giou --losses=ciou --json --seed=3 -o x"
    );
    assert_eq!(
        words(SETTINGS, "detloss train --config=FILE --steps 5").unwrap(),
        "train --rate=0.001 --json --seed=3 --config=FILE --steps 5"
    );
    assert_eq!(
        words(SETTINGS, "detloss train compare --config FILE").unwrap(),
        "train compare --seeds=2 --json --seed=3 --config FILE"
    );
}

#[test]
fn the_command_line_outweighs_a_file_and_a_table_what_is_above_it() {
    assert_eq!(
        words(SETTINGS, "detloss race --config FILE --losses iou --seed=9 --centres 4 --json")
            .unwrap(),
        "race --config FILE --losses iou --seed=9 --centres 4 --json"
    );
    let settings = "out = 'a'\nseed = 1\n[race]\nseed = 2\n";
    assert_eq!(
        words(settings, "detloss race --config FILE -ob").unwrap(),
        "race --seed=2 --config FILE -ob"
    );
}

#[test]
fn settings_that_nobody_has_are_refused() {
    for (settings, problem) in [
        ("sede = 3", "no command has an option --sede: race has --losses, --param"),
        ("[race]\nsteps = 3", "race has no option --steps: race has --losses"),
        ("[rase]\nseed = 3", "no command is called rase"),
        ("json = 3", "json is 3: give true or false"),
        ("seed = 1979-05-27", "seed is 1979-05-27: give a word, a number or a list of them"),
        ("losses = [[1]]", "losses is [[1]]: give a list of words or numbers"),
        ("[race]\nseed = { a = 1 }", "seed is { a = 1 }: give a word, a number or a list of them"),
        ("seed = ", "is no TOML"),
        ("{\"settings\": 1}", "is JSON, and settings are TOML"),
    ] {
        let said = words(settings, "detloss race --config FILE").unwrap_err();
        assert!(said.contains(problem), "{settings}: {said}");
    }
    // An option of another command may stand above all tables.
    assert!(words("steps = 3", "detloss race --config FILE").is_ok());
    let call = ["detloss", "--config", "no-such.toml", "race"].map(OsString::from);
    assert!(with_settings(call.to_vec(), &command()).unwrap_err().contains("no-such.toml"));
}

#[test]
fn every_folder_to_write_to_has_a_short_option() {
    fn walk(command: &Command) -> usize {
        let out = command.get_arguments().filter(|arg| arg.get_long() == Some("out"));
        let own = out
            .inspect(|arg| assert_eq!(arg.get_short(), Some('o'), "{}", command.get_name()))
            .count();
        own + command.get_subcommands().map(walk).sum::<usize>()
    }
    assert!(walk(&command()) >= 8);
    command().debug_assert();
}

#[test]
fn one_file_may_be_standard_input() {
    let is_taken = |call: &str| {
        with_one_standard_input(call.split(' ').map(OsString::from).collect()).map(drop)
    };
    for call in ["audit --gt - --dt x", "audit --gt x --dt=-", "eval iou --file -", "list"] {
        assert_eq!(is_taken(&format!("detloss {call}")), Ok(()));
    }
    let said = is_taken("detloss audit --gt=- --dt -").unwrap_err();
    assert!(said.contains("one standard input"), "{said}");
}
