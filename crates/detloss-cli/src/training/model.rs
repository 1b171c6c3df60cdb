//! A trained detector as files: the weights in Burn's format, and beside them what they are for.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use burn::module::Module;
use burn::tensor::Device;

use super::detector::{Config, Detector};
use crate::output;

const WEIGHTS: &str = "model.bpk";
const CONFIG: &str = "model.json";

/// Writes model.bpk and model.json.
///
/// # Errors
///
/// If `folder` cannot be written to.
pub(crate) fn save(detector: Detector, config: &Config, folder: &Path) -> anyhow::Result<()> {
    let weights = detector.into_record().into_bytes()?;
    output::save(folder, WEIGHTS, &weights)?;
    output::save(folder, CONFIG, &serde_json::to_vec_pretty(config)?)?;
    Ok(())
}

/// Reads what [`save`] wrote.
///
/// # Errors
///
/// If it is not there, or does not fit together.
pub(crate) fn load(folder: &Path) -> anyhow::Result<(Detector, Config)> {
    let path = folder.join(CONFIG);
    let text = fs::read(&path).with_context(|| {
        format!(
            "could not read {}: give the folder that `detloss train` wrote as --model",
            path.display()
        )
    })?;
    let remedy = || format!("{} has no detector that fits: train it again", folder.display());
    let config: Config = serde_json::from_slice(&text).with_context(remedy)?;
    if !config.is_sound() {
        bail!(remedy());
    }
    let detector = Detector::new(&config, 0.5, 0, &Device::flex());
    let detector = detector.try_load_file(folder.join(WEIGHTS)).with_context(remedy)?;
    Ok((detector, config))
}
