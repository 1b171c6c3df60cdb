//! `detloss match`: objects worked out by hand, real ones against torchvision, and wrong calls.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{assert_near, complaint, detloss, json};

/// A file in a folder of its own.
struct File {
    folder: TempDir,
    path: PathBuf,
}

impl File {
    fn new(content: &Value) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file.json");
        fs::write(&path, content.to_string()).unwrap();
        Self { folder, path }
    }

    fn show(&self) -> std::path::Display<'_> {
        self.path.display()
    }
}

/// A square of two strides, a tiny one, and a crowd, on an image of 64 x 64.
fn two_squares() -> File {
    File::new(&json!({
        "images": [{ "id": 1, "file_name": "a.jpg", "width": 64, "height": 64 }],
        "categories": [{ "id": 1, "name": "cat" }, { "id": 2, "name": "fly" }, { "id": 3, "name": "unseen" }],
        "annotations": [
            { "id": 5, "image_id": 1, "category_id": 1, "bbox": [8, 8, 16, 16], "area": 200 },
            { "id": 6, "image_id": 1, "category_id": 2, "bbox": [37, 37, 2, 2] },
            { "id": 7, "image_id": 1, "category_id": 2, "bbox": [0, 0, 64, 64], "iscrowd": 1 },
        ],
    }))
}

/// The two sizes and a crowd of the audit, without width and height of the images.
fn annotations() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/audit/instances.json");
    path.display().to_string()
}

/// The whole of the first object, half of it, half of the second, and one in the crowd.
fn anchors() -> File {
    File::new(&json!([[0, 0, 10, 10], [0, 0, 10, 5], [100, 0, 140, 25], [210, 210, 230, 230]]))
}

