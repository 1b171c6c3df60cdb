use std::fs;

use image::Rgb;
use tempfile::TempDir;

use super::super::images::{GREY, letterbox};
use super::*;

const SIDE: usize = 32;

/// A folder of these files and of these images, each of one colour by its size.
fn folder(files: &[(&str, &str)], images: &[(&str, u32, u32)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    for (name, text) in files {
        fs::write(at(name), text).unwrap();
    }
    for &(name, width, height) in images {
        RgbImage::from_pixel(width, height, Rgb([width as u8, height as u8, 9]))
            .save(at(name))
            .unwrap();
    }
    folder
}

/// An annotation file of images with these names, ids counted from 1.
fn annotations(images: &[&str], annotations: &str) -> String {
    let image = |(name, id): (&&str, u64)| format!(r#"{{"id": {id}, "file_name": "{name}"}}"#);
    let images: Vec<String> = images.iter().zip(1..).map(image).collect();
    format!(
        r#"{{"images": [{}], "annotations": [{annotations}],
        "categories": [{{"id": 40, "name": "cat"}}, {{"id": 7, "name": "dog"}}]}}"#,
        images.join(", ")
    )
}

fn object(image: u64, category: u64, bbox: &str) -> String {
    format!(r#"{{"image_id": {image}, "category_id": {category}, "bbox": {bbox}}}"#)
}

fn read(folder: &TempDir) -> Result<Folder, FolderError> {
    Folder::read(folder.path(), SIDE, 1, |_, _| {})
}

fn fails(folder: &TempDir, parts: &[&str]) {
    let message = read(folder).err().expect("an error").to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[test]
fn a_training_and_a_validation_file_become_scenes_in_pixels_of_the_square() {
    let train = annotations(&["a.png", "b.jpg"], &object(1, 7, "[10, 20, 30, 20]"));
    let crowd = object(1, 7, "[0, 0, 8, 8]").replace('{', r#"{"iscrowd": 1, "#);
    let both = [object(1, 40, "[4, 4, 8, 8]"), crowd].join(", ");
    let folder = folder(
        &[
            ("annotations/instances_train.json", &train),
            ("annotations/instances_val.json", &annotations(&["c.png"], &both)),
        ],
        &[("train/a.png", 128, 64), ("images/b.jpg", 16, 32), ("val/c.png", 16, 16)],
    );
    let calls = Mutex::new(Vec::new());
    let read = Folder::read(folder.path(), SIDE, 1, |done, all| {
        calls.lock().unwrap().push((done, all));
    });
    let data = read.unwrap();
    let mut calls = calls.into_inner().unwrap();
    calls.sort_unstable();
    assert_eq!(calls, [(1, 3), (2, 3), (3, 3)]);
    assert_eq!(data.skipped(), [""; 0]);
    let class = |id, name: &str| Class::new(id, name);
    assert_eq!(data.classes(), [class(7, "dog"), class(40, "cat")]);

    let mut scenes = [data.train(0), data.train(1)];
    scenes.sort_by_key(|scene| scene.image);
    let [a, b] = scenes;
    assert_eq!((a.image, a.side, a.scale), (1, SIDE, 0.25));
    assert_eq!(a.objects, [Object { class: 0, corners: [2.5, 5.0, 10.0, 10.0] }]);
    assert_eq!(&a.pixels[..3], [128, 64, 9]);
    assert_eq!(&a.pixels[SIDE * 16 * 3..SIDE * 16 * 3 + 3], [GREY; 3]);
    assert_eq!(
        (b.scale, b.objects.len()),
        (1.0, 0),
        "an image without annotations is a background"
    );

    let [c] = data.held_out() else { panic!("one image is held out") };
    assert_eq!(c.objects, [Object { class: 1, corners: [8.0, 8.0, 24.0, 24.0] }]);
    let truth = data.truth();
    assert_eq!(truth.images[&1], "c.png");
    assert_eq!(truth.categories.len(), 2);
    assert_eq!(truth.annotations.len(), 2, "a crowd is no object but part of the truth");
    assert_eq!(truth.annotations[0].bbox, [4.0, 4.0, 8.0, 8.0]);
    assert!(truth.annotations[1].crowd);
    assert_eq!(data.notes(), ["no object to train on is of class \"cat\": none will be found"]);
}

#[test]
fn whatever_is_broken_is_named_and_left_out_and_the_rest_is_used() {
    let entries = [
        object(1, 7, "[1, 1, 4, 4]"),
        object(2, 7, "[-4, -4, 8, 24]"),
        object(1, 7, "[1, NaN, 4, 4]"),
        object(1, 7, "[1, 1, 4]"),
        object(1, 7, "[1, 1, -4, 4]"),
        object(1, 7, "[1, 1, 0, 4]"),
        object(1, 7, "[100, 1, 4, 4]"),
        object(99, 7, "[1, 1, 4, 4]"),
        object(1, 8, "[1, 1, 4, 4]"),
        object(3, 7, "[1, 1, 4, 4]"),
        r#"{"image_id": 1, "category_id": 7}"#.to_owned(),
    ];
    let names = ["a.png", "b.png", "missing.png", "text.png", "cut.png", "empty.png", ""];
    let text = annotations(&names, &entries.join(", "));
    let folder = folder(
        &[("annotations.json", &text), ("text.png", "no picture"), ("empty.png", "")],
        &[("a.png", 16, 16), ("b.png", 16, 8), ("whole.png", 64, 64)],
    );
    let whole = fs::read(folder.path().join("whole.png")).unwrap();
    fs::write(folder.path().join("cut.png"), &whole[..whole.len() / 2]).unwrap();
    let data = read(&folder).unwrap();
    let expected = [
        "annotations[2].bbox (image 1): NaN is no number of pixels",
        "annotations[3].bbox (image 1): expected 4 numbers, got 3",
        "annotations[4].bbox (image 1): negative width -4",
        "annotations[7].image_id (image 99): no image has id 99",
        "annotations[8].category_id (image 1): no category has id 8",
        "annotations[10].bbox (image 1): is missing",
        "image 1: the box [1.0, 1.0, 0.0, 4.0] has no area inside a.png of 16 x 16 pixels",
        "image 1: the box [100.0, 1.0, 4.0, 4.0] has no area inside a.png",
        "image 3: missing.png is neither beside the annotations nor in ",
        "image 4: ",
        "image 5: ",
        "image 6: ",
        "image 7: has no file_name",
    ];
    assert_eq!(data.skipped().len(), expected.len(), "{:#?}", data.skipped());
    for (line, expected) in data.skipped().iter().zip(expected) {
        let part = format!("annotations.json: {expected}");
        assert!(line.contains(&part), "{part:?} is not in {line:?}");
    }
    assert_eq!((data.train.len(), data.held_out.len()), (1, 1));
    let scenes = [data.train(0), data.held_out()[0].clone()];
    let b = scenes.iter().find(|scene| scene.image == 2).unwrap();
    assert_eq!(b.objects[0].corners, [0.0, 0.0, 8.0, 16.0], "clipped to the image");
}

#[test]
fn a_folder_without_anything_to_train_on_is_an_error_with_a_remedy() {
    let images = [("a.png", 8, 8), ("b.png", 8, 8)];
    let names = ["a.png", "b.png"];
    let remedy = "give at least two images with boxes that are no crowds";
    let cat = object(1, 7, "[1, 1, 4, 4]");
    let crowd = cat.replace('{', r#"{"iscrowd": 1, "#);
    for (names, objects, problem) in [
        (names, "", "none of the 1 usable images to train on has an object; "),
        (names, &*crowd, "none of the 1 usable images to train on has an object; "),
        (names, &cat, "none of the 0 usable images to hold out has an object; "),
        (
            ["x.png", "y.png"],
            &cat,
            "none of the 0 usable images to train on has an object (the first left out: ",
        ),
    ] {
        let text = annotations(&names, objects);
        fails(&folder(&[("annotations.json", &text)], &images), &[problem, remedy]);
    }
    let text = r#"{"images": [], "annotations": [], "categories": []}"#;
    let parts = ["annotations.json: there are no classes", "under `categories`"];
    fails(&folder(&[("annotations.json", text)], &images), &parts);
    fails(
        &folder(&[("annotations.json", "{")], &images),
        &["annotations.json", "ends in the middle"],
    );
    let text = annotations(&names, &cat);
    let other = text.replace("dog", "wolf");
    let parts = ["val.json: category 7 is \"wolf\" here and \"dog\" elsewhere", "the same id"];
    fails(&folder(&[("train.json", &text), ("val.json", &other)], &images), &parts);
    fails(&folder(&[], &images), &["there is no annotation file"]);
}

/// A folder of so many images, all with one object.
fn many(count: u64) -> TempDir {
    let names: Vec<String> = (1..=count).map(|id| format!("{id}.png")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let objects: Vec<String> = (1..=count).map(|id| object(id, 7, "[1, 1, 2, 2]")).collect();
    let images: Vec<(&str, u32, u32)> = names.iter().map(|&name| (name, 4, 4)).collect();
    folder(&[("annotations.json", &annotations(&names, &objects.join(", ")))], &images)
}

#[test]
fn about_a_fifth_is_held_out_by_the_seed_and_nothing_is_in_both() {
    let folder = many(100);
    let held_out = |seed| {
        let data = Folder::read(folder.path(), 4, seed, |_, _| {}).unwrap();
        let mut ids: Vec<u64> = data.train.iter().chain(&data.held_out).map(|s| s.image).collect();
        ids.sort_unstable();
        assert!(ids.into_iter().eq(1..=100));
        data.held_out().iter().map(|scene| scene.image).collect::<Vec<_>>()
    };
    let first = held_out(1);
    assert!((10..=30).contains(&first.len()), "{}", first.len());
    assert_eq!(first, held_out(1));
    assert_ne!(first, held_out(2));
    let folder = many(2);
    for seed in 0..20 {
        let data = Folder::read(folder.path(), 4, seed, |_, _| {}).unwrap();
        assert_eq!((data.train.len(), data.held_out.len()), (1, 1));
    }
}

#[test]
fn whatever_a_run_depends_on_changes_the_name() {
    let at = |width: u32, bbox: &str, class: &str| {
        let objects = [object(1, 7, bbox), object(2, 7, bbox)].join(", ");
        let text = annotations(&["a.png", "b.png"], &objects).replace("\"cat\"", class);
        let images = [("a.png", width, 8), ("b.png", 8, 8)];
        read(&folder(&[("annotations.json", &text)], &images)).unwrap().name
    };
    let checksum = |name: String| name.split_once(": ").unwrap().1.to_owned();
    let first = checksum(at(8, "[1, 1, 4, 4]", "\"cat\""));
    assert_eq!(first, checksum(at(8, "[1, 1, 4, 4]", "\"cat\"")));
    assert!(first.starts_with("1 images to train on, 1 held out, checksum "), "{first}");
    for other in [
        at(9, "[1, 1, 4, 4]", "\"cat\""),
        at(8, "[1, 1, 4, 5]", "\"cat\""),
        at(8, "[1, 1, 4, 4]", "\"c\""),
    ] {
        assert_ne!(first, checksum(other));
    }
}

#[test]
fn folders_of_annotations_and_images_are_known_by_any_name() {
    let text = annotations(
        &["deep/a.png", "b.png"],
        &[object(1, 7, "[1, 1, 4, 4]"), object(2, 7, "[1, 1, 4, 4]")].join(", "),
    );
    let folder =
        folder(&[("x.json", &text)], &[("images/deep/a.png", 8, 8), ("images/b.png", 8, 8)]);
    let at = |name: &str| folder.path().join(name);
    for name in ["train", "other"] {
        fs::create_dir(at(name)).unwrap();
    }
    let data = read(&folder).unwrap();
    for name in ["", ".", "images/..", "images/deep", "images", "train"] {
        assert!(data.reads(&at(name)), "{name}");
    }
    for name in ["other", "nowhere", ".."] {
        assert!(!data.reads(&at(name)), "{name}");
    }
}

#[test]
fn there_are_objects_to_train_on_and_to_judge_by_wherever_there_are_two() {
    let objects = [object(2, 40, "[1, 1, 2, 2]"), object(5, 7, "[1, 1, 2, 2]")].join(", ");
    let text = annotations(&["a.png"; 6], &objects);
    let folder = folder(&[("annotations.json", &text)], &[("a.png", 4, 4)]);
    for seed in 0..20 {
        let data = Folder::read(folder.path(), 4, seed, |_, _| {}).unwrap();
        for scenes in [&data.train, &data.held_out] {
            assert_eq!(scenes.iter().filter(|scene| !scene.objects.is_empty()).count(), 1);
        }
    }
}

#[test]
fn every_epoch_has_every_image_once_in_an_order_of_its_own() {
    let data = read(&many(40)).unwrap();
    let count = data.train.len() as u64;
    let epoch = |epoch: u64| -> Vec<u64> {
        (epoch * count..(epoch + 1) * count).map(|place| data.train(place).image).collect()
    };
    let orders = [0, 1, 2].map(epoch);
    for order in &orders {
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().eq(data.train.iter().map(|scene| &scene.image)));
    }
    assert!(orders[0] != orders[1] && orders[1] != orders[2]);
    assert_eq!(epoch(1), orders[1], "the same place has the same scene, always");
}

#[test]
fn a_letterbox_keeps_the_aspect_and_its_scale_leads_back() {
    for (width, height) in [(640, 480), (480, 640), (33, 33), (1, 1), (1000, 1), (3, 2)] {
        let image = RgbImage::from_pixel(width, height, Rgb([200, 10, 30]));
        let (pixels, scale) = letterbox(&image, 64);
        assert_eq!(pixels.len(), 64 * 64 * 3);
        let inside = |at: usize| pixels[at * 3..at * 3 + 3] == [200, 10, 30];
        let wide = (0..64).take_while(|&x| inside(x)).count();
        let high = (0..64).take_while(|&y| inside(y * 64)).count();
        assert_eq!((0..64 * 64).filter(|&at| inside(at)).count(), wide * high);
        assert!((0..64 * 64).all(|at| inside(at) || pixels[at * 3..at * 3 + 3] == [GREY; 3]));
        assert_eq!(wide.max(high), 64);
        for (small, large) in [(wide, width), (high, height)] {
            let back = small as f32 / scale;
            assert!((back - large as f32).abs() <= 0.5 / scale || small == 1, "{back}, {large}");
        }
    }
}

#[test]
fn small_pictures_are_averages_of_large_ones() {
    let image = RgbImage::from_fn(64, 64, |x, y| Rgb([((x + y) % 2 * 200) as u8; 3]));
    let (pixels, _) = letterbox(&image, 8);
    assert!(pixels.iter().all(|value| (90..=110).contains(value)), "{pixels:?}");
}

/// As a picture of 40 by 20 pixels that is annotated with this width and height.
fn declared(objects: &str, size: [u32; 2]) -> TempDir {
    let text = annotations(&["a.png", "b.png", "c.png"], objects);
    let text = text.replace(
        "\"file_name\": \"c.png\"",
        &format!("\"width\": {}, \"height\": {}, \"file_name\": \"c.png\"", size[0], size[1]),
    );
    folder(
        &[("annotations.json", &text)],
        &[("a.png", 40, 20), ("b.png", 40, 21), ("c.png", 40, 20)],
    )
}

#[test]
fn an_image_of_another_size_than_its_annotation_says_is_named_and_left_out() {
    let objects = [1, 2, 3].map(|id| object(id, 7, "[1, 1, 8, 8]")).join(", ");
    for size in [[20, 10], [80, 40], [20, 40]] {
        let data = read(&declared(&objects, size)).unwrap();
        let [line] = data.skipped() else { panic!("{:?}", data.skipped()) };
        let words = format!("c.png is 40 x 20 pixels, and its annotation says {} x", size[0]);
        assert!(line.contains("image 3: ") && line.contains(&words), "{line}");
        assert_eq!(data.counts(), "1 image to train on, 1 held out, 1 left out");
    }
    let data = read(&declared(&objects, [40, 20])).unwrap();
    assert_eq!((data.skipped().len(), data.train.len() + data.held_out.len()), (0, 3));
}

#[test]
fn boxes_that_are_not_in_pixels_of_the_image_or_twice_there_are_named_and_left_out() {
    let boxes =
        ["[1, 1, 8, 8]", "[0.3, 0.3, 0.3, 0.3]", "[2, 2, 9, 1e-6]", "[-1e9, -1e9, 2e9, 2e9]"];
    let broken = boxes.map(|bbox| object(1, 7, bbox)).join(", ");
    let sound =
        [object(2, 7, boxes[0]), object(1, 7, boxes[0]), object(1, 40, boxes[0])].join(", ");
    let data = read(&declared(&[broken, sound].join(", "), [40, 20])).unwrap();
    let expected = [
        "image 1: the box [0.3, 0.3, 0.3, 0.3] is smaller than a pixel: give left, top, width, height in pixels",
        "image 1: the box [2.0, 2.0, 9.0, 1e-6] is smaller than a pixel",
        "image 1: the box [-1000000000.0, -1000000000.0, 2000000000.0, 2000000000.0] lies mostly outside a.png of 40 x 20",
        "image 1: the box [1.0, 1.0, 8.0, 8.0] is there twice",
    ];
    assert_eq!(data.skipped().len(), expected.len(), "{:#?}", data.skipped());
    for (line, expected) in data.skipped().iter().zip(expected) {
        assert!(line.contains(expected), "{expected:?} is not in {line:?}");
    }
    let shares = [1, 2, 3].map(|id| object(id, 7, boxes[1])).join(", ");
    fails(&declared(&shares, [40, 20]), &["has an object", "smaller than a pixel: give left, top"]);
}

#[test]
fn a_photo_is_read_in_the_pixels_that_it_was_annotated_in() {
    use image::ImageEncoder as _;
    use image::codecs::png::PngEncoder;
    // Stored 40 x 20 with the upper right to be displayed at the lower right: turned by a quarter.
    let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let pixels = RgbImage::from_fn(40, 20, |x, _| Rgb([x as u8 * 6, 0, 0]));
    let mut bytes = Vec::new();
    let mut encoder = PngEncoder::new(&mut bytes);
    encoder.set_exif_metadata(exif.to_vec()).unwrap();
    encoder.write_image(&pixels, 40, 20, image::ExtendedColorType::Rgb8).unwrap();
    let objects = [1, 2, 3].map(|id| object(id, 7, "[2, 10, 8, 6]")).join(", ");
    for (size, shown, notes) in [([20, 40], [16, 32], 0), ([40, 20], [32, 16], 1)] {
        let folder = declared(&objects, size);
        fs::write(folder.path().join("c.png"), &bytes).unwrap();
        let data = read(&folder).unwrap();
        let scenes = data.train.iter().chain(&data.held_out);
        let scene = scenes.into_iter().find(|scene| scene.image == 3).unwrap();
        assert_eq!(scene.size, size);
        let grey = |x: usize, y: usize| scene.pixels[(y * SIDE + x) * 3..][..3] == [GREY; 3];
        assert!(!grey(shown[0] - 1, shown[1] - 1), "{size:?}");
        assert!(shown[0] == SIDE || grey(shown[0], 0), "{size:?}");
        assert!(shown[1] == SIDE || grey(0, shown[1]), "{size:?}");
        let said = data.notes().iter().filter(|note| {
            note.contains(
                "annotated as they are stored, not as they are displayed: 1 (the first: c.png)",
            )
        });
        assert_eq!(said.count(), notes);
    }
}

#[test]
fn pictures_that_are_trained_on_and_held_out_are_noted() {
    let of = |names: &[&str]| {
        let objects: Vec<String> =
            (1..=names.len() as u64).map(|id| object(id, 7, "[1, 1, 8, 8]")).collect();
        annotations(names, &objects.join(", "))
    };
    let folder = folder(
        &[
            ("train.json", &of(&["a.png", "b.png", "b.png"])),
            ("val.json", &of(&["c.png", "b.png"])),
        ],
        &[("a.png", 40, 20), ("b.png", 40, 21), ("c.png", 40, 22)],
    );
    let notes = read(&folder).unwrap().notes;
    let has = |words: &str| assert!(notes.iter().any(|note| note.contains(words)), "{notes:?}");
    has("images that show what another one does: 1 (the first: b.png)");
    has("held-out images that are trained on as well: 1 of 2 (the first: b.png)");
}
