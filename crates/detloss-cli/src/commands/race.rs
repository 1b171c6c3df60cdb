//! `detloss race`: boxes walk down losses towards their targets.

mod page;
mod rotated;

use std::path::Path;
use std::time::Instant;

use detloss::losses::{self, AnyLoss};
use detloss::operand::Kind;
use serde::Serialize;

use crate::choice::{self, Chosen};
use crate::cli::{Directions, RaceArgs};
use crate::experiments::box_regression::published::{self, Published};
use crate::experiments::box_regression::{self, CASES, Exact, GROUP, ITERATIONS, disc};
use crate::output::{CliError, make_folder, print_json, print_table, progress, save, say};
use crate::table::{Column, Table};
use crate::text::duration;

/// The iterations whose errors are shown: the first, the last before each change of the rate, and two on the way.
const MARKS: [usize; 5] = [1, 50, 100, 160, ITERATIONS];

/// As many starting points as the paper has.
const CENTERS: usize = 5000;

/// More would take hours for each loss, and no longer change a figure.
const MOST_CENTERS: usize = 100_000;

/// A race of so many times the starting points that time it may be foretold.
const WORTH_TIMING: usize = 20;

/// A race of more seconds is foretold.
const LONG: f64 = 5.0;

/// A race and how it went.
#[derive(Serialize)]
struct Race {
    centers: usize,
    cases: usize,
    iterations: usize,
    seed: u64,
    threads: usize,
    seconds: f64,
    runs: Vec<Run>,
}

/// A loss with one of its directions, and how far it came.
#[derive(Serialize)]
struct Run {
    name: String,
    loss: String,
    params: serde_json::Map<String, serde_json::Value>,
    directions: &'static str,
    seconds: f64,
    /// The sum of all errors over the iterations.
    total: f64,
    /// The sum of all errors before the first iteration, and after each.
    errors: Vec<f64>,
    /// For every centre, the sum of the errors after the last iteration.
    #[serde(skip)]
    last: Vec<f64>,
}

/// Runs the race.
pub(crate) fn run(args: &RaceArgs, json: bool) -> Result<(), CliError> {
    if args.centers == Some(0) {
        return Err(CliError::Usage("--centres is 0: give at least 1".into()));
    }
    if let Some(centers) = args.centers.filter(|&centers| centers > MOST_CENTERS) {
        let problem = format!(
            "--centres is {centers}: give {MOST_CENTERS} at most; the paper has {CENTERS}, and more change little"
        );
        return Err(CliError::Usage(problem));
    }
    let names = names(args);
    match kind(&names)? {
        Kind::RotatedBox => rotated::run(args, &names, json),
        _ => of_corners(args, &names, json),
    }
}

/// The race of axis-aligned boxes, which are given by their corners.
fn of_corners(args: &RaceArgs, names: &[String], json: bool) -> Result<(), CliError> {
    let racers = racers(args, names)?;
    make_folder(&args.out)?;
    let centers = disc(args.centers.unwrap_or(CENTERS), args.seed);
    foretell(centers.len(), |some| {
        racers.iter().for_each(|racer| _ = racer.run(&centers[..some], &|_| {}));
    });
    let bar = progress((centers.len() * racers.len()) as u64, "centres");
    let start = Instant::now();
    let runs =
        racers.iter().map(|racer| racer.run(&centers, &|count| bar.inc(count as u64))).collect();
    let seconds = start.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let race = Race {
        centers: centers.len(),
        cases: centers.len() * CASES,
        iterations: ITERATIONS,
        seed: args.seed,
        threads: rayon::current_num_threads(),
        seconds,
        runs,
    };
    write(&race, &centers, &args.out)?;
    say(format_args!(
        "{} cases, {ITERATIONS} iterations, seed {}: {seconds:.1} s on {} threads; see {}",
        race.cases,
        race.seed,
        race.threads,
        args.out.join("race.html").display()
    ));
    if json { print_json(&race) } else { print_table(&table(&race)) }
}

/// Says how long a race from so many starting points takes, if that is long.
fn foretell(starts: usize, race: impl FnOnce(usize)) {
    if let Some(seconds) = forecast(starts, race) {
        say(format_args!("about {}", duration(seconds)));
    }
}

/// How many seconds a race from so many starting points takes, by one from a few of them; none if that is soon over.
fn forecast(starts: usize, race: impl FnOnce(usize)) -> Option<f64> {
    // What keeps all threads busy.
    let some = GROUP * rayon::current_num_threads();
    if starts < WORTH_TIMING * some {
        return None;
    }
    let start = Instant::now();
    race(some);
    let seconds = start.elapsed().as_secs_f64() * starts as f64 / some as f64;
    Some(seconds).filter(|seconds| *seconds >= LONG)
}

/// A loss with the direction its boxes take.
struct Racer {
    chosen: Chosen,
    /// None for the exact gradient.
    published: Option<Published>,
}

impl Racer {
    fn run(&self, centers: &[[f64; 2]], done: &(impl Fn(usize) + Sync)) -> Run {
        let start = Instant::now();
        let (directions, name, outcome) = match self.published {
            Some(published) => {
                let name = format!("{} (published)", self.chosen.title());
                ("published", name, box_regression::run(centers, || published, done))
            }
            None => {
                let exact = || Exact::new(self.chosen.kernel());
                ("exact", self.chosen.title(), box_regression::run(centers, exact, done))
            }
        };
        Run {
            name,
            loss: self.chosen.name.clone(),
            params: self.chosen.params(),
            directions,
            seconds: start.elapsed().as_secs_f64(),
            total: outcome.total(),
            errors: outcome.curve,
            last: outcome.last,
        }
    }
}

