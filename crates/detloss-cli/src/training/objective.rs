//! What is minimised: a loss of scores and a loss of boxes, any two of the list.

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData};
use detloss::loss::Scope;
use detloss::losses::Entry;
use detloss::operand::Kind;
use detloss::signature::Signature;
use detloss_burn::{Batch, Loss};
use serde::{Deserialize, Serialize};

use super::detector::{CELL, Output};
use super::scene::xywh;
use super::targets::Targets;
use crate::choice::{Chosen, is_of_two_boxes, kind_of_boxes, name_of_boxes};
use crate::coco::iou;
use crate::output::CliError;

/// Whether a loss can train the scores of a detector.
pub(crate) fn is_of_scores(entry: &Entry) -> bool {
    let Signature { pred, target, .. } = entry.signature;
    target.is_label() && matches!(pred, Kind::Logit | Kind::LogitWithError | Kind::Logits)
}

/// Whether a loss can train the boxes of a detector.
pub(crate) fn is_of_boxes(entry: &Entry) -> bool {
    let Signature { pred, target, .. } = entry.signature;
    is_of_two_boxes(entry) || pred == Kind::Number && target == Kind::Number
}

/// Two losses, and how they are joined.
pub(crate) struct Objective {
    scores: &'static Entry,
    boxes: &'static Entry,
    score_loss: Loss,
    box_loss: Loss,
    /// How much the box loss counts.
    box_weight: f64,
    /// Label what is found by the IoU of its box instead of 1.
    quality: bool,
}

/// A step of training, in numbers.
pub(crate) struct Value {
    /// What is minimised.
    pub(crate) total: Tensor<1>,
    /// The loss of the scores.
    pub(crate) scores: f64,
    /// The loss of the boxes; 0 without objects.
    pub(crate) boxes: f64,
}

impl Objective {
    /// Of these losses, if they can train a detector together.
    pub(crate) fn new(
        scores: &Chosen,
        boxes: &Chosen,
        box_weight: f64,
        quality: bool,
    ) -> Result<Self, CliError> {
        let (score, bbox) = (scores.entry, boxes.entry);
        let wrong = |problem: String| Err(CliError::Usage(problem));
        if !is_of_scores(score) {
            return wrong(format!(
                "{} is no loss of class scores: see `detloss list --family scores`, or sets",
                score.name
            ));
        }
        if let Some(kind) = kind_of_boxes(bbox)
            && kind != Kind::Box
        {
            return wrong(format!(
                "{} is a loss of {}, and the detector finds axis-aligned boxes: take one of `detloss list --family boxes`, or values",
                bbox.name,
                name_of_boxes(kind).unwrap_or_default()
            ));
        }
        if !is_of_boxes(bbox) {
            return wrong(format!(
                "{} is no loss of boxes or coordinates: see `detloss list --family boxes`, or values",
                bbox.name
            ));
        }
        if takes_errors(score) && bbox.signature.scope != Scope::Unit {
            return wrong(format!(
                "{} needs an error of each box, and {} is of whole batches: take one of `detloss list --family boxes`",
                score.name, bbox.name
            ));
        }
        Ok(Self {
            scores: score,
            boxes: bbox,
            score_loss: Loss::from(scores.loss.clone()),
            box_loss: Loss::from(boxes.loss.clone()),
            box_weight,
            quality,
        })
    }

    /// What to tell whoever gave options that change nothing with this loss of the scores.
    pub(crate) fn note(&self) -> Option<String> {
        // aLRP balances scores and boxes by itself, and labels of distributions are classes.
        let joint = takes_errors(self.scores);
        let weight = joint && self.box_weight != 1.0;
        let quality = self.quality && (joint || self.background());
        let options = [("--box-weight", weight), ("--quality", quality)];
        let ignored: Vec<&str> =
            options.iter().filter(|option| option.1).map(|option| option.0).collect();
        let words = || format!("no effect with {}: {}", self.scores.name, ignored.join(", "));
        (!ignored.is_empty()).then(words)
    }

    /// Whether background needs a score of its own: a loss of distributions cannot say "none of them" without.
    pub(crate) fn background(&self) -> bool {
        self.scores.signature.pred.is_row()
    }

