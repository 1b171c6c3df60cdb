//! What outputs and truths may be, and what is said of those that fit nothing.

use detloss::Error;
use detloss::criteria::{
    self, Criterion, Evaluation, Options, OutputArrays, Outputs, TruthArrays, Truths,
};
use detloss::matching::{Anchors, Array, IGNORED, Places};
use detloss::testing::Scene;

use crate::{all, close};

#[test]
fn classes_have_weights() {
    let yolo: Criterion = "yolo8".parse().unwrap();
    let scene = Scene::new(&yolo, 10);
    let (plain, weighted) = (
        scene.evaluate(&yolo),
        scene.evaluate(&"yolo8(cls.class_weight=2 1 1 0 1)".parse().unwrap()),
    );
    let of = |result: &Evaluation<f64>, class: usize| -> Vec<f64> {
        result.grads[0].logits.iter().skip(class).step_by(5).copied().collect()
    };
    for (class, weight) in [2.0, 1.0, 1.0, 0.0, 1.0].into_iter().enumerate() {
        let times: Vec<f64> = of(&plain, class).into_iter().map(|slope| slope * weight).collect();
        assert!(
            of(&weighted, class).iter().zip(times).all(|(a, b)| close(*a, b, 1e-12)),
            "class {class}"
        );
    }
    assert_eq!(plain.grads[0].boxes, weighted.grads[0].boxes);
    let error = "yolo8(box.class_weight=1 2)".parse::<Criterion>().unwrap_err();
    assert!(matches!(error, Error::UnknownSetting { .. }), "{error}");
    let few = scene.try_evaluate(&"yolo8(cls.class_weight=2 1)".parse().unwrap()).unwrap_err();
    assert!(few.to_string().contains("weights"), "{few}");
}

/// A softmax divides by the weights: twice all of them is the same, and a class of weight 0 is not there.
#[test]
#[cfg(feature = "kernels")]
fn classes_of_a_softmax_have_weights() {
    let detr: Criterion = "detr".parse().unwrap();
    let scene = Scene::new(&detr, 11);
    let twice: Criterion = "detr(ce.class_weight=2 2 2 2 2)".parse().unwrap();
    assert!(close(scene.evaluate(&detr).total, scene.evaluate(&twice).total, 1e-12));
    let alone: Criterion = "detr(ce.class_weight=0 0 0 0 1)".parse().unwrap();
    let result = scene.evaluate(&alone);
    for (row, truth) in result.matches[0].iter().flat_map(|matches| &matches.indices).enumerate() {
        let slopes = &result.grads[0].logits[5 * row..][..5];
        assert_eq!(slopes == [0.0; 5], *truth >= 0, "row {row}");
    }
}

#[test]
fn chance_depends_on_the_seed_and_the_image() {
    let mut criterion =
        Criterion::new([criteria::find("faster_rcnn").unwrap().make().heads[0].clone()]);
    criterion.heads[0].sampler.as_mut().unwrap().size = 8;
    let mut scene = Scene::new(&criterion, 16);
    // Three times the same image.
    scene = scene.images(&[0, 0, 0]);
    let layer = &scene.layers[0];
    let (truths, anchors) = (scene.truths(), Scene::anchors::<f64>());
    let chosen = |seed: u64| {
        let outputs =
            Outputs::new(3, &[], &layer.boxes).quality(&layer.quality).anchors(&anchors).seed(seed);
        let result = criterion.evaluate(&[outputs], &truths).unwrap();
        result.matches[0].iter().map(|matches| matches.indices.clone()).collect::<Vec<_>>()
    };
    let first = chosen(1);
    assert_eq!(first, chosen(1));
    assert_ne!(first, chosen(2));
    assert_ne!(first[0], first[1]);
    for indices in &first {
        assert_eq!(indices.iter().filter(|&&index| index != IGNORED).count(), 8);
    }
}

#[test]
fn a_label_of_background_is_no_truth() {
    for (name, wrong, says) in [
        ("ssd", 0, "truth 0 has label 0, which is background: use 1 to 4"),
        ("detr", 4, "truth 0 has label 4, which is background: use 0 to 3"),
    ] {
        let criterion: Criterion = name.parse().unwrap();
        let mut scene = Scene::new(&criterion, 17);
        scene.truths[2].1[0] = wrong;
        let error = scene.try_evaluate(&criterion).unwrap_err().to_string();
        assert_eq!(error, format!("image 2: {says}"));
    }
}

