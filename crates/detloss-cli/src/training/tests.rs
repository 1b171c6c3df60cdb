//! A detector learns with losses of every kind, every loss that can train one takes steps, and a run is what its settings say: on scenes that
//! are learned in seconds.

mod criteria;
mod matchers;

use std::cell::Cell;
use std::ops::ControlFlow;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use detloss::loss::Scope;
use detloss::losses::{self, Entry};
use detloss_coco::GroundTruth;

use super::augment::Augment;
use super::data::{Class, Data, truth};
use super::decode::scores;
use super::detector::{Config, Detector};
use super::losses::{Losses, States, is_of_boxes, is_of_scores};
use super::objective::Objective;
use super::run::{EvalPoint, Progress, Run, Settings};
use super::scene::{CHANNELS, Object, Scene};
use crate::choice::{self, Assignment};
use crate::random::Random;

const SIDE: usize = 32;
const SCENES: u64 = 40;

/// A bright square of one of two colours on black; every fifth scene is empty.
struct Squares {
    classes: Vec<Class>,
    /// How many scenes there are to train on.
    train: u64,
    held_out: Vec<Scene>,
    truth: GroundTruth,
}

impl Squares {
    fn new() -> Self {
        Self::of(u64::MAX, SCENES)
    }

    fn of(train: u64, held_out: u64) -> Self {
        let classes = vec![Class::new(3, "red"), Class::new(7, "blue")];
        let held_out: Vec<Scene> = (0..held_out).map(|image| square(1_000_000 + image)).collect();
        let truth = truth(&held_out, &classes);
        Self { classes, train, held_out, truth }
    }
}

impl Data for Squares {
    fn name(&self) -> &str {
        "squares"
    }

    fn classes(&self) -> &[Class] {
        &self.classes
    }

    fn side(&self) -> usize {
        SIDE
    }

    fn train(&self, place: u64) -> Scene {
        square(place % self.train)
    }

    fn held_out(&self) -> &[Scene] {
        &self.held_out
    }

    fn truth(&self) -> &GroundTruth {
        &self.truth
    }
}

fn square(place: u64) -> Scene {
    let mut random = Random::new(place);
    let mut below = |end: usize| (random.uniform() * end as f64) as usize;
    let (class, width) = (below(2), 10 + below(8));
    let [x, y] = [below(SIDE - width), below(SIDE - width)];
    let mut pixels = vec![0; SIDE * SIDE * CHANNELS];
    let mut objects = Vec::new();
    if place % 5 != 4 {
        for row in y..y + width {
            for column in x..x + width {
                pixels[(row * SIDE + column) * CHANNELS + 2 * class] = 255;
            }
        }
        let corners = [x, y, x + width, y + width].map(|edge| edge as f32);
        objects.push(Object { class, corners });
    }
    Scene { image: place, side: SIDE, pixels, scale: 1.0, size: [SIDE as u32; 2], objects }
}

fn go_on(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Of 60 steps.
fn objective(scores: &str, boxes: &str) -> (Objective, Settings) {
    let settable = |name: &str| losses::find(name).unwrap().params.iter().map(|param| param.name);
    let params: Vec<Assignment> = [
        // The balance of aLRP is set anew after every epoch of COCO: here sooner.
        ("period", "period=10"),
        // An error of half a cell is not an outlier.
        ("mu", "mu=0.5"),
    ]
    .iter()
    .filter(|(name, _)| settable(scores).chain(settable(boxes)).any(|param| param == *name))
    .map(|(_, setting)| setting.parse().unwrap())
    .collect();
    let chosen = choice::every(&[scores.into(), boxes.into()], &params).unwrap();
    // Losses of a whole batch divide by more than its size: GHM-R by its bins, too.
    let box_weight = if chosen[1].entry.signature.scope == Scope::Set { 10.0 } else { 1.0 };
    let losses = Losses::new(&chosen[0], &chosen[1], box_weight, false, None).unwrap();
    with_settings(Objective::Losses(Box::new(losses)))
}

fn with_settings(objective: Objective) -> (Objective, Settings) {
    let settings = Settings {
        data: "squares".into(),
        augment: Augment::default(),
        side: SIDE,
        objective: objective.spec(),
        prior: 0.01,
        steps: 60,
        batch: 16,
        rate: 8e-3,
        seed: 1,
    };
    (objective, settings)
}

/// Trains to the end, and gives what became of it.
fn train(scores: &str, boxes: &str) -> Progress {
    let (objective, settings) = objective(scores, boxes);
    finish(&Squares::new(), &objective, settings)
}

/// Trains a few steps on the same few scenes.
fn begin(scores: &str, boxes: &str) -> Progress {
    let (objective, settings) = objective(scores, boxes);
    // Slowly: nothing is to be overshot.
    let settings = Settings { steps: 5, batch: 4, rate: 1e-3, ..settings };
    finish(&Squares::of(4, 2), &objective, settings)
}

fn finish(data: &Squares, objective: &Objective, settings: Settings) -> Progress {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(data, objective, settings);
    while !run.is_done() {
        let _ = run.advance(folder.path(), &go_on).unwrap();
    }
    run.progress().clone()
}

/// Of losses that can train, the first of every kind: of what it is, what it has one value for, and its state.
fn one_of_each_kind(can_train: fn(&Entry) -> bool) -> Vec<&'static Entry> {
    let kind = |entry: &Entry| (entry.signature.pred, entry.signature.scope, entry.signature.state);
    let mut chosen: Vec<&Entry> = Vec::new();
    for entry in losses::ALL.iter().filter(|entry| can_train(entry)) {
        if chosen.iter().all(|other| kind(other) != kind(entry)) {
            chosen.push(entry);
        }
    }
    chosen
}