/// The positives of every object, in the order of the file.
fn positives(args: &str) -> Vec<usize> {
    let seen = detloss(&format!("match {args} --csv"));
    assert_eq!(seen.code, 0, "{}", seen.err);
    let mut lines = seen.out.lines();
    let header = lines.next().unwrap();
    assert!(
        header.starts_with("annotation_id,image_id,file_name,") && header.ends_with(",positives")
    );
    lines.map(|line| line.rsplit(',').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn positives_are_those_of_hand_arithmetic() {
    let (gt, file) = (annotations(), anchors());
    let args = format!("--gt {gt} --anchors {}", file.show());
    // The third object has its anchor by a hundredth of overlap.
    assert_eq!(positives(&args), [2, 1, 1]);
    let args = format!("{args} --assigner max_iou(low_quality=0)");
    assert_eq!(positives(&args), [2, 1, 0]);

    let seen = json(&format!("match {args}"));
    for (what, count) in
        [("images", 3), ("objects", 3), ("crowds", 1), ("positives", 3), ("without", 1)]
    {
        assert_eq!(seen[what], count, "{what}");
    }
    assert_eq!(
        (&seen["assigner"], &seen["assumed"]),
        (&json!("max_iou(low_quality=false)"), &Value::Null)
    );
    assert_near(&seen["share_without"], 1.0 / 3.0);
    let sizes: Vec<_> =
        seen["sizes"].as_array().unwrap().iter().map(|size| &size["mean"]).collect();
    assert_eq!(sizes, [2.0, 1.0, 0.0]);
    let classes = seen["classes"].as_array().unwrap();
    assert_eq!(
        (&classes[0]["class"], &classes[0]["median"], &classes[0]["max"]),
        (&json!("cat"), &json!(0), &json!(2))
    );
    let without = &seen["objects_without"][0];
    assert_eq!((&without["annotation_id"], &without["size"]), (&json!(13), &json!("large")));
    assert_eq!((&without["file_name"], &without["class"]), (&json!("b.jpg"), &json!("cat")));
    assert_eq!(without["bbox"], json!([0.0, 0.0, 100.0, 100.0]));
}

#[test]
fn assumed_predictions_give_each_object_the_points_around_it() {
    let gt = two_squares();
    let args = format!("--gt {} --anchors yolo8 --size 64", gt.show());
    // Four points of stride 8 and one of stride 32; around the tiny one, whose sides count as 16, four and one of stride 16.
    assert_eq!(positives(&args), [5, 5]);
    assert_eq!(positives(&format!("{args} --assigner task_aligned(topk=3)")), [3, 3]);
    // No point lies inside 2 pixels.
    assert_eq!(positives(&format!("{args} --assigner task_aligned(min_side=0)")), [5, 0]);
    assert_eq!(positives(&format!("{args} --assigner dynamic_soft_label")), [5, 0]);
    // Of 22 points near its centre ten count.
    assert_eq!(positives(&format!("{args} --assigner sim_ota"))[1], 10);

    // Twice as large: 16 and 4; those of stride 32 lie on the edge.
    let seen = json(&format!(
        "match --gt {} --anchors yolo8 --size 128 --assigner task_aligned(topk=50)",
        gt.show()
    ));
    assert_eq!(seen["classes"][1]["positives"], 16 + 4);
    assert_eq!((&seen["crowds"], seen["classes"].as_array().unwrap().len()), (&json!(1), 2));
    assert!(seen["assumed"].as_str().unwrap().contains("predictions are assumed"));
}

#[test]
fn points_of_a_file_are_anchors() {
    let gt = two_squares();
    let points = File::new(
        &json!({ "points": [[12, 12], [20, 20], [40, 40]], "strides": [8, 8, 16], "levels": [2, 1] }),
    );
    let args = format!("--gt {} --anchors {}", gt.show(), points.show());
    // By centre sampling, where the last level has no upper and the first no lower bound: there is no point in two pixels.
    assert_eq!(positives(&args), [2, 0]);
    // At half the size, the first square ends on (12, 12).
    assert_eq!(positives(&format!("{args} --size 32")), [0, 0]);
}

#[test]
fn a_report_has_all_files_and_says_what_stands_out() {
    let gt = two_squares();
    let out = gt.folder.path().join("out");
    let args =
        format!("--gt {} --anchors yolo8 --size 64 --assigner task_aligned(min_side=0)", gt.show());
    let seen = detloss(&format!("match {args} --out {}", out.display()));
    let text = seen.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.starts_with("1 of 2 objects (50.0 %, 1 of them small) gets no positive at all"),
        "{text}"
    );
    assert!(text.contains("The only object of class fly gets none."), "{text}");
    assert!(text.contains("a.jpg fly small 6 37 37 2 2 4 2 2"), "{text}");
    assert!(
        text.contains("predictions are assumed") && text.contains("Crowds: 1, left out."),
        "{text}"
    );
    assert!(seen.err.contains("match.html, match.json, objects.csv, classes.csv"), "{}", seen.err);
    let file = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    let page = file("match.html");
    // Each in two forms: for wide pages, and for narrow ones.
    assert_eq!(page.matches("<svg").count(), 4);
    assert!(page.contains("predictions are assumed") && !page.contains("NaN"));
    assert_eq!(
        file("objects.csv").lines().nth(1).unwrap(),
        "5,1,a.jpg,1,cat,small,200.0,8.0,8.0,16.0,16.0,16.0,16.0,5"
    );
    assert_eq!(file("classes.csv").lines().nth(1).unwrap(), "2,fly,1,0,0.0,0,0,0,0,1,1.0");
    let json: Value = serde_json::from_str(&file("match.json")).unwrap();
    assert_eq!(json["objects_without"][0]["annotation_id"], 6);
}

#[test]
fn an_object_behind_a_broken_entry_is_known_by_its_place_in_the_file() {
    let gt = File::new(&json!({
        "images": [{ "id": 1, "file_name": "a.jpg", "width": 64, "height": 64 }],
        "categories": [{ "id": 1, "name": "cat" }],
        "annotations": [
            { "image_id": 1, "category_id": 1, "bbox": [8, 8, -16, 16] },
            { "image_id": 1, "category_id": 1, "bbox": [37, 37, 2, 2] },
        ],
    }));
    let args = format!("match --gt {} --anchors fcos --size 64", gt.show());
    let seen = json(&format!("{args} --assigner center_sampling(radius=0)"));
    assert_eq!(seen["objects_without"][0]["annotation_index"], 1, "{seen}");
    let text = detloss(&format!("{args} --assigner center_sampling(radius=0)")).out;
    assert!(text.contains("annotations[1]"), "{text}");
}

#[test]
fn without_objects_there_is_nothing_to_match() {
    let gt = File::new(&json!({ "images": [{ "id": 1 }], "annotations": [] }));
    let out = gt.folder.path().join("out");
    let seen = detloss(&format!("match --gt {} --anchors fcos --out {}", gt.show(), out.display()));
    assert_eq!(seen.code, 0, "{}", seen.err);
    assert!(seen.out.starts_with("There are no objects"), "{}", seen.out);
    assert!(!seen.out.contains("NaN"));
}

/// Compared with torchvision 0.29, object for object: its transform, its anchors, and its matching of FCOS (all objects) and of RetinaNet
/// (those of images without crowds, which it does not know).
#[test]
fn real_objects_get_what_torchvision_gives_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/coco100");
    if !folder.exists() {
        println!("skipped: the COCO example is not beside the project");
        return;
    }
    let gt = folder.join("instances_val2014_100.json");
    for (anchors, without, positives) in [("retinanet", 46, 16_610), ("fcos", 6, 7440)] {
        let seen = json(&format!("match --gt {} --anchors {anchors}", gt.display()));
        assert_eq!((&seen["objects"], &seen["crowds"]), (&json!(830), &json!(9)));
        assert_eq!(
            (&seen["without"], &seen["positives"]),
            (&json!(without), &json!(positives)),
            "{anchors}"
        );
    }
}

