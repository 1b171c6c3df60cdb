//! What stands out of detections that were made for it, options, pictures, and two detectors against each other.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Seen, assert_near, audit, entropies, tiny};

/// The rules that apply, as the audit names them.
fn rules(audit: &Value) -> Vec<&str> {
    audit["stands_out"].as_array().unwrap().iter().map(|it| it["rule"].as_str().unwrap()).collect()
}

/// An audit of these boxes: (image, class, box) of objects, the same with a score of detections.
fn made(objects: &[(u64, u64, [f64; 4])], found: &[(u64, u64, [f64; 4], f64)], more: &str) -> Seen {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, value: Value| {
        let path = folder.path().join(name);
        fs::write(&path, value.to_string()).unwrap();
        path
    };
    let images: Vec<Value> =
        (1..=40).map(|id| json!({ "id": id, "file_name": format!("{id}.jpg") })).collect();
    let names = ["cat", "dog", "cow"];
    let categories: Vec<Value> =
        (1..=3).map(|id| json!({ "id": id, "name": names[id - 1] })).collect();
    let annotations: Vec<Value> = objects
        .iter()
        .zip(1..)
        .map(|((image, class, bbox), id)| json!({ "id": id, "image_id": image, "category_id": class, "bbox": bbox }))
        .collect();
    let results: Vec<Value> = found
        .iter()
        .map(|(image, class, bbox, score)| json!({ "image_id": image, "category_id": class, "bbox": bbox, "score": score }))
        .collect();
    let truth = json!({ "images": images, "categories": categories, "annotations": annotations });
    let seen = audit(&write("truth.json", truth), &write("results.json", json!(results)), more);
    Seen { input: folder, ..seen }
}

/// Forty images with a cat and a dog each.
fn pets() -> Vec<(u64, u64, [f64; 4])> {
    let pair = |image| [(image, 1, CAT), (image, 2, DOG)];
    (1..=40).flat_map(pair).collect()
}

const CAT: [f64; 4] = [10.0, 10.0, 20.0, 20.0];
const DOG: [f64; 4] = [200.0, 200.0, 120.0, 120.0];

/// Both found, with scores that are about right; each as `change` says.
fn seen_pets(
    change: impl Fn(u64, u64, [f64; 4]) -> Vec<(u64, [f64; 4], f64)>,
) -> Vec<(u64, u64, [f64; 4], f64)> {
    let found = pets().into_iter().flat_map(|(image, class, bbox)| {
        let found = change(image, class, bbox).into_iter();
        found.map(move |(class, bbox, score)| (image, class, bbox, score)).collect::<Vec<_>>()
    });
    found.collect()
}

#[test]
fn nothing_stands_out_of_a_detector_that_is_right() {
    let found = seen_pets(|_, class, bbox| vec![(class, bbox, 0.97)]);
    let audit = made(&pets(), &found, "--losses giou,bce").json();
    assert_eq!(rules(&audit), ["best_threshold"]);
    assert_near(&audit["best"]["f1"], 1.0);
    assert_near(&audit["calibration"]["bias"], -0.03);
}

