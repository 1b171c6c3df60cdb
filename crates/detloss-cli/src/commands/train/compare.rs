//! `detloss train compare`: every combination of some losses, and some criteria, trained several times.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::anyhow;

use super::comparison::{Combination, Comparison, table};
use super::lock::lock;
use super::show::Show;
use super::{BOX, CELLS, CLS, Outcome, Setup, criterion, matcher, page, say_notes, train};
use crate::choice::{self, Chosen};
use crate::cli::CompareArgs;
use crate::output::{CliError, make_folder, print_json, print_table, save, say};
use crate::text::duration;
use crate::training::data::Data;
use crate::training::objective::Objective;
use crate::training::run::{Run, Settings};

/// A run that is to be done, or was.
struct Planned<'a> {
    objective: &'a Objective,
    settings: Settings,
    folder: PathBuf,
    /// How it ended, if it did.
    outcome: Option<Outcome>,
}

/// Of so many steps it is said beforehand how long they take.
const WORTH_TIMING: usize = 100;

/// Trains what is missing, and compares.
pub(super) fn run(args: &CompareArgs, json: bool) -> Result<(), CliError> {
    let setup = Setup::new(&args.setup)?;
    let objectives = objectives(args, &setup)?;
    say_notes(&objectives);
    make_folder(&args.out)?;
    let data = setup.data(&args.out)?;
    let _lock = lock(&args.out)?;
    let mut planned = Vec::new();
    for seed in args.setup.seed..args.setup.seed + args.seeds {
        for objective in &objectives {
            let settings = setup.settings(&*data, objective, seed);
            let name = format!("{}+seed={seed}", objective.file_name());
            let folder = args.out.join("runs").join(name);
            let outcome = Outcome::read(&folder, &settings)?;
            planned.push(Planned { objective, settings, folder, outcome });
        }
    }
    let kept = planned.iter().filter(|planned| planned.outcome.is_some()).count();
    let missing = planned.len() - kept;
    if kept > 0 {
        say(format_args!("{kept} of {} runs are there already", planned.len()));
    }
    if missing > 0 {
        let seconds = (missing * args.setup.steps >= WORTH_TIMING)
            .then(|| seconds(&*data, &planned))
            .flatten();
        let time = seconds.map_or(String::new(), |it| format!(": about {}", duration(it)));
        let runs = if missing == 1 { "run" } else { "runs" };
        say(format_args!("{missing} {runs} of {} steps{time}", args.setup.steps));
    }
    let show = Show::new(args.setup.steps, missing, args.setup.data.is_some())?;
    let mut failed = 0;
    let mut done = 0;
    for planned in planned.iter_mut().filter(|planned| planned.outcome.is_none()) {
        make_folder(&planned.folder)?;
        let _lock = lock(&planned.folder)?;
        let Settings { objective, seed, steps, .. } = &planned.settings;
        let name = format!("{}, seed {seed}", objective.title());
        show.name(&name);
        let settings = planned.settings.clone();
        let start = Instant::now();
        // A loss that goes astray at this rate is a result, too.
        match train(&*data, planned.objective, settings, &planned.folder, &show) {
            Ok(Ok(outcome)) => planned.outcome = Some(outcome),
            Ok(Err(step)) => {
                show.end();
                return Err(CliError::Stopped(format!(
                    "stopped after {step} of {steps} steps of {name}, with {done} of {missing} runs done; the same command goes on"
                )));
            }
            Err(problem) => {
                show.note(&format!("failed: {name}: {problem:#}"));
                failed += 1;
            }
        }
        done += 1;
        if done == 1 && missing > 1 {
            let left = start.elapsed().as_secs_f64() * (missing - 1) as f64;
            let runs =
                if missing == 2 { "1 run is".into() } else { format!("{} runs are", missing - 1) };
            show.note(&format!("{runs} left: about {}", duration(left)));
        }
        show.next();
    }
    show.end();
    let mut combinations = Vec::new();
    for objective in 0..objectives.len() {
        let runs = planned.iter().skip(objective).step_by(objectives.len());
        let runs: Vec<Outcome> = runs.filter_map(|run| run.outcome.clone()).collect();
        if !runs.is_empty() {
            combinations.push(Combination::new(runs));
        }
    }
    let failure =
        || CliError::from(anyhow!("{failed} of {} runs failed: see above", planned.len()));
    if combinations.is_empty() {
        return Err(failure());
    }
    let comparison = Comparison { combinations };
    let document = serde_json::to_vec_pretty(&comparison).map_err(CliError::failure)?;
    save(&args.out, "compare.json", &document)?;
    save(&args.out, "compare.csv", &curves(&comparison)?)?;
    save(&args.out, "compare.html", page::page(&comparison).as_bytes())?;
    say(format_args!("{} runs; see {}", planned.len(), args.out.join("compare.html").display()));
    if json {
        print_json(&comparison)?;
    } else {
        print_table(&table(&comparison))?;
    }
    if failed > 0 { Err(failure()) } else { Ok(()) }
}

