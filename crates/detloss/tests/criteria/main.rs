//! Laws that every criterion of the list keeps.

mod scene;

use detloss::Error;
use detloss::batch::Kernel as _;
use detloss::criteria::{self, Compares, Criterion, Entry, Evaluation, Labels, Outputs, Quality};
use detloss::criteria::{RowWeight, Schedule, Truths};
use detloss::losses::AnyLoss;
use scene::Scene;

/// Every criterion; in a build without kernels those of formulas alone.
fn all() -> impl Iterator<Item = (&'static Entry, Criterion)> {
    let is_formula = |loss: &AnyLoss| cfg!(feature = "kernels") || loss.trace(true).is_some();
    let made = criteria::ALL.iter().map(|entry| (entry, entry.make()));
    made.filter(move |(_, criterion)| {
        criterion.heads.iter().flat_map(|head| &head.terms).all(|term| is_formula(&term.loss))
    })
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs()))
}

#[test]
fn every_line_says_what_it_is() {
    let mut names = Vec::new();
    for entry in criteria::ALL {
        names.push(entry.name);
        names.extend(entry.aliases);
        for text in [entry.label, entry.source, entry.summary()] {
            assert!(!text.is_empty(), "{}", entry.name);
        }
        assert!(entry.doc.contains("# References"), "{}", entry.name);
        assert!(entry.file.ends_with(&format!("{}.rs", entry.name)), "{}", entry.file);
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "two criteria of one name");
    let error = criteria::find("yolo").unwrap_err();
    assert!(error.to_string().contains("yolo8"), "{error}");
}

#[test]
fn every_criterion_fits_itself_and_can_be_set() {
    for (entry, criterion) in all() {
        criterion.check().unwrap();
        let (mut heads, mut terms) = (Vec::new(), Vec::new());
        for head in &criterion.heads {
            heads.push(&head.name);
            for term in &head.terms {
                terms.push((&head.name, &term.name));
                let mut changed = criterion.clone();
                changed.set(&format!("{}.{}.weight", head.name, term.name), "0.5").unwrap();
                changed.set(&term.name, &term.loss.to_string()).unwrap();
                let error = changed.set(&term.name, "rmse").unwrap_err();
                assert!(matches!(error, Error::UnfitLoss { .. }), "{}: {error}", entry.name);
            }
        }
        for names in [heads.len(), terms.len()] {
            assert!(names > 0, "{}", entry.name);
        }
        terms.sort_unstable();
        terms.dedup();
        assert_eq!(terms.len(), criterion.heads.iter().map(|head| head.terms.len()).sum::<usize>());
    }
}

/// With pairs that are given, and labels and weights that do not depend on boxes.
fn with_pairs(mut criterion: Criterion) -> Criterion {
    for head in &mut criterion.heads {
        head.matcher = None;
        for term in &mut head.terms {
            match &mut term.compares {
                Compares::Classes(labels @ Labels::Iou) => *labels = Labels::OneHot,
                Compares::Quality(quality @ Quality::Iou) => *quality = Quality::Matched,
                _ => {}
            }
            if matches!(term.row_weight, RowWeight::Iou | RowWeight::Confidence) {
                term.row_weight = RowWeight::One;
            }
        }
    }
    criterion
}

/// The derivative by one number of the outputs, by central differences.
fn slope(at: impl Fn(f64) -> f64, x: f64) -> f64 {
    let h = 1e-6 * (1.0 + x.abs());
    (at(x + h) - at(x - h)) / (2.0 * h)
}

#[test]
fn gradients_are_the_slopes_of_the_total_by_the_raw_outputs() {
    for (entry, criterion) in all() {
        let scene = Scene::new(&criterion, 1);
        let found = scene.evaluate(&criterion);
        let pairs: Vec<Vec<i32>> = (found.matches.iter())
            .map(|images| images.iter().flat_map(|matches| matches.indices.clone()).collect())
            .collect();
        let mut scene = scene;
        scene.pairs = Some(pairs);
        let mut criterion = with_pairs(criterion);
        let result = scene.evaluate(&criterion);
        // Detached factors of a loss are constants for its gradient.
        for head in &mut criterion.heads {
            head.terms.retain(|term| term.loss.has_exact_gradient());
        }
        let exact = scene.evaluate(&criterion);
        assert!(result.total > 0.0 && exact.total > 0.0, "{}", entry.name);
        // A teacher is one, too.
        let mut untaught = criterion.clone();
        for head in &mut untaught.heads {
            head.terms.retain(|term| term.compares != Compares::Teacher);
        }
        for (layer, grads) in exact.grads.iter().enumerate() {
            let criterion = if scene.is_teacher(layer) { &untaught } else { &criterion };
            let parts =
                [&grads.logits, &grads.boxes, &grads.quality, &grads.angle, &grads.distribution];
            for (part, grad) in parts.into_iter().enumerate() {
                let mut largest: Vec<usize> = (0..grad.len()).collect();
                largest.sort_by(|&a, &b| grad[b].abs().total_cmp(&grad[a].abs()));
                for &index in largest.iter().take(6).chain(largest.last()) {
                    let at = |x: f64| {
                        let mut moved = scene.clone();
                        moved.layers[layer].parts_mut()[part][index] = x;
                        moved.evaluate(criterion).total
                    };
                    let numeric = slope(at, scene.layers[layer].parts()[part][index]);
                    assert!(
                        close(numeric, grad[index], 2e-5),
                        "{} layer {layer} part {part} at {index}: {numeric} and not {}",
                        entry.name,
                        grad[index]
                    );
                }
            }
        }
    }
}

