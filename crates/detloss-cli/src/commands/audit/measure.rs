//! The losses of each detection.

use std::sync::Arc;

use detloss::Batch;
use detloss::loss::Scope;
use detloss::losses::Entry;
use detloss::operand::Kind;
use detloss_coco::{
    Area, Bbox, Detection, ErrorKind, Evaluation, GroundTruth, Options, Outcome, evaluate,
};
use indicatif::ProgressBar;

use super::stats::{Spread, share};
use crate::choice::{self, Chosen};
use crate::output::CliError;
use crate::score::Clamped;

/// What a loss is measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Pairs of a detection and the object it is matched to, as boxes.
    Pairs,
    /// Every detection that counts, as a score with its label.
    Scores,
}

impl Over {
    pub(super) const BOTH: [Self; 2] = [Self::Pairs, Self::Scores];

    /// What this loss can be measured on where boxes are of this kind, if anything.
    pub(super) fn of(entry: &Entry, boxes: Kind) -> Option<Self> {
        match (entry.signature.scope, entry.signature.pred, entry.signature.target) {
            (Scope::Unit, Kind::Logit, Kind::Label) => Some(Self::Scores),
            (Scope::Unit, ..) if choice::kind_of_boxes(entry) == Some(boxes) => Some(Self::Pairs),
            _ => None,
        }
    }

    /// How many losses of this kind are called.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Pairs => "box loss",
            Self::Scores => "score loss",
        }
    }
}

/// A loss of every unit it is measured on.
pub(super) struct Measured {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) params: serde_json::Map<String, serde_json::Value>,
    pub(super) over: Over,
    /// The loss of each unit.
    pub(super) values: Vec<f64>,
    /// The length of each unit's gradient, by pixels or by the logit.
    pub(super) slopes: Vec<f64>,
    pub(super) total: f64,
    pub(super) spread: Option<Spread>,
}

/// A detector's output with its losses.
pub(super) struct Audit<B> {
    pub(super) truth: Arc<GroundTruth<B>>,
    pub(super) found: Vec<Detection<B>>,
    pub(super) evaluation: Evaluation,
    pub(super) losses: Vec<Measured>,
    /// How many scores had to be moved away from 0 and 1, or into that range.
    pub(super) clamped: Clamped,
    /// Which detections a kind of loss is measured on.
    units: [Vec<usize>; 2],
    /// The place of each detection among the units.
    places: [Vec<Option<u32>>; 2],
    /// The share of each detection in each kind of loss: the mean over the losses of that kind.
    shares: Vec<[f64; 2]>,
}

impl<B: Bbox> Audit<B> {
    /// Evaluates and measures; `bar` advances once per loss and once more.
    pub(super) fn new(
        truth: Arc<GroundTruth<B>>,
        found: Vec<Detection<B>>,
        options: &Options,
        chosen: &[Chosen],
        bar: &ProgressBar,
    ) -> Result<Self, CliError> {
        let evaluation = evaluate(&truth, &found, options);
        bar.inc(1);
        let listed = |over| {
            let is_unit = |&index: &usize| match evaluation.assignment.outcomes[index] {
                Outcome::Object { .. } => true,
                Outcome::Background => over == Over::Scores,
                Outcome::Crowd | Outcome::BeyondLimit | Outcome::LeftOut => false,
            };
            (0..found.len()).filter(is_unit).collect::<Vec<_>>()
        };
        let units = Over::BOTH.map(listed);
        let places = std::array::from_fn(|over| {
            let mut places = vec![None; found.len()];
            for (place, &detection) in (0..).zip(&units[over]) {
                places[detection] = Some(place);
            }
            places
        });
        let shares = vec![[0.0; 2]; found.len()];
        let (losses, clamped) = (Vec::new(), Clamped::default());
        let mut audit = Self { truth, found, evaluation, losses, clamped, units, places, shares };
        audit.measure(chosen, bar)?;
        audit.share_out();
        Ok(audit)
    }

    fn measure(&mut self, all: &[Chosen], bar: &ProgressBar) -> Result<(), CliError> {
        for over in Over::BOTH {
            let (pred, target) = match over {
                Over::Pairs => self.boxes(),
                Over::Scores => self.scores(),
            };
            let mut gradient = vec![0.0; pred.len()];
            let is_over = |chosen: &&Chosen| Over::of(chosen.entry, B::KIND) == Some(over);
            for chosen in all.iter().filter(is_over) {
                let mut values = vec![0.0; self.units(over).len()];
                Batch::new(&pred, &target).values_and_grad_into(
                    chosen.kernel(),
                    None,
                    &mut values,
                    &mut gradient,
                )?;
                let slopes = gradient.chunks(chosen.entry.signature.pred.fields().len());
                let slopes = slopes.zip(self.units(over)).map(|(slopes, &detection)| match over {
                    Over::Pairs => self.found[detection].bbox.slope(slopes),
                    Over::Scores => slopes[0].abs(),
                });
                let slopes = slopes.collect();
                // One loss with several values of a parameter has several names.
                let is_alone = all.iter().filter(|other| other.name == chosen.name).count() == 1;
                let name = if is_alone { chosen.name.clone() } else { chosen.title() };
                self.losses.push(Measured {
                    name,
                    label: chosen.title(),
                    params: chosen.params(),
                    over,
                    slopes,
                    total: values.iter().sum(),
                    spread: Spread::of(&values),
                    values,
                });
                bar.inc(1);
            }
        }
        Ok(())
    }

