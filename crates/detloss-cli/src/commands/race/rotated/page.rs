//! The report of a race of rotated boxes.

use super::{Means, Race, Run, table};
use crate::experiments::rotated_regression::Start;
use crate::plot::{Axis, Chart, Series};
use crate::report::Report;

const LEAD: &str = "Rotated boxes of many shapes start all around a target, turned this way and that, and walk towards it down \
    one loss or another. How well they overlap it, and how far they are still turned, shows what a loss sees of an angle.";

const PROTOCOL: &str = "The experiment is that of the DIoU paper (Zheng and others, AAAI 2020), with an angle. Anchors start from \
    random points of a disc of radius 3 around the target, one in each of as many rings of equal area; each point has an angle of \
    its own, from −90° to 90° off that of the target. Seven targets of area 1 (width : height from 1 : 4 to 4 : 1) meet anchors of \
    seven areas (0.5 to 2) and the same seven ratios: 343 cases for each point. In each of 200 iterations cx, cy, w, h and angle (in \
    radians) of a box move down the gradient of the loss, by rate · (2 − IoU) of it, where the rate is 0.1, from iteration 161 on \
    0.01 and from 181 on 0.001. The IoU is exact.";

const ANGLES: &str = "The error of an angle is that between the longer sides of a box and of its target, from 0° to 90°: what a \
    box calls w and h is no matter, and a box that is a square has two such sides, of which the nearer counts (so the \
    mean rises with the first step, when the squares among the anchors get a longer side). One of the seven targets is a square. It \
    has no longer side, so that an error of its angle would mean nothing: it counts for the IoU, and not for the angle.";

const READING: &str = "A loss that has no slope where boxes are disjoint leaves most of them where they start, and one that does \
    not look at the centres leaves all of them there: what such a loss makes of the angle is seen below, and its IoU only with \
    a loss of the centre beside it.";

/// The report as one HTML file.
pub(super) fn page(race: &Race, starts: &[Start]) -> String {
    let mut report = Report::new("Race of losses of rotated boxes", LEAD);
    report.section("The experiment").prose(PROTOCOL).prose(ANGLES).prose(READING);
    report.prose(&format!(
        "This run: {} points, {} cases, {} of them with a target that has an angle, seed {}; {:.1} seconds on {} threads.",
        race.centers, race.cases, race.cases_with_angle, race.seed, race.seconds, race.threads
    ));
    report.section("IoU and angle").table(
        &table(race),
        "Mean IoU of all cases after an iteration (more is better), and mean error of the angle of those whose target is no \
         square (less is better).",
    );
    let iteration = Axis::linear("iteration");
    let iou = Axis::linear("mean IoU");
    let curves = series(race, |run| numbered(&run.iou));
    report.chart(&Chart::lines("IoU", iteration, iou, &curves), "How well boxes overlap.");
    let angle = Axis::linear("mean error of the angle, degrees");
    let curves = series(race, |run| numbered(&run.angle_error));
    report.chart(
        &Chart::lines("Angle", iteration, angle, &curves),
        "How far boxes are turned; without the square targets.",
    );
    let first = Axis::linear("error of the angle at the start, degrees");
    let last = Axis::linear("mean error after the last iteration, degrees");
    let curves = series(race, |run| run.by_angle.clone());
    report.chart(
        &Chart::lines("Angle, by the angle at the start", first, last, &curves),
        "How far boxes are turned in the end, by how far they were turned at the start.",
    );
    report.section("Where boxes are left behind").prose(
        "Each point is a centre that anchors start from, seen from the target; its colour is the mean IoU of its 343 cases after \
         the last iteration. The scales differ from loss to loss.",
    );
    let surface = |run: &Run| {
        let point = |(start, last): (&Start, &Means)| (start.center[0], start.center[1], last.iou);
        let points: Vec<_> = starts.iter().zip(&run.last).map(point).collect();
        let axes = ["x of the start, from the target", "y of the start", "mean IoU, 343 cases"];
        Chart::surface(&run.name, axes, &points)
    };
    let surfaces: Vec<Chart> = race.runs.iter().map(surface).collect();
    report.charts(&surfaces, "IoU by starting point.");
    report.to_html()
}

fn series(race: &Race, points: impl Fn(&Run) -> Vec<(f64, f64)>) -> Vec<Series> {
    race.runs.iter().map(|run| Series { name: run.name.clone(), points: points(run) }).collect()
}

fn numbered(values: &[f64]) -> Vec<(f64, f64)> {
    values.iter().enumerate().map(|(at, &value)| (at as f64, value)).collect()
}
