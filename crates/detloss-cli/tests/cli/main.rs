//! What a user of the binary sees: stdout, stderr and exit codes of good and bad calls.

mod check;
mod criteria;
mod formats;
mod manners;
mod matching;
mod modifiers;
mod race;
mod race_ap;
#[cfg(feature = "train")]
mod small_set;
#[cfg(feature = "train")]
mod train;
#[cfg(feature = "train")]
mod training_loop;
mod whole;

use assert_cmd::Command;
use serde_json::Value;

/// What a call gave back.
struct Seen {
    code: i32,
    out: String,
    err: String,
}

fn detloss(args: &str) -> Seen {
    detloss_with(args, "")
}

/// Runs the binary with arguments between blanks, and `input` on stdin.
fn detloss_with(args: &str, input: &str) -> Seen {
    let mut command = Command::cargo_bin("detloss").unwrap();
    let output = command.args(args.split_whitespace()).write_stdin(input).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    Seen { code, out: text(output.stdout), err: text(output.stderr) }
}

fn json(args: &str) -> Value {
    let seen = detloss(&format!("{args} --json"));
    assert_eq!(seen.code, 0, "{}", seen.err);
    serde_json::from_str(&seen.out).unwrap()
}

/// The complaint of a wrong call.
fn complaint(args: &str) -> String {
    let seen = detloss(args);
    assert_eq!((seen.code, &*seen.out), (2, ""), "{args}: {}", seen.err);
    seen.err
}

fn assert_near(got: &Value, wanted: f64) {
    let got = got.as_f64().unwrap();
    assert!((got - wanted).abs() < 1e-6, "{got} instead of {wanted}");
}

#[test]
fn every_loss_is_listed_and_explained() {
    let list = json("list");
    assert_eq!(list.as_array().unwrap().len(), detloss::losses::ALL.len());
    for (line, entry) in list.as_array().unwrap().iter().zip(detloss::losses::ALL) {
        assert_eq!(line["id"], entry.name);
        let page = json(&format!("explain {}", entry.name));
        assert_eq!(page["label"], entry.label);
        assert_eq!(page["params"].as_array().unwrap().len(), entry.params.len());
        for case in page["cases"].as_array().unwrap() {
            assert_near(&case["computed"], case["claimed"].as_f64().unwrap());
        }
    }
}

