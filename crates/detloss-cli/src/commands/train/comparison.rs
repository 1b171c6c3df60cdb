//! What a comparison found.

use serde::Serialize;

use super::Outcome;
use crate::table::{Column, Table};
use crate::training::losses::LossesSpec;
use crate::training::objective::Spec;
use crate::training::run::EvalPoint;

/// Combinations of losses, and criteria, and how they did.
#[derive(Serialize)]
pub(super) struct Comparison {
    pub(super) combinations: Vec<Combination>,
}

/// Two losses or a criterion, trained with every seed.
#[derive(Serialize)]
pub(super) struct Combination {
    /// The loss of the scores, with the parameters that were set; empty for a criterion.
    pub(super) scores: String,
    /// The loss of the boxes, with the parameters that were set; empty for a criterion.
    pub(super) boxes: String,
    /// The matcher, if it is not the rule of the detector itself, or the criterion's.
    pub(super) matcher: Option<String>,
    /// The criterion, as it was written.
    pub(super) criterion: Option<String>,
    /// Of the AP at the end.
    pub(super) ap: Spread,
    /// Of the AP at IoU 0.5.
    pub(super) ap50: Spread,
    /// Of the AP at IoU 0.75.
    pub(super) ap75: Spread,
    /// Milliseconds of a step.
    pub(super) step_ms: f64,
    /// Milliseconds of a step that went into the losses.
    pub(super) loss_ms: f64,
    /// A run for each seed.
    pub(super) runs: Vec<Outcome>,
}

/// A mean over runs, and how far they lie apart.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Spread {
    pub(super) mean: f64,
    /// The standard deviation of the runs; none of a single run.
    pub(super) deviation: Option<f64>,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let mean = mean(values);
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt());
        Self { mean, deviation }
    }

    fn words(self) -> String {
        match self.deviation {
            Some(deviation) => format!("{:.3} ± {deviation:.3}", self.mean),
            None => format!("{:.3}", self.mean),
        }
    }
}

impl Combination {
    pub(super) fn new(runs: Vec<Outcome>) -> Self {
        let settings = &runs[0].settings;
        let over = |of: &dyn Fn(&Outcome) -> f64| runs.iter().map(of).collect::<Vec<f64>>();
        let step = |run: &Outcome| 1e3 * run.seconds / run.settings.steps as f64;
        let (scores, boxes, matcher, criterion) = match &settings.objective {
            Spec::Losses(losses) => {
                let LossesSpec { scores, boxes, matcher, .. } = losses.as_ref();
                let matcher = matcher.as_ref().map(ToString::to_string);
                (scores.title.clone(), boxes.title.clone(), matcher, None)
            }
            Spec::Criterion { criterion } => {
                (String::new(), String::new(), None, Some(criterion.text().to_owned()))
            }
        };
        Self {
            scores,
            boxes,
            matcher,
            criterion,
            ap: Spread::of(&over(&|run| run.last().ap)),
            ap50: Spread::of(&over(&|run| run.last().ap50)),
            ap75: Spread::of(&over(&|run| run.last().ap75)),
            step_ms: mean(&over(&step)),
            loss_ms: mean(&over(&|run| step(run) * run.loss_share)),
            runs,
        }
    }

    /// The mean over the runs of what `of` says of every point.
    pub(super) fn curve(&self, of: impl Fn(&EvalPoint) -> f64) -> Vec<f64> {
        let points = 0..self.runs[0].points.len();
        let at = |point: usize| {
            let values: Vec<f64> = self.runs.iter().map(|run| of(&run.points[point])).collect();
            mean(&values)
        };
        points.map(at).collect()
    }

    /// The standard deviation over the runs at every point; 0 of a single run.
    pub(super) fn spread(&self, of: impl Fn(&EvalPoint) -> f64) -> Vec<f64> {
        let points = 0..self.runs[0].points.len();
        let at = |point: usize| {
            let values: Vec<f64> = self.runs.iter().map(|run| of(&run.points[point])).collect();
            Spread::of(&values).deviation.unwrap_or(0.0)
        };
        points.map(at).collect()
    }
}

/// What a combination says of one of the things that it was trained with.
type Says = fn(&Combination) -> &str;

impl Comparison {
    /// The columns that say what was trained: of each its name, and what it says of a combination. None is empty for all of them.
    fn columns(&self) -> Vec<(&'static str, Says)> {
        let all: [(_, Says); 4] = [
            ("criterion", |one| one.criterion.as_deref().unwrap_or_default()),
            ("scores", |one| &one.scores),
            ("boxes", |one| &one.boxes),
            ("matcher", |one| one.matcher.as_deref().unwrap_or_default()),
        ];
        let says = |of: Says| self.combinations.iter().any(|one| !of(one).is_empty());
        all.into_iter().filter(|(_, of)| says(*of)).collect()
    }
}

/// How the combinations ended.
pub(super) fn table(comparison: &Comparison) -> Table {
    let columns = comparison.columns();
    let words = columns.iter().map(|(name, _)| Column::words(*name));
    let numbers = ["AP", "AP50", "AP75", "score loss", "box loss", "ms per step", "ms in losses"];
    let mut table = Table::new(words.chain(numbers.map(Column::numbers)));
    for combination in &comparison.combinations {
        let Combination { ap, ap50, ap75, step_ms, loss_ms, .. } = combination;
        let losses =
            [combination.curve(|point| point.scores), combination.curve(|point| point.boxes)];
        let ends =
            losses.map(|curve| curve.last().map_or(String::new(), |end| format!("{end:.4}")));
        let metrics = [ap, ap50, ap75].map(|metric| metric.words());
        let costs = [format!("{step_ms:.1}"), format!("{loss_ms:.2}")];
        let names = columns.iter().map(|(_, of)| of(combination).to_owned());
        table.push(names.chain(metrics).chain(ends).chain(costs));
    }
    table
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
