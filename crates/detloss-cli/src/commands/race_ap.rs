//! `detloss race-ap`: scores walk down losses towards a better ranking.

mod detections;
mod page;

use std::time::Instant;

use detloss::losses::{self, AnyLoss};
use serde::Serialize;

use crate::choice::{self, Chosen};
use crate::cli::RaceApArgs;
use crate::experiments::ranking::{self, Course, STEP, Scores};
use crate::output::{CliError, make_folder, print_json, print_table, progress, save, say};
use crate::table::{Column, Table};

/// The precision that the table counts the steps to.
const GOOD: f64 = 0.9;

/// A race and how it went.
#[derive(Serialize)]
struct Race {
    /// Where the scores are from, in words.
    scores: String,
    positives: usize,
    negatives: usize,
    /// Of made-up scores.
    seed: Option<u64>,
    per_class: bool,
    iterations: usize,
    step: f64,
    seconds: f64,
    runs: Vec<Run>,
}

/// A loss, and how far it came.
#[derive(Serialize)]
struct Run {
    name: String,
    loss: String,
    params: serde_json::Map<String, serde_json::Value>,
    /// The mean precision over all iterations.
    area: f64,
    /// The first iteration with a precision of at least [`GOOD`].
    good_after: Option<usize>,
    ms_per_step: f64,
    /// The precision before the first iteration, and after each.
    precision: Vec<f64>,
    /// The value of the loss at the same places.
    values: Vec<f64>,
    /// The logits in the end.
    #[serde(skip)]
    logits: Vec<f32>,
}

/// Runs the race.
pub(crate) fn run(args: &RaceApArgs, json: bool) -> Result<(), CliError> {
    for (option, count) in [("--positives", args.positives), ("--iterations", args.iterations)] {
        if count == 0 {
            return Err(CliError::Usage(format!("{option} is 0: give at least 1")));
        }
    }
    let racers = racers(args)?;
    let (words, scores) = scores(args)?;
    make_folder(&args.out)?;
    let bar = progress((args.iterations * racers.len()) as u64, "steps");
    let start = Instant::now();
    let run = |racer: &Chosen| {
        let (kernel, entry) = (racer.kernel(), racer.entry);
        let course = ranking::run(kernel, entry, &scores, args.iterations, || bar.inc(1))?;
        Ok(Run::new(racer, course))
    };
    let runs = racers.iter().map(run).collect::<Result<Vec<_>, CliError>>()?;
    let seconds = start.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let race = Race {
        scores: words,
        positives: scores.positives(),
        negatives: scores.logits.len() - scores.positives(),
        seed: args.gt.is_none().then_some(args.seed),
        per_class: args.per_class,
        iterations: args.iterations,
        step: STEP,
        seconds,
        runs,
    };
    save(&args.out, "race-ap.csv", &curves(&race)?)?;
    let document = serde_json::to_vec(&race).map_err(CliError::failure)?;
    save(&args.out, "race-ap.json", &document)?;
    save(&args.out, "race-ap.html", page::page(&race, &scores, args).as_bytes())?;
    say(format_args!(
        "{}: {} positives, {} negatives, {} iterations: {seconds:.1} s; see {}",
        race.scores,
        race.positives,
        race.negatives,
        race.iterations,
        args.out.join("race-ap.html").display()
    ));
    if json { print_json(&race) } else { print_table(&table(&race)) }
}

impl Run {
    fn new(chosen: &Chosen, course: Course) -> Self {
        Self {
            name: chosen.title(),
            loss: chosen.name.clone(),
            params: chosen.params(),
            area: course.area(),
            good_after: course.reaches(GOOD),
            ms_per_step: 1e3 * course.seconds,
            precision: course.precision,
            values: course.values,
            logits: course.logits,
        }
    }
}

/// Who takes part.
fn racers(args: &RaceApArgs) -> Result<Vec<Chosen>, CliError> {
    let names = if args.losses.is_empty() {
        ranking::defaults()
    } else {
        choice::unique(choice::split(&args.losses))
    };
    for name in &names {
        if !ranking::fits(name.parse::<AnyLoss>()?.entry()) {
            let all = losses::ALL.iter().filter(|entry| ranking::fits(entry));
            let all: Vec<&str> = all.map(|entry| entry.name).collect();
            return Err(CliError::Usage(format!(
                "{name} is no loss of scores one by one: choose among {}",
                all.join(", ")
            )));
        }
    }
    choice::every(&names, &args.params)
}

/// The scores to begin with, and where they are from.
fn scores(args: &RaceApArgs) -> Result<(String, Scores), CliError> {
    match (&args.gt, &args.dt) {
        (Some(truth), Some(found)) => detections::read(truth, found, args.per_class),
        _ => {
            let scores = ranking::synthetic(args.positives, args.negatives, args.seed);
            Ok((format!("made-up scores, seed {}", args.seed), scores))
        }
    }
}

/// The iterations whose precision is shown: the start, and halves of halves of the way.
fn marks(iterations: usize) -> Vec<usize> {
    let mut marks: Vec<usize> =
        [0, iterations / 20, iterations / 10, iterations / 5, iterations / 2, iterations].into();
    marks.dedup();
    marks
}

fn table(race: &Race) -> Table {
    let marks = marks(race.iterations);
    let numbers = marks.iter().map(|mark| format!("it. {mark}"));
    let more = ["mean".to_owned(), format!("AP {GOOD} after"), "ms per step".to_owned()];
    let mut table = Table::new(
        std::iter::once(Column::words("loss")).chain(numbers.chain(more).map(Column::numbers)),
    );
    for run in &race.runs {
        let precision = marks.iter().map(|&mark| run.precision[mark]).chain([run.area]);
        let after = run.good_after.map_or_else(|| "-".to_owned(), |after| after.to_string());
        let cells = precision.map(|precision| format!("{precision:.3}"));
        let time = format!("{:.2}", run.ms_per_step);
        table.push(std::iter::once(run.name.clone()).chain(cells).chain([after, time]));
    }
    table
}

/// One line per iteration, one column of precision per run. Nothing that a clock says: the same seed gives the same bytes.
fn curves(race: &Race) -> Result<Vec<u8>, CliError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = race.runs.iter().map(|run| run.name.clone());
    writer
        .write_record(std::iter::once("iteration".into()).chain(names))
        .map_err(CliError::failure)?;
    for iteration in 0..=race.iterations {
        let precision = race.runs.iter().map(|run| run.precision[iteration].to_string());
        let record = std::iter::once(iteration.to_string()).chain(precision);
        writer.write_record(record).map_err(CliError::failure)?;
    }
    writer.into_inner().map_err(CliError::failure)
}
