//! `detloss race` of rotated boxes: a small race, its files, and wrong calls.

use std::fs;

use serde_json::Value;

use crate::{complaint, json};

/// A race that writes to a folder of its own: what it says, and its files.
fn race(args: &str) -> (Value, [String; 3]) {
    let folder = tempfile::tempdir().unwrap();
    let race = json(&format!("race {args} --out {}", folder.path().display()));
    let read = |file| fs::read_to_string(folder.path().join(file)).unwrap();
    (race, ["race.csv", "race.json", "race.html"].map(read))
}

fn numbers(of: &Value) -> Vec<f64> {
    of.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[test]
fn rotated_boxes_overlap_more_and_are_turned_less() {
    let (race, [curves, document, page]) = race("gwd rotated_giou --centres 4");
    assert_eq!((&race["cases"], &race["cases_with_angle"]), (&(4 * 343).into(), &(4 * 294).into()));
    let runs = race["runs"].as_array().unwrap();
    assert_eq!([&runs[0]["name"], &runs[1]["name"]], ["GWD", "Rotated GIoU"]);
    for run in runs {
        let (ious, angles) = (numbers(&run["iou"]), numbers(&run["angle_error"]));
        assert_eq!((ious.len(), angles.len()), (201, 201));
        assert!(ious[200] > ious[0] + 0.3 && ious[200] <= 1.0, "{ious:?}");
        assert!(angles[200] < 0.5 * angles[0] && angles[0] < 90.0, "{angles:?}");
    }
    assert!(
        curves.starts_with(
            "iteration,GWD: IoU,\"GWD: angle error, degrees\",Rotated GIoU: IoU,\"Rotated GIoU: angle error, degrees\"\n"
        ),
        "{curves}"
    );
    assert_eq!(curves.lines().count(), 1 + 201);
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["race"], race);
    for each in ["centers_from_target", "angles_from_target"] {
        assert_eq!(document[each].as_array().unwrap().len(), 4);
    }
    let last = document["last_by_center"][0].as_array().unwrap();
    let mean: f64 = last.iter().map(|means| means["iou"].as_f64().unwrap()).sum::<f64>() / 4.0;
    assert!((mean - runs[0]["iou"][200].as_f64().unwrap()).abs() < 1e-12);
    assert!(page.contains("has no longer side") && !page.contains("NaN"));
    // Two curves and one by the angle at the start, for wide pages and for narrow ones, and a surface for each loss.
    assert_eq!(page.matches("<svg").count(), 8);
}

#[test]
fn losses_may_be_listed_either_way_and_set() {
    let settings = "--param kfiou.form=0,2 --centres 1 --seed 3";
    let (listed, files) = race(&format!("--losses bcd,kfiou {settings}"));
    let (named, same) = race(&format!("bcd kfiou {settings}"));
    assert_eq!(
        (listed["runs"][2]["iou"].clone(), &files[0]),
        (named["runs"][2]["iou"].clone(), &same[0])
    );
    assert_eq!(named["runs"][2]["name"], "KFIoU, form = 2");
}

#[test]
fn each_kind_of_boxes_has_a_race_of_its_own() {
    for (args, words) in [
        (
            "giou gwd",
            "giou is a loss of axis-aligned boxes, gwd of rotated boxes: give each kind a race",
        ),
        (
            "kld --losses inner(iou)",
            "kld is a loss of rotated boxes, inner(iou) of axis-aligned boxes",
        ),
        (
            "yaw_iou3d",
            "yaw_iou3d is no loss of two boxes in a plane: see `detloss list --family boxes`, or rotated",
        ),
        ("focal", "focal is no loss of two boxes"),
        (
            "gwd --directions published",
            "no direction was published for gwd: use --directions exact",
        ),
        ("gwd --centres 0", "--centres is 0"),
    ] {
        let said = complaint(&format!("race {args}"));
        assert!(said.contains(words), "{args}: {said}");
    }
}
