//! A criterion of the list as what the detector is trained with.

use std::str::FromStr;

use burn::tensor::{Tensor, TensorData};
use detloss::criteria::{self, Compares, Criterion, Decoder, Evaluation, Head, Labels};
use detloss::criteria::{Outputs, Truths};
use detloss::matching::Anchors;
use serde::{Deserialize, Serialize};

use super::output::{CELL, Output, Value, anchors, numbers};
use super::scene::Scene;

/// A criterion whose first head can be that of the detector. Its other heads have no outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Fitted {
    /// As it was written.
    text: String,
    criterion: Criterion,
}

impl FromStr for Fitted {
    type Err = String;

    /// Reads `yolo8` or `yolo8(box=siou)`. The error says what the detector has not, and which criteria do without.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().to_owned();
        let criterion: Criterion = text.parse().map_err(|error| format!("{error}"))?;
        let fitted = Self { text, criterion };
        match fitted.misfit() {
            None => Ok(fitted),
            Some(misfit) => {
                let all = criteria::ALL.iter().filter(|entry| {
                    let (text, criterion) = (entry.name.to_owned(), entry.make());
                    Self { text, criterion }.misfit().is_none()
                });
                let fit: Vec<&str> = all.map(|entry| entry.name).collect();
                Err(format!(
                    "{} does not fit the detector: {misfit}. These fit: {}",
                    fitted.text,
                    fit.join(", ")
                ))
            }
        }
    }
}

impl TryFrom<String> for Fitted {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Fitted> for String {
    fn from(fitted: Fitted) -> Self {
        fitted.text
    }
}

impl Fitted {
    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn head(&self) -> &Head {
        &self.criterion.heads[0]
    }

    /// The head that the detector is.
    pub(crate) fn head_name(&self) -> &str {
        &self.head().name
    }

    /// What makes a box of the numbers of a cell.
    pub(crate) fn decoder(&self) -> Decoder {
        self.head().decoder
    }

    /// Whether a cell has a logit besides those of its classes.
    pub(crate) fn has_quality(&self) -> bool {
        let is_quality = |compares: &Compares| matches!(compares, Compares::Quality(_));
        self.has_objectness() || self.head().terms.iter().any(|term| is_quality(&term.compares))
    }

    /// Whether that logit says that there is something, whatever it is: then it begins as unlikely as a class.
    pub(crate) fn has_objectness(&self) -> bool {
        self.head().with_objectness
    }

    /// Whether background has a score of its own, the last.
    pub(crate) fn background(&self) -> bool {
        self.labels().any(|labels| labels == Labels::BackgroundLast)
    }

    fn labels(&self) -> impl Iterator<Item = Labels> {
        self.head().terms.iter().filter_map(|term| match term.compares {
            Compares::Classes(labels) => Some(labels),
            _ => None,
        })
    }

    /// The heads that the detector has no outputs for.
    pub(crate) fn left_out(&self) -> Vec<&str> {
        self.criterion.heads[1..].iter().map(|head| head.name.as_str()).collect()
    }

    /// What the criterion needs that the detector has not: of a cell it has logits of classes, the numbers of a box seen from a point, and
    /// perhaps one logit more.
    fn misfit(&self) -> Option<String> {
        let head = self.head();
        let of_head = |needs: &str| Some(format!("its head {:?} {needs}", head.name));
        match self.decoder() {
            Decoder::Corners
            | Decoder::Centers
            | Decoder::Distances
            | Decoder::Bins(_)
            | Decoder::Cell => {}
            Decoder::Deltas(_) => return of_head("stretches anchor boxes, and a cell is a point"),
            Decoder::RotatedDistances | Decoder::RotatedBins(_) => {
                return of_head("has rotated boxes, and a cell has none");
            }
            _ => return of_head("has boxes of a kind that there is not"),
        }
        if head.class_specific {
            return of_head("has a box for every class, and there is one for each cell");
        }
        if self.labels().next().is_none() {
            return of_head("has no classes, and there is no second stage to have them");
        }
        if self.labels().any(|labels| labels == Labels::BackgroundFirst) {
            return of_head("has the score of background first, and here it is the last");
        }
        let groups = head.matcher.as_ref().and_then(|matcher| matcher.param("groups"));
        if let Some(groups) = groups.filter(|groups| *groups > 1.0) {
            let needs = format!(
                "has {groups} groups of queries for the same objects, and there is one of cells: give it another matcher, as {}(matcher=hungarian)",
                self.text.split('(').next().unwrap_or_default()
            );
            return of_head(&needs);
        }
        // The core knows what else there has to be.
        self.blank().err().map(|error| error.to_string())
    }

