//! A trained detector as files: the weights in Burn's format and as safetensors, and beside them what they are for.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use serde_json::{Map, Value, json};

use super::detector::{Config, Detector};
use crate::output;

const WEIGHTS: &str = "model.bpk";
const EXPORT: &str = "model.safetensors";
const CONFIG: &str = "model.json";

/// Writes model.bpk, model.safetensors and model.json.
///
/// # Errors
///
/// If `folder` cannot be written to.
pub(crate) fn save(detector: Detector, config: &Config, folder: &Path) -> anyhow::Result<()> {
    output::save(folder, EXPORT, &safetensors(&detector)?)?;
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

/// The weights as safetensors has them: the length of a header, the header, which is JSON, and the numbers. Names are those of the
/// modules, with the shapes of PyTorch: `body.0.conv.weight`, `body.0.norm.gamma` …
fn safetensors(detector: &Detector) -> anyhow::Result<Vec<u8>> {
    let mut weights = Weights::default();
    detector.visit(&mut weights);
    let Weights { mut header, numbers, .. } = weights;
    header.insert("__metadata__".into(), json!({"format": "pt"}));
    let mut header = serde_json::to_vec(&header)?;
    // So that the numbers begin at a multiple of eight.
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok([&(header.len() as u64).to_le_bytes()[..], &header, &numbers].concat())
}

/// Takes down every weight with its name.
#[derive(Default)]
struct Weights {
    path: Vec<String>,
    header: Map<String, Value>,
    numbers: Vec<u8>,
}

impl ModuleVisitor for Weights {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        let (shape, begin) = (tensor.dims().to_vec(), self.numbers.len());
        let values = tensor.without_autodiff().into_data().try_to_vec::<f32>();
        let values = values.expect("the detector computes in f32");
        self.numbers.extend(values.into_iter().flat_map(f32::to_le_bytes));
        let place = [begin, self.numbers.len()];
        let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": place});
        self.header.insert(self.path.join("."), entry);
    }
}

#[cfg(test)]
mod tests {
    use super::super::data::Class;
    use super::*;

    #[test]
    fn safetensors_have_every_weight_once_under_its_name() {
        let classes = ["a", "b", "c"].map(|name| Class::new(1, name)).to_vec();
        let config = Config { side: 32, classes, background: false, criterion: None };
        let detector = Detector::new(&config, 0.01, 1, &Device::flex());
        let bytes = safetensors(&detector).unwrap();
        let (length, rest) = bytes.split_first_chunk::<8>().unwrap();
        let (header, numbers) = rest.split_at(u64::from_le_bytes(*length) as usize);
        let header: Map<String, Value> = serde_json::from_slice(header).unwrap();
        assert_eq!(header["body.0.conv.weight"]["shape"], json!([16, 3, 3, 3]));
        assert_eq!(header["body.5.norm.running_var"]["shape"], json!([128]));
        assert_eq!(header["scores.weight"]["shape"], json!([3, 128, 1, 1]));
        assert_eq!(header["sides.bias"]["shape"], json!([4]));
        // Of each block a convolution, and four of its normalisation; and two heads with weights and biases.
        assert_eq!(header.len(), 6 * 5 + 2 * 2 + 1);
        let mut end = 0;
        for (name, entry) in header.iter().filter(|(name, _)| *name != "__metadata__") {
            let count: u64 =
                entry["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).product();
            assert_eq!(entry["data_offsets"], json!([end, end + 4 * count]), "{name}");
            end += 4 * count;
        }
        assert_eq!(end as usize, numbers.len());
        let at = header["scores.bias"]["data_offsets"][0].as_u64().unwrap() as usize;
        // What others read it with.
        let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(read.len() + 1, header.len());
        for (name, tensor) in read.iter() {
            assert_eq!(header[name]["shape"], json!(tensor.shape()), "{name}");
            let [from, to] = [0, 1].map(|end| header[name]["data_offsets"][end].as_u64().unwrap());
            assert_eq!(tensor.data(), &numbers[from as usize..to as usize], "{name}");
        }
        let odd = f32::from_le_bytes(numbers[at..at + 4].try_into().unwrap());
        assert!((odd - (0.01_f32 / 0.99).ln()).abs() < 1e-6, "{odd}");
    }
}
