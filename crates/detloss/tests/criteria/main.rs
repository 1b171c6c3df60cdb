//! Laws that every criterion of the list keeps.

mod scene;

use std::sync::Mutex;

use detloss::Error;
use detloss::batch::Kernel as _;
use detloss::criteria::{
    self, Compares, Criterion, Decoder, Entry, Evaluation, Labels, Outputs, Quality,
};
use detloss::criteria::{Normalizer, Options, OutputGrads, RowWeight, Schedule, Truths};
use detloss::losses::AnyLoss;
use detloss::matching::{Anchors, IGNORED};
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
        for (grads, turned) in result.grads.iter().zip(&turned.grads) {
            let images = |slopes: &[f64]| {
                slopes
                    .chunks((slopes.len() / 3).max(1))
                    .rev()
                    .flatten()
                    .copied()
                    .collect::<Vec<_>>()
            };
            for (slopes, turned) in [(&grads.logits, &turned.logits), (&grads.boxes, &turned.boxes)]
            {
                assert!(
                    images(slopes).iter().zip(turned).all(|(a, b)| close(*a, *b, 1e-12)),
                    "{}",
                    entry.name
                );
            }
        }
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let alone = one.install(|| scene.evaluate(&criterion));
        assert_eq!(result, alone, "{}", entry.name);
        let terms: f64 = result.terms.iter().map(|term| term.value).sum();
        assert_eq!(terms, result.total, "{}", entry.name);
    }
}

#[test]
fn the_value_alone_is_the_value() {
    for (entry, criterion) in all() {
        let scene = Scene::new(&criterion, 8);
        let (whole, value) = (
            scene.evaluate(&criterion),
            scene.evaluate_with(&criterion, Options::default().value_only()).unwrap(),
        );
        assert_eq!((whole.total, &whole.terms), (value.total, &value.terms), "{}", entry.name);
        assert!(value.grads.is_empty(), "{}", entry.name);
    }
}

#[test]
fn gradients_overwrite_the_memory_of_the_caller() {
    for (entry, criterion) in all() {
        let scene = Scene::new(&criterion, 12);
        for scene in [scene.clone(), scene.images(&[1])] {
            let mut grads = scene.evaluate(&criterion).grads;
            let expected = grads.clone();
            let dirty = |part: &mut Vec<f64>| part.fill(f64::NAN);
            for grads in &mut grads {
                let OutputGrads { logits, boxes, quality, angle, distribution, .. } = grads;
                [logits, boxes, quality, angle, distribution].into_iter().for_each(dirty);
            }
            let result = scene.evaluate_into(&criterion, &mut grads).unwrap();
            assert_eq!(grads, expected, "{}", entry.name);
            assert!(result.grads.is_empty());
            grads[0].boxes.pop();
            let error = scene.evaluate_into(&criterion, &mut grads).unwrap_err();
            assert!(error.to_string().contains("the gradient by the raw boxes"), "{error}");
        }
    }
}

