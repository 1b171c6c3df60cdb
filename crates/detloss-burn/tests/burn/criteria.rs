//! A criterion of tensors is the criterion of their numbers.

use burn::tensor::{DType, Device, Tensor};
use detloss::criteria::{self, ALL, OutputGrads};
use detloss::scalar::Element;
use detloss::testing::{Scene, SceneLayer};
use detloss_burn::criteria::{Criterion, Evaluation, Outputs, Truths, evaluate};
use detloss_burn::matching::Places;

use crate::{integers, numbers, tensor};

/// The outputs of a scene, and the beginnings of their graphs.
struct Tensors {
    leaves: Vec<Outputs>,
    outputs: Vec<Outputs>,
    truths: Vec<Truths>,
}

/// The same numbers, computed, and not in order: the columns of a head of convolutions come first.
fn computed(outputs: &Outputs) -> Outputs {
    let three = |leaf: &Tensor<3>| (leaf.clone().swap_dims(1, 2) * 1.0).swap_dims(1, 2);
    let two = |leaf: &Tensor<2>| leaf.clone() * 1.0;
    Outputs {
        logits: outputs.logits.as_ref().map(three),
        quality: outputs.quality.as_ref().map(two),
        angle: outputs.angle.as_ref().map(two),
        distribution: outputs.distribution.as_ref().map(three),
        references: outputs.references.as_ref().map(three),
        boxes: three(&outputs.boxes),
        ..outputs.clone()
    }
}

impl Tensors {
    fn new(scene: &Scene, dtype: DType) -> Self {
        let of = |(index, layer): (usize, &SceneLayer)| {
            let SceneLayer { logits, boxes, quality, angle, distribution, references, .. } = layer;
            let images = scene.truths.len();
            let shape = [images, quality.len() / images];
            let three = |numbers: &[f64]| {
                let columns = numbers.len() / quality.len();
                tensor(numbers, [shape[0], shape[1], columns], dtype).require_grad()
            };
            let two = |numbers: &[f64]| tensor(numbers, shape, dtype).require_grad();
            let pairs = scene.pairs.as_ref().map(|pairs| {
                let pairs: Vec<i64> = pairs[index].iter().copied().map(i64::from).collect();
                integers(&pairs, shape)
            });
            let (points, strides) = Scene::points::<f64>();
            let rows = strides.len();
            let places =
                Places::Points(tensor(&points, [rows, 2], dtype), tensor(&strides, [rows], dtype));
            Outputs {
                logits: Some(three(logits)),
                head: Some(layer.head.clone()),
                anchors: scene.has_points.then_some(places),
                levels: scene.has_points.then(|| Scene::LEVELS.to_vec()),
                quality: Some(two(quality)),
                angle: Some(two(angle)),
                distribution: Some(three(distribution)),
                references: Some(three(references)),
                image_size: Some([Scene::SIDE; 2]),
                pairs,
                ..Outputs::new(three(boxes))
            }
        };
        let truths = scene.truths.iter().map(|(boxes, labels)| {
            let width = boxes.len().checked_div(labels.len()).unwrap_or(4);
            Truths {
                boxes: tensor(boxes, [labels.len(), width], dtype),
                labels: integers(labels, [labels.len()]),
            }
        });
        let leaves: Vec<_> = scene.layers.iter().enumerate().map(of).collect();
        let outputs = leaves.iter().map(computed).collect();
        Self { leaves, outputs, truths: truths.collect() }
    }

    fn evaluate(&self, criterion: &Criterion) -> Evaluation {
        evaluate(criterion, &self.outputs, &self.truths).expect("a value")
    }

