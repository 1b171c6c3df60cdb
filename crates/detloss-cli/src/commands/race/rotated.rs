//! The race of rotated boxes: how well they overlap, and how far they are turned.

mod page;

use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::{foretell, unpublished};
use crate::choice::{self, Chosen};
use crate::cli::{Directions, RaceArgs};
use crate::experiments::box_regression::{CASES, ITERATIONS};
use crate::experiments::rotated_regression::{
    self, BINS, Distance, Outcome, Start, cases_with_angle, starts,
};
use crate::output::{CliError, make_folder, print_json, print_table, progress, save, say};
use crate::table::{Column, Table};

/// The iterations that are shown: the first, two on the way, and the last.
const MARKS: [usize; 4] = [1, 50, 100, ITERATIONS];

/// A step of a rotated box costs more than one of an upright box, and fewer will do: the means of a fifth of these are the same to
/// 0.003 in IoU and to 0.2 degrees.
const CENTERS: usize = 500;

/// A race and how it went.
#[derive(Serialize)]
struct Race {
    centers: usize,
    cases: usize,
    /// Those whose target is no square.
    cases_with_angle: usize,
    iterations: usize,
    seed: u64,
    threads: usize,
    seconds: f64,
    runs: Vec<Run>,
}

/// A loss, and how far it came.
#[derive(Serialize)]
struct Run {
    name: String,
    loss: String,
    params: serde_json::Map<String, serde_json::Value>,
    directions: &'static str,
    seconds: f64,
    /// The mean IoU before the first iteration, and after each.
    iou: Vec<f64>,
    /// The mean error of the angle at the same places, in degrees.
    angle_error: Vec<f64>,
    /// The mean of the last errors of the cases whose first error lies in a part of 0 to 90 degrees, and the middle of that part.
    #[serde(skip)]
    by_angle: Vec<(f64, f64)>,
    /// For every start the means of its cases after the last iteration.
    #[serde(skip)]
    last: Vec<Means>,
}

/// Means over some cases.
#[derive(Clone, Copy, Serialize)]
struct Means {
    iou: f64,
    /// In degrees.
    angle_error: f64,
}

impl Means {
    /// Of the sums over the cases of this many starts.
    fn of(sum: &Distance, starts: usize) -> Self {
        let mean = |sum: f64, cases: usize| sum / (starts * cases) as f64;
        Self {
            iou: mean(sum.iou, CASES),
            angle_error: mean(sum.angle, cases_with_angle()).to_degrees(),
        }
    }
}

/// Runs the race of the losses of these names.
pub(super) fn run(args: &RaceArgs, names: &[String], json: bool) -> Result<(), CliError> {
    if args.directions == Directions::Published {
        return Err(unpublished(names));
    }
    let chosen = choice::every(names, &args.params)?;
    make_folder(&args.out)?;
    let starts = starts(args.centers.unwrap_or(CENTERS), args.seed);
    foretell(starts.len(), |some| {
        let race = |racer: &Chosen| {
            rotated_regression::run(&starts[..some], &racer.loss, |_| {});
        };
        chosen.iter().for_each(race);
    });
    let bar = progress((starts.len() * chosen.len()) as u64, "centres");
    let start = Instant::now();
    let runs = chosen.iter().map(|racer| {
        let start = Instant::now();
        let outcome = rotated_regression::run(&starts, &racer.loss, |count| bar.inc(count as u64));
        let curve: Vec<_> = outcome.curve.iter().map(|sum| Means::of(sum, starts.len())).collect();
        Run {
            name: racer.title(),
            loss: racer.name.clone(),
            params: racer.params(),
            directions: "exact",
            seconds: start.elapsed().as_secs_f64(),
            iou: curve.iter().map(|means| means.iou).collect(),
            angle_error: curve.iter().map(|means| means.angle_error).collect(),
            by_angle: by_angle(&outcome),
            last: outcome.last.iter().map(|sum| Means::of(sum, 1)).collect(),
        }
    });
    let runs = runs.collect();
    let seconds = start.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let race = Race {
        centers: starts.len(),
        cases: starts.len() * CASES,
        cases_with_angle: starts.len() * cases_with_angle(),
        iterations: ITERATIONS,
        seed: args.seed,
        threads: rayon::current_num_threads(),
        seconds,
        runs,
    };
    write(&race, &starts, &args.out)?;
    say(format_args!(
        "{} cases of rotated boxes, {} of them with a target that has an angle, {ITERATIONS} iterations, seed {}: {seconds:.1} s \
         on {} threads; see {}",
        race.cases,
        race.cases_with_angle,
        race.seed,
        race.threads,
        args.out.join("race.html").display()
    ));
    if json { print_json(&race) } else { print_table(&table(&race)) }
}

fn by_angle(outcome: &Outcome) -> Vec<(f64, f64)> {
    let middle = |bin: usize| 90.0 * (bin as f64 + 0.5) / BINS as f64;
    let bins = outcome.by_angle.iter().enumerate().filter(|(_, (_, count))| *count > 0);
    bins.map(|(bin, (sum, count))| (middle(bin), (sum / *count as f64).to_degrees())).collect()
}

/// Mean IoUs, and mean errors of the angle in degrees.
fn table(race: &Race) -> Table {
    let numbers = |what: &'static str| MARKS.map(|mark| Column::numbers(format!("{what} {mark}")));
    let columns = numbers("IoU").into_iter().chain(numbers("angle"));
    let first = [Column::words("loss")].into_iter();
    let mut table = Table::new(first.chain(columns).chain([Column::numbers("seconds")]));
    for run in &race.runs {
        let ious = MARKS.map(|mark| format!("{:.4}", run.iou[mark]));
        let angles = MARKS.map(|mark| format!("{:.2}°", run.angle_error[mark]));
        let cells = [run.name.clone()].into_iter().chain(ious).chain(angles);
        table.push(cells.chain([format!("{:.1}", run.seconds)]));
    }
    table
}

/// Writes race.csv, race.json and race.html.
fn write(race: &Race, starts: &[Start], folder: &Path) -> Result<(), CliError> {
    save(folder, "race.csv", &curves(race)?)?;
    let document = serde_json::json!({
        "race": race,
        "centers_from_target": starts.iter().map(|start| start.center).collect::<Vec<_>>(),
        "angles_from_target": starts.iter().map(|start| start.turn).collect::<Vec<_>>(),
        "last_by_center": race.runs.iter().map(|run| &run.last).collect::<Vec<_>>(),
    });
    save(folder, "race.json", &serde_json::to_vec(&document).map_err(CliError::failure)?)?;
    save(folder, "race.html", page::page(race, starts).as_bytes())?;
    Ok(())
}

/// One line per iteration, two columns per run.
fn curves(race: &Race) -> Result<Vec<u8>, CliError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = race.runs.iter().flat_map(|run| {
        [format!("{}: IoU", run.name), format!("{}: angle error, degrees", run.name)]
    });
    let header = std::iter::once("iteration".to_owned()).chain(names);
    writer.write_record(header).map_err(CliError::failure)?;
    for iteration in 0..=ITERATIONS {
        let means =
            race.runs.iter().flat_map(|run| [run.iou[iteration], run.angle_error[iteration]]);
        let record =
            std::iter::once(iteration.to_string()).chain(means.map(|mean| mean.to_string()));
        writer.write_record(record).map_err(CliError::failure)?;
    }
    writer.into_inner().map_err(CliError::failure)
}
