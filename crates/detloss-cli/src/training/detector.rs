//! The detector: a few convolutions, and two heads on a grid of cells. No anchors, one stage.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor, TensorData};
use detloss::criteria::Decoder;
use serde::{Deserialize, Serialize};

use super::criterion::Fitted;
use super::data::Class;
use super::output::{CELL, Output, middle, numbers};
use super::scene::{CHANNELS, Scene};
use crate::random::Random;

/// Smallest and largest width and height of what a detector sees, pixels: from a few cells to what a small detector can see.
pub(crate) const SIDES: [usize; 2] = [4 * CELL, 128 * CELL];

/// Channels and stride of every convolution.
const BODY: [(usize, usize); 6] = [(16, 2), (32, 2), (64, 1), (128, 2), (128, 1), (128, 1)];

/// Beyond e to this power of cells no side of a box lies.
const FARTHEST: f32 = 6.0;

/// Width and height of the boxes that a detector begins with, cells.
const FIRST: f64 = 2.0;

/// What a detector is made for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Config {
    /// Width and height of what it sees, pixels.
    pub(crate) side: usize,
    /// What it tells apart.
    pub(crate) classes: Vec<Class>,
    /// Whether background has a score of its own, after those of the classes: then the scores of a cell are a distribution.
    pub(crate) background: bool,
    /// The criterion that it is trained with, whose decoder makes boxes of its numbers. None: two losses, and its numbers are corners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) criterion: Option<Fitted>,
}

impl Config {
    /// Whether a detector can be made of it.
    pub(crate) fn is_sound(&self) -> bool {
        is_side(self.side) && !self.classes.is_empty()
    }

    /// Scores of a cell.
    pub(crate) fn columns(&self) -> usize {
        self.classes.len() + usize::from(self.background)
    }

    /// Cells in a row and in a column.
    pub(crate) fn grid(&self) -> usize {
        self.side / CELL
    }

    /// The corners of the boxes of all cells in pixels of the scene, four numbers each.
    ///
    /// # Errors
    ///
    /// What the criterion says of an output that is not its own.
    pub(crate) fn corners(&self, output: &Output, scenes: usize) -> detloss::Result<Vec<f32>> {
        match &self.criterion {
            Some(criterion) => criterion.corners(output, scenes, self.grid()),
            None => Ok(numbers(&output.boxes)),
        }
    }

    /// What makes a box of the numbers of a cell.
    fn decoder(&self) -> Decoder {
        self.criterion.as_ref().map_or(Decoder::Corners, Fitted::decoder)
    }

    /// Whether a cell has a quality, a logit besides those of its classes.
    fn has_quality(&self) -> bool {
        self.criterion.as_ref().is_some_and(Fitted::has_quality)
    }
}

/// Whether a detector can see scenes of this width and height.
pub(crate) fn is_side(side: usize) -> bool {
    (SIDES[0]..=SIDES[1]).contains(&side) && side.is_multiple_of(CELL)
}

/// Six convolutions and two heads; 390 thousand weights with ten classes.
#[derive(Module, Debug)]
pub(crate) struct Detector {
    body: Vec<Block>,
    scores: Conv2d,
    sides: Conv2d,
}

/// A convolution of 3 by 3, normalised over the batch.
#[derive(Module, Debug)]
struct Block {
    conv: Conv2d,
    norm: BatchNorm,
}

impl Detector {
    /// A detector that knows nothing and gives every class the probability `prior`; against background alone, if that has a score.
    /// The same seed makes the same weights.
    pub(crate) fn new(config: &Config, prior: f64, seed: u64, device: &Device) -> Self {
        let mut random = Random::new(seed);
        let mut from = CHANNELS;
        let mut body = Vec::new();
        for (to, stride) in BODY {
            let config = Conv2dConfig::new([from, to], [3, 3])
                .with_stride([stride, stride])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_bias(false);
            let norm = BatchNormConfig::new(to).init(device);
            let gain = (2.0 / (9 * from) as f64).sqrt();
            body.push(Block { conv: convolution(&config, gain, &[], &mut random, device), norm });
            from = to;
        }
        let head = |to: usize| Conv2dConfig::new([from, to], [1, 1]);
        let odd = (prior / (1.0 - prior)).ln() as f32;
        let mut odds = vec![odd; config.classes.len()];
        odds.resize(config.columns(), 0.0);
        let mut numbers = first_box(config.decoder());
        if let Some(criterion) = config.criterion.as_ref().filter(|_| config.has_quality()) {
            numbers.push(if criterion.has_objectness() { odd } else { 0.0 });
        }
        Self {
            body,
            scores: convolution(&head(config.columns()), 0.01, &odds, &mut random, device),
            sides: convolution(&head(numbers.len()), 0.01, &numbers, &mut random, device),
        }
    }

