//! `detloss audit` as a user sees it: on a tiny pair of files worked out by hand, on real ones, and on bad ones.

mod made;

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What a call gave back, and the folder it wrote to.
struct Seen {
    code: i32,
    out: String,
    err: String,
    folder: TempDir,
    /// Where its files were, if they were made for it.
    input: TempDir,
}

impl Seen {
    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join("out").join(name)).unwrap()
    }

    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.file("audit.json")).unwrap()
    }
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/audit").join(name)
}

fn audit(truth: &Path, found: &Path, more: &str) -> Seen {
    let folder = TempDir::new().unwrap();
    let mut command = Command::cargo_bin("detloss").unwrap();
    command.arg("audit").arg("--gt").arg(truth).arg("--dt").arg(found);
    command.arg("--out").arg(folder.path().join("out")).args(more.split_whitespace());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    let (out, err, input) = (text(output.stdout), text(output.stderr), TempDir::new().unwrap());
    Seen { code, out, err, folder, input }
}

fn tiny(more: &str) -> Seen {
    audit(&data("instances.json"), &data("results.json"), more)
}

/// The tiny annotations with these detections.
fn with_results(results: &Value) -> Seen {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("results.json");
    fs::write(&path, results.to_string()).unwrap();
    audit(&data("instances.json"), &path, "")
}

fn assert_near(got: &Value, wanted: f64) {
    let got = got.as_f64().unwrap_or_else(|| panic!("{got} instead of {wanted}"));
    assert!((got - wanted).abs() < 1e-6, "{got} instead of {wanted}");
}

/// What each detection of the tiny file costs by binary cross entropy: −ln p if it found an object, −ln(1 − p) if not.
fn entropies() -> [f64; 5] {
    [0.9_f64, 0.8, 1.0 - 0.7, 1.0 - 0.5, 1.0 - 0.6].map(|right| -right.ln())
}

#[test]
fn the_tiny_audit_is_that_of_hand_arithmetic() {
    let audit = tiny("--losses iou,bce").json();
    for (what, count) in
        [("images", 3), ("objects", 3), ("crowds", 1), ("missed", 1), ("detections", 6)]
    {
        assert_eq!(audit[what], count, "{what}");
    }
    assert_eq!((&audit["matched"], &audit["background"]), (&json!(2), &json!(3)));
    assert_eq!(audit["left_out"], json!({ "in_crowds": 1, "beyond_limit": 0 }));

    // One pair lacks a fifth of its object, the other nothing.
    let [iou, bce] = [&audit["losses"][0], &audit["losses"][1]];
    assert_eq!((&iou["loss"], &iou["n"], &bce["n"]), (&json!("iou"), &json!(2), &json!(5)));
    assert_near(&iou["total"], 0.2);
    assert_near(&iou["spread"]["mean"], 0.1);
    assert_near(&iou["spread"]["max"], 0.2);
    let total: f64 = entropies().iter().sum();
    assert_near(&bce["total"], total);
    for by in ["by_pixels", "by_own_size"] {
        assert_near(&iou["gradient_share"][by]["small"], 1.0);
        assert_near(&iou["gradient_share"][by]["top_1_percent"], 1.0);
    }
    // The slope by a logit is p less the label.
    let slopes = [0.1, 0.2, 0.7, 0.5, 0.6];
    let background = (0.7 + 0.5 + 0.6) / slopes.iter().sum::<f64>();
    assert_near(&bce["gradient_share"]["by_logit"]["background"], background);

    let cat = &audit["classes"][0];
    assert_eq!(cat["class"], "cat");
    for (what, count) in [("objects", 2), ("matched", 1), ("missed", 1), ("background", 2)] {
        assert_eq!(cat[what], count, "{what}");
    }
    assert_near(&cat["mean_iou"], 0.8);
    assert_near(&cat["box_loss_share"], 1.0);
    let of_cats = entropies()[0] + entropies()[2] + entropies()[4];
    assert_near(&cat["losses"]["bce"]["total"], of_cats);
    assert_near(&cat["score_loss_share"], of_cats / total);
    let sizes: Vec<_> = audit["sizes"].as_array().unwrap().iter().map(|s| &s["objects"]).collect();
    assert_eq!(sizes, [1, 1, 1]);
    assert_eq!(audit["worst_images"][0]["file_name"], "a.jpg");
    assert_eq!(audit["worst_boxes"][0]["annotation_id"], 11);
}

