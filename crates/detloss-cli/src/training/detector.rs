//! The detector: a few convolutions, and two heads on a grid of cells. No anchors, one stage.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::data::Class;
use super::scene::{CHANNELS, Scene};
use crate::random::Random;

/// Width and height of a cell, pixels: the strides of the body multiplied.
pub(crate) const CELL: usize = 8;

/// Smallest and largest width and height of what a detector sees, pixels: from a few cells to what a small detector can see.
pub(crate) const SIDES: [usize; 2] = [4 * CELL, 128 * CELL];

/// Channels and stride of every convolution.
const BODY: [(usize, usize); 6] = [(16, 2), (32, 2), (64, 1), (128, 2), (128, 1), (128, 1)];

/// Beyond e to this power of cells no side of a box lies.
const FARTHEST: f32 = 6.0;

/// What a detector is made for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Config {
    /// Width and height of what it sees, pixels.
    pub(crate) side: usize,
    /// What it tells apart.
    pub(crate) classes: Vec<Class>,
    /// Whether background has a score of its own, after those of the classes: then the scores of a cell are a distribution.
    pub(crate) background: bool,
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

/// What a detector says of all cells: those of a scene row by row, scene after scene.
pub(crate) struct Output {
    /// `[cells, columns]`.
    pub(crate) logits: Tensor<2>,
    /// Corners in pixels of the scene, `[cells, 4]`.
    pub(crate) corners: Tensor<2>,
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
        let mut odds = vec![(prior / (1.0 - prior)).ln() as f32; config.classes.len()];
        odds.resize(config.columns(), 0.0);
        Self {
            body,
            scores: convolution(&head(config.columns()), 0.01, &odds, &mut random, device),
            sides: convolution(&head(4), 0.01, &[0.0; 4], &mut random, device),
        }
    }

    /// Looks at scenes of one size.
    pub(crate) fn forward(&self, scenes: &[Scene], device: &Device) -> Output {
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
        // The distances of the four sides from the middle of the cell, in cells; to the left and to the top they are negative.
        let sides = by_cell(self.sides.forward(features)).clamp(-FARTHEST, FARTHEST).exp();
        let outwards = [-1.0, -1.0, 1.0, 1.0].map(|sign| sign * CELL as f32);
        let outwards = Tensor::<1>::from_data(outwards, device).unsqueeze::<2>();
        let middles = Tensor::<2>::from_data(middles(count, rows, columns), device);
        Output { logits, corners: sides * outwards + middles }
    }
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

/// x, y of the middle of a cell of a scene with so many cells in a row, pixels.
pub(crate) fn middle(cell: usize, columns: usize) -> [f32; 2] {
    [cell % columns, cell / columns].map(|place| (place * CELL) as f32 + CELL as f32 / 2.0)
}
