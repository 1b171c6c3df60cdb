//! Reading COCO files in one streaming pass, with errors that name file, entry and field.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::bbox::Bbox;
use crate::dataset::{Annotation, Detection, GroundTruth};
use crate::raw::{RawAnnotation, RawDataset, RawDetection, Unreadable};

/// A COCO file that could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
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

const SWAP_REMEDY: &str = "annotations are an object, results an array: are the files swapped?";
const IMAGE_REMEDY: &str = "an image is {id, file_name}";
const CATEGORY_REMEDY: &str = "a category is {id, name}";
const ID_REMEDY: &str = "give each an id of its own";
const ANNOTATION_REMEDY: &str = "an annotation is {image_id, category_id, bbox}";
const RESULT_REMEDY: &str = "a detection is {image_id, category_id, bbox, score}";

/// Reads an annotation file (`instances_*.json`).
pub fn read_ground_truth<B: Bbox>(path: &Path) -> Result<GroundTruth<B>, ReadError> {
    let raw: RawDataset<B, false> =
        parse(open(path)?, path, b'{', ANNOTATION_REMEDY, str::to_owned)?;
    gather(raw, path, Err)
}

/// Reads what can be used of an annotation file, and says what is left out. Only a file that has no lists of images and
/// annotations is an error.
pub fn read_usable(path: &Path) -> Result<(GroundTruth, Vec<ReadError>), ReadError> {
    let mut text =
        std::fs::read(path).map_err(|source| ReadError::Io { path: path.into(), source })?;
    quote_infinities(&mut text);
    let raw: RawDataset<_, true> = parse(&text[..], path, b'{', ANNOTATION_REMEDY, str::to_owned)?;
    let mut problems = Vec::new();
    let truth = gather(raw, path, |problem| {
        problems.push(problem);
        Ok(())
    })?;
    Ok((truth, problems))
}

/// Checks all entries. One with a problem is left out if `report` does not make it an error.
fn gather<B: Bbox, const TOLERANT: bool>(
    raw: RawDataset<B, TOLERANT>,
    path: &Path,
    mut report: impl FnMut(ReadError) -> Result<(), ReadError>,
) -> Result<GroundTruth<B>, ReadError> {
    let mut report = |place: String, problem: String, remedy| {
        report(ReadError::Content { path: path.into(), place, problem, remedy })
    };
    let mut truth = GroundTruth::default();
    let mut sizes = BTreeMap::new();
    let images = raw.images.into_iter().map(|entry| {
        entry.0.map(|it| {
            sizes.extend(it.size().map(|size| (it.id, size)));
            (it.id, it.file_name)
        })
    });
    truth.images = by_id(images, ["images", "an image"], IMAGE_REMEDY, &mut report)?;
    truth.sizes = sizes;
    let listed = raw.categories.is_some();
    let categories = raw.categories.into_iter().flatten();
    let categories = categories.map(|entry| entry.0.map(|it| (it.id, it.name)));
    let words = ["categories", "a category"];
    truth.categories = by_id(categories, words, CATEGORY_REMEDY, &mut report)?;
    truth.annotations.reserve_exact(raw.annotations.len());
    for (index, entry) in raw.annotations.into_iter().enumerate() {
        let checked = entry
            .0
            .map_err(|Unreadable { field, problem }| (field, problem, ANNOTATION_REMEDY))
            .and_then(|raw| {
                check(raw, &mut truth, listed)
                    .map_err(|(field, problem, remedy)| (field.to_owned(), problem, remedy))
            });
        match checked {
            Ok(annotation) => truth.annotations.push(annotation),
            Err((field, problem, remedy)) => {
                report(format!("annotations[{index}].{field}"), problem, remedy)?;
            }
        }
    }
    Ok(truth)
}

