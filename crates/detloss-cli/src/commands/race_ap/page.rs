//! The report of a race.

use super::{GOOD, Race, Run, table};
use crate::cli::RaceApArgs;
use crate::experiments::ranking::{STEP, Scores};
use crate::plot::{Axis, Chart, Series};
use crate::report::Report;

const LEAD: &str = "The scores of a few positives among many negatives walk down one loss or another, in steps of equal length. How soon \
    the positives are on top of the ranking shows what a loss spends its gradient on.";

const PROTOCOL: &str = "Every score is a free number, as if a network could say anything of any place. In each iteration all logits move \
    against the gradient of the loss, by a step whose Euclidean length is 0.1 √positives: as far as moving each positive by 0.1 and \
    nothing else. The length is the same for every loss and does not depend on the negatives, so what is compared is the direction, \
    not the scale of a loss or its learning rate. After each step the scores are ranked, and the average precision is the mean \
    over the positives of the best precision at their rank or below; of equal scores the negatives come first.";

const MADE_UP: &str = "The scores are made up to look like a detector that was initialised without a prior: the logits of \
    negatives are normal around 0 with deviation 1, those of positives around 1; every fiftieth negative is hard, around 1.5 with \
    deviation 0.5, higher than most positives. Losses that rank by quality are given an IoU from 0.5 to 1 for every positive, which goes with its \
    score (correlation 0.5); those that take the error of a box are given (1 − IoU) / 0.5.";

const REAL: &str = "Detections matched to an object of their class (IoU ≥ 0.5, best scores first, at most 100 for an image and \
    class, crowds left out) are positives, the others negatives; a logit is ln(score / (1 − score)). Losses that rank by quality are \
    given the IoU of each positive, those that take the error of a box (1 − IoU) / 0.5.";

const LIMITS: &str = "Free scores have no weights to share, so that nothing generalises and the race says nothing of training \
    longer: every loss gets there in the end. It says what a loss wants first.";

/// Bars of a histogram.
const BINS: usize = 48;

/// The report as one HTML file.
pub(super) fn page(race: &Race, scores: &Scores, args: &RaceApArgs) -> String {
    debug_assert_eq!(STEP, 0.1, "the text says so");
    let mut report = Report::new("Race of score losses", LEAD);
    for (what, file) in [("Annotations", &args.gt), ("Detections", &args.dt)] {
        if let Some(file) = file {
            report.input(what, file);
        }
    }
    report.section("The experiment").prose(PROTOCOL);
    report.prose(if race.seed.is_some() { MADE_UP } else { REAL }).prose(LIMITS);
    let classes = if race.per_class {
        " Each class is ranked by itself: losses of whole batches take each as a group, and the precision is the mean over the \
         classes that have positives."
    } else {
        ""
    };
    report.prose(&format!(
        "This run: {}; {} positives, {} negatives, {} iterations, {:.1} seconds.{classes}",
        race.scores, race.positives, race.negatives, race.iterations, race.seconds
    ));
    report.section("Precision").table(
        &table(race),
        &format!(
            "Average precision after some iterations, its mean over all, the iterations until it is {GOOD}, and the time of a \
             loss with its gradient."
        ),
    );
    let x = Axis::linear("iteration");
    let chart = Chart::lines(
        "",
        x,
        Axis::linear("average precision"),
        &series(race, |run| &run.precision, |_| 1.0),
    );
    report.chart(&chart, "Average precision, iteration by iteration.");
    report.section("Losses").prose(
        "Losses are measured in units of their own: each is shown as a share of what it was at the start. A ranking loss has no \
         slope that its gradient would follow, so it need not fall in every step; and one that also weighs the quality of boxes \
         does not end at 0.",
    );
    let start = |run: &Run| if run.values[0] > 0.0 { run.values[0] } else { f64::NAN };
    let chart = Chart::lines(
        "",
        x,
        Axis::linear("loss, share of the start"),
        &series(race, |run| &run.values, start),
    );
    report.chart(&chart, "Value of each loss, as a share of its value at the start.");
    report.section("Scores before and after").prose(
        "How the logits of positives and of negatives lie, each in shares of their own number. Logits beyond the axis are in the \
         first and the last bar.",
    );
    let (low, high) = reach(race, scores);
    let all = std::iter::once(("Before", &scores.logits));
    let all = all.chain(race.runs.iter().map(|run| (&*run.name, &run.logits)));
    let drawings: Vec<Chart> =
        all.map(|(title, logits)| shares(title, scores, logits, low, high)).collect();
    report.charts(
        &drawings,
        "Logits of positives and negatives: before, and after the last iteration of each loss.",
    );
    report.to_html()
}

fn series<'a>(
    race: &'a Race,
    curve: impl Fn(&'a Run) -> &'a [f64],
    unit: impl Fn(&Run) -> f64,
) -> Vec<Series> {
    let series = |run: &'a Run| {
        let points = curve(run).iter().enumerate();
        let points = points.map(|(at, &value)| (at as f64, value / unit(run))).collect();
        Series { name: run.name.clone(), points }
    };
    race.runs.iter().map(series).collect()
}

/// The logits that histograms show: all but the outermost hundredth of either side.
fn reach(race: &Race, scores: &Scores) -> (f64, f64) {
    let all = std::iter::once(&scores.logits).chain(race.runs.iter().map(|run| &run.logits));
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for logits in all {
        for positive in [true, false] {
            let mut side: Vec<f32> = scores.side(logits, positive).collect();
            side.sort_unstable_by(f32::total_cmp);
            if let Some(last) = side.len().checked_sub(1) {
                low = low.min(f64::from(side[last / 100]));
                high = high.max(f64::from(side[last - last / 100]));
            }
        }
    }
    (low.floor(), high.ceil().max(low.floor() + 1.0))
}

/// How positives and negatives are spread from `low` to `high`.
fn shares(title: &str, scores: &Scores, logits: &[f32], low: f64, high: f64) -> Chart {
    let width = (high - low) / BINS as f64;
    let side = |positive: bool, name: &str| {
        let (mut counts, mut total) = ([0.0; BINS], 0.0);
        for logit in scores.side(logits, positive) {
            // A cast saturates: what lies before the first bin is in the first.
            counts[(((f64::from(logit) - low) / width) as usize).min(BINS - 1)] += 1.0;
            total += 1.0;
        }
        // A step lasts until the next point: the last bar needs one more.
        let places = (0..=BINS).map(|bin| low + width * bin as f64);
        let shares =
            counts.iter().chain(counts.last()).map(|count| 100.0 * count / f64::max(total, 1.0));
        Series { name: name.to_owned(), points: places.zip(shares).collect() }
    };
    let series = [side(false, "negatives"), side(true, "positives")];
    Chart::areas(title, Axis::linear("logit"), Axis::linear("share, %"), &series)
}
