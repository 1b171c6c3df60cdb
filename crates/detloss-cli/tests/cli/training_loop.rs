//! From pictures to a detector, to what it finds, to what that is worth: every file of the loop is read by the next command. And what
//! happens to a run on its way.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::{complaint, detloss, json};

/// A folder of so many pictures of 48 by 32 pixels, each with a bright square of one of two colours.
fn squares(count: u32) -> TempDir {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("images")).unwrap();
    let mut images = Vec::new();
    let mut annotations = Vec::new();
    for id in 1..=count {
        let [x, y, side] = [id * 7 % 30, id * 5 % 14, 12 + id % 6];
        let class = id % 2;
        let image = RgbImage::from_fn(48, 32, |column, row| {
            let inside = (x..x + side).contains(&column) && (y..y + side).contains(&row);
            if inside {
                Rgb([[250, 20, 20], [20, 20, 250]][class as usize])
            } else {
                Rgb([8, 60, 8])
            }
        });
        image.save(folder.path().join(format!("images/{id}.png"))).unwrap();
        images.push(
            json!({"id": 100 + id, "file_name": format!("{id}.png"), "width": 48, "height": 32}),
        );
        annotations.push(json!({
            "id": id, "image_id": 100 + id, "category_id": 7 + 2 * class, "bbox": [x, y, side, side],
            "area": side * side, "iscrowd": 0,
        }));
    }
    let categories = json!([{"id": 7, "name": "red"}, {"id": 9, "name": "blue"}]);
    let all = json!({"images": images, "annotations": annotations, "categories": categories});
    fs::write(folder.path().join("annotations.json"), all.to_string()).unwrap();
    folder
}

