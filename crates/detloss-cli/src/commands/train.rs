//! `detloss train`: a detector, trained with two losses of the list or with a criterion.

mod compare;
mod comparison;
mod outcome;
mod page;

use std::collections::BTreeSet;
use std::path::Path;

use detloss::loss::Described as _;
use detloss::losses::boxes::Giou;
use detloss::losses::scores::Focal;
use detloss::matching::AnyMatcher;

use self::outcome::Outcome;
use crate::choice::{self, Chosen};
use crate::cli::{SetupArgs, TrainArgs, TrainCommand};
use crate::output::{CliError, make_folder, print_json, print_table, progress, save, say};
use crate::table::{Column, Table};
use crate::training::data::Data;
use crate::training::detector::{SIDES, is_side};
use crate::training::digits::Digits;
use crate::training::folder::Folder;
use crate::training::losses::Losses;
use crate::training::model;
use crate::training::objective::Objective;
use crate::training::output::CELL;
use crate::training::picture::{self, Detected};
use crate::training::run::{Progress, Run, Settings};

/// So many problems of a folder are named; the others are counted.
const NAMED: usize = 10;

/// Scenes in the picture of detections.
const PICTURED: usize = 12;

/// Detections with a lower score are not drawn there.
const DRAWN: f64 = 0.3;

/// So many steps of so many scenes are fewer scenes than a seed has.
const MOST_STEPS: usize = 10_000_000;
const MOST_SCENES: usize = 10_000;

/// The losses unless others are given.
const CLS: &str = Focal::NAME;
const BOX: &str = Giou::NAME;

/// The rule by which cells find objects, of the detector itself.
const CELLS: &str = "cells";

/// With a heavier loss of the boxes, sums in f32 overflow.
const HEAVIEST: f64 = 1e6;

/// Whatever the seed of a run, its detector is judged by the same scenes.
const HELD_OUT_SEED: u64 = 0;

/// Trains a detector, or compares losses by training many.
pub(crate) fn run(args: &TrainArgs, json: bool) -> Result<(), CliError> {
    if let Some(TrainCommand::Compare(args)) = &args.command {
        return compare::run(args, json);
    }
    let setup = Setup::new(&args.setup)?;
    let objective = match &args.criterion {
        Some(text) => {
            let given = [
                ("--cls", args.cls.is_some()),
                ("--box", args.bbox.is_some()),
                ("--matcher", args.matcher.is_some()),
            ];
            setup.refuse_with_criterion(&given, text)?;
            criterion(text)?
        }
        None => {
            let name =
                |given: &Option<String>, other: &str| given.as_deref().unwrap_or(other).to_owned();
            let names = [name(&args.cls, CLS), name(&args.bbox, BOX)];
            let chosen = choice::every(&names, &args.setup.params)?;
            let [scores, boxes] = &chosen[..] else {
                let problem =
                    "a parameter has several values: give one, or use `detloss train compare`";
                return Err(CliError::Usage(problem.into()));
            };
            setup.losses(scores, boxes, matcher(&name(&args.matcher, CELLS))?)?
        }
    };
    say_notes([&objective]);
    make_folder(&args.out)?;
    let data = setup.data(&args.out)?;
    let settings = setup.settings(&*data, &objective, args.setup.seed);
    let bar = progress(settings.steps as u64, "steps");
    let show = |progress: &Progress| {
        if let Some(mark) = progress.points.last() {
            bar.set_message(format!("AP {:.3}, steps", mark.ap));
        }
        bar.set_position(progress.step as u64);
    };
    let outcome = match Outcome::read(&args.out, &settings)? {
        Some(outcome) => {
            say(format_args!(
                "this run is done already: remove {} to train anew",
                args.out.display()
            ));
            outcome
        }
        None => train(&*data, &objective, settings, &args.out, &show)?,
    };
    bar.finish_and_clear();
    let last = outcome.last();
    say(format_args!(
        "{}, {} steps of {} scenes, seed {}: {:.1} s, {:.1} % of them in the losses; AP {:.3}; see {}",
        outcome.settings.objective.title(),
        outcome.settings.steps,
        outcome.settings.batch,
        outcome.settings.seed,
        outcome.seconds,
        100.0 * outcome.loss_share,
        last.ap,
        args.out.join("detections.png").display()
    ));
    if json { print_json(&outcome) } else { print_table(&table(&outcome)) }
}

