//! Reading COCO files in one streaming pass, with errors that name file, entry and field.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::raw::{RawDataset, RawDetection};
use super::{Annotation, Detection, GroundTruth, Xywh};

/// A COCO file that could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The file could not be opened or read.
    #[error("could not read {}: check the path", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file was read, but its content is not COCO's.
    #[error("{}: {place}: {problem}; {remedy}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The entry and field, such as `annotations[17].bbox`.
        place: String,
        /// What is wrong there.
        problem: String,
        /// What to do about it.
        remedy: &'static str,
    },
}

const BOX_REMEDY: &str = "write bbox as [left, top, width, height] in pixels";
const SWAP_REMEDY: &str = "annotations are an object, results an array: are the files swapped?";
const ANNOTATION_REMEDY: &str = "an annotation is {image_id, category_id, bbox}";
const RESULT_REMEDY: &str = "a detection is {image_id, category_id, bbox, score}";

/// Reads an annotation file (`instances_*.json`).
pub(crate) fn read_ground_truth(path: &Path) -> Result<GroundTruth, ReadError> {
    let raw: RawDataset = parse(path, b'{', ANNOTATION_REMEDY, str::to_owned)?;
    let images: BTreeMap<u64, String> =
        raw.images.into_iter().map(|image| (image.id, image.file_name)).collect();
    let listed = raw.categories.is_some();
    let mut categories: BTreeMap<u64, String> =
        raw.categories.unwrap_or_default().into_iter().map(|c| (c.id, c.name)).collect();

    let mut annotations = Vec::with_capacity(raw.annotations.len());
    for (index, raw) in raw.annotations.into_iter().enumerate() {
        let fail = |field: &str, problem: String, remedy| ReadError::Content {
            path: path.into(),
            place: format!("annotations[{index}].{field}"),
            problem,
            remedy,
        };
        check_box(raw.bbox.0).map_err(|problem| fail("bbox", problem, BOX_REMEDY))?;
        if !images.contains_key(&raw.image_id) {
            let problem = format!("no image has id {}", raw.image_id);
            return Err(fail("image_id", problem, "list the image under `images`"));
        }
        if !listed {
            categories.entry(raw.category_id).or_insert_with(|| raw.category_id.to_string());
        } else if !categories.contains_key(&raw.category_id) {
            let problem = format!("no category has id {}", raw.category_id);
            return Err(fail("category_id", problem, "list the category under `categories`"));
        }
        let area = raw.area.unwrap_or(raw.bbox.0[2] * raw.bbox.0[3]);
        if area.is_nan() || area < 0.0 {
            let problem = format!("{area} is not an area");
            return Err(fail("area", problem, "write it in square pixels, or leave it out"));
        }
        annotations.push(Annotation {
            id: raw.id,
            image: raw.image_id,
            category: raw.category_id,
            bbox: raw.bbox.0,
            area,
            crowd: raw.iscrowd,
        });
    }
    Ok(GroundTruth { images, categories, annotations })
}

/// Reads a results file of boxes made on the images of `truth`.
pub(crate) fn read_results(path: &Path, truth: &GroundTruth) -> Result<Vec<Detection>, ReadError> {
    let place = |at: &str| match at.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((index, field)) => format!("results entry {index}{field}"),
        None => at.to_owned(),
    };
    let raw: Vec<RawDetection> = parse(path, b'[', RESULT_REMEDY, place)?;
    // Asking a hash set a million times costs a tenth of asking the tree.
    let images: HashSet<u64> = truth.images.keys().copied().collect();
    let categories: HashSet<u64> = truth.categories.keys().copied().collect();
    let check = |(index, raw): (usize, RawDetection)| {
        let fail = |field: &str, problem: String, remedy| ReadError::Content {
            path: path.into(),
            place: format!("results entry {index}.{field}"),
            problem,
            remedy,
        };
        check_box(raw.bbox.0).map_err(|problem| fail("bbox", problem, BOX_REMEDY))?;
        if !images.contains(&raw.image_id) {
            let problem = format!("the annotations have no image {}", raw.image_id);
            return Err(fail("image_id", problem, "detect on the annotated images only"));
        }
        if !categories.contains(&raw.category_id) {
            let problem = format!("the annotations have no category {}", raw.category_id);
            let remedy = "write the dataset's category id, not the network's class index";
            return Err(fail("category_id", problem, remedy));
        }
        let RawDetection { image_id: image, category_id: category, bbox, score } = raw;
        Ok(Detection { image, category, bbox: bbox.0, score })
    };
    raw.into_iter().enumerate().map(check).collect()
}

