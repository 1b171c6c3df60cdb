//! Label files as tools write them, and files that are none.

use std::fs;

use super::*;
use crate::bbox::Xywh;
use crate::read::tests::made::{folder, lines, truth};
use crate::{DataSet, read_results};

#[test]
fn labels_are_objects_in_pixels_with_their_line() {
    let text = "\u{feff}\r\n1 0.5 0.5 0.2 0.4\r\n\r\n0 0.1 0.1 0.2 0.2\r\n";
    let names = ("classes.txt", "cat\r\ndog\r\n\r\n");
    let folder = folder(&["images/7.png", "images/a.png"], &[("labels/7.txt", text), names]);
    let Read { content: truth, problems } = truth(&folder);
    assert_eq!(lines(&folder, &problems), ["no_labels images: 1 of 2, the first: a.png"]);
    assert_eq!(truth.categories, BTreeMap::from([(0, "cat".into()), (1, "dog".into())]));
    assert_eq!(truth.sizes[&7], [100.0, 50.0]);
    assert_eq!(truth.images[&7], "7.png");
    assert_eq!(truth.files[&7], folder.path().join("images/7.png"));
    let boxes: Vec<_> =
        truth.annotations.iter().map(|one| (one.image, one.category, one.bbox)).collect();
    assert_eq!(boxes, [(7, 1, [40.0, 15.0, 20.0, 20.0]), (7, 0, [0.0, 0.0, 20.0, 10.0])]);
    let lines: Vec<usize> = truth.lines.iter().map(|(_, line)| *line).collect();
    assert_eq!(lines, [2, 4]);
    // The other one is background.
    assert!(truth.images.values().any(|name| name == "a.png"));
}

#[test]
fn what_is_broken_is_named_with_file_and_line_and_the_rest_is_used() {
    let label = "0 0.5 0.5 0.2 0.2\n5 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2\n0 50 25 20 10\n0 0.5 NaN 0.2 0.2\n-1 0.5 0.5 0.2 0.2\n\
        1 0.2 0.2 0.1 0.1 0.9\n";
    let yaml = "train: images\nnames: [cat, dog]\nnc: 3\n";
    let folder = folder(
        &["images/a.png", "images/b.png"],
        &[
            ("labels/a.txt", label),
            ("labels/b.txt", ""),
            ("labels/gone.txt", "0 0.5 0.5 0.2 0.2"),
            ("labels/classes.txt", "cat\ndog"),
            ("images/c.png", "no picture"),
            ("labels/c.txt", "0 0.5 0.5 0.2 0.2"),
            ("data.yaml", yaml),
        ],
    );
    let Read { content: truth, problems } = truth(&folder);
    assert_eq!(truth.annotations.len(), 2);
    assert_eq!(truth.images.len(), 2);
    assert_eq!(
        lines(&folder, &problems),
        [
            "class_count data.yaml: nc: is 3, and there are 2 names",
            "unknown_class labels/a.txt: line 2.class (image a): there is no class 5: they are 0 to 1",
            "no_box labels/a.txt: line 3 (image a): has 3 numbers after the class: expected cx cy w h, or the corners of a polygon",
            "not_normalised labels/a.txt: line 4 (image a): 50 is no share of the image",
            "not_finite labels/a.txt: line 5 (image a): NaN is not finite",
            "unknown_class labels/a.txt: line 6.class (image a): -1 is no index of a class: they count from 0",
            "scored labels/a.txt: line 7 (image a): 1 lines have a number more, as detections have a score",
            "unreadable_file images/c.png: images/c.png is no image that is known",
            "no_image labels/gone.txt: there is no such image",
        ]
    );
}

#[test]
fn a_list_of_images_is_a_part() {
    let list = "./images/a.png\nimages\\b.png\r\ndata/images/c.png\n\nimages/a.png\n../gone.png\n";
    let images = ["images/a.png", "images/b.png", "images/c.png"];
    let labels = ["a", "b", "c"].map(|name| format!("labels/{name}.txt"));
    let files: Vec<_> = labels.iter().map(|name| (name.as_str(), "3 0.5 0.5 0.2 0.2")).collect();
    let folder = folder(&images, &files);
    fs::write(folder.path().join("train.txt"), list).unwrap();
    let set = DataSet::find(&folder.path().join("train.txt")).unwrap();
    let Read { content: truth, problems } = set.parts[0].read::<Xywh>().unwrap();
    assert_eq!(truth.annotations.len(), 3);
    assert_eq!(truth.categories[&3], "3", "no file names it");
    let problems = lines(&folder, &problems);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[0].starts_with("same_file train.txt: line 5: ")
            && problems[0].ends_with("is listed already")
    );
    assert_eq!(problems[1], "missing_file train.txt: line 6: ../gone.png is not there");
}