#[test]
fn suspects_are_ranked_and_a_second_detection_is_none() {
    let audit = tiny("--losses iou,bce").json();
    let suspects = audit["suspects"].as_array().unwrap();
    assert_eq!(suspects.len(), 2);
    let mean = entropies().iter().sum::<f64>() / 5.0;
    assert_eq!(suspects[0]["suspicion"], "wrong label?");
    assert_eq!((&suspects[0]["annotation_id"], &suspects[0]["class"]), (&json!(12), &json!("cat")));
    assert_near(&suspects[0]["weight"], 0.7 * entropies()[2] / mean);
    assert_eq!(suspects[1]["suspicion"], "missing annotation?");
    assert_eq!(suspects[1]["annotation_id"], Value::Null);
    assert_near(&suspects[1]["weight"], 0.5 * entropies()[3] / mean);
}

#[test]
fn loose_boxes_are_suspected_whether_matched_or_not() {
    let entry = |image: u64, bbox: [f64; 4]| json!({ "image_id": image, "category_id": 1, "bbox": bbox, "score": 0.9 });
    let results = json!([entry(1, [0.0, 0.0, 10.0, 6.0]), entry(2, [0.0, 0.0, 100.0, 30.0])]);
    let audit = with_results(&results).json();
    let mut suspected: Vec<_> = audit["suspects"].as_array().unwrap().iter().collect();
    suspected.sort_by_key(|suspect| suspect["annotation_id"].as_u64());
    let seen = |suspect: &Value| (suspect["suspicion"].clone(), suspect["annotation_id"].clone());
    assert_eq!(seen(suspected[0]), (json!("sloppy box?"), json!(11)));
    assert_eq!(seen(suspected[1]), (json!("sloppy box?"), json!(13)));
    assert_near(&suspected[0]["box_iou"], 0.6);
    assert_near(&suspected[1]["box_iou"], 0.3);
}

/// The tiny files turned about the origin: annotations as boxes and corners in turn, detections as corners and boxes.
fn turned() -> TempDir {
    let folder = TempDir::new().unwrap();
    let (sin, cos) = ANGLE.sin_cos();
    let turn = |[x, y]: [f64; 2]| [x * cos - y * sin, x * sin + y * cos];
    let write = |name: &str, list: &str, odd: usize| {
        let mut file: Value =
            serde_json::from_str(&fs::read_to_string(data(name)).unwrap()).unwrap();
        let entries = if list.is_empty() { &mut file } else { &mut file[list] };
        for (index, entry) in entries.as_array_mut().unwrap().iter_mut().enumerate() {
            let [x, y, w, h] = [0, 1, 2, 3].map(|k| entry["bbox"][k].as_f64().unwrap());
            let [cx, cy] = turn([x + w / 2.0, y + h / 2.0]);
            let corners = [[x, y], [x + w, y], [x + w, y + h], [x, y + h]].map(turn);
            match index % 2 == odd {
                true => entry["bbox"] = json!([cx, cy, w, h, ANGLE]),
                false if odd == 0 => entry["segmentation"] = json!([corners.as_flattened()]),
                false => {
                    entry.as_object_mut().unwrap().remove("bbox");
                    entry["segmentation"] = json!(corners.as_flattened());
                }
            }
        }
        fs::write(folder.path().join(name), file.to_string()).unwrap();
    };
    write("instances.json", "annotations", 0);
    write("results.json", "", 1);
    folder
}

const ANGLE: f64 = 0.7;

fn audit_turned(more: &str) -> Seen {
    let folder = turned();
    let file = |name| folder.path().join(name);
    audit(&file("instances.json"), &file("results.json"), &format!("--rotated {more}"))
}

