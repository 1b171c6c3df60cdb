//! `detloss train`: a detector, trained with two losses of the list or with a criterion.

mod compare;
mod comparison;
mod lock;
mod outcome;
mod page;
mod show;

use std::collections::BTreeSet;
use std::path::Path;

use detloss::loss::Described as _;
use detloss::losses::boxes::Giou;
use detloss::losses::scores::Focal;
use detloss::matching::AnyMatcher;
use detloss_coco::{Detection, Options, evaluate};

use self::outcome::Outcome;
use self::show::Show;
use crate::choice::{self, Chosen};
use crate::cli::{SetupArgs, TrainArgs, TrainCommand};
use crate::output::{CliError, make_folder, print, print_json, print_table, progress, save, say};
use crate::table::{Column, Table};
use crate::training::augment::Augment;
use crate::training::data::Data;
use crate::training::decode::best_of_any_class;
use crate::training::detector::{SIDES, is_side};
use crate::training::digits::Digits;
use crate::training::folder::Folder;
use crate::training::losses::Losses;
use crate::training::objective::Objective;
use crate::training::output::CELL;
use crate::training::picture::{self, Detected};
use crate::training::run::{Run, Settings};
use crate::training::{files, memory, model};

/// So many problems of a folder are named; the others are counted.
const NAMED: usize = 10;

/// The file of what is there in the scenes that are held out.
const HELD_OUT: &str = "held-out.json";

/// The file that names all of them.
const SKIPPED: &str = "skipped.txt";

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
pub(super) const HELD_OUT_SEED: u64 = 0;

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
    let _lock = lock::lock(&args.out)?;
    let outcome = match Outcome::read(&args.out, &settings)? {
        Some(outcome) => {
            say(format_args!(
                "this run is done already: remove {} to train anew",
                args.out.display()
            ));
            outcome
        }
        None => {
            let show = Show::new(settings.steps, 1, args.setup.data.is_some())?;
            let trained = train(&*data, &objective, settings, &args.out, &show);
            show.end();
            trained?.map_err(|step| {
                let steps = args.setup.steps;
                let words =
                    format!("stopped after {step} of {steps} steps; the same command goes on");
                CliError::Stopped(words)
            })?
        }
    };
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
    if json {
        return print_json(&outcome);
    }
    print_table(&table(&outcome))?;
    print("\n")?;
    print_table(&files::table(&outcome.classes))
}

/// How to train, checked.
struct Setup<'a>(&'a SetupArgs, Augment);

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
        if let Some(problem) = too_large(args.batch, args.side) {
            return Err(anyhow::anyhow!(problem).into());
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
        // Pictures of one's own are few.
        let other = if args.data.is_some() { "all" } else { "none" };
        let augment = args.augment.as_deref().unwrap_or(other).parse();
        let augment =
            augment.map_err(|problem| CliError::Usage(format!("--augment: {problem}")))?;
        Ok(Self(args, augment))
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
        let data = data.map_err(CliError::failure)?.augmented(self.1.clone());
        if data.reads(out) {
            let problem = format!(
                "{} is a folder of the --data, where files could be written over: choose another --out",
                out.display()
            );
            return Err(CliError::Usage(problem));
        }
        say(data.counts());
        for note in data.notes() {
            say(format_args!("note: {note}"));
        }
        say_skipped(data.skipped(), out)?;
        Ok(Box::new(data))
    }

    fn settings(&self, data: &dyn Data, objective: &Objective, seed: u64) -> Settings {
        let SetupArgs { side, prior, steps, batch, rate, .. } = *self.0;
        let (data, objective) = (data.name().to_owned(), objective.spec());
        let augment = self.1.clone();
        Settings { data, augment, side, objective, prior, steps, batch, rate, seed }
    }
}

