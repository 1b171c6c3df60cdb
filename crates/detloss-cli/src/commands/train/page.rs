//! The report of a comparison.

use super::comparison::{Combination, Comparison, table};
use crate::plot::{Axis, Chart, Series};
use crate::report::Report;
use crate::training::losses::LossesSpec;
use crate::training::objective::Spec;
use crate::training::run::EvalPoint;

const LEAD: &str = "The same small detector, trained with one loss after the other on the same scenes: how well it finds objects in \
    scenes that it was not trained on, how soon, and what the losses cost.";

const PROTOCOL: &str = "Six convolutions of 3 by 3 with batch normalisation and two heads on cells of 8 by 8 pixels, without anchors. A \
    cell is to find the smallest object whose middle lies within 0.75 cells of its own, unless a matcher or a criterion says which. AdamW, its rate rising over the first 5 % of the \
    steps and falling along a cosine. Losses of each score are divided by the number of cells that are to find something; those of \
    a whole batch are as their papers have them, so that the same box loss may weigh more beside one than beside another. Runs of \
    one seed begin with the same weights and see the same scenes in the same order. AP is COCO's, over IoU 0.5 to 0.95.";

const SPREAD: &str = "After ± is the standard deviation over the seeds. Differences that are not several times as large may be chance.";

const LOSSES: &str = "The value of a loss tells how its own training went; values of different losses cannot be compared.";

const COST: &str = "A step is: drawing the scenes, forward, losses with their gradients, backward, optimizer. Times are as measured, of \
    runs that followed each other on this machine.";

/// More curves than these are drawn as a chart for each loss of the scores.
const LEGIBLE: usize = 8;

/// The report as one HTML file.
pub(super) fn page(comparison: &Comparison) -> String {
    let mut report = Report::new("Losses compared by training", LEAD);
    let first = &comparison.combinations[0].runs[0].settings;
    report.section("The experiment").prose(PROTOCOL).prose(&format!(
        "Scenes: {}, {} by {} pixels. {} steps of {} scenes, learning rate {}; first probability {}.{}",
        first.data,
        first.side,
        first.side,
        first.steps,
        first.batch,
        first.rate,
        first.prior,
        joined(&first.objective)
    ));
    report.section("Results").table(&table(comparison), "After the last step, mean over the seeds");
    if comparison.combinations[0].ap.deviation.is_some() {
        report.prose(SPREAD);
    }
    let bars: Vec<(String, f64)> =
        comparison.combinations.iter().map(|one| (name(one), one.ap.mean)).collect();
    let spread = comparison.combinations.iter().map(|one| one.ap.deviation.unwrap_or(0.0));
    let chart = Chart::bars_with_spread("AP at the end", "AP", &bars, &spread.collect::<Vec<_>>());
    let spread = match comparison.combinations[0].ap.deviation {
        Some(_) => ": mean over the seeds, and a line for their standard deviation",
        None => "",
    };
    report.chart(&chart, &format!("AP after the last step{spread}"));

    report.section("Learning curves");
    for (title, group) in groups(comparison) {
        for (x, at) in [
            ("step", (|point: &EvalPoint| point.step as f64) as fn(&EvalPoint) -> f64),
            ("seconds of training", |point| point.seconds),
        ] {
            curves(&mut report, &title, "AP", (x, at), |point| point.ap, &group);
        }
    }
    report.section("Values of the losses").prose(LOSSES);
    for (title, group) in groups(comparison) {
        let step: fn(&EvalPoint) -> f64 = |point| point.step as f64;
        curves(
            &mut report,
            &title,
            "loss of the scores",
            ("step", step),
            |point| point.scores,
            &group,
        );
        curves(
            &mut report,
            &title,
            "loss of the boxes",
            ("step", step),
            |point| point.boxes,
            &group,
        );
    }
    report.section("What the losses cost").prose(COST);
    let bars: Vec<(String, f64)> =
        comparison.combinations.iter().map(|one| (name(one), one.loss_ms)).collect();
    report.chart(
        &Chart::bars("Losses and their gradients", "ms per step", &bars),
        "Milliseconds of a step that go into the losses",
    );
    report.to_html()
}

/// How two losses are joined; those of criteria are as they are.
fn joined(objective: &Spec) -> String {
    let Spec::Losses(losses) = objective else {
        return String::new();
    };
    let LossesSpec { box_weight, quality, .. } = losses.as_ref();
    let labels =
        if *quality { ", and labels are the score of a match or the IoU of its box" } else { "" };
    format!(" Of two losses that of the boxes is taken times {box_weight}{labels}.")
}

/// What is drawn together: everything, or what has the loss of the scores in common.
fn groups(comparison: &Comparison) -> Vec<(String, Vec<&Combination>)> {
    let all: Vec<&Combination> = comparison.combinations.iter().collect();
    if all.len() <= LEGIBLE {
        return vec![(String::new(), all)];
    }
    let by_scores = all.chunk_by(|a, b| a.scores == b.scores);
    let title = |one: &Combination| match &one.criterion {
        Some(_) => "Criteria".to_owned(),
        None => one.scores.clone(),
    };
    by_scores.map(|group| (title(group[0]), group.to_vec())).collect()
}

fn curves(
    report: &mut Report,
    title: &str,
    y: &str,
    (x, at): (&str, fn(&EvalPoint) -> f64),
    value: fn(&EvalPoint) -> f64,
    group: &[&Combination],
) {
    let series: Vec<Series> = group
        .iter()
        .map(|one| Series {
            name: name(one),
            points: one.curve(at).into_iter().zip(one.curve(value)).collect(),
        })
        .collect();
    let title =
        if title.is_empty() { format!("{y} by {x}") } else { format!("{title}: {y} by {x}") };
    let spread: Vec<Vec<f64>> = group.iter().map(|one| one.spread(value)).collect();
    let [x, y] = [x, y].map(Axis::linear);
    let chart = Chart::lines_with_spread(&title, x, y, &series, &spread);
    let bands = if spread.iter().flatten().any(|&spread| spread > 0.0) {
        "; the bands are the standard deviation over them"
    } else {
        ""
    };
    report.chart(&chart, &format!("{title}, mean over the seeds{bands}"));
}

fn name(one: &Combination) -> String {
    one.runs[0].settings.objective.title()
}
