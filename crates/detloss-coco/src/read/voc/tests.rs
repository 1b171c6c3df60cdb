//! Annotations as tools write them, and files that are none.

use std::fs;

use image::RgbImage;

use super::*;
use crate::DataSet;
use crate::read::tests::made::{folder, lines, truth};

const OBJECT: &str = "<object><name>dog</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>\
    <bndbox><xmin>11</xmin><ymin>6</ymin><xmax>30</xmax><ymax>20</ymax></bndbox></object>";

fn annotation(objects: &str) -> String {
    format!(
        "<annotation>\n<folder>VOC2007</folder>\n<filename>a.jpg</filename>\n<size><width>100</width><height>50</height>\
         <depth>3</depth></size>\n{objects}\n</annotation>"
    )
}

/// The first pixel of an image is 1, and xmax is the last one inside: [1, width] is all of it.
#[test]
fn boxes_count_pixels_from_1_with_the_last_one_inside() {
    let all = "<object><name>dog</name><bndbox><xmax>100</xmax><xmin>1</xmin><ymin>1</ymin><ymax>50</ymax></bndbox></object>";
    let part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>";
    let hard = OBJECT.replace("<difficult>0", "<difficult>1").replace("dog", "cat");
    let objects = [&OBJECT.replace("<name>", &format!("{part}<name>")), all, &hard].join("\n");
    let folder = folder(&[], &[("Annotations/a.xml", &annotation(&objects))]);
    let Read { content: truth, problems } = truth(&folder);
    assert_eq!(problems, []);
    let boxes: Vec<_> =
        truth.annotations.iter().map(|it| (it.category, it.bbox, it.crowd)).collect();
    assert_eq!(
        boxes,
        [
            (2, [10.0, 5.0, 20.0, 15.0], false),
            (2, [0.0, 0.0, 100.0, 50.0], false),
            (1, [10.0, 5.0, 20.0, 15.0], true),
        ]
    );
    assert_eq!(truth.categories, BTreeMap::from([(1, "cat".into()), (2, "dog".into())]));
    assert_eq!((truth.annotations[0].area, truth.sizes.len()), (300.0, 1));
    let lines: Vec<usize> = truth.lines.iter().map(|(_, line)| *line).collect();
    assert_eq!(lines, [5, 6, 7]);
}

#[test]
fn what_is_broken_is_named_with_file_and_line_and_the_rest_is_used() {
    let objects = [
        &OBJECT.replace("11", "11.5"),
        "<object><name>cat</name></object>",
        &OBJECT.replace("<name>dog</name>", ""),
        &OBJECT.replace("<xmin>11", "<xmin>eleven"),
        &OBJECT.replace("<xmin>11", "<xmin>NaN"),
        &OBJECT.replace("<xmin>11", "<xmin>99"),
        &OBJECT.replace("<difficult>0", "<difficult>maybe"),
        &OBJECT.replace("<xmin>11", "<xmin>0"),
    ];
    let folder = folder(
        &[],
        &[
            ("Annotations/a.xml", &annotation(&objects.join("\n"))),
            ("Annotations/b.xml", "<annotation><object>\n</annotation>"),
            ("Annotations/c.xml", "<svg/>"),
        ],
    );
    let Read { content: truth, problems } = truth(&folder);
    let lefts: Vec<f64> = truth.annotations.iter().map(|it| it.bbox[0]).collect();
    assert_eq!(lefts, [10.5, 10.0, 0.0]);
    assert_eq!(truth.annotations[2].bbox[2], 30.0);
    assert_eq!(
        lines(&folder, &problems),
        [
            "no_box Annotations/a.xml: line 6.bndbox (image a): is missing",
            "unknown_class Annotations/a.xml: line 7.name (image a): is missing",
            "no_box Annotations/a.xml: line 8.xmin (image a): \"eleven\" is not a number",
            "not_finite Annotations/a.xml: line 9.xmin (image a): NaN is no number of pixels",
            "negative_side Annotations/a.xml: line 10.bndbox (image a): [99, 6, 30, 20] has its corners the other way round",
            "bad_field Annotations/a.xml: line 11.difficult (image a): expected 0 or 1, got maybe",
            "unreadable Annotations/b.xml: line 2: this is no XML (expected 'object' tag, not 'annotation' at 2:1)",
            "unreadable Annotations/c.xml: is <svg>, not <annotation>",
            "from_zero Annotations: 1 boxes begin at 0, the first: Annotations/a.xml, line 12 (image a)",
        ]
    );
}

