//! A training run: step after step, judged now and then, and able to go on after it was stopped.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail};
use burn::grad_clipping::GradientClippingConfig;
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer, OptimizerRecord};
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, Device};
use detloss_coco::{Detection, Options, Summary, summarize};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::augment::Augment;
use super::data::Data;
use super::decode::detections;
use super::detector::{Config, Detector};
use super::losses::States;
use super::objective::{Objective, Spec};
use super::scene::Scene;
use crate::output;

/// The share of the steps in which the learning rate rises.
const WARM_UP: f64 = 0.05;

/// No gradient of a layer is longer than this.
const LONGEST: f32 = 10.0;

/// So many bits of a place count scenes; those above are the seed.
const SEED_BITS: u32 = 40;

/// How often a run is judged.
const EVALUATIONS: usize = 10;

/// Scenes that are looked at together when a detector is judged.
pub(super) const AT_ONCE: usize = 50;

/// The file in the folder of a run that has all to go on from.
const CHECKPOINT: &str = "checkpoint.cbor";

/// All that makes a run what it is: two runs with the same settings end with the same weights, bit by bit, on any number of threads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// Where the scenes are from, in words.
    pub(crate) data: String,
    /// How scenes to train on are varied, in words.
    #[serde(default)]
    pub(crate) augment: Augment,
    /// Width and height of a scene, pixels.
    pub(crate) side: usize,
    /// What is minimised.
    #[serde(flatten)]
    pub(crate) objective: Spec,
    /// The probability of every class that the detector begins with.
    pub(crate) prior: f64,
    /// Steps of the optimizer.
    pub(crate) steps: usize,
    /// Scenes in a step.
    pub(crate) batch: usize,
    /// The highest learning rate.
    pub(crate) rate: f64,
    /// Where the random numbers begin.
    pub(crate) seed: u64,
}

/// How a run stands after some of its steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The steps done.
    pub(crate) step: usize,
    /// What they took, in seconds, without judging.
    pub(crate) seconds: f64,
    /// What of it went into the losses: values and gradients.
    pub(crate) loss_seconds: f64,
    /// The states of the losses.
    states: States,
    /// The loss of the scores since the last point.
    scores: Sum,
    /// The loss of the boxes since then, in steps with objects.
    boxes: Sum,
    /// How the run stood before.
    pub(crate) points: Vec<EvalPoint>,
}

/// Values of a loss, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sum {
    value: f64,
    count: usize,
}

impl Sum {
    fn add(&mut self, value: f64) {
        self.value += value;
        self.count += 1;
    }

    /// 0 of nothing.
    fn mean(self) -> f64 {
        self.value / self.count.max(1) as f64
    }
}

/// How well a detector did on the held-out scenes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EvalPoint {
    /// After so many steps.
    pub(crate) step: usize,
    /// After so many seconds of training.
    pub(crate) seconds: f64,
    /// The mean loss of the scores since the evaluation before.
    pub(crate) scores: f64,
    /// The mean loss of the boxes since the evaluation before, over the steps with objects; 0 if there was none.
    pub(crate) boxes: f64,
    /// The mean loss of the scores on the held-out scenes.
    #[serde(default)]
    pub(crate) held_out_scores: f64,
    /// The mean loss of the boxes there.
    #[serde(default)]
    pub(crate) held_out_boxes: f64,
    /// COCO's average precision, over IoU 0.5 to 0.95.
    pub(crate) ap: f64,
    /// At IoU 0.5.
    pub(crate) ap50: f64,
    /// At IoU 0.75.
    pub(crate) ap75: f64,
}

/// A run that is going on.
pub(crate) struct Run<'a> {
    data: &'a dyn Data,
    settings: Settings,
    objective: &'a Objective,
    config: Config,
    device: Device,
    detector: Detector,
    optimizer: ModuleOptimizer,
    progress: Progress,
}

/// After which steps a run of so many is judged.
pub(crate) fn points(steps: usize) -> impl Iterator<Item = usize> {
    let all: BTreeSet<usize> =
        (1..=EVALUATIONS).map(|point| (steps * point).div_ceil(EVALUATIONS)).collect();
    all.into_iter()
}

/// All that a run goes on from.
#[derive(Serialize, Deserialize)]
struct Checkpoint {
    settings: Settings,
    progress: Progress,
    #[serde(with = "serde_bytes")]
    detector: Vec<u8>,
    #[serde(with = "serde_bytes")]
    optimizer: Vec<u8>,
}

impl<'a> Run<'a> {
    /// A run before its first step.
    pub(crate) fn new(data: &'a dyn Data, objective: &'a Objective, settings: Settings) -> Self {
        let device = Device::flex().autodiff();
        let config = objective.config(data.side(), data.classes());
        let detector = Detector::new(&config, settings.prior, settings.seed, &device);
        let optimizer = AdamWConfig::new()
            .with_grad_clipping(Some(GradientClippingConfig::Norm(LONGEST)))
            .init();
        let progress = Progress::default();
        Self { data, settings, objective, config, device, detector, optimizer, progress }
    }

