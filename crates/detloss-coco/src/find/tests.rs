//! Folders as tools make them.

use std::fs;

use image::RgbImage;
use tempfile::TempDir;

use super::*;

/// A folder of these files; images are images, and labels have a box.
fn folder(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if crate::images::is_image(&path) {
            RgbImage::new(4, 4).save(path).unwrap();
        } else {
            let text = match path.extension().unwrap().to_str().unwrap() {
                "txt" => "0 0.5 0.5 0.5 0.5",
                "xml" => "<annotation><object><name>cat</name></object></annotation>",
                _ => "",
            };
            fs::write(path, text).unwrap();
        }
    }
    folder
}

/// The files of the parts, and what the parts are for.
fn parts(folder: &TempDir) -> Result<Vec<(String, String, Role)>, String> {
    let set = DataSet::find(folder.path()).map_err(|error| error.to_string())?;
    let local = |part: Source| {
        let file = part.file.strip_prefix(folder.path()).unwrap().display().to_string();
        (part.name, file, part.role)
    };
    Ok(set.parts.into_iter().map(local).collect())
}

/// What is found among these files.
fn found(files: &[&str]) -> Result<(String, Option<String>), String> {
    let folder = folder(files);
    let words = |error: ReadError| error.to_string();
    let set = DataSet::find(folder.path()).map_err(words)?;
    let local =
        |part: &Source| part.file.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned();
    let (train, held_out) = set.to_train().map_err(words)?;
    Ok((local(train), held_out.map(local)))
}

fn whole(file: &str) -> Result<(String, Option<String>), String> {
    Ok((file.into(), None))
}

fn split(train: &str, held_out: &str) -> Result<(String, Option<String>), String> {
    Ok((train.into(), Some(held_out.into())))
}

#[test]
fn one_file_of_coco_is_found_where_tools_put_it() {
    for file in [
        "annotations.json",
        "_annotations.coco.json",
        "boxes.json",
        "annotations/instances_all.json",
        "annotations/instances_all.json.gz",
        "annotations/x.json",
        "train/_annotations.coco.json",
    ] {
        assert_eq!(found(&[file, "a.png"]), whole(file));
    }
    assert_eq!(found(&["settings.json", "annotations.json"]), whole("annotations.json"));
}

#[test]
fn the_parts_of_coco_and_of_roboflow_are_known() {
    let [train, val] = ["train", "val"].map(|p| format!("annotations/instances_{p}2017.json"));
    let rest = ["annotations/captions_train2017.json", "annotations/person_keypoints_val2017.json"];
    assert_eq!(found(&[&train, rest[0], &val, rest[1]]), split(&train, &val));
    let [train, valid, test] =
        ["train", "valid", "test"].map(|part| format!("{part}/_annotations.coco.json"));
    assert_eq!(found(&[&train, &valid, &test]), split(&train, &valid));
    assert_eq!(found(&["my_train.json", "my_val.json"]), split("my_train.json", "my_val.json"));
}

#[test]
fn no_file_and_too_many_are_errors_with_a_remedy() {
    let none = found(&["a.png"]).unwrap_err();
    assert!(none.contains("there is no annotation file; put COCO annotations there"), "{none}");
    let two = found(&["a.json", "b.json"]).unwrap_err();
    assert!(two.contains("cannot choose among a.json, b.json; keep one"), "{two}");
    for missing in ["no-such-folder", "no-such.json"] {
        let set = DataSet::find(Path::new(missing));
        let read = set.and_then(|set| set.parts[0].read::<crate::Xywh>());
        let error = read.unwrap_err().to_string();
        assert!(error.contains(&format!("{missing}: check the path")), "{error}");
    }
}

