//! A criterion of tensors is the criterion of their numbers.

use candle_core::{DType, Device, Result, Tensor, Var};
use detloss::criteria::ALL;
use detloss::testing::{Scene, SceneLayer};
use detloss_candle::criteria::{Criterion, Evaluation, Outputs, Truths, evaluate};
use detloss_candle::matching::Places;

const CPU: &Device = &Device::Cpu;

/// The outputs of a scene, and the variables that they are made of.
struct Tensors {
    outputs: Vec<Outputs>,
    truths: Vec<Truths>,
    leaves: Vec<[Var; 5]>,
}

fn floats(numbers: &[f64], columns: usize, images: usize, dtype: DType) -> Result<Tensor> {
    let rows = numbers.len() / columns / images;
    let tensor = Tensor::from_slice(numbers, (images, rows, columns), CPU)?;
    (if columns == 1 { tensor.squeeze(2)? } else { tensor }).to_dtype(dtype)
}

/// How many numbers of each part a prediction has.
fn columns(layer: &SceneLayer) -> [usize; 5] {
    let rows = layer.quality.len();
    layer.parts().map(|part| part.len() / rows)
}

impl Tensors {
    fn new(scene: &Scene, dtype: DType) -> Result<Self> {
        let images = scene.truths.len();
        let (mut outputs, mut leaves) = (Vec::new(), Vec::new());
        for (index, layer) in scene.layers.iter().enumerate() {
            let mut vars = Vec::new();
            for (part, columns) in layer.parts().into_iter().zip(columns(layer)) {
                vars.push(Var::from_tensor(&floats(part, columns, images, dtype)?)?);
            }
            let vars: [Var; 5] = vars.try_into().expect("five parts");
            let [logits, boxes, quality, angle, distribution] =
                vars.each_ref().map(|var| var.as_tensor().clone());
            let (points, strides) = Scene::points::<f64>();
            let rows = strides.len();
            let places = Places::Points(
                Tensor::from_vec(points, (rows, 2), CPU)?.to_dtype(dtype)?,
                Tensor::from_vec(strides, rows, CPU)?.to_dtype(dtype)?,
            );
            let pairs = scene.pairs.as_ref().map(|pairs| {
                let pairs: Vec<i64> = pairs[index].iter().copied().map(i64::from).collect();
                let rows = pairs.len() / images;
                Tensor::from_vec(pairs, (images, rows), CPU)
            });
            outputs.push(Outputs {
                logits: Some(logits),
                head: Some(layer.head.clone()),
                anchors: scene.has_points.then_some(places),
                levels: scene.has_points.then(|| Scene::LEVELS.to_vec()),
                quality: Some(quality),
                angle: Some(angle),
                distribution: Some(distribution),
                references: Some(floats(&layer.references, 4, images, dtype)?),
                image_size: Some([Scene::SIDE; 2]),
                pairs: pairs.transpose()?,
                ..Outputs::new(boxes)
            });
            leaves.push(vars);
        }
        let truths = scene.truths.iter().map(|(boxes, labels)| {
            let width = boxes.len().checked_div(labels.len()).unwrap_or(4);
            Ok(Truths {
                boxes: Tensor::from_slice(boxes, (labels.len(), width), CPU)?.to_dtype(dtype)?,
                labels: Tensor::from_slice(labels, labels.len(), CPU)?,
            })
        });
        Ok(Self { outputs, truths: truths.collect::<Result<_>>()?, leaves })
    }

    fn evaluate(&self, criterion: &Criterion) -> Result<Evaluation> {
        evaluate(criterion, &self.outputs, &self.truths)
    }
}