    /// The gradients of a total, by everything that is not a constant.
    fn grads(&self, total: &Tensor<1>) -> Vec<[Vec<f64>; 5]> {
        let grads = total.backward();
        let by = |of: &Outputs| {
            let three = |leaf: &Tensor<3>| {
                let grad = leaf.grad(&grads).expect("a gradient");
                assert_eq!((grad.dims(), grad.dtype()), (leaf.dims(), leaf.dtype()));
                numbers(&grad)
            };
            let two = |leaf: &Option<Tensor<2>>| {
                numbers(&leaf.as_ref().expect("given").grad(&grads).expect("a gradient"))
            };
            let references = of.references.as_ref().expect("references");
            assert!(references.grad(&grads).is_none());
            let distribution = of.distribution.as_ref().expect("distributions");
            let logits = of.logits.as_ref().expect("logits");
            [three(logits), three(&of.boxes), two(&of.quality), two(&of.angle), three(distribution)]
        };
        self.leaves.iter().map(by).collect()
    }
}

/// The gradients of the core, multiplied.
fn times<T: Element>(grads: &[OutputGrads<T>], factor: f64) -> Vec<[Vec<f64>; 5]> {
    let of = |grads: &OutputGrads<T>| {
        let OutputGrads { logits, boxes, quality, angle, distribution, .. } = grads;
        [logits, boxes, quality, angle, distribution]
            .map(|part| part.iter().map(|slope| slope.to_f64() * factor).collect())
    };
    grads.iter().map(of).collect()
}

/// Every criterion with a scene.
fn scenes(seed: u64) -> impl Iterator<Item = (&'static str, Criterion, Scene)> {
    ALL.iter().map(move |entry| {
        let criterion = entry.make();
        let scene = Scene::new(&criterion, seed);
        (entry.name, criterion, scene)
    })
}

#[test]
fn every_criterion_has_the_numbers_of_the_core() {
    for (name, criterion, scene) in scenes(5) {
        let (expected, tensors) = (scene.evaluate(&criterion), Tensors::new(&scene, DType::F64));
        let result = tensors.evaluate(&criterion);
        assert_eq!(result.total.dims(), [1]);
        assert_eq!(numbers(&result.total), [expected.total], "{name}");
        assert_eq!(result.terms, expected.terms, "{name}");
        for (indices, matches) in result.indices.iter().zip(&expected.matches) {
            assert_eq!(indices.dims(), [matches.len(), matches[0].indices.len()]);
            let wanted = matches.iter().flat_map(|matches| matches.indices.iter().copied());
            assert!(indices.to_data().iter::<i64>().eq(wanted.map(i64::from)), "{name}");
        }
        // Through what comes after it.
        let slopes = tensors.grads(&(result.total * -4.0));
        assert!(slopes == times(&expected.grads, -4.0), "{name}");
        assert!(slopes.iter().flatten().flatten().any(|slope| *slope != 0.0), "{name}");
    }
}

#[test]
fn single_precision_is_that_of_the_core() {
    for (name, criterion, scene) in scenes(6) {
        let (expected, tensors) = (scene.single(&criterion), Tensors::new(&scene, DType::F32));
        let result = tensors.evaluate(&criterion);
        assert_eq!(numbers(&result.total), [f64::from(expected.total as f32)], "{name}");
        assert!(tensors.grads(&result.total) == times(&expected.grads, 1.0), "{name}");
    }
}

#[test]
fn half_precision_is_computed_in_single() {
    for dtype in [DType::F16, DType::BF16] {
        let criterion: Criterion = "yolo8".parse().expect("a criterion");
        let half = Tensors::new(&Scene::new(&criterion, 7), dtype);
        let result = half.evaluate(&criterion);
        assert_eq!(result.total.dtype(), DType::F32);
        let single = |of: &Tensor<3>| of.clone().cast(DType::F32).detach().require_grad();
        let outputs = &half.leaves[0];
        let outputs = Outputs {
            logits: outputs.logits.as_ref().map(single),
            ..Outputs { boxes: single(&outputs.boxes), ..outputs.clone() }
        };
        let wide = evaluate(&criterion, std::slice::from_ref(&outputs), &half.truths);
        let wide = wide.expect("a value");
        assert_eq!(numbers(&result.total), numbers(&wide.total));
        // A large scale keeps slopes that a half could not hold: they are rounded at the very end.
        let wide = outputs.boxes.grad(&(wide.total * 1024.0).backward()).expect("a gradient");
        let grads = (result.total * 1024.0).backward();
        let half = half.leaves[0].boxes.grad(&grads).expect("a gradient");
        assert_eq!(half.dtype(), dtype);
        assert_eq!(numbers(&half), numbers(&wide.cast(dtype)));
    }
}