#[test]
fn a_rotated_audit_is_that_of_the_boxes_before_they_were_turned() {
    let (seen, upright) =
        (audit_turned("--losses rotated_iou,bce"), tiny("--losses iou,bce").json());
    let rotated = seen.json();
    for what in ["objects", "crowds", "missed", "detections", "matched", "background", "left_out"] {
        assert_eq!(rotated[what], upright[what], "{what}");
    }
    let [iou, bce] = [&rotated["losses"][0], &rotated["losses"][1]];
    assert_near(&iou["total"], 0.2);
    assert_near(&iou["spread"]["max"], 0.2);
    assert_eq!(bce, &upright["losses"][1]);
    for (one, other) in [("suspicion", 0), ("annotation_id", 0), ("suspicion", 1), ("file_name", 1)]
        .map(|(what, at)| (&rotated["suspects"][at][what], &upright["suspects"][at][what]))
    {
        assert_eq!(one, other);
    }
    assert_eq!(rotated["worst_boxes"][0]["bbox"].as_array().unwrap().len(), 5);
    assert_near(&rotated["worst_boxes"][0]["annotation_bbox"][4], ANGLE);
    let boxes = seen.file("boxes.csv");
    assert!(boxes.lines().next().unwrap().contains(",cx,cy,w,h,angle,annotation_id,"), "{boxes}");
    assert!(boxes.lines().all(|line| line.split(',').count() == 25), "{boxes}");
    let page = seen.file("audit.html");
    assert!(page.contains("annotated cx cy w h angle") && page.contains("angle in radians"));
}

#[test]
fn a_rotated_audit_takes_all_losses_of_rotated_boxes_and_scores() {
    let losses = audit_turned("").json()["losses"].clone();
    let names: Vec<_> =
        losses.as_array().unwrap().iter().map(|loss| loss["loss"].clone()).collect();
    let families = ["rotated", "scores"];
    let all = detloss::losses::ALL.iter().filter(|entry| families.contains(&entry.family));
    assert_eq!(names, all.map(|entry| entry.name).collect::<Vec<_>>());
    for loss in losses.as_array().unwrap() {
        assert!(loss["total"].as_f64().unwrap() >= 0.0, "{loss}");
    }
}

