//! `detloss train`, `train compare` and `predict` as a user sees them; how well they learn is tested where they are written.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use crate::{complaint, detloss, json};

/// The least there is to train.
const QUICK: &str = "--steps 2 --batch 2 --side 32";

fn has(folder: &Path, files: &[&str]) {
    for file in files {
        assert!(folder.join(file).metadata().is_ok_and(|file| file.len() > 0), "{file} is missing");
    }
}

#[test]
fn a_trained_detector_looks_at_images() {
    let folder = tempdir().unwrap();
    let (model, seen) = (folder.path().join("model"), folder.path().join("seen"));
    let result = json(&format!("train {QUICK} --out {}", model.display()));
    let points = result["points"].as_array().unwrap();
    assert_eq!(
        points.iter().map(|point| point["step"].as_u64().unwrap()).collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(result["settings"]["scores"]["loss"], "focal");
    has(&model, &["model.bpk", "model.json", "metrics.csv", "result.json", "detections.png"]);
    assert!(!model.join("checkpoint.cbor").exists());

    let (image, broken) = (folder.path().join("wide.png"), folder.path().join("broken.png"));
    image::RgbImage::from_pixel(80, 20, image::Rgb([200, 30, 30])).save(&image).unwrap();
    fs::write(&broken, "no image").unwrap();
    let images = format!("{} {}", image.display(), broken.display());
    let arguments = format!(
        "predict {images} --model {} --score 0 --out {} --json",
        model.display(),
        seen.display()
    );
    let call = detloss(&arguments);
    assert_eq!(call.code, 1);
    assert!(call.err.contains("skipped") && call.err.contains("broken.png"), "{}", call.err);
    let found: serde_json::Value = serde_json::from_str(&call.out).unwrap();
    for detection in found.as_array().unwrap() {
        let [left, top, width, height] =
            [0, 1, 2, 3].map(|k| detection["bbox"][k].as_f64().unwrap());
        assert!(left >= 0.0 && top >= 0.0 && left + width <= 80.001 && top + height <= 20.001);
        assert_eq!(
            detection["category_id"],
            detection["class"].as_str().unwrap().parse::<u64>().unwrap() + 1
        );
    }
    assert!((1..=100).contains(&found.as_array().unwrap().len()));
    has(&seen, &["wide.png"]);

    let arguments = format!("predict no-such.png --model {}", model.display());
    let call = detloss(&format!("{arguments} --out {}", seen.display()));
    assert_eq!(call.err.matches("(os error").count(), 1, "{}", call.err);
    let coco = folder.path().join("no-such/results.json");
    let said = complaint(&format!("{arguments} --coco {}", coco.display()));
    assert!(said.contains("no-such is no folder"), "{said}");
}

#[test]
fn a_comparison_goes_on_where_it_was() {
    let folder = tempdir().unwrap();
    let compare = |arguments: &str| {
        let out = folder.path().display();
        detloss(&format!("train compare {QUICK} --out {out} {arguments}"))
    };
    let first = compare("--box giou,l1 --seeds 2");
    assert_eq!(first.code, 0, "{}", first.err);
    assert!(!first.err.contains("already"), "{}", first.err);
    assert_eq!(first.out.lines().count(), 3);
    assert!(first.out.contains('±'));
    has(folder.path(), &["compare.html", "compare.json", "compare.csv"]);
    let page = fs::read_to_string(folder.path().join("compare.html")).unwrap();
    assert!(page.contains("the bands are the standard deviation over them"), "{page}");
    assert!(page.contains("opacity=\"0.18\"") && page.contains("stroke=\"#1a1a1a\""), "{page}");
    let curves = fs::read_to_string(folder.path().join("compare.csv")).unwrap();
    assert_eq!(curves.lines().count(), 1 + 2 * 2 * 2);
    let more = compare("--box giou,l1,giou --cls focal,ap --seeds 2");
    assert!(more.err.contains("4 of 8 runs are there already"), "{}", more.err);
    assert_eq!(more.out.lines().count(), 5);
    let result = folder.path().join("runs/focal+giou+seed=1/result.json");
    let whole = fs::read_to_string(&result).unwrap();
    let mut fewer: serde_json::Value = serde_json::from_str(&whole).unwrap();
    fewer["points"].as_array_mut().unwrap().pop();
    for damaged in [&whole[..9], "", &fewer.to_string()] {
        fs::write(&result, damaged).unwrap();
        let call = compare("--box giou,l1 --seeds 2");
        assert_eq!(call.code, 1);
        assert!(call.err.contains("result.json is no result: remove it"), "{}", call.err);
    }
    fs::write(&result, whole).unwrap();
    let other = compare("--box giou,l1 --seeds 2 --rate 0.001");
    assert_eq!(other.code, 1);
    assert!(other.err.contains("other settings"), "{}", other.err);
}

#[test]
fn a_long_comparison_says_beforehand_how_long() {
    let folder = tempdir().unwrap();
    let call = detloss(&format!(
        "train compare --steps 50 --batch 1 --side 32 --box giou,l1 --out {}",
        folder.path().display()
    ));
    assert_eq!(call.code, 0, "{}", call.err);
    assert!(call.err.starts_with("2 runs of 50 steps: about "), "{}", call.err);
    // Scenes that are drawn anew in every step cannot be learned by heart.
    assert!(!call.err.contains("by heart"), "{}", call.err);
}

#[test]
fn a_detector_is_trained_with_a_criterion() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (text, out) in [("yolo8", "yolo8"), ("fcos(bbox_regression=siou)", "fcos")] {
        let out = at(out);
        let train = || {
            let size = "--steps 10 --batch 8 --side 32";
            detloss(&format!("train {size} --criterion {text} --out {} --json", out.display()))
        };
        let call = train();
        assert_eq!(call.code, 0, "{}", call.err);
        let result: serde_json::Value = serde_json::from_str(&call.out).unwrap();
        assert_eq!(result["settings"]["criterion"], text);
        let loss = |point: &serde_json::Value| {
            point["scores"].as_f64().unwrap() + point["boxes"].as_f64().unwrap()
        };
        let points = result["points"].as_array().unwrap();
        assert!(loss(&points[9]) < 0.9 * loss(&points[0]), "{text}: {points:?}");
        assert!(train().err.contains("this run is done already"));
        let design = fs::read_to_string(out.join("model.json")).unwrap();
        assert!(design.contains(&format!("\"criterion\": \"{text}\"")), "{design}");

        image::RgbImage::from_pixel(80, 20, image::Rgb([200, 30, 30])).save(at("a.png")).unwrap();
        let seen = json(&format!(
            "predict {} --model {} --score 0 --out {}",
            at("a.png").display(),
            out.display(),
            at("seen").display()
        ));
        assert!(!seen.as_array().unwrap().is_empty());
    }
}

