//! `detloss check` as a user sees it.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use image::RgbImage;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::detloss;

/// A folder of six images with an object each, and its annotations.
fn sound() -> (TempDir, Value) {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("images")).unwrap();
    let mut images = Vec::new();
    let mut objects = Vec::new();
    for id in 1..=6_u8 {
        let name = format!("{id}.png");
        let pixel = |x, y| image::Rgb([40 * id, x as u8, y as u8]);
        let picture = RgbImage::from_fn(60, 40, pixel);
        picture.save(folder.path().join("images").join(&name)).unwrap();
        images.push(json!({ "id": id, "file_name": name, "width": 60, "height": 40 }));
        objects.push(json!({ "id": id, "image_id": id, "category_id": 1, "bbox": [5, 5, 20, 15] }));
    }
    let set = json!({ "images": images, "annotations": objects, "categories": [{ "id": 1, "name": "cat" }] });
    (folder, set)
}

fn write(folder: &Path, set: &Value) -> String {
    let path = folder.join("set.json");
    fs::write(&path, set.to_string()).unwrap();
    path.display().to_string()
}

fn kinds(said: &str) -> Vec<(String, u64)> {
    let checked: Value = serde_json::from_str(said).unwrap();
    let kinds = checked["kinds"].as_array().unwrap().iter();
    kinds.map(|it| (it["kind"].as_str().unwrap().into(), it["count"].as_u64().unwrap())).collect()
}

#[test]
fn a_sound_set_has_nothing_wrong_and_ends_with_0() {
    let (folder, set) = sound();
    let path = write(folder.path(), &set);
    let seen = detloss(&format!("check {path} --images {}/images", folder.path().display()));
    assert_eq!((seen.code, &*seen.err), (0, ""));
    assert!(
        seen.out.starts_with("6 images with 6 objects: 0 errors, 0 warnings, 0 notes."),
        "{}",
        seen.out
    );
    assert!(seen.out.ends_with("Nothing is wrong.\n"));
}

#[test]
fn files_that_are_missing_cut_foreign_of_another_size_or_copies_are_named() {
    let (folder, set) = sound();
    let at = |name: &str| folder.path().join("images").join(name);
    fs::remove_file(at("1.png")).unwrap();
    let whole = fs::read(at("2.png")).unwrap();
    fs::write(at("2.png"), &whole[..whole.len() / 2]).unwrap();
    fs::write(at("3.png"), "no picture").unwrap();
    RgbImage::new(30, 20).save(at("4.png")).unwrap();
    fs::copy(at("5.png"), at("6.png")).unwrap();
    let path = write(folder.path(), &set);
    let seen = detloss(&format!("check {path} --images {}/images --json", folder.path().display()));
    assert_eq!(seen.code, 1);
    assert!(seen.err.contains("5 errors were found"), "{}", seen.err);
    let wanted = ["missing_file", "unreadable_file", "cut_off", "wrong_size", "same_content"];
    assert_eq!(kinds(&seen.out), wanted.map(|kind| (kind.to_owned(), 1)));
    let seen = detloss(&format!("check {path} --images {}/images", folder.path().display()));
    for words in [
        "(image 1): \"1.png\" is not in ",
        "30 x 20 pixels, and its annotation says 60 x 40",
        "\"6.png\" is \"5.png\"",
    ] {
        assert!(seen.out.contains(words), "{words}: {}", seen.out);
    }
}

/// A JPEG with the EXIF orientation 6, a quarter turn: stored 60 x 40, displayed 40 x 60.
fn turned(path: &Path) {
    let mut jpeg = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
    RgbImage::new(60, 40).write_with_encoder(encoder).unwrap();
    let tag = [0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0];
    let tiff = [&b"II*\0\x08\0\0\0\x01\0"[..], &tag, &[0; 4]].concat();
    let body = [&b"Exif\0\0"[..], &tiff].concat();
    let head = [0xff, 0xe1, 0, body.len() as u8 + 2];
    let bytes = [&jpeg[..2], &head, &body, &jpeg[2..]].concat();
    fs::write(path, bytes).unwrap();
}

#[test]
fn an_image_that_is_turned_when_displayed_has_to_be_annotated_so() {
    let (folder, mut set) = sound();
    turned(&folder.path().join("images/1.png"));
    let check = |set: &Value| {
        let path = write(folder.path(), set);
        detloss(&format!("check {path} --images {}/images --json", folder.path().display()))
    };
    let seen = check(&set);
    assert_eq!((seen.code, kinds(&seen.out)), (0, vec![("turned".to_owned(), 1)]));
    set["images"][0]["width"] = json!(40);
    set["images"][0]["height"] = json!(60);
    assert_eq!(kinds(&check(&set).out), []);
}

