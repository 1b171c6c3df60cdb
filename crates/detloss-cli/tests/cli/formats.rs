//! Data sets in the formats of YOLO and Pascal VOC, as commands take them.

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::detloss;

/// The box of every image: left, top, width, height.
const BBOX: [u32; 4] = [6, 8, 24, 16];

fn at(folder: &TempDir, name: &str) -> std::path::PathBuf {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}

/// A picture of 60 x 40 pixels with an object, another one for each number.
fn draw(path: &Path, number: u32) {
    let [x, y, w, h] = BBOX;
    let picture = RgbImage::from_fn(60, 40, |column, row| {
        let inside = (x..x + w).contains(&column) && (y..y + h).contains(&row);
        if inside {
            Rgb([250, 250, 20])
        } else {
            Rgb([17 * number as u8, column as u8, 3 * row as u8])
        }
    });
    picture.save(path).unwrap();
}

/// Two parts in YOLO's format, of six images and of two.
fn yolo() -> TempDir {
    let folder = TempDir::new().unwrap();
    for number in 1..=8 {
        let part = if number <= 6 { "train" } else { "val" };
        draw(&at(&folder, &format!("images/{part}/{number}.png")), number);
        let label = format!("{} 0.3 0.4 0.4 0.4\r\n", number % 2);
        fs::write(at(&folder, &format!("labels/{part}/{number}.txt")), label).unwrap();
    }
    let yaml = "path: ../datasets/mine\ntrain: images/train\nval: images/val\nnames:\n  0: cat\n  1: dog\n";
    fs::write(at(&folder, "data.yaml"), yaml).unwrap();
    folder
}

/// The same in VOC's.
fn voc() -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut lists = [String::new(), String::new()];
    for number in 1..=8 {
        draw(&at(&folder, &format!("JPEGImages/{number}.png")), number);
        lists[usize::from(number > 6)].push_str(&format!("{number}\n"));
        let [x, y, w, h] = BBOX;
        let name = ["cat", "dog"][number as usize % 2];
        let text = format!(
            "<annotation><filename>{number}.png</filename><size><width>60</width><height>40</height></size><object><name>{name}</name>\
             <bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object></annotation>",
            x + 1,
            y + 1,
            x + w,
            y + h
        );
        fs::write(at(&folder, &format!("Annotations/{number}.xml")), text).unwrap();
    }
    for (name, list) in ["train", "val"].into_iter().zip(lists) {
        fs::write(at(&folder, &format!("ImageSets/Main/{name}.txt")), list).unwrap();
    }
    folder
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn kinds(checked: &Value) -> Vec<(&str, u64)> {
    let kinds = checked["kinds"].as_array().unwrap().iter();
    kinds.map(|it| (it["kind"].as_str().unwrap(), it["count"].as_u64().unwrap())).collect()
}

#[test]
fn check_finds_parts_and_images_by_itself() {
    for folder in [yolo(), voc()] {
        let seen = detloss(&format!("check {} --json", folder.path().display()));
        let checked = parsed(&seen.out);
        assert_eq!((seen.code, kinds(&checked)), (0, vec![]), "{}{}", seen.out, seen.err);
        let parts: Vec<(&str, u64)> = (checked["parts"].as_array().unwrap().iter())
            .map(|it| (it["name"].as_str().unwrap(), it["objects"].as_u64().unwrap()))
            .collect();
        assert_eq!(parts, [("train", 6), ("val", 2)]);
    }
}

