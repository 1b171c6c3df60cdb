//! Files as tools write them, and files that are none.

pub(super) mod made;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use super::*;
use crate::bbox::Xywh;
use crate::{Detection, GroundTruth, Id, Kind, Problem, Read};

const IMAGES: &str = r#""images": [{"id": 1, "file_name": "a.jpg"}]"#;
const CATEGORIES: &str = r#""categories": [{"id": 7, "name": "cat", "supercategory": "pet"}]"#;
const OBJECT: &str = r#"{"id": 5, "image_id": 1, "category_id": 7, "bbox": [0, 1, 2, 3]}"#;
const FOUND: &str = r#"{"image_id": 1, "category_id": 7, "bbox": [0, 1, 2, 3], "score": 0.5}"#;

/// Writes a file and has it read.
fn with_file<T>(bytes: impl AsRef<[u8]>, read: impl Fn(&Path) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.json");
    fs::write(&path, bytes).unwrap();
    read(&path)
}

fn of(text: impl AsRef<[u8]>) -> Result<Read<GroundTruth>, ReadError> {
    with_file(text, read_ground_truth)
}

fn truth(annotations: &str, rest: &str) -> Read<GroundTruth> {
    of(format!("{{{IMAGES}, \"annotations\": [{annotations}]{rest}}}")).unwrap()
}

fn results(text: impl AsRef<[u8]>) -> Result<Read<Vec<Detection>>, ReadError> {
    let truth = truth(OBJECT, &format!(", {CATEGORIES}")).content;
    with_file(text, |path| read_results(path, &truth))
}

fn lines(problems: &[Problem]) -> Vec<String> {
    let line = |problem: &Problem| format!("{} {}: {}", problem.kind, problem.place, problem.said);
    problems.iter().map(line).collect()
}

/// The error says each of `parts`.
fn says<T: std::fmt::Debug>(result: Result<T, ReadError>, parts: &[&str]) {
    let message = result.unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
    for word in ["u64", "f64", "i128", "sequence", "a map", "invalid type"] {
        assert!(!message.contains(word), "{message:?} is in the words of Rust");
    }
}

#[test]
fn an_annotation_without_area_has_the_area_of_its_box() {
    let truth = truth(OBJECT, "").content;
    assert_eq!(truth.annotations[0].area, 6.0);
    assert_eq!(truth.annotations[0].id, Some(5));
    assert_eq!(truth.entries, [0]);
}

#[test]
fn an_image_has_a_size_if_its_two_sides_are_lengths() {
    let images = r#"{"id": 1, "width": 640, "height": 480.5}, {"id": 2, "width": "64", "height": 48},
        {"id": 3, "height": 480}, {"id": 4, "width": 0, "height": null}"#;
    let truth = of(format!("{{\"images\": [{images}], \"annotations\": []}}")).unwrap().content;
    assert_eq!(truth.sizes, BTreeMap::from([(1, [640.0, 480.5]), (2, [64.0, 48.0])]));
    assert_eq!(truth.images.len(), 4);
}

#[test]
fn categories_may_be_missing_or_an_object() {
    assert_eq!(truth(OBJECT, "").content.categories[&7], "7");
    for categories in [
        r#"{"7": "cat"}"#,
        r#"{"cat": 7}"#,
        r#"{"7": {"name": "cat"}}"#,
        r#"{"cat": {"id": 7}}"#,
        r#"{"x": {"id": 7, "name": "cat"}}"#,
    ] {
        let read = truth(OBJECT, &format!(", \"categories\": {categories}"));
        assert_eq!(lines(&read.problems), [""; 0], "{categories}");
        assert_eq!(read.content.categories[&7], "cat", "{categories}");
        assert_eq!(read.content.annotations.len(), 1);
    }
}