/// Deserializes a file whose first character should be `open`; `place` words the path of an error.
fn parse<T: DeserializeOwned>(
    path: &Path,
    open: u8,
    remedy: &'static str,
    place: impl Fn(&str) -> String,
) -> Result<T, ReadError> {
    let io = |source| ReadError::Io { path: path.into(), source };
    let content = |place: &str, problem: &str, remedy| ReadError::Content {
        path: path.into(),
        place: place.into(),
        problem: problem.into(),
        remedy,
    };
    let mut reader = BufReader::with_capacity(1 << 16, File::open(path).map_err(io)?);
    loop {
        let head = reader.fill_buf().map_err(io)?;
        let blank = head.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        match head.get(blank) {
            Some(&first) if first == open => break,
            Some(b'[') => return Err(content("top level", "is an array of results", SWAP_REMEDY)),
            Some(b'{') => {
                let problem = "is an object where an array of detections belongs";
                return Err(content("top level", problem, SWAP_REMEDY));
            }
            Some(_) => return Err(content("top level", "is not json", "give a COCO json file")),
            None if blank == 0 => {
                let remedy = "for no detections write [], for annotations a COCO json file";
                return Err(content("top level", "the file is empty", remedy));
            }
            None => reader.consume(blank),
        }
    }
    let mut json = serde_json::Deserializer::from_reader(reader);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let at = place(&error.path().to_string());
        let inner = error.into_inner();
        let remedy = match inner.classify() {
            serde_json::error::Category::Data => remedy,
            serde_json::error::Category::Eof => "the file ends too early: write it again",
            _ => "write plain json: finite numbers (no NaN or Infinity), no trailing commas",
        };
        content(&at, &inner.to_string(), remedy)
    })?;
    json.end().map_err(|error| {
        content("after the last entry", &error.to_string(), "keep one json value in a file")
    })?;
    Ok(value)
}

