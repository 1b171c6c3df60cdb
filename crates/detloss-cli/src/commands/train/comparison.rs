//! What a comparison found.

use serde::Serialize;

use super::Outcome;
use crate::table::{Column, Table};
use crate::training::run::EvalPoint;

/// Combinations of losses and how they did.
#[derive(Serialize)]
pub(super) struct Comparison {
    pub(super) combinations: Vec<Combination>,
}

/// Two losses, trained with every seed.
#[derive(Serialize)]
pub(super) struct Combination {
    /// The loss of the scores, with the parameters that were set.
    pub(super) scores: String,
    /// The loss of the boxes, with the parameters that were set.
    pub(super) boxes: String,
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
        Self {
            scores: settings.scores.title.clone(),
            boxes: settings.boxes.title.clone(),
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
}

/// How the combinations ended.
pub(super) fn table(comparison: &Comparison) -> Table {
    let words = ["scores", "boxes"].map(Column::words);
    let numbers = ["AP", "AP50", "AP75", "score loss", "box loss", "ms per step", "ms in losses"];
    let mut table = Table::new(words.into_iter().chain(numbers.map(Column::numbers)));
    for combination in &comparison.combinations {
        let Combination { scores, boxes, ap, ap50, ap75, step_ms, loss_ms, .. } = combination;
        let losses =
            [combination.curve(|point| point.scores), combination.curve(|point| point.boxes)];
        let ends =
            losses.map(|curve| curve.last().map_or(String::new(), |end| format!("{end:.4}")));
        let metrics = [ap, ap50, ap75].map(|metric| metric.words());
        let costs = [format!("{step_ms:.1}"), format!("{loss_ms:.2}")];
        table.push(
            [scores.clone(), boxes.clone()].into_iter().chain(metrics).chain(ends).chain(costs),
        );
    }
    table
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