#[test]
fn each_rule_says_what_stands_out() {
    let audit = |found: Vec<_>| made(&pets(), &found, "--losses giou,bce,focal").json();
    let says = |audit: &Value, rule: &str, words: &str| {
        let remarks = audit["stands_out"].as_array().unwrap();
        let remark = remarks.iter().find(|it| it["rule"] == rule);
        let remark = remark.unwrap_or_else(|| panic!("{rule} is not in {remarks:?}"));
        let text = format!("{} {}", remark["seen"], remark["try"]);
        assert!(text.contains(words), "{text}");
    };
    // A quarter of the cats is taken for dogs.
    let mistaken =
        seen_pets(|image, class, bbox| vec![(if image % 4 == 0 { 2 } else { class }, bbox, 0.9)]);
    let mistaken = audit(mistaken);
    says(&mistaken, "costliest_error", "Wrong classes cost most");
    says(&mistaken, "confused_classes", "10 of 40 objects of class cat are taken for dog");
    says(&mistaken, "suspects", "10 detections with a score of 0.5 or more disagree");

    // Dogs are found twice: nothing that AP sees, but most of the gradient.
    let seen_twice = seen_pets(|_, class, bbox| {
        let mut found = vec![(class, bbox, 0.99)];
        found.extend((class == 2).then_some((class, bbox, 0.98)));
        found
    });
    let twice = audit(seen_twice.clone());
    says(&twice, "wasted_gradient", "Dupe (found twice)");
    assert!(twice["stands_out"].to_string().contains(" spends least on them"));
    let alone = made(&pets(), &seen_twice, "--losses bce").json();
    says(&alone, "wasted_gradient", "Dupe (found twice)");
    assert!(!alone["stands_out"].to_string().contains(" spends least on them"));
    let dupes = &twice["errors"][3];
    assert_eq!((&dupes["kind"], &dupes["count"]), (&json!("Dupe"), &json!(40)));
    assert!(dupes["losses"]["bce"]["gradient_share"].as_f64().unwrap() > 0.9, "{dupes}");

    // Cats, which are small, are missed half of the time, and their boxes are loose.
    let small = seen_pets(|image, class, bbox| {
        let loose = [bbox[0], bbox[1], bbox[2], 0.4 * bbox[3]];
        match class {
            1 if image % 2 == 0 => vec![],
            1 => vec![(1, loose, 0.6)],
            _ => vec![(2, bbox, 0.9)],
        }
    });
    let small = audit(small);
    says(&small, "costliest_error", "Loose boxes cost most");
    says(&small, "small_objects", "AP of small objects is 0, that of large ones 1");
    says(&small, "weak_class", "Class cat has an AP of 0");

    let sure = seen_pets(|image, class, bbox| {
        let away = [400.0, 10.0, 20.0, 20.0];
        vec![(class, if image % 2 == 0 { bbox } else { away }, 0.95)]
    });
    says(&audit(sure), "calibration", "above the share of detections that are right");
}

#[test]
fn annotations_that_nothing_can_find_stand_out_with_their_place() {
    let mut objects = pets();
    objects.insert(3, (1, 3, [50.0, 50.0, 0.0, 20.0]));
    let found = seen_pets(|_, class, bbox| vec![(class, bbox, 0.97)]);
    let seen = made(&objects, &found, "--losses bce");
    assert_eq!(rules(&seen.json())[0], "broken_annotations");
    assert!(seen.out.contains("1 annotated box has no area, or lies outside of the image"));
    assert!(seen.out.contains("annotations[3]"), "{}", seen.out);
}

#[test]
fn ids_are_shown_as_they_are_written() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, value: Value| {
        let path = folder.path().join(name);
        fs::write(&path, value.to_string()).unwrap();
        path
    };
    let truth = json!({
        "images": [{ "id": "000001", "file_name": "a.jpg" }],
        "categories": [{ "id": "c-7", "name": "cat" }],
        "annotations": [
            { "id": "broken", "image_id": "000001", "category_id": "c-7", "bbox": [0, 0] },
            { "id": "a-1", "image_id": "000001", "category_id": "c-7", "bbox": [0, 0, 10, 10] },
            { "image_id": "000001", "category_id": "c-7", "bbox": [50, 50, 10, 10] },
        ],
    });
    let found = json!([
        { "image_id": "000001", "category_id": "c-7", "bbox": [0, 0, 10, 6], "score": 0.9 },
        { "image_id": "000001", "category_id": "c-7", "bbox": [50, 50, 10, 6], "score": 0.8 },
    ]);
    let seen = audit(&write("t.json", truth), &write("r.json", found), "--classes c-7");
    let audit = seen.json();
    assert_eq!(audit["suspects"][0]["image_id"], "000001");
    let ids = audit["suspects"].as_array().unwrap().iter();
    let ids: Vec<_> = ids.map(|it| (&it["annotation_id"], &it["annotation_index"])).collect();
    assert!(ids.contains(&(&json!("a-1"), &json!(1))), "{ids:?}");
    assert!(ids.contains(&(&Value::Null, &json!(2))), "{ids:?}");
    assert_eq!(audit["classes"][0]["category_id"], "c-7");
    assert!(seen.out.contains("annotations[2]"), "{}", seen.out);
    assert!(seen.file("confusion.csv").starts_with("annotated,c-7 cat,background"));
    let boxes = seen.file("boxes.csv");
    assert!(boxes.lines().any(|line| line.starts_with("0,000001,a.jpg,c-7,cat,")), "{boxes}");
}