#[test]
fn the_parts_of_yolo_are_known_by_their_folders() {
    use Role::*;
    let part = |name: &str, file: &str, role| (name.to_owned(), file.to_owned(), role);
    for (files, wanted) in [
        (
            &["images/train/a.png", "labels/train/a.txt", "images/val/b.png", "labels/val/b.txt"][..],
            vec![part("train", "images/train", Train), part("val", "images/val", Validation)],
        ),
        (
            &[
                "train/images/a.png",
                "train/labels/a.txt",
                "valid/images/b.png",
                "valid/labels/b.txt",
            ],
            vec![part("train", "train/images", Train), part("valid", "valid/images", Validation)],
        ),
        (
            &["train/a.png", "train/a.txt", "test/b.png", "test/b.txt"],
            vec![part("train", "train", Train), part("test", "test", Test)],
        ),
        (&["images/a.png", "labels/a.txt", "notes.json"], vec![part("images", "images", Unknown)]),
        (
            &["obj_train_data/a.png", "obj_train_data/a.txt"],
            vec![part("obj_train_data", "obj_train_data", Train)],
        ),
    ] {
        let mut wanted = wanted;
        let folder = folder(files);
        if wanted[0].0 == "images" {
            wanted[0].0 = super::yolo::name(folder.path());
        }
        assert_eq!(parts(&folder).unwrap(), wanted, "{files:?}");
    }
    let flat = folder(&["a.png", "a.txt"]);
    assert_eq!(DataSet::find(flat.path()).unwrap().parts[0].file, flat.path());
    // A picture with some text beside it is none.
    let other = folder(&["a.png"]);
    fs::write(other.path().join("a.txt"), "A picture of a cat.").unwrap();
    assert!(parts(&other).is_err());
}

#[test]
fn a_data_yaml_says_where_parts_are() {
    let files = ["train/images/a.png", "train/labels/a.txt", "valid/images/b.png"];
    let folder = folder(&files);
    let write = |text: &str| fs::write(folder.path().join("data.yaml"), text).unwrap();
    let train = ("train".to_owned(), "train/images".to_owned(), Role::Train);
    let val = ("val".to_owned(), "valid/images".to_owned(), Role::Validation);
    for text in [
        "train: ../train/images\nval: ../valid/images\nnames: [cat]\n",
        "path: /data/on/another/machine\ntrain: train/images # the first part\nval: valid\\images\r\nnc: 1",
        "\u{feff}train: [train/images]\nvalid:\n  - ./valid/images\nnames:\n  0: cat\ndownload: |\n  import os\n",
    ] {
        write(text);
        let found = parts(&folder).unwrap();
        assert_eq!(found, [train.clone(), val.clone()], "{text}");
    }
    // A part by itself has the classes of the file above it.
    write("train: train/images\nval: valid/images\nnames: {3: cat}\n");
    for path in ["valid", "valid/images"] {
        let set = DataSet::find(&folder.path().join("train")).unwrap();
        let truth = set.parts[0].read::<crate::Xywh>().unwrap().content;
        assert_eq!(truth.categories[&3], "cat", "{path}");
    }
    write("train: nowhere\nval: valid/images");
    let set = DataSet::find(folder.path()).unwrap();
    let read = set.parts[0].read::<crate::Xywh>().unwrap();
    assert!(read.problems[0].to_string().contains("nowhere: there is no "), "{read:?}");
}

#[test]
fn a_data_yaml_that_is_none_is_an_error_with_its_line() {
    let folder = folder(&["images/a.png"]);
    let path = folder.path().join("data.yaml");
    // Aliases that unfold to 10^9 names.
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    bomb.push_str("train: images\nnames: *a8\n");
    let deep = format!("train: {}", "[".repeat(100_000));
    for text in
        ["train: [images", "train: {a: b}", "names: 5", "train: &a [*a]", &bomb, &deep, "- a"]
    {
        fs::write(&path, text).unwrap();
        let error = DataSet::find(folder.path()).unwrap_err().to_string();
        let short: String = text.chars().take(40).collect();
        assert!(
            error.contains("data.yaml") && error.contains("as Ultralytics has them"),
            "{short}: {error}"
        );
        assert!(error.len() < 600, "{error}");
    }
    fs::write(&path, [0xff, 0x00, 0x80]).unwrap();
    assert!(DataSet::find(folder.path()).is_err());
    fs::write(&path, "").unwrap();
    assert!(DataSet::find(&path).unwrap_err().to_string().contains("names no part of a data set"));
}