/// LabelImg writes neither file name nor path anew when files are renamed; others leave the size out.
#[test]
fn an_image_is_the_one_of_the_same_name_and_gives_its_size() {
    let without = annotation(OBJECT)
        .replace("<width>100</width><height>50</height>", "<width>0</width><height>0</height>");
    let folder = folder(
        &[],
        &[
            ("Annotations/new.xml", &without),
            (
                "Annotations/other.xml",
                &annotation(OBJECT).replace("a.jpg", "C:\\pictures\\named.png"),
            ),
            ("Annotations/gone.xml", &annotation(OBJECT).replace("a.jpg", "gone.jpg")),
        ],
    );
    fs::create_dir(folder.path().join("JPEGImages")).unwrap();
    for (name, width) in [("new.PNG", 80), ("named.png", 100), ("background.png", 60)] {
        let path = folder.path().join("JPEGImages").join(name);
        RgbImage::new(width, 40).save_with_format(path, image::ImageFormat::Png).unwrap();
    }
    let Read { content: truth, problems } = truth(&folder);
    let names: BTreeSet<&str> = truth.images.values().map(String::as_str).collect();
    assert_eq!(names, ["gone.jpg", "named.png", "new.PNG"].into());
    let size = |name: &str| {
        let (key, _) = truth.images.iter().find(|(_, it)| *it == name).unwrap();
        (truth.sizes.get(key).copied(), truth.files.contains_key(key))
    };
    assert_eq!(size("new.PNG"), (Some([80.0, 40.0]), true));
    assert_eq!(size("named.png"), (Some([100.0, 50.0]), true));
    assert_eq!(size("gone.jpg"), (Some([100.0, 50.0]), false));
    let [only] = &lines(&folder, &problems)[..] else { panic!("{problems:?}") };
    assert!(
        only.starts_with(
            "no_labels Annotations: 1 are left out, the first: JPEGImages/background.png"
        ),
        "{only}"
    );
}

#[test]
fn parts_are_lists_and_a_class_has_the_same_id_in_each() {
    let cat = annotation(&OBJECT.replace("dog", "cat"));
    let dog = annotation(OBJECT);
    let folder = folder(
        &[],
        &[
            ("Annotations/a.xml", &cat),
            ("Annotations/b.xml", &dog),
            ("ImageSets/Main/train.txt", "a\r\n"),
            ("ImageSets/Main/val.txt", "b  1\nc\n\n"),
        ],
    );
    let set = DataSet::find(folder.path()).unwrap();
    let [train, val] = [0, 1].map(|part| set.parts[part].read::<Xywh>().unwrap());
    assert_eq!(
        (train.content.annotations[0].category, val.content.annotations[0].category),
        (1, 2)
    );
    assert_eq!(train.content.categories, val.content.categories);
    assert_eq!(train.problems, []);
    let [only] = &lines(&folder, &val.problems)[..] else { panic!("{:?}", val.problems) };
    assert!(
        only.starts_with("no_annotation ImageSets/Main/val.txt: line 2: there is no "),
        "{only}"
    );
    // The same where parts are folders and one is given alone.
    let folder = self::folder(&[], &[("train/a.xml", &cat), ("valid/b.xml", &dog)]);
    let set = DataSet::find(&folder.path().join("valid")).unwrap();
    let truth = set.parts[0].read::<Xywh>().unwrap().content;
    assert_eq!((truth.annotations[0].category, truth.images.len()), (2, 1));
}

/// Whatever bytes a file has, it is a problem and no panic.
#[test]
fn hostile_files_are_problems() {
    let mut laughs = "<!DOCTYPE annotation [<!ENTITY a0 \"ha\">".to_owned();
    for level in 1..30 {
        laughs.push_str(&format!(
            "<!ENTITY a{level} \"{}\">",
            format!("&a{};", level - 1).repeat(10)
        ));
    }
    laughs.push_str("]><annotation><filename>&a29;</filename></annotation>");
    let outside = "<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><annotation><filename>&e;</filename></annotation>";
    let deep = format!("<annotation>{}", "<object>".repeat(100_000));
    let huge = annotation(&OBJECT.replace("11", &"9".repeat(1 << 20)));
    let folder = folder(&[], &[("Annotations/a.xml", &annotation(OBJECT))]);
    let file = folder.path().join("Annotations/b.xml");
    for bytes in [
        laughs.as_bytes(),
        outside.as_bytes(),
        deep.as_bytes(),
        huge.as_bytes(),
        b"",
        b"\xff\xff\xff",
    ] {
        fs::write(&file, bytes).unwrap();
        let Read { content: truth, problems } = truth(&folder);
        assert_eq!((truth.annotations.len(), problems.len()), (1, 1), "{problems:?}");
        assert!(problems[0].said.len() < 300, "{problems:?}");
        assert!(problems[0].place.file.ends_with("b.xml"));
    }
}
