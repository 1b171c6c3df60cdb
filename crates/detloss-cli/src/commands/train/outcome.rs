//! What a run ended with, and the file that says so.

use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::output::save;
use crate::training::files::ClassScore;
use crate::training::run::{EvalPoint, Progress, Settings, points, read_saved};

/// Its file: where it is, the run is done.
const FILE: &str = "result.json";

/// A run that is done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) settings: Settings,
    /// Of training, without judging.
    pub(super) seconds: f64,
    /// The share of that time which went into the losses: values and gradients.
    pub(super) loss_share: f64,
    pub(super) points: Vec<EvalPoint>,
    /// How well each class was found at the end.
    #[serde(default)]
    pub(super) classes: Vec<ClassScore>,
}

impl Outcome {
    pub(super) fn new(settings: Settings, progress: &Progress, classes: Vec<ClassScore>) -> Self {
        let Progress { seconds, loss_seconds, points, .. } = progress.clone();
        Self { settings, seconds, loss_share: loss_seconds / seconds, points, classes }
    }

    /// How the run in this folder ended, if it did.
    ///
    /// # Errors
    ///
    /// If it had other settings, or the file is damaged.
    pub(super) fn read(folder: &Path, settings: &Settings) -> anyhow::Result<Option<Self>> {
        let path = folder.join(FILE);
        let Some(text) = read_saved(&path)? else { return Ok(None) };
        let remedy = || format!("{} is no result: remove it to train again", path.display());
        let outcome: Self = serde_json::from_slice(&text).with_context(remedy)?;
        if outcome.settings != *settings {
            bail!(
                "{} has a run with other settings: give the same ones, or choose another --out",
                folder.display()
            );
        }
        if !outcome.points.iter().map(|point| point.step).eq(points(settings.steps)) {
            bail!(remedy());
        }
        Ok(Some(outcome))
    }

    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        save(folder, FILE, &serde_json::to_vec_pretty(self)?)?;
        Ok(())
    }

    /// How the run ended.
    pub(super) fn last(&self) -> &EvalPoint {
        self.points.last().expect("a run has steps, and is evaluated after the last")
    }

    /// A line for every time that the detector was judged.
    pub(super) fn curves(&self) -> anyhow::Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for point in &self.points {
            writer.serialize(point)?;
        }
        Ok(writer.into_inner()?)
    }
}