/// How to train, checked.
struct Setup<'a>(&'a SetupArgs);

impl<'a> Setup<'a> {
    fn new(args: &'a SetupArgs) -> Result<Self, CliError> {
        let wrong = |problem: String| Err(CliError::Usage(problem));
        for (option, count, most) in
            [("--steps", args.steps, MOST_STEPS), ("--batch", args.batch, MOST_SCENES)]
        {
            if !(1..=most).contains(&count) {
                return wrong(format!("{option} is {count}: give 1 to {most}"));
            }
        }
        if args.imbalance == 0 {
            return wrong(
                "--imbalance is 0: 1 is a scene with digits in each, 10 in every tenth".into(),
            );
        }
        if !is_side(args.side) {
            let [least, most] = SIDES;
            let problem =
                format!("--side is {}: give a multiple of {CELL}, {least} to {most}", args.side);
            return wrong(problem);
        }
        if !(args.rate > 0.0 && args.rate.is_finite()) {
            return wrong(format!(
                "--rate is {}: give a positive number, such as 0.006",
                args.rate
            ));
        }
        if let Some(weight) = args.box_weight
            && !(0.0..=HEAVIEST).contains(&weight)
        {
            return wrong(format!("--box-weight is {weight}: give 0 to {HEAVIEST}"));
        }
        if !(args.prior > 0.0 && args.prior < 1.0) {
            return wrong(format!("--prior is {}: give a probability between 0 and 1", args.prior));
        }
        Ok(Self(args))
    }

    /// Two losses, and which cell is to find which object.
    fn losses(
        &self,
        scores: &Chosen,
        boxes: &Chosen,
        matcher: Option<AnyMatcher>,
    ) -> Result<Objective, CliError> {
        let weight = self.0.box_weight.unwrap_or(1.0);
        let losses = Losses::new(scores, boxes, weight, self.0.quality, matcher)?;
        Ok(Objective::Losses(Box::new(losses)))
    }

    /// Says of options that a criterion has in its text how they are written there.
    fn refuse_with_criterion(&self, given: &[(&str, bool)], text: &str) -> Result<(), CliError> {
        let own = [
            ("--param", !self.0.params.is_empty()),
            ("--box-weight", self.0.box_weight.is_some()),
            ("--quality", self.0.quality),
        ];
        let given: Vec<&str> =
            given.iter().chain(&own).filter(|option| option.1).map(|option| option.0).collect();
        if given.is_empty() {
            return Ok(());
        }
        Err(CliError::Usage(format!(
            "--criterion {text} has losses, weights and a matcher of its own, so that {} cannot be given beside it: write them in its \
             text, as in --criterion \"yolo8(box=siou, box.weight=5, matcher=task_aligned(topk=13))\"",
            given.join(", ")
        )))
    }

    /// The scenes; says what of a folder cannot be used. `out` is to be written to.
    fn data(&self, out: &Path) -> Result<Box<dyn Data>, CliError> {
        let Some(folder) = &self.0.data else {
            return Ok(Box::new(Digits::new(self.0.side, HELD_OUT_SEED, self.0.imbalance)));
        };
        let bar = progress(0, "images");
        let data = Folder::read(folder, self.0.side, HELD_OUT_SEED, |done, of| {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
        });
        bar.finish_and_clear();
        let data = data.map_err(CliError::failure)?;
        if data.reads(out) {
            let problem = format!(
                "{} is a folder of the --data, where files could be written over: choose another --out",
                out.display()
            );
            return Err(CliError::Usage(problem));
        }
        for note in data.notes() {
            say(format_args!("note: {note}"));
        }
        let skipped = data.skipped();
        for problem in skipped.iter().take(NAMED) {
            say(format_args!("skipped: {problem}"));
        }
        if skipped.len() > NAMED {
            say(format_args!("skipped: {} more, {} in all", skipped.len() - NAMED, skipped.len()));
        }
        Ok(Box::new(data))
    }