#[test]
fn the_parts_of_voc_are_lists_or_folders() {
    use Role::*;
    let part = |name: &str, file: &str, role| (name.to_owned(), file.to_owned(), role);
    let own = folder(&[
        "Annotations/a.xml",
        "Annotations/b.xml",
        "JPEGImages/a.png",
        "ImageSets/Main/train.txt",
        "ImageSets/Main/val.txt",
        "ImageSets/Main/trainval.txt",
        "ImageSets/Main/cat_train.txt",
    ]);
    let [train, val] = ["train", "val"].map(|name| format!("ImageSets/Main/{name}.txt"));
    let wanted = [part("train", &train, Train), part("val", &val, Validation)];
    assert_eq!(parts(&own).unwrap(), wanted);
    let one = DataSet::find(&own.path().join(&val)).unwrap();
    assert_eq!((one.parts.len(), &*one.parts[0].name), (1, "val"));
    let roboflow = folder(&["train/a.png", "train/a.xml", "valid/b.png", "valid/b.xml"]);
    let wanted = [part("train", "train", Train), part("valid", "valid", Validation)];
    assert_eq!(parts(&roboflow).unwrap(), wanted);
    for files in [&["a.png", "a.xml"][..], &["annotations/a.xml", "images/a.png"]] {
        assert_eq!(parts(&folder(files)).unwrap().len(), 1, "{files:?}");
    }
    let other = folder(&["a.png"]);
    fs::write(other.path().join("a.xml"), "<project/>").unwrap();
    assert!(parts(&other).is_err());
}

#[test]
fn a_part_is_chosen_by_what_it_is_for() {
    let [train, valid, test] =
        ["train", "valid", "test"].map(|part| format!("{part}/_annotations.coco.json"));
    let set = folder(&[&train, &valid, &test]);
    let set = DataSet::find(set.path()).unwrap();
    for (role, name) in [(Role::Train, "train"), (Role::Validation, "valid"), (Role::Test, "test")]
    {
        assert_eq!(set.one(role).unwrap().name, name);
    }
    let none = set.one(Role::Unknown).unwrap_err().to_string();
    assert!(none.contains("cannot choose among train/_annotations.coco.json, valid/"), "{none}");
    let only = folder(&["my_train.json"]);
    assert_eq!(DataSet::find(only.path()).unwrap().one(Role::Validation).unwrap().name, "my_train");
}

#[test]
fn images_are_found_beside_the_annotations_and_in_the_folders_of_their_part() {
    let folder = folder(&["annotations/instances_train2017.json"]);
    let at = |path: &str| folder.path().join(path);
    let set = DataSet::find(folder.path()).unwrap();
    let image = |name: &str| {
        let truth: GroundTruth =
            GroundTruth { images: [(1, name.to_owned())].into(), ..GroundTruth::default() };
        set.image(&set.parts[0], &truth, 1)
    };
    for path in [
        "annotations/a.png",
        "b.png",
        "train2017/c.png",
        "images/train2017/d.png",
        "images/e.png",
        "images/deep/f.png",
    ] {
        fs::create_dir_all(at(path).parent().unwrap()).unwrap();
        fs::write(at(path), "").unwrap();
        let name = path.rsplit('/').next().unwrap();
        assert_eq!(image(if name == "f.png" { "deep/f.png" } else { name }), Some(at(path)));
    }
    assert_eq!([image("z.png"), image("")], [None, None]);
}

#[cfg(unix)]
#[test]
fn links_in_a_circle_are_gone_round_once() {
    let folder = folder(&["images/a.png", "labels/a.txt"]);
    std::os::unix::fs::symlink(folder.path(), folder.path().join("images/again")).unwrap();
    let set = DataSet::find(folder.path()).unwrap();
    let read = set.parts[0].read::<crate::Xywh>().unwrap();
    assert_eq!((read.content.images.len(), read.content.annotations.len()), (1, 1));
}