#[test]
fn masks_and_other_fields_are_skipped_and_crowds_are_known() {
    let object = OBJECT.replace(
        "\"id\": 5",
        r#""iscrowd": 1, "area": 2.5, "segmentation": {"counts": [1, 2], "size": [3, 4]}"#,
    );
    let truth = truth(&object, &format!(r#", {CATEGORIES}, "info": {{}}"#)).content;
    assert!(truth.annotations[0].crowd);
    assert_eq!(truth.annotations[0].area, 2.5);
    assert_eq!(truth.annotations[0].id, None);
    assert_eq!(truth.categories[&7], "cat");
}

#[test]
fn ids_are_whole_floats_texts_negative_and_huge() {
    let ids = ["1.0", "\"000001\"", "-4", "18446744073709551617", "\"a\""];
    let image =
        |id: &&str| format!(r#"{{"id": {id}, "file_name": "{}.jpg"}}"#, id.trim_matches('"'));
    let object = |id: &&str| {
        OBJECT.replace('5', id).replace("\"image_id\": 1", &format!("\"image_id\": {id}"))
    };
    let [images, objects] =
        [ids.iter().map(image).collect::<Vec<_>>(), ids.iter().map(object).collect()]
            .map(|entries| entries.join(", "));
    let text = format!("{{\"images\": [{images}], \"annotations\": [{objects}]}}");
    let Read { content: truth, problems } = of(text).unwrap();
    assert_eq!(lines(&problems), [""; 0]);
    let shown: Vec<_> = truth.annotations.iter().map(|a| truth.id(a.image).to_string()).collect();
    assert_eq!(shown, ["1", "000001", "-4", "18446744073709551617", "a"]);
    for annotation in &truth.annotations {
        assert_eq!(annotation.id, Some(annotation.image));
    }
    assert_eq!(truth.images[&1], "1.0.jpg");
    // What a detector says of them.
    let found: Vec<_> = ids
        .iter()
        .map(|id| FOUND.replace("\"image_id\": 1", &format!("\"image_id\": {id}")))
        .collect();
    let found =
        with_file(format!("[{}]", found.join(",")), |path| read_results(path, &truth)).unwrap();
    assert_eq!(lines(&found.problems), [""; 0]);
    let images: Vec<u64> = found.content.iter().map(|found| found.image).collect();
    assert_eq!(images, truth.annotations.iter().map(|a| a.image).collect::<Vec<_>>());
}

#[test]
fn an_id_written_as_text_in_one_file_and_as_a_number_in_the_other_is_found() {
    let found = FOUND.replace("\"image_id\": 1", "\"image_id\": \"1\"");
    assert_eq!(results(format!("[{found}]")).unwrap().content[0].image, 1);
}

#[test]
fn a_file_of_lvis_is_read() {
    let text = r#"{"images": [{"id": 1, "coco_url": "http://x.org/val2017/a.jpg", "neg_category_ids": [3],
        "not_exhaustive_category_ids": []}], "categories": [{"id": 7, "name": "cat", "frequency": "r"}],
        "annotations": [{"id": 5, "image_id": 1, "category_id": 7, "bbox": [0, 1, 2, 3], "area": 4}]}"#;
    let Read { content, problems } = of(text).unwrap();
    assert_eq!((lines(&problems), &*content.images[&1]), (vec![], "val2017/a.jpg"));
}

#[test]
fn detections_are_read_in_order_and_an_empty_list_is_fine() {
    let found = Detection { image: 1, category: 7, bbox: [0.0, 1.0, 2.0, 3.0], score: 0.5 };
    assert_eq!(results(format!(" [{FOUND}]")).unwrap().content, [found]);
    assert_eq!(results("[]").unwrap().content, []);
}