    /// Looks at scenes of one size.
    pub(crate) fn forward(&self, scenes: &[Scene], config: &Config, device: &Device) -> Output {
        let mut features = images(scenes, device);
        for Block { conv, norm } in &self.body {
            features = relu(norm.forward(conv.forward(features)));
        }
        let [count, _, rows, columns] = features.dims();
        let by_cell = |maps: Tensor<4>| {
            let fields = maps.dims()[1];
            maps.permute([0, 2, 3, 1]).reshape([count * rows * columns, fields])
        };
        let logits = by_cell(self.scores.forward(features.clone()));
        let numbers = by_cell(self.sides.forward(features));
        let of_box = config.decoder().columns();
        let quality = config.has_quality().then(|| numbers.clone().narrow(1, of_box, 1));
        let numbers = if quality.is_some() { numbers.narrow(1, 0, of_box) } else { numbers };
        let distances = |numbers: Tensor<2>| numbers.clamp(-FARTHEST, FARTHEST).exp();
        let boxes = match config.decoder() {
            // The distances of the four sides from the middle of the cell, in cells; to the left and to the top they are negative.
            Decoder::Corners => {
                let outwards = [-1.0, -1.0, 1.0, 1.0].map(|sign| sign * CELL as f32);
                let outwards = Tensor::<1>::from_data(outwards, device).unsqueeze::<2>();
                let middles = Tensor::<2>::from_data(middles(count, rows, columns), device);
                distances(numbers) * outwards + middles
            }
            Decoder::Distances => distances(numbers),
            // As offsets from what a cell begins with, so that no box is far from its cell at first.
            Decoder::Centers => {
                let first = logits_of_first(count, rows, columns);
                sigmoid(numbers + Tensor::<2>::from_data(first, device))
            }
            _ => numbers,
        };
        Output { logits, boxes, quality }
    }
}

/// What a decoder makes the box of that a cell begins with: about its middle, of [`FIRST`] cells.
fn first_box(decoder: Decoder) -> Vec<f32> {
    match decoder {
        // Each bin half as likely as the one before it: the mean is 1.
        Decoder::Bins(bins) => {
            (0..4 * bins).map(|number| -((number % bins) as f32) * std::f32::consts::LN_2).collect()
        }
        Decoder::Cell => {
            let side = FIRST.ln() as f32;
            vec![0.5, 0.5, side, side]
        }
        // Distances are powers of e, and centres begin at their cells.
        _ => vec![0.0; decoder.columns()],
    }
}

/// The logits of cx, cy, w, h of the box that every cell begins with, as fractions of the scene.
fn logits_of_first(scenes: usize, rows: usize, columns: usize) -> TensorData {
    let logit = |share: f64| (share / (1.0 - share)).ln() as f32;
    let mut values = Vec::with_capacity(scenes * rows * columns * 4);
    for cell in 0..scenes * rows * columns {
        let [x, y] = middle(cell % (rows * columns), columns);
        let [across, down] = [columns, rows].map(|cells| cells as f64);
        let center = [f64::from(x) / across, f64::from(y) / down].map(|at| at / CELL as f64);
        values.extend(center.map(logit));
        values.extend([across, down].map(|cells| logit(FIRST / cells)));
    }
    TensorData::new(values, [scenes * rows * columns, 4])
}

/// The weights are drawn here, because Burn's generator belongs to a backend and is one for all threads.
fn convolution(
    config: &Conv2dConfig,
    spread: f64,
    bias: &[f32],
    random: &mut Random,
    device: &Device,
) -> Conv2d {
    let mut conv = config.init(device);
    let shape = conv.weight.dims();
    let weights: Vec<f32> =
        (0..shape.iter().product()).map(|_| (spread * random.normal()) as f32).collect();
    conv.weight = Param::from_data(TensorData::new(weights, shape), device);
    conv.bias = conv.bias.map(|_| Param::from_data(TensorData::from(bias), device));
    conv
}

/// The scenes as `[scenes, CHANNELS, side, side]`, most values between -2 and 2.
fn images(scenes: &[Scene], device: &Device) -> Tensor<4> {
    let side = scenes[0].side;
    let mut values = Vec::with_capacity(scenes.len() * CHANNELS * side * side);
    for scene in scenes {
        for channel in 0..CHANNELS {
            let colors = scene.pixels.iter().skip(channel).step_by(CHANNELS);
            values.extend(colors.map(|&color| (f32::from(color) - 127.5) / 63.75));
        }
    }
    Tensor::from_data(TensorData::new(values, [scenes.len(), CHANNELS, side, side]), device)
}

/// x, y, x, y of the middle of every cell.
fn middles(scenes: usize, rows: usize, columns: usize) -> TensorData {
    let mut values = Vec::with_capacity(scenes * rows * columns * 4);
    for cell in 0..scenes * rows * columns {
        let [x, y] = middle(cell % (rows * columns), columns);
        values.extend([x, y, x, y]);
    }
    TensorData::new(values, [scenes * rows * columns, 4])
}