    fn settings(&self, data: &dyn Data, objective: &Objective, seed: u64) -> Settings {
        let SetupArgs { side, prior, steps, batch, rate, .. } = *self.0;
        let (data, objective) = (data.name().to_owned(), objective.spec());
        Settings { data, side, objective, prior, steps, batch, rate, seed }
    }
}

/// A criterion as an objective.
fn criterion(text: &str) -> Result<Objective, CliError> {
    text.parse().map(Objective::Criterion).map_err(CliError::Usage)
}

/// The matcher that is written so; none for the rule of the detector itself.
fn matcher(text: &str) -> Result<Option<AnyMatcher>, CliError> {
    Ok(if text == CELLS { None } else { Some(text.parse()?) })
}

/// Says once what is to be said of these.
fn say_notes<'a>(objectives: impl IntoIterator<Item = &'a Objective>) {
    let notes: BTreeSet<String> = objectives.into_iter().filter_map(Objective::note).collect();
    for note in notes {
        say(format_args!("note: {note}"));
    }
}

/// Trains one detector, or goes on with it, and writes what it became into `folder`. `show` hears of every step.
fn train(
    data: &dyn Data,
    objective: &Objective,
    settings: Settings,
    folder: &Path,
    show: &dyn Fn(&Progress),
) -> anyhow::Result<Outcome> {
    let mut run = Run::new(data, objective, settings.clone()).resume(folder)?;
    while !run.is_done() {
        run.advance(folder, show)?;
    }
    let outcome = Outcome::new(settings, run.progress());
    model::save(run.detector(), run.config(), folder)?;
    save(folder, "detections.png", &pictures(data, &run, &outcome)?)?;
    save(folder, "metrics.csv", &outcome.curves()?)?;
    // Last, because it says that the run is done.
    outcome.write(folder)?;
    run.finish(folder)?;
    Ok(outcome)
}

/// Some of the held-out scenes with what is there and what was found.
fn pictures(data: &dyn Data, run: &Run, outcome: &Outcome) -> anyhow::Result<Vec<u8>> {
    let scenes = &data.held_out()[..PICTURED.min(data.held_out().len())];
    let mut pairs = Vec::new();
    for (scene, found) in scenes.iter().zip(run.find(scenes)?) {
        let sure = found.into_iter().filter(|detection| detection.score >= DRAWN);
        let detected = sure.map(|found| Detected::new(&found, data.classes(), scene.scale));
        pairs.push((scene, detected.collect()));
    }
    let title = outcome.settings.objective.title();
    let ap = outcome.last().ap;
    let caption = format!(
        "{title}: AP {ap:.3}. Left what is there, right what was found with a score of {DRAWN} or more"
    );
    Ok(picture::grid(&caption, &pairs, data.classes())?)
}

fn table(outcome: &Outcome) -> Table {
    let names = ["step", "seconds", "score loss", "box loss", "AP", "AP50", "AP75"];
    let mut table = Table::new(names.map(Column::numbers));
    for mark in &outcome.points {
        let losses = [mark.scores, mark.boxes].map(|loss| format!("{loss:.4}"));
        let metrics = [mark.ap, mark.ap50, mark.ap75].map(|metric| format!("{metric:.3}"));
        let [step, seconds] = [mark.step.to_string(), format!("{:.1}", mark.seconds)];
        table.push([step, seconds].into_iter().chain(losses).chain(metrics));
    }
    table
}
