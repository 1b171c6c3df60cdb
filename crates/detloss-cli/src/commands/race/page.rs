//! The report of a race.

use super::{Race, Run, table};
use crate::experiments::box_regression::published::DEVIATIONS;
use crate::plot::{Axis, Chart, Series};
use crate::report::Report;

const LEAD: &str = "Boxes of many shapes start all around a target and walk towards it, down one loss or another. How far all \
    of them together still are, step after step, shows where a loss is slow and where it never arrives.";

const PROTOCOL: &str = "The experiment is that of the DIoU paper (Zheng and others, AAAI 2020). Anchors start from random points \
    of a disc of radius 3 around the target, one in each of as many rings of equal area. Seven targets of area 1 (width : height from 1 : 4 to 4 : 1) meet anchors of seven \
    areas (0.5 to 2) and the same seven ratios: 343 cases for each point. In each of 200 iterations centre and size of a box \
    move by rate · (2 − IoU) · direction, where the rate is 0.1, from iteration 161 on 0.01 and from 181 on 0.001. The error of \
    a box is |Δx| + |Δy| + |Δw| + |Δh|.";

const EXACT: &str = "Exact means down the gradient of the loss, as automatic differentiation gives it. Published means along the \
    formulas that moved the boxes in the authors' own experiment, test_1715k.m of the repository Zzh-tju/DIoU; only \
    those redo the figures of the paper. They are written by hand and differ from the gradients in five ways:";

const STORY: &str = "So the two kinds of runs answer different questions. The published ones show what the paper shows. The exact \
    ones show what training with the loss in any framework with automatic differentiation would do. At the full size of 5000 \
    points GIoU arrives nearly everywhere there, and DIoU is not faster than GIoU at first. The logarithm of the IoU is no \
    match for steps of this length: where boxes barely overlap its gradient has no bound and throws them far away.";

/// The report as one HTML file.
pub(super) fn page(race: &Race, centers: &[[f64; 2]]) -> String {
    let mut report = Report::new("Race of box losses", LEAD);
    report.section("The experiment").prose(PROTOCOL).prose(&format!(
        "This run: {} points, {} cases, seed {}; {:.1} seconds on {} threads.",
        race.centers, race.cases, race.seed, race.seconds, race.threads
    ));
    report.section("Errors").table(
        &table(race),
        "Sum of the errors of all cases after an iteration, and over all iterations, in millions; less is better.",
    );
    for (directions, heading) in
        [("exact", "Down the exact gradients"), ("published", "Along the published directions")]
    {
        let runs: Vec<&Run> = race.runs.iter().filter(|run| run.directions == directions).collect();
        if !runs.is_empty() {
            curves(&mut report, heading, &runs);
        }
    }
    if race.runs.iter().any(|run| run.directions == "published") {
        report.section("Published directions and exact gradients").prose(EXACT);
        for (deviation, number) in DEVIATIONS.iter().zip(1..) {
            report.prose(&format!("{number}. {deviation}"));
        }
        report.prose(STORY);
    }
    report.section("Where boxes are left behind").prose(
        "Each point is a centre that anchors start from, seen from the target; its colour is the sum of what its 343 cases \
         still lack after the last iteration. The scales differ from loss to loss.",
    );
    let surface = |run: &Run| {
        let points: Vec<(f64, f64, f64)> =
            centers.iter().zip(&run.last).map(|(&[x, y], &last)| (x, y, last)).collect();
        let axes = ["x of the start, from the target", "y of the start", "error left, 343 cases"];
        Chart::surface(&run.name, axes, &points)
    };
    let surfaces: Vec<Chart> = race.runs.iter().map(surface).collect();
    report.charts(&surfaces, "Error left by starting point.");
    report.to_html()
}

fn curves(report: &mut Report, heading: &str, runs: &[&Run]) {
    let series: Vec<Series> = runs
        .iter()
        .map(|run| Series {
            name: run.name.clone(),
            points: run
                .errors
                .iter()
                .enumerate()
                .map(|(at, &error)| (at as f64, error / 1e6))
                .collect(),
        })
        .collect();
    let x = Axis::linear("iteration");
    report.section(heading);
    for (y, caption) in [
        (Axis::linear("sum of errors, millions"), "The errors as the paper plots them."),
        (
            Axis::log("sum of errors, millions"),
            "The same, so that equal ratios are equal steps: the end of the race.",
        ),
    ] {
        report.chart(&Chart::lines(heading, x, y, &series), caption);
    }
}