#[test]
fn a_page_is_plain_in_a_pipe() {
    let page = detloss("explain giou").out;
    assert!(page.starts_with("GIoU (giou, boxes)\n  Generalized IoU loss"));
    assert!(page.contains("\n    L = 1 − |A∩B| / |A∪B| + (|C| − |A∪B|) / |C|\n"));
    assert!(!page.contains('\x1b'));
    assert!(page.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn families_are_listed_alone() {
    let list = detloss("list --family boxes").out;
    assert!(list.lines().skip(1).all(|line| line.starts_with("boxes ")));
    insta::assert_snapshot!(complaint("list --family box").split(": there").next().unwrap(), @r#"error: no family is called "box""#);
}

#[test]
fn a_pair_has_its_value_and_gradient() {
    let answer = json("eval giou --pred 1.3,2.1,4.9,7.4 --target 2.6,.8,6.1,5.2");
    assert_near(&answer["value"], 0.875984594574631);
    let gradient = [-0.06307903, 0.11273908, -0.16182001, 0.05148428];
    for (got, wanted) in answer["grad"].as_array().unwrap().iter().zip(gradient) {
        assert_near(got, wanted);
    }
    let with_eps = json("eval giou --pred 1.3,2.1,4.9,7.4 --target 2.6,.8,6.1,5.2 --param eps=0");
    assert_eq!(with_eps["value"], answer["value"]);
    insta::assert_snapshot!(detloss("eval smooth_l1 --pred=-0.5 --target 0 --param beta=2").out, @r"
    Smooth L1, beta = 2
    value                0.0625
    d/dvalue             -0.25
    ");
}

#[test]
fn a_box_may_be_given_by_its_centre() {
    let corners = json("eval giou --pred 3,4,7,6 --target 4,3,8,7");
    let centre = json("eval giou --format cxcywh --pred 5,5,4,2 --target 6,5,4,4");
    assert_eq!(corners["value"], centre["value"]);
    let slope = |k: usize| corners["grad"][k].as_f64().unwrap();
    assert_near(&centre["grad"][0], slope(0) + slope(2));
    assert_near(&centre["grad"][3], (slope(3) - slope(1)) / 2.0);
}

#[test]
fn boxes_of_any_fields_are_evaluated_from_files_too() {
    let pair = json("eval rotated_iou --pred 0,0,1,1,0.4 --target 0,0,4,2,0");
    assert_near(&pair["value"], 0.875);
    assert_eq!(pair["fields"], serde_json::json!(["cx", "cy", "w", "h", "angle"]));
    let lines = "0,0,1,1,0.4,0,0,4,2,0\n0,0,4,2,0,0,0,4,2,0\n";
    let file = detloss_with("eval rotated_iou --file - --reduction mean", lines);
    assert_near(&pair["value"], 2.0 * file.out.trim().parse::<f64>().unwrap());
    let lines = detloss_with("eval yaw_iou3d --file -", "0,0,0,1,1,1,0,0,0,0,1,1,2,0\n").out;
    assert!(
        lines.starts_with("value,grad_cx,grad_cy,grad_cz,grad_dx,grad_dy,grad_dz,grad_yaw\n0.5,"),
        "{lines}"
    );
}

#[test]
fn a_class_stands_for_its_labels() {
    let class = json("eval focal --pred 0.2,-1.5,3 --class 2");
    let alone = json("eval focal --pred 3 --target 1");
    assert_eq!(class["grad"][2], alone["grad"][0]);
}

#[test]
fn a_file_is_evaluated_line_by_line() {
    let lines = "prediction,target\n0.5,0\n-2,0\n";
    insta::assert_snapshot!(detloss_with("eval smooth_l1 --file -", lines).out, @r"
    value,grad_value
    0.125,0.5
    1.5,-1
    ");
    insta::assert_snapshot!(detloss_with("eval smooth_l1 --file - --json", lines).out, @r#"
    {"value":0.125,"grad":[0.5]}
    {"value":1.5,"grad":[-1.0]}
    "#);
    let sum =
        detloss_with("eval smooth_l1 --file - --reduction sum --weights", "0.5,0,2\n-2,0,0\n");
    assert_eq!(sum.out, "0.25\n");
}

#[test]
fn wrong_calls_say_what_to_do() {
    for (args, words) in [
        ("explain giuo", r#"no loss is called "giuo": did you mean "giou"?"#),
        (
            "eval giou --pred 1,2,3 --target 1,2,3,4",
            "--pred has 3 numbers instead of 4: give x1,y1,x2,y2",
        ),
        (
            "eval giou --format xywh --pred 1,2,3,4 --target 1",
            "--target has 1 numbers instead of 4: give x,y,w,h",
        ),
        (
            "eval focal --pred 0 --target 1 --param gama=1",
            r#"focal has no parameter "gama": it has gamma, alpha"#,
        ),
        (
            "eval focal --pred 0 --target 1 --param gamma=99",
            "focal cannot have gamma = 99: give a number from 0 to 10",
        ),
        ("eval focal --pred 0 --target 1 --param gamma", "write it as KEY=VALUE"),
        (
            "eval focal --pred 0 --target 1 --format xywh",
            "focal takes no boxes: leave out --format",
        ),
        (
            "eval gwd --pred 0 --target 1 --format xywh",
            "gwd takes rotated boxes as cx,cy,w,h,angle: leave out --format",
        ),
        (
            "eval gwd --pred 1,2,3,4 --target 1,2,3,4,0",
            "--pred has 4 numbers instead of 5: give cx,cy,w,h,angle",
        ),
        ("curves giou --axis turn", "giou does not lie over the angle between two boxes"),
        ("eval focal --pred 0 --class 5", "row 0 has class 5"),
        ("eval giou --pred inf,2,3,4 --target 1,2,3,4", "--pred has inf: give finite numbers"),
        ("eval giou", "required"),
        ("curves giou focal", "focal does not lie over the offset between two unit boxes"),
        ("curves focal --range 1,0", "--range is no range of the probability of the right class"),
        ("frobnicate", "unrecognized subcommand"),
    ] {
        let said = complaint(args);
        assert!(said.starts_with("error: ") && said.contains(words), "{args}: {said}");
    }
}

#[test]
fn wrong_files_say_where() {
    for (input, words) in [
        (
            "1,0\n2\n",
            "standard input, line 2 has 1 fields instead of 2: give prediction value, target value",
        ),
        ("1,0\n\n2,x\n", r#"standard input, line 3, column 2 (target value): "x" is no number"#),
        ("1,0,3\n", "or add --weights"),
    ] {
        let seen = detloss_with("eval smooth_l1 --file -", input);
        assert_eq!((seen.code, &*seen.out), (1, ""));
        assert!(seen.err.contains(words), "{}", seen.err);
    }
    let seen = detloss("eval giou --file no-such.csv");
    assert_eq!(seen.code, 1);
    assert!(
        seen.err.starts_with("error: could not open no-such.csv: give a CSV file"),
        "{}",
        seen.err
    );
}

#[test]
fn curves_are_drawn_and_their_points_kept() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("figures");
    let drawn =
        json(&format!("curves focal --param gamma=0,2 --param alpha=-1 --out {}", out.display()));
    assert_eq!(drawn["title"], "Focal, alpha = -1");
    assert_eq!(drawn["curves"][1]["name"], "gamma = 2");
    for file in drawn["files"].as_array().unwrap() {
        assert!(std::fs::metadata(file.as_str().unwrap()).unwrap().len() > 1000);
    }
    // Figure 1 of the paper: at a probability of 0.9 the focal loss is a hundredth of the cross entropy.
    let at = |curve: usize| {
        let points = drawn["curves"][curve]["points"].as_array().unwrap();
        let near = |point: &&Value| (point["x"].as_f64().unwrap() - 0.9).abs() < 1e-3;
        points.iter().find(near).unwrap()["value"].as_f64().unwrap()
    };
    assert!((at(1) / at(0) - 0.01).abs() < 5e-4);
}

#[test]
fn curves_of_many_losses_have_a_title_that_fits_and_files_of_bounded_names() {
    let folder = tempfile::tempdir().unwrap();
    let losses = "bce focal gaussian_focal varifocal quality_focal alpha_balanced_ce softmax_ce dice jaccard lovasz_hinge tversky focal_tversky";
    let drawn = json(&format!("curves {losses} --out {}", folder.path().display()));
    let title = drawn["title"].as_str().unwrap();
    assert!(title.starts_with("BCE, Focal, ") && title.ends_with(" more"), "{title}");
    assert!(title.chars().count() < 135, "{title}");
    for file in drawn["files"].as_array().unwrap() {
        let name = std::path::Path::new(file.as_str().unwrap()).file_name().unwrap();
        assert!(name.len() <= 100, "{name:?}");
    }
    // A range beyond all losses is drawn with ticks that can be read.
    let huge = json(&format!("curves l1 --range=-1e300,1e300 --out {}", folder.path().display()));
    let svg = std::fs::read_to_string(huge["files"][0].as_str().unwrap()).unwrap();
    assert!(svg.contains(">1e300</text>") && !svg.contains("000000</text>"), "{svg}");
}

#[test]
fn boxes_of_every_kind_are_drawn_over_an_offset_and_some_over_an_angle() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().display();
    let curves = |args: &str| -> Vec<Vec<[f64; 3]>> {
        let drawn = json(&format!("curves {args} --out {out}"));
        let point = |point: &Value| ["x", "value", "slope"].map(|of| point[of].as_f64().unwrap());
        let points =
            |curve: &Value| curve["points"].as_array().unwrap().iter().map(point).collect();
        drawn["curves"].as_array().unwrap().iter().map(points).collect()
    };
    // Unit boxes are the same to losses of each kind, and their scale is.
    for args in ["iou rotated_iou", "iou3d yaw_iou3d", "rotated_iou iou --axis scale"] {
        let pair = curves(args);
        for (one, other) in pair[0].iter().zip(&pair[1]) {
            assert!(
                one.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-9),
                "{args}: {one:?}, {other:?}"
            );
        }
    }
    // At 90 degrees two boxes of 2 : 1 are a cross and share a third; the slope is by a degree.
    for points in curves("rotated_iou yaw_iou3d --axis turn") {
        let at = |place: usize| points[place];
        assert_eq!([at(0)[0], at(300)[0], at(600)[0]], [-90.0, 0.0, 90.0]);
        assert!(
            at(300)[1..] == [0.0, 0.0] && (at(600)[1] - 2.0 / 3.0).abs() < 1e-9,
            "{:?}",
            at(600)
        );
        let rise = (at(351)[1] - at(349)[1]) / (at(351)[0] - at(349)[0]);
        assert!((at(350)[2] - rise).abs() < 1e-5, "{:?} is not {rise}", at(350));
    }
}

#[test]
fn the_figures_of_the_guide_are_what_is_drawn() {
    let plots = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/plots");
    let folder = tempfile::tempdir().unwrap();
    let figures = std::fs::read_to_string(format!("{plots}/figures.txt")).unwrap();
    for figure in figures.lines().filter(|line| !line.starts_with('#')) {
        let drawn = detloss(&format!("curves {figure} --out {}", folder.path().display()));
        assert_eq!(drawn.code, 0, "{figure}: {}", drawn.err);
    }
    let drawn = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
    let drawn: Vec<_> =
        drawn.filter(|path| path.extension().is_some_and(|it| it == "svg")).collect();
    assert!(!drawn.is_empty());
    for path in drawn {
        let name = path.file_name().unwrap().to_str().unwrap();
        let kept = std::fs::read(format!("{plots}/{name}")).unwrap_or_default();
        let is_same = std::fs::read(&path).unwrap() == kept;
        assert!(is_same, "docs/plots/{name} is stale: run `cargo xtask gen --figures`");
    }
}

#[test]
fn a_reader_may_leave_early() {
    let program = assert_cmd::cargo::cargo_bin("detloss");
    let mut child = std::process::Command::new(program)
        .args(["list", "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(output.stderr.is_empty());
}

/// Whoever reads the output has enough of it before it begins: what is to be written is written.
#[test]
fn files_are_written_although_nobody_reads_the_output() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set.json");
    let text = r#"{"images": [{"id": 1, "width": 90, "height": 90, "file_name": "a.png"}], "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 40, 40]}]}"#;
    std::fs::write(&set, text).unwrap();
    let set = set.display().to_string();
    for (command, file) in [
        (vec!["check", &set], "check.html"),
        (vec!["match", "--gt", &set, "--anchors", "yolo8"], "match.html"),
    ] {
        let out = folder.path().join(command[0]);
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("detloss"))
            .args(command)
            .arg("-o")
            .arg(&out)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        child.wait().unwrap();
        assert!(out.join(file).is_file(), "{file}");
    }
}

#[cfg(not(feature = "train"))]
#[test]
fn what_is_not_in_the_build_says_how_to_get_it() {
    for command in ["train", "train compare --seeds 3", "predict image.png"] {
        let said = complaint(command);
        assert!(said.contains("cargo run --release --features train -- train"), "{said}");
    }
}

#[test]
fn every_command_helps_with_examples() {
    let commands =
        ["list", "explain", "eval", "curves", "race", "race-ap", "audit", "train", "predict"];
    for command in commands {
        let help = detloss(&format!("{command} --help"));
        assert_eq!(help.code, 0);
        assert!(help.out.contains(&format!("Examples:\n  detloss {command}")), "{}", help.out);
    }
}