#[test]
fn objects_that_overlap_others_and_are_missed_stand_out() {
    let mut objects = pets();
    objects.extend((1..=20).map(|image| (image, 3, [205.0, 205.0, 120.0, 120.0])));
    let found = seen_pets(|image, class, bbox| match class {
        2 if image <= 20 => vec![],
        _ => vec![(class, bbox, 0.9)],
    });
    let audit = made(&objects, &found, "--losses bce").json();
    assert!(rules(&audit).contains(&"crowded_objects"), "{:?}", rules(&audit));
    let groups = audit["crowding"].as_array().unwrap();
    assert_eq!([&groups[0]["objects"], &groups[0]["found"]], [&json!(60), &json!(60)]);
    assert_eq!([&groups[1]["objects"], &groups[1]["found"]], [&json!(40), &json!(0)]);
}

#[test]
fn files_that_do_not_fit_one_another_are_told_so_and_nothing_else() {
    let normalised = |[x, y, w, h]: [f64; 4]| [x / 400.0, y / 400.0, w / 400.0, h / 400.0];
    let corners = |[x, y, w, h]: [f64; 4]| [x, y, x + w, y + h];
    let off = |[x, y, w, h]: [f64; 4]| [x + 300.0, y + 300.0, w, h];
    let found = |change: &dyn Fn([f64; 4]) -> [f64; 4]| {
        seen_pets(|_, class, bbox| vec![(class, change(bbox), 0.9)])
    };
    let with = |found: &[_]| {
        let audit = made(&pets(), found, "--losses giou,bce").json();
        rules(&audit).iter().map(|&rule| rule.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(with(&found(&normalised)), ["normalised"]);
    assert_eq!(with(&found(&corners)), ["corners"]);
    assert_eq!(with(&found(&off)), ["nothing_found"]);
    assert_eq!(with(&[]), ["no_detections"]);
    let seen = made(&pets(), &[], "");
    assert!(!seen.out.contains("bce"), "{}", seen.out);
    assert!(
        seen.out.contains("- No detection counts, so that no loss has a value."),
        "{}",
        seen.out
    );
    let row = seen.out.lines().find(|line| line.starts_with("cat ")).unwrap();
    assert!(row.ends_with(" -         -           -"), "shares of nothing: {row}");
    assert!(seen.out.contains("- There are no detections."), "{}", seen.out);
    let none = made(&[], &found(&corners), "--losses bce").json();
    assert_eq!(rules(&none), ["no_objects"]);
    let small: Vec<_> = pets().into_iter().map(|(i, c, bbox)| (i, c, normalised(bbox))).collect();
    let annotations = made(&small, &found(&corners), "--losses bce").json();
    assert_eq!(rules(&annotations), ["normalised_annotations"]);
}

#[test]
fn columns_of_every_table_have_names_of_their_own() {
    let seen = tiny("");
    let files = fs::read_dir(seen.folder.path().join("out")).unwrap();
    let names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".csv"))
        .collect();
    assert!(names.len() >= 9, "{names:?}");
    for name in names {
        let text = seen.file(&name);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header: Vec<String> = reader.headers().unwrap().iter().map(Into::into).collect();
        let different: std::collections::HashSet<&String> = header.iter().collect();
        assert_eq!(different.len(), header.len(), "{name}: {header:?}");
    }
    let classes = seen.file("classes.csv");
    let header = classes.lines().next().unwrap();
    assert!(header.contains(",mean_iou,") && header.contains(",losses.iou.mean,"), "{header}");
}