#[test]
fn boxes_of_the_other_kind_say_what_to_do() {
    for (seen, code, words) in [
        (
            tiny("--losses gwd"),
            2,
            "gwd is a loss of rotated boxes, and these are axis-aligned boxes: give boxes of five numbers, and --rotated",
        ),
        (
            audit_turned("--losses inner(iou)"),
            2,
            "inner(iou) is a loss of axis-aligned boxes, and these are rotated boxes: leave out --rotated",
        ),
        (audit_turned("--losses yaw_iou3d"), 2, "choose among rotated_iou"),
        (
            tiny("--rotated"),
            1,
            "annotations[0].bbox (id 11, image 1): expected 5 numbers, or a segmentation of 8, got a bbox of 4; write bbox as [cx, cy, w, h, angle] with the angle in radians",
        ),
    ] {
        assert_eq!((seen.code, &*seen.out), (code, ""));
        assert!(seen.err.contains(words), "{}", seen.err);
    }
    let entry = json!([{ "image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 1, 0.5], "score": 1 }]);
    let seen = with_results(&entry);
    assert!(seen.err.contains("got 5 (of a rotated box: `audit --rotated`)"), "{}", seen.err);
}

#[test]
fn tables_have_a_row_for_every_detection_class_and_image() {
    let seen = tiny("--losses iou,bce");
    let boxes = seen.file("boxes.csv");
    let mut rows = csv::Reader::from_reader(boxes.as_bytes());
    let names = rows.headers().unwrap().clone();
    let records: Vec<_> = rows.records().map(Result::unwrap).collect();
    let cell =
        |row: usize, name: &str| &records[row][names.iter().position(|n| n == name).unwrap()];
    assert_eq!(records.len(), 6);
    assert_eq!(
        [cell(0, "outcome"), cell(0, "annotation_id"), cell(0, "box_iou")],
        ["matched", "11", "0.8"]
    );
    assert!((cell(0, "loss_iou").parse::<f64>().unwrap() - 0.2).abs() < 1e-6);
    assert_eq!([cell(2, "outcome"), cell(2, "loss_iou")], ["background", ""]);
    assert!((cell(2, "loss_bce").parse::<f64>().unwrap() - entropies()[2]).abs() < 1e-6);
    assert_eq!([cell(3, "outcome"), cell(3, "loss_bce")], ["crowd", ""]);
    assert_eq!(seen.file("classes.csv").lines().count(), 1 + 2);
    assert_eq!(seen.file("images.csv").lines().count(), 1 + 3);
}

#[test]
fn data_goes_to_stdout_and_words_to_stderr() {
    let text = tiny("");
    assert!(text.out.starts_with("# What stands out\n- "), "{}", text.out);
    assert!(text.out.contains("\n# Detections and objects\nwhat "), "{}", text.out);
    assert!(text.out.contains("wrong label?") && !text.out.contains('\x1b'));
    assert!(text.err.contains("wrote audit.html"), "{}", text.err);
    let json = tiny("--json");
    assert_eq!(serde_json::from_str::<Value>(&json.out).unwrap(), json.json());
}

#[test]
fn all_losses_of_boxes_and_scores_are_audited_unless_told_otherwise() {
    let names = |audit: Value| -> Vec<String> {
        let losses = audit["losses"].as_array().unwrap().iter();
        losses.map(|loss| loss["loss"].as_str().unwrap().to_owned()).collect()
    };
    let families = ["boxes", "scores"];
    let all = detloss::losses::ALL.iter().filter(|entry| families.contains(&entry.family));
    assert_eq!(names(tiny("").json()), all.map(|entry| entry.name).collect::<Vec<_>>());
    assert_eq!(names(tiny("--losses giou").json()), ["giou"]);
    assert_eq!(names(tiny("--losses focal,focal").json()), ["focal"]);
}

#[test]
fn the_page_is_whole_and_fetches_nothing() {
    let page = tiny("").file("audit.html");
    for part in ["Annotations that look wrong", "wrong label?", "<svg", "Share of the box loss"] {
        assert!(page.contains(part), "{part} is missing");
    }
    for part in ["<script src", "<link", "url(h", "src=", "NaN"] {
        assert!(!page.contains(part), "{part} is in the page");
    }
}

#[test]
fn empty_and_hopeless_detections_give_tables_without_nonsense() {
    let far = json!([{ "image_id": 3, "category_id": 1, "bbox": [1, 1, 0, 0], "score": 0.1 }]);
    for results in [json!([]), far] {
        let seen = with_results(&results);
        let audit = seen.json();
        assert_eq!((&audit["matched"], &audit["missed"]), (&json!(0), &json!(3)));
        assert_eq!(audit["losses"][0]["spread"]["mean"], Value::Null);
        for text in [&seen.out, &seen.file("audit.html"), &seen.file("boxes.csv")] {
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }
}

#[test]
fn a_dataset_without_annotations_is_audited() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("truth.json");
    let truth = json!({ "images": [{ "id": 1 }], "annotations": [], "categories": [{ "id": 1, "name": "cat" }] });
    fs::write(&path, truth.to_string()).unwrap();
    let found = folder.path().join("results.json");
    let results = json!([{ "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "score": 1.0 }]);
    fs::write(&found, results.to_string()).unwrap();
    let seen = audit(&path, &found, "");
    let audit = seen.json();
    assert_eq!(audit["average_precision"]["AP"], Value::Null);
    assert_eq!(audit["suspects"][0]["suspicion"], "missing annotation?");
    assert_eq!(audit["clamped_scores"], 1);
    assert!(seen.err.contains("1 score is 0 or 1, or next to it: counted as"), "{}", seen.err);
    assert!(!seen.err.contains("write scores as"), "{}", seen.err);
}

#[test]
fn wrong_calls_end_with_2_and_say_what_to_do() {
    for (more, words) in [
        ("--losses smooth_l1", "no loss of a detector's boxes or scores: choose among"),
        ("--losses gioo", "did you mean \"giou\""),
        ("--top 0", "--top"),
        ("--score nan", "give a number, such as 0.3"),
        ("--threshold inf", "give a number, such as 0.3"),
        ("--iou 1.5", "an IoU is above 0 and at most 1"),
    ] {
        let seen = tiny(more);
        assert_eq!((seen.code, &*seen.out), (2, ""), "{more}: {}", seen.err);
        assert!(seen.err.contains(words), "{more}: {}", seen.err);
    }
}

/// What is asked which annotations look wrong cannot stop at the first one that is.
#[test]
fn a_broken_annotation_is_said_and_the_others_are_audited() {
    let folder = TempDir::new().unwrap();
    let mut truth: Value =
        serde_json::from_str(&fs::read_to_string(data("instances.json")).unwrap()).unwrap();
    let sound = audit(&data("instances.json"), &data("results.json"), "").json();
    let good = truth["annotations"][0].clone();
    for (field, value) in
        [("bbox", json!([1, 1, -5, 5])), ("bbox", json!([1, 1, 5])), ("image_id", json!(99))]
    {
        let mut bad = good.clone();
        bad[field] = value;
        bad["id"] = json!("bad");
        truth["annotations"].as_array_mut().unwrap().insert(0, bad);
    }
    let path = folder.path().join("truth.json");
    fs::write(&path, truth.to_string()).unwrap();
    let seen = audit(&path, &data("results.json"), "");
    for part in [
        "3 problems in ",
        "`detloss check ",
        "annotations[2].bbox (id bad, image 1): negative width -5",
    ] {
        assert!(seen.err.contains(part), "{part}: {}", seen.err);
    }
    let audit = seen.json();
    for what in ["objects", "matched", "missed", "average_precision"] {
        assert_eq!(audit[what], sound[what], "{what}");
    }
}

/// Files as pandas, CVAT and PowerShell write them.
#[test]
fn ids_and_files_are_taken_as_tools_write_them() {
    let folder = TempDir::new().unwrap();
    let image = json!({ "id": "000001", "file_name": "a.jpg", "width": 100, "height": 100 });
    let object =
        json!({ "id": "x", "image_id": "000001", "category_id": 1.0, "bbox": [10, 10, 20, 20] });
    let truth = json!({ "images": [image], "categories": { "1": "cat" }, "annotations": [object] });
    let found = json!([{ "image_id": "000001", "category_id": 1.0, "bbox": [10, 10, 20, 20], "score": 0.9 }]);
    let [gt, dt] = ["truth.json", "found.json"].map(|name| folder.path().join(name));
    fs::write(&gt, format!("\u{feff}{truth}")).unwrap();
    fs::write(&dt, json!({ "predictions": found }).to_string()).unwrap();
    let seen = audit(&gt, &dt, "--losses iou,bce");
    assert_eq!(seen.json()["average_precision"]["AP"], 1.0);
}

#[test]
fn bad_files_end_with_1_and_name_file_entry_and_field() {
    let seen = with_results(
        &json!([{ "image_id": 1, "category_id": 1, "bbox": [0, 0, -1, 1], "score": 1 }]),
    );
    assert_eq!((seen.code, &*seen.out), (1, ""));
    for part in
        ["results.json", "results entry 0.bbox", "negative width -1", "nothing else is left"]
    {
        assert!(seen.err.contains(part), "{}", seen.err);
    }
    let swapped = audit(&data("results.json"), &data("instances.json"), "");
    assert_eq!(swapped.code, 1);
    assert!(swapped.err.contains("are the files swapped?"), "{}", swapped.err);
    let missing = audit(Path::new("nowhere.json"), &data("results.json"), "");
    assert_eq!(missing.code, 1);
    assert!(missing.err.contains("could not read nowhere.json"), "{}", missing.err);
}

#[test]
fn the_example_of_coco_has_its_published_precision() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/coco100");
    if !folder.exists() {
        println!("skipped: the COCO example is not beside the project");
        return;
    }
    let truth = folder.join("instances_val2014_100.json");
    let seen = audit(&truth, &folder.join("fakebbox100_results.json"), "");
    let audit = seen.json();
    for (name, published) in [("AP", 0.505), ("AP50", 0.697), ("AP75", 0.573)] {
        let value = audit["average_precision"][name].as_f64().unwrap();
        assert!((value - published).abs() <= 0.0005, "{name}: {value}");
    }
    let count = |what: &str| audit[what].as_u64().unwrap();
    assert_eq!(count("matched") + count("background"), 734);
    assert_eq!(count("matched") + count("missed"), count("objects"));
    for share in ["box_loss_share", "score_loss_share"] {
        let classes = audit["classes"].as_array().unwrap().iter();
        let sum: f64 = classes.map(|class| class[share].as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{share}: {sum}");
    }
}