fn written(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_files_of_one_command_are_those_of_the_next() {
    let (data, work) = (squares(30), tempdir().unwrap());
    let at = |name: &str| work.path().join(name).display().to_string();
    let (folder, model) = (data.path().display().to_string(), at("model"));
    let settings = "--steps 60 --batch 16 --side 48 --rate 8e-3 --augment flip,colour";
    let call = detloss(&format!("train --data {folder} {settings} --out {model} --json"));
    assert_eq!(call.code, 0, "{}", call.err);
    assert!(call.err.contains(" images to train on, "), "{}", call.err);
    let trained: Value = serde_json::from_str(&call.out).unwrap();
    assert_eq!(trained["settings"]["augment"], "flip,colour");
    let last = trained["points"].as_array().unwrap().last().unwrap();
    let ap = last["ap"].as_f64().unwrap();
    assert!(ap > 0.1, "{last}");
    assert!(last["held_out_scores"].as_f64().unwrap() > 0.0, "{last}");
    let of_classes = trained["classes"].as_array().unwrap();
    let mean = of_classes.iter().map(|class| class["ap"].as_f64().unwrap()).sum::<f64>() / 2.0;
    assert!((mean - ap).abs() < 1e-9, "{mean} and {ap}");

    let audit = |truth: &str, found: &str| {
        let audited = json(&format!("audit --gt {truth} --dt {found} --out {}", at("audit")));
        audited["average_precision"]["AP"].as_f64().unwrap()
    };
    let near = |other: f64| assert!((other - ap).abs() < 1e-9, "{other} instead of {ap}");
    near(audit(&at("model/held-out.json"), &at("model/detections.json")));
    let judged = json(&format!("val {model} --data {folder} --out {}", at("val")));
    near(judged["metrics"]["AP"].as_f64().unwrap());
    assert_eq!(judged["classes"], trained["classes"]);
    near(audit(&at("val/truth.json"), &at("val/detections.json")));

    // All pictures have the ids of the annotations; the held-out ones are judged.
    let results = at("results.json");
    let predict = format!("predict {folder} --model {model} --coco {results} --out {}", at("seen"));
    let call = detloss(&predict);
    assert_eq!(call.code, 0, "{}", call.err);
    let held_out: Vec<Value> = written(Path::new(&at("model/held-out.json")))["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["id"].clone())
        .collect();
    assert!((1..30).contains(&held_out.len()));
    let mut found = written(Path::new(&results));
    let all = found.as_array_mut().unwrap();
    assert!(all.iter().all(|one| one["image_id"].as_u64().unwrap() > 100));
    all.retain(|one| held_out.contains(&one["image_id"]));
    let some = at("some.json");
    fs::write(&some, found.to_string()).unwrap();
    near(audit(&at("model/held-out.json"), &some));

    let every = json(&format!("val {model} --data {folder} --part all --out {}", at("val")));
    assert_eq!((&every["images"], &every["objects"]), (&json!(30), &json!(30)));
    let whole = audit(&format!("{folder}/annotations.json"), &results);
    assert!((whole - every["metrics"]["AP"].as_f64().unwrap()).abs() < 1e-9, "{whole}");
}

/// Ids may be words. Whatever is written has them as they were, so that it fits the annotations.
#[test]
fn ids_that_are_words_stay_what_they_are() {
    let (data, work) = (squares(8), tempdir().unwrap());
    let file = data.path().join("annotations.json");
    let mut set = written(&file);
    for image in set["images"].as_array_mut().unwrap() {
        image["id"] = json!(format!("image-{}", image["id"]));
    }
    for one in set["annotations"].as_array_mut().unwrap() {
        one["image_id"] = json!(format!("image-{}", one["image_id"]));
        one["category_id"] = json!(format!("class-{}", one["category_id"]));
    }
    for class in set["categories"].as_array_mut().unwrap() {
        class["id"] = json!(format!("class-{}", class["id"]));
    }
    fs::write(&file, set.to_string()).unwrap();
    let at = |name: &str| work.path().join(name).display().to_string();
    let (folder, model) = (data.path().display().to_string(), at("model"));
    let trained =
        json(&format!("train --data {folder} --steps 2 --batch 2 --side 32 --out {model}"));
    assert_eq!(trained["classes"][0]["id"], "class-7", "{trained}");
    json(&format!("val {model} --data {folder} --part all --out {}", at("val")));
    let results = at("results.json");
    let predict = format!("predict {folder} --model {model} --score 0 --coco {results}");
    let seen = json(&format!("{predict} --out {}", at("seen")));
    assert!(seen[0]["category_id"].as_str().unwrap().starts_with("class-"), "{}", seen[0]);
    for (truth, found) in [
        (at("model/held-out.json"), at("model/detections.json")),
        (at("val/truth.json"), at("val/detections.json")),
        (format!("{folder}/annotations.json"), results),
    ] {
        let ids = written(Path::new(&truth));
        assert!(ids["images"][0]["id"].as_str().unwrap().starts_with("image-"), "{ids}");
        assert!(ids["annotations"][0]["category_id"].as_str().unwrap().starts_with("class-"));
        let call = detloss(&format!("audit --gt {truth} --dt {found} --out {}", at("audit")));
        assert_eq!((call.code, call.err.contains("problem")), (0, false), "{}", call.err);
    }
}

#[test]
fn the_sample_scenes_can_be_looked_at_and_judged_by() {
    let work = tempdir().unwrap();
    let at = |name: &str| work.path().join(name).display().to_string();
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/samples");
    let model = at("model");
    assert_eq!(detloss(&format!("train --steps 2 --batch 2 --side 32 --out {model}")).code, 0);
    let judged = json(&format!("val {model} --data {samples} --part all --out {}", at("val")));
    assert_eq!(judged["images"], 3);
    let call = detloss(&format!(
        "predict {samples} --model {model} --coco {} --out {}",
        at("results.json"),
        at("seen")
    ));
    assert_eq!(call.code, 0, "{}", call.err);
    for name in ["scene-1.png", "scene-2.png", "scene-3.png"] {
        assert!(work.path().join("seen").join(name).exists(), "{name}");
    }
    let found = written(&work.path().join("results.json"));
    assert!(found[0]["file_name"].as_str().unwrap().ends_with("scene-1.png"));
    let one = format!("predict {samples}/scene-2.png --model {model} --out {}", at("seen"));
    let call = detloss(&format!("{one} --coco {}", at("one.json")));
    assert!(call.err.contains("count from 1: --annotations gives others"), "{}", call.err);
    assert_eq!(written(&work.path().join("one.json"))[0]["image_id"], 1);
    let named = format!("{one} --coco {} --annotations {samples}/annotations.json", at("one.json"));
    assert_eq!(detloss(&named).code, 0);
    assert_eq!(written(&work.path().join("one.json"))[0]["image_id"], 2);
    let bytes = fs::read(format!("{samples}/scene-2.png")).unwrap();
    let mut command = assert_cmd::Command::cargo_bin("detloss").unwrap();
    let out = at("stdin");
    let output = command
        .args(["predict", "-", "--model", &model, "--score", "0", "--json", "--out", &out])
        .write_stdin(bytes)
        .output()
        .unwrap();
    let piped: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut of_file = json(&format!("{one} --score 0"));
    of_file.as_array_mut().unwrap().iter_mut().for_each(|found| found["image"] = "-".into());
    assert_eq!(piped, of_file);
    fs::create_dir(at("empty")).unwrap();
    let call = detloss(&format!("predict {} --model {model}", at("empty")));
    assert!(
        call.err.contains("has no images: PNG, JPEG, WebP, BMP or TIFF are read"),
        "{}",
        call.err
    );
}

#[test]
fn a_turned_photo_is_looked_at_as_it_is_displayed() {
    let work = tempdir().unwrap();
    let at = |name: &str| work.path().join(name);
    let model = at("model").display().to_string();
    assert_eq!(detloss(&format!("train --steps 2 --batch 2 --side 32 --out {model}")).code, 0);
    // Turned by a quarter to the right when it is displayed.
    let stored = RgbImage::from_fn(40, 20, |x, y| Rgb([x as u8 * 6, y as u8 * 12, 90]));
    let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
    let mut encoder = PngEncoder::new(fs::File::create(at("photo.png")).unwrap());
    encoder.set_exif_metadata(exif).unwrap();
    encoder.write_image(&stored, 40, 20, ExtendedColorType::Rgb8).unwrap();
    image::imageops::rotate90(&stored).save(at("upright.png")).unwrap();
    let seen = |name: &str| -> Vec<Value> {
        let (image, out) = (at(name).display().to_string(), at("seen").display().to_string());
        let found = json(&format!("predict {image} --model {model} --score 0 --out {out}"));
        found.as_array().unwrap().iter().map(|one| one["bbox"].clone()).collect()
    };
    let photo = seen("photo.png");
    assert!(!photo.is_empty());
    assert_eq!(photo, seen("upright.png"));
    let drawn = image::open(at("seen/photo.png")).unwrap();
    assert_eq!((drawn.width(), drawn.height()), (20, 40));
}

/// A run that takes minutes, when it has said a line that begins so.
fn running(out: &Path, line: &str) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("detloss"))
        .args(["train", "--steps", "2000", "--batch", "8", "--side", "32", "--out"])
        .arg(out)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.starts_with(line) {
        said.clear();
        assert!(lines.read_line(&mut said).unwrap() > 0, "it ended before it said {line:?}");
    }
    (child, lines)
}