/// Two processes, whose gradients are averaged, do what one does with all images.
#[test]
fn normalizers_over_processes_make_one_batch_of_all() {
    let mut reduced = 0;
    for (entry, mut criterion) in all() {
        // A mean of means has no sum to be divided once.
        let is_sum =
            |normalizer| !matches!(normalizer, Normalizer::Roots | Normalizer::RootsOfUnion);
        for head in &mut criterion.heads {
            head.terms.retain(|term| is_sum(term.normalizer));
        }
        let scene = Scene::new(&criterion, 9);
        // So many that hardly a sum is below 1, where it counts as that.
        let images = [[0; 40], [2; 40]].concat().into_iter().chain([1]).collect::<Vec<_>>();
        let whole = scene.images(&images).evaluate(&criterion);
        let parts = [scene.images(&images[..60]), scene.images(&images[60..])];
        let sums = parts.each_ref().map(|part| {
            let sent = Mutex::new(Vec::new());
            let look = |numbers: &mut [f64]| {
                sent.lock().unwrap().extend_from_slice(numbers);
                Ok(())
            };
            part.evaluate_with(&criterion, Options::default().all_reduce(&look)).unwrap();
            sent.into_inner().unwrap()
        });
        assert_eq!(sums[0].is_empty(), !criterion.all_reduce, "{}", entry.name);
        let is_floored = |index: usize| sums[0][index] + sums[1][index] < 2.0;
        if !criterion.all_reduce || (0..sums[0].len()).any(is_floored) {
            continue;
        }
        reduced += 1;
        let means = |numbers: &mut [f64]| {
            for (index, number) in numbers.iter_mut().enumerate() {
                *number = (sums[0][index] + sums[1][index]) / 2.0;
            }
            Ok(())
        };
        let results = parts.each_ref().map(|part| {
            part.evaluate_with(&criterion, Options::default().all_reduce(&means)).unwrap()
        });
        let mean = (results[0].total + results[1].total) / 2.0;
        assert!(close(mean, whole.total, 1e-12), "{}: {mean} is not {}", entry.name, whole.total);
        for (layer, grads) in whole.grads.iter().enumerate() {
            let parts = results.iter().flat_map(|result| &result.grads[layer].boxes);
            let halves: Vec<f64> = parts.map(|slope| slope / 2.0).collect();
            assert!(
                halves.iter().zip(&grads.boxes).all(|(a, b)| close(*a, *b, 1e-12)),
                "{}",
                entry.name
            );
        }
        let refuse = |_: &mut [f64]| Err(Error::Cancelled);
        let outputs = scene.evaluate_with(&criterion, Options::default().all_reduce(&refuse));
        assert_eq!(outputs, Err(Error::Cancelled));
    }
    assert!(reduced >= 4, "{reduced}");
}

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

/// In single precision too, where what is near is told from what is far with fewer digits.
#[test]
fn far_boxes_with_given_pairs_have_finite_gradients() {
    for (entry, criterion) in all() {
        let criterion = with_pairs(criterion);
        for scale in [1e3, 1e6, 1e30] {
            let mut scene = Scene::new(&criterion, 15);
            for layer in &mut scene.layers {
                layer.boxes.iter_mut().for_each(|number| *number *= scale);
            }
            let result = scene.single(&criterion);
            assert!(result.total.is_finite(), "{} at {scale}", entry.name);
            for grads in &result.grads {
                let all = grads.boxes.iter().chain(&grads.logits).chain(&grads.angle);
                assert!(
                    all.into_iter().all(|slope| slope.is_finite()),
                    "{} at {scale}",
                    entry.name
                );
            }
        }
    }
}

