//! Errors planted in sound data sets: each is found, and nothing else.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::problem::{Kind, Severity};

/// Twelve images of 100 x 80 with three objects each, of three classes.
fn small() -> Value {
    let image =
        |id: u64| json!({ "id": id, "file_name": format!("{id}.png"), "width": 100, "height": 80 });
    let object = |k: u64| {
        let (image, class) = (1 + k / 3, 1 + k % 3);
        let bbox = [10 + 20 * (k % 3), 8 + k, 15, 12];
        json!({ "id": k, "image_id": image, "category_id": class, "bbox": bbox, "area": 180, "iscrowd": 0 })
    };
    let class = |id: u64| json!({ "id": id, "name": format!("class {id}") });
    json!({
        "images": (1..=12).map(image).collect::<Vec<_>>(),
        "annotations": (0..36).map(object).collect::<Vec<_>>(),
        "categories": (1..=3).map(class).collect::<Vec<_>>(),
    })
}

/// Plants errors, and says which, and at which entry.
fn plant(set: &mut Value) -> Vec<(Kind, String)> {
    let mut planted = Vec::new();
    let image = set["images"][0].clone();
    let class = set["categories"][0]["id"].clone();
    let [width, height] = ["width", "height"].map(|side| image[side].as_f64().unwrap());
    let objects = set["annotations"].as_array().unwrap().clone();
    let mut place = 0;
    let mut object = |set: &mut Value, image: &Value, change: Value| -> String {
        let list = set["annotations"].as_array_mut().unwrap();
        // Each a little beside the last one, so that it is not the same box.
        place += 1;
        let bbox = json!([3 + 2 * place, 4 + place, 9, 11]);
        let mut entry = json!({ "id": 900_000_000_u64 + place, "image_id": image["id"], "category_id": class, "bbox": bbox });
        for (field, value) in change.as_object().unwrap() {
            entry[field] = value.clone();
        }
        list.push(entry);
        format!("annotations[{}]", list.len() - 1)
    };
    for (kind, change) in [
        (Kind::NoBox, json!({ "bbox": [1, 2, 3] })),
        (Kind::NotFinite, json!({ "bbox": [1, 2, 1e300, 4] })),
        (Kind::NegativeSide, json!({ "bbox": [50, 50, -10, 10] })),
        (Kind::NoArea, json!({ "bbox": [10, 10, 0, 20] })),
        (Kind::Outside, json!({ "bbox": [width + 400.0, 10, 30, 20] })),
        (Kind::Beyond, json!({ "bbox": [width - 20.0, height - 30.0, 40, 20] })),
        (Kind::NotPixels, json!({ "bbox": [0.1, 0.2, 0.3, 0.4] })),
        (Kind::Tiny, json!({ "bbox": [40, 40, 1, 20] })),
        (Kind::OddShape, json!({ "bbox": [5, 60, 75, 3] })),
        (Kind::Covering, json!({ "bbox": [0, 0, width, height] })),
        (Kind::BadArea, json!({ "area": 5000 })),
        (Kind::BadField, json!({ "iscrowd": "maybe" })),
        (Kind::UnknownImage, json!({ "image_id": 123_456_789 })),
        (Kind::UnknownClass, json!({ "category_id": 123_456_789 })),
        (Kind::DuplicateAnnotationId, json!({ "id": objects[0]["id"] })),
    ] {
        planted.push((kind, object(set, &image, change)));
    }
    let mut again = objects[0].clone();
    again["id"] = json!("again");
    planted.push((Kind::SameBox, object(set, &image, again)));
    let mut other = objects[1].clone();
    other["id"] = json!("other");
    let classes = set["categories"].as_array().unwrap();
    other["category_id"] =
        classes.iter().find(|class| class["id"] != other["category_id"]).unwrap()["id"].clone();
    planted.push((Kind::OtherClass, object(set, &image, other)));
    for (id, kind, change) in [
        ("file", Kind::SameFile, json!({ "file_name": image["file_name"] })),
        ("size", Kind::NoSize, json!({ "width": null })),
        ("name", Kind::NoName, json!({ "file_name": "" })),
        ("odd", Kind::OddSize, json!({ "width": 20, "height": 15 })),
    ] {
        let mut entry =
            json!({ "id": id, "file_name": format!("{id}.jpg"), "width": width, "height": height });
        for (field, value) in change.as_object().unwrap() {
            entry[field] = value.clone();
        }
        let bbox = if id == "odd" { json!([2, 2, 9, 9]) } else { json!([20, 20, 30, 30]) };
        object(set, &entry, json!({ "bbox": bbox }));
        set["images"].as_array_mut().unwrap().push(entry);
        planted.push((kind, format!(" (image {id})")));
    }
    let images = set["images"].as_array_mut().unwrap();
    planted.push((Kind::DuplicateImageId, format!("images[{}]", images.len())));
    images.push(image);
    let classes = set["categories"].as_array_mut().unwrap();
    planted.push((Kind::DuplicateCategoryId, format!("categories[{}]", classes.len())));
    classes.push(classes[0].clone());
    let entries = set["annotations"].as_array_mut().unwrap();
    planted.push((Kind::Unreadable, format!("annotations[{}]", entries.len())));
    entries.push(json!(17));
    planted
}