#[test]
fn criteria_and_matchers_are_compared() {
    let folder = tempdir().unwrap();
    let compare = |arguments: &str| {
        let out = folder.path().display();
        detloss(&format!("train compare {QUICK} --out {out} {arguments}"))
    };
    let criteria = compare("--criterion yolo8,rt_detr,yolo8");
    assert_eq!(criteria.code, 0, "{}", criteria.err);
    let words = "note: the detector is the head decoder of rt_detr, and has no outputs for encoder, denoising";
    assert!(criteria.err.contains(words), "{}", criteria.err);
    assert_eq!(criteria.out.lines().count(), 3);
    assert!(criteria.out.starts_with("criterion "), "{}", criteria.out);
    let all = compare(
        "--cls focal --matcher cells,task_aligned(topk=13,overlap=giou) --criterion yolo8,rt_detr",
    );
    assert_eq!(all.code, 0, "{}", all.err);
    assert!(all.err.contains("2 of 4 runs are there already"), "{}", all.err);
    assert_eq!(all.out.lines().count(), 5);
    assert!(all.out.contains("task_aligned(topk=13, overlap=giou)"), "{}", all.out);
    has(folder.path(), &["compare.html", "compare.json", "compare.csv"]);
    has(&folder.path().join("runs/yolo8+seed=1"), &["result.json"]);
    let curves = fs::read_to_string(folder.path().join("compare.csv")).unwrap();
    assert_eq!(curves.lines().count(), 1 + 4 * 2);
    assert!(curves.contains("\n,,,rt_detr,1,1,"), "{curves}");
}