    /// Goes on where a run with the same settings was stopped, if `folder` has the half of one.
    ///
    /// # Errors
    ///
    /// If the half-done run there has other settings, or cannot be read.
    pub(crate) fn resume(mut self, folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(CHECKPOINT);
        let Some(file) = read_saved(&path)? else { return Ok(self) };
        let remedy = || format!("{} is no checkpoint: remove it to start anew", path.display());
        let (sum, body) = file.split_first_chunk().with_context(remedy)?;
        if *sum != crc32fast::hash(body).to_le_bytes() {
            bail!(remedy());
        }
        let checkpoint: Checkpoint = ciborium::from_reader(body).with_context(remedy)?;
        if checkpoint.settings != self.settings {
            bail!(
                "{} has a run with other settings that was stopped after {} of {} steps: give the same settings to go on, \
                 choose another --out, or remove {}",
                folder.display(),
                checkpoint.progress.step,
                checkpoint.settings.steps,
                path.display()
            );
        }
        let bytes = Bytes::from_bytes_vec(checkpoint.detector);
        let record = ModuleRecord::from_bytes(bytes).with_context(remedy)?;
        self.detector = self.detector.try_load_record(record).with_context(remedy)?;
        let bytes = Bytes::from_bytes_vec(checkpoint.optimizer);
        let record = OptimizerRecord::from_bytes(bytes).with_context(remedy)?;
        self.optimizer = self.optimizer.load_record(record);
        self.progress = checkpoint.progress;
        Ok(self)
    }

    /// How it stands.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What is trained.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The detector as it is now, for looking only.
    pub(crate) fn detector(&self) -> Detector {
        self.detector.valid()
    }

    /// Whether there is nothing left to do.
    pub(crate) fn is_done(&self) -> bool {
        self.progress.step >= self.settings.steps
    }

    /// Trains to the next evaluation, and writes a checkpoint into `folder`. `done` hears of every step and of the evaluation, and says
    /// whether to go on: a run that it breaks off has its checkpoint where it stands.
    ///
    /// # Errors
    ///
    /// If a loss or what the detector says is not finite, or the checkpoint cannot be written.
    pub(crate) fn advance(
        &mut self,
        folder: &Path,
        done: &dyn Fn(&Progress) -> ControlFlow<()>,
    ) -> anyhow::Result<ControlFlow<()>> {
        let until = points(self.settings.steps).find(|&step| step > self.progress.step);
        let until = until.unwrap_or(self.settings.steps);
        while self.progress.step < until {
            self.step()?;
            // At an evaluation that comes first: a run that goes on begins behind it.
            if done(&self.progress).is_break() && self.progress.step < until {
                self.save(folder)?;
                return Ok(ControlFlow::Break(()));
            }
        }
        let (summary, held_out) = self.evaluate()?;
        let value = |name: &str| {
            let metric = summary.iter().find(|metric| metric.name == name);
            metric.and_then(|metric| metric.value).unwrap_or_default()
        };
        let Progress { step, seconds, scores, boxes, .. } = self.progress;
        let [scores, boxes] = [scores, boxes].map(Sum::mean);
        let [held_out_scores, held_out_boxes] = held_out.map(Sum::mean);
        let [ap, ap50, ap75] = ["AP", "AP50", "AP75"].map(value);
        self.progress.points.push(EvalPoint {
            step,
            seconds,
            scores,
            boxes,
            held_out_scores,
            held_out_boxes,
            ap,
            ap50,
            ap75,
        });
        (self.progress.scores, self.progress.boxes) = Default::default();
        self.save(folder)?;
        Ok(done(&self.progress))
    }

    /// How long a step takes, in seconds. Two are done: the first warms up. They belong to no run.
    ///
    /// # Errors
    ///
    /// If a loss is not finite.
    pub(crate) fn time_of_step(mut self) -> anyhow::Result<f64> {
        self.step()?;
        let first = self.progress.seconds;
        self.step()?;
        Ok(self.progress.seconds - first)
    }

    /// How long all evaluations of the run take together, in seconds, by the first.
    ///
    /// # Errors
    ///
    /// If what the detector says is not finite.
    pub(crate) fn time_of_evaluations(&self) -> anyhow::Result<f64> {
        let start = Instant::now();
        self.evaluate()?;
        Ok(start.elapsed().as_secs_f64() * points(self.settings.steps).count() as f64)
    }