#[test]
fn a_second_pass_gives_the_same() {
    for (name, criterion, scene) in scenes(8) {
        let tensors = Tensors::new(&scene, DType::F32);
        // A pass takes the graph with it, from the leaves on.
        let pass = || {
            let outputs: Vec<_> = tensors.leaves.iter().map(computed).collect();
            let result = evaluate(&criterion, &outputs, &tensors.truths).expect("a value");
            tensors.grads(&result.total)
        };
        assert!(pass() == pass(), "{name}");
    }
}

#[test]
fn without_truths_there_is_no_gradient_by_boxes() {
    for (name, criterion, mut scene) in scenes(9) {
        scene.truths.fill((Vec::new(), Vec::new()));
        for pairs in scene.pairs.iter_mut().flatten() {
            pairs.fill(-1);
        }
        let tensors = Tensors::new(&scene, DType::F64);
        let result = tensors.evaluate(&criterion);
        assert_eq!(numbers(&result.total), [scene.evaluate(&criterion).total], "{name}");
        for [_, boxes, ..] in tensors.grads(&result.total) {
            assert!(boxes.iter().all(|slope| *slope == 0.0), "{name}");
        }
    }
}

/// The same without a graph.
fn constant(outputs: &Outputs, of: fn(Tensor<3>) -> Tensor<3>) -> Outputs {
    Outputs {
        logits: outputs.logits.clone().map(of),
        quality: None,
        angle: None,
        distribution: None,
        boxes: of(outputs.boxes.clone()),
        ..outputs.clone()
    }
}

#[test]
fn without_a_graph_there_is_the_value_alone() {
    let criterion: Criterion = "yolo8(box=giou)".parse().expect("a criterion");
    let tensors = Tensors::new(&Scene::new(&criterion, 10), DType::F32);
    let tracked = tensors.evaluate(&criterion).total;
    assert!(tracked.is_tracked());
    for out in [Tensor::detach as fn(_) -> _, Tensor::without_autodiff] {
        let outputs = constant(&tensors.outputs[0], out);
        let result = evaluate(&criterion, &[outputs], &tensors.truths).expect("a value");
        assert!(!result.total.is_tracked());
        assert_eq!(numbers(&result.total), numbers(&tracked));
    }
    let outputs = constant(&tensors.outputs[0], Tensor::without_autodiff);
    let result = evaluate(&criterion, &[outputs], &tensors.truths).expect("a value");
    assert_eq!(result.total.device(), Device::flex());
}

#[test]
fn gradient_checkpointing_changes_nothing() {
    let criterion: Criterion = "rtmdet".parse().expect("a criterion");
    let scene = Scene::new(&criterion, 11);
    let mut tensors = Tensors::new(&scene, DType::F64);
    let expected = tensors.grads(&tensors.evaluate(&criterion).total);
    let device = Device::flex().autodiff().gradient_checkpointing();
    let boxes = tensors.outputs[0].boxes.to_data();
    let boxes = Tensor::<3>::from_data(boxes, (&device, DType::F64)).require_grad();
    tensors.outputs[0] = Outputs {
        logits: tensors.outputs[0].logits.clone().map(Tensor::without_autodiff),
        quality: None,
        angle: None,
        distribution: None,
        boxes: boxes.clone() * 1.0,
        ..tensors.outputs[0].clone()
    };
    let grads = tensors.evaluate(&criterion).total.backward();
    assert_eq!(numbers(&boxes.grad(&grads).expect("a gradient")), expected[0][1]);
}