#[test]
fn images_are_never_written_over() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let model = at("model");
    assert_eq!(detloss(&format!("train {QUICK} --out {}", model.display())).code, 0);
    let names = ["a.png", "A.jpg", "b/a.png", "a-2.png"];
    fs::create_dir(at("b")).unwrap();
    for name in names {
        image::RgbImage::new(40, 40).save(at(name)).unwrap();
    }
    let all = names.map(|name| at(name).display().to_string()).join(" ");
    let predict = |out: &str| {
        let out = at(out);
        detloss(&format!("predict {all} --model {} --out {}", model.display(), out.display()))
    };
    let before = fs::read(at("a.png")).unwrap();
    for out in [".", "b/..", "b"] {
        let call = predict(out);
        assert_eq!(call.code, 2);
        assert!(call.err.contains("a.png would be written over"), "{}", call.err);
    }
    assert_eq!(fs::read(at("a.png")).unwrap(), before);
    assert_eq!(predict("seen").code, 0);
    has(&at("seen"), &["a.png", "A-2.png", "a-3.png", "a-2-2.png"]);

    let design = fs::read_to_string(model.join("model.json")).unwrap();
    fs::write(model.join("model.json"), design.replace("\"side\": 32", "\"side\": 30")).unwrap();
    let call = predict("seen");
    assert_eq!(call.code, 1);
    assert!(call.err.contains("has no detector that fits"), "{}", call.err);
}

#[test]
fn options_that_change_nothing_are_named() {
    let folder = tempdir().unwrap();
    let train = |arguments: &str| {
        detloss(&format!("train {QUICK} --out {} {arguments}", folder.path().display()))
    };
    let call = train("--cls alrp --box-weight 2 --quality");
    assert_eq!(call.code, 0, "{}", call.err);
    assert!(
        call.err.contains("note: no effect with alrp: --box-weight, --quality"),
        "{}",
        call.err
    );
    let call = train("--cls alrp --box-weight 2 --quality");
    assert!(call.err.contains("this run is done already"), "{}", call.err);
    let call = train("--cls varifocal --box-weight 2 --quality");
    assert_eq!(call.code, 1, "{}", call.err);
    assert!(call.err.contains("a run with other settings"), "{}", call.err);
    fs::remove_file(folder.path().join("result.json")).unwrap();
    let call = train("--cls varifocal --box-weight 2 --quality");
    assert_eq!(call.code, 0, "{}", call.err);
    assert!(!call.err.contains("note"), "{}", call.err);
}

#[test]
fn a_run_that_fails_leaves_the_others() {
    let folder = tempdir().unwrap();
    let compare = |arguments: &str| {
        let out = folder.path().display();
        detloss(&format!("train compare {QUICK} --box giou,smooth_l1 --out {out} {arguments}"))
    };
    let all = compare("--rate 1e30");
    assert_eq!((all.code, &*all.out), (1, ""));
    assert!(all.err.contains("failed: Focal + GIoU, seed 1: after step "), "{}", all.err);
    assert!(all.err.ends_with("error: 2 of 2 runs failed: see above\n"), "{}", all.err);

    let broken = folder.path().join("runs/focal+smooth_l1,beta=1e-300+seed=1");
    fs::create_dir_all(&broken).unwrap();
    fs::write(broken.join("checkpoint.cbor"), "what else").unwrap();
    let one = compare("--param beta=1e-300");
    assert_eq!((one.code, one.out.lines().count()), (1, 2));
    assert!(one.err.contains("seed 1: ") && one.err.contains("is no checkpoint"), "{}", one.err);
    assert!(one.err.ends_with("error: 1 of 2 runs failed: see above\n"), "{}", one.err);
    has(folder.path(), &["compare.html", "compare.json", "compare.csv"]);
}