    /// One step of the optimizer.
    fn step(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        let Settings { batch, seed, .. } = self.settings;
        // A seed has a stretch of scenes of its own.
        let first = (seed << SEED_BITS) + (self.progress.step * batch) as u64;
        let scenes: Vec<Scene> =
            (first..first + batch as u64).into_par_iter().map(|at| self.data.train(at)).collect();
        let output = self.detector.forward(&scenes, &self.config, &self.device);
        let losses = Instant::now();
        let done = self.done();
        let states = &mut self.progress.states;
        let value = self.objective.value(output, &scenes, &self.config, done, states);
        let step = self.progress.step + 1;
        let value = value.with_context(|| {
            format!("at step {step} (where numbers are not finite, a lower --rate helps)")
        })?;
        self.progress.loss_seconds += losses.elapsed().as_secs_f64();
        let boxes = value.boxes.unwrap_or_default();
        if !(value.scores.is_finite() && boxes.is_finite()) {
            bail!(
                "the losses are {} (scores) and {boxes} (boxes) at step {step}: try a lower --rate",
                value.scores
            );
        }
        let gradients = GradientsParams::from_grads(value.total.backward(), &self.detector);
        let rate = self.rate();
        self.detector = self.optimizer.step(rate, self.detector.clone(), gradients);
        self.progress.scores.add(value.scores);
        if let Some(boxes) = value.boxes {
            self.progress.boxes.add(boxes);
        }
        self.progress.step += 1;
        self.progress.seconds += start.elapsed().as_secs_f64();
        Ok(())
    }

    /// Rises in a line, and falls to 0 along a cosine.
    fn rate(&self) -> f64 {
        let at = (self.progress.step as f64 + 0.5) / self.settings.steps as f64;
        let fall = ((at - WARM_UP).max(0.0) / (1.0 - WARM_UP) * std::f64::consts::PI).cos();
        self.settings.rate * (at / WARM_UP).min(1.0) * (1.0 + fall) / 2.0
    }

    /// COCO's numbers on the held-out scenes, and the losses of scores and boxes there.
    fn evaluate(&self) -> anyhow::Result<(Summary, [Sum; 2])> {
        let step = self.progress.step;
        let found = self.find(self.data.held_out());
        let found = found.with_context(|| format!("after step {step}"))?;
        let summary = summarize(self.data.truth(), &found.concat(), &Options::default());
        let losses = self.held_out_losses();
        Ok((summary, losses.with_context(|| format!("after step {step}"))?))
    }

    /// The losses on the held-out scenes, in batches as those of training. The states of the losses stay as they are.
    fn held_out_losses(&self) -> anyhow::Result<[Sum; 2]> {
        let (detector, device) = (self.detector(), Device::flex());
        let [mut scores, mut boxes] = [Sum::default(); 2];
        for scenes in self.data.held_out().chunks(self.settings.batch.min(AT_ONCE)) {
            let output = detector.forward(scenes, &self.config, &device);
            let mut states = self.progress.states.clone();
            let done = self.done();
            let value = self.objective.value(output, scenes, &self.config, done, &mut states)?;
            scores.add(value.scores);
            if let Some(value) = value.boxes {
                boxes.add(value);
            }
        }
        Ok([scores, boxes])
    }

    /// The share of the run that is done at the next step.
    fn done(&self) -> f64 {
        self.progress.step as f64 / (self.settings.steps - 1).max(1) as f64
    }

    /// The detections in each of these scenes.
    ///
    /// # Errors
    ///
    /// If the detector says a number that is not finite.
    pub(crate) fn find(&self, scenes: &[Scene]) -> anyhow::Result<Vec<Vec<Detection>>> {
        find(&self.detector(), &self.config, scenes)
    }

    /// The run is done: removes what it would have gone on from.
    ///
    /// # Errors
    ///
    /// If that cannot be removed.
    pub(crate) fn finish(self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(CHECKPOINT);
        fs::remove_file(&path).with_context(|| format!("could not remove {}", path.display()))
    }

    fn save(&self, folder: &Path) -> anyhow::Result<()> {
        // Looking brings running means up to date, which a record leaves a step behind.
        let _ = self.detector();
        let detector = self.detector.clone().into_record().into_bytes()?.to_vec();
        let optimizer = self.optimizer.to_record().into_bytes()?.to_vec();
        let (settings, progress) = (self.settings.clone(), self.progress.clone());
        let checkpoint = Checkpoint { settings, progress, detector, optimizer };
        // A checksum, and what it is of.
        let mut bytes = vec![0; 4];
        ciborium::into_writer(&checkpoint, &mut bytes)?;
        let sum = crc32fast::hash(&bytes[4..]).to_le_bytes();
        bytes[..4].copy_from_slice(&sum);
        output::save(folder, CHECKPOINT, &bytes)?;
        Ok(())
    }
}

/// The detections of a detector in each of these scenes.
///
/// # Errors
///
/// If the detector says a number that is not finite.
pub(crate) fn find(
    detector: &Detector,
    config: &Config,
    scenes: &[Scene],
) -> anyhow::Result<Vec<Vec<Detection>>> {
    let device = Device::flex();
    let detect = |scenes| detections(detector.forward(scenes, config, &device), scenes, config);
    let found: Vec<_> = scenes.chunks(AT_ONCE).map(detect).collect::<anyhow::Result<_>>()?;
    Ok(found.concat())
}

/// Reads what [`output::save`] wrote, if it is there.
pub(crate) fn read_saved(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some).with_context(|| format!("could not read {}", path.display())),
    }
}
