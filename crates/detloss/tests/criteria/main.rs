//! Laws that every criterion of the list keeps.

mod decode;
mod gradients;
mod inputs;

use std::sync::Mutex;

use detloss::Error;
use detloss::batch::Kernel as _;
use detloss::criteria::{
    self, Compares, Criterion, Decoder, Entry, Evaluation, Labels, Outputs, Quality,
};
use detloss::criteria::{Normalizer, Options, RowWeight, Schedule, Truths};
use detloss::losses::AnyLoss;
use detloss::matching::Anchors;
use detloss::testing::Scene;

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
