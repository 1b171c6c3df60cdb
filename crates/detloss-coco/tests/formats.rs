//! The example of COCO in other formats, and errors planted there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use detloss_coco::{
    DataSet, Detection, GroundTruth, Kind, Options, Part, Problem, Role, check, evaluate, fixed,
    parse_ground_truth, parts_of, read_ground_truth, read_results,
};
use image::GrayImage;
use serde_json::Value;
use tempfile::TempDir;

/// The example, where it is beside the project: annotations without masks' areas, and detections.
fn example(crowds: bool) -> Option<(GroundTruth, Vec<Detection>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/coco100");
    let path = folder.join("instances_val2014_100.json");
    let Ok(text) = fs::read_to_string(&path) else {
        println!("skipped: the COCO example is not beside the project");
        return None;
    };
    let mut value: Value = serde_json::from_str(&text).unwrap();
    let objects = value["annotations"].as_array_mut().unwrap();
    objects.retain(|object| crowds || object["iscrowd"] != 1);
    objects.iter_mut().for_each(|object| _ = object.as_object_mut().unwrap().remove("area"));
    let truth = parse_ground_truth(&path, &value.to_string()).unwrap().content;
    let found = read_results(&folder.join("fakebbox100_results.json"), &truth).unwrap().content;
    Some((truth, found))
}

fn write(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Images of these sizes, black.
fn draw(folder: &Path, truth: &GroundTruth) {
    fs::create_dir_all(folder).unwrap();
    for (key, [width, height]) in &truth.sizes {
        let image = GrayImage::new(*width as u32, *height as u32);
        image.save(folder.join(format!("{key:012}.png"))).unwrap();
    }
}

/// Writes the lines of each image, as YOLO has them, with so many digits.
fn lines<'a>(
    folder: &Path,
    truth: &GroundTruth,
    boxes: impl Iterator<Item = (u64, u64, [f64; 4], String)> + 'a,
    digits: usize,
) {
    let mut texts: BTreeMap<u64, String> =
        truth.images.keys().map(|&key| (key, String::new())).collect();
    for (image, category, [x, y, w, h], rest) in boxes {
        let class = truth.categories.keys().position(|&key| key == category).unwrap();
        let [width, height] = truth.sizes[&image];
        let numbers = [(x + w / 2.0) / width, (y + h / 2.0) / height, w / width, h / height];
        let numbers = numbers.map(|number| format!("{number:.digits$}")).join(" ");
        texts.get_mut(&image).unwrap().push_str(&format!("{class} {numbers}{rest}\r\n"));
    }
    for (key, text) in texts {
        write(folder.join(format!("{key:012}.txt")), &text);
    }
}

fn yolo(truth: &GroundTruth, digits: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    draw(&folder.path().join("images/val"), truth);
    let boxes = truth.annotations.iter().map(|it| (it.image, it.category, it.bbox, String::new()));
    lines(&folder.path().join("labels/val"), truth, boxes, digits);
    let names: Vec<&String> = truth.categories.values().collect();
    let yaml = format!("val: images/val\nnc: {}\nnames: {names:?}\n", names.len());
    write(folder.path().join("data.yaml"), &yaml);
    folder
}

fn voc(truth: &GroundTruth) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut texts: BTreeMap<u64, String> = BTreeMap::new();
    for (&key, [width, height]) in &truth.sizes {
        texts.insert(
            key,
            format!("<annotation>\n<size><width>{width}</width><height>{height}</height></size>\n"),
        );
    }
    for it in &truth.annotations {
        let [x, y, w, h] = it.bbox;
        let corners = [("xmin", x + 1.0), ("ymin", y + 1.0), ("xmax", x + w), ("ymax", y + h)];
        let corners = corners.map(|(name, at)| format!("<{name}>{at}</{name}>")).concat();
        texts.get_mut(&it.image).unwrap().push_str(&format!(
            "<object><name>{}</name><difficult>{}</difficult><bndbox>{corners}</bndbox></object>\n",
            truth.categories[&it.category],
            u8::from(it.crowd)
        ));
    }
    for (key, text) in texts {
        let path = folder.path().join(format!("Annotations/{key:012}.xml"));
        write(path, &(text + "</annotation>"));
    }
    folder
}

/// The only part of a folder.
fn part(folder: &TempDir) -> Part {
    parts_of(&DataSet::find(folder.path()).unwrap()).unwrap().remove(0)
}