fn assert_falls(name: &str, points: &[EvalPoint], loss: fn(&EvalPoint) -> f64) {
    let [first, last] = [&points[0], points.last().unwrap()].map(loss);
    assert!(last < first, "{name}: from {first} to {last}");
}

#[test]
fn a_detector_learns_with_losses_of_every_kind() {
    let of_scores = one_of_each_kind(is_of_scores).into_iter().map(|entry| (entry.name, "giou"));
    let of_boxes = one_of_each_kind(is_of_boxes).into_iter().map(|entry| ("focal", entry.name));
    for (scores, boxes) in of_scores.chain(of_boxes) {
        let points = train(scores, boxes).points;
        assert_falls(scores, &points, |point| point.scores);
        assert_falls(boxes, &points, |point| point.boxes);
        let ap50 = points.last().unwrap().ap50;
        assert!(ap50 > 0.4, "{scores} and {boxes}: AP50 {ap50}");
    }
}

/// Where a part of a loss is detached or a state is carried on, the value need not fall from step to step: it moves, and stays finite.
#[test]
fn every_loss_takes_steps() {
    let assert_moves = |name: &str, values: Vec<f64>| {
        assert!(values.iter().all(|value| value.is_finite()), "{name}: {values:?}");
        assert!(values.first() != values.last(), "{name}: {values:?}");
    };
    for entry in losses::ALL.iter().filter(|entry| is_of_scores(entry)) {
        let points = begin(entry.name, "giou").points;
        assert_moves(entry.name, points.iter().map(|point| point.scores).collect());
    }
    for entry in losses::ALL.iter().filter(|entry| is_of_boxes(entry)) {
        let points = begin("focal", entry.name).points;
        assert_moves(entry.name, points.iter().map(|point| point.boxes).collect());
    }
}

#[test]
fn a_run_that_was_stopped_ends_as_one_that_was_not() {
    // Seesaw counts how often it has seen a class, WIoU v3 has a running mean of its boxes.
    for (scores, boxes) in [("focal", "giou"), ("seesaw", "wiou_v3")] {
        assert_stops_nowhere(&objective(scores, boxes));
    }
}

/// A run that is stopped after every evaluation, and once between two, ends as one that is not.
fn assert_stops_nowhere((objective, settings): &(Objective, Settings)) {
    let whole = finish(&Squares::new(), objective, settings.clone());
    let folder = tempfile::tempdir().unwrap();
    let data = Squares::new();
    let stops = Cell::new(0);
    loop {
        let run = Run::new(&data, objective, settings.clone());
        let mut run = run.resume(folder.path()).unwrap();
        if run.is_done() {
            let timeless = |progress: &Progress| {
                let mut progress = progress.clone();
                (progress.seconds, progress.loss_seconds) = (0.0, 0.0);
                progress.points.iter_mut().for_each(|point| point.seconds = 0.0);
                progress
            };
            let title = settings.objective.title();
            assert_eq!(timeless(run.progress()), timeless(&whole), "{title}");
            break;
        }
        // Between two evaluations the first time, at one the second time.
        let stop = |progress: &Progress| match progress.step {
            4 | 6 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let _ = run.advance(folder.path(), &stop).unwrap();
        stops.set(stops.get() + 1);
    }
    assert_eq!(stops.get(), 11);
}

#[test]
fn the_first_probability_of_a_class_is_the_one_that_is_asked_for() {
    let (classes, device) = (Squares::new().classes, Device::flex());
    for (background, expected) in [(false, 0.3), (true, 0.3 / (0.7 + 2.0 * 0.3))] {
        let config = Config { side: SIDE, classes: classes.clone(), background, criterion: None };
        let detector = Detector::new(&config, 0.3, 1, &device);
        let output = detector.forward(&[square(0)], &config, &device);
        let logits: Vec<f32> = output.logits.into_data().try_to_vec().unwrap();
        for row in logits.chunks(config.columns()) {
            for score in &scores(row, background)[..2] {
                assert!((score - expected).abs() < 0.05, "{score}");
            }
        }
    }
}

#[test]
fn the_same_settings_end_with_the_same_weights_on_any_number_of_threads() {
    let (objective, settings) = objective("focal", "giou");
    let data = Squares::new();
    let weights = |threads: usize, seed: u64| {
        let folder = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut run = Run::new(&data, &objective, Settings { seed, ..settings.clone() });
        let _ = pool.install(|| run.advance(folder.path(), &go_on).unwrap());
        let mut weights = Weights(Vec::new());
        run.detector().visit(&mut weights);
        weights.0
    };
    assert!(weights(1, 1) == weights(2, 1));
    assert!(weights(1, 1) != weights(1, 2));
}

/// Takes down every weight.
struct Weights(Vec<f32>);

impl ModuleVisitor for Weights {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.extend(param.val().into_data().try_to_vec::<f32>().unwrap());
    }
}