#[test]
fn images_are_worth_the_same_in_any_order_and_on_any_threads() {
    for (entry, criterion) in all() {
        let scene = Scene::new(&criterion, 2);
        let result = scene.evaluate(&criterion);
        let turned = scene.reversed().evaluate(&criterion);
        assert!(close(result.total, turned.total, 1e-12), "{}", entry.name);
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let alone = one.install(|| scene.evaluate(&criterion));
        assert_eq!(result, alone, "{}", entry.name);
        let terms: f64 = result.terms.iter().map(|term| term.value).sum();
        assert_eq!(terms, result.total, "{}", entry.name);
    }
}

#[test]
fn single_precision_is_near_double() {
    for (entry, criterion) in all() {
        let scene = Scene::new(&criterion, 3);
        let (double, single) = (scene.evaluate(&criterion), scene.single(&criterion));
        for (a, b) in double.terms.iter().zip(&single.terms) {
            assert!(close(a.value, b.value, 2e-3), "{}: {a:?} and {b:?}", entry.name);
        }
    }
}

#[test]
fn without_truths_everything_is_finite_and_boxes_have_no_gradient() {
    for (entry, criterion) in all() {
        let mut scene = Scene::new(&criterion, 4);
        scene.truths.iter_mut().for_each(|truths| *truths = (Vec::new(), Vec::new()));
        scene.pairs =
            scene.pairs.map(|pairs| pairs.into_iter().map(|pairs| vec![-1; pairs.len()]).collect());
        let result = scene.evaluate(&criterion);
        assert!(result.total.is_finite() && result.total >= 0.0, "{}", entry.name);
        for grads in &result.grads {
            assert!(grads.boxes.iter().all(|slope| *slope == 0.0), "{}", entry.name);
            let others = grads.logits.iter().chain(&grads.distribution);
            assert!(others.into_iter().all(|slope| slope.is_finite()), "{}", entry.name);
        }
    }
}

#[test]
fn huge_outputs_stay_finite() {
    for (entry, criterion) in all() {
        for scale in [30.0, 1e4] {
            let mut scene = Scene::new(&criterion, 5);
            for layer in &mut scene.layers {
                for part in layer.parts_mut() {
                    part.iter_mut().for_each(|number| *number *= scale);
                }
            }
            let result: Evaluation<f64> = scene.evaluate(&criterion);
            assert!(result.total.is_finite(), "{} at {scale}", entry.name);
            for grads in &result.grads {
                let parts = [
                    &grads.logits,
                    &grads.boxes,
                    &grads.quality,
                    &grads.angle,
                    &grads.distribution,
                ];
                let all = parts.into_iter().flatten();
                assert!(
                    all.into_iter().all(|slope| slope.is_finite()),
                    "{} at {scale}",
                    entry.name
                );
            }
        }
    }
}

#[test]
fn a_layer_like_its_teacher_has_nothing_to_learn() {
    let criterion = criteria::find("d_fine").unwrap().make();
    let mut scene = Scene::new(&criterion, 7);
    let ddf = |scene: &Scene| {
        let result = scene.evaluate(&criterion);
        result.terms.iter().filter(|term| term.term == "ddf").map(|term| term.value).sum::<f64>()
    };
    assert!(ddf(&scene) > 0.1);
    for layer in 1..scene.layers.len() {
        if scene.is_teacher(layer) && !scene.is_teacher(layer - 1) {
            let teacher = scene.layers[layer].distribution.clone();
            scene.layers[layer - 1].distribution = teacher;
        }
    }
    assert_eq!(ddf(&scene), 0.0);
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

#[test]
fn weights_change_over_a_run() {
    let yolo = criteria::find("yolo26").unwrap().make();
    let end = yolo.clone().at(1.0);
    assert_eq!(end.heads[0].weight, Schedule::Constant(0.1));
    assert_eq!(yolo.at(0.0).heads[1].weight, Schedule::Constant(0.2));
}

#[test]
fn wrong_outputs_are_errors_with_the_remedy() {
    let yolo = criteria::find("rtmdet").unwrap().make();
    let scene = Scene::new(&yolo, 6);
    let anchors = scene.anchors::<f64>();
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

#[cfg(feature = "serde")]
#[test]
fn a_criterion_is_saved_and_read() {
    for (entry, criterion) in all() {
        let text = serde_json::to_string(&criterion).unwrap();
        let read: Criterion = serde_json::from_str(&text).unwrap();
        assert_eq!(read, criterion, "{}", entry.name);
        let error = serde_json::from_str::<Criterion>(&text.replace("heads", "hats")).unwrap_err();
        assert!(error.to_string().contains("hats"), "{error}");
    }
}