fn check_box(bbox: Xywh) -> Result<(), String> {
    match bbox {
        [_, _, width, _] if width < 0.0 => Err(format!("negative width {width}")),
        [_, _, _, height] if height < 0.0 => Err(format!("negative height {height}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGES: &str = r#""images": [{"id": 1, "file_name": "a.jpg"}]"#;
    const CATEGORIES: &str = r#""categories": [{"id": 7, "name": "cat", "supercategory": "pet"}]"#;
    const OBJECT: &str = r#"{"id": 5, "image_id": 1, "category_id": 7, "bbox": [0, 1, 2, 3]}"#;

    /// Writes `text` to a file of this name and hands its path to `read`.
    fn with_file<T>(name: &str, text: &str, read: impl Fn(&Path) -> T) -> T {
        let path = std::env::temp_dir().join(format!("detloss-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let value = read(&path);
        std::fs::remove_file(&path).unwrap();
        value
    }

    fn truth(name: &str, annotations: &str, rest: &str) -> Result<GroundTruth, ReadError> {
        let text = format!("{{{IMAGES}, \"annotations\": [{annotations}]{rest}}}");
        with_file(name, &text, read_ground_truth)
    }

    fn results(name: &str, text: &str) -> Result<Vec<Detection>, ReadError> {
        let truth = truth(&format!("truth-{name}"), OBJECT, &format!(", {CATEGORIES}")).unwrap();
        with_file(name, text, |path| read_results(path, &truth))
    }

    /// The message says each of `parts`.
    fn says<T: std::fmt::Debug>(result: Result<T, ReadError>, parts: &[&str]) {
        let message = result.unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
    }

    #[test]
    fn an_annotation_without_area_has_the_area_of_its_box() {
        let truth = truth("area", OBJECT, "").unwrap();
        assert_eq!(truth.annotations[0].area, 6.0);
        assert_eq!(truth.annotations[0].id, Some(5));
    }

    #[test]
    fn without_a_list_of_categories_those_of_the_annotations_count() {
        let truth = truth("no-categories", OBJECT, "").unwrap();
        assert_eq!(truth.categories[&7], "7");
    }

    #[test]
    fn masks_and_other_fields_are_skipped_and_crowds_are_known() {
        let object = OBJECT.replace(
            "\"id\": 5",
            r#""iscrowd": 1, "area": 2.5, "segmentation": {"counts": [1, 2], "size": [3, 4]}"#,
        );
        let truth = truth("crowd", &object, &format!(r#", {CATEGORIES}, "info": {{}}"#)).unwrap();
        assert!(truth.annotations[0].crowd);
        assert_eq!(truth.annotations[0].area, 2.5);
        assert_eq!(truth.categories[&7], "cat");
    }

    #[test]
    fn detections_are_read_in_order_and_an_empty_list_is_fine() {
        let text = r#" [{"image_id": 1, "category_id": 7, "bbox": [0, 1, 2.5, 3], "score": 0.5}]"#;
        let found = Detection { image: 1, category: 7, bbox: [0.0, 1.0, 2.5, 3.0], score: 0.5 };
        assert_eq!(results("good", text).unwrap(), [found]);
        assert_eq!(results("none", "[]").unwrap(), []);
    }

    #[test]
    fn a_box_that_is_none_is_named_with_file_entry_and_field() {
        let entry = |bbox: &str| {
            let good = r#"{"image_id": 1, "category_id": 7, "bbox": [0, 1, 2, 3], "score": 0.5}"#;
            format!("[{good}, {}]", good.replace("[0, 1, 2, 3]", bbox))
        };
        for (bbox, problem) in [
            ("[0, 1, 2]", "expected 4 numbers, got 3"),
            ("[0, 1, 2, 3, 4]", "expected 4 numbers, got 5"),
            ("[0, 1, -2, 3]", "negative width -2"),
            ("[0, 1, 2, -3]", "negative height -3"),
            ("[0, 1, \"2\", 3]", "invalid type: string"),
            ("[0, 1, NaN, 3]", "no NaN or Infinity"),
            ("[0, 1, 1e999, 3]", "out of range"),
            ("null", "expected 4 numbers"),
        ] {
            let name = "box.json";
            says(results(name, &entry(bbox)), &[name, "results entry 1.bbox", problem]);
        }
    }

    #[test]
    fn annotations_name_their_entry_too() {
        let bad = OBJECT.replace("[0, 1, 2, 3]", "[0, 1]");
        let both = format!("{OBJECT}, {bad}");
        says(truth("short", &both, ""), &["annotations[1].bbox", "expected 4 numbers, got 2"]);
        let bad = OBJECT.replace("\"image_id\": 1", "\"image_id\": 9");
        says(truth("image", &bad, ""), &["annotations[0].image_id", "no image has id 9"]);
        let rest = format!(", {CATEGORIES}");
        let bad = OBJECT.replace("\"category_id\": 7", "\"category_id\": 8");
        says(truth("category", &bad, &rest), &["annotations[0].category_id", "id 8"]);
        let bad = OBJECT.replace("\"id\": 5", "\"iscrowd\": \"no\"");
        says(truth("flag", &bad, ""), &["annotations[0].iscrowd", "expected 0 or 1"]);
        let bad = OBJECT.replace("\"id\": 5", "\"area\": -1");
        says(truth("negative", &bad, ""), &["annotations[0].area", "-1 is not an area"]);
    }

    #[test]
    fn ids_unknown_to_the_annotations_are_refused_with_a_remedy() {
        let entry = r#"[{"image_id": 2, "category_id": 7, "bbox": [0, 1, 2, 3], "score": 0.5}]"#;
        says(results("id", entry), &["results entry 0.image_id", "no image 2"]);
        let entry = r#"[{"image_id": 1, "category_id": 0, "bbox": [0, 1, 2, 3], "score": 0.5}]"#;
        says(results("class", entry), &["entry 0.category_id", "not the network's class index"]);
    }

    #[test]
    fn a_detection_without_score_is_told_what_a_detection_has() {
        let entry = r#"[{"image_id": 1, "category_id": 7, "bbox": [0, 1, 2, 3]}]"#;
        says(results("score", entry), &["results entry 0", "missing field `score`", RESULT_REMEDY]);
    }

    #[test]
    fn swapped_empty_foreign_and_cut_off_files_are_recognised() {
        says(results("object", "{\"images\": []}"), &["is an object", SWAP_REMEDY]);
        says(with_file("array", "[]", read_ground_truth), &["is an array", SWAP_REMEDY]);
        says(results("empty", " \n"), &["the file is empty", "write []"]);
        says(results("foreign", "x,y,w,h"), &["not json"]);
        says(results("cut", r#"[{"image_id": 1"#), &["ends too early"]);
        says(results("twice", "[] []"), &["after the last entry"]);
        says(with_file("bare", "{}", read_ground_truth), &["missing field `images`"]);
        says(read_ground_truth(Path::new("no-such-file")), &["could not read no-such-file"]);
    }
}