/// The same picture under two names, in two parts, is a leak; two pictures of one name are none.
#[test]
fn with_images_a_leak_is_told_by_content() {
    let (folder, mut set) = sound();
    fs::create_dir_all(folder.path().join("annotations")).unwrap();
    fs::create_dir_all(folder.path().join("images/val")).unwrap();
    fs::create_dir_all(folder.path().join("images/train")).unwrap();
    for id in 1..=6 {
        let [from, to] = ["images", "images/train"]
            .map(|room| folder.path().join(room).join(format!("{id}.png")));
        fs::rename(from, to).unwrap();
    }
    let at = |name: &str| folder.path().join("images").join(name);
    fs::write(folder.path().join("annotations/instances_train.json"), set.to_string()).unwrap();
    set["images"].as_array_mut().unwrap().truncate(2);
    set["annotations"].as_array_mut().unwrap().truncate(2);
    set["images"][1]["file_name"] = json!("other.png");
    fs::write(folder.path().join("annotations/instances_val.json"), set.to_string()).unwrap();
    RgbImage::new(60, 40).save(at("val/1.png")).unwrap();
    fs::copy(at("train/3.png"), at("val/other.png")).unwrap();
    let data = folder.path().display();
    let by_itself = detloss(&format!("check {data} --json"));
    assert_eq!(kinds(&by_itself.out), [("leak".to_owned(), 1)]);
    // Without images, names are all there is.
    let moved = TempDir::new().unwrap();
    fs::rename(folder.path().join("images"), moved.path().join("images")).unwrap();
    let by_names = detloss(&format!("check {data} --json"));
    assert_eq!(kinds(&by_names.out), [("leaked_name".to_owned(), 1)]);
    assert!(
        by_names.err.contains("files are not checked; --images says where"),
        "{}",
        by_names.err
    );
    fs::rename(moved.path().join("images"), folder.path().join("images")).unwrap();
    let seen = detloss(&format!("check {data} --images {data}/images --json"));
    assert_eq!(kinds(&seen.out), [("leak".to_owned(), 1)]);
    assert!(seen.out.contains(r#"\"other.png\" is \"3.png\" of instances_train"#), "{}", seen.out);
}

#[test]
fn a_cleaned_copy_has_a_list_of_what_was_done_and_never_replaces_the_file() {
    let (folder, mut set) = sound();
    set["annotations"][1]["bbox"] = json!([5, 5, 0, 15]);
    set["annotations"][2]["bbox"] = json!([50, 5, 20, 15]);
    set["images"][3]["file_name"] = json!("1.png");
    let path = write(folder.path(), &set);
    let fixed = folder.path().join("fixed");
    let out = folder.path().join("out");
    let seen = detloss(&format!("check {path} --fix {} -o {}", fixed.display(), out.display()));
    assert_eq!(seen.code, 1);
    assert!(seen.err.contains("2 changes, 1 errors and warnings left to decide"), "{}", seen.err);
    let changes = fs::read_to_string(fixed.join("changes.csv")).unwrap();
    for line in ["no_area", "left out", "\"clipped to [50.0,5.0,10.0,15.0]\"", "same_file"] {
        assert!(changes.contains(line), "{line}: {changes}");
    }
    let again = detloss(&format!("check {}/set.json --json", fixed.display()));
    assert_eq!(kinds(&again.out)[0], ("same_file".to_owned(), 1));
    for name in ["check.html", "check.json", "problems.csv"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    let page = fs::read_to_string(out.join("check.html")).unwrap();
    assert!(page.contains("Boxes without area") && page.contains("has no area"));
    let over = detloss(&format!("check {path} --fix {}", folder.path().display()));
    assert_eq!(over.code, 2);
    assert!(over.err.contains("--fix would write over"), "{}", over.err);
    assert_eq!(fs::read_to_string(&path).unwrap(), set.to_string());
}

#[test]
fn files_that_have_one_name_when_unpacked_have_a_folder_each() {
    let (folder, set) = sound();
    let text = set.to_string();
    fs::write(folder.path().join("set.json"), &text).unwrap();
    let file = fs::File::create(folder.path().join("set.json.gz")).unwrap();
    let mut packed = GzEncoder::new(file, Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap();
    let fixed = folder.path().join("fixed");
    detloss(&format!("check {} --fix {}", folder.path().display(), fixed.display()));
    let copies = fs::read_dir(&fixed).unwrap().filter(|entry| {
        let room = entry.as_ref().unwrap().path();
        room.join("set.json").is_file()
    });
    assert_eq!(copies.count(), 2);
}

#[test]
fn wrong_calls_end_with_2_and_what_is_no_data_with_1() {
    assert_eq!(detloss("check").code, 2);
    let (folder, set) = sound();
    let path = write(folder.path(), &set);
    assert_eq!(detloss(&format!("check {path} --images nowhere")).code, 2);
    let missing = detloss("check nowhere.json");
    assert_eq!(missing.code, 1);
    assert!(missing.err.contains("could not read nowhere.json: check the path"), "{}", missing.err);
}