#[test]
fn options_change_what_is_looked_at() {
    let seen = tiny("--losses focal --param gamma=0,1.5 --param alpha=-1");
    let audit = seen.json();
    let params = |at: usize| &audit["losses"][at]["params"];
    assert_eq!((&params(0)["gamma"], &params(1)["gamma"]), (&json!(0.0), &json!(1.5)));
    let total: f64 = entropies().iter().sum();
    assert_near(&audit["losses"][0]["total"], total);
    assert_ne!(audit["losses"][0]["loss"], audit["losses"][1]["loss"]);

    let audit = tiny("--losses bce --iou 0.98,0.95").json();
    assert_eq!((&audit["matched"], &audit["missed"]), (&json!(1), &json!(2)));
    assert_eq!(audit["average_precision"]["AP50"], Value::Null);
    assert_eq!(audit["options"]["ious"], json!([0.95, 0.98]));

    let audit = tiny("--losses bce --classes dog --score 0.55").json();
    assert_eq!((&audit["objects"], &audit["crowds"]), (&json!(1), &json!(1)));
    assert_eq!(audit["left_out"]["by_options"], 4);
    assert_eq!(audit["classes"].as_array().unwrap().len(), 1);

    let audit = tiny("--losses bce --area 20 --max-dets 1").json();
    let sizes: Vec<_> = audit["sizes"].as_array().unwrap().iter().map(|it| &it["size"]).collect();
    assert_eq!(sizes, ["below 20", "from 20"]);
    assert_eq!(audit["left_out"]["beyond_limit"], 2);
    for (more, words) in [
        ("--classes cow", "there is no class \"cow\": the annotations have cat, dog"),
        ("--area 64,16", "do not ascend"),
        ("--area 0", "a side is in pixels"),
        ("--iou 50", "an IoU is above 0 and at most 1"),
        ("--max-dets 0", "--max-dets"),
        ("--losses bce --param gamma=1", "no parameter"),
    ] {
        let seen = tiny(more);
        assert_eq!((seen.code, &*seen.out), (2, ""), "{more}: {}", seen.err);
        assert!(seen.err.contains(words), "{more}: {}", seen.err);
    }
}

#[test]
fn the_worst_are_shown_as_pictures_and_images_that_are_not_there_are_named() {
    let folder = TempDir::new().unwrap();
    // Those of the tiny files, the second without a picture.
    for name in ["a.jpg", "nothing-annotated.jpg"] {
        let image = image::RgbImage::from_pixel(160, 120, image::Rgb([90, 120, 60]));
        image.save(folder.path().join(name)).unwrap();
    }
    let seen = tiny(&format!("--losses iou,bce --images {}", folder.path().display()));
    let page = seen.file("audit.html");
    assert_eq!(page.matches("<img src=\"data:image/jpeg;base64,/9j/").count(), 4);
    for part in ["Worst boxes: matched pairs", "wrong label? detected as cat", "with annotation 11"]
    {
        assert!(page.contains(part), "{part} is missing");
    }
    assert!(page.contains("1 image is not shown: could not read"), "the missed object of b.jpg");
    assert!(seen.out.contains("# Pictures\n- 1 image is not shown"), "{}", seen.out);
    // However many pictures it was wanted for.
    fs::remove_file(folder.path().join("a.jpg")).unwrap();
    let seen = tiny(&format!("--losses iou,bce --images {}", folder.path().display()));
    assert!(seen.out.contains("# Pictures\n- 2 images are not shown, the first: "), "{}", seen.out);
    let wrong = tiny("--images nowhere");
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("nowhere is no folder"), "{}", wrong.err);
}