#[test]
fn the_groups_of_queries_are_those_of_the_matcher() {
    let criterion: Criterion = "rf_detr".parse().unwrap();
    let (logits, boxes) = ([0.3; 26], [0.4; 104]);
    let truths = [Truths::new(&[0.5, 0.5, 0.2, 0.3], &[0])];
    let outputs = Outputs::new(1, &logits, &boxes);
    let total = criterion.evaluate(&[outputs], &truths).unwrap().total;
    assert_eq!(total, criterion.evaluate(&[outputs.groups(13)], &truths).unwrap().total);
    let error = criterion.evaluate(&[outputs.groups(2)], &truths).unwrap_err().to_string();
    assert!(error.contains("groups of the matcher"), "{error}");
}

#[test]
fn distributions_that_do_not_fit_are_errors_with_the_remedy() {
    let criterion = criteria::find("deim").unwrap().make();
    let (logits, boxes, truths) = ([0.5; 2], [0.5; 8], [Truths::new(&[0.5; 4], &[0])]);
    let outputs = Outputs::new(1, &logits, &boxes);
    let message = |outputs: &[_]| criterion.evaluate(outputs, &truths).unwrap_err().to_string();
    assert!(message(&[outputs]).contains("needs distributions with their references"));
    let (nine, five) = ([0.1; 2 * 4 * 9], [0.1; 2 * 4 * 5]);
    let good = outputs.distribution(&nine, &boxes);
    criterion.evaluate(&[good, good], &truths).unwrap();
    assert!(message(&[outputs.distribution(&nine, &boxes[1..])]).contains("the references"));
    assert!(message(&[outputs.distribution(&nine[1..], &boxes)]).contains("the distributions"));
    assert!(message(&[good, outputs.distribution(&five, &boxes)]).contains("the distributions"));
    let pre = Outputs::new(1, &logits[1..], &boxes[4..]).head("pre");
    assert!(message(&[good, pre]).contains("a layer's matches"));
}

/// What is beyond counts as the end of the range, and nothing pulls it back.
#[test]
fn clamped_boxes_have_no_gradient_beyond_the_image() {
    let detr = criteria::find("deformable_detr").unwrap().make();
    let mut clamping = detr.clone();
    clamping.heads[0].clamp = true;
    let (wide, held) =
        ([0.5, 0.5, 1.2, 0.4, 0.3, -0.1, 0.2, 0.3], [0.5, 0.5, 1.0, 0.4, 0.3, 0.0, 0.2, 0.3]);
    let truths = [Truths::new(&[0.5, 0.5, 0.9, 0.5, 0.3, 0.2, 0.2, 0.2], &[0, 1])];
    let logits = [0.1, 0.3, -0.2, 0.4];
    let evaluate = |criterion: &Criterion, boxes: &[f64]| {
        criterion.evaluate(&[Outputs::new(1, &logits, &boxes)], &truths).unwrap()
    };
    let (clamped, inside) = (evaluate(&clamping, &wide), evaluate(&detr, &held));
    assert_eq!((clamped.total, &clamped.matches), (inside.total, &inside.matches));
    for (at, (slope, full)) in clamped.grads[0].boxes.iter().zip(&inside.grads[0].boxes).enumerate()
    {
        let expected = if [2, 5].contains(&at) { 0.0 } else { *full };
        assert_eq!(*slope, expected, "number {at}");
    }
    assert_ne!(inside.grads[0].boxes[2], 0.0);
}