fn source_of(path: &Path) -> Source {
    DataSet::find(path).unwrap().parts.remove(0)
}

fn parts_at(path: &Path) -> Vec<Part> {
    parts_of(&DataSet::find(path).unwrap()).unwrap()
}

fn parts(set: &Value) -> Vec<Part> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.json");
    fs::write(&path, set.to_string()).unwrap();
    parts_at(&path)
}

/// Kinds and places of all that is worse than a note.
fn found(set: &Value) -> Vec<(Kind, String)> {
    let mut found: Vec<_> = check(&parts(set))
        .into_iter()
        .filter(|problem| problem.kind.severity() != Severity::Note)
        .map(|problem| {
            let place = problem.place.to_string();
            let of_entry = place.split(['.', ' ']).next().unwrap_or_default();
            (problem.kind, if of_entry.is_empty() { place } else { of_entry.to_owned() })
        })
        .collect();
    found.sort();
    found
}

fn finds_all_that_is_planted(mut set: Value) {
    assert_eq!(found(&set), []);
    let mut planted = plant(&mut set);
    assert!(planted.len() >= 20);
    planted.sort();
    assert_eq!(found(&set), planted);
}

#[test]
fn all_that_is_planted_in_a_sound_set_is_found_and_nothing_else() {
    assert_eq!(check(&parts(&small())), []);
    finds_all_that_is_planted(small());
}

#[test]
fn all_that_is_planted_in_a_hundred_images_of_coco_is_found_and_nothing_else() {
    let file = "../../../shared/data/coco100/instances_val2014_100.json";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    match fs::read_to_string(file) {
        Ok(text) => finds_all_that_is_planted(serde_json::from_str(&text).unwrap()),
        Err(_) => println!("skipped: the COCO example is not beside the project"),
    }
}

/// All boxes of a set in other units are one problem.
#[test]
fn normalised_boxes_and_corners_are_told_once() {
    let change = |change: fn([f64; 4]) -> [f64; 4]| {
        let mut set = small();
        for object in set["annotations"].as_array_mut().unwrap() {
            let bbox: [f64; 4] = serde_json::from_value(object["bbox"].clone()).unwrap();
            object["bbox"] = json!(change(bbox));
            object["area"] = json!(null);
        }
        check(&parts(&set))
    };
    let [only] = &change(|[x, y, w, h]| [x / 100.0, y / 80.0, w / 100.0, h / 80.0])[..] else {
        panic!()
    };
    assert_eq!(
        (only.kind, &*only.said),
        (Kind::NotPixels, "all 36 boxes lie below 1: are they normalised?")
    );
    let [only] = &change(|[x, y, w, h]| [x, y, x + w, y + h])[..] else { panic!() };
    assert_eq!(only.kind, Kind::Corners);
    assert!(
        only.said.starts_with("all 36 boxes lie in their images if read as x1, y1, x2, y2; as "),
        "{}",
        only.said
    );
}

#[test]
fn notes_tell_of_empty_classes_and_images_of_balance_and_of_crowds() {
    let mut set = small();
    set["categories"].as_array_mut().unwrap().push(json!({ "id": 9, "name": "none" }));
    set["images"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "id": 99, "file_name": "empty.png", "width": 100, "height": 80 }));
    for object in set["annotations"].as_array_mut().unwrap().iter_mut().take(5) {
        object["iscrowd"] = json!(1);
    }
    let problems = check(&parts(&set));
    let said: Vec<_> = problems.iter().map(|problem| &*problem.said).collect();
    assert_eq!(
        said,
        [
            "class 9, \"none\", has no object",
            "1 of 13 images have no object, the first: empty.png",
            "5 of 36 objects are crowds",
        ]
    );
    let mut set = small();
    let objects = set["annotations"].as_array_mut().unwrap();
    let first = objects[0].clone();
    objects.retain(|object| object["category_id"] != 1);
    objects.push(first);
    for k in 0..110 {
        let bbox = [k % 10 * 9, k / 10 * 7, 5, 6];
        objects.push(json!({ "id": 100 + k, "image_id": 1, "category_id": 2, "bbox": bbox }));
    }
    let [only] = &check(&parts(&set))[..] else { panic!() };
    assert_eq!(only.said, "\"class 2\" has 122 objects, \"class 1\" has 1");
}