#[test]
#[cfg(unix)]
fn a_run_speaks_on_a_pipe_and_is_stopped_and_gone_on_with() {
    let work = tempdir().unwrap();
    let out: PathBuf = work.path().join("model");
    let stop = |(mut child, mut lines): (Child, BufReader<std::process::ChildStderr>)| {
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130));
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut lines, &mut rest).unwrap();
        let last = rest.lines().last().unwrap().to_owned();
        let step = last
            .strip_prefix("stopped after ")
            .and_then(|rest| rest.strip_suffix(" of 2000 steps; the same command goes on"));
        step.unwrap_or_else(|| panic!("{rest}")).parse::<u32>().unwrap()
    };
    let first = running(&out, "step 200 of 2000, ");
    // Meanwhile nobody else writes there.
    let other =
        detloss(&format!("train --steps 2 --batch 2 --side 32 --cls bce --out {}", out.display()));
    assert_eq!(other.code, 1);
    assert!(other.err.contains("another run of detloss writes into "), "{}", other.err);
    let step = stop(first);
    assert!((200..2000).contains(&step), "{step}");
    let second = stop(running(&out, &format!("goes on after step {step} of 2000")));
    assert!((step..2000).contains(&second), "{second}");
    let other = detloss(&format!("train --steps 2 --batch 2 --side 32 --out {}", out.display()));
    assert!(
        other.err.contains("a run with other settings that was stopped after "),
        "{}",
        other.err
    );
}

#[test]
fn what_does_not_fit_into_memory_is_refused_before_the_first_step() {
    if !Path::new("/proc/meminfo").exists() {
        return;
    }
    let work = tempdir().unwrap();
    let out = work.path().display();
    let call =
        detloss(&format!("train --batch 10000 --side 1024 --steps 1 --data nowhere --out {out}"));
    assert_eq!(call.code, 1);
    let words = "a step of --batch 10000 at --side 1024 takes about ";
    assert!(
        call.err.contains(words) && call.err.contains("give a smaller --batch"),
        "{}",
        call.err
    );
}

#[test]
fn wrong_calls_of_the_loop_are_told_what_would_be_right() {
    for (arguments, words) in [
        ("train --augment all", "--data"),
        (
            "train --augment mirror --data x",
            "there is no \"mirror\": give all, none, or some of flip",
        ),
        ("predict a.png --annotations x.json", "--coco"),
        ("val m", "--data"),
        ("val m --data x --part half", "held-out"),
    ] {
        let said = complaint(arguments);
        assert!(said.contains(words), "{arguments}: {said}");
    }
    let call = detloss("val no-such-model --data x");
    assert_eq!(call.code, 1);
    assert!(call.err.contains("give the folder that `detloss train` wrote"), "{}", call.err);
}