#[test]
fn boxes_of_images_are_anchors_of_each_image() {
    let mut criterion = criteria::find("faster_rcnn").expect("a criterion").make();
    criterion.heads.remove(0);
    let wave = |count: i32| (0..count).map(|at| f64::from(at * at % 7) * 0.1).collect::<Vec<_>>();
    let places: Vec<f64> =
        (0..32).map(|at| f64::from(30 * (at % 4 / 2) + 3 * (at % 16) + 5 * (at / 16))).collect();
    let truths = [[2.0, 3.0, 40.0, 44.0], [20.0, 9.0, 66.0, 70.0]].map(|numbers| Truths {
        boxes: tensor(&numbers, [1, 4], DType::F64),
        labels: integers(&[2], [1]),
    });
    let pairs = [0, -1, 0, -2, -1, -1, 0, 0];
    let outputs = |places| Outputs {
        logits: Some(tensor(&wave(24), [2, 4, 3], DType::F64)),
        anchors: Some(places),
        pairs: Some(integers(&pairs, [2, 4])),
        ..Outputs::new(tensor(&wave(96), [2, 4, 12], DType::F64).require_grad())
    };
    let boxes = tensor::<3>(&places, [2, 4, 4], DType::F64);
    let both = outputs(Places::BoxesOfImages(boxes.clone()));
    let result = evaluate(&criterion, &[both], &truths).expect("a value");

    let of = [0, 1].map(|image| detloss::matching::Anchors::boxes(&places[16 * image..][..16]));
    let of = of.map(|anchors| anchors.expect("boxes"));
    let (logits, raw) = (wave(24), wave(96));
    let pairs = pairs.map(|pair| pair as i32);
    let slices = criteria::Outputs::new(2, &logits, &raw).anchors_of_images(&of).pairs(&pairs);
    let numbers_of = [[2.0, 3.0, 40.0, 44.0], [20.0, 9.0, 66.0, 70.0]];
    let slices_of = numbers_of.each_ref().map(|boxes| criteria::Truths::new(boxes, &[2]));
    let expected = criterion.evaluate(&[slices], &slices_of).expect("a value");
    assert_eq!(result.terms, expected.terms);
    assert!(expected.total > 0.0);

    let first = outputs(Places::Boxes(boxes.slice([0..1, 0..4, 0..4]).squeeze_dim(0)));
    let other = evaluate(&criterion, &[first], &truths).expect("a value");
    assert_ne!(other.terms, expected.terms);
}

#[test]
fn what_does_not_fit_is_named() {
    let criterion: Criterion = "fcos".parse().expect("a criterion");
    let Tensors { outputs, truths, .. } = Tensors::new(&Scene::new(&criterion, 12), DType::F32);
    let whole = &outputs[0];
    let message = |outputs: Outputs, truths: &[Truths]| {
        evaluate(&criterion, &[outputs], truths).unwrap_err().to_string()
    };
    for (wrong, says) in [
        (
            Outputs { boxes: whole.boxes.clone().swap_dims(1, 2), ..whole.clone() },
            "the tensor of raw boxes has shape [3, 4, 80]: give [3, 80, 4]",
        ),
        (Outputs { anchors: None, ..whole.clone() }, "needs anchors"),
        (Outputs { quality: None, ..whole.clone() }, "needs a quality"),
        (Outputs { head: Some("roi".into()), ..whole.clone() }, r#"no head "roi""#),
    ] {
        let error = message(wrong, &truths);
        assert!(error.contains(says), "{error}");
    }
    let error = message(whole.clone(), &truths[..2]);
    assert!(error.contains("has shape [3, 80, 5]: give [2, 80, classes]"), "{error}");
}