#[test]
fn another_folder_of_images_is_another_run() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let annotations = |width: u32| {
        let one = |id: u32| {
            format!(r#"{{"image_id": {id}, "category_id": 1, "bbox": [4, 4, {width}, 9]}}"#)
        };
        let image = |id: u32| format!(r#"{{"id": {id}, "file_name": "{id}.png"}}"#);
        format!(
            r#"{{"images": [{}, {}], "categories": [{{"id": 1, "name": "cat"}}], "annotations": [{}, {}]}}"#,
            image(1),
            image(2),
            one(1),
            one(2)
        )
    };
    for id in 1..=2 {
        image::RgbImage::new(40, 40).save(at(&format!("{id}.png"))).unwrap();
    }
    let compare = || {
        let data = folder.path().display();
        detloss(&format!("train compare {QUICK} --data {data} --out {}", at("out").display()))
    };
    fs::write(at("annotations.json"), annotations(9)).unwrap();
    assert_eq!(compare().code, 0);
    assert!(compare().err.contains("1 of 1 runs are there already"));
    let data = folder.path().display();
    let within = detloss(&format!("train {QUICK} --data {data} --out {data}"));
    assert_eq!(within.code, 2, "{}", within.err);
    assert!(within.err.contains("choose another --out"), "{}", within.err);
    fs::write(at("annotations.json"), annotations(12)).unwrap();
    let call = compare();
    assert_eq!(call.code, 1);
    assert!(call.err.contains("other settings"), "{}", call.err);
}

#[test]
fn a_folder_without_data_is_a_failure_that_says_what_is_wanted() {
    let folder = tempdir().unwrap();
    let call = detloss(&format!("train {QUICK} --data {0} --out {0}", folder.path().display()));
    assert_eq!(call.code, 1);
    assert!(call.err.contains("annotations"), "{}", call.err);
    let call = detloss(&format!("predict --model {} a.png", folder.path().display()));
    assert_eq!(call.code, 1);
    assert!(call.err.contains("detloss train"), "{}", call.err);
}

#[test]
fn wrong_calls_are_told_what_would_be_right() {
    for (arguments, words) in [
        ("train --cls giou", "no loss of class scores"),
        ("train --box focal", "no loss of boxes"),
        (
            "train --box gwd",
            "gwd is a loss of rotated boxes, and the detector finds axis-aligned boxes",
        ),
        ("train --box giou3d", "giou3d is a loss of boxes in space"),
        ("train --box kl", "kl is of values with a variance, which the detector does not predict"),
        ("train --box-weight -1", "0 to 1000000"),
        ("train compare --cls focal,nope", "`detloss list` has all of them"),
        ("train --cls alrp --box rmse", "error of each box"),
        ("train --box gious", "did you mean"),
        ("train --param gamma=1,2", "several values"),
        ("train --param ciou.gate=0", "ciou"),
        ("train --steps 0", "give 1 to"),
        ("train --batch 0", "give 1 to"),
        ("train --batch 18446744073709551615", "give 1 to"),
        ("train --side 30", "multiple of 8"),
        ("train --side 18446744073709551608", "32 to 1024"),
        ("train --param gamma=1 --param gamma=2", "set twice"),
        ("train --rate 0", "positive"),
        ("train --prior 1", "between 0 and 1"),
        ("train --box-weight=-1", "0 to 1000000"),
        ("train --box-weight 1e39", "0 to 1000000"),
        ("train --imbalance 0", "every tenth"),
        ("train --imbalance 2 --data x", "cannot be used with"),
        ("train --criterion yolo", "yolo8"),
        (
            "train --criterion retinanet",
            "stretches anchor boxes, and a cell is a point. These fit: fcos,",
        ),
        ("train --criterion yolo8(box=focal)", "a loss of two boxes"),
        ("train --criterion yolo8 --box siou", "--box cannot be given beside it"),
        ("train --criterion yolo8 --cls focal --matcher atss", "--cls, --matcher cannot be given"),
        ("train --criterion yolo8 --param gamma=1", "yolo8(box=siou, box.weight=5"),
        ("train --criterion yolo8 --quality --box-weight 2", "--box-weight, --quality cannot"),
        ("train --matcher nearest", "task_aligned"),
        ("train --matcher task_aligned(overlap=prob_iou)", "measures rotated boxes"),
        ("train compare --criterion yolo8 --matcher atss", "--matcher cannot be given beside it"),
        ("train compare --criterion yolo8,ssd", "ssd does not fit the detector"),
        ("train compare --cls focal --box focal", "only be one"),
        ("train compare --seeds 0", "1..=1000"),
        ("train --seed 1000000", "0..1000000"),
        ("predict --score 2 a.png", "from 0 to 1"),
    ] {
        let said = complaint(arguments);
        assert!(said.contains(words), "{arguments}: {said}");
    }
}