#[test]
fn parts_of_a_folder_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("annotations")).unwrap();
    let mut other = small();
    for image in other["images"].as_array_mut().unwrap().iter_mut().skip(1) {
        image["file_name"] = json!(format!("val/{}", image["file_name"].as_str().unwrap()));
    }
    other["categories"][1]["name"] = json!("another");
    for (name, set) in [
        ("instances_train.json", small()),
        ("instances_val.json", other),
        ("captions.json", json!({})),
    ] {
        fs::write(folder.path().join("annotations").join(name), set.to_string()).unwrap();
    }
    let parts = parts_at(folder.path());
    assert_eq!(
        parts.iter().map(|part| &*part.source.name).collect::<Vec<_>>(),
        ["instances_train", "instances_val"]
    );
    let problems = check(&parts);
    let said: Vec<_> = problems.iter().map(|problem| (problem.kind, &*problem.said)).collect();
    assert_eq!(
        said,
        [
            (Kind::LeakedName, "\"1.png\" is in instances_train, too"),
            (Kind::ClassNames, "class 2 is \"another\" here, and \"class 2\" in instances_train"),
        ]
    );
    let empty = tempfile::tempdir().unwrap();
    let error = DataSet::find(empty.path()).unwrap_err().to_string();
    assert!(error.contains("there is no annotation file; put COCO"), "{error}");
}

/// What is fixed is right, and what is left is for somebody to decide.
#[test]
fn a_fixed_copy_has_only_what_somebody_has_to_decide() {
    let mut set = small();
    plant(&mut set);
    set["info"] = json!({ "year": 2026 });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.json");
    fs::write(&path, set.to_string()).unwrap();
    let parts = parts_at(&path);
    let problems = check(&parts);
    let (value, changes) = fixed(&parts[0], &problems).unwrap();
    assert_eq!(value["info"]["year"], 2026);
    assert_eq!(changes.len(), problems.len());
    let copy = folder.path().join("copy.json");
    fs::write(&copy, value.to_string()).unwrap();
    let left = check(&parts_at(&copy));
    let mut kinds: Vec<_> = left.iter().map(|problem| problem.kind).collect();
    kinds.sort();
    kinds.dedup();
    let mut open: Vec<_> = changes
        .iter()
        .filter(|change| change.done.is_none())
        .map(|change| change.problem.kind)
        .collect();
    open.sort();
    open.dedup();
    assert_eq!(kinds, open, "{left:#?}");
    // Clipping is no loss of objects, and sound ones are untouched.
    assert!(kinds.iter().all(|kind| ![Kind::Beyond, Kind::SameBox, Kind::NoBox].contains(kind)));
    let before = set["annotations"].as_array().unwrap();
    let after = value["annotations"].as_array().unwrap();
    assert_eq!(before[..36], after[..36]);
}

#[test]
fn other_units_are_put_right() {
    let change = |change: fn([f64; 4]) -> [f64; 4]| {
        let mut set = small();
        for object in set["annotations"].as_array_mut().unwrap() {
            let bbox: [f64; 4] = serde_json::from_value(object["bbox"].clone()).unwrap();
            object["bbox"] = json!(change(bbox));
        }
        let parts = parts(&set);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.json");
        fs::write(&path, set.to_string()).unwrap();
        let part = Part { source: source_of(&path), ..parts[0].clone() };
        let problems = check(std::slice::from_ref(&part));
        let (value, _) = fixed(&part, &problems).unwrap();
        fs::write(&path, value.to_string()).unwrap();
        parts_at(&path).remove(0).truth
    };
    let wanted = &parts(&small())[0].truth;
    for truth in [
        change(|[x, y, w, h]| [x / 100.0, y / 80.0, w / 100.0, h / 80.0]),
        change(|[x, y, w, h]| [x, y, x + w, y + h]),
    ] {
        for (got, wanted) in truth.annotations.iter().zip(&wanted.annotations) {
            let near = got.bbox.iter().zip(wanted.bbox).all(|(a, b)| (a - b).abs() < 1e-9);
            assert!(near, "{:?} {:?}", got.bbox, wanted.bbox);
        }
    }
}
