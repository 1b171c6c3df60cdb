//! Criteria as tables and as data.

use super::{complaint, detloss, json};

#[test]
fn the_list_and_every_criterion_are_printed() {
    let list = detloss("criteria").out;
    for entry in detloss::criteria::ALL {
        assert!(list.contains(entry.name) && list.contains(entry.source), "{}", entry.name);
        let page = detloss(&format!("criteria {}", entry.name)).out;
        for head in entry.make().heads {
            for term in head.terms {
                let line = page.lines().find(|line| {
                    line.starts_with(&head.name) && line.contains(&format!(" {} ", term.name))
                });
                assert!(line.unwrap().contains(&term.loss.to_string()), "{page}");
            }
        }
    }
}

#[test]
fn a_criterion_is_data_that_can_be_changed() {
    let data = json("criteria yolo11(box=siou,dfl.weight=2)");
    let changed: detloss::criteria::Criterion = serde_json::from_value(data).unwrap();
    assert_eq!(changed, "yolo8(box=siou, dfl.weight=2)".parse().unwrap());
    let text = detloss("criteria yolo8 --toml").out;
    assert!(text.contains("[[heads.terms]]") && text.contains("loss = \"ciou\""), "{text}");
}

#[test]
fn what_is_wrong_is_said_with_the_remedy() {
    for (text, remedy) in [
        ("yolo", "there are"),
        ("yolo8(box=focal)", "give a loss of two boxes"),
        ("yolo8(bbox=giou)", "it has box, box.weight"),
    ] {
        let error = complaint(&format!("criteria {text}"));
        assert!(error.contains(remedy), "{error}");
    }
}