#[test]
fn every_criterion_has_the_numbers_of_the_core() -> Result<()> {
    for entry in ALL {
        let criterion = entry.make();
        let scene = Scene::new(&criterion, 5);
        let expected = scene.evaluate(&criterion);
        let tensors = Tensors::new(&scene, DType::F64)?;
        let result = tensors.evaluate(&criterion)?;
        assert_eq!(result.total.to_scalar::<f64>()?, expected.total, "{}", entry.name);
        assert_eq!(result.terms, expected.terms, "{}", entry.name);
        // Through what comes after it.
        let grads = (&result.total * 3.0)?.backward()?;
        for (layer, vars) in tensors.leaves.iter().enumerate() {
            let of = &expected.grads[layer];
            let parts = [&of.logits, &of.boxes, &of.quality, &of.angle, &of.distribution];
            for (var, wanted) in vars.iter().zip(parts) {
                let got = grads.get(var).expect("a gradient").flatten_all()?.to_vec1::<f64>()?;
                assert!(
                    got.iter().zip(wanted).all(|(got, wanted)| *got == 3.0 * wanted),
                    "{}",
                    entry.name
                );
                assert_eq!(got.len(), wanted.len());
            }
            let matches = &expected.matches[layer];
            let rows: Vec<Vec<i64>> = result.indices[layer].to_vec2()?;
            for (row, matches) in rows.iter().zip(matches) {
                let wanted = matches.indices.iter().copied().map(i64::from);
                assert!(row.iter().copied().eq(wanted), "{}", entry.name);
            }
        }
    }
    Ok(())
}

#[test]
fn single_and_half_precision_are_computed_in_single() -> Result<()> {
    let criterion: Criterion = "fcos".parse().expect("a criterion");
    let scene = Scene::new(&criterion, 6);
    let expected = scene.single(&criterion);
    let single = Tensors::new(&scene, DType::F32)?.evaluate(&criterion)?;
    assert_eq!(single.total.to_scalar::<f32>()?, expected.total as f32);
    let half = Tensors::new(&scene, DType::BF16)?;
    let result = half.evaluate(&criterion)?;
    assert_eq!(result.total.dtype(), DType::F32);
    let total = f64::from(result.total.to_scalar::<f32>()?);
    assert!((total - expected.total).abs() < 0.02 * expected.total, "{total}");
    let grads = result.total.backward()?;
    assert_eq!(grads.get(&half.leaves[0][0]).expect("a gradient").dtype(), DType::BF16);
    Ok(())
}

#[test]
fn without_a_variable_there_is_the_value_alone() -> Result<()> {
    let criterion: Criterion = "fcos".parse().expect("a criterion");
    let scene = Scene::new(&criterion, 7);
    let mut tensors = Tensors::new(&scene, DType::F64)?;
    for outputs in &mut tensors.outputs {
        outputs.boxes = outputs.boxes.detach();
        for tensor in [
            &mut outputs.logits,
            &mut outputs.quality,
            &mut outputs.angle,
            &mut outputs.distribution,
        ] {
            *tensor = tensor.as_ref().map(Tensor::detach);
        }
    }
    let result = tensors.evaluate(&criterion)?;
    assert!(!result.total.track_op());
    assert_eq!(result.total.to_scalar::<f64>()?, scene.evaluate(&criterion).total);
    Ok(())
}

#[test]
fn what_does_not_fit_is_named() -> Result<()> {
    let criterion: Criterion = "fcos".parse().expect("a criterion");
    let scene = Scene::new(&criterion, 8);
    let mut tensors = Tensors::new(&scene, DType::F32)?;
    tensors.outputs[0].boxes = tensors.outputs[0].boxes.transpose(1, 2)?;
    let error = tensors.evaluate(&criterion).unwrap_err().to_string();
    assert!(
        error.contains("the tensor of raw boxes has shape [3, 4, 80]: give [3, 80, 4]"),
        "{error}"
    );
    tensors.outputs[0].boxes = tensors.outputs[0].boxes.transpose(1, 2)?;
    tensors.truths[0].labels = tensors.truths[0].labels.to_dtype(DType::F32)?;
    let error = tensors.evaluate(&criterion).unwrap_err().to_string();
    assert!(error.contains("integers"), "{error}");
    Ok(())
}