/// Names what is left out of a folder: the first few here, all in a file.
pub(super) fn say_skipped(skipped: &[String], out: &Path) -> Result<(), CliError> {
    for problem in skipped.iter().take(NAMED) {
        say(format_args!("skipped: {problem}"));
    }
    if !skipped.is_empty() {
        let file = save(out, SKIPPED, (skipped.join("\n") + "\n").as_bytes())?;
        if skipped.len() > NAMED {
            let (more, all) = (skipped.len() - NAMED, skipped.len());
            say(format_args!("skipped: {more} more, {all} in all: see {file}"));
        }
    }
    Ok(())
}

/// What to say of more memory than there is, where the system says how much that is.
fn too_large(batch: usize, side: usize) -> Option<String> {
    let (needed, free) = (memory::needed(batch, side), memory::free()?);
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    (needed > free).then(|| {
        format!(
            "a step of --batch {batch} at --side {side} takes about {:.1} GB of memory, and {:.1} GB are free: give a smaller --batch, or a smaller --side",
            gigabytes(needed),
            gigabytes(free)
        )
    })
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

/// Trains one detector, or goes on with it, and writes what it became into `folder`: or says after which step somebody stopped it.
fn train(
    data: &dyn Data,
    objective: &Objective,
    settings: Settings,
    folder: &Path,
    show: &Show,
) -> anyhow::Result<Result<Outcome, usize>> {
    let mut run = Run::new(data, objective, settings.clone()).resume(folder)?;
    show.begin(run.progress());
    while !run.is_done() {
        let flow = run.advance(folder, &|progress| show.step(progress))?;
        if flow.is_break() && !run.is_done() {
            return Ok(Err(run.progress().step));
        }
    }
    let found = run.find(data.held_out())?;
    let classes = files::classes(&evaluate(data.truth(), &found.concat(), &Options::default()));
    let outcome = Outcome::new(settings, run.progress(), classes);
    model::save(run.detector(), run.config(), folder)?;
    files::write(data.truth(), HELD_OUT, &found.concat(), folder)?;
    save(folder, "detections.png", &pictures(data, &found, &outcome)?)?;
    save(folder, "metrics.csv", &outcome.curves()?)?;
    // Last, because it says that the run is done.
    outcome.write(folder)?;
    run.finish(folder)?;
    Ok(Ok(outcome))
}

/// Some of the held-out scenes with what is there and what was found.
fn pictures(
    data: &dyn Data,
    found: &[Vec<Detection>],
    outcome: &Outcome,
) -> anyhow::Result<Vec<u8>> {
    let scenes = data.held_out().iter().zip(found).take(PICTURED);
    let mut pairs = Vec::new();
    let mut best = 0.0_f64;
    for (scene, found) in scenes {
        best = found.iter().map(|found| found.score).fold(best, f64::max);
        let sure = best_of_any_class(found).into_iter();
        let sure = sure.filter(|detection| detection.score >= DRAWN);
        let detected = sure.map(|found| Detected::new(found, data.classes(), scene.scale));
        pairs.push((scene, detected.collect::<Vec<_>>()));
    }
    let title = outcome.settings.objective.title();
    let ap = outcome.last().ap;
    let right = if best < DRAWN {
        format!("nothing has a score of {DRAWN} or more: the best is {best:.2}")
    } else {
        format!("right what was found with a score of {DRAWN} or more")
    };
    let caption = format!("{title}: AP {ap:.3}. Left what is there, {right}");
    Ok(picture::grid(&caption, &pairs, data.classes())?)
}

fn table(outcome: &Outcome) -> Table {
    let names = [
        "step",
        "seconds",
        "score loss",
        "scores held out",
        "box loss",
        "boxes held out",
        "AP",
        "AP50",
        "AP75",
    ];
    let mut table = Table::new(names.map(Column::numbers));
    for mark in &outcome.points {
        let losses = [mark.scores, mark.held_out_scores, mark.boxes, mark.held_out_boxes];
        let losses = losses.map(|loss| format!("{loss:.4}"));
        let metrics = [mark.ap, mark.ap50, mark.ap75].map(|metric| format!("{metric:.3}"));
        let [step, seconds] = [mark.step.to_string(), format!("{:.1}", mark.seconds)];
        table.push([step, seconds].into_iter().chain(losses).chain(metrics));
    }
    table
}
