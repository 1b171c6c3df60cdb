//! A loss of scores and a loss of boxes, any two of the list, as what is minimised.

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData};
use detloss::loss::Scope;
use detloss::losses::Entry;
use detloss::matching::AnyMatcher;
use detloss::operand::Kind;
use detloss::signature::Signature;
use detloss_burn::{Batch, Loss};
use detloss_coco::iou;
use serde::{Deserialize, Serialize};

use super::detector::Config;
use super::output::{CELL, Output, Value, numbers};
use super::scene::{Scene, xywh};
use super::targets::{LEFT_OUT, Targets, assign, matched};
use crate::choice::{self, Chosen, is_of_two_boxes, kind_of_boxes, name_of_boxes};
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
pub(crate) struct Losses {
    /// Which they are, as files have it.
    pub(super) spec: LossesSpec,
    /// The same as a part of the name of a file.
    pub(super) file_name: String,
    scores: &'static Entry,
    boxes: &'static Entry,
    score_loss: Loss,
    box_loss: Loss,
}

/// Two losses and how they are joined, as files have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LossesSpec {
    /// The loss of the scores.
    pub(crate) scores: LossSpec,
    /// The loss of the boxes.
    pub(crate) boxes: LossSpec,
    /// How much the loss of the boxes counts.
    pub(crate) box_weight: f64,
    /// Label what is found by the score of its match, or by the IoU of its box where there is none, instead of by 1.
    pub(crate) quality: bool,
    /// Which cell is to find which object. None: those near its middle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) matcher: Option<AnyMatcher>,
}

/// A loss with its parameters, as files have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LossSpec {
    /// Its id.
    pub(crate) loss: String,
    /// The label, with the parameters that were set.
    pub(crate) title: String,
    /// All parameters.
    pub(crate) params: serde_json::Map<String, serde_json::Value>,
}

impl From<&Chosen> for LossSpec {
    fn from(chosen: &Chosen) -> Self {
        let loss = chosen.name.clone();
        Self { loss, title: chosen.title(), params: chosen.params() }
    }
}

impl Losses {
    /// Of these losses, if they can train a detector together.
    pub(crate) fn new(
        scores: &Chosen,
        boxes: &Chosen,
        box_weight: f64,
        quality: bool,
        matcher: Option<AnyMatcher>,
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
        if bbox.signature.pred == Kind::UncertainNumber {
            return wrong(format!(
                "{} is of values with a variance, which the detector does not predict: take another of values, such as l1",
                bbox.name
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
        if let Some(matcher) = &matcher
            && matcher.box_fields() != Kind::Box.fields()
        {
            return wrong(format!(
                "{matcher} measures rotated boxes, and the detector finds axis-aligned boxes: give it another overlap, such as iou"
            ));
        }
        let of_matcher = matcher.iter().map(|matcher| choice::file_name(&matcher.to_string()));
        let names = [scores.file_name(), boxes.file_name()].into_iter().chain(of_matcher);
        Ok(Self {
            file_name: names.collect::<Vec<_>>().join("+"),
            spec: LossesSpec {
                scores: LossSpec::from(scores),
                boxes: LossSpec::from(boxes),
                box_weight,
                quality,
                matcher,
            },
            scores: score,
            boxes: bbox,
            score_loss: Loss::from(scores.loss.clone()),
            box_loss: Loss::from(boxes.loss.clone()),
        })
    }

    /// What to tell whoever gave options that change nothing with this loss of the scores.
    pub(crate) fn note(&self) -> Option<String> {
        // aLRP balances scores and boxes by itself, and labels of distributions are classes.
        let joint = takes_errors(self.scores);
        let weight = joint && self.spec.box_weight != 1.0;
        let quality = self.spec.quality && (joint || self.background());
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
    pub(super) fn value(
        &self,
        output: Output,
        scenes: &[Scene],
        config: &Config,
        states: &mut States,
    ) -> detloss::Result<Value> {
        let targets = match &self.spec.matcher {
            None => assign(scenes, config.grid(), config.classes.len()),
            Some(matcher) => matched(matcher, &output, scenes, config)?,
        };
        Ok(self.of_targets(output, &targets, states))
    }

    fn of_targets(&self, output: Output, targets: &Targets, states: &mut States) -> Value {
        let device = output.logits.device();
        let found = (!targets.positives.is_empty()).then(|| {
            let cells = integers(&targets.positives, &device);
            let corners = TensorData::new(targets.corners.concat(), [targets.corners.len(), 4]);
            (output.boxes.select(0, cells), Tensor::<2>::from_data(corners, &device))
        });
        if takes_errors(self.scores) {
            return self.joint(output.logits, found, targets, &mut states.scores);
        }
        let labels = self.labels(&output.logits, found.as_ref(), targets);
        let scores = match labels {
            Labels::Classes(classes) => {
                let batch = Batch::new(output.logits, classes);
                if targets.classes.contains(&LEFT_OUT) {
                    batch.ignore_index(LEFT_OUT)
                } else {
                    batch
                }
            }
            Labels::Dense(labels) => Batch::new(output.logits, labels),
        };
        let scores = match self.scores.signature.scope {
            Scope::Set => scores.mean(),
            _ => scores.normalizer(targets.positives.len().max(1) as f64),
        };
        let scores = remembered(scores, &self.score_loss, &mut states.scores);
        let Some((corners, truth)) = found else {
            return Value { scores: number(&scores), boxes: None, total: scores };
        };
        let boxes = self.of_boxes(corners, truth).mean();
        let boxes = remembered(boxes, &self.box_loss, &mut states.boxes);
        Value {
            scores: number(&scores),
            boxes: Some(number(&boxes)),
            total: scores + boxes * self.spec.box_weight,
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
        let mut labels = background(targets, columns);
        for &place in &places {
            labels[place as usize] = 1.0;
        }
        let mut errors = Tensor::<1>::zeros([cells * columns], &device);
        let mut boxes = None;
        if let Some((corners, truth)) = found {
            let count = places.len();
            let units = self.of_boxes(corners, truth).values(&self.box_loss);
            // Losses of coordinates have four values for a box.
            let of_boxes = units.reshape([count as i64, -1]).sum_dim(1).reshape([count]);
            boxes = Some(number(&of_boxes.clone().mean()));
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
        let Some((corners, _)) = found.filter(|_| self.spec.quality && !self.background()) else {
            return Labels::Classes(integers(&targets.classes, &device));
        };
        let [cells, columns] = logits.dims();
        let overlaps = || {
            let corners = numbers(corners);
            let pairs = corners.as_chunks::<4>().0.iter().zip(&targets.corners);
            pairs.map(|(a, b)| iou(xywh(*a), xywh(*b), false) as f32).collect()
        };
        let found: Vec<f32> = targets.scores.clone().unwrap_or_else(overlaps);
        let mut labels = background(targets, columns);
        for (&cell, label) in targets.positives.iter().zip(found) {
            labels[cell as usize * columns + targets.classes[cell as usize] as usize] = label;
        }
        Labels::Dense(Tensor::from_data(TensorData::new(labels, [cells, columns]), &device))
    }
}

/// The labels of all cells without what is found: 0, and -1 for what does not count.
fn background(targets: &Targets, columns: usize) -> Vec<f32> {
    let of_cell = |&class: &i64| {
        let label = if class == LEFT_OUT { -1.0 } else { 0.0 };
        std::iter::repeat_n(label, columns)
    };
    targets.classes.iter().flat_map(of_cell).collect()
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
