//! `detloss race-ap`: a small race, its files, and wrong calls.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{complaint, detloss, json};

const SMALL: &str = "race-ap --positives 20 --negatives 500 --iterations 30";

/// A race that writes to a folder of its own: what it says, and its curves.
fn race(args: &str) -> (Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let race = json(&format!("{args} --out {}", folder.path().display()));
    for file in ["race-ap.csv", "race-ap.json", "race-ap.html"] {
        assert!(fs::metadata(folder.path().join(file)).unwrap().len() > 50, "{file}");
    }
    let page = fs::read_to_string(folder.path().join("race-ap.html")).unwrap();
    assert!(!page.contains("NaN") && page.contains("Scores before and after"));
    (race, fs::read_to_string(folder.path().join("race-ap.csv")).unwrap())
}

fn precision(run: &Value, at: usize) -> f64 {
    run["precision"][at].as_f64().unwrap()
}

#[test]
fn every_loss_improves_the_precision() {
    let (race, curves) = race(SMALL);
    assert_eq!((&race["positives"], &race["negatives"]), (&Value::from(20), &Value::from(500)));
    let runs = race["runs"].as_array().unwrap();
    assert!(runs.len() >= 5);
    for run in runs {
        assert!(precision(run, 30) > precision(run, 0) + 0.05, "{}", run["name"]);
    }
    assert_eq!(curves.lines().count(), 1 + 31);
}

#[test]
fn a_seed_gives_the_same_bytes() {
    assert_eq!(race(SMALL).1, race(SMALL).1);
    assert_ne!(race(SMALL).1, race(&format!("{SMALL} --seed 2")).1);
}

#[test]
fn losses_and_parameters_may_be_chosen() {
    let (race, curves) = race(&format!("{SMALL} --losses bce,ap --param ap.delta=0.5,1"));
    assert_eq!(race["runs"].as_array().unwrap().len(), 3);
    assert!(
        curves.starts_with("iteration,BCE,\"AP, delta = 0.5\",\"AP, delta = 1\"\n"),
        "{curves}"
    );
}

#[test]
fn a_real_detector_may_race() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/audit");
    let files = |truth: &str, found: &str| {
        format!(
            "race-ap --gt {} --dt {}",
            folder.join(truth).display(),
            folder.join(found).display()
        )
    };
    let tiny = files("instances.json", "results.json");
    let (all, _) = race(&format!("{tiny} --iterations 5"));
    assert_eq!((&all["positives"], &all["negatives"]), (&Value::from(2), &Value::from(3)));
    assert_eq!(all["seed"], Value::Null);
    // Cats: + − −, dogs: + −; all in their right order.
    let (by_class, _) = race(&format!("{tiny} --iterations 5 --per-class"));
    assert_eq!(precision(&by_class["runs"][0], 0), 1.0);
    let swapped = detloss(&files("results.json", "instances.json"));
    assert_eq!(swapped.code, 1);
    assert!(swapped.err.contains("are the files swapped?"), "{}", swapped.err);
}

#[test]
fn the_example_of_coco_races() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/coco100");
    if !folder.exists() {
        println!("skipped: the COCO example is not beside the project");
        return;
    }
    let truth = folder.join("instances_val2014_100.json");
    let found = folder.join("fakebbox100_results.json");
    let args = format!("race-ap --gt {} --dt {} --iterations 10", truth.display(), found.display());
    let (race, _) = race(&args);
    assert_eq!((&race["positives"], &race["negatives"]), (&Value::from(649), &Value::from(85)));
    for run in race["runs"].as_array().unwrap() {
        assert!(precision(run, 10) > precision(run, 0), "{}", run["name"]);
    }
}

#[test]
fn wrong_calls_name_the_remedy() {
    for (args, words) in [
        ("race-ap --losses giou", "giou is no loss of scores one by one: choose among bce"),
        ("race-ap --losses bse", "did you mean \"bce\""),
        ("race-ap --positives 0", "--positives is 0: give at least 1"),
        ("race-ap --iterations 0", "--iterations is 0: give at least 1"),
        ("race-ap --per-class", "--gt"),
        ("race-ap --gt a.json", "--dt"),
        ("race-ap --gt a.json --dt b.json --seed 3", "--seed"),
    ] {
        let said = complaint(args);
        assert!(said.starts_with("error: ") && said.contains(words), "{args}: {said}");
    }
}