/// Whatever has to be encoded or decoded on the way to the truth.
#[test]
fn a_perfect_box_costs_nothing_and_has_no_slope() {
    let mut count = 0;
    for (entry, mut criterion) in all() {
        for head in &mut criterion.heads {
            head.terms
                .retain(|term| matches!(term.compares, Compares::Boxes(_) | Compares::Offsets(_)));
        }
        let mut criterion = with_pairs(criterion);
        let decoder = criterion.heads[0].decoder;
        criterion.heads.retain(|head| head.decoder == decoder && !head.class_specific);
        // No number of these is one of few bits.
        let truth = [0.3, 0.4, 0.2, 0.1];
        let corners = [3.0, 5.0, 43.0, 29.0];
        let (raw, truth) = match decoder {
            Decoder::Centers => (truth, truth),
            Decoder::Distances => (
                [12.0 - 3.0, 20.0 - 5.0, 43.0 - 12.0, 29.0 - 20.0].map(|side: f64| side / 8.0),
                corners,
            ),
            _ => continue,
        };
        count += 1;
        let evaluate = |raw: [f64; 4]| {
            let numbers = raw.map(|number| number as f32);
            let boxes = truth.map(|number| number as f32);
            let anchors = Anchors::points(&[12.0_f32, 20.0], &[8.0]).unwrap();
            let outputs = criterion.heads.iter().map(|head| {
                Outputs::new(1, &[0.1_f32, 0.2, 0.3], &numbers)
                    .head(&head.name)
                    .anchors(&anchors)
                    .pairs(&[0])
                    .image_size(64.0, 64.0)
            });
            criterion.evaluate(&outputs.collect::<Vec<_>>(), &[Truths::new(&boxes, &[1])]).unwrap()
        };
        let perfect = evaluate(raw);
        assert_eq!(perfect.total, 0.0, "{}", entry.name);
        let slopes = perfect.grads.iter().flat_map(|grads| &grads.boxes);
        assert!(
            slopes.into_iter().all(|slope| *slope == 0.0),
            "{}: {:?}",
            entry.name,
            perfect.grads
        );
        assert!(evaluate(raw.map(|number| number * 1.01)).total > 0.0, "{}", entry.name);
    }
    assert!(count >= 8, "{count}");
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
    let (truths, anchors) = (scene.truths(), scene.anchors::<f64>());
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
fn a_batch_of_no_images_is_worth_nothing() {
    for (entry, criterion) in all() {
        let result = Scene::new(&criterion, 13).images(&[]).evaluate(&criterion);
        assert_eq!(result.total, 0.0, "{}", entry.name);
    }
}

#[test]
fn weights_change_over_a_run() {
    let yolo = criteria::find("yolo26").unwrap().make();
    let end = yolo.clone().at(1.0);
    assert_eq!(end.heads[0].weight, Schedule::Constant(0.1));
    assert_eq!(yolo.clone().at(f64::NAN), yolo.clone().at(0.0));
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

/// A front-end that replays them has the decoder of this library.
#[test]
fn programs_of_decoders_are_inverse_and_know_the_middle() {
    let angled = [Decoder::RotatedDistances, Decoder::RotatedBins(4)];
    let upright = [
        Decoder::Corners,
        Decoder::Centers,
        Decoder::Deltas([10.0, 10.0, 5.0, 5.0]),
        Decoder::Distances,
        Decoder::Bins(16),
        Decoder::Cell,
    ];
    // Middle, sides and stride.
    let place = [20.0, 12.0, 16.0, 24.0, 8.0];
    let inputs = |fields: [f64; 5]| [fields.as_slice(), &place].concat();
    for decoder in upright.into_iter().chain(angled) {
        let programs = decoder.programs();
        let angle = if angled.contains(&decoder) { 0.3 } else { 0.0 };
        let raw = [0.6, 0.9, 1.2, 0.7];
        let [a, b, c, d] = raw;
        let mut fields = programs.decode.run(&inputs([a, b, c, d, angle]));
        assert_eq!(fields.len(), if angle == 0.0 { 4 } else { 5 }, "{decoder:?}");
        fields.resize(5, 0.0);
        let encoded = programs.encode.run(&inputs(fields.try_into().unwrap()));
        let near = encoded.iter().zip(raw).all(|(&number, raw)| close(number, raw, 1e-12));
        assert!(encoded.len() == 4 && near, "{decoder:?}: {encoded:?}");
    }
    // As it is defined: 12 and 4 to the sides, 2 and 8 up and down.
    let centerness = Decoder::Distances.programs().centerness;
    let of = |corners: [f64; 5]| centerness.run(&inputs(corners))[0];
    assert!(close(of([8.0, 10.0, 24.0, 20.0, 0.0]), (4.0_f64 / 12.0 * 0.25).sqrt(), 1e-12));
    assert_eq!(of([21.0, 10.0, 24.0, 20.0, 0.0]), 0.0);
    let boxes = Decoder::Distances.programs().decode;
    assert_eq!(boxes.run(&inputs([1.5, 0.25, 0.5, 1.0, 0.0])), [8.0, 10.0, 24.0, 20.0]);
}