    /// What it says of a few cells where nothing has been found yet.
    fn blank(&self) -> detloss::Result<()> {
        const GRID: usize = 4;
        let zeros = |columns: usize| vec![0.0; GRID * GRID * columns];
        // As many as have weights of their own.
        let classes = self.head().terms.iter().map(|term| term.class_weight.len()).max();
        let numbers = Numbers {
            logits: zeros(classes.unwrap_or_default().max(2)),
            boxes: zeros(self.decoder().columns()),
            quality: self.has_quality().then(|| zeros(1)),
        };
        let truth = self.truth([0.0, 0.0, 16.0, 16.0], GRID * CELL);
        let anchors = anchors(GRID);
        let outputs = self.outputs(&numbers, 1, GRID, &anchors);
        self.criterion.evaluate(&[outputs], &[Truths::new(&truth, &[0])])?;
        Ok(())
    }

    /// The corners of all boxes in pixels of the scene, four numbers each.
    pub(crate) fn corners(
        &self,
        output: &Output,
        scenes: usize,
        grid: usize,
    ) -> detloss::Result<Vec<f32>> {
        let (numbers, anchors) = (Numbers::of(output), anchors(grid));
        let mut corners = self.criterion.decode(&self.outputs(&numbers, scenes, grid, &anchors))?;
        if self.decoder() == Decoder::Centers {
            corners.iter_mut().for_each(|number| *number *= (grid * CELL) as f32);
        }
        Ok(corners)
    }

    /// What a step is worth, when this share of the run is done.
    pub(crate) fn value(
        &self,
        output: Output,
        scenes: &[Scene],
        grid: usize,
        progress: f64,
    ) -> detloss::Result<Value> {
        let truths = scenes.iter().map(|scene| {
            let boxes = scene.objects.iter().flat_map(|o| self.truth(o.corners, scene.side));
            let labels = scene.objects.iter().map(|object| object.class as i64);
            (boxes.collect::<Vec<f32>>(), labels.collect::<Vec<i64>>())
        });
        let truths: Vec<_> = truths.collect();
        let truths: Vec<_> =
            truths.iter().map(|(boxes, labels)| Truths::new(boxes, labels)).collect();
        let (numbers, anchors) = (Numbers::of(&output), anchors(grid));
        let outputs = self.outputs(&numbers, scenes.len(), grid, &anchors);
        let evaluation = self.criterion.clone().at(progress).evaluate(&[outputs], &truths)?;
        let (mut scores, mut boxes) = (0.0, 0.0);
        for (term, value) in self.head().terms.iter().zip(&evaluation.terms) {
            match term.compares {
                Compares::Classes(_) | Compares::Quality(_) => scores += value.value,
                _ => boxes += value.value,
            }
        }
        let has_objects = scenes.iter().any(|scene| !scene.objects.is_empty());
        Ok(Value {
            total: descent(output, evaluation),
            scores,
            boxes: has_objects.then_some(boxes),
        })
    }

    fn outputs<'a>(
        &self,
        numbers: &'a Numbers,
        scenes: usize,
        grid: usize,
        anchors: &'a Anchors<f32>,
    ) -> Outputs<'a, f32> {
        let side = (grid * CELL) as f64;
        let mut outputs =
            Outputs::new(scenes, &numbers.logits, &numbers.boxes).image_size(side, side);
        if let Some(quality) = &numbers.quality {
            outputs = outputs.quality(quality);
        }
        // Centres are of queries, which stand nowhere.
        if self.decoder() == Decoder::Centers { outputs } else { outputs.anchors(anchors) }
    }

    /// A box in the form that the decoder has truths in.
    fn truth(&self, [x1, y1, x2, y2]: [f32; 4], side: usize) -> [f32; 4] {
        if self.decoder() != Decoder::Centers {
            return [x1, y1, x2, y2];
        }
        [(x1 + x2) / 2.0, (y1 + y2) / 2.0, x2 - x1, y2 - y1].map(|number| number / side as f32)
    }
}

/// An output in the memory of the host.
struct Numbers {
    logits: Vec<f32>,
    boxes: Vec<f32>,
    quality: Option<Vec<f32>>,
}

impl Numbers {
    fn of(output: &Output) -> Self {
        Self {
            logits: numbers(&output.logits),
            boxes: numbers(&output.boxes),
            quality: output.quality.as_ref().map(numbers),
        }
    }
}

/// What has the gradient of an evaluation: the sum of all numbers, each times its slope. Its value means nothing.
fn descent(output: Output, mut evaluation: Evaluation<f32>) -> Tensor<1> {
    let grads = evaluation.grads.remove(0);
    let along = |numbers: Tensor<2>, slopes: Vec<f32>| {
        let slopes = TensorData::new(slopes, numbers.dims());
        let slopes = Tensor::<2>::from_data(slopes, &numbers.device());
        (numbers * slopes).sum()
    };
    let total = along(output.logits, grads.logits) + along(output.boxes, grads.boxes);
    match output.quality {
        Some(quality) => total + along(quality, grads.quality),
        None => total,
    }
}