#[test]
fn wrong_outputs_are_errors_with_the_remedy() {
    let yolo = criteria::find("rtmdet").unwrap().make();
    let scene = Scene::new(&yolo, 6);
    let anchors = Scene::anchors::<f64>();
    let layer = &scene.layers[0];
    let truths = scene.truths();
    let good = Outputs::new(truths.len(), &layer.logits, &layer.boxes).anchors(&anchors);
    yolo.evaluate(&[good], &truths).unwrap();
    let message =
        |outputs, truths: &[_]| yolo.evaluate(&[outputs], truths).unwrap_err().to_string();
    let without = Outputs::new(truths.len(), &layer.logits, &layer.boxes);
    assert!(message(without, &truths).contains("needs anchors"));
    assert!(message(good.head("other"), &truths).contains("it has head"));
    assert!(message(good, &truths[..1]).contains("the truths"));
    let short = Outputs::new(truths.len(), &layer.logits[1..], &layer.boxes).anchors(&anchors);
    assert!(message(short, &truths).contains("the logits"));
    let nothing = Outputs::new(truths.len(), &[], &layer.boxes).anchors(&anchors);
    assert!(message(nothing, &truths).contains("needs logits of classes"));
    let yolo = criteria::find("yolo26").unwrap().make();
    let distances = vec![1.0; layer.logits.len() / 5 * 4];
    let flat = Outputs::new(truths.len(), &layer.logits, &distances)
        .anchors(&anchors)
        .image_size(0.0, 9.0);
    let error = yolo.evaluate(&[flat], &truths).unwrap_err().to_string();
    assert!(error.contains("the size of the images"), "{error}");
}

/// Of a first stage, whose proposals are other boxes in each image.
#[test]
fn anchors_of_images_are_those_of_each_image() {
    let criterion =
        Criterion::new([criteria::find("faster_rcnn").unwrap().make().heads[1].clone()]);
    let rows = 4;
    let proposals: Vec<Vec<f64>> = (0..2)
        .map(|image| {
            (0..4 * rows).map(|at| f64::from(30 * (at % 4 / 2) + 3 * at + 5 * image)).collect()
        })
        .collect();
    let anchors: Vec<_> = proposals.iter().map(|boxes| Anchors::boxes(boxes).unwrap()).collect();
    let wave =
        |count: i32| -> Vec<f64> { (0..count).map(|at| f64::from(at * at % 7) * 0.1).collect() };
    let (logits, boxes, pairs) =
        (wave(2 * 4 * 3), wave(2 * 4 * 3 * 4), [0, -1, 1, -2, -1, -1, 0, 0]);
    let truths = [
        Truths::new(&[2.0, 3.0, 40.0, 44.0, 9.0, 9.0, 30.0, 50.0], &[2, 1]),
        Truths::new(&[20.0, 9.0, 66.0, 70.0], &[1]),
    ];
    let both = Outputs::new(2, &logits, &boxes).anchors_of_images(&anchors).pairs(&pairs);
    let result = criterion.evaluate(&[both], &truths).unwrap();
    let mut values = vec![0.0; result.terms.len()];
    for image in 0..2 {
        let of =
            |numbers: &'_ [f64]| numbers.chunks(numbers.len() / 2).nth(image).unwrap().to_vec();
        let (logits, boxes) = (of(&logits), of(&boxes));
        let outputs = Outputs::new(1, &logits, &boxes)
            .anchors(&anchors[image])
            .pairs(&pairs[4 * image..][..4]);
        let alone = criterion.evaluate(&[outputs], &truths[image..=image]).unwrap();
        // Three and four predictions count.
        let share = [3.0, 4.0][image] / 7.0;
        for (value, term) in values.iter_mut().zip(&alone.terms) {
            *value += share * term.value;
        }
        for (whole, part) in of(&result.grads[0].boxes).iter().zip(&alone.grads[0].boxes) {
            assert!(close(*whole, share * part, 1e-12));
        }
    }
    for (value, term) in values.into_iter().zip(&result.terms) {
        assert!(term.value > 0.0 && close(value, term.value, 1e-12), "{term:?}");
    }
    // Of a prediction only the box of the truth's class has a slope.
    let touched: Vec<usize> =
        (0..24).filter(|at| result.grads[0].boxes[4 * at..][..4] != [0.0; 4]).collect();
    assert_eq!(touched, [2, 7, 19, 22]);
    let error = criterion.evaluate(&[both.anchors_of_images(&anchors[..1])], &truths).unwrap_err();
    assert!(error.to_string().contains("one item an image"), "{error}");
    let mut looking = criterion;
    looking.heads[0].matcher = Some("sim_ota".parse().unwrap());
    assert!(matches!(looking.check(), Err(Error::UnfitMatcher { .. })));
}