/// Two sets of detections of the pets against each other.
fn compared(first: &[(u64, u64, [f64; 4], f64)], second: &[(u64, u64, [f64; 4], f64)]) -> Seen {
    let made = made(&pets(), first, "--losses bce");
    let results: Vec<Value> = second
        .iter()
        .map(|(image, class, bbox, score)| json!({ "image_id": image, "category_id": class, "bbox": bbox, "score": score }))
        .collect();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("second.json");
    fs::write(&path, json!(results).to_string()).unwrap();
    let [truth, one] = ["truth.json", "results.json"].map(|name| made.input.path().join(name));
    audit(&truth, &one, &format!("--losses giou,bce --dt {}", path.display()))
}

#[test]
fn two_detectors_are_compared_with_intervals() {
    let all = seen_pets(|_, class, bbox| vec![(class, bbox, 0.9)]);
    let no_cats = seen_pets(|image, class, bbox| match class {
        1 if image % 2 == 0 => vec![],
        _ => vec![(class, bbox, 0.9)],
    });
    let seen = compared(&no_cats, &all);
    let audit = seen.json();
    assert_eq!(rules(&audit), ["better", "class_differs"]);
    assert!(seen.out.contains("- B is better than A by 0.2"), "{}", seen.out);
    let ap = &audit["metrics"][0];
    assert_near(&ap["second"], 1.0);
    let number = |name: &str| ap[name].as_f64().unwrap();
    assert_near(&ap["difference"], number("second") - number("first"));
    assert!(0.0 < number("low") && number("low") < number("difference"));
    assert!(number("difference") < number("high"));
    let cat = &audit["classes"][0];
    assert_eq!((&cat["class"], &cat["objects"]), (&json!("cat"), &json!(40)));
    assert_near(&audit["classes"][1]["difference"], 0.0);
    let miss = &audit["errors"][5];
    assert_eq!((&miss["first"]["count"], &miss["second"]["count"]), (&json!(20), &json!(0)));
    assert_near(&audit["losses"][1]["difference"], 0.0);
    assert!(seen.file("classes.csv").starts_with("category_id,class,objects,first,second,"));
    assert!(seen.file("audit.html").contains("Two detectors"));

    let same = compared(&all, &all).json();
    assert_eq!(rules(&same), ["no_clear_difference"]);
    let seen = tiny("--dt x.json --dt y.json");
    assert_eq!(seen.code, 2);
    assert!(seen.err.contains("--dt is given more than twice"), "{}", seen.err);
}

#[test]
fn a_table_of_errors_and_a_matrix_are_those_of_hand_arithmetic() {
    let seen = tiny("--losses bce --threshold 0.55");
    let audit = seen.json();
    // The cat at the dog's place is a wrong class, the second cat a duplicate; the detection on an empty image lies on nothing.
    let counts: Vec<_> =
        audit["errors"].as_array().unwrap().iter().map(|it| &it["count"]).collect();
    assert_eq!(counts, [1, 0, 0, 1, 2, 1, 2]);
    let total: f64 = entropies().iter().sum();
    assert_near(&audit["errors"][0]["loss_share"], entropies()[2] / total);
    assert_near(&audit["errors"][0]["gradient_share"], 0.7 / (0.1 + 0.2 + 0.7 + 0.5 + 0.6));
    assert_eq!(audit["errors"][5]["loss_share"], Value::Null);
    assert_near(&audit["losses"][0]["by_error"]["Dupe"]["loss"], entropies()[4] / total);
    // Two found, one missed; of the others with 0.55 or more, both have no free object.
    let confusion = &audit["confusion"];
    assert_eq!(confusion["classes"], json!(["cat", "dog", "background"]));
    assert_eq!(confusion["counts"], json!([[1, 0, 1], [0, 1, 0], [2, 0, 0]]));
    assert_eq!(
        seen.file("confusion.csv"),
        "annotated,1 cat,2 dog,background\n1 cat,1,0,1\n2 dog,0,1,0\nbackground,2,0,0\n"
    );
    let page = seen.file("audit.html");
    for part in ["Confusion matrix", "found twice", "Reliability", "What stands out"] {
        assert!(page.contains(part), "{part} is missing");
    }
}