#[test]
fn a_stopped_run_is_not_gone_on_with_by_other_settings() {
    let (objective, settings) = objective("focal", "giou");
    let (folder, data) = (tempfile::tempdir().unwrap(), Squares::new());
    let start = || Run::new(&data, &objective, settings.clone());
    let _ = start().advance(folder.path(), &go_on).unwrap();
    assert_eq!(start().resume(folder.path()).unwrap().progress().step, 6);
    let other = Settings { rate: 1e-3, ..settings.clone() };
    let refused = Run::new(&data, &objective, other).resume(folder.path());
    assert!(refused.err().unwrap().to_string().contains("after 6 of 60 steps"));
    let path = folder.path().join("checkpoint.cbor");
    let whole = std::fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() - 1], &whole[..3], b"what else", b""] {
        std::fs::write(&path, damaged).unwrap();
        let problem = start().resume(folder.path()).err().unwrap().to_string();
        assert!(problem.contains("checkpoint.cbor is no checkpoint: remove it"), "{problem}");
    }
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_with_its_step() {
    let (objective, settings) = objective("bce", "l2");
    let (folder, data) = (tempfile::tempdir().unwrap(), Squares::new());
    let mut run = Run::new(&data, &objective, Settings { rate: 1e30, ..settings });
    let stopped = (0..10).find_map(|_| run.advance(folder.path(), &go_on).err()).unwrap();
    assert!(stopped.to_string().contains("at step"), "{stopped}");
}

#[test]
fn a_detector_that_is_lost_in_its_last_step_is_no_result() {
    let (objective, settings) = objective("focal", "giou");
    let (folder, data) = (tempfile::tempdir().unwrap(), Squares::new());
    let settings = Settings { rate: 1e30, steps: 1, ..settings };
    let lost = Run::new(&data, &objective, settings).advance(folder.path(), &go_on).unwrap_err();
    assert!(format!("{lost:#}").starts_with("after step 1: "), "{lost:#}");
    assert!(!folder.path().join("checkpoint.cbor").exists());
}

#[test]
fn steps_without_objects_do_not_count_in_the_loss_of_the_boxes() {
    /// As [`Squares`], but the first steps see nothing.
    struct Late(Squares);
    impl Data for Late {
        fn name(&self) -> &str {
            "late squares"
        }
        fn classes(&self) -> &[Class] {
            self.0.classes()
        }
        fn side(&self) -> usize {
            SIDE
        }
        fn train(&self, place: u64) -> Scene {
            square(if place < (1 << 40) + 4 { 4 } else { 0 })
        }
        fn held_out(&self) -> &[Scene] {
            self.0.held_out()
        }
        fn truth(&self) -> &GroundTruth {
            self.0.truth()
        }
    }
    let (objective, settings) = objective("focal", "giou");
    let (folder, data) = (tempfile::tempdir().unwrap(), Late(Squares::new()));
    // Two steps per evaluation; at this rate nothing is learned.
    let settings = Settings { rate: 1e-12, steps: 20, batch: 4, ..settings };
    let mut run = Run::new(&data, &objective, settings);
    let _ = run.advance(folder.path(), &go_on).unwrap();
    let _ = run.advance(folder.path(), &go_on).unwrap();
    let [first, second] = &run.progress().points[..] else { panic!("two points") };
    assert!(second.boxes > 0.1);
    assert!((first.boxes - second.boxes).abs() < 1e-3 * second.boxes, "{first:?} {second:?}");
}

#[test]
fn scenes_without_objects_are_trained_on_with_every_loss() {
    let scenes: Vec<Scene> = (0..4).map(|_| square(4)).collect();
    assert!(scenes.iter().all(|scene| scene.objects.is_empty()));
    let classes = Squares::new().classes;
    for entry in losses::ALL.iter().filter(|entry| is_of_scores(entry)) {
        let (objective, _) = objective(entry.name, "giou");
        let config = objective.config(SIDE, &classes);
        let device = Device::flex().autodiff();
        let detector = Detector::new(&config, 0.01, 1, &device);
        let output = detector.forward(&scenes, &config, &device);
        let states = &mut States::default();
        let value = objective.value(output, &scenes, &config, 0.0, states).unwrap();
        assert!(value.scores.is_finite(), "{}: {}", entry.name, value.scores);
        assert_eq!(value.boxes, None);
        let gradients = GradientsParams::from_grads(value.total.backward(), &detector);
        detector.visit(&mut Finite(&gradients));
    }
}

/// Looks at the gradient of every weight.
struct Finite<'a>(&'a GradientsParams);

impl ModuleVisitor for Finite<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.0.get::<D>(param.id) {
            let values: Vec<f32> = gradient.into_data().try_to_vec().unwrap();
            assert!(values.iter().all(|value| value.is_finite()));
        }
    }
}