/// The same picture in other bytes is one that leaks; images that are there and broken ones are looked at without being asked for.
#[test]
fn check_knows_a_picture_again_in_other_bytes() {
    let folder = yolo();
    let picture = image::open(folder.path().join("images/train/3.png")).unwrap();
    fs::remove_file(folder.path().join("images/val/7.png")).unwrap();
    picture.save(folder.path().join("images/val/7.jpg")).unwrap();
    fs::copy(folder.path().join("images/train/1.png"), folder.path().join("images/train/2.png"))
        .unwrap();
    let seen = detloss(&format!("check {} --json", folder.path().display()));
    let checked = parsed(&seen.out);
    assert_eq!(kinds(&checked), [("same_content", 1), ("same_picture", 1)]);
    assert!(seen.out.contains(r#"\"7.jpg\" shows what \"3.png\" of train does"#), "{}", seen.out);
}

#[test]
fn check_names_file_and_line_and_writes_a_cleaned_copy_in_cocos_format() {
    let folder = yolo();
    let label = folder.path().join("labels/train/1.txt");
    fs::write(&label, "1 0.3 0.4 0.4 0.4\n1 0.3 0.4 0.4 0.4\n7 0.3 0.4 0.4 0.4\n").unwrap();
    let out = folder.path().join("fixed");
    let seen = detloss(&format!("check {} --fix {}", folder.path().display(), out.display()));
    assert_eq!(seen.code, 1, "{}", seen.err);
    for words in [
        "labels/train/1.txt: line 2.bbox (image 1): the same \"dog\" as line 1",
        "line 3.class (image 1): there is no class 7: they are 0 to 1",
    ] {
        assert!(seen.out.contains(words), "{words}: {}", seen.out);
    }
    let one_part = detloss(&format!("check {}", folder.path().join("images/train").display()));
    assert!(one_part.out.contains("labels/train/1.txt: line 3"), "{}", one_part.out);
    let copy = parsed(&fs::read_to_string(out.join("train.json")).unwrap());
    assert_eq!(copy["annotations"].as_array().unwrap().len(), 6);
    assert!(out.join("val.json").is_file() && out.join("changes.csv").is_file());
}

#[test]
fn audit_and_match_take_the_part_that_they_are_for() {
    for folder in [yolo(), voc()] {
        let data = folder.path().display();
        let work = TempDir::new().unwrap();
        // As a detector that knows names of files only: without the ending, and for VOC classes by their ids from 1.
        let first = if folder.path().join("data.yaml").is_file() { 0 } else { 1 };
        let found: Vec<Value> = [7, 8]
            .iter()
            .map(|id| json!({ "image_id": id, "category_id": first + id % 2, "bbox": BBOX, "score": 0.9 }))
            .collect();
        let path = work.path().join("results.json");
        fs::write(&path, json!(found).to_string()).unwrap();
        let call = format!(
            "audit --gt {data} --dt {} --losses giou --out {} --json",
            path.display(),
            work.path().display()
        );
        let seen = detloss(&call);
        assert_eq!(seen.code, 0, "{}", seen.err);
        assert!(seen.err.contains("the part val: "), "{}", seen.err);
        let boxes = fs::read_to_string(work.path().join("boxes.csv")).unwrap();
        assert_eq!(boxes.lines().count(), 3, "{boxes}");
        assert!(
            boxes.lines().skip(1).all(|line| line.contains(",1,") || line.contains(",1.0")),
            "{boxes}"
        );

        let seen = detloss(&format!("match --gt {data} --anchors yolo8 --json"));
        assert_eq!(seen.code, 0, "{}", seen.err);
        assert!(seen.err.contains("the part train: "), "{}", seen.err);
        assert_eq!(parsed(&seen.out)["objects"], 6, "{}", seen.out);
    }
}

/// Detections as `save_txt` and `save_conf` write them, on a data set in COCO's format, too.
#[test]
fn audit_takes_a_folder_of_text_files() {
    let folder = yolo();
    let work = TempDir::new().unwrap();
    for number in [7, 8] {
        let label = format!("{} 0.3 0.4 0.4 0.4 0.{number}\n", number % 2);
        fs::write(at(&work, &format!("labels/{number}.txt")), label).unwrap();
    }
    let part = folder.path().join("images/val");
    let out = work.path().join("audit");
    let call = format!(
        "audit --gt {} --dt {} --losses giou --out {}",
        part.display(),
        work.path().display(),
        out.display()
    );
    let seen = detloss(&call);
    assert_eq!(seen.code, 0, "{}", seen.err);
    assert!(!seen.err.contains("problem"), "{}", seen.err);
    assert_eq!(fs::read_to_string(out.join("boxes.csv")).unwrap().lines().count(), 3);
}

/// A name without a folder is one of this folder, as is what its file names.
#[test]
fn a_list_or_a_data_yaml_of_this_folder_has_its_classes() {
    let folder = yolo();
    fs::write(folder.path().join("some.txt"), "./images/val/7.png\nimages/val/8.png\n").unwrap();
    fs::write(folder.path().join("data.yaml"), "val: some.txt\nnames: [cat, dog, hen]\n").unwrap();
    for file in ["some.txt", "data.yaml", "."] {
        let mut command = assert_cmd::Command::cargo_bin("detloss").unwrap();
        let output =
            command.current_dir(folder.path()).args(["check", file, "--json"]).output().unwrap();
        let checked = parsed(&String::from_utf8_lossy(&output.stdout));
        assert_eq!(kinds(&checked), [("empty_class", 1)], "{file}: {checked}");
        assert_eq!(
            (&checked["parts"][0]["objects"], &checked["parts"][0]["classes"]),
            (&json!(2), &json!(3))
        );
    }
}

#[test]
fn a_folder_of_nothing_is_an_error_with_a_remedy() {
    let folder = TempDir::new().unwrap();
    for command in ["check", "match --anchors yolo8 --gt"] {
        let seen = detloss(&format!("{command} {}", folder.path().display()));
        assert_eq!(seen.code, 1);
        for words in ["there is no annotation file; put COCO", "data.yaml", "Annotations/*.xml"] {
            assert!(seen.err.contains(words), "{words}: {}", seen.err);
        }
    }
}

#[cfg(feature = "train")]
#[test]
fn a_detector_is_trained_and_judged_on_a_data_yaml() {
    let folder = yolo();
    let work = TempDir::new().unwrap();
    let [data, model, val] =
        [folder.path().join("data.yaml"), work.path().join("model"), work.path().join("val")]
            .map(|path| path.display().to_string());
    let seen = detloss(&format!("train --data {data} --side 32 --steps 2 --batch 2 --out {model}"));
    assert_eq!(seen.code, 0, "{}", seen.err);
    assert!(seen.err.contains("6 images to train on, 2 held out, 0 left out"), "{}", seen.err);
    let held_out = parsed(&fs::read_to_string(work.path().join("model/held-out.json")).unwrap());
    assert_eq!(held_out["categories"][1], json!({ "id": 1, "name": "dog" }));
    assert_eq!(held_out["annotations"][0]["image_id"], 7);
    let seen = detloss(&format!("val {model} --data {} --out {val}", folder.path().display()));
    assert_eq!(seen.code, 0, "{}", seen.err);
    // Where labels are, nothing is written.
    let labels = folder.path().join("labels/val");
    let seen =
        detloss(&format!("train --data {data} --side 32 --steps 1 --out {}", labels.display()));
    assert_eq!(
        (seen.code, seen.err.contains("is a folder of the --data")),
        (2, true),
        "{}",
        seen.err
    );
    // Results are a file of their own, and not one that was read.
    let images = folder.path().join("images/val");
    let picture = images.join("7.png");
    let out = work.path().join("seen");
    let predict = |coco: &Path| {
        detloss(&format!(
            "predict {} --model {model} --coco {} --out {}",
            images.display(),
            coco.display(),
            out.display()
        ))
    };
    let seen = predict(&picture);
    assert_eq!(
        (seen.code, seen.err.contains("7.png would be written over: choose another --coco")),
        (2, true),
        "{}",
        seen.err
    );
    assert!(image::open(&picture).is_ok());
    let results = work.path().join("results.json");
    fs::write(&results, "old").unwrap();
    assert_eq!(predict(&results).code, 0);
    let results = parsed(&fs::read_to_string(&results).unwrap());
    assert!(
        results.as_array().unwrap().iter().all(|it| it["image_id"] == 7 || it["image_id"] == 8)
    );
}
