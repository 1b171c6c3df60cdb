//! How every command speaks: nothing acts on a terminal, options that all have, settings of files, completions and manual pages.

use std::path::Path;
use std::process::Command;

use crate::{Seen, complaint, detloss, detloss_with};

/// Colours, the title of a window, a line break, and text that runs backwards.
const HOSTILE: &str = "tri\u{1b}[31mang\u{1b}]0;x\u{7}le\n\u{202e}gpj\u{9b}1m";

/// Runs the binary with these arguments as they are, in a folder that it may write to.
fn call(args: &[&str]) -> Seen {
    let folder = tempfile::tempdir().unwrap();
    let program = assert_cmd::cargo::cargo_bin("detloss");
    let output = Command::new(program).args(args).current_dir(folder.path()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Seen { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn acts_on_a_terminal(letter: char) -> bool {
    letter.is_control() && letter != '\n'
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Files of annotations and detections with a hostile class in a hostile image.
fn hostile_files(folder: &Path) -> [String; 2] {
    let truth = serde_json::json!({
        "images": [{ "id": 1, "width": 100, "height": 100, "file_name": HOSTILE }],
        "categories": [{ "id": 1, "name": HOSTILE }, { "id": 2, "name": format!("{HOSTILE}2") }],
        "annotations": [
            { "id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0 },
            { "id": 2, "image_id": 1, "category_id": 2, "bbox": [60, 60, 1, 1], "area": 1, "iscrowd": 0 },
        ],
    });
    let found = serde_json::json!([
        { "image_id": 1, "category_id": 1, "bbox": [11, 10, 20, 20], "score": 0.9 },
        { "image_id": 1, "category_id": 2, "bbox": [10, 10, 20, 20], "score": 0.8 },
        { "image_id": 1, "category_id": 2, "bbox": [70, 10, 20, 20], "score": 0.7 },
    ]);
    [("gt.json", truth), ("dt.json", found)].map(|(name, value)| {
        let path = folder.join(name);
        std::fs::write(&path, value.to_string()).unwrap();
        path.display().to_string()
    })
}

/// The commands that the help lists.
fn commands() -> Vec<String> {
    let help = detloss("--help").out;
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn no_command_prints_what_would_act_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let [gt, dt] = hostile_files(folder.path());
    let missing = folder.path().join(HOSTILE).display().to_string();
    let out = folder.path().join("out").display().to_string();
    let commands = commands();
    assert!(commands.len() >= 12, "{commands:?}");
    for name in &commands {
        let name = name.as_str();
        let mut calls: Vec<Vec<&str>> = vec![
            vec![name, HOSTILE],
            vec![name, "--help"],
            vec![name, &"--nope", HOSTILE],
            vec![name, "--config", &missing],
        ];
        match name {
            "audit" => calls.extend([
                vec![name, "--gt", &gt, "--dt", &dt, "-o", &out],
                vec![name, "--gt", &gt, "--dt", &dt, "-o", &out, "--json"],
                vec![name, "--gt", &gt, "--dt", &missing, "-o", &out],
            ]),
            "check" => calls.extend([
                vec![name, &gt],
                vec![name, &gt, "-o", &out, "--json"],
                vec![name, &missing],
            ]),
            "match" => calls.extend([
                vec![name, "--gt", &gt, "--anchors", "yolo8", "-o", &out],
                vec![name, "--gt", &gt, "--anchors", "yolo8", "--json"],
                vec![name, "--gt", &missing, "--anchors", "yolo8"],
            ]),
            "race-ap" => calls.extend([
                vec![name, "--gt", &gt, "--dt", &dt, "--iterations", "2", "-o", &out],
                vec![name, "--losses", HOSTILE],
            ]),
            "race" => calls.push(vec![name, "--losses", HOSTILE]),
            "eval" => calls.extend([
                vec![name, "giou", "--file", &missing],
                vec![name, "giou", "--param", HOSTILE, "--file", "-"],
            ]),
            "list" => calls.push(vec![name, "--family", HOSTILE]),
            "curves" => calls.push(vec![name, "l1", "--param", HOSTILE]),
            "train" => calls.push(vec![name, "--cls", HOSTILE, "-o", &out]),
            "predict" => calls.push(vec![name, "--model", &missing, &missing]),
            _ => {}
        }
        for args in calls {
            let seen = call(&args);
            for text in [&seen.out, &seen.err] {
                assert!(!text.contains(acts_on_a_terminal), "{args:?}: {text:?}");
            }
        }
    }
    // The names are still there, and a table has one line for each row.
    let seen = call(&["audit", "--gt", &gt, "--dt", &dt, "-o", &out]);
    assert!(
        seen.out.contains(r"tri\u001b[31mang\u001b]0;x\u0007le\n\u202egpj\u009b1m"),
        "{}",
        seen.out
    );
    // In JSON they are what they were.
    let seen = call(&["audit", "--gt", &gt, "--dt", &dt, "-o", &out, "--json"]);
    let audit: serde_json::Value = serde_json::from_str(&seen.out).unwrap();
    assert!(audit.to_string().contains(&serde_json::to_string(HOSTILE).unwrap()), "{audit}");
    let page = std::fs::read_to_string(format!("{out}/audit.html")).unwrap();
    assert!(!page.contains(acts_on_a_terminal));
}

#[test]
fn a_number_out_of_range_says_what_to_give() {
    for (args, words) in [
        ("race --seed -1", "'-1' for '--seed <SEED>': give a whole number, 0 or more"),
        ("race --seed 1e3", "give a whole number"),
        ("race-ap --positives -3", "'-3' for '--positives <N>': give a whole number, 0 or more"),
        ("race --centres 1000000000", "--centres is 1000000000: give 100000 at most"),
        ("audit --gt a --dt b --top -1", "invalid value '-1' for '--top <N>'"),
        ("list -q -v", "cannot be used with"),
    ] {
        let said = complaint(args);
        assert!(said.contains(words) && !said.contains("unexpected argument"), "{args}: {said}");
    }
    let said = complaint("train --box-weight -1");
    assert!(!said.contains("unexpected argument"), "{said}");
}

#[test]
fn an_unknown_loss_names_the_list_of_all() {
    let said = complaint("race --losses giou,nope");
    assert!(
        said.contains("no loss is called \"nope\"") && said.contains("`detloss list`"),
        "{said}"
    );
}

#[test]
fn a_loss_given_twice_races_once() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().display();
    for args in [
        format!("race --losses giou,giou --directions exact --centres 2 -o {out}"),
        format!("race-ap --losses bce,focal,bce --iterations 2 --negatives 50 -o {out}"),
        format!("curves l1 l1 -o {out}"),
    ] {
        let answer = crate::json(&args);
        let runs = answer.get("runs").or(answer.get("curves")).unwrap().as_array().unwrap().len();
        assert_eq!(runs, if args.contains("race-ap") { 2 } else { 1 }, "{args}");
    }
}

#[test]
fn files_that_are_no_csv_are_named_as_what_they_are() {
    for (input, words) in [
        (
            "0\t0\t1\t1\t0\t0\t2\t2\n",
            "standard input, line 1 has tabs between its numbers: give commas",
        ),
        ("# boxes\n0;0;1;1;0;0;2;2\n", "line 2 has semicolons between its numbers: give commas"),
        ("0 0 1 1 0 0 2 2\n", "line 1 has blanks between its numbers: give commas"),
        ("x1\ty1\n0\t0\n", "line 2 has tabs"),
    ] {
        let seen = detloss_with("eval giou --file -", input);
        assert_eq!((seen.code, &*seen.out), (1, ""), "{input}");
        assert!(seen.err.contains(words), "{}", seen.err);
    }
    let folder = tempfile::tempdir().unwrap();
    let seen = detloss(&format!("eval giou --file {}", folder.path().display()));
    assert!(seen.code == 1 && seen.err.contains("is a folder: give a CSV file"), "{}", seen.err);
    let empty = detloss_with("eval giou --file -", "x1,y1\n");
    assert!(empty.code == 0 && empty.err.contains("no line with numbers"), "{}", empty.err);
}

#[test]
fn labels_out_of_range_are_refused() {
    for args in [
        "eval focal --pred 0.3 --target 7",
        "eval varifocal --pred 0.3 --target 5",
        "eval bce --pred 0.3 --target -2",
        "eval dice --pred 1,2 --target 3,-3",
        "eval ap --pred 0.3,1 --target 0.4,7",
    ] {
        let said = complaint(args);
        assert!(said.contains("give a label from 0 to 1"), "{args}: {said}");
    }
}

#[test]
fn quiet_says_errors_only_and_verbose_says_more() {
    let folder = tempfile::tempdir().unwrap();
    let race = format!("race giou --directions exact --centres 2 -o {}", folder.path().display());
    let [quiet, plain, verbose] =
        [format!("{race} -q"), race.clone(), format!("-v {race}")].map(|args| detloss(&args));
    assert_eq!(quiet.err, "");
    assert!(plain.err.contains("race.html") && plain.err.lines().count() == 1, "{}", plain.err);
    assert!(verbose.err.contains("threads, kernels for ") && verbose.err.contains(" s\n"));
    assert!(
        [&quiet, &plain, &verbose].iter().all(|seen| seen.code == 0 && seen.out.contains("GIoU"))
    );
    let wrong = detloss("-q explain nope");
    assert!(wrong.code == 2 && wrong.err.starts_with("error: no loss"), "{}", wrong.err);
}

#[test]
fn settings_may_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    let out = folder.path().join("out");
    let settings = format!(
        "seed = 7\n[race]\nlosses = ['giou', 'iou']\ncentres = 2\ndirections = 'exact'\njson = true\nout = {:?}\n",
        out.display().to_string()
    );
    std::fs::write(&file, settings).unwrap();
    let race = |more: &str| {
        let seen = detloss(&format!("race --config {} {more}", file.display()));
        assert_eq!(seen.code, 0, "{}", seen.err);
        serde_json::from_str::<serde_json::Value>(&seen.out).unwrap()
    };
    let of_file = race("");
    assert_eq!((&of_file["seed"], &of_file["centers"]), (&7.into(), &2.into()));
    assert_eq!(of_file["runs"].as_array().unwrap().len(), 2);
    assert!(out.join("race.html").exists());
    let of_line = race("--seed 3 --losses giou");
    assert_eq!(of_line["seed"], 3);
    assert_eq!(of_line["runs"].as_array().unwrap().len(), 1);
    std::fs::write(&file, "sede = 1").unwrap();
    let said = complaint(&format!("race --config {}", file.display()));
    assert!(said.contains("no command has an option --sede"), "{said}");
}

#[test]
fn detections_may_come_from_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let [gt, dt] = hostile_files(folder.path());
    let out = folder.path().display();
    let piped = std::fs::read_to_string(&dt).unwrap();
    let args = |dt: &str| format!("audit --gt {gt} --dt {dt} --losses giou -o {out}");
    let [seen, same] = [detloss_with(&args("-"), &piped), detloss(&args(&dt))];
    assert_eq!((seen.code, &seen.out), (0, &same.out), "{}", seen.err);
    assert!(complaint(&format!("audit --gt - --dt - -o {out}")).contains("one standard input"));
}

#[test]
fn completions_and_manual_pages_know_all_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let seen = detloss(&format!("completions {shell}"));
        assert_eq!(seen.code, 0, "{}", seen.err);
        for word in ["race-ap", "directions", "imbalance"] {
            assert!(seen.out.contains(word), "{shell} lacks {word}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(detloss(&format!("man {}", folder.path().display())).code, 0);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    for command in commands().iter().filter(|name| *name != "help") {
        let page = read(&format!("detloss-{command}.1"));
        assert!(page.contains(".SH OPTIONS") || page.contains(".SH SYNOPSIS"), "{page}");
    }
    let race = read("detloss-race.1");
    assert!(race.contains("\\-\\-centres") && race.contains("\\-o\\fR, \\fB\\-\\-out"), "{race}");
    assert!(read("detloss-train-compare.1").contains("\\-\\-seeds"));
    assert_eq!(read("detloss.1"), detloss("man").out);
}

/// A remedy that names what the command does not have is none.
#[test]
fn a_folder_that_cannot_be_made_is_named_with_the_option_that_chose_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "{}").unwrap();
    let [gt, _] = hostile_files(folder.path());
    let below = file.join("new").display().to_string();
    for (args, option) in [
        (vec!["man", &below], "DIR"),
        (vec!["check", &gt, "--fix", &below], "--fix"),
        (vec!["check", &gt, "--out", &below], "--out"),
    ] {
        let seen = call(&args);
        assert_eq!((seen.code, &*seen.out), (1, ""), "{args:?}: {}", seen.err);
        assert!(seen.err.contains(&format!("choose another {option}")), "{args:?}: {}", seen.err);
    }
}