    /// The value for what a detector says of some scenes. `states` are those of the losses: empty before the first step.
    pub(crate) fn value(&self, output: Output, targets: &Targets, states: &mut States) -> Value {
        let device = output.logits.device();
        let found = (!targets.positives.is_empty()).then(|| {
            let cells = integers(&targets.positives, &device);
            let corners = TensorData::new(targets.corners.concat(), [targets.corners.len(), 4]);
            (output.corners.select(0, cells), Tensor::<2>::from_data(corners, &device))
        });
        if takes_errors(self.scores) {
            return self.joint(output.logits, found, targets, &mut states.scores);
        }
        let labels = self.labels(&output.logits, found.as_ref(), targets);
        let scores = match labels {
            Labels::Classes(classes) => Batch::new(output.logits, classes),
            Labels::Dense(labels) => Batch::new(output.logits, labels),
        };
        let scores = match self.scores.signature.scope {
            Scope::Set => scores.mean(),
            _ => scores.normalizer(targets.positives.len().max(1) as f64),
        };
        let scores = remembered(scores, &self.score_loss, &mut states.scores);
        let Some((corners, truth)) = found else {
            return Value { scores: number(&scores), boxes: 0.0, total: scores };
        };
        let boxes = self.of_boxes(corners, truth).mean();
        let boxes = remembered(boxes, &self.box_loss, &mut states.boxes);
        Value {
            scores: number(&scores),
            boxes: number(&boxes),
            total: scores + boxes * self.box_weight,
        }
    }

    /// The box loss of each object's box is a part of the score loss, which passes its slope on.
    fn joint(
        &self,
        logits: Tensor<2>,
        found: Option<(Tensor<2>, Tensor<2>)>,
        targets: &Targets,
        state: &mut Vec<f64>,
    ) -> Value {
        let (device, [cells, columns]) = (logits.device(), logits.dims());
        let places: Vec<i64> = targets
            .positives
            .iter()
            .map(|&cell| cell * columns as i64 + targets.classes[cell as usize])
            .collect();
        let mut labels = vec![0_f32; cells * columns];
        for &place in &places {
            labels[place as usize] = 1.0;
        }
        let mut errors = Tensor::<1>::zeros([cells * columns], &device);
        let mut boxes = 0.0;
        if let Some((corners, truth)) = found {
            let count = places.len();
            let units = self.of_boxes(corners, truth).values(&self.box_loss);
            // Losses of coordinates have four values for a box.
            let of_boxes = units.reshape([count as i64, -1]).sum_dim(1).reshape([count]);
            boxes = number(&of_boxes.clone().mean());
            let places = integers(&places, &device);
            errors = errors.select_assign(0, places, of_boxes, IndexingUpdateOp::Add);
        }
        let pred = Tensor::stack::<2>(vec![logits.reshape([cells * columns]), errors], 1);
        let labels = Tensor::<1>::from_data(TensorData::from(&*labels), &device);
        let scores = Batch::new(pred, labels).mean();
        let total = remembered(scores, &self.score_loss, state);
        Value { scores: number(&total), boxes, total }
    }

    fn of_boxes(&self, corners: Tensor<2>, truth: Tensor<2>) -> Batch<2> {
        if is_of_two_boxes(self.boxes) {
            return Batch::new(corners, truth);
        }
        // Coordinates in cells: what a unit of error is does matter to these.
        Batch::new(corners / CELL as f64, truth / CELL as f64)
    }

    fn labels(
        &self,
        logits: &Tensor<2>,
        found: Option<&(Tensor<2>, Tensor<2>)>,
        targets: &Targets,
    ) -> Labels {
        let device = logits.device();
        let Some((corners, _)) = found.filter(|_| self.quality && !self.background()) else {
            return Labels::Classes(integers(&targets.classes, &device));
        };
        let [cells, columns] = logits.dims();
        let corners: Vec<f32> =
            corners.to_data().try_to_vec().expect("the detector computes in f32");
        let mut labels = vec![0_f32; cells * columns];
        let boxes = corners.as_chunks::<4>().0.iter().zip(&targets.corners);
        for (&cell, (corners, truth)) in targets.positives.iter().zip(boxes) {
            let class = targets.classes[cell as usize] as usize;
            let overlap = iou(xywh(*corners), xywh(*truth), false);
            labels[cell as usize * columns + class] = overlap as f32;
        }
        Labels::Dense(Tensor::from_data(TensorData::new(labels, [cells, columns]), &device))
    }
}

/// What the losses of a run carry from step to step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct States {
    scores: Vec<f64>,
    boxes: Vec<f64>,
}

/// What the scores should be.
enum Labels {
    Classes(Tensor<1, Int>),
    Dense(Tensor<2>),
}

/// Whether a prediction is a logit with the error of its box.
fn takes_errors(entry: &Entry) -> bool {
    entry.signature.pred == Kind::LogitWithError
}

/// The value of a batch, with the state of the loss brought up to date.
fn remembered(batch: Batch<2>, loss: &Loss, state: &mut Vec<f64>) -> Tensor<1> {
    if state.is_empty() {
        *state = batch.initial_state(loss);
    }
    if state.is_empty() { batch.value(loss) } else { batch.step(loss, state) }
}

fn integers(values: &[i64], device: &Device) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::from(values), device)
}

fn number(tensor: &Tensor<1>) -> f64 {
    f64::from(tensor.clone().into_scalar::<f32>())
}