/// Dimensions that are exchanged have as many numbers.
#[test]
fn arrays_have_shapes() {
    let yolo: Criterion = "fcos".parse().unwrap();
    let scene = Scene::new(&yolo, 14);
    let (points, strides) = Scene::points::<f64>();
    let (layer, rows, classes) =
        (&scene.layers[0], strides.len(), scene.layers[0].logits.len() / 3 / strides.len());
    fn array<'a>(shape: &'a [usize], numbers: &'a [f64]) -> Array<'a, f64> {
        Array { shape, numbers }
    }
    let (of_logits, of_boxes, of_rows, of_points) =
        ([3, rows, classes], [3, rows, 4], [3, rows], [rows, 2]);
    let outputs = OutputArrays {
        logits: Some(array(&of_logits, &layer.logits)),
        quality: Some(array(&of_rows, &layer.quality)),
        anchors: Some(Places::Points(array(&of_points, &points), &strides)),
        levels: Some(&Scene::LEVELS),
        image_size: Some([Scene::SIDE; 2]),
        ..OutputArrays::new(array(&of_boxes, &layer.boxes))
    };
    let shapes: Vec<_> = scene.truths.iter().map(|(boxes, _)| [boxes.len() / 4, 4]).collect();
    let truths: Vec<_> = scene
        .truths
        .iter()
        .zip(&shapes)
        .map(|((boxes, labels), shape)| TruthArrays { boxes: array(shape, boxes), labels })
        .collect();
    let result =
        yolo.evaluate_arrays(std::slice::from_ref(&outputs), &truths, Options::default()).unwrap();
    // A scene has angles and distributions, too, which have slopes of 0.
    let mut expected = scene.evaluate(&yolo);
    (expected.grads[0].angle, expected.grads[0].distribution) = (Vec::new(), Vec::new());
    assert_eq!(result, expected);
    let (turned, flat, tall) = ([3, 4, rows], [3 * rows, 4], [4, shapes[0][0]]);
    for (wrong, says) in [
        (
            OutputArrays { boxes: array(&turned, &layer.boxes), ..outputs.clone() },
            "the tensor of raw boxes has shape [3, 4, 80]: give [3, 80, 4]",
        ),
        (OutputArrays { boxes: array(&flat, &layer.boxes), ..outputs.clone() }, "give [3, 80, 4]"),
        (
            OutputArrays {
                logits: Some(array(&[3, classes, rows], &layer.logits)),
                ..outputs.clone()
            },
            "the tensor of logits has shape",
        ),
        (
            OutputArrays { quality: Some(array(&[rows, 3], &layer.quality)), ..outputs.clone() },
            "the tensor of quality",
        ),
        (OutputArrays { quality: None, ..outputs.clone() }, "needs a quality"),
    ] {
        let error =
            yolo.evaluate_arrays(&[wrong], &truths, Options::default()).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let mut across = truths.clone();
    across[0].boxes.shape = &tall;
    let error =
        yolo.evaluate_arrays(&[outputs], &across, Options::default()).unwrap_err().to_string();
    assert!(error.contains("a tensor of truths"), "{error}");
}

#[test]
fn truths_that_nothing_could_find_are_errors() {
    for (entry, criterion) in all() {
        let scene = Scene::new(&criterion, 7);
        let width = criterion.heads[0].decoder.kind().fields().len();
        let good = (scene.truths[0].0[..width].to_vec(), vec![1_i64]);
        let mut nan = good.clone();
        nan.0[1] = f64::NAN;
        let bad = [
            ((good.0.clone(), vec![99]), "truth 0 has label 99"),
            ((good.0.clone(), vec![-3]), "truth 0 has label -3"),
            ((good.0.clone(), vec![1, 1]), "a box for each label"),
            ((vec![], vec![1]), "a box for each label"),
            (nan, "give a finite number"),
        ];
        for ((boxes, labels), message) in bad {
            let mut scene = scene.clone();
            scene.truths[2] = (boxes, labels);
            // What a scene gives pairs by is no longer there.
            for pairs in scene.pairs.iter_mut().flatten() {
                pairs.fill(-1);
            }
            let error = scene.try_evaluate(&criterion).unwrap_err().to_string();
            assert!(
                error.starts_with("image 2: ") && error.contains(message),
                "{}: {error}",
                entry.name
            );
        }
    }
}