#[test]
fn wrong_calls_are_named_with_a_remedy() {
    let gt = two_squares();
    let call = |rest: &str| format!("match --gt {} {rest}", gt.show());
    for (rest, words) in [
        ("--anchors yolo9", "choose among retinanet, yolo8 and fcos, or give a FILE.json"),
        ("--anchors fcos --assigner fcos", "max_iou"),
        ("--anchors fcos --assigner hungarian", "always gives one query to each object"),
        ("--anchors fcos --assigner max_iou(high=2)", "high"),
        ("--anchors yolo8 --assigner task_aligned(overlap=prob_iou)", "axis-aligned"),
        ("--anchors yolo8 --size 8", "32"),
        ("--anchors yolo8 --csv --json", "give one of them"),
    ] {
        let complaint = complaint(&call(rest));
        assert!(complaint.contains(words), "{rest}: {complaint}");
    }
    let fails = |args: &str, words: &[&str]| {
        let seen = detloss(args);
        assert_eq!((seen.code, &*seen.out), (1, ""), "{args}");
        for part in words {
            assert!(seen.err.contains(part), "{part} is not in {}", seen.err);
        }
    };
    fails(
        &format!("match --gt {} --anchors retinanet", annotations()),
        &["instances.json", "image 1 has no width and height", "`images`"],
    );
    fails(&call("--anchors nowhere.json"), &["could not read nowhere.json", "check --anchors"]);
    for (content, words) in [
        (json!([[0, 0, 1]]), "anchors at [0]"),
        (json!([[0, 0, "1", 1]]), "anchors at [0][2]"),
        (json!([]), "has no anchors"),
        (json!({ "points": [[0, 0]] }), "missing field `strides`"),
        (json!({ "points": [[0, 0]], "strides": [8, 8] }), "strides"),
        (json!({ "points": [[0, 0]], "strides": [0] }), "positive"),
        (json!({ "points": [[0, 0]], "strides": [8], "levels": [2] }), "levels"),
        (json!({ "points": [[0, 0]], "strides": [8], "scale": 2 }), "unknown field `scale`"),
    ] {
        let file = File::new(&content);
        fails(&call(&format!("--anchors {}", file.show())), &[words, "give a list of boxes"]);
    }
}