/// About how long the missing runs take, by a step of each objective and an evaluation; none where a loss fails at once.
fn seconds(data: &dyn Data, planned: &[Planned]) -> Option<f64> {
    let missing = || planned.iter().filter(|planned| planned.outcome.is_none());
    fn begin<'a>(data: &'a dyn Data, planned: &Planned<'a>) -> Run<'a> {
        Run::new(data, planned.objective, planned.settings.clone())
    }
    let first = missing().next()?;
    let evaluations = begin(data, first).time_of_evaluations().ok()?;
    let mut steps: Vec<(&Objective, f64)> = Vec::new();
    let mut sum = 0.0;
    for planned in missing() {
        let known = steps.iter().find(|(other, _)| std::ptr::eq(*other, planned.objective));
        let step = match known {
            Some(&(_, step)) => step,
            None => {
                let step = begin(data, planned).time_of_step().ok()?;
                steps.push((planned.objective, step));
                step
            }
        };
        sum += step * planned.settings.steps as f64 + evaluations;
    }
    Some(sum)
}

/// Every combination of the losses and matchers, and every criterion.
fn objectives(args: &CompareArgs, setup: &Setup) -> Result<Vec<Objective>, CliError> {
    let criteria = choice::unique(choice::split(&args.criterion));
    let mut all = Vec::new();
    if criteria.is_empty() || !args.cls.is_empty() || !args.bbox.is_empty() {
        let names = |given: &[String], other: &str| {
            if given.is_empty() { vec![other.to_owned()] } else { choice::split(given) }
        };
        let (cls, bbox) = (names(&args.cls, CLS), names(&args.bbox, BOX));
        if let Some(name) = cls.iter().find(|name| bbox.contains(name)) {
            let problem =
                format!("{name} is given as --cls and as --box: it can only be one of them");
            return Err(CliError::Usage(problem));
        }
        let chosen =
            choice::every(&choice::unique([&cls[..], &bbox].concat()), &args.setup.params)?;
        let (scores, boxes): (Vec<Chosen>, Vec<Chosen>) =
            chosen.into_iter().partition(|chosen| cls.iter().any(|name| chosen.is(name)));
        for scores in &scores {
            for boxes in &boxes {
                for name in choice::unique(names(&args.matcher, CELLS)) {
                    all.push(setup.losses(scores, boxes, matcher(&name)?)?);
                }
            }
        }
    } else {
        setup.refuse_with_criterion(&[("--matcher", !args.matcher.is_empty())], &criteria[0])?;
    }
    for text in criteria {
        all.push(criterion(&text)?);
    }
    Ok(all)
}

/// A line for every time that a detector was judged.
fn curves(comparison: &Comparison) -> Result<Vec<u8>, CliError> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    let header =
        "score_loss,box_loss,matcher,criterion,seed,step,seconds,scores,boxes,held_out_scores,held_out_boxes,ap,ap50,ap75"
            .split(',');
    writer.write_record(header).map_err(CliError::failure)?;
    for combination in &comparison.combinations {
        for run in &combination.runs {
            for point in &run.points {
                let Combination { scores, boxes, matcher, criterion, .. } = combination;
                let line = (scores, boxes, matcher, criterion, run.settings.seed, point);
                writer.serialize(line).map_err(CliError::failure)?;
            }
        }
    }
    writer.into_inner().map_err(CliError::failure)
}