    /// The boxes of matched detections and of their objects, as losses take them.
    fn boxes(&self) -> (Vec<f64>, Vec<f64>) {
        let units = self.units(Over::Pairs).iter();
        let (pred, target): (Vec<B>, Vec<B>) = units
            .filter_map(|&detection| {
                let (annotation, _) = self.object(detection)?;
                Some((self.found[detection].bbox, self.truth.annotations[annotation].bbox))
            })
            .unzip();
        (B::to_loss(&pred), B::to_loss(&target))
    }

    /// The logits of the scores that count, and whether each found an object.
    fn scores(&mut self) -> (Vec<f64>, Vec<f64>) {
        let mut clamped = Clamped::default();
        let logit = |&detection: &usize| {
            let label = if self.object(detection).is_some() { 1.0 } else { 0.0 };
            (clamped.logit(self.found[detection].score), label)
        };
        let scores = self.units(Over::Scores).iter().map(logit).unzip();
        self.clamped = clamped;
        scores
    }

    fn share_out(&mut self) {
        for over in Over::BOTH {
            let count = self.of_kind(over).count() as f64;
            for loss in self.losses.iter().filter(|loss| loss.over == over) {
                for (&detection, &value) in self.units[over as usize].iter().zip(&loss.values) {
                    self.shares[detection][over as usize] += share(value, loss.total) / count;
                }
            }
        }
    }

    /// The detections that a kind of loss is measured on, in their order.
    pub(super) fn units(&self, over: Over) -> &[usize] {
        &self.units[over as usize]
    }

    /// The losses of a kind.
    pub(super) fn of_kind(&self, over: Over) -> impl Iterator<Item = &Measured> {
        self.losses.iter().filter(move |loss| loss.over == over)
    }

    /// The kinds of losses that are measured at all.
    pub(super) fn kinds(&self) -> impl Iterator<Item = Over> {
        Over::BOTH.into_iter().filter(|&over| self.of_kind(over).next().is_some())
    }

    /// The loss of a detection, if it has one.
    pub(super) fn value(&self, loss: &Measured, detection: usize) -> Option<f64> {
        self.place(loss, detection).map(|place| loss.values[place])
    }

    /// The length of the gradient of a detection, if it has one.
    pub(super) fn slope(&self, loss: &Measured, detection: usize) -> Option<f64> {
        self.place(loss, detection).map(|place| loss.slopes[place])
    }

    fn place(&self, loss: &Measured, detection: usize) -> Option<usize> {
        self.places[loss.over as usize][detection].map(|place| place as usize)
    }

    /// The share of a detection in the losses of a kind.
    pub(super) fn share(&self, over: Over, detection: usize) -> f64 {
        self.shares[detection][over as usize]
    }

    /// The object a detection is matched to, with their overlap.
    pub(super) fn object(&self, detection: usize) -> Option<(usize, f64)> {
        match self.evaluation.assignment.outcomes[detection] {
            Outcome::Object { annotation, iou } => Some((annotation, iou)),
            _ => None,
        }
    }

    /// The size of the object that was found, or else of the detection: its place among the sizes.
    pub(super) fn size(&self, detection: usize) -> usize {
        let object = self.object(detection);
        self.size_of(match object {
            Some((object, _)) => self.truth.annotations[object].area,
            None => self.found[detection].bbox.area(),
        })
    }

    /// The size of an area: its place among the sizes.
    pub(super) fn size_of(&self, area: f64) -> usize {
        Area::place(&self.evaluation.options.areas, area)
    }

    /// What the sizes are called.
    pub(super) fn sizes(&self) -> Vec<&str> {
        self.evaluation.options.areas.iter().map(|area| &*area.name).collect()
    }

    /// What is wrong with a detection; none if it found an object.
    pub(super) fn error(&self, detection: usize) -> Option<ErrorKind> {
        self.evaluation.errors.of_detections[detection]
    }

    /// The objects that nobody found.
    pub(super) fn missed(&self) -> &[usize] {
        &self.evaluation.assignment.missed
    }

    /// How many detections ended in this way.
    pub(super) fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.evaluation.assignment.outcomes.iter().filter(|outcome| is(outcome)).count()
    }
}