fn numbers(truth: &GroundTruth, found: &[Detection]) -> Vec<f64> {
    let summary = evaluate(truth, found, &Options::default()).summary;
    summary.iter().filter_map(|metric| metric.value).collect()
}

fn assert_near(got: &[f64], wanted: &[f64], tolerance: f64) {
    assert_eq!(got.len(), wanted.len());
    let near = got.iter().zip(wanted).all(|(a, b)| (a - b).abs() <= tolerance);
    assert!(near && wanted[0] > 0.4, "{got:?} instead of {wanted:?}");
}

/// How often each kind of problem is found in a part.
fn counts(part: Part) -> BTreeMap<Kind, usize> {
    let mut counts = BTreeMap::new();
    let problems = check(&[part]);
    // Without an object of it, a class of VOC is none.
    for problem in problems.iter().filter(|it| it.kind != Kind::EmptyClass) {
        *counts.entry(problem.kind).or_default() += 1;
    }
    counts
}

fn counts_of(truth: &GroundTruth) -> BTreeMap<Kind, usize> {
    let folder = tempfile::tempdir().unwrap();
    let text = detloss_coco::annotations_of(truth).to_string();
    write(folder.path().join("annotations.json"), &text);
    counts(part(&folder))
}

#[test]
fn the_example_as_yolo_has_the_same_numbers_and_nothing_new_is_wrong() {
    let Some((truth, found)) = example(false) else { return };
    for (digits, tolerance) in [(17, 1e-9), (6, 2e-3)] {
        let folder = yolo(&truth, digits);
        let results = tempfile::tempdir().unwrap();
        let boxes =
            found.iter().map(|it| (it.image, it.category, it.bbox, format!(" {}", it.score)));
        lines(results.path(), &truth, boxes, digits);
        let part = part(&folder);
        assert_eq!(part.problems, []);
        let read = read_results(results.path(), &part.truth).unwrap();
        assert_eq!((read.problems, read.content.len()), (vec![], found.len()));
        assert_near(&numbers(&part.truth, &read.content), &numbers(&truth, &found), tolerance);
        // Images are called as in the results of COCO, too.
        assert!(part.truth.images.keys().eq(truth.images.keys()));
        assert_eq!(counts(part), counts_of(&truth));
    }
}

#[test]
fn the_example_as_voc_has_the_same_numbers_and_nothing_new_is_wrong() {
    let Some((truth, found)) = example(true) else { return };
    assert!(truth.annotations.iter().any(|it| it.crowd));
    let folder = voc(&truth);
    let part = part(&folder);
    assert_eq!(part.problems, []);
    let class = |key: u64| part.truth.category(&truth.categories[&key]).unwrap();
    // Some classes have no object here, and so none that is found.
    let known = |it: &&Detection| part.truth.category(&truth.categories[&it.category]).is_some();
    let found_here: Vec<Detection> = (found.iter().filter(known))
        .map(|it| Detection { category: class(it.category), ..it.clone() })
        .collect();
    assert_near(&numbers(&part.truth, &found_here), &numbers(&truth, &found), 1e-9);
    assert_eq!(counts(part), counts_of(&truth));
}

/// Kinds and places of all that is wrong.
fn places(folder: &TempDir, problems: &[Problem]) -> Vec<(Kind, String)> {
    let place = |it: &Problem| {
        let file = it.place.file.strip_prefix(folder.path()).unwrap_or(&it.place.file);
        (it.kind, format!("{} {}", file.display(), it.place.entry))
    };
    let mut places: Vec<_> = problems.iter().map(place).collect();
    places.sort();
    places
}