#[test]
fn ids_of_images_are_their_names_as_detectors_write_them() {
    let images = ["images/000012.png", "images/12.png", "images/x/a.png", "images/y/a.png"];
    let folder = folder(&images, &[("labels/12.txt", "0 0.5 0.5 0.2 0.2")]);
    let truth = truth(&folder).content;
    let ids: BTreeMap<&str, String> =
        truth.images.iter().map(|(&key, name)| (&**name, truth.id(key).to_string())).collect();
    let wanted = [("000012.png", "12"), ("12.png", "12"), ("x/a.png", "a"), ("y/a.png", "y/a")];
    assert_eq!(ids, wanted.map(|(name, id)| (name, id.to_owned())).into());
    assert_eq!(truth.images.len(), 4);
}

#[test]
fn folders_of_text_files_are_detections() {
    let folder = folder(
        &["images/a.png", "images/b.png", "images/c.png"],
        &[("labels/a.txt", "0 0.5 0.5 0.2 0.4"), ("data.yaml", "train: images\nnames: [cat, dog]")],
    );
    let truth = truth(&folder).content;
    let out = tempfile::tempdir().unwrap();
    fs::create_dir(out.path().join("labels")).unwrap();
    let write =
        |name: &str, text: &str| fs::write(out.path().join("labels").join(name), text).unwrap();
    let error = read_results(out.path(), &truth).unwrap_err().to_string();
    assert!(error.contains("there are no detections; write a text file for each image"), "{error}");
    write("a.txt", "0 0.5 0.5 0.2 0.4 0.75\n1 0.5 0.5 0.2 0.4\n2 0.5 0.5 0.2 0.4 0.5\n");
    write("b.txt", "");
    write("z.txt", "0 0.5 0.5 0.2 0.4 0.75\n");
    write("readme.txt", "Detections of today");
    let Read { content: found, problems } = read_results(out.path(), &truth).unwrap();
    let [only] = &found[..] else { panic!("{found:?}") };
    assert_eq!((only.category, only.bbox, only.score), (0, [40.0, 15.0, 20.0, 20.0], 0.75));
    assert_eq!(truth.images[&only.image], "a.png");
    assert_eq!(
        lines(&out, &problems),
        [
            "no_score labels/a.txt: line 2 (image a): has no score: write it last (save_conf=True)",
            "unknown_class labels/a.txt: line 3.class (image a): the annotations have no class 2: they count from 0",
            "unknown_image labels/z.txt: the annotations have no image z",
        ]
    );
}

/// Ultralytics counts the classes of its JSON from 1.
#[test]
fn results_that_count_classes_from_1_are_told_so() {
    let yaml = ("data.yaml", "train: images\nnames: [cat, dog]");
    let folder = folder(&["images/a.png"], &[("labels/a.txt", "0 0.5 0.5 0.2 0.4"), yaml]);
    let truth = truth(&folder).content;
    let results = r#"[{"image_id": "a", "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5},
        {"image_id": "a", "category_id": 2, "bbox": [1, 2, 3, 4], "score": 0.5}]"#;
    let read = crate::parse_results(Path::new("results.json"), results, &truth).unwrap();
    assert_eq!(read.content.len(), 1);
    assert_eq!(
        lines(&folder, &read.problems),
        [
            "unknown_class results.json: results entry 1.category_id (image a): the annotations have no category 2",
            "from_one results.json: none is of class 0, of which there are 1 objects",
        ]
    );
}

/// Whatever bytes a file has, it is a problem and no panic.
#[test]
fn hostile_files_are_problems() {
    let long = "9".repeat(1 << 20);
    let wide = format!("0 {}", "0.5 ".repeat(1 << 18));
    let folder = folder(&["images/a.png"], &[("labels/a.txt", "0 0.5 0.5 0.2 0.2")]);
    let label = folder.path().join("labels/a.txt");
    for (bytes, objects) in [
        (format!("{long} 0.5 0.5 0.2 0.2").into_bytes(), 0),
        (format!("0 0.5 0.5 0.2 {long}\n0 0.5 0.5 0.2 0.2").into_bytes(), 1),
        (wide.into_bytes(), 1),
        (b"0 0.5 0.5 0.2 0.2\n\xff\xfe\x00".to_vec(), 0),
        (vec![0; 4096], 0),
        (b"\x1f\x8b\x00broken".to_vec(), 0),
    ] {
        fs::write(&label, bytes).unwrap();
        let mut problems = Vec::new();
        let layout = Layout { images: vec![folder.path().join("images")], ..Layout::default() };
        let Read { content: truth, problems: more } = read::<Xywh>(folder.path(), &layout);
        problems.extend(more);
        assert_eq!(truth.annotations.len(), objects);
        assert!(objects == 1 || !problems.is_empty());
        assert!(problems.iter().all(|problem| problem.said.len() < 300), "{problems:?}");
    }
    fs::remove_file(&label).unwrap();
    fs::create_dir(&label).unwrap();
    assert_eq!(truth_of(&folder).content.annotations, []);
}

fn truth_of(folder: &tempfile::TempDir) -> Read<GroundTruth<Xywh>> {
    let layout = Layout { images: vec![folder.path().join("images")], ..Layout::default() };
    read(folder.path(), &layout)
}