#[test]
fn a_list_of_results_may_be_a_field_or_in_lists_of_each_image() {
    for text in [
        format!(r#"{{"annotations": [{FOUND}]}}"#),
        format!(r#"{{"info": {{}}, "predictions": [{FOUND}]}}"#),
        format!(r#"{{"images": [], "annotations": [{FOUND}]}}"#),
        format!(r#"[{{"image_id": 1, "instances": [{FOUND}]}}]"#),
    ] {
        let read = results(&text).unwrap();
        assert_eq!((read.content.len(), read.problems.len()), (1, 0), "{text}");
    }
}

#[test]
fn a_mark_utf_16_and_gzip_are_read_past() {
    let text = format!("{{{IMAGES}, \"annotations\": [{OBJECT}]}}");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(text.as_bytes()).unwrap();
    let gz = gz.finish().unwrap();
    let wide = |bytes: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
        format!("{mark}{text}").encode_utf16().flat_map(bytes).collect()
    };
    let marked = format!("\u{feff}{text}").into_bytes();
    for bytes in [
        marked,
        gz.clone(),
        wide(u16::to_le_bytes, "\u{feff}"),
        wide(u16::to_be_bytes, "\u{feff}"),
        wide(u16::to_le_bytes, ""),
    ] {
        assert_eq!(of(&bytes).unwrap().content.annotations.len(), 1);
    }
    says(of(&gz[..gz.len() / 2]), &["the gzip file is broken"]);
    says(of(b"{\"images\":\n\"\xe4\""), &["line 2 is not UTF-8", "save it as UTF-8"]);
    says(of([0xff, 0xd8, 0xff, 0xe0]), &["is not text"]);
}

#[test]
fn a_box_that_is_none_is_named_with_entry_and_field() {
    for (bbox, kind, problem) in [
        ("[0, 1, 2]", Kind::NoBox, "expected 4 numbers, got 3"),
        ("[0, 1, 2, 3, 4]", Kind::NoBox, "got 5 (of a rotated box: `audit --rotated`)"),
        ("[0, 1, 2, 3, 4, 5, 6, 7, 8]", Kind::NoBox, "has 9 numbers"),
        ("[0, 1, -2, 3]", Kind::NegativeSide, "negative width -2"),
        ("[0, 1, 2, -3]", Kind::NegativeSide, "negative height -3"),
        ("[0, 1, \"x\", 3]", Kind::NoBox, "\"x\" is not a number"),
        ("[0, 1, null, 3]", Kind::NoBox, "null is not a number"),
        ("[[0, 1, 2, 3]]", Kind::NoBox, "[0 is not a number"),
        ("[0, 1, NaN, 3]", Kind::NotFinite, "NaN is no number of pixels"),
        ("[0, -Infinity, 2, 3]", Kind::NotFinite, "-Infinity is no number"),
        ("[0, 1, 1e308, 3]", Kind::NotFinite, "1e308 is no number of pixels"),
        ("{\"x\": 1}", Kind::NoBox, "is an object, not a list of numbers"),
        ("null", Kind::NoBox, "is missing: expected 4 numbers"),
    ] {
        let read = results(format!("[{FOUND}, {}]", FOUND.replace("[0, 1, 2, 3]", bbox))).unwrap();
        assert_eq!((read.content.len(), read.problems.len()), (1, 1), "{bbox}");
        let problem_got = &read.problems[0];
        assert_eq!(problem_got.kind, kind, "{bbox}");
        let line = problem_got.to_string();
        assert!(line.contains("file.json: results entry 1.bbox (image 1): "), "{line}");
        assert!(line.contains(problem), "{line} {problem}");
    }
    // As text they are numbers all the same.
    let read =
        results(format!("[{}]", FOUND.replace("[0, 1, 2, 3]", "[\"0\", \"1\", 2.0, 3]"))).unwrap();
    assert_eq!(read.content[0].bbox, [0.0, 1.0, 2.0, 3.0]);
}

#[test]
fn what_is_sound_is_kept_and_the_rest_is_named() {
    let entries = [
        OBJECT.to_owned(),
        OBJECT.replace("[0, 1, 2, 3]", "[0, 1, NaN, 3]"),
        OBJECT.replace("[0, 1, 2, 3]", "[0, 1]"),
        OBJECT.replace("[0, 1, 2, 3]", "[0, 1, 2, -3]"),
        OBJECT.replace("\"image_id\": 1", "\"image_id\": 9"),
        OBJECT.replace("\"image_id\": 1, ", ""),
        OBJECT.replace("\"category_id\": 7", "\"category_id\": 8"),
        OBJECT.replace("\"category_id\": 7", "\"category_id\": 7.5"),
        OBJECT.replace("\"id\": 5", "\"id\": 51, \"iscrowd\": \"no\""),
        OBJECT.replace("\"id\": 5", "\"id\": 52, \"area\": -1"),
        OBJECT.replace("\"id\": 5", "\"id\": 53, \"area\": NaN"),
        OBJECT.to_owned(),
        "17".to_owned(),
        OBJECT.replace("\"id\": 5", "\"id\": 6, \"id\": 7"),
        OBJECT.replace("\"id\": 5", "\"id\": 54, \"note\": \"NaN \\\" NaN\""),
    ];
    let text = format!(
        r#"{{"annotations": [{}], "images": [{{"id": {{}}}}, {{"id": 1, "file_name": "NaN.jpg"}}, {{"id": 1}}, [], {{}}],
        "categories": [{{"id": 7, "name": "cat"}}, {{"name": "dog"}}, {{"id": 7}}, "cat"]}}"#,
        entries.join(", ")
    );
    let Read { content: truth, problems } = of(text).unwrap();
    assert_eq!(truth.images, BTreeMap::from([(1, "NaN.jpg".to_owned())]));
    assert_eq!(truth.categories, BTreeMap::from([(7, "cat".to_owned())]));
    let ids: Vec<_> = truth.annotations.iter().map(|a| a.id.unwrap()).collect();
    assert_eq!(ids, [5, 51, 52, 53, 5, 54]);
    assert_eq!(truth.entries, [0, 8, 9, 10, 11, 14]);
    assert!(truth.annotations.iter().all(|a| a.area == 6.0 && !a.crowd));
    let expected = [
        "no_id images[0].id: an object is no id",
        "duplicate_image_id images[2].id (id 1): there is an image 1 already",
        "unreadable images[3]: is a list, not an object",
        "no_id images[4].id: has no id",
        "no_id categories[1].id: has no id",
        "duplicate_category_id categories[2].id (id 7): there is a category 7 already",
        "unreadable categories[3]: is the text \"cat\", not an object",
        "not_finite annotations[1].bbox (id 5, image 1): NaN is no number of pixels",
        "no_box annotations[2].bbox (id 5, image 1): expected 4 numbers, got 2",
        "negative_side annotations[3].bbox (id 5, image 1): negative height -3",
        "unknown_image annotations[4].image_id (id 5, image 9): no image has id 9",
        "unknown_image annotations[5].image_id (id 5): is missing",
        "unknown_class annotations[6].category_id (id 5, image 1): no category has id 8",
        "unknown_class annotations[7].category_id (id 5, image 1): 7.5 is not a whole number",
        "bad_field annotations[8].iscrowd (id 51, image 1): expected 0 or 1, got \"no\"",
        "bad_field annotations[9].area (id 52, image 1): -1 is not an area",
        "not_finite annotations[10].area (id 53, image 1): NaN is not finite",
        "duplicate_annotation_id annotations[11].id (id 5, image 1): there is an annotation 5 already",
        "unreadable annotations[12]: is 17, not an object",
        "unreadable annotations[13]: has the field `id` twice",
    ];
    assert_eq!(lines(&problems), expected);
}

#[test]
fn ids_unknown_to_the_annotations_are_left_out_and_named() {
    let found = [
        ("\"image_id\": 1", "\"image_id\": 2"),
        ("\"category_id\": 7", "\"category_id\": 0"),
        ("0.5", "\"high\""),
        (", \"score\": 0.5", ""),
    ];
    let found: Vec<_> = found.iter().map(|(from, to)| FOUND.replace(from, to)).collect();
    let read = results(format!("[{}]", found.join(", "))).unwrap();
    assert_eq!(read.content, []);
    let expected = [
        "unknown_image results entry 0.image_id (image 2): the annotations have no image 2",
        "unknown_class results entry 1.category_id (image 1): the annotations have no category 0",
        "no_score results entry 2.score (image 1): is the text \"high\", not a number",
        "no_score results entry 3.score (image 1): is missing",
    ];
    assert_eq!(lines(&read.problems), expected);
    assert!(Kind::UnknownClass.remedy().contains("not the network's class index"));
}

#[test]
fn a_problem_is_written_with_all_that_is_known_of_its_place() {
    let read = truth(&OBJECT.replace("[0, 1, 2, 3]", "[0, 1]"), "");
    let written = serde_json::to_value(&read.problems[0]).unwrap();
    let file = written["file"].as_str().unwrap();
    assert!(file.ends_with("file.json"), "{file}");
    for (field, wanted) in [
        ("kind", serde_json::json!("no_box")),
        ("severity", serde_json::json!("error")),
        ("entry", serde_json::json!("annotations[0]")),
        ("field", serde_json::json!("bbox")),
        ("id", serde_json::json!(Id::Whole(5))),
        ("image", serde_json::json!(1)),
        ("problem", serde_json::json!("expected 4 numbers, got 2")),
    ] {
        assert_eq!(written[field], wanted, "{field}");
    }
}

#[test]
fn swapped_empty_foreign_and_cut_off_files_are_recognised() {
    says(results("{\"images\": []}"), &["is an object", SWAP_REMEDY]);
    says(results(format!("{{{IMAGES}, \"annotations\": [{OBJECT}]}}")), &[SWAP_REMEDY]);
    says(of("[]"), &["is an array", SWAP_REMEDY]);
    says(results(" \n"), &["the file is empty", "write []"]);
    says(results("x,y,w,h"), &["not json"]);
    says(results(r#"[{"image_id": 1"#), &["line 1", "ends in the middle", "cut off"]);
    says(results("[] []"), &["something follows after the end"]);
    says(results("[\n1,]"), &["line 2, column 3: this is no json (expected value)"]);
    says(of("{}"), &["there is no list `images`"]);
    says(of("{\"images\": []}"), &["there is no list `annotations`", "a list of images only"]);
    says(of("{\"images\": 3, \"annotations\": []}"), &["there is no list `images`"]);
    says(read_ground_truth::<Xywh>(Path::new("no-such-file")), &["could not read no-such-file"]);
}