/// The losses that were asked for, or all of two axis-aligned boxes.
fn names(args: &RaceArgs) -> Vec<String> {
    let named = choice::unique(choice::split(&[&args.names[..], &args.losses].concat()));
    if !named.is_empty() {
        return named;
    }
    let of_boxes = losses::ALL.iter().filter(|entry| choice::is_of_two_boxes(entry));
    of_boxes.map(|entry| entry.name.to_owned()).collect()
}

/// The kind of boxes that all of these losses take.
fn kind(names: &[String]) -> Result<Kind, CliError> {
    let mut first: Option<(&str, Kind)> = None;
    for name in names {
        let kind = choice::kind_of_boxes(name.parse::<AnyLoss>()?.entry());
        let kind = kind.filter(|kind| matches!(kind, Kind::Box | Kind::RotatedBox));
        let Some(kind) = kind else {
            return Err(CliError::Usage(format!(
                "{name} is no loss of two boxes in a plane: see `detloss list --family boxes`, or rotated"
            )));
        };
        let &mut (other, same) = first.get_or_insert((name, kind));
        if kind != same {
            let [one, two] =
                [same, kind].map(|kind| choice::name_of_boxes(kind).unwrap_or_default());
            return Err(CliError::Usage(format!(
                "{other} is a loss of {one}, {name} of {two}: give each kind a race of its own"
            )));
        }
    }
    Ok(first.map_or(Kind::Box, |(_, kind)| kind))
}

/// Who takes part: first down the exact gradients, then along the published directions.
fn racers(args: &RaceArgs, names: &[String]) -> Result<Vec<Racer>, CliError> {
    let mut racers = Vec::new();
    if args.directions != Directions::Published {
        let chosen = choice::every(names, &args.params)?;
        racers.extend(chosen.into_iter().map(|chosen| Racer { chosen, published: None }));
    }
    if args.directions != Directions::Exact {
        // Published were formulas without parameters.
        for chosen in choice::every(names, &[])? {
            if let Some(published) = published::find(&chosen.name) {
                racers.push(Racer { chosen, published: Some(published) });
            }
        }
    }
    if racers.is_empty() { Err(unpublished(names)) } else { Ok(racers) }
}

/// Nobody published a direction for any of these.
fn unpublished(names: &[String]) -> CliError {
    let list = names.join(", ");
    CliError::Usage(format!("no direction was published for {list}: use --directions exact"))
}

/// Error sums in millions, as the paper plots them when all its centres take part.
fn table(race: &Race) -> Table {
    let numbers = MARKS.map(|mark| Column::numbers(format!("it. {mark}")));
    let mut table = Table::new(
        [Column::words("loss"), Column::words("direction")]
            .into_iter()
            .chain(numbers)
            .chain([Column::numbers("sum of all"), Column::numbers("seconds")]),
    );
    for run in &race.runs {
        let marks = MARKS.iter().map(|&mark| format!("{:.4}", run.errors[mark] / 1e6));
        let end = [format!("{:.2}", run.total / 1e6), format!("{:.1}", run.seconds)];
        let label = run.name.trim_end_matches(" (published)").to_owned();
        table.push([label, run.directions.to_owned()].into_iter().chain(marks).chain(end));
    }
    table
}

/// Writes race.csv, race.json and race.html.
fn write(race: &Race, centers: &[[f64; 2]], folder: &Path) -> Result<(), CliError> {
    save(folder, "race.csv", &curves(race)?)?;
    // Single precision is what the boxes have, and half as long to read.
    let last = |run: &Run| run.last.iter().map(|&error| error as f32).collect::<Vec<f32>>();
    let points: Vec<[f32; 2]> = centers.iter().map(|center| center.map(|x| x as f32)).collect();
    let document = serde_json::json!({
        "race": race,
        "centers_from_target": points,
        "last_error_by_center": race.runs.iter().map(last).collect::<Vec<_>>(),
    });
    save(folder, "race.json", &serde_json::to_vec(&document).map_err(CliError::failure)?)?;
    save(folder, "race.html", page::page(race, centers).as_bytes())?;
    Ok(())
}

/// One line per iteration, one column per run.
fn curves(race: &Race) -> Result<Vec<u8>, CliError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = race.runs.iter().map(|run| run.name.clone());
    writer
        .write_record(std::iter::once("iteration".into()).chain(names))
        .map_err(CliError::failure)?;
    for iteration in 0..=ITERATIONS {
        let errors = race.runs.iter().map(|run| run.errors[iteration].to_string());
        let record = std::iter::once(iteration.to_string()).chain(errors);
        writer.write_record(record).map_err(CliError::failure)?;
    }
    writer.into_inner().map_err(CliError::failure)
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_long_race_is_foretold_by_a_short_one() {
        let few = GROUP * rayon::current_num_threads();
        let takes = |millis| {
            move |some| {
                assert_eq!(some, few);
                sleep(Duration::from_millis(millis));
            }
        };
        let seconds = forecast(1000 * few, takes(10)).unwrap();
        assert!(seconds >= 10.0, "{seconds}");
        assert_eq!(forecast(WORTH_TIMING * few, takes(1)), None);
        assert_eq!(forecast(few, |_| panic!("a short race needs no forecast")), None);
    }
}