#[test]
fn what_is_planted_in_a_set_of_yolo_is_found_and_nothing_else_and_a_copy_has_none_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("images")).unwrap();
    for name in ["a", "b", "c", "background"] {
        GrayImage::new(200, 100).save(at(&format!("images/{name}.png"))).unwrap();
    }
    write(at("labels/a.txt"), "0 0.5 0.5 0.2 0.2\n1 0.2 0.2 0.1 0.2\n");
    write(at("labels/b.txt"), "1 0.5 0.5 0.2 0.2\n0 0.2 0.2 0.1 0.2\n");
    write(
        at("labels/c.txt"),
        "0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2 0.2\n2 0.5 0.5 0.2 0.2\n0 120 50 20 20\n1 0.95 0.5 0.2 0.2\n1 0.5 0.5 0 0.2\nx\n",
    );
    write(at("labels/lost.txt"), "0 0.5 0.5 0.2 0.2\n");
    write(at("data.yaml"), "train: images\nnames:\n  0: cat\n  1: dog\n");
    let parts = parts_of(&DataSet::find(folder.path()).unwrap()).unwrap();
    let problems = check(&parts);
    let wanted = [
        (Kind::UnknownClass, "labels/c.txt line 3"),
        (Kind::UnknownClass, "labels/c.txt line 7"),
        (Kind::NoArea, "labels/c.txt line 6"),
        (Kind::NotNormalised, "labels/c.txt line 4"),
        (Kind::SameBox, "labels/c.txt line 2"),
        (Kind::NoImage, "labels/lost.txt "),
        (Kind::Beyond, "labels/c.txt line 5"),
        (Kind::EmptyImage, "images "),
        (Kind::NoLabels, "images "),
    ];
    let mut wanted = wanted.map(|(kind, place)| (kind, place.to_owned()));
    wanted.sort();
    assert_eq!(places(&folder, &problems), wanted);

    let (value, changes) = fixed(&parts[0], &problems).unwrap();
    assert_eq!(changes.len(), problems.len());
    let copy = tempfile::tempdir().unwrap();
    let path = copy.path().join("annotations.json");
    fs::write(&path, value.to_string()).unwrap();
    let truth: GroundTruth = read_ground_truth(&path).unwrap().content;
    assert_eq!((truth.images.len(), truth.annotations.len()), (4, 6));
    assert_eq!(truth.annotations[5].bbox, [170.0, 40.0, 30.0, 20.0]);
    let left: Vec<Kind> = check(&[part(&copy)]).iter().map(|it| it.kind).collect();
    assert_eq!(left, [Kind::EmptyImage]);
}

#[test]
fn what_is_planted_in_a_set_of_voc_is_found_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let object = |name: &str, [x1, y1, x2, y2]: [i32; 4]| {
        format!(
            "<object><name>{name}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        )
    };
    let size = "<size><width>200</width><height>100</height></size>";
    let annotation = |size: &str, objects: &[String]| {
        format!("<annotation>{size}\n{}\n</annotation>", objects.join("\n"))
    };
    let sound = [object("cat", [11, 11, 50, 40]), object("dog", [61, 11, 90, 40])];
    write(at("Annotations/a.xml"), &annotation(size, &sound));
    let planted = [
        object("cat", [11, 11, 50, 40]),
        object("cat", [11, 11, 50, 40]),
        object("dog", [150, 11, 230, 40]),
        object("dog", [0, 50, 20, 80]),
        object("dog", [60, 50, 20, 80]),
        "<object><name>dog</name></object>".to_owned(),
    ];
    write(at("Annotations/b.xml"), &annotation(size, &planted));
    write(at("Annotations/c.xml"), &annotation("", &sound));
    write(at("Annotations/d.xml"), "<annotation>");
    let parts = parts_of(&DataSet::find(folder.path()).unwrap()).unwrap();
    let wanted = [
        (Kind::Unreadable, "Annotations/d.xml line 1"),
        (Kind::NoBox, "Annotations/b.xml line 7"),
        (Kind::NegativeSide, "Annotations/b.xml line 6"),
        (Kind::SameBox, "Annotations/b.xml line 3"),
        (Kind::Beyond, "Annotations/b.xml line 4"),
        (Kind::NoSize, "Annotations "),
        (Kind::FromZero, "Annotations "),
    ];
    let mut wanted = wanted.map(|(kind, place)| (kind, place.to_owned()));
    wanted.sort();
    assert_eq!(places(&folder, &check(&parts)), wanted);
}

/// A part that is not there is told once, and the others are checked.
#[test]
fn a_part_without_images_is_one_problem() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("train/images")).unwrap();
    GrayImage::new(200, 100).save(at("train/images/a.png")).unwrap();
    write(at("train/labels/a.txt"), "0 0.5 0.5 0.2 0.2\n");
    write(at("data.yaml"), "train: ../train/images\ntest: ../test/images\nnames: [cat]\nnc: 2\n");
    let set = DataSet::find(folder.path()).unwrap();
    assert_eq!(set.one(Role::Test).unwrap().name, "test");
    let problems = check(&parts_of(&set).unwrap());
    let kinds: Vec<Kind> = problems.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [Kind::ClassCount, Kind::NoPart], "{problems:?}");
}