/// The names of a list by their ids. `list` is its field, and one of its entries, in words.
fn by_id(
    entries: impl Iterator<Item = Result<(u64, String), Unreadable>>,
    [list, one]: [&str; 2],
    remedy: &'static str,
    report: &mut impl FnMut(String, String, &'static str) -> Result<(), ReadError>,
) -> Result<BTreeMap<u64, String>, ReadError> {
    let mut names = BTreeMap::new();
    for (index, entry) in entries.enumerate() {
        match entry {
            Ok((id, _)) if names.contains_key(&id) => {
                let problem = format!("there is {one} {id} already");
                report(format!("{list}[{index}].id"), problem, ID_REMEDY)?;
            }
            Ok((id, name)) => _ = names.insert(id, name),
            Err(Unreadable { field, problem }) => {
                report(format!("{list}[{index}].{field}"), problem, remedy)?;
            }
        }
    }
    Ok(names)
}

/// An annotation, or its wrong field, what is wrong there, and the remedy. Adds its category where none are listed.
fn check<B: Bbox>(
    raw: RawAnnotation<B>,
    truth: &mut GroundTruth<B>,
    listed: bool,
) -> Result<Annotation<B>, (&'static str, String, &'static str)> {
    let bbox = B::read(raw.bbox, raw.segmentation)
        .map_err(|(field, problem)| (field, problem, B::REMEDY))?;
    if !truth.images.contains_key(&raw.image_id) {
        let problem = format!("no image has id {}", raw.image_id);
        return Err(("image_id", problem, "list the image under `images`"));
    }
    if listed && !truth.categories.contains_key(&raw.category_id) {
        let problem = format!("no category has id {}", raw.category_id);
        return Err(("category_id", problem, "list the category under `categories`"));
    }
    let area = raw.area.unwrap_or(bbox.area());
    if area.is_nan() || area < 0.0 {
        let problem = format!("{area} is not an area");
        return Err(("area", problem, "write it in square pixels, or leave it out"));
    }
    if !listed {
        let name = || raw.category_id.to_string();
        truth.categories.entry(raw.category_id).or_insert_with(name);
    }
    Ok(Annotation {
        id: raw.id,
        image: raw.image_id,
        category: raw.category_id,
        bbox,
        area,
        crowd: raw.iscrowd,
    })
}

/// Python writes NaN and Infinity, which are not JSON. As strings they spoil their entry instead of the file.
fn quote_infinities(text: &mut Vec<u8>) {
    const WORDS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
    let mut quoted = Vec::new();
    let (mut at, mut done, mut inside) = (0, 0, false);
    while at < text.len() {
        match text[at] {
            b'\\' if inside => at += 1,
            b'"' => inside = !inside,
            b'-' | b'I' | b'N' if !inside => {
                if let Some(word) = WORDS.iter().find(|word| text[at..].starts_with(word)) {
                    quoted.extend_from_slice(&text[done..at]);
                    quoted.push(b'"');
                    quoted.extend_from_slice(word);
                    quoted.push(b'"');
                    at += word.len() - 1;
                    done = at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    if done > 0 {
        quoted.extend_from_slice(&text[done..]);
        *text = quoted;
    }
}

/// Reads a results file of boxes made on the images of `truth`.
pub fn read_results<B: Bbox>(
    path: &Path,
    truth: &GroundTruth<B>,
) -> Result<Vec<Detection<B>>, ReadError> {
    let place = |at: &str| match at.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((index, field)) => format!("results entry {index}{field}"),
        None => at.to_owned(),
    };
    let raw: Vec<RawDetection<B>> = parse(open(path)?, path, b'[', RESULT_REMEDY, place)?;
    // Asking a hash set a million times costs a tenth of asking the tree.
    let images: HashSet<u64> = truth.images.keys().copied().collect();
    let categories: HashSet<u64> = truth.categories.keys().copied().collect();
    let check = |(index, raw): (usize, RawDetection<B>)| {
        let fail = |field: &str, problem: String, remedy| ReadError::Content {
            path: path.into(),
            place: format!("results entry {index}.{field}"),
            problem,
            remedy,
        };
        let bbox = B::read(raw.bbox, raw.segmentation)
            .map_err(|(field, problem)| fail(field, problem, B::REMEDY))?;
        if !images.contains(&raw.image_id) {
            let problem = format!("the annotations have no image {}", raw.image_id);
            return Err(fail("image_id", problem, "detect on the annotated images only"));
        }
        if !categories.contains(&raw.category_id) {
            let problem = format!("the annotations have no category {}", raw.category_id);
            let remedy = "write the dataset's category id, not the network's class index";
            return Err(fail("category_id", problem, remedy));
        }
        let (image, category, score) = (raw.image_id, raw.category_id, raw.score);
        Ok(Detection { image, category, bbox, score })
    };
    raw.into_iter().enumerate().map(check).collect()
}

fn open(path: &Path) -> Result<BufReader<File>, ReadError> {
    let file = File::open(path).map_err(|source| ReadError::Io { path: path.into(), source })?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

/// Deserializes a file whose first character should be `open`; `place` words the path of an error.
fn parse<T: DeserializeOwned>(
    mut reader: impl BufRead,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bbox::Xywh;

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
    fn an_image_has_a_size_if_its_two_sides_are_lengths() {
        let images = r#"{"id": 1, "width": 640, "height": 480.5}, {"id": 2, "width": "640", "height": 480},
            {"id": 3, "height": 480}, {"id": 4, "width": 0, "height": null}"#;
        let text = format!("{{\"images\": [{images}], \"annotations\": []}}");
        let truth: GroundTruth = with_file("sizes", &text, read_ground_truth).unwrap();
        assert_eq!(truth.sizes, BTreeMap::from([(1, [640.0, 480.5])]));
        assert_eq!(truth.images.len(), 4);
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
    fn an_id_is_that_of_one_image_and_of_one_category() {
        let twice = |what: &str| [what, what].join(", ");
        let text = |images: &str, categories: &str| {
            format!(r#"{{"images": [{images}], "categories": [{categories}], "annotations": []}}"#)
        };
        let [image, category] = [r#"{"id": 1, "file_name": "a"}"#, r#"{"id": 7, "name": "b"}"#];
        for (what, text) in [
            ("images[1].id: there is an image 1 already", text(&twice(image), category)),
            ("categories[1].id: there is a category 7 already", text(image, &twice(category))),
        ] {
            says(with_file("ids", &text, read_ground_truth::<Xywh>), &[what, ID_REMEDY]);
            let (truth, problems) = with_file("ids", &text, read_usable).unwrap();
            assert_eq!((truth.images.len(), truth.categories.len(), problems.len()), (1, 1, 1));
        }
    }

    #[test]
    fn a_tolerant_reader_keeps_what_is_sound_and_names_the_rest() {
        let entries = [
            OBJECT.to_owned(),
            OBJECT.replace("[0, 1, 2, 3]", "[0, 1, NaN, 3]"),
            OBJECT.replace("[0, 1, 2, 3]", "[-Infinity, 1, 2, 3]"),
            OBJECT.replace("[0, 1, 2, 3]", "[0, 1]"),
            OBJECT.replace("[0, 1, 2, 3]", "[0, 1, 2, -3]"),
            OBJECT.replace("\"image_id\": 1", "\"image_id\": 9"),
            OBJECT.replace("\"category_id\": 7", "\"category_id\": 8"),
            OBJECT.replace("\"id\": 5", "\"iscrowd\": \"no\""),
            OBJECT.replace("\"id\": 5", "\"area\": NaN"),
            "17".to_owned(),
            OBJECT.replace("\"id\": 5", "\"id\": 6, \"note\": \"NaN \\\" NaN\""),
        ];
        let text = format!(
            r#"{{"images": [{{"id": "x"}}, {{"id": 1, "file_name": "NaN.jpg"}}],
            "categories": [{{"id": 7, "name": "cat"}}, {{"id": 3}}],
            "annotations": [{}]}}"#,
            entries.join(", ")
        );
        let (truth, problems) = with_file("usable", &text, read_usable).unwrap();
        assert_eq!(truth.images[&1], "NaN.jpg");
        assert_eq!(truth.categories.len(), 1);
        assert_eq!(truth.annotations.iter().map(|a| a.id).collect::<Vec<_>>(), [Some(5), Some(6)]);
        let expected = [
            "images[0].id: invalid type: string \"x\"",
            "categories[1].",
            "annotations[1].bbox[2]: invalid type: string \"NaN\"",
            "annotations[2].bbox[0]: invalid type: string \"-Infinity\"",
            "annotations[3].bbox: expected 4 numbers, got 2",
            "annotations[4].bbox: negative height -3",
            "annotations[5].image_id: no image has id 9",
            "annotations[6].category_id: no category has id 8",
            "annotations[7].iscrowd: expected 0 or 1",
            "annotations[8].area: invalid type: string \"NaN\"",
            "annotations[9].",
        ];
        assert_eq!(problems.len(), expected.len());
        for (problem, expected) in problems.into_iter().zip(expected) {
            says(Err::<(), _>(problem), &["usable: ", expected]);
        }
        says(with_file("lists", "{}", read_usable), &["missing field `images`"]);
    }

    #[test]
    fn a_detection_without_score_is_told_what_a_detection_has() {
        let entry = r#"[{"image_id": 1, "category_id": 7, "bbox": [0, 1, 2, 3]}]"#;
        says(results("score", entry), &["results entry 0", "missing field `score`", RESULT_REMEDY]);
    }

    #[test]
    fn swapped_empty_foreign_and_cut_off_files_are_recognised() {
        says(results("object", "{\"images\": []}"), &["is an object", SWAP_REMEDY]);
        says(with_file("array", "[]", read_ground_truth::<Xywh>), &["is an array", SWAP_REMEDY]);
        says(results("empty", " \n"), &["the file is empty", "write []"]);
        says(results("foreign", "x,y,w,h"), &["not json"]);
        says(results("cut", r#"[{"image_id": 1"#), &["ends too early"]);
        says(results("twice", "[] []"), &["after the last entry"]);
        says(with_file("bare", "{}", read_ground_truth::<Xywh>), &["missing field `images`"]);
        says(
            read_ground_truth::<Xywh>(Path::new("no-such-file")),
            &["could not read no-such-file"],
        );
    }
}
