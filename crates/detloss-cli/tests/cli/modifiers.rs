//! Losses with modifiers, by what they are written as.

use detloss::loss::modifiers::ALL;

use super::{assert_near, complaint, detloss, json};

const BOXES: &str = "--pred 0,0,2,2 --target 1,0,3,2";

#[test]
fn every_modifier_is_listed_and_explained() {
    let list = json("list --family modifiers");
    let names: Vec<&str> =
        list.as_array().unwrap().iter().map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!(names, ALL.iter().map(|modifier| modifier.name).collect::<Vec<_>>());
    for modifier in ALL {
        let page = json(&format!("explain {}", modifier.name));
        assert_eq!(page["params"].as_array().unwrap().len(), modifier.params.len());
    }
    assert!(detloss("explain inner").out.contains("ratio = 0.75, from 0.5 to 1.5"));
    // The loss of this name comes first.
    assert_eq!(json("explain focal")["family"], "scores");
}

#[test]
fn a_modified_loss_is_evaluated_by_its_name() {
    // An IoU of 1/3: over 0.95.
    let answer = json(&format!("eval focaler(iou) {BOXES}"));
    assert_near(&answer["value"], 1.0 - 1.0 / 3.0 / 0.95);
    // Both of side 1.5, so that they overlap by a half.
    let answer = json(&format!("eval inner(iou) {BOXES}"));
    assert_near(&answer["value"], 1.0 - 0.75 / 3.75);
    let answer = json(&format!("eval inner(focaler(giou),ratio=0.75) {BOXES} --param eps=0"));
    assert_near(&answer["value"], 1.0 - 0.75 / 3.75 / 0.95);
}

#[test]
fn lists_of_losses_end_at_commas_outside_parentheses() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().display();
    let race = "race --centres 1 --directions exact";
    let race = json(&format!("{race} --losses iou,inner(ciou,ratio=0.8),wise(iou) --out {out}"));
    let runs = race["runs"].as_array().unwrap();
    let names: Vec<&str> = runs.iter().map(|run| run["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["IoU", "Inner-CIoU, ratio = 0.8", "Wise-IoU"]);
    assert_eq!(runs[1]["loss"], "inner(ciou, ratio=0.8)");
}

#[test]
fn what_cannot_be_modified_is_an_error() {
    assert!(complaint(&format!("eval inner(nwd) {BOXES}")).contains("has no IoU"));
    assert!(complaint(&format!("eval inner(inner(iou)) {BOXES}")).contains("twice"));
    assert!(complaint(&format!("eval inner(ciou,ratio=3) {BOXES}")).contains("from 0.5 to 1.5"));
    assert!(complaint("list --family inner").contains("modifiers"));
}
